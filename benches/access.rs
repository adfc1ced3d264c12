//! Logging in: what it costs cold, by whom it can be told apart, and what a flood of logins costs
//! those who are in.
//!
//! `cargo bench --bench access` runs all; `-- cold names flood signing trail reload` some.

mod common;

use common::{Cmd, Daemon, PASSWORD, costly, described, median, timed, wanted};
use ordain::client::{ClientError, Kept, Proof, Session, Signer, connect};
use ordain::credential::{Purpose, SessionKey, SessionPublic, SshPrivate};
use ordain::ids::{RequestId, RunId, SessionId};
use ordain::protocol::Code;
use ordain::secret::Secret;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn main() {
    ordain::sys::steady_heap();
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    };

    for name in wanted(&["cold", "names", "flood", "signing", "trail", "reload"]) {
        match name.as_str() {
            "cold" => cold(),
            "names" => runtime().block_on(names()),
            "flood" => runtime().block_on(flood()),
            "signing" => signing(),
            "trail" => trail(),
            "reload" => reload(),
            other => panic!("there is no bench `{other}`"),
        }
    }
}

/// A daemon, and the folder of an SSH key that its user alice has.
fn daemon() -> (Daemon, tempfile::TempDir) {
    let keys = tempfile::tempdir().unwrap();
    for name in ["key", "other"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(keys.path().join(name))
            .status();
        assert!(
            made.is_ok_and(|status| status.success()),
            "ssh-keygen (OpenSSH) is needed"
        );
    }

    let public = std::fs::read_to_string(keys.path().join("key.pub")).unwrap();
    let key = format!("ssh_keys = [\"{}\"]\n", public.trim());
    let password = costly();
    let both = format!("{password}{key}");
    let daemon = Daemon::start(
        described()
            .command(Cmd::new("true", &["/bin/true"]))
            .role("all", &["true"])
            .user_with("alice", &["all"], &both)
            .user_with("disabled", &["all"], &format!("{both}disabled = true"))
            .user_with("locked", &["all"], &both)
            .user_with("keyed", &["all"], &key)
            .user_with("keyless", &["all"], &password)
            .user_with(
                "elsewhere",
                &["all"],
                &format!("{both}sources = [\"10.0.0.0/8\"]"),
            ),
    );

    assert!(daemon.ordaind(&["lock", "locked"]).status.success());

    (daemon, keys)
}

/// The client without a password file.
fn client(daemon: &Daemon, words: &[&str]) -> Command {
    let mut command = daemon.bare();
    command.args(words).stdout(Stdio::null());
    command
}

/// So many clients at once, each run to its end and started again; how many ends a second.
fn rate(clients: usize, seconds: f64, command: impl Fn() -> Command + Sync) -> f64 {
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let count: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| {
                    let mut ran = 0;
                    while !stop.load(Ordering::Relaxed) {
                        assert!(command().status().unwrap().success());
                        ran += 1;
                    }

                    ran
                })
            })
            .collect();
        std::thread::sleep(Duration::from_secs_f64(seconds));
        stop.store(true, Ordering::Relaxed);
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });

    count as f64 / began.elapsed().as_secs_f64()
}

fn cold() {
    let (daemon, keys) = daemon();
    let password = daemon
        .folder
        .path()
        .join("password")
        .to_string_lossy()
        .into_owned();
    assert!(
        client(&daemon, &["login", "t", "--password-file", &password])
            .status()
            .unwrap()
            .success()
    );

    let socket = keys.path().join("agent");
    let mut agent = Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !socket.exists() {
        std::thread::yield_now();
    }
    assert!(
        Command::new("ssh-add")
            .arg("-q")
            .arg(keys.path().join("key"))
            .env("SSH_AUTH_SOCK", &socket)
            .status()
            .unwrap()
            .success()
    );

    let kept = || client(&daemon, &["run", "t", "true"]);
    let public = keys.path().join("key.pub").to_string_lossy().into_owned();
    let by_agent = || {
        let mut command = client(&daemon, &["--identity", &public, "run", "t", "true"]);
        command.env("SSH_AUTH_SOCK", &socket);
        command
    };

    let file = keys.path().join("key").to_string_lossy().into_owned();
    let by_file = || client(&daemon, &["--identity", &file, "run", "t", "true"]);
    let limit = || {
        let mut command = Command::new("/bin/true");
        command.stdout(Stdio::null());
        command
    };

    let mut times = [const { Vec::new() }; 4];
    for _ in 0..41 {
        times[0].push(timed(&mut kept()));
        times[1].push(timed(&mut by_agent()));
        times[2].push(timed(&mut by_file()));
        times[3].push(timed(&mut limit()));
    }

    let [kept_ms, agent_ms, file_ms, true_ms] = times.map(median);
    println!(
        "cold `ordain run … true`: kept login {kept_ms:.1} ms, ssh-agent {agent_ms:.1} ms, key file {file_ms:.1} ms; /bin/true {true_ms:.1} ms"
    );
    println!(
        "32 clients at once: kept login {:.0}/s, ssh-agent {:.0}/s beside {:.0}/s of /bin/true",
        rate(32, 4.0, kept),
        rate(32, 4.0, by_agent),
        rate(32, 4.0, limit)
    );

    let _ = agent.kill();
    let _ = agent.wait();
}

async fn refused(daemon: &Daemon, user: &str, proof: &Proof) -> (f64, ClientError) {
    let connection = connect(&daemon.options()).await.unwrap();
    let no_code = || Err(ClientError::new(Code::CodeWanted, "none"));
    let began = Instant::now();
    let error = connection
        .enter(user, proof, false, no_code)
        .await
        .err()
        .unwrap()
        .1;
    (began.elapsed().as_secs_f64() * 1e6, error)
}

/// How often one of these is larger than one of those: a half where nothing tells them apart.
fn larger(these: &[f64], those: &[f64]) -> f64 {
    let wins: f64 = these
        .iter()
        .flat_map(|this| {
            those.iter().map(move |that| {
                if this > that {
                    1.0
                } else if this == that {
                    0.5
                } else {
                    0.0
                }
            })
        })
        .sum();
    wins / (these.len() * those.len()) as f64
}

/// Whether the time or the words of a refusal tell who exists.
async fn names() {
    let (daemon, keys) = daemon();
    let signer = |name: &str| {
        Signer::Own(Arc::new(
            SshPrivate::read(&std::fs::read(keys.path().join(name)).unwrap(), None).unwrap(),
        ))
    };

    let kept = Kept {
        id: SessionId::from_random([7; 20]),
        key: Arc::new(SessionKey::generate().unwrap()),
    };

    let methods = [
        (
            "password",
            2000,
            Proof::Password(Secret::new("wrong".into())),
        ),
        ("ssh-key", 2000, Proof::Key(signer("other"))),
        ("kept", 2000, Proof::Kept(kept)),
    ];

    const USERS: [&str; 7] = [
        "alice",
        "nobody-at-all",
        "disabled",
        "locked",
        "keyed",
        "keyless",
        "elsewhere",
    ];

    for (method, tries, proof) in methods {
        let mut times = vec![Vec::new(); USERS.len()];
        let mut words = Vec::new();
        for round in 0..tries / USERS.len() {
            // Not always in the same order, or one would always follow the same other.
            for step in 0..USERS.len() {
                let index = (step * 3 + round) % USERS.len();
                let (time, error) = refused(&daemon, USERS[index], &proof).await;
                times[index].push(time);
                words.push((error.code, error.text));
            }
        }

        words.dedup();
        let known = median(times[0].clone());
        print!(
            "{method}, {tries} tries, told {} way(s); existing user {known:.0} µs; ",
            words.len()
        );

        let others: Vec<String> = (1..USERS.len())
            .map(|index| {
                format!(
                    "{} {:.3} ({:.2})",
                    USERS[index],
                    median(times[index].clone()) / known,
                    larger(&times[index], &times[0])
                )
            })
            .collect();
        println!(
            "beside it (and how often larger, 0.5 is even): {}",
            others.join(", ")
        );
    }
}

async fn latency(session: &Session, seconds: f64) -> Vec<f64> {
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let mut times = Vec::new();
    while Instant::now() < until {
        let began = Instant::now();
        common::ran(session, "true").await;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }

    times
}

fn high(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() * 95 / 100]
}

/// A user who is in, while 500 others log in at once.
async fn flood() {
    let (daemon, _keys) = daemon();
    let daemon = Arc::new(daemon);
    let session = daemon.session().await;
    let alone = latency(&session, 3.0).await;
    let before = daemon.pss();
    let mut connections = Vec::new();

    for _ in 0..500 {
        connections.push(connect(&daemon.options()).await.unwrap());
    }
    let began = Instant::now();
    let logging_in: Vec<_> = connections
        .into_iter()
        .map(|connection| {
            tokio::spawn(async move {
                connection
                    .log_in("alice", &Secret::new(PASSWORD.into()))
                    .await
                    .map_err(|(_, error)| error)
                    .is_ok()
            })
        })
        .collect();
    let (mut crowded, mut during) = (Vec::new(), 0);
    while !logging_in.iter().all(|task| task.is_finished()) {
        crowded.extend(latency(&session, 0.2).await);
        during = during.max(daemon.pss());
    }

    let took = began.elapsed().as_secs_f64();
    let mut accepted = 0;
    for task in logging_in {
        accepted += usize::from(task.await.unwrap());
    }
    println!(
        "500 logins at once ({accepted} accepted within {took:.1} s): a command takes {:.2} ms beside {:.2} ms alone: {:.2} (95th of 100: {:.2} beside {:.2}); memory {} MiB more",
        median(crowded.clone()),
        median(alone.clone()),
        median(crowded.clone()) / median(alone.clone()),
        high(crowded),
        high(alone),
        during.saturating_sub(before) / 1024
    );
}

/// What a request's signature costs both sides.
fn signing() {
    let key = SessionKey::generate().unwrap();
    let public = SessionPublic::read(&key.public()).unwrap();
    let text = "x".repeat(200);
    let each = |work: &dyn Fn()| {
        let began = Instant::now();
        let mut count = 0;
        while began.elapsed() < Duration::from_secs(1) {
            work();
            count += 1;
        }

        began.elapsed().as_secs_f64() * 1e6 / f64::from(count)
    };

    let signature = key.sign(Purpose::Request, &text);
    let sign = each(&|| drop(key.sign(Purpose::Request, &text)));
    let verify = each(&|| assert!(public.verifies(Purpose::Request, &text, &signature)));
    println!("a request's signature: {sign:.0} µs to make, {verify:.0} µs to verify");
}

/// Writing a trail and proving it, beside hashing and reading its bytes alone.
fn trail() {
    use ordain::audit::{Record, SignedBy, Trail, TrailKey, Verifier, What, link};
    const REQUESTS: u64 = 200_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trail");
    let file = std::fs::File::options()
        .read(true)
        .append(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    let mut trail = Trail::open(
        file,
        TrailKey::of(&zeroize::Zeroizing::new([7; 32])).unwrap(),
        None,
        None,
    )
    .unwrap();
    let public = trail.public();
    let key = SessionKey::generate().unwrap();
    let session = SessionId::from_random([9; 20]).to_string();
    let login = format!(
        "{{\"user\":\"alice\",\"method\":\"password\",\"session_key\":\"{}\"}}",
        key.public()
    );

    let signature = key.sign(Purpose::Login, &login);
    trail
        .append(&Record::now(What::Login {
            connection: 1,
            source: "192.0.2.1:5",
            user: "alice",
            method: "password",
            outcome: "accepted",
            reason: None,
            by: Some("password"),
            session: Some(&session),
            session_key: Some(&key.public()),
            kept: None,
            signed: Some(&login),
            signature: Some(&signature),
            key_signature: None,
            gathered_index: None,
            gathered_count: None,
            gathered_path: None,
        }))
        .unwrap();
    let texts: Vec<(String, String, String)> = (1..=REQUESTS)
        .map(|counter| {
            let (mut id, mut run) = ([0; 20], [0; 10]);
            id[..8].copy_from_slice(&counter.to_be_bytes());
            run[..8].copy_from_slice(&counter.to_be_bytes());
            let (id, run) = (RequestId::from_random(id), RunId::from_random(run));
            let text = format!("{{\"session\":\"{session}\",\"counter\":{counter},\"id\":\"{id}\",\"verb\":\"run\",\"command\":\"true\",\"arguments\":{{}}}}");
            let signature = key.sign(Purpose::Request, &text);
            (run.to_string(), text, signature)
        })
        .collect();
    let began = Instant::now();
    for (run, text, signature) in &texts {
        trail
            .append(&Record::now(What::Request {
                connection: 1,
                user: "alice",
                source: "192.0.2.1:5",
                verb: "run",
                command: Some("true"),
                root: None,
                path: None,
                run: Some(run),
                argv: Some(&["/bin/true".to_owned()]),
                holes: &[],
                run_as: Some("root"),
                reason: None,
                decision: "granted",
                rule: "roles.all.commands `true` (/etc/ordain/config.toml:12)",
                code: None,
                text: None,
                signed: Some(text),
                signature,
            }))
            .unwrap();
        if trail.checkpoint_due() {
            trail.checkpoint().unwrap();
        }
    }

    trail.checkpoint().unwrap();
    let wrote = began.elapsed().as_secs_f64() * 1e6 / REQUESTS as f64;
    let bytes = std::fs::read(&path).unwrap();
    let megabytes = bytes.len() as f64 / 1e6;
    let walk = |signatures: bool| {
        let check = |by: SignedBy<'_>, text: &str, signature: &str| {
            let (key, purpose) = match by {
                SignedBy::Login(key) => (key, Purpose::Login),
                SignedBy::Request(key) => (key, Purpose::Request),
                SignedBy::SshKey(..) => return false,
            };
            SessionPublic::read(key).is_some_and(|key| key.verifies(purpose, text, signature))
        };

        let began = Instant::now();
        let mut verifier = Verifier::new(
            Some(public),
            if signatures { Some(&check) } else { None },
            None,
        );

        for line in bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            verifier.line(&|| String::new(), line, true);
        }
        let report = verifier.finish();
        assert!(
            report.faults.is_empty() && report.records > REQUESTS,
            "{:?}",
            report.faults
        );

        began.elapsed().as_secs_f64()
    };

    let began = Instant::now();
    let hashed: usize = bytes
        .split(|byte| *byte == b'\n')
        .map(|line| usize::from(link(line)[0]))
        .sum();
    let limit = began.elapsed().as_secs_f64();
    let (plain, signed) = (walk(false), walk(true));
    println!(
        "trail: {wrote:.1} µs a record written; proved at {:.0} MB/s beside {:.0} of splitting and hashing alone: {:.2}; with users' signatures {:.0} requests/s ({hashed})",
        megabytes / plain,
        megabytes / limit,
        limit / plain,
        REQUESTS as f64 / signed
    );
}

/// A large configuration taken over while somebody works: how long it takes, and how long their
/// requests wait at the most.
fn reload() {
    use std::io::{BufRead, BufReader, Write as _};
    const MANY: usize = 1000;
    const ROUNDS: usize = 20;
    let mut setup = described()
        .command(Cmd::new("true", &["/bin/true"]))
        .alice();
    for number in 0..MANY {
        let command = Cmd::new(&format!("c{number}"), &["/bin/echo", "{word}"]);
        setup = setup
            .command(command.string("word", &format!("[a-z]+-{number}"), 40))
            .user(&format!("u{number}"), &["all"]);
    }

    let daemon = Daemon::start(setup);
    let config = daemon.config();
    let sound = std::fs::read_to_string(&config).unwrap();
    let control = daemon.folder.path().join("state/control.sock");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let session = runtime.block_on(daemon.session());
    let over = Arc::new(AtomicBool::new(false));
    let asking = |over: Arc<AtomicBool>, session: Session| async move {
        let mut took = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let began = Instant::now();
            session.ask(&ordain::verb::Whoami {}).await.unwrap();
            took.push(began.elapsed().as_secs_f64() * 1e3);

            // One that asked without a pause would take a processor for itself, and measure the
            // want of those.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }

        took
    };

    // Alone, for as long as the reloads will take together.
    let alone = runtime.spawn(asking(over.clone(), session.clone()));
    std::thread::sleep(Duration::from_secs(1));
    over.store(true, Ordering::Relaxed);
    let alone = runtime.block_on(alone).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let meanwhile = runtime.spawn(asking(over.clone(), session));
    let mut took = Vec::new();

    for round in 0..ROUNDS {
        // Something is new each time.
        std::fs::write(
            &config,
            sound.replace("[a-z]+-7\"", &format!("[a-z]+-{round}\"")),
        )
        .unwrap();
        let began = Instant::now();
        let mut socket = std::os::unix::net::UnixStream::connect(&control).unwrap();
        socket.write_all(b"{\"verb\":\"reload\"}\n").unwrap();
        let mut answer = String::new();
        BufReader::new(socket).read_line(&mut answer).unwrap();
        took.push(began.elapsed().as_secs_f64() * 1e3);
        assert!(answer.contains("generation"), "{answer}");
        std::thread::sleep(Duration::from_millis(50));
    }

    over.store(true, Ordering::Relaxed);
    let meanwhile = runtime.block_on(meanwhile).unwrap();
    let worst = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    println!(
        "reload of {MANY} commands and {MANY} users ({} KiB): {:.1} ms (median of {ROUNDS}, worst {:.1}); a request waits {:.2} ms at the most meanwhile, {:.2} alone (medians {:.3} and {:.3} of {} and {})",
        sound.len() / 1024,
        median(took.clone()),
        worst(&took),
        worst(&meanwhile),
        worst(&alone),
        median(meanwhile.clone()),
        median(alone.clone()),
        meanwhile.len(),
        alone.len(),
    );
}
