//! Accounts looked up: who a command runs as, and who the frontend becomes.

use super::fault::Faults;
use crate::limits;
use crate::place::Place;
use crate::policy::{Account, RunAs};
use crate::sys::{self, Identity};
use std::collections::HashMap;

/// The accounts that were looked up in one load: many commands share one.
pub struct Accounts {
    known: HashMap<String, Result<RunAs, String>>,
    frontend: Option<Identity>,
    own: u32,
}

impl Accounts {
    /// None looked up yet, for a daemon that is this user.
    pub fn new(own: u32, frontend: Option<Identity>) -> Self {
        Self {
            known: HashMap::new(),
            frontend,
            own,
        }
    }

    /// Who a command runs as, by what its `run_as` says.
    pub fn run_as(&mut self, name: Option<&str>) -> Result<RunAs, String> {
        let key = name.unwrap_or_default().to_owned();
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let found = self.look_up(name);
        self.known.insert(key, found.clone());
        found
    }

    fn look_up(&self, name: Option<&str>) -> Result<RunAs, String> {
        let account = |names: sys::Names, group: Option<sys::Group>| Account {
            name: names.name,
            uid: names.uid,
            gid: group.as_ref().map_or(names.gid, |group| group.gid),
            groups: names.groups,
            home: names.home,
        };

        if self.own != 0 {
            let (own, _) = sys::lookup(Err(self.own), None, limits::NAME_SERVICE)?;
            return match name {
                Some(name) if name != own.name => Err(format!(
                    "found \"{}\"; without root the daemon cannot become another user: accepted is nothing, or its own user \"{}\"",
                    name.escape_debug(),
                    own.name
                )),
                _ => Ok(RunAs::Daemon(account(own, None))),
            };
        }

        let Some(name) = name else {
            return Err(
                "is missing, here and in [defaults]: the daemon is root, and root is never implied; accepted is \"user\" or \"user:group\""
                    .into(),
            );
        };

        let (user, group) = name
            .split_once(':')
            .map_or((name, None), |(user, group)| (user, Some(group.to_owned())));
        let (names, group) = sys::lookup(Ok(user.to_owned()), group, limits::NAME_SERVICE)?;
        if self
            .frontend
            .is_some_and(|frontend| frontend.uid == names.uid)
        {
            return Err(format!(
                "`{}` is the frontend's user; a command must not be able to reach into that process",
                names.name
            ));
        }

        Ok(RunAs::Account(account(names, group)))
    }
}

/// The unprivileged user of the frontend: the named one, or the first usual one that there is.
pub fn frontend_user(named: Option<String>, place: &Place, faults: &Faults) -> Option<Identity> {
    let candidates = named.clone().map_or_else(
        || vec!["ordaind".to_owned(), "nobody".to_owned()],
        |name| vec![name],
    );

    let mut why = String::new();
    for name in candidates {
        match sys::lookup(Ok(name), None, limits::NAME_SERVICE) {
            Ok((names, _)) if names.uid != 0 && names.gid != 0 => {
                return Some(Identity {
                    uid: names.uid,
                    gid: names.gid,
                });
            }

            Ok((names, _)) => why = format!("`{}` is root or in root's group", names.name),
            Err(fault) => why = fault,
        }
    }

    faults.add(
        place,
        "server.frontend_user",
        format!("{why}; the frontend needs an unprivileged user"),
    );

    None
}
