//! What only this machine knows of a configuration: folders, owners, and what can be enforced.

use super::fault::Faults;
use super::machine::{self, Machine};
use super::server::Server;
use super::warning::{Subject, Warning};
use crate::audit::rotated_name;
use crate::ids::RequestId;
use crate::policy::{Command, Kind, Pass, Policy};
use crate::sys::{self, Trust};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What the machine must be able to do for what is configured.
pub fn judge_machine(server: &Server, policy: &Policy, known: &Machine, faults: &Faults) {
    if let Some(place) = server.listens_at.as_ref().filter(|_| known.sockets) {
        let text = "is said although the service manager passes the sockets (ordaind.socket); accepted is one of the two";
        faults.add(place, "server.listen", text);
    }

    match &known.groups {
        Err(why) if server.grouped => faults.add(
            &server.containment,
            "server.containment",
            format!("runs cannot be put into control groups here: {why}; run the daemon under systemd with Delegate=yes, or spell out containment = \"best-effort\""),
        ),
        _ => {}
    }

    if !server.grouped {
        let text = "\"best-effort\": a run's processes are found by their parentage; one that is killed at the wrong moment, or belongs to another user, can be missed";
        let what = (Warning::BestEffort, &Subject::table("server"));
        faults.warn(what, &server.containment, "server.containment", text);
    }

    for command in policy.commands.values() {
        machine::enforceable(command, known, server.grouped, faults);
    }
    for root in policy.roots.values() {
        if let Some(command) = root.commands.values().next() {
            machine::enforceable(command, known, server.grouped, faults);
        }
        if !known.landlock {
            let text = "this kernel has no Landlock, so a mover cannot be kept to its root";
            faults.add(&root.place, format!("files.{}", root.name), text);
        }
    }
}

/// Judges the archive command: it must do for every file of the trail.
pub fn judge_archive(server: &Server, policy: &Policy, faults: &Faults) {
    let Some((command, place, trail)) = server.archive() else {
        return;
    };
    let sample = rotated_name(trail, 1);
    let request = RequestId::from_random([0; 20]);
    let asked = (request, crate::clock::now());
    if let Err(why) = policy.errand(("audit.archive", command), &sample, asked) {
        faults.add(place, "audit.archive", why);
    }
}

/// Judges the files that a command names: its executable, and the folders of its path arguments.
pub fn judge_files(
    command: &Command,
    trust: &Trust,
    judged: &mut machine::Judged,
    faults: &Faults,
) {
    machine::judge_executable(command, trust, judged, faults);
    let key = format!("commands.{}", command.name);
    for argument in &command.arguments {
        let Kind::Path { beneath, pass, .. } = &argument.kind else {
            continue;
        };
        // What commands share is told once, where it stands.
        let (key, place) = match &argument.definition {
            Some(shared) => (format!("arguments.{}.beneath", shared.name), &shared.place),
            None => (
                format!("{key}.args.{}.beneath", argument.name),
                &argument.place,
            ),
        };
        match std::fs::symlink_metadata(beneath) {
            Err(fault) => faults.add(place, key, format!("{}: {fault}", beneath.display())),
            Ok(meta) if !meta.is_dir() => {
                faults.add(place, key, format!("{} is not a folder", beneath.display()))
            }
            Ok(_) if *pass == Pass::Name => {
                if let Err(why) = only_ours(beneath, trust) {
                    faults.add(
                        place,
                        key,
                        format!("{why}, so a name could be made to mean another file between check and use; set pass = \"fd\""),
                    );
                }
            }

            Ok(_) => {}
        }
    }
}

/// Whether nobody else can change what names beneath this folder mean: looks at every folder, up to
/// a bound.
fn only_ours(folder: &Path, trust: &Trust) -> Result<(), String> {
    let mut waiting = vec![folder.to_owned()];
    let mut seen = 0;
    while let Some(folder) = waiting.pop() {
        sys::trusted(&folder, trust).map_err(|fault| fault.to_string())?;
        let meta = std::fs::metadata(&folder).map_err(|fault| fault.to_string())?;
        if meta.mode() & 0o1002 == 0o1002 {
            return Err(format!("{} can be written by anybody", folder.display()));
        }
        seen += 1;
        if seen > 10_000 {
            return Err("it has more than 10,000 folders".into());
        }
        for entry in std::fs::read_dir(&folder)
            .map_err(|fault| format!("{}: {fault}", folder.display()))?
            .flatten()
        {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(entry.path());
            }
        }
    }

    Ok(())
}
