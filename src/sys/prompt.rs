//! A line that is typed at a terminal, which is as it was before on every way out: by the line's end, by
//! a signal that ends this program, and while this program is stopped.

use super::poll::wait_either;
use super::terminal::check;
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// What has come of a prompt.
#[derive(Debug)]
pub enum Typed {
    /// A line, without its end.
    Line(Zeroizing<Vec<u8>>),
    /// The end of input, before anything else.
    Nothing,
    /// A signal that usually ends this program; somebody in it has heard it.
    Interrupted,
}

/// What is typed at a prompt, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// Every letter.
    Shown,
    /// The end of the line alone.
    Hidden,
}

/// Bytes of a line, as many as a terminal keeps.
const LINE: usize = 4096;
/// What ends or stops a program that waits at a terminal, unless it is ignored.
const SIGNALS: [i32; 7] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];
/// Those of them after which the program goes on.
const STOPS: [i32; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// One prompt at a time.
static ONE: Mutex<()> = Mutex::new(());
/// Where the handler notes a signal, while there is a prompt.
static NOTE: AtomicI32 = AtomicI32::new(-1);

/// Asks for a line at this terminal. After a stop the terminal is made ready and the prompt shown again.
///
/// # Errors
/// As the calls on the terminal.
pub fn type_line(
    input: &File,
    output: &mut dyn Write,
    prompt: &str,
    echo: Echo,
) -> io::Result<Typed> {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let signals = Signals::noted()?;
        let asked = ask(input, output, prompt, echo, &signals);
        // From here on a signal does again what it usually does.
        drop(signals);
        match asked? {
            Asked::Typed(typed) => return Ok(typed),
            Asked::Signal(number) => {
                // SAFETY: a number that is a signal's.
                unsafe { libc::raise(number) };
                if !STOPS.contains(&number) {
                    return Ok(Typed::Interrupted);
                }
            }
        }
    }
}

/// What one try has come to.
enum Asked {
    Typed(Typed),
    Signal(i32),
}

/// Shows the prompt and reads, until there is a line or a signal.
fn ask(
    input: &File,
    output: &mut dyn Write,
    prompt: &str,
    echo: Echo,
    signals: &Signals,
) -> io::Result<Asked> {
    let hidden = match echo {
        Echo::Shown => None,
        Echo::Hidden => match Hidden::begin(input.as_fd()) {
            Ok(hidden) => Some(hidden),
            // In the background: the signal that says so is noted.
            Err(fault) if fault.kind() == ErrorKind::Interrupted => {
                return signals.first().map(Asked::Signal);
            }
            Err(fault) => return Err(fault),
        },
    };
    write!(output, "{prompt}")?;
    output.flush()?;
    let asked = read_line(input, signals);
    drop(hidden);
    if !matches!(asked, Ok(Asked::Typed(Typed::Line(_)))) {
        let _ = writeln!(output);
    }
    asked
}

fn read_line(mut input: &File, signals: &Signals) -> io::Result<Asked> {
    let mut line = Zeroizing::new(Vec::with_capacity(LINE));
    let mut piece = Zeroizing::new([0; LINE]);
    loop {
        if wait_either(signals.reader.as_fd(), input.as_fd())? {
            return signals.first().map(Asked::Signal);
        }
        let count = match input.read(piece.as_mut_slice()) {
            Ok(count) => count,
            Err(fault)
                if matches!(fault.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) =>
            {
                continue;
            }
            Err(fault) => return Err(fault),
        };
        let read = piece.get(..count).unwrap_or_default();
        let end = read.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        line.extend_from_slice(read.get(..end.unwrap_or(count)).unwrap_or_default());
        if end.is_some() || (count == 0 && !line.is_empty()) || line.len() >= LINE {
            return Ok(Asked::Typed(Typed::Line(line)));
        }
        if count == 0 {
            return Ok(Asked::Typed(Typed::Nothing));
        }
    }
}

/// A terminal that does not show what is typed, for as long as this lives.
struct Hidden<'f> {
    terminal: BorrowedFd<'f>,
    before: libc::termios,
}

impl<'f> Hidden<'f> {
    fn begin(terminal: BorrowedFd<'f>) -> io::Result<Self> {
        // SAFETY: an all-zero structure is a valid one, and the call fills it.
        let mut before: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: `before` lives through the call.
        check(unsafe { libc::tcgetattr(terminal.as_raw_fd(), &raw mut before) })?;
        let mut hidden = before;
        hidden.c_lflag &= !libc::ECHO;
        hidden.c_lflag |= libc::ECHONL | libc::ICANON | libc::ISIG;
        // SAFETY: `hidden` lives through the call.
        check(unsafe { libc::tcsetattr(terminal.as_raw_fd(), libc::TCSANOW, &raw const hidden) })?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // A signal may come in between, but not again and again.
        for _ in 0..SIGNALS.len() {
            // SAFETY: the structure is as the kernel gave it.
            let done = unsafe {
                libc::tcsetattr(
                    self.terminal.as_raw_fd(),
                    libc::TCSANOW,
                    &raw const self.before,
                )
            };
            if done == 0 || io::Error::last_os_error().kind() != ErrorKind::Interrupted {
                return;
            }
        }
    }
}

/// Signals that are noted, in place of what they usually do, for as long as this lives.
struct Signals {
    reader: PipeReader,
    before: Vec<(i32, libc::sigaction)>,
    /// What the handler writes to; closed after it is nobody's any more.
    _writer: PipeWriter,
}

impl Signals {
    fn noted() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        NOTE.store(writer.as_raw_fd(), Ordering::SeqCst);
        let mut signals = Self {
            reader,
            before: Vec::new(),
            _writer: writer,
        };
        for number in SIGNALS
            .into_iter()
            .filter(|number| !super::is_ignored(*number))
        {
            // SAFETY: all-zero structures are valid ones, the handler does what a handler may, and both
            // live through the call. Without SA_RESTART, so that a call that waits comes back.
            let before = unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                let mut before: libc::sigaction = std::mem::zeroed();
                let handler: extern "C" fn(i32) = note;
                action.sa_sigaction = handler as usize;
                check(libc::sigaction(number, &raw const action, &raw mut before))?;
                before
            };
            signals.before.push((number, before));
        }
        Ok(signals)
    }

    /// The first that was noted.
    fn first(&self) -> io::Result<i32> {
        let mut number = [0];
        (&self.reader).read_exact(&mut number)?;
        Ok(i32::from(number[0]))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (number, before) in &self.before {
            // SAFETY: the structure is as the kernel gave it.
            unsafe { libc::sigaction(*number, before, std::ptr::null_mut()) };
        }
        NOTE.store(-1, Ordering::SeqCst);
    }
}

/// Writes a signal's number into the pipe; all that a handler may do.
extern "C" fn note(number: i32) {
    let byte = u8::try_from(number).unwrap_or_default();
    // SAFETY: write(2) may be called in a handler, with one byte that lives through it; errno is as it
    // was for whoever was interrupted.
    unsafe {
        let errno = errno();
        let before = *errno;
        libc::write(NOTE.load(Ordering::SeqCst), (&raw const byte).cast(), 1);
        *errno = before;
    }
}

/// Where this thread's errno is.
fn errno() -> *mut i32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe {
        #[cfg(target_os = "linux")]
        return libc::__errno_location();
        #[cfg(not(target_os = "linux"))]
        return libc::__error();
    }
}
