//! SSH keys and signatures: a line of `ssh_keys`, a signature of a stranger's, a private key's
//! file.

#![no_main]

#[path = "../bodies/ssh.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|given: &[u8]| body::check(given));
