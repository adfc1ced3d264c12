//! What is read: told as a list, or sent with its content.

use super::content::{Content, Sent};
use super::port::Monitor;
use super::records::{Reader, Stop, Writer};
use super::scope::{At, Place, Scope, Visit, failed, told, walk};
use super::seeds::Index;
use crate::files::stream::{Fault, FileHead, Head, LinkHead, Record, Told};
use crate::files::{Below, Entry, Manifest, Mode, Sum, Target, What};
use crate::sys::{Folder, Found, FoundKind};
use std::fs::File;
use std::io::{Read, Write};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// What was done.
    pub sum: Sum,
    /// How much was not.
    pub faults: u64,
}

/// Who says which part of a file the other side has, when it is about to be sent.
pub trait Ask<W: Write> {
    /// Whether the other side is to be asked for a file of this size.
    fn wants(&self, size: u64) -> bool;

    /// What the other side has of the file that was announced just now.
    ///
    /// # Errors
    /// That the stream is broken.
    fn ask(&mut self, out: &mut Writer<W>) -> Result<Index, Stop>;
}

/// Nobody is asked.
#[derive(Debug, Clone, Copy)]
pub struct NobodyIsAsked;

impl<W: Write> Ask<W> for NobodyIsAsked {
    fn wants(&self, _: u64) -> bool {
        false
    }

    fn ask(&mut self, _: &mut Writer<W>) -> Result<Index, Stop> {
        Ok(Index::default())
    }
}

/// What is sent, or listed.
pub struct Sending<'o, W: Write, A> {
    out: &'o mut Writer<W>,
    monitor: &'o mut dyn Monitor,
    ask: A,
    how: How,
    content: Content,
    manifest: Manifest,
    entries: u64,
    faults: u64,
}

/// How it is sent.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Whether what is in folders goes along.
    pub recursive: bool,
    /// Whether only a list is sent, and with which digests of contents.
    pub list: Option<Digests>,
    /// Whether what shrinks is packed.
    pub packs: bool,
    /// Whether links are moved.
    pub links: bool,
    /// Whether each path is said to the monitor.
    pub names: bool,
    /// Entries at the most.
    pub most: u64,
}

/// Whether a list has digests of contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digests {
    /// None: nothing is read.
    None,
    /// Those of all files.
    All,
}

impl<'o, W: Write, A: Ask<W>> Sending<'o, W, A> {
    /// Nothing was sent yet.
    pub fn new(out: &'o mut Writer<W>, monitor: &'o mut dyn Monitor, ask: A, how: How) -> Self {
        Self {
            out,
            monitor,
            ask,
            content: Content::new(how.packs),
            how,
            manifest: Manifest::default(),
            entries: 0,
            faults: 0,
        }
    }

    /// Sends what is at a place.
    ///
    /// # Errors
    /// That the stream is broken.
    pub fn tree(&mut self, scope: &Scope, place: &Place) -> Result<(), Stop> {
        walk(scope, place, self)
    }

    /// Sends what is wanted of a place, in the order in which that is said.
    ///
    /// # Errors
    /// That the stream is broken, or that something is wanted that cannot be.
    pub fn wanted<R: Read>(
        &mut self,
        scope: &Scope,
        place: &Place,
        wants: &mut Reader<R>,
    ) -> Result<(), Stop> {
        loop {
            let (path, has_seeds) = match wants.expect()? {
                Record::Want(path, has_seeds) => (path, has_seeds),
                Record::Done(_) => return Ok(()),
                _ => return Err(Stop::Order("something that is no wish")),
            };
            let mut index = Index::default();
            let mut comes_more = has_seeds;
            while comes_more {
                match wants.expect()? {
                    Record::Chunks(chunks) if chunks.is_empty() => comes_more = false,
                    Record::Chunks(chunks) => index.add(&chunks)?,
                    _ => return Err(Stop::Order("something else than pieces")),
                }
            }
            self.one_wanted(scope, place, &path, has_seeds.then_some(&index))?;
        }
    }

    /// Sends one entry of a place, found anew from there.
    fn one_wanted(
        &mut self,
        scope: &Scope,
        place: &Place,
        path: &Below,
        index: Option<&Index>,
    ) -> Result<(), Stop> {
        let whole = path.beneath(&scope.base);
        if !whole.is_ok_and(|whole| scope.leads_to(&whole)) {
            return self.tell(told(path, Fault::Kept));
        }
        let (folder, name) = match find(place, path) {
            Ok(found) => found,
            Err(told) => return self.tell(told),
        };
        let Some(name) = name else {
            let found = match folder.itself() {
                Ok(found) => found,
                Err(fault) => return self.tell(failed(path, &fault)),
            };
            return self.send_folder(path, &found);
        };
        match folder.look(&name) {
            Err(fault) => self.tell(failed(path, &fault)),
            Ok(found) if found.kind == FoundKind::Folder => match scope.takes_folder(path) {
                true => self.send_folder(path, &found),
                false => self.tell(told(path, Fault::Kept)),
            },
            Ok(_) if !scope.takes_file(path) => self.tell(told(path, Fault::Kept)),
            Ok(found) if found.kind == FoundKind::File => match folder.file(&name) {
                Ok((mut file, found)) => self.send_file(path, &mut file, &found, index),
                Err(fault) => self.tell(failed(path, &fault)),
            },
            Ok(found) => {
                let (folder, name) = (&folder, name.as_slice());
                self.entry(At { folder, name }, path, &found)
            }
        }
    }

    /// Sends a file that is open already.
    ///
    /// # Errors
    /// That the stream is broken.
    pub fn file(&mut self, path: &Below, file: &mut File, found: &Found) -> Result<(), Stop> {
        self.send_file(path, file, found, None)
    }

    /// Sends what comes out of a pipe, as a file.
    ///
    /// # Errors
    /// That the stream is broken, or the pipe.
    pub fn pipe(&mut self, mut from: impl Read, mode: Mode, time: i64) -> Result<(), Stop> {
        let path = Below::root();
        self.count(&path)?;
        self.out.put(&Record::File(FileHead {
            path: path.clone(),
            mode,
            time,
            size: None,
            asks: false,
        }))?;
        let (mut size, mut hasher) = (0_u64, blake3::Hasher::new());
        let mut block = vec![0; 256 * 1024];
        loop {
            let bytes = match from.read(&mut block) {
                Ok(0) => break,
                Ok(count) => block.get(..count).unwrap_or_default(),
                Err(fault) if fault.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(fault) => return Err(fault.into()),
            };
            hasher.update(bytes);
            size += bytes.len() as u64;
            self.out.put(&Record::Data(bytes))?;
        }
        let digest = *hasher.finalize().as_bytes();
        self.out.put(&Record::End(digest))?;
        self.note(
            path,
            mode,
            time,
            What::File {
                size,
                digest: Some(digest),
            },
        )
    }

    /// Says that this was all.
    ///
    /// # Errors
    /// That the stream is broken, or that nobody hears it.
    pub fn done(self) -> Result<Outcome, Stop> {
        let sum = self.manifest.sum();
        self.monitor.sum(sum)?;
        self.out.put(&Record::Done(sum))?;
        self.out.flush()?;
        Ok(Outcome {
            sum,
            faults: self.faults,
        })
    }

    fn count(&mut self, path: &Below) -> Result<(), Stop> {
        self.entries += 1;
        if self.entries > self.how.most {
            return Err(told(path, Fault::TooMuch).into());
        }
        if self.how.names {
            self.monitor.name(path)?;
        }
        Ok(())
    }

    fn note(&mut self, path: Below, mode: Mode, time: i64, what: What) -> Result<(), Stop> {
        let entry = Entry {
            path,
            mode,
            time,
            what,
        };
        self.manifest
            .add(&entry)
            .map_err(|_| Stop::Order("paths that are not in their order"))?;
        if self.how.list.is_some() {
            self.out.put(&Record::Listed(entry))?;
        }
        Ok(())
    }

    /// Says what was not done.
    fn tell(&mut self, told: Told) -> Result<(), Stop> {
        // A list that names what cannot be moved is a whole one.
        let is_left_out = matches!(told.what, Fault::Special | Fault::Link | Fault::Name);
        if !(self.how.list.is_some() && is_left_out) {
            self.faults += 1;
        }
        self.out.put(&Record::Fault(told))
    }

    fn send_folder(&mut self, path: &Below, found: &Found) -> Result<(), Stop> {
        self.count(path)?;
        let (mode, time) = (Mode::of_file(found.mode), found.time);
        if self.how.list.is_none() {
            self.out.put(&Record::Folder(Head {
                path: path.clone(),
                mode,
                time,
            }))?;
        }
        self.note(path.clone(), mode, time, What::Folder)
    }

    fn send_file(
        &mut self,
        path: &Below,
        file: &mut File,
        found: &Found,
        index: Option<&Index>,
    ) -> Result<(), Stop> {
        self.count(path)?;
        let (mode, time) = (Mode::of_file(found.mode), found.time);
        let asks = index.is_none() && self.ask.wants(found.size);
        self.out.put(&Record::File(FileHead {
            path: path.clone(),
            mode,
            time,
            size: Some(found.size),
            asks,
        }))?;
        let asked = match asks {
            true => self.ask.ask(self.out)?,
            false => Index::default(),
        };
        let index = index.unwrap_or(&asked);
        match self.content.send(self.out, path, file, found, index)? {
            Sent::Whole(size, digest) => {
                let digest = Some(digest);
                self.note(path.clone(), mode, time, What::File { size, digest })
            }
            Sent::Not => {
                self.faults += 1;
                Ok(())
            }
        }
    }

    /// A file of a list.
    fn list_file(
        &mut self,
        at: At<'_>,
        path: &Below,
        found: &Found,
        digests: Digests,
    ) -> Result<(), Stop> {
        self.count(path)?;
        let mut digest = None;
        if digests == Digests::All {
            let read = at
                .folder
                .file(at.name)
                .and_then(|(file, _)| Ok(blake3::Hasher::new().update_reader(file)?.finalize()));
            match read {
                Ok(hash) => digest = Some(*hash.as_bytes()),
                Err(fault) => return self.tell(failed(path, &fault)),
            }
        }
        let (mode, time, size) = (Mode::of_file(found.mode), found.time, found.size);
        self.note(path.clone(), mode, time, What::File { size, digest })
    }

    fn send_link(&mut self, at: At<'_>, path: &Below, found: &Found) -> Result<(), Stop> {
        if !self.how.links {
            return self.tell(told(path, Fault::Link));
        }
        let text = match at.folder.target(at.name) {
            Ok(text) => text,
            Err(fault) => return self.tell(failed(path, &fault)),
        };
        let Some(target) = Target::inside(&text, path) else {
            return self.tell(told(path, Fault::Link));
        };
        self.count(path)?;
        if self.how.list.is_none() {
            self.out.put(&Record::Link(LinkHead {
                path: path.clone(),
                target: target.clone(),
            }))?;
            // Of a link that is moved nothing counts but where it leads.
            return self.note(path.clone(), Mode::of_file(0o777), 0, What::Link { target });
        }
        self.note(
            path.clone(),
            Mode::of_file(0o777),
            found.time,
            What::Link { target },
        )
    }
}

impl<W: Write, A: Ask<W>> Visit for Sending<'_, W, A> {
    type Stop = Stop;

    fn folder(&mut self, path: &Below, found: &Found) -> Result<bool, Stop> {
        let is_list = self.how.list.is_some();
        if !self.how.recursive && !is_list {
            self.tell(told(path, Fault::Folder))?;
            return Ok(false);
        }
        self.send_folder(path, found)?;
        Ok(self.how.recursive || path.is_root())
    }

    fn entry(&mut self, at: At<'_>, path: &Below, found: &Found) -> Result<(), Stop> {
        match (found.kind, self.how.list) {
            (FoundKind::File, Some(digests)) => self.list_file(at, path, found, digests),
            (FoundKind::File, None) => match at.folder.file(at.name) {
                Ok((mut file, found)) => self.send_file(path, &mut file, &found, None),
                Err(fault) => self.tell(failed(path, &fault)),
            },
            (FoundKind::Link, _) => self.send_link(at, path, found),
            (FoundKind::Special | FoundKind::Folder, _) => self.tell(told(path, Fault::Special)),
        }
    }

    fn fault(&mut self, told: Told) -> Result<(), Stop> {
        self.tell(told)
    }
}

/// The folder that an entry of a place is in, and its name there; no name for the root itself.
///
/// # Errors
/// What is in the way.
pub fn find(place: &Place, path: &Below) -> Result<(Folder, Option<Vec<u8>>), Told> {
    let again = |folder: &Folder| folder.again().map_err(|fault| failed(path, &fault));
    let Some((above, name)) = path.folder().zip(path.name()) else {
        return match place {
            Place::Root(folder) => Ok((again(folder)?, None)),
            Place::In(folder, name) => Ok((again(folder)?, Some(name.clone()))),
        };
    };
    let step =
        |folder: &Folder, name: &[u8]| folder.folder(name).map_err(|fault| failed(path, &fault));
    let mut at = match place {
        Place::Root(folder) => again(folder)?,
        Place::In(folder, name) => step(folder, name)?,
    };
    for name in above.names() {
        at = step(&at, name)?;
    }
    Ok((at, Some(name.to_vec())))
}
