//! The trail as files: how those are called into which it is rotated, and reading it from a record
//! on, across them.

use super::LONGEST;
use super::packed::{Content, PACKED, packed_name};
use serde::Deserialize;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The name that a file gets when it is rotated: the number of its last record is in it.
pub fn rotated_name(trail: &Path, last: u64) -> PathBuf {
    let stem = trail
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    trail.with_file_name(format!("{stem}-{last:012}.jsonl"))
}

/// Every file beside the trail that is called like a part of it, whoever gave it its name.
///
/// # Errors
/// What reading the folder says.
pub fn put_aside(trail: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = trail
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path());
    // Anything but a file would be waited for, or read for ever.
    let is_file = |path: &PathBuf| std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
    let mut found: Vec<PathBuf> = entries
        .filter(|path| name_in(trail, path).is_some() && is_file(path))
        .collect();
    found.sort();

    // A file that is there compressed too counts once: a crash came before it was removed.
    found.dedup_by(|later, earlier| **later == packed_name(earlier));
    Ok(found)
}

/// The part of a file's name that tells it from the trail it belongs to.
fn name_in(trail: &Path, path: &Path) -> Option<String> {
    let stem = format!("{}-", trail.file_stem()?.to_string_lossy());
    let name = path.file_name()?.to_string_lossy().into_owned();
    let plain = name.strip_suffix(PACKED).unwrap_or(&name);
    Some(
        plain
            .strip_prefix(&stem)?
            .strip_suffix(".jsonl")?
            .to_owned(),
    )
}

/// The files into which this trail was rotated, each with the number of its last record, in order.
///
/// # Errors
/// What reading the folder says.
pub fn rotated_files(trail: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    // Only files that were named here; one that an administrator has named by a date or a word is
    // their own.
    let number = |path: &PathBuf| {
        name_in(trail, path)
            .filter(|name| name.len() >= 12)
            .and_then(|name| name.parse().ok())
    };

    let numbered = |path: PathBuf| Some((number(&path)?, path));
    let mut found: Vec<_> = put_aside(trail)?.into_iter().filter_map(numbered).collect();
    found.sort();
    Ok(found)
}

/// Reads whole lines of a trail from a record on, and goes on in the next file when the trail does.
#[derive(Debug)]
pub struct Follower {
    trail: PathBuf,
    reader: Option<Reader>,
    /// The last record that was given.
    last: u64,
    /// The part of a line whose end is still to come.
    begun: Vec<u8>,
    /// Whether the line that has begun is longer than any record, and passed over.
    passing: bool,
    /// The rotated file that is being read.
    reading: Option<PathBuf>,
    /// Rotated files that hold less than their names say: not read again and again.
    exhausted: HashSet<PathBuf>,
}

/// What is read now.
#[derive(Debug)]
enum Reader {
    /// The file that is written to, or was when it was opened.
    Current(BufReader<File>),
    /// A rotated file: whole, and compressed perhaps.
    Rotated(BufReader<Content>),
}

impl Reader {
    /// Reads on to the end of the line or of what there is, so many bytes at the most.
    fn read(&mut self, most: u64, into: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Current(reader) => reader.take(most).read_until(b'\n', into),
            Self::Rotated(reader) => reader.take(most).read_until(b'\n', into),
        }
    }
}

#[derive(Deserialize)]
struct Numbered {
    #[serde(default)]
    seq: u64,
}

impl Follower {
    /// Begins behind this record; 0 is the beginning of what there is.
    pub fn behind(trail: PathBuf, last: u64) -> Self {
        Self {
            trail,
            reader: None,
            last,
            begun: Vec::new(),
            passing: false,
            reading: None,
            exhausted: HashSet::new(),
        }
    }

    /// The last record that was given.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// The next record, without its newline; `None` when there is no more for now. What is no
    /// record is passed over.
    ///
    /// # Errors
    /// What opening and reading says.
    pub fn next_record(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            if self.reader.is_none() {
                match self.file()? {
                    Some(reader) => self.reader = Some(reader),
                    None => return Ok(None),
                }
            }

            let Some(reader) = &mut self.reader else {
                return Ok(None);
            };
            let room = LONGEST - self.begun.len() as u64;
            let read = reader.read(room, &mut self.begun);
            let read = read.inspect_err(|_| self.leave())?;
            if self.begun.last() != Some(&b'\n') {
                if self.begun.len() as u64 == LONGEST {
                    (self.passing, self.begun) = (true, Vec::new());
                } else if self.still_the_trail()? {
                    // Nothing more for now.
                    return Ok(None);
                } else if read == 0 {
                    // The trail goes on elsewhere. This file was whole when it was put aside; a line
                    // without an end is a crash's, and recorded as such.
                    self.leave();
                }

                continue;
            }

            let mut line = std::mem::take(&mut self.begun);
            if std::mem::take(&mut self.passing) {
                continue;
            }
            line.pop();
            if let Some(found) = serde_json::from_slice::<Numbered>(&line)
                .ok()
                .filter(|found| found.seq > self.last && found.seq < super::chain::NEVER)
            {
                self.last = found.seq;
                return Ok(Some((found.seq, line)));
            }
        }
    }

    /// The file that holds the next record: the earliest that was rotated and goes so far, or the
    /// one that is written to.
    fn file(&mut self) -> io::Result<Option<Reader>> {
        let next =
            |(last, path): &(u64, PathBuf)| *last > self.last && !self.exhausted.contains(path);
        self.reading = rotated_files(&self.trail)?
            .into_iter()
            .find(next)
            .map(|(_, path)| path);
        let opened = match &self.reading {
            Some(path) => Content::open(path).map(|file| Reader::Rotated(BufReader::new(file))),
            None => File::open(&self.trail).map(|file| Reader::Current(BufReader::new(file))),
        };
        match opened {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(fault) => {
                self.leave();
                Err(fault)
            }
            Ok(reader) => Ok(Some(reader)),
        }
    }

    /// Nothing more comes of the file that was read.
    fn leave(&mut self) {
        (self.begun, self.passing, self.reader) = (Vec::new(), false, None);
        self.exhausted.extend(self.reading.take());
    }

    fn still_the_trail(&self) -> io::Result<bool> {
        let Some(Reader::Current(reader)) = &self.reader else {
            return Ok(false);
        };
        let ours = reader.get_ref().metadata()?;
        match std::fs::metadata(&self.trail) {
            Ok(theirs) => Ok((theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino())),
            // Between two files.
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(fault) => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn lines(numbers: std::ops::RangeInclusive<u64>) -> String {
        numbers
            .map(|number| format!("{{\"seq\":{number}}}\n"))
            .collect()
    }

    fn read(follower: &mut Follower) -> Vec<u64> {
        std::iter::from_fn(|| follower.next_record().unwrap().map(|(number, _)| number)).collect()
    }

    #[test]
    fn it_goes_on_from_file_to_file_and_waits_for_the_ends_of_lines() {
        let folder = tempfile::tempdir().unwrap();
        let trail = folder.path().join("trail.jsonl");
        let mut early = Follower::behind(trail.clone(), 0);
        assert_eq!(read(&mut early), [0u64; 0]);
        std::fs::write(&trail, lines(1..=3) + "{\"seq\":").unwrap();
        assert_eq!(read(&mut early), [1, 2, 3]);
        std::fs::OpenOptions::new()
            .append(true)
            .open(&trail)
            .unwrap()
            .write_all(b"4}\nno record\n")
            .unwrap();
        assert_eq!(read(&mut early), [4]);
        std::fs::rename(&trail, rotated_name(&trail, 4)).unwrap();
        assert_eq!(read(&mut early), [0u64; 0], "between two files");
        std::fs::write(&trail, lines(5..=6)).unwrap();
        std::fs::rename(&trail, rotated_name(&trail, 6)).unwrap();
        std::fs::write(&trail, lines(7..=7)).unwrap();
        assert_eq!(read(&mut early), [5, 6, 7], "two rotations at once");
        assert_eq!(read(&mut Follower::behind(trail.clone(), 5)), [6, 7]);
        assert_eq!(
            read(&mut Follower::behind(trail.clone(), 0)),
            [1, 2, 3, 4, 5, 6, 7]
        );

        // A file with a torn end that was moved away.
        std::fs::OpenOptions::new()
            .append(true)
            .open(&trail)
            .unwrap()
            .write_all(b"torn")
            .unwrap();
        assert_eq!(read(&mut early), [0u64; 0]);
        std::fs::rename(&trail, folder.path().join("elsewhere")).unwrap();
        std::fs::write(&trail, lines(8..=8)).unwrap();
        assert_eq!(read(&mut early), [8]);
    }

    /// A backup with a date, an emptied file and a folder beside the trail were read again and
    /// again, for ever.
    #[test]
    fn files_that_hold_less_than_their_names_say_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let trail = folder.path().join("trail.jsonl");
        std::fs::write(rotated_name(&trail, 2), lines(1..=2)).unwrap();
        std::fs::write(rotated_name(&trail, 4), "").unwrap();
        std::fs::write(rotated_name(&trail, 999_999), lines(1..=3)).unwrap();
        std::fs::write(folder.path().join("trail-20261122.jsonl"), lines(1..=3)).unwrap();
        std::fs::create_dir(rotated_name(&trail, 7)).unwrap();
        std::fs::write(&trail, lines(5..=6)).unwrap();
        let mut follower = Follower::behind(trail.clone(), 0);
        assert_eq!(read(&mut follower), [1, 2, 3, 5, 6]);
        std::fs::rename(&trail, folder.path().join("trail-elsewhere.jsonl")).unwrap();
        std::fs::write(&trail, lines(7..=7)).unwrap();
        assert_eq!(read(&mut follower), [7]);
    }
}
