//! Verbs about runs that others must agree to.

use super::Serve;
use crate::ids::RunId;
use crate::monitor::asked::Asked;
use crate::monitor::runs;
use crate::monitor::state::Shared;
use crate::policy::{Agreed, Command, Grant, Judged};
use crate::verb::{ApprovalList, Approvals, Approve, ApprovedRun, Decides, DeniedRun, Deny};
use std::sync::Arc;

impl Serve for Approvals {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        asked.done(state, &asked.granted(&grant), || {
            let policy = &state.settings().policy;
            let (member, source) = (grant.member(), grant.source());
            let may = |command: &_| policy.may_decide(member, source, grant.asked(), command);
            let (approvals, more) = runs::approvals(state, grant.user(), may);
            Ok(ApprovalList { approvals, more })
        });
    }
}

impl Serve for Approve {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        let Some(run) = decided(state, asked, &grant) else {
            return;
        };
        let approved = run.to_string();
        asked.done(state, &asked.granted(&grant).with_run(&approved), || {
            let agreed = Agreed {
                user: grant.user().clone(),
                source: grant.source().clone(),
            };
            let missing = runs::agree(state, run, agreed);
            Ok(ApprovedRun {
                approved: approved.clone(),
                missing: u64::try_from(missing).unwrap_or(u64::MAX),
            })
        });
    }
}

impl Serve for Deny {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        let Some(run) = decided(state, asked, &grant) else {
            return;
        };
        let denied = run.to_string();
        asked.done(state, &asked.granted(&grant).with_run(&denied), || {
            runs::deny(state, run, grant.user(), grant.verb().reason.as_deref());
            Ok(DeniedRun {
                denied: denied.clone(),
            })
        });
    }
}

/// The run that is decided on; where it cannot be, that is recorded and told.
fn decided<V>(state: &Shared, asked: &Asked<'_>, grant: &Grant<V>) -> Option<RunId>
where
    V: Decides + Judged<Allowed = Arc<Command>>,
{
    let verb = grant.verb();
    let decision = (verb.run(), grant.allowed(), verb.plan());
    match runs::decides(state, grant.user(), decision) {
        Ok(run) => Some(run),
        Err(denied) => {
            let record = asked.record(verb);
            let record = record.refused(denied.code, grant.rule(), &denied.text);
            asked.refuse(state, &record, denied.clone());
            None
        }
    }
}
