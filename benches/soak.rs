//! A soak: clients that log in, run, feed, cancel, cut, flood and wait at random against the real
//! daemon, while it is reloaded and its frontend is killed; then whether memory, descriptors and
//! processes are what they were, and the trail is proved.
//!
//! `cargo bench --bench soak` soaks for half a minute, `-- 20m` for twenty; `-- failed-logins
//! 100000` lets so many logins fail from many sources of the loopback while a user works. Exit
//! status 1 when anything was not as it should be.

mod common;

use common::{Cmd, Daemon, PASSWORD, Setup, costly, described, median, pss};
use ordain::client::{ClientError, Event, Session, connect, connect_over};
use ordain::protocol::Code;
use ordain::secret::Secret;
use ordain::verb::{Attach, Cancel, Invocation, Value};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

fn described_soak() -> Setup {
    described()
        .defaults("resume_window = \"1s\"\ngrace = \"500ms\"")
        .table("audit", "rotate_size = \"16MiB\"")
        .table("output", "retention = \"10s\"\nkept = \"8MiB\"")
        .command(Cmd::new("true", &["/bin/true"]))
        .command(Cmd::new("echo", &["/bin/echo", "{word}"]).string("word", "[a-z0-9]+", 40))
        .command(Cmd::new("cat", &["/bin/cat"]).stdin())
        .command(Cmd::new("sleep", &["/bin/sleep", "1000"]))
        .command(Cmd::sh(
            "forks",
            r#"trap "" TERM; (sleep 1000 & sleep 1000) & sleep 1000"#,
            &[],
        ))
        .command(Cmd::sh("leaves", "sleep 1000 & echo left; exit 3", &[]).linger("200ms"))
        .command(Cmd::new(
            "floods",
            &["/usr/bin/head", "-c", "3000000", "/dev/zero"],
        ))
        .command(
            Cmd::new("locked", &["/bin/sleep", "0.01"])
                .lock("one")
                .set("queue", "8")
                .says("queue_timeout", "5s"),
        )
        .command(
            Cmd::sh("stays", "echo begun; sleep 0.2; echo done", &[])
                .goes_on()
                .says("spool", "2MiB"),
        )
        .role("all", &["*"])
        .user_with("alice", &["all"], &costly())
}

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let sound = match words.first().map(String::as_str) {
        Some("failed-logins") => {
            failed_logins(words.get(1).map_or(100_000, |count| count.parse().unwrap()))
        }
        Some(time) => soak(ordain::units::duration(time).expect("a duration such as 20m")),
        None => soak(Duration::from_secs(30)),
    };

    if !sound {
        std::process::exit(1);
    }
}

/// Numbers that look random, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count)
            .map(|_| u8::try_from(self.roll(256)).unwrap())
            .collect()
    }
}

/// What came of everything.
#[derive(Default)]
struct Tally {
    done: Mutex<BTreeMap<&'static str, [u64; 2]>>,
    wrong: Mutex<Vec<String>>,
}

impl Tally {
    fn count(&self, action: &'static str, outcome: Result<(), Fault>) {
        let mut done = self.done.lock().unwrap();
        let counts = done.entry(action).or_default();
        match outcome {
            Ok(()) => counts[0] += 1,
            Err(Fault::Expected) => counts[1] += 1,
            Err(Fault::Wrong(text)) => self.wrong.lock().unwrap().push(format!("{action}: {text}")),
        }
    }
}

/// Why something did not come to its end.
enum Fault {
    /// The frontend was killed under it, or a limit was reached: told as such.
    Expected,
    /// That should not have been.
    Wrong(String),
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Self {
        let told = [
            Code::ConnectionLost,
            Code::OutcomeUnknown,
            Code::Connect,
            Code::LoginBusy,
            Code::OverLimit,
            Code::Locked,
            Code::QueueDeadline,
            Code::NoSuchRun,
        ];

        if told.iter().any(|code| error.is(*code)) {
            Self::Expected
        } else {
            Self::Wrong(error.to_string())
        }
    }
}

fn check(holds: bool, text: impl FnOnce() -> String) -> Result<(), Fault> {
    if holds {
        Ok(())
    } else {
        Err(Fault::Wrong(text()))
    }
}

fn bare(command: &str, arguments: &[(&str, &str)]) -> Invocation {
    let arguments = arguments
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::Text((*value).to_owned())))
        .collect();
    Invocation {
        arguments,
        confirmed: true,
        ..Invocation::of(command)
    }
}

/// One client that does one thing after the other.
struct Worker {
    daemon: Arc<Daemon>,
    dice: Dice,
    session: Option<Session>,
}

impl Worker {
    async fn held(&mut self) -> Result<Session, Fault> {
        if self.session.is_none() {
            self.session = Some(self.log_in(PASSWORD).await?);
        }
        Ok(self.session.clone().unwrap())
    }

    async fn log_in(&self, password: &str) -> Result<Session, ClientError> {
        let connection = connect(&self.daemon.options()).await?;
        connection
            .log_in("alice", &Secret::new(password.into()))
            .await
            .map_err(|(_, error)| error)
    }

    async fn act(&mut self) -> (&'static str, Result<(), Fault>) {
        let (action, outcome) = match self.dice.roll(100) {
            0..20 => ("echo", self.echo().await),
            20..35 => ("feed", self.feed().await),
            35..45 => ("cold login", self.cold().await),
            45..53 => ("cancel", self.cancel().await),
            53..61 => ("cut", self.cut().await),
            61..67 => ("flood", self.flood().await),
            67..72 => ("silence", self.silence().await),
            72..76 => ("wrong password", self.wrong_password().await),
            76..82 => ("lock", self.lock().await),
            82..88 => ("leave and attach", self.attach().await),
            88..92 => ("leaves processes", self.leaves().await),
            92..96 => ("much output", self.much().await),
            _ => ("real client", self.real_client().await),
        };

        if outcome.is_err() {
            self.session = None;
        }
        (action, outcome)
    }

    async fn echo(&mut self) -> Result<(), Fault> {
        let word = format!("w{}", self.dice.roll(u64::MAX));
        let session = self.held().await?;
        let (stdout, _, ended) = session
            .run(bare("echo", &[("word", &word)]))
            .await?
            .collect()
            .await?;
        check(
            stdout == format!("{word}\n").as_bytes() && ended.number == Some(0),
            || format!("{word}: {stdout:?} {ended:?}"),
        )
    }

    async fn feed(&mut self) -> Result<(), Fault> {
        let count = usize::try_from(self.dice.roll(200_000)).unwrap();
        let bytes = self.dice.bytes(count);
        let session = self.held().await?;
        let run = session.run(bare("cat", &[])).await?;
        let input = run.input();
        let sent = bytes.clone();
        let feeding = tokio::spawn(async move {
            let _ = input.send(&sent).await;
            let _ = input.end().await;
        });

        let (stdout, _, _) = run.collect().await?;
        feeding.abort();
        check(stdout == bytes, || {
            format!("{} bytes of {}", stdout.len(), bytes.len())
        })
    }

    async fn cold(&mut self) -> Result<(), Fault> {
        let session = self.log_in(PASSWORD).await?;
        let (_, _, ended) = session.run(bare("true", &[])).await?.collect().await?;
        session.close().await;
        check(ended.number == Some(0), || format!("{ended:?}"))
    }

    async fn cancel(&mut self) -> Result<(), Fault> {
        let command = if self.dice.roll(2) == 0 {
            "sleep"
        } else {
            "forks"
        };

        let session = self.held().await?;
        let run = session.run(bare(command, &[])).await?;
        let Some(id) = run.id() else {
            return Err(Fault::Wrong("a run without an id".into()));
        };
        session.ask(&Cancel { run: id.into() }).await?;
        let (_, _, ended) = run.collect().await?;
        check(
            ended.reason == "cancelled" || ended.reason == "disconnected",
            || format!("{ended:?}"),
        )
    }

    async fn cut(&mut self) -> Result<(), Fault> {
        let socket = TcpStream::connect(("127.0.0.1", self.daemon.port))
            .await
            .map_err(|_| Fault::Expected)?;
        let socket = socket.into_std().unwrap();
        let knife = socket.try_clone().unwrap();
        let connection =
            connect_over(TcpStream::from_std(socket).unwrap(), &self.daemon.options()).await?;
        let session = connection
            .log_in("alice", &Secret::new(PASSWORD.into()))
            .await
            .map_err(|(_, error)| error)?;
        let command = ["sleep", "forks", "floods"][usize::try_from(self.dice.roll(3)).unwrap()];
        let _run = session.run(bare(command, &[])).await?;
        tokio::time::sleep(Duration::from_millis(self.dice.roll(50))).await;
        let _ = knife.shutdown(std::net::Shutdown::Both);
        Ok(())
    }

    async fn flood(&mut self) -> Result<(), Fault> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.daemon.port))
            .await
            .map_err(|_| Fault::Expected)?;
        let count = usize::try_from(self.dice.roll(4096)).unwrap();
        let rubbish = self.dice.bytes(count);
        let _ = socket.write_all(&rubbish).await;
        let _ = socket.shutdown().await;
        let mut back = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(15), socket.read_to_end(&mut back)).await;
        check(back.len() < 100, || {
            format!("{} bytes for rubbish", back.len())
        })
    }

    async fn silence(&mut self) -> Result<(), Fault> {
        let socket = TcpStream::connect(("127.0.0.1", self.daemon.port))
            .await
            .map_err(|_| Fault::Expected)?;
        tokio::time::sleep(Duration::from_millis(self.dice.roll(500))).await;
        drop(socket);
        Ok(())
    }

    async fn wrong_password(&mut self) -> Result<(), Fault> {
        match self.log_in("wrong").await {
            Err(error) if error.is(Code::LoginRefused) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Err(Fault::Wrong("was let in".into())),
        }
    }

    async fn lock(&mut self) -> Result<(), Fault> {
        let session = self.held().await?;
        let (_, _, ended) = session.run(bare("locked", &[])).await?.collect().await?;
        check(ended.number == Some(0), || format!("{ended:?}"))
    }

    async fn attach(&mut self) -> Result<(), Fault> {
        let session = self.log_in(PASSWORD).await?;
        let run = session.run(bare("stays", &[])).await?;
        let Some(id) = run.id() else {
            return Err(Fault::Wrong("a run without an id".into()));
        };
        drop(run);
        session.close().await;
        tokio::time::sleep(Duration::from_millis(self.dice.roll(300))).await;
        let session = self.held().await?;
        let whole = Attach {
            run: id.into(),
            stdout: Some(0),
            stderr: Some(0),
            follow: true,
            resume: false,
        };

        let mut run = session.attach(whole).await?;
        let mut stdout = Vec::new();
        loop {
            match run.next().await? {
                Event::Stdout(bytes) => stdout.extend(bytes),
                Event::Ended(_) => break,
                _ => {}
            }
        }

        check(stdout == b"begun\ndone\n", || format!("{stdout:?}"))
    }

    async fn leaves(&mut self) -> Result<(), Fault> {
        let session = self.held().await?;
        let (stdout, _, ended) = session.run(bare("leaves", &[])).await?.collect().await?;
        check(stdout == b"left\n" && ended.number == Some(3), || {
            format!("{ended:?}")
        })
    }

    async fn much(&mut self) -> Result<(), Fault> {
        let session = self.held().await?;
        let (stdout, _, _) = session.run(bare("floods", &[])).await?.collect().await?;
        check(stdout.len() == 3_000_000, || {
            format!("{} bytes", stdout.len())
        })
    }

    async fn real_client(&mut self) -> Result<(), Fault> {
        let word = format!("r{}", self.dice.roll(u64::MAX));
        let mut client = self.daemon.client();
        client.args(["run", "t", "echo", &word]);
        let output = tokio::task::spawn_blocking(move || client.output().unwrap())
            .await
            .unwrap();
        match output.status.code() {
            Some(0) => check(output.stdout == format!("{word}\n").as_bytes(), || {
                format!("{word}: {:?}", output.stdout)
            }),
            Some(255) => Err(Fault::Expected),
            other => Err(Fault::Wrong(format!(
                "{other:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            ))),
        }
    }
}

/// What one look at the daemon's processes finds.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    monitor_mib: f64,
    frontend_mib: f64,
    monitor_files: f64,
    frontend_files: f64,
    threads: f64,
    /// Beside monitor and frontend.
    processes: f64,
}

fn children(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let text = threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .collect::<String>();
    text.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// Everything below a process.
fn below(pid: u32) -> Vec<u32> {
    children(pid)
        .into_iter()
        .flat_map(|child| {
            std::iter::once(child)
                .chain(below(child))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn frontend(monitor: u32) -> Option<u32> {
    children(monitor).into_iter().find(|child| {
        std::fs::read(format!("/proc/{child}/cmdline"))
            .is_ok_and(|line| line.starts_with(b"ordaind: frontend"))
    })
}

fn mib(pid: u32) -> f64 {
    pss(pid) as f64 / 1024.0
}

fn look(monitor: u32) -> Option<Look> {
    let frontend = frontend(monitor)?;
    let files =
        |pid: u32| std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count) as f64;
    let threads =
        |pid: u32| std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count) as f64;
    Some(Look {
        monitor_mib: mib(monitor),
        frontend_mib: mib(frontend),
        monitor_files: files(monitor),
        frontend_files: files(frontend),
        threads: threads(monitor) + threads(frontend),
        processes: below(monitor).len().saturating_sub(1) as f64,
    })
}

fn row(name: &str, looks: &[Look], runs: f64) {
    let of = |part: fn(&Look) -> f64| {
        if looks.is_empty() {
            0.0
        } else {
            median(looks.iter().map(part).collect())
        }
    };

    println!(
        "  {name:<12} {:>7.1} {:>7.1} {:>7.0} {:>7.0} {:>7.0} {:>7.0} {runs:>8.0}",
        of(|look| look.monitor_mib),
        of(|look| look.frontend_mib),
        of(|look| look.monitor_files),
        of(|look| look.frontend_files),
        of(|look| look.threads),
        of(|look| look.processes),
    );
}

fn soak(time: Duration) -> bool {
    const CLIENTS: u64 = 24;
    let daemon = Arc::new(Daemon::start(described_soak()));
    let monitor = daemon.child.id();
    let (tally, over, actions) = (
        Arc::new(Tally::default()),
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let fresh = look(monitor).unwrap();
    let began = Instant::now();
    let workers: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut worker = Worker {
                daemon: daemon.clone(),
                dice: Dice(0x9E37_79B9_7F4A_7C15 ^ (number + 1)),
                session: None,
            };

            let (tally, over, actions) = (tally.clone(), over.clone(), actions.clone());
            runtime.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let (action, outcome) =
                        match tokio::time::timeout(Duration::from_secs(60), worker.act()).await {
                            Ok(done) => done,
                            Err(_) => ("any", Err(Fault::Wrong("stuck for a minute".into()))),
                        };
                    tally.count(action, outcome);
                    actions.fetch_add(1, Ordering::Relaxed);
                    let pause = worker.dice.roll(40);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
            })
        })
        .collect();
    // What happens to the daemon: reloads all the time, and frontends that die in the first half;
    // in the second it is looked at.
    let (mut looks, mut rates) = (Vec::new(), Vec::new());
    let (mut reloads, mut kills, mut last) = (0, 0, 0);
    let step = (time / 400).max(Duration::from_millis(50));

    for number in 0u32.. {
        if began.elapsed() >= time {
            break;
        }
        std::thread::sleep(step);
        looks.extend(look(monitor));
        let now = actions.load(Ordering::Relaxed);
        rates.push((now - last) as f64 / step.as_secs_f64());
        last = now;
        if number % 20 == 7 {
            reloads += u32::from(
                Command::new("kill")
                    .args(["-HUP", &monitor.to_string()])
                    .status()
                    .unwrap()
                    .success(),
            );
        }

        if number % 60 == 31
            && began.elapsed() < time / 2
            && let Some(frontend) = frontend(monitor)
        {
            kills += u32::from(
                Command::new("kill")
                    .args(["-KILL", &frontend.to_string()])
                    .status()
                    .unwrap()
                    .success(),
            );
        }
    }

    over.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        for worker in workers {
            worker.await.unwrap();
        }
    });

    // Everything that was left alone has its second to end in, and what was kept its ten.
    let settled = (0..300).find_map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        look(monitor).filter(|look| look.processes == 0.0)
    });

    std::thread::sleep(Duration::from_secs(12));
    let end = look(monitor).unwrap_or_default();
    println!(
        "soak: {CLIENTS} clients for {time:?}, {} actions, {reloads} reloads, {kills} frontends killed",
        actions.load(Ordering::Relaxed)
    );

    for (action, [done, told]) in tally.done.lock().unwrap().iter() {
        println!("  {action:<18} {done:>8} done, {told:>6} told of a lost link or a limit");
    }
    println!(
        "  {:<12} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8}",
        "medians of", "monitor", "front.", "m.files", "f.files", "threads", "procs", "acts/s"
    );

    row("fresh", &[fresh], 0.0);
    for quarter in 0..4 {
        let part = |count: usize| quarter * count / 4..(quarter + 1) * count / 4;
        let rate = rates[part(rates.len())].to_vec();
        row(
            &format!("quarter {}", quarter + 1),
            &looks[part(looks.len())],
            if rate.is_empty() { 0.0 } else { median(rate) },
        );
    }

    row("afterwards", &[end], 0.0);
    let mut wrong = tally.wrong.lock().unwrap().clone();
    if settled.is_none() {
        wrong.push(format!("{} processes are left", end.processes));
    }
    let quarter = |number: usize, part: fn(&Look) -> f64| {
        median(
            looks[number * looks.len() / 4..(number + 1) * looks.len() / 4]
                .iter()
                .map(part)
                .collect(),
        )
    };

    for (name, part) in [
        ("monitor", (|look| look.monitor_mib) as fn(&Look) -> f64),
        ("frontend", |look| look.frontend_mib),
    ] {
        let (third, fourth) = (quarter(2, part), quarter(3, part));
        println!(
            "  {name}: {:.2} of the third quarter's memory in the fourth",
            fourth / third
        );

        if fourth > third * 1.25 + 2.0 {
            wrong.push(format!(
                "the {name} grows: {third:.1} MiB, then {fourth:.1} MiB"
            ));
        }
    }

    // Empty control groups are kept for the next runs, a descriptor each.
    let groups = 64.0;
    if end.monitor_files > fresh.monitor_files + groups + 8.0
        || end.frontend_files > fresh.frontend_files + 8.0
    {
        wrong.push(format!("descriptors are left: {fresh:?}, then {end:?}"));
    }
    verdict(Arc::into_inner(daemon).unwrap(), wrong)
}

/// Stops the daemon and proves its trail.
fn verdict(mut daemon: Daemon, mut wrong: Vec<String>) -> bool {
    assert!(
        Command::new("kill")
            .args(["-TERM", &daemon.child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );

    if !daemon.child.wait().unwrap().success() {
        wrong.push("the daemon did not stop well".into());
    }
    let verified = daemon.ordaind(&["audit", "verify"]);
    for line in String::from_utf8_lossy(&verified.stdout).lines() {
        println!("  trail: {line}");
    }
    if !verified.status.success() {
        wrong.push("the trail is not sound".into());
    }
    for line in wrong.iter().take(20) {
        println!("  WRONG {line}");
    }
    println!(
        "  {}",
        if wrong.is_empty() {
            "all is well".to_owned()
        } else {
            format!("{} things went wrong", wrong.len())
        }
    );

    wrong.is_empty()
}

/// Logins that fail, from many sources, while somebody works.
fn failed_logins(count: u32) -> bool {
    const AT_ONCE: u32 = 64;
    let daemon = Daemon::start(
        described()
            .penalties("exempt = [\"127.0.0.1\"]")
            .command(Cmd::new("true", &["/bin/true"]))
            .alice(),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let session = runtime.block_on(daemon.session());
    let work = |times: usize| {
        let mut took: Vec<f64> = Vec::new();
        runtime.block_on(async {
            for _ in 0..times {
                let began = Instant::now();
                session
                    .run(bare("true", &[]))
                    .await
                    .unwrap()
                    .collect()
                    .await
                    .unwrap();
                took.push(began.elapsed().as_secs_f64() * 1e3);
            }
        });

        took
    };

    let alone = median(work(300));
    let before = (bytes_of_trail(&daemon), daemon.pss());
    let (next, refused, turned_away) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicU64::new(0)),
    );

    let options = daemon.options();
    let began = Instant::now();
    let attackers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (next, refused, turned_away, options) = (
                next.clone(),
                refused.clone(),
                turned_away.clone(),
                options.clone(),
            );

            runtime.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= u64::from(count) {
                        return;
                    }
                    // Two tries of each source, so that most get as far as to fail.
                    let source = Ipv4Addr::from(
                        0x7F01_0000 + u32::try_from(number / 2 % 0xFF_0000).unwrap(),
                    );
                    let attempt = async {
                        let socket = TcpSocket::new_v4().ok()?;
                        socket.bind((source, 0).into()).ok()?;
                        let socket = socket
                            .connect(([127, 0, 0, 1], options.port).into())
                            .await
                            .ok()?;
                        let connection = connect_over(socket, &options).await.ok()?;
                        let user = if number % 3 == 0 {
                            "alice".to_owned()
                        } else {
                            format!("nobody{number}")
                        };

                        let (_, error) = connection
                            .log_in(&user, &Secret::new("guess".into()))
                            .await
                            .err()?;
                        (error.is(Code::LoginRefused) || error.is(Code::LoginBusy)).then_some(())
                    };

                    if attempt.await.is_some() {
                        &refused
                    } else {
                        &turned_away
                    }
                    .fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut meanwhile = Vec::new();
    while attackers.iter().any(|attacker| !attacker.is_finished()) {
        meanwhile.extend(work(50));
    }
    let took = began.elapsed();
    let (bytes, pss) = (bytes_of_trail(&daemon), daemon.pss());
    let mut wrong = Vec::new();

    // A user is not locked out by those who fail in their name: they have been here before.
    if !runtime.block_on(async {
        connect(&options)
            .await
            .unwrap()
            .log_in("alice", &Secret::new(PASSWORD.into()))
            .await
            .is_ok()
    }) {
        wrong.push("the user cannot log in any more".to_owned());
    }

    let minutes = took.as_secs_f64() / 60.0;
    let own = meanwhile.len() as f64;
    println!(
        "failed logins: {} refused and {} turned away in {took:.1?}; the trail grew by {:.1} MB, of which the user's {own:.0} commands are most; memory {:.1} to {:.1} MiB",
        refused.load(Ordering::Relaxed),
        turned_away.load(Ordering::Relaxed),
        (bytes - before.0) as f64 / 1e6,
        before.1 as f64 / 1024.0,
        pss as f64 / 1024.0
    );

    println!(
        "  a command of the user's who is in: {alone:.2} ms alone, {:.2} ms meanwhile (median of {own:.0})",
        median(meanwhile)
    );

    let strangers = records_of_strangers(&daemon);
    println!(
        "  {strangers} records of strangers, at most {} a minute are written one by one",
        ordain::limits::RECORDS_OF_STRANGERS
    );

    let quota = (minutes.ceil() + 1.0) * f64::from(ordain::limits::RECORDS_OF_STRANGERS + 300);
    if strangers as f64 > quota * 2.0 {
        wrong.push(format!(
            "{strangers} records of strangers in {minutes:.1} minutes"
        ));
    }

    drop(session);
    verdict(daemon, wrong)
}

fn trail_files(daemon: &Daemon) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(daemon.folder.path().join("state"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    files
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
        .collect()
}

fn bytes_of_trail(daemon: &Daemon) -> u64 {
    trail_files(daemon)
        .iter()
        .map(|path| std::fs::metadata(path).unwrap().len())
        .sum()
}

fn records_of_strangers(daemon: &Daemon) -> usize {
    let of_a_stranger = |line: &&str| {
        ["connection", "login", "violation", "summed", "penalty"]
            .iter()
            .any(|kind| line.contains(&format!("\"kind\":\"{kind}\"")))
    };

    let texts = trail_files(daemon)
        .into_iter()
        .map(|path| std::fs::read_to_string(path).unwrap());
    texts
        .map(|text| text.lines().filter(of_a_stranger).count())
        .sum()
}
