//! A run that is asked for together with the login: it is on its way before anybody is in, judged only
//! then, and runs once or not at all.

mod common;

use common::{PASSWORD, Server, invocation, signal, wait};
use ordain::client::{ClientError, Connection, Options, Session, connect};
use ordain::protocol::Code;
use ordain::secret::Secret;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// A way to a daemon on which what the daemon says can be held back, and that can be cut.
struct Way {
    options: Options,
    holds: watch::Sender<bool>,
    cut: Arc<Notify>,
}

impl Way {
    async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = Options {
            port: listener.local_addr().unwrap().port(),
            ..server.options()
        };
        let (holds, mut held) = watch::channel(false);
        let cut = Arc::new(Notify::new());
        let (port, cutting) = (server.port, cut.clone());
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            let up = tokio::io::copy(&mut from_client, &mut to_server);
            let down = async {
                let mut piece = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = from_server.read(&mut piece).await {
                    held.wait_for(|held| !held).await.unwrap();
                    to_client.write_all(&piece[..count]).await.unwrap();
                }
            };
            tokio::select! {
                _ = async { tokio::join!(up, down) } => {}
                () = cutting.notified() => {}
            }
        });
        Self {
            options,
            holds,
            cut,
        }
    }

    /// A server that was reached, with a run that is to leave with the login.
    async fn reached(&self) -> Connection {
        let reached = connect(&self.options).await.unwrap();
        reached.asking_for(invocation("true", &[]), || ())
    }
}

async fn log_in(
    connection: Connection,
    password: &str,
) -> Result<Session, (Option<Connection>, ClientError)> {
    connection
        .log_in("alice", &Secret::new(password.into()))
        .await
}

/// Which kinds of records of logins and runs the trail has, in its order.
fn order(server: &Server) -> Vec<String> {
    let kinds = ["login", "request", "start", "end"];
    server
        .trail()
        .iter()
        .map(|record| record["kind"].as_str().unwrap_or_default().to_owned())
        .filter(|kind| kinds.contains(&kind.as_str()))
        .collect()
}

fn server() -> Server {
    Server::new().common(&["true", "sleep"]).alice().start()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_request_is_on_its_way_before_the_login_is_answered() {
    let server = server();
    let way = Way::to(&server).await;
    let connection = way.reached().await;
    way.holds.send(true).unwrap();
    let entering = tokio::spawn(log_in(connection, PASSWORD));
    // Nothing that the server says has come since.
    server.wait_for_records("end", 1);
    assert!(!entering.is_finished());

    way.holds.send(false).unwrap();
    let session = entering.await.unwrap().map_err(|(_, error)| error).unwrap();
    let run = session.run(invocation("true", &[])).await.unwrap();
    let (_, _, ended) = run.collect().await.unwrap();
    assert_eq!(ended.number, Some(0));
    assert_eq!(order(&server), ["login", "request", "start", "end"]);

    // What is asked for once more is another request.
    let run = session.run(invocation("true", &[])).await.unwrap();
    run.collect().await.unwrap();
    server.wait_for_records("end", 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_runs_of_a_login_that_is_refused_and_the_next_one_runs_it_once() {
    let server = server();
    let way = Way::to(&server).await;
    let connection = way.reached().await;
    let (same, error) = log_in(connection, "wrong").await.err().unwrap();
    assert!(error.is(Code::LoginRefused), "{error}");
    let session = log_in(same.unwrap(), PASSWORD).await;
    let session = session.map_err(|(_, error)| error).unwrap();
    let run = session.run(invocation("true", &[])).await.unwrap();
    assert_eq!(run.collect().await.unwrap().2.number, Some(0));
    server.wait_for_records("end", 1);
    let order = order(&server);
    assert_eq!(order, ["login", "login", "request", "start", "end"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_lost_meanwhile_leaves_the_outcome_unknown() {
    let server = server();
    let way = Way::to(&server).await;
    let connection = way.reached().await;
    way.holds.send(true).unwrap();
    let entering = tokio::spawn(log_in(connection, PASSWORD));
    server.wait_for_records("start", 1);
    way.cut.notify_one();
    let (same, error) = entering.await.unwrap().err().unwrap();
    assert!(same.is_none());
    assert!(error.is(Code::OutcomeUnknown), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_refused_is_refused_as_ever() {
    let server = server();
    let way = Way::to(&server).await;
    let connection = connect(&way.options).await.unwrap();
    let hidden = invocation("no-such-command", &[]);
    let connection = connection.asking_for(hidden.clone(), || ());
    let session = log_in(connection, PASSWORD).await;
    let session = session.map_err(|(_, error)| error).unwrap();
    let refused = session.run(hidden).await.err().unwrap();
    assert!(refused.is(Code::NotPermitted), "{refused}");
    assert!(session.run(invocation("true", &[])).await.is_ok());
}

/// A signal that came before the login was answered ended the client without a word, though its
/// request was there already.
#[test]
fn whoever_leaves_before_the_login_is_answered_is_told_that_nobody_knows() {
    let server = Server::new().common(&["true"]).alice().start();
    for (name, number) in [("-INT", 2), ("-TERM", 15), ("-HUP", 1)] {
        let monitor = server.child.id();
        signal(monitor, "-STOP");
        let mut client = server.client();
        client
            .args(["run", "t", "true"])
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped());
        let client = client.spawn().unwrap();
        let status = format!("/proc/{}/status", client.id());
        wait("a client that hears of signals", || {
            let status = std::fs::read_to_string(&status).unwrap_or_default();
            let mut lines = status.lines();
            let caught = lines.find_map(|line| line.strip_prefix("SigCgt:\t"));
            caught.is_some_and(|mask| {
                u64::from_str_radix(mask, 16).unwrap() & (1 << (number - 1)) != 0
            })
        });
        signal(client.id(), name);
        let left = client.wait_with_output().unwrap();
        signal(monitor, "-CONT");
        let said = String::from_utf8_lossy(&left.stderr);
        assert_eq!(left.status.code(), Some(255), "{name}: {said}");
        assert!(said.contains("has not said whether"), "{name}: {said}");
    }
}
