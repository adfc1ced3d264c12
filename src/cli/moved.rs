//! The words of `ordain ls`, `cat`, `cp`, `rm`, `sync` and `files`.

use super::many::PaceArgs;
use super::place::Place;
use crate::files::Below;
use clap::Args;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// `HOST:ROOT[/PATH]`: something below a root of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct There {
    /// The host, or the hosts.
    pub host: Place,
    /// The root's name.
    pub root: String,
    /// The path below it.
    pub path: Below,
    /// Whether a slash stood at the end.
    pub ends_with_slash: bool,
}

/// One side of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// Standard input or output.
    Standard,
    /// A file or folder of this machine.
    Here(PathBuf),
    /// Something below a root of a host.
    There(There),
}

impl FromStr for There {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        split(text)?.ok_or_else(|| {
            format!(
                "`{}` is not HOST:ROOT/PATH (`ordain files HOST` shows the roots)",
                text.escape_debug()
            )
        })
    }
}

impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Standard);
        }
        Ok(match split(text)? {
            Some(there) => Self::There(there),
            None => Self::Here(text.into()),
        })
    }
}

impl fmt::Display for There {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.host, self.root)?;
        if !self.path.is_root() {
            write!(out, "/{}", self.path)?;
        }
        Ok(())
    }
}

/// Takes a host and what is below a root of it apart: at the last `:` before the first `/`. What has
/// none there, or a number behind it, is nothing of a host.
fn split(text: &str) -> Result<Option<There>, String> {
    let (before, path) = match text.split_once('/') {
        Some((before, path)) => (before, Some(path)),
        None => (text, None),
    };
    let Some((host, root)) = before.rsplit_once(':') else {
        return Ok(None);
    };
    let is_file = path.is_none() && Path::new(text).exists();
    if host.is_empty() || is_file {
        return Ok(None);
    }
    if root.is_empty() {
        return Err(format!(
            "`{}` names no root of the host; `ordain files {}` shows them",
            text.escape_debug(),
            host.escape_debug()
        ));
    }
    if !root.chars().any(char::is_alphabetic) {
        return Err(format!(
            "`{}` has a port where a root stands: HOST:PORT:ROOT/PATH",
            text.escape_debug()
        ));
    }
    let path = path.unwrap_or_default();
    let bare = path.strip_suffix('/').unwrap_or(path);
    Ok(Some(There {
        host: host.parse()?,
        root: root.to_owned(),
        path: bare
            .parse()
            .map_err(|why| format!("`{}`: {why}", text.escape_debug()))?,
        ends_with_slash: text.ends_with('/'),
    }))
}

/// What a root may want to be told.
#[derive(Debug, Clone, Default, Args)]
pub struct Asked {
    /// Agree beforehand, where a root wants to be confirmed
    #[arg(long)]
    pub yes: bool,
    /// Why, where a root wants a reason such as a ticket's number
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `ordain ls`.
#[derive(Debug, Clone, Args)]
pub struct LsArgs {
    /// Also what is in the folders
    #[arg(short, long)]
    pub recursive: bool,
    /// With mode, size and time
    #[arg(short, long)]
    pub long: bool,
    /// With the BLAKE3 digest of each file, which is read for that
    #[arg(long)]
    pub digests: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would be the command's help")]
    pub asked: Asked,
    /// `HOST:ROOT[/PATH]`
    #[arg(value_name = "HOST:ROOT/PATH")]
    pub there: There,
}

/// `ordain cat`.
#[derive(Debug, Clone, Args)]
pub struct CatArgs {
    /// Show control characters as they are, also on a terminal
    #[arg(long)]
    pub raw: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would be the command's help")]
    pub asked: Asked,
    /// `HOST:ROOT/PATH`
    #[arg(value_name = "HOST:ROOT/PATH")]
    pub there: There,
}

/// `ordain cp`.
#[derive(Debug, Clone, Args)]
pub struct CpArgs {
    /// A folder, with all that is in it
    #[arg(short, long)]
    pub recursive: bool,
    /// Put the folder in the place of the one that is there, in one step
    #[arg(long, requires = "recursive")]
    pub all_or_nothing: bool,
    /// Leave files alone that are there already
    #[arg(short, long)]
    pub no_clobber: bool,
    /// Send everything as it is, also what would shrink
    #[arg(long)]
    pub no_compress: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would be the command's help")]
    pub asked: Asked,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would be the command's help")]
    pub pace: PaceArgs,
    /// A file or folder here, `HOST:ROOT/PATH`, or `-` for standard input
    #[arg(value_name = "FROM")]
    pub from: Side,
    /// `HOST:ROOT/PATH`, a file or folder here, or `-` for standard output
    #[arg(value_name = "TO")]
    pub to: Side,
}

/// `ordain rm`.
#[derive(Debug, Clone, Args)]
pub struct RmArgs {
    /// A folder, with all that is in it
    #[arg(short, long)]
    pub recursive: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would be the command's help")]
    pub asked: Asked,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would be the command's help")]
    pub pace: PaceArgs,
    /// `HOST:ROOT/PATH`
    #[arg(value_name = "HOST:ROOT/PATH")]
    pub there: There,
}

/// `ordain sync`.
#[derive(Debug, Clone, Args)]
pub struct SyncArgs {
    /// Compare by content, and not by size and time
    #[arg(long)]
    pub checksum: bool,
    /// Remove what is not in FROM
    #[arg(long)]
    pub delete: bool,
    /// Show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Send everything as it is, also what would shrink
    #[arg(long)]
    pub no_compress: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would be the command's help")]
    pub asked: Asked,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would be the command's help")]
    pub pace: PaceArgs,
    /// The folder that is as it should be, here or `HOST:ROOT/PATH`
    #[arg(value_name = "FROM")]
    pub from: Side,
    /// The folder that is to become like it, there or here
    #[arg(value_name = "TO")]
    pub to: Side,
}

impl CpArgs {
    /// The side that is not here, where there is one.
    pub const fn there(&self) -> Option<&There> {
        there(&self.from, &self.to)
    }
}

impl SyncArgs {
    /// The side that is not here, where there is one.
    pub const fn there(&self) -> Option<&There> {
        there(&self.from, &self.to)
    }
}

const fn there<'s>(from: &'s Side, to: &'s Side) -> Option<&'s There> {
    match (from, to) {
        (Side::There(there), Side::Here(_) | Side::Standard)
        | (Side::Here(_) | Side::Standard, Side::There(there)) => Some(there),
        _ => None,
    }
}

/// Whether a destination is a folder that a copy goes into under its own name.
pub fn is_into(to: &Path) -> bool {
    let bytes = to.as_os_str().as_bytes();
    bytes.ends_with(b"/")
        || bytes.ends_with(b"/.")
        || bytes.ends_with(b"/..")
        || matches!(bytes, b"." | b"..")
}

/// The rule of where a copy goes, for `--help`.
pub const CP_HELP: &str = "\
TO is the name that the copy gets; where it ends with `/`, or is `.`, it is a folder that the copy goes into under its own
name. A file of that name is replaced in one step; a folder of that name must not be there yet (`ordain sync` joins).
A name with a colon here is written with its folder: ./a:b";

#[cfg(test)]
mod tests {
    use super::*;

    fn there(text: &str) -> (String, String, String, bool) {
        match text.parse() {
            Ok(Side::There(there)) => (
                there.host.to_string(),
                there.root.clone(),
                there.path.to_string(),
                there.ends_with_slash,
            ),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_slash_or_a_dot_at_the_end_means_into() {
        for into in ["a/", ".", "..", "a/.", "../..", "/"] {
            assert!(is_into(Path::new(into)), "{into}");
        }
        for name in ["a", "a/b", "a.", "...", ".a"] {
            assert!(!is_into(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn a_host_ends_at_the_last_colon_before_the_first_slash() {
        let text = |text: &str| text.to_owned();
        for (typed, host, root, path, slash) in [
            ("web1:logs/error.log", "web1", "logs", "error.log", false),
            ("web1:logs", "web1", "logs", "", false),
            ("web1:logs/", "web1", "logs", "", true),
            ("web1:99:logs/a:b/c", "web1:99", "logs", "a:b/c", false),
            (
                "alice@[::1]:99:logs/a/",
                "alice@[::1]:99",
                "logs",
                "a",
                true,
            ),
            ("@web:site/", "@web", "site", "", true),
            ("[::1]:logs/a", "::1", "logs", "a", false),
        ] {
            let expected = (text(host), text(root), text(path), slash);
            assert_eq!(there(typed), expected, "{typed}");
        }
        for here in ["a", "./a:b", "/a:b/c", "a/b:c", ".", "..", "a/"] {
            assert_eq!(here.parse(), Ok(Side::Here(here.into())), "{here}");
        }
        assert_eq!("-".parse(), Ok(Side::Standard));
        for bad in [
            "web1:",
            "web1:99",
            "web1:99/x",
            "web1:logs/../x",
            "web1:logs//x",
            "web1:logs/a\nb",
        ] {
            assert!(bad.parse::<Side>().is_err(), "{bad}");
        }
        assert!("file".parse::<There>().is_err());
    }
}
