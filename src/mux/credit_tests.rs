//! Credit, counted on both sides.

use super::*;
use proptest::prelude::*;

proptest! {
    /// However data and grants interleave, an honest sender is never refused and never has more
    /// than a window in flight, and no credit is lost.
    #[test]
    fn both_sides_agree(steps in prop::collection::vec((any::<bool>(), 1usize..70_000), 1..500)) {
        let (mut sender, mut receiver) = (Allowance::default(), Receiving::default());
        let mut in_flight = 0usize;
        for (send, bytes) in steps {
            if send {
                let bytes = bytes.min(sender.left());
                sender.spend(bytes);
                prop_assert!(receiver.arrived(bytes));
                in_flight += bytes;
            } else {
                let bytes = bytes.min(in_flight);
                in_flight -= bytes;
                if let Some(grant) = receiver.consumed(bytes) {
                    prop_assert!(sender.grant(grant));
                }
            }

            prop_assert!(in_flight <= STREAM_WINDOW);
            prop_assert_eq!(sender.left(), receiver.open);
            prop_assert!(in_flight > 0 || sender.left() > STREAM_WINDOW * 3 / 4);
        }
    }
}

#[test]
fn what_was_not_granted_is_noticed() {
    let mut receiver = Receiving::default();
    assert!(receiver.arrived(STREAM_WINDOW));
    assert!(!receiver.arrived(1));
    let mut sender = Allowance::default();
    assert!(!sender.grant(0));
    assert!(!sender.grant(u32::MAX));
}

#[test]
fn grants_come_in_quarters_of_a_window() {
    let mut receiver = Receiving::default();
    assert!(receiver.arrived(STREAM_WINDOW));
    assert_eq!(receiver.open(), 0);
    let quarter = STREAM_WINDOW / 4;
    assert_eq!(receiver.consumed(quarter - 1), None);
    assert_eq!(receiver.open(), 0, "what was not granted is not open");
    assert_eq!(receiver.consumed(1), u32::try_from(quarter).ok());
    assert_eq!(receiver.open(), quarter);
    assert_eq!(
        receiver.consumed(quarter * 2),
        u32::try_from(quarter * 2).ok()
    );
}

#[test]
fn what_is_held_already_is_not_open() {
    assert_eq!(Receiving::holding(0).open(), STREAM_WINDOW);
    assert_eq!(Receiving::holding(100).open(), STREAM_WINDOW - 100);
    let mut full = Receiving::holding(STREAM_WINDOW * 2);
    assert_eq!(full.open(), 0);
    assert!(full.arrived(0));
    assert!(!full.arrived(1));
}

#[test]
fn an_allowance_is_spent_and_never_below_nothing() {
    let mut allowance = Allowance::of(10);
    allowance.spend(4);
    assert_eq!(allowance.left(), 6);
    allowance.spend(100);
    assert_eq!(allowance.left(), 0);
    assert!(allowance.grant(5));
    assert_eq!(allowance.left(), 5);
}

#[test]
fn a_refused_arrival_changes_nothing() {
    let mut receiver = Receiving::default();
    assert!(!receiver.arrived(STREAM_WINDOW + 1));
    assert_eq!(receiver.open(), STREAM_WINDOW);
    assert!(receiver.arrived(STREAM_WINDOW));
}

proptest! {
    #[test]
    fn no_more_than_twice_the_window_is_ever_granted(grants in prop::collection::vec(0u32..1 << 20, 0..50)) {
        let mut allowance = Allowance::default();
        for bytes in grants {
            let honest = allowance.grant(bytes);
            if !honest {
                prop_assert!(bytes == 0 || allowance.left() > 2 * STREAM_WINDOW);
                break;
            }
            prop_assert!(allowance.left() <= 2 * STREAM_WINDOW);
        }
    }
}
