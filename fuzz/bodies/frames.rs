//! Frames: every sender in every phase. A verdict falls with the header, and a frame is exactly the
//! bytes it came from.

use ordain::protocol::{Decoder, HEADER, Phase, Sender, encode};

/// Anything at all.
pub fn check(bytes: &[u8]) {
    for from in [Sender::Client, Sender::Server] {
        for phase in [Phase::Greeting, Phase::Login, Phase::Open] {
            let mut decoder = Decoder::new(from);
            decoder.enter(phase);
            let verdict = bytes
                .first_chunk::<HEADER>()
                .map(|head| decoder.header(*head));
            let (mut held, mut at) = (bytes.to_vec(), 0);
            loop {
                let before = held.len();
                let taken = decoder.take(&mut held);
                if at == 0 {
                    assert_eq!(
                        taken.as_ref().err(),
                        verdict.as_ref().and_then(|verdict| verdict.as_ref().err())
                    );
                }

                let Ok(Some(frame)) = taken else {
                    assert_eq!(held.len(), before, "no frame, and yet bytes are gone");
                    break;
                };

                assert!(frame.kind.allowed(from, phase) && !frame.payload.is_empty());
                let whole = encode(frame.stream, frame.kind, &frame.payload);
                assert!(bytes[at..].starts_with(&whole));
                at += whole.len();
                assert_eq!(held, bytes[at..]);
            }
        }
    }
}
