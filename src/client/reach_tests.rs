//! Addresses that answer, refuse and swallow, without a clock: what is waited for is an event.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::future::{pending, ready};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Notify;

/// What an address does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Answer,
    /// It answers, but only when the next address is tried too.
    AnswerLate,
    Refuse,
    Swallow,
}

fn address(number: u8, v6: bool) -> SocketAddr {
    let text = if v6 {
        format!("[2001:db8::{number}]:7424")
    } else {
        format!("192.0.2.{number}:7424")
    };
    text.parse().unwrap()
}

/// Which of these addresses is reached.
async fn reached<A: Future<Output = ()>>(
    does: &[Does],
    apart: impl Fn() -> A,
) -> Result<usize, Unreached> {
    let tried: Vec<Arc<Notify>> = does.iter().map(|_| Arc::default()).collect();
    let addresses = (0..does.len())
        .map(|number| address(u8::try_from(number).unwrap(), false))
        .collect();
    first(addresses, apart, |address| {
        let IpAddr::V4(v4) = address.ip() else {
            unreachable!()
        };
        let number = usize::from(v4.octets()[3]);
        tried[number].notify_one();
        let (does, next) = (does[number], tried.get(number + 1).cloned());
        async move {
            match does {
                Does::Answer => Ok(number),
                Does::AnswerLate => {
                    next.unwrap().notified().await;
                    Ok(number)
                }
                Does::Refuse => Err(io::ErrorKind::ConnectionRefused.into()),
                Does::Swallow => pending().await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn the_second_is_tried_when_the_first_swallows() {
    let second = reached(&[Does::Swallow, Does::Answer], || ready(())).await;
    assert_eq!(second.ok(), Some(1));
}

#[tokio::test]
async fn a_refusal_gives_the_next_its_turn_at_once() {
    let third = reached(&[Does::Refuse, Does::Refuse, Does::Answer], pending).await;
    assert_eq!(third.ok(), Some(2));
}

#[tokio::test]
async fn a_first_address_that_is_late_may_still_win() {
    let first = reached(&[Does::AnswerLate, Does::Swallow], || ready(())).await;
    assert_eq!(first.ok(), Some(0));
}

#[tokio::test]
async fn every_address_that_fails_is_named() {
    let all = reached(&[Does::Refuse, Does::Refuse], pending).await;
    assert_eq!(
        all.err().unwrap().sentence(),
        "192.0.2.0: connection refused; 192.0.2.1: connection refused: nothing listens there; is ordaind running (`systemctl status ordaind` there), and is it the right port?"
    );
    let none = reached(&[], pending).await;
    assert_eq!(none.err().unwrap().sentence(), "its name has no address");
}

proptest! {
    /// Whatever the others do, one that answers is reached; where none does, each fault is told.
    #[test]
    fn one_that_answers_is_always_reached(
        does in proptest::collection::vec(
            prop_oneof![Just(Does::Answer), Just(Does::Refuse), Just(Does::Swallow)], 0..12)
    ) {
        if !does.contains(&Does::Answer) && does.contains(&Does::Swallow) {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let reached = runtime.block_on(reached(&does, || ready(())));
        match reached {
            Ok(number) => prop_assert_eq!(does[number], Does::Answer),
            Err(unreached) => {
                prop_assert!(!does.contains(&Does::Answer));
                prop_assert_eq!(unreached.0.len(), does.len());
            }
        }
    }

    /// Nothing is lost, nothing is twice, and the families take turns as long as both have some.
    #[test]
    fn the_families_take_turns(given in proptest::collection::vec((0u8..8, any::<bool>()), 0..16)) {
        let given: Vec<SocketAddr> = given.iter().map(|(number, v6)| address(*number, *v6)).collect();
        let order: Vec<SocketAddr> = in_turn(given.clone()).into();
        let distinct: BTreeSet<_> = given.iter().collect();
        prop_assert_eq!(order.len(), distinct.len());
        prop_assert_eq!(order.iter().collect::<BTreeSet<_>>(), distinct);
        prop_assert_eq!(order.first(), given.first());
        let of_v4 = order.iter().filter(|address| address.is_ipv4()).count();
        let both = 2 * of_v4.min(order.len() - of_v4);
        let turns = order[..both].windows(2).all(|pair| pair[0].is_ipv4() != pair[1].is_ipv4());
        prop_assert!(turns);
    }
}
