//! Paths that somebody else could make mean something else, and a state folder in which they could
//! have removed what they liked: found by `check`, refused at the start and at each run.

mod common;

use common::{Cmd, Server, block, invocation, is_root, run, stderr, stdout};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Somebody else, on every machine.
const NOBODY: u32 = 65534;

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// A folder that anybody may look into, and one in it.
fn folder_in(path: &Path, mode: u32) {
    std::fs::create_dir_all(path).unwrap();
    chmod(path, mode);
}

/// Does something as nobody; as ourselves where the tests are not root's, which comes to the same in
/// a folder that anybody can write to.
fn as_nobody(script: &str, folder: &Path) {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-ec", script]).current_dir(folder);
    if is_root() {
        shell.uid(NOBODY).gid(NOBODY);
    }
    let output = run(&mut shell);
    assert!(output.status.success(), "{script}: {}", stderr(&output));
}

/// `tool → open/current → /bin/echo`, in a folder that others may enter.
fn with_a_link_in_the_middle() -> common::Setup {
    let setup = Server::new();
    chmod(setup.folder(), 0o755);
    folder_in(&setup.path("open"), 0o755);
    symlink("/bin/echo", setup.path("open/current")).unwrap();
    symlink(setup.path("open/current"), setup.path("tool")).unwrap();
    setup
        .command(Cmd::new("tool", &["{folder}/tool", "vetted"]))
        .alice()
}

fn refused_run(server: &Server) -> Option<u16> {
    block(async {
        let session = server.session("alice").await;
        session.run(invocation("tool", &[])).await.err()
    })
    .map(|fault| fault.code)
}

#[test]
fn a_link_that_anybody_can_repoint_is_a_fault_of_the_configuration() {
    let folder = with_a_link_in_the_middle().prepare().into_folder();
    let open = folder.path().join("open");
    let check = || {
        run(Command::new(env!("CARGO_BIN_EXE_ordaind"))
            .arg("--config")
            .arg(folder.path().join("config.toml"))
            .arg("check"))
    };
    let output = check();
    assert!(output.status.success(), "{}", stdout(&output));

    chmod(&open, 0o777);
    let output = check();
    assert!(!output.status.success());
    let said = stdout(&output);
    let sentence = format!(
        "commands.tool.exec: {} can be changed by anybody (mode 0777)",
        open.canonicalize().unwrap().display()
    );
    assert!(said.contains(&sentence), "{said}");
}

#[test]
fn a_link_that_anybody_has_repointed_runs_nothing() {
    let server = with_a_link_in_the_middle().start();
    assert_eq!(stdout(&server.ordain(&["run", "t", "tool"])), "vetted\n");

    // Its folder is opened while the daemon runs, and somebody uses that.
    chmod(&server.path("open"), 0o777);
    as_nobody(
        "ln -s /usr/bin/id new && mv -f new current",
        &server.path("open"),
    );
    assert_eq!(
        std::fs::read_link(server.path("open/current")).unwrap(),
        Path::new("/usr/bin/id")
    );
    assert_eq!(refused_run(&server), Some(506));

    // The folder is closed again; the link is still theirs.
    chmod(&server.path("open"), 0o755);
    if is_root() {
        assert_eq!(refused_run(&server), Some(506));
    }
}
