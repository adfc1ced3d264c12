//! The records of a mover's stream, the words between it and the monitor, and paths.

use ordain::files::stream::{HEADER, Record, header};
use ordain::files::{Below, FromMover, Only, Target, ToMover};

pub fn check(bytes: &[u8]) {
    records(bytes);
    if let Ok(word) = ToMover::decode(bytes) {
        assert_eq!(word.encode().unwrap(), bytes);
    }
    if let Ok(word) = FromMover::decode(bytes) {
        assert_eq!(word.encode().unwrap(), bytes);
    }
    if let Ok(path) = Below::parse(bytes) {
        assert_eq!(path.as_bytes(), bytes);
        assert!(
            path.names()
                .all(|name| name != b".." && !name.contains(&b'/'))
        );
        assert!(!path.to_string().chars().any(char::is_control));
        if let Ok(text) = std::str::from_utf8(bytes)
            && let Ok(only) = Only::new(&[text.to_owned()])
        {
            only.takes_file(&path);
        }
    }
    let link = "a/b/c".parse().unwrap();
    if let Some(target) = Target::inside(bytes, &link) {
        assert_eq!(target.text(), bytes);
    }
}

/// Reads one record after the other, each of which is written as it was meant.
fn records(mut bytes: &[u8]) {
    while let Some((head, rest)) = bytes.split_first_chunk::<HEADER>() {
        let Ok((kind, length)) = header(*head) else {
            return;
        };
        let Some((body, rest)) = rest.split_at_checked(length) else {
            return;
        };
        let Ok(record) = Record::decode(kind, body) else {
            return;
        };
        let mut again = Vec::new();
        record.encode(&mut again);
        let (head, body) = again.split_first_chunk::<HEADER>().unwrap();
        let (kind, _) = header(*head).unwrap();
        assert_eq!(Record::decode(kind, body), Ok(record));
        bytes = rest;
    }
}
