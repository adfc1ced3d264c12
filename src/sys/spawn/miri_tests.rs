//! Starts under Miri (`just miri`): what parent and child share is used as Rust allows it, whichever
//! step fails.

use super::cradle::Cradle;
use super::deadline::Pidfd;
use super::kernel::KERNEL;
use super::parent::clone_and_exec;
use super::*;
use crate::sys::Executable;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::mpsc;

fn text(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn null() -> OwnedFd {
    File::open("/dev/null").unwrap().into()
}

/// A script with everything that a start can have.
fn program() -> Program {
    let meta = File::open("/dev/null").unwrap().metadata().unwrap();
    let words = vec![text("/bin/sh"), text("-e"), text("/srv/script")];
    Program {
        executable: Executable::handed_over(null(), words, Vec::new(), &meta),
        argv: vec![text("script"), text("one"), text("two")],
        environment: vec![text("A=b"), text("C=d")],
        cwd: text("/srv"),
        become_user: Some(Take {
            uid: 1000,
            gid: 1001,
            groups: vec![1001, 27],
        }),
        stdio: [null(), null(), null()],
        opens: vec![
            Open {
                root: text("/var/log"),
                relative: text("syslog"),
                keep: Some(3),
                only: Some(Wanted::File),
            },
            Open {
                root: text("/etc"),
                relative: text("hosts"),
                keep: None,
                only: None,
            },
        ],
        passed: Some([null(), null()]),
        cgroup: None,
        limits: vec![
            ProcessLimit {
                what: Resource::OpenFiles,
                most: 64,
            },
            ProcessLimit {
                what: Resource::CpuTime,
                most: u64::MAX,
            },
        ],
        umask: 0o027,
        new_privileges: false,
        network: false,
        terminal: true,
        files: None,
    }
}

fn start() -> (Result<Child, SpawnError>, Vec<String>) {
    let cradle = Cradle::new().unwrap();
    let outcome = clone_and_exec(&cradle, program(), &|| true, &Pidfd::default());
    (outcome, KERNEL.with_borrow(|kernel| kernel.seen.clone()))
}

#[test]
fn miri_a_child_sees_what_its_parent_prepared() {
    let (outcome, seen) = start();
    assert_eq!(outcome.unwrap().pid, 4711);
    let end = r#"execveat ["/bin/sh", "-e", "/srv/script", "one", "two"] ["A=b", "C=d"]"#;
    assert_eq!(seen.last().unwrap(), end);
    for step in [
        "sigaction 13 [0, 0, 0, 0]",
        "setgroups [1001, 27]",
        "chdir /srv",
        "openat /var/log",
        "umask 27",
        "seccomp true",
        "sigprocmask [0]",
    ] {
        assert!(seen.iter().any(|line| line == step), "{step}: {seen:#?}");
    }
    assert!(
        seen.iter()
            .any(|line| line.starts_with("prlimit 7 [64, 64]"))
    );
    assert!(
        seen.iter()
            .any(|line| line.starts_with("prlimit 0 [4096, 4096]"))
    );
}

#[test]
fn miri_every_call_that_fails_is_named_by_its_step() {
    let (_, all) = start();
    let mut steps = Vec::new();
    for call in 0..all.len() {
        KERNEL.with_borrow_mut(|kernel| kernel.fails = Some(call));
        let (outcome, seen) = start();
        match outcome {
            Err(error) => {
                assert_eq!(error.errno, libc::EPERM);
                assert_eq!(seen.len(), call + 1, "{seen:#?}");
                let last = error.step == Step::Path && error.index == 1;
                assert!(!last || seen.iter().any(|line| line == "openat /etc"));
                steps.push(error.step.word());
            }
            // What may fail: signals that are put right, and the death signal.
            Ok(_) => assert_eq!(seen.len(), all.len(), "{}", all[call]),
        }
    }

    steps.dedup();
    let known = [
        "descriptors",
        "session",
        "descriptors",
        "stdio",
        "groups",
        "user",
        "cwd",
        "path",
        "limits",
        "privileges",
        "network",
        "exec",
    ];
    assert_eq!(steps, known);
}

#[test]
fn miri_a_pool_starts_and_answers() {
    let pool = Spawner::start(2, 8).unwrap();
    let (done, answers) = mpsc::channel();
    for _ in 0..4 {
        let done = done.clone();
        pool.submit(
            Box::new(|| Ok(program())),
            Box::new(|| true),
            Box::new(move |outcome| done.send(outcome.map(|child| child.pid)).unwrap()),
        )
        .unwrap();
    }
    for _ in 0..4 {
        assert_eq!(answers.recv().unwrap(), Ok(4711));
    }
}
