//! Verbs about files below roots.

use super::Serve;
use crate::monitor::asked::Asked;
use crate::monitor::runs;
use crate::monitor::state::Shared;
use crate::policy::{Grant, Right, Root};
use crate::verb::{
    Commit, Committed, Files, FilesView, Get, ListFiles, Put, RemoveFiles, RootView,
};

impl Serve for Files {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        asked.done(state, &asked.granted(&grant), || {
            let policy = &state.settings().policy;
            let (member, now) = (grant.member(), grant.asked());
            let roots = policy.roots_for(member, grant.source(), now);
            Ok(FilesView {
                roots: roots
                    .iter()
                    .map(|(root, rights)| view(root, rights))
                    .collect(),
                trail_key: state.audit.trail().public().to_string(),
                out_of_hours: policy.out_of_hours(member, now),
            })
        });
    }
}

/// Makes the verbs that begin a run do so.
macro_rules! begins {
    ($($verb:ident)+) => {
        $(impl Serve for $verb {
            fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
                runs::begin(state, asked, grant.into());
            }
        })+
    };
}

begins! { ListFiles Get Put RemoveFiles }

impl Serve for Commit {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        /// The rule by which a commit is refused that the policy has granted.
        const RULE: &str = "a put is committed once, while it goes on";

        let committing = match runs::commit(state, &grant) {
            Ok(committing) => committing,
            Err(denied) => {
                let record = asked.record(grant.verb());
                let record = record.refused(denied.code, RULE, &denied.text);
                return asked.refuse(state, &record, denied.clone());
            }
        };
        let run = grant.allowed().to_string();
        asked.done(state, &asked.granted(&grant).with_run(&run), || {
            committing.done();
            Ok(Committed {
                committed: run.clone(),
            })
        });
    }
}

/// To `files`.
fn view(root: &Root, rights: &[Right]) -> RootView {
    let rules = &root.rules;
    let command = root.commands.values().next();
    let reason = command.and_then(|command| command.reason.as_ref());
    RootView {
        name: root.name.clone(),
        summary: root.summary.clone(),
        rights: rights.iter().map(|right| right.word().to_owned()).collect(),
        only: rules.only.clone(),
        max_file: rules.max_file,
        max_total: rules.max_total,
        max_files: rules.max_files,
        replace: rules.replace,
        confirm: command.is_some_and(|command| command.confirm),
        reason: reason.map(|form| form.pattern.clone()),
    }
}
