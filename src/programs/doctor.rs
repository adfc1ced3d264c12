//! `ordaind doctor`: looks at what a running daemon depends on, from the kernel to a login over TLS, a line for each.

use super::{complain, local, say};
use crate::client::{Connection, Options, connect};
use crate::config::{self, Machine};
use crate::credential;
use crate::encoding;
use crate::exit::Status;
use crate::protocol::Code;
use crate::request::Ask;
use crate::secret::Secret;
use crate::sys::{self, Clock, Trust};
use crate::tls::{self, Fingerprint};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Who logs in, when somebody is to.
pub struct Patient<'a> {
    /// The user; without one, a login that must be refused shows that the whole way works.
    pub user: Option<&'a str>,
    /// The file with his password.
    pub password_file: Option<&'a Path>,
}

/// How one look went.
enum Finding {
    Well(String),
    /// Worth knowing.
    Mind(String),
    Wrong(String),
}

use Finding::{Mind, Well, Wrong};

/// The whole examination; exit status 1 when anything is wrong.
pub fn doctor(config: &Path, patient: &Patient<'_>) -> Status {
    let mut wrong = 0;
    let mut tell = |what: &str, findings: Vec<Finding>| {
        for finding in findings {
            let (word, text) = match finding {
                Well(text) => ("ok   ", text),
                Mind(text) => ("mind ", text),
                Wrong(text) => {
                    wrong += 1;
                    ("WRONG", text)
                }
            };
            say(&format!("{word} {what}: {}", super::display::plain(&text)));
        }
    };
    tell("kernel", kernel());
    tell("control groups", vec![control_groups()]);
    let (configuration, loaded) = configuration(config);
    tell("configuration", configuration);
    tell("files", files(config, loaded.as_ref()));
    tell("clock", vec![clock(loaded.as_ref())]);
    let status = local::ask(config, "status");
    tell("daemon", daemon(&status));
    if let Ok(status) = &status {
        tell("certificate", certificate(status, loaded.as_ref()));
        tell("login", vec![login(status, loaded.as_ref(), patient)]);
    }
    if wrong == 0 {
        return Status::OK;
    }
    complain(&format!("ordaind: {wrong} wrong"));
    Status::FAULT
}

fn kernel() -> Vec<Finding> {
    let (seccomp, landlock) = sys::kernel_offers();
    vec![
        if seccomp { Well("seccomp is there".into()) } else { Wrong("there is no seccomp; the daemon does not start without it".into()) },
        match landlock {
            Some(version) => Well(format!("Landlock version {version}")),
            None => Mind("there is no Landlock: the frontend is confined by seccomp alone, and `sandbox` is refused".into()),
        },
    ]
}

fn control_groups() -> Finding {
    match sys::cgroups_offered() {
        Ok(controllers) => {
            let has = [(controllers.memory, "memory"), (controllers.pids, "pids"), (controllers.cpu, "cpu")];
            let missing: Vec<_> = has.into_iter().filter_map(|(has, name)| (!has).then_some(name)).collect();
            if missing.is_empty() {
                Well("can be made, with memory, pids and cpu".into())
            } else {
                Mind(format!("can be made, without {}: those limits are refused at load", missing.join(", ")))
            }
        }
        Err(why) => Mind(format!("none can be made from this shell ({why}); a service with Delegate=yes has its own")),
    }
}

fn configuration(path: &Path) -> (Vec<Finding>, Option<crate::monitor::Settings>) {
    // What control groups a shell has says nothing of the service's.
    let machine = Machine::probe().as_a_service();
    match config::load(path, &machine) {
        Ok(loaded) => {
            let mut found = vec![Well(format!("{} is sound", path.display()))];
            found.extend(loaded.warnings.iter().map(|warning| Mind(warning.to_string())));
            (found, loaded.settings)
        }
        Err((faults, _)) => (faults.iter().map(|fault| Wrong(fault.to_string())).collect(), None),
    }
}

fn files(path: &Path, loaded: Option<&crate::monitor::Settings>) -> Vec<Finding> {
    let (state, trail) = match loaded {
        Some(settings) => (settings.state.clone(), settings.trail.clone()),
        None => match config::state_and_trail(path) {
            Ok(places) => places,
            Err(why) => return vec![Wrong(why)],
        },
    };
    let own = sys::effective_uid();
    let mut found = Vec::new();
    for (path, mode) in
        [(state.clone(), 0o700), (state.join("trail.key"), 0o600), (state.join("vault.json"), 0o600), (trail.clone(), 0o600)]
    {
        found.push(match std::fs::metadata(&path) {
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Mind(format!("{} is not there yet", path.display())),
            Err(fault) => Wrong(format!("{}: {fault}", path.display())),
            Ok(meta) if meta.uid() != own && own == 0 => Wrong(format!("{} belongs to user id {}", path.display(), meta.uid())),
            Ok(meta) if meta.mode() & 0o7777 & !mode != 0 => {
                Wrong(format!("{} has the mode {:o}; at most {mode:o} is wanted", path.display(), meta.mode() & 0o7777))
            }
            Ok(_) => Well(format!("{} has its owner and mode", path.display())),
        });
    }
    if let Some(settings) = loaded {
        let free = sys::free_bytes(trail.parent().unwrap_or(Path::new("."))).unwrap_or(0);
        let reserve = settings.audit.reserve.unwrap_or(0);
        found.push(if free <= reserve {
            Wrong(format!("the trail's disk has {} MiB left; nothing new runs below {} MiB (audit.reserve)", free >> 20, reserve >> 20))
        } else {
            Well(format!("the trail's disk has {} MiB left", free >> 20))
        });
        if let Err(fault) = sys::trusted(&settings.trail, &Trust::own()) {
            found.push(Wrong(fault.to_string()));
        }
    }
    found
}

fn clock(loaded: Option<&crate::monitor::Settings>) -> Finding {
    let now = crate::clock::now();
    if let Some(fault) = loaded.and_then(|settings| settings.tls.validity.fault(now)) {
        return Mind(format!("is it right? The certificate {fault}"));
    }
    match sys::clock() {
        Clock::Synchronized => Well("is synchronized".into()),
        Clock::Free => Mind("is not synchronized with anything: certificates, one-time codes and the trail's times depend on it".into()),
        Clock::Unknown => Mind("whether it is synchronized cannot be told here".into()),
    }
}

fn daemon(status: &Result<Value, String>) -> Vec<Finding> {
    let status = match status {
        Ok(status) => status,
        Err(why) => return vec![Wrong(why.clone())],
    };
    let faults: Vec<Finding> = texts(status, "/faults").into_iter().map(Wrong).collect();
    if !faults.is_empty() {
        return faults;
    }
    let text = |path: &str| status.pointer(path).map(ToString::to_string).unwrap_or_default();
    vec![Well(format!("answers, up {} s, {} connections, {} runs", text("/uptime_s"), text("/connections"), text("/runs/all")))]
}

fn texts(value: &Value, path: &str) -> Vec<String> {
    let list = value.pointer(path).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// An address on this machine that reaches a listener.
fn reachable(address: &str) -> Option<SocketAddr> {
    let address: SocketAddr = address.parse().ok()?;
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Some(SocketAddr::new(ip, address.port()))
}

fn options(address: SocketAddr, trust: &tls::Trust, name: Option<String>) -> Result<Options, String> {
    Ok(Options {
        host: address.ip().to_string(),
        port: address.port(),
        tls_name: name,
        tls: tls::client(trust, None)?,
        timeout: Duration::from_secs(10),
    })
}

fn block<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|fault| fault.to_string())?;
    runtime.block_on(work)
}

async fn reach(options: &Options) -> Result<Connection, String> {
    connect(options).await.map_err(|error| error.to_string())
}

fn certificate(status: &Value, loaded: Option<&crate::monitor::Settings>) -> Vec<Finding> {
    if loaded.is_some_and(|settings| settings.tls.client_ca.is_some()) {
        return vec![Mind("the server wants client certificates, so it cannot be looked at from here".into())];
    }
    let mut found = Vec::new();
    for listener in texts(status, "/listening") {
        let Some(address) = reachable(&listener) else { continue };
        let seen = options(address, &tls::Trust::FirstSight, None)
            .and_then(|options| block(async move { reach(&options).await.map(|connection| connection.server_key()) }));
        let expected = loaded.map(|settings| settings.tls.fingerprint);
        found.push(match seen {
            Err(why) => Wrong(format!("{listener}: {why}")),
            Ok(key) if expected.is_some_and(|expected| expected != key) => {
                Wrong(format!("{listener} shows the key {key}, which is not the configured file's; reload or restart"))
            }
            Ok(key) => Well(format!("{listener} shows {key}")),
        });
        // As somebody far away would see it, by this machine's name.
        let name = sys::host_name();
        let trusted = options(address, &tls::Trust::System, Some(name.clone()))
            .and_then(|options| block(async move { reach(&options).await.map(drop) }));
        found.push(match trusted {
            Ok(()) => Well(format!("clients with ca = \"system\" accept it as {name}")),
            Err(why) => Mind(format!("clients need its pin, its CA or their known_servers; by this system's CAs, as {name}: {why}")),
        });
    }
    found
}

/// A login over the loopback, all the way: somebody's own, or nobody's, who must be refused.
fn login(status: &Value, loaded: Option<&crate::monitor::Settings>, patient: &Patient<'_>) -> Finding {
    let Some(address) = texts(status, "/listening").iter().find_map(|listener| reachable(listener)) else {
        return Wrong("there is no address to connect to".into());
    };
    if loaded.is_some_and(|settings| settings.tls.client_ca.is_some()) {
        return Mind("not tried: the server wants client certificates".into());
    }
    let pin = status.pointer("/certificate/fingerprint").and_then(Value::as_str).and_then(|pin| pin.parse::<Fingerprint>().ok());
    let trust = pin.map_or(tls::Trust::FirstSight, tls::Trust::Pin);
    let password = match patient.password_file.map(|file| sys::read_private(file, 4096)) {
        Some(Ok(bytes)) => String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned(),
        Some(Err(fault)) => return Wrong(fault.to_string()),
        None => encoding::hex(&credential::random::<16>()),
    };
    let began = Instant::now();
    let outcome = options(address, &trust, None).and_then(|options| {
        block(async move {
            let connection = reach(&options).await?;
            let user = patient.user.unwrap_or("ordain-doctor");
            match connection.log_in(user, &Secret::new(password)).await {
                Ok(session) => {
                    let answered = session.ask(&Ask::Whoami).await;
                    session.close().await;
                    answered.map(|_| true).map_err(|error| error.to_string())
                }
                Err((_, error)) if error.is(Code::LoginRefused) => Ok(false),
                Err((_, error)) => Err(error.to_string()),
            }
        })
    });
    let took = crate::exit::Human(began.elapsed());
    match (outcome, patient.user) {
        (Ok(true), Some(user)) => Well(format!("{user} was let in and answered, in {took}")),
        (Ok(false), Some(user)) => Wrong(format!("{user} was refused; the trail says why")),
        (Ok(false), None) => Well(format!("an unknown user was refused as he should be, in {took}, over TLS, frontend, monitor and trail")),
        (Ok(true), None) => Wrong("an unknown user was let in".into()),
        (Err(why), _) => Wrong(why),
    }
}
