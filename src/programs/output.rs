//! What the programs print goes out here, whole or not at all, and each of them ends by asking
//! whether it did: success is never said when bytes were lost.

use super::{caught, display};
use crate::exit::Status;
use crate::sys;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What has kept something from being printed, and where; the first that did.
static FAULT: Mutex<Option<(&'static str, io::Error)>> = Mutex::new(None);

/// How a program ends that has looked whether all it printed went out. Only `finish` makes one.
#[must_use]
pub struct Finished(Status);

impl From<Finished> for ExitCode {
    fn from(finished: Finished) -> Self {
        Self::from(finished.0.0)
    }
}

/// Looks whether all went out that was printed. If not, that is how the program has ended: quietly,
/// as any program whose reader has gone away, or with the system's sentence.
pub fn finish(status: Status) -> Finished {
    let fault = FAULT.lock().unwrap_or_else(PoisonError::into_inner).take();
    Finished(match fault {
        None => status,
        Some((_, fault)) if fault.kind() == io::ErrorKind::BrokenPipe => Status::READER_GONE,
        Some((name, fault)) if is_left(&fault) => {
            complain(&format!(
                "ordain: {name} was not taken by whoever reads it, so not all of it is there"
            ));
            Status::OWN_FAILURE
        }
        Some((name, fault)) => {
            complain(&format!(
                "ordain: {name} could not be written, so not all of it is there: {fault}"
            ));
            Status::OWN_FAILURE
        }
    })
}

/// Whether it is only that nobody is waited for any more.
fn is_left(fault: &io::Error) -> bool {
    matches!(
        fault.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// Prints a line to standard output. Whatever the line is made of, it is one line and harmless to a
/// terminal: nothing else prints what a server or a file says.
pub fn say(line: &str) {
    let _ = print(false, format!("{}\n", display::plain(line)).as_bytes());
}

/// Prints several lines to standard output, each as [`say`] does.
#[cfg(target_os = "linux")]
pub fn say_lines(text: &str) {
    text.lines().for_each(say);
}

/// Prints JSON to standard output, in printable ASCII: whatever a server says, a terminal sees
/// plain characters.
pub fn say_json(value: &serde_json::Value) {
    if caught::catch_json(value) {
        return;
    }
    let line = crate::audit::line(value).unwrap_or_default();
    say(String::from_utf8_lossy(&line).trim_end());
}

/// Prints a line to standard error, as [`say`] does to standard output. That somebody does not hear
/// it is no reason to fail.
pub fn complain(line: &str) {
    let line = format!("{}\n", display::plain(line));
    if caught::catch(true, line.as_bytes()).is_none() {
        let _ = written(true, line.as_bytes(), Waits::UntilSignal);
    }
}

/// Who waits for a reader that does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// The thread that hears of signals: one of them ends the waiting.
    UntilSignal,
    /// A thread that does nothing but write.
    ForReader,
}

/// Until when anybody waits for a reader, once this program is to end.
static HURRY: OnceLock<Instant> = OnceLock::new();
/// For how long that is.
const HURRIED: Duration = Duration::from_secs(1);
/// Bytes that a pipe takes whole when it can take anything.
const TAKEN_WHOLE: usize = 4096;

/// This program is to end: whoever stays and does not read holds it up no longer.
pub fn hurry() {
    let _ = HURRY.set(Instant::now() + HURRIED);
}

/// Prints bytes as they are, all of them, to standard output or error.
///
/// # Errors
/// As write(2). It is noted, and `finish` tells it.
pub fn print(error: bool, bytes: &[u8]) -> io::Result<()> {
    whole(error, bytes, Waits::UntilSignal)
}

/// Prints as [`print`] does, in a thread of its own, which waits for a reader for as long as it
/// takes.
///
/// # Errors
/// What [`print`] says.
pub fn pour(error: bool, bytes: &[u8]) -> io::Result<()> {
    whole(error, bytes, Waits::ForReader)
}

/// Prints as much as is taken now; that nothing is taken is [`io::ErrorKind::WouldBlock`]. Only where
/// writing [`never_blocks`].
///
/// # Errors
/// As write(2). But for that one it is noted, and `finish` tells it.
pub fn print_some(error: bool, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        return Ok(0);
    }
    if let Some(caught) = caught::catch(error, bytes) {
        return caught.map(|()| bytes.len());
    }
    let once = |way: &mut Opened| loop {
        match way.file.write(bytes) {
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            done => return done,
        }
    };
    let waits = Waits::UntilSignal;
    match beside_progress(error, waits, || with(error, waits, once)) {
        Err(fault) if fault.kind() != io::ErrorKind::WouldBlock => Err(noted(error, fault)),
        done => done,
    }
}

/// Whether writing to standard output or error never blocks: a pipe or terminal that could be opened
/// anew. To be asked by whoever hears of signals, before a thread of its own writes.
pub fn never_blocks(error: bool) -> bool {
    with(error, Waits::UntilSignal, |way| Ok(way.never_blocks)).unwrap_or(false)
}

/// Standard output or error, watched until it takes more.
///
/// # Errors
/// When the kernel cannot watch it.
pub fn watched(error: bool) -> io::Result<Way> {
    let file = with(error, Waits::UntilSignal, |way| way.file.try_clone())?;
    sys::watch(file.into(), Interest::WRITABLE).map(Way)
}

/// Notes why something could not be printed.
fn noted(error: bool, fault: io::Error) -> io::Error {
    let kind = fault.kind();
    let name = if error {
        "standard error"
    } else {
        "standard output"
    };
    let mut known = FAULT.lock().unwrap_or_else(PoisonError::into_inner);
    known.get_or_insert((name, fault));
    kind.into()
}

/// The line that shows how far something is, while there is one.
static PROGRESS: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Shows how far something is, in a line at the terminal that standard error is; nothing where it is
/// none. While somebody is asked something it stays as it was; and while that terminal takes nothing,
/// because somebody has stopped it (Ctrl-S): all else goes on.
pub fn show_progress(line: &str) {
    let Ok(mut shown) = PROGRESS.try_lock() else {
        return;
    };
    if sys::wait_writable_for(io::stderr().as_fd(), Duration::ZERO).is_err() {
        return;
    }
    let bar = shown.get_or_insert_with(|| {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            bar.set_style(style);
        }
        bar
    });
    bar.set_message(display::plain(line));
    bar.tick();
}

/// Takes that line away, once the terminal takes that, or at once where a signal comes before.
pub fn end_progress() {
    let Ok(mut shown) = locked(&PROGRESS, Waits::UntilSignal) else {
        return;
    };
    if let Some(bar) = shown.take()
        && takes(io::stderr().as_fd()).is_ok()
    {
        bar.finish_and_clear();
    }
}

/// Does something at the terminal without that line.
pub fn without_progress<T>(what: impl FnOnce() -> T) -> T {
    match &*PROGRESS.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(bar) => bar.suspend(what),
        None => what(),
    }
}

/// Standard output and error, without a buffer of ours between: what is written is written.
static WAYS: [Mutex<Option<Opened>>; 2] = [const { Mutex::new(None) }; 2];

/// Standard output or error, opened.
struct Opened {
    file: File,
    /// Whether writing to it never blocks, because it is opened anew for us alone.
    never_blocks: bool,
}

/// One of the two, watched until it takes more.
pub struct Way(AsyncFd<OwnedFd>);

impl Way {
    /// Waits until more is taken.
    ///
    /// # Errors
    /// When the kernel cannot watch it any more.
    pub async fn writable(&self) -> io::Result<()> {
        // What was found ready before is found out to be so no more by writing.
        self.0.writable().await?.clear_ready();
        Ok(())
    }
}

/// Prints a line to standard error at once, also where what is printed is caught: somebody is about
/// to be asked something.
pub fn announce(line: &str) {
    let line = format!("{}\n", display::plain(line));
    let _ = written(true, line.as_bytes(), Waits::UntilSignal);
}

/// Prints bytes, or has them caught. That nobody reads what is caught is no fault of an output.
fn whole(error: bool, bytes: &[u8], waits: Waits) -> io::Result<()> {
    match caught::catch(error, bytes) {
        Some(caught) => caught,
        None => written(error, bytes, waits).map_err(|fault| noted(error, fault)),
    }
}

fn written(error: bool, bytes: &[u8], waits: Waits) -> io::Result<()> {
    // One piece at a time, also where several threads print.
    beside_progress(error, waits, || {
        with(error, waits, |way| write(&mut way.file, bytes, waits))
    })
}

/// Writes to standard output or error without the line in between that shows how far something is.
fn beside_progress<T>(
    error: bool,
    waits: Waits,
    write: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    // Nothing else is in the way of that line, and a pipe that nobody reads must not hold it.
    static TERMINALS: [OnceLock<bool>; 2] = [const { OnceLock::new() }; 2];
    let [output, errors] = &TERMINALS;
    let at_a_terminal = match error {
        true => *errors.get_or_init(|| io::stderr().is_terminal()),
        false => *output.get_or_init(|| io::stdout().is_terminal()),
    };
    if !at_a_terminal {
        return write();
    }
    match &*locked(&PROGRESS, waits)? {
        Some(bar) => {
            if waits == Waits::UntilSignal {
                takes(io::stderr().as_fd())?;
            }
            bar.suspend(write)
        }
        None => write(),
    }
}

/// Does something with standard output or error, when it is this one's turn.
fn with<T>(
    error: bool,
    waits: Waits,
    what: impl FnOnce(&mut Opened) -> io::Result<T>,
) -> io::Result<T> {
    let mut way = way(error, waits)?;
    match &mut *way {
        Some(to) => what(to),
        none => what(none.insert(opened(error)?)),
    }
}

/// The way to standard output or error, when it is this one's turn.
fn way(error: bool, waits: Waits) -> io::Result<MutexGuard<'static, Option<Opened>>> {
    let [output, complaints] = &WAYS;
    locked(if error { complaints } else { output }, waits)
}

/// What others may hold that wait for a reader, when it is this one's turn.
fn locked<T>(held: &'static Mutex<T>, waits: Waits) -> io::Result<MutexGuard<'static, T>> {
    if waits == Waits::ForReader {
        return Ok(held.lock().unwrap_or_else(PoisonError::into_inner));
    }
    loop {
        match held.try_lock() {
            Ok(held) => return Ok(held),
            Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => drop(late(|_| sys::pause(Duration::from_millis(5)))?),
        }
    }
}

/// How long is waited until it is asked again whether a signal has come.
const MOMENT: Duration = Duration::from_millis(200);

/// Waits for something a moment at a time, and says whether it has come. A signal that nobody in this
/// program has heard yet ends it, also one that came before, and so does the end of this program's
/// time.
fn late(moment: impl Fn(Duration) -> io::Result<()>) -> io::Result<bool> {
    let left = match HURRY.get() {
        Some(until) => until.saturating_duration_since(Instant::now()),
        None if sys::signal_waits() => Duration::ZERO,
        None => MOMENT,
    };
    match moment(left.min(MOMENT)) {
        Ok(()) => Ok(true),
        Err(fault) if fault.kind() == io::ErrorKind::TimedOut => match left {
            Duration::ZERO => Err(fault),
            _ => Ok(false),
        },
        // Whether it is one that ends this program is known now.
        Err(fault) if fault.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Writes all bytes, waiting where the descriptor does not: whoever started this program may have
/// made it non-blocking.
fn write(to: &mut File, bytes: &[u8], waits: Waits) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let piece = match waits {
            Waits::ForReader => rest,
            Waits::UntilSignal => {
                takes(to.as_fd())?;
                rest.get(..TAKEN_WHOLE).unwrap_or(rest)
            }
        };
        match to.write(piece) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
                // Whoever waits for signals does so where the next piece begins.
                if waits == Waits::ForReader {
                    sys::wait_writable(to.as_fd())?;
                }
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}

/// Waits until somebody takes what is written.
fn takes(to: BorrowedFd<'_>) -> io::Result<()> {
    while !late(|time| sys::wait_writable_for(to, time))? {}
    Ok(())
}

fn opened(error: bool) -> io::Result<Opened> {
    let (out, err) = (io::stdout(), io::stderr());
    let descriptor = if error { err.as_fd() } else { out.as_fd() };
    if let Some(file) = sys::reopened(descriptor, true) {
        return Ok(Opened {
            file,
            never_blocks: true,
        });
    }
    Ok(Opened {
        file: descriptor.try_clone_to_owned()?.into(),
        never_blocks: sys::is_null(descriptor),
    })
}
