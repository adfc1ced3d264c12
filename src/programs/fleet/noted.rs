//! What is noted of a run on many machines: what was asked of whom, and what is known of each host.

use super::hosts::Host;
use super::input::Whole;
use crate::cli::{Destination, Place, RunArgs, Set};
use crate::client::{GoodUntil, Kept};
use crate::credential::SessionKey;
use crate::encoding::unbase64;
use crate::exit::Reason;
use crate::fleet::End;
use crate::ids::RunId;
use crate::tls::Fingerprint;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// What was asked, of whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Head {
    /// The id.
    pub fleet: String,
    /// When it began, in seconds since 1970.
    pub at: u64,
    /// Which start of this machine it began in.
    pub(super) boot: Option<String>,
    /// The hosts as they were typed.
    pub set: String,
    /// Each host as it is called, with user and port where these were said.
    pub hosts: Vec<Called>,
    /// The command with its words.
    pub line: Vec<String>,
    /// What else was said of it.
    pub said: Said,
    /// What request ids are made of, base64.
    pub(super) seed: String,
}

/// A host as it is called.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Called {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl Called {
    /// This host.
    pub fn of(host: &Host) -> Self {
        Self {
            name: host.name.clone(),
            user: host.destination.user.clone(),
            port: host.destination.port,
        }
    }

    /// The host that is called so.
    pub fn host(&self) -> Result<Host, String> {
        let mut destination: Destination = self.name.parse()?;
        destination.user.clone_from(&self.user);
        destination.port = self.port;
        Ok(Host {
            name: self.name.clone(),
            destination,
        })
    }
}

/// What was said of a run beside its command.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Said {
    pub reason: Option<String>,
    pub yes: bool,
    pub timeout_s: Option<u64>,
    pub ok_exit: Vec<u8>,
    pub batch: Option<String>,
    pub max_fail: Option<String>,
    pub count_only_exits: bool,
    pub cancel_rest: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin_each: Option<PathBuf>,
}

impl Head {
    /// The arguments that ask for the same.
    pub fn run(&self, set: Set) -> RunArgs {
        let said = &self.said;
        let mut run = RunArgs::of(Place::Many(set), self.line.clone());
        run.reason.clone_from(&said.reason);
        run.yes = said.yes;
        run.timeout = said.timeout_s.map(Duration::from_secs);
        run.ok_exit.clone_from(&said.ok_exit);
        run.pace.batch = said.batch.as_ref().and_then(|text| text.parse().ok());
        run.pace.max_fail = said.max_fail.as_ref().and_then(|text| text.parse().ok());
        run.pace.count_only_exits = said.count_only_exits;
        run.pace.cancel_rest = said.cancel_rest;
        run.once = said.once;
        run.stdin_each.clone_from(&said.stdin_each);
        run
    }

    /// The exit statuses that are well.
    pub fn good(&self) -> &[u8] {
        match self.said.ok_exit.as_slice() {
            [] => &[0],
            good => good,
        }
    }
}

impl Said {
    /// What these arguments say.
    pub fn of(run: &RunArgs) -> Self {
        Self {
            reason: run.reason.clone(),
            yes: run.yes,
            timeout_s: run.timeout.map(|time| time.as_secs().max(1)),
            ok_exit: run.ok_exit.clone(),
            batch: run.pace.batch.as_ref().map(ToString::to_string),
            max_fail: run.pace.max_fail.as_ref().map(ToString::to_string),
            count_only_exits: run.pace.count_only_exits,
            cancel_rest: run.pace.cancel_rest,
            once: run.once,
            // Whoever asks again may stand in another folder.
            stdin_each: run
                .stdin_each
                .as_ref()
                .map(|folder| std::path::absolute(folder).unwrap_or_else(|_| folder.clone())),
        }
    }
}

/// What is known of one host.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Its request was about to leave.
    pub sent: bool,
    /// Until when that was good.
    pub good: Option<GoodUntil>,
    /// The key of its server, where a command runs once at each.
    pub key: Option<Fingerprint>,
    /// What its own standard input was.
    pub input: Option<Whole>,
    /// The run that it has led to.
    pub run: Option<RunId>,
    /// How it ended.
    pub end: Option<End>,
    /// Whether nothing more is begun there.
    closed: bool,
    /// The session that asked, and how often it was taken up again.
    pub session: Option<(Kept, u32)>,
}

/// A line about one host, or about all of them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Line {
    /// Its number, from 1 on.
    pub(super) line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<Whole>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) sent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) not_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<Ended>,
}

/// How it ended at a host.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<u8>,
}

/// A session's key, in the file beside: as secret as a password, and gone when all is over.
#[derive(Serialize, Deserialize)]
pub(super) struct KeyLine {
    pub(super) host: usize,
    pub(super) session: String,
    pub(super) key: Zeroizing<String>,
    /// How often the session was taken up again.
    pub(super) turns: u32,
}

impl Known {
    /// How it ended, where nothing more can come of it.
    pub fn last_word(&self) -> Option<End> {
        let open = |end: &End| matches!(end, End::GoesOn | End::NotStarted | End::Unknown);
        self.end.filter(|end| self.closed || !open(end))
    }

    /// The same, where nothing that was not begun begins any more.
    pub fn closed_to_more(mut self) -> Self {
        if !self.sent {
            self.end = self.end.or(Some(End::NotStarted));
            self.closed = true;
        }
        self
    }

    pub(super) fn learn(&mut self, line: Line) {
        self.sent |= line.sent;
        if let (Some(instance), Some(not_after)) = (line.instance, line.not_after) {
            self.good = Some(GoodUntil {
                instance,
                not_after,
            });
        }
        if let Some(key) = line.key.and_then(|key| key.parse().ok()) {
            self.key = Some(key);
        }
        self.input = line.input.or_else(|| self.input.take());
        if let Some(run) = line.run.and_then(|run| run.parse().ok()) {
            self.run = Some(run);
        }
        if let Some(end) = line.end {
            self.end = end.read();
        }
    }
}

impl Ended {
    pub(super) fn of(end: End) -> Self {
        let reason = match end {
            End::Ended(reason) => Some(reason),
            _ => None,
        };
        Self {
            state: end.word().to_owned(),
            code: end.code(),
            reason: reason.map(|reason| reason.word().to_owned()),
            number: reason.and_then(Reason::number),
        }
    }

    fn read(&self) -> Option<End> {
        Some(match (self.state.as_str(), self.code) {
            ("ended", _) => End::Ended(Reason::from_parts(self.reason.as_deref()?, self.number)?),
            ("refused", Some(code)) => End::Refused(code),
            ("unreachable", Some(code)) => End::Unreachable(code),
            ("unknown", _) => End::Unknown,
            ("goes-on", _) => End::GoesOn,
            ("not-started", _) => End::NotStarted,
            _ => return None,
        })
    }
}

impl KeyLine {
    pub(super) fn kept(&self) -> Option<(Kept, u32)> {
        let seed = Zeroizing::new(unbase64::<32>(&self.key)?);
        let kept = Kept {
            id: self.session.parse().ok()?,
            key: Arc::new(SessionKey::from_seed(seed).ok()?),
        };
        Some((kept, self.turns))
    }
}
