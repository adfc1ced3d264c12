//! The text that a login signs: it names the session key, and binds it to this server and this
//! connection.

use super::VERSION;
use serde::{Deserialize, Serialize};

/// What a login's signature begins with.
pub const LOGIN_CONTEXT: &[u8] = b"ordain/1 login\0";
/// What the hash begins with that is a session's id.
pub const SESSION_CONTEXT: &[u8] = b"ordain/1 session\0";

/// The namespace of signatures by SSH keys (SSHSIG): what is signed for another is worth nothing
/// here.
pub const SSH_NAMESPACE: &str = "ordain";

/// What an SSH key's signature of many logins begins with.
pub const LOGINS_CONTEXT: &[u8] = b"ordain/1 logins\0";
/// The namespace of such signatures: what is signed for one login is worth nothing for many, and the
/// other way round.
pub const LOGINS_NAMESPACE: &str = "ordain-logins";

/// How a login is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// A password, which goes beside the text.
    Password,
    /// A signature over the text by an SSH key, which goes beside it.
    SshKey,
    /// The session's own key: a session whose link was lost is taken up again.
    Session,
    /// The key of a login that was kept: a new session begins.
    Kept,
}

impl Method {
    /// The method's word on the wire and in the trail.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SshKey => "ssh-key",
            Self::Session => "session",
            Self::Kept => "kept",
        }
    }
}

/// The text that a login signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginText {
    /// The protocol's version, 1.
    pub version: u32,
    /// Who logs in.
    pub user: String,
    /// How the login is proved.
    pub method: Method,
    /// With `session` and `kept`: the id of the session or the kept login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The session's Ed25519 public key, 32 bytes, base64.
    pub session_key: String,
    /// SHA-256 of the server's public key (SubjectPublicKeyInfo), base64, as the client saw it.
    pub server_key: String,
    /// The TLS exporter, 32 bytes, base64. A client whose TLS library has none leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exporter: Option<String>,
    /// The nonce of the server's HELLO.
    pub nonce: String,
    /// Whether this key is to begin sessions later too, without the password or the SSH key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
}

/// Reads a login's text.
///
/// # Errors
/// What is wrong with it.
pub fn read_login(text: &str) -> Result<LoginText, String> {
    let login: LoginText = super::read(text.as_bytes())?;
    if login.version != VERSION {
        return Err(format!("version {} is not spoken here", login.version));
    }
    Ok(login)
}
