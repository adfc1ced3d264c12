//! Credit, counted on both sides.

use super::*;
use proptest::prelude::*;
use std::time::Duration;

/// A grant that leaves the window as it is.
const fn granted(bytes: u32) -> Credit {
    Credit {
        bytes,
        window: None,
    }
}

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
            prop_assert!(sender.in_flight() >= in_flight as u64);
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
    assert!(!sender.grant(granted(0)));
    assert!(!sender.grant(granted(u32::MAX)));
}

#[test]
fn grants_come_in_quarters_of_a_window() {
    let mut receiver = Receiving::default();
    assert!(receiver.arrived(STREAM_WINDOW));
    assert_eq!(receiver.open(), 0);
    let quarter = STREAM_WINDOW / 4;
    assert_eq!(receiver.consumed(quarter - 1), None);
    assert_eq!(receiver.open(), 0, "what was not granted is not open");
    let bytes = |bytes: usize| Some(granted(u32::try_from(bytes).unwrap()));
    assert_eq!(receiver.consumed(1), bytes(quarter));
    assert_eq!(receiver.open(), quarter);
    assert_eq!(receiver.consumed(quarter * 2), bytes(quarter * 2));
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
    assert!(allowance.grant(granted(5)));
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
            let honest = allowance.grant(granted(bytes));
            if !honest {
                prop_assert!(bytes == 0 || allowance.left() > 2 * STREAM_WINDOW);
                break;
            }
            prop_assert!(allowance.left() <= 2 * STREAM_WINDOW);
        }
    }
}

/// A stream with a sender and a receiver at the two ends of a long way, in time that is counted and
/// not waited for.
struct Way {
    sender: Allowance,
    receiver: Receiving,
    now: Instant,
    /// What the sender keeps of what the receiver may not have.
    room: usize,
    /// How far the receiver may open the window.
    most: usize,
}

impl Way {
    fn new(room: usize, most: usize) -> Self {
        let (sender, receiver, now) = (Allowance::default(), Receiving::default(), Instant::now());
        Self {
            sender,
            receiver,
            now,
            room,
            most,
        }
    }

    /// One way there and back, on which the sender sends what it may. How much that was.
    fn there_and_back(&mut self) -> usize {
        let asked = self.receiver.asks(self.now);
        let mut sent = 0;
        while self.sender.within(self.room) > 0 {
            let piece = self.sender.within(self.room).min(64 * 1024);
            self.sender.spend(piece);
            assert!(self.receiver.arrived(piece));
            sent += piece;
        }
        self.now += Duration::from_millis(80);
        if asked {
            let _ = self.receiver.answered(self.now, self.most);
        }
        let mut left = sent;
        while left > 0 {
            let piece = left.min(64 * 1024);
            left -= piece;
            if let Some(credit) = self.receiver.consumed(piece) {
                assert!(self.sender.grant(credit));
            }
        }
        sent
    }
}

#[test]
fn on_a_long_way_the_window_grows_to_its_most() {
    let mut way = Way::new(STREAM_MOST, STREAM_MOST);
    let sent: Vec<usize> = (0..12).map(|_| way.there_and_back()).collect();
    assert!(sent[0] <= STREAM_WINDOW);
    assert!(sent[11] > STREAM_MOST - STEP, "{sent:?}");
    assert!(sent.iter().all(|sent| *sent <= STREAM_MOST), "{sent:?}");
}

#[test]
fn a_sender_keeps_to_its_own_room_and_never_waits_for_ever() {
    let mut way = Way::new(STREAM_WINDOW, STREAM_MOST);
    for _ in 0..20 {
        let sent = way.there_and_back();
        assert!(sent > 0 && sent <= STREAM_WINDOW, "{sent}");
    }
}

#[test]
fn a_window_that_may_not_grow_says_that_it_would() {
    let mut receiver = Receiving::default();
    let now = Instant::now();
    assert!(receiver.arrived(STREAM_WINDOW / 4));
    assert!(receiver.asks(now));
    assert!(receiver.arrived(STREAM_WINDOW / 4 * 3));
    let late = now + Duration::from_millis(80);
    assert!(!receiver.answered(late, STREAM_WINDOW));
    assert_eq!(receiver.consumed(1), None, "and stays as it is");
}

#[test]
fn a_window_that_is_limited_shrinks_as_it_is_used_up() {
    let mut way = Way::new(STREAM_MOST, STREAM_MOST);
    for _ in 0..12 {
        way.there_and_back();
    }
    way.receiver.limit(STREAM_WINDOW);
    way.most = STREAM_WINDOW;
    assert!(
        !way.receiver.fits(STREAM_WINDOW),
        "what was granted stays so"
    );
    for _ in 0..4 {
        assert!(way.there_and_back() > 0);
    }
    assert!(way.receiver.fits(STREAM_WINDOW));
    assert_eq!(way.sender.window(), STREAM_WINDOW as u64);
}

#[test]
fn a_window_above_the_widest_is_no_honest_one() {
    let mut sender = Allowance::default();
    let window = u32::try_from(STREAM_MOST).unwrap();
    let credit = |window| Credit {
        bytes: 1,
        window: Some(window),
    };
    assert!(sender.grant(credit(window)));
    assert!(!sender.grant(credit(window + 1)));
}
