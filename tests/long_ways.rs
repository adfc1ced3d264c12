//! Ways on which every byte takes long: windows grow there, at their user's charge, and nothing is
//! lost that was on its way.

mod common;

use common::{Cmd, PASSWORD, Server, Setup, block, invocation, wait};
use ordain::client::{Durable, Options};
use ordain::limits::{STREAM_MOST, STREAM_WINDOW};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// How long a byte takes from one end to the other.
const DELAY: Duration = Duration::from_millis(40);

/// What TLS and frames add to what is on its way, and what the proxy has in its hands.
const EXTRA: usize = 256 * 1024;

/// Bytes that are on their way in one direction.
#[derive(Default)]
struct OnTheWay {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl OnTheWay {
    fn begins(&self, count: usize) -> usize {
        let now = self.now.fetch_add(count, Ordering::Relaxed) + count;
        self.most.fetch_max(now, Ordering::Relaxed);
        now
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

/// A long way to a daemon.
#[derive(Clone)]
struct Way {
    address: SocketAddr,
    down: Arc<OnTheWay>,
    up: Arc<OnTheWay>,
    cuts: Arc<AtomicUsize>,
}

impl Way {
    /// The way to this port. Where `cut_at` is given, the link is cut once, when so many bytes are on
    /// their way to the client; they are gone then.
    async fn to(port: u16, cut_at: Option<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = Self {
            address: listener.local_addr().unwrap(),
            down: Arc::default(),
            up: Arc::default(),
            cuts: Arc::default(),
        };
        let own = way.clone();
        let armed = Arc::new(AtomicBool::new(cut_at.is_some()));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(own.clone().link(client, server, cut_at, armed.clone()));
            }
        });
        way
    }

    async fn link(
        self,
        client: TcpStream,
        server: TcpStream,
        cut_at: Option<usize>,
        armed: Arc<AtomicBool>,
    ) {
        let cut = Arc::new(Notify::new());
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let ring = cut.clone();
        let down = delayed(from_server, to_client, self.down.clone(), move |now| {
            if cut_at.is_some_and(|at| now > at) && armed.swap(false, Ordering::Relaxed) {
                ring.notify_one();
            }
        });
        let up = delayed(from_client, to_server, self.up.clone(), |_| {});
        tokio::select! {
            _ = async { tokio::join!(down, up) } => {}
            () = cut.notified() => {
                self.cuts.fetch_add(1, Ordering::Relaxed);
                self.down.now.store(0, Ordering::Relaxed);
                self.up.now.store(0, Ordering::Relaxed);
            }
        }
    }

    fn options(&self, server: &Server) -> Options {
        Options {
            port: self.address.port(),
            ..server.options()
        }
    }

    async fn run(&self, server: &Server, command: &str) -> Durable {
        let options = self.options(server);
        let session = common::log_in(&options, "alice", PASSWORD).await.unwrap();
        Durable::start(options, session, invocation(command, &[]), |_| {})
            .await
            .unwrap()
    }
}

/// Passes bytes on, each so long after it has come; how many are on their way is told and counted.
async fn delayed(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    way: Arc<OnTheWay>,
    told: impl Fn(usize),
) {
    let (sender, mut pieces) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let counted = way.clone();
    let reading = async move {
        loop {
            let mut piece = vec![0; 64 * 1024];
            let count = from.read(&mut piece).await.unwrap_or(0);
            if count == 0 {
                return;
            }
            piece.truncate(count);
            told(counted.begins(count));
            if sender.send((Instant::now() + DELAY, piece)).is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((at, piece)) = pieces.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
            way.now.fetch_sub(piece.len(), Ordering::Relaxed);
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}

/// What `numbers` writes.
const NUMBERS: u32 = 4_000_000;

fn numbers() -> Vec<u8> {
    let mut text = String::new();
    for number in 1..=NUMBERS {
        text.push_str(&number.to_string());
        text.push('\n');
    }
    text.into_bytes()
}

fn server() -> Setup {
    let seq = format!("seq {NUMBERS}");
    Server::new()
        .resumable()
        .command(Cmd::sh("numbers", &seq, &[]))
        .command(Cmd::new("copy", &["/bin/cat"]).stdin())
        .command(Cmd::sh("counts", "wc -c", &[]).stdin())
        .command(Cmd::sh(
            "then-waits",
            "head -c 33554432 /dev/zero; exec sleep 1000",
            &[],
        ))
        .command(Cmd::new("sleep", &["/bin/sleep", "1000"]))
        .alice()
}

#[test]
fn more_output_than_the_first_window_is_on_a_long_way() {
    let server = server().start();
    block(async {
        let way = Way::to(server.port, None).await;
        let run = way.run(&server, "numbers").await;
        let (out, _, ended) = run.collect().await.unwrap();
        assert!(out == numbers(), "{} bytes", out.len());
        assert_eq!(ended.number, Some(0));
        let most = way.down.most();
        assert!(most > 2 * STREAM_WINDOW, "only {most} bytes on their way");
        assert!(most <= STREAM_MOST + EXTRA, "{most}");
    });
}

#[test]
fn more_input_than_the_first_window_is_on_a_long_way() {
    let server = server().start();
    block(async {
        let way = Way::to(server.port, None).await;
        let run = way.run(&server, "counts").await;
        let (input, bytes) = (run.input(), numbers());
        let count = bytes.len();
        tokio::spawn(async move {
            assert!(input.send(&bytes).await);
            input.end();
        });
        let (out, _, ended) = run.collect().await.unwrap();
        assert_eq!(String::from_utf8(out).unwrap().trim(), count.to_string());
        assert_eq!(ended.stdin_bytes, count as u64);
        let most = way.up.most();
        assert!(most > 2 * STREAM_WINDOW, "only {most} bytes on their way");
        assert!(most <= STREAM_MOST + EXTRA, "{most}");
    });
}

#[test]
fn what_a_lost_link_had_on_its_way_comes_again() {
    let server = server().start();
    block(async {
        let way = Way::to(server.port, Some(3 * STREAM_WINDOW)).await;
        let run = way.run(&server, "numbers").await;
        let (out, _, ended) = run.collect().await.unwrap();
        assert!(out == numbers(), "{} bytes", out.len());
        assert_eq!(ended.number, Some(0));
        assert_eq!(way.cuts.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn input_and_output_that_grow_together_are_exact() {
    let server = server().start();
    block(async {
        let way = Way::to(server.port, Some(3 * STREAM_WINDOW)).await;
        let run = way.run(&server, "copy").await;
        let (input, bytes) = (run.input(), numbers());
        let sent = bytes.clone();
        tokio::spawn(async move {
            assert!(input.send(&sent).await);
            input.end();
        });
        let (out, _, ended) = run.collect().await.unwrap();
        assert!(out == bytes, "{} bytes of {}", out.len(), bytes.len());
        assert_eq!(ended.stdin_bytes, bytes.len() as u64);
        assert!(way.up.most() > 2 * STREAM_WINDOW, "{}", way.up.most());
    });
}

#[test]
fn where_the_users_memory_is_spent_nothing_grows_and_all_comes() {
    let setup = server().table("limits", "memory_per_user = \"4MiB\"");
    let server = setup.start();
    block(async {
        let way = Way::to(server.port, None).await;
        let run = way.run(&server, "numbers").await;
        let (out, ..) = run.collect().await.unwrap();
        assert!(out == numbers(), "{} bytes", out.len());
        assert!(way.down.most() < 2 * STREAM_WINDOW, "{}", way.down.most());

        let run = way.run(&server, "counts").await;
        let (input, bytes) = (run.input(), numbers());
        let count = bytes.len();
        tokio::spawn(async move {
            assert!(input.send(&bytes).await);
            input.end();
        });
        let (out, ..) = run.collect().await.unwrap();
        assert_eq!(String::from_utf8(out).unwrap().trim(), count.to_string());
        assert!(way.up.most() < 2 * STREAM_WINDOW, "{}", way.up.most());
    });
}

/// How much memory alice has of what she may have, where that is most of it.
fn memory(server: &Server) -> Option<u64> {
    let status = server.ordaind(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let near = status["limits_near"].as_array().unwrap();
    let memory = near
        .iter()
        .find(|near| near["limit"] == "limits.memory_per_user")?;
    memory["used"].as_u64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_grown_shrinks_when_another_run_needs_the_memory() {
    let setup = server().table("limits", "memory_per_user = \"24MiB\"");
    let server = setup.start();
    let way = Way::to(server.port, None).await;
    let mut wide = way.run(&server, "then-waits").await;
    let reading = tokio::spawn(async move {
        let mut came = 0;
        while let Ok(told) = wide.next().await {
            if let ordain::client::Told::Event(ordain::client::Event::Stdout(bytes)) = told {
                came += bytes.len();
                wide.consumed(bytes.len()).await.unwrap();
            }
        }
        came
    });
    wait("a window that grows", || memory(&server) == Some(20 << 20));

    // One more fits beside it, and the next one does not.
    let session = server.session("alice").await;
    let one = session.run(invocation("sleep", &[])).await.unwrap();
    let other = session.run(invocation("sleep", &[])).await.unwrap();
    wait("memory that is given back", || memory(&server).is_none());
    drop((one, other));
    reading.abort();
}
