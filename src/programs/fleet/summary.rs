//! What all of it came to: a line for people, an event for machines, and the one exit status.

use super::Fleet;
use crate::exit::Status;
use crate::fleet::{End, Group, Tally};
use crate::nodes;
use crate::programs::wish::Wish;
use crate::programs::{complain, say, say_json};
use crate::protocol::Code;
use serde_json::{Map, Value, json};

impl Fleet {
    /// Tells what was held back, and what it all came to.
    pub async fn told(&self, ends: &[End]) -> Status {
        let good = self.good().to_vec();
        let tally = Tally::new(ends, &good);
        let groups = tally.groups();
        let status = tally.status();
        if let Some(notes) = &self.notes {
            let goes_on = groups.iter().any(|group| group.end == End::GoesOn);
            // Words that were wrong from the first on are nothing to go on with.
            let usage = End::Refused(Code::Usage.number());
            if groups.iter().all(|group| group.end == usage) {
                notes.forget();
            } else {
                notes.close(!goes_on);
            }
        }
        self.screen.finish(ends, &good).await;
        if self.screen.is_gone() {
            return Status::READER_GONE;
        }
        if self.screen.is_untaken() {
            complain("ordain: not all that they wrote was taken by whoever reads it here");
        }
        let left = *self.wish.borrow() == Wish::Leave;
        let status = if left { Status(128 + 2) } else { status };
        if self.args.json {
            say_json(&self.for_machines(&groups, status));
        } else if self.is_plugin() {
            say(&self.plugin_line(&groups));
            return plugin_status(&groups);
        } else if !(self.args.many.quiet && status == Status::OK) {
            complain(&format!("ordain: {}", self.line(&groups)));
            self.tell_next(&groups);
        }
        status
    }

    /// What can be done about hosts at which it did not go well.
    fn tell_next(&self, groups: &[Group]) {
        let Some(notes) = self.notes.as_ref().filter(|notes| notes.are_there()) else {
            return;
        };
        let id = &notes.head.fleet;
        let any = |wanted: fn(&Group) -> bool| groups.iter().any(wanted);
        let is_bad =
            |group: &Group| !group.well && matches!(group.end, End::Ended(_) | End::Refused(_));
        let which = [
            (any(is_bad), " --failed"),
            (
                any(|group| matches!(group.end, End::Unreachable(_))),
                " --unreachable",
            ),
            (any(|group| group.end == End::NotStarted), " --not-started"),
        ];
        let which: String = which
            .iter()
            .filter(|(any, _)| *any)
            .map(|(_, word)| *word)
            .collect();
        if !which.is_empty() {
            complain(&format!("ordain: again: ordain fleet retry {id}{which}"));
        }
        if any(|group| matches!(group.end, End::GoesOn | End::Unknown)) {
            complain(&format!("ordain: on with it: ordain fleet attach {id}"));
        }
    }

    fn is_plugin(&self) -> bool {
        self.run_args().is_some_and(|run| run.nagios)
    }

    fn names(&self, group: &Group) -> String {
        let name = |host: &usize| self.hosts.get(*host).map(|host| host.name.as_str());
        nodes::fold(group.hosts.iter().filter_map(name))
    }

    fn line(&self, groups: &[Group]) -> String {
        in_a_line(groups, |group| self.names(group))
    }

    fn for_machines(&self, groups: &[Group], status: Status) -> Value {
        let (mut counts, mut sets) = (Map::new(), Map::new());
        for group in groups {
            let end = group.end.to_string();
            counts.insert(end.clone(), group.hosts.len().into());
            sets.insert(end, self.names(group).into());
        }
        json!({ "event": "summary", "exit_status": status.0, "counts": counts, "sets": sets })
    }

    /// One line of a plugin, with what there is to draw behind the bar.
    fn plugin_line(&self, groups: &[Group]) -> String {
        let word = match plugin_status(groups) {
            Status::OK => "OK",
            Status::NAGIOS_UNKNOWN => "UNKNOWN",
            _ => "CRITICAL",
        };
        let sum = |wanted: fn(&Group) -> bool| {
            let groups = groups.iter().filter(|group| wanted(group));
            groups.map(|group| group.hosts.len()).sum::<usize>()
        };
        let all = self.hosts.len();
        let well = sum(|group| group.well);
        let ended = sum(|group| !group.well && matches!(group.end, End::Ended(_)));
        let line = self.line(groups);
        format!(
            "ORDAIN {word} - {line} | ok={well};;;0;{all} failed={ended};;;0;{all} other={};;;0;{all}",
            all - well - ended
        )
    }
}

/// `38 exit 0 · 1 exit 2: web7 · 2 not started: web[11-12]`
pub fn in_a_line(groups: &[Group], names: impl Fn(&Group) -> String) -> String {
    let part = |group: &Group| {
        let count = group.hosts.len();
        match group.well {
            true => format!("{count} {}", group.end),
            false => format!("{count} {}: {}", group.end, names(group)),
        }
    };
    let parts: Vec<String> = groups.iter().map(part).collect();
    parts.join(" · ")
}

/// What a plugin says of all: critical where a command ended badly, and unknown where nobody can
/// say.
fn plugin_status(groups: &[Group]) -> Status {
    let bad = |group: &&Group| !group.well;
    if groups
        .iter()
        .filter(bad)
        .any(|group| matches!(group.end, End::Ended(_)))
    {
        Status(2)
    } else if groups.iter().any(|group| !group.well) {
        Status::NAGIOS_UNKNOWN
    } else {
        Status::OK
    }
}
