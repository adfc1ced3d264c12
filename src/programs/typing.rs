//! Lines that a person types while something is shown: behind a prompt at a terminal, one after the
//! other out of a pipe.

use super::edited::{Done, Edited, TAKEN_AWAY};
use super::output::print;
use super::run_input::Pieces;
use super::terminal::{OfTerminal, Ring, Signals};
use crate::client::ClientError;
use crate::sys::{RawMode, own_terminal_size, stop};
use std::io::{self, IsTerminal};

/// Bytes of a line out of a pipe: more than can be said.
const LINE: usize = 8 * 1024;

/// What comes of waiting for a line.
pub enum Typed {
    /// A line, without its end.
    Line(String),
    /// A line that is longer than any that means something.
    TooLong,
    /// The end of input, or the person wants to leave.
    End,
    /// The input cannot be read.
    Broken(io::Error),
}

/// Where lines come from.
pub struct Typing {
    pieces: Pieces,
    way: Way,
}

enum Way {
    Pipe { held: Vec<u8>, ended: bool },
    Terminal(Box<Terminal>),
}

/// A terminal with a prompt in its last line.
struct Terminal {
    line: Edited,
    /// The mode in which each key comes at once; what was before comes back with its end.
    mode: Option<RawMode>,
    rings: OfTerminal,
    signals: Signals,
}

impl Typing {
    /// Behind a prompt where this is a terminal on both sides and a prompt is wanted.
    ///
    /// # Errors
    /// When signals cannot be heard.
    pub fn begin(prompt: bool) -> Result<Self, ClientError> {
        let at_terminal = prompt && io::stdin().is_terminal() && io::stdout().is_terminal();
        let way = if at_terminal {
            Way::Terminal(Box::new(Terminal {
                line: Edited::default(),
                rings: OfTerminal::new()?,
                signals: Signals::new()?,
                mode: RawMode::of_keys().ok(),
            }))
        } else {
            Way::Pipe {
                held: Vec::new(),
                ended: false,
            }
        };
        let pieces = Pieces::of_standard_input();
        Ok(Self { pieces, way })
    }

    /// The next line. Cancel-safe.
    pub async fn next(&mut self) -> Typed {
        match &mut self.way {
            Way::Pipe { held, ended } => line_of_pipe(&mut self.pieces, held, ended).await,
            Way::Terminal(terminal) => terminal.next(&mut self.pieces).await,
        }
    }

    /// Returns when the person wants to leave, while something else is done than to wait for a line.
    pub async fn left(&mut self) {
        match &mut self.way {
            Way::Pipe { .. } => std::future::pending().await,
            Way::Terminal(terminal) => terminal.left().await,
        }
    }

    /// Takes the prompt away, so that something can be shown above it.
    pub fn hide(&self) {
        if let Way::Terminal(_) = &self.way {
            draw(TAKEN_AWAY);
        }
    }

    /// Shows the prompt again, with what is typed so far.
    pub fn show(&self) {
        if let Way::Terminal(terminal) = &self.way {
            terminal.show();
        }
    }
}

async fn line_of_pipe(pieces: &mut Pieces, held: &mut Vec<u8>, ended: &mut bool) -> Typed {
    let text = |line: &[u8]| Typed::Line(String::from_utf8_lossy(line).into_owned());
    loop {
        if let Some(end) = held.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = held.drain(..=end).collect();
            return text(line.trim_ascii_end());
        }
        if held.len() > LINE {
            held.clear();
            return Typed::TooLong;
        }
        if *ended && held.is_empty() {
            return Typed::End;
        }
        if *ended {
            return text(&std::mem::take(held));
        }
        match pieces.next().await {
            Ok(piece) if piece.is_empty() => *ended = true,
            Ok(piece) => held.extend(piece),
            Err(fault) => return Typed::Broken(fault),
        }
    }
}

impl Terminal {
    async fn next(&mut self, pieces: &mut Pieces) -> Typed {
        loop {
            match self.line.done() {
                Some(Done::Line(line)) => {
                    // What is said comes back as an event; what is asked for stands above its answer.
                    let stays = line.starts_with('/');
                    draw(&match stays {
                        true => format!("{TAKEN_AWAY}> {}\n", super::display::plain(&line)),
                        false => TAKEN_AWAY.to_owned(),
                    });
                    return Typed::Line(line);
                }
                Some(Done::End) => return Typed::End,
                None => self.show(),
            }
            tokio::select! {
                piece = pieces.next() => match piece {
                    Ok(piece) if piece.is_empty() => return Typed::End,
                    Ok(piece) => self.line.takes(&piece),
                    Err(fault) => return Typed::Broken(fault),
                },
                () = self.signals.end.rung() => return Typed::End,
                () = self.signals.interrupt.rung() => if !self.line.forgets() {
                    return Typed::End;
                },
                ring = self.rings.rung() => match ring {
                    Ring::Quit => return Typed::End,
                    ring => self.rung(&ring),
                },
            }
        }
    }

    async fn left(&mut self) {
        loop {
            tokio::select! {
                () = self.signals.end.rung() => return,
                () = self.signals.interrupt.rung() => return,
                ring = self.rings.rung() => match ring {
                    Ring::Quit => return,
                    ring => self.rung(&ring),
                },
            }
        }
    }

    /// Gives the terminal back while this program is stopped, and takes it again.
    fn rung(&mut self, ring: &Ring) {
        if matches!(ring, Ring::Stop) {
            draw(TAKEN_AWAY);
            self.mode = None;
            stop();
        }
        match &self.mode {
            Some(mode) if matches!(ring, Ring::Again) => mode.again(),
            Some(_) => {}
            None => self.mode = RawMode::of_keys().ok(),
        }
    }

    fn show(&self) {
        let (columns, _) = own_terminal_size().unwrap_or((80, 24));
        draw(&self.line.drawn(columns));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        draw(TAKEN_AWAY);
    }
}

/// Draws in the prompt's line. That it cannot be shown is found out by what is printed above it.
fn draw(what: &str) {
    let _ = print(false, what.as_bytes());
}
