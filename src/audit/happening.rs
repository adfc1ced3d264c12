//! What a record of the trail tells whoever is in the room, and which part of it who may know.

use crate::ids::RunId;
use crate::policy::Scope;
use crate::verb::RoomEvent;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// A record as an event, before it is known who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    event: RoomEvent,
    told: Told,
}

/// Who may know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Everybody in the room; of which run it speaks only who may see the run.
    All,
    /// Whoever may see the runs of its user.
    OfItsUser,
    /// Whoever may see the run, of those who are not its doers.
    OfTheRun,
}

/// The part of a record that can become an event.
#[derive(Deserialize)]
struct Line<'l> {
    #[serde(default)]
    seq: u64,
    #[serde(borrow, default)]
    time: Cow<'l, str>,
    #[serde(borrow, default)]
    kind: Cow<'l, str>,
    #[serde(borrow, default)]
    user: Cow<'l, str>,
    #[serde(borrow, default)]
    verb: Cow<'l, str>,
    #[serde(borrow, default)]
    command: Cow<'l, str>,
    #[serde(borrow, default)]
    root: Cow<'l, str>,
    #[serde(borrow, default)]
    run: Cow<'l, str>,
    #[serde(borrow, default)]
    decision: Cow<'l, str>,
    #[serde(borrow, default)]
    outcome: Cow<'l, str>,
    #[serde(borrow, default)]
    method: Cow<'l, str>,
    #[serde(borrow, default)]
    reason: Cow<'l, str>,
    #[serde(default)]
    number: Option<u8>,
    #[serde(borrow, default)]
    text: Cow<'l, str>,
    #[serde(borrow, default)]
    signed: Cow<'l, str>,
}

/// Whether a request for the room was one to stay.
#[derive(Deserialize)]
struct Stays {
    #[serde(default)]
    follow: bool,
}

impl Happening {
    /// What a record tells, where it tells anything.
    pub fn read(line: &[u8]) -> Option<Self> {
        let line: Line<'_> = serde_json::from_slice(line).ok()?;
        let (kind, told) = line.kind_of()?;
        let mut event = RoomEvent {
            id: line.seq,
            at: line.time.into_owned(),
            kind: kind.to_owned(),
            user: line.user.into_owned(),
            run: line.run.into_owned(),
            ..RoomEvent::default()
        };
        match kind {
            "said" => event.text = line.text.into_owned(),
            "run" if !line.root.is_empty() => {
                event.command = format!("{} {}", line.verb, line.root)
            }
            "run" | "approval" => event.command = line.command.into_owned(),
            "end" => {
                event.command = line.command.into_owned();
                event.ended = line.reason.into_owned();
                event.number = line.number;
            }
            _ => {}
        }
        Some(Self { event, told })
    }

    /// The number of its record.
    pub const fn id(&self) -> u64 {
        self.event.id
    }

    /// What this user is told, who may see these runs. `owner` tells whose a run is.
    pub fn told_to(
        &self,
        user: &str,
        runs: Scope,
        owner: impl Fn(RunId) -> Option<Arc<str>>,
    ) -> Option<RoomEvent> {
        let owns_run = || {
            let run: Option<RunId> = self.event.run.parse().ok();
            let owner = run.and_then(owner);
            owner.is_some_and(|owner| *owner == *user)
        };
        let own = self.event.user == user;
        let may_see = runs == Scope::All || own || owns_run();
        let mut event = self.event.clone();
        match self.told {
            Told::All if may_see => {}
            Told::All => event.run.clear(),
            Told::OfItsUser if runs == Scope::All || own => {}
            Told::OfTheRun if may_see => {}
            Told::OfItsUser | Told::OfTheRun => return None,
        }
        Some(event)
    }
}

impl Line<'_> {
    /// The kind of the event, and who may know of it. No record tells a refusal, an address, an
    /// argument or a reason.
    fn kind_of(&self) -> Option<(&'static str, Told)> {
        let granted = self.decision == "granted";
        Some(match (self.kind.as_ref(), self.verb.as_ref()) {
            ("said", _) => ("said", Told::All),
            ("started", _) => ("started", Told::All),
            ("stopping", _) => ("stopping", Told::All),
            // One that is taken up again was never away.
            ("login", _) if self.outcome == "accepted" && self.method != "session" => {
                ("login", Told::All)
            }
            ("logout", _) => ("logout", Told::All),
            ("end", _) => ("end", Told::OfItsUser),
            ("approval", _) => ("approval", Told::OfItsUser),
            ("request", "room") if granted => {
                let stays: Stays = serde_json::from_str(&self.signed).ok()?;
                return stays.follow.then_some(("room", Told::All));
            }
            ("request", "approve") if granted => ("approve", Told::OfTheRun),
            ("request", "deny") if granted => ("deny", Told::OfTheRun),
            ("request", "attach") if granted => ("attach", Told::OfTheRun),
            ("request", "signal") if granted => ("signal", Told::OfTheRun),
            ("request", "cancel") if granted => ("cancel", Told::OfTheRun),
            ("request", "run" | "list-files" | "get" | "put" | "remove-files")
                if granted && !self.run.is_empty() =>
            {
                ("run", Told::OfItsUser)
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn told(record: &Value, user: &str, runs: Scope) -> Option<Value> {
        let line = serde_json::to_vec(record).unwrap();
        let owner = |_: RunId| Some(Arc::from("alice"));
        let event = Happening::read(&line)?.told_to(user, runs, owner)?;
        Some(json!(event))
    }

    /// Every kind of record × what whoever hears it may know.
    #[test]
    fn nobody_is_told_what_they_could_not_ask_for() {
        let run = RunId::from_random([1; 10]).to_string();
        let at = json!({ "seq": 7, "time": "t", "user": "bob", "source": "192.0.2.1:1", "rule": "r", "run": run });
        let with = |more: Value| {
            let mut record = at.clone();
            let more = more.as_object().unwrap().clone();
            record.as_object_mut().unwrap().extend(more);
            record
        };
        let request = |verb: &str| {
            with(
                json!({ "kind": "request", "verb": verb, "decision": "granted", "command": "deploy", "argv": ["/x", "secret"], "reason": "OPS-1", "signed": "{\"follow\":true}" }),
            )
        };
        let end =
            with(json!({ "kind": "end", "reason": "exit", "number": 3, "command": "deploy" }));
        let login = with(json!({ "kind": "login", "outcome": "accepted", "method": "password" }));
        let said = with(json!({ "kind": "said", "text": "hello" }));

        // record, told to bob, to alice whose run it is, to carol, to who may see all runs
        let rows = [
            (&said, [true, true, true, true]),
            (&login, [true, true, true, true]),
            (&request("room"), [true, true, true, true]),
            (&request("run"), [true, false, false, true]),
            (&end, [true, false, false, true]),
            (&request("attach"), [true, true, false, true]),
            (&request("cancel"), [true, true, false, true]),
            (&request("signal"), [true, true, false, true]),
            (&request("whoami"), [false; 4]),
            (&request("passwd"), [false; 4]),
        ];
        for (record, expected) in rows {
            let hearers = [
                ("bob", Scope::Own),
                ("alice", Scope::Own),
                ("carol", Scope::Own),
                ("carol", Scope::All),
            ];
            for ((user, runs), expected) in hearers.into_iter().zip(expected) {
                let event = told(record, user, runs);
                assert_eq!(event.is_some(), expected, "{record} to {user} {runs:?}");
                let text = event.unwrap_or_default().to_string();
                for hidden in ["192.0.2.1", "secret", "OPS-1"] {
                    assert!(!text.contains(hidden), "{text}");
                }
            }
        }

        // What was said of a run names it only to who may see the run.
        let names = |user, runs| told(&said, user, runs).unwrap().get("run").is_some();
        assert!(names("alice", Scope::Own) && names("carol", Scope::All));
        assert!(!names("carol", Scope::Own));
        for refused in [
            with(json!({ "kind": "login", "outcome": "refused", "method": "password" })),
            with(json!({ "kind": "request", "verb": "run", "decision": "refused" })),
            with(json!({ "kind": "lock" })),
        ] {
            assert_eq!(told(&refused, "carol", Scope::All), None, "{refused}");
        }
    }
}
