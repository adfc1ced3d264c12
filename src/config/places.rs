//! Where the daemon of a configuration keeps its files, found also while the rest of it is faulty.

use super::fault::Faults;
use super::reader::{Document, Table};
use super::values::folder_of;
use crate::limits;
use crate::place::Place;
use crate::sys::{self, FileFault, Stranger, Trust};
use crate::tls;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the control socket of the daemon with this configuration is. Reads no more than that, so
/// that it is found also while the rest is faulty.
///
/// # Errors
/// When the file cannot be read.
pub fn control_socket(path: &Path) -> Result<PathBuf, String> {
    let text = sys::read_text(path, limits::CONFIG_FILE).map_err(|fault| fault.to_string())?;
    let faults = Faults::default();
    let document = Document::parse(&path.to_string_lossy(), &text, &faults);
    let root = document.root(&faults);
    let folder = folder_of(path);
    Ok(state_and_control(root.table("server").as_ref(), folder).1)
}

/// The state folder and the trail's file of the daemon with this configuration.
///
/// # Errors
/// When the file cannot be read.
pub fn state_and_trail(path: &Path) -> Result<(PathBuf, PathBuf), String> {
    let text = sys::read_text(path, limits::CONFIG_FILE).map_err(|fault| fault.to_string())?;
    let faults = Faults::default();
    let document = Document::parse(&path.to_string_lossy(), &text, &faults);
    let root = document.root(&faults);
    let folder = folder_of(path);
    let (state, _) = state_and_control(root.table("server").as_ref(), folder);
    let trail = trail_of(root.table("audit").as_ref(), &state, folder);
    Ok((state, trail))
}

/// The fingerprint of the server's key, whatever else may be wrong with the configuration.
///
/// # Errors
/// When the file or the certificate cannot be read.
pub fn server_key(path: &Path) -> Result<tls::Fingerprint, String> {
    let cannot =
        |path: &Path, fault: &dyn std::fmt::Display| format!("{}: {fault}", path.display());
    let text = sys::read_text(path, limits::CONFIG_FILE).map_err(|fault| fault.to_string())?;
    let faults = Faults::default();
    let document = Document::parse(&path.to_string_lossy(), &text, &faults);
    let root = document.root(&faults);
    let certificate = root
        .table("tls")
        .and_then(|table| table.text("certificate"))
        .ok_or_else(|| cannot(path, &"tls.certificate is missing"))?;
    let file = path.parent().unwrap_or(Path::new(".")).join(certificate);
    let pem = sys::read_stream(&file, limits::PEM_FILE).map_err(|fault| fault.to_string())?;
    let chain = tls::certificates(&pem).map_err(|fault| cannot(&file, &fault))?;
    chain
        .first()
        .ok_or_else(|| cannot(&file, &"no certificate"))
        .and_then(tls::Fingerprint::of)
}

/// The trail's file.
pub(super) fn trail_of(audit: Option<&Table<'_>>, state: &Path, folder: &Path) -> PathBuf {
    audit
        .and_then(|table| table.file("file", folder))
        .unwrap_or_else(|| state.join("trail.jsonl"))
}

/// The state folder and the control socket.
pub(super) fn state_and_control(server: Option<&Table<'_>>, folder: &Path) -> (PathBuf, PathBuf) {
    let file = |key| server.and_then(|table| table.file(key, folder));
    let (own_state, control) = (file("state"), file("control"));
    let default_control = match &own_state {
        None if sys::effective_uid() == 0 => PathBuf::from("/run/ordain/control.sock"),
        own => own
            .clone()
            .unwrap_or_else(default_state)
            .join("control.sock"),
    };

    (
        own_state.unwrap_or_else(default_state),
        control.unwrap_or(default_control),
    )
}

/// Judges the folders of the state, the trail and the control socket: whoever can change one of
/// them can remove locks, keys and records, or answer in the daemon's place.
pub(super) fn judge_folders(
    [server, audit]: [Option<&Table<'_>>; 2],
    [state, trail, control]: [&Path; 3],
    root: &Place,
    faults: &Faults,
) {
    let said = |table: Option<&Table<'_>>, key| {
        let item = table.and_then(|table| table.item(key));
        item.map_or_else(|| root.clone(), |item| item.place)
    };
    let mut judged = Vec::new();
    for (table, key, name, folder) in [
        (server, "state", "server.state", Some(state)),
        (audit, "file", "audit.file", trail.parent()),
        (server, "control", "server.control", control.parent()),
    ] {
        let Some(folder) = folder.filter(|folder| !judged.contains(folder)) else {
            continue;
        };
        judged.push(folder);
        if let Err(fault) = sys::closed_folder(folder, &Trust::own()) {
            faults.add(
                &said(table, key),
                name,
                mended(folder, key == "state", &fault),
            );
        }
    }
}

/// The fault, with the command that mends it: a folder that is `private` is for the daemon alone.
fn mended(folder: &Path, private: bool, fault: &FileFault) -> String {
    let FileFault::Writable(at, who) = fault else {
        return fault.to_string();
    };
    let is_sticky = std::fs::symlink_metadata(at).is_ok_and(|meta| meta.mode() & 0o1000 != 0);
    let (owner, path) = (sys::owner_word(sys::effective_uid()), sys::in_a_shell(at));
    let by_itself = fault
        .remedy()
        .filter(|_| is_sticky || matches!(who, Stranger::OwnerOfLink(_)));
    let how = if let Some(remedy) = by_itself {
        remedy
    } else if private && std::fs::canonicalize(folder).is_ok_and(|real| real == *at) {
        format!("`chown {owner} {path} && chmod 0700 {path}`, and look at what is in it")
    } else {
        format!("`chown {owner} {path} && chmod go-w {path}`, and look at what is in it")
    };
    let fault = fault.sentence();
    format!("{fault}; who can change it can remove locks, keys and records; {how}")
}

/// Where a daemon keeps what must survive it: root's in /var/lib, another user's where XDG says.
fn default_state() -> PathBuf {
    if sys::effective_uid() == 0 {
        return PathBuf::from("/var/lib/ordain");
    }
    let home = || {
        std::env::home_dir()
            .unwrap_or_else(|| PathBuf::from("/tmp"))
            .join(".local/state")
    };

    std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .unwrap_or_else(home)
        .join("ordain")
}
