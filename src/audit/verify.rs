//! Walking a trail: what is proved, and the first record that is not what was written.

use super::absent::Absences;
use super::approvals::Approvals;
use super::chain::{Head, Link, TrailPublic, link};
use super::report::{Page, Report};
use super::runs::Runs;
use super::said::Sayings;
use super::seen::Seen;
use super::sessions::{Sessions, Signatures};
use crate::encoding::{base64, unbase64};

/// Walks files in the order of their records.
pub struct Verifier<'v> {
    key: Option<TrailPublic>,
    /// A head that left the machine: the chain must pass through it.
    seen: Option<Head>,
    passed: bool,
    head: Head,
    begun: bool,
    /// Whether the files are a part of a trail: what is before them is not asked for.
    part: bool,
    absences: Absences,
    /// Whether every record from the first one on was seen.
    complete: bool,
    sessions: Sessions<'v>,
    runs: Runs,
    sayings: Sayings,
    approvals: Approvals,
    /// A line that is no record: its place, length and hash, to be vouched for by the next record.
    torn: Option<(String, u64, Link)>,
    report: Report,
}

impl<'v> Verifier<'v> {
    /// A walk that verifies checkpoints with the key and users' signatures with the function, where
    /// these are given.
    pub fn new(
        key: Option<TrailPublic>,
        signatures: Option<Signatures<'v>>,
        seen: Option<Head>,
    ) -> Self {
        Self {
            key,
            seen,
            passed: seen.is_none(),
            head: Head::default(),
            begun: false,
            part: false,
            absences: Absences::default(),
            complete: false,
            sessions: Sessions::new(signatures),
            runs: Runs::default(),
            sayings: Sayings::default(),
            approvals: Approvals::default(),
            torn: None,
            report: Report::default(),
        }
    }

    /// This walk, along files that are a part of a trail: that there is something before them is no
    /// fault.
    #[must_use]
    pub const fn of_a_part(mut self) -> Self {
        self.part = true;
        self
    }

    fn fault(&mut self, place: &str, text: String) {
        self.report.fault(place, text);
    }

    /// The next line, without its newline; `whole` says whether it had one.
    pub fn line(&mut self, place: &dyn Fn() -> String, bytes: &[u8], whole: bool) {
        let Some(seen) = whole.then(|| Seen::read(bytes)).flatten() else {
            if let Some((earlier, ..)) = self.torn.take() {
                self.fault(&earlier, "is no record".into());
            }
            self.torn = Some((place(), bytes.len() as u64, link(bytes)));
            return;
        };

        if let Some((torn, length, hash)) = self.torn.take() {
            if seen.kind == "recovered"
                && seen.torn_bytes == length
                && unbase64(&seen.torn_sha256) == Some(hash)
            {
                self.report.recovered += 1;
            } else {
                self.fault(
                    &torn,
                    "is no record, and the next record does not say that a crash left it".into(),
                );
            }
        }

        if seen.seq == 0 {
            if self.begun {
                self.fault(&place(), "has no number: it was inserted, or edited".into());
            } else {
                self.report.unchained += 1;
                self.head.link = link(bytes);
            }

            return;
        }

        self.chain(place, &seen);
        self.head = Head {
            seq: seen.seq,
            link: link(bytes),
        };

        if self.seen.is_some_and(|head| head == self.head) {
            self.passed = true;
        }
        self.report.records += 1;
        self.report.last = self.head;
        self.verify(place, &seen);
    }

    /// A line, or what is left of a file, cannot be read: why, in words.
    pub fn unreadable(&mut self, place: &str, why: String) {
        if let Some((torn, ..)) = self.torn.take() {
            self.fault(&torn, "is no record".into());
        }
        self.absences.broken();
        self.fault(place, why);
    }

    fn chain(&mut self, place: &dyn Fn() -> String, seen: &Seen<'_>) {
        let (expected, previous) = (self.head.seq + 1, base64(&self.head.link));
        if !self.begun {
            self.begun = true;
            return self.begins(place, seen, &previous);
        }

        let text = match seen.seq {
            seq if seq == expected && seen.prev == previous => return,
            seq if seq == expected => format!(
                "record {} was edited: its hash is not the one that record {seq} carries",
                self.head.seq
            ),
            seq if seq > expected && seen.kind == "missing" && seen.expected + 1 == seq => {
                format!(
                    "records {expected} to {} are missing: the file was truncated or put back while no daemon ran",
                    seq - 1
                )
            }

            seq if seq > expected => return self.missing(place, seen),
            seq => format!(
                "record {seq} comes after record {}: it was inserted, moved or written twice",
                self.head.seq
            ),
        };

        // What is missing may be what later records speak of.
        self.complete = false;
        self.absences.broken();
        self.fault(&place(), text);
    }

    /// The first record.
    fn begins(&mut self, place: &dyn Fn() -> String, seen: &Seen<'_>, previous: &str) {
        let after_others = self.report.unchained > 0;
        self.complete = seen.seq == 1 && !after_others && seen.prev == previous;
        self.report.first = seen.seq;
        let goes_on_from = goes_on_from(seen);
        self.passed |= self.seen == Some(goes_on_from);
        if seen.seq == 1 && seen.prev != previous {
            let text = "begins the chain, and carries another hash than that of what is before it";
            self.fault(&place(), text.into());
        } else if seen.seq != 1 && after_others {
            let text = format!(
                "record {} comes after lines without numbers: what was before it was edited or deleted",
                seen.seq
            );
            self.fault(&place(), text);
        } else if seen.seq != 1 && !self.part {
            let text = format!(
                "the trail begins with record {}, and no signed record says that those before it were removed: they were deleted, or moved; give their files too, or --part",
                seen.seq
            );
            let told = (place(), text);
            self.absences
                .missing((None, goes_on_from), told, &mut self.report);
        }
    }

    /// Between two records some are missing.
    fn missing(&mut self, place: &dyn Fn() -> String, seen: &Seen<'_>) {
        self.complete = false;
        self.absences.broken();
        let text = format!(
            "records {} to {} are missing: they were deleted, or moved",
            self.head.seq + 1,
            seen.seq - 1
        );
        let between = (Some(self.head), goes_on_from(seen));
        let told = (place(), text);
        self.absences.missing(between, told, &mut self.report);
    }

    fn verify(&mut self, place: &dyn Fn() -> String, seen: &Seen<'_>) {
        if seen.kind != "said" {
            self.sayings.over();
        }
        if seen.kind == "checkpoint" {
            return self.checkpoint(place, seen);
        }
        if seen.kind == "removed" {
            if let Err(why) = self.absences.removed(seen) {
                self.fault(&place(), why.into());
            }
            return;
        }

        let page = &mut Page {
            report: &mut self.report,
            place,
            complete: self.complete,
            faulty: false,
            signed: false,
        };
        match seen.kind.as_ref() {
            "started" => {
                self.sessions.restart(page.report);
                self.runs.restart(page.report);
                self.approvals.restart();
            }
            "gap" => self.runs.gap(seen.missed),
            "login" => self.sessions.login(seen, page),
            "logout" => self.sessions.logout(seen, page),
            "request" => {
                let granted = self.sessions.request(seen, page);
                match granted
                    .as_ref()
                    .map(|signed| (signed, signed.verb.as_ref()))
                {
                    Some((signed, "commit")) => self.runs.committed(seen, signed, page),
                    Some((signed, "approve" | "deny")) => {
                        self.approvals.decided(seen, signed, page);
                    }
                    Some((signed, "say")) => self.sayings.granted(seen, signed),
                    Some((signed, _)) if signed.begins() => self.runs.granted(seen, signed, page),
                    Some((_, "attach" | "signal" | "cancel")) => self.runs.about(seen, page),
                    _ => {}
                }
                let proved = granted.is_some() && page.signed && !page.faulty;
                page.report.granted += u64::from(proved);
            }
            "approval" => self.approvals.asked(seen, page),
            "start" => {
                self.approvals.begun(seen, page);
                self.runs.goes_on(seen, page);
            }
            "handed-on" | "executable" => self.runs.goes_on(seen, page),
            "end" => {
                self.approvals.ended(seen);
                self.runs.end(seen, page);
            }
            "said" => self.sayings.said(seen, page),
            _ => {}
        }
    }

    /// A checkpoint speaks of the record before it, whose hash it carries.
    fn checkpoint(&mut self, place: &dyn Fn() -> String, seen: &Seen<'_>) {
        let Some(key) = self.key else { return };
        let head = unbase64(&seen.prev).map(|link| Head {
            seq: seen.seq - 1,
            link,
        });

        if head.is_some_and(|head| key.verifies(&head, &seen.signature)) {
            self.report.checkpoints += 1;
            self.absences.signed();
            if self.report.faults.is_empty() {
                self.report.proved = Some((seen.seq - 1, seen.time.clone().into_owned()));
            }
        } else {
            let since = self
                .report
                .proved
                .as_ref()
                .map_or(self.report.first, |(seq, _)| seq + 1);
            let text = format!(
                "the checkpoint's signature does not fit: something was changed in records {since} to {}",
                seen.seq
            );

            self.fault(&place(), text);
        }
    }

    /// What the walk came to.
    pub fn finish(mut self) -> Report {
        if let Some((place, ..)) = self.torn.take() {
            self.fault(
                &place,
                "is no record: a crash may have left it, and the next start of the daemon says so"
                    .into(),
            );
        }

        self.absences.finish(&mut self.report);
        self.sessions.restart(&mut self.report);
        self.runs.restart(&mut self.report);
        self.report.passed = self.seen.filter(|_| self.passed).map(|head| head.seq);
        if let Some(head) = self.seen.filter(|_| !self.passed) {
            let text = if head.seq < self.report.first {
                format!(
                    "record {}, which was seen elsewhere, is not in these files, which begin with {}; give the file that holds it",
                    head.seq, self.report.first
                )
            } else if head.seq > self.head.seq {
                format!(
                    "the chain ends before record {}, which was seen elsewhere: it was truncated or rolled back",
                    head.seq
                )
            } else {
                format!(
                    "the chain does not pass through what was seen elsewhere of record {}: it was rewritten",
                    head.seq
                )
            };

            self.fault("the whole", text);
        }

        self.report
    }
}

/// Where a record goes on from, as it says.
fn goes_on_from(seen: &Seen<'_>) -> Head {
    Head {
        seq: seen.seq - 1,
        // A hash that is none is that of no line.
        link: unbase64(&seen.prev).unwrap_or_default(),
    }
}
