//! Debts that add up, pass, and make room.

use super::*;
use proptest::prelude::*;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn failures_add_up_and_pass_by_themselves() {
    let (rules, mut ledger) = (Rules::default(), Debts::default());
    assert_eq!(ledger.add(&rules, &1, Misdeed::Login, s(100)).closed, None);
    assert_eq!(ledger.add(&rules, &1, Misdeed::Login, s(100)).closed, None);
    assert_eq!(
        ledger.closed(&1, s(100)),
        None,
        "ten seconds are under the floor"
    );

    assert_eq!(
        ledger.add(&rules, &1, Misdeed::Login, s(100)).closed,
        Some(Owed {
            until: s(115),
            closed: true,
            misdeeds: 3
        })
    );

    assert_eq!(
        ledger.closed(&1, s(114)),
        Some(s(1)),
        "closed until all has passed, not only what is over the floor"
    );

    assert_eq!(ledger.closed(&1, s(115)), None);
    assert_eq!(ledger.closed(&2, s(100)), None);
    assert_eq!(
        ledger.add(&rules, &1, Misdeed::Login, s(200)).closed,
        None,
        "all was forgotten"
    );

    for _ in 0..1000 {
        ledger.add(&rules, &1, Misdeed::Violation, s(200));
    }
    assert_eq!(
        ledger.closed(&1, s(200)),
        Some(s(600)),
        "no more than the cap"
    );

    assert!(ledger.forgive(&1, s(201)));
    assert!(!ledger.forgive(&1, s(201)));
    assert_eq!(ledger.closed(&1, s(201)), None);
}

#[test]
fn a_full_table_forgets_small_debts_first() {
    let rules = Rules {
        entries: 100,
        ..Rules::default()
    };

    let mut ledger = Debts::default();
    for _ in 0..50 {
        ledger.add(&rules, &0, Misdeed::Violation, s(0));
    }
    for who in 1..100_000 {
        ledger.add(&rules, &who, Misdeed::Login, s(1));
    }
    assert_eq!(ledger.all(s(1)).count(), 100);
    assert!(
        ledger.closed(&0, s(1)).is_some(),
        "the largest debt is still known"
    );
}

proptest! {
    #[test]
    fn it_never_holds_more_than_it_may_and_nobody_owes_more_than_the_cap(
        deeds in prop::collection::vec((0u8..20, 0u8..4, 0u64..40), 0..200)
    ) {
        let rules = Rules { entries: 8, cap: s(60), ..Rules::default() };
        let (mut ledger, mut now) = (Debts::default(), s(0));
        for (who, what, later) in deeds {
            now += s(later);
            let misdeed = [Misdeed::Login, Misdeed::NoLogin, Misdeed::Deadline, Misdeed::Violation][usize::from(what)];
            ledger.add(&rules, &who, misdeed, now);
            prop_assert_eq!(ledger.owed.len(), ledger.order.len());
            prop_assert!(ledger.owed.len() <= 8);
            for (_, owed) in ledger.all(now) {
                prop_assert!(owed.until - now <= s(60));
            }
        }
    }
}

#[test]
fn every_misdeed_has_its_own_price() {
    let rules = Rules {
        login: s(1),
        no_login: s(2),
        deadline: s(4),
        violation: s(8),
        floor: s(1),
        cap: s(100),
        entries: 10,
    };
    for (misdeed, price) in [
        (Misdeed::Login, 1),
        (Misdeed::NoLogin, 2),
        (Misdeed::Deadline, 4),
        (Misdeed::Violation, 8),
    ] {
        let mut ledger = Debts::default();
        let added = ledger.add(&rules, &"x", misdeed, s(50));
        assert_eq!(
            added.closed,
            Some(Owed {
                until: s(50 + price),
                closed: true,
                misdeeds: 1
            }),
            "{misdeed:?}"
        );
    }
}

#[test]
fn what_costs_nothing_is_not_even_noted() {
    let rules = Rules {
        no_login: s(0),
        ..Rules::default()
    };
    let mut ledger = Debts::default();
    ledger.add(&rules, &1, Misdeed::NoLogin, s(1));
    assert_eq!(ledger.all(s(1)).count(), 0);

    let none = Rules {
        entries: 0,
        ..Rules::default()
    };
    ledger.add(&none, &1, Misdeed::Violation, s(1));
    assert_eq!(ledger.all(s(1)).count(), 0, "penalties are off");
}

#[test]
fn it_is_told_once_that_somebody_is_closed_out() {
    let (rules, mut ledger) = (Rules::default(), Debts::default());
    let told: Vec<bool> = (0..6)
        .map(|_| {
            ledger
                .add(&rules, &1, Misdeed::Violation, s(0))
                .closed
                .is_some()
        })
        .collect();
    assert_eq!(told, [false, true, false, false, false, false]);
}

#[test]
fn whoever_is_closed_stays_so_below_the_floor_until_all_has_passed() {
    let (rules, mut ledger) = (Rules::default(), Debts::default());
    for _ in 0..2 {
        ledger.add(&rules, &1, Misdeed::Violation, s(0));
    }
    assert_eq!(ledger.closed(&1, s(19)), Some(s(1)));
    ledger.add(&rules, &1, Misdeed::NoLogin, s(19));
    assert_eq!(
        ledger.closed(&1, s(20)),
        Some(s(1)),
        "one more second, although two are under the floor"
    );
    assert_eq!(ledger.closed(&1, s(21)), None);
}

#[test]
fn the_largest_debt_is_listed_last() {
    let (rules, mut ledger) = (Rules::default(), Debts::default());
    for (who, times) in [("much", 5), ("little", 1), ("some", 3)] {
        for _ in 0..times {
            ledger.add(&rules, &who, Misdeed::Login, s(0));
        }
    }
    let listed: Vec<&str> = ledger.all(s(0)).map(|(who, _)| *who).collect();
    assert_eq!(listed, ["little", "some", "much"]);
    let listed: Vec<&str> = ledger.all(s(10)).map(|(who, _)| *who).collect();
    assert_eq!(
        listed,
        ["some", "much"],
        "five seconds have passed for one of them"
    );
}

#[test]
fn whoever_makes_room_is_named() {
    let rules = Rules {
        entries: 2,
        ..Rules::default()
    };
    let mut ledger = Debts::default();
    assert_eq!(
        ledger.add(&rules, &1, Misdeed::Violation, s(0)).evicted,
        None
    );
    assert_eq!(ledger.add(&rules, &2, Misdeed::Login, s(0)).evicted, None);
    assert_eq!(
        ledger.add(&rules, &3, Misdeed::Violation, s(0)).evicted,
        Some(2)
    );
    assert_eq!(
        ledger.add(&rules, &1, Misdeed::Login, s(0)).evicted,
        None,
        "one that is there already needs no room"
    );
}

proptest! {
    /// The ledger beside a plain map of ends.
    #[test]
    fn it_does_what_a_plain_map_would(
        deeds in prop::collection::vec((0u8..4, 0u64..30, any::<bool>()), 0..100)
    ) {
        let rules = Rules { cap: s(100), ..Rules::default() };
        let (mut ledger, mut model, mut now) = (Debts::default(), HashMap::new(), s(0));
        for (who, later, forgive) in deeds {
            now += s(later);
            if forgive {
                let owed = model.remove(&who).is_some_and(|(until, _)| until > now);
                prop_assert_eq!(ledger.forgive(&who, now), owed);
                continue;
            }

            let (until, closed) = match model.get(&who) {
                Some((until, closed)) if *until > now => (*until, *closed),
                _ => (now, false),
            };
            let until = (until + rules.login).min(now + rules.cap);
            model.insert(who, (until, closed || until - now >= rules.floor));
            ledger.add(&rules, &who, Misdeed::Login, now);
            for (who, (until, closed)) in &model {
                let left = (*closed && *until > now).then(|| *until - now);
                prop_assert_eq!(ledger.closed(who, now), left);
            }
        }
    }
}
