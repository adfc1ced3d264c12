//! Whoever floods waits behind themselves; everything is served once, and in turn.

use super::*;
use proptest::prelude::*;

const COST: Duration = Duration::from_millis(1);

/// Serves everything that waits, at the same cost each; who was served in which order.
fn served(queue: &mut FairQueue<&'static str, u32>) -> Vec<(&'static str, u32)> {
    std::iter::from_fn(|| {
        let (who, what) = queue.pop()?;
        queue.charge(&who, COST);
        Some((who, what))
    })
    .collect()
}

#[test]
fn one_who_floods_waits_behind_themselves() {
    let mut queue = FairQueue::default();
    for number in 0..100 {
        queue.push(&"flood", number);
    }
    queue.push(&"alice", 0);
    queue.push(&"bob", 0);
    let order = served(&mut queue);
    assert_eq!(
        &order[..4],
        &[("flood", 0), ("alice", 0), ("bob", 0), ("flood", 1)]
    );
    assert_eq!(order.len(), 102);
    assert!(queue.is_empty());
}

#[test]
fn who_costs_ten_times_as_much_is_served_a_tenth_as_often() {
    let mut queue = FairQueue::default();
    for number in 0..1000 {
        queue.push(&"dear", number);
        queue.push(&"cheap", number);
    }
    let mut counts = [0, 0];
    for _ in 0..550 {
        let (who, _) = queue.pop().unwrap();
        let (index, cost) = if who == "dear" { (0, 10) } else { (1, 1) };
        counts[index] += 1;
        queue.charge(&who, COST * cost);
    }
    assert!((45..=55).contains(&counts[0]), "{counts:?}");
}

#[test]
fn nobody_saves_up_while_they_want_nothing() {
    let mut queue = FairQueue::default();
    for number in 0..100 {
        queue.push(&"busy", number);
        queue.push(&"other", number);
    }
    for _ in 0..100 {
        let (who, _) = queue.pop().unwrap();
        queue.charge(&who, COST);
    }
    for number in 0..100 {
        queue.push(&"late", number);
    }
    let next: Vec<_> = (0..9)
        .map(|_| {
            let (who, _) = queue.pop().unwrap();
            queue.charge(&who, COST);
            who
        })
        .collect();
    let late = next.iter().filter(|who| **who == "late").count();
    assert!((3..=4).contains(&late), "{next:?}");
}

#[test]
fn whoever_may_not_be_served_now_keeps_their_turn() {
    let mut queue = FairQueue::default();
    queue.push(&"held", 1);
    queue.push(&"free", 2);
    assert_eq!(queue.pop_where(|who| *who != "held"), Some(("free", 2)));
    assert_eq!(queue.pop_where(|who| *who != "held"), None);
    assert_eq!(queue.pop(), Some(("held", 1)));
}

#[test]
fn what_is_taken_out_is_not_served() {
    let mut queue = FairQueue::default();
    queue.push(&"alice", 1);
    queue.push(&"alice", 2);
    queue.retain(&"alice", |number| *number != 1);
    queue.retain(&"nobody", |_| false);
    assert_eq!(queue.waiting(&"alice"), 1);
    assert_eq!(served(&mut queue), [("alice", 2)]);
}

proptest! {
    /// Whatever comes and goes: each thing is served once, in the order of its own line; no line is
    /// kept of whom nothing waits when all is served; and who waits is served before another was
    /// given more than their own next thing costs beyond them.
    #[test]
    fn everything_is_served_once_and_in_turn(steps in prop::collection::vec((0u8..4, 0u64..20, any::<bool>()), 1..300)) {
        let mut queue = FairQueue::default();
        let (mut pushed, mut served): (Vec<Vec<usize>>, Vec<Vec<usize>>) = (vec![vec![]; 4], vec![vec![]; 4]);
        for (index, (who, cost, push)) in steps.iter().enumerate() {
            if *push {
                queue.push(who, index);
                pushed[usize::from(*who)].push(index);
            } else if let Some((who, what)) = queue.pop() {
                served[usize::from(who)].push(what);
                queue.charge(&who, Duration::from_millis(*cost));
            }
        }
        while let Some((who, what)) = queue.pop() {
            served[usize::from(who)].push(what);
            queue.charge(&who, COST);
        }
        prop_assert_eq!(pushed, served);
        prop_assert!(queue.pop().is_none() && queue.lines.is_empty() && queue.order.is_empty());
    }
}
