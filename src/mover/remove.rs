//! What is removed: a file, a folder with all that is in it, or exactly the names of a list.

use super::port::Monitor;
use super::records::{Reader, Stop, Writer};
use super::scope::{At, Place, Scope, Visit, failed, told, walk};
use super::send::{Outcome, find};
use crate::files::stream::{Fault, Record, Told};
use crate::files::{Below, Names};
use crate::sys::{Found, FoundKind};
use std::io::{Read, Write};

/// What is being removed.
pub struct Removing<'r, W: Write> {
    out: &'r mut Writer<W>,
    monitor: &'r mut dyn Monitor,
    recursive: bool,
    most: u64,
    says_names: bool,
    names: Names,
    count: u64,
    faults: u64,
}

impl<'r, W: Write> Removing<'r, W> {
    /// Nothing was removed yet.
    pub fn new(
        scope: &Scope,
        recursive: bool,
        out: &'r mut Writer<W>,
        monitor: &'r mut dyn Monitor,
    ) -> Self {
        Self {
            out,
            monitor,
            recursive,
            most: scope.rules.max_files,
            says_names: scope.rules.names,
            names: Names::default(),
            count: 0,
            faults: 0,
        }
    }

    /// Removes what is at a place, and never the root itself.
    ///
    /// # Errors
    /// That the stream is broken.
    pub fn tree(&mut self, scope: &Scope, place: &Place) -> Result<(), Stop> {
        match place {
            Place::Root(_) => Err(told(&Below::root(), Fault::Denied).into()),
            Place::In(..) => walk(scope, place, self),
        }
    }

    /// Removes exactly what the list says, if it is the list with this digest. Folders must be empty.
    ///
    /// # Errors
    /// That it is another list, or the stream is broken: then nothing was removed.
    pub fn chosen<R: Read>(
        &mut self,
        scope: &Scope,
        place: &Place,
        wants: &mut Reader<R>,
        digest: [u8; 32],
    ) -> Result<(), Stop> {
        let (mut names, mut paths) = (Names::default(), Vec::new());
        loop {
            match wants.expect()? {
                Record::Want(path, false) => {
                    names.add(&path);
                    paths.push(path);
                }
                Record::Done(_) => break,
                _ => return Err(Stop::Order("something that is no name")),
            }
            if paths.len() as u64 > self.most {
                return Err(told(&Below::root(), Fault::TooMuch).into());
            }
        }
        if names.sum().digest != digest {
            return Err(Stop::Order("another list than the one that was signed"));
        }
        for path in &paths {
            self.one_chosen(scope, place, path)?;
        }
        Ok(())
    }

    fn one_chosen(&mut self, scope: &Scope, place: &Place, path: &Below) -> Result<(), Stop> {
        let whole = path.beneath(&scope.base);
        if !whole.is_ok_and(|whole| scope.leads_to(&whole)) {
            return self.tell(told(path, Fault::Kept));
        }
        let (folder, name) = match find(place, path) {
            Ok((folder, Some(name))) => (folder, name),
            Ok((_, None)) => return self.tell(told(path, Fault::Denied)),
            Err(told) => return self.tell(told),
        };
        let at = At {
            folder: &folder,
            name: &name,
        };
        match folder.look(&name) {
            Err(fault) => self.tell(failed(path, &fault)),
            Ok(found) if found.kind == FoundKind::Folder => match scope.takes_folder(path) {
                true => self.remove_folder(at, path),
                false => self.tell(told(path, Fault::Kept)),
            },
            Ok(_) if !scope.takes_file(path) => self.tell(told(path, Fault::Kept)),
            Ok(found) => self.entry(at, path, &found),
        }
    }

    /// Says that this was all.
    ///
    /// # Errors
    /// That nobody hears it.
    pub fn done(self) -> Result<Outcome, Stop> {
        let sum = self.names.sum();
        self.monitor.sum(sum)?;
        self.out.put(&Record::Done(sum))?;
        self.out.flush()?;
        Ok(Outcome {
            sum,
            faults: self.faults,
        })
    }

    fn tell(&mut self, told: Told) -> Result<(), Stop> {
        self.faults += 1;
        self.out.put(&Record::Fault(told))
    }

    fn remove_folder(&mut self, at: At<'_>, path: &Below) -> Result<(), Stop> {
        match at.folder.remove_folder(at.name) {
            Ok(()) => self.removed(path),
            Err(fault) => self.tell(failed(path, &fault)),
        }
    }

    fn removed(&mut self, path: &Below) -> Result<(), Stop> {
        self.names.add(path);
        if self.says_names {
            self.monitor.name(path)?;
        }
        Ok(())
    }
}

impl<W: Write> Visit for Removing<'_, W> {
    type Stop = Stop;

    fn folder(&mut self, path: &Below, _: &Found) -> Result<bool, Stop> {
        if !self.recursive {
            self.tell(told(path, Fault::Folder))?;
        }
        Ok(self.recursive)
    }

    fn left(&mut self, at: Option<At<'_>>, path: &Below) -> Result<(), Stop> {
        match at {
            Some(at) => self.remove_folder(at, path),
            None => Ok(()),
        }
    }

    fn entry(&mut self, at: At<'_>, path: &Below, _: &Found) -> Result<(), Stop> {
        self.count += 1;
        if self.count > self.most {
            return Err(told(path, Fault::TooMuch).into());
        }
        match at.folder.remove_file(at.name) {
            Ok(()) => self.removed(path),
            Err(fault) => self.tell(failed(path, &fault)),
        }
    }

    fn fault(&mut self, told: Told) -> Result<(), Stop> {
        self.tell(told)
    }
}
