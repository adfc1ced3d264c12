//! The trail: one JSON object a line, written by the monitor before the effect it speaks of, each
//! with the hash of the line before it.
//!
//! A [`Receipt`] is proof that the trail holds a run's decision; nothing runs without one.

mod absent;
mod approvals;
mod argv;
mod ascii;
mod chain;
mod derived;
mod end;
mod files;
mod happening;
mod kept;
mod lines;
mod pace;
mod packed;
mod record;
mod report;
mod runs;
mod said;
mod seen;
mod sessions;
mod timed;
mod unseen;
mod verify;

pub use ascii::line;
pub use chain::{Head, Link, TrailKey, TrailPublic, link};
pub use files::{Follower, put_aside, rotated_files, rotated_name};
pub use happening::Happening;
pub use kept::{Content, Due, KeepRules, Kept, Steady, content, due};
pub use lines::{Is, Line, Lines};
pub use pace::{Files, Until, looked_at};
pub use packed::{pack, packed_name};
pub use record::{KINDS, What};
pub use report::{Fault, Open, Report};
pub use sessions::SignedBy;
pub use timed::Record;
pub use unseen::{UNSEEN, Unseen, unseen_table};
pub use verify::Verifier;

use crate::encoding::base64;
use crate::ids::{RequestId, RunId};
use crate::limits;
use crate::policy::Beginning;
use crate::protocol::ReceiptText;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Proof that the trail holds the decision for one exact request. Only [`Trail`] makes one.
#[derive(Debug)]
pub struct Receipt {
    request: RequestId,
    run: RunId,
    seq: u64,
}

impl Receipt {
    /// The run that the record was written for.
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// The record's number; 0 where the command goes on without one.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Whether the receipt belongs to this request.
    pub fn covers(&self, beginning: &Beginning) -> bool {
        self.request == beginning.request()
    }
}

/// A record with its place in the chain.
#[derive(Serialize)]
struct Chained<'r> {
    seq: u64,
    prev: String,
    #[serde(flatten)]
    record: &'r Record<'r>,
}

/// The open trail.
#[derive(Debug)]
pub struct Trail {
    file: File,
    /// Bytes of the file that are whole lines.
    length: u64,
    head: Head,
    key: TrailKey,
    /// The number of the last checkpoint.
    checkpoint: u64,
    /// Records that could not be written, of commands that go on without.
    missed: u64,
    /// Whether a write has left something behind the last whole line.
    torn: bool,
    /// Lines that somebody wants to be told of, while there is somebody.
    fresh: Option<Vec<Vec<u8>>>,
}

/// Bytes of a line at the most: a request's text is bounded, and escapes make six bytes of one.
const LONGEST: u64 = 512 * 1024;

impl Trail {
    /// Goes on with a file that was opened to read and append. `known` is where the chain had come
    /// to at least, by a note beside the file. A line that a crash left without its end is recorded
    /// as such, and so is what is missing.
    ///
    /// # Errors
    /// As reading and writing.
    ///
    /// `before` is where the file before this one ends, when this one is new because of a rotation
    /// that was cut short.
    pub fn open(
        mut file: File,
        key: TrailKey,
        known: Option<Head>,
        before: Option<Head>,
    ) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut tail = Tail::read(&mut file, length)?;
        let known = known.unwrap_or_default();
        let continues = before.filter(|before| length == 0 && before.seq >= known.seq);
        tail.head = continues.unwrap_or(tail.head);
        let mut trail = Self {
            file,
            length,
            head: tail.head,
            key,
            checkpoint: 0,
            missed: 0,
            torn: false,
            fresh: None,
        };
        if tail.torn.is_some_and(|torn| torn.open) {
            // The next record must not become part of it.
            trail.file.write_all(b"\n")?;
            trail.length += 1;
        }
        if tail.head.seq < known.seq {
            // Truncated, put back from a backup, or removed: numbers go on behind what there was,
            // so that it shows.
            trail.head.seq = known.seq;
        }
        if continues.is_some() {
            trail.append(&Record::now(What::Continued {
                why: "rotated",
                previous: "",
            }))?;
        }
        if let Some(torn) = tail.torn {
            trail.append(&Record::now(What::Recovered {
                torn_bytes: torn.bytes,
                torn_sha256: &base64(&torn.link),
            }))?;
        }
        if tail.head.seq < known.seq {
            let expected = base64(&known.link);
            trail.append(&Record::now(What::Missing {
                found: tail.head.seq,
                expected: known.seq,
                expected_hash: &expected,
            }))?;
        }
        Ok(trail)
    }

    /// Writes a record.
    ///
    /// # Errors
    /// As write(2). The caller must not do what the record speaks of.
    pub fn append(&mut self, record: &Record<'_>) -> io::Result<()> {
        if self.missed > 0 {
            let missed = self.missed;
            self.put(&Record::now(What::Gap { missed }))?;
            self.missed = 0;
        }

        self.put(record)
    }

    fn put(&mut self, record: &Record<'_>) -> io::Result<()> {
        let mut bytes = line(&Chained {
            seq: self.head.seq + 1,
            prev: base64(&self.head.link),
            record,
        })?;

        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }

        // One write for the whole line: O_APPEND puts it at the end, and a crash of ours cannot
        // tear it.
        if let Err(fault) = self.file.write_all(&bytes) {
            // What a full disk has taken of it goes again.
            self.torn = self.file.set_len(self.length).is_err();
            return Err(fault);
        }

        self.length += bytes.len() as u64;
        bytes.pop();
        self.head = Head {
            seq: self.head.seq + 1,
            link: link(&bytes),
        };
        if let Some(fresh) = &mut self.fresh {
            fresh.push(bytes);
        }

        Ok(())
    }

    /// From now on the lines that are written are kept for [`Trail::fresh`], or are not any more.
    pub fn keep_fresh(&mut self, wanted: bool) {
        match wanted {
            true => {
                self.fresh.get_or_insert_default();
            }
            false => self.fresh = None,
        }
    }

    /// The lines that were written since this was asked last.
    pub fn fresh(&mut self) -> Vec<Vec<u8>> {
        self.fresh.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Signs where the chain has come to, if it has come anywhere since.
    ///
    /// # Errors
    /// What [`Trail::append`] says.
    pub fn checkpoint(&mut self) -> io::Result<Option<(Head, String)>> {
        if self.head.seq == self.checkpoint {
            return Ok(None);
        }
        let (head, signature) = (self.head, self.key.sign(&self.head));
        self.put(&Record::now(What::Checkpoint {
            signature: &signature,
        }))?;
        self.checkpoint = self.head.seq;
        Ok(Some((head, signature)))
    }

    /// Goes on in another file; the chain runs on. The old one ends with a checkpoint.
    ///
    /// # Errors
    /// What [`Trail::append`] says; then the old file is still the trail.
    pub fn go_on_in(&mut self, file: File, why: &str, previous: &str) -> io::Result<()> {
        let length = file.metadata()?.len();
        let old = (
            std::mem::replace(&mut self.file, file),
            std::mem::replace(&mut self.length, length),
        );

        let begun = self.put(&Record::now(What::Continued { why, previous }));
        if begun.is_err() {
            (self.file, self.length) = old;
        }
        begun
    }

    /// Writes the record of a run that is about to start.
    ///
    /// # Errors
    /// What [`Trail::append`] says; without the receipt nothing can run.
    pub fn append_start(
        &mut self,
        beginning: &Beginning,
        run: RunId,
        record: &Record<'_>,
    ) -> io::Result<Receipt> {
        self.append(record)?;
        Ok(Receipt {
            request: beginning.request(),
            run,
            seq: self.head.seq,
        })
    }

    /// A receipt for a command whose administrator lets it run when the trail cannot be written.
    /// That it did is counted, and recorded as soon as that can be done again.
    pub fn go_without(&mut self, beginning: &Beginning, run: RunId) -> Option<Receipt> {
        if !beginning.plan().command.audit_best_effort {
            return None;
        }
        self.missed += 1;
        Some(Receipt {
            request: beginning.request(),
            run,
            seq: 0,
        })
    }

    /// Where the chain of a file ends.
    ///
    /// # Errors
    /// As reading.
    pub fn head_of(file: &mut File) -> io::Result<Head> {
        let length = file.metadata()?.len();
        Tail::read(file, length).map(|tail| tail.head)
    }

    /// Where the chain of a file ends, also of one that is compressed.
    ///
    /// # Errors
    /// As reading.
    pub fn head_at(path: &Path) -> io::Result<Head> {
        match packed::Content::open(path)? {
            packed::Content::Plain(mut file) => Self::head_of(&mut file),
            packed::Content::Packed(..) => {
                let (mut lines, mut head) = (Lines::open(path)?, Head::default());
                while let Some(line) = lines.next_line()? {
                    head = numbered(line.bytes).unwrap_or(head);
                }
                Ok(head)
            }
        }
    }

    /// Whether so much was written since the last checkpoint that another is due.
    pub const fn checkpoint_due(&self) -> bool {
        self.head.seq - self.checkpoint >= limits::CHECKPOINT_RECORDS
    }

    /// Where the chain has come to.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// How many bytes the trail's file has.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Records that could not be written and are not yet told of.
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// The file, to be brought to the disk by another thread.
    ///
    /// # Errors
    /// As dup(2).
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// The trail's word for what a transfer has moved: a signature, base64.
    pub fn vouch(&self, text: &ReceiptText<'_>) -> String {
        self.key.sign_receipt(text)
    }

    /// The public key that the trail's checkpoints are verified with.
    pub fn public(&self) -> TrailPublic {
        self.key.public()
    }
}

/// The end of a file: the last whole record, and what a crash has left behind it.
struct Tail {
    head: Head,
    torn: Option<Torn>,
}

#[derive(Clone, Copy)]
struct Torn {
    bytes: u64,
    link: Link,
    /// Whether the newline of the last line is missing.
    open: bool,
}

#[derive(serde::Deserialize)]
struct Numbered {
    #[serde(default)]
    seq: u64,
}

/// The record on a line, as far as the chain goes on from it.
fn numbered(line: &[u8]) -> Option<Head> {
    serde_json::from_slice::<Numbered>(line)
        .ok()
        .filter(|found| found.seq < chain::NEVER)
        .map(|found| Head {
            seq: found.seq,
            link: link(line),
        })
}

impl Tail {
    fn read(file: &mut File, length: u64) -> io::Result<Self> {
        let from = length.saturating_sub(2 * LONGEST);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(2 * LONGEST).read_to_end(&mut bytes)?;
        let open = !bytes.is_empty() && bytes.last() != Some(&b'\n');
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        if !open {
            lines.pop();
        }
        let mut torn = None;
        let mut head = Head::default();
        if let Some(last) = lines.pop() {
            match numbered(last).filter(|_| !open) {
                Some(found) => head = found,
                None => {
                    torn = Some(Torn {
                        bytes: last.len() as u64,
                        link: link(last),
                        open,
                    });

                    head = lines.pop().and_then(numbered).unwrap_or_default();
                }
            }
        }

        Ok(Self { head, torn })
    }
}

#[cfg(test)]
mod absent_tests;
#[cfg(test)]
mod agreement_tests;
#[cfg(test)]
mod forged_tests;
#[cfg(test)]
mod mutation_tests;
#[cfg(test)]
mod tests;
