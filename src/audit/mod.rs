//! The trail: one JSON object a line, written by the monitor before the effect it speaks of.
//!
//! A [`Receipt`] is proof that the trail holds a run's decision; nothing runs without one.

mod ascii;
mod record;

pub use ascii::line;
pub use record::{Record, What};

use crate::ids::{RequestId, RunId};
use crate::policy::{Grant, Plan};
use std::fs::File;
use std::io::{self, Write};

/// Proof that the trail holds the decision for one exact request. Only [`Trail::append_start`] makes one.
#[derive(Debug)]
pub struct Receipt {
    request: RequestId,
    run: RunId,
}

impl Receipt {
    /// The run it was written for.
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// Whether it belongs to this grant.
    pub fn covers(&self, grant: &Grant<Plan>) -> bool {
        self.request == grant.request()
    }
}

/// The open trail.
#[derive(Debug)]
pub struct Trail {
    file: File,
    written: u64,
    torn: bool,
}

impl Trail {
    /// Goes on with a file that was opened to read and append. A line that a crash left without its end gets one, so
    /// that the next record does not become part of it.
    ///
    /// # Errors
    /// As reading and writing.
    pub fn open(mut file: File) -> io::Result<Self> {
        if !ends_with_newline(&mut file)? {
            file.write_all(b"\n")?;
        }
        Ok(Self { file, written: 0, torn: false })
    }

    /// Writes a record.
    ///
    /// # Errors
    /// As write(2). The caller must not do what the record speaks of.
    pub fn append(&mut self, record: &Record<'_>) -> io::Result<()> {
        // One write for the whole line: O_APPEND puts it at the end, and a crash of ours cannot tear it.
        let mut bytes = line(record)?;
        if self.torn {
            // An earlier write stopped half way (a full disk): what it left must not swallow this record.
            bytes.insert(0, b'\n');
        }
        self.torn = true;
        self.file.write_all(&bytes)?;
        self.torn = false;
        self.written += 1;
        Ok(())
    }

    /// Writes the record of a run that is about to start.
    ///
    /// # Errors
    /// As [`Trail::append`]; without the receipt nothing can run.
    pub fn append_start(&mut self, grant: &Grant<Plan>, run: RunId, record: &Record<'_>) -> io::Result<Receipt> {
        self.append(record)?;
        Ok(Receipt { request: grant.request(), run })
    }

    /// Records written since the daemon started.
    pub const fn written(&self) -> u64 {
        self.written
    }
}

fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    use std::io::{Read, Seek, SeekFrom};
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_stays_a_line_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trail");
        std::fs::write(&path, "{\"torn").unwrap();
        let mut trail = Trail::open(File::options().read(true).append(true).open(&path).unwrap()).unwrap();
        trail.append(&Record::now(What::Started { version: "1", instance: "i", pid: 7 })).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0], "{\"torn");
        assert!(lines[1].starts_with("{\"time\":"), "{}", lines[1]);
        assert!(text.ends_with('\n'));
        assert_eq!(trail.written(), 1);
    }
}
