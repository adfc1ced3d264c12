//! `ordaind`: serving in the foreground, checking, and the small verbs beside it.

use super::{access, ask, audit, complain, complete, demo, doctor, init, local, logs, say, status};
use crate::cli::{DaemonArgs, DaemonVerb};
use crate::config::{self, Fault, Machine};
use crate::credential;
use crate::exit::Status;
use crate::monitor::{self, CannotServe, Given, LastFaults, Loader, Settings};
use crate::{frontend, sys};
use clap::{CommandFactory, Parser};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The whole program.
pub fn ordaind() -> Status {
    // The monitor starts its network side by starting itself; that is no verb of the
    // administrator's.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == monitor::FRONTEND)
    {
        return network_side();
    }
    if std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == crate::exec::KEEPER)
    {
        return if sys::keep().is_ok() {
            Status::OK
        } else {
            Status::FAULT
        };
    }

    if let Some(status) = complete::asked(DaemonArgs::command) {
        return status;
    }
    let args = DaemonArgs::parse();
    let path = args.config.clone().unwrap_or_else(default_config);
    match args.verb {
        None => serve(&path),
        Some(DaemonVerb::Check { offline }) => check(&path, offline),
        Some(DaemonVerb::Init { dir: None }) if args.config.is_some() => {
            complain(
                "ordaind: init: say with --dir which folder; --config names a file that is there",
            );
            Status(2)
        }

        Some(DaemonVerb::Init { dir }) => init::init(dir.as_deref()),
        Some(DaemonVerb::HashPassword) => hash_password(),
        Some(DaemonVerb::Fingerprint) => fingerprint(&path),
        Some(DaemonVerb::Reload) => local::reload(&path),
        Some(DaemonVerb::Status { json }) => status::status(&path, json),
        Some(DaemonVerb::Metrics { out }) => status::metrics(&path, out.as_deref()),
        Some(DaemonVerb::Doctor {
            user,
            password_file,
        }) => doctor::doctor(
            &path,
            &doctor::Patient {
                user: user.as_deref(),
                password_file: password_file.as_deref(),
            },
        ),
        Some(DaemonVerb::Lock {
            user, reason, json, ..
        }) => local::lock(&path, user.as_deref(), &reason, json),
        Some(DaemonVerb::Unlock { user }) => local::unlock(&path, &user),
        Some(DaemonVerb::Totp { user, remove }) => local::totp(&path, &user, remove),
        Some(DaemonVerb::Penalties { clear, json }) => {
            local::penalties(&path, clear.as_deref(), json)
        }
        Some(DaemonVerb::Explain {
            source,
            reason,
            offline,
            user,
            mut line,
        }) => {
            let words = line.split_off(1.min(line.len()));
            let command = line.pop().unwrap_or_default();
            access::explain(
                &path,
                offline,
                &access::Question {
                    user,
                    command,
                    words,
                    reason,
                    source,
                },
            )
        }

        Some(DaemonVerb::Access {
            user,
            command,
            offline,
            json,
        }) => access::access(&path, offline, user.as_deref(), command.as_deref(), json),
        Some(DaemonVerb::Audit { verb }) => audit::audit(&path, verb),
        Some(DaemonVerb::Demo { exit }) => demo::demo(exit),
    }
}

/// Root reads /etc/ordain or what it was told, never a file that happens to lie in the current
/// folder.
pub fn default_config() -> PathBuf {
    PathBuf::from(if sys::effective_uid() == 0 {
        "/etc/ordain/config.toml"
    } else {
        "config.toml"
    })
}

fn network_side() -> Status {
    match frontend::run(|form| logs::start(form, None)) {
        Ok(()) => Status::OK,
        Err(ended) => {
            complain(&format!("ordaind: frontend: {}", ended.0));
            Status::FAULT
        }
    }
}

fn serve(path: &Path) -> Status {
    let mut machine = Machine::probe();
    let settings = match config::load(path, &machine) {
        Ok(loaded) => loaded.settings,
        Err((faults, _)) => return faulty(path, &faults),
    };

    let Some(settings) = settings else {
        return Status::FAULT;
    };
    let faults = LastFaults::default();
    logs::start(settings.logs, Some(faults.clone()));

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

    match run(
        settings,
        Given {
            loader: loader(path, machine),
            groups,
            faults,
            sockets,
        },
    ) {
        Ok(status) => status,
        Err(CannotServe(why)) => {
            tracing::error!("{why}");
            Status::FAULT
        }
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

    tokio::task::LocalSet::new().block_on(&runtime, monitor::serve(settings, given, listening))
}

pub(super) fn faulty(path: &Path, faults: &[Fault]) -> Status {
    for fault in faults {
        complain(&format!("ordaind: {fault}"));
    }
    complain(&format!(
        "ordaind: {}: {} found; nothing is served",
        path.display(),
        count(faults.len(), "fault")
    ));
    Status::FAULT
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn check(path: &Path, offline: bool) -> Status {
    let outcome = if offline {
        config::offline(path)
    } else {
        config::load(path, &Machine::probe())
    };

    let (faults, warnings, sound) = match outcome {
        Ok(loaded) => (Vec::new(), loaded.warnings, Some(loaded.policy)),
        Err((faults, warnings)) => (faults, warnings, None),
    };

    for fault in &faults {
        say(&format!("fault: {fault}"));
    }
    for warning in &warnings {
        say(&format!("warning: {warning}"));
    }
    if !offline {
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

    match sound {
        Some(policy) => {
            for command in policy.commands.values().filter(|_| !offline) {
                if let Some(how) = config::enforcement(command) {
                    say(&format!("commands.{}: {how}", command.name));
                }
            }

            say(&format!(
                "{}: sound ({}, {}, {}; {})",
                path.display(),
                count(policy.commands.len(), "command"),
                count(policy.roles.len(), "role"),
                count(policy.users.len(), "user"),
                count(warnings.len(), "warning"),
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

fn hash_password() -> Status {
    let password = if std::io::stdin().is_terminal() {
        let twice =
            ask::secret("password: ").and_then(|first| Ok((first, ask::secret("again: ")?)));
        match twice {
            Ok((first, second)) if first == second => Ok(first),
            Ok(_) => Err("the two passwords differ".to_owned()),
            Err(error) => Err(error.text),
        }
    } else {
        ask::secret_stdin().map_err(|error| error.text)
    };

    match password.and_then(|password| credential::hash_password(&password, credential::COST)) {
        Ok(phc) => {
            say(&phc);
            Status::OK
        }

        Err(why) => {
            complain(&format!("ordaind: {why}"));
            Status::FAULT
        }
    }
}

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
