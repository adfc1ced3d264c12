//! Speed and memory, each beside the physical limit measured in the same run. What counts are the
//! ratios.
//!
//! `cargo bench` runs all; `cargo bench -- held bulk` runs some of: held bulk echo cold memory
//! crowd.

mod common;

use common::{Cmd, Daemon, block, costly, described, invocation, median, timed, wanted};
use ordain::client::{Event, Session};
use ordain::devca::{self, Use};
use ordain::{devca::Pair, tls};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const GIB: u64 = 1 << 30;

fn main() {
    ordain::sys::steady_heap();
    for name in wanted(&["held", "bulk", "echo", "cold", "memory", "crowd"]) {
        match name.as_str() {
            // Measured on one core; the rest on all.
            "echo" => {
                let own = std::env::current_exe().unwrap();
                let status = Command::new("taskset")
                    .args(["-c", "0"])
                    .arg(own)
                    .arg("echo-pinned")
                    .status();
                if !status.is_ok_and(|status| status.success()) {
                    println!("echo: taskset (util-linux) is needed to pin to one core");
                }
            }

            // A client that does one thing at a time has one thread; what it saves is the server's.
            "held" => block(1, held()),
            "bulk" => bulk(),
            "echo-pinned" => block(1, echo()),
            "tls-echo" => block(1, tls_echo()),
            "cold" => block(2, cold()),
            "memory" => block(2, memory()),
            "crowd" => block(2, crowd()),
            other => panic!("there is no bench `{other}`"),
        }
    }
}

fn daemon() -> Daemon {
    let setup = described()
        .command(Cmd::new("true", &["/bin/true"]))
        .command(Cmd::new("cat", &["/bin/cat"]).stdin())
        .command(Cmd::sh("sink", "exec cat >/dev/null", &[]).stdin())
        .command(Cmd::new(
            "source",
            &["/usr/bin/head", "-c", "1073741824", "/dev/zero"],
        ))
        .role("all", &["*"])
        .user_with("alice", &["all"], &costly());
    Daemon::start(setup)
}

async fn run_true(session: &Session) {
    let (_, _, ended) = common::ran(session, "true").await;
    assert_eq!((ended.reason.as_str(), ended.number), ("exit", Some(0)));
}

/// Plain spawning from so many threads, a second and a half long: the limit of this machine.
fn spawn_limit(threads: usize) -> f64 {
    let until = Instant::now() + Duration::from_millis(1500);
    let began = Instant::now();
    let spawner = || {
        let mut count = 0u32;
        while Instant::now() < until {
            assert!(Command::new("/bin/true").status().unwrap().success());
            count += 1;
        }

        count
    };

    let total: u32 = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(spawner)).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    });

    f64::from(total) / began.elapsed().as_secs_f64()
}

async fn rate(session: &Session, in_flight: usize) -> f64 {
    let began = Instant::now();
    let until = began + Duration::from_secs(2);
    let mut tasks = Vec::new();

    for _ in 0..in_flight {
        let session = session.clone();
        tasks.push(tokio::spawn(async move {
            let mut count = 0u32;
            while Instant::now() < until {
                run_true(&session).await;
                count += 1;
            }

            count
        }));
    }

    let mut total = 0;
    for task in tasks {
        total += task.await.unwrap();
    }
    f64::from(total) / began.elapsed().as_secs_f64()
}

async fn held() {
    let daemon = daemon();
    let session = daemon.session().await;
    rate(&session, 8).await;

    for (in_flight, threads) in [(1, 1), (32, 2)] {
        let (mut ours, mut limits, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..3 {
            let limit = spawn_limit(threads);
            let rate = rate(&session, in_flight).await;
            ours.push(rate);
            limits.push(limit);
            ratios.push(rate / limit);
        }

        println!(
            "held x{in_flight}: {:.0} commands/s beside {:.0} plain spawns/s from {threads} thread(s): {:.2}",
            median(ours),
            median(limits),
            median(ratios)
        );
    }
}

/// TLS with nothing in between, over loopback: both ends of one connection.
async fn plain_tls(
    ca: &Pair,
) -> (
    tokio_rustls::server::TlsStream<TcpStream>,
    tokio_rustls::client::TlsStream<TcpStream>,
) {
    let pair = devca::issue(ca, &["localhost".into()], Use::Server, 1).unwrap();
    let server = tls::server(
        tls::certificates(pair.certificate.as_bytes()).unwrap(),
        tls::private_key(pair.key.as_bytes()).unwrap(),
        None,
    )
    .unwrap();
    let client = tls::client(
        &tls::Trust::Ca(tls::certificates(ca.certificate.as_bytes()).unwrap()),
        None,
    )
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        TlsAcceptor::from(server).accept(socket).await.unwrap()
    });
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let ours = TlsConnector::from(client)
        .connect("localhost".try_into().unwrap(), socket)
        .await
        .unwrap();
    (accepting.await.unwrap(), ours)
}

async fn plain_out(ca: &Pair) -> f64 {
    let (mut server, mut client) = plain_tls(ca).await;
    let began = Instant::now();
    let sending = tokio::spawn(async move {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut child = Command::new("/usr/bin/head")
            .args(["-c", "1073741824", "/dev/zero"])
            .stdout(writer)
            .spawn()
            .unwrap();
        let mut reader = tokio::net::unix::pipe::Receiver::from_owned_fd(reader.into()).unwrap();
        let mut buffer = vec![0; 65536];
        loop {
            let count = reader.read(&mut buffer).await.unwrap();
            if count == 0 {
                break;
            }
            server.write_all(&buffer[..count]).await.unwrap();
        }

        server.shutdown().await.unwrap();
        child.wait().unwrap();
    });

    let mut buffer = vec![0; 65536];
    let mut total = 0;
    while let Ok(count @ 1..) = client.read(&mut buffer).await {
        total += count as u64;
    }
    sending.await.unwrap();
    assert_eq!(total, GIB);
    GIB as f64 / began.elapsed().as_secs_f64() / 1e6
}

async fn plain_in(ca: &Pair) -> f64 {
    let (mut server, mut client) = plain_tls(ca).await;
    let began = Instant::now();
    let receiving = tokio::spawn(async move {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut child = Command::new("/bin/cat")
            .stdin(reader)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut writer = tokio::net::unix::pipe::Sender::from_owned_fd(writer.into()).unwrap();
        let mut buffer = vec![0; 65536];
        while let Ok(count @ 1..) = server.read(&mut buffer).await {
            writer.write_all(&buffer[..count]).await.unwrap();
        }
        drop(writer);
        child.wait().unwrap();
    });

    let buffer = vec![0; 65536];
    for _ in 0..GIB / 65536 {
        client.write_all(&buffer).await.unwrap();
    }
    client.shutdown().await.unwrap();
    receiving.await.unwrap();
    GIB as f64 / began.elapsed().as_secs_f64() / 1e6
}

async fn ordain_out(session: &Session) -> f64 {
    let began = Instant::now();
    let mut run = session.run(invocation("source", &[])).await.unwrap();
    let mut total = 0;

    loop {
        match run.next().await.unwrap() {
            Event::Stdout(bytes) => {
                total += bytes.len() as u64;
                run.consumed(bytes.len()).await.unwrap();
            }

            Event::Ended(ended) => {
                assert_eq!((ended.number, total), (Some(0), GIB));
                return GIB as f64 / began.elapsed().as_secs_f64() / 1e6;
            }

            _ => {}
        }
    }
}

async fn ordain_in(session: &Session) -> f64 {
    let began = Instant::now();
    let run = session.run(invocation("sink", &[])).await.unwrap();
    let input = run.input();
    let sending = tokio::spawn(async move {
        let buffer = vec![0; 65536];
        for _ in 0..GIB / 65536 {
            assert!(input.send(&buffer).await.unwrap());
        }
        input.end().await.unwrap();
    });

    let (_, _, ended) = run.collect().await.unwrap();
    sending.await.unwrap();
    assert_eq!((ended.number, ended.stdin_bytes), (Some(0), GIB));
    GIB as f64 / began.elapsed().as_secs_f64() / 1e6
}

fn bulk() {
    // Each side as it is fastest: pipe and TLS alone on two threads, one for each end; ours with a
    // client of one thread, its other end being the daemon.
    let both = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let one = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let daemon = daemon();
    let session = one.block_on(daemon.session());
    let (mut out, mut plain, mut out_ratio) = (Vec::new(), Vec::new(), Vec::new());
    let (mut into, mut plain_into, mut in_ratio) = (Vec::new(), Vec::new(), Vec::new());

    for _ in 0..3 {
        let (limit, ours) = (
            both.block_on(plain_out(&daemon.ca)),
            one.block_on(ordain_out(&session)),
        );

        plain.push(limit);
        out.push(ours);
        out_ratio.push(ours / limit);
        let (limit, ours) = (
            both.block_on(plain_in(&daemon.ca)),
            one.block_on(ordain_in(&session)),
        );

        plain_into.push(limit);
        into.push(ours);
        in_ratio.push(ours / limit);
    }

    println!(
        "bulk out: {:.0} MB/s beside {:.0} MB/s of pipe and TLS alone: {:.2}",
        median(out),
        median(plain),
        median(out_ratio)
    );

    println!(
        "bulk in: {:.0} MB/s beside {:.0} MB/s of pipe and TLS alone: {:.2}",
        median(into),
        median(plain_into),
        median(in_ratio)
    );
}

/// The other end of the echo's limit, in a process of its own as any server is: certificate and key
/// by standard input, the port on standard output.
async fn tls_echo() {
    let mut pem = Vec::new();
    std::io::stdin().read_to_end(&mut pem).unwrap();
    let config = tls::server(
        tls::certificates(&pem).unwrap(),
        tls::private_key(&pem).unwrap(),
        None,
    )
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    let (socket, _) = listener.accept().await.unwrap();
    socket.set_nodelay(true).unwrap();
    let mut server = TlsAcceptor::from(config).accept(socket).await.unwrap();
    let mut byte = [0];

    while let Ok(1) = server.read(&mut byte).await {
        server.write_all(&byte).await.unwrap();
        server.flush().await.unwrap();
    }
}

/// One byte and back, in microseconds, over TLS alone and through a local `cat` alone.
async fn echo_limits(ca: &Pair) -> (f64, f64) {
    const ROUNDS: u32 = 5000;
    let pair = devca::issue(ca, &["localhost".into()], Use::Server, 1).unwrap();
    let own = std::env::current_exe().unwrap();
    let mut server = Command::new(own)
        .arg("tls-echo")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    server
        .stdin
        .take()
        .unwrap()
        .write_all(format!("{}{}", pair.certificate, pair.key).as_bytes())
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let config = tls::client(
        &tls::Trust::Ca(tls::certificates(ca.certificate.as_bytes()).unwrap()),
        None,
    )
    .unwrap();
    let socket = TcpStream::connect(("127.0.0.1", line.trim().parse::<u16>().unwrap()))
        .await
        .unwrap();
    socket.set_nodelay(true).unwrap();
    let mut client = TlsConnector::from(config)
        .connect("localhost".try_into().unwrap(), socket)
        .await
        .unwrap();
    let began = Instant::now();
    for _ in 0..ROUNDS {
        client.write_all(b"\n").await.unwrap();
        client.flush().await.unwrap();
        client.read_exact(&mut [0]).await.unwrap();
    }

    let tls = began.elapsed().as_secs_f64() / f64::from(ROUNDS) * 1e6;
    drop(client);
    server.wait().unwrap();
    let mut cat = Command::new("/bin/cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
    let began = Instant::now();
    for _ in 0..ROUNDS {
        stdin.write_all(b"\n").unwrap();
        stdout.read_exact(&mut [0]).unwrap();
    }

    let pipe = began.elapsed().as_secs_f64() / f64::from(ROUNDS) * 1e6;
    drop(stdin);
    cat.wait().unwrap();
    (tls, pipe)
}

async fn echo_once(session: &Session) -> f64 {
    const ROUNDS: u32 = 5000;
    let mut run = session.run(invocation("cat", &[])).await.unwrap();
    let input = run.input();
    let began = Instant::now();

    for _ in 0..ROUNDS {
        input.send(b"\n").await.unwrap();
        let mut seen = 0;
        while seen < 1 {
            if let Event::Stdout(bytes) = run.next().await.unwrap() {
                seen += bytes.len();
                run.consumed(bytes.len()).await.unwrap();
            }
        }
    }

    let each = began.elapsed().as_secs_f64() / f64::from(ROUNDS) * 1e6;
    input.end().await.unwrap();
    each
}

async fn echo() {
    let daemon = daemon();
    let session = daemon.session().await;
    echo_once(&session).await;
    let (mut ours, mut limit, mut ratios) = (Vec::new(), Vec::new(), Vec::new());

    for _ in 0..5 {
        let (tls, pipe) = echo_limits(&daemon.ca).await;
        let each = echo_once(&session).await;
        ours.push(each);
        limit.push(tls + pipe);
        ratios.push(each / (tls + pipe));
    }

    println!(
        "echo on one core: {:.1} us beside {:.1} us of TLS and pipe alone: {:.2}",
        median(ours),
        median(limit),
        median(ratios)
    );
}

async fn cold() {
    let daemon = daemon();
    let (mut whole, mut verify, mut start, mut spawn, mut rest) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..21 {
        let ran = timed(daemon.client().args(["run", "t", "true"]));
        let verified = daemon.verified();
        whole.push(ran);
        verify.push(verified);
        rest.push(ran - verified);
        start.push(timed(
            Command::new(env!("CARGO_BIN_EXE_ordain")).arg("--version"),
        ));
        spawn.push(timed(&mut Command::new("/bin/true")));
    }

    println!(
        "cold run: {:.1} ms, of which argon2 {:.1} ms; the rest {:.1} ms (median of differences)",
        median(whole),
        median(verify),
        median(rest)
    );

    println!(
        "ordain --version: {:.2} ms beside {:.2} ms of /bin/true",
        median(start),
        median(spawn)
    );
}

/// Eight sessions, logged in at once: what is measured with them is holding, not logging in.
async fn eight(daemon: &Arc<Daemon>) -> Vec<Session> {
    let logging_in: Vec<_> = (0..8)
        .map(|_| {
            let daemon = daemon.clone();
            tokio::spawn(async move { daemon.session().await })
        })
        .collect();
    let mut sessions = Vec::new();
    for session in logging_in {
        sessions.push(session.await.unwrap());
    }
    sessions
}

async fn memory() {
    const MANY: usize = 1000;
    let daemon = daemon();
    println!("fresh daemon: {} KiB in both processes (PSS)", daemon.pss());
    let daemon = Arc::new(daemon);

    // Warm first, both verifiers included: their memory is kept for a while and is no connection's.
    let kept = eight(&daemon).await;
    run_true(&kept[0]).await;
    let before = daemon.pss();
    let mut sessions = Vec::new();

    while sessions.len() < MANY {
        sessions.extend(eight(&daemon).await);
    }
    let after = daemon.pss();
    let each = (after.saturating_sub(before)) as f64 / sessions.len() as f64;
    println!(
        "idle connection: {each:.1} KiB each over {} ({before} KiB before, {after} KiB with them)",
        sessions.len()
    );
}

async fn crowd() {
    const MANY: usize = 1000;
    let daemon = Arc::new(daemon());
    let mut sessions = Vec::new();

    while sessions.len() < MANY {
        sessions.extend(eight(&daemon).await);
    }
    let began = Instant::now();
    let tasks: Vec<_> = sessions
        .iter()
        .cloned()
        .map(|session| tokio::spawn(async move { run_true(&session).await }))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!(
        "crowd: {} connected clients ran a command each within {:.2} s",
        sessions.len(),
        began.elapsed().as_secs_f64()
    );
}
