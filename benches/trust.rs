//! What trusting a run costs: confinement per start, whole-tree kills, healed links, many runs at
//! once. Each figure beside its limit, measured in the same run.
//!
//! `cargo bench --bench trust` runs all; `-- spawn kill cuts many detached neighbours` runs some
//! of. The spawn figures compare what the daemon's own spawning costs with and without each
//! confinement.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it says what it expects by failing"
)]

use ordain::client::{Durable, Event, Options, Session, connect};
use ordain::credential::{Cost, hash_password};
use ordain::devca::{self, Pair, Use};
use ordain::request::{Ask, Invocation};
use ordain::secret::Secret;
use ordain::sys::{
    self, Cgroups, Files, ProcessLimit, Program, Resource, Spawner, Take, TreeLimits, Trust,
};
use ordain::tls;
use std::ffi::CString;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn main() {
    sys::steady_heap();
    let mut wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    if wanted.is_empty() {
        wanted = ["spawn", "kill", "cuts", "many", "detached", "neighbours"]
            .map(String::from)
            .to_vec();
    }

    let block = |story: std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
            .block_on(story);
    };

    for name in &wanted {
        match name.as_str() {
            "spawn" => spawn(),
            "kill" => block(Box::pin(kill())),
            "cuts" => block(Box::pin(cuts())),
            "many" => block(Box::pin(many())),
            "detached" => block(Box::pin(detached())),
            "neighbours" => block(Box::pin(neighbours())),
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
            .submit(Box::new(move || Ok(program(&own))), Box::new(answer))
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

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn spawn() {
    let root = std::fs::metadata("/proc/self")
        .is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    let spawner = Spawner::start(2, 64).unwrap();
    let groups = Cgroups::enter().ok();
    let account = root.then(|| Take {
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

struct Daemon {
    child: Child,
    _folder: tempfile::TempDir,
    port: u16,
    ca: Pair,
}

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = devca::ca(1).unwrap();
        let server = devca::issue(&ca, &["localhost".into()], Use::Server, 1).unwrap();
        let hash = hash_password(
            &Secret::new("bench".into()),
            Cost {
                memory_kib: 64,
                passes: 1,
                lanes: 1,
            },
        )
        .unwrap();
        let root = std::fs::metadata("/proc/self")
            .is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
        let run_as = if root { "run_as = \"daemon\"" } else { "" };
        let containment = if sys::cgroups_offered().is_ok() {
            "cgroup"
        } else {
            "best-effort"
        };

        let bounds = if bounded() { BOUNDED } else { "" };
        let config = format!(
            r#"
[server]
listen = ["127.0.0.1:0"]
state = "state"
containment = "{containment}"
[tls]
certificate = "server.crt"
key = "server.key"
[limits]
runs_per_user = 4096
streams_per_connection = 512
[defaults]
timeout = "10m"
{run_as}
[commands.thousand]
exec = ["/bin/sh", "-c", 'i=0; while [ $i -lt 1000 ]; do sleep 300 & i=$((i+1)); done; echo ready; wait']
[commands.forkers]
exec = ["/bin/sh", "-c", 'for n in 1 2 3 4 5 6 7 8; do (i=0; while [ $i -lt 100000 ]; do /bin/true; i=$((i+1)); done) & done; echo ready; wait']
[commands.output]
exec = ["/usr/bin/head", "-c", "209715200", "/dev/urandom"]
[commands.some]
exec = ["/bin/sh", "-c", 'head -c 20000 /dev/zero; sleep 1; head -c 20000 /dev/zero']
[commands.true]
exec = ["/bin/true"]
[commands.yes]
exec = ["/usr/bin/yes"]
[commands.no-newline]
exec = ["/usr/bin/head", "-c", "100000000000", "/dev/zero"]
[commands.one-byte]
exec = ["/usr/bin/python3", "-c", "import os\nfor n in range(1000000): os.write(1, b'x')"]
[commands.never-reads]
exec = ["/bin/sleep", "300"]
stdin = true
{bounds}
[commands.sleeps]
exec = ["/bin/sleep", "300"]
on_disconnect = "continue"
spool = "2MiB"
[roles.all]
commands = ["*"]
[users.bench]
roles = ["all"]
password = "{hash}"
"#
        );
        for (name, text) in [
            ("server.crt", &server.certificate),
            ("server.key", &server.key),
            ("config.toml", &config),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .unwrap();
        }

        let own = std::env::current_exe().unwrap();
        let program: PathBuf = own.parent().and_then(Path::parent).unwrap().join("ordaind");
        let mut child = Command::new(program)
            .arg("--config")
            .arg(folder.path().join("config.toml"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert!(
                log.read_line(&mut line).unwrap() > 0,
                "the daemon did not start"
            );

            if let Some((_, rest)) = line.split_once("listening on 127.0.0.1:") {
                break rest.split_whitespace().next().unwrap().parse().unwrap();
            }
        };

        std::thread::spawn(move || log.lines().map_while(Result::ok).for_each(drop));
        Self {
            child,
            _folder: folder,
            port,
            ca,
        }
    }

    fn options(&self, port: u16) -> Options {
        let trust = tls::Trust::Ca(tls::certificates(self.ca.certificate.as_bytes()).unwrap());
        let tls = tls::client(&trust, None).unwrap();
        Options {
            host: "127.0.0.1".into(),
            port,
            tls_name: Some("localhost".into()),
            tls,
            timeout: Duration::from_secs(60),
        }
    }

    async fn session(&self, port: u16) -> Session {
        let connection = connect(&self.options(port)).await.unwrap();
        connection
            .log_in("bench", &Secret::new("bench".into()))
            .await
            .map_err(|(_, error)| error)
            .unwrap()
    }

    /// Proportional memory of monitor and frontend, in KiB.
    fn pss(&self) -> u64 {
        let pid = self.child.id();
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let ours = |child: &&str| {
            std::fs::read(format!("/proc/{child}/cmdline"))
                .is_ok_and(|line| line.starts_with(b"ordaind: "))
        };

        let pids = std::iter::once(pid.to_string())
            .chain(children.split_whitespace().filter(ours).map(String::from));
        pids.filter_map(|pid| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            text.lines().find_map(|line| {
                line.strip_prefix("Pss:")?
                    .trim()
                    .trim_end_matches(" kB")
                    .parse::<u64>()
                    .ok()
            })
        })
        .sum()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // As one stops a daemon, so that it ends what it has started.
        let _ = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        let _ = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        let _ = self.child.wait();
    }
}

fn invocation(command: &str) -> Invocation {
    Invocation {
        command: command.into(),
        arguments: Vec::new(),
        confirmed: false,
        terminal: None,
        reason: None,
    }
}

async fn kill() {
    let daemon = Daemon::start();
    let session = daemon.session(daemon.port).await;
    for command in ["thousand", "forkers"] {
        let mut run = session.run(invocation(command)).await.unwrap();
        while !matches!(run.next().await.unwrap(), Event::Stdout(_)) {}
        let began = Instant::now();
        session
            .ask(&Ask::Cancel {
                run: run.id().unwrap(),
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
    let daemon = Daemon::start();
    let counted = Arc::new(AtomicU64::new(0));
    let port = cutting(daemon.port, counted.clone()).await;
    let options = daemon.options(port);
    let began = Instant::now();
    let run = Durable::start(
        options,
        daemon.session(port).await,
        invocation("output"),
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
    let kept = daemon.session(daemon.port).await;
    let attachment = ordain::request::Attachment {
        run: id,
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
    let daemon = Daemon::start();
    let session = daemon.session(daemon.port).await;
    let began = Instant::now();
    let runs: Vec<_> = (0..500)
        .map(|_| {
            let session = session.clone();
            tokio::spawn(async move {
                session
                    .run(invocation("some"))
                    .await
                    .unwrap()
                    .collect()
                    .await
                    .unwrap()
            })
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
    let daemon = Daemon::start();
    let session = daemon.session(daemon.port).await;
    let latency = async || {
        let mut times = Vec::new();
        for _ in 0..200 {
            let began = Instant::now();
            session
                .run(invocation("true"))
                .await
                .unwrap()
                .collect()
                .await
                .unwrap();
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
        let other = daemon.session(daemon.port).await;
        let mut run = other.run(invocation(name)).await.unwrap();
        let input = run.input();
        let id = run.id().unwrap();
        let again = other.clone();
        let noise = tokio::spawn(async move {
            // It is killed at once, each time.
            if name == "hog" {
                loop {
                    assert_eq!(
                        again
                            .run(invocation(name))
                            .await
                            .unwrap()
                            .collect()
                            .await
                            .unwrap()
                            .2
                            .reason,
                        "oom"
                    );
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

        let _ = other.ask(&Ask::Cancel { run: id }).await;
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

const BOUNDED: &str = r#"
[commands.bomb]
exec = ["/bin/sh", "-c", 'bomb() ( bomb | bomb & ); while :; do bomb; sleep 0.01; done 2>/dev/null']
limits = { processes = 50, cpu = "25%" }
[commands.hog]
exec = ["/usr/bin/tail", "/dev/zero"]
limits = { memory = "32MiB" }
"#;

async fn detached() {
    let daemon = Daemon::start();
    let session = daemon.session(daemon.port).await;
    let before = daemon.pss();

    for _ in 0..200 {
        drop(session.run(invocation("sleeps")).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    println!(
        "detached: {:.1} KiB for each of 200 runs that go on alone",
        (daemon.pss() - before) as f64 / 200.0
    );
}
