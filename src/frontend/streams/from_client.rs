//! What the client says on its streams.

use super::super::inbox::Inbox;
use super::super::wire::{Empty, End, failure, parse};
use super::{Stream, Streams, left};
use crate::ids::{RunId, StreamId};
use crate::ipc::{Bound, SecretValue, ToMonitor, Way};
use crate::limits::{STREAM_MOST, STREAM_WINDOW};
use crate::mux::{measured_by, token_of};
use crate::protocol::{Code, Credit, Frame, Kind, Open, Ping, Resize};

impl Streams<'_> {
    /// Does what a frame of the client's says.
    pub(super) async fn take(&mut self, frame: Frame) -> Result<(), End> {
        let kind = frame.kind;
        let violation = |text: &str| Err(violation(kind, text));
        match frame.kind {
            Kind::Ping => self.ping(&frame),
            Kind::Pong => self.pong(&frame).await,
            Kind::Open => self.open_and_wipe(frame).await,

            Kind::Stdin | Kind::Eof | Kind::Credit | Kind::Reset | Kind::Resize
                if frame.stream > self.highest =>
            {
                violation("on a stream that was never opened")
            }
            Kind::Stdin => self.stdin(frame).await,
            Kind::Eof | Kind::Credit | Kind::Resize
                if matches!(
                    self.open.get(&frame.stream),
                    Some(Stream::Asked(_) | Stream::Followed(_))
                ) =>
            {
                violation("before STARTED")
            }
            Kind::Eof => {
                parse::<Empty>(&frame)?;
                self.eof(frame.stream);
                Ok(())
            }
            Kind::Credit => self.credit(&frame),
            Kind::Resize => self.resize(&frame),
            Kind::Reset => {
                parse::<Empty>(&frame)?;
                self.reset(frame.stream).await;
                Ok(())
            }

            _ => violation("is not expected here"),
        }
    }

    /// The client can take more output.
    fn credit(&self, frame: &Frame) -> Result<(), End> {
        let credit: Credit = parse(frame)?;
        // Nothing is more than the window that a client may open.
        let grows = self.link.client.grows;
        let most = if grows { STREAM_MOST } else { STREAM_WINDOW };
        let fits = |bytes: u32| bytes > 0 && bytes as usize <= most;
        if !fits(credit.bytes) || !credit.window.is_none_or(|window| grows && fits(window)) {
            return Err(violation(frame.kind, "of an impossible size"));
        }
        self.leave_for(frame.stream, |held| {
            held.credit += u64::from(credit.bytes);
            held.window = credit.window.or(held.window);
        });
        Ok(())
    }

    /// The client's terminal has another size.
    fn resize(&self, frame: &Frame) -> Result<(), End> {
        let size: Resize = parse(frame)?;
        self.leave_for(frame.stream, |held| {
            held.resize = Some((size.columns, size.rows));
        });
        Ok(())
    }

    /// The client sends no more input on this stream.
    fn eof(&mut self, stream: StreamId) {
        if let Some(Stream::Running { inbox, input, .. }) = self.open.get_mut(&stream) {
            *input = None;
            inbox.leave(|held| held.eof = true);
        }
    }

    /// The client gives the stream up.
    async fn reset(&mut self, stream: StreamId) {
        if let Some(open) = self.open.remove(&stream) {
            if let Stream::Running { inbox, .. } = open {
                inbox.leave(left);
            }
            self.link.leave(stream).await;
        }
    }

    /// The client wants to know whether we are there. One that asks faster than it reads gets no
    /// answer to some; it has no need of them.
    fn ping(&self, frame: &Frame) -> Result<(), End> {
        let ping: Ping = parse(frame)?;
        let _ = self.outbox.try_control(0, Kind::Pong, &ping);
        Ok(())
    }

    /// Input came, with an open window: perhaps it would come faster through a wider one.
    fn measure(&self, stream: StreamId, inbox: &Inbox) {
        if self.link.client.grows && inbox.asks() {
            let token = token_of(stream);
            let asked = self.outbox.try_control(0, Kind::Ping, &Ping { token });
            if asked.is_err() {
                inbox.not_asked();
            }
        }
    }

    /// The client is there. Where that was asked to measure a stream, its window may be opened
    /// further; the monitor is asked for that first, once.
    async fn pong(&self, frame: &Frame) -> Result<(), End> {
        let pong: Ping = parse(frame)?;
        let stream = measured_by(pong.token).and_then(|stream| self.open.get(&stream));
        if let Some(Stream::Running {
            inbox,
            input: Some(live),
            ..
        }) = stream
            && !inbox.answered(live.windows.input())
            && live.windows.asks(Way::Input)
        {
            let (run, way) = (*live.run.bytes(), Way::Input);
            self.link.shared.tell(ToMonitor::Widen { run, way }).await;
        }
        Ok(())
    }

    /// Opens a stream with a frame that may hold secrets, of which nothing stays.
    async fn open_and_wipe(&mut self, mut frame: Frame) -> Result<(), End> {
        crate::sys::fault_point("frontend-asked");
        let outcome = self.open(&frame).await;
        zeroize::Zeroize::zeroize(&mut frame.payload);
        outcome
    }

    /// The client asks for something, on a new stream.
    async fn open(&mut self, frame: &Frame) -> Result<(), End> {
        if frame.stream <= self.highest {
            return Err(End::Violation(
                Code::Protocol,
                format!("OPEN of stream {} after {}", frame.stream, self.highest),
            ));
        }

        self.highest = frame.stream;
        let open: Open = parse(frame)?;
        if self.open.len() >= self.link.limits.streams_per_connection as usize {
            let most = self.link.limits.streams_per_connection;
            let text = format!(
                "this connection has {most} streams open, as many as limits.streams_per_connection allows"
            );
            return self
                .fail(frame.stream, failure(Code::OverLimit, text))
                .await;
        }

        self.open.insert(frame.stream, Stream::Asked(Vec::new()));
        let secrets = open
            .secrets
            .into_iter()
            .map(|(name, part)| (name, SecretValue(part.value.clone()), part.salt.clone()))
            .collect();
        let message = ToMonitor::Request {
            connection: self.link.number,
            stream: frame.stream,
            signed: open.signed,
            signature: open.signature,
            secrets,
        };

        self.link.shared.tell(message).await;
        Ok(())
    }

    /// Input for a command.
    async fn stdin(&mut self, frame: Frame) -> Result<(), End> {
        let length = frame.payload.len() as u64;
        let violation = |text: &str| Err(End::Violation(Code::Protocol, text.into()));
        match self.open.get_mut(&frame.stream) {
            // The stream has ended; what was on its way then is nobody's fault.
            None => Ok(()),
            Some(Stream::Asked(_) | Stream::Followed(_)) => violation("STDIN before STARTED"),
            Some(Stream::Running { input: None, .. }) => {
                violation("STDIN that was not asked for, or after EOF")
            }

            Some(Stream::Running {
                input: Some(live), ..
            }) if !live.takes(length) => {
                let run = live.run;
                self.too_much_input(frame.stream, run).await
            }

            Some(Stream::Running { inbox, .. }) => {
                let inbox = inbox.clone();
                if !inbox.input(frame.payload) {
                    return violation("STDIN beyond its credit");
                }
                self.measure(frame.stream, &inbox);
                Ok(())
            }
        }
    }

    /// A run got more input than its command takes: it is ended.
    async fn too_much_input(&mut self, stream: StreamId, run: RunId) -> Result<(), End> {
        self.link
            .shared
            .tell(ToMonitor::Exceeded {
                run: *run.bytes(),
                bound: Bound::Input,
            })
            .await;
        if let Some(Stream::Running { inbox, .. }) = self.open.remove(&stream) {
            inbox.leave(left);
        }
        self.link.leave(stream).await;
        let text = "more standard input than the command's `stdin.max` allows; the run is ended";
        self.fail(stream, failure(Code::Stdin, text)).await
    }
}

/// What a frame has broken.
fn violation(kind: Kind, text: &str) -> End {
    End::Violation(Code::Protocol, format!("{} {text}", kind.word()))
}
