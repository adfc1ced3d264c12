//! What this process was started with, or has taken for itself, that the programs it starts do not
//! get as it stands.

use std::sync::OnceLock;

/// What programs get instead of this process' own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// The nice value.
    pub(super) nice: i32,
    /// Whether the kernel spares this process when memory runs out, which is not passed on.
    pub(super) spared: bool,
}

/// What this process was started with, once it has been put right.
static GIVEN: OnceLock<Standing> = OnceLock::new();

/// What programs get; `None` where nothing was put right, so that all is passed on.
pub(super) fn given() -> Option<Standing> {
    GIVEN.get().copied()
}

/// How far a daemon goes ahead of what else wants the processors, in nice values.
const AHEAD: i32 = 5;

/// Puts right what a daemon has from whoever started it: no signal is blocked, the ends of children
/// are told, a file that would be too large is an error and no death, new files are not for
/// everybody to write to, and no capability passes on by itself. The daemon goes ahead of what it starts, where the kernel lets it
/// (`CAP_SYS_NICE`).
///
/// To be called before there is a second thread.
pub fn put_right() {
    super::usual_signals();

    // SAFETY: ignoring a signal installs no code of ours; umask takes a number.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::umask(0o022);
    }

    pass_on_no_capability();

    // SAFETY: takes numbers; 0 is this process. There is no error for one's own process.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let score = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    let _ = GIVEN.set(Standing {
        nice,
        spared: score.trim_start().starts_with('-'),
    });

    // SAFETY: takes numbers. That it fails changes nothing else.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice.saturating_sub(AHEAD)) };
}

/// The kernel's header and sets of capabilities, in their third version.
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapSets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Empties the sets of capabilities that programs would inherit; what this process may do stays.
fn pass_on_no_capability() {
    let header = CapHeader {
        version: 0x2008_0522,
        pid: 0,
    };
    let mut sets = [CapSets::default(); 2];

    // SAFETY: prctl takes numbers; capget fills sets of the kernel's size for this version, and
    // capset reads them. Failures leave things as they were.
    unsafe {
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        );
        if libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr()) == 0 {
            for set in &mut sets {
                set.inheritable = 0;
            }
            libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr());
        }
    }
}
