//! A real ssh-agent.

use super::wait;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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
