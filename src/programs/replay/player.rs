//! Where a replay is, and what keys make of that. Pure: it knows neither a clock nor a terminal.

use super::film::Film;
use std::time::Duration;

/// How far an arrow goes.
const STEP: u64 = 10_000_000;
/// How fast it can be made.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.0625..=1024.0;

/// What is to be done after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Do {
    /// Nothing that is seen.
    Nothing,
    /// One moment is shown.
    Show(usize),
    /// The screen is drawn anew, as it was before this moment.
    Redraw(usize),
    /// It is over.
    Quit,
}

/// A replay.
#[derive(Debug)]
pub struct Player {
    film: Film,
    /// The moment that is shown next.
    next: usize,
    /// How much of the recording has passed, in microseconds.
    now: u64,
    speed: f64,
    paused: bool,
    /// What is sought, and what is typed to be sought.
    sought: Vec<u8>,
    typed: Option<Vec<u8>>,
    /// The bytes of a key that have come so far.
    key: Vec<u8>,
}

impl Player {
    /// One that begins there.
    pub fn new(film: Film, speed: f64, from: Duration) -> Self {
        let now = u64::try_from(from.as_micros()).unwrap_or(u64::MAX);
        let next = film.moment_at(now);
        Self {
            film,
            next,
            now,
            speed: speed.clamp(*SPEEDS.start(), *SPEEDS.end()),
            paused: false,
            sought: Vec::new(),
            typed: None,
            key: Vec::new(),
        }
    }

    /// The recording.
    pub const fn film(&self) -> &Film {
        &self.film
    }

    /// The moment that is shown next.
    pub const fn next(&self) -> usize {
        self.next
    }

    /// Whether everything was shown.
    pub const fn is_over(&self) -> bool {
        self.next >= self.film.moments()
    }

    /// How long it is until the next moment is shown; for ever while it is paused or over.
    pub fn wait(&self) -> Option<Duration> {
        let at = self.film.at(self.next).filter(|_| !self.paused)?;
        let micros = at.saturating_sub(self.now) as f64 / self.speed;
        Some(Duration::from_micros(micros as u64))
    }

    /// So much time has passed.
    pub fn pass(&mut self, time: Duration) {
        if !self.paused && !self.is_over() {
            let micros = time.as_micros() as f64 * self.speed;
            self.now = self.now.saturating_add(micros as u64);
        }
    }

    /// The moment that is due, which counts as shown from then on.
    pub fn due(&mut self) -> Option<usize> {
        let at = self.film.at(self.next)?;
        if at > self.now || self.paused {
            return None;
        }
        self.next += 1;
        Some(self.next - 1)
    }

    /// A byte of a key has come.
    pub fn typed(&mut self, byte: u8) -> Do {
        if let Some(text) = &mut self.typed {
            match byte {
                b'\r' | b'\n' => {
                    self.sought = self.typed.take().unwrap_or_default();
                    return self.seek_text();
                }
                0x1b => self.typed = None,
                0x7f | 0x08 => drop(text.pop()),
                byte => text.push(byte),
            }
            return Do::Nothing;
        }
        self.key.push(byte);
        let done = match self.key.as_slice() {
            [0x1b] | [0x1b, b'[' | b'O'] => return Do::Nothing,
            [0x1b, b'[' | b'O', b'C'] => self.seek(self.now.saturating_add(STEP)),
            [0x1b, b'[' | b'O', b'D'] => self.seek(self.now.saturating_sub(STEP)),
            [b' '] => {
                self.paused = !self.paused;
                Do::Nothing
            }
            [b'.'] => self.step(),
            [b'+'] => self.hurry(2.0),
            [b'-'] => self.hurry(0.5),
            [b'0'] => self.seek(0),
            [digit @ b'1'..=b'9'] => {
                let tenths = u64::from(digit - b'0');
                self.seek(self.film.length() / 10 * tenths)
            }
            [b'/'] => {
                self.typed = Some(Vec::new());
                Do::Nothing
            }
            [b'n'] => self.seek_text(),
            [b'q'] => Do::Quit,
            _ => Do::Nothing,
        };
        self.key.clear();
        done
    }

    fn hurry(&mut self, by: f64) -> Do {
        self.speed = (self.speed * by).clamp(*SPEEDS.start(), *SPEEDS.end());
        Do::Nothing
    }

    /// Shows one moment more, and stands still.
    fn step(&mut self) -> Do {
        self.paused = true;
        let Some(at) = self.film.at(self.next) else {
            return Do::Nothing;
        };
        self.now = at;
        self.next += 1;
        Do::Show(self.next - 1)
    }

    fn seek(&mut self, time: u64) -> Do {
        self.now = time.min(self.film.length());
        self.next = self.film.moment_at(self.now);
        Do::Redraw(self.next)
    }

    /// Goes behind the next moment in which what is sought is seen, and stands still there.
    fn seek_text(&mut self) -> Do {
        if self.sought.is_empty() {
            return Do::Nothing;
        }
        let Some(found) = self.film.found(self.next, &self.sought) else {
            return Do::Nothing;
        };
        self.paused = true;
        self.now = self.film.at(found).unwrap_or(self.now);
        self.next = found + 1;
        Do::Redraw(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line each second for an hour.
    fn player() -> Player {
        let mut film = Film::default();
        for second in 0..3600_u64 {
            let line = format!("line {second}\n");
            film.add(second * 1_000_000, line.as_bytes()).unwrap();
        }
        Player::new(film, 1.0, Duration::ZERO)
    }

    fn keys(player: &mut Player, keys: &[u8]) -> Do {
        let done = keys.iter().map(|byte| player.typed(*byte));
        done.last().unwrap()
    }

    #[test]
    fn what_is_due_is_shown_once_and_no_sooner() {
        let mut player = player();
        assert_eq!((player.due(), player.due()), (Some(0), None));
        assert_eq!(player.wait(), Some(Duration::from_secs(1)));
        player.pass(Duration::from_millis(2500));
        assert_eq!(
            (player.due(), player.due(), player.due()),
            (Some(1), Some(2), None)
        );
        assert_eq!(keys(&mut player, b"+"), Do::Nothing);
        assert_eq!(player.wait(), Some(Duration::from_millis(250)));
    }

    #[test]
    fn a_space_stands_still_and_a_point_shows_one_more() {
        let mut player = player();
        keys(&mut player, b" ");
        player.pass(Duration::from_secs(10));
        assert_eq!((player.due(), player.wait()), (None, None));
        assert_eq!(keys(&mut player, b"."), Do::Show(0));
        assert_eq!(keys(&mut player, b"."), Do::Show(1));
        keys(&mut player, b" ");
        assert_eq!(player.wait(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn arrows_and_digits_go_to_a_time_and_the_screen_is_drawn_as_it_was() {
        let mut player = player();
        assert_eq!(keys(&mut player, b"5"), Do::Redraw(1800));
        assert_eq!(keys(&mut player, b"\x1b[C"), Do::Redraw(1810));
        assert_eq!(keys(&mut player, b"\x1b[D\x1b[D"), Do::Redraw(1790));
        let shown = player.film().before(1790);
        assert!(
            shown.ends_with(b"line 1788\nline 1789\n"),
            "{}",
            shown.escape_ascii()
        );
        assert_eq!(keys(&mut player, b"0"), Do::Redraw(0));
        assert_eq!(player.film().before(0), b"");
        assert_eq!(keys(&mut player, b"\x1b[D"), Do::Redraw(0));
    }

    #[test]
    fn text_is_found_and_found_again() {
        let mut player = player();
        assert_eq!(keys(&mut player, b"/line 100x\x7f\n"), Do::Redraw(101));
        assert_eq!(keys(&mut player, b"n"), Do::Redraw(1001));
        assert_eq!(keys(&mut player, b"/nowhere\n"), Do::Nothing);
        assert_eq!(keys(&mut player, b"q"), Do::Quit);
    }

    #[test]
    fn it_is_over_behind_the_last_moment() {
        let mut player = player();
        keys(&mut player, b"9");
        player.pass(Duration::from_secs(3600));
        while player.due().is_some() {}
        assert!(player.is_over() && player.wait().is_none());
        assert_eq!(keys(&mut player, b"."), Do::Nothing);
    }
}
