//! A request that is being served: who asks, its record, and what its client is told.

use super::metrics::count_by;
use super::session::Session;
use super::state::Shared;
use crate::audit::{Record, What};
use crate::ids::{ConnectionId, StreamId};
use crate::ipc::{SecretValue, ToFrontend};
use crate::policy::{Refusal, RefusalKind};
use crate::protocol::{Answer, Code};
use std::net::SocketAddr;

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
    pub peer: SocketAddr,
    pub signed: &'a Signed,
}

/// What a client is told when nothing can run because the trail cannot be written.
pub(super) const TRAIL: &str = "the audit trail cannot be written, so nothing is done";

impl Asked<'_> {
    /// The beginning of this request's record.
    pub fn record<'r>(&'r self, verb: &'static str, command: Option<&'r str>) -> RequestRecord<'r> {
        RequestRecord {
            asked: self,
            verb,
            command,
            run: None,
            plan: None,
            decision: "refused",
            rule: "",
            code: None,
            text: None,
            keep_text: true,
        }
    }

    pub fn refuse_by_policy(&self, state: &Shared, record: RequestRecord<'_>, refusal: Refusal) {
        let code = code_of(refusal.kind);
        let mut record = record.refused(code, &refusal.rule, &refusal.text);
        record.keep_text = !refusal.holds_secret;
        self.refuse(
            state,
            record,
            code,
            refusal.text.clone(),
            refusal.argument.clone(),
            Some(refusal.rule.clone()),
        );
    }

    /// Records a refusal and tells it.
    pub fn refuse(
        &self,
        state: &Shared,
        record: RequestRecord<'_>,
        code: Code,
        text: String,
        argument: Option<String>,
        rule: Option<String>,
    ) {
        tracing::info!(connection = self.connection, user = %self.session.user, code = code.number(), text, "refused");
        // A refusal has no effect, so it is told also when the trail cannot be written; the
        // operator knows already.
        let _ = record.write(state);
        count_by(&state.counts.refusals, code.number());
        self.tell_refusal(state, code, text, argument, rule);
    }

    /// Tells a refusal.
    pub fn tell_refusal(
        &self,
        state: &Shared,
        code: Code,
        text: String,
        argument: Option<String>,
        rule: Option<String>,
    ) {
        let text = shorten(text);
        let argument = argument.map(shorten);
        let (connection, stream) = (self.connection, self.stream);
        state.tell(ToFrontend::Refused {
            connection,
            stream,
            code: code.number(),
            text,
            argument,
            rule,
        });
    }

    pub fn answer(&self, state: &Shared, answer: &Answer) {
        answer_to(state, self.connection, self.stream, answer);
    }
}

pub(super) fn answer_to(
    state: &Shared,
    connection: ConnectionId,
    stream: StreamId,
    answer: &Answer,
) {
    const PART: usize = 32 * 1024;
    let bytes = crate::protocol::write(answer);
    if bytes.len() > crate::limits::CONTROL_FRAME * 64 {
        let text = "the answer is longer than a frame may be".into();
        return state.tell(ToFrontend::Refused {
            connection,
            stream,
            code: Code::Internal.number(),
            text,
            argument: None,
            rule: None,
        });
    }

    if bytes.len() <= PART {
        return state.tell(ToFrontend::Answer {
            connection,
            stream,
            part: bytes,
            last: true,
        });
    }

    let count = bytes.chunks(PART).count();
    let parts: Vec<ToFrontend> = bytes
        .chunks(PART)
        .enumerate()
        .map(|(index, part)| ToFrontend::Answer {
            connection,
            stream,
            part: part.to_vec(),
            last: index + 1 == count,
        })
        .collect();
    let state = state.clone();
    tokio::task::spawn_local(async move {
        // In one task, so that they stay in order when the frontend's queue is full.
        for part in parts {
            state.tell_with(part, &[]).await;
        }
    });
}

/// The number of a refusal.
pub(super) const fn code_of(kind: RefusalKind) -> Code {
    match kind {
        RefusalKind::NotPermitted => Code::NotPermitted,
        RefusalKind::Source => Code::Source,
        RefusalKind::Argument => Code::Argument,
        RefusalKind::Confirm => Code::Confirm,
        RefusalKind::Reason => Code::Reason,
        RefusalKind::NoSuchRun => Code::NoSuchRun,
    }
}

fn shorten(text: String) -> String {
    if text.len() <= 2000 {
        text
    } else {
        text.chars().take(500).chain("…".chars()).collect()
    }
}

/// A request's record while it is being made.
#[derive(Clone)]
pub(super) struct RequestRecord<'r> {
    asked: &'r Asked<'r>,
    verb: &'static str,
    command: Option<&'r str>,
    run: Option<&'r str>,
    plan: Option<&'r crate::policy::Plan>,
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

    pub const fn with_plan(mut self, plan: &'r crate::policy::Plan) -> Self {
        self.plan = Some(plan);
        self
    }

    pub const fn with_run(mut self, run: &'r str) -> Self {
        self.run = Some(run);
        self
    }

    pub fn write(&self, state: &Shared) -> std::io::Result<()> {
        self.with(state, |record| state.record(record))
    }

    /// Counts the request, and gives its finished record to whoever writes it.
    pub fn with<T>(&self, state: &Shared, work: impl FnOnce(&Record<'_>) -> T) -> T {
        count_by(&state.counts.requests, (self.verb, self.decision));
        let source = self.asked.peer.to_string();
        let signed = self.asked.signed;
        let record = Record::now(What::Request {
            connection: self.asked.connection,
            user: &self.asked.session.user,
            source: &source,
            verb: self.verb,
            command: self.command,
            run: self.run,
            argv: self.plan.map(|plan| plan.shown.as_slice()),
            run_as: self.plan.map(|plan| plan.command.run_as.name()),
            reason: self.plan.and_then(|plan| plan.reason.as_deref()),
            decision: self.decision,
            rule: self.rule,
            code: self.code.map(Code::number),
            text: self.text,
            signed: self.keep_text.then_some(signed.signed.as_str()),
            signature: &signed.signature,
        });

        work(&record)
    }
}
