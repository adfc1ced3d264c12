//! A trail as somebody may have left it: walked line by line, never believed.

use ordain::audit::{SignedBy, Verifier};

/// Anything at all.
pub fn check(bytes: &[u8]) {
    let verifies = |_: SignedBy<'_>, _: &str, _: &str| true;
    let mut verifier = Verifier::new(None, Some(&verifies), None);
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        verifier.line(&|| number.to_string(), line, true);
    }
    let _ = verifier.finish();
}
