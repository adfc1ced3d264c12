//! What a compressed file leaves out: the hash of a line where the line behind it repeats it. It is as
//! random as a signature, so that nothing makes it smaller, and whoever has the line can compute it.

use crate::encoding::base64;
use aws_lc_rs::digest::{Context, SHA256};
use std::io::{self, BufRead, Read};

/// What stands in the place of a hash that is that of the line before.
const SAME: &[u8] = b"=";
/// What a line begins with whose number follows.
const NUMBER: &[u8] = b"{\"seq\":";
/// What follows the number; the hash is behind it.
const BEFORE: &[u8] = b",\"prev\":\"";
/// Bytes of a line's beginning within which its hash ends: with a number of twenty digits.
const HEAD: usize = NUMBER.len() + 20 + BEFORE.len() + 45;

/// Which way a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Hashes that the line before gives are left out.
    Out,
    /// They are put back.
    Back,
}

/// A text that is rewritten while it is read, line by line, with memory for the beginning of one.
pub struct Rewritten<R> {
    from: R,
    way: Way,
    /// The hash of the line before, once there was one.
    before: Option<String>,
    /// The line so far, as it stands in the trail.
    line: Context,
    /// Whether the beginning of the line is behind us.
    is_within: bool,
    /// Bytes that nobody has taken yet.
    ready: Vec<u8>,
    taken: usize,
}

impl<R: BufRead> Rewritten<R> {
    /// What this text is on that way.
    pub fn new(from: R, way: Way) -> Self {
        Self {
            from,
            way,
            before: None,
            line: Context::new(&SHA256),
            is_within: false,
            ready: Vec::new(),
            taken: 0,
        }
    }

    /// Reads on; nothing is ready afterwards where there is no more.
    fn fill(&mut self) -> io::Result<()> {
        (self.taken, self.ready) = (0, std::mem::take(&mut self.ready));
        self.ready.clear();
        if !self.is_within {
            return self.begin();
        }
        let piece = self.from.fill_buf()?;
        let end = piece.iter().position(|byte| *byte == b'\n');
        let of_line = end.unwrap_or(piece.len());
        let taken = end.map_or(of_line, |end| end + 1);
        self.line.update(piece.get(..of_line).unwrap_or_default());
        self.ready.extend(piece.get(..taken).unwrap_or_default());
        self.from.consume(taken);
        if end.is_some() {
            self.end();
        }
        Ok(())
    }

    /// Rewrites the beginning of a line.
    fn begin(&mut self) -> io::Result<()> {
        let mut head = Vec::with_capacity(HEAD);
        (&mut self.from)
            .take(HEAD as u64)
            .read_until(b'\n', &mut head)?;
        let is_whole = head.pop_if(|last| *last == b'\n').is_some();
        if head.is_empty() && !is_whole {
            return Ok(());
        }
        let other = self.before.as_deref().and_then(|before| match self.way {
            Way::Out => left_out(&head, before.as_bytes()),
            Way::Back => put_back(&head, before.as_bytes()),
        });
        let (as_it_is, shown) = match (&other, self.way) {
            (None, _) => (&head, &head),
            (Some(other), Way::Out) => (&head, other),
            (Some(other), Way::Back) => (other, other),
        };
        self.line.update(as_it_is);
        self.ready.extend(shown);
        self.is_within = true;
        if is_whole {
            self.ready.push(b'\n');
            self.end();
        }
        Ok(())
    }

    /// A line is over.
    fn end(&mut self) {
        let line = std::mem::replace(&mut self.line, Context::new(&SHA256));
        self.before = Some(base64(line.finish().as_ref()));
        self.is_within = false;
    }
}

impl<R: BufRead> Read for Rewritten<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.ready.len() {
            self.fill()?;
        }
        let mut left = self.ready.get(self.taken..).unwrap_or_default();
        let read = left.read(into)?;
        self.taken += read;
        Ok(read)
    }
}

/// A line's beginning, taken apart: what stands before its hash, and the rest from the hash on.
fn at_hash(head: &[u8]) -> Option<(&[u8], &[u8])> {
    let behind = head.strip_prefix(NUMBER)?;
    let digits = behind.iter().take_while(|byte| byte.is_ascii_digit());
    let (before, rest) = head.split_at_checked(NUMBER.len() + digits.count() + BEFORE.len())?;
    before.ends_with(BEFORE).then_some((before, rest))
}

/// The beginning without a hash that is this one. One that looks as if it had been left out says so by
/// another sign.
fn left_out(head: &[u8], hash: &[u8]) -> Option<Vec<u8>> {
    let (before, rest) = at_hash(head)?;
    if let Some(behind) = rest
        .strip_prefix(hash)
        .filter(|rest| rest.starts_with(b"\""))
    {
        return Some([before, SAME, behind].concat());
    }
    let looks_so = rest.starts_with(SAME);
    looks_so.then(|| [before, SAME, rest].concat())
}

/// What [`left_out`] has made of a beginning, undone.
fn put_back(head: &[u8], hash: &[u8]) -> Option<Vec<u8>> {
    let (before, rest) = at_hash(head)?;
    let behind = rest.strip_prefix(SAME)?;
    Some(match behind.starts_with(b"\"") {
        true => [before, hash, behind].concat(),
        false => [before, behind].concat(),
    })
}

#[cfg(test)]
#[path = "derived_tests.rs"]
mod tests;
