//! The windows of a run while it is pumped: more is asked for where it is missed, and given back where
//! others need it.

use super::super::windows::behind;
use super::state::{Pump, State};
use crate::ipc::{ToMonitor, Way};
use crate::limits::{SPOOL_WIDE, STREAM_MOST, STREAM_WINDOW};
use std::os::fd::OwnedFd;

impl Pump {
    /// How many bytes of output a client may be behind. What a lost link may have swallowed is kept,
    /// where a client may come back for it.
    pub fn behind(&self) -> usize {
        let rules = &self.live.rules;
        if self.live.windows.is_narrow() {
            STREAM_WINDOW
        } else if rules.resume_ms == 0 && !rules.outlives_client {
            STREAM_MOST
        } else {
            behind(self.live.spool().capacity())
        }
    }

    /// Asks for room where the client would take more output than is kept for it, and says where
    /// room that others need is free again.
    pub async fn settle_windows(&self, state: &mut State) {
        let Some(client) = &mut state.client else {
            return;
        };
        let windows = &self.live.windows;
        let run = *self.live.run.bytes();
        if windows.is_narrow() {
            client.behind = self.behind();
            let input = client.inbox.fits(STREAM_WINDOW);
            let output = client.allowance.in_flight() <= STREAM_WINDOW as u64;
            for (way, is_free) in [(Way::Input, input), (Way::Output, output)] {
                if is_free && windows.tells(way) {
                    self.shared.tell(ToMonitor::Narrowed { run, way }).await;
                }
            }
            return;
        }

        // Whoever may not come back is sent all that they take; of what outlives them enough is kept
        // from the beginning.
        let is_held_up = client.room() == 0 && client.allowance.left() > 0;
        let can_grow = !self.live.rules.outlives_client && client.behind < behind(SPOOL_WIDE);
        if is_held_up && can_grow && windows.asks(Way::Output) {
            let way = Way::Output;
            self.shared.tell(ToMonitor::Widen { run, way }).await;
        }
    }

    /// Moves the output into another file, which the monitor has charged the user for.
    pub async fn move_output(&self, state: &mut State, spool: OwnedFd, capacity: u64) {
        if !self.live.move_to(spool, capacity) {
            return;
        }
        if let Some(client) = &mut state.client {
            client.behind = self.behind();
        }
        let run = *self.live.run.bytes();
        self.shared.tell(ToMonitor::Moved { run }).await;
    }
}
