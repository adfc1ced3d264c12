//! Output on its way: out of the pipes, into the spool, and to the client as far as it has credit.

use super::super::client::{Client, Stopped, kind_of};
use super::client::Queued;
use super::ends::read_now;
use super::state::{Pump, State};
use crate::ipc::Bound;
use crate::limits::{DATA_FRAME, PIPE_BUFFER};
use crate::mux::Closed;
use crate::protocol::{HEADER, header};
use crate::spool::Stream;
use crate::sys;
use bytes::BufMut;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

impl Pump {
    /// Every byte of output passes here, once and in order, whoever is told of it later: it is kept,
    /// and counted against the bound. A read that found nothing passes too; it is over.
    fn keep(&self, state: &mut State, stream: Stream, bytes: &[u8]) {
        self.live.spool().append(stream, bytes);
        state.left = state.left.saturating_sub(bytes.len() as u64);
    }

    /// Reads an output once, keeps what came, and sends it.
    pub async fn forward(&self, state: &mut State, stream: Stream) {
        let spool = self.live.spool();
        // Straight to a client that has credit and everything before; otherwise it gets it from the
        // spool.
        let straight = state
            .client
            .as_ref()
            .filter(|client| client.room() > 0 && !client.is_behind(&spool))
            .map(Client::room);
        let most = usize::try_from(state.left).unwrap_or(usize::MAX);
        let number = state.client.as_ref().map_or(0, |client| client.stream);
        let output = state.output(stream);
        let Some(pipe) = &mut output.pipe else { return };
        let room = output.chunk.min(straight.unwrap_or(usize::MAX)).min(most);
        let mut frame = Vec::with_capacity(HEADER + room);
        frame.extend_from_slice(&header(number, kind_of(stream), 0));
        spool.reading(stream);
        let read = match read_now(pipe, &mut (&mut frame).limit(room)).await {
            None => return self.keep(state, stream, &[]),
            Some(Ok(0) | Err(_)) => {
                self.keep(state, stream, &[]);
                return self.close(state, stream).await;
            }

            Some(Ok(read)) => read,
        };

        sys::fault_point("frontend-read");
        self.keep(state, stream, frame.get(HEADER..).unwrap_or_default());
        state.output(stream).was_read(read);
        sys::fault_point("frontend-output");
        self.live.changed.notify_waiters();
        if straight.is_some() {
            let length = u32::try_from(read).unwrap_or(0).to_be_bytes();
            if let Some(place) = frame.first_chunk_mut::<4>() {
                *place = length;
            }
            self.send(state, stream, frame).await;
        }
    }

    /// Sends a frame of output that is kept.
    async fn send(&self, state: &mut State, stream: Stream, frame: Vec<u8>) {
        let Some(client) = &state.client else { return };
        let count = frame.len() - HEADER;
        match self.queue(client, frame).await {
            Ok(Queued::Yes) => {
                if let Some(client) = &mut state.client {
                    client.advance(stream, count);
                }
            }

            // It is kept; the client gets it from there.
            Ok(Queued::Interrupted) => {}
            Err(Closed) => self.lose_client(state, false),
        }
    }

    /// Sends one frame of what the client has missed.
    pub async fn catch_up(&self, state: &mut State) {
        let Some(client) = &state.client else {
            return;
        };
        match client.frame(&self.live.spool()) {
            Ok(None) => {}
            Ok(Some((stream, frame))) => self.send(state, stream, frame).await,
            Err(Stopped::Gone(stream, gone)) => {
                client.refuse(stream, gone).await;
                self.lose_client(state, true);
            }

            Err(Stopped::Closed) => self.lose_client(state, false),
        }
    }

    /// Reads once beyond the bound on output: what came is dropped, and the monitor ends the run.
    pub async fn cut(&self, state: &mut State, stream: Stream) {
        let Some(pipe) = &mut state.output(stream).pipe else {
            return;
        };
        let mut dropped = Vec::with_capacity(DATA_FRAME);
        match read_now(pipe, &mut (&mut dropped).limit(DATA_FRAME)).await {
            None => {}
            Some(Ok(0) | Err(_)) => self.close(state, stream).await,
            Some(Ok(_)) if state.cut => {}
            Some(Ok(_)) => {
                state.cut = true;
                self.exceeded(Bound::Output).await;
            }
        }
    }

    /// Takes what is in a pipe now, and no more than fits into one: somebody may write for ever.
    /// Asks the kernel itself, because the runtime may not have heard of it yet. The client gets
    /// the output from the spool.
    pub async fn take_the_rest(&self, state: &mut State, stream: Stream) {
        let pipe = state
            .output(stream)
            .pipe
            .as_ref()
            .and_then(|pipe| pipe.as_fd().try_clone_to_owned().ok());
        let Some(mut pipe) = pipe.map(File::from) else {
            return;
        };
        let (mut buffer, mut taken) = (vec![0; DATA_FRAME], 0);
        while taken < PIPE_BUFFER {
            self.live.spool().reading(stream);
            let read = pipe.read(&mut buffer);
            let count = read.as_ref().map_or(0, |count| *count);
            let kept = usize::try_from(state.left).unwrap_or(usize::MAX).min(count);
            self.keep(state, stream, buffer.get(..kept).unwrap_or_default());
            self.live.changed.notify_waiters();
            taken += count;
            if kept < count && !std::mem::replace(&mut state.cut, true) {
                self.exceeded(Bound::Output).await;
            }
            match read {
                Ok(1..) => {}
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return,
                Ok(0) | Err(_) => return self.close(state, stream).await,
            }
        }
    }

    /// Closes one of the run's outputs.
    pub async fn close(&self, state: &mut State, stream: Stream) {
        if state.output(stream).pipe.take().is_some() {
            self.closed(1 + u8::from(stream == Stream::Stderr)).await;
        }
    }
}
