//! What a server may put into an inbox, in which order it is read, and how much memory it takes.

use super::*;
use crate::limits::STREAM_WINDOW;
use crate::protocol::{Code, Credit};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

fn block<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

/// Everything that waits, and why nothing more comes.
fn drained(inbox: &Inbox) -> (Vec<Event>, ClientError) {
    inbox.fail(ClientError::new(Code::ConnectionLost, "the end"));
    block(async {
        let mut events = Vec::new();
        loop {
            match inbox.next().await {
                Ok(event) => events.push(event),
                Err(error) => return (events, error),
            }
        }
    })
}

#[test]
fn a_windows_worth_of_single_bytes_waits_in_a_few_pieces() {
    let inbox = Inbox::default();
    for _ in 0..STREAM_WINDOW {
        assert!(inbox.output(Event::Stdout(vec![b'x'])));
    }
    let (events, _) = drained(&inbox);
    assert_eq!(events.len(), STREAM_WINDOW / JOINED);
    assert!(events.iter().all(|event| event.bytes().len() == JOINED));
}

#[test]
fn output_is_joined_with_its_own_kind_only() {
    let inbox = Inbox::default();
    assert!(inbox.output(Event::Stdout(b"a".to_vec())));
    assert!(inbox.output(Event::Stdout(b"b".to_vec())));
    assert!(inbox.output(Event::Stderr(b"c".to_vec())));
    assert!(inbox.output(Event::Stdout(b"d".to_vec())));
    inbox.event(Event::StdinClosed);
    assert!(inbox.output(Event::Stdout(b"e".to_vec())));
    let (events, _) = drained(&inbox);
    let seen: Vec<&[u8]> = events.iter().map(Event::bytes).collect();
    assert_eq!(seen, [&b"ab"[..], b"c", b"d", b"", b"e"]);
}

#[test]
fn what_came_before_the_end_is_read_before_it_and_the_first_reason_stays() {
    let inbox = Inbox::default();
    assert!(inbox.output(Event::Stdout(b"last words".to_vec())));
    inbox.fail(ClientError::new(Code::Protocol, "the first"));
    assert!(inbox.failed());
    let (events, error) = drained(&inbox);
    assert_eq!(events.len(), 1);
    assert!(error.is(Code::Protocol), "{error}");
}

#[test]
fn whoever_waits_is_woken_by_output_and_by_the_end() {
    block(async {
        let inbox = Arc::new(Inbox::default());
        let reader = {
            let inbox = inbox.clone();
            tokio::spawn(async move { (inbox.next().await, inbox.next().await) })
        };
        tokio::task::yield_now().await;
        assert!(inbox.output(Event::Stderr(b"x".to_vec())));
        tokio::task::yield_now().await;
        inbox.fail(ClientError::new(Code::ConnectionLost, "gone"));
        let (first, second) = reader.await.unwrap();
        assert_eq!(first.unwrap().bytes(), b"x");
        assert!(second.err().unwrap().is(Code::ConnectionLost));
    });
}

#[test]
fn events_that_nobody_reads_have_an_end() {
    let inbox = Inbox::default();
    for _ in 0..MOST_EVENTS {
        assert!(inbox.happened(b"{}".to_vec()));
    }
    assert!(!inbox.happened(b"{}".to_vec()));
    block(async {
        inbox.next().await.unwrap();
        inbox.next().await.unwrap();
    });
    assert!(inbox.happened(b"{}".to_vec()), "room was made");
}

#[test]
fn input_waits_for_credit_and_ends_with_the_commands_wish_to_read() {
    block(async {
        let inbox = Arc::new(Inbox::default());
        inbox.allow(10);
        assert_eq!(inbox.credit(7).await, Some(7));
        assert_eq!(inbox.credit(7).await, Some(3));

        let writer = {
            let inbox = inbox.clone();
            tokio::spawn(async move { (inbox.credit(100).await, inbox.credit(100).await) })
        };
        tokio::task::yield_now().await;
        assert!(!writer.is_finished());
        assert!(inbox.grant(Credit {
            bytes: 5,
            window: None,
        }));
        tokio::task::yield_now().await;
        inbox.event(Event::StdinClosed);
        let waited = tokio::time::timeout(Duration::from_secs(10), writer).await;
        assert_eq!(waited.unwrap().unwrap(), (Some(5), None));
    });
}

#[test]
fn grants_of_nothing_and_of_more_than_two_windows_are_no_honest_ones() {
    let inbox = Inbox::default();
    let window = u32::try_from(STREAM_WINDOW).unwrap();
    let grant = |bytes| {
        inbox.grant(Credit {
            bytes,
            window: None,
        })
    };
    assert!(!grant(0));
    assert!(grant(window), "one window is there from the beginning");
    assert!(!grant(1));
    assert!(!grant(u32::MAX));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However the bytes come and whenever they are read: none is lost, none changes its place, and
    /// no more than the window waits.
    #[test]
    fn bytes_keep_their_order_and_what_waits_is_bounded(
        steps in prop::collection::vec((any::<bool>(), 1usize..70_000, any::<bool>()), 0..80)
    ) {
        let inbox = Inbox::default();
        let (mut sent, mut read, mut waiting) = (Vec::new(), Vec::new(), 0usize);
        let mut open = STREAM_WINDOW;
        for (number, (to_stdout, length, reads)) in steps.into_iter().enumerate() {
            let byte = u8::try_from(number).unwrap();
            let fits = length <= open;
            let bytes = vec![byte; length];
            if fits {
                let event = if to_stdout { Event::Stdout(bytes) } else { Event::Stderr(bytes) };
                prop_assert!(inbox.output(event));
                open -= length;
                waiting += length;
                sent.extend(std::iter::repeat_n((to_stdout, byte), length));
            }
            if reads && waiting > 0 {
                let event = block(inbox.next()).unwrap();
                let from_stdout = matches!(event, Event::Stdout(_));
                let bytes = event.bytes();
                prop_assert!(bytes.len() <= JOINED.max(70_000));
                read.extend(bytes.iter().map(|byte| (from_stdout, *byte)));
                waiting -= bytes.len();
                open += inbox.consumed(bytes.len()).map_or(0, |grant| grant.bytes as usize);
            }
            prop_assert!(waiting <= STREAM_WINDOW);
        }
        for event in drained(&inbox).0 {
            let from_stdout = matches!(event, Event::Stdout(_));
            read.extend(event.bytes().iter().map(|byte| (from_stdout, *byte)));
        }
        prop_assert_eq!(read, sent);
    }
}
