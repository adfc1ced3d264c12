//! What a transfer consists of, entry by entry, and the one digest that stands for all of it.

use super::mode::Mode;
use super::path::Below;
use super::word::Sum;
use serde::{Deserialize, Serialize};

/// One file, folder or link of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it is, from what the transfer is about on.
    pub path: Below,
    /// Its permission bits.
    pub mode: Mode,
    /// When its content was changed, in nanoseconds since 1970.
    pub time: i64,
    /// What it is.
    pub what: What,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A folder.
    Folder,
    /// A file.
    File {
        /// Its bytes, holes among them.
        size: u64,
        /// The BLAKE3 digest of its content; nothing where it was not read.
        digest: Option<[u8; 32]>,
    },
    /// A symbolic link.
    Link {
        /// Where it leads, as it says.
        target: Target,
    },
}

/// Where a symbolic link leads: out of no folder but upwards first, and then downwards. So it leads to
/// somewhere inside as long as it does not lead further up than the transfer begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u16, Below)", into = "(u16, Below)")]
pub struct Target {
    up: u16,
    down: Below,
}

impl From<Target> for (u16, Below) {
    fn from(target: Target) -> Self {
        (target.up, target.down)
    }
}

impl TryFrom<(u16, Below)> for Target {
    type Error = &'static str;

    fn try_from((up, down): (u16, Below)) -> Result<Self, Self::Error> {
        if up == 0 && down.is_root() {
            return Err("a link leads somewhere");
        }
        Ok(Self { up, down })
    }
}

impl Target {
    /// Reads where a link leads; `None` where that is not inside of what the transfer is about, for a
    /// link that is at this path.
    pub fn inside(text: &[u8], link: &Below) -> Option<Self> {
        let mut rest = text;
        let mut up = 0_u16;
        loop {
            rest = match rest {
                [b'.', b'.'] => &[],
                [b'.', b'.', b'/', rest @ ..] if !rest.is_empty() => rest,
                _ => break,
            };
            up = up.checked_add(1)?;
        }
        let target = Self::try_from((up, Below::parse(rest).ok()?)).ok()?;
        target.fits(link).then_some(target)
    }

    /// Whether a link at this path leads to somewhere inside.
    pub fn fits(&self, link: &Below) -> bool {
        usize::from(self.up) < link.depth().max(1) && !link.is_root()
    }

    /// As the link says it.
    pub fn text(&self) -> Vec<u8> {
        let mut names: Vec<&[u8]> = vec![b".."; usize::from(self.up)];
        names.extend(self.down.names());
        names.join(&b'/')
    }
}

/// What makes this digest differ from that of any other thing.
const CONTEXT: &str = "ordain 2026-11 manifest of files";

/// The entries of a transfer so far, each behind the one before it, as a digest and counts.
#[derive(Debug, Clone)]
pub struct Manifest {
    hasher: blake3::Hasher,
    files: u64,
    bytes: u64,
    last: Option<Below>,
}

/// An entry that does not come behind the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfOrder;

impl Default for Manifest {
    fn default() -> Self {
        Self {
            hasher: blake3::Hasher::new_derive_key(CONTEXT),
            files: 0,
            bytes: 0,
            last: None,
        }
    }
}

impl Manifest {
    /// Adds an entry, which must come behind all others in the order of paths.
    ///
    /// # Errors
    /// That it does not.
    pub fn add(&mut self, entry: &Entry) -> Result<(), OutOfOrder> {
        if self.last.as_ref().is_some_and(|last| *last >= entry.path) {
            return Err(OutOfOrder);
        }
        // Of the types that an entry consists of, postcard can fail on none.
        let bytes = postcard::to_allocvec(entry).map_err(|_| OutOfOrder)?;
        self.hasher.update(&bytes);
        self.files = self.files.saturating_add(1);
        if let What::File { size, .. } = entry.what {
            self.bytes = self.bytes.saturating_add(size);
        }
        self.last = Some(entry.path.clone());
        Ok(())
    }

    /// What it comes to.
    pub fn sum(&self) -> Sum {
        Sum {
            digest: *self.hasher.finalize().as_bytes(),
            files: self.files,
            bytes: self.bytes,
        }
    }
}

/// The digest of a list of paths in the order in which they are said: what a removal may remove.
#[derive(Debug, Clone)]
pub struct Names {
    hasher: blake3::Hasher,
    count: u64,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            hasher: blake3::Hasher::new_derive_key("ordain 2026-11 names of files"),
            count: 0,
        }
    }
}

impl Names {
    /// Adds a path.
    pub fn add(&mut self, path: &Below) {
        self.hasher.update(path.as_bytes());
        // No path has this byte.
        self.hasher.update(&[0]);
        self.count = self.count.saturating_add(1);
    }

    /// The digest, and how many there are.
    pub fn sum(&self) -> Sum {
        Sum {
            digest: *self.hasher.finalize().as_bytes(),
            files: self.count,
            bytes: 0,
        }
    }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
