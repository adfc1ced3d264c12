//! Records out of a pipe and into one, a buffer of each at a time.

use crate::files::stream::{HEADER, Record, StreamFault, Told, header};
use std::fmt;
use std::io::{self, BufReader, BufWriter, Read, Write};

/// Why a transfer ends before its end.
#[derive(Debug)]
pub enum Stop {
    /// The stream is over before `Done`.
    Cut,
    /// What has come is no stream.
    Stream(StreamFault),
    /// A record has come where none of its kind can, or what it says does not fit what came before.
    Order(&'static str),
    /// Nothing can be done, for this reason.
    Told(Told),
    /// The stream, or what reads it, has failed.
    Io(io::Error),
}

impl fmt::Display for Stop {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => write!(out, "the other side ended before all had come"),
            Self::Stream(fault) => write!(out, "the other side speaks otherwise: {fault}"),
            Self::Order(what) => write!(out, "the other side says what cannot be: {what}"),
            Self::Told(told) => write!(out, "{told}"),
            Self::Io(fault) => write!(out, "{fault}"),
        }
    }
}

impl std::error::Error for Stop {}

impl From<io::Error> for Stop {
    fn from(fault: io::Error) -> Self {
        Self::Io(fault)
    }
}

impl From<StreamFault> for Stop {
    fn from(fault: StreamFault) -> Self {
        Self::Stream(fault)
    }
}

impl From<Told> for Stop {
    fn from(told: Told) -> Self {
        Self::Told(told)
    }
}

/// Bytes that are read or written at once.
const BUFFER: usize = 256 * 1024;

/// Reads records.
pub struct Reader<R> {
    from: BufReader<R>,
    body: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads records from here.
    pub fn new(from: R) -> Self {
        Self {
            from: BufReader::with_capacity(BUFFER, from),
            body: Vec::new(),
        }
    }

    /// The next record; `None` where the stream ends between two.
    ///
    /// # Errors
    /// That there is none, or only a part of one.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, Stop> {
        let mut head = [0; HEADER];
        let mut have = 0;
        while let Some(room) = head.get_mut(have..).filter(|room| !room.is_empty()) {
            match self.from.read(room) {
                Ok(0) if have == 0 => return Ok(None),
                Ok(0) => return Err(Stop::Cut),
                Ok(count) => have += count,
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        let (kind, length) = header(head)?;
        self.body.resize(length, 0);
        match self.from.read_exact(&mut self.body) {
            Err(fault) if fault.kind() == io::ErrorKind::UnexpectedEof => return Err(Stop::Cut),
            done => done?,
        }
        Ok(Some(Record::decode(kind, &self.body)?))
    }

    /// The next record, which must come.
    ///
    /// # Errors
    /// As [`Reader::next_record`], and that there is none.
    pub fn expect(&mut self) -> Result<Record<'_>, Stop> {
        self.next_record()?.ok_or(Stop::Cut)
    }
}

/// Writes records.
pub struct Writer<W: Write> {
    into: BufWriter<W>,
    record: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes records there.
    pub fn new(into: W) -> Self {
        Self {
            into: BufWriter::with_capacity(BUFFER, into),
            record: Vec::new(),
        }
    }

    /// Writes a record, at the latest when it is asked to [flush](Writer::flush).
    ///
    /// # Errors
    /// As write(2).
    pub fn put(&mut self, record: &Record<'_>) -> Result<(), Stop> {
        self.record.clear();
        record.encode(&mut self.record);
        Ok(self.into.write_all(&self.record)?)
    }

    /// Writes all that waits to be written.
    ///
    /// # Errors
    /// As write(2).
    pub fn flush(&mut self) -> Result<(), Stop> {
        Ok(self.into.flush()?)
    }
}
