//! The file of a recording: lines, compressed in segments, each of which can be read by itself, and the
//! digest of everything up to its end.

use crate::cast::{Cast, Closed, Output, Segment, Task};
use crate::credential::Sha256;
use crate::limits::{SEGMENT, SEGMENT_AGE};
use std::fs::File;
use std::io::{self, Write};
use std::time::Instant;
use zstd::stream::write::Encoder;

/// How hard it is tried: the command waits for it.
const LEVEL: i32 = 1;

/// A file that counts and digests what is written to it.
struct Digested {
    file: File,
    digest: Sha256,
    bytes: u64,
    most: u64,
}

impl Digested {
    fn sum(&self) -> Segment {
        Segment {
            bytes: self.bytes,
            sha256: self.digest.clone().end(),
        }
    }
}

impl Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.saturating_add(bytes.len() as u64) > self.most {
            return Err(io::Error::other(format!(
                "it would be larger than the {} bytes that recordings may have",
                self.most
            )));
        }
        let count = self.file.write(bytes)?;
        self.digest.update(bytes.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a recording is written on.
enum Segments {
    /// Between two segments.
    Between(Digested),
    /// In one, which was begun then and at this length.
    Within(Box<Encoder<'static, Digested>>, Instant, u64),
    /// It has failed: so much was written.
    GivenUp(Segment),
}

/// A recording that is written.
pub struct Tape {
    segments: Segments,
    cast: Cast,
    lines: Vec<u8>,
    /// Whether something was written that is not in the file yet.
    waits: bool,
    lengths: [u64; 2],
    streams: [Sha256; 2],
}

impl Tape {
    /// Begins one with its first line.
    ///
    /// # Errors
    /// As writing.
    pub fn new(file: File, task: &Task) -> io::Result<Self> {
        let file = Digested {
            file,
            digest: Sha256::default(),
            bytes: 0,
            most: task.most,
        };
        let mut tape = Self {
            segments: Segments::Between(file),
            cast: Cast::default(),
            lines: task.header.clone().into_bytes(),
            waits: false,
            lengths: [0; 2],
            streams: Default::default(),
        };
        tape.write()?;
        tape.write_out()?;
        Ok(tape)
    }

    /// Records what was written.
    ///
    /// # Errors
    /// As writing.
    pub fn wrote(&mut self, at: u64, output: Output, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() || matches!(self.segments, Segments::GivenUp(_)) {
            return Ok(());
        }
        self.cast.wrote(at, output, bytes, &mut self.lines);
        self.write()?;
        let index = usize::from(output == Output::Stderr);
        if let (Some(length), Some(stream)) =
            (self.lengths.get_mut(index), self.streams.get_mut(index))
        {
            *length += bytes.len() as u64;
            stream.update(bytes);
        }
        Ok(())
    }

    /// Ends a segment that is large or old enough; where none is, writes out what has waited.
    ///
    /// # Errors
    /// As writing.
    pub fn keep_up(&mut self) -> io::Result<Option<Segment>> {
        let Segments::Within(encoder, since, from) = &self.segments else {
            return Ok(None);
        };
        let large = encoder.get_ref().bytes.saturating_sub(*from) >= SEGMENT;
        if large || since.elapsed() >= SEGMENT_AGE {
            return self.end_segment().map(Some);
        }
        Ok(None)
    }

    /// Writes what has waited into the file, where nothing has come for a while.
    ///
    /// # Errors
    /// As writing.
    pub fn write_out(&mut self) -> io::Result<()> {
        match &mut self.segments {
            Segments::Within(encoder, ..) if std::mem::take(&mut self.waits) => encoder.flush(),
            _ => Ok(()),
        }
    }

    /// Ends the recording, with the status where the run has one.
    ///
    /// # Errors
    /// As writing.
    pub fn finish(&mut self, at: u64, status: Option<&str>) -> io::Result<()> {
        if matches!(self.segments, Segments::GivenUp(_)) {
            return Ok(());
        }
        match status {
            Some(status) => self.cast.ended(at, status, &mut self.lines),
            None => self.cast.flush(at, &mut self.lines),
        }
        self.write()?;
        self.end_segment().map(|_| ())
    }

    /// Nothing more is written.
    pub fn give_up(&mut self) {
        self.segments = Segments::GivenUp(self.written());
    }

    /// What it came to.
    pub fn sum(self) -> Closed {
        let file = self.written();
        Closed {
            file,
            lengths: self.lengths,
            streams: self.streams.map(Sha256::end),
            whole: true,
        }
    }

    fn written(&self) -> Segment {
        match &self.segments {
            Segments::Between(file) => file.sum(),
            Segments::Within(encoder, ..) => encoder.get_ref().sum(),
            Segments::GivenUp(segment) => *segment,
        }
    }

    /// Writes the lines that were made.
    fn write(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        self.begin_segment()?;
        if let Segments::Within(encoder, ..) = &mut self.segments {
            encoder.write_all(&self.lines)?;
        }
        self.waits = true;
        self.lines.clear();
        Ok(())
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        if !matches!(self.segments, Segments::Between(_)) {
            return Ok(());
        }
        let none = Segments::GivenUp(self.written());
        if let Segments::Between(file) = std::mem::replace(&mut self.segments, none) {
            let from = file.bytes;
            let encoder = Encoder::new(file, LEVEL)?;
            self.segments = Segments::Within(Box::new(encoder), Instant::now(), from);
        }
        Ok(())
    }

    /// Ends the segment that goes on, and has it on the disk.
    fn end_segment(&mut self) -> io::Result<Segment> {
        let none = Segments::GivenUp(self.written());
        match std::mem::replace(&mut self.segments, none) {
            Segments::Within(encoder, since, from) => match encoder.try_finish() {
                Ok(file) => {
                    let synced = file.file.sync_data();
                    self.segments = Segments::Between(file);
                    synced?;
                }
                Err((encoder, fault)) => {
                    self.segments = Segments::Within(Box::new(encoder), since, from);
                    return Err(fault);
                }
            },
            other => self.segments = other,
        }
        self.waits = false;
        Ok(self.written())
    }
}
