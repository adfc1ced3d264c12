//! `ordaind`: serving in the foreground, checking, and the small verbs beside it.

use super::ask;
use super::faults::{count, faulty};
use super::output::{self, Finished};
use super::{
    access, audit, complain, complete, demo, doctor, init, local, logs, owner, say, status, users,
};
use crate::cli::{AuditVerb, DaemonArgs, DaemonVerb};
use crate::config::{self, Fault, Machine};
use crate::credential;
use crate::exit::Status;
use crate::monitor::{self, CannotServe, Given, LastFaults, Loader, Settings};
use crate::{frontend, sys};
use clap::{CommandFactory, Parser};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

/// The whole program.
pub fn ordaind() -> Finished {
    output::finish(program())
}

fn program() -> Status {
    if let Some(status) = of_our_own() {
        return status;
    }
    if let Some(status) = complete::asked(DaemonArgs::command) {
        return status;
    }
    let Ok(words) = super::words("ordaind") else {
        return Status(2);
    };
    let args = DaemonArgs::parse_from(words);
    let path = args.config.clone().unwrap_or_else(owner::default_config);
    if args.verb.as_ref().is_none_or(reads_configuration)
        && let Some(why) = owner::shut_out(&path, args.config.is_some())
    {
        return local::failed(&why);
    }
    match args.verb {
        None => serve(&path),
        Some(DaemonVerb::Init { dir: None }) if args.config.is_some() => {
            complain(
                "ordaind: init: say with --dir which folder; --config names a file that is there",
            );
            Status(2)
        }

        Some(verb) => do_verb(&path, verb),
    }
}

/// Whether a verb needs the configuration.
fn reads_configuration(verb: &DaemonVerb) -> bool {
    match verb {
        DaemonVerb::Init { .. } | DaemonVerb::HashPassword | DaemonVerb::Demo { .. } => false,
        // Files that were named can lie on any machine.
        DaemonVerb::Audit { verb } => match verb {
            AuditVerb::Verify { files, .. } => files.is_empty(),
            AuditVerb::Show(filter) => filter.files.is_empty(),
            AuditVerb::Key => true,
        },
        _ => true,
    }
}

/// The daemon starts its network side, the process that keeps a run together, and what moves files, by
/// starting itself; those are no verbs of the administrator's.
fn of_our_own() -> Option<Status> {
    let argument = std::env::args_os().nth(1)?;
    if argument == monitor::FRONTEND {
        Some(network_side())
    } else if argument == crate::exec::KEEPER {
        Some(if sys::keep().is_ok() {
            Status::OK
        } else {
            Status::FAULT
        })
    } else if argument == crate::exec::RECORDER {
        Some(match sys::confine_recorder() {
            Ok(()) => crate::recorder::serve(),
            Err(_) => Status::FAULT,
        })
    } else if argument == crate::policy::MOVER {
        Some(match sys::confine_mover() {
            Ok(()) => crate::mover::serve(),
            Err(why) => {
                complain(&format!("ordaind: mover: {why}"));
                Status::FAULT
            }
        })
    } else {
        None
    }
}

/// The verbs, each with its story.
fn do_verb(path: &Path, verb: DaemonVerb) -> Status {
    match verb {
        DaemonVerb::Check { offline } => check(path, offline),
        DaemonVerb::Init { dir } => init::init(dir.as_deref()),
        DaemonVerb::HashPassword => hash_password(),
        DaemonVerb::Fingerprint => fingerprint(path),
        DaemonVerb::User { verb } => users::user(path, verb),
        DaemonVerb::Reload => local::reload(path),
        DaemonVerb::Status { json } => status::status(path, json),
        DaemonVerb::Metrics { out } => status::metrics(path, out.as_deref()),
        DaemonVerb::Doctor {
            user,
            password_file,
        } => doctor::doctor(
            path,
            &doctor::Patient {
                user: user.as_deref(),
                password_file: password_file.as_deref(),
            },
        ),
        DaemonVerb::Lock {
            user, reason, json, ..
        } => local::lock(path, user.as_deref(), &reason, json),
        DaemonVerb::Recordings { verb } => local::recordings(path, &verb),
        DaemonVerb::Unlock { user } => local::unlock(path, &user),
        DaemonVerb::Totp { user, remove } => local::totp(path, &user, remove),
        DaemonVerb::Penalties { clear, json } => local::penalties(path, clear.as_deref(), json),
        DaemonVerb::Explain {
            source,
            reason,
            offline,
            user,
            mut line,
        } => {
            let words = line.split_off(1.min(line.len()));
            let command = line.pop().unwrap_or_default();
            let question = access::Question {
                user,
                command,
                words,
                reason,
                source,
            };
            access::explain(path, offline, &question)
        }

        DaemonVerb::Access {
            user,
            command,
            offline,
            json,
        } => access::access(path, offline, user.as_deref(), command.as_deref(), json),
        DaemonVerb::Audit { verb } => audit::audit(path, verb),
        DaemonVerb::Demo { exit } => demo::demo(exit),
    }
}

/// The frontend's process.
fn network_side() -> Status {
    match frontend::run(|form| logs::start(form, None)) {
        Ok(()) => Status::OK,
        Err(ended) => {
            complain(&format!("ordaind: frontend: {}", ended.0));
            Status::FAULT
        }
    }
}

/// `ordaind` without a verb: serves until it is told to stop.
fn serve(path: &Path) -> Status {
    sys::put_right();
    let mut machine = Machine::probe();
    let settings = match config::load(path, &machine) {
        Ok(loaded) => loaded.settings,
        Err((faults, _)) => return faulty(path, &faults),
    };
    let Some(settings) = settings else {
        return Status::FAULT;
    };
    let faults = LastFaults::default();
    let _log = logs::start(settings.logs, Some(faults.clone()));

    warn(&settings);
    if let Err(fault) = sys::undumpable() {
        tracing::error!(%fault, "the daemon could be looked into by a debugger");
    }
    sys::return_large_blocks();
    let sockets = match sys::passed_listeners() {
        Ok(sockets) => sockets,
        Err(fault) => {
            tracing::error!("the service manager's sockets: {fault}");
            return Status::FAULT;
        }
    };

    let groups = match settings.grouped.then(sys::Cgroups::enter).transpose() {
        Ok(groups) => groups,
        Err(why) => {
            tracing::error!("server.containment: {why}");
            return Status::FAULT;
        }
    };

    if let Some(groups) = &groups {
        // What was promised before is now what there is: other processes may stand in the way of a
        // controller.
        machine.groups = Ok(groups.controllers());
        if let Err((faults, _)) = config::load(path, &machine) {
            groups.leave();
            return faulty(path, &faults);
        }
    }

    let given = Given {
        loader: loader(path, machine),
        groups,
        faults,
        sockets,
    };
    match run(settings, given) {
        Ok(status) => status,
        Err(CannotServe(why)) => {
            tracing::error!("{why}");
            Status::FAULT
        }
    }
}

/// Says in the log what is not as it should be, though it is served all the same.
fn warn(settings: &Settings) {
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(fault) = settings.tls.validity.fault(crate::clock::now()) {
        tracing::error!("the server's certificate {fault}");
    }
    if sys::effective_uid() != 0 {
        tracing::warn!(
            "not root: commands run as this user and are as trusted as the daemon; what is claimed of trail and isolation does not hold"
        );
    }
}

/// Reads the configuration anew whenever it is asked to.
fn loader(path: &Path, machine: Machine) -> Loader {
    let path = path.to_owned();
    Arc::new(move || match config::load(&path, &machine) {
        Ok(loaded) => loaded
            .settings
            .ok_or_else(|| vec!["nothing was loaded".into()]),
        Err((faults, _)) => Err(faults.iter().map(Fault::to_string).collect()),
    })
}

/// Serves on a runtime of one thread.
fn run(settings: Settings, given: Given) -> Result<Status, CannotServe> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // As many as login.verifiers may ever be, and a few for reloads; they exist while they are
        // needed.
        .max_blocking_threads(72)
        .build()
        .map_err(|fault| CannotServe(format!("the runtime: {fault}")))?;
    let fingerprint = settings.tls.fingerprint;
    let listening = move |addresses: &[std::net::SocketAddr]| {
        for address in addresses {
            tracing::info!(%address, %fingerprint, "listening on {address}");
        }
    };

    let serving = monitor::serve(settings, given, listening);
    let served = tokio::task::LocalSet::new().block_on(&runtime, serving);

    // A thread that hangs on a disk or a name service is not waited for.
    runtime.shutdown_background();
    served
}

/// `ordaind check`
fn check(path: &Path, offline: bool) -> Status {
    let outcome = if offline {
        config::offline(path)
    } else {
        config::load(path, &Machine::probe())
    };

    let (faults, warnings, sound) = match outcome {
        Ok(loaded) => (
            Vec::new(),
            loaded.warnings,
            Some((loaded.policy, loaded.acknowledged)),
        ),
        Err((faults, warnings)) => (faults, warnings, None),
    };

    for fault in &faults {
        say(&format!("fault: {fault}"));
    }
    for warning in &warnings {
        say(&format!("warning: {warning}"));
    }
    if !offline {
        tell_of_machine();
    }

    match sound {
        Some((policy, acknowledged)) => {
            for command in policy.commands.values().filter(|_| !offline) {
                if let Some(how) = config::enforcement(command) {
                    say(&format!("commands.{}: {how}", command.name));
                }
            }

            for root in policy.roots.values() {
                let spelled_out = config::spelled_out(root, &policy);
                say(&format!("files.{}: {spelled_out}", root.name));
            }

            say(&format!(
                "{}: sound ({}{}, {}, {}; {}{})",
                path.display(),
                count(policy.commands.len(), "command"),
                match policy.roots.len() {
                    0 => String::new(),
                    roots => format!(", {}", count(roots, "root")),
                },
                count(policy.roles.len(), "role"),
                count(policy.users.len(), "user"),
                count(warnings.len(), "warning"),
                match acknowledged {
                    0 => String::new(),
                    known => format!(", {known} acknowledged"),
                }
            ));
            Status::OK
        }

        None => {
            say(&format!(
                "{}: {}, {}",
                path.display(),
                count(faults.len(), "fault"),
                count(warnings.len(), "warning")
            ));
            Status::FAULT
        }
    }
}

/// What this machine offers to keep runs and the frontend apart from the rest.
fn tell_of_machine() {
    let (seccomp, landlock) = sys::kernel_offers();
    if !seccomp {
        say("fault: this kernel has no seccomp; the daemon does not start without it");
    }
    let landlock = landlock.map_or_else(
        || "missing".to_owned(),
        |version| format!("version {version}"),
    );

    say(&format!(
        "kernel: seccomp {}, Landlock {landlock}",
        if seccomp { "present" } else { "missing" }
    ));
    match sys::cgroups_offered() {
        Ok(controllers) => {
            let names = controllers.names(true);
            let names = if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            };

            say(&format!(
                "control groups: can be made from here, controllers: {names}"
            ));
        }

        Err(why) => say(&format!(
            "control groups: none from here ({why}); a service with Delegate=yes may have them"
        )),
    }

    if sys::effective_uid() != 0 {
        say(
            "warning: not root: commands run as this user and are as trusted as the daemon; what is claimed of trail and isolation does not hold",
        );
    }
}

/// `ordaind hash-password`
fn hash_password() -> Status {
    let password = ask::new_password("ordaind");
    match password.and_then(|password| credential::hash_password(&password, credential::COST)) {
        Ok(phc) => {
            tell_hash(&phc);
            Status::OK
        }

        Err(why) => {
            complain(&format!("ordaind: {why}"));
            Status::FAULT
        }
    }
}

/// The hash alone for programs; for a person what stands in the configuration, ready to be pasted.
fn tell_hash(phc: &str) {
    if !std::io::stdout().is_terminal() {
        return say(phc);
    }
    complain(
        "ordaind: this belongs into the configuration; `ordaind user add NAME --roles ROLE --password` does all of it",
    );
    say("[users.NAME]");
    say("roles = [\"ROLE\"]");
    // A hash has no quotation mark and no backslash, so TOML takes it as it is.
    say(&format!("password = '{phc}'"));
}

/// `ordaind fingerprint`
fn fingerprint(path: &Path) -> Status {
    match config::server_key(path) {
        Ok(fingerprint) => {
            say(&fingerprint.to_string());
            Status::OK
        }

        Err(why) => {
            complain(&format!("ordaind: {why}"));
            Status::FAULT
        }
    }
}
