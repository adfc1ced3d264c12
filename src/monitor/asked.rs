//! A request that is being served: who asks, its record, and what its client is told.

use super::audit::TRAIL_PER_USER;
use super::denied::Denied;
use super::metrics::count_by;
use super::session::Session;
use super::state::Shared;
use crate::audit::{Record, What};
use crate::ids::{ConnectionId, StreamId};
use crate::ipc::{SecretValue, ToFrontend};
use crate::ledger::Spent;
use crate::limits::{CONTROL_FRAME, FILE_PATH, NAME};
use crate::policy::{Begin, Grant, Judged, Plan, Refusal};
use crate::protocol::Code;
use crate::source::Peer;
use crate::verb::Verb;
use serde::Serialize;
use std::borrow::Cow;
use std::io;

/// A request as it came.
pub struct Signed {
    /// The signed text.
    pub signed: String,
    /// Its signature, base64.
    pub signature: String,
    /// Secrets by name: value and salt.
    pub secrets: Vec<(String, SecretValue, String)>,
}

/// Who asks, from where, on which stream, with which bytes.
pub(super) struct Asked<'a> {
    pub connection: ConnectionId,
    pub stream: StreamId,
    pub session: Session,
    pub peer: Peer,
    pub signed: &'a Signed,
    /// Which start of the daemon the request was first sent to, where it is sent again.
    pub instance: Option<String>,
    /// Until when it may begin, in milliseconds of this machine's clock.
    pub not_after: Option<u64>,
}

impl Asked<'_> {
    /// The beginning of the record of this request.
    pub fn record<'r>(&'r self, of: impl Into<Of<'r>>) -> RequestRecord<'r> {
        let Of {
            verb,
            command,
            place,
        } = of.into();
        RequestRecord {
            command,
            place,
            ..self.record_of(verb)
        }
    }

    /// The beginning of the record of what is no request.
    pub fn record_of(&self, verb: &'static str) -> RequestRecord<'_> {
        RequestRecord {
            asked: self,
            verb,
            command: None,
            place: None,
            run: None,
            plan: None,
            decision: "refused",
            rule: "",
            code: None,
            text: None,
            keep_text: true,
        }
    }

    /// The record of a request that was granted.
    pub fn granted<'r, V: Judged>(&'r self, grant: &'r Grant<V>) -> RequestRecord<'r> {
        self.record(grant.verb()).granted(grant.rule())
    }

    /// The usual end of a request that was granted: it is recorded, then it has its effect, and
    /// then it is answered.
    pub fn done<A: Serialize>(
        &self,
        state: &Shared,
        record: &RequestRecord<'_>,
        effect: impl FnOnce() -> Result<A, Denied>,
    ) {
        match record
            .write(state)
            .map_err(|_| Denied::trail())
            .and_then(|()| effect())
        {
            Ok(answer) => self.answer(state, &answer),
            Err(denied) => self.deny(state, denied),
        }
    }

    /// Records and tells that the policy refuses a request.
    pub fn refuse_by_policy(&self, state: &Shared, record: RequestRecord<'_>, refusal: &Refusal) {
        let denied = Denied::from(refusal);
        let mut record = record.refused(denied.code, &refusal.rule, &refusal.text);
        record.keep_text = !refusal.holds_secret;
        self.refuse(state, &record, denied.clone());
    }

    /// Records a refusal and tells it.
    pub fn refuse(&self, state: &Shared, record: &RequestRecord<'_>, denied: Denied) {
        let (code, text) = (denied.code.number(), &denied.text);
        let user = &self.session.user;
        if state.audit.summary.borrow_mut().admits_refusal(user) {
            tracing::info!(connection = self.connection, %user, code, text, "refused");

            // A refusal has no effect, so it is told also when the trail cannot be written; the
            // operator knows already.
            let _ = record.write(state);
        } else {
            record.count(state);
        }
        count_by(&state.health.counts.refusals, code);
        self.deny(state, denied);
    }

    /// Records and tells that its user has as much of something as they may have.
    pub fn over_limit<'r>(&'r self, state: &Shared, of: impl Into<Of<'r>>, spent: &Spent) {
        let denied = Denied::from(spent);
        let rule = spent.share().limit();
        let record = self.record(of).refused(denied.code, rule, &denied.text);
        self.refuse(state, &record, denied.clone());
    }

    /// Tells that its user has added to the trail what they may. No record is made of that.
    pub fn too_much_trail(&self, state: &Shared) {
        let user = &self.session.user;
        let text = format!(
            "`{user}` has added to the audit trail what {TRAIL_PER_USER} allows in a minute; ask again in a moment"
        );
        state.sum_refusal(user, Code::OverLimit);
        self.deny(
            state,
            Denied {
                rule: Some(TRAIL_PER_USER.into()),
                ..Denied::new(Code::OverLimit, text)
            },
        );
    }

    /// Tells a refusal.
    pub fn deny(&self, state: &Shared, denied: Denied) {
        state.refuse((self.connection, self.stream), denied);
    }

    /// Answers.
    pub fn answer(&self, state: &Shared, answer: &impl Serialize) {
        answer_to(state, (self.connection, self.stream), answer);
    }
}

/// Answers on a stream.
pub(super) fn answer_to(
    state: &Shared,
    (connection, stream): (ConnectionId, StreamId),
    answer: &impl Serialize,
) {
    const PART: usize = 32 * 1024;
    let bytes = crate::protocol::write(answer);
    if bytes.len() > CONTROL_FRAME * 64 {
        let text = "the answer is longer than a frame may be";
        return state.refuse((connection, stream), Denied::new(Code::Internal, text));
    }

    let count = bytes.chunks(PART).count();
    for (index, part) in bytes.chunks(PART).enumerate() {
        state.tell(ToFrontend::Answer {
            connection,
            stream,
            part: part.to_vec(),
            last: index + 1 == count,
        });
    }
}

/// What a record says of a request before it is known what becomes of it.
pub(super) struct Of<'r> {
    verb: &'static str,
    command: Option<&'r str>,
    /// The root and the path.
    place: Option<(&'r str, &'r str)>,
}

impl<'r, V: Verb> From<&'r V> for Of<'r> {
    fn from(verb: &'r V) -> Self {
        Self {
            verb: V::NAME,
            command: verb.about(),
            place: verb.place(),
        }
    }
}

impl<'r> From<&'r Begin> for Of<'r> {
    fn from(by: &'r Begin) -> Self {
        Self {
            verb: by.name(),
            command: by.about(),
            place: by.place(),
        }
    }
}

/// A request's record while it is being made.
#[derive(Clone)]
pub(super) struct RequestRecord<'r> {
    asked: &'r Asked<'r>,
    verb: &'static str,
    command: Option<&'r str>,
    place: Option<(&'r str, &'r str)>,
    run: Option<&'r str>,
    plan: Option<&'r Plan>,
    decision: &'static str,
    rule: &'r str,
    code: Option<Code>,
    text: Option<&'r str>,
    pub(super) keep_text: bool,
}

impl<'r> RequestRecord<'r> {
    pub const fn granted(mut self, rule: &'r str) -> Self {
        self.decision = "granted";
        self.rule = rule;
        self
    }

    pub const fn refused(mut self, code: Code, rule: &'r str, text: &'r str) -> Self {
        self.code = Some(code);
        self.rule = rule;
        self.text = Some(text);
        self
    }

    pub const fn with_plan(mut self, plan: &'r Plan) -> Self {
        self.plan = Some(plan);
        self
    }

    pub const fn with_run(mut self, run: &'r str) -> Self {
        self.run = Some(run);
        self
    }

    pub fn write(&self, state: &Shared) -> io::Result<()> {
        self.with(state, |record| state.record(record))
    }

    /// Counts the request.
    fn count(&self, state: &Shared) {
        count_by(&state.health.counts.requests, (self.verb, self.decision));
    }

    /// Counts the request, and gives its finished record to whoever writes it.
    pub fn with<T>(&self, state: &Shared, work: impl FnOnce(&Record<'_>) -> T) -> T {
        self.count(state);
        let source = self.asked.peer.to_string();
        let signed = self.asked.signed;
        let (text, rule) = (self.text.map(brief), brief(self.rule));
        let record = Record::now(What::Request {
            connection: self.asked.connection,
            user: &self.asked.session.user,
            source: &source,
            verb: self.verb,
            // There is no command of a longer name; what was asked for stands in the signed text.
            command: self.command.filter(|name| name.len() <= NAME),
            root: self
                .place
                .map(|(root, _)| root)
                .filter(|name| name.len() <= NAME),
            path: self
                .place
                .map(|(_, path)| path)
                .filter(|path| path.len() <= FILE_PATH),
            run: self.run,
            argv: self.plan.map(|plan| plan.shown.as_slice()),
            holes: self.plan.map_or(&[], |plan| plan.holes.as_slice()),
            run_as: self.plan.map(|plan| plan.command.run_as.name()),
            reason: self.plan.and_then(|plan| plan.reason.as_deref()),
            decision: self.decision,
            rule: &rule,
            code: self.code.map(Code::number),
            text: text.as_deref(),
            signed: self.keep_text.then_some(signed.signed.as_str()),
            signature: &signed.signature,
        });

        work(&record)
    }
}

/// As much of a sentence as tells what it is about. What it quotes of the request stands in the
/// record whole already, as it was signed.
fn brief(text: &str) -> Cow<'_, str> {
    const MOST: usize = 300;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}
