//! Real children of the real clone.

use super::*;
use std::io::Read;
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::time::Duration;

fn text(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn program(argv: &[&str]) -> (Program, io::PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    let program = Program {
        executable: text(argv[0]),
        argv: argv.iter().map(|word| text(word)).collect(),
        environment: vec![text("A=b")],
        cwd: text("/"),
        become_user: None,
        stdio: [super::super::null().unwrap(), writer.try_clone().unwrap().into(), writer.into()],
        opens: vec![],
    };
    (program, reader)
}

fn run(program: Program) -> Result<Child, SpawnError> {
    // One for all: children die with the thread that started them.
    static SPAWNER: std::sync::LazyLock<Spawner> = std::sync::LazyLock::new(|| Spawner::start(2, 64).unwrap());
    let (done, answer) = mpsc::channel();
    SPAWNER.submit(program, Box::new(move |result| done.send(result).unwrap())).unwrap();
    answer.recv_timeout(Duration::from_secs(20)).unwrap()
}

fn ended(child: &Child) -> super::super::Exited {
    let mut poll = libc::pollfd { fd: child.pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one structure, one descriptor.
    unsafe { libc::poll(&raw mut poll, 1, 20_000) };
    super::super::reap(child.pidfd.as_fd()).unwrap().unwrap()
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
        assert!(line.ends_with("0000000000000000"), "no signal is blocked, ignored or pending: {line}");
    }
}

#[test]
fn a_failed_step_is_named() {
    let (missing, _output) = program(&["/no/such/file"]);
    assert_eq!(run(missing).unwrap_err(), SpawnError { step: Step::Exec, errno: libc::ENOENT, index: 0 });
    let (folder, _output) = program(&["/tmp"]);
    assert_eq!(run(folder).unwrap_err(), SpawnError { step: Step::Exec, errno: libc::EACCES, index: 0 });
    let (mut nowhere, _output) = program(&["/bin/true"]);
    nowhere.cwd = text("/no/such/folder");
    assert_eq!(run(nowhere).unwrap_err().step, Step::Cwd);
}

#[test]
fn exit_status_and_signal_are_told_apart() {
    for (script, status, signal) in [("exit 7", Some(7), None), ("kill -9 $$", None, Some(9)), ("exit 255", Some(255), None)] {
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
    let open = |relative: &str, keep| Open { root: text(root.to_str().unwrap()), relative: text(relative), keep };
    for bad in ["link", "up/secret", "../secret", "inner", "none", "/etc/passwd"] {
        let (mut program, _output) = program(&["/bin/true"]);
        program.opens = vec![open("sub/file", None), open(bad, Some(3))];
        let error = run(program).unwrap_err();
        assert_eq!((error.step, error.index), (Step::Path, 1), "{bad}");
    }
    let (mut program, mut output) = program(&["/bin/cat", "/dev/fd/3", "/dev/fd/4"]);
    program.opens = vec![open("sub/file", Some(3)), open("sub/file", None), open("sub/file", Some(4))];
    let child = run(program).unwrap();
    let mut seen = String::new();
    output.read_to_string(&mut seen).unwrap();
    assert_eq!((ended(&child).status, seen.as_str()), (Some(0), "insideinside"));
}

#[test]
fn becoming_another_user_is_complete() {
    if super::super::effective_uid() != 0 {
        return;
    }
    let (mut program, mut output) = program(&["/bin/sh", "-c", "id -u; id -g; id -G; grep -E '^(Uid|Gid|CapEff)' /proc/self/status"]);
    program.become_user = Some(Take { uid: 65534, gid: 65534, groups: vec![65534, 100] });
    let child = run(program).unwrap();
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(ended(&child).status, Some(0));
    assert_eq!(
        text,
        "65534\n65534\n65534 100\nUid:\t65534\t65534\t65534\t65534\nGid:\t65534\t65534\t65534\t65534\nCapEff:\t0000000000000000\n"
    );
}
