//! Standard input on its way, over a connection whose other end the test holds.

use super::*;
use crate::client::inbox::Inbox;
use crate::mux::{Outgoing, outbox};
use crate::protocol::Credit;
use tokio::task::yield_now;

fn begun() -> (DurableInput, Arc<Inbox>, Outgoing) {
    let (outbox, outgoing) = outbox();
    let inbox = Arc::new(Inbox::default());
    let feed = Arc::new(Feed::new(Input::of(outbox, 1, inbox.clone())));
    tokio::spawn(drive(feed.clone()));
    (DurableInput::new(feed), inbox, outgoing)
}

fn grant(inbox: &Inbox, bytes: u32) {
    assert!(inbox.grant(Credit {
        bytes,
        window: None
    }));
}

/// The bytes of all frames that have left, each of which is as long as it says.
fn left(outgoing: &mut Outgoing) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(frame) = outgoing.try_recv() {
        let (head, content) = frame.split_at(HEADER);
        let length = u32::try_from(content.len()).unwrap();
        assert_eq!(head, header(1, Kind::Stdin, length));
        bytes.extend_from_slice(content);
    }
    bytes
}

/// Credit that came while bytes waited was taken for them by whoever waits, though whoever brings more
/// had sent them meanwhile: a frame left that was shorter than it said, and the count went astray.
#[tokio::test]
async fn credit_is_taken_for_what_waits_when_it_is_taken() {
    let (input, inbox, mut outgoing) = begun();
    inbox.allow(10);
    assert_eq!(inbox.credit(10).await, Some(10));
    assert!(input.send(b"abc").await);
    for _ in 0..4 {
        yield_now().await;
    }
    assert_eq!(left(&mut outgoing), b"");
    grant(&inbox, 100);
    assert!(input.send(b"defgh").await);
    for _ in 0..4 {
        yield_now().await;
    }
    assert_eq!(left(&mut outgoing), b"abcdefgh");
    assert!(input.send(b"ijk").await);
    for _ in 0..4 {
        yield_now().await;
    }
    assert_eq!(left(&mut outgoing), b"ijk");
    assert_eq!(input.0.sent(), 11);
    assert_eq!(inbox.credit(usize::MAX).await, Some(100 - 8 - 3));
}
