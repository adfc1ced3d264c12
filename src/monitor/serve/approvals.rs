//! Verbs about runs that others must agree to.

use super::Serve;
use crate::ids::RunId;
use crate::monitor::asked::Asked;
use crate::monitor::denied::Denied;
use crate::monitor::runs;
use crate::monitor::state::Shared;
use crate::policy::{Agreed, Grant, Judged};
use crate::verb::{ApprovalList, Approvals, Approve, ApprovedRun, DeniedRun, Deny};

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
        let Self { run, plan, .. } = grant.verb();
        let of = (run.0, grant.allowed(), plan.as_str());
        let Some(run) = decided(state, asked, &grant, runs::decides(state, grant.user(), of))
        else {
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
        let Self { run, plan, .. } = grant.verb();
        let of = (run.0, grant.allowed(), plan.as_str());
        let Some(run) = decided(state, asked, &grant, runs::decides(state, grant.user(), of))
        else {
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
fn decided<V: Judged>(
    state: &Shared,
    asked: &Asked<'_>,
    grant: &Grant<V>,
    run: Result<RunId, Denied>,
) -> Option<RunId> {
    match run {
        Ok(run) => Some(run),
        Err(denied) => {
            let record = asked.record(grant.verb());
            let record = record.refused(denied.code, grant.rule(), &denied.text);
            asked.refuse(state, &record, denied.clone());
            None
        }
    }
}
