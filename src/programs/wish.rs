//! What is wanted of something that goes on: told by signals to what is done alone, and by the fleet to
//! what is done at one of many hosts.

use super::terminal::Signals;
use crate::client::ClientError;
use tokio::sync::watch;

/// What is wanted of everything that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That it goes on.
    GoOn,
    /// That it is ended, there too.
    Cancel,
    /// That it is left to itself.
    Leave,
}

/// Where wishes come from.
#[cfg(target_os = "linux")]
pub enum Wishes {
    /// From the system, and whether one has come.
    Signals(Signals, bool),
    /// From a fleet.
    Fleet(watch::Receiver<Wish>),
}

#[cfg(target_os = "linux")]
impl Wishes {
    /// Those that signals tell: the first interrupt ends it, and one more leaves it.
    ///
    /// # Errors
    /// Signals cannot be heard.
    pub fn of_signals() -> Result<Self, ClientError> {
        Ok(Self::Signals(Signals::new()?, false))
    }

    /// Those of a fleet, beginning with the one that holds now.
    pub fn of_fleet(mut wish: watch::Receiver<Wish>) -> Self {
        wish.mark_changed();
        Self::Fleet(wish)
    }

    /// Whether nobody else tells what is done about them.
    pub const fn are_signals(&self) -> bool {
        matches!(self, Self::Signals(..))
    }

    /// The next one.
    pub async fn next(&mut self) -> Wish {
        match self {
            Self::Signals(signals, interrupted) => tokio::select! {
                () = signals.interrupt.rung() => match std::mem::replace(interrupted, true) {
                    false => Wish::Cancel,
                    true => Wish::Leave,
                },
                () = signals.end.rung() => Wish::Leave,
            },
            Self::Fleet(wish) => changed(wish).await,
        }
    }
}

/// The next wish of a fleet.
pub async fn changed(wish: &mut watch::Receiver<Wish>) -> Wish {
    if wish.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    *wish.borrow_and_update()
}
