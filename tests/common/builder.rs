//! A daemon described before it is started: `Server::new().command(...).user(...).start()`.

use super::server::{self, Server};
use super::{PASSWORD, grouped, is_root, standard, write};
use ordain::credential::{Cost, hash_password};
use ordain::devca::{self, Pair, Use};
use ordain::secret::Secret;
use std::path::{Path, PathBuf};

/// A command of the configuration. Words may have holes; `{folder}` in them is the daemon's folder.
#[derive(Clone)]
pub struct Cmd {
    pub name: String,
    exec: Vec<String>,
    keys: Vec<String>,
}

impl Cmd {
    pub fn new(name: &str, exec: &[&str]) -> Self {
        Self {
            name: name.into(),
            exec: exec.iter().map(|word| quoted(word)).collect(),
            keys: Vec::new(),
        }
    }

    /// A shell's script; the words are its `$1` and so on.
    pub fn sh(name: &str, script: &str, words: &[&str]) -> Self {
        let mut command = Self::new(name, &["/bin/sh", "-c", script]);
        if !words.is_empty() {
            command = command.word(name);
        }
        words
            .iter()
            .fold(command, |command, word| command.word(word))
    }

    pub fn word(mut self, word: &str) -> Self {
        self.exec.push(quoted(word));
        self
    }

    /// Words that are there when the argument in them is given.
    pub fn group(mut self, words: &[&str]) -> Self {
        self.exec.push(list(words));
        self
    }

    /// An argument, as the inside of a TOML table: `type = "integer", min = 1, max = 9`.
    pub fn arg(mut self, name: &str, rules: &str) -> Self {
        self.keys.push(format!("args.{name} = {{ {rules} }}"));
        self
    }

    /// A text that fits a pattern from its beginning to its end.
    pub fn string(self, name: &str, pattern: &str, max: u32) -> Self {
        let pattern = quoted(pattern);
        self.arg(
            name,
            &format!("type = \"string\", pattern = {pattern}, max = {max}"),
        )
    }

    pub fn integer(self, name: &str, min: i64, max: i64) -> Self {
        self.arg(
            name,
            &format!("type = \"integer\", min = {min}, max = {max}"),
        )
    }

    /// Any key with its value in TOML.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.keys.push(format!("{key} = {value}"));
        self
    }

    /// Any key with a text.
    pub fn says(self, key: &str, value: &str) -> Self {
        let value = quoted(value);
        self.set(key, &value)
    }

    pub fn summary(self, text: &str) -> Self {
        self.says("summary", text)
    }

    pub fn timeout(self, time: &str) -> Self {
        self.says("timeout", time)
    }

    pub fn grace(self, time: &str) -> Self {
        self.says("grace", time)
    }

    pub fn linger(self, time: &str) -> Self {
        self.says("linger", time)
    }

    pub fn idle_timeout(self, time: &str) -> Self {
        self.says("idle_timeout", time)
    }

    pub fn limits(self, limits: &str) -> Self {
        self.set("limits", limits)
    }

    /// Takes input.
    pub fn stdin(self) -> Self {
        self.set("stdin", "true")
    }

    /// Has a terminal.
    pub fn pty(self) -> Self {
        self.set("pty", "true")
    }

    /// Goes on when its client is gone.
    pub fn goes_on(self) -> Self {
        self.says("on_disconnect", "continue")
    }

    pub fn lock(self, name: &str) -> Self {
        self.says("lock", name)
    }

    pub fn environment(self, name: &str, value: &str) -> Self {
        self.says(&format!("environment.{name}"), value)
    }

    fn toml(&self) -> String {
        let keys: String = self.keys.iter().map(|key| format!("{key}\n")).collect();
        format!(
            "[commands.{}]\nexec = [{}]\n{keys}",
            self.name,
            self.exec.join(", ")
        )
    }
}

/// A daemon that is not started yet, and its folder.
pub struct Setup {
    folder: tempfile::TempDir,
    penalties: String,
    server: String,
    grace: String,
    best_effort: bool,
    tls: String,
    tables: String,
    timeout: String,
    run_as: String,
    defaults: String,
    resumable: bool,
    commands: Vec<Cmd>,
    rest: String,
    pub(super) environment: Vec<(String, String)>,
    pub(super) group: Option<PathBuf>,
}

impl Setup {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            // Many tests fail on purpose, and none of them is to be closed out for another's sake.
            penalties: "exempt = [\"127.0.0.0/8\", \"::1\"]\n".into(),
            server: "listen = [\"127.0.0.1:0\"]\nstate = \"state\"\n".into(),
            grace: "1s".into(),
            best_effort: !grouped(),
            tls: String::new(),
            tables: String::new(),
            timeout: "50s".into(),
            run_as: "root".into(),
            defaults: String::new(),
            resumable: false,
            commands: Vec::new(),
            rest: String::new(),
            environment: Vec::new(),
            group: None,
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// One more command; in place of the one that has its name.
    pub fn command(mut self, command: Cmd) -> Self {
        self.commands.retain(|other| other.name != command.name);
        self.commands.push(command);
        self
    }

    pub fn commands(self, commands: impl IntoIterator<Item = Cmd>) -> Self {
        commands.into_iter().fold(self, Self::command)
    }

    /// Some of the commands that many tests use; see `standard.rs`.
    pub fn common(self, names: &[&str]) -> Self {
        self.commands(names.iter().map(|name| standard::command(name)))
    }

    /// All of them, with roles and users who may do more or less with them.
    pub fn standard(self) -> Self {
        standard::all(self)
    }

    pub fn role(self, name: &str, commands: &[&str]) -> Self {
        self.role_with(name, commands, "")
    }

    /// A role with more keys, in TOML.
    pub fn role_with(mut self, name: &str, commands: &[&str], keys: &str) -> Self {
        self.rest += &format!("[roles.{name}]\ncommands = {}\n{keys}", list(commands));
        ended(&mut self.rest);
        self
    }

    /// Somebody who logs in by the password that all here have.
    pub fn user(self, name: &str, roles: &[&str]) -> Self {
        self.user_with(name, roles, "password = \"{hash}\"")
    }

    /// Somebody with these keys, in TOML; `{hash}` is the password's.
    pub fn user_with(mut self, name: &str, roles: &[&str], keys: &str) -> Self {
        self.rest += &format!("[users.{name}]\nroles = {}\n{keys}", list(roles));
        ended(&mut self.rest);
        self
    }

    /// Alice, who may run every command there is.
    pub fn alice(self) -> Self {
        self.role("all", &["*"]).user("alice", &["all"])
    }

    /// What failing costs. Without it nobody here is ever closed out.
    pub fn penalties(mut self, keys: &str) -> Self {
        self.penalties = keys.into();
        ended(&mut self.penalties);
        self
    }

    /// How long a daemon that stops waits for runs. A second, where nothing is said.
    pub fn grace(mut self, time: &str) -> Self {
        self.grace = time.into();
        self
    }

    /// Runs are kept by a keeper, also where control groups could be had.
    pub fn best_effort(mut self) -> Self {
        self.best_effort = true;
        self
    }

    /// Runs wait for a client that is gone, as they do by default. Most tests want to see at once
    /// what becomes of a run whose client is gone.
    pub fn resumable(mut self) -> Self {
        self.resumable = true;
        self
    }

    /// Listens nowhere by itself: its sockets are given to it.
    pub fn without_listeners(mut self) -> Self {
        self.server = "state = \"state\"\n".into();
        self
    }

    /// More keys of `[server]`.
    pub fn server(mut self, keys: &str) -> Self {
        self.server += keys;
        ended(&mut self.server);
        self
    }

    /// More keys of `[tls]`.
    pub fn tls(mut self, keys: &str) -> Self {
        self.tls += keys;
        ended(&mut self.tls);
        self
    }

    /// Another timeout than 50 s for commands that say nothing else.
    pub fn default_timeout(mut self, time: &str) -> Self {
        self.timeout = time.into();
        self
    }

    /// Another account than root's, where the daemon is root's.
    pub fn run_as(mut self, account: &str) -> Self {
        self.run_as = account.into();
        self
    }

    /// More keys of `[defaults]`.
    pub fn defaults(mut self, keys: &str) -> Self {
        self.defaults += keys;
        ended(&mut self.defaults);
        self
    }

    /// A table of the configuration with its keys: `.table("limits", "runs_per_user = 2")`.
    pub fn table(mut self, name: &str, keys: &str) -> Self {
        self.tables += &format!("[{name}]\n{keys}");
        ended(&mut self.tables);
        self
    }

    /// TOML as it is, at the end: where it is the configuration itself that is tested.
    pub fn toml(mut self, text: &str) -> Self {
        self.rest += text;
        ended(&mut self.rest);
        self
    }

    /// A variable in the daemon's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// In a control group that is there for it alone.
    pub fn group(mut self, group: &Path) -> Self {
        self.group = Some(group.to_owned());
        self
    }

    /// A file in the daemon's folder.
    pub fn file(self, name: &str, text: &str, mode: u32) -> Self {
        write(&self.path(name), text, mode);
        self
    }

    /// Certificates, files and the configuration are in the folder; nothing is started.
    pub fn prepare(self) -> Prepared {
        let ca = certificates(self.folder());
        files(self.folder());
        let config = self.config();
        write(&self.path("config.toml"), &config, 0o600);
        Prepared { setup: self, ca }
    }

    pub fn start(self) -> Server {
        self.prepare().start()
    }

    fn config(&self) -> String {
        let containment = if self.best_effort {
            "containment = \"best-effort\"\n"
        } else {
            ""
        };
        let resume = if self.resumable {
            ""
        } else {
            "resume_window = \"none\"\n"
        };
        let run_as = run_as().replace("root", &self.run_as);
        let commands: String = self.commands.iter().map(Cmd::toml).collect();

        format!(
            "[penalties]\n{}[server]\n{}grace = \"{}\"\n{containment}\
             [tls]\ncertificate = \"server.crt\"\nkey = \"server.key\"\n{}{}\
             [defaults]\n{run_as}\ntimeout = \"{}\"\n{}{resume}{commands}{}",
            self.penalties,
            self.server,
            self.grace,
            self.tls,
            self.tables,
            self.timeout,
            self.defaults,
            self.rest
        )
        .replace("{hash}", &hash())
        .replace("{folder}", &self.folder().to_string_lossy())
    }
}

/// A folder in which a daemon could start.
pub struct Prepared {
    setup: Setup,
    pub ca: Pair,
}

impl Prepared {
    pub fn folder(&self) -> &Path {
        self.setup.folder()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.setup.path(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("config.toml")
    }

    /// The configuration's text.
    pub fn text(&self) -> String {
        std::fs::read_to_string(self.config()).unwrap()
    }

    pub fn start(self) -> Server {
        let Self { setup, ca } = self;
        server::started(setup.folder, ca, &setup.environment, setup.group.as_deref())
    }

    /// The folder alone, for a daemon that a test starts in its own way.
    pub fn into_folder(self) -> tempfile::TempDir {
        self.setup.folder
    }
}

/// Root has to say as whom commands run, others cannot choose.
pub fn run_as() -> &'static str {
    if is_root() { "run_as = \"root\"" } else { "" }
}

/// Cheap, and the same for all: what is tested is not argon2.
pub fn hash() -> String {
    hash_of(PASSWORD)
}

/// That of another password.
pub fn hash_of(password: &str) -> String {
    hash_password(
        &Secret::new(password.into()),
        Cost {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        },
    )
    .unwrap()
}

/// A certificate that the daemon serves, and the authority behind it.
fn certificates(folder: &Path) -> Pair {
    let ca = devca::ca(2).unwrap();
    let names = ["localhost".into(), "127.0.0.1".into(), "::1".into()];
    let server = devca::issue(&ca, &names, Use::Server, 2).unwrap();
    write(&folder.join("ca.crt"), &ca.certificate, 0o644);
    write(&folder.join("ca.key"), &ca.key, 0o600);
    write(&folder.join("server.crt"), &server.certificate, 0o644);
    write(&folder.join("server.key"), &server.key, 0o600);
    ca
}

/// What the standard commands read, and executables that are none; see `server.rs` for what becomes
/// of `gone` and `noexec` once the daemon runs.
fn files(folder: &Path) {
    write(&folder.join("password"), PASSWORD, 0o600);
    write(&folder.join("gone"), "#!/bin/sh\n", 0o755);
    write(&folder.join("noexec"), "#!/bin/sh\n", 0o755);
    write(
        &folder.join("plain"),
        "no interpreter line, no ELF\n",
        0o755,
    );

    std::fs::create_dir_all(folder.join("files/inner")).unwrap();
    write(&folder.join("files/one"), "one\n", 0o644);
    write(&folder.join("files/inner/two"), "two\n", 0o644);
    write(&folder.join("outside"), "outside\n", 0o644);
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(", "))
}

/// TOML goes on in the next line.
fn ended(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}
