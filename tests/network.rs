//! A network of the test's own that goes away under a run and comes back: a namespace whose only
//! link is taken down.

mod common;

use common::{Cmd, Server};
use std::process::{Command, Stdio};

/// The story inside: the daemon, a client whose output is read slowly, and a link that goes down
/// and up five times.
const STORY: &str = r#"
set -eu
ip link set lo up
"$1" --config "$3/config.toml" 2>"$3/log" &
daemon=$!
n=0; until grep -q 'listening on' "$3/log"; do n=$((n + 1)); [ $n -lt 200 ] || exit 90; sleep 0.05; done
port=$(sed -n 's/.*listening on 127.0.0.1:\([0-9]*\).*/\1/p' "$3/log" | head -n 1)
client() { "$2" --ca "$3/ca.crt" --tls-name localhost --password-file "$3/password" "$4" "alice@127.0.0.1:$port" "$5"; }
(set +e; client "$1" "$2" "$3" run counts >"$3/out" 2>"$3/err"; echo $? >"$3/status") &
counting=$!
(set +e; head -c 3000000 "$2" | client "$1" "$2" "$3" run copy >"$3/copied" 2>>"$3/err"; echo $? >"$3/copy-status") &
copying=$!
for cut in 1 2 3 4 5; do
    sleep 0.05
    ip link set lo down
    sleep 0.3
    ip link set lo up
done
wait $counting $copying
kill "$daemon"; wait "$daemon"
head -c 3000000 "$2" | cmp - "$3/copied"
"#;

#[test]
fn a_network_that_goes_away_and_comes_back_costs_no_byte() {
    let lines = r#"i=0; while [ "$i" -lt 30000 ]; do echo "line $i of the output"; i=$((i+1)); done; exit 7"#;
    let prepared = Server::new()
        .resumable()
        .command(Cmd::sh("counts", lines, &[]))
        .command(Cmd::new("copy", &["/bin/cat"]).stdin())
        .alice()
        .prepare();
    let folder = prepared.folder();
    let shell = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(words).arg("sh").args([
            "-c",
            STORY,
            "story",
            env!("CARGO_BIN_EXE_ordaind"),
            env!("CARGO_BIN_EXE_ordain"),
        ]);
        command
            .arg(folder)
            .env("HOME", folder)
            .env("XDG_STATE_HOME", folder)
            .env("XDG_CONFIG_HOME", folder)
            .env_remove("SSH_AUTH_SOCK");
        command.stdin(Stdio::null());
        command
    };

    // A namespace of one's own needs root, or a kernel that lets users have one; and a link needs
    // iproute2 to be moved.
    let possible = |words: &[&str]| {
        Command::new("unshare")
            .args(words)
            .args(["ip", "link", "set", "lo", "up"])
            .output()
            .is_ok_and(|output| output.status.success())
    };

    let how: &[&str] = if common::is_root() {
        &["--net"]
    } else {
        &["--user", "--map-current-user", "--keep-caps", "--net"]
    };

    if !possible(how) {
        eprintln!("no namespace to cut a network in: not tried");
        return;
    }

    let output = shell(how).output().unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    assert!(
        output.status.success(),
        "{}{}{}",
        common::stderr(&output),
        read("err"),
        read("log")
    );

    let expected: String = (0..30_000)
        .map(|number| format!("line {number} of the output\n"))
        .collect();
    assert!(
        read("out") == expected,
        "{} bytes of {}: {}",
        read("out").len(),
        expected.len(),
        read("err")
    );

    assert_eq!(
        (read("status").trim(), read("copy-status").trim()),
        ("7", "0"),
        "{}",
        read("err")
    );
}
