//! The order of things, in every order in which hosts may end.

use super::*;
use proptest::prelude::*;

fn batches(text: &str) -> Batches {
    text.parse().unwrap()
}

#[test]
fn batches_are_shares_of_all_rounded_up_and_the_rest_follows() {
    let sizes = |text: &str, all: usize| {
        let mut schedule = Schedule::new(all, usize::MAX, &batches(text), None);
        let mut sizes = vec![0];
        loop {
            match schedule.now() {
                Next::Begin(_) => *sizes.last_mut().unwrap() += 1,
                Next::Wait => {
                    for _ in 0..*sizes.last().unwrap() {
                        schedule.ended(false);
                    }
                }
                Next::BatchOver => {
                    schedule.next_batch();
                    sizes.push(0);
                }
                Next::Over => return sizes,
            }
        }
    };
    assert_eq!(sizes("1,10%,50%,rest", 40), [1, 4, 20, 15]);
    assert_eq!(sizes("1,10%", 15), [1, 2, 12]);
    assert_eq!(sizes("50%,50%,50%", 3), [2, 1]);
    assert_eq!(sizes("rest", 5), [5]);
    assert_eq!(sizes("100", 5), [5]);
    assert_eq!(sizes("1", 1), [1]);
}

#[test]
fn what_is_no_size_is_named() {
    for bad in ["", "0", "0%", "101%", "-1", "1,,2", "x", "1 ", "rest%"] {
        assert!(bad.parse::<Batches>().is_err(), "{bad}");
    }
    for bad in ["", "%", "101%", "-1", "x"] {
        assert!(bad.parse::<MostFailures>().is_err(), "{bad}");
    }
}

#[test]
fn one_failure_too_many_stops_what_is_new_and_is_told_once() {
    let most = Some("1".parse().unwrap());
    let mut schedule = Schedule::new(10, 2, &Batches::default(), most);
    assert_eq!(
        (schedule.now(), schedule.now()),
        (Next::Begin(0), Next::Begin(1))
    );
    assert!(!schedule.ended(true));
    assert_eq!(schedule.now(), Next::Begin(2));
    assert!(schedule.ended(true));
    assert_eq!(schedule.now(), Next::Wait);
    assert!(!schedule.ended(true));
    assert_eq!((schedule.now(), schedule.not_begun()), (Next::Over, 7));
}

proptest! {
    /// Every host begins once, in order, never more at once than may be, and no batch before the
    /// one before it is over.
    #[test]
    fn every_host_begins_once_and_in_its_batch(
        all in 0usize..60, at_once in 1usize..9, sizes in proptest::collection::vec(1usize..30, 1..4),
        order in proptest::collection::vec(any::<u8>(), 0..200), most in proptest::option::of(0usize..9),
    ) {
        let text: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        let limit = most.map(|most| most.to_string().parse().unwrap());
        let mut schedule = Schedule::new(all, at_once, &batches(&text.join(",")), limit);
        let (mut begun, mut going, mut failed) = (0, 0, 0);
        let mut order = order.into_iter();
        let mut ends = sizes.iter().scan(0, |end, size| { *end += size; Some(all.min(*end)) });
        let mut end = ends.next().unwrap_or(all);
        loop {
            match schedule.now() {
                Next::Begin(host) => {
                    prop_assert_eq!(host, begun);
                    begun += 1;
                    going += 1;
                    prop_assert!(going <= at_once && begun <= end);
                }
                Next::Wait => {
                    prop_assert!(going > 0);
                    let bad = order.next().is_some_and(|byte| byte % 3 == 0);
                    failed += usize::from(bad);
                    schedule.ended(bad);
                    going -= 1;
                }
                Next::BatchOver => {
                    prop_assert!(going == 0 && begun == end);
                    schedule.next_batch();
                    end = ends.next().unwrap_or(all);
                }
                Next::Over => break,
            }
        }
        prop_assert_eq!(going, 0);
        prop_assert_eq!(all - begun, schedule.not_begun());
        let stopped = most.is_some_and(|most| failed > most);
        prop_assert!(stopped || begun == all);
    }
}
