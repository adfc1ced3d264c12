//! Permission bits, of which only those of owner, group and others travel.

use serde::{Deserialize, Serialize};

/// The nine permission bits. The bits that lend rights to whoever runs a file (set-user-id,
/// set-group-id) and the sticky bit cannot be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Mode(u16);

/// All that can be said.
const ALL: u16 = 0o777;

impl Mode {
    /// These bits; `None` where there are others among them.
    pub const fn new(bits: u32) -> Option<Self> {
        if bits > ALL as u32 {
            return None;
        }
        Some(Self(bits as u16))
    }

    /// What can be said of the mode of a file.
    pub const fn of_file(bits: u32) -> Self {
        Self(bits as u16 & ALL)
    }

    /// What of these bits a mask lets through.
    #[must_use]
    pub const fn within(self, mask: Self) -> Self {
        Self(self.0 & mask.0)
    }

    /// These and others.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits, as a call to the system wants them.
    pub const fn bits(self) -> u32 {
        self.0 as u32
    }
}

impl From<Mode> for u16 {
    fn from(mode: Mode) -> Self {
        mode.0
    }
}

impl TryFrom<u16> for Mode {
    type Error = &'static str;

    fn try_from(bits: u16) -> Result<Self, Self::Error> {
        Self::new(u32::from(bits)).ok_or("a mode has nine permission bits and no others")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_that_lend_rights_cannot_be_said() {
        assert_eq!(Mode::new(0o4755), None);
        assert_eq!(Mode::of_file(0o106_755).bits(), 0o755);
        assert!(
            postcard::from_bytes::<Mode>(&postcard::to_allocvec(&0o2644_u16).unwrap()).is_err()
        );
        let mode = Mode::new(0o755).unwrap().within(Mode::new(0o644).unwrap());
        assert_eq!(mode.bits(), 0o644);
    }
}
