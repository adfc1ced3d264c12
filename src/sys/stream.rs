//! What is read out of a file or a pipe, whoever has written it: at once, or not at all.

use super::poll::wait_readable;
use super::trust::{FileFault, Kind};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long whoever writes to a pipe may take for all of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens what can be read to its end, without waiting for anybody: a regular file or a pipe.
///
/// # Errors
/// As open(2); what is there instead.
pub fn open_stream(path: &Path) -> Result<File, FileFault> {
    let io = |fault| FileFault::Io(path.to_owned(), fault);
    let found = std::fs::metadata(path).map_err(io)?;
    if !found.is_file() && !found.file_type().is_fifo() {
        return Err(FileFault::NotAFile(path.to_owned(), Kind::of(&found)));
    }
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
        .open(path)
        .map_err(io)
}

/// Reads a file or a pipe to its end, up to `max` bytes.
///
/// # Errors
/// As open(2) and read(2); that there is more, or that nobody writes to the pipe.
pub fn read_stream(path: &Path, max: u64) -> Result<Vec<u8>, FileFault> {
    let file = open_stream(path)?;
    read_opened(path, &file, max)
}

/// Reads text out of a file or a pipe, as [`read_stream`] does.
///
/// # Errors
/// As [`read_stream`]; that it is no text.
pub fn read_text(path: &Path, max: u64) -> Result<String, FileFault> {
    String::from_utf8(read_stream(path, max)?).map_err(|_| {
        let fault = io::Error::new(ErrorKind::InvalidData, "it is not UTF-8 text");
        FileFault::Io(path.to_owned(), fault)
    })
}

/// Reads what was opened so that reading it does not wait.
pub(super) fn read_opened(path: &Path, mut file: &File, max: u64) -> Result<Vec<u8>, FileFault> {
    let io = |fault| FileFault::Io(path.to_owned(), fault);
    let is_pipe = file.metadata().map_err(io)?.file_type().is_fifo();
    let until = Instant::now() + PATIENCE;
    let (mut bytes, mut piece) = (Vec::new(), [0; 16 * 1024]);
    loop {
        match file.read(&mut piece) {
            Ok(0) if is_pipe && bytes.is_empty() => {
                return Err(io(io::Error::other(
                    "this pipe is empty, and nobody writes to it",
                )));
            }
            Ok(0) => return Ok(bytes),
            Ok(count) => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => {
                let left = until.saturating_duration_since(Instant::now());
                match wait_readable(file.as_fd(), left) {
                    Err(fault) if fault.kind() == ErrorKind::TimedOut => {
                        let text = format!("its end did not come out of this pipe in {PATIENCE:?}");
                        return Err(io(io::Error::other(text)));
                    }
                    Err(fault) if fault.kind() != ErrorKind::Interrupted => return Err(io(fault)),
                    _ => {}
                }
            }
            Err(fault) => return Err(io(fault)),
        }
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length > max {
            return Err(FileFault::TooLarge(path.to_owned(), length));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_pipe_is_read_to_its_end_and_an_empty_one_is_not_waited_for() {
        let (reader, mut writer) = io::pipe().unwrap();
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        let path = Path::new(&path);
        let writing = std::thread::spawn(move || {
            for _ in 0..100 {
                writer.write_all(&[b'x'; 1000]).unwrap();
            }
        });
        assert_eq!(read_stream(path, 100_000).unwrap().len(), 100_000);
        writing.join().unwrap();
        let empty = read_stream(path, 1).unwrap_err().to_string();
        assert!(empty.contains("nobody writes to it"), "{empty}");
    }

    #[test]
    fn more_than_there_may_be_is_refused_however_it_comes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "four").unwrap();
        assert_eq!(read_stream(&file, 4).unwrap(), b"four");
        assert!(matches!(
            read_stream(&file, 3),
            Err(FileFault::TooLarge(_, 4))
        ));
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"four").unwrap();
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        assert!(matches!(
            read_stream(Path::new(&path), 3),
            Err(FileFault::TooLarge(_, 4))
        ));
    }

    #[test]
    fn what_has_no_end_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (path, kind) in [
            (folder.path(), "a folder"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let said = read_stream(path, 10).unwrap_err().to_string();
            let wanted = format!("{} is {kind}, and not a regular file", path.display());
            assert_eq!(said, wanted);
        }
    }
}
