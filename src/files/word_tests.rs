//! Words come back as they were said, and nothing else is one.

use super::*;
use crate::files::{Act, Links, Mode, Rules, Sync};
use proptest::prelude::*;

fn rules() -> Rules {
    Rules {
        only: vec!["*.log".into(), "!secret*".into()],
        mode: Mode::new(0o644).unwrap(),
        directories: Mode::new(0o755).unwrap(),
        max_file: 2 << 30,
        max_total: 20 << 30,
        max_files: 100_000,
        replace: true,
        sync: Sync::Batch,
        cross_mounts: false,
        links: Links::Refused,
        names: false,
    }
}

fn words() -> Vec<ToMover> {
    let path: Below = "releases/42".parse().unwrap();
    let acts = [
        Act::List {
            path: Below::root(),
            recursive: true,
            digests: false,
        },
        Act::Get {
            path: path.clone(),
            recursive: false,
            chosen: true,
            pack: true,
        },
        Act::Put {
            path: path.clone(),
            recursive: true,
            all_or_nothing: true,
        },
        Act::Remove {
            path,
            recursive: true,
            chosen: Some([7; 32]),
        },
    ];
    let tasks = acts.map(|act| {
        let rules = rules();
        ToMover::Task(Task { act, rules })
    });
    let commit = ToMover::Commit(Commit { digest: [9; 32] });
    tasks.into_iter().chain([commit]).collect()
}

#[test]
fn a_word_comes_back_as_it_was_said() {
    for word in words() {
        let bytes = word.encode().unwrap();
        assert_eq!(ToMover::decode(&bytes), Ok(word));
        assert_eq!(
            ToMover::decode(&[&bytes[..], &[0]].concat()),
            Err(WordFault)
        );
        assert_eq!(ToMover::decode(&bytes[..bytes.len() - 1]), Err(WordFault));
    }
    let sum = FromMover::Sum(Sum {
        digest: [1; 32],
        files: u64::MAX,
        bytes: u64::MAX,
    });
    let bytes = sum.encode().unwrap();
    assert!(bytes.len() <= 96, "{} bytes", bytes.len());
    assert_eq!(FromMover::decode(&bytes), Ok(sum));
}

#[test]
fn a_number_that_is_written_longer_than_need_be_is_no_word() {
    let mut bytes = FromMover::Sum(Sum {
        digest: [1; 32],
        files: 1,
        bytes: 2,
    })
    .encode()
    .unwrap();
    let last = bytes.pop().unwrap();
    bytes.extend([last | 0x80, 0]);
    assert_eq!(FromMover::decode(&bytes), Err(WordFault));
}

#[test]
fn a_word_leads_nowhere_but_below() {
    // The path of `Name` is the last field: its length, then its bytes.
    let good = FromMover::Name("ab".parse().unwrap()).encode().unwrap();
    let bad: Vec<u8> = good[..good.len() - 2]
        .iter()
        .copied()
        .chain(*b"..")
        .collect();
    assert_eq!(FromMover::decode(&bad), Err(WordFault));
}

proptest! {
    #[test]
    fn bytes_are_the_word_that_they_are_read_as(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(word) = ToMover::decode(&bytes) {
            prop_assert_eq!(word.encode().unwrap(), bytes.clone());
        }
        if let Ok(word) = FromMover::decode(&bytes) {
            prop_assert_eq!(word.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn one_bit_makes_another_word_or_none(which in 0_usize..5, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let word = words().swap_remove(which);
        let mut bytes = word.encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_ne!(ToMover::decode(&bytes), Ok(word));
    }
}
