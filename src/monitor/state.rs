//! Everything the monitor knows, organ by organ. Each organ stands beside its own acts.

use super::admission::Admission;
use super::audit::Audit;
use super::config::Config;
use super::denied::Denied;
use super::feed::{Feed, Topic};
use super::health::Health;
use super::link::Link;
use super::metrics::count_by;
use super::recordings::Recordings;
use super::runs::Runs;
use super::session::Sessions;
use super::settings::Settings;
use crate::audit::{Record, Trail};
use crate::ids::{ConnectionId, StreamId};
use crate::ipc::{Manifest, ToFrontend};
use crate::ledger::Ledger;
use crate::limits::TRAIL_LEAST;
use crate::protocol::Code;
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
    /// What was recorded of runs.
    pub recordings: Recordings,
    /// Who uses how much of what is finite.
    pub ledger: Ledger,
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

    /// Writes to the trail. What a record of a user's doing takes there is charged to that user.
    ///
    /// # Errors
    /// As [`Audit::record`].
    pub fn record(&self, record: &Record<'_>) -> io::Result<()> {
        match record.payer() {
            Some(user) => self.record_for(user, record),
            None => self.audit.record(record),
        }
    }

    /// Writes to the trail, at this user's charge.
    ///
    /// # Errors
    /// As [`Audit::record`].
    pub fn record_for(&self, user: &str, record: &Record<'_>) -> io::Result<()> {
        self.write_for(user, |trail| trail.append(record))
    }

    /// Works on the trail, at this user's charge.
    ///
    /// # Errors
    /// As [`Audit::with_trail`].
    pub fn write_for<T>(
        &self,
        user: &str,
        work: impl FnOnce(&mut Trail) -> io::Result<T>,
    ) -> io::Result<T> {
        let before = self.audit.trail().length();
        let done = self.audit.with_trail(work);
        let written = self.audit.trail().length().saturating_sub(before);
        if let Some(most) = self.trail_share() {
            self.audit.budgets.spend(user, written, most);
        }
        done
    }

    /// Whether a user may still add to the trail in this minute; `times` their share where what they
    /// ask for only takes away.
    pub fn may_write_more(&self, user: &str, times: u64) -> bool {
        self.trail_share()
            .is_none_or(|most| self.audit.budgets.used(user, most) < most.saturating_mul(times))
    }

    /// Bytes a minute that one user may add to the trail: so many as are set, and at most an eighth
    /// of what its disk has to spare, so that it does not fill up by one. On a disk that is nearly
    /// full they keep [`TRAIL_LEAST`], which no setting is below.
    pub fn trail_share(&self) -> Option<u64> {
        let set = self.settings().trail_per_user?;
        Some(set.min((self.audit.spare.get() / 8).max(TRAIL_LEAST)))
    }

    /// A request was refused that is not recorded by itself; it is counted for the minute.
    pub fn sum_refusal(&self, user: &Arc<str>, code: Code) {
        count_by(&self.health.counts.refusals, code.number());
        let mut summary = self.audit.summary.borrow_mut();
        summary.count_refusal(user);
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
