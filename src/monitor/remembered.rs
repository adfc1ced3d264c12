//! What the trail remembers of the vault: whether there was one, who was locked, who had a seed, and who
//! had chosen a password. Asked when the vault is not the one that was left.

use crate::audit::Follower;
use crate::vault::{Chosen, Contents, Lock};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What the records of a whole trail come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Whether a vault was written beside this trail, as far as can be told.
    pub vault: bool,
    /// The number of the first record that is there; what was before is not known.
    pub begins: u64,
    /// Who is locked, as far as the trail goes.
    pub locks: BTreeMap<String, Lock>,
    /// Who has a seed, with the time and maker of it.
    pub seeds: BTreeMap<String, Lock>,
    /// Who has chosen a password that is in force: the name of the change, and its time.
    pub passwords: BTreeMap<String, (String, u64)>,
}

/// Why a user is locked whose seed is gone: without it a password alone would be enough.
pub const SEED_LOST: &str =
    "the seed of their one-time codes is gone with the vault; `ordaind totp` makes a new one";

/// Why a user is locked whose chosen password is gone: the one of before must not come back.
pub const PASSWORD_LOST: &str = "the password that they had chosen is gone with the vault; `ordaind user set NAME --password` sets another, and then `ordaind unlock`";

/// The fields of a record that tell of the vault.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Line {
    time: String,
    kind: String,
    user: String,
    state: String,
    reason: String,
    uid: u32,
    what: String,
    since: u64,
    change: String,
    kept: Option<String>,
}

/// Reads the trail, with the files that it was rotated into.
///
/// # Errors
/// As reading; nothing is guessed about locks.
pub fn remembered(trail: &Path) -> io::Result<Remembered> {
    let mut records = Follower::behind(trail.to_owned(), 0);
    let mut found = Remembered::default();
    while let Some((number, line)) = records.next_record()? {
        if found.begins == 0 {
            found.begins = number;
            // The record of it may have been put away with what is not there any more.
            found.vault = number > 1;
        }
        // What is no record of these fields tells nothing of the vault.
        if let Ok(line) = serde_json::from_slice::<Line>(&line) {
            found.take_in(line);
        }
    }
    Ok(found)
}

impl Remembered {
    fn take_in(&mut self, line: Line) {
        let table = match line.kind.as_str() {
            "lock" => &mut self.locks,
            "totp" => &mut self.seeds,
            "standing" => return self.stands(line),
            "password" => return self.password(line),
            "vault" | "kept-ended" => return self.vault = true,
            kind => return self.vault |= kind == "login" && line.kept.is_some(),
        };

        self.vault = true;
        if matches!(line.state.as_str(), "locked" | "made") {
            let lock = Lock {
                since: line.since(),
                reason: line.reason,
                by: line.uid,
            };
            table.insert(line.user, lock);
        } else {
            table.remove(&line.user);
        }
    }

    /// Who was locked, had a seed, or had chosen a password when a file of the trail was removed that told of it.
    fn stands(&mut self, line: Line) {
        self.vault = true;
        let table = match line.what.as_str() {
            "lock" => &mut self.locks,
            "totp" => &mut self.seeds,
            "password" => {
                self.passwords.insert(line.user, (line.change, line.since));
                return;
            }
            _ => return,
        };
        let lock = Lock {
            reason: line.reason,
            since: line.since,
            by: line.uid,
        };
        table.insert(line.user, lock);
    }

    fn password(&mut self, line: Line) {
        match line.state.as_str() {
            "changed" => {
                let since = line.since();
                self.passwords.insert(line.user, (line.change, since));
            }
            "replaced" => drop(self.passwords.remove(&line.user)),
            // A try leaves what there was.
            _ => return,
        }
        self.vault = true;
    }

    /// Takes over who must stay out, where the vault does not say so: whoever was locked, whoever had a
    /// seed that is gone, and whoever had chosen a password that is gone or not the last one. `mark` is
    /// that of the password in the configuration. Returns who.
    pub fn take_over(
        self,
        vault: &mut Contents,
        mark: impl Fn(&str) -> Option<String>,
    ) -> Vec<String> {
        let chosen = lost(&self.passwords, vault, mark);
        let without = self.seeds.into_iter().filter_map(|(user, seed)| {
            let lost = !vault.seeds.contains_key(&user);
            let reason = SEED_LOST.into();
            lost.then_some((user, Lock { reason, ..seed }))
        });
        let mut wanted: BTreeMap<_, _> = without.collect();
        wanted.extend(chosen);
        wanted.extend(self.locks);
        wanted.retain(|user, _| !vault.locks.contains_key(user));
        let users = wanted.keys().cloned().collect();
        vault.locks.extend(wanted);
        users
    }
}

/// Whose last password is not in the vault, with a lock for each. Neither the one that is there nor the
/// one in the configuration is theirs any more: what takes its place lets nobody in, until the
/// configuration says another.
fn lost(
    passwords: &BTreeMap<String, (String, u64)>,
    vault: &mut Contents,
    mark: impl Fn(&str) -> Option<String>,
) -> Vec<(String, Lock)> {
    let mut locks = Vec::new();
    for (user, (change, since)) in passwords {
        let known = vault.passwords.get(user);
        if known.is_some_and(|known| known.change == *change) {
            continue;
        }
        let none = Chosen {
            hash: String::new(),
            instead_of: mark(user).unwrap_or_default(),
            change: change.clone(),
            since: *since,
        };
        vault.passwords.insert(user.clone(), none);
        let lock = Lock {
            reason: PASSWORD_LOST.into(),
            since: *since,
            by: 0,
        };
        locks.push((user.clone(), lock));
    }
    locks
}

impl Line {
    /// When it was written, in seconds since 1970.
    fn since(&self) -> u64 {
        OffsetDateTime::parse(&self.time, &Rfc3339)
            .map_or(0, |time| u64::try_from(time.unix_timestamp()).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_each_user_counts_across_files() {
        let folder = tempfile::tempdir().unwrap();
        let trail = folder.path().join("trail.jsonl");
        let record = |seq: u32, rest: &str| {
            format!("{{\"seq\":{seq},\"time\":\"1970-01-01T00:01:40.5Z\",{rest}}}\n")
        };
        let lock = |seq, user, state| {
            let rest =
                format!(r#""kind":"lock","user":"{user}","state":"{state}","reason":"r","uid":7"#);
            record(seq, &rest)
        };
        let seed = |seq, user, state| {
            record(
                seq,
                &format!(r#""kind":"totp","user":"{user}","state":"{state}","uid":0"#),
            )
        };

        let old = lock(1, "a", "locked") + &lock(2, "b", "locked") + &seed(3, "c", "made");
        std::fs::write(crate::audit::rotated_name(&trail, 3), old).unwrap();
        let new = lock(4, "b", "unlocked")
            + "no record\n"
            + &seed(5, "d", "made")
            + &seed(6, "d", "removed");
        std::fs::write(&trail, new).unwrap();
        let found = remembered(&trail).unwrap();
        assert!(found.vault);

        let mut vault = Contents::default();
        assert_eq!(found.take_over(&mut vault, |_| None), ["a", "c"]);
        let a = &vault.locks["a"];
        assert_eq!((a.reason.as_str(), a.since, a.by), ("r", 100, 7));
        assert_eq!(vault.locks["c"].reason, SEED_LOST);
        assert_eq!(vault.locks.len(), 2);
    }

    /// The file that told of the lock was removed; the record that it holds on was not.
    #[test]
    fn what_stands_is_remembered_until_it_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let trail = folder.path().join("trail.jsonl");
        let stands = |seq: u32, user: &str, what: &str| {
            format!(
                "{{\"seq\":{seq},\"kind\":\"standing\",\"what\":\"{what}\",\"user\":\"{user}\",\"reason\":\"r\",\"since\":100,\"uid\":7}}\n"
            )
        };
        let unlocked = "{\"seq\":12,\"kind\":\"lock\",\"user\":\"b\",\"state\":\"unlocked\"}\n";
        let chosen = "{\"seq\":13,\"kind\":\"standing\",\"what\":\"password\",\"user\":\"d\",\"change\":\"d1\",\"since\":100}\n";
        let text = stands(9, "a", "lock") + &stands(10, "b", "lock") + &stands(11, "c", "totp");
        std::fs::write(&trail, text + unlocked + chosen).unwrap();
        let mut vault = Contents::default();
        let found = remembered(&trail).unwrap();
        let mark = |_: &str| Some("mark".to_owned());
        assert_eq!(found.take_over(&mut vault, mark), ["a", "c", "d"]);
        let a = &vault.locks["a"];
        assert_eq!((a.reason.as_str(), a.since, a.by), ("r", 100, 7));
    }

    #[test]
    fn a_password_that_is_not_the_last_one_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let trail = folder.path().join("trail.jsonl");
        let record = |user: &str, state: &str, change: &str| {
            format!("\"kind\":\"password\",\"user\":\"{user}\",\"state\":\"{state}\"{change}")
        };
        let named = |change: &str| format!(",\"change\":\"{change}\"");
        let records = [
            record("older", "changed", &named("o1")),
            record("older", "changed", &named("o2")),
            record("same", "changed", &named("s1")),
            // A try that was refused leaves what there was.
            record("same", "refused", ",\"reason\":\"wrong password\""),
            record("gone", "changed", &named("g1")),
            record("replaced", "changed", &named("r1")),
            record("replaced", "replaced", &named("r1")),
            record("never", "refused", ",\"reason\":\"wrong password\""),
        ];
        let lines = records.iter().enumerate();
        let text: String = lines
            .map(|(at, rest)| format!("{{\"seq\":{},{rest}}}\n", at + 1))
            .collect();
        std::fs::write(&trail, text).unwrap();

        let chosen = |change: &str| Chosen {
            hash: "hash".into(),
            instead_of: "mark".into(),
            change: change.into(),
            since: 0,
        };
        let mut vault = Contents::default();
        for (user, change) in [("older", "o1"), ("same", "s1")] {
            vault.passwords.insert(user.into(), chosen(change));
        }
        let known = remembered(&trail).unwrap();
        let mark = |_: &str| Some("mark".to_owned());
        assert_eq!(known.take_over(&mut vault, mark), ["gone", "older"]);
        assert_eq!(vault.locks["older"].reason, PASSWORD_LOST);
        let hash = |user: &str| vault.passwords.get(user).map(|chosen| &*chosen.hash);
        assert_eq!((hash("older"), hash("gone")), (Some(""), Some("")));
        assert_eq!((hash("same"), hash("replaced")), (Some("hash"), None));
    }

    #[test]
    fn a_trail_that_tells_nothing_of_a_vault_is_no_alarm() {
        let folder = tempfile::tempdir().unwrap();
        let trail = folder.path().join("trail.jsonl");
        assert_eq!(remembered(&trail).unwrap(), Remembered::default());
        let login = r#"{"seq":1,"kind":"login","user":"a"}"#;
        std::fs::write(&trail, format!("{login}\n")).unwrap();
        assert!(!remembered(&trail).unwrap().vault);
        std::fs::write(
            &trail,
            format!("{}\n", login.replace("\"a\"", "\"a\",\"kept\":\"x\"")),
        )
        .unwrap();
        assert!(remembered(&trail).unwrap().vault);

        // The beginning was put away, and with it the record that a vault was made.
        std::fs::write(&trail, login.replace(":1,", ":8,") + "\n").unwrap();
        let found = remembered(&trail).unwrap();
        assert_eq!((found.vault, found.begins), (true, 8));
    }
}
