//! Several daemons, and one client that knows them all.

use super::{Cmd, PASSWORD, Server, Setup, client_in, stdout, write};
use std::path::Path;
use std::process::{Command, Output};

/// Several daemons that the client knows as web1, web2 and so on.
pub struct Machines {
    pub servers: Vec<Server>,
    folder: tempfile::TempDir,
}

impl Machines {
    /// Each of them is set up with its number.
    pub fn new(count: usize, each: impl Fn(usize) -> Vec<Cmd>) -> Self {
        Self::of(count, |number| Server::new().commands(each(number)).alice())
    }

    pub fn of(count: usize, each: impl Fn(usize) -> Setup) -> Self {
        let machines = Self {
            servers: (1..=count).map(|number| each(number).start()).collect(),
            folder: tempfile::tempdir().unwrap(),
        };
        machines.settings("");
        machines
    }

    /// Writes the client's settings: a host for each daemon, and more.
    pub fn settings(&self, more: &str) {
        self.known_by(&format!("password_file = \"password\"\n{more}"));
    }

    /// Writes settings by which nobody is logged in who is not asked.
    pub fn without_password(&self) {
        self.known_by("");
    }

    fn known_by(&self, more: &str) {
        let mut text = format!("[defaults]\nuser = \"alice\"\n{more}\n");
        for (number, server) in self.servers.iter().enumerate() {
            let pin = stdout(&server.ordaind(&["fingerprint"]));
            text += &format!(
                "[hosts.web{}]\naddress = \"127.0.0.1\"\nport = {}\npin = \"{}\"\n",
                number + 1,
                server.port,
                pin.trim()
            );
        }
        write(&self.path().join("password"), PASSWORD, 0o600);
        write(&self.path().join("client.toml"), &text, 0o600);
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn client(&self, words: &[&str]) -> Command {
        let mut client = client_in(self.path(), "client.toml");
        client.args(words);
        client
    }

    pub fn ordain(&self, words: &[&str]) -> Output {
        self.client(words).output().unwrap()
    }

    /// How many runs of a command have started on a machine, counted from 1 on.
    pub fn starts(&self, machine: usize) -> usize {
        let records = self.servers[machine - 1].records("start");
        records.len()
    }

    /// The id of the youngest run on many machines that the client has noted.
    pub fn noted(&self) -> String {
        let said = stdout(&self.ordain(&["--json", "fleet"]));
        let line: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        line["fleet"].as_str().unwrap().to_owned()
    }

    /// Waits until a command has begun on all of them.
    pub fn all_have_begun(&self) {
        for server in &self.servers {
            server.wait_for_records("start", 1);
        }
    }
}

/// One daemon on all addresses of this machine, which its client knows by `127.0.*`.
pub fn everywhere(command: Cmd) -> Server {
    let server = Server::new()
        .without_listeners()
        .server("listen = [\"0.0.0.0:0\"]")
        .command(command)
        .alice()
        .start();
    let pin = stdout(&server.ordaind(&["fingerprint"]));
    let text = format!(
        "[defaults]\nuser = \"alice\"\npassword_file = \"password\"\n[hosts.\"127.0.*\"]\nport = {}\npin = \"{}\"\n",
        server.port,
        pin.trim()
    );
    write(&server.path("many.toml"), &text, 0o600);
    server
}
