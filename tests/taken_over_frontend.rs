//! The network process, taken over completely: it speaks to the monitor's socket directly and tries
//! each thing that it must not be able to do. The monitor starts it by re-executing this very
//! program, as it starts the real one.

mod common;

use ordain::credential::{Purpose, SessionKey};
use ordain::encoding::base64;
use ordain::ids::{RequestId, RunId, SessionId};
use ordain::ipc::{Channel, Manifest, Name, Outcome, SecretValue, ToFrontend, ToMonitor};
use ordain::monitor::{FRONTEND, Given, LastFaults, Loader, serve};
use ordain::protocol::{LoginText, request_text};
use ordain::verb::{Run, Say, Value, Verb};
use ordain::{config, sys, tls};
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == FRONTEND)
    {
        return attacker();
    }
    if std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == ordain::exec::KEEPER)
    {
        return sys::keep().unwrap();
    }
    let guarded = common::Cmd::new("guarded", &["/bin/true"]);
    let prepared = common::Server::new()
        .standard()
        .command(guarded.set("approval", "{ by = \"watch\" }"))
        .role("asks", &["guarded"])
        .role("watch", &[])
        .user("asker", &["asks"])
        .user("watcher", &["watch"])
        .user("second", &["watch"])
        .role_with("talk", &[], "verbs = [\"room\"]")
        .user("talker", &["talk"])
        .prepare();
    std::env::set_current_dir(prepared.folder()).unwrap();
    let settings = config::load(Path::new("config.toml"), &config::Machine::probe())
        .unwrap()
        .settings
        .unwrap();
    let groups = settings.grouped.then(|| sys::Cgroups::enter().unwrap());
    let clear = groups.clone();
    let loader: Loader = Arc::new(|| Err(vec!["no reload here".into()]));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let outcome = tokio::task::LocalSet::new().block_on(&runtime, async move {
        let all = SCENARIOS.len();
        tokio::select! {
            served = serve(settings, Given { loader, groups, faults: LastFaults::default(), sockets: Vec::new() }, |_| {}) => Err(format!("the monitor ended: {:?}", served.err())),
            () = async {
                while std::fs::read_dir(".").unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("result-")).count() < all {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            } => Ok(()),
            () = tokio::time::sleep(Duration::from_secs(60)) => Err("the attacks did not end".into()),
        }
    });

    if let Some(groups) = clear {
        groups.leave();
    }
    let trail = std::fs::read_to_string("state/trail.jsonl").unwrap_or_default();
    let (mut passed, mut failed) = (0, 0);
    for (index, (name, _)) in SCENARIOS.iter().enumerate() {
        let result = std::fs::read_to_string(format!("result-{index}"))
            .unwrap_or_else(|_| "it never ended".into());
        if result == "held" {
            passed += 1;
            println!("test {name} ... ok");
        } else {
            failed += 1;
            println!("test {name} ... FAILED: {result}");
        }
    }

    // Whatever was tried: every run in the trail has a granted request before it, and nothing was
    // started but what the honest scenarios asked for.
    let starts = trail
        .lines()
        .filter(|line| line.contains("\"kind\":\"start\""))
        .count();
    let expected = 4;
    let canary = Path::new("canary").exists();
    let overgrown = trail.contains("it wrote beyond what is kept");
    let said = trail
        .lines()
        .filter(|line| line.contains("\"kind\":\"said\""))
        .count();
    if starts == expected && said == 1 && !canary && overgrown && outcome.is_ok() {
        passed += 1;
    } else {
        failed += 1;
        println!(
            "test nothing_else_ran ... FAILED: {starts} starts, said {said} times, canary {canary}, overgrown {overgrown}, {outcome:?}\n{trail}"
        );
    }

    println!("\ntest result: {passed} passed, {failed} failed");
    println!("{passed} passed, {failed} failed");
    std::process::exit(i32::from(failed > 0));
}

type Attack =
    for<'a> fn(&'a mut Monitor) -> std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        const SCENARIOS: &[(&str, Attack)] = &[$((stringify!($name), |monitor| Box::pin($name(monitor)))),+];
    };
}

scenarios! {
    an_honest_login_and_run_work,
    requests_before_a_login_end_the_frontend,
    an_unknown_connection_ends_the_frontend,
    bytes_that_are_no_message_end_the_frontend,
    a_second_ready_ends_the_frontend,
    an_unexpected_descriptor_ends_the_frontend,
    a_nonce_of_its_own_ends_the_frontend,
    a_nonce_that_was_used_ends_the_frontend,
    a_nonce_that_was_spoilt_ends_the_frontend,
    a_login_without_its_socket_ends_the_frontend,
    an_overlong_message_ends_the_frontend,
    a_session_is_no_use_without_its_key,
    requests_cannot_be_altered_or_sent_again,
    an_agreement_is_for_one_plan_and_is_signed_once,
    what_is_said_cannot_be_altered_or_said_again,
    anothers_run_cannot_be_cancelled,
    what_the_policy_refuses_stays_refused,
    the_address_is_the_kernels_word,
    a_socket_that_is_none_logs_nobody_in,
    one_that_does_not_read_is_ended,
    a_number_at_the_end_of_all_numbers_ends_the_frontend,
    a_number_of_a_frontend_before_ends_the_frontend,
    one_that_writes_beyond_what_is_kept_is_ended,
    a_socket_that_lingers_holds_up_nobody,
    a_listener_that_was_shut_down_ends_the_frontend,
    what_it_does_to_a_listener_ends_with_it,
    secrets_of_the_monitor_cannot_be_read,
    the_trail_can_be_neither_stopped_nor_forged,
}

/// The attacker's end of the monitor's socket.
struct Monitor {
    channel: Channel,
    buffer: Vec<u8>,
    fingerprint: tls::Fingerprint,
    listener: TcpListener,
    /// The first number that this frontend may give to a connection.
    first: u64,
}

fn attacker() {
    let index = std::fs::read_dir(".")
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("begun-"))
        .count();
    let Some((_, attack)) = SCENARIOS.get(index) else {
        // All tried: an idle frontend until the end.
        std::thread::sleep(Duration::from_secs(60));
        return;
    };

    std::fs::write(format!("begun-{index}"), "").unwrap();
    let socket = sys::adopt(3).unwrap();
    let pem = std::fs::read("server.crt").unwrap();
    let fingerprint = tls::Fingerprint::of(&tls::certificates(&pem).unwrap()[0]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let channel = Channel::new(socket).unwrap();
        let mut buffer = Vec::new();
        let settings = channel.receive::<ToFrontend>(&mut buffer).await;
        let Ok((ToFrontend::Configure(settings), mut manifest)) = settings else {
            panic!("no settings came");
        };
        let mut monitor = Monitor {
            channel,
            buffer,
            fingerprint,
            listener: manifest.take(Name::Listener).unwrap().into(),
            first: settings.first_connection,
        };
        monitor
            .say(ToMonitor::Ready {
                landlock: "none".into(),
                uid: 0,
            })
            .await;
        let result = match tokio::time::timeout(Duration::from_secs(20), attack(&mut monitor)).await
        {
            Ok(outcome) => outcome,
            Err(_) => Err("it took too long".into()),
        };

        // While the socket is open: the monitor kills whoever closes it.
        let text = result.map_or_else(|why: String| why, |()| "held".to_owned());
        std::fs::write(format!(".result-{index}"), text).unwrap();
        std::fs::rename(format!(".result-{index}"), format!("result-{index}")).unwrap();
    });
}

/// A login with nothing in it.
fn empty_login(connection: u64) -> ToMonitor {
    ToMonitor::Login {
        connection,
        signed: String::new(),
        signature: String::new(),
        password: SecretValue::default(),
        key_signature: String::new(),
        gathered: None,
        code: SecretValue::default(),
        exporter: None,
    }
}

impl Monitor {
    /// The number of this frontend's nth connection, from 1.
    const fn nth(&self, nth: u64) -> u64 {
        self.first + nth - 1
    }

    async fn say(&self, message: ToMonitor) {
        let _ = self.channel.send(&message, Manifest::default()).await;
    }

    async fn say_with(&self, message: ToMonitor, descriptor: &OwnedFd) {
        let manifest = Manifest::default().with(Name::Client, descriptor.try_clone().unwrap());
        let _ = self.channel.send(&message, manifest).await;
    }

    async fn next(&mut self) -> Option<(ToFrontend, Manifest)> {
        self.channel
            .receive::<ToFrontend>(&mut self.buffer)
            .await
            .ok()
    }

    async fn nonce(&mut self, nth: u64) -> [u8; 32] {
        self.say(ToMonitor::Hello {
            connection: self.nth(nth),
            source: "203.0.113.1:1".into(),
            nonce: None,
        })
        .await;
        loop {
            match self.next().await {
                Some((ToFrontend::Challenge { nonce, .. }, _)) => return nonce,
                Some(_) => {}
                None => panic!("the monitor hung up"),
            }
        }
    }

    /// A real login: the attacker knows this password, because alice typed it during the takeover.
    async fn log_in(&mut self, nth: u64, user: &str) -> Option<(SessionKey, SessionId)> {
        let nonce = self.nonce(nth).await;
        let key = SessionKey::generate().unwrap();
        let text = LoginText {
            session: None,
            version: 1,
            user: user.into(),
            method: ordain::protocol::Method::Password,
            keep: false,
            session_key: key.public(),
            server_key: base64(&self.fingerprint.0),
            exporter: None,
            nonce: base64(&nonce),
        };

        let signed = serde_json::to_string(&text).unwrap();
        let signature = key.sign(Purpose::Login, &signed);
        let login = ToMonitor::Login {
            connection: self.nth(nth),
            signed,
            signature,
            password: SecretValue(common::PASSWORD.into()),
            key_signature: String::new(),
            gathered: None,
            code: SecretValue::default(),
            exporter: None,
        };

        self.say_with(login, &connected()).await;
        loop {
            match self.next().await {
                Some((
                    ToFrontend::Login {
                        outcome: Outcome::Accepted { session, .. },
                        ..
                    },
                    _,
                )) => {
                    return Some((key, session.parse().unwrap()));
                }

                Some((ToFrontend::Login { .. }, _)) => return None,
                Some(_) => {}
                None => panic!("the monitor hung up"),
            }
        }
    }

    /// A request that has no secrets.
    fn request(&self, nth: u64, stream: u32, signed: &str, signature: &str) -> ToMonitor {
        ToMonitor::Request {
            connection: self.nth(nth),
            stream,
            signed: signed.into(),
            signature: signature.into(),
            secrets: Vec::new(),
        }
    }

    /// Sends a request and returns the code of its refusal, or 0 for an answer or a start. What comes
    /// for other requests meanwhile, such as a run that starts late, is passed over.
    async fn ask(&mut self, nth: u64, stream: u32, signed: &str, signature: &str) -> u16 {
        self.say(self.request(nth, stream, signed, signature)).await;
        let asked = (self.nth(nth), stream);
        loop {
            let Some((message, _)) = self.next().await else {
                panic!("the monitor hung up");
            };
            match message {
                ToFrontend::Refused {
                    connection,
                    stream,
                    code,
                    ..
                } if (connection, stream) == asked => {
                    return code;
                }
                ToFrontend::Started {
                    connection, stream, ..
                }
                | ToFrontend::Answer {
                    connection, stream, ..
                } if (connection, stream) == asked => {
                    return 0;
                }
                _ => {}
            }
        }
    }

    /// Asks for a run that others must agree to, and returns its id once it waits.
    async fn waits(&mut self, stream: u32, signed: &str, signature: &str) -> RunId {
        self.say(self.request(1, stream, signed, signature)).await;
        loop {
            match self.next().await {
                Some((ToFrontend::Queued { run, .. }, _)) => return RunId::from_random(run),
                Some((ToFrontend::Refused { code, .. }, _)) => panic!("refused with {code}"),
                Some(_) => {}
                None => panic!("the monitor hung up"),
            }
        }
    }

    /// What is answered to a request.
    async fn answer(&mut self, nth: u64, stream: u32, signed: &str, signature: &str) -> Vec<u8> {
        self.say(self.request(nth, stream, signed, signature)).await;
        let mut whole = Vec::new();
        loop {
            match self.next().await {
                Some((ToFrontend::Answer { part, last, .. }, _)) => {
                    whole.extend(part);
                    if last {
                        return whole;
                    }
                }
                Some((ToFrontend::Refused { code, .. }, _)) => panic!("refused with {code}"),
                Some(_) => {}
                None => panic!("the monitor hung up"),
            }
        }
    }

    /// Whether the monitor has given this frontend up.
    async fn hung_up(&mut self) -> Result<(), String> {
        loop {
            match tokio::time::timeout(Duration::from_secs(5), self.next()).await {
                // It may be killed before it reads this; then the test's result was written by
                // nobody. See `expect_end`.
                Ok(None) => return Ok(()),
                Ok(Some(_)) => {}
                Err(_) => return Err("the monitor went on with this frontend".into()),
            }
        }
    }
}

/// The monitor kills a frontend that breaks the table, so the result is written before: it holds
/// unless the monitor is still there a moment later.
async fn expect_end(monitor: &mut Monitor, message: Option<ToMonitor>) -> Result<(), String> {
    let index = std::fs::read_dir(".")
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("begun-"))
        .count()
        - 1;
    if let Some(message) = message {
        std::fs::write(format!("result-{index}"), "held").unwrap();
        monitor.say(message).await;
    }

    let outcome = monitor.hung_up().await;
    if outcome.is_err() {
        std::fs::write(format!("result-{index}"), "not ended").unwrap();
    }
    outcome
}

/// A connected TCP socket, as a client's would be.
fn connected() -> OwnedFd {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();

    // The other end may close: a peer address stays known on the server's as long as data could
    // come.
    let _ = client.into_raw_fd();
    server.into()
}

fn run(session: SessionId, counter: u64, command: &str, arguments: &[(&str, Value)]) -> String {
    asked(
        session,
        counter,
        &Run(common::invocation(command, arguments)),
    )
}

fn asked(session: SessionId, counter: u64, ask: &impl Verb) -> String {
    let id = RequestId::from_random(ordain::credential::random());
    request_text(session, counter, &id.into(), ask, || [0; 32]).text
}

async fn an_honest_login_and_run_work(monitor: &mut Monitor) -> Result<(), String> {
    let (key, session) = monitor
        .log_in(1, "alice")
        .await
        .ok_or("the login was refused")?;
    let text = run(session, 1, "true", &[]);
    match monitor
        .ask(1, 1, &text, &key.sign(Purpose::Request, &text))
        .await
    {
        0 => Ok(()),
        code => Err(format!("refused with {code}")),
    }
}

async fn requests_before_a_login_end_the_frontend(monitor: &mut Monitor) -> Result<(), String> {
    monitor.nonce(1).await;
    let message = monitor.request(1, 1, "{}", "");

    expect_end(monitor, Some(message)).await
}

async fn an_unknown_connection_ends_the_frontend(monitor: &mut Monitor) -> Result<(), String> {
    let message = monitor.request(77, 1, "{}", "");

    expect_end(monitor, Some(message)).await
}

/// Notes that this scenario holds, before the end that is expected of it; its number.
fn held_so_far() -> usize {
    let index = std::fs::read_dir(".")
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("begun-"))
        .count()
        - 1;
    std::fs::write(format!("result-{index}"), "held").unwrap();
    index
}

async fn bytes_that_are_no_message_end_the_frontend(monitor: &mut Monitor) -> Result<(), String> {
    // A Violation whose text claims to be longer than the message: only the raw socket can say
    // that.
    let index = held_so_far();
    let raw = sys::adopt(3).unwrap();
    sys::send(
        raw.as_fd(),
        &[6, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, b'x'],
        &[],
    )
    .map_err(|fault| fault.to_string())?;
    let outcome = monitor.hung_up().await;
    let _ = raw.into_raw_fd();
    if outcome.is_err() {
        std::fs::write(format!("result-{index}"), "not ended").unwrap();
    }
    outcome
}

async fn a_second_ready_ends_the_frontend(monitor: &mut Monitor) -> Result<(), String> {
    expect_end(
        monitor,
        Some(ToMonitor::Ready {
            landlock: "full".into(),
            uid: 0,
        }),
    )
    .await
}

async fn a_nonce_of_its_own_ends_the_frontend(monitor: &mut Monitor) -> Result<(), String> {
    expect_end(
        monitor,
        Some(ToMonitor::Hello {
            connection: monitor.nth(1),
            source: "x".into(),
            nonce: Some([7; 32]),
        }),
    )
    .await
}

/// A login that was seen once must not be shown a second time.
async fn a_nonce_that_was_used_ends_the_frontend(monitor: &mut Monitor) -> Result<(), String> {
    let nonce = loop {
        match monitor.next().await {
            Some((ToFrontend::Nonces(nonces), _)) => break nonces[0],
            Some(_) => {}
            None => return Err("no nonces came".into()),
        }
    };

    monitor
        .say(ToMonitor::Hello {
            connection: monitor.nth(1),
            source: "x".into(),
            nonce: Some(nonce),
        })
        .await;
    // Another for the one that was used: it was taken.
    loop {
        match monitor.next().await {
            Some((ToFrontend::Nonces(nonces), _)) if nonces.len() == 1 && nonces[0] != nonce => {
                break;
            }
            Some(_) => {}
            None => return Err("its first use was refused".into()),
        }
    }

    monitor
        .say(ToMonitor::Gone {
            connection: monitor.nth(1),
            lost: false,
        })
        .await;
    expect_end(
        monitor,
        Some(ToMonitor::Hello {
            connection: monitor.nth(1),
            source: "x".into(),
            nonce: Some(nonce),
        }),
    )
    .await
}

/// A client that did not come past its handshake may have seen it.
async fn a_nonce_that_was_spoilt_ends_the_frontend(monitor: &mut Monitor) -> Result<(), String> {
    let mut stock = Vec::new();
    for _ in 0..2 {
        loop {
            match monitor.next().await {
                Some((ToFrontend::Nonces(nonces), _)) => break stock.push(nonces[0]),
                Some(_) => {}
                None => return Err("no nonces came".into()),
            }
        }
        // The second is the one that comes for the first.
        if stock.len() == 1 {
            monitor.say(ToMonitor::Spoilt { nonce: stock[0] }).await;
        }
    }
    if stock[0] == stock[1] {
        return Err("it came back".into());
    }
    let message = ToMonitor::Hello {
        connection: monitor.nth(1),
        source: "x".into(),
        nonce: Some(stock[0]),
    };
    expect_end(monitor, Some(message)).await
}

async fn an_unexpected_descriptor_ends_the_frontend(monitor: &mut Monitor) -> Result<(), String> {
    held_so_far();
    monitor
        .say_with(
            ToMonitor::Hello {
                connection: monitor.nth(1),
                source: "x".into(),
                nonce: None,
            },
            &connected(),
        )
        .await;
    expect_end(monitor, None).await
}

async fn a_login_without_its_socket_ends_the_frontend(monitor: &mut Monitor) -> Result<(), String> {
    monitor.nonce(1).await;
    let message = empty_login(monitor.nth(1));

    expect_end(monitor, Some(message)).await
}

async fn an_overlong_message_ends_the_frontend(monitor: &mut Monitor) -> Result<(), String> {
    let index = held_so_far();
    let raw = sys::adopt(3).unwrap();
    sys::send(raw.as_fd(), &vec![1; ordain::limits::IPC_MESSAGE + 1], &[])
        .map_err(|fault| fault.to_string())?;
    let outcome = monitor.hung_up().await;
    let _ = raw.into_raw_fd();
    if outcome.is_err() {
        std::fs::write(format!("result-{index}"), "not ended").unwrap();
    }
    outcome
}

async fn a_session_is_no_use_without_its_key(monitor: &mut Monitor) -> Result<(), String> {
    let (_, session) = monitor
        .log_in(1, "alice")
        .await
        .ok_or("the login was refused")?;
    let stranger = SessionKey::generate().unwrap();
    let text = run(session, 1, "true", &[]);
    for (stream, signature) in [
        (1, String::new()),
        (2, stranger.sign(Purpose::Request, &text)),
        (3, base64(&[0; 64])),
    ] {
        let code = monitor.ask(1, stream, &text, &signature).await;
        if code != 300 {
            return Err(format!("answered with {code}"));
        }
    }

    Ok(())
}

async fn requests_cannot_be_altered_or_sent_again(monitor: &mut Monitor) -> Result<(), String> {
    let (key, session) = monitor
        .log_in(1, "alice")
        .await
        .ok_or("the login was refused")?;
    let text = run(session, 1, "true", &[]);
    let signature = key.sign(Purpose::Request, &text);
    let altered = text.replace("\"true\"", "\"sleep\"");
    if monitor.ask(1, 1, &altered, &signature).await != 300 {
        return Err("an altered request was taken".into());
    }
    if monitor.ask(1, 2, &text, &signature).await != 0 {
        return Err("the request itself was refused".into());
    }
    if monitor.ask(1, 3, &text, &signature).await != 301 {
        return Err("a request was taken twice".into());
    }
    let (_, _) = monitor
        .log_in(2, "bob")
        .await
        .ok_or("the login was refused")?;
    match monitor.ask(2, 1, &text, &signature).await {
        300 => Ok(()),
        code => Err(format!(
            "in another user's session it was answered with {code}"
        )),
    }
}

/// Who has agreed once has agreed to one run. Nothing else can be made of what they have signed.
async fn an_agreement_is_for_one_plan_and_is_signed_once(
    monitor: &mut Monitor,
) -> Result<(), String> {
    let (asker, asks) = monitor.log_in(1, "asker").await.ok_or("no login")?;
    let (watcher, watches) = monitor.log_in(2, "watcher").await.ok_or("no login")?;
    let (_, _) = monitor.log_in(3, "second").await.ok_or("no login")?;
    let sign = |key: &SessionKey, text: &str| key.sign(Purpose::Request, text);
    let request = |session: SessionId, counter: u64, rest: &str| {
        let id = RequestId::from_random(ordain::credential::random());
        format!(r#"{{"session":"{session}","counter":{counter},"id":"{id}",{rest}}}"#)
    };
    let text = run(asks, 1, "guarded", &[]);
    let first = monitor.waits(1, &text, &sign(&asker, &text)).await;
    let text = run(asks, 2, "guarded", &[]);
    let other = monitor.waits(2, &text, &sign(&asker, &text)).await;

    let text = request(watches, 1, r#""verb":"approvals""#);
    let list = monitor.answer(2, 1, &text, &sign(&watcher, &text)).await;
    let list: ordain::verb::ApprovalList = serde_json::from_slice(&list).unwrap();
    let plans = list.approvals.iter().map(|line| line.plan.as_str());
    let digest = |run: RunId| {
        let plan = plans.clone().find(|plan| plan.contains(&run.to_string()));
        let plan = plan.unwrap().as_bytes();
        ordain::encoding::hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, plan).as_ref())
    };
    let approve = |counter: u64, run: RunId, plan: &str| {
        let rest = format!(r#""verb":"approve","run":"{run}","command":"guarded","plan":"{plan}""#);
        request(watches, counter, &rest)
    };

    // Another plan was shown than the one that waits.
    let shown = approve(2, other, &digest(first));
    let code = monitor.ask(2, 2, &shown, &sign(&watcher, &shown)).await;
    if code != 412 {
        return Err(format!("the agreement to another plan: {code}"));
    }
    let honest = approve(3, first, &digest(first));
    let signature = sign(&watcher, &honest);
    let altered = honest.replace(&first.to_string(), &other.to_string());
    let altered = altered.replace(&digest(first), &digest(other));
    for (what, nth, stream, text, expected) in [
        ("altered", 2, 3, &altered, 300),
        ("in another's session", 3, 1, &honest, 300),
        ("in the session of who asks", 1, 3, &honest, 300),
        ("as it is", 2, 4, &honest, 0),
        ("again", 2, 5, &honest, 301),
        ("altered, after it was taken", 2, 6, &altered, 300),
    ] {
        let code = monitor.ask(nth, stream, text, &signature).await;
        if code != expected {
            return Err(format!("{what} it was answered with {code}"));
        }
    }
    // It starts after the answer to who agreed; without a frontend it would not.
    let started = format!(r#""kind":"start","run":"{first}""#);
    while !std::fs::read_to_string("state/trail.jsonl").is_ok_and(|trail| trail.contains(&started))
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn what_is_said_cannot_be_altered_or_said_again(monitor: &mut Monitor) -> Result<(), String> {
    let (key, session) = monitor
        .log_in(1, "talker")
        .await
        .ok_or("the login was refused")?;
    let say = Say {
        text: "do not deploy".into(),
        run: None,
    };
    let text = asked(session, 1, &say);
    let signature = key.sign(Purpose::Request, &text);
    let altered = text.replace("do not deploy", "do deploy now");
    if monitor.ask(1, 1, &altered, &signature).await != 300 {
        return Err("an altered text was said".into());
    }
    if monitor.ask(1, 2, &text, &signature).await != 0 {
        return Err("the text itself was refused".into());
    }
    if monitor.ask(1, 3, &text, &signature).await != 301 {
        return Err("a text was said twice".into());
    }
    // Neither in a later session of its own user nor in another's.
    for (nth, user) in [(2, "talker"), (3, "alice")] {
        monitor
            .log_in(nth, user)
            .await
            .ok_or("the login was refused")?;
        match monitor.ask(nth, 1, &text, &signature).await {
            300 => {}
            code => {
                return Err(format!(
                    "in a session of {user} it was answered with {code}"
                ));
            }
        }
    }
    Ok(())
}

async fn anothers_run_cannot_be_cancelled(monitor: &mut Monitor) -> Result<(), String> {
    let (key, session) = monitor
        .log_in(1, "bob")
        .await
        .ok_or("the login was refused")?;
    for (counter, run) in [
        (1, "0000000000000000"),
        (2, "../../x"),
        (3, "zzzzzzzzzzzzzzzz"),
    ] {
        let text = format!(
            r#"{{"session":"{session}","counter":{counter},"id":"{}","verb":"cancel","run":"{run}"}}"#,
            RequestId::from_random(ordain::credential::random())
        );

        let code = monitor
            .ask(1, counter, &text, &key.sign(Purpose::Request, &text))
            .await;
        if code != 404 {
            return Err(format!("{run} was answered with {code}"));
        }
    }

    Ok(())
}

async fn what_the_policy_refuses_stays_refused(monitor: &mut Monitor) -> Result<(), String> {
    let (key, session) = monitor
        .log_in(1, "alice")
        .await
        .ok_or("the login was refused")?;
    let evil = |text: &str| Value::Text(text.into());
    let cases = [
        ("hidden", vec![], 400),
        ("/bin/sh", vec![], 400),
        ("true", vec![("uid", evil("0"))], 401),
        ("true", vec![("cwd", evil("/"))], 401),
        ("kinds", vec![("word", evil("$(touch canary)"))], 401),
        ("show", vec![("file", evil("../server.key"))], 401),
    ];

    for (counter, (command, arguments, expected)) in (1..).zip(cases) {
        let text = run(session, counter, command, &arguments);
        let code = monitor
            .ask(1, counter as u32, &text, &key.sign(Purpose::Request, &text))
            .await;
        if code != expected {
            return Err(format!("{command} {arguments:?} was answered with {code}"));
        }
    }

    Ok(())
}

async fn the_address_is_the_kernels_word(monitor: &mut Monitor) -> Result<(), String> {
    // The frontend said 203.0.113.1; the login's record says what the socket says.
    monitor
        .log_in(1, "alice")
        .await
        .ok_or("the login was refused")?;
    let trail = std::fs::read_to_string("state/trail.jsonl").unwrap();
    let login = trail
        .lines()
        .rfind(|line| line.contains("\"kind\":\"login\""))
        .ok_or("no record")?;
    let connection = trail
        .lines()
        .rfind(|line| line.contains("\"kind\":\"connection\""))
        .ok_or("no record")?;
    if !login.contains("\"source\":\"127.0.0.1:") {
        return Err(login.into());
    }
    if connection.contains("203.0.113.1") && connection.contains("\"reported_by\":\"frontend\"") {
        Ok(())
    } else {
        Err(connection.into())
    }
}

async fn a_socket_that_is_none_logs_nobody_in(monitor: &mut Monitor) -> Result<(), String> {
    let nonce = monitor.nonce(1).await;
    let login = ToMonitor::Login {
        connection: monitor.nth(1),
        signed: base64(&nonce),
        signature: String::new(),
        password: SecretValue(common::PASSWORD.into()),
        key_signature: String::new(),
        gathered: None,
        code: SecretValue::default(),
        exporter: None,
    };

    monitor.say_with(login, &sys::null().unwrap()).await;

    // No answer, and nobody logged in: the next request on it ends the frontend.
    let answer = async {
        loop {
            match monitor.next().await {
                // What comes to every frontend.
                Some((ToFrontend::Ping | ToFrontend::Nonces(_), _)) => {}
                answer => return answer,
            }
        }
    };
    match tokio::time::timeout(Duration::from_millis(300), answer).await {
        Err(_) => Ok(()),
        Ok(Some((
            ToFrontend::Login {
                outcome: Outcome::Refused { .. },
                ..
            },
            _,
        ))) => Ok(()),
        Ok(other) => Err(format!("answered with {other:?}")),
    }
}

/// The next frontend would have begun again with numbers that there were.
async fn a_number_at_the_end_of_all_numbers_ends_the_frontend(
    monitor: &mut Monitor,
) -> Result<(), String> {
    let message = ToMonitor::Hello {
        connection: u64::MAX,
        source: "203.0.113.1:1".into(),
        nonce: None,
    };
    expect_end(monitor, Some(message)).await
}

/// Two connections of the trail would have had one number.
async fn a_number_of_a_frontend_before_ends_the_frontend(
    monitor: &mut Monitor,
) -> Result<(), String> {
    if monitor.first < 2 {
        return Err("there was none before".into());
    }
    let message = ToMonitor::Hello {
        connection: monitor.first - 1,
        source: "203.0.113.1:1".into(),
        nonce: None,
    };
    expect_end(monitor, Some(message)).await
}

/// A file on disk has no end that the kernel would see to.
async fn one_that_writes_beyond_what_is_kept_is_ended(monitor: &mut Monitor) -> Result<(), String> {
    let (key, session) = monitor
        .log_in(1, "alice")
        .await
        .ok_or("the login was refused")?;
    let text = run(session, 1, "goes-on", &[]);
    let message = monitor.request(1, 1, &text, &key.sign(Purpose::Request, &text));
    monitor.say(message).await;

    // What is still held keeps the run going.
    let mut manifest = loop {
        match monitor.next().await {
            Some((ToFrontend::Started { .. }, manifest)) => break manifest,
            Some((ToFrontend::Refused { code, .. }, _)) => return Err(format!("refused: {code}")),
            Some(_) => {}
            None => return Err("the monitor hung up".into()),
        }
    };
    let spool = File::from(manifest.take(Name::Spool).ok_or("the run has no spool")?);
    spool.write_all_at(b"x", 1 << 30).unwrap();
    held_so_far();

    // The monitor looks every few seconds.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(15) {
        if expect_end(monitor, None).await.is_ok() {
            return Ok(());
        }
    }
    Err("it was not ended".into())
}

/// A login's socket that lingered over what nobody read held the monitor up in close(2): `lock`
/// took 40 s.
async fn a_socket_that_lingers_holds_up_nobody(monitor: &mut Monitor) -> Result<(), String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) =
        tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
    let (client, _unread) = (client.unwrap(), accepted.unwrap());
    #[expect(
        deprecated,
        reason = "it blocks in close(2), which is what is tried here"
    )]
    client.set_linger(Some(Duration::from_secs(40))).unwrap();
    // Until nobody takes any more.
    let much = vec![0; 1 << 20];
    while let Ok(Ok(())) = tokio::time::timeout(Duration::from_millis(300), client.writable()).await
    {
        if client.try_write(&much).is_err() {
            break;
        }
    }
    monitor.nonce(1).await;
    let socket = client.into_std().unwrap();
    socket.set_nonblocking(false).unwrap();
    let login = empty_login(monitor.nth(1));
    let manifest = Manifest::default().with(Name::Client, OwnedFd::from(socket));
    let _ = monitor.channel.send(&login, manifest).await;
    let answered = tokio::time::timeout(Duration::from_secs(10), monitor.nonce(2)).await;
    answered
        .map(drop)
        .map_err(|_| "the monitor hangs".to_owned())
}

/// The next frontend refused everybody, and `status` said that all was well.
async fn a_listener_that_was_shut_down_ends_the_frontend(
    monitor: &mut Monitor,
) -> Result<(), String> {
    // What is connected with is not a second listener: shutdown(2) through the safe form of std.
    let socket = TcpStream::from(OwnedFd::from(monitor.listener.try_clone().unwrap()));
    socket
        .shutdown(std::net::Shutdown::Both)
        .map_err(|fault| fault.to_string())?;
    if sys::socket_listens(&monitor.listener).unwrap_or(true) {
        return Err("it still listens".into());
    }
    let index = held_so_far();
    loop {
        match tokio::time::timeout(Duration::from_secs(8), monitor.next()).await {
            Ok(None) => return Ok(()),
            // Asked for a sign of life, it gives one: this is not what it ends for.
            Ok(Some((ToFrontend::Ping, _))) => monitor.say(ToMonitor::Alive).await,
            Ok(Some(_)) => {}
            Err(_) => break,
        }
    }
    std::fs::write(format!("result-{index}"), "not ended").unwrap();
    Err("not ended".into())
}

/// The frontend after that one: its listener is at the same place, and takes clients.
async fn what_it_does_to_a_listener_ends_with_it(monitor: &mut Monitor) -> Result<(), String> {
    if !sys::socket_listens(&monitor.listener).unwrap_or(false) {
        return Err("its listener does not listen".into());
    }
    let address = monitor
        .listener
        .local_addr()
        .map_err(|fault| fault.to_string())?;
    TcpStream::connect(address).map_err(|fault| fault.to_string())?;
    let (_, _) = monitor
        .listener
        .accept()
        .map_err(|fault| fault.to_string())?;
    Ok(())
}

/// It grew the monitor from 10 to 229 MiB in 20 s.
async fn one_that_does_not_read_is_ended(monitor: &mut Monitor) -> Result<(), String> {
    let (key, session) = monitor.log_in(1, "alice").await.ok_or("no login")?;
    let index = held_so_far();
    std::fs::write(format!("result-{index}"), "held").unwrap();
    let unknown = "x".repeat(1900);
    for counter in 1..200_000 {
        let signed = run(session, counter, &unknown, &[]);
        let signature = key.sign(Purpose::Request, &signed);
        let message = ToMonitor::Request {
            connection: monitor.nth(1),
            stream: u32::try_from(counter).unwrap(),
            signed,
            signature,
            secrets: Vec::new(),
        };
        if monitor
            .channel
            .send(&message, Manifest::default())
            .await
            .is_err()
        {
            return Ok(());
        }
    }
    std::fs::write(format!("result-{index}"), "not ended").unwrap();
    Err("not ended".into())
}

async fn secrets_of_the_monitor_cannot_be_read(_: &mut Monitor) -> Result<(), String> {
    // The real frontend is another user in a cell; here it is asked what the process boundary
    // itself gives away.
    let status = std::fs::read_to_string("/proc/self/status").map_err(|fault| fault.to_string())?;
    let monitor = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .ok_or("no parent")?
        .trim()
        .to_owned();
    let own = std::fs::read(format!("/proc/{monitor}/environ")).is_ok();
    let hashes = std::env::vars().count();

    // Nothing came along in the environment, whatever the parent had.
    if hashes == 0 {
        Ok(())
    } else {
        Err(format!(
            "{hashes} variables came along (parent readable: {own})"
        ))
    }
}

async fn the_trail_can_be_neither_stopped_nor_forged(monitor: &mut Monitor) -> Result<(), String> {
    let (key, session) = monitor
        .log_in(1, "alice")
        .await
        .ok_or("the login was refused")?;
    // Text that looks like a record, with a newline: one line, marked as this process's word.
    let forged = "x\n{\"kind\":\"login\",\"user\":\"root\",\"outcome\":\"accepted\"}";
    monitor
        .say(ToMonitor::Violation {
            connection: monitor.nth(1),
            text: forged.into(),
        })
        .await;
    let text = run(session, 1, "hidden", &[]);
    let code = monitor
        .ask(1, 1, &text, &key.sign(Purpose::Request, &text))
        .await;
    let trail = std::fs::read_to_string("state/trail.jsonl").unwrap();
    let violation = trail
        .lines()
        .rfind(|line| line.contains("\"kind\":\"violation\""))
        .ok_or("no record of the violation")?;
    if trail
        .lines()
        .any(|line| line.starts_with("{\"kind\":\"login\""))
        || !violation.contains("\"reported_by\":\"frontend\"")
    {
        return Err(violation.into());
    }
    let refused = trail
        .lines()
        .rfind(|line| line.contains("\"command\":\"hidden\""))
        .ok_or("no record of the refusal")?;
    if code == 400 && refused.contains("\"decision\":\"refused\"") {
        Ok(())
    } else {
        Err(refused.into())
    }
}
