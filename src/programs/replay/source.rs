//! A recording, wherever it comes from: compressed or not, whole or cut off, and written by whomever.

use crate::cast::{CastFault, Event, Header, Reader};
use crate::client::ClientError;
use crate::programs::complain;
use crate::protocol::Code;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::rc::Rc;
use zstd::stream::read::Decoder;

/// What a compressed recording begins with (RFC 8878).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Bytes of memory that unpacking may take for what was unpacked before, as a power of two: 8 MiB.
const WINDOW_LOG: u32 = 23;

/// A recording that is read.
pub struct Source {
    reader: Reader<BufReader<Content>>,
    cut: Rc<Cell<bool>>,
}

/// Its bytes.
enum Content {
    Plain(File),
    /// Unpacked on the way; where the last part is cut off, that is noted and is the end.
    Packed(Box<Decoder<'static, BufReader<File>>>, Rc<Cell<bool>>),
}

/// Opens a recording.
///
/// # Errors
/// That it is none.
pub fn opened(mut file: File) -> Result<Source, ClientError> {
    let cut = Rc::new(Cell::new(false));
    let content = content(&mut file, &cut).map_err(|fault| of(&CastFault::Io(fault)))?;
    let content = match content {
        Some(packed) => packed,
        None => Content::Plain(file),
    };
    let reader = Reader::new(BufReader::new(content)).map_err(|fault| of(&fault))?;
    Ok(Source { reader, cut })
}

fn content(file: &mut File, cut: &Rc<Cell<bool>>) -> io::Result<Option<Content>> {
    let mut magic = Vec::new();
    file.by_ref().take(4).read_to_end(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    if magic != MAGIC {
        return Ok(None);
    }
    let mut decoder = Decoder::new(file.try_clone()?)?;
    decoder.window_log_max(WINDOW_LOG)?;
    Ok(Some(Content::Packed(Box::new(decoder), cut.clone())))
}

fn of(fault: &CastFault) -> ClientError {
    ClientError::new(Code::Usage, format!("this is no recording: {fault}"))
}

impl Read for Content {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(into),
            Self::Packed(decoder, cut) => match decoder.read(into) {
                Err(fault) if fault.kind() == ErrorKind::UnexpectedEof => {
                    cut.set(true);
                    Ok(0)
                }
                done => done,
            },
        }
    }
}

impl Source {
    /// Its first line.
    pub const fn header(&self) -> &Header {
        self.reader.header()
    }

    /// The next event; none at the end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn next_event(&mut self) -> Result<Option<Event>, ClientError> {
        self.reader.next_event().map_err(|fault| of(&fault))
    }

    /// Says so where its end is missing.
    pub fn tell_if_cut(&self) {
        if self.cut.get() {
            complain("ordain: the recording is cut off; this is as far as it goes");
        }
    }
}
