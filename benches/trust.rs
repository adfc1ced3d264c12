//! What trusting a run costs: confinement per start, whole-tree kills, healed links, many runs at
//! once. Each figure beside its limit, measured in the same run.
//!
//! `cargo bench --bench trust` runs all; `-- spawn kill cuts many detached neighbours` runs some
//! of. The spawn figures compare what the daemon's own spawning costs with and without each
//! confinement.

mod common;

use common::{
    Cmd, Daemon, PASSWORD, block, described, invocation, is_root, median, trusting, wanted,
};
use ordain::client::{Durable, Event};
use ordain::sys::{
    self, Cgroups, Files, ProcessLimit, Program, Resource, Spawner, Take, TreeLimits, Trust,
};
use ordain::verb::{Attach, Cancel};
use std::ffi::CString;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn main() {
    sys::steady_heap();
    for name in wanted(&["spawn", "kill", "cuts", "many", "detached", "neighbours"]) {
        match name.as_str() {
            "spawn" => spawn(),
            "kill" => block(2, kill()),
            "cuts" => block(2, cuts()),
            "many" => block(2, many()),
            "detached" => block(2, detached()),
            "neighbours" => block(2, neighbours()),
            other => panic!("there is no bench `{other}`"),
        }
    }
}

// --- Starting
// -----------------------------------------------------------------------------------------------------

#[derive(Clone, Default)]
struct How {
    account: Option<Take>,
    limits: Vec<ProcessLimit>,
    files: Option<Files>,
    groups: Option<Cgroups>,
    fresh: bool,
}

fn program(how: &How) -> Program {
    let null = || sys::null_for_writing().unwrap();
    let word = |text: &str| CString::new(text).unwrap();
    let bounds = TreeLimits::default();
    Program {
        executable: sys::open_executable(Path::new("/bin/true"), &Trust::own(), None).unwrap(),
        argv: vec![word("/bin/true")],
        environment: vec![word("PATH=/bin")],
        cwd: word("/"),
        become_user: how.account.clone(),
        stdio: [sys::null().unwrap(), null(), null()],
        opens: vec![],
        passed: None,
        cgroup: how
            .groups
            .as_ref()
            .map(|groups| groups.take(&bounds, false).unwrap()),
        limits: how.limits.clone(),
        umask: 0o022,
        new_privileges: false,
        network: true,
        terminal: false,
        files: how.files.clone(),
    }
}

/// Starts per second from two spawning threads, over a second.
fn rate(spawner: &Spawner, how: &How) -> f64 {
    let (done, answers) = std::sync::mpsc::channel();
    let submit = || {
        let (kept, how, done) = (how.clone(), how.clone(), done.clone());
        let answer = move |result: Result<sys::Child, sys::SpawnError>| {
            let child = result.unwrap();
            sys::wait_readable(child.pidfd.as_fd(), Duration::from_secs(10)).unwrap();
            sys::reap(child.pidfd.as_fd()).unwrap();

            // A fresh group each time is one that is not given back.
            if let (Some(groups), Some(group), false) = (&how.groups, child.cgroup, how.fresh) {
                groups.give_back(group);
            }
            done.send(()).unwrap();
        };

        let own = kept;
        spawner
            .submit(
                Box::new(move || Ok(program(&own))),
                Box::new(|| true),
                Box::new(answer),
            )
            .unwrap();
    };

    let began = Instant::now();
    for _ in 0..4 {
        submit();
    }
    let mut count = 0u32;
    while began.elapsed() < Duration::from_secs(1) {
        answers.recv().unwrap();
        count += 1;
        submit();
    }

    for _ in 0..4 {
        answers.recv().unwrap();
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}

fn spawn() {
    let spawner = Spawner::start(2, 64).unwrap();
    let groups = Cgroups::enter().ok();
    let account = is_root().then(|| Take {
        uid: 65_534,
        gid: 65_534,
        groups: vec![65_534],
    });

    let limits = vec![
        ProcessLimit {
            what: Resource::Core,
            most: 0,
        },
        ProcessLimit {
            what: Resource::OpenFiles,
            most: 1024,
        },
    ];

    let confined = How {
        account,
        limits,
        ..How::default()
    };

    let boxed = How {
        files: Some(Files {
            read: vec!["/etc".into()],
            ..Files::default()
        }),
        ..confined.clone()
    };

    let recycled = groups.as_ref().map(|groups| How {
        groups: Some(groups.clone()),
        ..confined.clone()
    });

    let fresh = recycled.as_ref().map(|how| How {
        fresh: true,
        ..how.clone()
    });

    let mut variants = vec![("account + rlimits", confined)];
    if sys::kernel_offers().1.is_some() {
        variants.push(("… + Landlock", boxed));
    }
    variants.extend(recycled.map(|how| ("… + a recycled control group", how)));
    variants.extend(fresh.map(|how| ("… + a control group each", how)));
    for (name, how) in variants {
        let (mut rates, mut ratios) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let limit = rate(&spawner, &How::default());
            let own = rate(&spawner, &how);
            rates.push(own);
            ratios.push(own / limit);
        }

        println!(
            "spawn, {name}: {:.0}/s, {:.2} of the same without",
            median(rates),
            median(ratios)
        );
    }

    // The monitor's size and descriptors must not matter.
    let plain = How::default();
    let before = rate(&spawner, &plain);
    let ballast = vec![1u8; 256 << 20];
    let descriptors: Vec<_> = (0..2000).map_while(|_| sys::null().ok()).collect();
    let after = rate(&spawner, &plain);
    println!(
        "spawn, 256 MiB and {} descriptors more: {after:.0}/s, {:.2} of before",
        descriptors.len(),
        after / before
    );

    drop((ballast, descriptors));
    if let Some(groups) = groups {
        groups.leave();
    }
}

// --- The real daemon
// ----------------------------------------------------------------------------------------------

/// Stopped as one stops a daemon, so that it ends what it has started.
struct Stopped(Daemon);

impl std::ops::Deref for Stopped {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.0
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for _ in 0..2 {
            let _ = Command::new("kill")
                .args(["-TERM", &self.child.id().to_string()])
                .status();
        }
        let _ = self.0.child.wait();
    }
}

fn daemon() -> Stopped {
    let mut setup = described()
        .run_as("daemon")
        .command(Cmd::sh(
                "thousand",
                "i=0; while [ $i -lt 1000 ]; do sleep 300 & i=$((i+1)); done; echo ready; wait",
                &[],
            ))
        .command(Cmd::sh(
                "forkers",
                "for n in 1 2 3 4 5 6 7 8; do (i=0; while [ $i -lt 100000 ]; do /bin/true; i=$((i+1)); done) & done; echo ready; wait",
                &[],
            ))
        .command(Cmd::new("output", &["/usr/bin/head", "-c", "209715200", "/dev/urandom"]))
        .command(Cmd::sh("some", "head -c 20000 /dev/zero; sleep 1; head -c 20000 /dev/zero", &[]))
        .command(Cmd::new("true", &["/bin/true"]))
        .command(Cmd::new("yes", &["/usr/bin/yes"]))
        .command(Cmd::new("no-newline", &["/usr/bin/head", "-c", "100000000000", "/dev/zero"]))
        .command(Cmd::new(
                "one-byte",
                &["/usr/bin/python3", "-c", r#"import os
for n in range(1000000): os.write(1, b'x')"#],
            ))
        .command(Cmd::new("never-reads", &["/bin/sleep", "300"]).stdin())
        .command(Cmd::new("sleeps", &["/bin/sleep", "300"])
                .goes_on()
                .says("spool", "2MiB"))
        .alice();
    if bounded() {
        setup = setup
            .command(
                Cmd::sh(
                    "bomb",
                    "bomb() ( bomb | bomb & ); while :; do bomb; sleep 0.01; done 2>/dev/null",
                    &[],
                )
                .limits(r#"{ processes = 50, cpu = "25%" }"#),
            )
            .command(
                Cmd::new("hog", &["/usr/bin/tail", "/dev/zero"]).limits(r#"{ memory = "32MiB" }"#),
            );
    }
    Stopped(Daemon::start(setup))
}

async fn kill() {
    let daemon = daemon();
    let session = daemon.session().await;
    for command in ["thousand", "forkers"] {
        let mut run = session.run(invocation(command, &[])).await.unwrap();
        while !matches!(run.next().await.unwrap(), Event::Stdout(_)) {}
        let began = Instant::now();
        session
            .ask(&Cancel {
                run: run.id().unwrap().into(),
            })
            .await
            .unwrap();
        let ended = loop {
            if let Event::Ended(ended) = run.next().await.unwrap() {
                break ended;
            }
        };

        println!(
            "kill, {command}: told as ended {:.0} ms after the cancel, {} others killed, verified {}",
            began.elapsed().as_secs_f64() * 1e3,
            ended.left_killed,
            ended.verified
        );
    }
}

/// A link that is cut again and again, each time after another number of bytes.
async fn cutting(to: u16, cuts: Arc<AtomicU64>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            let cuts = cuts.clone();
            tokio::spawn(async move {
                let number = cuts.fetch_add(1, Ordering::Relaxed);
                let mut left = 80_000 + (number * 104_729) % 260_000;
                let ((mut up, mut down), (mut from, mut to)) =
                    (client.into_split(), server.into_split());
                let upwards = tokio::spawn(async move { tokio::io::copy(&mut up, &mut to).await });
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = from.read(&mut buffer).await {
                    let now = count.min(usize::try_from(left).unwrap());
                    left -= now as u64;
                    if down.write_all(&buffer[..now]).await.is_err() || left == 0 {
                        break;
                    }
                }

                upwards.abort();
            });
        }
    });

    port
}

async fn cuts() {
    let daemon = daemon();
    let counted = Arc::new(AtomicU64::new(0));
    let port = cutting(daemon.port, counted.clone()).await;
    let options = trusting(&daemon.ca, port);
    let began = Instant::now();
    let run = Durable::start(
        options.clone(),
        common::log_in(&options, "alice", PASSWORD).await.unwrap(),
        invocation("output", &[]),
        |_| {},
    )
    .await
    .unwrap();
    let id = run.id();
    let (out, _, ended) = run.collect().await.unwrap();
    let spent = began.elapsed();
    assert_eq!(
        (out.len() as u64, ended.stdout_bytes, ended.number),
        (209_715_200, 209_715_200, Some(0))
    );

    // What the server kept of it is the same to the byte.
    let kept = daemon.session().await;
    let attachment = Attach {
        run: id.into(),
        stdout: None,
        stderr: None,
        follow: false,
        resume: false,
    };

    let watched = kept.attach(attachment).await.unwrap();
    let from = usize::try_from(
        watched
            .started()
            .and_then(|started| started.stdout_from)
            .unwrap(),
    )
    .unwrap();
    let (tail, ..) = watched.collect().await.unwrap();
    assert!(tail == out[from..], "the kept end differs");
    let cuts = counted.load(Ordering::Relaxed);
    println!(
        "cuts: 200 MiB of output through {cuts} cut links in {:.1} s, complete, its kept {} KiB the same byte for byte",
        spent.as_secs_f64(),
        tail.len() / 1024
    );
}

async fn many() {
    let daemon = daemon();
    let session = daemon.session().await;
    let began = Instant::now();
    let runs: Vec<_> = (0..500)
        .map(|_| {
            let session = session.clone();
            tokio::spawn(async move { common::ran(&session, "some").await })
        })
        .collect();
    for run in runs {
        let (out, _, ended) = run.await.unwrap();
        assert_eq!((out.len(), ended.number), (40_000, Some(0)));
    }

    println!(
        "many: 500 runs at once with 40 kB each, one second of it asleep, in {:.2} s",
        began.elapsed().as_secs_f64()
    );
}

/// What a run beside another's noise takes: the median of `true`, alone and with each neighbour.
async fn neighbours() {
    let daemon = daemon();
    let session = daemon.session().await;
    let latency = async || {
        let mut times = Vec::new();
        for _ in 0..200 {
            let began = Instant::now();
            common::ran(&session, "true").await;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }

        median(times)
    };

    latency().await;
    let mut noises = vec![
        ("yes", false),
        ("no-newline", false),
        ("one-byte", true),
        ("never-reads", false),
    ];

    if bounded() {
        noises.extend([("bomb", false), ("hog", true)]);
    } else {
        println!(
            "neighbours: a fork bomb and a memory hog are bounded by controllers, which this process has none of to give"
        );
    }

    for (name, reads) in noises {
        let alone = latency().await;
        let other = daemon.session().await;
        let mut run = other.run(invocation(name, &[])).await.unwrap();
        let input = run.input();
        let id = run.id().unwrap();
        let again = other.clone();
        let noise = tokio::spawn(async move {
            // It is killed at once, each time.
            if name == "hog" {
                loop {
                    assert_eq!(common::ran(&again, name).await.2.reason, "oom");
                }
            }

            if name == "never-reads" {
                while input.send(&[0; 65_536]).await.unwrap_or(false) {}
            }
            while reads && let Ok(event) = run.next().await {
                match event {
                    Event::Stdout(bytes) => run.consumed(bytes.len()).await.unwrap(),
                    Event::Ended(_) => break,
                    _ => {}
                }
            }

            std::future::pending::<()>().await;
        });

        tokio::time::sleep(Duration::from_millis(200)).await;
        let beside = latency().await;
        println!(
            "neighbours, {name}: a run takes {beside:.2} ms beside it, {alone:.2} ms alone: {:.2}",
            beside / alone
        );

        let _ = other.ask(&Cancel { run: id.into() }).await;
        noise.abort();
    }
}

/// Whether the daemon can bound its runs by controllers: this process lives in the root group, as a
/// service does in its own.
fn bounded() -> bool {
    let root = std::fs::read_to_string("/proc/self/cgroup")
        .is_ok_and(|groups| groups.lines().any(|line| line == "0::/"));
    root && sys::cgroups_offered().is_ok_and(|has| has.memory && has.pids && has.cpu)
}

async fn detached() {
    let daemon = daemon();
    let session = daemon.session().await;
    let before = daemon.pss();

    for _ in 0..200 {
        drop(session.run(invocation("sleeps", &[])).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    println!(
        "detached: {:.1} KiB for each of 200 runs that go on alone",
        (daemon.pss() - before) as f64 / 200.0
    );
}
