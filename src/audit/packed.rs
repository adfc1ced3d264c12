//! Files of the trail that are compressed once they are whole: made, compared, and read with bounds.

use super::derived::{Rewritten, Way};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

/// What the names of compressed files end with, behind that of the file.
pub const PACKED: &str = ".zst";
/// What a compressed file begins with (RFC 8878).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// How hard it is tried: behind everything else, and once.
const LEVEL: i32 = 19;
/// Bytes of memory that reading may take for what was read before, as a power of two: 8 MiB.
const WINDOW_LOG: u32 = 23;
/// How many times its size a file may be unpacked. A record has at least a number and a time
/// that nothing repeats, and is bounded, so that no trail comes near.
const UNPACKED: u64 = 1000;
/// Bytes that every file may have unpacked.
const UNPACKED_LEAST: u64 = 1 << 20;

/// The name of a file once it is compressed.
pub fn packed_name(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(PACKED);
    name.into()
}

/// Bytes that a compressed file holds, as it says itself, without the hashes that it leaves out.
pub fn unpacked_size(path: &Path) -> Option<u64> {
    let mut head = Vec::new();
    // The longest head of a frame (RFC 8878).
    File::open(path)
        .ok()?
        .take(18)
        .read_to_end(&mut head)
        .ok()?;
    zstd::zstd_safe::get_frame_content_size(&head).ok()?
}

impl std::fmt::Debug for Content {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.is_packed() { "packed" } else { "plain" };
        write!(out, "Content({kind})")
    }
}

/// The content of a file of the trail, compressed or not.
pub enum Content {
    /// As it is.
    Plain(File),
    /// Unpacked on the way; so many bytes may still come.
    Packed(Box<Unpacked>, u64),
}

/// What a compressed file holds, with the hashes that it leaves out.
type Unpacked = Rewritten<BufReader<Decoder<'static, BufReader<File>>>>;

impl Content {
    /// Opens a file, whatever its name says. One that is gone may have been compressed meanwhile.
    ///
    /// # Errors
    /// As opening and reading.
    pub fn open(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(file) => Self::of(file),
            Err(fault) if fault.kind() == ErrorKind::NotFound => {
                let packed = File::open(packed_name(path)).map_err(|_| fault)?;
                Self::of(packed)
            }
            Err(fault) => Err(fault),
        }
    }

    fn of(mut file: File) -> io::Result<Self> {
        let (mut magic, size) = (Vec::new(), file.metadata()?.len());
        (&mut file).take(4).read_to_end(&mut magic)?;
        file.seek(SeekFrom::Start(0))?;
        if magic != MAGIC {
            return Ok(Self::Plain(file));
        }
        let mut decoder = Decoder::new(file)?;
        decoder.window_log_max(WINDOW_LOG)?;
        let most = size.saturating_mul(UNPACKED).max(UNPACKED_LEAST);
        let unpacked = Rewritten::new(BufReader::new(decoder), Way::Back);
        Ok(Self::Packed(Box::new(unpacked), most))
    }

    /// Whether the file is compressed.
    pub const fn is_packed(&self) -> bool {
        matches!(self, Self::Packed(..))
    }
}

impl Read for Content {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(into),
            Self::Packed(unpacked, left) => {
                let read = unpacked.read(into).map_err(damaged)?;
                *left = left.checked_sub(read as u64).ok_or_else(too_large)?;
                Ok(read)
            }
        }
    }
}

fn damaged(fault: io::Error) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("it cannot be unpacked: {fault}"),
    )
}

fn too_large() -> io::Error {
    let text = "it unpacks to more than a trail can: no daemon has made it";
    io::Error::new(ErrorKind::InvalidData, text)
}

/// Compresses a file that is whole, and removes it once the compressed one is on the disk and was
/// read back. Cut short anywhere, it leaves the file, and can be done again. The age stays.
///
/// # Errors
/// As reading and writing; that there is a compressed one already that holds something else.
pub fn pack(path: &Path) -> io::Result<()> {
    let packed = packed_name(path);
    if !packed.exists() {
        let made = path.with_file_name(format!(
            ".{}.packing",
            path.file_name().unwrap_or_default().to_string_lossy()
        ));
        let done = write(path, &made).and_then(|()| same(path, &made));
        let done = done.and_then(|()| std::fs::rename(&made, &packed));
        if done.is_err() {
            let _ = std::fs::remove_file(&made);
            return done;
        }
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    } else {
        same(path, &packed)?;
    }
    std::fs::remove_file(path)
}

/// Writes a compressed file, and brings it to the disk.
fn write(path: &Path, made: &Path) -> io::Result<()> {
    // One that a crash has left is nobody's.
    match std::fs::remove_file(made) {
        Err(fault) if fault.kind() != ErrorKind::NotFound => return Err(fault),
        _ => {}
    }
    let mut from = File::open(path)?;
    let meta = from.metadata()?;
    let into = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(made)?;
    let mut encoder = Encoder::new(into, LEVEL)?;
    encoder.window_log(WINDOW_LOG - 1)?;
    encoder.include_checksum(true)?;
    let size = io::copy(&mut short(&from), &mut io::sink())?;
    encoder.set_pledged_src_size(Some(size))?;
    from.seek(SeekFrom::Start(0))?;
    io::copy(&mut short(&from), &mut encoder)?;
    let mut into = encoder.finish()?;
    into.flush()?;
    into.set_modified(meta.modified()?)?;
    into.sync_all()
}

/// What of a file is compressed: all of it but what the rest gives.
fn short(file: &File) -> Rewritten<BufReader<&File>> {
    Rewritten::new(BufReader::new(file), Way::Out)
}

/// Whether two files hold the same.
fn same(one: &Path, other: &Path) -> io::Result<()> {
    let mut one = BufReader::with_capacity(1 << 16, Content::open(one)?);
    let mut other = BufReader::with_capacity(1 << 16, Content::open(other)?);
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let length = left.len().min(right.len());
        if left.get(..length) != right.get(..length) || (left.is_empty() != right.is_empty()) {
            let text = "there is a compressed file of its name that holds something else";
            return Err(io::Error::new(ErrorKind::AlreadyExists, text));
        }
        if length == 0 {
            return Ok(());
        }
        one.consume(length);
        other.consume(length);
    }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
