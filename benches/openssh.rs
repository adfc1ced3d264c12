//! OpenSSH beside ours, in the same run and with the programs that people use: a cold run by the
//! same SSH key, and a GiB each way. What counts are the ratios.
//!
//! `cargo bench --bench openssh`. Needs sshd and root, which alone may start one for itself; it
//! serves a port of loopback for as long as the bench takes, with a host key and a user's key of
//! its own.

mod common;

use common::{Cmd, Daemon, described, is_root, median, timed};
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The fastest that both sides of OpenSSH offer.
const FASTEST: &str = "aes128-gcm@openssh.com";
const GIB: f64 = (1u64 << 30) as f64;

fn main() {
    if !is_root() || !Path::new("/usr/sbin/sshd").exists() {
        println!("openssh: sshd and root are needed");
        return;
    }

    let folder = tempfile::tempdir().unwrap();
    let sshd = Sshd::start(folder.path());
    let key = std::fs::read_to_string(folder.path().join("key.pub")).unwrap();
    let daemon = Daemon::start(
        described()
            .command(Cmd::new("true", &["/bin/true"]))
            .command(Cmd::new(
                "source",
                &["/usr/bin/head", "-c", "1073741824", "/dev/zero"],
            ))
            .command(Cmd::sh("sink", "exec cat >/dev/null", &[]).stdin())
            .role("all", &["*"])
            .user_with(
                "alice",
                &["all"],
                &format!("ssh_keys = [\"{}\"]", key.trim()),
            ),
    );
    let ours = |command: &str| {
        let mut client = daemon.bare();
        client
            .arg("--identity")
            .arg(folder.path().join("key"))
            .args(["run", "t", command]);
        client
    };

    cold(|| ours("true"), || sshd.client(None, "true"));
    let zeros = folder.path().join("zeros");
    File::create(&zeros).unwrap().set_len(1 << 30).unwrap();
    for (what, cipher) in [
        ("its default cipher", None),
        ("its fastest cipher", Some(FASTEST)),
    ] {
        let source = || sshd.client(cipher, "head -c 1073741824 /dev/zero");
        bulk(
            &format!("out, beside OpenSSH with {what}"),
            || ours("source"),
            source,
            None,
        );

        bulk(
            &format!("in, beside OpenSSH with {what}"),
            || ours("sink"),
            || sshd.client(cipher, "cat >/dev/null"),
            Some(&zeros),
        );
    }
}

/// Connect, log in by key, run `true`, be gone.
fn cold(ours: impl Fn() -> Command, theirs: impl Fn() -> Command) {
    let (mut one, mut other, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..21 {
        let (mine, its) = (
            timed(ours().stdin(Stdio::null())),
            timed(theirs().stdin(Stdio::null())),
        );

        one.push(mine);
        other.push(its);
        ratio.push(its / mine);
    }

    println!(
        "cold run by SSH key: {:.1} ms beside {:.1} ms of ssh: {:.1} times as fast",
        median(one),
        median(other),
        median(ratio)
    );
}

fn bulk(
    what: &str,
    ours: impl Fn() -> Command,
    theirs: impl Fn() -> Command,
    input: Option<&Path>,
) {
    let (mut one, mut other, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let input = || input.map_or_else(Stdio::null, |path| File::open(path).unwrap().into());
        let (mine, its) = (
            GIB / timed(ours().stdin(input())) / 1e3,
            GIB / timed(theirs().stdin(input())) / 1e3,
        );
        one.push(mine);
        other.push(its);
        ratio.push(mine / its);
    }
    println!(
        "1 GiB {what}: {:.0} MB/s beside {:.0} MB/s: {:.1}",
        median(one),
        median(other),
        median(ratio)
    );
}

/// An sshd of our own.
struct Sshd {
    child: Child,
    port: u16,
    folder: std::path::PathBuf,
}

impl Sshd {
    fn start(folder: &Path) -> Self {
        for name in ["host", "key"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(folder.join(name))
                .status();
            assert!(
                made.is_ok_and(|status| status.success()),
                "ssh-keygen (OpenSSH) is needed"
            );
        }

        std::fs::copy(folder.join("key.pub"), folder.join("authorized")).unwrap();
        std::fs::set_permissions(folder.join("authorized"), PermissionsExt::from_mode(0o600))
            .unwrap();
        // Where it gives its privileges up to; a system that has never started sshd has none.
        std::fs::create_dir_all("/run/sshd").unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized\nPidFile none\nUsePAM no\nPermitRootLogin yes\nStrictModes no\nPrintMotd no\n",
            folder.display()
        );

        std::fs::write(folder.join("sshd_config"), config).unwrap();
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-q", "-f"])
            .arg(folder.join("sshd_config"))
            .spawn()
            .unwrap();
        let server = Self {
            child,
            port,
            folder: folder.into(),
        };

        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "sshd does not listen");
            std::thread::yield_now();
        }

        server
    }

    fn client(&self, cipher: Option<&str>, command: &str) -> Command {
        let mut client = Command::new("ssh");
        client.args([
            "-q",
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "IdentitiesOnly=yes",
        ]);
        client
            .arg("-i")
            .arg(self.folder.join("key"))
            .arg("-p")
            .arg(self.port.to_string());
        if let Some(cipher) = cipher {
            client.args(["-c", cipher]);
        }
        client
            .args(["root@127.0.0.1", command])
            .env_remove("SSH_AUTH_SOCK");
        client
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
