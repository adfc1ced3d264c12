//! Files of private keys: which of the forms it is in, and what a file is that is in none of them.

use super::ssh_container;
use super::ssh_private::{PrivateFault, Signer, SshPrivate, of_kind, unusable};
use crate::encoding::pem;
use crate::secret::Secret;

impl SshPrivate {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`PrivateFault::Passphrase`] when one is needed and none was given.
    pub fn read(file: &[u8], passphrase: Option<&Secret>) -> Result<Self, PrivateFault> {
        let blocks = pem::blocks(file).map_err(unusable)?;
        let private = |block: &&pem::Block<'_>| block.label.ends_with("PRIVATE KEY");
        let Some(block) = blocks.iter().find(private) else {
            return Err(unusable(what_else(file, &blocks)));
        };
        if block.encrypted || block.label == "ENCRYPTED PRIVATE KEY" {
            return Err(unusable(
                "it is encrypted in OpenSSL's way, which is not read here; `ssh-keygen -p -f FILE` writes it anew in OpenSSH's",
            ));
        }

        let bytes = block.bytes();
        let bytes = bytes.ok_or_else(|| unusable("it is damaged: it is not base64"))?;
        match block.label {
            "OPENSSH PRIVATE KEY" => ssh_container::read(&bytes, passphrase),
            "PRIVATE KEY" => Signer::pkcs8(&bytes)?.key(),
            "EC PRIVATE KEY" => Signer::ecdsa(&bytes)?.key(),
            "RSA PRIVATE KEY" => Signer::rsa(&bytes)?.key(),
            "DSA PRIVATE KEY" => Err(of_kind("DSA")),
            other => Err(unusable(format!(
                "it holds \"{}\", which is not known here; OpenSSH's format is, PKCS#8, SEC1 and PKCS#1",
                other.escape_debug()
            ))),
        }
    }
}

/// What a file is that holds no private key.
fn what_else(file: &[u8], blocks: &[pem::Block<'_>]) -> String {
    let first = pem::lines(file).find(|line| !line.is_empty());
    let first = first.unwrap_or_default();
    let begins = |text: &str| first.starts_with(text.as_bytes());
    let public = ["ssh-", "ecdsa-", "sk-", "---- BEGIN SSH2 PUBLIC KEY"];
    if first.is_empty() {
        return "it is empty".into();
    }
    if pem::is_utf16(file) {
        return "it is UTF-16 text; save it as plain text (UTF-8)".into();
    }
    if begins("PuTTY-User-Key-File-") {
        return "it is in PuTTY's format; `puttygen FILE -O private-openssh -o NEW` writes it in OpenSSH's".into();
    }
    if begins("SSH PRIVATE KEY FILE FORMAT 1.") {
        return "it is a key of SSH's first protocol; `ssh-keygen -t ed25519` makes a new one"
            .into();
    }
    if begins("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY") {
        return "it is in the format of ssh.com; `ssh-keygen -i -f FILE` writes it in OpenSSH's"
            .into();
    }
    if public.iter().any(|text| begins(text))
        || blocks
            .iter()
            .any(|block| block.label.ends_with("PUBLIC KEY"))
    {
        return "it is a public key, which cannot sign; name the file of the private one".into();
    }
    match blocks.first() {
        Some(block) => format!(
            "it holds no private key, but \"{}\"",
            block.label.escape_debug()
        ),
        None => "it holds no private key (-----BEGIN OPENSSH PRIVATE KEY-----)".into(),
    }
}

#[cfg(test)]
#[path = "ssh_file_tests.rs"]
mod tests;
