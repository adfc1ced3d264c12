//! Sockets that a service manager passes on, and daemons that follow one another on them while
//! clients work.

mod common;

use common::{Cmd, PATIENCE, Server, client_in, host, signal, stderr, write};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

fn commands() -> [Cmd; 4] {
    [
        Cmd::sh(
            "note",
            r#"echo "$1" >> "$2"; sleep 0.02; echo "noted $1""#,
            &["{word}", "{folder}/notes"],
        )
        .string("word", "[a-z0-9-]+", 40),
        Cmd::sh(
            "gated",
            r#"echo gated >> "$1"; exec sleep 1000"#,
            &["{folder}/notes"],
        ),
        Cmd::sh(
            "restart",
            r#"kill -TERM "$(cat "$1")"; echo asked"#,
            &["{folder}/pid"],
        ),
        Cmd::new(
            "restart-and-wait",
            &[
                "/bin/sh",
                "-c",
                r#"read pid < "$1"; kill -TERM "$pid"; while kill -0 "$pid"; do sleep 0.05; done"#,
                "restart",
                "{folder}/pid",
            ],
        ),
    ]
}

/// What systemd does for a service with a socket unit: it listens, and each daemon in turn gets
/// that very socket.
struct Manager {
    listener: TcpListener,
    folder: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        Self::with_grace("1s")
    }

    /// Its daemons give runs so long to end.
    fn with_grace(grace: &str) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), grace)
    }

    fn on(listener: TcpListener, grace: &str) -> Self {
        let folder = Server::new()
            .without_listeners()
            .grace(grace)
            .commands(commands())
            .alice()
            .prepare()
            .into_folder();
        let port = listener.local_addr().unwrap().port();
        let hosts = host(port) + "password_file = \"password\"\n";
        write(&folder.path().join("client.toml"), &hosts, 0o600);
        Self { listener, folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A daemon with the socket as its descriptor 3, ready.
    fn start(&self) -> Child {
        let socket = std::os::unix::net::UnixDatagram::bind(self.path("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let child = activated(&self.listener, &self.path("config.toml"))
            .env("NOTIFY_SOCKET", self.path("notify"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut buffer = [0; 4096];
        loop {
            let count = socket.recv(&mut buffer).unwrap();
            if String::from_utf8_lossy(&buffer[..count]).contains("READY=1") {
                break;
            }
        }

        std::fs::remove_file(self.path("notify")).unwrap();

        // The parent of a command is the daemon only where runs have control groups.
        write(&self.path("pid"), &format!("{}\n", child.id()), 0o644);
        child
    }

    fn client(&self, words: &[&str]) -> Output {
        client_in(self.folder.path(), "client.toml")
            .args(["--connect-timeout", "30s"])
            .args(words)
            .output()
            .unwrap()
    }
}

fn activated(listener: &TcpListener, config: &Path) -> Command {
    let mut command = Command::new("/bin/sh");

    // The number of the process is known to itself only.
    command
        .args([
            "-c",
            "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" --config \"$1\" 3<&0 0</dev/null",
            env!("CARGO_BIN_EXE_ordaind"),
        ])
        .arg(config)
        .stdin(OwnedFd::from(listener.try_clone().unwrap()));
    command
}

fn end(mut child: Child) {
    signal(child.id(), "-TERM");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_passed_socket_is_served_and_stays_open() {
    let manager = Manager::new();
    let daemon = manager.start();
    assert!(
        manager
            .client(&["run", "t", "note", "first"])
            .status
            .success()
    );

    end(daemon);

    // Nobody serves it, and nobody is refused: the next daemon takes what waits.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| manager.client(&["run", "t", "note", "second"]));
        let next = manager.start();
        let output = waiting.join().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        end(next);
    });

    assert_eq!(
        std::fs::read_to_string(manager.path("notes")).unwrap(),
        "first\nsecond\n"
    );
}

/// A socket unit listens to both families at once, and a client by IPv4 stood in the trail as
/// `::ffff:127.0.0.1`.
#[test]
fn an_address_has_one_form_also_behind_a_socket_of_both_families() {
    let Ok(listener) = TcpListener::bind("[::]:0") else {
        return eprintln!("skipped: this machine has no IPv6");
    };
    let manager = Manager::on(listener, "1s");
    let daemon = manager.start();
    let output = manager.client(&["run", "t", "note", "first"]);
    end(daemon);
    if !output.status.success() {
        return eprintln!("skipped: IPv6 is IPv6 alone here: {}", stderr(&output));
    }
    let trail = std::fs::read_to_string(manager.path("state/trail.jsonl")).unwrap();
    assert!(trail.contains(r#""source":"127.0.0.1:"#), "{trail}");
    assert!(!trail.contains("::ffff"), "{trail}");
}

#[test]
fn a_passed_socket_and_a_listen_line_are_a_fault() {
    let manager = Manager::new();
    let config = manager.path("config.toml");
    let text = std::fs::read_to_string(&config)
        .unwrap()
        .replace("[server]\n", "[server]\nlisten = [\"127.0.0.1:0\"]\n");
    write(&config, &text, 0o600);
    let output = activated(&manager.listener, &config).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output)
            .contains("server.listen: is said although the service manager passes the sockets"),
        "{}",
        stderr(&output)
    );

    // What is passed must be able to serve.
    let text = std::fs::read_to_string(&config)
        .unwrap()
        .replace("listen = [\"127.0.0.1:0\"]\n", "");
    write(&config, &text, 0o600);
    let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let output = activated(&manager.listener, &config)
        .stdin(OwnedFd::from(ours))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("descriptor 3 is no listening TCP socket"),
        "{}",
        stderr(&output)
    );
}

/// Each of many clients runs one command after the other while the daemon is replaced again and
/// again.
#[test]
fn an_upgrade_under_load_refuses_nobody_and_runs_nothing_twice() {
    const CLIENTS: usize = 50;
    const UPGRADES: usize = 2;
    let manager = Manager::new();
    let mut daemon = manager.start();
    let (over, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (outcomes, daemon) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (manager, over, begun) = (&manager, &over, &begun);
                scope.spawn(move || {
                    let mut outcomes = Vec::new();
                    for number in 0.. {
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                        let word = format!("c{client}-{number}");
                        let output = manager.client(&["run", "t", "note", &word]);
                        begun.fetch_add(1, Ordering::Relaxed);
                        outcomes.push((word, output));
                    }

                    outcomes
                })
            })
            .collect();
        for upgrade in 1..=UPGRADES {
            common::wait("work", || {
                begun.load(Ordering::Relaxed) >= upgrade * CLIENTS
            });
            end(daemon);
            daemon = manager.start();
        }

        common::wait("work after the last", || {
            begun.load(Ordering::Relaxed) >= (UPGRADES + 1) * CLIENTS
        });
        over.store(true, Ordering::Relaxed);
        (
            clients
                .into_iter()
                .flat_map(|client| client.join().unwrap())
                .collect::<Vec<_>>(),
            daemon,
        )
    });

    end(daemon);
    let mut notes = String::new();
    std::fs::File::open(manager.path("notes"))
        .unwrap()
        .read_to_string(&mut notes)
        .unwrap();
    let mut noted: HashMap<&str, usize> = HashMap::new();
    for line in notes.lines() {
        *noted.entry(line).or_default() += 1;
    }
    let mut unknown = 0;
    for (word, output) in &outcomes {
        let times = noted.get(word.as_str()).copied().unwrap_or(0);
        match output.status.code() {
            Some(0) => assert_eq!(
                (times, common::stdout(output)),
                (1, format!("noted {word}\n"))
            ),
            // Not knowing is honest; running twice is not.
            Some(255) if stderr(output).contains("code 606") => {
                unknown += 1;
                assert!(times <= 1, "{word} ran {times} times");
            }

            other => panic!("{word}: {other:?}: {}", stderr(output)),
        }
    }

    // A daemon that is asked to end lets what it has begun come to its end.
    assert_eq!(unknown, 0, "{} requests", outcomes.len());
}

#[test]
fn a_run_may_restart_its_own_daemon() {
    let manager = Manager::new();
    let mut daemon = manager.start();
    let output = manager.client(&["run", "t", "restart"]);
    assert!(
        output.status.success() && common::stdout(&output) == "asked\n",
        "{}",
        stderr(&output)
    );

    assert!(daemon.wait().unwrap().success());

    // One that waits for the end of what waits for it is cut when the grace is over, and told so.
    let mut daemon = manager.start();
    let output = manager.client(&["run", "t", "restart-and-wait"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(stderr(&output).contains("stop"), "{}", stderr(&output));
    assert!(daemon.wait().unwrap().success());
}

/// With a socket unit and a run that went on, `systemctl restart` gave clients 601 after 10 s, while
/// the grace was 30 s.
#[test]
fn a_client_waits_as_long_as_a_stop_takes_and_is_served_by_the_next_daemon() {
    let manager = Manager::with_grace("1h");
    let mut daemon = manager.start();
    let ordain = || client_in(manager.folder.path(), "client.toml");
    let mut open = ordain()
        .args(["run", "t", "gated"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    common::wait("the run", || manager.path("notes").exists());
    signal(daemon.id(), "-TERM");

    // It is not connected yet, and finds a daemon that stops.
    let mut late = ordain()
        .args(["run", "t", "note", "late"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(late.stderr.take().unwrap()).lines();
    let first = told.next().unwrap().unwrap();
    assert_eq!(
        first,
        "ordain: t: the server is stopping, which may take up to 10m00s; waiting for it to come back, for 10m10s at the most"
    );

    // A second signal cuts what has its grace.
    signal(daemon.id(), "-TERM");
    assert!(daemon.wait().unwrap().success());
    assert_eq!(open.wait().unwrap().code(), Some(255));
    let next = manager.start();
    let output = late.wait_with_output().unwrap();
    assert_eq!(common::stdout(&output), "noted late\n");
    assert!(output.status.success());
    end(next);
}

/// Says HELLO to the next client and, when so many frames have come, that it is stopping, as a daemon
/// does that ends in this moment.
fn stopping(manager: &Manager, frames: usize) {
    use ordain::protocol::{Code, Failure, Hello, Kind, VERSION, encode, write};
    let read = |name: &str| std::fs::read(manager.path(name)).unwrap();
    let certificates = ordain::tls::certificates(&read("server.crt")).unwrap();
    let config = ordain::tls::server(
        certificates,
        ordain::tls::private_key(&read("server.key")).unwrap(),
        None,
    )
    .unwrap();
    let (mut socket, _) = manager.listener.accept().unwrap();
    let mut tls = rustls::ServerConnection::new(config).unwrap();
    let mut stream = rustls::Stream::new(&mut tls, &mut socket);
    let hello = Hello {
        version: VERSION,
        software: "a daemon that stops".into(),
        features: vec![],
        nonce: Some(ordain::encoding::base64(&[1; 32])),
        instance: Some("rkdxhghe7j8r8g3n".into()),
        now_ms: None,
    };

    let over = Failure {
        code: Code::Stopping.number(),
        text: "the server has stopped".into(),
        argument: None,
        rule: None,
        stop_ms: None,
    };

    let hello = encode(0, Kind::Hello, &write(&hello));
    std::io::Write::write_all(&mut stream, &hello).unwrap();
    for _ in 0..frames {
        let mut header = [0; 9];
        stream.read_exact(&mut header).unwrap();
        let length = u32::from_be_bytes(header[..4].try_into().unwrap());
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).unwrap();
    }
    let over = encode(0, Kind::Error, &write(&over));
    std::io::Write::write_all(&mut stream, &over).unwrap();
    stream.conn.send_close_notify();
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

/// The server went while somebody typed, and asked them for the same password again.
#[test]
fn a_password_is_typed_once_though_the_server_stops_before_it_is_judged() {
    let manager = Manager::new();
    let port = manager.listener.local_addr().unwrap().port();
    let settings = manager.path("bare.toml");
    write(&settings, &host(port), 0o600);
    let home = format!("HOME={}", manager.path("home").display());
    let line = [
        "env",
        "-i",
        &home,
        env!("CARGO_BIN_EXE_ordain"),
        "--config",
        settings.to_str().unwrap(),
        "run",
        "t",
        "note",
        "typed",
    ]
    .map(str::to_owned);
    std::thread::scope(|scope| {
        let typing = scope.spawn(|| common::typed(&line, &[common::PASSWORD]));
        stopping(&manager, 2);
        let next = manager.start();
        let (done, shown) = typing.join().unwrap();
        assert!(
            done && shown.contains("waiting for it to come back"),
            "{shown}"
        );
        assert!(shown.ends_with("noted typed\r\n"), "{shown}");
        end(next);
    });
}

/// A password that came from standard input was told no second time, and the client gave up where one
/// whose password was typed waited.
#[test]
fn a_password_from_standard_input_is_told_to_the_next_server_too() {
    for (words, said) in [
        (&["run", "t", "note", "told"][..], "noted told\n"),
        (&["login", "t"], "logged in to t as alice"),
    ] {
        let manager = Manager::new();
        let mut client = client_in(manager.folder.path(), "client.toml")
            .args(["--connect-timeout", "30s", "--password-stdin"])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let typed = format!("{}\n", common::PASSWORD);
        std::io::Write::write_all(&mut client.stdin.take().unwrap(), typed.as_bytes()).unwrap();
        stopping(&manager, 2);
        let next = manager.start();
        let output = client.wait_with_output().unwrap();
        let told = stderr(&output);
        assert!(
            output.status.success() && told.contains("waiting for it to come back"),
            "{words:?}: {told}"
        );
        let shown = common::stdout(&output);
        assert!(shown.starts_with(said), "{words:?}: {shown}");
        end(next);
    }
}

/// A client that was told of a stop waits for the next daemon; but what has begun there is not
/// asked for a second time.
#[test]
fn patience_ends_where_a_run_has_begun() {
    let manager = Manager::new();
    let noted = || std::fs::read_to_string(manager.path("notes")).unwrap_or_default();
    std::thread::scope(|scope| {
        let client = scope.spawn(|| manager.client(&["run", "t", "gated"]));
        stopping(&manager, 0);
        let mut daemon = manager.start();
        common::wait("the run", || noted() == "gated\n");
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        let next = manager.start();
        let output = client.join().unwrap();
        let told = stderr(&output);
        assert!(told.contains("waiting for it to come back"), "{told}");
        assert_eq!(
            (output.status.code(), noted().as_str()),
            (Some(255), "gated\n"),
            "{told}"
        );

        assert!(told.contains("code 606"), "{told}");
        end(next);
    });
}
