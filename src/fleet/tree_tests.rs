//! The tree against what it stands for: a text for each host.

use super::*;
use proptest::prelude::*;

fn text(tree: &Tree, at: Leaf) -> Vec<u8> {
    let mut text = Vec::new();
    tree.each(at, |piece| {
        text.extend_from_slice(piece);
        Ok(())
    })
    .unwrap();
    text
}

proptest! {
    /// In whatever order pieces come, each host has its text, and two hosts are in one place
    /// exactly where their texts are equal.
    #[test]
    fn a_place_is_a_text(
        pieces in proptest::collection::vec(
            (0usize..6, proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b')], 0..6)),
            0..60,
        )
    ) {
        let mut tree = Tree::default();
        let mut hosts = vec![(Leaf::default(), Vec::new()); 6];
        for (host, piece) in pieces {
            let (at, text) = &mut hosts[host];
            *at = tree.add(*at, &piece).unwrap();
            text.extend_from_slice(&piece);
        }
        for (at, wanted) in &hosts {
            prop_assert_eq!(&text(&tree, *at), wanted);
            for (other, theirs) in &hosts {
                prop_assert_eq!(tree.settled(*at) == tree.settled(*other), wanted == theirs);
            }
        }
    }
}

#[test]
fn what_is_equal_is_kept_once() {
    let mut tree = Tree::default();
    let output = b"the same line on every host\n".repeat(1000);
    let ends: Vec<Leaf> = (0..100)
        .map(|_| {
            let mut at = Leaf::default();
            for piece in output.chunks(777) {
                at = tree.add(at, piece).unwrap();
            }
            at
        })
        .collect();
    assert_eq!(tree.kept(), output.len() as u64);
    assert!(ends.iter().all(|end| *end == ends[0]));
}

#[test]
fn what_is_too_much_for_memory_is_kept_all_the_same() {
    let mut tree = Tree::default();
    let mut ends = Vec::new();
    for host in 0u32..40 {
        let mut at = tree.add(Leaf::default(), b"alike\n").unwrap();
        let piece = host.to_string().repeat(40_000);
        for _ in 0..50 {
            at = tree.add(at, piece.as_bytes()).unwrap();
        }
        ends.push((at, piece));
    }
    assert!(tree.kept() > 100 << 20);
    for (at, piece) in [&ends[0], &ends[20], &ends[39]] {
        assert_eq!(
            text(&tree, *at),
            format!("alike\n{}", piece.repeat(50)).as_bytes()
        );
        let mut again = Leaf::default();
        again = tree.add(again, b"alike\n").unwrap();
        for _ in 0..50 {
            again = tree.add(again, piece.as_bytes()).unwrap();
        }
        assert_eq!(again, *at);
    }
}
