//! What a server sends that it may not.

use super::*;
use crate::mux::outbox;
use crate::protocol::{Phase, Sender, encode};
use proptest::prelude::*;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// What the readers of streams 1 and 2 hear when the server sends these bytes and nothing more.
async fn heard(sent: Vec<u8>) -> [Result<Event, ClientError>; 2] {
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let (reading, _writing) = tokio::io::split(ours);
    let streams = Arc::new(Streams::default());
    let inboxes = [1, 2].map(|stream| {
        let inbox = Arc::new(Inbox::default());
        streams.enter(stream, inbox.clone());
        inbox
    });
    let (outbox, _outgoing) = outbox();
    theirs.write_all(&sent).await.unwrap();
    drop(theirs);

    let mut frames = Reader::new(reading, Sender::Server);
    frames.enter(Phase::Open);
    receive(frames, streams, outbox).await;
    let next = async |inbox: &Inbox| {
        tokio::time::timeout(Duration::from_secs(10), inbox.next())
            .await
            .expect("somebody waits for ever")
    };
    [next(&inboxes[0]).await, next(&inboxes[1]).await]
}

fn block<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

/// A stream was forgotten before its last frame was read: when that could not be read, whoever
/// waited for it waited for ever.
#[test]
fn a_last_frame_that_cannot_be_read_is_told_to_whoever_waits_for_it() {
    for kind in [Kind::Exit, Kind::Error] {
        for payload in [&b"{"[..], b"[]", b"\xff", b"{\"code\": \"x\"}"] {
            for result in block(heard(encode(1, kind, payload))) {
                let error = result.err().unwrap();
                assert!(error.is(Code::Protocol), "{kind:?} {payload:?}: {error}");
                assert!(error.text.contains(kind.word()), "{error}");
            }
        }
    }
}

#[test]
fn what_one_stream_hears_at_its_end_is_not_what_the_others_hear() {
    let [first, second] = block(heard(encode(1, Kind::Answer, b"{}")));
    assert!(matches!(first, Ok(Event::Answer(payload)) if payload == b"{}"));
    assert!(second.err().unwrap().is(Code::ConnectionLost));
}

#[test]
fn output_without_credit_ends_the_connection() {
    let chunk = vec![b'x'; 1 << 15];
    let mut sent = encode(
        1,
        Kind::Started,
        br#"{"run":"0123456789abcdef","stdin":false}"#,
    );
    sent.extend((0..17).flat_map(|_| encode(1, Kind::Stdout, &chunk)));
    let [_, second] = block(heard(sent));
    let error = second.err().unwrap();
    assert!(error.is(Code::Protocol), "{error}");
    assert!(error.text.contains("credit"), "{error}");
}

#[test]
fn the_connections_own_fault_is_told_to_every_stream() {
    let failure = br#"{"code": 104, "text": "stopping"}"#;
    for result in block(heard(encode(0, Kind::Error, failure))) {
        assert_eq!(result.err().unwrap().code, 104);
    }
}

/// A server that says "connection lost" had its client heal a link that was whole.
#[test]
fn the_clients_own_codes_are_not_believed_of_a_server() {
    for code in [600, 603, 605, 607, 608, 999] {
        let failure = format!(r#"{{"code": {code}, "text": "is pinned"}}"#);
        let [first, _] = block(heard(encode(1, Kind::Error, failure.as_bytes())));
        let error = first.err().unwrap();
        assert!(error.is(Code::Protocol), "{error}");
        assert!(error.text.contains(&code.to_string()), "{error}");
    }
    let failure = br#"{"code": 606, "text": "nobody knows"}"#;
    let [first, _] = block(heard(encode(1, Kind::Error, failure)));
    assert_eq!(first.err().unwrap().code, 606);
}

#[test]
fn frames_that_may_not_come_now_end_the_connection() {
    for (stream, kind, payload) in [
        (1, Kind::Stdout, &b"x"[..]),
        (1, Kind::Credit, br#"{"bytes":1}"#),
        (3, Kind::Answer, b"{}"),
    ] {
        for result in block(heard(encode(stream, kind, payload))) {
            let error = result.err().unwrap();
            assert!(error.is(Code::Protocol), "{kind:?}: {error}");
            assert!(error.text.contains(kind.word()), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_leave_a_reader_waiting(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        kind in prop::sample::select(vec![
            Kind::Answer, Kind::Exit, Kind::Error, Kind::Started, Kind::Queued, Kind::Credit,
            Kind::Event, Kind::StdinClosed, Kind::Ping, Kind::Pong,
        ]),
        stream in 0u32..3,
    ) {
        // Framed, so that most of it gets past the reader of frames; then as it is.
        for sent in [encode(stream, kind, &bytes), bytes.clone()] {
            let [_, _] = block(heard(sent));
        }
    }
}
