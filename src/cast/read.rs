//! The lines of a recording, as they are read, whoever has written them.

use super::write::RAW;
use super::{Event, Header, Output, What};
use crate::encoding::unbase64_any;
use crate::limits::CAST_LINE;
use std::fmt;
use std::io::{self, BufRead, Read};

/// Why something is no recording.
#[derive(Debug)]
pub enum CastFault {
    /// It could not be read.
    Io(io::Error),
    /// A line, by its number from 1, is none that a recording has.
    Line(u64, String),
}

impl fmt::Display for CastFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(fault) => write!(out, "it cannot be read: {fault}"),
            Self::Line(line, why) => write!(out, "line {line} of the recording {why}"),
        }
    }
}

impl std::error::Error for CastFault {}

impl From<io::Error> for CastFault {
    fn from(fault: io::Error) -> Self {
        Self::Io(fault)
    }
}

/// Reads a recording in asciicast v3, event by event.
pub struct Reader<R> {
    from: R,
    header: Header,
    line: u64,
    at: u64,
    /// A line that was read beyond an event, to see whether it holds the exact bytes of that.
    ahead: Option<String>,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// That it is no recording.
    pub fn new(mut from: R) -> Result<Self, CastFault> {
        let mut number = 0;
        let first = next_line(&mut from, &mut number)?
            .ok_or_else(|| CastFault::Line(1, "is missing: it is empty".into()))?;
        let header: Header = serde_json::from_str(&first).map_err(|fault| {
            CastFault::Line(1, format!("is no header of asciicast v3: {fault}"))
        })?;
        if header.version != 3 {
            let text = format!("says version {}; only 3 is read", header.version);
            return Err(CastFault::Line(1, text));
        }
        Ok(Self {
            from,
            header,
            line: number,
            at: 0,
            ahead: None,
        })
    }

    /// Its first line.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The next event; none at the end. A last line that was cut off ends it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn next_event(&mut self) -> Result<Option<Event>, CastFault> {
        loop {
            let line = match self.ahead.take() {
                Some(line) => Some(line),
                None => next_line(&mut self.from, &mut self.line)?,
            };
            let Some(line) = line else {
                return Ok(None);
            };
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let wrong = |why: String| CastFault::Line(self.line, why);
            let (since, code, data): (f64, String, String) = serde_json::from_str(&line)
                .map_err(|fault| wrong(format!("is no event: {fault}")))?;
            // The longest that a float holds to the microsecond, which is 285 years.
            if !(0.0..=9e9).contains(&since) {
                return Err(wrong("has a time that cannot be".into()));
            }
            self.at = self.at.saturating_add((since * 1e6).round() as u64);
            let what = match code.as_str() {
                "o" => What::Wrote(Output::Stdout, self.exact(data)?),
                "e" => What::Wrote(Output::Stderr, self.exact(data)?),
                "x" => What::Ended(data),
                _ => What::Other(code, data),
            };
            return Ok(Some(Event { at: self.at, what }));
        }
    }

    /// The exact bytes of an event with this text, which the line behind it may hold.
    fn exact(&mut self, data: String) -> Result<Vec<u8>, CastFault> {
        let Some(line) = next_line(&mut self.from, &mut self.line)? else {
            return Ok(data.into_bytes());
        };
        if let Some(raw) = line.strip_prefix(RAW) {
            let bytes = unbase64_any(raw.trim_end());
            return bytes.ok_or_else(|| CastFault::Line(self.line, "is no base64".into()));
        }
        self.ahead = Some(line);
        Ok(data.into_bytes())
    }
}

/// The next line with its end; none where there is no whole one any more.
fn next_line(from: &mut impl BufRead, number: &mut u64) -> Result<Option<String>, CastFault> {
    let mut line = Vec::new();
    let most = CAST_LINE as u64 + 1;
    from.by_ref().take(most).read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        return match line.len() > CAST_LINE {
            true => Err(CastFault::Line(*number + 1, "is too long".into())),
            false => Ok(None),
        };
    }
    *number += 1;
    String::from_utf8(line)
        .map(Some)
        .map_err(|_| CastFault::Line(*number, "is no text".into()))
}
