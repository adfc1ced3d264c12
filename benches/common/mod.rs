//! The real daemon for the benches, in a folder of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    dead_code,
    reason = "each bench uses its part of this, and it says what it expects by failing"
)]

use ordain::client::{Options, Session, connect};
use ordain::credential::{COST, Cost, hash_password};
use ordain::devca::{self, Pair, Use};
use ordain::secret::Secret;
use ordain::tls;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const PASSWORD: &str = "bench";

/// The real daemon in a folder of its own.
pub struct Daemon {
    pub child: Child,
    pub folder: tempfile::TempDir,
    pub port: u16,
    pub ca: Pair,
    /// What each login's password verification took, in milliseconds, as the daemon logs it.
    pub verified: std::sync::Mutex<std::sync::mpsc::Receiver<f64>>,
}

impl Daemon {
    /// The rest of the configuration, with `{hash}` and `{folder}` in it.
    pub fn start(rest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = devca::ca(1).unwrap();
        let server = devca::issue(
            &ca,
            &["localhost".into(), "127.0.0.1".into()],
            Use::Server,
            1,
        )
        .unwrap();
        let hash = hash_password(&Secret::new(PASSWORD.into()), COST).unwrap();
        let root = std::fs::metadata("/proc/self")
            .map(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
            .unwrap();
        let run_as = if root { "run_as = \"root\"" } else { "" };

        // `ORDAIN_BENCH_THREADS=1 cargo bench` tries another setting than the default.
        let threads = std::env::var("ORDAIN_BENCH_THREADS")
            .map(|count| format!("threads = {count}"))
            .unwrap_or_default();
        // `ORDAIN_BENCH_SYNC=always cargo bench` likewise.
        let sync = std::env::var("ORDAIN_BENCH_SYNC")
            .map(|sync| format!("[audit]\nsync = \"{sync}\"\n"))
            .unwrap_or_default();
        let exempt = if rest.contains("[penalties]") {
            ""
        } else {
            "[penalties]\nexempt = [\"127.0.0.0/8\"]\n"
        };

        let config = format!(
            r#"{exempt}{sync}[server]
listen = ["127.0.0.1:0"]
state = "state"
{threads}
[tls]
certificate = "server.crt"
key = "server.key"
[limits]
connections_before_login = 4096
connections_per_source = 4096
runs_per_user = 4096
[defaults]
timeout = "10m"
{run_as}
{rest}"#
        );
        // Where what is looked at is not argon2.
        let cheap = hash_password(
            &Secret::new(PASSWORD.into()),
            Cost {
                memory_kib: 64,
                passes: 1,
                lanes: 1,
            },
        )
        .unwrap();
        let config = config
            .replace("{hash}", &hash)
            .replace("{cheap}", &cheap)
            .replace("{folder}", &folder.path().to_string_lossy());
        for (name, text) in [
            ("ca.crt", &ca.certificate),
            ("server.crt", &server.certificate),
            ("server.key", &server.key),
            ("config.toml", &config),
            ("password", &PASSWORD.to_owned()),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .unwrap();
        }

        let mut child = Command::new(program("ordaind"))
            .arg("--config")
            .arg(folder.path().join("config.toml"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let port = loop {
            let mut line = String::new();
            assert!(
                log.read_line(&mut line).unwrap() > 0,
                "the daemon did not start: {said}"
            );

            said.push_str(&line);
            if let Some((_, rest)) = line.split_once("listening on 127.0.0.1:") {
                break rest.split_whitespace().next().unwrap().parse().unwrap();
            }
        };

        let (report, verified) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("verified_us=") {
                    let _ = report.send(
                        rest.split_whitespace()
                            .next()
                            .unwrap()
                            .parse::<f64>()
                            .unwrap()
                            / 1e3,
                    );
                }
            }
        });

        let client = format!(
            "[hosts.bench]\naddress = \"127.0.0.1\"\nport = {port}\nuser = \"bench\"\nca = \"ca.crt\"\ntls_name = \"localhost\"\npassword_file = \"password\"\n"
        );
        std::fs::write(folder.path().join("client.toml"), client).unwrap();
        Self {
            child,
            folder,
            port,
            ca,
            verified: verified.into(),
        }
    }

    pub fn options(&self) -> Options {
        let trust = tls::Trust::Ca(tls::certificates(self.ca.certificate.as_bytes()).unwrap());
        Options {
            host: "127.0.0.1".into(),
            port: self.port,
            tls_name: Some("localhost".into()),
            tls: tls::client(&trust, None).unwrap(),
            timeout: Duration::from_secs(60),
        }
    }

    /// The client's settings, with nothing to log in with.
    pub fn without_password(&self) -> PathBuf {
        let settings = self.folder.path().join("bare.toml");
        if !settings.exists() {
            let text = std::fs::read_to_string(self.folder.path().join("client.toml")).unwrap();
            std::fs::write(
                &settings,
                text.replace("password_file = \"password\"\n", ""),
            )
            .unwrap();
        }

        settings
    }

    pub async fn session(&self) -> Session {
        let connection = connect(&self.options()).await.unwrap();
        connection
            .log_in("bench", &Secret::new(PASSWORD.into()))
            .await
            .map_err(|(_, error)| error)
            .unwrap()
    }

    /// Proportional memory of monitor and frontend, in KiB.
    pub fn pss(&self) -> u64 {
        let pid = self.child.id();
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let pids =
            std::iter::once(pid.to_string()).chain(children.split_whitespace().map(String::from));
        pids.filter_map(|pid| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            text.lines().find_map(|line| {
                line.strip_prefix("Pss:")?
                    .trim()
                    .trim_end_matches(" kB")
                    .parse::<u64>()
                    .ok()
            })
        })
        .sum()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program takes from start to end, in milliseconds; nobody reads what it says.
pub fn timed(command: &mut Command) -> f64 {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let began = std::time::Instant::now();
    assert!(command.status().unwrap().success(), "{command:?}");
    began.elapsed().as_secs_f64() * 1e3
}

/// A program of this build.
pub fn program(name: &str) -> PathBuf {
    // The bench stands in target/release/deps, the programs a folder above.
    let own = std::env::current_exe().unwrap();
    let path = own.parent().and_then(Path::parent).unwrap().join(name);
    assert!(
        path.exists(),
        "{} is missing: `cargo build --release` makes it",
        path.display()
    );

    path
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
