//! Where there are no control groups: a process for each run that adopts what the run leaves
//! behind. It is the subreaper of everything below it, so "nothing is left" is the kernel's word
//! (ECHILD), never a look into /proc.
//!
//! It stays the daemon's user and starts the command itself, so that a command of another user
//! cannot touch it. What it cannot do is kill a process of another user when the daemon is not
//! root, or one that outlives it.

use super::spawn::{self, Program, SpawnError, Step};
use super::{Exited, Received, receive, send, wait_readable};
use serde::{Deserialize, Serialize};
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

/// What a keeper is told.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToKeeper {
    /// Send this signal to the command's process group.
    Signal(i32),
    /// Kill every process below.
    Kill,
    /// Stay for as long as anything lives below, also when the daemon is gone; it may still want
    /// them killed.
    Stay,
}

/// What a keeper tells.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromKeeper {
    /// The command runs, as this process.
    Started(i32),
    /// The command could not be started.
    Failed {
        /// The number of the step that failed.
        step: i32,
        /// The kernel's error number, as in [`SpawnError`].
        errno: i32,
        /// The index of the path, as in [`SpawnError`].
        index: u32,
        /// What else there is to say, if anything.
        detail: Option<String>,
    },
    /// The command's main process has ended.
    Ended {
        /// The status that the main process exited with.
        status: Option<u8>,
        /// The signal that ended the main process.
        signal: Option<u8>,
        /// Processor time in its own code, in microseconds.
        user: u64,
        /// Processor time in the kernel, in microseconds.
        system: u64,
        /// The most memory that the run had, in KiB, as [`Exited`] counts it.
        peak_kib: u64,
    },
    /// Nothing is left below; so many processes ended after they were to be killed.
    Over(u32),
}

/// A program as bytes; descriptors travel beside it: standard input, output, error, the executable,
/// and what is passed on, where anything is.
#[derive(Serialize, Deserialize)]
struct Brief {
    interpreter: Vec<CString>,
    paths: Vec<PathBuf>,
    argv: Vec<CString>,
    environment: Vec<CString>,
    cwd: CString,
    become_user: Option<(u32, u32, Vec<u32>)>,
    opens: Vec<(CString, CString, Option<u32>, Option<spawn::Wanted>)>,
    limits: Vec<(spawn::Resource, u64)>,
    umask: u32,
    new_privileges: bool,
    network: bool,
    terminal: bool,
    files: Option<super::Files>,
}

/// Hands a program to the keeper at the other end of `socket`.
///
/// # Errors
/// As sending; a program whose words are longer than a message may be.
pub fn hand_over(socket: BorrowedFd<'_>, program: &Program) -> io::Result<()> {
    let brief = Brief {
        interpreter: program.executable.interpreter.clone(),
        paths: program.executable.paths.clone(),
        argv: program.argv.clone(),
        environment: program.environment.clone(),
        cwd: program.cwd.clone(),
        become_user: program
            .become_user
            .as_ref()
            .map(|take| (take.uid, take.gid, take.groups.clone())),
        opens: program
            .opens
            .iter()
            .map(|open| {
                (
                    open.root.clone(),
                    open.relative.clone(),
                    open.keep,
                    open.only,
                )
            })
            .collect(),
        limits: program
            .limits
            .iter()
            .map(|limit| (limit.what, limit.most))
            .collect(),
        umask: program.umask,
        new_privileges: program.new_privileges,
        network: program.network,
        terminal: program.terminal,
        files: program.files.clone(),
    };

    let bytes = postcard::to_allocvec(&brief).map_err(io::Error::other)?;
    if bytes.len() > crate::limits::IPC_MESSAGE {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "its words are too long",
        ));
    }

    let passed = program.passed.iter().flatten();
    let descriptors: Vec<BorrowedFd<'_>> = program
        .stdio
        .iter()
        .chain([&program.executable.file])
        .chain(passed)
        .map(AsFd::as_fd)
        .collect();
    send(socket, &bytes, &descriptors)
}

/// The keeper's whole life, on the socket that is its standard input. Returns when everything below
/// it has ended.
pub fn keep() -> io::Result<()> {
    let socket = Arc::new(super::adopt(0)?);
    super::undumpable()?;
    adopt_all_below()?;
    wait_readable(socket.as_fd(), crate::limits::SPAWN)?;
    let mut buffer = vec![0; crate::limits::IPC_MESSAGE];
    let received = receive(socket.as_fd(), &mut buffer)?;
    let program = program(&buffer, received)?;
    let main = match spawn::start_here(program) {
        Ok(child) => child,
        Err(error) => {
            let index = u32::try_from(error.index).unwrap_or(0);
            return tell(
                &socket,
                &FromKeeper::Failed {
                    step: error.step as i32,
                    errno: error.errno,
                    index,
                    detail: error.detail,
                },
            );
        }
    };

    tell(&socket, &FromKeeper::Started(main.pid))?;
    let killing = Arc::new(AtomicBool::new(false));
    let pid = Arc::new(AtomicI32::new(main.pid));
    let (told, told_pid, told_killing) = (socket.clone(), pid.clone(), killing.clone());
    std::thread::Builder::new()
        .name("orders".into())
        .spawn(move || obey(&told, &told_pid, &told_killing))?;
    wait_for_all(&socket, main.pid, &pid, &killing)
}

/// Becomes the parent of everything that is left below, and does not end before it.
fn adopt_all_below() -> io::Result<()> {
    // It must outlive the daemon for as long as it takes to end what the daemon has started: the
    // socket's end tells it.
    // SAFETY: prctl with numbers only.
    if unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            | libc::prctl(libc::PR_SET_PDEATHSIG, 0, 0, 0, 0)
    } < 0
    {
        return Err(io::Error::last_os_error());
    }
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: ignoring a signal installs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }

    Ok(())
}

/// Waits until nothing is left below, and tells of the command's end on the way. `pid` becomes 0
/// with it: from there on the number may be another process's.
fn wait_for_all(
    socket: &OwnedFd,
    main: i32,
    pid: &AtomicI32,
    killing: &AtomicBool,
) -> io::Result<()> {
    let mut killed = 0;
    loop {
        match wait_for_any() {
            Ok(Some((ended, exited))) if ended == main && pid.load(Ordering::SeqCst) != 0 => {
                pid.store(0, Ordering::SeqCst);
                let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);

                // The daemon may be gone: then there is nobody to tell, and still everything to
                // end.
                let _ = tell(
                    socket,
                    &FromKeeper::Ended {
                        status: exited.status,
                        signal: exited.signal,
                        user: micros(exited.user),
                        system: micros(exited.system),
                        peak_kib: exited.peak_kib,
                    },
                );
            }

            Ok(_) => killed += u32::from(killing.load(Ordering::SeqCst)),
            // ECHILD: everything below has ended.
            Err(_) => return tell(socket, &FromKeeper::Over(killed)),
        }

        if killing.load(Ordering::SeqCst) {
            kill_children();
        }
    }
}

/// Tells the daemon something.
fn tell(socket: &OwnedFd, message: &FromKeeper) -> io::Result<()> {
    send(
        socket.as_fd(),
        &postcard::to_allocvec(message).map_err(io::Error::other)?,
        &[],
    )
}

/// The program that the daemon has handed over.
fn program(buffer: &[u8], received: Received) -> io::Result<Program> {
    let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let brief: Brief = postcard::from_bytes(buffer.get(..received.length).unwrap_or_default())
        .map_err(io::Error::other)?;
    let mut descriptors = received.descriptors.into_iter();
    let (Some(stdin), Some(stdout), Some(stderr), Some(file)) = (
        descriptors.next(),
        descriptors.next(),
        descriptors.next(),
        descriptors.next(),
    ) else {
        return Err(wrong("a program without its descriptors"));
    };
    let passed = descriptors.next().zip(descriptors.next());

    let file_meta = std::fs::File::from(file.try_clone()?).metadata()?;
    Ok(Program {
        executable: super::Executable::handed_over(
            file,
            brief.interpreter,
            brief.paths,
            &file_meta,
        ),
        argv: brief.argv,
        environment: brief.environment,
        cwd: brief.cwd,
        become_user: brief
            .become_user
            .map(|(uid, gid, groups)| super::Take { uid, gid, groups }),
        stdio: [stdin, stdout, stderr],
        opens: brief
            .opens
            .into_iter()
            .map(|(root, relative, keep, only)| super::Open {
                root,
                relative,
                keep,
                only,
            })
            .collect(),
        passed: passed.map(|(first, second)| [first, second]),
        cgroup: None,
        limits: brief
            .limits
            .into_iter()
            .map(|(what, most)| super::ProcessLimit { what, most })
            .collect(),
        umask: brief.umask,
        new_privileges: brief.new_privileges,
        network: brief.network,
        terminal: brief.terminal,
        files: brief.files,
    })
}

/// Does what the daemon says; when it is gone, everything ends.
fn obey(socket: &OwnedFd, pid: &AtomicI32, killing: &AtomicBool) {
    let mut buffer = vec![0; 64];
    let mut stays = false;
    loop {
        let order = match wait_readable(socket.as_fd(), Duration::from_secs(3600)) {
            Err(fault)
                if fault.kind() == io::ErrorKind::TimedOut
                    || fault.kind() == io::ErrorKind::Interrupted =>
            {
                continue;
            }
            Err(_) if stays => return,
            Err(_) => ToKeeper::Kill,
            Ok(()) => match receive(socket.as_fd(), &mut buffer) {
                Ok(received) if received.length > 0 => {
                    postcard::from_bytes(buffer.get(..received.length).unwrap_or_default())
                        .unwrap_or(ToKeeper::Kill)
                }

                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => continue,
                _ if stays => return,
                _ => ToKeeper::Kill,
            },
        };

        match order {
            ToKeeper::Signal(signal) => {
                super::signal_group(pid.load(Ordering::SeqCst), signal);
            }
            ToKeeper::Stay => stays = true,
            ToKeeper::Kill => {
                killing.store(true, Ordering::SeqCst);

                // Whoever is killed leaves its children to us; the process ends when none are left.
                loop {
                    kill_children();
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }
}

/// Waits for the end of any child.
fn wait_for_any() -> io::Result<Option<(i32, Exited)>> {
    match super::process::wait(libc::P_ALL, 0, libc::WEXITED) {
        Err(fault) if fault.kind() == io::ErrorKind::Interrupted => Ok(None),
        outcome => outcome,
    }
}

/// Kills the processes directly below this one. Their children come to us, and are next.
fn kill_children() {
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    for task in tasks {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children
            .split_whitespace()
            .filter_map(|child| child.parse::<i32>().ok())
            .filter(|child| *child > 1)
        {
            // SAFETY: kill takes numbers; a child of ours keeps its number until this process waits
            // for it, and the wait is in another thread: at worst one that has just ended is named,
            // whose number is not used again so soon.
            unsafe { libc::kill(child, libc::SIGKILL) };
        }
    }
}

impl From<FromKeeper> for Result<i32, SpawnError> {
    fn from(answer: FromKeeper) -> Self {
        match answer {
            FromKeeper::Started(pid) => Ok(pid),
            FromKeeper::Failed {
                step,
                errno,
                index,
                detail,
            } => Err(SpawnError {
                step: Step::numbered(step),
                errno,
                index: index as usize,
                detail,
            }),
            FromKeeper::Ended { .. } | FromKeeper::Over(_) => Err(SpawnError::before(
                Step::Clone,
                &io::Error::other("the keeper spoke out of turn"),
            )),
        }
    }
}

/// The program that makes this very executable a keeper.
///
/// # Errors
/// As opening them.
pub fn keeper_program(argument: &str, socket: OwnedFd) -> io::Result<Program> {
    small_program(c"ordaind: keeper", argument, socket)
}

/// This program anew, doing what this hidden argument says, with this socket as its standard input and
/// nothing else.
///
/// # Errors
/// As opening.
pub fn small_program(name: &CStr, argument: &str, socket: OwnedFd) -> io::Result<Program> {
    let word = |text: &[u8]| CString::new(text).map_err(io::Error::other);
    Ok(Program {
        executable: super::own_executable()?,
        argv: vec![
            name.to_owned(),
            word(std::ffi::OsStr::new(argument).as_bytes())?,
        ],
        environment: Vec::new(),
        cwd: word(b"/")?,
        become_user: None,
        stdio: [
            socket,
            super::null_for_writing()?,
            super::null_for_writing()?,
        ],
        opens: Vec::new(),
        passed: None,
        cgroup: None,
        limits: Vec::new(),
        umask: 0o077,
        new_privileges: true,
        network: true,
        terminal: false,
        files: None,
    })
}
