//! What a line of the trail says, and what the text says that a user has signed.

use super::chain::NEVER;
use crate::protocol::Gathered;
use crate::verb::Arguments;
use serde::Deserialize;
use std::borrow::Cow;

/// A record, as far as the walk compares it with anything.
#[derive(Deserialize)]
pub(super) struct Seen<'l> {
    #[serde(default)]
    pub seq: u64,
    #[serde(borrow, default)]
    pub prev: Cow<'l, str>,
    #[serde(borrow, default)]
    pub time: Cow<'l, str>,
    #[serde(borrow, default)]
    pub kind: Cow<'l, str>,
    #[serde(default)]
    pub torn_bytes: u64,
    #[serde(borrow, default)]
    pub torn_sha256: Cow<'l, str>,
    #[serde(default)]
    pub expected: u64,
    #[serde(default)]
    pub first: u64,
    #[serde(default)]
    pub last: u64,
    #[serde(borrow, default)]
    pub before_hash: Cow<'l, str>,
    #[serde(borrow, default)]
    pub last_hash: Cow<'l, str>,
    #[serde(default)]
    pub missed: u64,
    #[serde(default)]
    pub connection: u64,
    #[serde(borrow, default)]
    pub source: Cow<'l, str>,
    #[serde(borrow, default)]
    pub user: Cow<'l, str>,
    #[serde(borrow, default)]
    pub method: Cow<'l, str>,
    #[serde(borrow, default)]
    pub outcome: Cow<'l, str>,
    #[serde(borrow, default)]
    pub by: Cow<'l, str>,
    #[serde(borrow, default)]
    pub session: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub session_key: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub kept: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub verb: Cow<'l, str>,
    #[serde(borrow, default)]
    pub command: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub root: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub path: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub run: Option<Cow<'l, str>>,
    #[serde(default)]
    pub number: Option<u8>,
    #[serde(borrow, default)]
    pub digest: Option<Cow<'l, str>>,
    #[serde(default)]
    pub files: Option<u64>,
    #[serde(default)]
    pub bytes: Option<u64>,
    #[serde(borrow, default)]
    pub plan: Option<Cow<'l, str>>,
    #[serde(default)]
    pub argv: Option<Vec<String>>,
    #[serde(default)]
    pub holes: Vec<String>,
    #[serde(borrow, default)]
    pub run_as: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub reason: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub decision: Cow<'l, str>,
    #[serde(default)]
    pub code: Option<u16>,
    #[serde(borrow, default)]
    pub text: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub signed: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub signature: Cow<'l, str>,
    #[serde(borrow, default)]
    pub key_signature: Option<Cow<'l, str>>,
    #[serde(default)]
    pub gathered_index: Option<u32>,
    #[serde(default)]
    pub gathered_count: Option<u32>,
    #[serde(borrow, default)]
    pub gathered_path: Option<Cow<'l, str>>,
}

impl<'l> Seen<'l> {
    /// The record on a line, where there is one that a daemon could have written.
    pub fn read(line: &'l [u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(line).ok().filter(|seen| {
            let numbers = [seen.seq, seen.expected, seen.first, seen.last];
            numbers.into_iter().all(|number| number < NEVER)
        })
    }
}

impl Seen<'_> {
    /// Where a login stands among those that share its SSH key's signature; nothing where it stands
    /// alone.
    ///
    /// # Errors
    /// The record says only a part of it.
    pub fn gathered(&self) -> Result<Option<Gathered>, ()> {
        match (
            self.gathered_index,
            self.gathered_count,
            &self.gathered_path,
        ) {
            (None, None, None) => Ok(None),
            (Some(index), Some(count), Some(path)) => Ok(Some(Gathered {
                index,
                count,
                path: path.to_string(),
            })),
            _ => Err(()),
        }
    }
}

/// The text of a request, as far as the record beside it must say the same.
#[derive(Deserialize)]
pub(super) struct SignedRequest<'l> {
    #[serde(borrow)]
    pub session: Cow<'l, str>,
    pub counter: u64,
    #[serde(borrow)]
    pub id: Cow<'l, str>,
    #[serde(borrow)]
    pub verb: Cow<'l, str>,
    #[serde(borrow, default)]
    pub command: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub root: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub path: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub digest: Option<Cow<'l, str>>,
    #[serde(default)]
    pub files: Option<u64>,
    #[serde(default)]
    pub bytes: Option<u64>,
    #[serde(borrow, default)]
    pub run: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub text: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub reason: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    pub plan: Option<Cow<'l, str>>,
    #[serde(default)]
    pub arguments: Arguments,
}

impl SignedRequest<'_> {
    /// By which right over a root the request moves files; `None` where it moves none.
    pub fn right(&self) -> Option<&'static str> {
        let rights = [
            ("list-files", "list"),
            ("get", "get"),
            ("put", "put"),
            ("remove-files", "remove"),
        ];
        let found = rights.iter().find(|(verb, _)| *verb == self.verb);
        found.map(|(_, right)| *right)
    }

    /// Whether the verb begins a run.
    pub fn begins(&self) -> bool {
        self.verb == "run" || self.right().is_some()
    }

    /// The path below the root, where the request names a root.
    pub fn place(&self) -> Option<&str> {
        self.root.as_ref()?;
        Some(self.path.as_deref().unwrap_or_default())
    }
}

/// The text of a login, as far as the record beside it must say the same.
#[derive(Deserialize)]
pub(super) struct SignedLogin<'l> {
    #[serde(borrow)]
    pub user: Cow<'l, str>,
    #[serde(borrow)]
    pub method: Cow<'l, str>,
    #[serde(borrow)]
    pub session_key: Cow<'l, str>,
    #[serde(borrow, default)]
    pub session: Option<Cow<'l, str>>,
    #[serde(default)]
    pub keep: bool,
}
