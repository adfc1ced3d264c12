//! The real daemon in a folder of its own, on a port of the kernel's choosing; gone when it is
//! dropped.

use super::builder::Setup;
use super::{PATIENCE, host, run, signal, wait, write};
use ordain::devca::Pair;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

pub struct Server {
    pub child: Child,
    pub folder: tempfile::TempDir,
    pub port: u16,
    pub ca: Pair,
    pub log: Log,
    /// Whether nobody but the daemon has written to its trail: then it must be sound in the end.
    pub honest_trail: bool,
}

/// What a daemon says, line by line.
pub struct Log(Mutex<Receiver<String>>);

impl Log {
    pub fn of(child: &mut Child) -> Self {
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self(lines.into())
    }

    /// The first line that holds this text.
    pub fn wait_for(&self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let lines = self.0.lock().unwrap();
        let mut seen = Vec::new();
        while let Ok(line) = lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if line.contains(text) {
                return line;
            }
            seen.push(line);
        }

        panic!("the log never said {text:?}:\n{}", seen.join("\n"));
    }

    /// A line that is there already.
    pub fn next_now(&self) -> Option<String> {
        self.0.lock().unwrap().try_recv().ok()
    }

    /// The port that it says it listens on.
    pub fn port(&self) -> u16 {
        port_in(&self.wait_for("listening on "))
    }
}

/// The port in a line of the log that says where the daemon listens.
pub fn port_in(line: &str) -> u16 {
    let address = line.split_once("listening on ").unwrap().1;
    let address = address.split_whitespace().next().unwrap();
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// A daemon of this configuration, as a process of the test's own; it may not be up yet.
pub fn launch(
    config: &Path,
    environment: &[(String, String)],
    group: Option<&Path>,
) -> (Child, Log) {
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_ordaind"));
    if let Some(group) = group {
        daemon = Command::new("/bin/sh");
        daemon
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(group.join("cgroup.procs"))
            .arg(env!("CARGO_BIN_EXE_ordaind"));
    }

    if let Some(folder) = traced(environment) {
        daemon = Command::new("/bin/sh");
        daemon
            .args(["-c", TRACED])
            .arg(folder)
            .arg(env!("CARGO_BIN_EXE_ordaind"));
    }

    if let Some((_, folder)) = environment.iter().find(|(name, _)| name == "ORDAIN_ETC") {
        daemon = Command::new("unshare");
        daemon
            .args(["--mount", "/bin/sh", "-c", PRIVATE_ETC])
            .arg(folder)
            .arg(env!("CARGO_BIN_EXE_ordaind"));
    }

    let mut child = daemon
        .arg("--config")
        .arg(config)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = Log::of(&mut child);
    (child, log)
}

/// Starts what its arguments name, traced by a process beside it, and as this very process.
const TRACED: &str = "exec strace -D -f -q -s 40 -e signal=none -o \"$0/$$.trace\" \"$@\"";

/// Starts what its arguments name with a folder in the place of /etc, which nobody else sees.
const PRIVATE_ETC: &str = "mount --bind \"$0\" /etc && exec \"$@\"";

/// The folder for the trace of a daemon that is to be traced: of one, or of all in this process.
fn traced(environment: &[(String, String)]) -> Option<String> {
    let named = environment.iter().find(|(name, _)| name == "ORDAIN_TRACE");
    let named = named.map(|(_, folder)| folder.clone());
    named.or_else(|| std::env::var("ORDAIN_TRACE").ok())
}

pub(super) fn started(
    folder: tempfile::TempDir,
    ca: Pair,
    environment: &[(String, String)],
    group: Option<&Path>,
) -> Server {
    let (child, log) = launch(&folder.path().join("config.toml"), environment, group);
    let mut server = Server {
        child,
        folder,
        port: 0,
        ca,
        log,
        honest_trail: true,
    };
    server.listening();
    server
}

impl Server {
    /// One that is described first: `Server::new().command(...).user(...).start()`.
    #[expect(
        clippy::new_ret_no_self,
        reason = "what is new is the description; a server is what its `start` returns"
    )]
    pub fn new() -> Setup {
        Setup::new()
    }

    /// The one with all common commands and users.
    pub fn standard() -> Self {
        Self::new().standard().start()
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
        let environment: Vec<(String, String)> = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.start_again(&environment);
    }

    fn start_again(&mut self, environment: &[(String, String)]) {
        let config = self.config();
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
        (self.child, self.log) = launch(&config, environment, None);
        self.listening();
    }

    fn listening(&mut self) {
        self.port = self.log.port();

        // The files that no start would accept any more, and a running daemon meets all the same.
        let _ = std::fs::remove_file(self.path("gone"));
        let noexec = self.path("noexec");
        if noexec.exists() {
            std::fs::set_permissions(noexec, PermissionsExt::from_mode(0o644)).unwrap();
        }

        let client = host(self.port) + "password_file = \"password\"\n";
        write(&self.path("client.toml"), &client, 0o600);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("config.toml")
    }

    /// The first log line that holds this text.
    pub fn wait_for_log(&self, text: &str) -> String {
        self.log.wait_for(text)
    }

    /// The trail's file as it is now, with half a line perhaps.
    pub fn trail_text(&self) -> String {
        std::fs::read_to_string(self.path("state/trail.jsonl")).unwrap()
    }

    pub fn trail(&self) -> Vec<serde_json::Value> {
        let text = self.trail_text();

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

    /// Looks until the trail has this many records of a kind.
    pub fn wait_for_records(&self, kind: &str, count: usize) {
        wait(kind, || self.records(kind).len() >= count);
    }

    /// One of the daemon's own verbs, with its words.
    pub fn ordaind(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ordaind"));
        run(command.arg("--config").arg(self.config()).args(words))
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

    /// The network process is gone from one moment to the next.
    pub fn kill_frontend(&self) {
        signal(u32::try_from(self.frontend()).unwrap(), "-KILL");
    }

    /// Stops as it is to stop, with nothing left to wait for.
    pub fn stop(&mut self) {
        signal(self.child.id(), "-TERM");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Server {
    /// The faults of the trail, as `ordaind audit verify` tells them. A configuration that a test
    /// has broken, and a trail so long that it would be waited for, tell none.
    fn faults_of_trail(&self) -> Vec<String> {
        const LONG: u64 = 4 << 20;
        let trail = std::fs::metadata(self.path("state/trail.jsonl"));
        if trail.is_ok_and(|trail| trail.len() > LONG) {
            return Vec::new();
        }
        let output = run(Command::new(env!("CARGO_BIN_EXE_ordaind"))
            .arg("--config")
            .arg(self.path("config.toml"))
            .args(["audit", "verify"]));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.lines()
            .filter(|line| line.starts_with("fault: "))
            .map(str::to_owned)
            .collect()
    }
}

/// Whatever a test did to it, a daemon leaves a trail that is proved.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.honest_trail && !std::thread::panicking() {
            assert_eq!(self.faults_of_trail(), [""; 0]);
        }
    }
}
