//! How an output differs from that of most hosts.

use similar::TextDiff;
use std::time::Duration;

/// Bytes of an output that is compared line by line; a longer one is told whole.
pub const LONGEST: usize = 1 << 20;
/// How long looking for the shortest difference may take; after that a longer one will do.
const PATIENCE: Duration = Duration::from_millis(500);

/// The lines that differ, with a few around them, as `diff -u` shows them.
pub fn differences(most: &[u8], these: &[u8]) -> Vec<u8> {
    let (most, these) = (
        String::from_utf8_lossy(most),
        String::from_utf8_lossy(these),
    );
    let mut config = TextDiff::configure();
    let diff = config.timeout(PATIENCE).diff_lines(&*most, &*these);
    diff.unified_diff().to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        let most: String = (1..=20).map(|number| format!("line {number}\n")).collect();
        let these = most.replace("line 10\n", "line ten\n");
        let shown = String::from_utf8(differences(most.as_bytes(), these.as_bytes())).unwrap();
        assert!(shown.contains("-line 10\n+line ten\n"), "{shown}");
        assert!(
            !shown.contains("line 2\n") && shown.contains(" line 7\n"),
            "{shown}"
        );
        assert!(differences(most.as_bytes(), most.as_bytes()).is_empty());
    }
}
