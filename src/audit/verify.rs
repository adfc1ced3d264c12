//! Walking a trail: what is proved, and the first record that is not what was written.

use super::chain::{Head, Link, NEVER, TrailPublic, link};
use crate::encoding::{base64, unbase64};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;

/// What a line says, as far as the chain is concerned.
#[derive(Deserialize)]
struct Seen<'l> {
    #[serde(default)]
    seq: u64,
    #[serde(borrow, default)]
    prev: Cow<'l, str>,
    #[serde(borrow, default)]
    time: Cow<'l, str>,
    #[serde(borrow, default)]
    kind: Cow<'l, str>,
    #[serde(borrow, default)]
    signature: Cow<'l, str>,
    #[serde(borrow, default)]
    signed: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    session: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    session_key: Option<Cow<'l, str>>,
    #[serde(default)]
    torn_bytes: u64,
    #[serde(borrow, default)]
    torn_sha256: Cow<'l, str>,
    #[serde(default)]
    expected: u64,
    #[serde(default)]
    code: u16,
    #[serde(borrow, default)]
    user: Cow<'l, str>,
    #[serde(borrow, default)]
    verb: Cow<'l, str>,
    #[serde(borrow, default)]
    command: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    reason: Option<Cow<'l, str>>,
}

impl Seen<'_> {
    fn possible(&self) -> bool {
        self.seq < NEVER && self.expected < NEVER
    }

    /// Whether the record's request was refused because its signature did not fit.
    fn refused_signature(&self) -> bool {
        self.kind == "request" && self.code == crate::protocol::Code::Signature.number()
    }
}

/// What a signed text says, which the record beside it must say too.
#[derive(Deserialize)]
struct Names<'l> {
    #[serde(borrow, default)]
    session: Cow<'l, str>,
    #[serde(borrow, default)]
    user: Cow<'l, str>,
    #[serde(borrow, default)]
    verb: Cow<'l, str>,
    #[serde(borrow, default)]
    command: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    reason: Option<Cow<'l, str>>,
}

/// What the signed text of a record says, where it has one that can be read.
fn signed_names<'s>(seen: &'s Seen<'_>) -> Option<Names<'s>> {
    serde_json::from_str(seen.signed.as_deref()?).ok()
}

/// Where the trail is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `file:line`.
    pub place: String,
    /// What is wrong, in words.
    pub text: String,
}

/// What a walk came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Records in the chain.
    pub records: u64,
    /// The first record that was seen.
    pub first: u64,
    /// Where the chain has come to.
    pub last: Head,
    /// Lines before the chain began, which nothing proves.
    pub unchained: u64,
    /// Good checkpoints.
    pub checkpoints: u64,
    /// The last good checkpoint before any fault: its number, and when it was written.
    pub proved: Option<(u64, String)>,
    /// Lines that a crash left unfinished, recorded as such.
    pub recovered: u64,
    /// Users' signatures that fit.
    pub signatures: u64,
    /// Users' signatures that belong to sessions whose login is in another file.
    pub unknown_sessions: u64,
    /// Whether the chain passes through the checkpoint that was seen elsewhere.
    pub passed: Option<u64>,
    /// What is wrong, in order; the first is what matters.
    pub faults: Vec<Fault>,
}

/// Faults that are told at the most.
const FAULTS: usize = 20;

/// Verifies a user's signature: public key, text, signature, whether it is a login's.
pub type Signatures<'v> = &'v dyn Fn(&str, &str, &str, bool) -> bool;

/// Walks files in the order of their records.
pub struct Verifier<'v> {
    key: Option<TrailPublic>,
    signatures: Option<Signatures<'v>>,
    /// A head that left the machine: the chain must pass through it.
    seen: Option<Head>,
    passed: bool,
    head: Head,
    begun: bool,
    /// The key of each session, and the user whose session it is.
    sessions: HashMap<String, (String, String)>,
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
            signatures,
            seen,
            passed: seen.is_none(),
            head: Head::default(),
            begun: false,
            sessions: HashMap::new(),
            torn: None,
            report: Report::default(),
        }
    }

    fn fault(&mut self, place: &str, text: String) {
        if self.report.faults.len() < FAULTS {
            self.report.faults.push(Fault {
                place: place.to_owned(),
                text,
            });
        }
    }

    /// The next line, without its newline; `whole` says whether it had one.
    pub fn line(&mut self, place: &dyn Fn() -> String, bytes: &[u8], whole: bool) {
        let seen = if whole {
            serde_json::from_slice::<Seen<'_>>(bytes)
                .ok()
                .filter(Seen::possible)
        } else {
            None
        };

        let Some(seen) = seen else {
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

    fn chain(&mut self, place: &dyn Fn() -> String, seen: &Seen<'_>) {
        let (expected, previous) = (self.head.seq + 1, base64(&self.head.link));
        if !self.begun {
            // What came before the first file that was given is not known here.
            self.begun = true;
            self.report.first = seen.seq;
            if seen.seq != 1 && self.report.unchained > 0 {
                let text = format!(
                    "record {} comes after lines without numbers: what was before it was edited or deleted",
                    seen.seq
                );

                self.fault(&place(), text);
            }

            if seen.seq == 1 && seen.prev != previous {
                self.fault(
                    &place(),
                    "begins the chain, and carries another hash than that of what is before it"
                        .into(),
                );
            }

            return;
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

            seq if seq > expected => format!(
                "records {expected} to {} are missing: they were deleted, or moved",
                seq - 1
            ),
            seq => format!(
                "record {seq} comes after record {}: it was inserted, moved or written twice",
                self.head.seq
            ),
        };

        self.fault(&place(), text);
    }

    fn verify(&mut self, place: &dyn Fn() -> String, seen: &Seen<'_>) {
        match seen.kind.as_ref() {
            "checkpoint" => self.checkpoint(place, seen),
            "login" => self.login(place, seen),
            "request" => self.request(place, seen),
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

    /// A login names the key of the session that it begins, and is signed with it.
    fn login(&mut self, place: &dyn Fn() -> String, seen: &Seen<'_>) {
        let (Some(session), Some(key)) = (&seen.session, &seen.session_key) else {
            return;
        };
        self.sessions.insert(
            session.clone().into_owned(),
            (key.clone().into_owned(), seen.user.clone().into_owned()),
        );

        if let Some(signed) = signed_names(seen).filter(|signed| signed.user != seen.user) {
            self.fault(
                &place(),
                format!(
                    "says that `{}` logged in, but `{}` signed it",
                    seen.user.escape_debug(),
                    signed.user.escape_debug()
                ),
            );
        }

        self.signature(place, key, seen, true);
    }

    /// A request is signed with the key of its session.
    fn request(&mut self, place: &dyn Fn() -> String, seen: &Seen<'_>) {
        let Some(signed) = signed_names(seen) else {
            return;
        };
        self.compare(place, seen, &signed);
        let Some((key, user)) = self.sessions.get(signed.session.as_ref()).cloned() else {
            self.report.unknown_sessions += 1;
            return;
        };
        if user != seen.user {
            let text = format!(
                "says that `{}` asked, but the session is that of `{}`",
                seen.user.escape_debug(),
                user.escape_debug()
            );

            self.fault(&place(), text);
        }

        self.signature(place, &key, seen, false);
    }

    /// What the record says must be what was signed. (Of a request that could not be read it says
    /// nothing of it.)
    fn compare(&mut self, place: &dyn Fn() -> String, seen: &Seen<'_>, signed: &Names<'_>) {
        if seen.verb == "unknown" {
            return;
        }
        let differs = [
            ("verb", Some(&seen.verb), Some(&signed.verb)),
            ("command", seen.command.as_ref(), signed.command.as_ref()),
            // A reason that was refused is in the signed text alone.
            (
                "reason",
                seen.reason.as_ref(),
                if seen.reason.is_some() {
                    signed.reason.as_ref()
                } else {
                    None
                },
            ),
        ];

        for (what, says, was) in differs {
            if says != was {
                let word = |text: Option<&Cow<'_, str>>| {
                    text.map_or("nothing".to_owned(), |text| {
                        format!("`{}`", text.escape_debug())
                    })
                };

                self.fault(
                    &place(),
                    format!(
                        "says {} as the {what}, but {} was signed",
                        word(says),
                        word(was)
                    ),
                );
            }
        }
    }

    fn signature(&mut self, place: &dyn Fn() -> String, key: &str, seen: &Seen<'_>, login: bool) {
        let (Some(verifies), Some(signed)) = (self.signatures, seen.signed.as_deref()) else {
            return;
        };
        if verifies(key, signed, &seen.signature, login) {
            self.report.signatures += 1;
        } else if !seen.refused_signature() {
            self.fault(
                &place(),
                format!("the user's signature over record {} does not fit", seen.seq),
            );
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
