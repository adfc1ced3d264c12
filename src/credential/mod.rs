//! What proves an identity: password hashes, session keys, SSH keys, one-time codes; and random
//! bytes.

mod gathered;
mod password;
mod session;
mod ssh;
mod ssh_container;
mod ssh_file;
mod ssh_private;
mod ssh_signed;
pub mod totp;

pub use gathered::Gathering;
pub use password::{COST, Cost, Hash, forget_memory, hash_password};
pub use session::{Purpose, SessionKey, SessionPublic, session_id};
pub use ssh::SshPublic;
pub use ssh_private::{PrivateFault, SshPrivate};
pub use ssh_signed::{Statement, blob, to_sign};

use serde::{Deserialize, Serialize};

/// Random bytes of the kernel's generator.
///
/// # Panics
/// Never in practice: aws-lc aborts rather than give weak bytes, and reports no other failure.
#[expect(
    clippy::expect_used,
    reason = "without random bytes nothing here may go on"
)]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the kernel has random bytes");
    bytes
}

/// The SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    out
}

/// SHA-256 of bytes that come in pieces.
#[derive(Clone)]
pub struct Sha256(aws_lc_rs::digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256))
    }
}

impl Sha256 {
    /// More of them.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// That of all of them.
    pub fn end(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}

/// What proves that somebody is a user.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// The hash of the user's password.
    pub password: Option<Hash>,
    /// The user's SSH keys.
    pub keys: Vec<SshPublic>,
    /// Whether a one-time code is wanted besides, whatever the state folder says.
    pub totp: bool,
}

/// What a login was proved by. What it began ends when that is taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Factor {
    /// A password, by its hash's mark.
    Password([u8; 32]),
    /// An SSH key, by its fingerprint.
    Key(String),
}

impl Factor {
    /// What people and the trail are told, which says nothing of a password.
    pub fn shown(&self) -> &str {
        match self {
            Self::Password(_) => "password",
            Self::Key(fingerprint) => fingerprint,
        }
    }
}

impl Credentials {
    /// Whether these credentials still prove what the factor has proved.
    pub fn holds(&self, factor: &Factor) -> bool {
        match factor {
            Factor::Password(mark) => self
                .password
                .as_ref()
                .is_some_and(|hash| hash.mark() == *mark),
            Factor::Key(fingerprint) => self
                .keys
                .iter()
                .any(|key| key.fingerprint() == *fingerprint),
        }
    }
}
