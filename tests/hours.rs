//! Roles that hold at some hours only, by a server whose clock is set: what is granted, refused and
//! said within them and without.

mod common;

use common::{Cmd, Server, stderr, stdout};
use std::path::PathBuf;
use std::process::Stdio;

/// Seconds from now to a Monday at 10:00 UTC, at least a day ahead.
fn to_monday() -> u64 {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let today = now / 86_400;
    // 1970 began with a Thursday.
    let monday = today + 1 + (7 - (today + 4) % 7) % 7;
    monday * 86_400 + 10 * 3600 - now
}

const DAY: u64 = 86_400;

/// Alice may run all in office hours; it is Monday, 10:00.
fn in_office_hours() -> (Server, PathBuf) {
    let setup = Server::new();
    let clock = setup.path("clock");
    std::fs::write(&clock, to_monday().to_string()).unwrap();
    let server = setup
        .env("ORDAIN_CLOCK", clock.to_str().unwrap())
        .command(Cmd::new("true", &["/bin/true"]))
        .command(Cmd::new("holds", &["/bin/sleep", "1000"]).lock("only"))
        .command(
            Cmd::new("waits", &["/bin/true"])
                .lock("only")
                .set("queue", "1"),
        )
        .role_with("all", &["*"], "when = [\"Mon-Fri 08:00-18:00 UTC\"]")
        .user("alice", &["all"])
        .start();
    (server, clock)
}

#[test]
fn a_role_grants_in_its_hours_and_says_them_out_of_them() {
    const CLOSED: &str = "roles.all holds Mon-Fri 08:00-18:00 UTC; it is Sat 10:0";
    let (server, clock) = in_office_hours();
    let ran = server.ordain(&["run", "t", "true"]);
    assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
    let listed = server.ordain(&["list", "t"]);
    assert!(stdout(&listed).contains("true") && !stderr(&listed).contains("not now"));
    assert!(!stdout(&server.ordain(&["whoami", "t"])).contains("not now"));

    std::fs::write(&clock, (to_monday() + 5 * DAY).to_string()).unwrap();
    let refused = server.ordain(&["run", "t", "true"]);
    assert_eq!(refused.status.code(), Some(255));
    let said = stderr(&refused);
    assert!(said.contains(CLOSED) && said.contains("410"), "{said}");
    let listed = server.ordain(&["list", "t"]);
    assert!(!stdout(&listed).contains("true"), "{}", stdout(&listed));
    assert!(stderr(&listed).contains(&format!("not now: {CLOSED}")));
    let whoami = stdout(&server.ordain(&["whoami", "t"]));
    assert!(whoami.contains(&format!("not now: {CLOSED}")), "{whoami}");
    let explained = stdout(&server.ordain(&["explain", "t", "true"]));
    assert!(explained.contains(CLOSED), "{explained}");

    // On the server, by its own clock.
    let access = stdout(&server.ordaind(&["access", "alice"]));
    assert!(
        access.contains("by all") && access.contains("; role Mon-Fri 08:00-18:00 UTC ("),
        "{access}"
    );
    let shown = stdout(&server.ordaind(&["user", "show", "alice"]));
    assert!(
        shown.contains("role all holds Mon-Fri 08:00-18:00 UTC"),
        "{shown}"
    );
}

#[test]
fn what_goes_on_when_the_hours_end_goes_on_and_what_waits_does_not_begin() {
    let (server, clock) = in_office_hours();
    let start = |command: &str| {
        server
            .client()
            .args(["run", "t", command])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut holds = start("holds");
    server.wait_for_records("start", 1);
    let waits = start("waits");
    server.wait_for_trail("the run that waits", |trail| {
        trail.iter().any(|record| record["command"] == "waits")
    });

    std::fs::write(&clock, (to_monday() + DAY / 2).to_string()).unwrap();
    // A reload that takes nothing ends nothing.
    let reloaded = server.ordaind(&["reload"]);
    assert_eq!(reloaded.status.code(), Some(0), "{}", stderr(&reloaded));
    assert!(stdout(&server.ordain(&["runs", "t"])).contains("holds"));
    assert!(holds.try_wait().unwrap().is_none());

    holds.kill().unwrap();
    holds.wait().unwrap();
    let waited = waits.wait_with_output().unwrap();
    assert_eq!(waited.status.code(), Some(255));
    let said = stderr(&waited);
    assert!(
        said.contains("it is Mon 22:0") && said.contains("while it waited for its turn"),
        "{said}"
    );
    assert_eq!(server.records("start").len(), 1);
}
