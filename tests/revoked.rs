//! What was taken away does not happen any more: nothing starts behind an answered lock, and what a
//! lock has met in the middle of its start is ended.

mod common;

use common::{Cmd, Server, invocation, wait};
use ordain::client::Session;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Starts as many as it can, and lets them go on, until it may not any more.
async fn storm(session: Session, begun: Arc<AtomicUsize>) {
    let mut runs = Vec::new();
    while let Ok(run) = session.run(invocation("sleep", &[])).await {
        begun.fetch_add(1, Ordering::SeqCst);
        runs.push(run);
        if runs.len() > 40 {
            runs.remove(0);
        }
    }
}

fn server(rule: &str) -> Server {
    Server::new()
        .command(
            Cmd::new("sleep", &["/bin/sleep", "1000"])
                .says("on_revoke", rule)
                .grace("100ms"),
        )
        .role("all", &["sleep"])
        .user("alice", &["all"])
        .user("bob", &["all"])
        .table("limits", "runs_per_user = 4000\n")
        .start()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// In the middle of a storm of starts, `lock` (or a reload) takes the right away. Returns the trail's
/// length when that had been answered.
fn in_a_storm(server: &Server, take_away: impl FnOnce()) -> usize {
    let runtime = runtime();
    let begun = Arc::new(AtomicUsize::new(0));
    let storms: Vec<_> = (0..6)
        .map(|_| {
            let session = runtime.block_on(server.session("alice"));
            runtime.spawn(storm(session, begun.clone()))
        })
        .collect();
    wait("a storm", || begun.load(Ordering::SeqCst) > 150);
    take_away();
    let answered = server.trail().len();
    for storm in storms {
        runtime.block_on(storm).unwrap();
    }
    answered
}

/// How runs ended, by the run.
fn ends(server: &Server) -> BTreeMap<String, String> {
    let end = |record: serde_json::Value| {
        let text = |key: &str| record[key].as_str().unwrap().to_owned();
        (text("run"), text("reason"))
    };
    server.records("end").into_iter().map(end).collect()
}

/// Of 228 starts that a lock met between their turn and their exec, 221 ran, 34 did their work after
/// the lock had been answered, and with `continue` 124 ran to their end.
fn nothing_starts_behind_what_takes_away(rule: &str, take_away: impl FnOnce(&Server), kind: &str) {
    let server = server(rule);
    let answered = in_a_storm(&server, || take_away(&server));
    wait("the end of all", || {
        let starts = server.records("start");
        let ended = ends(&server);
        let over = |record: &serde_json::Value| ended.contains_key(record["run"].as_str().unwrap());
        rule == "continue" || starts.iter().all(over)
    });

    // What began behind the record is ended whatever its rule says.
    let trail = server.trail();
    let of = |wanted: &str| {
        let mut records = trail.iter();
        records.position(|record| record["kind"] == wanted).unwrap()
    };
    let taken = of(kind);
    let late: Vec<&str> = trail[taken..]
        .iter()
        .filter(|record| record["kind"] == "start")
        .map(|record| record["run"].as_str().unwrap())
        .collect();
    wait("the end of what was met", || {
        let ended = ends(&server);
        late.iter().all(|run| ended.contains_key(*run))
    });
    let ended = ends(&server);
    let mut between = 0;
    for (at, record) in trail
        .iter()
        .enumerate()
        .filter(|(_, record)| record["kind"] == "start")
    {
        assert!(
            at < answered,
            "a start was recorded behind the answer: {record}"
        );
        if at > taken {
            between += 1;
            let run = record["run"].as_str().unwrap();
            let how = ended.get(run).map(String::as_str);
            assert_eq!(
                how,
                Some("revoked"),
                "it began behind the record, and was not ended"
            );
        }
    }

    // Those that two spawning threads had in hand, and those whose start was about to be told.
    assert!(between <= 8, "{between} began behind the record");

    // Others have lost nothing.
    let run = runtime().block_on(async {
        let bob = server.session("bob").await;
        bob.run(invocation("sleep", &[])).await.map(drop)
    });
    assert!(run.is_ok());
}

fn lock(server: &Server) {
    let locked = server.ordaind(&["lock", "alice"]);
    assert!(locked.status.success(), "{}", common::stderr(&locked));
}

#[test]
fn nothing_starts_behind_an_answered_lock() {
    nothing_starts_behind_what_takes_away("cancel", lock, "lock");
}

#[test]
fn nothing_starts_behind_an_answered_lock_where_runs_may_go_on() {
    nothing_starts_behind_what_takes_away("continue", lock, "lock");
}

#[test]
fn nothing_starts_behind_an_answered_reload_that_takes_a_role_away() {
    let take = |server: &Server| {
        let config = server.config();
        let text = std::fs::read_to_string(&config).unwrap();
        let without = text.replacen(
            "[users.alice]\nroles = [\"all\"]",
            "[users.alice]\nroles = []",
            1,
        );
        assert_ne!(text, without);
        common::write(&config, &without, 0o600);
        let reloaded = server.ordaind(&["reload"]);
        assert!(reloaded.status.success(), "{}", common::stderr(&reloaded));
    };
    nothing_starts_behind_what_takes_away("cancel", take, "reload");
}
