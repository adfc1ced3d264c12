//! Standard input for a run: pipes and terminals are waited for as any socket is; only what cannot
//! be waited for, such as a file, is read in a thread of its own.

use crate::client::DurableInput;
use crate::limits::DATA_FRAME;
use crate::sys;
use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};

/// Rings when the person wants to leave.
pub type Leaving = oneshot::Receiver<()>;

/// Rings when standard input cannot be read.
pub type Broken = oneshot::Receiver<io::Error>;

/// Standard input for a run. At a terminal `~.` at the
/// beginning of a line rings `leave`, as ssh has it: the only way out of a link that hangs. What
/// cannot be read rings `broken`, and is no end of input: half an input would look like a whole one.
pub async fn feed(
    input: DurableInput,
    mut leave: Option<oneshot::Sender<()>>,
    broken: oneshot::Sender<io::Error>,
) {
    let mut line = Line::Begun;
    let mut pieces = Pieces::of_standard_input();

    loop {
        let piece = match pieces.next().await {
            Ok(piece) if piece.is_empty() => break,
            Ok(piece) => piece,
            Err(fault) => {
                let _ = broken.send(fault);
                return;
            }
        };
        if leave.is_some() && piece.iter().any(|byte| line.leaves(*byte)) {
            if let Some(leave) = leave.take() {
                let _ = leave.send(());
            }
            return;
        }

        if !input.send(&piece).await {
            // The command reads no more.
            return;
        }
    }

    input.end();
}

/// Standard input piece by piece. No more is read than is taken.
pub enum Pieces {
    /// It can be waited for.
    Here(Here),
    /// A thread reads it, because reading blocks.
    Thread(mpsc::Receiver<io::Result<Vec<u8>>>),
}

impl Pieces {
    /// Standard input from where it is.
    pub fn of_standard_input() -> Self {
        match Here::begin() {
            Some(here) => Self::Here(here),
            None => Self::Thread(read_in_a_thread()),
        }
    }

    /// The next bytes; none at the end. Cancel-safe.
    ///
    /// # Errors
    /// As read(2).
    pub async fn next(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Here(here) => here.next().await,
            Self::Thread(pieces) => pieces.recv().await.unwrap_or_else(|| Ok(Vec::new())),
        }
    }
}

/// Standard input that can be waited for.
pub struct Here {
    watched: AsyncFd<OwnedFd>,
    /// Whether a read that fills less than there is room for has emptied it. A terminal gives a line
    /// at a time.
    is_pipe: bool,
    buffer: Vec<u8>,
}

impl Here {
    fn begin() -> Option<Self> {
        let own = sys::reopened(io::stdin().as_fd(), false)?;
        let is_pipe = !own.is_terminal();
        let watched = sys::watch(own.into(), Interest::READABLE).ok()?;
        let buffer = vec![0; DATA_FRAME];
        Some(Self {
            watched,
            is_pipe,
            buffer,
        })
    }

    async fn next(&mut self) -> io::Result<Vec<u8>> {
        let buffer = &mut self.buffer;
        loop {
            let mut ready = self.watched.readable().await?;
            match ready.try_io(|file| sys::read_once(file.get_ref().as_fd(), buffer)) {
                Ok(Ok(count)) => {
                    // It need not be asked only to hear that there is no more.
                    if self.is_pipe && count > 0 && count < buffer.len() {
                        ready.clear_ready();
                    }
                    return Ok(buffer.get(..count).unwrap_or_default().to_vec());
                }
                Ok(Err(fault)) if fault.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(fault)) => return Err(fault),
                Err(_) => {}
            }
        }
    }
}

fn read_in_a_thread() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, pieces) = mpsc::channel(2);
    std::thread::spawn(move || {
        loop {
            let piece = next_piece();
            let last = piece.as_ref().map_or(true, Vec::is_empty);
            if sender.blocking_send(piece).is_err() || last {
                return;
            }
        }
    });
    pieces
}

/// The next bytes of standard input; none at its end. Waits also where the descriptor does not.
fn next_piece() -> io::Result<Vec<u8>> {
    let mut stdin = io::stdin().lock();
    let mut piece = vec![0; DATA_FRAME];
    loop {
        match stdin.read(&mut piece) {
            Ok(count) => {
                piece.truncate(count);
                return Ok(piece);
            }
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
                let waited = sys::wait_readable(stdin.as_fd(), Duration::from_secs(3600));
                let late = |fault: &io::Error| fault.kind() == io::ErrorKind::TimedOut;
                waited.or_else(|fault| if late(&fault) { Ok(()) } else { Err(fault) })?;
            }
            Err(fault) => return Err(fault),
        }
    }
}

/// Where in a line the last key was.
enum Line {
    Begun,
    Tilde,
    Within,
}

impl Line {
    fn leaves(&mut self, byte: u8) -> bool {
        let leaves = matches!((&self, byte), (Self::Tilde, b'.'));
        *self = match (&self, byte) {
            (_, b'\r' | b'\n') => Self::Begun,
            (Self::Begun, b'~') => Self::Tilde,
            _ => Self::Within,
        };

        leaves
    }
}
