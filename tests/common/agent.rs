//! A real ssh-agent, and one with a key that counts how often it is touched.

use super::wait;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use ordain::encoding::base64;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A real ssh-agent with keys in it; ended when dropped.
pub struct RealAgent {
    child: Child,
    pub socket: PathBuf,
}

impl RealAgent {
    pub fn with<P: AsRef<OsStr>>(folder: &Path, keys: &[P]) -> Self {
        let socket = folder.join("agent");
        let child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait("the agent's socket", || socket.exists());
        for key in keys {
            let added = Command::new("ssh-add")
                .arg("-q")
                .arg(key)
                .env("SSH_AUTH_SOCK", &socket)
                .status();
            assert!(added.unwrap().success());
        }
        Self { child, socket }
    }
}

impl Drop for RealAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const KIND: &[u8] = b"sk-ssh-ed25519@openssh.com";

fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [length.as_slice(), bytes].concat()
}

/// An agent with one FIDO key, which is touched for each signature. It answers as long as the test
/// lives.
pub struct TouchedAgent {
    pub socket: PathBuf,
    /// The key as it stands in `ssh_keys`.
    pub line: String,
    touched: Arc<AtomicUsize>,
}

impl TouchedAgent {
    pub fn begin(folder: &Path) -> Self {
        let socket = folder.join("touched");
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let public = pair.public_key().as_ref().to_vec();
        let key = [string(KIND), string(&public), string(b"ssh:")].concat();
        let line = format!("{} {}", String::from_utf8_lossy(KIND), base64(&key));
        let (listener, touched) = (UnixListener::bind(&socket).unwrap(), Arc::default());
        let counted = Arc::clone(&touched);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let answer = answer(&pair, &key, &question(&mut stream), &counted);
                let _ = stream.write_all(&string(&answer));
            }
        });
        Self {
            socket,
            line,
            touched,
        }
    }

    /// How often the key was touched.
    pub fn touched(&self) -> usize {
        self.touched.load(Ordering::SeqCst)
    }
}

fn question(stream: &mut UnixStream) -> Vec<u8> {
    let mut length = [0; 4];
    let _ = stream.read_exact(&mut length);
    let mut question = vec![0; u32::from_be_bytes(length) as usize];
    let _ = stream.read_exact(&mut question);
    question
}

/// The list of keys, or a signature as a FIDO key makes it.
fn answer(pair: &Ed25519KeyPair, key: &[u8], question: &[u8], touched: &AtomicUsize) -> Vec<u8> {
    if question.first() == Some(&11) {
        return [
            &[12, 0, 0, 0, 1],
            string(key).as_slice(),
            &string(b"touched"),
        ]
        .concat();
    }
    let rest = &question[1 + string(key).len()..];
    let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
    let data = &rest[4..4 + length];
    let count = touched.fetch_add(1, Ordering::SeqCst) + 1;
    let trailer = [&[1], u32::try_from(count).unwrap().to_be_bytes().as_slice()].concat();
    let signed = [
        digest(&SHA256, b"ssh:").as_ref(),
        &trailer,
        digest(&SHA256, data).as_ref(),
    ]
    .concat();
    let signature = [
        string(KIND),
        string(pair.sign(&signed).as_ref()),
        trailer.clone(),
    ]
    .concat();
    [&[14], string(&signature).as_slice()].concat()
}
