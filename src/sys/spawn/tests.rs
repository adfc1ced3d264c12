//! Real children of the real clone.

use super::super::jail::Files;
use super::*;
use std::ffi::CString;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

fn text(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// A program, its executable and where its output is read.
fn program(argv: &[&str]) -> (Draft, io::PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    let program = Draft {
        executable: argv[0].into(),
        argv: argv.iter().map(|word| text(word)).collect(),
        environment: vec![text("A=b")],
        cwd: text("/"),
        become_user: None,
        stdio: [
            crate::sys::null().unwrap(),
            writer.try_clone().unwrap().into(),
            writer.into(),
        ],
        opens: vec![],
        passed: None,
        limits: vec![],
        new_privileges: false,
        network: true,
        files: None,
    };

    (program, reader)
}

struct Draft {
    executable: std::path::PathBuf,
    argv: Vec<CString>,
    environment: Vec<CString>,
    cwd: CString,
    become_user: Option<Take>,
    stdio: [OwnedFd; 3],
    opens: Vec<Open>,
    passed: Option<[OwnedFd; 2]>,
    limits: Vec<ProcessLimit>,
    new_privileges: bool,
    network: bool,
    files: Option<Files>,
}

impl Draft {
    fn open(self) -> Result<Program, SpawnError> {
        let trust = crate::sys::Trust::own();
        Ok(Program {
            executable: crate::sys::open_executable(&self.executable, &trust, None)?,
            argv: self.argv,
            environment: self.environment,
            cwd: self.cwd,
            become_user: self.become_user,
            stdio: self.stdio,
            opens: self.opens,
            passed: self.passed,
            cgroup: None,
            limits: self.limits,
            umask: 0o027,
            new_privileges: self.new_privileges,
            network: self.network,
            terminal: false,
            files: self.files,
        })
    }
}

fn run(program: Draft) -> Result<Child, SpawnError> {
    // One for all: children die with the thread that started them.
    static SPAWNER: std::sync::LazyLock<Spawner> =
        std::sync::LazyLock::new(|| Spawner::start(2, 64).unwrap());
    let (done, answer) = mpsc::channel();
    SPAWNER
        .submit(
            Box::new(move || program.open()),
            Box::new(|| true),
            Box::new(move |result| done.send(result).unwrap()),
        )
        .unwrap();
    answer.recv_timeout(Duration::from_secs(20)).unwrap()
}

fn ended(child: &Child) -> crate::sys::Exited {
    let mut poll = libc::pollfd {
        fd: child.pidfd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };

    // SAFETY: one structure, one descriptor.
    unsafe { libc::poll(&raw mut poll, 1, 20_000) };
    crate::sys::reap(child.pidfd.as_fd()).unwrap().unwrap()
}

#[test]
fn the_child_has_what_it_was_given_and_nothing_else() {
    let (mut program, mut output) = program(&[
        "/bin/sh",
        "-c",
        "ls /proc/self/fd | tr '\\n' ' '; env | sort | tr '\\n' ' '; pwd; trap; grep -E 'Sig(Pnd|Blk|Ign)' /proc/self/status",
    ]);
    program.cwd = text("/tmp");
    let child = run(program).unwrap();
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(ended(&child).status, Some(0));
    let mut lines = text.lines();

    // Descriptor 3 is ls looking at the folder.
    assert_eq!(lines.next(), Some("0 1 2 3 A=b PWD=/tmp /tmp"));
    for line in lines {
        assert!(
            line.ends_with("0000000000000000"),
            "no signal is blocked, ignored or pending: {line}"
        );
    }
}

#[test]
fn what_is_passed_on_has_its_numbers_and_bounds_a_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("inside"), "in").unwrap();
    let script = "ls /proc/self/fd/3/; cat /proc/self/fd/3/inside; echo over >&4; ls / 2>&1 | wc -l; cat /etc/passwd || echo no; touch /proc/self/fd/3/new || echo no";
    let (mut program, mut output) = program(&["/bin/sh", "-c", script]);
    let (mut heard, told) = io::pipe().unwrap();
    let root = std::fs::File::open(folder.path()).unwrap();
    program.passed = Some([root.into(), told.into()]);
    program.files = Some(Files {
        execute: vec!["/bin".into(), "/usr/bin".into()],
        read: vec!["/proc".into()],
        below: Some(crate::sys::Reach::Read),
        ..Files::default()
    });
    let child = run(program).unwrap();
    let (mut text, mut other) = (String::new(), String::new());
    output.read_to_string(&mut text).unwrap();
    heard.read_to_string(&mut other).unwrap();
    ended(&child);
    assert!(text.starts_with("inside\nin"), "{text}");
    assert_eq!(text.matches("no\n").count(), 2, "{text}");
    assert_eq!(other, "over\n");
}

#[test]
fn a_failed_step_is_named() {
    let (missing, _output) = program(&["/no/such/file"]);
    let error = run(missing).unwrap_err();
    assert_eq!((error.step, error.errno), (Step::Executable, libc::ENOENT));
    let (folder, _output) = program(&["/tmp"]);
    let error = run(folder).unwrap_err();
    assert_eq!((error.step, error.errno), (Step::Executable, libc::EACCES));
    let (mut nowhere, _output) = program(&["/bin/true"]);
    nowhere.cwd = text("/no/such/folder");
    assert_eq!(run(nowhere).unwrap_err().step, Step::Cwd);
}

#[test]
fn exit_status_and_signal_are_told_apart() {
    for (script, status, signal) in [
        ("exit 7", Some(7), None),
        ("kill -9 $$", None, Some(9)),
        ("exit 255", Some(255), None),
    ] {
        let (program, _output) = program(&["/bin/sh", "-c", script]);
        let end = ended(&run(program).unwrap());
        assert_eq!((end.status, end.signal), (status, signal), "{script}");
    }
}

#[test]
fn paths_are_opened_beneath_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(root.join("sub/file"), "inside").unwrap();
    std::fs::write(folder.path().join("secret"), "outside").unwrap();
    std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
    std::os::unix::fs::symlink("..", root.join("up")).unwrap();
    std::os::unix::fs::symlink("sub/file", root.join("inner")).unwrap();
    let open = |relative: &str, keep| Open {
        root: text(root.to_str().unwrap()),
        relative: text(relative),
        keep,
        only: None,
    };

    for bad in [
        "link",
        "up/secret",
        "../secret",
        "inner",
        "none",
        "/etc/passwd",
    ] {
        let (mut program, _output) = program(&["/bin/true"]);
        program.opens = vec![open("sub/file", None), open(bad, Some(3))];
        let error = run(program).unwrap_err();
        assert_eq!((error.step, error.index), (Step::Path, 1), "{bad}");
    }

    // What it is, is asked of what was opened.
    for (relative, only, step) in [
        ("sub", Wanted::File, Some(Step::Wanted)),
        ("sub/file", Wanted::Folder, Some(Step::Wanted)),
        ("sub/file/x", Wanted::Folder, Some(Step::Path)),
        ("none", Wanted::File, Some(Step::Path)),
        ("sub", Wanted::Folder, None),
        ("sub/file", Wanted::File, None),
    ] {
        for keep in [None, Some(3)] {
            let (mut program, _output) = program(&["/bin/true"]);
            let wanted = Open {
                only: Some(only),
                ..open(relative, keep)
            };
            program.opens = vec![open("sub/file", None), wanted];
            let seen = run(program).err().map(|error| (error.step, error.index));
            assert_eq!(seen, step.map(|step| (step, 1)), "{relative} {only:?}");
        }
    }

    let (mut program, mut output) = program(&["/bin/cat", "/dev/fd/3", "/dev/fd/4"]);
    program.opens = vec![
        open("sub/file", Some(3)),
        open("sub/file", None),
        open("sub/file", Some(4)),
    ];

    let child = run(program).unwrap();
    let mut seen = String::new();
    output.read_to_string(&mut seen).unwrap();
    assert_eq!(
        (ended(&child).status, seen.as_str()),
        (Some(0), "insideinside")
    );
}

#[test]
fn becoming_another_user_is_complete() {
    if crate::sys::effective_uid() != 0 {
        return;
    }
    let (mut program, mut output) = program(&[
        "/bin/sh",
        "-c",
        "id -u; id -g; id -G; grep -E '^(Uid|Gid|CapEff)' /proc/self/status",
    ]);
    program.become_user = Some(Take {
        uid: 65534,
        gid: 65534,
        groups: vec![65534, 100],
    });

    let child = run(program).unwrap();
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(ended(&child).status, Some(0));
    assert_eq!(
        text,
        "65534\n65534\n65534 100\nUid:\t65534\t65534\t65534\t65534\nGid:\t65534\t65534\t65534\t65534\nCapEff:\t0000000000000000\n"
    );
}

fn output_of(program: Draft, mut output: io::PipeReader) -> (Option<u8>, String) {
    let child = run(program).unwrap();
    let mut seen = String::new();
    output.read_to_string(&mut seen).unwrap();
    (ended(&child).status, seen)
}

#[test]
fn bounds_and_privileges_are_set() {
    let (mut bounded, output) = program(&[
        "/bin/sh",
        "-c",
        "ulimit -c; ulimit -n; ulimit -Hn; umask; grep NoNewPrivs /proc/self/status",
    ]);
    bounded.limits = vec![
        ProcessLimit {
            what: Resource::Core,
            most: 0,
        },
        ProcessLimit {
            what: Resource::OpenFiles,
            most: 77,
        },
    ];

    assert_eq!(
        output_of(bounded, output),
        (Some(0), "0\n77\n77\n0027\nNoNewPrivs:\t1\n".into())
    );
}

#[test]
fn no_network_is_none_of_any_family() {
    let script = "import socket,sys\nfor f in (socket.AF_INET,socket.AF_INET6,socket.AF_UNIX,socket.AF_NETLINK,socket.AF_PACKET):\n  try:\n    socket.socket(f,socket.SOCK_DGRAM); print('made')\n  except PermissionError: print('refused')\n  except OSError: print('other')\n";
    let python = ["/usr/bin/python3", "-c", script];
    if !std::path::Path::new(python[0]).exists() {
        return;
    }
    let (mut cut_off, output) = program(&python);
    cut_off.network = false;
    assert_eq!(output_of(cut_off, output).1, "refused\n".repeat(5));
    let (connected, output) = program(&python);
    assert!(output_of(connected, output).1.contains("made"));
}

#[test]
fn a_sandbox_leaves_what_is_named() {
    if crate::sys::kernel_offers().1.is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for name in ["open", "closed"] {
        std::fs::write(path(name), name).unwrap();
    }
    std::fs::create_dir(path("write")).unwrap();
    let files = Files {
        read: vec![path("open").into()],
        write: vec![path("write").into()],
        execute: vec![],
        below: None,
    };

    let boxed = |argv: &[&str]| {
        let (mut program, output) = program(argv);
        program.files = Some(files.clone());
        output_of(program, output)
    };

    assert_eq!(
        boxed(&["/bin/cat", &path("open")]),
        (Some(0), "open".into())
    );

    assert_eq!(boxed(&["/bin/cat", &path("closed")]).0, Some(1));
    assert_eq!(boxed(&["/bin/cat", "/etc/passwd"]).0, Some(1));
    assert_eq!(
        boxed(&["/bin/sh", "-c", &format!("echo x > {}", path("write/new"))]).0,
        Some(0)
    );

    assert_ne!(
        boxed(&["/bin/sh", "-c", &format!("echo x > {}", path("open"))]).0,
        Some(0),
        "to read is not to write"
    );

    // The shell itself may run, and nothing else.
    assert_eq!(boxed(&["/bin/sh", "-c", "/bin/cat /dev/null"]).0, Some(126));
}

#[test]
fn a_script_runs_as_the_kernel_would_run_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script");
    std::fs::write(
        &path,
        "#!/bin/sh -u\necho \"$0\" \"$@\"; cat \"$(dirname \"$0\")/beside\"",
    )
    .unwrap();
    std::fs::write(folder.path().join("beside"), "beside").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let name = path.to_str().unwrap();
    let (script, output) = program(&[name, "a b", "c"]);
    assert_eq!(
        output_of(script, output),
        (Some(0), format!("{name} a b c\nbeside"))
    );
}

/// An executable on a mount that hangs: the start is given up, the next ones go on.
#[test]
fn a_start_that_hangs_before_the_clone_costs_itself_only() {
    let spawner = Spawner::start(1, 8).unwrap();
    let (release, held) = mpsc::channel::<()>();
    let (done, answers) = mpsc::channel();
    let first = done.clone();
    let hanging = Box::new(move || {
        let _ = held.recv();
        program(&["/bin/true"]).0.open()
    });

    spawner
        .submit(
            hanging,
            Box::new(|| true),
            Box::new(move |result| first.send(("hung", result)).unwrap()),
        )
        .unwrap();
    spawner
        .submit(
            Box::new(|| program(&["/bin/true"]).0.open()),
            Box::new(|| true),
            Box::new(move |result| done.send(("next", result)).unwrap()),
        )
        .unwrap();
    let (which, result) = answers.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!((which, result.unwrap_err().step), ("hung", Step::Deadline));
    let (which, result) = answers.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!((which, ended(&result.unwrap()).status), ("next", Some(0)));

    // The thread comes back, finds itself answered for, and starts nothing.
    drop(release);
    assert!(answers.recv_timeout(Duration::from_millis(300)).is_err());
}

/// A process of the target user that stops everything it may: the child can be stopped before it
/// reaches exec.
#[test]
fn a_stopped_child_is_killed_at_its_deadline() {
    if crate::sys::effective_uid() != 0 {
        return;
    }
    // A user of nobody else's, or every process of that user would be stopped too.
    let take = Take {
        uid: 54_321,
        gid: 54_321,
        groups: vec![54_321],
    };

    let (mut attacker, _attack) = program(&["/bin/sh", "-c", "while :; do kill -STOP -1; done"]);
    attacker.become_user = Some(take.clone());
    let attacker = run(attacker).unwrap();
    let began = Instant::now();

    for _ in 0..300 {
        let (mut victim, _output) = program(&["/bin/true"]);
        victim.become_user = Some(take.clone());
        match run(victim) {
            // Stopped after exec, or not at all.
            Ok(child) => crate::sys::kill(child.pidfd.as_fd()),
            Err(error) => assert_eq!(error.step, Step::Deadline),
        }

        if began.elapsed() > Duration::from_secs(6) {
            break;
        }
    }

    crate::sys::kill(attacker.pidfd.as_fd());
    let (after, _output) = program(&["/bin/true"]);
    assert_eq!(
        ended(&run(after).unwrap()).status,
        Some(0),
        "the spawning threads are free"
    );
}

#[test]
fn a_gate_that_is_closed_when_all_is_made_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("ran");
    let trace = trace.to_str().unwrap();
    let (done, answer) = mpsc::channel();
    let open = Arc::new(AtomicBool::new(true));
    let (closes, looks) = (open.clone(), open);
    let program = program(&["/bin/touch", trace]).0;
    static POOL: std::sync::LazyLock<Spawner> =
        std::sync::LazyLock::new(|| Spawner::start(1, 1).unwrap());
    POOL.submit(
        // Open when the start begins, and closed by the time that everything is made.
        Box::new(move || {
            let made = program.open();
            closes.store(false, Ordering::SeqCst);
            made
        }),
        Box::new(move || looks.load(Ordering::SeqCst)),
        Box::new(move |result| done.send(result).unwrap()),
    )
    .unwrap();
    let result = answer.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(result.unwrap_err().step, Step::Gate);
    assert!(!std::path::Path::new(trace).exists());
}
