//! Standard input for many: read once, kept for those that are slower or begin later.

use super::files::file_name;
use super::hosts::Host;
use crate::client::{ClientError, DurableInput};
use crate::credential::Sha256;
use crate::encoding::hex;
use crate::limits::DATA_FRAME;
use crate::nodes;
use crate::programs::display::plain;
use crate::programs::run_input::Pieces;
use crate::protocol::Code;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tokio::sync::{Mutex, mpsc};

/// Bytes that are kept in memory; what is more goes into a file without a name.
const IN_MEMORY: usize = 8 << 20;

/// A standard input by what it was: whoever asks for the same again can prove that it is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// How many bytes it has.
    length: u64,
    /// Their SHA-256, in hexadecimal.
    sha256: String,
}

/// What standard input was, where it is known.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// That of all hosts.
    pub of_all: Option<Whole>,
    /// Those of single ones, by their names.
    pub of_each: HashMap<String, Whole>,
}

/// Looks whether each host has a file in a folder, before anybody is asked for anything.
///
/// # Errors
/// [`Code::Usage`]: the hosts that have none, or one that cannot be read.
pub fn are_there(folder: &Path, hosts: &[Host]) -> Result<(), ClientError> {
    let usage = |text: String| ClientError::new(Code::Usage, text);
    let is_missing = |host: &&Host| !file_of(folder, &host.name).exists();
    let missing: Vec<&Host> = hosts.iter().filter(is_missing).collect();
    if !missing.is_empty() {
        let names = nodes::fold(missing.iter().map(|host| host.name.as_str()));
        let folder = plain(&folder.to_string_lossy());
        return Err(usage(format!(
            "{folder} has no file for {names}; each host's standard input is in the file of its name"
        )));
    }
    for host in hosts {
        opened(&file_of(folder, &host.name)).map_err(usage)?;
    }
    Ok(())
}

/// A host's own standard input.
pub fn file_of(folder: &Path, host: &str) -> PathBuf {
    folder.join(file_name(host))
}

/// A regular file, which never lets anybody wait.
fn opened(path: &Path) -> Result<File, String> {
    let found = fs::metadata(path).and_then(|found| Ok((found, File::open(path)?)));
    match found {
        Ok((found, file)) if found.is_file() => Ok(file),
        Ok(_) => Err(format!("{} is no regular file", path.display())),
        Err(fault) => Err(format!("{}: {fault}", path.display())),
    }
}

/// Gives a run all of a file, and tells what that was; nothing where the command has read no more.
///
/// # Errors
/// Why it cannot be read, in words.
pub async fn pour_file(path: &Path, into: DurableInput) -> Result<Option<Whole>, String> {
    let said = |fault: io::Error| format!("{}: {fault}", path.display());
    let mut file = opened(path)?;
    let (mut digest, mut length) = (Sha256::default(), 0);
    let mut piece = vec![0; DATA_FRAME];
    loop {
        let count = file.read(&mut piece).map_err(said)?;
        let bytes = piece.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            into.end();
            return Ok(Some(Whole::of(length, digest)));
        }
        digest.update(bytes);
        length += count as u64;
        if !into.send(bytes).await {
            return Ok(None);
        }
    }
}

/// What a file has in it.
///
/// # Errors
/// As open(2) and read(2), in words.
pub fn whole_of(path: &Path) -> Result<Whole, String> {
    let said = |fault: io::Error| format!("{}: {fault}", path.display());
    let mut file = opened(path)?;
    let (mut digest, mut length) = (Sha256::default(), 0);
    let mut piece = vec![0; DATA_FRAME];
    loop {
        let count = file.read(&mut piece).map_err(said)?;
        if count == 0 {
            return Ok(Whole::of(length, digest));
        }
        digest.update(piece.get(..count).unwrap_or_default());
        length += count as u64;
    }
}

impl Whole {
    fn of(length: u64, digest: Sha256) -> Self {
        let sha256 = hex(&digest.end());
        Self { length, sha256 }
    }

    /// Whether this is the same.
    ///
    /// # Errors
    /// A sentence with both lengths.
    pub fn is(&self, other: &Self) -> Result<(), String> {
        if self == other {
            return Ok(());
        }
        Err(format!(
            "standard input is not what it was: {} bytes now, {} bytes then, and not the same ones; `ordain run` asks with another",
            other.length, self.length
        ))
    }
}

/// Standard input for a thread that reads it.
pub struct Piped {
    /// What comes: at its end an empty piece.
    pieces: mpsc::Receiver<Result<Vec<u8>, String>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Piped {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            let next = self.pieces.blocking_recv();
            let next = next.unwrap_or_else(|| Err("its end has not come".into()));
            self.piece = next
                .map_err(|why| io::Error::other(format!("standard input cannot be read: {why}")))?;
            self.at = 0;
        }
        let count = self.piece.get(self.at..).unwrap_or_default().read(room)?;
        self.at += count;
        Ok(count)
    }
}

/// What was read of standard input so far. No more is read than the fastest host takes.
#[derive(Default)]
pub struct Input {
    memory: RefCell<Vec<u8>>,
    file: RefCell<Option<File>>,
    length: Cell<u64>,
    ended: Cell<bool>,
    digest: RefCell<Sha256>,
    fault: RefCell<Option<String>>,
    pieces: Mutex<Option<Pieces>>,
}

impl Input {
    /// Gives a run all of it, from the first byte on.
    ///
    /// # Errors
    /// Why it cannot be read, in words: half an input must not look like a whole one.
    pub async fn pour(&self, into: DurableInput) -> Result<(), String> {
        let send = async |piece: Vec<u8>| into.send(&piece).await;
        if self.each(send).await? {
            into.end();
        }
        Ok(())
    }

    /// All of it from the first byte on, for a thread that reads it. It is read by a task meanwhile.
    pub fn read(self: Rc<Self>) -> Piped {
        let (pieces, taken) = mpsc::channel(1);
        tokio::task::spawn_local(async move {
            let send = async |piece: Vec<u8>| pieces.send(Ok(piece)).await.is_ok();
            let last = match self.each(send).await {
                Ok(_) => Ok(Vec::new()),
                Err(why) => Err(why),
            };
            // Who reads no more wants no end.
            let _ = pieces.send(last).await;
        });
        Piped {
            pieces: taken,
            piece: Vec::new(),
            at: 0,
        }
    }

    /// Gives somebody piece after piece for as long as they take them, and says whether that was all.
    async fn each(&self, take: impl AsyncFn(Vec<u8>) -> bool) -> Result<bool, String> {
        let mut at = 0;
        while self.reaches(at).await? {
            let piece = self.piece(at).map_err(|fault| fault.to_string())?;
            at += piece.len() as u64;
            if !take(piece).await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What all of it is, once its end has come.
    pub fn whole(&self) -> Option<Whole> {
        let is_whole = self.ended.get() && self.fault.borrow().is_none();
        is_whole.then(|| Whole::of(self.length.get(), self.digest.borrow().clone()))
    }

    /// Reads all of it, and says what it is.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub async fn read_whole(&self) -> Result<Whole, String> {
        while self.reaches(self.length.get()).await? {}
        self.whole()
            .ok_or_else(|| "its end has not come".to_owned())
    }

    /// Waits until there is a byte at this place; `false` where the end comes first.
    async fn reaches(&self, at: u64) -> Result<bool, String> {
        loop {
            if let Some(fault) = &*self.fault.borrow() {
                return Err(fault.clone());
            }
            if self.length.get() > at {
                return Ok(true);
            }
            if self.ended.get() {
                return Ok(false);
            }
            let mut pieces = self.pieces.lock().await;
            if self.length.get() > at || self.ended.get() {
                continue;
            }
            let next = pieces
                .get_or_insert_with(Pieces::of_standard_input)
                .next()
                .await;
            let kept = match next {
                Ok(piece) if !piece.is_empty() => self.keep(&piece),
                Err(fault) => Err(fault),
                Ok(_) => {
                    self.ended.set(true);
                    Ok(())
                }
            };
            if let Err(fault) = kept {
                *self.fault.borrow_mut() = Some(fault.to_string());
            }
        }
    }

    fn keep(&self, piece: &[u8]) -> io::Result<()> {
        let mut memory = self.memory.borrow_mut();
        let room = IN_MEMORY.saturating_sub(memory.len()).min(piece.len());
        let (now, rest) = piece.split_at(room);
        memory.extend_from_slice(now);
        if !rest.is_empty() {
            let mut file = self.file.borrow_mut();
            let file = match &mut *file {
                Some(file) => file,
                none => none.insert(crate::sys::unnamed_file()?),
            };
            let at = (self.length.get() + room as u64).saturating_sub(IN_MEMORY as u64);
            file.write_all_at(rest, at)?;
        }
        self.digest.borrow_mut().update(piece);
        self.length.set(self.length.get() + piece.len() as u64);
        Ok(())
    }

    fn piece(&self, at: u64) -> io::Result<Vec<u8>> {
        let memory = self.memory.borrow();
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        if let Some(kept) = memory.get(from..).filter(|kept| !kept.is_empty()) {
            let length = kept.len().min(DATA_FRAME);
            return Ok(kept.get(..length).unwrap_or_default().to_vec());
        }
        let left = self.length.get().saturating_sub(at);
        let mut piece = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(DATA_FRAME)];
        if let Some(file) = &*self.file.borrow() {
            file.read_exact_at(&mut piece, at.saturating_sub(IN_MEMORY as u64))?;
        }
        Ok(piece)
    }
}
