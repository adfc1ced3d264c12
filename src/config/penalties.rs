//! `[penalties]`: what failing costs.

use super::acknowledge::acknowledge;
use super::reader::Table;
use super::values::window;
use super::warning::{Subject, Warning};
use crate::monitor::PenaltyRules;
use crate::penalty::Rules;
use crate::policy::Network;
use std::time::Duration;

/// What holds where nothing is said.
pub fn usual_penalties() -> PenaltyRules {
    let sources = Rules::default();

    // A person who has forgotten a password tries more often than an address should.
    let users = Rules {
        floor: Duration::from_secs(60),
        ..sources
    };

    PenaltyRules {
        sources,
        users,
        prefixes: (32, 64),
        exempt: Vec::new(),
    }
}

/// `[penalties]`: what failing costs.
pub fn penalties(table: Table<'_>) -> PenaltyRules {
    let usual = usual_penalties();
    let about = Subject::table("penalties");
    acknowledge(&table, &about);
    if table.item("off").and_then(|item| item.flag()) == Some(true) {
        let text = "penalties are off: passwords can be guessed as fast as they can be verified";
        table.warn((Warning::PenaltiesOff, &about), text);
        table.finish();
        return switched_off(usual);
    }

    let time = |key: &'static str, usual: Duration| {
        table
            .item(key)
            .and_then(|item| window(&item))
            .unwrap_or(usual)
    };

    let bits = |key: &'static str, most: i64, usual: u8| {
        table
            .integer(key, 1..=most)
            .and_then(|bits| u8::try_from(bits).ok())
            .unwrap_or(usual)
    };

    let sources = Rules {
        login: time("login", usual.sources.login),
        no_login: time("no_login", usual.sources.no_login),
        deadline: time("deadline", usual.sources.deadline),
        violation: time("violation", usual.sources.violation),
        floor: time("floor", usual.sources.floor),
        cap: time("cap", usual.sources.cap),
        entries: table
            .integer("entries", 16..=1_000_000)
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(usual.sources.entries),
    };

    let users = Rules {
        floor: time("user_floor", usual.users.floor),
        ..sources
    };

    judge(&table, &sources, &users);
    let exempt = table.texts("exempt").unwrap_or_default();
    let read = PenaltyRules {
        sources,
        users,
        prefixes: (bits("ipv4_prefix", 32, 32), bits("ipv6_prefix", 128, 64)),
        exempt: exempt
            .iter()
            .filter_map(|item| item.parsed(|text| text.parse::<Network>()))
            .collect(),
    };

    table.finish();
    read
}

/// Penalties that never come: their tables have no place for anybody.
fn switched_off(usual: PenaltyRules) -> PenaltyRules {
    let none = Rules {
        entries: 0,
        ..usual.sources
    };

    PenaltyRules {
        sources: none,
        users: none,
        ..usual
    }
}

/// Bounds that would make failing cost nothing.
fn judge(table: &Table<'_>, sources: &Rules, users: &Rules) {
    if sources.cap < sources.floor {
        table
            .fault("`cap` is under `floor`: nothing would ever be enforced; spell that off = true");
    }

    if users.cap < users.floor && sources.cap >= sources.floor {
        table.fault("`cap` is under `user_floor`: failures in a user's name would never count");
    }
}
