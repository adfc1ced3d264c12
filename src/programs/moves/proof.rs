//! What was moved, by the word of the process that keeps the server's trail: its key signs it, and the key
//! is the one that this server has shown first.

use crate::audit::TrailPublic;
use crate::client::{ClientError, Session};
use crate::encoding::hex;
use crate::files::Sum;
use crate::ids::{RequestId, RunId};
use crate::programs::home::Login;
use crate::protocol::{Code, Ended, ReceiptText};
use crate::verb::Files;

/// What a receipt must be about, and who must have signed it.
pub struct Proof {
    key: TrailPublic,
    request: RequestId,
    run: RunId,
}

/// The key of the server's trail: the one that is known here, or that it shows now, and which is known
/// from then on.
///
/// # Errors
/// That the server does not show one, or that what is known here cannot be read.
pub async fn key(session: &Session, login: &Login) -> Result<TrailPublic, ClientError> {
    if let Some(text) = login.trail_key() {
        return text.parse().map_err(|_| {
            let text = "the key of the server's trail that was kept here cannot be read";
            ClientError::new(Code::Usage, text)
        });
    }
    let shown = session.ask(&Files {}).await?.trail_key;
    let key = shown.parse().map_err(|_| {
        ClientError::new(Code::Protocol, "the server shows a trail key that is none")
    })?;
    login.note_trail_key(&shown);
    Ok(key)
}

impl Proof {
    /// What is due of the run that this request has begun.
    pub const fn due(key: TrailPublic, request: RequestId, run: RunId) -> Self {
        Self { key, request, run }
    }

    /// Judges whether a receipt says that exactly this was moved.
    ///
    /// # Errors
    /// That it does not: somebody between has changed something.
    pub fn holds(&self, ended: &Ended, sum: &Sum) -> Result<(), ClientError> {
        let broken = |text: &str| Err(ClientError::new(Code::Protocol, text));
        let digest = hex(&sum.digest);
        let said = (ended.digest.as_deref(), ended.files, ended.bytes);
        if said != (Some(digest.as_str()), Some(sum.files), Some(sum.bytes)) {
            return broken("what was moved is not what the server's monitor says");
        }
        let text = ReceiptText {
            request: self.request,
            run: self.run,
            reason: &ended.reason,
            number: ended.number,
            digest: &digest,
            files: sum.files,
            bytes: sum.bytes,
        };
        let receipt = ended.receipt.as_deref().unwrap_or_default();
        if !self.key.verifies_receipt(&text, receipt) {
            return broken(
                "the receipt is not signed by the key that this server's trail had when it was met first (`ordaind audit key` there shows which it has)",
            );
        }
        Ok(())
    }
}
