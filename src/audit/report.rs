//! What a walk along a trail came to.

use super::chain::Head;

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
    /// Records that are not there, as signed records say: the daemon has removed them.
    pub removed: u64,
    /// Lines that a crash left unfinished, recorded as such.
    pub recovered: u64,
    /// Users' signatures that fit.
    pub signatures: u64,
    /// Granted requests whose records say what their users have signed, signatures verified.
    pub granted: u64,
    /// What is neither proved nor a fault.
    pub open: Open,
    /// Whether the chain passes through the checkpoint that was seen elsewhere.
    pub passed: Option<u64>,
    /// What is wrong, in order; the first is what matters.
    pub faults: Vec<Fault>,
}

/// Faults that are told at the most.
const FAULTS: usize = 20;

impl Report {
    /// Notes a fault.
    pub(super) fn fault(&mut self, place: &str, text: String) {
        self.fault_at(self.faults.len(), place, text);
    }

    /// Notes a fault that belongs behind so many others.
    pub(super) fn fault_at(&mut self, behind: usize, place: &str, text: String) {
        if behind < FAULTS {
            let place = place.to_owned();
            let behind = behind.min(self.faults.len());
            self.faults.insert(behind, Fault { place, text });
            self.faults.truncate(FAULTS);
        }
    }
}

/// Makes the counts, each with its name and its sentence.
macro_rules! open {
    ($($(#[doc = $doc:literal])+ $name:ident: $said:literal,)+) => {
        /// What is neither proved nor a fault: an honest trail has it too. Each is counted by name.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Open {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Open {
            /// Every count: its name, how many there are, and what they are, to be read behind the
            /// number.
            pub const fn named(&self) -> [(&'static str, u64, &'static str); [$($said),+].len()] {
                [$((stringify!($name), self.$name, $said)),+]
            }
        }
    };
}

open! {
    /// Logins and requests of sessions, and of kept logins, that began before the first record of
    /// these files.
    unknown_sessions: "logins and requests belong to sessions or kept logins from before these files",
    /// Refused requests that the server could not read or whose signature did not fit: nothing
    /// shows who sent them.
    unread: "refused requests could not be read, so nothing shows who sent them",
    /// Requests whose text was left out of the trail because it held a secret in the clear.
    withheld: "requests are without their text, because it held a secret in the clear",
    /// Counters that a session has passed over: requests that were not recorded, or never sent.
    skipped: "counters were passed over between the requests of a session",
    /// Arguments of granted requests that `argv` does not show as they were signed: the command gets
    /// them in another way, or not at all.
    unshown: "arguments do not stand in the argv as they were signed",
    /// Runs whose request is not in these files, or was not recorded because the command may run
    /// without (`gap`).
    unknown_runs: "times a run is named whose request is not in these files",
    /// Sessions whose end is not recorded: they go on, or their daemon was killed.
    without_logout: "sessions have no record of their end",
    /// Runs that have ended and whose start is not recorded.
    without_start: "runs have ended without a record of their start",
    /// Runs whose end is not recorded: they go on, or their daemon was killed.
    without_end: "runs have no record of their end",
}

/// The place of the record that is looked at, in the report that is being made.
pub(super) struct Page<'p> {
    /// The report.
    pub report: &'p mut Report,
    /// `file:line`, made only where it is needed.
    pub place: &'p dyn Fn() -> String,
    /// Whether everything that came before this record was seen.
    pub complete: bool,
    /// Whether this record has a fault.
    pub faulty: bool,
    /// Whether a user's signature of this record was verified, and fits.
    pub signed: bool,
}

impl Page<'_> {
    /// Notes a fault of this record.
    pub fn fault(&mut self, text: impl Into<String>) {
        self.faulty = true;
        self.report.fault(&(self.place)(), text.into());
    }

    /// What the record says must be what was signed.
    pub fn same(&mut self, what: &str, says: Option<&str>, signed: Option<&str>) {
        if says != signed {
            let (says, signed) = (word(says), word(signed));
            self.fault(format!(
                "says {says} as the {what}, but {signed} was signed"
            ));
        }
    }
}

/// A text as it is quoted in a fault.
fn word(text: Option<&str>) -> String {
    text.map_or("nothing".to_owned(), |text| {
        format!("`{}`", text.escape_debug())
    })
}
