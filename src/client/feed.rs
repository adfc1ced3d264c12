//! Standard input of a run that outlives its link: kept until the server has it, and sent again from
//! the byte on that had arrived.

use super::run::Input;
use crate::limits::{DATA_FRAME, STREAM_WINDOW};
use crate::protocol::{HEADER, Kind, header};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Standard input on its way: what was sent and may have to be sent again, and what waits.
#[derive(Debug)]
pub struct Feed {
    state: Mutex<FeedState>,
    /// The bell for whoever sends to the server.
    drive: Notify,
    /// The bell for whoever has more input.
    room: Notify,
}

/// Which bytes are kept, and how far they were sent.
struct FeedState {
    input: Input,
    /// The number of the link, which rises with each.
    link: u64,
    /// The offset of the first kept byte.
    from: u64,
    kept: VecDeque<u8>,
    /// The offset of the next byte for this link.
    next: u64,
    /// The offset behind the last byte that was sent over any link.
    sent: u64,
    /// The widest window that the server has opened over any link.
    window: usize,
    eof: bool,
    eof_sent: bool,
    /// Whether a frame is on its way into the queue: nothing may overtake it.
    pushing: bool,
    over: bool,
}

impl std::fmt::Debug for FeedState {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "FeedState({}..{})", self.from, self.next)
    }
}

impl FeedState {
    /// The offset behind the last kept byte.
    fn end(&self) -> u64 {
        self.from + self.kept.len() as u64
    }
}

impl Feed {
    /// The input before anything was given, over the first link.
    pub fn new(input: Input) -> Self {
        let state = FeedState {
            input,
            link: 0,
            from: 0,
            kept: VecDeque::new(),
            next: 0,
            sent: 0,
            window: STREAM_WINDOW,
            eof: false,
            eof_sent: false,
            pushing: false,
            over: false,
        };

        Self {
            state: Mutex::new(state),
            drive: Notify::new(),
            room: Notify::new(),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut FeedState) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes no more input.
    pub fn end(&self) {
        self.with(|state| state.over = true);
        self.drive.notify_one();
        self.room.notify_one();
    }

    /// How many bytes were sent, those that were sent again counted once.
    pub fn sent(&self) -> u64 {
        self.with(|state| state.sent)
    }

    /// Goes on over a new link, on which so many bytes have arrived already; without a number the
    /// server takes no more. `false` when so many cannot have arrived, or are not kept any more.
    #[must_use]
    pub fn go_on(&self, input: Input, arrived: Option<u64>) -> bool {
        let fine = self.with(|state| {
            state.input = input;
            state.link += 1;
            state.eof_sent = false;

            let kept = state.from..=state.sent;
            match arrived.filter(|arrived| kept.contains(arrived)) {
                Some(arrived) => state.next = arrived,
                None => state.over = true,
            }
            arrived.is_none_or(|arrived| kept.contains(&arrived))
        });

        self.drive.notify_one();
        self.room.notify_one();
        fine
    }
}

/// What is to be sent next.
enum Next {
    /// Bytes, over this link.
    Send(Input, u64),
    /// The end of input goes over this link.
    End(Input, u64),
    /// Nothing is to be sent yet.
    Wait,
    /// Nothing is to be sent any more.
    Stop,
}

impl FeedState {
    fn next(&self) -> Next {
        if self.over {
            Next::Stop
        } else if self.input.lost() {
            Next::Wait
        } else if self.waiting() > 0 {
            Next::Send(self.input.clone(), self.link)
        } else if self.eof && !self.eof_sent {
            Next::End(self.input.clone(), self.link)
        } else {
            Next::Wait
        }
    }

    /// How many bytes wait.
    fn waiting(&self) -> usize {
        usize::try_from(self.end().saturating_sub(self.next)).unwrap_or(DATA_FRAME)
    }

    /// The next frame over this link, which is on its way from now on; none where there is another
    /// link by now, or what waited was sent meanwhile. Credit is taken for what waits at this very
    /// moment, and for nothing else.
    fn next_frame(&mut self, link: u64) -> Option<Vec<u8>> {
        if self.link != link {
            return None;
        }
        let room = self.input.credit_now(self.waiting())?;
        self.pushing = true;
        Some(self.frame(room))
    }

    /// A frame of so many of the bytes that wait.
    fn frame(&mut self, room: usize) -> Vec<u8> {
        let at = usize::try_from(self.next - self.from).unwrap_or(0);
        let length = u32::try_from(room).unwrap_or(0);
        let mut frame = Vec::with_capacity(HEADER + room);
        frame.extend_from_slice(&header(self.input.stream(), Kind::Stdin, length));
        let (first, second) = self.kept.as_slices();
        let first = first.get(at..).unwrap_or_default();
        let now = room.min(first.len());
        frame.extend_from_slice(first.get(..now).unwrap_or_default());
        let at = at.saturating_sub(self.kept.as_slices().0.len());
        let rest = second.get(at..at + room - now).unwrap_or_default();
        frame.extend_from_slice(rest);
        self.next += room as u64;
        self.sent = self.sent.max(self.next);

        // A window's worth may be on its way; what lies further back has arrived.
        self.window = self.window.max(self.input.window());
        let most = self.window + STREAM_WINDOW;
        let excess = at.saturating_add(room).saturating_sub(most);
        self.kept.drain(..excess);
        self.from += excess as u64;
        frame
    }

    /// Sends what waits at once, as far as that goes, where nothing else is being sent.
    fn send_now(&mut self) {
        let waiting = self.waiting();
        if self.over || self.pushing || waiting == 0 {
            return;
        }
        let input = self.input.clone();
        input.push_now(waiting, |room| self.frame(room));
    }
}

/// Sends what there is, under the server's credit, link after link.
pub async fn drive(feed: Arc<Feed>) {
    loop {
        match feed.with(|state| state.next()) {
            Next::Stop => return,
            Next::Wait => feed.drive.notified().await,
            Next::End(input, link) => {
                let _ = input.end().await;
                feed.with(|state| state.eof_sent = state.link == link);
            }

            Next::Send(input, link) => {
                let open = tokio::select! {
                    open = input.has_credit() => open,
                    // Perhaps a new link.
                    () = feed.drive.notified() => continue,
                };
                if !open {
                    if input.lost() {
                        continue;
                    }
                    return feed.end();
                }

                if let Some(frame) = feed.with(|state| state.next_frame(link)) {
                    let _ = input.push(frame).await;
                    feed.with(|state| state.pushing = false);
                }
                feed.room.notify_one();
            }
        }
    }
}

/// The way to a durable run's standard input.
#[derive(Debug, Clone)]
pub struct DurableInput(Arc<Feed>);

impl DurableInput {
    pub(super) const fn new(feed: Arc<Feed>) -> Self {
        Self(feed)
    }

    /// Sends bytes as fast as the command takes them; `false` when it takes no more.
    pub async fn send(&self, bytes: &[u8]) -> bool {
        for piece in bytes.chunks(DATA_FRAME) {
            loop {
                let taken = self.0.with(|state| {
                    if state.over {
                        return None;
                    }
                    let room = state.waiting() < 2 * DATA_FRAME;
                    if room {
                        state.kept.extend(piece);
                        state.send_now();
                    }
                    Some((room, state.waiting() > 0))
                });

                match taken {
                    None => return false,
                    // What is sent already needs nobody who is woken for it.
                    Some((true, false)) => break,
                    Some((true, true)) => {
                        self.0.drive.notify_one();
                        break;
                    }
                    Some((false, _)) => self.0.room.notified().await,
                }
            }
        }

        true
    }

    /// Says that nothing more follows.
    pub fn end(&self) {
        self.0.with(|state| state.eof = true);
        self.0.drive.notify_one();
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
