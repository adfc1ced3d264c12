//! What only this machine knows of a root: its folder, and what is in it that should not be moved.

use super::fault::Faults;
use super::warning::{Subject, Warning};
use crate::policy::{Account, Command, OpenedRoot, Policy, Right, Root, RunAs};
use crate::sys::{self, Trust};
use std::fs::{self, File, Metadata};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

/// Opens a root's folder. Links on the way to it are the administrator's own word.
///
/// # Errors
/// Why it cannot be opened, in words.
pub fn open(beneath: &Path) -> Result<OpenedRoot, String> {
    let folder = File::options()
        .read(true)
        .custom_flags(sys::FOLDER_ALONE)
        .open(beneath)
        .map_err(|fault| format!("{}: {fault}", beneath.display()))?;
    let meta = folder
        .metadata()
        .map_err(|fault| format!("{}: {fault}", beneath.display()))?;
    Ok(OpenedRoot {
        device: meta.dev(),
        inode: meta.ino(),
        folder: folder.into(),
    })
}

/// Warns of what a root would let others read or change that they should not.
pub fn judge_roots(policy: &Policy, own: &[&Path], trust: &Trust, faults: &Faults) {
    for root in policy.roots.values() {
        let Some(command) = root.commands.values().next() else {
            continue;
        };
        let real = fs::canonicalize(&root.beneath).unwrap_or_else(|_| root.beneath.clone());
        let told = Told { root, faults };
        told.own_files(&real, own);
        if let Some(above) = root.beneath.parent()
            && let Err(fault) = sys::trusted(above, trust)
        {
            let text = format!("{fault}: they can make it another folder at the next load");
            told.warn(Warning::RootMoves, text);
        }
        told.seen(&Seen::of(root, &real), account(command));
    }
}

/// The account of a transfer.
const fn account(command: &Command) -> Option<&Account> {
    match &command.run_as {
        RunAs::Daemon(account) | RunAs::Account(account) => Some(account),
        RunAs::Unresolved(_) => None,
    }
}

/// How many entries of a root are looked at.
const LOOKED_AT: usize = 10_000;

/// What is in a root that is worth knowing of.
#[derive(Default)]
struct Seen {
    /// Programs that lend rights, the first of them and how many.
    lending: Option<(PathBuf, usize)>,
    /// Links that lead out.
    links: Option<(PathBuf, usize)>,
    /// What holds keys or passwords, by its name.
    secrets: Option<(PathBuf, usize)>,
    /// Files that their owners keep to themselves, with the owner.
    private: Option<(PathBuf, usize)>,
}

fn one_more(found: &mut Option<(PathBuf, usize)>, path: &Path) {
    match found {
        Some((_, count)) => *count += 1,
        None => *found = Some((path.to_owned(), 1)),
    }
}

impl Seen {
    /// Looks at what is in a root, up to a bound, and follows no link.
    fn of(root: &Root, real: &Path) -> Self {
        let mut seen = Self::default();
        let account = root
            .commands
            .values()
            .next()
            .and_then(|command| account(command));
        let device = fs::metadata(real).map(|meta| meta.dev()).ok();
        let (mut waiting, mut looked_at) = (vec![real.to_owned()], 0);
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                looked_at += 1;
                if looked_at > LOOKED_AT {
                    return seen;
                }
                let path = entry.path();
                let Ok(meta) = entry.metadata() else { continue };
                let elsewhere = Some(meta.dev()) != device && !root.rules.cross_mounts;
                if meta.is_dir() && !elsewhere {
                    waiting.push(path.clone());
                }
                seen.entry(&path, &meta, (real, account));
            }
        }
        seen
    }

    fn entry(&mut self, path: &Path, meta: &Metadata, (real, account): (&Path, Option<&Account>)) {
        if meta.is_file() && meta.mode() & 0o6000 != 0 {
            one_more(&mut self.lending, path);
        }
        if meta.is_symlink() && leads_out(path, real) {
            one_more(&mut self.links, path);
        }
        if is_secret(path) {
            one_more(&mut self.secrets, path);
        }
        let others = account.is_some_and(|account| account.uid == 0 && meta.uid() != 0);
        if meta.is_file() && meta.mode() & 0o077 == 0 && others {
            one_more(&mut self.private, path);
        }
    }
}

/// Whether a link leads out of the folder, by its words alone.
fn leads_out(link: &Path, real: &Path) -> bool {
    let Ok(target) = fs::read_link(link) else {
        return false;
    };
    let from = link.parent().unwrap_or(real);
    let mut at = PathBuf::new();
    for part in from.join(target).components() {
        match part {
            Component::ParentDir => {
                at.pop();
            }
            Component::CurDir => {}
            part => at.push(part),
        }
    }
    !at.starts_with(real)
}

/// Whether the name is one under which keys or passwords are kept.
fn is_secret(path: &Path) -> bool {
    const NAMES: &[&str] = &[
        ".ssh",
        ".gnupg",
        ".aws",
        ".netrc",
        ".pgpass",
        ".git-credentials",
        "shadow",
        "gshadow",
        "id_rsa",
        "id_ed25519",
        "id_ecdsa",
        "authorized_keys",
    ];
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| NAMES.contains(&name))
}

/// Where warnings about a root go.
struct Told<'r> {
    root: &'r Root,
    faults: &'r Faults,
}

impl Told<'_> {
    fn warn(&self, warning: Warning, text: String) {
        let name = &self.root.name;
        let what = (warning, &Subject::named("files", name));
        let key = format!("files.{name}.beneath");
        self.faults.warn(what, &self.root.place, key, text);
    }

    /// Whether ordain's own files lie below the root, or the root among them.
    fn own_files(&self, real: &Path, own: &[&Path]) {
        let lies = |path: &&&Path| {
            let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
            path.starts_with(real) || real.starts_with(&path)
        };
        if let Some(path) = own.iter().find(lies) {
            let text = format!(
                "holds ordain's own {}: whoever may put below it could give themselves any right, and whoever may get could read keys",
                path.display()
            );
            self.warn(Warning::RootOwn, text);
        }
    }

    fn seen(&self, seen: &Seen, account: Option<&Account>) {
        let allows = |right| self.root.commands.contains_key(&right);
        if let Some((first, count)) = &seen.lending {
            let text = format!(
                "{} has the setuid or setgid bit ({count} in all): whoever may put could replace what others run with another's rights",
                first.display()
            );
            self.warn(Warning::RootSetuid, text);
        }
        if let Some((first, count)) = &seen.links {
            let text = format!(
                "{} leads out ({count} in all): links are never followed here, so what is behind it is not moved",
                first.display()
            );
            self.warn(Warning::RootLinks, text);
        }
        let private = seen.private.as_ref().filter(|_| allows(Right::Get));
        if let Some((first, count)) = seen.secrets.as_ref().or(private) {
            let text = format!(
                "{} is what somebody keeps secret ({count} in all); narrow the root, or keep names out with `only`",
                first.display()
            );
            self.warn(Warning::RootSecrets, text);
        }
        let home = account.map(|account| &account.home);
        let is_home =
            home.is_some_and(|home| home != Path::new("/") && home.starts_with(&self.root.beneath));
        if is_home && allows(Right::Put) {
            let text = "holds the home of its account: a put there can make a key to log in with, or code that the account runs";
            self.warn(Warning::RootHome, text.into());
        }
    }
}

/// What a root grants to whom, in a line for `check`.
pub fn spelled_out(root: &Root, policy: &Policy) -> String {
    let account = root.commands.values().next();
    let account = account.map_or("", |command| command.run_as.name());
    let rights = root.commands.iter().map(|(right, command)| {
        let granting = policy.roles.iter();
        let roles: Vec<&str> = granting
            .filter(|(_, role)| role.grants(&command.name).is_some())
            .map(|(name, _)| name.as_str())
            .collect();
        match roles.is_empty() {
            true => format!("{} by no role", right.word()),
            false => format!("{} by {}", right.word(), roles.join(", ")),
        }
    });
    let rights: Vec<String> = rights.collect();
    let only = match root.rules.only.as_slice() {
        [] => String::new(),
        patterns => format!(", only {}", patterns.join(" ")),
    };
    format!(
        "{}{only} as {account}: {}",
        root.beneath.display(),
        rights.join("; ")
    )
}
