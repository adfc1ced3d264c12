//! The trail as files: how those are called into which it is rotated, and reading it from a record on, across them.

use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The name that a file gets when it is rotated: the number of its last record is in it.
pub fn rotated_name(trail: &Path, last: u64) -> PathBuf {
    let stem = trail.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    trail.with_file_name(format!("{stem}-{last:012}.jsonl"))
}

/// Every file beside the trail that is called like a part of it, whoever gave it its name.
///
/// # Errors
/// As reading the folder.
pub fn put_aside(trail: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = trail.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    Ok(entries.filter(|path| name_in(trail, path).is_some()).collect())
}

/// The part of a file's name that tells it from the trail it belongs to.
fn name_in(trail: &Path, path: &Path) -> Option<String> {
    let stem = format!("{}-", trail.file_stem()?.to_string_lossy());
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some(name.strip_prefix(&stem)?.strip_suffix(".jsonl")?.to_owned())
}

/// The files into which this trail was rotated, each with the number of its last record, in order.
///
/// # Errors
/// As reading the folder.
pub fn rotated_files(trail: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let numbered = |path: PathBuf| Some((name_in(trail, &path)?.parse().ok()?, path));
    let mut found: Vec<_> = put_aside(trail)?.into_iter().filter_map(numbered).collect();
    found.sort();
    Ok(found)
}

/// Reads whole lines of a trail from a record on, and goes on in the next file when the trail does.
#[derive(Debug)]
pub struct Follower {
    trail: PathBuf,
    reader: Option<BufReader<File>>,
    /// The last record that was given.
    last: u64,
    /// The part of a line whose end is still to come.
    begun: Vec<u8>,
}

#[derive(Deserialize)]
struct Numbered {
    #[serde(default)]
    seq: u64,
}

impl Follower {
    /// Begins behind this record; 0 is the beginning of what there is.
    pub const fn behind(trail: PathBuf, last: u64) -> Self {
        Self { trail, reader: None, last, begun: Vec::new() }
    }

    /// The last record that was given.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// The next record, without its newline; `None` when there is no more for now. What is no record is passed over.
    ///
    /// # Errors
    /// As opening and reading.
    pub fn next_record(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            if self.reader.is_none() {
                match self.file()? {
                    Some(file) => self.reader = Some(BufReader::new(file)),
                    None => return Ok(None),
                }
            }
            let Some(reader) = &mut self.reader else { return Ok(None) };
            reader.read_until(b'\n', &mut self.begun)?;
            if self.begun.last() != Some(&b'\n') {
                // Nothing more for now, unless the trail goes on elsewhere.
                if self.still_the_trail()? {
                    return Ok(None);
                }
                // It was whole when it was put aside; a line without an end is a crash's, and recorded as such.
                let Some(reader) = &mut self.reader else { return Ok(None) };
                if reader.fill_buf()?.is_empty() {
                    self.begun.clear();
                    self.reader = None;
                }
                continue;
            }
            let mut line = std::mem::take(&mut self.begun);
            line.pop();
            if let Some(found) =
                serde_json::from_slice::<Numbered>(&line).ok().filter(|found| found.seq > self.last && found.seq < super::chain::NEVER)
            {
                self.last = found.seq;
                return Ok(Some((found.seq, line)));
            }
        }
    }

    /// The file that holds the next record: the earliest that was rotated and goes so far, or the one that is written to.
    fn file(&self) -> io::Result<Option<File>> {
        let rotated = rotated_files(&self.trail)?.into_iter().find(|(last, _)| *last > self.last).map(|(_, path)| path);
        match File::open(rotated.as_ref().unwrap_or(&self.trail)) {
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    fn still_the_trail(&self) -> io::Result<bool> {
        let Some(reader) = &self.reader else { return Ok(false) };
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
        numbers.map(|number| format!("{{\"seq\":{number}}}\n")).collect()
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
        std::fs::OpenOptions::new().append(true).open(&trail).unwrap().write_all(b"4}\nno record\n").unwrap();
        assert_eq!(read(&mut early), [4]);
        std::fs::rename(&trail, rotated_name(&trail, 4)).unwrap();
        assert_eq!(read(&mut early), [0u64; 0], "between two files");
        std::fs::write(&trail, lines(5..=6)).unwrap();
        std::fs::rename(&trail, rotated_name(&trail, 6)).unwrap();
        std::fs::write(&trail, lines(7..=7)).unwrap();
        assert_eq!(read(&mut early), [5, 6, 7], "two rotations at once");
        assert_eq!(read(&mut Follower::behind(trail.clone(), 5)), [6, 7]);
        assert_eq!(read(&mut Follower::behind(trail.clone(), 0)), [1, 2, 3, 4, 5, 6, 7]);
        // A file with a torn end that was moved away.
        std::fs::OpenOptions::new().append(true).open(&trail).unwrap().write_all(b"torn").unwrap();
        assert_eq!(read(&mut early), [0u64; 0]);
        std::fs::rename(&trail, folder.path().join("elsewhere")).unwrap();
        std::fs::write(&trail, lines(8..=8)).unwrap();
        assert_eq!(read(&mut early), [8]);
    }
}
