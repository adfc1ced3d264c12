//! The benches' harness: the tests' daemon with a user whose login costs what it costs in the
//! field, and what is measured of it.
#![allow(dead_code, reason = "each bench uses its part of this")]

#[path = "../../tests/common/mod.rs"]
mod tests;

use ordain::client::Session;
use ordain::credential::{COST, hash_password};
use ordain::secret::Secret;
use std::process::{Command, Stdio};
#[allow(unused_imports, reason = "each bench uses its part of this")]
pub use tests::{
    Cmd, PASSWORD, Server, Setup, client_in, invocation, is_root, keygen, log_in, ran, trusting,
};

/// The real daemon; everything that the tests' server does, it does.
pub struct Daemon(Server);

impl std::ops::Deref for Daemon {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl std::ops::DerefMut for Daemon {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}

/// A daemon with room for what benches do, and with nobody in it yet.
pub fn described() -> Setup {
    let mut setup = Server::new()
        .resumable()
        .grace("30s")
        .default_timeout("10m")
        .table(
            "limits",
            "connections_before_login = 4096\nconnections_per_source = 4096\n\
             sessions_per_user = 4096\nrequests_per_user = 4096\nruns_per_user = 4096\n\
             follows_per_user = 4096\nmemory_per_user = \"16GiB\"\ntrail_per_user = \"16GiB\"\n\
             streams_per_connection = 512",
        );

    // `ORDAIN_BENCH_THREADS=1 cargo bench` tries another setting than the default.
    if let Ok(count) = std::env::var("ORDAIN_BENCH_THREADS") {
        setup = setup.server(&format!("threads = {count}"));
    }
    // `ORDAIN_BENCH_SYNC=always cargo bench` likewise.
    if let Ok(sync) = std::env::var("ORDAIN_BENCH_SYNC") {
        setup = setup.table("audit", &format!("sync = \"{sync}\""));
    }
    setup
}

/// The key of a user whose password is verified at the cost of the field, as TOML.
pub fn costly() -> String {
    let hash = hash_password(&Secret::new(PASSWORD.into()), COST).unwrap();
    format!("password = \"{hash}\"\n")
}

impl Daemon {
    pub fn start(setup: Setup) -> Self {
        Self(setup.start())
    }

    /// Alice's.
    pub async fn session(&self) -> Session {
        self.0.session("alice").await
    }

    /// What the next login's password verification took, in milliseconds, as the daemon logs it.
    pub fn verified(&self) -> f64 {
        let line = self.wait_for_log("verified_us=");
        let (_, rest) = line.split_once("verified_us=").unwrap();
        let number = rest.split_whitespace().next().unwrap();
        number.parse::<f64>().unwrap() / 1e3
    }

    /// Proportional memory of monitor and frontend, in KiB.
    pub fn pss(&self) -> u64 {
        let monitor = self.child.id();
        let frontend = u32::try_from(self.frontend()).unwrap();
        [monitor, frontend].into_iter().map(pss).sum()
    }
}

/// Proportional memory of one process, in KiB; none of one that is gone.
pub fn pss(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    text.lines()
        .find_map(|line| {
            line.strip_prefix("Pss:")?
                .trim()
                .trim_end_matches(" kB")
                .parse()
                .ok()
        })
        .unwrap_or(0)
}

/// Says so where the machine has something else to do: then figures are those of both.
fn tell_load() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let Some(load) = load
        .split(' ')
        .next()
        .and_then(|one| one.parse::<f64>().ok())
    else {
        return;
    };
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if load > processors as f64 / 4.0 {
        println!(
            "this machine is not quiet (load {load} on {processors} processors): compare figures of this run alone"
        );
    }
}

/// The stories that the command line names, or all of them. Says so first where the machine is not
/// quiet.
pub fn wanted(all: &[&str]) -> Vec<String> {
    tell_load();
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    if named.is_empty() {
        return all.iter().map(|name| (*name).to_owned()).collect();
    }
    named
}

/// A runtime of so many threads; one is the caller's own.
pub fn block<T>(threads: usize, story: impl Future<Output = T>) -> T {
    let runtime = match threads {
        1 => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
        _ => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build(),
    };

    runtime.unwrap().block_on(story)
}

/// What a program takes from start to end, in milliseconds; nobody reads what it says.
pub fn timed(command: &mut Command) -> f64 {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let began = std::time::Instant::now();
    assert!(command.status().unwrap().success(), "{command:?}");
    began.elapsed().as_secs_f64() * 1e3
}

/// The value that so much of all lies below, as a part of 1.
pub fn percentile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * part) as usize;
    values[index.min(values.len() - 1)]
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
