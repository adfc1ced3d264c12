//! The SSH keys that a login is tried with: the one that was named; or those of the agent; or, where
//! no agent has any, the files that ssh looks for.

use super::ask::{self, Wanted};
use super::complain;
use super::display::plain;
use super::home::{self, Login};
use crate::client::{Agent, ClientError, Listed, Signer};
use crate::credential::{PrivateFault, SshPrivate, SshPublic};
use crate::encoding::pem;
use crate::protocol::Code;
use std::collections::VecDeque;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a key's file.
const KEY_FILE: u64 = 64 * 1024;

/// A key that may be tried. A file is opened when its turn comes: somebody may be asked for its
/// passphrase.
pub enum Candidate {
    /// A key that the agent has.
    Agents(Agent, SshPublic),
    /// One of ssh's own files.
    File(PathBuf),
}

impl fmt::Display for Candidate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agents(_, key) => write!(out, "the agent's {}", shown(key)),
            Self::File(path) => write!(out, "{}", path.display()),
        }
    }
}

/// The keys that there are, and what became of them.
#[derive(Default)]
pub struct Keys {
    /// The next ones first.
    pub candidates: VecDeque<Candidate>,
    /// Those that the server has refused.
    pub refused: Vec<String>,
    /// Those that could not be offered, with the reason.
    pub unusable: Vec<String>,
}

impl Keys {
    /// The keys for a login, the one that worked last first. None where a password worked last.
    pub fn of(login: &Login) -> Self {
        let mut keys = Self::default();
        let last = login.last();
        if last.as_deref() == Some("password") {
            return keys;
        }

        if let Some(agent) = Agent::own() {
            let listed = agent.keys().unwrap_or_else(|error| {
                complain(&format!("ordain: {}", plain(&error.text)));
                Listed::default()
            });
            keys.unusable = listed.unusable.iter().map(|why| plain(why)).collect();
            let mut usable = listed.keys;
            usable.sort_by_key(|key| Some(key.fingerprint()) != last);
            let ours = |key| Candidate::Agents(agent.clone(), key);
            keys.candidates = usable.into_iter().map(ours).collect();
        }
        if keys.candidates.is_empty() {
            let mut files = home::ssh_keys();
            files.sort_by_key(|file| public_beside(file) != last);
            keys.candidates = files.into_iter().map(Candidate::File).collect();
        }
        keys
    }

    /// Whether there was any key, usable or not.
    pub const fn were_there(&self) -> bool {
        !self.refused.is_empty() || !self.unusable.is_empty()
    }

    /// What became of the keys, and what helps.
    pub fn told(&self, user: &str, host: &str) -> String {
        let mut parts = Vec::new();
        if !self.refused.is_empty() {
            parts.push(format!("refused were {}", self.refused.join(", ")));
        }
        if !self.unusable.is_empty() {
            parts.push(format!("not offered were {}", self.unusable.join(", ")));
        }
        if !self.candidates.is_empty() {
            let left: Vec<String> = self.candidates.iter().map(ToString::to_string).collect();
            parts.push(format!("not tried were {}", left.join(", ")));
        }
        format!(
            "no SSH key got {user} in at {host}: {}; the one that should has to stand in `ssh_keys` of {user} on the server, and --identity names it here",
            parts.join("; ")
        )
    }
}

/// A key, for people.
fn shown(key: &SshPublic) -> String {
    match key.comment() {
        "" => key.fingerprint(),
        comment => format!("{} ({})", key.fingerprint(), plain(comment)),
    }
}

/// The fingerprint that the public half beside a private key's file has.
fn public_beside(file: &Path) -> Option<String> {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    public_file(Path::new(&name))?
        .ok()
        .map(|key| key.fingerprint())
}

/// The public key that a file holds; nothing where it is no such file.
fn public_file(file: &Path) -> Option<Result<SshPublic, String>> {
    // It may be the private one after all.
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    // What comes out of a pipe is read once, by whoever needs all of it.
    if !file.is_file() {
        return None;
    }
    let opened = std::fs::File::open(file).ok()?;
    opened.take(KEY_FILE).read_to_end(&mut bytes).ok()?;
    let mut lines = pem::lines(&bytes);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#"))?;
    let line = std::str::from_utf8(first).ok()?;
    let kinds = ["ssh-", "ecdsa-", "sk-"];
    let public = kinds.iter().any(|kind| line.starts_with(kind));
    public.then(|| SshPublic::read(line))
}

/// The key that a file is, or names: a private key, or a public one whose private half an agent
/// has.
///
/// # Errors
/// [`Code::Identity`].
pub fn signer_of(file: &Path) -> Result<Signer, ClientError> {
    let fault = |why: &dyn fmt::Display| {
        ClientError::new(Code::Identity, format!("{}: {why}", file.display()))
    };
    if let Some(public) = public_file(file) {
        let key = public.map_err(|why| fault(&format_args!("it {why}")))?;
        let agent = Agent::own().ok_or_else(|| {
            fault(&"it is a public key, and no SSH agent is there to sign (SSH_AUTH_SOCK)")
        })?;
        return Ok(Signer::Agent(agent, key));
    }

    let pem = zeroize::Zeroizing::new(
        crate::sys::read_private(file, KEY_FILE)
            .map_err(|why| ClientError::new(Code::Identity, why.to_string()))?,
    );

    let key = match SshPrivate::read(&pem, None) {
        Err(PrivateFault::Passphrase) => {
            let passphrase = ask::secret(&Wanted::own("ordain", &format!("passphrase of {}", file.display())))
                .map_err(|_| fault(&"it wants its passphrase, and there is no terminal to ask on; ssh-agent can keep it (ssh-add)"))?;
            SshPrivate::read(&pem, Some(&passphrase))
        }

        other => other,
    };
    key.map(|key| Signer::Own(Arc::new(key)))
        .map_err(|why| fault(&why))
}
