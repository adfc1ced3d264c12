//! A trail as somebody may have left it: walked line by line, never believed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ordain::audit::Verifier;

fuzz_target!(|bytes: &[u8]| {
    let verifies = |_: &str, _: &str, _: &str, _: bool| true;
    let mut verifier = Verifier::new(None, Some(&verifies), None);
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        verifier.line(&|| number.to_string(), line, true);
    }
    let _ = verifier.finish();
});
