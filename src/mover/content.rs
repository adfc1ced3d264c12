//! The content of a file, read once and sent: holes as holes, what shrinks packed, and of what the
//! other side has only where it has it.

use super::records::{Stop, Writer};
use super::scope::{failed, told};
use super::seeds::{Index, cuts};
use crate::files::Below;
use crate::files::stream::{Copy, Fault, Record, Told};
use crate::sys::{Extent, Found, FoundKind, extent};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Bytes that are read and sent at once.
const BLOCK: usize = 256 * 1024;
/// Bytes by which it is judged whether a file shrinks.
const SAMPLE: usize = 64 * 1024;
/// Shorter files are not even tried.
const WORTH: usize = 1024;

/// What reads and sends files, one after the other, in the same memory.
pub struct Content {
    block: Vec<u8>,
    packed: Vec<u8>,
    packer: Option<zstd::bulk::Compressor<'static>>,
}

/// What came of a file.
pub enum Sent {
    /// It was sent whole: how many bytes, and their digest.
    Whole(u64, [u8; 32]),
    /// It was not, and the other side is told so.
    Not,
}

/// Why a file is not sent: its own reason, or the stream's.
enum Why {
    Changed,
    Told(Told),
    Stop(Stop),
}

impl From<Stop> for Why {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl Content {
    /// Ready to send. Packs what shrinks, if that is wanted.
    pub fn new(packs: bool) -> Self {
        let packer = if packs {
            zstd::bulk::Compressor::new(1).ok()
        } else {
            None
        };
        Self {
            block: vec![0; BLOCK],
            packed: Vec::new(),
            packer,
        }
    }

    /// Sends the content of a file, and how it ended. A file that is changed while it is read is read
    /// once more.
    ///
    /// # Errors
    /// That the stream is broken.
    pub fn send<W: Write>(
        &mut self,
        out: &mut Writer<W>,
        path: &Below,
        file: &mut File,
        found: &Found,
        index: &Index,
    ) -> Result<Sent, Stop> {
        let mut found = *found;
        for is_last in [false, true] {
            let why = match self.once(out, path, file, &found, index) {
                Ok(digest) => {
                    out.put(&Record::End(digest))?;
                    return Ok(Sent::Whole(found.size, digest));
                }
                Err(why) => why,
            };
            let told = match why {
                Why::Stop(stop) => return Err(stop),
                Why::Told(told) => told,
                Why::Changed if is_last => told(path, Fault::Changed),
                Why::Changed => match again(file) {
                    // What was announced is what must come, so another size cannot be sent any more.
                    Ok(now) if now.size == found.size => {
                        out.put(&Record::Again)?;
                        found = now;
                        continue;
                    }
                    Ok(_) => told(path, Fault::Changed),
                    Err(fault) => failed(path, &fault),
                },
            };
            out.put(&Record::Fault(told))?;
            return Ok(Sent::Not);
        }
        Ok(Sent::Not)
    }

    /// Sends the content once; its digest, if it was the same file all the time.
    fn once<W: Write>(
        &mut self,
        out: &mut Writer<W>,
        path: &Below,
        file: &mut File,
        found: &Found,
        index: &Index,
    ) -> Result<[u8; 32], Why> {
        let read = |fault: &io::Error| Why::Told(failed(path, fault));
        let mut hasher = blake3::Hasher::new();
        if index.is_empty() {
            self.plainly(out, path, file, found, &mut hasher)?;
        } else {
            self.by_pieces(out, path, file, found, index, &mut hasher)?;
        }
        let now = Found::of(&file.metadata().map_err(|fault| read(&fault))?);
        if (now.size, now.time, now.changed) != (found.size, found.time, found.changed) {
            return Err(Why::Changed);
        }
        Ok(*hasher.finalize().as_bytes())
    }

    /// Sends all of it.
    fn plainly<W: Write>(
        &mut self,
        out: &mut Writer<W>,
        path: &Below,
        file: &mut File,
        found: &Found,
        hasher: &mut blake3::Hasher,
    ) -> Result<(), Why> {
        let read = |fault: &io::Error| Why::Told(failed(path, fault));
        let has_holes = found.room < found.size;
        let (mut at, mut packs) = (0_u64, None);
        while at < found.size {
            let next = match has_holes {
                true => extent(file, at, found.size).map_err(|fault| read(&fault))?,
                false => Some(Extent::Bytes(found.size)),
            };
            let end = match next {
                None => return Err(Why::Changed),
                Some(Extent::Hole(end)) => {
                    out.put(&Record::Hole(end - at))?;
                    zeros(hasher, end - at);
                    at = end;
                    continue;
                }
                Some(Extent::Bytes(end)) => end,
            };
            if has_holes {
                file.seek(SeekFrom::Start(at))
                    .map_err(|fault| read(&fault))?;
            }
            while at < end {
                let most = usize::try_from(end - at).unwrap_or(BLOCK).min(BLOCK);
                let room = self.block.get_mut(..most).unwrap_or_default();
                let count = fill(file, room).map_err(|fault| read(&fault))?;
                if count == 0 {
                    return Err(Why::Changed);
                }
                hasher.update(self.block.get(..count).unwrap_or_default());
                self.put(out, count, &mut packs)?;
                at += count as u64;
            }
        }
        Ok(())
    }

    /// Sends what is in the block; packed, where the first of them has shrunk.
    fn put<W: Write>(
        &mut self,
        out: &mut Writer<W>,
        count: usize,
        packs: &mut Option<bool>,
    ) -> Result<(), Stop> {
        let bytes = self.block.get(..count).unwrap_or_default();
        let Some(packer) = &mut self.packer else {
            return out.put(&Record::Data(bytes));
        };
        let worth = *packs.get_or_insert_with(|| {
            let sample = bytes.get(..SAMPLE).unwrap_or(bytes);
            let shrinks = |packed: Vec<u8>| packed.len() * 10 < sample.len() * 9;
            sample.len() >= WORTH && packer.compress(sample).is_ok_and(shrinks)
        });
        if !worth {
            return out.put(&Record::Data(bytes));
        }
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(count));
        match packer.compress_to_buffer(bytes, &mut self.packed) {
            Ok(_) if self.packed.len() + 4 < count => {
                let length = u32::try_from(count).unwrap_or(u32::MAX);
                out.put(&Record::Packed(length, &self.packed))
            }
            _ => out.put(&Record::Data(bytes)),
        }
    }

    /// Sends what the other side does not have, and where it has the rest.
    fn by_pieces<W: Write>(
        &mut self,
        out: &mut Writer<W>,
        path: &Below,
        file: &mut File,
        found: &Found,
        index: &Index,
        hasher: &mut blake3::Hasher,
    ) -> Result<(), Why> {
        let (mut at, mut waiting, mut packs) = (0_u64, None::<Copy>, None);
        for piece in cuts(file.take(found.size), index.bits()) {
            let piece = piece.map_err(|fault| Why::Told(failed(path, &fault)))?;
            at += piece.len() as u64;
            hasher.update(&piece);
            if let Some(copy) = index.find(&piece) {
                waiting = match waiting {
                    Some(before)
                        if before.seed == copy.seed
                            && before.offset + before.length == copy.offset =>
                    {
                        let length = before.length + copy.length;
                        Some(Copy { length, ..before })
                    }
                    before => {
                        if let Some(before) = before {
                            out.put(&Record::Copy(before))?;
                        }
                        Some(copy)
                    }
                };
                continue;
            }
            if let Some(before) = waiting.take() {
                out.put(&Record::Copy(before))?;
            }
            for bytes in piece.chunks(BLOCK) {
                let room = self.block.get_mut(..bytes.len()).unwrap_or_default();
                room.copy_from_slice(bytes);
                self.put(out, bytes.len(), &mut packs)?;
            }
        }
        if let Some(before) = waiting {
            out.put(&Record::Copy(before))?;
        }
        if at != found.size {
            return Err(Why::Changed);
        }
        Ok(())
    }
}

/// Reads until the room is full or the file is over.
fn fill(file: &mut File, room: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while let Some(rest) = room.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(have)
}

/// Goes back to the beginning of a file, and looks what it is now.
fn again(file: &mut File) -> io::Result<Found> {
    file.seek(SeekFrom::Start(0))?;
    let found = Found::of(&file.metadata()?);
    match found.kind {
        FoundKind::File => Ok(found),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Adds so many zeros to a digest.
pub fn zeros(hasher: &mut blake3::Hasher, mut count: u64) {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    while count > 0 {
        let now = count.min(ZEROS.len() as u64);
        hasher.update(ZEROS.get(..now as usize).unwrap_or_default());
        count -= now;
    }
}
