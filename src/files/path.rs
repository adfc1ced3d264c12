//! A path below a root, as a type that can hold no other.

use crate::limits::{FILE_DEPTH, FILE_NAME, FILE_PATH};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A path below a root: names with `/` between two of them, or none for the root itself. It leads
/// nowhere but downwards, can be shown in a terminal, and names nothing of the mover's own.
///
/// Paths are in the order of a walk: a folder, then what is in it, and only then what follows it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Below(Box<[u8]>);

/// What the names begin with under which files are while they come. Nobody else's may.
pub const RESERVED: &[u8] = b".ordain-";

/// Why bytes are no path below a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// It begins with a slash.
    Absolute,
    /// It has a name without a letter, as between two slashes or behind the last one.
    EmptyName,
    /// It has the name `.` or `..`.
    Dots,
    /// It has a control character.
    Control,
    /// It has a name that begins as those of the mover's own do.
    Reserved,
    /// It has a name that is too long.
    NameTooLong,
    /// It is too long.
    TooLong,
    /// It has too many names.
    TooDeep,
}

impl fmt::Display for PathFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute => write!(out, "a path below a root does not begin with `/`"),
            Self::EmptyName => write!(out, "a name is missing before or behind a `/`"),
            Self::Dots => write!(out, "`.` and `..` are no names here"),
            Self::Control => write!(out, "a name has a control character"),
            Self::Reserved => write!(
                out,
                "names that begin with `.ordain-` are those of files on their way"
            ),
            Self::NameTooLong => write!(out, "a name has more than {FILE_NAME} bytes"),
            Self::TooLong => write!(out, "it has more than {FILE_PATH} bytes"),
            Self::TooDeep => write!(out, "it has more than {FILE_DEPTH} names"),
        }
    }
}

impl std::error::Error for PathFault {}

impl Below {
    /// The root itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it first.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathFault> {
        if bytes.is_empty() {
            return Ok(Self::root());
        }
        if bytes.len() > FILE_PATH {
            return Err(PathFault::TooLong);
        }
        if bytes.starts_with(b"/") {
            return Err(PathFault::Absolute);
        }
        let mut depth = 0_usize;
        for name in bytes.split(|byte| *byte == b'/') {
            judge(name)?;
            depth += 1;
        }
        if depth > FILE_DEPTH {
            return Err(PathFault::TooDeep);
        }
        Ok(Self(bytes.into()))
    }

    /// What has this name in this folder.
    ///
    /// # Errors
    /// That it is no name, or that the path becomes too long.
    pub fn child(&self, name: &[u8]) -> Result<Self, PathFault> {
        judge(name)?;
        if self.is_root() {
            return Ok(Self(name.into()));
        }
        if self.0.len() + 1 + name.len() > FILE_PATH {
            return Err(PathFault::TooLong);
        }
        if self.depth() >= FILE_DEPTH {
            return Err(PathFault::TooDeep);
        }
        Ok(Self([&self.0, b"/".as_slice(), name].concat().into()))
    }

    /// What this path means from another one on.
    ///
    /// # Errors
    /// That both together are too long.
    pub fn beneath(&self, base: &Self) -> Result<Self, PathFault> {
        if base.is_root() || self.is_root() {
            let longer = if base.is_root() { self } else { base };
            return Ok(longer.clone());
        }
        if base.0.len() + 1 + self.0.len() > FILE_PATH {
            return Err(PathFault::TooLong);
        }
        if base.depth() + self.depth() > FILE_DEPTH {
            return Err(PathFault::TooDeep);
        }
        Ok(Self([&base.0, b"/".as_slice(), &self.0].concat().into()))
    }

    /// Whether it is the root itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Its names, the outermost first.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
    }

    /// How many names it has.
    pub fn depth(&self) -> usize {
        self.names().count()
    }

    /// Its last name; none of the root.
    pub fn name(&self) -> Option<&[u8]> {
        self.names().next_back()
    }

    /// The folder that it is in; none of the root.
    pub fn folder(&self) -> Option<Self> {
        let name = self.name()?;
        let folder = self.0.len().saturating_sub(name.len() + 1);
        Some(Self(self.0.get(..folder).unwrap_or_default().into()))
    }

    /// Whether it is in this folder, however deep.
    pub fn is_in(&self, folder: &Self) -> bool {
        match self.0.strip_prefix(&*folder.0) {
            Some(rest) => !rest.is_empty() && (folder.is_root() || rest.starts_with(b"/")),
            None => false,
        }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Judges one name.
fn judge(name: &[u8]) -> Result<(), PathFault> {
    if name.is_empty() {
        return Err(PathFault::EmptyName);
    }
    if matches!(name, b"." | b"..") {
        return Err(PathFault::Dots);
    }
    if name.len() > FILE_NAME {
        return Err(PathFault::NameTooLong);
    }
    if name.starts_with(RESERVED) {
        return Err(PathFault::Reserved);
    }
    if name.contains(&b'/') {
        return Err(PathFault::EmptyName);
    }
    // C1 controls are two bytes in UTF-8; as single bytes they are no text anyway.
    let c1 = |two: &[u8]| matches!(two, [0xc2, 0x80..=0x9f]);
    if name.iter().any(u8::is_ascii_control) || name.windows(2).any(c1) {
        return Err(PathFault::Control);
    }
    Ok(())
}

impl Ord for Below {
    fn cmp(&self, other: &Self) -> Ordering {
        // A slash is less than every byte that a name can have.
        let ranked = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
        self.0.iter().map(ranked).cmp(other.0.iter().map(ranked))
    }
}

impl PartialOrd for Below {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Below {
    type Err = PathFault;

    fn from_str(text: &str) -> Result<Self, PathFault> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for Below {
    /// As text; bytes that are none are shown by their number.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in self.0.utf8_chunks() {
            out.write_str(piece.valid())?;
            for byte in piece.invalid() {
                write!(out, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Below {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Below({self})")
    }
}

impl Serialize for Below {
    /// A string where people read it, which only text can be; else bytes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(&self.0);
        }
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_str(&self.to_string()),
        }
    }
}

impl<'de> Deserialize<'de> for Below {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return deserializer.deserialize_str(Reading);
        }
        deserializer.deserialize_bytes(Reading)
    }
}

/// Reads a path from what a format has.
struct Reading;

impl Visitor<'_> for Reading {
    type Value = Below;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a path below a root")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Below, E> {
        Below::parse(bytes).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Below, E> {
        Below::parse(text.as_bytes()).map_err(E::custom)
    }
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
