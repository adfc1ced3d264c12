//! What makes an SSH key's signature: an agent behind SSH_AUTH_SOCK, or a private key out of a
//! file.
//!
//! Of the agent protocol (draft-ietf-sshm-ssh-agent) two questions are asked: which keys there are,
//! and to sign something. The agent may be slow, because somebody has to touch a key, but not for
//! ever; what it answers is bounded and checked.

use super::ClientError;
use crate::credential::{Gathering, SshPrivate, SshPublic, Statement};
use crate::limits::{AGENT, AGENT_ANSWER, GATHERED};
use crate::protocol::{Code, Gathered};
use ssh_encoding::{Decode, Encode, Reader};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// Asks for RSA with SHA-512; without it an agent signs with SHA-1, which nobody takes.
const RSA_SHA2_512: u32 = 4;
/// How long an agent may take to say which keys it has; nobody is asked for that.
const LIST: Duration = Duration::from_secs(5);

/// An agent's socket.
#[derive(Debug, Clone)]
pub struct Agent(PathBuf);

/// The keys that an agent has.
#[derive(Debug, Default)]
pub struct Listed {
    /// Those that ordain accepts.
    pub keys: Vec<SshPublic>,
    /// The others: each one's name, and why it cannot be used.
    pub unusable: Vec<String>,
}

impl Agent {
    /// The agent at this socket.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The agent that SSH_AUTH_SOCK names.
    pub fn own() -> Option<Self> {
        std::env::var_os("SSH_AUTH_SOCK")
            .filter(|path| !path.is_empty())
            .map(|path| Self(path.into()))
    }

    /// The keys that the agent has.
    ///
    /// # Errors
    /// [`Code::Identity`].
    pub fn keys(&self) -> Result<Listed, ClientError> {
        let answer = self
            .ask(&[REQUEST_IDENTITIES], LIST)
            .map_err(|fault| self.failed(&fault))?;
        let wrong = || self.failed(&"its list of keys cannot be read");
        let (kind, mut rest) = answer.split_first().ok_or_else(wrong)?;
        if *kind != IDENTITIES_ANSWER {
            return Err(self.failed(&"it gives no list of keys"));
        }
        let count = u32::decode(&mut rest).map_err(|_| wrong())?;
        let mut listed = Listed::default();
        for _ in 0..count.min(4096) {
            let key = Vec::<u8>::decode(&mut rest).map_err(|_| wrong())?;
            let comment = Vec::<u8>::decode(&mut rest).map_err(|_| wrong())?;
            let comment = String::from_utf8_lossy(&comment);
            match SshPublic::of_bytes(&key) {
                Ok(key) => listed.keys.push(key.called(&comment)),
                Err(why) => listed
                    .unusable
                    .push(format!("the agent's \"{}\": {why}", comment.escape_debug())),
            }
        }

        Ok(listed)
    }

    fn sign(&self, key: &SshPublic, data: &[u8]) -> Result<Vec<u8>, ClientError> {
        let mut question = vec![SIGN_REQUEST];
        for part in [key.bytes().as_slice(), data] {
            part.encode(&mut question)
                .map_err(|fault| self.failed(&fault))?;
        }

        let flags = if key.is_rsa() { RSA_SHA2_512 } else { 0 };
        question.extend(flags.to_be_bytes());
        let answer = self
            .ask(&question, AGENT)
            .map_err(|fault| self.failed(&fault))?;
        match answer.split_first() {
            Some((&SIGN_RESPONSE, mut rest)) => {
                let raw = Vec::<u8>::decode(&mut rest)
                    .map_err(|_| self.failed(&"its signature cannot be read"))?;
                if rest.is_finished() {
                    Ok(raw)
                } else {
                    Err(self.failed(&"its signature has something behind it"))
                }
            }

            _ => Err(self.failed(&format_args!(
                "it did not sign with {} (locked, or nobody agreed?)",
                key.fingerprint()
            ))),
        }
    }

    /// One question, one answer, within this time in all.
    fn ask(&self, question: &[u8], time: Duration) -> io::Result<Vec<u8>> {
        let until = Instant::now() + time;
        let late = || io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time");
        let left = || {
            until
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
                .ok_or_else(late)
        };

        let mut socket = UnixStream::connect(&self.0)?;
        socket.set_write_timeout(Some(left()?))?;
        let length = u32::try_from(question.len()).map_err(io::Error::other)?;
        socket.write_all(&[&length.to_be_bytes(), question].concat())?;
        let mut read = |mut into: &mut [u8]| -> io::Result<()> {
            while !into.is_empty() {
                socket.set_read_timeout(Some(left()?))?;
                match socket.read(into) {
                    Ok(0) => {
                        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up"));
                    }
                    Ok(count) => into = into.get_mut(count..).unwrap_or_default(),
                    Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                    Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return Err(late()),
                    Err(fault) => return Err(fault),
                }
            }

            Ok(())
        };

        let mut length = [0; 4];
        read(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length == 0 || length > AGENT_ANSWER {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it announces {length} bytes"),
            ));
        }

        let mut answer = vec![0; length];
        read(&mut answer)?;
        Ok(answer)
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> ClientError {
        ClientError::new(
            Code::Identity,
            format!("the SSH agent at {}: {why}", self.0.display()),
        )
    }
}

/// A key that can sign.
#[derive(Debug, Clone)]
pub enum Signer {
    /// A key that an agent has, which signs with it.
    Agent(Agent, SshPublic),
    /// A private key that we sign with ourselves.
    Own(Arc<SshPrivate>),
}

impl Signer {
    /// The key's public half.
    pub fn public(&self) -> &SshPublic {
        match self {
            Self::Agent(_, key) => key,
            Self::Own(key) => key.public(),
        }
    }

    /// The SSHSIG over a login's text, base64. Blocks while somebody looks for the key to touch.
    ///
    /// # Errors
    /// [`Code::Identity`]: no signature, or one that is not this key's over this text.
    pub fn sign(&self, text: &str) -> Result<String, ClientError> {
        self.says(&Statement::login(text))
    }

    /// One signature for the logins of all these texts: what each of them has of it, in their order.
    /// One alone has a signature as [`Self::sign`] makes it. Blocks as that does.
    ///
    /// # Errors
    /// What [`Self::sign`] says; and that there are more than one signature may be for.
    pub fn sign_all(&self, texts: &[String]) -> Result<Vec<KeySignature>, ClientError> {
        if let [text] = texts {
            let alone = |signature| {
                vec![KeySignature {
                    signature,
                    gathered: None,
                }]
            };
            return self.sign(text).map(alone);
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let all = Gathering::of(&texts).ok_or_else(|| {
            let text = format!("one signature is for 2 to {GATHERED} logins");
            ClientError::new(Code::Identity, text)
        })?;
        let signature = self.says(&Statement::logins(&all))?;
        let each = |index| KeySignature {
            signature: signature.clone(),
            gathered: all.place(index),
        };
        Ok((0..texts.len()).map(each).collect())
    }

    fn says(&self, what: &Statement) -> Result<String, ClientError> {
        let fault = |why: String| ClientError::new(Code::Identity, why);
        let data = what.to_sign().map_err(fault)?;
        let raw = match self {
            Self::Agent(agent, key) => agent.sign(key, &data)?,
            Self::Own(key) => key.sign(&data).map_err(fault)?,
        };

        let signature = what.blob(self.public(), &raw);

        // What an agent signs is looked at before it goes anywhere.
        match SshPublic::says(what, &signature) {
            Ok(signer) if signer.is(self.public()) => Ok(signature),
            Ok(_) => Err(fault("the SSH agent has signed with another key".into())),
            Err(why) => Err(fault(format!("the SSH agent gave {why}"))),
        }
    }
}

/// An SSH key's signature, as a login brings it.
#[derive(Debug, Clone)]
pub struct KeySignature {
    /// The SSHSIG, base64.
    pub signature: String,
    /// Where the login stands among those that share it; nothing where it is this login's own.
    pub gathered: Option<Gathered>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn an_agent_that_hangs_or_dribbles_is_given_up_in_time() {
        let folder = tempfile::tempdir().unwrap();
        for dribbles in [false, true] {
            let path = folder.path().join(format!("agent-{dribbles}"));
            let listener = UnixListener::bind(&path).unwrap();
            let agent = std::thread::spawn(move || {
                let (mut socket, _) = listener.accept().unwrap();
                if dribbles {
                    // A long answer, a byte at a time: each comes soon, all of them never.
                    let _ = socket.write_all(&60_000u32.to_be_bytes());
                    while socket.write_all(&[0]).is_ok() {
                        std::thread::park_timeout(Duration::from_millis(5));
                    }
                } else {
                    // Until the other side hangs up.
                    let _ = socket.read_to_end(&mut Vec::new());
                }
            });

            let fault = Agent::at(&path)
                .ask(&[REQUEST_IDENTITIES], Duration::from_millis(200))
                .unwrap_err();
            assert_eq!(fault.kind(), io::ErrorKind::TimedOut, "{fault}");
            agent.join().unwrap();
        }
    }
}
