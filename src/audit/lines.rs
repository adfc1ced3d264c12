//! The lines of a file of the trail, one after the other, none longer than a record can be.

use super::LONGEST;
use super::packed::Content;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// A file of the trail, read line by line; compressed or not.
pub struct Lines {
    reader: BufReader<Content>,
    line: Vec<u8>,
    number: u64,
}

/// One line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'l> {
    /// The line's number in its file, counted from 1.
    pub number: u64,
    /// The line without its newline; only the beginning of one that is too long.
    pub bytes: &'l [u8],
    /// What there is of the line.
    pub is: Is,
}

/// What there is of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    /// All of it, and its newline.
    Whole,
    /// All of it, but no newline: the file ends.
    Open,
    /// It is longer than any record.
    TooLong,
}

impl Lines {
    /// Opens a file.
    ///
    /// # Errors
    /// As opening it, and reading its first bytes.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            reader: BufReader::with_capacity(1 << 18, Content::open(path)?),
            line: Vec::new(),
            number: 0,
        })
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// As reading.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let longest = LONGEST + 1;
        let read = (&mut self.reader)
            .take(longest)
            .read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let is = match self.line.last() {
            Some(b'\n') => {
                self.line.pop();
                Is::Whole
            }
            _ if read as u64 == longest => {
                self.pass_over_the_rest()?;
                Is::TooLong
            }
            _ => Is::Open,
        };
        Ok(Some(Line {
            number: self.number,
            bytes: &self.line,
            is,
        }))
    }

    fn pass_over_the_rest(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.reader.fill_buf()?;
            if bytes.is_empty() {
                return Ok(());
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let passed = end.map_or(bytes.len(), |end| end + 1);
            self.reader.consume(passed);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_open_or_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trail");
        let long = "x".repeat(usize::try_from(3 * LONGEST).unwrap());
        std::fs::write(&path, format!("one\n\n{long}\nfour\nfive")).unwrap();
        let mut lines = Lines::open(&path).unwrap();
        let mut next = || {
            let line = lines.next_line().unwrap()?;
            Some((line.number, line.bytes.len(), line.is))
        };
        assert_eq!(next(), Some((1, 3, Is::Whole)));
        assert_eq!(next(), Some((2, 0, Is::Whole)));
        let kept = usize::try_from(LONGEST).unwrap() + 1;
        assert_eq!(next(), Some((3, kept, Is::TooLong)), "and no more of it");
        assert_eq!(next(), Some((4, 4, Is::Whole)));
        assert_eq!(next(), Some((5, 4, Is::Open)));
        assert_eq!(next(), None);
    }
}
