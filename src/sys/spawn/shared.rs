//! What parent and child share between clone and exec: pointers into the program, and the child's report.

use super::super::standing::Standing;
use super::layout::Filter;
use super::program::{SpawnError, Step};
use std::cell::UnsafeCell;
use std::ffi::c_char;
use std::os::fd::RawFd;

/// What parent and child share: pointers into the program, and the child's report.
pub(super) struct Shared {
    /// The executable, vetted.
    pub(super) executable: RawFd,
    /// The Landlock rules; -1 where the program may use any file.
    pub(super) rules: RawFd,
    /// The filter that takes the network away; null where it stays.
    pub(super) filter: *const Filter,
    /// Bounds on the process: resource, soft and hard limit.
    pub(super) limits: *const (i32, [u64; 2]),
    /// How many bounds there are.
    pub(super) limit_count: usize,
    /// The permissions that new files do not get.
    pub(super) umask: u32,
    /// Whether the program may gain privileges by what it executes.
    pub(super) new_privileges: bool,
    /// Whether the program's standard input is to be its controlling terminal.
    pub(super) terminal: bool,
    /// The program's argv, with a null pointer at the end.
    pub(super) argv: *const *const c_char,
    /// The program's environment, with a null pointer at the end.
    pub(super) environment: *const *const c_char,
    /// The program's working directory.
    pub(super) cwd: *const c_char,
    /// The program's standard input, output and error.
    pub(super) stdio: [RawFd; 3],
    /// More descriptors that the program gets, from 3 on.
    pub(super) passed: Option<[RawFd; 2]>,
    /// The lowest number above all descriptors that the program needs.
    pub(super) above: u32,
    /// The user, the group, and the supplementary groups with their number.
    pub(super) ids: Option<(u32, u32, *const u32, usize)>,
    /// The paths to open as the new user.
    pub(super) opens: *const RawOpen,
    /// How many paths there are.
    pub(super) open_count: usize,
    /// What the program gets instead of what this process has.
    pub(super) standing: Option<Standing>,
    /// The signals that this process ignores, a bit each.
    pub(super) ignored: u64,
    /// The child's report. It alone is written to while either side holds a reference to the whole.
    pub(super) report: UnsafeCell<Report>,
}

/// What the child tells of itself.
#[derive(Default)]
pub(super) struct Report {
    /// The step that failed; 0 while none has.
    pub(super) step: i32,
    /// The kernel's error number.
    pub(super) errno: i32,
    /// The path that it was about to open.
    pub(super) index: usize,
}

impl Shared {
    /// What the child has reported, once it is over or has become its program.
    pub(super) fn failure(&self) -> Option<SpawnError> {
        let report = self.report.get();
        // SAFETY: plain reads of our own memory; volatile because the child wrote it behind the
        // compiler's back.
        let (step, errno, index) = unsafe {
            (
                (&raw const (*report).step).read_volatile(),
                (&raw const (*report).errno).read_volatile(),
                (&raw const (*report).index).read_volatile(),
            )
        };

        (step != 0).then(|| SpawnError {
            step: Step::numbered(step),
            errno,
            index,
            detail: None,
        })
    }
}

/// A path to be opened, as [`super::Open`] says.
pub(super) struct RawOpen {
    pub(super) root: *const c_char,
    pub(super) relative: *const c_char,
    pub(super) keep: i32,
    /// The kind that it must be, as in `st_mode`; 0 takes files and folders.
    pub(super) wanted: libc::mode_t,
}
