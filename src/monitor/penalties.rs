//! Penalties in force: misdeeds are counted here, and sources that owe too much are closed out by
//! the frontend.

use super::owed::PenaltyRules;
use super::state::Shared;
use crate::audit::{Record, What};
use crate::ipc::ToFrontend;
use crate::penalty::{Debts, Misdeed, Owed};
use crate::policy::Network;
use crate::source::Source;
use crate::verb::{PenaltyLine, PenaltyList};
use std::time::Duration;

/// What counts as one source with it, where its address is known.
pub fn network(state: &Shared, source: &Source) -> Option<Network> {
    let (v4, v6) = state.settings().penalties.prefixes;
    let address = source.address()?;
    Some(Network::around(address, v4, v6))
}

fn same_place(state: &Shared, one: &Source, other: &Source) -> bool {
    match (network(state, one), network(state, other)) {
        (None, None) => one == other,
        (one, other) => one == other,
    }
}

/// A source has done something.
pub fn source(state: &Shared, source: &Source, misdeed: Misdeed) {
    let settings = state.settings();
    let rules = &settings.penalties;
    if rules.exempts(source) {
        return;
    }
    // Those who come through a meeting point cannot be told apart by it; their users are counted.
    let Some(who) = network(state, source) else {
        return;
    };
    let (closed, evicted) = {
        let mut penalties = state.access.penalties.borrow_mut();
        let now = penalties.began.elapsed();
        let added = penalties.sources.add(&rules.sources, &who, misdeed, now);
        (
            added.closed.map(|owed| (owed, owed.until - now)),
            added.evicted,
        )
    };

    if let Some(network) = evicted {
        state.tell(ToFrontend::CloseOut {
            network,
            milliseconds: 0,
        });
    }

    let owed = {
        let penalties = state.access.penalties.borrow();
        penalties.sources.closed(&who, penalties.began.elapsed())
    };

    if let Some(left) = owed {
        // Also when it was closed before: it owes more now.
        state.tell(ToFrontend::CloseOut {
            network: who,
            milliseconds: milliseconds(left),
        });
    }

    if let Some((owed, left)) = closed {
        tell(state, &who.to_string(), "source", owed.misdeeds, left);
    }
}

/// Somebody has tried to be this user, existing or not, with a password that is not theirs.
pub fn user(state: &Shared, user: &str) {
    let rules = state.settings().penalties.users;
    let name: String = user.chars().take(crate::limits::USER_NAME).collect();
    let closed = {
        let mut penalties = state.access.penalties.borrow_mut();
        let now = penalties.began.elapsed();
        penalties
            .users
            .add(&rules, &name, Misdeed::Login, now)
            .closed
            .map(|owed| (owed, owed.until - now))
    };

    if let Some((owed, left)) = closed {
        tell(state, &name, "user", owed.misdeeds, left);
    }
}

fn tell(state: &Shared, who: &str, kind: &str, misdeeds: u32, left: Duration) {
    let [sources, users] = &state.health.counts.penalties;
    super::metrics::count(if kind == "user" { users } else { sources });
    let seconds = left.as_secs();
    tracing::warn!(
        who = who.escape_debug().to_string(),
        kind,
        misdeeds,
        seconds,
        "penalty: not let in"
    );

    let _ = state.record(&Record::now(What::Penalty {
        subject: kind,
        who,
        state: "closed",
        misdeeds,
        seconds,
    }));
}

/// Whether what could be guessed (a password, a code) is taken for this user from there now. From
/// where they have logged in before it always is, so that nobody can lock them out by failing in
/// their name.
///
/// # Errors
/// Why not, for the trail.
pub fn takes_guess(state: &Shared, user: &str, source: &Source) -> Result<(), &'static str> {
    let place = network(state, source);
    let (source_closed, user_closed) = {
        let penalties = state.access.penalties.borrow();
        let now = penalties.began.elapsed();
        (
            place.is_some_and(|place| penalties.sources.closed(&place, now).is_some()),
            penalties.users.closed(&user.to_owned(), now).is_some(),
        )
    };

    if state.settings().penalties.exempts(source) {
        return Ok(());
    }
    // Connections that were open before the source was closed out are open still; they are not for
    // guessing on.
    if source_closed {
        return Err("too many failures from there");
    }
    if user_closed && !is_known_place(state, user, source) {
        return Err(
            "too many failures in this user's name, and they have never logged in from there",
        );
    }
    Ok(())
}

/// Whether the user has logged in from there before.
pub fn is_known_place(state: &Shared, user: &str, source: &Source) -> bool {
    let same = |known: &String| {
        known
            .parse()
            .is_ok_and(|known| same_place(state, &known, source))
    };

    state
        .access
        .vault
        .borrow()
        .contents
        .places
        .get(user)
        .is_some_and(|places| places.iter().any(same))
}

/// A user has logged in from there; whether that is news which must be kept. The place that was used
/// least lately makes room.
pub fn known_place(state: &Shared, user: &str, source: &Source) -> bool {
    let mut vault = state.access.vault.borrow_mut();
    let places = vault.contents.places.entry(user.to_owned()).or_default();
    let same = |known: &String| {
        let known = known.parse();
        known.is_ok_and(|known| same_place(state, &known, source))
    };
    if let Some(at) = places.iter().position(same) {
        // Those that matter for whom to forget are the first: no write for the order of the last.
        let moved = at < places.len() / 2;
        let place = places.remove(at);
        places.push(place);
        return moved;
    }

    // The address, and not its network: what counts as one source may change.
    places.push(source.to_string());
    if places.len() > crate::limits::PLACES {
        places.remove(0);
    }
    true
}

/// The rules may have changed: whom they leave alone owes nothing any more, and what was counted
/// otherwise is forgotten.
pub fn reloaded(state: &Shared, old: &PenaltyRules) {
    let settings = state.settings();
    let new = &settings.penalties;
    {
        let mut penalties = state.access.penalties.borrow_mut();
        let now = penalties.began.elapsed();
        if new.prefixes != old.prefixes || new.sources.entries == 0 {
            (penalties.sources, penalties.users) = (Debts::default(), Debts::default());
        }
        let exempt: Vec<Network> = penalties
            .sources
            .all(now)
            .map(|(network, _)| *network)
            .filter(|network| new.exempts(&network.address().into()))
            .collect();
        for network in &exempt {
            penalties.sources.forgive(network, now);
        }
    }

    state.tell(ToFrontend::LetIn);
    tell_all(state);
}

/// A new frontend, or one with new settings, has to know whom not to let in.
pub fn tell_all(state: &Shared) {
    let closed: Vec<(Network, Duration)> = {
        let penalties = state.access.penalties.borrow();
        let now = penalties.began.elapsed();
        penalties
            .sources
            .all(now)
            .filter(|(_, owed)| owed.closed)
            .map(|(who, owed)| (*who, owed.until - now))
            .collect()
    };

    for (network, left) in closed {
        state.tell(ToFrontend::CloseOut {
            network,
            milliseconds: milliseconds(left),
        });
    }
}

/// Everyone who owes something, for the administrator.
pub fn list(state: &Shared) -> PenaltyList {
    /// What one answer can hold; those who owe most come last, and matter most.
    const MOST: usize = 1000;

    let penalties = state.access.penalties.borrow();
    let now = penalties.began.elapsed();
    let line = |who: String, owed: &Owed| PenaltyLine {
        who,
        seconds: (owed.until - now).as_secs(),
        enforced: owed.closed,
        misdeeds: owed.misdeeds,
    };
    let last = |mut lines: Vec<_>| lines.split_off(lines.len().saturating_sub(MOST));
    let sources = penalties.sources.all(now);
    let users = penalties.users.all(now);
    PenaltyList {
        sources: last(
            sources
                .map(|(who, owed)| line(who.to_string(), owed))
                .collect(),
        ),
        users: last(users.map(|(who, owed)| line(who.clone(), owed)).collect()),
    }
}

/// How many are closed out, for `status`.
pub fn count(state: &super::state::State) -> (usize, usize) {
    let penalties = state.access.penalties.borrow();
    let now = penalties.began.elapsed();
    let closed = |owed: &&Owed| owed.closed;
    (
        penalties
            .sources
            .all(now)
            .map(|(_, owed)| owed)
            .filter(closed)
            .count(),
        penalties
            .users
            .all(now)
            .map(|(_, owed)| owed)
            .filter(closed)
            .count(),
    )
}

/// Forgives a source or a user; `all` is everybody. How many were forgiven.
pub fn forgive(state: &Shared, who: &str) -> usize {
    let mut penalties = state.access.penalties.borrow_mut();
    let now = penalties.began.elapsed();
    let all = who == "all";
    let asked = who.parse::<Network>().ok();
    let networks: Vec<Network> = penalties
        .sources
        .all(now)
        .map(|(network, _)| *network)
        .filter(|network| {
            all || asked.is_some_and(|asked| {
                asked.contains(network.address()) || network.contains(asked.address())
            })
        })
        .collect();
    let users: Vec<String> = penalties
        .users
        .all(now)
        .map(|(user, _)| user.clone())
        .filter(|user| all || user == who)
        .collect();
    for network in &networks {
        penalties.sources.forgive(network, now);
    }
    for user in &users {
        penalties.users.forgive(user, now);
    }
    drop(penalties);
    for network in &networks {
        state.tell(ToFrontend::CloseOut {
            network: *network,
            milliseconds: 0,
        });
    }

    networks.len() + users.len()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
