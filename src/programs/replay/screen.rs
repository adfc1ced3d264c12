//! A replay at a terminal, with its keys; elsewhere in its time, without.

use super::out::printed;
use super::player::{Do, Player};
use crate::client::ClientError;
use crate::programs::run_input::Pieces;
use crate::programs::terminal::{OfTerminal, Ring, Signals};
use crate::sys::{RawMode, stop};
use std::io::{self, IsTerminal};
use tokio::time::Instant;

/// What empties a screen, and takes back a colour.
const EMPTY: &[u8] = b"\x1b[0m\x1b[H\x1b[2J";

/// The keys, while they are heard.
struct Keys {
    pieces: Pieces,
    mode: Option<RawMode>,
    rings: OfTerminal,
    signals: Signals,
}

/// What has come.
enum Came {
    Time,
    Keys(Vec<u8>),
    Again,
    End,
}

/// Shows it until it is over, or somebody has had enough.
///
/// # Errors
/// That nothing can be shown.
pub async fn show(mut player: Player) -> Result<(), ClientError> {
    let at_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut keys = match at_terminal {
        true => Some(Keys::new()?),
        false => None,
    };
    printed(player.film().before(player.next()))?;
    let mut since = Instant::now();
    loop {
        player.pass(since.elapsed());
        since = Instant::now();
        while let Some(moment) = player.due() {
            printed(player.film().text(moment))?;
        }
        if player.is_over() {
            return Ok(());
        }
        match came(&player, keys.as_mut()).await {
            Came::Time => {}
            Came::Again => redraw(&player, player.next())?,
            Came::End => return Ok(()),
            Came::Keys(bytes) => {
                player.pass(since.elapsed());
                since = Instant::now();
                for byte in bytes {
                    match player.typed(byte) {
                        Do::Nothing => {}
                        Do::Show(moment) => printed(player.film().text(moment))?,
                        Do::Redraw(moment) => redraw(&player, moment)?,
                        Do::Quit => return printed(b"\x1b[0m\n"),
                    }
                }
            }
        }
    }
}

fn redraw(player: &Player, moment: usize) -> Result<(), ClientError> {
    printed(EMPTY)?;
    printed(player.film().before(moment))
}

async fn came(player: &Player, keys: Option<&mut Keys>) -> Came {
    let time = async {
        match player.wait() {
            Some(wait) => tokio::time::sleep(wait).await,
            None => std::future::pending().await,
        }
    };
    let Some(keys) = keys else {
        time.await;
        return Came::Time;
    };
    tokio::select! {
        () = time => Came::Time,
        came = keys.next() => came,
    }
}

impl Keys {
    fn new() -> Result<Self, ClientError> {
        let (rings, signals) = (OfTerminal::new()?, Signals::new()?);
        let mode = RawMode::of_keys().map_err(|fault| {
            ClientError::new(
                crate::protocol::Code::Internal,
                format!("the terminal: {fault}"),
            )
        })?;
        Ok(Self {
            pieces: Pieces::of_standard_input(),
            mode: Some(mode),
            rings,
            signals,
        })
    }

    async fn next(&mut self) -> Came {
        tokio::select! {
            piece = self.pieces.next() => match piece {
                Ok(piece) if !piece.is_empty() => Came::Keys(piece),
                _ => Came::End,
            },
            ring = self.rings.rung() => match ring {
                Ring::Stop => {
                    // The terminal is given back meanwhile.
                    self.mode = None;
                    stop();
                    self.mode = RawMode::of_keys().ok();
                    Came::Again
                }
                Ring::Again => {
                    self.mode.iter().for_each(RawMode::again);
                    Came::Again
                }
                Ring::Size => Came::Again,
                Ring::Quit => Came::End,
            },
            () = self.signals.interrupt.rung() => Came::End,
            () = self.signals.end.rung() => Came::End,
        }
    }
}
