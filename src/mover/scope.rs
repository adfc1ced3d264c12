//! What of a root a transfer is about: where it begins, and which names belong to it.

use crate::files::stream::{Fault, Told};
use crate::files::{Below, Links, Only, PathFault, Rules};
use crate::sys::{Folder, Found, FoundKind};
use std::io;

/// What of a root a transfer is about.
#[derive(Debug)]
pub struct Scope {
    /// Where it begins, from the root on.
    pub base: Below,
    /// What the root allows.
    pub rules: Rules,
    only: Only,
}

/// Where a transfer begins, held open.
#[derive(Debug)]
pub enum Place {
    /// At the root itself.
    Root(Folder),
    /// At what has this name in this folder, if anything does.
    In(Folder, Vec<u8>),
}

impl Scope {
    /// A transfer that begins here, by these rules.
    ///
    /// # Errors
    /// The pattern that cannot be read, and why.
    pub fn new(base: Below, rules: Rules) -> Result<Self, String> {
        let only = Only::new(&rules.only)
            .map_err(|(pattern, why)| format!("the pattern `{pattern}` cannot be read: {why}"))?;
        Ok(Self { base, rules, only })
    }

    /// Goes down from the root to where it begins.
    ///
    /// # Errors
    /// What is in the way.
    pub fn place(&self, root: Folder) -> Result<Place, Told> {
        let Some((folder, name)) = self.base.folder().zip(self.base.name()) else {
            return Ok(Place::Root(root));
        };
        if !self.only.leads_to(&self.base) {
            return Err(told(&Below::root(), Fault::Kept));
        }
        let mut at = root;
        for name in folder.names() {
            at = at
                .folder(name)
                .map_err(|fault| failed(&Below::root(), &fault))?;
        }
        Ok(Place::In(at, name.to_vec()))
    }

    /// Whether this path, from where the transfer begins, is one from the root on, too: both together
    /// may be too long.
    fn reaches(&self, path: &Below) -> bool {
        path.beneath(&self.base).is_ok()
    }

    /// Whether a file at this path, from where the transfer begins, belongs to the root.
    pub fn takes_file(&self, path: &Below) -> bool {
        path.beneath(&self.base)
            .is_ok_and(|whole| self.only.takes_file(&whole))
    }

    /// Whether a folder at this path, from where the transfer begins, belongs to the root.
    pub fn takes_folder(&self, path: &Below) -> bool {
        path.beneath(&self.base)
            .is_ok_and(|whole| self.only.takes_folder(&whole))
    }

    /// Whether the folders on the way to this path, from the root on, may have what belongs to it.
    pub fn leads_to(&self, whole: &Below) -> bool {
        self.only.leads_to(whole)
    }

    /// Whether links are moved at all.
    pub fn moves_links(&self) -> bool {
        self.rules.links == Links::Inside
    }
}

/// A name in a folder that is held open.
#[derive(Debug, Clone, Copy)]
pub struct At<'f> {
    /// The folder.
    pub folder: &'f Folder,
    /// The name.
    pub name: &'f [u8],
}

/// Who is told what is there.
pub trait Visit {
    /// Why a walk ends before its end.
    type Stop;

    /// A folder; whether what is in it is wanted, too.
    ///
    /// # Errors
    /// That the walk is to end.
    fn folder(&mut self, path: &Below, found: &Found) -> Result<bool, Self::Stop>;

    /// All that is in a folder that was entered was told.
    ///
    /// # Errors
    /// That the walk is to end.
    fn left(&mut self, _at: Option<At<'_>>, _path: &Below) -> Result<(), Self::Stop> {
        Ok(())
    }

    /// What is in a folder and is none.
    ///
    /// # Errors
    /// That the walk is to end.
    fn entry(&mut self, at: At<'_>, path: &Below, found: &Found) -> Result<(), Self::Stop>;

    /// Something that cannot be told.
    ///
    /// # Errors
    /// That the walk is to end.
    fn fault(&mut self, told: Told) -> Result<(), Self::Stop>;
}

/// Walks over what is there, in the order of paths: a folder, then what is in it.
///
/// # Errors
/// What the visitor says.
pub fn walk<V: Visit>(scope: &Scope, place: &Place, visitor: &mut V) -> Result<(), V::Stop> {
    let base = Below::root();
    match place {
        Place::Root(folder) => {
            let found = match folder.itself() {
                Ok(found) => found,
                Err(fault) => return visitor.fault(failed(&base, &fault)),
            };
            if visitor.folder(&base, &found)? {
                inside(scope, folder, &base, visitor)?;
                visitor.left(None, &base)?;
            }
            Ok(())
        }
        Place::In(folder, name) => one(scope, At { folder, name }, &base, visitor),
    }
}

/// What has this name in this folder, with all that is in it.
fn one<V: Visit>(scope: &Scope, at: At<'_>, path: &Below, visitor: &mut V) -> Result<(), V::Stop> {
    let found = match at.folder.look(at.name) {
        Ok(found) => found,
        Err(fault) => return visitor.fault(failed(path, &fault)),
    };
    if !scope.reaches(path) {
        return visitor.fault(told(path, Fault::Name));
    }
    if found.kind != FoundKind::Folder {
        let belongs = scope.takes_file(path);
        return match belongs {
            true => visitor.entry(at, path, &found),
            // Where it was asked for itself, it is told; else nobody learns that it is there.
            false if path.is_root() => visitor.fault(told(path, Fault::Kept)),
            false => Ok(()),
        };
    }
    if !scope.takes_folder(path) {
        return match path.is_root() {
            true => visitor.fault(told(path, Fault::Kept)),
            false => Ok(()),
        };
    }
    if !visitor.folder(path, &found)? {
        return Ok(());
    }
    match at.folder.folder(at.name) {
        Ok(folder) => {
            inside(scope, &folder, path, visitor)?;
            drop(folder);
            visitor.left(Some(at), path)
        }
        Err(fault) => visitor.fault(failed(path, &fault)),
    }
}

/// What is in a folder, in order.
fn inside<V: Visit>(
    scope: &Scope,
    folder: &Folder,
    path: &Below,
    visitor: &mut V,
) -> Result<(), V::Stop> {
    let mut names = Names::default();
    if let Err(fault) = names.of(folder) {
        return visitor.fault(failed(path, &fault));
    }
    for name in names.sorted() {
        match path.child(name) {
            Ok(inner) => one(scope, At { folder, name }, &inner, visitor)?,
            Err(PathFault::Reserved) => {}
            Err(_) => visitor.fault(Told {
                name: name.get(..name.len().min(255)).unwrap_or_default().into(),
                ..told(path, Fault::Name)
            })?,
        }
    }
    Ok(())
}

/// The names in a folder, in one piece of memory.
#[derive(Debug, Default)]
struct Names {
    bytes: Vec<u8>,
    ends: Vec<(u32, u32)>,
}

impl Names {
    fn of(&mut self, folder: &Folder) -> io::Result<()> {
        folder.names(|name| {
            let begin = self.bytes.len();
            self.bytes.extend_from_slice(name);
            let place = |at: usize| u32::try_from(at).map_err(|_| io::ErrorKind::OutOfMemory);
            self.ends.push((place(begin)?, place(self.bytes.len())?));
            Ok(())
        })
    }

    fn sorted(&mut self) -> impl Iterator<Item = &[u8]> {
        let Self { bytes, ends } = self;
        let name = |(begin, end): (u32, u32)| -> &[u8] {
            bytes.get(begin as usize..end as usize).unwrap_or_default()
        };
        ends.sort_unstable_by(|one, other| name(*one).cmp(name(*other)));
        let bytes: &[u8] = bytes;
        ends.iter().map(|(begin, end)| {
            bytes
                .get(*begin as usize..*end as usize)
                .unwrap_or_default()
        })
    }
}

/// Something that was not done, for no reason of the system's.
pub fn told(path: &Below, what: Fault) -> Told {
    Told {
        path: path.clone(),
        name: Vec::new(),
        what,
        number: 0,
    }
}

/// Something that the system did not do.
pub fn failed(path: &Below, fault: &io::Error) -> Told {
    let number = fault.raw_os_error().unwrap_or(0);
    let what = match number {
        libc::ENOENT => Fault::Absent,
        libc::EACCES | libc::EPERM | libc::EROFS => Fault::Denied,
        libc::ELOOP => Fault::Link,
        libc::ENOTDIR => Fault::NoFolder,
        libc::EISDIR => Fault::Folder,
        libc::EXDEV => Fault::Mount,
        libc::EEXIST => Fault::Exists,
        libc::ENOTEMPTY => Fault::NotEmpty,
        libc::ENOSPC | libc::EDQUOT => Fault::Full,
        libc::EFBIG => Fault::TooMuch,
        libc::ENAMETOOLONG => Fault::Name,
        0 if fault.kind() == io::ErrorKind::InvalidInput => Fault::Special,
        _ => Fault::System,
    };
    Told {
        number: u16::try_from(number).unwrap_or(0),
        ..told(path, what)
    }
}
