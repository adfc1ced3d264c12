//! What this machine can enforce of what is configured, and how.

use super::fault::Faults;
use super::terminals::terminals;
use super::warning::{Subject, Warning};
use crate::policy::Command;
use crate::sys::{self, Controllers};
use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// How a configuration is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As it is looked at on the machine that it is for.
    Here,
    /// As the policy alone is looked at, on any machine.
    Offline,
}

/// What this machine can enforce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The controllers for groups of runs, or why there can be no groups.
    pub groups: Result<Controllers, String>,
    /// Whether the kernel has Landlock.
    pub landlock: bool,
    /// Whether a service manager has passed listening sockets on.
    pub sockets: bool,
    /// The kinds of terminals that are described here.
    pub terminals: BTreeSet<String>,
}

impl Machine {
    /// What this process could have, if it were the daemon.
    pub fn probe() -> Self {
        Self {
            groups: sys::cgroups_offered(),
            landlock: sys::kernel_offers().1.is_some(),
            sockets: sys::has_passed_listeners(),
            terminals: terminals(),
        }
    }

    /// What a service could have to which its manager has given a control group of its own with
    /// every controller: what a shell has in its own says nothing of it.
    #[must_use]
    pub fn as_a_service(self) -> Self {
        Self {
            groups: Ok(Controllers {
                memory: true,
                pids: true,
                cpu: true,
            }),
            ..self
        }
    }
}

/// What this machine cannot enforce is refused, instead of being a promise that nobody keeps.
pub fn enforceable(command: &Command, machine: &Machine, grouped: bool, faults: &Faults) {
    bounds_together(command, machine, grouped, faults);
    if command.limits.per_process && command.limits.processes.is_some() {
        let text = "counts every process of the account on this machine, not only this run's, and does not bind root";
        let key = format!("{}.limits.processes", command.key());
        let what = match command.name.split_once(':') {
            Some((root, _)) => Subject::named("files", root),
            None => Subject::command(&command.name),
        };
        let what = (Warning::AccountProcesses, &what);
        faults.warn(what, &command.place, key, text);
    }

    if command.confinement.sandbox.is_some() && !machine.landlock {
        faults.add(
            &command.place,
            format!("commands.{}.sandbox", command.name),
            "this kernel has no Landlock, so it cannot be enforced",
        );
    }
}

/// Bounds on all processes of a run together need a controller each.
fn bounds_together(command: &Command, machine: &Machine, grouped: bool, faults: &Faults) {
    let controllers = machine
        .groups
        .as_ref()
        .ok()
        .filter(|_| grouped)
        .copied()
        .unwrap_or_default();
    let limits = &command.limits;
    let place = "; the daemon needs them in its own control group (cgroup.controllers), which systemd gives with Delegate=yes where they are not bound to cgroup v1";

    // The bound, whether it is wanted, whether it can be had, and whether it can be put on each
    // process by itself instead.
    let bounds = [
        ("memory", limits.memory.is_some(), controllers.memory, true),
        (
            "processes",
            limits.processes.is_some(),
            controllers.pids,
            true,
        ),
        ("cpu", limits.cpu_percent.is_some(), controllers.cpu, false),
    ];

    for (name, wanted, possible, alone) in bounds {
        if wanted && !possible && !(alone && limits.per_process) {
            let other = if alone {
                "; `per_process = true` bounds each process by itself instead"
            } else {
                ""
            };

            faults.add(
                &command.place,
                format!("{}.limits.{name}", command.key()),
                format!(
                    "needs a cgroup v2 controller that is not to be had here, so all processes of a run cannot be bounded together{place}{other}"
                ),
            );
        }
    }
}

/// How each bound of a command is enforced, for `check`; `None` when there is nothing to say.
pub fn enforcement(command: &Command) -> Option<String> {
    let limits = &command.limits;
    let tree = if limits.per_process {
        "for each process, by rlimit"
    } else {
        "for all its processes, by control group"
    };

    let mut told = Vec::new();
    let mut tell = |wanted: bool, name: &str, how: &str| {
        if wanted {
            told.push(format!("{name} {how}"));
        }
    };

    tell(limits.memory.is_some(), "memory", tree);
    let processes = if limits.per_process {
        "of its whole account, by rlimit"
    } else {
        tree
    };

    tell(limits.processes.is_some(), "processes", processes);
    tell(limits.cpu_percent.is_some(), "cpu", tree);
    let alone = "for each process, by rlimit";
    tell(limits.cpu_time.is_some(), "cpu_time", alone);
    tell(limits.open_files.is_some(), "open_files", alone);
    tell(limits.file_size.is_some(), "file_size", alone);
    tell(
        limits.idle.is_some(),
        "idle_timeout",
        "by the daemon's clock",
    );

    tell(
        limits.output.is_some(),
        "output_max",
        "by the frontend's count",
    );

    tell(
        !command.confinement.network,
        "network = false",
        "by seccomp",
    );

    tell(
        command.confinement.sandbox.is_some(),
        "sandbox",
        "by Landlock",
    );

    (!told.is_empty()).then(|| told.join("; "))
}

/// Executables that were judged in one load: many commands share one.
#[derive(Default)]
pub struct Judged(HashMap<(String, Option<[u8; 32]>), Judgement>);

/// Whether an executable has privileges of its own, or what is wrong with the pin or the file.
#[derive(Clone)]
enum Judgement {
    Sound { privileged: bool },
    Digest(String),
    Fault(String),
}

impl Judged {
    fn judge(&mut self, command: &Command, trust: &sys::Trust) -> Judgement {
        let key = (command.executable().to_owned(), command.sha256);
        let judge = || {
            let path = Path::new(command.executable());
            match sys::open_executable(path, trust, command.sha256.as_ref()) {
                Err(fault @ sys::ExecutableFault::Digest(..)) => {
                    Judgement::Digest(fault.to_string())
                }
                Err(fault) => Judgement::Fault(fault.to_string()),
                Ok(_) => {
                    let setuid = std::fs::metadata(path).is_ok_and(|meta| {
                        meta.permissions().mode() & 0o6000 != 0 && meta.uid() != trust.own
                    });
                    Judgement::Sound {
                        privileged: setuid || sys::has_capabilities(path),
                    }
                }
            }
        };

        self.0.entry(key).or_insert_with(judge).clone()
    }
}

/// Says what is worth knowing of an executable: privileges that it would not get, and a pin that
/// does not fit.
pub fn judge_executable(
    command: &Command,
    trust: &sys::Trust,
    judged: &mut Judged,
    faults: &Faults,
) {
    let key = format!("commands.{}.exec", command.name);
    let path = Path::new(command.executable());
    match judged.judge(command, trust) {
        Judgement::Digest(fault) => faults.add(
            &command.place,
            format!("commands.{}.sha256", command.name),
            fault,
        ),
        Judgement::Fault(fault) => faults.add(&command.place, key, fault),
        Judgement::Sound { privileged } => {
            if privileged && !command.confinement.setuid_allowed {
                let text = "has the setuid bit or file capabilities, which have no effect without `setuid_allowed = true`";
                let what = (Warning::NoPrivileges, &Subject::command(&command.name));
                let text = format!("{} {text}", path.display());
                faults.warn(what, &command.place, key, text);
            }
        }
    }
}
