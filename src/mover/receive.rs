//! What comes: written beside its place, and placed only when that is allowed.

use super::incoming::{Came, Incoming};
use super::level::{Expected, Level};
use super::ready::{Ready, Waiting};
use super::records::{Reader, Stop, Writer};
use super::scope::{At, Place, Scope, failed, told};
use super::staged::{Left, Staged};
use crate::files::stream::{Fault, FileHead, Head, LinkHead, Record, Told};
use crate::files::{Below, Entry, Manifest, Mode, Sum, Sync, What};
use crate::limits::FILES_SYNCED;
use crate::sys::{Folder, FoundKind, set_file, try_hold};
use std::fs::File;
use std::io::{self, Read, Write};

/// What comes.
pub struct Receiving<'r> {
    scope: &'r Scope,
    expected: Expected,
    /// Whether the folder that comes takes the place of the one that is there.
    replaces_whole: bool,
    /// Whether the other side knows what is here of each file.
    seeds_are_known: bool,
    staged: Staged,
    /// The folders that lead to where the stream is; the first is the one that the transfer begins in.
    levels: Vec<Level>,
    /// The name in the first of them; none where the transfer begins at the root itself.
    name: Option<Vec<u8>>,
    manifest: Manifest,
    /// Nothing in this folder is written.
    skipped: Option<Below>,
    waiting: Vec<Waiting>,
    /// Files that are to be made sure of one by one, as long as there are few.
    unsure: Vec<File>,
    /// New folders, as long as there are few, so that nobody takes them for left behind.
    held: Vec<Folder>,
    written: u64,
    total: u64,
    count: u64,
    faults: Vec<Told>,
    fault_count: u64,
    room: Vec<u8>,
}

/// Faults that are kept to be told; more are counted.
const FAULTS: usize = 1000;

impl<'r> Receiving<'r> {
    /// Nothing has come yet. `random` makes names that no other transfer has.
    ///
    /// # Errors
    /// As dup(2).
    pub fn new(
        scope: &'r Scope,
        place: &Place,
        expected: Expected,
        replaces_whole: bool,
        random: [u8; 10],
    ) -> io::Result<Self> {
        let (folder, name) = match place {
            Place::Root(folder) => (folder.again()?, None),
            Place::In(folder, name) => (folder.again()?, Some(name.clone())),
        };
        let outer = Level::there(Below::root(), folder);
        Ok(Self {
            scope,
            expected,
            replaces_whole,
            seeds_are_known: false,
            staged: Staged::new(random),
            levels: vec![outer],
            name,
            manifest: Manifest::default(),
            skipped: None,
            waiting: Vec::new(),
            unsure: Vec::new(),
            held: Vec::new(),
            written: 0,
            total: 0,
            count: 0,
            faults: Vec::new(),
            fault_count: 0,
            room: Vec::new(),
        })
    }

    /// Takes all that comes, up to its end. Answers what is asked on the other stream, and tells each
    /// fault there.
    ///
    /// # Errors
    /// That nothing of it can be placed.
    pub fn take<R: Read, W: Write>(
        &mut self,
        from: &mut Reader<R>,
        out: &mut Writer<W>,
        mut progress: impl FnMut(&Below, u64) -> Result<(), Stop>,
    ) -> Result<Sum, Stop> {
        loop {
            let told_before = self.fault_count;
            match from.expect()? {
                Record::Folder(head) => self.folder(head)?,
                Record::Link(head) => self.link(&head)?,
                Record::File(head) => {
                    self.file(&head, from, out)?;
                    progress(&head.path, self.total)?;
                }
                // What the other side could not send.
                Record::Fault(told) => self.note(told),
                Record::Done(sum) => {
                    self.close_down_to(1);
                    if sum != self.manifest.sum() {
                        return Err(Stop::Order("another digest than that of what has come"));
                    }
                    return Ok(sum);
                }
                _ => return Err(Stop::Order("something that nobody has asked for")),
            }
            if self.fault_count > told_before
                && let Some(told) = self.faults.last()
            {
                out.put(&Record::Fault(told.clone()))?;
            }
        }
    }

    /// What was not done, as far as it was kept, and how much it was.
    pub fn faults(&self) -> (&[Told], u64) {
        (&self.faults, self.fault_count)
    }

    /// Whether anything is to be placed.
    pub fn has_something(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn note(&mut self, told: Told) {
        self.fault_count += 1;
        if self.faults.len() >= FAULTS {
            self.faults.truncate(FAULTS - 1);
        }
        self.faults.push(told);
    }

    /// Goes to the folder that an entry is in, which must have come before. Whether it is to be written.
    fn enter(&mut self, path: &Below) -> Result<bool, Stop> {
        if !self.expected.admits(path) {
            return Err(Stop::Order("a name that nobody has asked for"));
        }
        self.count += 1;
        if self.count > self.scope.rules.max_files {
            return Err(told(path, Fault::TooMuch).into());
        }
        if let Some(skipped) = &self.skipped {
            if path.is_in(skipped) {
                return Ok(false);
            }
            self.skipped = None;
        }
        // The folders from where the transfer begins on, and the one that it begins in.
        let wanted = match (self.name.is_some(), path.is_root()) {
            (_, true) => 1,
            (true, false) => path.depth() + 1,
            (false, false) => path.depth(),
        };
        self.close_down_to(wanted);
        let at = self.levels.last();
        let fits = at.is_some_and(|at| {
            self.levels.len() == wanted
                && (path.is_root() || Some(&at.path) == path.folder().as_ref())
        });
        match fits {
            true => Ok(true),
            false => Err(Stop::Order("a file before its folder")),
        }
    }

    /// Leaves folders until there are so many. One that is new becomes what it is to be.
    fn close_down_to(&mut self, count: usize) {
        while self.levels.len() > count.max(1) {
            let Some(level) = self.levels.pop() else {
                return;
            };
            if let Some((mode, time)) = level.head {
                let masked = mode.within(self.scope.rules.directories);
                if let Err(fault) = level.folder.set(masked.bits(), time) {
                    self.note(failed(&level.path, &fault));
                }
            }
        }
    }

    fn add(&mut self, path: &Below, mode: Mode, time: i64, what: What) -> Result<(), Stop> {
        let entry = Entry {
            path: path.clone(),
            mode,
            time,
            what,
        };
        self.manifest
            .add(&entry)
            .map_err(|_| Stop::Order("a name twice, or not in its order"))
    }

    fn folder(&mut self, head: Head) -> Result<(), Stop> {
        if matches!(self.expected, Expected::One) {
            return Err(Stop::Order("a folder where a file was asked for"));
        }
        let is_written = self.enter(&head.path)?;
        self.add(&head.path, head.mode, head.time, What::Folder)?;
        if !is_written {
            return Ok(());
        }
        match self.open_folder(&head) {
            Ok(Some(level)) => self.levels.push(level),
            // The root itself, which is there.
            Ok(None) => {}
            Err(told) => {
                self.skipped = Some(head.path);
                self.note(told);
            }
        }
        Ok(())
    }

    /// The folder that things are to come into: the one that is there, or a new one. None for the root
    /// itself, which is open already.
    fn open_folder(&mut self, head: &Head) -> Result<Option<Level>, Told> {
        let path = &head.path;
        if !self.scope.takes_folder(path) {
            return Err(told(path, Fault::Kept));
        }
        let Some(name) = self.name_of(path) else {
            return Ok(None);
        };
        let replaces_whole = self.replaces_whole && path.is_root();
        let Some(outer) = self.levels.last_mut() else {
            return Err(told(path, Fault::System));
        };
        let fault = |fault: io::Error| failed(path, &fault);
        if outer.is_new {
            let folder = outer.folder.make_folder(&name).map_err(fault)?;
            let seeds = outer.seeds.as_ref();
            let seeds = seeds.and_then(|seeds| seeds.folder(&name).ok());
            return Ok(Some(Level::new(head, folder, seeds)));
        }
        let replaces = match outer.folder.look(&name) {
            Ok(found) if found.kind == FoundKind::Folder && !replaces_whole => {
                let folder = outer.folder.folder(&name).map_err(fault)?;
                return Ok(Some(Level::there(path.clone(), folder)));
            }
            Ok(found) if found.kind != FoundKind::Folder => {
                return Err(told(path, Fault::NoFolder));
            }
            Ok(_) if !self.scope.rules.replace => return Err(told(path, Fault::Exists)),
            Ok(_) => true,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => false,
            Err(fault) => return Err(failed(path, &fault)),
        };
        self.stage_folder(head, &name, replaces).map(Some)
    }

    /// A new folder beside its place.
    fn stage_folder(&mut self, head: &Head, name: &[u8], replaces: bool) -> Result<Level, Told> {
        let fault = |fault: io::Error| failed(&head.path, &fault);
        let Some(outer) = self.levels.last_mut() else {
            return Err(told(&head.path, Fault::System));
        };
        let left = outer.left.get_or_insert_with(|| Left::of(&outer.folder));
        let seeds = left
            .youngest_folder(name)
            .and_then(|name| outer.folder.folder(name).ok());
        let folder = outer
            .folder
            .make_folder(&self.staged.name(name))
            .map_err(fault)?;
        if self.held.len() < FILES_SYNCED && folder.try_hold().is_ok() {
            self.held.extend(folder.again());
        }
        self.waiting.push(Waiting {
            path: head.path.clone(),
            is_file: false,
            replaces,
            was_left: seeds.is_some(),
        });
        Ok(Level::new(head, folder, seeds))
    }

    /// The name that an entry has in its folder; none of the root itself.
    fn name_of(&self, path: &Below) -> Option<Vec<u8>> {
        path.name()
            .map(<[u8]>::to_vec)
            .or_else(|| self.name.clone())
    }

    fn link(&mut self, head: &LinkHead) -> Result<(), Stop> {
        let is_written = self.enter(&head.path)?;
        let what = What::Link {
            target: head.target.clone(),
        };
        self.add(&head.path, Mode::of_file(0o777), 0, what)?;
        if !is_written {
            return Ok(());
        }
        if !self.scope.moves_links() {
            self.note(told(&head.path, Fault::Link));
            return Ok(());
        }
        let target = head.target.text();
        let made = self.begin(&head.path, None, |at| at.folder.make_link(at.name, &target));
        if let Err(told) = made {
            self.note(told);
        }
        Ok(())
    }

    fn file<R: Read, W: Write>(
        &mut self,
        head: &FileHead,
        from: &mut Reader<R>,
        out: &mut Writer<W>,
    ) -> Result<(), Stop> {
        let is_written = self.enter(&head.path)?;
        let seeds = match is_written && (head.asks || self.seeds_are_known) {
            true => self.seeds(&head.path),
            false => Vec::new(),
        };
        let made = match is_written {
            true => self
                .begin(&head.path, head.size, |at| {
                    let file = at.folder.create(at.name)?;
                    // While it is open, nobody takes it for left behind.
                    try_hold(&file).map(|()| file)
                })
                .map(Some),
            false => Ok(None),
        };
        let into = made.unwrap_or_else(|told| {
            self.note(told);
            None
        });
        let was_begun = into.is_some();
        let left = self.scope.rules.max_total.saturating_sub(self.total);
        let most = match was_begun {
            true => self.scope.rules.max_file.min(left),
            // It is only read to its end, which its sender has announced.
            false => u64::MAX,
        };
        let incoming = Incoming::new(head, most, into, seeds);
        if head.asks {
            incoming.tell_seeds(out)?;
        }
        let came = incoming.take(from, &mut self.room);
        match came {
            Ok(Came::Whole(size, digest, file)) => {
                let digest = Some(digest);
                self.add(
                    &head.path,
                    head.mode,
                    head.time,
                    What::File { size, digest },
                )?;
                match file.and_then(|file| self.finish(head, file, size).map_err(Some)) {
                    Ok(()) => {}
                    Err(told) => {
                        self.take_back(&head.path, was_begun);
                        if let Some(told) = told {
                            self.note(told);
                        }
                    }
                }
                Ok(())
            }
            Ok(Came::Not(told)) => {
                self.take_back(&head.path, was_begun);
                self.note(told);
                Ok(())
            }
            Err(stop) => Err(stop),
        }
    }

    /// Gives a file its mode and time.
    fn finish(&mut self, head: &FileHead, file: File, size: u64) -> Result<(), Told> {
        let fault = |fault: io::Error| failed(&head.path, &fault);
        let mode = head.mode.within(self.scope.rules.mode);
        set_file(&file, mode.bits(), head.time).map_err(fault)?;
        self.total = self.total.saturating_add(size);
        self.written += 1;
        match self.scope.rules.sync {
            Sync::File => file.sync_all().map_err(fault)?,
            Sync::Batch if self.unsure.len() < FILES_SYNCED => self.unsure.push(file),
            Sync::Batch | Sync::None => {}
        }
        Ok(())
    }

    /// Makes something beside its place, or in its place where nobody sees that yet.
    fn begin<T>(
        &mut self,
        path: &Below,
        size: Option<u64>,
        make: impl FnOnce(At<'_>) -> io::Result<T>,
    ) -> Result<T, Told> {
        if !self.scope.takes_file(path) {
            return Err(told(path, Fault::Kept));
        }
        if size.is_some_and(|size| size > self.scope.rules.max_file) {
            return Err(told(path, Fault::TooMuch));
        }
        let Some(name) = self.name_of(path) else {
            return Err(told(path, Fault::Folder));
        };
        let Some(level) = self.levels.last_mut() else {
            return Err(told(path, Fault::System));
        };
        let folder = &level.folder;
        let fault = |fault: io::Error| failed(path, &fault);
        if level.is_new {
            return make(At {
                folder,
                name: &name,
            })
            .map_err(fault);
        }
        let replaces = match folder.look(&name) {
            Ok(found) => match found.kind {
                FoundKind::File | FoundKind::Link if self.scope.rules.replace => true,
                FoundKind::File | FoundKind::Link => return Err(told(path, Fault::Exists)),
                FoundKind::Folder => return Err(told(path, Fault::Taken)),
                FoundKind::Special => return Err(told(path, Fault::Special)),
            },
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => false,
            Err(fault) => return Err(failed(path, &fault)),
        };
        // Whoever was interrupted here before has left something, which must not stay for ever.
        let left = level.left.get_or_insert_with(|| Left::of(folder));
        let was_left = left.largest(&name).is_some();
        let name = self.staged.name(&name);
        let made = make(At {
            folder,
            name: &name,
        })
        .map_err(fault)?;
        self.waiting.push(Waiting {
            path: path.clone(),
            is_file: true,
            replaces,
            was_left,
        });
        Ok(made)
    }

    /// Removes what was begun of a file.
    fn take_back(&mut self, path: &Below, was_begun: bool) {
        let (Some(name), Some(level)) = (self.name_of(path), self.levels.last()) else {
            return;
        };
        if !was_begun {
            return;
        }
        if level.is_new {
            let _ = level.folder.remove_file(&name);
        } else {
            let _ = level.folder.remove_file(&self.staged.name(&name));
            self.waiting.pop();
        }
    }

    /// Says that the other side was told of each file what is here of it, as `seeds_of` finds it.
    #[must_use]
    pub const fn knowing_seeds(mut self) -> Self {
        self.seeds_are_known = true;
        self
    }

    /// What is here of a file that comes.
    fn seeds(&mut self, path: &Below) -> Vec<File> {
        let name = self.name_of(path);
        match (name, self.levels.last_mut()) {
            (Some(name), Some(level)) => level.seeds_of(&name),
            _ => Vec::new(),
        }
    }

    /// What is to be placed, taken apart for whoever places it.
    pub(super) fn ready(self) -> Ready {
        Ready {
            outer: self.levels.into_iter().next().map(|level| level.folder),
            name: self.name,
            staged: self.staged,
            waiting: self.waiting,
            unsure: self.unsure,
            held: self.held,
            written: self.written,
            fault_count: self.fault_count,
        }
    }

    /// Ends for this reason: what was cut off stays for the next attempt, and what was no honest stream
    /// goes.
    pub fn end(self, stop: &Stop) {
        if !matches!(stop, Stop::Cut | Stop::Io(_)) {
            self.discard();
        }
    }

    /// Removes all that has come.
    pub fn discard(self) {
        self.ready().discard();
    }
}
