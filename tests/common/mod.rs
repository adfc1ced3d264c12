//! The real daemon in a folder of its own, on a port of the kernel's choosing; gone when it is
//! dropped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    dead_code,
    reason = "each test file uses its part of this, and it says what it expects by failing"
)]

use ordain::client::{ClientError, Options, Session, connect};
use ordain::credential::{Cost, hash_password};
use ordain::devca::{self, Pair, Use};
use ordain::request::{Invocation, Value};
use ordain::secret::Secret;
use ordain::tls;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub const PASSWORD: &str = "correct horse";
/// Nothing here takes long; what does is stuck.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Server {
    pub child: Child,
    pub folder: tempfile::TempDir,
    pub port: u16,
    pub ca: Pair,
    pub log: Receiver<String>,
}

/// Root has to say as whom commands run, others cannot choose.
pub fn run_as() -> &'static str {
    if is_root() { "run_as = \"root\"" } else { "" }
}

/// Whether runs can have control groups here.
pub fn grouped() -> bool {
    ordain::sys::cgroups_offered().is_ok()
}

pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

pub fn write(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// What most tests need; `{folder}` in it is the folder.
pub const COMMANDS: &str = r#"
[commands.true]
exec = ["/bin/true"]
[commands.args]
summary = "Prints its arguments, a line each"
exec = ["/bin/sh", "-c", 'for word in "$@"; do printf "<%s>\n" "$word"; done', "args", "{text}", ["--number", "{number}"], "{flag}", "{many}"]
args.text = { type = "string", pattern = '(?s).*', max = 4096 }
args.number = { type = "integer", min = -5, max = 1000, optional = true }
args.flag = { type = "flag", word = "--flag" }
args.many = { type = "choice", choices = ["a", "b"], repeated = 3, optional = true }
[commands.kinds]
exec = ["/bin/echo", ["{host}"], ["{ip}"], ["{net}"], ["{choice}"], ["{word}"]]
args.host = { type = "hostname", optional = true }
args.ip = { type = "ip", optional = true }
args.net = { type = "cidr", optional = true }
args.choice = { type = "choice", choices = ["one", "two"], optional = true }
args.word = { type = "string", pattern = "[a-z]+", max = 8, optional = true }
[commands.show]
exec = ["/bin/cat", "--", "{file}"]
args.file = { type = "path", beneath = "{folder}/files", pass = "fd" }
[commands.cat]
exec = ["/bin/cat"]
stdin = true
[commands.small]
exec = ["/bin/cat"]
stdin = { max = "1KiB" }
[commands.exit]
exec = ["/bin/sh", "-c", 'echo out; echo err >&2; exit "$1"', "exit", "{status}"]
args.status = { type = "integer", min = 0, max = 255 }
[commands.signal]
exec = ["/bin/sh", "-c", 'kill -"$1" $$', "signal", "{number}"]
args.number = { type = "integer", min = 1, max = 15 }
[commands.sleep]
exec = ["/bin/sleep", "1000"]
[commands.marked]
exec = ["/bin/sh", "-c", 'echo $$; exec sleep 1000']
[commands.hangs]
exec = ["/bin/sleep", "1000"]
timeout = "300ms"
grace = "100ms"
[commands.stubborn]
exec = ["/bin/sh", "-c", 'trap "" TERM; echo ready; while :; do sleep 1; done']
timeout = "300ms"
grace = "200ms"
[commands.missing]
exec = ["{folder}/gone"]
[commands.plain]
exec = ["{folder}/plain"]
[commands.noexec]
exec = ["{folder}/noexec"]
[commands.early]
exec = ["/bin/sh", "-c", 'exec <&-; echo done']
stdin = true
[commands.closes]
exec = ["/bin/sh", "-c", 'exec >&-; sleep 0.05; echo late >&2; exit 4']
[commands.quiet]
exec = ["/bin/true"]
[commands.flood]
exec = ["/usr/bin/head", "-c", "1073741824", "/dev/zero"]
[commands.leaves]
exec = ["/bin/sh", "-c", 'sleep 1000 & echo $!; exit 5']
[commands.environment]
exec = ["/usr/bin/env"]
environment.WHO = "x-{who}"
args.who = { type = "string", pattern = "[a-z]+", max = 10 }
[commands.secret]
exec = ["/bin/sh", "-c", 'printf "%s" "$TOKEN"']
environment.TOKEN = "{token}"
args.token = { type = "string", pattern = "[a-z0-9]+", max = 40, secret = true }
[commands.ask]
exec = ["/bin/echo", "asked"]
confirm = true
[commands.locked]
exec = ["/bin/sleep", "1000"]
lock = "only"
[commands.goes-on]
exec = ["/bin/sh", "-c", 'cat > "$1"; sleep 0.1; echo finished >> "$1"', "goes-on", "{folder}/went-on"]
stdin = true
on_disconnect = "continue"
[commands.hidden]
exec = ["/bin/true"]
[commands.control]
exec = ["/bin/sh", "-c", 'printf "a\033[2Jb"']
[roles.all]
commands = ["true", "args", "kinds", "show", "cat", "small", "exit", "signal", "sleep", "marked", "hangs", "stubborn", "missing", "plain", "noexec",
  "early", "closes", "quiet", "flood", "leaves", "environment", "secret", "ask", "locked", "goes-on", "control"]
[roles.other]
commands = ["true", "sleep"]
[roles.lead]
commands = ["true"]
verbs = ["runs-of-others", "cancel-of-others"]
[users.alice]
roles = ["all"]
password = "{hash}"
[users.bob]
roles = ["other"]
password = "{hash}"
[users.lead]
roles = ["lead"]
password = "{hash}"
[users.gone]
roles = ["all"]
password = "{hash}"
disabled = true
"#;

/// Cheap, and the same for all: what is tested is not argon2.
pub fn hash() -> String {
    hash_password(
        &Secret::new(PASSWORD.into()),
        Cost {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        },
    )
    .unwrap()
}

/// Certificates, files and a configuration in a folder; `head` goes before the commands.
pub fn prepare(folder: &Path, head: &str, commands: &str) -> Pair {
    let ca = devca::ca(2).unwrap();
    let server = devca::issue(
        &ca,
        &["localhost".into(), "127.0.0.1".into(), "::1".into()],
        Use::Server,
        2,
    )
    .unwrap();
    write(&folder.join("ca.crt"), &ca.certificate, 0o644);
    write(&folder.join("ca.key"), &ca.key, 0o600);
    write(&folder.join("server.crt"), &server.certificate, 0o644);
    write(&folder.join("server.key"), &server.key, 0o600);
    write(&folder.join("password"), PASSWORD, 0o600);
    write(&folder.join("gone"), "#!/bin/sh\n", 0o755);
    write(
        &folder.join("plain"),
        "no interpreter line, no ELF\n",
        0o755,
    );

    write(&folder.join("noexec"), "#!/bin/sh\n", 0o755);
    std::fs::create_dir_all(folder.join("files/inner")).unwrap();
    write(&folder.join("files/one"), "one\n", 0o644);
    write(&folder.join("files/inner/two"), "two\n", 0o644);
    write(&folder.join("outside"), "outside\n", 0o644);
    let config = format!(
        "{}[server]\nlisten = [\"127.0.0.1:0\"]\nstate = \"state\"\ngrace = \"{}\"\n{}[tls]\ncertificate = \"server.crt\"\nkey = \"server.key\"\n{head}\n[defaults]\n{}\ntimeout = \"50s\"\n{}{}",
        // Many tests fail on purpose, and none of them is to be closed out for another's sake.
        if head.contains("[penalties]") {
            ""
        } else {
            "[penalties]\nexempt = [\"127.0.0.0/8\", \"::1\"]\n"
        },
        if head.contains("# slow to stop") {
            "60s"
        } else {
            "1s"
        },
        if grouped() && !head.contains("# best effort") {
            ""
        } else {
            "containment = \"best-effort\"\n"
        },
        run_as(),
        // Most tests want to see at once what becomes of a run whose client is gone.
        if head.contains("# comes back") {
            ""
        } else {
            "resume_window = \"none\"\n"
        },
        commands
    );

    let config = config
        .replace("{hash}", &hash())
        .replace("{folder}", &folder.to_string_lossy());
    write(&folder.join("config.toml"), &config, 0o600);
    ca
}

fn start(
    folder: &Path,
    environment: &[(&str, &str)],
    group: Option<&Path>,
) -> (Child, Receiver<String>) {
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_ordaind"));
    if let Some(group) = group {
        daemon = Command::new("/bin/sh");
        daemon
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(group.join("cgroup.procs"))
            .arg(env!("CARGO_BIN_EXE_ordaind"));
    }
    let mut child = daemon
        .arg("--config")
        .arg(folder.join("config.toml"))
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let (sender, log) = channel();
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    (child, log)
}

impl Server {
    pub fn start() -> Self {
        Self::with("", COMMANDS)
    }

    /// `head` is TOML between [tls] and [defaults]: it begins inside [tls].
    pub fn with(head: &str, commands: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = prepare(folder.path(), head, commands);
        Self::serve(folder, ca)
    }

    pub fn serve(folder: tempfile::TempDir, ca: Pair) -> Self {
        Self::serve_with(folder, ca, &[])
    }

    /// With variables in the daemon's environment.
    pub fn serve_with(folder: tempfile::TempDir, ca: Pair, environment: &[(&str, &str)]) -> Self {
        Self::serve_as(folder, ca, environment, None)
    }

    /// In a control group that is there for it alone.
    pub fn serve_in(folder: tempfile::TempDir, ca: Pair, group: &Path) -> Self {
        Self::serve_as(folder, ca, &[], Some(group))
    }

    fn serve_as(
        folder: tempfile::TempDir,
        ca: Pair,
        environment: &[(&str, &str)],
        group: Option<&Path>,
    ) -> Self {
        let (child, log) = start(folder.path(), environment, group);
        let mut server = Self {
            child,
            folder,
            port: 0,
            ca,
            log,
        };
        server.listening();
        server.settle();
        server
    }

    /// Another daemon in the same folder and at the same port, after the first was killed without a
    /// word.
    pub fn restart(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.start_again(&[]);
    }

    /// The same, after the first has stopped as it is to stop.
    pub fn stop_and_start(&mut self, environment: &[(&str, &str)]) {
        if self.child.try_wait().unwrap().is_none() {
            signal(self.child.id(), "-TERM");
        }
        let _ = self.child.wait();
        self.start_again(environment);
    }

    fn start_again(&mut self, environment: &[(&str, &str)]) {
        let config = self.path("config.toml");
        let text = std::fs::read_to_string(&config)
            .unwrap()
            .replace("127.0.0.1:0", &format!("127.0.0.1:{}", self.port));
        write(&config, &text, 0o600);

        // Another test's client may have got the port meanwhile, for as long as its connection
        // lives.
        wait("the port", || {
            std::net::TcpListener::bind(("127.0.0.1", self.port)).is_ok()
        });
        // Files that a start asks for and a running daemon is to miss.
        write(&self.path("gone"), "#!/bin/sh\n", 0o755);
        write(&self.path("noexec"), "#!/bin/sh\n", 0o755);
        (self.child, self.log) = start(self.folder.path(), environment, None);
        self.listening();
        self.settle();
    }

    fn listening(&mut self) {
        let line = self.wait_for_log("listening on ");
        let address = line
            .split_once("listening on ")
            .unwrap()
            .1
            .split_whitespace()
            .next()
            .unwrap();
        self.port = address.rsplit_once(':').unwrap().1.parse().unwrap();
    }

    fn settle(&self) {
        let server = self;

        // The files that no start would accept any more, and a running daemon meets all the same.
        let _ = std::fs::remove_file(server.path("gone"));
        let noexec = server.path("noexec");
        if noexec.exists() {
            std::fs::set_permissions(noexec, PermissionsExt::from_mode(0o644)).unwrap();
        }
        let client = format!(
            "[hosts.t]\naddress = \"127.0.0.1\"\nport = {}\nuser = \"alice\"\nca = \"ca.crt\"\ntls_name = \"localhost\"\npassword_file = \"password\"\n",
            server.port
        );

        write(&server.path("client.toml"), &client, 0o600);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The first log line that holds this text.
    pub fn wait_for_log(&self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Ok(line) = self
            .log
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            if line.contains(text) {
                return line;
            }
            seen.push(line);
        }

        panic!("the log never said {text:?}:\n{}", seen.join("\n"));
    }

    pub fn trail(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.path("state/trail.jsonl")).unwrap();

        // A reader may meet a write that is under way.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        text[..whole]
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The records of a kind.
    pub fn records(&self, kind: &str) -> Vec<serde_json::Value> {
        self.trail()
            .into_iter()
            .filter(|record| record["kind"] == kind)
            .collect()
    }

    /// Looks at the trail until it says so; the daemon writes on its own time.
    pub fn wait_for_trail(&self, what: &str, says: impl Fn(&[serde_json::Value]) -> bool) {
        wait(what, || says(&self.trail()));
    }

    pub fn options(&self) -> Options {
        let trust = tls::Trust::Ca(tls::certificates(self.ca.certificate.as_bytes()).unwrap());
        Options {
            host: "127.0.0.1".into(),
            port: self.port,
            tls_name: Some("localhost".into()),
            tls: tls::client(&trust, None).unwrap(),
            timeout: PATIENCE,
        }
    }

    pub async fn try_session(&self, user: &str, password: &str) -> Result<Session, ClientError> {
        let connection = connect(&self.options()).await?;
        connection
            .log_in(user, &Secret::new(password.into()))
            .await
            .map_err(|(_, error)| error)
    }

    pub async fn session(&self, user: &str) -> Session {
        self.try_session(user, PASSWORD).await.unwrap()
    }

    /// The real client, as alice; `words` begin with its options or verb.
    pub fn client(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ordain"));
        command
            .arg("--config")
            .arg(self.path("client.toml"))
            .stdin(Stdio::null());
        // What it remembers is this server's own.
        command
            .env("XDG_STATE_HOME", self.path("home"))
            .env("XDG_CONFIG_HOME", self.path("home"))
            .env_remove("SSH_AUTH_SOCK");
        command
    }

    pub fn ordain(&self, words: &[&str]) -> Output {
        self.client().args(words).output().unwrap()
    }

    pub fn ordain_with_input(&self, words: &[&str], input: &[u8]) -> Output {
        let mut child = self
            .client()
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writing = std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap();
        output
    }

    /// The daemon's own verbs.
    pub fn local(&self, verb: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_ordaind"))
            .args([verb, "--config"])
            .arg(self.path("config.toml"))
            .output()
            .unwrap()
    }

    /// The network process.
    pub fn frontend(&self) -> i32 {
        let pid = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children
            .split_whitespace()
            .map(|child| child.parse().unwrap())
            .find(|child: &i32| {
                std::fs::read(format!("/proc/{child}/cmdline"))
                    .is_ok_and(|line| line.starts_with(b"ordaind: frontend"))
            })
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn signal(pid: u32, signal: &str) {
    assert!(
        Command::new("kill")
            .args([signal, &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// Whether a process lives (a zombie does not).
pub fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|text| !text.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

/// Looks again and again, because nothing rings for this.
pub fn wait(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "{what} did not happen");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

pub fn invocation(command: &str, arguments: &[(&str, Value)]) -> Invocation {
    Invocation {
        command: command.into(),
        arguments: arguments
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        confirmed: false,
        terminal: None,
        reason: None,
    }
}

pub fn text(text: &str) -> Value {
    Value::Text(text.into())
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
