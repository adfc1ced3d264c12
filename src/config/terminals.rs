//! The kinds of terminals that this machine knows (term(5)): a command whose TERM is another cannot
//! draw.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where programs look for the descriptions of terminals: ncurses' places on Debian, Fedora and Arch.
const FOLDERS: [&str; 3] = ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"];
/// More kinds than any distribution has; ncurses itself describes 2,800.
const MOST: usize = 16_384;

/// The kinds that are described here. A name that could be anything but a name is none.
pub fn terminals() -> BTreeSet<String> {
    described(&FOLDERS.map(Path::new))
}

fn described(folders: &[&Path]) -> BTreeSet<String> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    folders
        .iter()
        .flat_map(|folder| entries(folder))
        // A folder for each first letter.
        .flat_map(|letter| entries(&letter.path()).collect::<Vec<_>>())
        .filter_map(|kind| kind.file_name().into_string().ok())
        .filter(|kind| is_a_name(kind))
        .take(MOST)
        .collect()
}

fn is_a_name(kind: &str) -> bool {
    let may_be = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    kind.starts_with(|c: char| c.is_ascii_alphanumeric())
        && kind.len() <= 64
        && kind.chars().all(may_be)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_described_is_known_by_its_plain_names() {
        let folder = tempfile::tempdir().unwrap();
        for (letter, kind) in [
            ("x", "xterm"),
            ("x", "xterm-256color"),
            ("x", "xterm+x11mouse"),
            ("9", "9term"),
            ("x", "x\u{202e}"),
            ("x", "a b"),
            ("-", "-o"),
        ] {
            fs::create_dir_all(folder.path().join(letter)).unwrap();
            fs::write(folder.path().join(letter).join(kind), "").unwrap();
        }
        let known = described(&[folder.path(), Path::new("/nowhere")]);
        let expected = ["9term", "xterm", "xterm+x11mouse", "xterm-256color"];
        assert_eq!(known, expected.map(str::to_owned).into());
    }
}
