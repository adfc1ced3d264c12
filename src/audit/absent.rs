//! Records that are not there, at the beginning of a trail or between two of its records: whether
//! signed records say that exactly these were removed.

use super::chain::{Head, Link};
use super::report::Report;
use super::seen::Seen;
use crate::encoding::unbase64;

/// How many times records may be missing until it is a fault at once: so many are remembered.
const REMEMBERED: usize = 1000;

/// Records that are not there, and what is to be told of them if nothing accounts for them.
struct Absent {
    /// Where the chain had come to before them; `None` at the beginning.
    before: Option<Head>,
    /// Where the record behind them goes on from.
    until: Head,
    place: String,
    text: String,
    /// How many faults were found before.
    faults: usize,
    /// How far the trail was proved before.
    proved: Option<(u64, String)>,
}

/// What a `removed` record says.
struct Removal {
    first: u64,
    last: u64,
    before: Link,
    end: Link,
}

/// What is missing of a trail, and what its records say of removals.
#[derive(Default)]
pub(super) struct Absences {
    absent: Vec<Absent>,
    /// Removals that a good checkpoint has signed.
    signed: Vec<Removal>,
    /// Removals that no checkpoint has signed so far.
    said: Vec<Removal>,
}

impl Absences {
    /// Between two records some are missing, or before the first: a fault with this text, unless a
    /// signed record accounts for them.
    pub fn missing(
        &mut self,
        (before, until): (Option<Head>, Head),
        (place, text): (String, String),
        report: &mut Report,
    ) {
        if self.absent.len() >= REMEMBERED {
            return report.fault(&place, text);
        }
        self.absent.push(Absent {
            before,
            until,
            place,
            text,
            faults: report.faults.len(),
            proved: report.proved.clone(),
        });
    }

    /// A file is about to be removed, as this record says. Returns what is wrong with it.
    pub fn removed(&mut self, seen: &Seen<'_>) -> Result<(), &'static str> {
        if seen.first == 0 || seen.first > seen.last || seen.last >= seen.seq {
            return Err("says that records were removed which cannot have been there");
        }
        if let (Some(before), Some(end)) = (unbase64(&seen.before_hash), unbase64(&seen.last_hash))
        {
            let (first, last) = (seen.first, seen.last);
            self.said.push(Removal {
                first,
                last,
                before,
                end,
            });
        }
        Ok(())
    }

    /// The chain is broken here: nobody has signed what was said since the last checkpoint.
    pub fn broken(&mut self) {
        self.said.clear();
    }

    /// A good checkpoint has signed what was said.
    pub fn signed(&mut self) {
        self.signed.append(&mut self.said);
    }

    /// The walk is over: what nothing accounts for is a fault, at its place among the others.
    pub fn finish(&self, report: &mut Report) {
        for absent in self.absent.iter().rev() {
            if self.accounts_for(absent) {
                let before = absent.before.map_or(0, |before| before.seq);
                report.removed += absent.until.seq - before;
            } else {
                report.fault_at(absent.faults, &absent.place, absent.text.clone());
                report.proved.clone_from(&absent.proved);
            }
        }
    }

    fn accounts_for(&self, absent: &Absent) -> bool {
        let Some(mut at) = absent.before else {
            // What says that earlier files were removed may have been removed with them.
            let mut signed = self.signed.iter();
            return signed.any(|removal| removal.head() == absent.until);
        };
        while at.seq < absent.until.seq {
            let goes_on =
                |removal: &&Removal| removal.first == at.seq + 1 && removal.before == at.link;
            match self.signed.iter().find(goes_on) {
                Some(removal) => at = removal.head(),
                None => return false,
            }
        }
        at == absent.until
    }
}

impl Removal {
    const fn head(&self) -> Head {
        Head {
            seq: self.last,
            link: self.end,
        }
    }
}
