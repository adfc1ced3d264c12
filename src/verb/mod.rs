//! What can be asked. A verb's definition (its type, with [`Verb`] implemented) and its line in the
//! list below are all that the protocol, the policy and both doors know of it.

mod approvals;
mod arguments;
mod commands;
mod daemon;
mod definition;
mod files;
mod invocation;
mod passwd;
mod recordings;
mod room;
mod runs;
mod sessions;
mod users;

pub use approvals::{
    ApprovalLine, ApprovalList, Approvals, Approve, ApprovedRun, DeniedRun, Deny, PlannedFile,
    RunPlan, plan_digest,
};
pub use arguments::{Arguments, SecretPart, Secrets, Value, commit};
pub use commands::{
    ArgumentView, CommandLine, CommandList, CommandView, Describe, Explain, ExplainView, List,
    Preview, PreviewView,
};
pub use daemon::{
    CertificateView, CommandCounts, Exposed, FrontendView, LastFault, LimitNear, Metrics,
    PenaltyCounts, Reload, Reloaded, RunCounts, SinceStart, Status, StatusView, TrailView,
};
pub use definition::{
    Anyone, Decides, Door, Follows, Free, InRoom, Invokes, LocalAdmin, Moves, Need, Needs,
    OfCommand, OfRoom, OfRun, OverAll, OwnOrAll, OwnRun, Places, ROOM, Row, SpeaksOf, ToDecide,
    ToMove, ToPlace, ToRun, ToSee, Verb,
};
pub use files::{Commit, Committed, Files, FilesView, Get, ListFiles, Put, RemoveFiles, RootView};
pub use invocation::{Invocation, Terminal};
pub use passwd::{Passwd, PasswordChanged};
pub use recordings::{
    HoldRecording, ListRecordings, Recording, RecordingHeld, RecordingLine, RecordingList,
    RecordingPart, RecordingReleased, Recordings, ReleaseRecording,
};
pub use room::{Room, RoomEvent, RoomPage, Said, Say, Who, WhoLine, WhoList};
pub use runs::{
    Attach, Cancel, Cancelled, NoAnswer, Run, RunLine, RunList, Runs, Signal, Signalled,
};
pub use sessions::{
    EndSession, Ending, SessionLine, SessionList, Sessions, SessionsEnded, Whoami, WhoamiView,
};
pub use users::{
    Forgive, Forgiven, Lock, LockLine, LockList, Locked, Locks, Penalties, PenaltyLine,
    PenaltyList, Seed, Totp, Unlock, Unlocked,
};

use serde::de::value::MapDeserializer;
use serde_json::value::RawValue;

/// The parameters of a request as they stand in its text, each name once.
pub type Fields<'t> = Vec<(String, &'t RawValue)>;

fn read<V: Verb>(fields: Fields<'_>) -> Result<V, String> {
    V::deserialize(MapDeserializer::new(fields.into_iter()))
        .map_err(|fault: serde_json::Error| fault.to_string())
}

/// Makes the table of all verbs, the requests of each door, and the ways to tell them apart.
macro_rules! verbs {
    ($d:tt wire { $($wire:ident)+ } control { $($control:ident)+ }) => {
        /// Every verb there is.
        pub const VERBS: &[Row] = &[$(Row::of::<$wire>(),)+ $(Row::of::<$control>(),)+];

        /// A request of a user who logged in, by any verb of the wire.
        #[derive(Debug, Clone)]
        pub enum Ask {
            $(#[doc = concat!("[`", stringify!($wire), "`]")] $wire($wire),)+
        }

        $(impl From<$wire> for Ask {
            fn from(verb: $wire) -> Self {
                Self::$wire(verb)
            }
        })+

        impl Ask {
            /// Reads the parameters of the verb of this name; `None` where the wire has no such
            /// verb.
            ///
            /// # Errors
            /// A field that the verb does not have or lacks, or that is of a wrong type.
            pub fn read(name: &str, fields: Fields<'_>) -> Option<Result<Self, String>> {
                $(if name == <$wire as Verb>::NAME {
                    return Some(read::<$wire>(fields).map(Self::$wire));
                })+
                None
            }
        }

        /// A request over the control socket, by any verb of that door.
        #[derive(Debug, Clone)]
        pub enum LocalAsk {
            $(#[doc = concat!("[`", stringify!($control), "`]")] $control($control),)+
        }

        impl LocalAsk {
            /// Reads the parameters of the verb of this name; `None` where the control socket has
            /// no such verb.
            ///
            /// # Errors
            /// A field that the verb does not have or lacks, or that is of a wrong type.
            pub fn read(name: &str, fields: Fields<'_>) -> Option<Result<Self, String>> {
                $(if name == <$control as Verb>::NAME {
                    return Some(read::<$control>(fields).map(Self::$control));
                })+
                None
            }
        }

        /// Does the same with a request of the wire, whichever verb it is by.
        macro_rules! with_verb {
            ($d ask:expr, $d verb:pat => $d does:expr) => {
                match $d ask {
                    $($crate::verb::Ask::$wire($d verb) => $d does,)+
                }
            };
        }

        /// Does the same with a request over the control socket, whichever verb it is by.
        macro_rules! with_local_verb {
            ($d ask:expr, $d verb:pat => $d does:expr) => {
                match $d ask {
                    $($crate::verb::LocalAsk::$control($d verb) => $d does,)+
                }
            };
        }
    };
}

verbs! {
    $
    wire {
        List Describe Preview Run Cancel Runs Attach Signal Explain Whoami Sessions EndSession Passwd
        Files ListFiles Get Put Commit RemoveFiles
        Room Say Who
        Approvals Approve Deny
        Recordings Recording
    }
    control {
        Lock Unlock Locks Totp Penalties Forgive Status Metrics Reload
        HoldRecording ReleaseRecording ListRecordings
    }
}

pub(crate) use {with_local_verb, with_verb};

impl Ask {
    /// The verb's row in the table.
    pub const fn row(&self) -> Row {
        const fn of<V: Verb>(_: &V) -> Row {
            Row::of::<V>()
        }
        with_verb!(self, verb => of(verb))
    }

    /// The arguments, where secrets may be among the parameters.
    pub fn arguments(&mut self) -> Option<&mut Arguments> {
        with_verb!(self, verb => verb.arguments())
    }
}

/// The row of the verb of this name.
pub fn named(name: &str) -> Option<&'static Row> {
    VERBS.iter().find(|row| row.name == name)
}

/// The rights that a role's `verbs` may name, each once.
pub fn rights() -> impl Iterator<Item = &'static str> {
    let right = |row: &Row| match row.needs {
        Needs::OwnOr(right) | Needs::Right(right) => Some(right),
        _ => None,
    };
    let is_first = move |at: usize, right_of: &'static str| {
        let mut before = VERBS.iter().take(at);
        !before.any(|row| right(row) == Some(right_of))
    };
    let found = VERBS.iter().enumerate();
    found.filter_map(move |(at, row)| right(row).filter(|found| is_first(at, found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_to_their_row() {
        for row in VERBS {
            let same = VERBS.iter().filter(|other| other.name == row.name);
            assert_eq!(same.count(), 1, "{}", row.name);
            assert!(named(row.name).is_some_and(|found| found.summary == row.summary));
        }
        assert!(named("shutdown").is_none());
    }

    #[test]
    fn every_summary_is_a_sentence_for_help() {
        for row in VERBS {
            let first = row.summary.chars().next().unwrap();
            assert!(
                first.is_uppercase() && !row.summary.ends_with('.'),
                "{}",
                row.summary
            );
        }
    }
}
