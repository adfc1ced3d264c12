//! Nobody has more than they may; what is told is what is held.

use super::*;
use proptest::prelude::*;

fn ledger() -> Ledger {
    let bounds = Share::ALL
        .into_iter()
        .fold(Bounds::default(), |bounds, share| bounds.with(share, 10));
    Ledger::new(bounds)
}

#[test]
fn a_user_takes_what_is_theirs_and_no_more() {
    let (ledger, alice, bob) = (ledger(), Arc::from("alice"), Arc::from("bob"));
    let first = ledger.charge(&alice, Share::Runs, 8).unwrap();
    let refused = ledger.charge(&alice, Share::Runs, 3).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`alice` has 8 runs going on, and limits.runs_per_user allows 10"
    );

    // Another's share, and another share, are not touched by it.
    let _others = ledger.charge(&bob, Share::Runs, 10).unwrap();
    let _other = ledger.charge(&alice, Share::Disk, 10).unwrap();
    drop(first);
    assert!(ledger.charge(&alice, Share::Runs, 10).is_ok());
}

#[test]
fn who_is_near_what_is_told_by_name() {
    let (ledger, alice) = (ledger(), Arc::from("alice"));
    let charges = [
        ledger.charge(&alice, Share::Runs, 8).unwrap(),
        ledger.charge(&alice, Share::Follows, 7).unwrap(),
    ];
    let near: Vec<_> = ledger
        .near(80)
        .into_iter()
        .map(|near| (near.share, near.used, near.most))
        .collect();
    assert_eq!(near, [(Share::Runs, 8, 10)]);
    assert!(ledger.most().contains(&(Share::Follows, 7, 10)));
    drop(charges);
    assert!(ledger.near(0).is_empty());
}

#[test]
fn a_narrower_bound_takes_nothing_back() {
    let (ledger, alice) = (ledger(), Arc::from("alice"));
    let held = ledger.charge(&alice, Share::Sessions, 10).unwrap();
    ledger.bound(Bounds::default().with(Share::Sessions, 5));
    assert!(ledger.charge(&alice, Share::Sessions, 1).is_err());
    assert_eq!(ledger.used("alice", Share::Sessions), 10);
    let carried = ledger.carry(&alice, Share::Sessions, 3);
    assert_eq!(ledger.used("alice", Share::Sessions), 13);
    drop((held, carried));
    assert!(ledger.charge(&alice, Share::Sessions, 5).is_ok());
}

proptest! {
    /// Whatever is taken and given back in whatever order: nobody ever has more than they may, what
    /// is told is what is held, and of one who has nothing nothing is kept.
    #[test]
    fn what_is_told_is_what_is_held(steps in prop::collection::vec((0u8..3, 0usize..8, 0u64..6, any::<bool>()), 0..200)) {
        let ledger = ledger();
        let users: Vec<Arc<str>> = ["a", "b", "c"].map(Arc::from).to_vec();
        let mut held: Vec<(usize, Share, u64, Charge)> = Vec::new();
        for (who, share, amount, take) in steps {
            let (who, share) = (usize::from(who), Share::ALL[share]);
            let sum: u64 = held.iter().filter(|held| (held.0, held.1) == (who, share)).map(|held| held.2).sum();
            if take {
                match ledger.charge(&users[who], share, amount) {
                    Ok(charge) => {
                        prop_assert!(sum + amount <= 10);
                        held.push((who, share, amount, charge));
                    }
                    Err(_) => prop_assert!(sum + amount > 10),
                }
            } else if let Some(index) = held.iter().position(|held| (held.0, held.1) == (who, share)) {
                drop(held.remove(index));
            }
            for (index, user) in users.iter().enumerate() {
                let sum: u64 = held.iter().filter(|held| (held.0, held.1) == (index, share)).map(|held| held.2).sum();
                prop_assert_eq!(ledger.used(user, share), sum);
            }
        }
        held.clear();
        prop_assert!(ledger.0.borrow().used.is_empty());
    }
}
