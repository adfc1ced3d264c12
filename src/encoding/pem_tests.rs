//! Blocks, whatever stands around them.

use super::*;
use proptest::prelude::*;

/// A block's label and bytes.
type Read = (String, Option<Vec<u8>>);

/// The labels and bytes of a text's blocks.
fn read(text: &[u8]) -> Result<Vec<Read>, String> {
    let blocks = blocks(text)?;
    let each = |block: &Block<'_>| {
        let bytes = block.bytes().map(|bytes| bytes.to_vec());
        (block.label.to_owned(), bytes)
    };
    Ok(blocks.iter().map(each).collect())
}

#[test]
fn blocks_as_other_programs_write_them() {
    let one = vec![("A KEY".to_owned(), Some(b"hello".to_vec()))];
    let two = [one.clone(), one.clone()].concat();
    for (text, expected) in [
        (&b"-----BEGIN A KEY-----\naGVs\nbG8=\n-----END A KEY-----\n"[..], &one),
        (b"-----BEGIN A KEY-----\naGVsbG8=\n-----END A KEY-----", &one),
        (b"\xef\xbb\xbf-----BEGIN A KEY-----\r\naGVs\r\nbG8=\r\n-----END A KEY-----\r\n", &one),
        (b"\r-----BEGIN A KEY-----\raGVsbG8=\r-----END A KEY-----\r\r", &one),
        (b"\n\n\nName: M\xfcller\n-----BEGIN A KEY-----  \naGVs  \n\nbG8=\t\n-----END A KEY----- \n\n\n", &one),
        (b"-----BEGIN A KEY-----\nDEK-Info: x\n\naGVsbG8=\n-----END A KEY-----\n", &one),
        (
            b"-----BEGIN A KEY-----\naGVsbG8=\n-----END A KEY-----\n\xff\xfe\n\xef\xbb\xbf-----BEGIN A KEY-----\naGVsbG8=\n-----END A KEY-----\n",
            &two,
        ),
        (b"", &vec![]),
        (b"-----BEGIN\nBEGIN A KEY", &vec![]),
    ] {
        assert_eq!(read(text).as_ref(), Ok(expected), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn what_is_no_block_is_none() {
    assert_eq!(
        read(b"-----BEGIN A KEY-----\naGVsbG8=\n-----END ANOTHER-----\n").unwrap_err(),
        "is cut off: there is no -----END A KEY-----"
    );
    assert_eq!(
        read(b"-----BEGIN A KEY-----\naGVsbG8\n-----END A KEY-----\n").unwrap(),
        [("A KEY".to_owned(), None)]
    );
    let locked = b"-----BEGIN A KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\naGVs\n-----END A KEY-----\n";
    assert!(blocks(locked).unwrap().iter().all(|block| block.encrypted));
    assert!(is_utf16(b"\xff\xfe-\0-\0"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(text in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&text);
        prop_assert!(without_marks(&text).len() <= text.len());
    }

    #[test]
    fn bytes_come_back_whatever_the_line_ends(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        width in 1..80usize,
        end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r"), Just(" \n")],
        mark: bool,
    ) {
        let encoded = BASE64.encode(&bytes).into_bytes();
        let mut text = if mark { MARK.to_vec() } else { Vec::new() };
        text.extend(format!("-----BEGIN X-----{end}").bytes());
        for line in encoded.chunks(width) {
            text.extend(line);
            text.extend(end.bytes());
        }
        text.extend(b"-----END X-----");
        prop_assert_eq!(read(&text).unwrap(), [("X".to_owned(), Some(bytes))]);
    }
}
