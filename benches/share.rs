//! What one user's flood costs another: how long the other's runs take while somebody asks for
//! everything without end, beside the same flood against another daemon on the same machine. What
//! counts is the ratio of the two: it leaves out what the machine itself is short of.
//!
//! `cargo bench --bench share` runs all; names choose: requests runs refusals lists.

mod common;

use common::{Cmd, Daemon, PASSWORD, block, invocation, percentile, wanted};
use ordain::client::Session;
use ordain::verb::{Runs, Whoami};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Streams on which the flood asks at once.
const FLOOD: usize = 96;
/// Runs of the other user that are timed in one go.
const TIMED: usize = 400;
/// How often each of the two floods is timed, in turn: a p99 of few runs is a matter of chance.
const ROUNDS: usize = 12;

fn main() {
    for name in wanted(&["requests", "runs", "refusals", "lists"]) {
        block(2, flooded(&name));
    }
}

fn daemon() -> Daemon {
    let setup = common::Server::new()
        .resumable()
        .table("limits", "trail_per_user = \"16GiB\"")
        .command(Cmd::new("true", &["/bin/true"]))
        .role("all", &["*"])
        .user("alice", &["all"])
        .user("bob", &["all"]);
    Daemon::start(setup)
}

/// Times of bob's runs, one after the other, in milliseconds.
async fn timed(session: &Session) -> Vec<f64> {
    let mut times = Vec::new();
    for _ in 0..TIMED {
        let began = Instant::now();
        let (_, _, ended) = common::ran(session, "true").await;
        assert_eq!(ended.number, Some(0));
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    times
}

/// Alice asks for this without end, on as many streams as she may have.
async fn flood(
    daemon: &Daemon,
    what: &str,
    done: &Arc<AtomicBool>,
) -> Vec<tokio::task::JoinHandle<u64>> {
    let mut tasks = Vec::new();
    for _ in 0..FLOOD.div_ceil(48) {
        let session = daemon.try_session("alice", PASSWORD).await.unwrap();
        for _ in 0..48 {
            let (session, done, what) = (session.clone(), done.clone(), what.to_owned());
            tasks.push(tokio::spawn(async move {
                let mut count = 0;
                while !done.load(Ordering::Relaxed) {
                    ask(&session, &what).await;
                    count += 1;
                }
                count
            }));
        }
    }
    tasks
}

/// Asks once; refusals are part of the flood.
async fn ask(session: &Session, what: &str) {
    match what {
        "requests" => drop(session.ask(&Whoami {}).await),
        "lists" => drop(session.ask(&Runs::default()).await),
        "runs" => {
            if let Ok(run) = session.run(invocation("true", &[])).await {
                let _ = run.collect().await;
            }
        }
        _ => drop(session.run(invocation("nothing-of-this-name", &[])).await),
    }
}

async fn flooded(what: &str) {
    let (daemon, other) = (daemon(), daemon());
    let bob = daemon.try_session("bob", PASSWORD).await.unwrap();
    if what == "lists" {
        // As many as are kept.
        for daemon in [&daemon, &other] {
            let alice = daemon.try_session("alice", PASSWORD).await.unwrap();
            for _ in 0..512 {
                common::ran(&alice, "true").await;
            }
        }
    }
    timed(&bob).await;
    let alone = timed(&bob).await;

    let (mut beside, mut within) = (Vec::new(), Vec::new());
    let mut rate = 0.0;
    for _ in 0..ROUNDS {
        for (target, times) in [(&other, &mut beside), (&daemon, &mut within)] {
            let done = Arc::new(AtomicBool::new(false));
            let tasks = flood(target, what, &done).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            let began = Instant::now();
            times.extend(timed(&bob).await);
            done.store(true, Ordering::Relaxed);
            let mut count = 0;
            for task in tasks {
                count += task.await.unwrap();
            }
            rate = count as f64 / began.elapsed().as_secs_f64();
        }
    }
    let at = |times: &[f64], part: f64| percentile(times.to_vec(), part);
    println!(
        "{what}: a run takes {:.2} ms (p99 {:.2}) alone; {:.2} ms (p99 {:.2}) while another user floods another daemon with {rate:.0}/s; {:.2} ms (p99 {:.2}) while they flood its own: {:.2}, p99 {:.2}",
        at(&alone, 0.5),
        at(&alone, 0.99),
        at(&beside, 0.5),
        at(&beside, 0.99),
        at(&within, 0.5),
        at(&within, 0.99),
        at(&within, 0.5) / at(&beside, 0.5),
        at(&within, 0.99) / at(&beside, 0.99),
    );
}
