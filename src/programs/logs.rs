//! The operators' log: to standard error, as text or JSON, and what was loud in it kept for
//! `status`.

use crate::ipc::Logs;
use crate::monitor::LastFaults;
use std::fmt::{Debug, Write};
use std::io::{self, IsTerminal};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
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
        .finish(io::stderr());
    if let Some(faults) = &faults {
        let dropped = writer.error_counter();
        faults.counts_dropped(move || dropped.dropped_lines());
    }
    let journal = logs == Logs::Journal;
    let format = tracing_subscriber::fmt::layer()
        .with_writer(Lines { writer, journal })
        .with_target(false);
    let registry = tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(faults.map(Remember));
    // A second subscriber (tests in one process) is refused, and the first goes on.
    let _ = match logs {
        // The journal has the time of each line itself.
        Logs::Journal => tracing::subscriber::set_global_default(
            registry.with(format.without_time().with_ansi(false)),
        ),
        Logs::Text => tracing::subscriber::set_global_default(
            registry.with(format.with_ansi(io::stderr().is_terminal())),
        ),
        Logs::Json => tracing::subscriber::set_global_default(registry.with(format.json())),
    };
    Log { _thread: thread }
}

/// Where lines go; in front of those for the journal stands their priority (sd-daemon(3)).
struct Lines {
    writer: NonBlocking,
    journal: bool,
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Line;

    fn make_writer(&'w self) -> Line {
        Line {
            writer: self.writer.clone(),
            priority: "",
        }
    }

    fn make_writer_for(&'w self, event: &Metadata<'_>) -> Line {
        let priority = match *event.level() {
            _ if !self.journal => "",
            Level::ERROR => "<3>",
            Level::WARN => "<4>",
            Level::INFO => "<6>",
            _ => "<7>",
        };
        Line {
            priority,
            ..self.make_writer()
        }
    }
}

/// A line, which is written at once.
struct Line {
    writer: NonBlocking,
    priority: &'static str,
}

impl io::Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let whole = [self.priority.as_bytes(), line].concat();
        self.writer.write_all(&whole).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
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
