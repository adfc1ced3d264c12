//! Records come back as they were written, and bytes that are none are refused.

use super::*;
use crate::files::What;
use proptest::prelude::*;

fn path(text: &str) -> Below {
    text.parse().unwrap()
}

fn records() -> Vec<Record<'static>> {
    let mode = Mode::new(0o750).unwrap();
    let target = Target::inside(b"../x", &path("a/l")).unwrap();
    vec![
        Record::Folder(Head {
            path: Below::root(),
            mode,
            time: -1,
        }),
        Record::File(FileHead {
            path: path("a/b"),
            mode,
            time: i64::MAX,
            size: Some(u64::MAX),
            asks: true,
        }),
        Record::Data(b"bytes"),
        Record::Packed(9, b"frame"),
        Record::Hole(1 << 40),
        Record::Copy(Copy {
            seed: 1,
            offset: 2,
            length: 3,
        }),
        Record::Again,
        Record::End([3; 32]),
        Record::Link(LinkHead {
            path: path("a/l"),
            target,
        }),
        Record::Listed(Entry {
            path: path("x"),
            mode,
            time: 0,
            what: What::Folder,
        }),
        Record::Want(path("x"), true),
        Record::Chunks(vec![Chunk {
            seed: 0,
            length: 65_536,
            digest: [4; 16],
        }]),
        Record::Fault(Told {
            path: path("x"),
            name: b"\n".to_vec(),
            what: Fault::Name,
            number: 0,
        }),
        Record::Done(Sum {
            digest: [5; 32],
            files: 1,
            bytes: 2,
        }),
    ]
}

fn encoded(record: &Record<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

fn decoded(bytes: &[u8]) -> Result<Record<'_>, StreamFault> {
    let (head, body) = bytes.split_first_chunk().unwrap();
    let (kind, length) = header(*head)?;
    assert_eq!(length, body.len());
    Record::decode(kind, body)
}

#[test]
fn records_come_back_as_they_were_written() {
    for record in records() {
        let bytes = encoded(&record);
        assert_eq!(decoded(&bytes), Ok(record));
        let (head, body) = bytes.split_first_chunk::<HEADER>().unwrap();
        // A byte more or less is another record, or none.
        if !matches!(head[0], DATA | PACKED) {
            let kind = head[0];
            let more = [body, &[0]].concat();
            assert_eq!(Record::decode(kind, &more), Err(StreamFault::Body(kind)));
            if let [less @ .., _] = body {
                assert_eq!(Record::decode(kind, less), Err(StreamFault::Body(kind)));
            }
        }
    }
}

#[test]
fn lengths_that_say_nothing_or_too_much_are_refused() {
    assert_eq!(header([0, 0, 0, 0, 1]), Err(StreamFault::Kind(0)));
    assert_eq!(header([15, 0, 0, 0, 1]), Err(StreamFault::Kind(15)));
    assert_eq!(
        header([DATA, 0, 0x10, 0, 1]),
        Err(StreamFault::TooLong(FILE_RECORD as u32 + 1))
    );
    assert_eq!(header([DATA, 0, 0x10, 0, 0]), Ok((DATA, FILE_RECORD)));
    for record in [
        Record::Data(b""),
        Record::Packed(0, b"x"),
        Record::Packed(u32::MAX, b"x"),
        Record::Packed(1, b""),
        Record::Hole(0),
        Record::Copy(Copy {
            seed: 0,
            offset: 0,
            length: 0,
        }),
        Record::Copy(Copy {
            seed: 0,
            offset: u64::MAX,
            length: 1,
        }),
        Record::Chunks(vec![Chunk {
            seed: 0,
            length: 0,
            digest: [0; 16],
        }]),
    ] {
        assert!(decoded(&encoded(&record)).is_err(), "{record:?}");
    }
}

#[test]
fn a_path_out_of_the_root_is_no_record() {
    let good = encoded(&Record::Want(path("ab"), false));
    let at = good.windows(2).position(|two| two == b"ab").unwrap();
    for bad in [b"..", b"/a", b"a/", b"a\n", b"a\0"] {
        let mut bytes = good.clone();
        bytes[at..at + 2].copy_from_slice(bad);
        assert_eq!(decoded(&bytes), Err(StreamFault::Body(WANT)), "{bad:?}");
    }
}

#[test]
fn a_link_that_leads_out_is_no_record() {
    // The same target, at a path that is not as deep.
    let target = Target::inside(b"../x", &path("a/l")).unwrap();
    let link = Record::Link(LinkHead {
        path: path("l"),
        target,
    });
    assert_eq!(decoded(&encoded(&link)), Err(StreamFault::Body(LINK)));
}

#[test]
fn what_a_fault_says_does_no_harm() {
    let told = Told {
        path: path("a"),
        name: b"\x1b]0;x\x07\xff".to_vec(),
        what: Fault::Name,
        number: 0,
    };
    assert!(
        told.to_string()
            .starts_with(r"a/\x1b]0;x\x07\xff: its name")
    );
}

proptest! {
    #[test]
    fn whatever_is_read_is_written_the_same(kind in 0_u8..16, body in prop::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(record) = Record::decode(kind, &body) {
            let bytes = encoded(&record);
            prop_assert_eq!(decoded(&bytes), Ok(record));
        }
    }

    #[test]
    fn a_changed_byte_is_read_or_refused(which in 0_usize..14, at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = encoded(&records()[which]);
        let body = bytes.len() - HEADER;
        if body > 0 {
            bytes[HEADER + at.index(body)] = byte;
            let _ = decoded(&bytes);
        }
    }
}
