//! This side of a run: the terminal, and the signals that this program is told.

use crate::client::ClientError;
use crate::protocol::Code;
use crate::sys;
use crate::verb::Terminal;
use std::io::{self, IsTerminal};
use std::task::{Context, Poll};
use tokio::signal::unix::{self, SignalKind};

/// This terminal, where there is one on both sides.
pub fn own_terminal() -> Option<Terminal> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let (columns, rows) = sys::own_terminal_size()?;
    let kind = std::env::var("TERM").unwrap_or_default();
    Some(Terminal {
        kind: kind.chars().take(64).collect(),
        columns,
        rows,
    })
}

/// What the system tells this program while it follows a run. From then on nothing waits for a reader
/// while one of them has come and was not heard.
pub struct Signals {
    /// The program should end.
    pub end: End,
    /// Ctrl-C.
    pub interrupt: Heard,
}

/// What the system tells this program while a run has its terminal.
pub struct OfTerminal {
    stop: Heard,
    again: Heard,
    quit: Heard,
    window: Heard,
}

/// What a program is told whose terminal is a run's.
pub enum Ring {
    /// To stop, and give the terminal back meanwhile.
    Stop,
    /// It goes on.
    Again,
    /// To end at once.
    Quit,
    /// The terminal has another size.
    Size,
}

impl OfTerminal {
    pub fn new() -> Result<Self, ClientError> {
        Ok(Self {
            stop: Heard::new(SignalKind::from_raw(libc::SIGTSTP))?,
            again: Heard::new(SignalKind::from_raw(libc::SIGCONT))?,
            quit: Heard::new(SignalKind::quit())?,
            window: Heard::new(SignalKind::window_change())?,
        })
    }

    pub async fn rung(&mut self) -> Ring {
        tokio::select! {
            () = self.stop.rung() => Ring::Stop,
            () = self.again.rung() => Ring::Again,
            () = self.quit.rung() => Ring::Quit,
            () = self.window.rung() => Ring::Size,
        }
    }
}

pub struct End {
    terminate: Heard,
    hangup: Heard,
}

/// A signal, unless whoever started this program has told it to ignore it: then it goes on doing
/// so.
pub struct Heard(Option<unix::Signal>);

impl Heard {
    pub fn new(kind: SignalKind) -> Result<Self, ClientError> {
        if sys::is_ignored(kind.as_raw_value()) {
            return Ok(Self(None));
        }
        let heard = unix::signal(kind);
        heard.map(|heard| Self(Some(heard))).map_err(unheard)
    }

    /// The same for one that wants this program to end.
    fn to_end(kind: SignalKind) -> Result<Self, ClientError> {
        if !sys::is_ignored(kind.as_raw_value()) {
            sys::count_signal(kind.as_raw_value()).map_err(unheard)?;
        }
        Self::new(kind)
    }

    pub async fn rung(&mut self) {
        match &mut self.0 {
            Some(heard) => drop(heard.recv().await),
            None => std::future::pending().await,
        }
        sys::signals_heard();
    }
}

fn unheard(fault: io::Error) -> ClientError {
    ClientError::new(Code::Internal, format!("signals: {fault}"))
}

impl Signals {
    /// Whether the program should end, or Ctrl-C was typed.
    pub fn poll_rung(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let End { terminate, hangup } = &mut self.end;
        for heard in [&mut self.interrupt, terminate, hangup] {
            if let Some(heard) = &mut heard.0
                && heard.poll_recv(context).is_ready()
            {
                sys::signals_heard();
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    pub fn new() -> Result<Self, ClientError> {
        Ok(Self {
            end: End {
                terminate: Heard::to_end(SignalKind::terminate())?,
                hangup: Heard::to_end(SignalKind::hangup())?,
            },
            interrupt: Heard::to_end(SignalKind::interrupt())?,
        })
    }
}

impl End {
    pub async fn rung(&mut self) {
        tokio::select! {
            () = self.terminate.rung() => {}
            () = self.hangup.rung() => {}
        }
    }
}
