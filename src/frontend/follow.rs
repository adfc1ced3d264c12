//! A client that watches a run beside the one it belongs to, or its output after its end.

use super::client::{Client, Stopped};
use super::inbox::Held;
use super::live::Live;
use crate::protocol::{Ended, HEADER, Kind, encode, write};
use std::sync::Arc;

/// Tells a client a run's output from where it wants it, beside whoever else is told. Slower than
/// the run, it loses what is no longer kept, and is told so: it holds up nobody.
pub async fn follow(live: Arc<Live>, mut client: Client, until_the_end: bool) {
    let outcome = tell(&live, &mut client, until_the_end).await;
    if let Err(Stopped::Gone(stream, gone)) = outcome {
        client.refuse(stream, gone).await;
    }
    client.stream_is_over();
}

/// Tells the client all there is, and what follows, until the end or until the client is gone.
async fn tell(live: &Live, client: &mut Client, until_the_end: bool) -> Result<(), Stopped> {
    if let Some((stream, gone)) = client.missing(&live.spool()) {
        return Err(Stopped::Gone(stream, gone));
    }
    let mut held = Held::default();
    let started = encode(
        client.stream,
        Kind::Started,
        &write(&live.started_for(client, false)),
    );

    client.put(started).await?;
    let until = live.spool().both();
    loop {
        let changed = live.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        client.inbox.take(&mut held);
        if held.abandoned {
            return Ok(());
        }
        client.granted(&held);
        let ended = live.ended();
        if let Some((stream, frame)) = client.frame(&live.spool())? {
            let count = frame.len() - HEADER;
            client.put(frame).await?;
            client.advance(stream, count);
            continue;
        }

        let enough = !until_the_end && client.sent[0] >= until[0] && client.sent[1] >= until[1];
        let last = match ended {
            Some(ended) if !client.is_behind(&live.spool()) => Some(ended),
            None if enough => Some(so_far(live, client)),
            _ => None,
        };

        if let Some(last) = last {
            return client
                .put(encode(client.stream, Kind::Exit, &write(&last)))
                .await;
        }

        tokio::select! {
            () = changed => {}
            () = client.inbox.rung() => {}
        }
    }
}

/// What is told in place of an end: what was kept was told, and the run goes on.
fn so_far(live: &Live, client: &Client) -> Ended {
    let [stdout_bytes, stderr_bytes] = client.sent;
    Ended {
        run: live.run.to_string(),
        reason: crate::exit::Reason::Lost.word().into(),
        number: None,
        duration_ms: 0,
        user_ms: 0,
        system_ms: 0,
        peak_kib: 0,
        left_killed: 0,
        left_running: 0,
        verified: true,
        goes_on: true,
        cut: false,
        stdin_bytes: 0,
        stdout_bytes,
        stderr_bytes,
        held_open: false,
        digest: None,
        files: None,
        bytes: None,
        receipt: None,
    }
}
