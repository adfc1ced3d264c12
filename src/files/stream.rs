//! The stream between a mover and its client: records of a kind, a length and a body, in the order of
//! the paths that they are about.

use super::manifest::{Entry, Target};
use super::mode::Mode;
use super::path::Below;
use super::word::Sum;
use crate::limits::{FILE_CHUNKS, FILE_RECORD};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record<'a> {
    /// A folder; what is in it follows.
    Folder(Head),
    /// A file; its content follows, and then `End` or `Fault`.
    File(FileHead),
    /// Bytes of the file, at least one.
    Data(&'a [u8]),
    /// Bytes of the file, packed: how many they are, and a frame of zstd.
    Packed(u32, &'a [u8]),
    /// So many bytes of the file are zeros that take up no room, at least one.
    Hole(u64),
    /// Bytes that the other side has.
    Copy(Copy),
    /// The file was changed while it was read; its content comes once more, from its beginning.
    Again,
    /// The file is whole; its content has this digest.
    End([u8; 32]),
    /// A symbolic link.
    Link(LinkHead),
    /// An entry of a list.
    Listed(Entry),
    /// A path that is wanted. Where `true`, `Chunks` follow: what the other side has of it.
    Want(Below, bool),
    /// Pieces of the files that the other side has, in their order; the last one of them is empty.
    Chunks(Vec<Chunk>),
    /// Something that was not done, and why. Behind `File`, its content is not to be used.
    Fault(Told),
    /// All that there is has come.
    Done(Sum),
}

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Where it is.
    pub path: Below,
    /// Its permission bits.
    pub mode: Mode,
    /// When it was changed, in nanoseconds since 1970.
    pub time: i64,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHead {
    /// Where it is.
    pub path: Below,
    /// Its permission bits.
    pub mode: Mode,
    /// When its content was changed, in nanoseconds since 1970.
    pub time: i64,
    /// Its bytes; unknown of what comes out of a pipe.
    pub size: Option<u64>,
    /// Whether the other side is to say first what it has of the file (`Chunks`).
    pub asks: bool,
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkHead {
    /// Where it is.
    pub path: Below,
    /// Where it leads.
    pub target: Target,
}

/// A piece of a file that the other side has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Which of the files that it has.
    pub seed: u8,
    /// Its bytes.
    pub length: u32,
    /// The first half of its BLAKE3 digest.
    pub digest: [u8; 16],
}

/// Bytes out of a file that the other side has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// Which of the files that it has.
    pub seed: u8,
    /// Where in that they begin.
    pub offset: u64,
    /// How many they are, at least one.
    pub length: u64,
}

/// Something that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What it is about.
    pub path: Below,
    /// The name there, where it is none that a path can have; at most 255 bytes.
    pub name: Vec<u8>,
    /// What it is.
    pub what: Fault,
    /// The system's error number; 0 where it is none of the system's.
    pub number: u16,
}

/// What was not done, as a kind that programs tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// It is not there.
    Absent,
    /// The system does not allow it.
    Denied,
    /// It is neither a file nor a folder nor a link.
    Special,
    /// It is a symbolic link, and these are not moved, or it leads out of what is moved.
    Link,
    /// It is another file system.
    Mount,
    /// It was changed while it was read, twice.
    Changed,
    /// Its name is none that can be moved.
    Name,
    /// It is a folder, and that was not asked for.
    Folder,
    /// It is no folder.
    NoFolder,
    /// It is there already, and may not be replaced.
    Exists,
    /// It is no name that belongs to the root.
    Kept,
    /// It is larger, or more, than the root allows.
    TooMuch,
    /// The disk, or the account's share of it, is full.
    Full,
    /// What has come is not what was said would come.
    Differs,
    /// The folder is not empty.
    NotEmpty,
    /// The system has failed.
    System,
    /// A folder has the name that a file is to get.
    Taken,
}

impl Fault {
    /// As a sentence about something that was named before.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Absent => "it is not there",
            Self::Denied => "the account may not do that",
            Self::Special => "it is neither a file nor a folder nor a link, and is left out",
            Self::Link => {
                "it is a symbolic link that is not moved: the root has no `links = \"inside\"`, or it leads out of what is moved"
            }
            Self::Mount => {
                "it is another file system (`cross_mounts = true` lets it belong to the root)"
            }
            Self::Changed => "it was changed while it was read, twice",
            Self::Name => {
                "its name has control characters, is too long or reserved, and is left out"
            }
            Self::Folder => "it is a folder (-r moves it with all that is in it)",
            Self::NoFolder => "it is no folder",
            Self::Exists => "it is there already and may not be replaced",
            Self::Kept => "no such name belongs to the root",
            Self::TooMuch => "it is more than the root allows",
            Self::Full => "there is no room left for it",
            Self::Differs => "what has come is not what was said would come",
            Self::NotEmpty => "the folder is not empty",
            Self::System => "the system has failed",
            Self::Taken => {
                "a folder has that name (with `/` behind it, a copy goes into the folder)"
            }
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.path)?;
        if !self.name.is_empty() {
            let slash = if self.path.is_root() { "" } else { "/" };
            write!(out, "{slash}{}", self.name.escape_ascii())?;
        } else if self.path.is_root() {
            write!(out, ".")?;
        }
        write!(out, ": {}", self.what.sentence())?;
        if self.number != 0 {
            let system = std::io::Error::from_raw_os_error(i32::from(self.number));
            write!(out, " ({system})")?;
        }
        Ok(())
    }
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFault {
    /// There is no such kind.
    Kind(u8),
    /// It is longer than a record may be.
    TooLong(u32),
    /// Its body is none of its kind.
    Body(u8),
}

impl fmt::Display for StreamFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(out, "there is no record of kind {kind}"),
            Self::TooLong(length) => write!(out, "a record of {length} bytes is too long"),
            Self::Body(kind) => write!(out, "a record of kind {kind} has something else in it"),
        }
    }
}

impl std::error::Error for StreamFault {}

/// The bytes before a body: its kind, and its length with the highest byte first.
pub const HEADER: usize = 5;

const FOLDER: u8 = 1;
const FILE: u8 = 2;
const DATA: u8 = 3;
const PACKED: u8 = 4;
const HOLE: u8 = 5;
const COPY: u8 = 6;
const AGAIN: u8 = 7;
const END: u8 = 8;
const LINK: u8 = 9;
const LISTED: u8 = 10;
const WANT: u8 = 11;
const CHUNKS: u8 = 12;
const FAULT: u8 = 13;
const DONE: u8 = 14;

/// Takes a header apart: the kind, and the length of the body.
///
/// # Errors
/// That there is no such record.
pub fn header(bytes: [u8; HEADER]) -> Result<(u8, usize), StreamFault> {
    let [kind, length @ ..] = bytes;
    let length = u32::from_be_bytes(length);
    if !(FOLDER..=DONE).contains(&kind) {
        return Err(StreamFault::Kind(kind));
    }
    match usize::try_from(length) {
        Ok(whole) if whole <= FILE_RECORD => Ok((kind, whole)),
        _ => Err(StreamFault::TooLong(length)),
    }
}

impl<'a> Record<'a> {
    /// Reads the body of a record.
    ///
    /// # Errors
    /// That it is none of its kind.
    pub fn decode(kind: u8, body: &'a [u8]) -> Result<Self, StreamFault> {
        let wrong = StreamFault::Body(kind);
        Ok(match kind {
            FOLDER => Self::Folder(read(kind, body)?),
            FILE => Self::File(read(kind, body)?),
            DATA if !body.is_empty() => Self::Data(body),
            PACKED => {
                let (length, frame) = body.split_first_chunk::<4>().ok_or(wrong)?;
                let length = u32::from_be_bytes(*length);
                let fits = usize::try_from(length).is_ok_and(|length| length <= FILE_RECORD);
                if length == 0 || !fits || frame.is_empty() {
                    return Err(wrong);
                }
                Self::Packed(length, frame)
            }
            HOLE => match read(kind, body)? {
                0 => return Err(wrong),
                length => Self::Hole(length),
            },
            COPY => {
                let copy: Copy = read(kind, body)?;
                if copy.length == 0 || copy.offset.checked_add(copy.length).is_none() {
                    return Err(wrong);
                }
                Self::Copy(copy)
            }
            AGAIN if body.is_empty() => Self::Again,
            END => Self::End(body.try_into().map_err(|_| wrong)?),
            LINK => {
                let link: LinkHead = read(kind, body)?;
                if !link.target.fits(&link.path) {
                    return Err(wrong);
                }
                Self::Link(link)
            }
            LISTED => Self::Listed(read(kind, body)?),
            WANT => {
                let (path, seeds) = read(kind, body)?;
                Self::Want(path, seeds)
            }
            CHUNKS => {
                let chunks: Vec<Chunk> = read(kind, body)?;
                if chunks.len() > FILE_CHUNKS || chunks.iter().any(|chunk| chunk.length == 0) {
                    return Err(wrong);
                }
                Self::Chunks(chunks)
            }
            FAULT => {
                let told: Told = read(kind, body)?;
                if told.name.len() > crate::limits::FILE_NAME {
                    return Err(wrong);
                }
                Self::Fault(told)
            }
            DONE => Self::Done(read(kind, body)?),
            DATA | AGAIN => return Err(wrong),
            _ => return Err(StreamFault::Kind(kind)),
        })
    }

    /// Writes the record behind what is there.
    pub fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Self::Folder(head) => write(into, FOLDER, head),
            Self::File(head) => write(into, FILE, head),
            Self::Data(bytes) => plain(into, DATA, &[bytes]),
            Self::Packed(length, frame) => plain(into, PACKED, &[&length.to_be_bytes(), frame]),
            Self::Hole(length) => write(into, HOLE, length),
            Self::Copy(copy) => write(into, COPY, copy),
            Self::Again => plain(into, AGAIN, &[]),
            Self::End(digest) => plain(into, END, &[digest]),
            Self::Link(head) => write(into, LINK, head),
            Self::Listed(entry) => write(into, LISTED, entry),
            Self::Want(path, seeds) => write(into, WANT, &(path, seeds)),
            Self::Chunks(chunks) => write(into, CHUNKS, chunks),
            Self::Fault(told) => write(into, FAULT, told),
            Self::Done(sum) => write(into, DONE, sum),
        }
    }
}

/// A body of postcard, which must be all of it.
fn read<T: DeserializeOwned>(kind: u8, body: &[u8]) -> Result<T, StreamFault> {
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        _ => Err(StreamFault::Body(kind)),
    }
}

fn write(into: &mut Vec<u8>, kind: u8, value: &impl Serialize) {
    // Of the types that a record consists of, postcard can fail on none.
    let body = postcard::to_allocvec(value).unwrap_or_default();
    plain(into, kind, &[&body]);
}

fn plain(into: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    into.push(kind);
    into.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    for part in parts {
        into.extend_from_slice(part);
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
