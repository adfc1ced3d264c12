//! Input on its way to the command.

use super::state::{Pump, State};
use crate::protocol::{Kind, Nothing};

impl Pump {
    /// Writes input once, and tells the client when the command reads no more.
    pub async fn feed(&self, state: &mut State, ready: bool) {
        let input = &mut state.input;
        let was_open = input.pipe.is_some();
        if !ready {
            input.pipe = None;
        }
        let terminal = self.live.rules.terminal.is_some();
        if terminal {
            self.live
                .spool()
                .feeding(input.moved + input.outstanding() as u64);
        }

        let consumed = input.write();
        if terminal && !input.waiting.is_empty() {
            self.live.spool().feeding(input.moved);
        }
        if was_open && input.pipe.is_none() {
            let by_itself = !input.eof;
            self.closed(0).await;
            if by_itself {
                self.control(state, Kind::StdinClosed, &Nothing {}).await;
            }
        }

        let grant = state
            .client
            .as_ref()
            .and_then(|client| client.inbox.consumed(consumed, self.live.windows.input()));
        if let Some(credit) = grant {
            self.control(state, Kind::Credit, &credit).await;
        }
    }
}
