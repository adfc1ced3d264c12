//! What begins sessions, or takes them up again, without another proof.

use crate::credential::SessionKey;
use crate::ids::SessionId;
use std::sync::Arc;

/// A login that is kept: its id and its key.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The id of the kept login.
    pub id: SessionId,
    /// The session key that begins its sessions.
    pub key: Arc<SessionKey>,
}
