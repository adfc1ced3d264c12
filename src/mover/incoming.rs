//! The content of one file that comes: written beside its place, or read to its end and thrown away.

use super::content::zeros;
use super::records::{Reader, Stop, Writer};
use super::scope::failed;
use super::seeds::tell_pieces;
use crate::files::Below;
use crate::files::stream::{Copy, Fault, FileHead, Record, Told};
use crate::limits::{FILE_RECORD, FILE_SIZE};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

/// A file that comes.
pub struct Incoming<'i> {
    path: &'i Below,
    /// Bytes that were announced.
    size: Option<u64>,
    /// Bytes at the most.
    most: u64,
    /// Where it is written; nothing once that has failed.
    into: Option<File>,
    /// Why it is not written.
    failed: Option<Told>,
    seeds: Vec<File>,
    at: u64,
    hasher: blake3::Hasher,
    /// Whether the end of it is a hole that was not written.
    ends_in_hole: bool,
}

/// How a file has come.
pub enum Came {
    /// Whole, of so many bytes with this digest. It is in the file, or there is a reason why not.
    Whole(u64, [u8; 32], Result<File, Option<Told>>),
    /// The other side could not send it.
    Not(Told),
}

impl<'i> Incoming<'i> {
    /// A file of which nothing has come yet. Without a file to write to, it is thrown away.
    pub fn new(head: &'i FileHead, most: u64, into: Option<File>, seeds: Vec<File>) -> Self {
        Self {
            path: &head.path,
            size: head.size,
            most: most.min(FILE_SIZE),
            into,
            failed: None,
            seeds,
            at: 0,
            hasher: blake3::Hasher::new(),
            ends_in_hole: false,
        }
    }

    /// Tells the other side what is here already.
    ///
    /// # Errors
    /// That the stream is broken.
    pub fn tell_seeds<W: Write>(&self, out: &mut Writer<W>) -> Result<(), Stop> {
        tell_pieces(&self.seeds, out)?;
        out.flush()
    }

    /// Takes the content up to its end.
    ///
    /// # Errors
    /// That the stream is broken, or says what cannot be.
    pub fn take<R: Read>(mut self, from: &mut Reader<R>, room: &mut Vec<u8>) -> Result<Came, Stop> {
        loop {
            match from.expect()? {
                Record::Data(bytes) => self.bytes(bytes)?,
                Record::Packed(length, frame) => {
                    let length = usize::try_from(length).unwrap_or(FILE_RECORD);
                    room.resize(length, 0);
                    let made = zstd::bulk::decompress_to_buffer(frame, room.as_mut_slice());
                    if made.ok() != Some(length) {
                        return Err(Stop::Order(
                            "something that does not unpack to what it says",
                        ));
                    }
                    self.bytes(room)?;
                }
                Record::Hole(length) => self.hole(length)?,
                Record::Copy(copy) => self.copy(copy, room)?,
                Record::Again => self.again()?,
                Record::Fault(told) => return Ok(Came::Not(told)),
                Record::End(digest) => return self.end(digest),
                _ => return Err(Stop::Order("something else in the middle of a file")),
            }
        }
    }

    /// Makes sure that so many more may come.
    fn more(&mut self, length: u64) -> Result<(), Stop> {
        let end = self.at.checked_add(length);
        let end = end.ok_or(Stop::Order("a file without an end"))?;
        if self.size.is_some_and(|size| end > size) {
            return Err(Stop::Order("more bytes of a file than it has"));
        }
        if end > self.most {
            return Err(super::scope::told(self.path, Fault::TooMuch).into());
        }
        self.at = end;
        Ok(())
    }

    /// Notes why the file cannot be written; what comes of it is only read from then on.
    fn written(&mut self, done: io::Result<()>) {
        if let Err(fault) = done {
            self.failed = Some(failed(self.path, &fault));
            self.into = None;
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.more(bytes.len() as u64)?;
        self.hasher.update(bytes);
        self.ends_in_hole = false;
        if let Some(file) = &mut self.into {
            let done = file.write_all(bytes);
            self.written(done);
        }
        Ok(())
    }

    fn hole(&mut self, length: u64) -> Result<(), Stop> {
        self.more(length)?;
        zeros(&mut self.hasher, length);
        self.ends_in_hole = true;
        if let Some(file) = &mut self.into {
            let done = file.seek(SeekFrom::Start(self.at)).map(drop);
            self.written(done);
        }
        Ok(())
    }

    fn copy(&mut self, copy: Copy, room: &mut Vec<u8>) -> Result<(), Stop> {
        const BLOCK: u64 = 256 * 1024;
        let seed = usize::from(copy.seed);
        let Some(seed) = self.seeds.get(seed) else {
            return Err(Stop::Order("bytes of a file that is not here"));
        };
        let seed = seed.try_clone()?;
        let end = copy.offset.saturating_add(copy.length);
        let mut at = copy.offset;
        while at < end {
            let now = BLOCK.min(end - at);
            room.resize(usize::try_from(now).unwrap_or(0), 0);
            // Less is there than was told of: what comes of that is found by the digest.
            if let Err(fault) = seed.read_exact_at(room, at) {
                self.failed = Some(failed(self.path, &fault));
                return Err(Stop::Order("bytes of a file that has fewer"));
            }
            self.bytes(room)?;
            at += now;
        }
        Ok(())
    }

    fn again(&mut self) -> Result<(), Stop> {
        self.at = 0;
        self.hasher.reset();
        self.ends_in_hole = false;
        if let Some(file) = &mut self.into {
            let done = file.set_len(0).and_then(|()| file.rewind());
            self.written(done);
        }
        Ok(())
    }

    fn end(mut self, digest: [u8; 32]) -> Result<Came, Stop> {
        if self.size.is_some_and(|size| size != self.at) {
            return Err(Stop::Order("fewer bytes of a file than it has"));
        }
        if *self.hasher.finalize().as_bytes() != digest {
            return Err(Stop::Order("a file that is not what its digest says"));
        }
        if let Some(file) = self.into.as_mut().filter(|_| self.ends_in_hole) {
            let done = file.set_len(self.at);
            self.written(done);
        }
        let file = self.into.take().ok_or(self.failed.take());
        Ok(Came::Whole(self.at, digest, file))
    }
}
