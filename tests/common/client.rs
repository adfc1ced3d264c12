//! Clients of a test's daemon: the real program, and the library behind it.

use super::{PASSWORD, PATIENCE, Server, invocation};
use ordain::client::{ClientError, Options, Session, connect};
use ordain::devca::Pair;
use ordain::protocol::Ended;
use ordain::secret::Secret;
use ordain::tls;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The client's settings for a daemon on this machine, the host `t`, with nothing to log in with.
pub fn host(port: u16) -> String {
    format!(
        "[hosts.t]\naddress = \"127.0.0.1\"\nport = {port}\nuser = \"alice\"\nca = \"ca.crt\"\ntls_name = \"localhost\"\n"
    )
}

/// How the library reaches a daemon whose certificate this authority has signed.
pub fn trusting(ca: &Pair, port: u16) -> Options {
    let trust = tls::Trust::Ca(tls::certificates(ca.certificate.as_bytes()).unwrap());
    Options {
        host: "127.0.0.1".parse().unwrap(),
        port,
        tls_name: Some("localhost".parse().unwrap()),
        tls: tls::client(&trust, None).unwrap(),
        timeout: PATIENCE,
    }
}

/// The real client with a file of settings out of a folder; what it remembers stays in there.
pub fn client_in(folder: &Path, settings: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordain"));
    command
        .arg("--config")
        .arg(folder.join(settings))
        .stdin(Stdio::null())
        .env("HOME", folder.join("home"))
        .env("XDG_STATE_HOME", folder.join("home"))
        .env("XDG_CONFIG_HOME", folder.join("home"))
        .env_remove("SSH_AUTH_SOCK");
    command
}

/// Runs a command without arguments to its end: what it wrote, and how it ended.
pub async fn ran(session: &Session, command: &str) -> (Vec<u8>, Vec<u8>, Ended) {
    let run = session.run(invocation(command, &[])).await.unwrap();
    run.collect().await.unwrap()
}

/// Logs in by a password over a link of the caller's choosing.
pub async fn log_in(options: &Options, user: &str, password: &str) -> Result<Session, ClientError> {
    connect(options)
        .await?
        .log_in(user, &Secret::new(password.into()))
        .await
        .map_err(|(_, error)| error)
}

impl Server {
    pub fn options(&self) -> Options {
        trusting(&self.ca, self.port)
    }

    pub async fn try_session(&self, user: &str, password: &str) -> Result<Session, ClientError> {
        log_in(&self.options(), user, password).await
    }

    pub async fn session(&self, user: &str) -> Session {
        self.try_session(user, PASSWORD).await.unwrap()
    }

    /// The real client, as alice; `words` begin with its options or verb.
    pub fn client(&self) -> Command {
        client_in(self.folder.path(), "client.toml")
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

    /// The real client with nothing to log in with but what a test gives it.
    pub fn bare(&self) -> Command {
        // Others may be reading it.
        let settings = self.path("bare.toml");
        if !settings.exists() {
            super::write(&settings, &host(self.port), 0o600);
        }
        client_in(self.folder.path(), "bare.toml")
    }
}
