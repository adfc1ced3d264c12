//! The operators' log: to standard error, as text or JSON, and what was loud in it kept for
//! `status`.

use crate::ipc::Logs;
use crate::monitor::LastFaults;
use std::fmt::{Debug, Write};
use std::io::IsTerminal;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Lines that may wait for whoever reads the log; more are dropped and counted.
const LINES_WAITING: usize = 1024;

/// The log of this process; what waits when it is dropped gets a moment to be written.
#[must_use = "the log ends when this is dropped"]
pub struct Log {
    _thread: WorkerGuard,
}

/// Starts the log of this process; the monitor's warnings are remembered too. Lines are written in a
/// thread of their own: a reader that stops reading stops nothing else.
pub fn start(logs: Logs, faults: Option<LastFaults>) -> Log {
    let (writer, thread) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES_WAITING)
        .thread_name("log")
        .finish(std::io::stderr());
    if let Some(faults) = &faults {
        let dropped = writer.error_counter();
        faults.counts_dropped(move || dropped.dropped_lines());
    }
    let format = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_target(false);
    let registry = tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(faults.map(Remember));
    // A second subscriber (tests in one process) is refused, and the first goes on.
    let _ = match logs {
        Logs::Text => tracing::subscriber::set_global_default(
            registry.with(format.with_ansi(std::io::stderr().is_terminal())),
        ),
        Logs::Json => tracing::subscriber::set_global_default(registry.with(format.json())),
    };
    Log { _thread: thread }
}

struct Remember(LastFaults);

impl<S: Subscriber> Layer<S> for Remember {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= Level::WARN {
            let mut words = Words::default();
            event.record(&mut words);
            self.0.note(&words.message, words.fields.trim_start());
        }
    }
}

#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
