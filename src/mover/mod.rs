//! What reads and writes files below a root: a process of its own for a server, and the same engines
//! for the files of its client.

mod content;
mod incoming;
mod level;
mod place;
mod port;
mod ready;
mod receive;
mod records;
mod remove;
mod scope;
mod seeds;
mod send;
mod staged;

pub use level::Expected;
pub use place::place;
pub use port::Monitor;
pub use ready::seeds_of;
pub use receive::Receiving;
pub use records::{Reader, Stop, Writer};
pub use scope::{At, Place, Scope, Visit, walk};
pub use seeds::{Index, tell_pieces};
pub use send::{Ask, Digests, How, NobodyIsAsked, Outcome, Sending, find};
pub use staged::{Left, now};

use crate::credential::random;
use crate::exit::Status;
use crate::files::stream::Record;
use crate::files::{Act, Task};
use crate::sys::{self, Folder};
use port::Port;
use remove::Removing;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

/// How a mover ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All was done.
    Done,
    /// Something was not done, and told.
    Partly,
    /// Nothing was done.
    Not,
}

impl From<Ended> for Status {
    fn from(ended: Ended) -> Self {
        Self(match ended {
            Ended::Done => 0,
            Ended::Partly => 1,
            Ended::Not => 2,
        })
    }
}

/// The descriptors that a mover begins with, beside the usual three.
const ROOT: i32 = 3;
const WORDS: i32 = 4;

/// The whole process: it is told what to do, does it, and ends.
pub fn serve() -> Status {
    let ended = begin().unwrap_or_else(|stop| {
        say(&stop.to_string());
        Ended::Not
    });
    ended.into()
}

/// A sentence for people, on standard error.
fn say(text: &str) {
    if let Ok(error) = sys::adopt(2) {
        let _ = writeln!(File::from(error), "{}", text.escape_debug());
    }
}

fn begin() -> Result<Ended, Stop> {
    let (root, words) = (sys::adopt(ROOT)?, sys::adopt(WORDS)?);
    let mut port = Port::new(words);
    let Task { act, rules } = port.task()?;
    let root = Folder::held(root.as_fd(), rules.cross_mounts)?;
    let scope = Scope::new(act.path().clone(), rules)
        .map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
    let (input, output) = (sys::adopt(0)?, sys::adopt(1)?);
    serve_task(
        &act,
        &scope,
        root,
        &mut port,
        File::from(input),
        File::from(output),
    )
}

/// Does what a task says, with standard input and output in these places.
///
/// # Errors
/// Why nothing, or not all, was done.
pub fn serve_task(
    act: &Act,
    scope: &Scope,
    root: Folder,
    monitor: &mut dyn Monitor,
    input: impl Read,
    output: impl Write,
) -> Result<Ended, Stop> {
    let mut out = Writer::new(output);
    let done = match act {
        Act::List {
            recursive, digests, ..
        } => {
            let list = match digests {
                true => Digests::All,
                false => Digests::None,
            };
            let how = how(scope, *recursive, Some(list), false);
            read(
                scope,
                root,
                how,
                monitor,
                &mut out,
                None::<&mut Reader<io::Empty>>,
            )
        }
        Act::Get {
            recursive,
            chosen,
            pack,
            ..
        } => {
            let how = how(scope, *recursive, None, *pack);
            let mut wants = Reader::new(input);
            let wants = chosen.then_some(&mut wants);
            read(scope, root, how, monitor, &mut out, wants)
        }
        Act::Put {
            recursive,
            all_or_nothing,
            ..
        } => {
            let expected = match recursive {
                true => Expected::Tree,
                false => Expected::One,
            };
            let whole = *all_or_nothing;
            write(scope, root, (expected, whole), monitor, input, &mut out)
        }
        Act::Remove {
            recursive, chosen, ..
        } => {
            let wants = chosen.map(|digest| (Reader::new(input), digest));
            remove_all(scope, root, *recursive, monitor, wants, &mut out)
        }
    };
    // Who reads the stream learns of it there, and people on standard error.
    if let Err(Stop::Told(told)) = &done {
        out.put(&Record::Fault(told.clone()))?;
        out.flush()?;
    }
    done
}

fn how(scope: &Scope, recursive: bool, list: Option<Digests>, packs: bool) -> How {
    How {
        recursive,
        list,
        packs,
        links: scope.moves_links(),
        names: scope.rules.names,
        most: scope.rules.max_files,
    }
}

fn read(
    scope: &Scope,
    root: Folder,
    how: How,
    monitor: &mut dyn Monitor,
    out: &mut Writer<impl Write>,
    wants: Option<&mut Reader<impl Read>>,
) -> Result<Ended, Stop> {
    let place = scope.place(root)?;
    let mut sending = Sending::new(out, monitor, NobodyIsAsked, how);
    match wants {
        Some(wants) => sending.wanted(scope, &place, wants)?,
        None => sending.tree(scope, &place)?,
    }
    Ok(ended(sending.done()?))
}

/// How it ended that so much was done, and so much was not.
const fn ended(outcome: Outcome) -> Ended {
    match outcome {
        Outcome { faults: 0, .. } => Ended::Done,
        // What was asked for itself is not there, or may not be touched.
        Outcome { sum, .. } if sum.files == 0 => Ended::Not,
        Outcome { .. } => Ended::Partly,
    }
}

/// Takes what comes, and places it once the monitor has said that exactly this may be placed.
fn write(
    scope: &Scope,
    root: Folder,
    (expected, whole): (Expected, bool),
    monitor: &mut dyn Monitor,
    input: impl Read,
    out: &mut Writer<impl Write>,
) -> Result<Ended, Stop> {
    let place_of = scope.place(root)?;
    let mut receiving = Receiving::new(scope, &place_of, expected, whole, random())?;
    let taken = receiving.take(&mut Reader::new(input), out, |path, _| {
        if scope.rules.names {
            return monitor.name(path);
        }
        Ok(())
    });
    let sum = match taken {
        Ok(sum) => sum,
        Err(stop) => {
            receiving.end(&stop);
            return Err(stop);
        }
    };
    monitor.sum(sum)?;
    out.put(&Record::Done(sum))?;
    out.flush()?;

    let (_, faults) = receiving.faults();
    if sum.files == 0 {
        return Ok(Ended::Not);
    }
    match monitor.commit()? {
        Some(commit) if commit.digest == sum.digest => {}
        // What has come stays for the next attempt.
        Some(_) => return Err(Stop::Order("a commit of something else")),
        None => return Ok(Ended::Not),
    }
    if faults > 0 && (whole || !receiving.has_something()) {
        return Ok(Ended::Not);
    }
    let mut told = Ok(());
    let faults = place(scope, receiving, |fault| {
        if told.is_ok() {
            told = out.put(&Record::Fault(fault));
        }
    })?;
    told?;
    out.flush()?;
    Ok(match faults {
        0 => Ended::Done,
        _ => Ended::Partly,
    })
}

fn remove_all(
    scope: &Scope,
    root: Folder,
    recursive: bool,
    monitor: &mut dyn Monitor,
    wants: Option<(Reader<impl Read>, [u8; 32])>,
    out: &mut Writer<impl Write>,
) -> Result<Ended, Stop> {
    let place = scope.place(root)?;
    let mut removing = Removing::new(scope, recursive, out, monitor);
    match wants {
        Some((mut wants, digest)) => removing.chosen(scope, &place, &mut wants, digest)?,
        None => removing.tree(scope, &place)?,
    }
    Ok(ended(removing.done()?))
}

#[cfg(test)]
mod attacks_tests;
#[cfg(test)]
mod tests;
