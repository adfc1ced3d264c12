//! SSH keys and signatures: a line of `ssh_keys`, a signature of a stranger's and where it says to
//! stand among many, a private key's file.

use ordain::credential::{SshPrivate, SshPublic, Statement};
use ordain::encoding::base64;
use ordain::protocol::Gathered;

/// Anything at all.
pub fn check(bytes: &[u8]) {
    let _ = SshPublic::signer("text", &base64(bytes));
    // Where a login stands among many, in the stranger's words.
    if let Some((numbers, path)) = bytes.split_at_checked(4) {
        let (index, count) = numbers.split_at(2);
        let number = |of: &[u8]| of.iter().fold(0, |all, byte| all << 8 | u32::from(*byte));
        let place = Gathered {
            index: number(index),
            count: number(count),
            path: base64(path),
        };
        let _ = Statement::with("text", Some(&place));
        let path = String::from_utf8_lossy(path).into_owned();
        let _ = Statement::with("text", Some(&Gathered { path, ..place }));
    }
    let _ = SshPublic::of_bytes(bytes);
    let _ = SshPrivate::read(bytes, None);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = SshPublic::read(text);
    }
}
