//! A server that plays what it is told, over real TLS, and a real client of it.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test program uses its part of this"
)]

mod lies;
mod stories;

pub use lies::lies;
pub use stories::stories;

use super::common::{client_in, write};
use ordain::devca::{self, Use};
use ordain::mux::Reader;
use ordain::protocol::{Frame, Kind, Phase, Sender, encode, header};
use ordain::tls;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often a client may come.
const LINKS: usize = 4;

/// What the server waits for before it does the next thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The handshake is over.
    Accepted,
    /// LOGIN has come.
    Login,
    /// OPEN has come, with a request of this verb.
    Open(&'static str),
    /// EOF has come.
    Eof,
}

/// Which stream a frame is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Connection,
    /// The stream of the last OPEN.
    Own,
    Other(u32),
}

/// What the server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Sends a frame; `length` is what its header says, where that is not so.
    Send {
        kind: u8,
        on: On,
        length: Option<u32>,
        payload: Vec<u8>,
    },
    /// Does nothing more, and reads nothing.
    Silence,
    /// Ends the connection as one does.
    Close,
    /// Ends it without a word.
    Cut,
}

impl Act {
    pub const fn when(self, when: When) -> Step {
        Step { when, act: self }
    }
}

/// A step of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub when: When,
    pub act: Act,
}

impl Step {
    /// Whether it sends a frame of this kind.
    pub fn sends(&self, word: &str) -> bool {
        self.kind().is_some_and(|kind| kind.word() == word)
    }

    pub fn kind(&self) -> Option<Kind> {
        match self.act {
            Act::Send { kind, .. } => Kind::numbered(kind),
            _ => None,
        }
    }

    /// The same with another payload.
    pub fn saying(&self, payload: Vec<u8>) -> Self {
        let mut other = self.clone();
        if let Act::Send { payload: old, .. } = &mut other.act {
            *old = payload;
        }
        other
    }

    /// The payload, where it is JSON.
    pub fn json(&self) -> Option<Value> {
        match &self.act {
            Act::Send { payload, kind, .. } if *kind < 32 => serde_json::from_slice(payload).ok(),
            _ => None,
        }
    }

    /// The same with this field, where it sends a frame of this kind.
    pub fn with_field(self, word: &str, field: &str, value: Value) -> Self {
        match self.json().filter(|_| self.sends(word)) {
            Some(mut json) => {
                json[field] = value;
                self.saying(json.to_string().into_bytes())
            }
            None => self,
        }
    }

    pub fn with_bytes(self, word: &str, bytes: &[u8]) -> Self {
        if self.sends(word) {
            self.saying(bytes.to_vec())
        } else {
            self
        }
    }

    /// The same at another time, where it sends a frame of this kind.
    pub fn at(mut self, word: &str, when: When) -> Self {
        if self.sends(word) {
            self.when = when;
        }
        self
    }
}

/// An honest conversation.
#[derive(Debug, Clone)]
pub struct Story {
    pub name: &'static str,
    /// The words of the client's; HOST is where the server is.
    pub words: Vec<&'static str>,
    /// The client's settings.
    pub settings: &'static str,
    pub input: Option<&'static str>,
    pub script: Vec<Step>,
    pub status: i32,
    /// Whether standard output is that of a run, from this byte on.
    pub runs: bool,
    pub from: u64,
}

impl Story {
    /// The story with one field changed.
    pub fn with(&self, word: &str, field: &str, value: Value) -> Case {
        let change = |step: &Step| step.clone().with_field(word, field, value.clone());
        let script = self.script.iter().map(change).collect();
        Case::new(
            self,
            &Lie::Script(script),
            format!("{word}.{field} = {value}"),
        )
    }
}

/// What is changed of a story.
#[derive(Debug)]
pub enum Lie {
    /// The whole script.
    Script(Vec<Step>),
}

/// A story with a lie in it.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub story: Story,
    pub script: Vec<Step>,
    /// Whether there are control characters in it.
    pub evil: bool,
    /// Whether they are output, which goes into a pipe as it is.
    pub of_output: bool,
    /// Whether the client has to notice.
    pub must_fail: bool,
}

impl Case {
    pub fn honest(story: &Story) -> Self {
        Self::new(story, &Lie::Script(story.script.clone()), "honest".into())
    }

    pub fn new(story: &Story, Lie::Script(script): &Lie, name: String) -> Self {
        Self {
            name: format!("{}: {name}", story.name),
            story: story.clone(),
            script: script.clone(),
            evil: false,
            of_output: false,
            must_fail: false,
        }
    }
}

/// What became of a case.
#[derive(Debug, Default)]
pub struct Played {
    /// The exit status; none where a signal ended the client, or this test.
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    out: u64,
    /// How many bytes of standard output the server says there were.
    pub said: Option<u64>,
    /// The exit status that the server told.
    pub number: Option<i64>,
    pub asked_for_a_terminal: bool,
}

impl Played {
    pub fn shown(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    pub const fn came(&self) -> Option<u64> {
        Some(self.out)
    }
}

/// What the server notes of a conversation.
#[derive(Debug, Default)]
struct Notes {
    said: Option<Option<u64>>,
    number: Option<i64>,
    terminal: bool,
    /// Whether it says nothing more to somebody.
    is_silent: bool,
    /// What came in each LOGIN.
    logins: Vec<Value>,
}

/// A server with a certificate that its clients trust.
pub struct Liar {
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
    acceptor: TlsAcceptor,
}

impl Liar {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = devca::ca(2).unwrap();
        let pair = devca::issue(&ca, &["localhost".to_owned()], Use::Server, 2).unwrap();
        write(&folder.path().join("ca.crt"), &ca.certificate, 0o644);
        write(&folder.path().join("password"), "correct horse\n", 0o600);
        let settings =
            "[defaults]\nuser = \"alice\"\nca = \"ca.crt\"\npassword_file = \"password\"\n";
        write(&folder.path().join("client.toml"), settings, 0o600);
        let trusting = format!("{settings}tty = true\n");
        write(&folder.path().join("trusting.toml"), &trusting, 0o600);
        let chain = tls::certificates(pair.certificate.as_bytes()).unwrap();
        let key = tls::private_key(pair.key.as_bytes()).unwrap();
        Self {
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
            folder,
            acceptor: tls::server(chain, key, None).unwrap().into(),
        }
    }

    /// A server of this script, and the client that will talk to it.
    fn prepared(
        &self,
        case: &Case,
        patient: bool,
    ) -> (Command, Arc<Mutex<Notes>>, tokio::task::AbortHandle) {
        let notes = Arc::new(Mutex::new(Notes::default()));
        let (port, serving) = self.serves(case.script.clone(), &notes);

        let mut command = client_in(self.folder.path(), case.story.settings);
        command.current_dir(self.folder.path());
        command.args(["--tls-name", "localhost", "--connect-timeout", "2s"]);
        if !patient {
            command.env("ORDAIN_FAULT", "patience:500");
        }
        let host = format!("127.0.0.1:{port}");
        command.args(case.story.words.iter().map(|word| match *word {
            "HOST" => host.as_str(),
            word => word,
        }));
        (command, notes, serving)
    }

    /// A server of this script: its port, and what ends it.
    fn serves(
        &self,
        script: Vec<Step>,
        notes: &Arc<Mutex<Notes>>,
    ) -> (u16, tokio::task::AbortHandle) {
        let listener = self
            .runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let (acceptor, script) = (self.acceptor.clone(), Arc::new(script));
        let noted = notes.clone();
        let serving = self.runtime.spawn(async move {
            // One that could always be reached again would be gone on with for ever, as an honest one.
            for _ in 0..LINKS {
                let Ok((socket, _)) = listener.accept().await else {
                    return;
                };
                tokio::spawn(serve(
                    acceptor.clone(),
                    socket,
                    script.clone(),
                    noted.clone(),
                ));
            }
        });
        (port, serving.abort_handle())
    }

    /// A server of this script for a client of the test's own, as long as this liar lives.
    pub fn host(&self, script: Vec<Step>) -> u16 {
        self.serves(script, &Arc::default()).0
    }

    /// The same, with what tells whether it has fallen silent.
    pub fn host_that_falls_silent(&self, script: Vec<Step>) -> (u16, impl Fn() -> bool) {
        let notes = Arc::new(Mutex::new(Notes::default()));
        let port = self.serves(script, &notes).0;
        (port, move || notes.lock().unwrap().is_silent)
    }

    /// The same, with what tells which logins have come.
    pub fn host_that_notes(&self, script: Vec<Step>) -> (u16, impl Fn() -> Vec<Value>) {
        let notes = Arc::new(Mutex::new(Notes::default()));
        let port = self.serves(script, &notes).0;
        (port, move || notes.lock().unwrap().logins.clone())
    }

    /// The certificate of the authority behind it, which has signed for `localhost`.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// The client with pipes.
    pub fn play(&self, case: &Case, deadline: Duration) -> Played {
        let patient = case.name.ends_with(": honest");
        let (mut command, notes, serving) = self.prepared(case, patient);
        let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        if let Some(input) = case.story.input {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(input.as_bytes()).unwrap();
            file.rewind().unwrap();
            command.stdin(file);
        }
        command.stdout(out.try_clone().unwrap());
        command.stderr(err.try_clone().unwrap());
        let status = ended(command.spawn().unwrap(), deadline, || {});
        serving.abort();
        let whole = |file: &mut File| {
            let mut bytes = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        };
        let (out, err, notes) = (whole(&mut out), whole(&mut err), notes.lock().unwrap());
        Played {
            status,
            out: out.len() as u64,
            stdout: String::from_utf8_lossy(&out).into_owned(),
            stderr: String::from_utf8_lossy(&err).into_owned(),
            said: notes
                .said
                .flatten()
                .map(|said| said.wrapping_sub(case.story.from)),
            number: notes.number,
            asked_for_a_terminal: notes.terminal,
        }
    }

    /// The client at a terminal of its own, which types the story's input.
    pub fn play_at_a_terminal(&self, case: &Case, deadline: Duration) -> Played {
        let input = case.story.input.map(|input| format!("{input}\u{4}"));
        match case.story.name {
            "confirm" => self.at_a_terminal(case, deadline, ("[y/N] ", "n\r")),
            _ => self.at_a_terminal(case, deadline, ("", &input.unwrap_or_default())),
        }
    }

    /// The same, and a text is typed once this is asked for.
    pub fn play_and_type(&self, case: &Case, typed: (&str, &str), deadline: Duration) -> Played {
        self.at_a_terminal(case, deadline, typed)
    }

    fn at_a_terminal(
        &self,
        case: &Case,
        deadline: Duration,
        (asked, mut text): (&str, &str),
    ) -> Played {
        let (client, notes, serving) = self.prepared(case, true);
        let (kept, given) = ordain::sys::terminal((100, 40), None).unwrap();

        // Its controlling terminal too: that is where passwords are asked for.
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(client.get_program())
            .args(client.get_args());
        for (name, value) in client.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(self.folder.path()).env("TERM", "xterm");
        command.stdin(Stdio::from(given.try_clone().unwrap()));
        command.stdout(Stdio::from(given.try_clone().unwrap()));
        command.stderr(Stdio::from(given));
        let child = command.spawn().unwrap();
        drop(command);

        let mut terminal = File::from(kept);
        let mut screen = Vec::new();
        let mut look = |screen: &mut Vec<u8>| {
            let mut buffer = [0; 4096];
            if String::from_utf8_lossy(screen).contains(asked) {
                terminal
                    .write_all(std::mem::take(&mut text).as_bytes())
                    .unwrap();
            }
            while ordain::sys::wait_readable(terminal.as_fd(), Duration::from_millis(1)).is_ok() {
                match terminal.read(&mut buffer) {
                    Ok(count @ 1..) => screen.extend_from_slice(&buffer[..count]),
                    _ => return,
                }
            }
        };
        let status = ended(child, deadline, || look(&mut screen));
        look(&mut screen);
        serving.abort();
        let notes = notes.lock().unwrap();
        Played {
            status,
            stdout: String::from_utf8_lossy(&screen).into_owned(),
            number: notes.number,
            asked_for_a_terminal: notes.terminal,
            ..Played::default()
        }
    }
}

/// Waits for the client's end, and does something meanwhile.
fn ended(mut child: Child, deadline: Duration, mut meanwhile: impl FnMut()) -> Option<i32> {
    let until = Instant::now() + deadline;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        meanwhile();
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// One client's link, as the server has it.
struct Link {
    frames: Reader<ReadHalf<TlsStream<TcpStream>>>,
    writing: WriteHalf<TlsStream<TcpStream>>,
    script: Arc<Vec<Step>>,
    notes: Arc<Mutex<Notes>>,
    /// The stream of the last OPEN.
    stream: u32,
}

/// Plays the script to one client.
async fn serve(
    acceptor: TlsAcceptor,
    socket: TcpStream,
    script: Arc<Vec<Step>>,
    notes: Arc<Mutex<Notes>>,
) {
    let _ = socket.set_nodelay(true);
    let Ok(tls) = acceptor.accept(socket).await else {
        return;
    };
    let (reading, writing) = tokio::io::split(tls);
    let mut link = Link {
        frames: Reader::new(reading, Sender::Client),
        writing,
        script,
        notes,
        stream: 1,
    };
    let mut due = Some(When::Accepted);
    while link.perform(due).await.is_some() {
        let Ok(frame) = link.frames.frame().await else {
            return;
        };
        due = link.heard(&frame).await;
    }
}

impl Link {
    /// Does what is due now; nothing where the link ends with it.
    async fn perform(&mut self, due: Option<When>) -> Option<()> {
        let script = self.script.clone();
        for step in script.iter().filter(|step| Some(step.when) == due) {
            self.note(step);
            let bytes = match &step.act {
                Act::Send {
                    kind,
                    on,
                    length,
                    payload,
                } => self.frame(*kind, *on, *length, payload),
                Act::Silence => {
                    self.notes.lock().unwrap().is_silent = true;
                    std::future::pending().await
                }
                Act::Close => {
                    let _ = self.writing.shutdown().await;
                    return None;
                }
                Act::Cut => return None,
            };
            self.writing.write_all(&bytes).await.ok()?;
        }
        self.writing.flush().await.ok()
    }

    /// A frame, whatever its header says.
    fn frame(&self, kind: u8, on: On, length: Option<u32>, payload: &[u8]) -> Vec<u8> {
        let stream = match on {
            On::Connection => 0,
            On::Own => self.stream,
            On::Other(number) => number,
        };
        let length = length.unwrap_or(payload.len() as u32);
        let mut bytes = header(stream, Kind::Hello, length).to_vec();
        bytes[8] = kind;
        bytes.extend_from_slice(payload);
        bytes
    }

    /// Notes which end it tells.
    fn note(&self, step: &Step) {
        if step.sends("EXIT") {
            let json = step.json().unwrap_or_default();
            let mut notes = self.notes.lock().unwrap();
            notes.said.get_or_insert(json["stdout_bytes"].as_u64());
            notes.number = json["number"].as_i64();
        }
    }

    /// What is due once this has come.
    async fn heard(&mut self, frame: &Frame) -> Option<When> {
        match frame.kind {
            Kind::Hello => self.frames.enter(Phase::Login),
            Kind::Login => {
                let login = serde_json::from_slice(&frame.payload).unwrap();
                self.notes.lock().unwrap().logins.push(login);
                if self.script.iter().any(|step| step.sends("LOGGED_IN")) {
                    self.frames.enter(Phase::Open);
                }
                return Some(When::Login);
            }
            Kind::Open => {
                self.stream = frame.stream;
                let open: Value = serde_json::from_slice(&frame.payload).unwrap();
                let request: Value =
                    serde_json::from_str(open["signed"].as_str().unwrap()).unwrap();
                self.notes.lock().unwrap().terminal |= request.get("terminal").is_some();
                let known = stories::VERBS.iter().find(|verb| request["verb"] == **verb);
                return known.map(|verb| When::Open(verb));
            }
            Kind::Eof => return Some(When::Eof),
            Kind::Ping => {
                let pong = encode(0, Kind::Pong, &frame.payload);
                let _ = self.writing.write_all(&pong).await;
            }
            _ => {}
        }
        None
    }
}
