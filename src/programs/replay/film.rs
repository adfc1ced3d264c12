//! A recording made ready to be shown: harmless text, with the times at which it is shown.

use super::source::Source;
use crate::cast::What;
use crate::client::ClientError;
use crate::programs::display::Sanitizer;
use crate::protocol::Code;
use std::time::Duration;

/// Bytes of text that are held to be shown; more is for `ordain export`.
const MOST: usize = 512 << 20;
/// Bytes before a moment that are shown when somebody has gone to it: more than a screen has.
const BEFORE: usize = 32 * 1024;

/// One thing that is shown.
#[derive(Debug, PartialEq, Eq)]
struct Moment {
    /// When, in microseconds since the beginning.
    at: u64,
    /// Where its text ends.
    end: usize,
}

/// A recording that can be shown from any moment on.
#[derive(Debug, Default)]
pub struct Film {
    moments: Vec<Moment>,
    text: Vec<u8>,
}

impl Film {
    /// Reads all of it. Where nothing happens for longer than `idle`, it is made that long.
    ///
    /// # Errors
    /// That it is no recording, or too long.
    pub fn of(source: &mut Source, idle: Option<Duration>) -> Result<Self, ClientError> {
        let (mut film, mut sanitizer) = (Self::default(), Sanitizer::default());
        let most = idle.map_or(u64::MAX, |idle| {
            u64::try_from(idle.as_micros()).unwrap_or(u64::MAX)
        });
        let (mut last, mut shown_at) = (0, 0);
        while let Some(event) = source.next_event()? {
            shown_at += event.at.saturating_sub(last).min(most);
            last = event.at;
            match event.what {
                What::Wrote(_, bytes) => film.add(shown_at, &sanitizer.feed(&bytes))?,
                What::Ended(_) => film.add(shown_at, &sanitizer.leave())?,
                What::Other(..) => {}
            }
        }
        film.add(shown_at, &sanitizer.leave())?;
        Ok(film)
    }

    /// Adds text.
    pub(super) fn add(&mut self, at: u64, text: &[u8]) -> Result<(), ClientError> {
        if self.text.len() + text.len() > MOST {
            let text = format!(
                "it has more than {MOST} bytes of output, too much to be shown; `ordain export --format txt` prints it"
            );
            return Err(ClientError::new(Code::Usage, text));
        }
        self.text.extend_from_slice(text);
        self.moments.push(Moment {
            at,
            end: self.text.len(),
        });
        Ok(())
    }

    /// How many moments it has.
    pub const fn moments(&self) -> usize {
        self.moments.len()
    }

    /// When a moment is; nothing behind the last one.
    pub fn at(&self, moment: usize) -> Option<u64> {
        self.moments.get(moment).map(|moment| moment.at)
    }

    /// When it ends.
    pub fn length(&self) -> u64 {
        self.moments.last().map_or(0, |moment| moment.at)
    }

    /// The first moment that is not before this time.
    pub fn moment_at(&self, time: u64) -> usize {
        self.moments.partition_point(|moment| moment.at < time)
    }

    /// The text of a moment.
    pub fn text(&self, moment: usize) -> &[u8] {
        let end = self.end(moment + 1);
        self.text.get(self.end(moment)..end).unwrap_or_default()
    }

    /// Where the text before a moment ends.
    fn end(&self, moment: usize) -> usize {
        match moment.checked_sub(1) {
            None => 0,
            Some(before) => self
                .moments
                .get(before)
                .map_or(self.text.len(), |moment| moment.end),
        }
    }

    /// What a screen shows before a moment: the last lines of everything until then.
    pub fn before(&self, moment: usize) -> &[u8] {
        let end = self.end(moment);
        let start = end.saturating_sub(BEFORE);
        let shown = self.text.get(start..end).unwrap_or_default();
        if start == 0 {
            return shown;
        }
        // From the beginning of a line on, so that no character and no colour is begun in its middle.
        let line = shown.iter().position(|byte| *byte == b'\n');
        shown
            .get(line.map_or(shown.len(), |line| line + 1)..)
            .unwrap_or_default()
    }

    /// The first moment from this one on, by whose end what is sought stands in the text that begins with
    /// it.
    pub fn found(&self, from: usize, sought: &[u8]) -> Option<usize> {
        let start = self.end(from);
        let rest = self.text.get(start..)?;
        let at = rest
            .windows(sought.len().max(1))
            .position(|part| part == sought)?;
        let end = start + at + sought.len();
        Some(self.moments.partition_point(|moment| moment.end < end))
    }
}
