//! SSH keys and signatures: a line of `ssh_keys`, a signature of a stranger's, a private key's
//! file.

use ordain::credential::{SshPrivate, SshPublic};
use ordain::encoding::base64;

/// Anything at all.
pub fn check(bytes: &[u8]) {
    let _ = SshPublic::signer("text", &base64(bytes));
    let _ = SshPublic::of_bytes(bytes);
    let _ = SshPrivate::read(bytes, None);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = SshPublic::read(text);
    }
}
