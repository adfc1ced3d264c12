//! Everything the monitor knows, organ by organ. Each organ stands beside its own acts.

use super::admission::Admission;
use super::audit::Audit;
use super::config::Config;
use super::denied::Denied;
use super::feed::{Feed, Topic};
use super::health::Health;
use super::link::Link;
use super::runs::Runs;
use super::session::Sessions;
use super::settings::Settings;
use crate::audit::Record;
use crate::ids::{ConnectionId, StreamId};
use crate::ipc::{Manifest, ToFrontend};
use crate::verb::{RunLine, RunList};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

/// Shared by the tasks of the monitor's one thread.
pub type Shared = Rc<State>;

/// Everything the monitor knows.
#[derive(Debug)]
pub struct State {
    /// The configuration in force.
    pub config: Config,
    /// The way to the frontend.
    pub link: Link,
    /// The trail in force.
    pub audit: Audit,
    /// What decides whether somebody is let in.
    pub access: Admission,
    /// Connections and sessions.
    pub sessions: Sessions,
    /// All runs.
    pub runs: Runs,
    /// Who is told what unasked.
    pub feed: Feed,
    /// How the daemon is.
    pub health: Health,
}

/// What every room of the monitor does, without a word about which organ does it.
impl State {
    /// The configuration in force; a snapshot stays what it is through a reload.
    pub fn settings(&self) -> Arc<Settings> {
        self.config.settings()
    }

    /// Writes to the trail.
    ///
    /// # Errors
    /// As [`Audit::record`].
    pub fn record(&self, record: &Record<'_>) -> io::Result<()> {
        self.audit.record(record)
    }

    /// Sends to the frontend, see [`Link::tell`].
    pub fn tell(&self, message: ToFrontend) {
        self.link.tell(message);
    }

    /// Sends to the frontend with descriptors, see [`Link::tell_with`].
    pub async fn tell_with(&self, message: ToFrontend, manifest: Manifest) {
        self.link.tell_with(message, manifest).await;
    }

    /// Tells whoever follows runs, and may know of this one, how it is as of the trail's last
    /// record.
    pub fn publish_run(&self, owner: &str, line: impl FnOnce() -> RunLine) {
        let id = self.audit.trail().head().seq;
        let what = || RunList { runs: vec![line()] };
        self.feed
            .publish(&self.link, (Topic::Runs, owner), id, what);
    }

    /// Tells a stream that its request is refused.
    pub fn refuse(&self, stream: (ConnectionId, StreamId), why: Denied) {
        self.link.refuse(stream, why);
    }
}
