//! `ordaind doctor`: looks at what a running daemon depends on, from the kernel to a login over
//! TLS, a line for each.

use super::{complain, local, say};
use crate::client::{ClientError, Connection, Kept, Options, Proof, connect};
use crate::config::{self, Machine};
use crate::credential::{self, SessionKey};
use crate::exit::{Human, Status};
use crate::ids::SessionId;
use crate::monitor::Settings;
use crate::protocol::Code;
use crate::secret::Secret;
use crate::sys::{self, Clock, Trust};
use crate::tls;
use crate::verb::{self, StatusView, Whoami};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Who logs in, when somebody is to.
pub struct Patient<'a> {
    /// The user; without one, a login that must be refused shows that the whole way works.
    pub user: Option<&'a str>,
    /// The file with their password.
    pub password_file: Option<&'a Path>,
}

/// How one look went.
enum Finding {
    /// As it should be.
    Well(String),
    /// Nothing wrong, but worth knowing.
    Mind(String),
    /// What stands in the way.
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
    let status = local::ask(config, &verb::Status {});
    tell("daemon", daemon(&status));
    if let Ok(status) = &status {
        for (what, finding) in as_a_client(status, loaded.as_ref(), patient) {
            tell(what, vec![finding]);
        }
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
            let missing = controllers.names(false);
            if missing.is_empty() {
                Well("can be made, with memory, pids and cpu".into())
            } else {
                Mind(format!(
                    "can be made, without {}: those limits are refused at load",
                    missing.join(", ")
                ))
            }
        }

        Err(why) => Mind(format!(
            "none can be made from this shell ({why}); a service with Delegate=yes has its own"
        )),
    }
}

fn configuration(path: &Path) -> (Vec<Finding>, Option<Settings>) {
    // What control groups a shell has says nothing of the service's.
    let machine = Machine::probe().as_a_service();
    match config::load(path, &machine) {
        Ok(loaded) => {
            let mut found = vec![Well(format!("{} is sound", path.display()))];
            found.extend(
                loaded
                    .warnings
                    .iter()
                    .map(|warning| Mind(warning.to_string())),
            );

            (found, loaded.settings)
        }

        Err((faults, _)) => (
            faults
                .iter()
                .map(|fault| Wrong(fault.to_string()))
                .collect(),
            None,
        ),
    }
}

fn files(path: &Path, loaded: Option<&Settings>) -> Vec<Finding> {
    let (state, trail) = match loaded {
        Some(settings) => (settings.state.clone(), settings.trail.clone()),
        None => match config::state_and_trail(path) {
            Ok(places) => places,
            Err(why) => return vec![Wrong(why)],
        },
    };

    let own = sys::effective_uid();
    let mut found = Vec::new();
    for (path, mode) in [
        (state.clone(), 0o700),
        (state.join("trail.key"), 0o600),
        (state.join("vault.json"), 0o600),
        (trail.clone(), 0o600),
    ] {
        found.push(owner_and_mode(&path, mode, own));
    }
    if let Some(settings) = loaded {
        found.push(trails_disk(&trail, settings.audit.reserve.unwrap_or(0)));
        if let (true, Err(fault)) = (
            settings.trail.exists(),
            sys::trusted(&settings.trail, &Trust::own()),
        ) {
            found.push(Wrong(fault.to_string()));
        }
    }

    found
}

/// Whether a file of the daemon's is its own, and no more open than it should be.
fn owner_and_mode(path: &Path, mode: u32, own: u32) -> Finding {
    match std::fs::metadata(path) {
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {
            Mind(format!("{} is not there yet", path.display()))
        }
        Err(fault) => Wrong(format!("{}: {fault}", path.display())),
        Ok(meta) if meta.uid() != own && own == 0 => Wrong(format!(
            "{} belongs to user id {}; `chown root {}`",
            path.display(),
            meta.uid(),
            sys::in_a_shell(path)
        )),
        Ok(meta) if meta.mode() & 0o7777 & !mode != 0 => Wrong(format!(
            "{} has the mode {:o}; at most {mode:o} is wanted; `chmod {mode:o} {}`",
            path.display(),
            meta.mode() & 0o7777,
            sys::in_a_shell(path)
        )),
        Ok(_) => Well(format!("{} has its owner and mode", path.display())),
    }
}

/// How much room the trail has. Before the first start its folder is not there yet.
fn trails_disk(trail: &Path, reserve: u64) -> Finding {
    let there = trail
        .ancestors()
        .skip(1)
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("/"));
    let free = sys::free_bytes(there).unwrap_or(0);
    if free <= reserve {
        Wrong(format!(
            "the trail's disk has {} MiB left; nothing new runs below {} MiB (audit.reserve)",
            free >> 20,
            reserve >> 20
        ))
    } else {
        Well(format!("the trail's disk has {} MiB left", free >> 20))
    }
}

fn clock(loaded: Option<&Settings>) -> Finding {
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

fn daemon(status: &Result<StatusView, String>) -> Vec<Finding> {
    let status = match status {
        Ok(status) => status,
        Err(why) => return vec![Wrong(why.clone())],
    };
    if !status.faults.is_empty() {
        return status.faults.iter().cloned().map(Wrong).collect();
    }
    vec![Well(format!(
        "answers, up {} s, {} connections, {} runs",
        status.uptime_s, status.connections, status.runs.all
    ))]
}

/// An address on this machine that reaches a listener.
fn reachable(address: &str) -> Option<SocketAddr> {
    let address: SocketAddr = address.parse().ok()?;
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };

    let mut reachable = address;
    reachable.set_ip(ip);
    Some(reachable)
}

fn options(address: SocketAddr, trust: &tls::Trust) -> Result<Options, String> {
    Ok(Options {
        host: address.into(),
        port: address.port(),
        tls_name: None,
        tls: tls::client(trust, None)?,
        timeout: Duration::from_secs(10),
    })
}

fn block<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|fault| fault.to_string())?;
    runtime.block_on(work)
}

/// The certificate as a client sees it, and a login over the loopback, all the way: somebody's own,
/// or nobody's, who must be refused.
fn as_a_client(
    status: &StatusView,
    loaded: Option<&Settings>,
    patient: &Patient<'_>,
) -> Vec<(&'static str, Finding)> {
    let Some(settings) = loaded else {
        return vec![(
            "login",
            Mind("not tried: there is no sound configuration to say which key is right".into()),
        )];
    };
    let mut found = vec![("certificate", accepted(settings))];
    if settings.tls.client_ca.is_some() {
        found.push((
            "login",
            Mind("not tried: the server wants client certificates".into()),
        ));
        return found;
    }
    let listeners = &status.listening;
    for (number, listener) in listeners.iter().enumerate() {
        let Some(address) = reachable(listener) else {
            continue;
        };
        let expected = settings.tls.fingerprint;
        // Nothing is told to a server with another key.
        let reached = options(address, &tls::Trust::Pin(expected)).and_then(|options| {
            block(async move { Ok(examined(&options, (number == 0).then_some(patient)).await) })
        });
        match reached.and_then(|reached| reached) {
            Err(why) => found.push(("certificate", Wrong(format!("{listener}: {why}")))),
            Ok(login) => {
                found.push((
                    "certificate",
                    Well(format!("{listener} shows the configured key, {expected}")),
                ));
                found.extend(login.map(|login| ("login", login)));
            }
        }
    }
    if listeners.is_empty() {
        found.push(("login", Wrong("there is no address to connect to".into())));
    }
    found
}

/// Whether clients that trust the system's CAs accept it, by this machine's name.
fn accepted(settings: &Settings) -> Finding {
    let name = sys::host_name();
    match tls::certificates(&settings.tls.chain)
        .and_then(|chain| tls::trusted_by_system(&chain, &name))
    {
        Ok(()) => Well(format!("clients with ca = \"system\" accept it as {name}")),
        Err(why) => Mind(format!(
            "clients need its pin, its CA or their known_servers; by this system's CAs, as {name}: {why}"
        )),
    }
}

/// Reaches a listener; logs in there, if somebody is to.
async fn examined(
    options: &Options,
    patient: Option<&Patient<'_>>,
) -> Result<Option<Finding>, String> {
    let began = Instant::now();
    let connection = connect(options).await.map_err(|error| error.to_string())?;
    let Some(patient) = patient else {
        return Ok(None);
    };
    let finding = match (patient.user, patient.password_file) {
        (Some(user), Some(file)) => logs_in(connection, user, file, began).await,
        _ => refuses_nobody(connection, began).await?,
    };

    Ok(Some(finding))
}

/// Logs in as somebody and asks something.
async fn logs_in(connection: Connection, user: &str, file: &Path, began: Instant) -> Finding {
    let password = match sys::read_private(file, 4096) {
        Ok(bytes) => Secret::new(
            String::from_utf8_lossy(&bytes)
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        ),
        Err(fault) => return Wrong(fault.to_string()),
    };

    match connection.log_in(user, &password).await {
        Ok(session) => {
            let answered = session.ask(&Whoami {}).await;
            session.close().await;
            answered.map_or_else(
                |error| Wrong(error.to_string()),
                |_| {
                    Well(format!(
                        "{user} was let in and answered, in {}",
                        Human(began.elapsed())
                    ))
                },
            )
        }

        Err((_, error)) if error.is(Code::LoginRefused) => {
            Wrong(format!("{user} was refused; the trail says why"))
        }
        Err((_, error)) => Wrong(error.to_string()),
    }
}

/// Tries to log in with a key that nobody keeps: refused without costing its source what a guess
/// does.
async fn refuses_nobody(connection: Connection, began: Instant) -> Result<Finding, String> {
    let key = SessionKey::generate().map_err(|fault| fault.clone())?;
    let nobody = Proof::Kept(Kept {
        id: SessionId::from_random(credential::random()),
        key: Arc::new(key),
    });
    let no_code = || {
        Err(ClientError::new(
            Code::CodeWanted,
            "a one-time code is wanted",
        ))
    };

    let tried = connection
        .enter("ordain-doctor", &nobody, false, no_code)
        .await;
    Ok(match tried {
        Ok(_) => Wrong("an unknown user was let in".into()),
        Err((_, error)) if error.is(Code::LoginRefused) => Well(format!(
            "an unknown user was refused as they should be, in {}, over TLS, frontend, monitor and trail",
            Human(began.elapsed())
        )),
        Err((_, error)) => Wrong(error.to_string()),
    })
}
