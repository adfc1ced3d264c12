//! How much the trail has to keep of a check that somebody has done every few minutes: the files that a
//! daemon has compressed, by what it was asked for.

mod common;

use common::{Cmd, Server, block, invocation, stderr, stdout};
use std::path::{Path, PathBuf};

/// One command, as a plugin is, and a trail in files of some checks each.
fn server() -> Server {
    Server::new()
        .command(Cmd::new("check", &["/bin/true"]))
        .table("audit", "rotate_size = \"128KiB\"")
        .alice()
        .start()
}

/// The compressed files.
fn packed(server: &Server) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(server.path("state")).unwrap();
    let paths = folder.flatten().map(|entry| entry.path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.to_string_lossy().ends_with(".jsonl.zst"))
        .collect();
    paths.sort();
    paths
}

/// Bytes of the compressed files for each run in them, and of what they hold.
fn each(paths: &[PathBuf]) -> (u64, u64) {
    let (mut bytes, mut whole, mut runs) = (0, 0, 0);
    for path in paths {
        bytes += std::fs::metadata(path).unwrap().len();
        for line in lines_of(path) {
            whole += line.len() as u64 + 1;
            runs += u64::from(line.contains("\"kind\":\"end\""));
        }
    }
    (bytes / runs, whole / runs)
}

/// The lines of one file, as the daemon's own reader has them.
fn lines_of(path: &Path) -> Vec<String> {
    let mut lines = ordain::audit::Lines::open(path).unwrap();
    let mut all = Vec::new();
    while let Some(line) = lines.next_line().unwrap() {
        all.push(String::from_utf8(line.bytes.to_vec()).unwrap());
    }
    all
}

/// What is in the book is no more than what is measured. What is random of each, and cannot be made
/// smaller, is told in TRAIL.md.
#[test]
fn a_check_takes_no_more_of_the_trail_than_the_book_says() {
    let server = server();
    while packed(&server).len() < 2 {
        let output = server.ordain(&["run", "t", "check"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let (with_login, whole) = each(&packed(&server));
    println!("with a login each: {with_login} bytes of {whole}");
    assert!(with_login <= 480, "{with_login} bytes");

    let before = packed(&server).len();
    block(async {
        let session = server.session("alice").await;
        while packed(&server).len() < before + 3 {
            let run = session.run(invocation("check", &[])).await.unwrap();
            run.collect().await.unwrap();
        }
        session.close().await;
    });
    let verified = server.ordaind(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", stdout(&verified));
    // The first of them may still have runs with logins of their own.
    let (in_session, whole) = each(&packed(&server)[before + 1..]);
    println!("in one session: {in_session} bytes of {whole}");
    assert!(in_session <= 200, "{in_session} bytes");
}
