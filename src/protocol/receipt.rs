//! The text that the trail's key signs of a transfer, so that a client knows what was moved by the word
//! of the process that keeps the trail, and not by that of the network's.

use crate::ids::{RequestId, RunId};
use std::fmt;

/// What a receipt's signature begins with.
pub const RECEIPT_CONTEXT: &[u8] = b"ordain/1 receipt\0";

/// What a receipt is about. Its text is what is signed behind the context: the fields in their order
/// with a space between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptText<'r> {
    /// The id of the request, as its client chose it.
    pub request: RequestId,
    /// The id of the run.
    pub run: RunId,
    /// How the run ended, a word of [`crate::exit::Reason`].
    pub reason: &'r str,
    /// The exit status or the signal; `-` stands where there is none.
    pub number: Option<u8>,
    /// The digest of the manifest, in hexadecimal digits.
    pub digest: &'r str,
    /// The entries of the manifest.
    pub files: u64,
    /// The bytes of the files.
    pub bytes: u64,
}

impl ReceiptText<'_> {
    /// The bytes that are signed.
    pub fn message(&self) -> Vec<u8> {
        [RECEIPT_CONTEXT, self.to_string().as_bytes()].concat()
    }
}

impl fmt::Display for ReceiptText<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            request,
            run,
            reason,
            digest,
            files,
            bytes,
            ..
        } = self;
        let number = self.number.map_or("-".into(), |number| number.to_string());
        write!(
            out,
            "{request} {run} {reason} {number} {digest} {files} {bytes}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_the_text_that_the_protocol_shows() {
        let text = ReceiptText {
            request: RequestId::from_random([1; 20]),
            run: RunId::from_random([2; 10]),
            reason: "exit",
            number: Some(0),
            digest: "ab",
            files: 3,
            bytes: 4,
        };
        let (request, run) = (text.request, text.run);
        assert_eq!(text.to_string(), format!("{request} {run} exit 0 ab 3 4"));
        assert!(text.message().starts_with(b"ordain/1 receipt\0"));
        let ended = ReceiptText {
            reason: "timeout",
            number: None,
            ..text
        };
        assert_eq!(
            ended.to_string(),
            format!("{request} {run} timeout - ab 3 4")
        );
    }
}
