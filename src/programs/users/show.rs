//! `ordaind user show` and `list`: who the users are, how they log in, and what they may run.

use crate::config::{self, Loaded, Machine};
use crate::credential::Credentials;
use crate::encoding::hex;
use crate::exit::Status;
use crate::limits;
use crate::policy::{Held, Member, Policy, User};
use crate::programs::access;
use crate::programs::display::plain;
use crate::programs::faults::{count, faulty};
use crate::programs::local::{Unanswered, ask_if_there, failed};
use crate::programs::members::{member, with_group};
use crate::programs::{say, say_json};
use crate::vault::Vault;
use crate::verb::Locks;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

/// What is known of users beside the configuration; `None` where it cannot be found out.
struct Beside {
    /// Why each user is locked that is.
    locks: Option<BTreeMap<String, String>>,
    /// Who has a seed for one-time codes.
    seeds: Option<BTreeSet<String>>,
    /// Who has chosen a password, and in whose place, by the mark of that.
    chosen: Option<BTreeMap<String, String>>,
}

impl Beside {
    /// The locks as the daemon says them, else, with the seeds, as they are on the disk.
    fn of(path: &Path) -> Self {
        let state = config::state_and_trail(path).map(|(state, _)| state).ok();
        let vault = state.and_then(|state| Vault::open(&state).ok());
        let kept = vault.map(|(vault, _)| vault.contents);
        let seeds = kept
            .as_ref()
            .map(|kept| kept.seeds.keys().cloned().collect());
        let chosen = kept.as_ref().map(|kept| {
            let passwords = kept.passwords.iter();
            passwords
                .map(|(user, chosen)| (user.clone(), chosen.instead_of.clone()))
                .collect()
        });
        let locks = match ask_if_there(path, &Locks {}) {
            Ok(list) => Some(of_each(list.locks, |lock| lock.reason)),
            Err(Unanswered::Nobody(_)) => kept.map(|kept| of_each(kept.locks, |lock| lock.reason)),
            Err(Unanswered::Refused(_)) => None,
        };
        Self {
            locks,
            seeds,
            chosen,
        }
    }

    fn is_locked(&self, user: &str) -> Option<bool> {
        self.locks.as_ref().map(|locks| locks.contains_key(user))
    }

    fn has_seed(&self, user: &str) -> Option<bool> {
        self.seeds.as_ref().map(|seeds| seeds.contains(user))
    }
}

fn of_each<T>(map: BTreeMap<String, T>, of: fn(T) -> String) -> BTreeMap<String, String> {
    map.into_iter()
        .map(|(name, value)| (name, of(value)))
        .collect()
}

/// Roles that groups of the system give a user, each with its group.
type Given<'p> = Vec<(&'p str, &'p str)>;

/// What groups of the system give one of the users in the list.
enum OfGroups<'p> {
    Roles(Given<'p>),
    /// The machine has no such account as their entry names, so they cannot log in.
    NoAccount,
    /// The name service does not say.
    NotKnown,
}

/// One user, with all that is known of them.
struct Known<'k> {
    name: &'k str,
    user: &'k User,
    credentials: &'k Credentials,
    beside: &'k Beside,
}

fn loaded(path: &Path) -> Result<Loaded, Status> {
    // What control groups a shell has says nothing of the service's.
    config::load(path, &Machine::probe().as_a_service())
        .map_err(|(faults, _)| faulty(path, &faults))
}

fn all<'k>(loaded: &'k Loaded, beside: &'k Beside) -> Vec<Known<'k>> {
    let known = |(name, user): (&'k String, &'k User)| {
        Some(Known {
            name,
            user,
            credentials: loaded.credentials.get(name)?,
            beside,
        })
    };
    loaded.policy.users.iter().filter_map(known).collect()
}

/// `ordaind user show`
pub fn show(path: &Path, user: &str, json: bool) -> Status {
    let loaded = match loaded(path) {
        Ok(loaded) => loaded,
        Err(status) => return status,
    };
    let beside = Beside::of(path);
    let all = all(&loaded, &beside);
    let Some(known) = all.iter().find(|known| known.name == user) else {
        return failed(&format!("there is no user `{user}`"));
    };

    let member = match member(&loaded.policy, user, false) {
        Ok(member) => member,
        Err(status) => return status,
    };
    let given = by_groups(&loaded.policy, &member);
    let rows = access::rows(&loaded.policy, std::slice::from_ref(&member), None);
    if json {
        let mut value = known.in_json();
        if let Some(fields) = value.as_object_mut() {
            fields.insert("roles_of_groups".into(), given_in_json(&given));
            fields.insert("access".into(), access::in_json(&rows));
        }
        say_json(&value);
        return Status::OK;
    }
    known.lines().iter().for_each(|line| say(line));
    if member.has_lost_its_account() {
        say("this machine does not know that account, so nobody logs in by this name");
    }
    if !given.is_empty() {
        let given = given
            .iter()
            .map(|(role, group)| with_group(role, Some(group)));
        say(&format!(
            "roles of groups: {}",
            given.collect::<Vec<_>>().join(", ")
        ));
    }
    for (role, holds) in hours(&loaded.policy, &member) {
        say(&format!("role {role} {holds}"));
    }
    match rows.is_empty() {
        true => say("may run: nothing"),
        false => say("may run:"),
    }
    access::tell(&rows);
    Status::OK
}

/// The roles that groups of the system give a user besides, each with its group.
fn by_groups<'p>(policy: &'p Policy, member: &Member) -> Given<'p> {
    let given = |held: Held<'p>| Some((held.name, held.by?.0));
    policy.roles_of(member).filter_map(given).collect()
}

/// The user's roles that have hours, and whether it is within them.
fn hours<'p>(policy: &'p Policy, member: &Member) -> Vec<(&'p str, String)> {
    let now = crate::clock::now();
    let holds = |Held { name, role, .. }: Held<'p>| {
        let within = role.hours().map(|when| format!("holds {when}, also now"));
        Some((name, role.out_of_hours(now).or(within)?))
    };
    policy.roles_of(member).filter_map(holds).collect()
}

/// `ordaind user list`
pub fn list(path: &Path, json: bool) -> Status {
    let loaded = match loaded(path) {
        Ok(loaded) => loaded,
        Err(status) => return status,
    };
    let beside = Beside::of(path);
    let all = all(&loaded, &beside);
    let given = given_to_all(&loaded.policy, &all);
    let with_given = || all.iter().zip(&given);
    let is_not_known = |given: &OfGroups<'_>| matches!(given, OfGroups::NotKnown);
    let status = match given.iter().any(is_not_known) {
        true => Status::FAULT,
        false => Status::OK,
    };
    if json {
        let in_json = |(known, given): (&Known<'_>, &OfGroups<'_>)| {
            let mut value = known.in_json();
            if let Some(fields) = value.as_object_mut() {
                let given = match given {
                    OfGroups::Roles(given) => given_in_json(given),
                    OfGroups::NoAccount | OfGroups::NotKnown => Value::Null,
                };
                fields.insert("roles_of_groups".into(), given);
            }
            value
        };
        let users: Vec<Value> = with_given().map(in_json).collect();
        say_json(&json!({ "users": users }));
        return status;
    }

    let rows = with_given().map(|(known, given)| known.row(given));
    let rows: Vec<[String; 4]> = rows.collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let (names, roles, proofs) = (width(0), width(1), width(2));
    for [name, its, proof, place] in &rows {
        say(&format!(
            "{name:names$}  {its:roles$}  {proof:proofs$}  {place}"
        ));
    }
    status
}

/// What groups of the system give each of the users, in their order. A name service that let itself be
/// waited for in vain is not asked for the next.
fn given_to_all<'p>(policy: &'p Policy, all: &[Known<'_>]) -> Vec<OfGroups<'p>> {
    let mut is_silent = false;
    let given = |known: &Known<'_>| {
        if is_silent {
            return OfGroups::NotKnown;
        }
        let asked = Instant::now();
        let member = member(policy, known.name, false).ok();
        is_silent = member.is_none() && asked.elapsed() >= limits::NAME_SERVICE;
        match member {
            None => OfGroups::NotKnown,
            Some(member) if member.has_lost_its_account() => OfGroups::NoAccount,
            Some(member) => OfGroups::Roles(by_groups(policy, &member)),
        }
    };
    all.iter().map(given).collect()
}

fn given_in_json(given: &[(&str, &str)]) -> Value {
    let given = given
        .iter()
        .map(|(role, group)| ((*role).to_owned(), json!(group)));
    Value::Object(given.collect())
}

impl Known<'_> {
    /// For machines.
    fn in_json(&self) -> Value {
        let keys = self.credentials.keys.iter();
        let keys: Vec<Value> = keys
            .map(|key| json!({ "fingerprint": key.fingerprint(), "comment": key.comment() }))
            .collect();
        let sources = self.user.sources.iter().map(ToString::to_string);
        json!({
            "user": self.name,
            "file": &*self.user.place.file,
            "line": self.user.place.line,
            "roles": self.user.roles,
            "account": self.user.account.as_deref(),
            "disabled": self.user.disabled,
            "locked": self.beside.is_locked(self.name),
            "sources": sources.collect::<Vec<_>>(),
            "password": self.credentials.password.is_some(),
            "password_chosen": self.has_chosen(),
            "ssh_keys": keys,
            "totp": self.credentials.totp,
            "seed": self.beside.has_seed(self.name),
        })
    }

    /// Whether the user has chosen a password in the place of the one that the file says.
    fn has_chosen(&self) -> bool {
        let chosen = self.beside.chosen.as_ref();
        let instead_of = chosen.and_then(|chosen| chosen.get(self.name));
        let said = self.credentials.password.as_ref();
        said.is_some_and(|hash| Some(&hex(&hash.mark())) == instead_of)
    }

    /// For people, without what they may run.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{}, at {}", self.name, self.user.place)];
        lines.push(format!("roles: {}", self.roles()));
        if let Some(account) = &self.user.account {
            lines.push(format!("account: {}", plain(account)));
        }
        if self.user.disabled {
            lines.push("disabled: nobody logs in by this name".into());
        }
        lines.push(format!("locked: {}", self.lock()));
        if !self.user.sources.is_empty() {
            let sources = self.user.sources.iter().map(ToString::to_string);
            lines.push(format!("from: {}", sources.collect::<Vec<_>>().join(", ")));
        }
        let password = match (&self.credentials.password, self.has_chosen()) {
            (Some(_), true) => "another than the file's, chosen by the user (`ordain passwd`)",
            (Some(_), false) => "set",
            (None, _) => "none",
        };
        lines.push(format!("password: {password}"));
        for key in &self.credentials.keys {
            let line = format!("ssh key: {} {}", key.fingerprint(), plain(key.comment()));
            lines.push(line.trim_end().to_owned());
        }
        if self.credentials.keys.is_empty() {
            lines.push("ssh keys: none".into());
        }
        lines.push(format!("one-time code: {}", self.code()));
        lines
    }

    /// For the table of all, with the roles of groups.
    fn row(&self, given: &OfGroups<'_>) -> [String; 4] {
        let keys = self.credentials.keys.len();
        let code = self.credentials.totp || self.beside.has_seed(self.name) == Some(true);
        let states = [
            self.credentials
                .password
                .as_ref()
                .map(|_| "password".to_owned()),
            (keys > 0).then(|| count(keys, "key")),
            code.then(|| "code".into()),
            self.user.disabled.then(|| "disabled".into()),
            (self.beside.is_locked(self.name) == Some(true)).then(|| "locked".into()),
        ];
        let states: Vec<String> = states.into_iter().flatten().collect();
        let states = match states.is_empty() {
            true => "cannot log in".into(),
            false => states.join(", "),
        };
        [
            self.name.to_owned(),
            self.all_roles(given),
            states,
            self.user.place.to_string(),
        ]
    }

    fn roles(&self) -> String {
        match self.user.roles.is_empty() {
            true => "none".into(),
            false => self.user.roles.join(", "),
        }
    }

    /// Those of the entry, and those of groups.
    fn all_roles(&self, given: &OfGroups<'_>) -> String {
        let mut all = self.user.roles.clone();
        match given {
            OfGroups::Roles(given) => {
                let given = given.iter();
                all.extend(given.map(|(role, group)| with_group(role, Some(group))));
            }
            OfGroups::NoAccount => all.push("no such account".into()),
            OfGroups::NotKnown => all.push("groups not known".into()),
        }
        match all.is_empty() {
            true => "none".into(),
            false => all.join(", "),
        }
    }

    fn lock(&self) -> String {
        let Some(locks) = &self.beside.locks else {
            return "not known (`ordaind lock`)".into();
        };
        match locks.get(self.name).map(|reason| plain(reason)) {
            None => "no".into(),
            Some(reason) if reason.is_empty() => "yes, no reason given".into(),
            Some(reason) => format!("yes: {reason}"),
        }
    }

    fn code(&self) -> String {
        match (self.credentials.totp, self.beside.has_seed(self.name)) {
            (_, Some(true)) => "wanted, there is a seed".into(),
            (true, Some(false)) => {
                format!(
                    "wanted, but there is no seed (`ordaind totp {}`)",
                    self.name
                )
            }
            (true, None) => "wanted".into(),
            (false, Some(false)) => "not wanted".into(),
            (false, None) => "not known".into(),
        }
    }
}
