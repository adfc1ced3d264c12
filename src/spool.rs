//! A run's output, kept by byte offset per stream: the last so many bytes of each, in a file that
//! has no name.
//!
//! The monitor makes the file and gives it to the frontend, which writes. When the frontend dies,
//! the next one finds in its head how far the last one had come, and whether bytes were on their
//! way that nobody will see again.

use crate::sync::{AtomicU64, Ordering, fence};
#[cfg(all(test, feature = "loom"))]
use loom_tests::File as Backing;
use std::fs::File;
#[cfg(not(all(test, feature = "loom")))]
use std::fs::File as Backing;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

/// Which of a run's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// Both outputs.
    pub const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];

    /// The output's place in pairs.
    pub const fn index(self) -> usize {
        match self {
            Self::Stdout => 0,
            Self::Stderr => 1,
        }
    }
}

/// The kept bytes of one run. One task writes; any may read.
#[derive(Debug)]
pub struct Spool {
    file: Backing,
    /// Bytes of each stream that are kept.
    capacity: u64,
    /// Bytes of each stream that came.
    published: [AtomicU64; 2],
    /// The first byte of each stream that may still be there.
    floor: [AtomicU64; 2],
    /// Whether the file's head is kept up, for a next frontend.
    crash_safe: bool,
}

/// Bytes before the first stream's: the counts, and whether a read was under way.
const HEAD: u64 = 4096;

/// Bytes of the file of a run of which so many of each stream are kept.
pub const fn size(capacity: u64) -> u64 {
    capacity.saturating_mul(2).saturating_add(HEAD)
}

/// Where in the head stands what was lost: for each stream the offset and one more, or 0.
const LOST: u64 = 32;

/// Where in the head stands how much of a terminal's input was passed on, and one more; 0 where it
/// was never noted.
const INPUT: u64 = 48;

fn marks(file: &Backing) -> [Option<u64>; 2] {
    let mut words = [0; 16];
    if file.read_exact_at(&mut words, LOST).is_err() {
        return [None; 2];
    }
    let (stdout, stderr) = words.split_at(8);
    [stdout, stderr].map(|word| word.try_into().map_or(0, u64::from_le_bytes).checked_sub(1))
}

/// The offset is not among the bytes that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// The offset of the first byte that is kept.
    pub from: u64,
    /// The offset after the last byte that is kept.
    pub to: u64,
}

impl Spool {
    /// A new, empty file.
    pub fn new(file: OwnedFd, capacity: u64, crash_safe: bool) -> Self {
        Self {
            file: file.into(),
            capacity,
            published: Default::default(),
            floor: Default::default(),
            crash_safe,
        }
    }

    /// A file that was written to the end, as its last writer counted, and from which offset on one
    /// before it may have lost bytes of each stream.
    pub fn finished(file: OwnedFd, capacity: u64, published: [u64; 2]) -> (Self, [Option<u64>; 2]) {
        let file = Backing::from(file);
        let lost = marks(&file);
        (
            Self {
                file,
                capacity,
                published: published.map(AtomicU64::new),
                floor: Default::default(),
                crash_safe: false,
            },
            lost,
        )
    }

    /// A file whose writer is gone. With each stream comes the offset from which bytes may have
    /// been lost, if a read was under way.
    ///
    /// # Errors
    /// What reading the file says.
    pub fn left_behind(file: OwnedFd, capacity: u64) -> io::Result<(Self, [Option<u64>; 2])> {
        let file = Backing::from(file);
        let mut head = [0; 32];

        // A run that has written nothing has no head.
        let _ = file.read_at(&mut head, 0)?;
        let word = |at: usize| {
            head.get(at..at + 8)
                .and_then(|bytes| bytes.try_into().ok())
                .map_or(0, u64::from_le_bytes)
        };

        let published = [word(0), word(16)];
        let now = [(published[0], word(8)), (published[1], word(24))]
            .map(|(offset, reading)| (reading != 0).then_some(offset));
        // What was lost stays lost, for whoever looks later, also after a third.
        let [before, now] = [marks(&file), now];
        let lost = [before[0].or(now[0]), before[1].or(now[1])];
        let marks: Vec<u8> = lost
            .iter()
            .flat_map(|lost| lost.map_or(0, |offset| offset + 1).to_le_bytes())
            .collect();
        // On a full disk they are known for as long as this writer lives.
        let _ = file.write_all_at(&marks, LOST);
        let spool = Self {
            file,
            capacity,
            published: published.map(AtomicU64::new),
            floor: Default::default(),
            crash_safe: true,
        };

        for stream in Stream::BOTH {
            spool.note(stream, false);
        }
        Ok((spool, lost))
    }

    /// Bytes of each stream that are kept.
    pub const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// What is kept, in another file of which so many bytes of each stream are kept. `None` where it
    /// cannot be read here or written there. Only the one task that writes may ask for it.
    pub fn moved_to(&self, file: OwnedFd, capacity: u64) -> Option<Self> {
        let moved = Self::new(file, capacity, self.crash_safe);
        let mut buffer = vec![0; 64 * 1024];
        for stream in Stream::BOTH {
            let (from, to) = self.range(stream);
            let mut at = from.max(to.saturating_sub(capacity));
            for counters in [&moved.floor, &moved.published] {
                moved.counter(counters, stream).store(at, Ordering::Release);
            }
            while at < to {
                let count = self.read(stream, at, &mut buffer).ok()?;
                moved.append(stream, buffer.get(..count)?);
                at += count as u64;
            }
            if moved.range(stream).0 > from.max(to.saturating_sub(capacity)) {
                return None;
            }
        }
        Some(moved)
    }

    /// Bytes of a stream that came so far.
    pub fn published(&self, stream: Stream) -> u64 {
        self.counter(&self.published, stream)
            .load(Ordering::Acquire)
    }

    /// Bytes of both streams that came so far.
    pub fn both(&self) -> [u64; 2] {
        Stream::BOTH.map(|stream| self.published(stream))
    }

    fn counter<'a>(&self, pair: &'a [AtomicU64; 2], stream: Stream) -> &'a AtomicU64 {
        let [stdout, stderr] = pair;
        match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        }
    }

    /// The bytes of a stream that are kept: from, and one after the last.
    pub fn range(&self, stream: Stream) -> (u64, u64) {
        let published = self.published(stream);
        let floor = self.counter(&self.floor, stream).load(Ordering::Acquire);
        (
            floor.max(published.saturating_sub(self.capacity)),
            published,
        )
    }

    /// Notes that bytes are about to be taken out of a pipe, where nobody can put them back.
    pub fn reading(&self, stream: Stream) {
        if self.crash_safe {
            self.note(stream, true);
        }
    }

    /// Keeps bytes. What cannot be written (a full disk) is counted and not kept.
    pub fn append(&self, stream: Stream, bytes: &[u8]) {
        let from = self.published(stream);

        // Of more than there is room for, only the end would survive.
        let skipped = bytes
            .len()
            .saturating_sub(usize::try_from(self.capacity).unwrap_or(usize::MAX));
        let kept = bytes.get(skipped..).unwrap_or_default();
        let to = from + bytes.len() as u64;

        // Before the oldest bytes are written over they are given up, so that one who is reading
        // them finds out when they look again.
        let floor = self.counter(&self.floor, stream);
        let left = to.saturating_sub(self.capacity).min(from);
        floor.store(left.max(floor.load(Ordering::Relaxed)), Ordering::Relaxed);
        fence(Ordering::Release);

        let written = self.write_at(stream, from + skipped as u64, kept);
        if written.is_err() {
            self.counter(&self.floor, stream)
                .store(to, Ordering::Release);
        }

        self.counter(&self.published, stream)
            .store(to, Ordering::Release);
        if self.crash_safe {
            self.note(stream, false);
        }
    }

    fn write_at(&self, stream: Stream, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (place, until_wrap) = self.place(stream, offset);
        let (first, rest) = bytes.split_at(
            bytes
                .len()
                .min(usize::try_from(until_wrap).unwrap_or(usize::MAX)),
        );

        self.file.write_all_at(first, place)?;
        if rest.is_empty() {
            Ok(())
        } else {
            self.file
                .write_all_at(rest, self.place(stream, offset + first.len() as u64).0)
        }
    }

    /// Where in the file an offset is, and how many bytes follow it before the ring begins again.
    fn place(&self, stream: Stream, offset: u64) -> (u64, u64) {
        let within = offset % self.capacity;
        (
            HEAD + self.capacity * stream.index() as u64 + within,
            self.capacity - within,
        )
    }

    /// Reads kept bytes from an offset; as many as there are, up to the buffer's size.
    ///
    /// # Errors
    /// [`Gone`] when the offset is not among them.
    pub fn read(&self, stream: Stream, offset: u64, into: &mut [u8]) -> Result<usize, Gone> {
        let (from, to) = self.range(stream);
        if offset < from || offset > to {
            return Err(Gone { from, to });
        }
        let (place, until_wrap) = self.place(stream, offset);
        let most = (to - offset).min(until_wrap).min(into.len() as u64);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let read = self
            .file
            .read_exact_at(into.get_mut(..most).unwrap_or_default(), place);
        // The writer may have come round meanwhile and have written over what was just read.
        fence(Ordering::Acquire);
        let (from, to) = self.range(stream);
        if read.is_err() || offset < from {
            Err(Gone { from, to })
        } else {
            Ok(most)
        }
    }

    /// Notes how many bytes of input will have been passed on, before they are: a key that is lost
    /// is pressed again, one that counts twice may say yes to what nobody has read.
    pub fn feeding(&self, bytes: u64) {
        if self.crash_safe {
            let _ = self.file.write_all_at(&(bytes + 1).to_le_bytes(), INPUT);
        }
    }

    /// Bytes of input that were passed on before this writer; `None` where that could not be noted
    /// (a full disk).
    pub fn fed(&self) -> Option<u64> {
        let mut word = [0; 8];
        self.file.read_exact_at(&mut word, INPUT).ok()?;
        u64::from_le_bytes(word).checked_sub(1)
    }

    /// Writes count and mark of a stream into the head.
    fn note(&self, stream: Stream, reading: bool) {
        let mut words = [0; 16];
        let (count, mark) = words.split_at_mut(8);
        count.copy_from_slice(&self.published(stream).to_le_bytes());
        mark.copy_from_slice(&u64::from(reading).to_le_bytes());

        // If this fails the next frontend says too much is lost, never too little.
        let _ = self.file.write_all_at(&words, 16 * stream.index() as u64);
    }
}

/// Copies the head and the kept bytes of a file whose writer is done, and leaves out what was never
/// written.
///
/// # Errors
/// What reading one file and writing the other says.
pub fn copy(from: &File, to: &File, capacity: u64, published: [u64; 2]) -> io::Result<()> {
    let [stdout, stderr] = published.map(|bytes| bytes.min(capacity));
    for (start, length) in [(0, HEAD), (HEAD, stdout), (HEAD + capacity, stderr)] {
        let mut buffer = vec![0; 64 * 1024];
        let mut at = start;
        while at < start + length {
            let most = usize::try_from(start + length - at)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let piece = buffer.get_mut(..most).unwrap_or_default();
            let count = from.read_at(piece, at)?;

            // A head that was never written, or a file that is shorter than its writer said.
            if count == 0 {
                break;
            }
            to.write_all_at(piece.get(..count).unwrap_or_default(), at)?;
            at += count as u64;
        }
    }

    Ok(())
}

#[cfg(test)]
#[cfg(not(feature = "loom"))]
#[path = "spool_tests.rs"]
mod tests;

#[cfg(test)]
#[cfg(feature = "loom")]
#[path = "spool_loom_tests.rs"]
mod loom_tests;
