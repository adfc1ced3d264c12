//! Whose the configuration and the daemon are, and how somebody else asks as them.

use super::display::quoted;
use crate::sys::{self, named};
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What is read without `--config` where root asks.
const ROOTS: &str = "/etc/ordain/config.toml";
/// What is read without `--config` where anybody else does.
const OWN: &str = "config.toml";

/// Root reads /etc/ordain or what it was told, never a file that happens to lie in the current
/// folder.
pub fn default_config() -> PathBuf {
    PathBuf::from(if sys::effective_uid() == 0 {
        ROOTS
    } else {
        OWN
    })
}

/// Why this user cannot use the configuration at all, and what they do next; `None` where it is
/// there to be read and judged, and where a file was named that is not there.
pub fn shut_out(path: &Path, was_named: bool) -> Option<String> {
    let fault = match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => File::open(path).err()?,
        Ok(_) => return None,
        Err(fault) => fault,
    };
    match fault.kind() {
        ErrorKind::PermissionDenied => Some(not_readable(path)),
        ErrorKind::NotFound if !was_named => Some(nothing_here(path)),
        _ => None,
    }
}

/// Whoever owns a file or the folder that hides it may read it.
fn not_readable(path: &Path) -> String {
    let (shown, own) = (path.display(), sys::effective_uid());
    let (whose, owner) = match std::fs::metadata(path) {
        Ok(meta) => (
            format!(
                "{shown} belongs to {} (mode {:04o})",
                named(meta.uid()),
                meta.mode() & 0o7777
            ),
            meta.uid(),
        ),
        Err(_) => (
            format!("{shown} is in a folder that not everybody may enter"),
            0,
        ),
    };
    if owner == own {
        return format!(
            "{whose}, so not even its owner may read it; `chmod u+r {}`",
            sys::in_a_shell(path)
        );
    }
    let as_them = as_user(owner);
    format!(
        "{whose}, and this is {}, who may not read it; ask as {}: `{as_them}`",
        named(own),
        named(owner)
    )
}

/// The configuration that is looked for without `--config` is not there.
fn nothing_here(path: &Path) -> String {
    if path == Path::new(ROOTS) {
        return format!(
            "{ROOTS} does not exist; `ordaind init` makes it, and --config names another file"
        );
    }
    format!(
        "there is no {OWN} in this folder, which is what {} reads without --config; `ordaind init` makes one, and a daemon of root's has {ROOTS}: `{}`",
        named(sys::effective_uid()),
        as_user(0)
    )
}

/// What somebody is told who may not ask the daemon at this socket.
pub fn not_asked(control: &Path, fault: &io::Error) -> String {
    // It cannot be seen where its folder is closed, as an own state folder is.
    let seen = std::fs::symlink_metadata(control).or_else(|_| above(control));
    let owner = seen.map_or(0, |meta| meta.uid());
    let (shown, them) = (control.display(), named(owner));
    let who = match owner {
        0 => "root".to_owned(),
        _ => format!("root and {them}"),
    };
    format!(
        "{shown}: {fault}: only {who} may ask the daemon, and this is {}; ask as {them}: `{}` (`systemctl status ordaind` tells everybody how it is)",
        named(sys::effective_uid()),
        as_user(owner)
    )
}

/// What somebody is told where no daemon answers: root's may be another.
pub fn nobody_there(control: &Path, fault: &io::Error) -> String {
    let others = match sys::effective_uid() {
        0 => String::new(),
        _ => format!("; a daemon of root's is asked as root: `{}`", as_user(0)),
    };
    format!(
        "{}: {fault} (is the daemon running?){others}",
        control.display()
    )
}

/// The nearest folder above that can be seen.
fn above(path: &Path) -> io::Result<Metadata> {
    let mut found = path
        .ancestors()
        .skip(1)
        .map(std::fs::symlink_metadata)
        .filter_map(Result::ok);
    found.next().ok_or_else(|| ErrorKind::NotFound.into())
}

/// What this program was called with, as the command line of this user.
fn as_user(uid: u32) -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let sudo = match uid {
        0 => "sudo".to_owned(),
        uid => format!("sudo -u '#{uid}'"),
    };
    format!("{sudo} ordaind {}", quoted(&words))
        .trim_end()
        .to_owned()
}
