//! The attacker as a test: arguments, signatures, frames, silence, floods, and the taking away of
//! things.

mod common;

use common::{PASSWORD, Server, invocation, text};
use ordain::client::connect;
use ordain::credential::{Purpose, SessionKey};
use ordain::encoding::base64;
use ordain::ids::{RequestId, SessionId};
use ordain::mux::{ReadFault, Reader};
use ordain::protocol::{
    Decoder, Event, Failure, Frame, HEADER, Hello, Kind, LoggedIn, Login, LoginText, Method, Open,
    Phase, Sender, encode, header, read, request_text, write,
};
use ordain::secret::Secret;
use ordain::tls::{self, Fingerprint};
use ordain::verb::{Run, RunList, Runs, Value, Whoami};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection without manners: it sends what the test wants.
struct Raw {
    frames: Reader<ReadHalf<TlsStream<TcpStream>>>,
    writer: WriteHalf<TlsStream<TcpStream>>,
    server_key: Fingerprint,
}

impl Raw {
    async fn new(server: &Server) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", server.port)).await;
        Self::over(server, socket.unwrap()).await
    }

    async fn over(server: &Server, socket: TcpStream) -> Self {
        let options = server.options();
        let tls = TlsConnector::from(options.tls)
            .connect("localhost".try_into().unwrap(), socket)
            .await
            .unwrap();
        let server_key = Fingerprint::of(&tls.get_ref().1.peer_certificates().unwrap()[0]).unwrap();
        let (reader, writer) = tokio::io::split(tls);
        Self {
            frames: Reader::new(reader, Sender::Server),
            writer,
            server_key,
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.writer.write_all(bytes).await;
        let _ = self.writer.flush().await;
    }

    async fn frame(&mut self) -> Result<Frame, ReadFault> {
        tokio::time::timeout(common::PATIENCE, self.frames.frame())
            .await
            .expect("an answer")
    }

    /// The error that ends the connection, and that it does end.
    async fn refused(&mut self) -> u16 {
        loop {
            match self.frame().await {
                Ok(frame) if frame.kind == Kind::Error && frame.stream == 0 => {
                    let failure: Failure = read(&frame.payload).unwrap();
                    while self.frame().await.is_ok() {}
                    return failure.code;
                }

                Ok(_) => {}
                Err(fault) => panic!("closed without a word: {fault}"),
            }
        }
    }

    async fn hello(&mut self) -> String {
        let hello = Hello {
            version: 1,
            software: "test".into(),
            features: vec![],
            nonce: None,
            instance: None,
            now_ms: None,
        };

        self.send(&encode(0, Kind::Hello, &write(&hello))).await;
        let theirs: Hello = read(&self.frame().await.unwrap().payload).unwrap();
        self.frames.enter(Phase::Login);
        theirs.nonce.unwrap()
    }

    fn login_text(&self, user: &str, nonce: &str, key: &SessionKey) -> LoginText {
        LoginText {
            session: None,
            version: 1,
            user: user.into(),
            method: Method::Password,
            keep: false,
            session_key: key.public(),
            server_key: base64(&self.server_key.0),
            exporter: None,
            nonce: nonce.into(),
        }
    }

    /// Asks to be let in by the right password with this text; what comes of it.
    async fn log_in_with(&mut self, text: &LoginText, key: &SessionKey) -> Frame {
        let signed = serde_json::to_string(text).unwrap();
        let login = Login {
            signature: key.sign(Purpose::Login, &signed),
            signed,
            password: PASSWORD.into(),
            key_signature: String::new(),
            gathered: None,
            code: String::new(),
        };

        self.send(&encode(0, Kind::Login, &write(&login))).await;
        self.frame().await.unwrap()
    }

    async fn log_in(server: &Server, user: &str) -> (Self, SessionKey, SessionId) {
        Self::new(server).await.enter(user).await
    }

    async fn enter(self, user: &str) -> (Self, SessionKey, SessionId) {
        let mut raw = self;
        let nonce = raw.hello().await;
        let key = SessionKey::generate().unwrap();
        let text = raw.login_text(user, &nonce, &key);
        let answer = raw.log_in_with(&text, &key).await;
        let logged_in: LoggedIn = read(&answer.payload).unwrap();
        raw.frames.enter(Phase::Open);
        (raw, key, logged_in.session.parse().unwrap())
    }

    /// Opens a stream with this text and signature; the code of the refusal, or 0 when something
    /// else came.
    async fn open(&mut self, stream: u32, signed: &str, signature: &str) -> u16 {
        let open = Open {
            signed: signed.into(),
            signature: signature.into(),
            secrets: Default::default(),
        };

        self.send(&encode(stream, Kind::Open, &write(&open))).await;
        loop {
            let frame = self.frame().await.unwrap();
            if frame.stream == stream {
                return if frame.kind == Kind::Error {
                    read::<Failure>(&frame.payload).unwrap().code
                } else {
                    0
                };
            }
        }
    }
}

fn run_true(session: SessionId, counter: u64) -> String {
    request_text(
        session,
        counter,
        &RequestId::from_random([7; 20]).into(),
        &Run(invocation("true", &[])),
        || [0; 32],
    )
    .text
}

#[tokio::test]
async fn hostile_arguments_are_refused_by_name_and_nothing_runs() {
    let server = Server::new()
        .common(&["args", "kinds", "show", "secret"])
        .alice()
        .start();
    let session = server.session("alice").await;
    let long = "a".repeat(9000);
    type Case<'c> = (&'c str, Vec<(&'c str, Value)>, &'c str);
    let cases: Vec<Case<'_>> = vec![
        ("kinds", vec![("word", text("a;id"))], "word"),
        ("kinds", vec![("word", text("$(id)"))], "word"),
        ("kinds", vec![("word", text("a\n"))], "word"),
        ("kinds", vec![("word", text("a\0b"))], "word"),
        ("kinds", vec![("word", text(""))], "word"),
        ("kinds", vec![("word", text("toolongword"))], "word"),
        ("kinds", vec![("word", text(&long))], "word"),
        ("kinds", vec![("choice", text("One"))], "choice"),
        ("kinds", vec![("choice", text("one "))], "choice"),
        ("kinds", vec![("host", text("-oProxyCommand=id"))], "host"),
        ("kinds", vec![("host", text("a b"))], "host"),
        ("kinds", vec![("ip", text("1.2.3.4 "))], "ip"),
        ("kinds", vec![("net", text("10.0.0.1/8"))], "net"),
        ("kinds", vec![("unit", text("nginx.service"))], "unit"),
        ("kinds", vec![("unit", text("web\n"))], "unit"),
        ("kinds", vec![("time", text("now; id"))], "time"),
        ("kinds", vec![("time", text("8d ago"))], "time"),
        ("kinds", vec![("time", text("2999-01-01"))], "time"),
        ("kinds", vec![("time", text("-1h ago"))], "time"),
        ("kinds", vec![("time", Value::Integer(1))], "time"),
        (
            "kinds",
            vec![("time", text("18446744073709551616s ago"))],
            "time",
        ),
        ("args", vec![("text", text("-x"))], "text"),
        ("args", vec![("text", text("--output=/etc/passwd"))], "text"),
        ("args", vec![("text", text("\u{202e}x"))], "text"),
        ("args", vec![("text", text("\x1b[2J"))], "text"),
        ("args", vec![], "text"),
        ("args", vec![("text", Value::Misfit("null"))], "text"),
        ("args", vec![("text", Value::Flag(true))], "text"),
        (
            "args",
            vec![("text", Value::Many(vec!["a".into()]))],
            "text",
        ),
        (
            "args",
            vec![("text", text("x")), ("number", text("1e3"))],
            "number",
        ),
        (
            "args",
            vec![("text", text("x")), ("number", Value::Integer(1001))],
            "number",
        ),
        (
            "args",
            vec![("text", text("x")), ("flag", text("--other"))],
            "flag",
        ),
        (
            "args",
            vec![
                ("text", text("x")),
                ("many", Value::Many(vec!["a".into(); 4])),
            ],
            "many",
        ),
        (
            "args",
            vec![("text", text("x")), ("bogus", text("y"))],
            "bogus",
        ),
        (
            "args",
            vec![("text", text("x")), ("LD_PRELOAD", text("/x"))],
            "LD_PRELOAD",
        ),
        ("show", vec![("file", text("../outside"))], "file"),
        ("show", vec![("file", text("/etc/passwd"))], "file"),
        ("show", vec![("file", text("inner/../../outside"))], "file"),
        ("secret", vec![("token", text("hunter2"))], "token"),
        ("secret", vec![("tokn", text("hunter2"))], "tokn"),
    ];

    let count = cases.len();
    for (command, arguments, named) in cases {
        let error = session
            .run(invocation(command, &arguments))
            .await
            .err()
            .unwrap_or_else(|| panic!("{command} {arguments:?} ran"));
        assert_eq!(
            (error.code, error.argument.as_deref()),
            (401, Some(named)),
            "{command} {arguments:?}: {error}"
        );
    }

    assert_eq!(server.records("start").len(), 0);
    let refused = server.records("request");
    assert_eq!(
        refused
            .iter()
            .filter(|record| record["decision"] == "refused" && record["code"] == 401)
            .count(),
        count
    );

    let whole = std::fs::read_to_string(server.path("state/trail.jsonl")).unwrap();
    assert!(
        whole
            .bytes()
            .all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)),
        "the trail is printable ASCII"
    );

    assert!(!whole.contains("hunter2"));
}

#[tokio::test]
async fn a_value_of_a_megabyte_never_leaves_the_client() {
    let server = Server::new().common(&["true", "args"]).alice().start();
    let session = server.session("alice").await;
    let error = session
        .run(invocation("args", &[("text", text(&"a".repeat(1 << 20)))]))
        .await
        .err()
        .unwrap();
    assert_eq!((error.code, error.argument.as_deref()), (101, Some("text")));
    assert!(
        session.run(invocation("true", &[])).await.is_ok(),
        "the session goes on"
    );
}

#[tokio::test]
async fn doubled_arguments_are_refused_by_name() {
    let server = Server::new().common(&["args"]).alice().start();
    let (mut raw, key, session) = Raw::log_in(&server, "alice").await;
    let text = format!(
        r#"{{"session":"{session}","counter":1,"id":"{}","verb":"run","command":"args","arguments":{{"text":"a","text":"b"}}}}"#,
        RequestId::from_random([1; 20])
    );

    assert_eq!(
        raw.open(1, &text, &key.sign(Purpose::Request, &text)).await,
        401
    );

    assert!(
        server.records("request")[0]["text"]
            .as_str()
            .unwrap()
            .contains("`text` is given twice")
    );
}

#[tokio::test]
async fn swapped_links_open_nothing_and_all_refusals_read_the_same() {
    let server = Server::new().common(&["show"]).alice().start();
    let session = server.session("alice").await;
    let files = server.path("files");
    std::os::unix::fs::symlink("../outside", files.join("link")).unwrap();
    std::os::unix::fs::symlink("..", files.join("up")).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(files.join("fifo"))
            .status()
            .unwrap()
            .success()
    );

    let mut texts = Vec::new();
    for name in ["link", "up/outside", "none", "fifo", "inner/none"] {
        let error = session
            .run(invocation("show", &[("file", text(name))]))
            .await
            .err()
            .unwrap();
        assert_eq!(
            (error.code, error.argument.as_deref()),
            (503, Some("file")),
            "{name}"
        );

        texts.push(error.text);
    }

    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");

    // A folder is exchanged for a link, over and over, while it is read: inside or nothing, never
    // outside.
    std::fs::create_dir(server.path("evil")).unwrap();
    common::write(&server.path("evil/two"), "outside\n", 0o644);
    let (inner, evil, aside) = (
        files.join("inner"),
        server.path("evil"),
        files.join("aside"),
    );

    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let swapping = std::thread::spawn({
        let stop = stop.clone();
        move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = std::fs::rename(&inner, &aside);
                let _ = std::os::unix::fs::symlink(&evil, &inner);
                let _ = std::fs::remove_file(&inner);
                let _ = std::fs::rename(&aside, &inner);
            }
        }
    });

    for _ in 0..100 {
        if let Ok(run) = session
            .run(invocation("show", &[("file", text("inner/two"))]))
            .await
        {
            let (stdout, _, _) = run.collect().await.unwrap();
            assert_ne!(stdout, b"outside\n");
        }
    }

    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    swapping.join().unwrap();
}

#[tokio::test]
async fn requests_count_only_with_their_signature_once_and_here() {
    let server = Server::new().common(&["true"]).alice().start();
    let (mut raw, key, session) = Raw::log_in(&server, "alice").await;
    let good = run_true(session, 5);
    let signature = key.sign(Purpose::Request, &good);
    assert_eq!(raw.open(1, &good, "").await, 300, "unsigned");
    assert_eq!(
        raw.open(
            2,
            &good,
            &SessionKey::generate()
                .unwrap()
                .sign(Purpose::Request, &good)
        )
        .await,
        300,
        "another key"
    );

    assert_eq!(
        raw.open(3, &good, &key.sign(Purpose::Login, &good)).await,
        300,
        "another purpose"
    );

    for bit in 0..8 {
        let mut bytes = good.clone().into_bytes();
        let at = bytes.len() / 2;
        bytes[at] ^= 1 << bit;
        if let Ok(altered) = String::from_utf8(bytes) {
            assert_eq!(
                raw.open(10 + bit, &altered, &signature).await,
                300,
                "bit {bit}"
            );
        }
    }

    assert_eq!(raw.open(20, &good, &signature).await, 0, "as it was signed");
    assert_eq!(raw.open(21, &good, &signature).await, 301, "again");
    let earlier = run_true(session, 4);
    assert_eq!(
        raw.open(22, &earlier, &key.sign(Purpose::Request, &earlier))
            .await,
        301,
        "an earlier counter"
    );

    let (mut other, other_key, other_session) = Raw::log_in(&server, "alice").await;
    assert_eq!(
        other.open(1, &good, &signature).await,
        300,
        "in another session"
    );

    let foreign = run_true(session, 9);
    assert_eq!(
        other
            .open(2, &foreign, &other_key.sign(Purpose::Request, &foreign))
            .await,
        300,
        "for another session"
    );

    assert_ne!(other_session, session);
    let second = Server::new().common(&["true"]).alice().start();
    let (mut elsewhere, _, _) = Raw::log_in(&second, "alice").await;
    assert_eq!(
        elsewhere.open(1, &good, &signature).await,
        300,
        "on another server"
    );

    assert_eq!(server.records("start").len(), 1);
    assert_eq!(second.records("start").len(), 0);

    // What the trail keeps proves who asked: the user's own signature over the text as it was.
    let record = server
        .records("request")
        .into_iter()
        .find(|record| record["decision"] == "granted")
        .unwrap();
    assert_eq!(
        (record["signed"].as_str(), record["signature"].as_str()),
        (Some(good.as_str()), Some(signature.as_str()))
    );
}

#[tokio::test]
async fn a_login_is_bound_to_key_server_and_connection() {
    let server = Server::new().common(&["true"]).alice().start();
    let key = SessionKey::generate().unwrap();
    type Change = fn(&mut LoginText);
    let changes: [(&str, Change); 8] = [
        ("nothing", |_| {}),
        ("nonce", |text| text.nonce = base64(&[0; 32])),
        ("server key", |text| text.server_key = base64(&[0; 32])),
        ("exporter", |text| text.exporter = Some(base64(&[0; 32]))),
        ("method", |text| text.method = Method::SshKey),
        ("no session", |text| text.method = Method::Session),
        ("no kept login", |text| text.method = Method::Kept),
        ("session key", |text| text.session_key = base64(&[9; 32])),
    ];

    for (what, change) in changes {
        let mut raw = Raw::new(&server).await;
        let nonce = raw.hello().await;
        let mut login_text = raw.login_text("alice", &nonce, &key);
        change(&mut login_text);
        let kind = raw.log_in_with(&login_text, &key).await.kind;
        assert_eq!(kind == Kind::LoggedIn, what == "nothing", "{what}");
    }
}

#[tokio::test]
async fn refused_logins_are_all_alike() {
    let server = Server::standard();
    let mut answers = Vec::new();
    let long = "x".repeat(1000);
    for (user, password) in [
        ("alice", "wrong"),
        ("nobody", PASSWORD),
        ("gone", PASSWORD),
        ("", ""),
        ("alice", ""),
        ("alice\0", PASSWORD),
        ("älice", PASSWORD),
        (long.as_str(), PASSWORD),
    ] {
        let error = server.try_session(user, password).await.err().unwrap();
        answers.push((error.code, error.text, error.rule, error.argument));
    }

    answers.dedup();
    assert_eq!(answers, [(200, "login refused".to_owned(), None, None)]);

    // Three tries a connection; then it is closed.
    let mut connection = connect(&server.options()).await.unwrap();
    for _ in 0..2 {
        let Err((Some(same), error)) = connection
            .log_in("alice", &Secret::new("wrong".into()))
            .await
        else {
            panic!("no second try")
        };
        assert_eq!(error.code, 200);
        connection = same;
    }

    let Err((None, error)) = connection
        .log_in("alice", &Secret::new(format!("{PASSWORD}x")))
        .await
    else {
        panic!("a fourth try")
    };
    assert_eq!(error.code, 202);
    let reasons: Vec<String> = server
        .records("login")
        .iter()
        .map(|record| record["reason"].to_string())
        .collect();
    for reason in ["wrong password", "unknown user", "disabled user"] {
        assert!(
            reasons.iter().any(|seen| seen.contains(reason)),
            "{reason} is in the trail: {reasons:?}"
        );
    }
}

#[tokio::test]
async fn frames_that_are_none_end_the_connection_with_a_word() {
    let server = Server::new().common(&["true"]).alice().start();
    let open = |kind, stream, length| header(stream, kind, length).to_vec();
    for (bytes, code) in [
        (open(Kind::Hello, 0, 0), 100),
        (open(Kind::Hello, 0, 4097), 101),
        (open(Kind::Hello, 0, u32::MAX), 101),
        (open(Kind::Hello, 1, 2), 100),
        (vec![0, 0, 0, 2, 0, 0, 0, 0, 200, b'{', b'}'], 100),
        (encode(0, Kind::LoggedIn, b"{}"), 100),
        (encode(1, Kind::Open, b"{}"), 100),
        (encode(0, Kind::Login, b"{}"), 100),
        (encode(0, Kind::Hello, b"[]"), 100),
        (
            encode(0, Kind::Hello, br#"{"version":1,"software":"x","more":1}"#),
            100,
        ),
        (
            encode(0, Kind::Hello, br#"{"version":9,"software":"x"}"#),
            105,
        ),
    ] {
        let mut raw = Raw::new(&server).await;
        raw.send(&bytes).await;
        assert_eq!(raw.refused().await, code, "{bytes:?}");
    }

    for (bytes, code) in [
        (encode(1, Kind::Open, b"{}"), 100),
        (
            encode(
                1,
                Kind::Open,
                br#"{"signed":"","signature":"","secrets":{"token":"hunter2"}}"#,
            ),
            100,
        ),
        (encode(7, Kind::Stdin, b"x"), 100),
        (encode(0, Kind::Hello, b"{}"), 100),
        (encode(0, Kind::Login, b"{}"), 100),
        (encode(1, Kind::Exit, b"{}"), 100),
        (open(Kind::Open, 1, 16_385), 101),
        (open(Kind::Stdin, 1, 65_537), 101),
    ] {
        let (mut raw, _, _) = Raw::log_in(&server, "alice").await;
        raw.send(&bytes).await;
        assert_eq!(raw.refused().await, code, "{bytes:?}");
    }

    let trail = std::fs::read_to_string(server.path("state/trail.jsonl")).unwrap();
    assert!(trail.contains("\"violation\"") && !trail.contains("hunter2"));
    assert!(
        server
            .session("alice")
            .await
            .run(invocation("true", &[]))
            .await
            .is_ok(),
        "others are served"
    );
}

#[tokio::test]
async fn frames_survive_being_split_at_every_byte() {
    let server = Server::new().common(&["true"]).alice().start();
    let (mut raw, key, session) = Raw::log_in(&server, "alice").await;
    let signed = run_true(session, 1);
    let open = Open {
        signature: key.sign(Purpose::Request, &signed),
        signed,
        secrets: Default::default(),
    };

    for byte in encode(1, Kind::Open, &write(&open)) {
        raw.send(&[byte]).await;
    }
    loop {
        let frame = raw.frame().await.unwrap();
        if frame.kind == Kind::Exit {
            break;
        }
    }
}

#[tokio::test]
async fn input_beyond_its_credit_ends_the_connection_and_memory_stays_flat() {
    let server = Server::new().common(&["early"]).alice().start();
    let (mut raw, key, session) = Raw::log_in(&server, "alice").await;

    // A command that takes input and reads none of it.
    let signed = request_text(
        session,
        1,
        &RequestId::from_random([1; 20]).into(),
        &Run(invocation("early", &[])),
        || [0; 32],
    )
    .text;
    let signature = key.sign(Purpose::Request, &signed);
    assert_eq!(raw.open(1, &signed, &signature).await, 0);
    let memory = || {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", server.frontend())).unwrap();
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse::<u64>()
            .unwrap()
    };

    let before = memory();
    let piece = encode(1, Kind::Stdin, &[7; 65_536]);
    for _ in 0..400 {
        raw.send(&piece).await;
    }
    assert!(
        memory() < before + 16 * 1024,
        "{before} KiB grew to {} KiB",
        memory()
    );
}

#[tokio::test]
async fn silence_at_every_stage_has_a_deadline_while_others_work() {
    let server = Server::new()
        .tls("handshake_timeout = \"300ms\"")
        .table("login", "timeout = \"500ms\"")
        .common(&["true"])
        .alice()
        .start();

    let began = Instant::now();
    let closed = |mut socket: TcpStream| async move {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(common::PATIENCE, socket.read_to_end(&mut rest))
            .await
            .expect("closed at the deadline");
    };

    // No ClientHello; half of one; one byte now and then.
    let quiet = TcpStream::connect(("127.0.0.1", server.port))
        .await
        .unwrap();
    let mut half = TcpStream::connect(("127.0.0.1", server.port))
        .await
        .unwrap();
    half.write_all(&[22, 3, 1, 2, 0, 1, 0, 1]).await.unwrap();
    let slow = TcpStream::connect(("127.0.0.1", server.port))
        .await
        .unwrap();
    let (slow_reader, mut slow_writer) = slow.into_split();
    let trickle = tokio::spawn(async move {
        for byte in [22, 3, 1, 2, 0, 1, 0, 1, 0xfc].into_iter().cycle() {
            if slow_writer.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });

    // A handshake and then nothing; a hello and then nothing; half a login.
    let mut mute = Raw::new(&server).await;
    let mut greeted = Raw::new(&server).await;
    let _ = greeted.hello().await;
    let mut stalled = Raw::new(&server).await;
    let _ = stalled.hello().await;
    stalled
        .send(&encode(0, Kind::Login, &[b' '; 300])[..100])
        .await;
    // Others work on meanwhile.
    let session = server.session("alice").await;
    common::ran(&session, "true").await;
    closed(quiet).await;
    closed(half).await;
    let mut slow_reader = slow_reader;
    let _ = tokio::time::timeout(common::PATIENCE, slow_reader.read_to_end(&mut Vec::new()))
        .await
        .expect("closed at the deadline");
    trickle.abort();
    for raw in [&mut mute, &mut greeted, &mut stalled] {
        assert_eq!(raw.refused().await, 102);
    }
    assert!(began.elapsed() < Duration::from_secs(20));
    common::ran(&session, "true").await;
}

#[tokio::test]
async fn another_protocol_gets_nothing() {
    let server = Server::new().common(&["true"]).alice().start();
    let wrong_alpn = {
        let mut config = (*server.options().tls).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let socket = TcpStream::connect(("127.0.0.1", server.port))
            .await
            .unwrap();
        TlsConnector::from(std::sync::Arc::new(config))
            .connect("localhost".try_into().unwrap(), socket)
            .await
    };

    assert!(wrong_alpn.is_err());
    let mut plain = TcpStream::connect(("127.0.0.1", server.port))
        .await
        .unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(common::PATIENCE, plain.read_to_end(&mut answer))
        .await
        .unwrap();
    assert!(!answer.windows(6).any(|window| window == b"ordain"));
    let old = std::process::Command::new("openssl")
        .args([
            "s_client",
            "-tls1_2",
            "-connect",
            &format!("127.0.0.1:{}", server.port),
        ])
        .stdin(std::process::Stdio::null())
        .output();
    if let Ok(old) = old {
        assert!(!old.status.success(), "TLS 1.2 was spoken");
    }
}

/// A server that answers like ordaind up to a point and then cuts the connection without a goodbye.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_is_never_a_success() {
    let server = Server::new().common(&["true", "marked"]).alice().start();
    let session = server.session("alice").await;
    let run = session.run(invocation("marked", &[])).await.unwrap();

    // The network process is killed: no EXIT, no close_notify.
    server.kill_frontend();
    let error = run.collect().await.err().unwrap();
    assert_eq!(error.code, 603);

    // A new frontend takes its place, and the trail says so.
    server.wait_for_trail("another frontend", |trail| {
        trail
            .iter()
            .filter(|record| record["kind"] == "frontend" && record["state"] == "started")
            .count()
            == 2
    });

    let again = server.session("alice").await;
    common::ran(&again, "true").await;
    server.wait_for_trail("the end of the run", |trail| {
        trail
            .iter()
            .any(|record| record["kind"] == "end" && record["reason"] == "disconnected")
    });
}

#[tokio::test]
async fn the_client_tells_a_cut_from_an_end() {
    // TLS by ordain's own configuration, and a goodbye that never comes.
    let prepared = Server::new().alice().prepare();
    let pem = |name: &str| std::fs::read(prepared.path(name)).unwrap();
    let config = tls::server(
        tls::certificates(&pem("server.crt")).unwrap(),
        tls::private_key(&pem("server.key")).unwrap(),
        None,
    )
    .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut tls = tokio_rustls::TlsAcceptor::from(config)
            .accept(socket)
            .await
            .unwrap();
        let hello = Hello {
            version: 1,
            software: "cut".into(),
            features: vec![],
            nonce: Some(base64(&[1; 32])),
            instance: None,
            now_ms: None,
        };

        tls.write_all(&encode(0, Kind::Hello, &write(&hello)))
            .await
            .unwrap();
        tls.flush().await.unwrap();
        let _ = tls.read(&mut [0; 4096]).await;
        let (socket, _) = tls.into_inner();
        drop(socket);
    });

    let outcome = match connect(&common::trusting(&prepared.ca, port)).await {
        Ok(connection) => connection
            .log_in("alice", &Secret::new(PASSWORD.into()))
            .await
            .map(|_| ())
            .map_err(|(_, error)| error),
        Err(error) => Err(error),
    };

    assert_eq!(outcome.unwrap_err().code, 603);
}

#[tokio::test]
async fn limits_hold_and_say_so() {
    let server = Server::new()
        .table(
            "limits",
            "connections = 6\nconnections_before_login = 4\nstreams_per_connection = 3\nruns_per_user = 2",
        )
        .common(&["true", "sleep"])
        .alice()
        .start();

    let session = server.session("alice").await;
    let one = session.run(invocation("sleep", &[])).await.unwrap();
    let two = session.run(invocation("sleep", &[])).await.unwrap();
    let error = session.run(invocation("sleep", &[])).await.err().unwrap();
    assert_eq!(error.code, 510);
    assert!(error.text.contains("runs_per_user"), "{error}");

    // Connections that have not logged in are bounded by themselves; more are closed at once.
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(Raw::new(&server).await);
    }
    let mut fifth = TcpStream::connect(("127.0.0.1", server.port))
        .await
        .unwrap();
    let end = tokio::time::timeout(common::PATIENCE, fifth.read(&mut [0; 1]))
        .await
        .unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "closed without a word");
    drop((one, two));
    drop(waiting);
    session
        .run(invocation("true", &[]))
        .await
        .map(|_| ())
        .or_else(|error| {
            if error.code == 510 {
                Ok(())
            } else {
                Err(error)
            }
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_stops_nobody_else() {
    let server = Server::new().common(&["true", "flood"]).alice().start();
    let session = server.session("alice").await;

    // Nobody reads this gibibyte; its run waits for credit, and everybody else goes on.
    let stuck = session.run(invocation("flood", &[])).await.unwrap();
    for _ in 0..20 {
        let (_, _, ended) = common::ran(&session, "true").await;
        assert_eq!(ended.number, Some(0));
    }

    drop(stuck);
    server.wait_for_trail("the end", |trail| {
        trail
            .iter()
            .any(|record| record["kind"] == "end" && record["command"] == "flood")
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_outlives_its_client_goes_on_with_whole_input_and_ends_with_half() {
    let server = Server::new().common(&["goes-on"]).alice().start();
    let result = server.path("went-on");
    let (whole, half) = (server.session("alice").await, server.session("alice").await);
    let run = whole.run(invocation("goes-on", &[])).await.unwrap();
    run.input().send(b"all of it\n").await.unwrap();
    run.input().end().await.unwrap();

    // The end of input has to have left before the client does.
    let _ = whole.ask(&Runs::default()).await.unwrap();
    drop(run);
    drop(whole);
    common::wait("the command's end", || {
        std::fs::read_to_string(&result).is_ok_and(|text| text == "all of it\nfinished\n")
    });
    server.wait_for_trail("its record", |trail| {
        trail
            .iter()
            .any(|record| record["kind"] == "end" && record["reason"] == "exit")
    });

    let run = half.run(invocation("goes-on", &[])).await.unwrap();
    run.input().send(b"half of it").await.unwrap();
    drop(run);
    drop(half);
    server.wait_for_trail("its end", |trail| {
        trail
            .iter()
            .any(|record| record["kind"] == "end" && record["reason"] == "disconnected")
    });
}

#[test]
fn the_header_is_nine_bytes() {
    assert_eq!(HEADER, 9);
    assert!(Decoder::new(Sender::Client).header([0; 9]).is_err());
}

/// A follower that reads nothing holds up nobody, and is told afterwards how much was missed.
#[test]
fn a_follower_that_reads_nothing_gets_a_gap_and_makes_nobody_wait() {
    const EVENTS: u64 = 1000;
    /// Runs whose output, a window each, takes all the room that there is on the way.
    const FLOODS: u64 = 12;
    let server = Server::new()
        .common(&["missing", "flood"])
        .alice()
        .user("bob", &["all"])
        .start();
    common::block(async {
        let (mut raw, key, session) = Raw::new(&server).await.enter("alice").await;
        let asked = |counter: u64, text: String| {
            let open = Open {
                signature: key.sign(Purpose::Request, &text),
                signed: text,
                secrets: Default::default(),
            };
            encode(u32::try_from(counter).unwrap(), Kind::Open, &write(&open))
        };
        let id = || RequestId::from_random(ordain::credential::random()).into();
        let follow = Runs { follow: true };
        let text = request_text(session, 1, &id(), &follow, || [0; 32]).text;
        raw.send(&asked(1, text)).await;
        for counter in 2..FLOODS + 2 {
            let flood = Run(invocation("flood", &[]));
            let text = request_text(session, counter, &id(), &flood, || [0; 32]).text;
            raw.send(&asked(counter, text)).await;
        }
        server.wait_for_records("start", FLOODS as usize);
        let (alice, bob) = (server.session("alice").await, server.session("bob").await);
        let mut slowest = Duration::ZERO;
        for _ in 0..EVENTS / 50 {
            let tried: Vec<_> = (0..50)
                .map(|_| {
                    let alice = alice.clone();
                    tokio::spawn(async move { alice.run(invocation("missing", &[])).await.err() })
                })
                .collect();
            let began = Instant::now();
            bob.ask(&Whoami {}).await.unwrap();
            slowest = slowest.max(began.elapsed());
            for tried in tried {
                assert_eq!(tried.await.unwrap().unwrap().code, 500);
            }
        }
        assert!(
            slowest < Duration::from_secs(2),
            "bob waited for {slowest:?}"
        );

        let (mut told, mut missed) = (0, 0);
        while told + missed < EVENTS + FLOODS {
            let next = tokio::time::timeout(common::PATIENCE, raw.frame());
            let frame = next
                .await
                .unwrap_or_else(|_| panic!("{told} told, {missed} missed"));
            let frame = frame.unwrap();
            if frame.kind != Kind::Event {
                continue;
            }
            let event: Event<RunList> = read(&frame.payload).unwrap();
            missed += event.missed;
            told += event.what.map_or(0, |list| list.runs.len() as u64);
        }
        assert_eq!(told + missed, EVENTS + FLOODS);
        assert!(
            missed > 0,
            "there was room for everything: nothing was tried"
        );
    });
}
