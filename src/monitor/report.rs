//! How the daemon is: whether it is well, and what `status` tells.

use super::audit::TRAIL_PER_USER;
use super::faults::Noted;
use super::metrics::Counters;
use super::run::Phase;
use super::state::State;
use super::{listeners, penalties};
use crate::audit::Until;
use crate::limits::{self, LIMIT_NEAR};
use crate::policy::{Command, Policy};
use crate::verb::{
    CertificateView, CommandCounts, FrontendView, LastFault, LimitNear, PenaltyCounts, RunCounts,
    SinceStart, StatusView, TrailView,
};

/// What keeps the daemon from doing what it is for, or will soon, and what was missing when it
/// started; a sentence each.
pub fn faults(state: &State) -> Vec<String> {
    let mut found = state.health.alarms.borrow().clone();
    found.extend(state.audit.fault.borrow().clone());
    found.extend(
        state
            .audit
            .write_fault
            .borrow()
            .as_ref()
            .map(|fault| format!("the trail cannot be written: {fault}")),
    );

    found.extend(state.audit.keeping.fault.borrow().clone());
    if state.access.unsaved.get() {
        found.push(
            "locks and kept logins could not be written; what has changed ends with this daemon"
                .into(),
        );
    }

    let dropped = state.health.faults.dropped();
    if dropped > 0 {
        found.push(format!(
            "{dropped} lines of the log were dropped, because nobody reads it"
        ));
    }

    if !state.link.ready.get() {
        found.push("there is no frontend: nobody can connect".into());
    }
    found.extend(listeners::faults(state));
    let now = crate::clock::now();

    // A renewal writes one file after the other; what is wrong for longer would keep the next
    // daemon from starting.
    let pending = state
        .config
        .certificate_fault
        .borrow()
        .clone()
        .filter(|(since, _)| since.elapsed() > limits::CERTIFICATE_PATIENCE);
    found.extend(
        pending.map(|(_, fault)| format!("the certificate's files cannot be used: {fault}")),
    );
    found.extend(
        state
            .settings()
            .tls
            .validity
            .fault(now)
            .map(|fault| format!("the certificate {fault}")),
    );

    found
}

/// How the daemon is, in a line.
pub fn in_a_line(state: &State) -> String {
    let some = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let [(_, queued), (_, starting), (_, running)] = phases(state);
    let (runs, sessions) = (
        some(starting + running, "run"),
        some(sessions(state), "session"),
    );
    let waiting = match queued {
        0 => String::new(),
        queued => format!(", {queued} waiting"),
    };
    match faults(state).first() {
        None => format!("well: {runs}{waiting}, {sessions}"),
        // A line ends where a line ends.
        Some(fault) => format!(
            "{runs}{waiting}, {sessions}; fault: {}",
            fault.escape_debug()
        ),
    }
}

/// How much is used of what is bounded: name, used, most. Of what each user has a share of, the
/// share of whoever has the most.
pub fn bounded(state: &State) -> Vec<(&'static str, u64, u64)> {
    let mut bounded = of_all(state);
    let shares = state.ledger.most().into_iter();
    bounded.extend(shares.map(|(share, used, most)| (share.limit(), used, most)));
    if let Some(most) = state.trail_share() {
        let used = state.audit.budgets.all(most).into_iter();
        let used = used.map(|(_, used)| used).max().unwrap_or(0);
        bounded.push((TRAIL_PER_USER, used, most));
    }
    bounded
}

/// What is bounded for all users together.
fn of_all(state: &State) -> Vec<(&'static str, u64, u64)> {
    let settings = state.settings();
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    vec![
        (
            "limits.connections",
            number(state.sessions.connections.borrow().len()),
            u64::from(settings.limits.connections),
        ),
        (
            "output.running",
            state.runs.bytes_on_disk(),
            settings.running_bytes,
        ),
        (
            "logins waiting",
            number(state.access.logins_waiting.get()),
            number(limits::LOGINS_WAITING),
        ),
        (
            "sessions parked",
            number(state.sessions.parked.borrow().len()),
            number(limits::SESSIONS_PARKED),
        ),
    ]
}

/// How many runs are in each phase.
pub fn phases(state: &State) -> [(&'static str, usize); 3] {
    let runs = state.runs.going.borrow();
    let in_phase = |phase: Phase| runs.values().filter(|run| run.phase == phase).count();
    [
        ("queued", in_phase(Phase::Queued)),
        ("starting", in_phase(Phase::Starting)),
        ("running", in_phase(Phase::Running)),
    ]
}

/// Sessions on open connections.
pub fn sessions(state: &State) -> usize {
    state
        .sessions
        .connections
        .borrow()
        .values()
        .filter(|connection| connection.session.is_some())
        .count()
}

/// Records that are written and not yet known to be on the disk.
pub fn trail_lag(state: &State) -> u64 {
    state
        .audit
        .trail()
        .head()
        .seq
        .saturating_sub(*state.audit.synced.borrow())
}

/// Records that journald has not taken yet, where it is to get them.
pub fn journal_lag(state: &State) -> Option<u64> {
    let seq = state.audit.trail().head().seq;
    state
        .audit
        .journal
        .borrow()
        .as_ref()
        .map(|journal| seq.saturating_sub(journal.sent()))
}

/// How large the trail is, how fast it grows, and how long there is room for it.
pub struct TrailRoom {
    /// How many files it has.
    pub files: usize,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes that a day takes.
    pub a_day: u64,
    /// How many days are left, and what ends them.
    pub left: Option<(Option<u64>, Until)>,
}

/// How large the trail is, how fast it grows, and how long there is room for it.
pub fn trail_room(state: &State) -> TrailRoom {
    let files = state.audit.keeping.files.borrow();
    let current = state.audit.trail().length();
    let a_day = files.a_day(current, crate::clock::now());
    let rules = state.settings().audit.keep;
    TrailRoom {
        files: files.rotated.len() + 1,
        bytes: files.bytes(current),
        a_day,
        left: files.days_left((current, a_day), &rules, state.audit.spare.get()),
    }
}

/// For `status`.
pub fn status(state: &State) -> StatusView {
    let settings = state.settings();
    let faults = faults(state);
    let (sources_not_let_in, users_not_let_in) = penalties::count(state);
    let vault = state.access.vault.borrow();
    let last = state.health.faults.all();
    StatusView {
        health: if faults.is_empty() { "ok" } else { "failing" }.into(),
        faults,
        version: env!("CARGO_PKG_VERSION").into(),
        instance: state.health.instance.clone(),
        uptime_s: crate::clock::now()
            .duration_since(state.health.since)
            .unwrap_or_default()
            .as_secs(),
        generation: state.config.generation.get(),
        stopping: state.health.is_stopping(),
        listening: state
            .link
            .addresses
            .borrow()
            .iter()
            .map(ToString::to_string)
            .collect(),
        frontend: frontend(state),
        frontends_started: state.health.counts.frontends.get(),
        containment: if settings.grouped {
            "cgroup"
        } else {
            "best-effort"
        }
        .into(),
        certificate: certificate(state),
        locked: vault.contents.locks.keys().cloned().collect(),
        kept_logins: vault.contents.logins.len(),
        penalties: PenaltyCounts {
            sources_not_let_in,
            users_not_let_in,
        },
        connections: state.sessions.connections.borrow().len(),
        sessions: sessions(state),
        sessions_parked: state.sessions.parked.borrow().len(),
        runs: run_counts(state),
        logins_waiting: state.access.logins_waiting.get(),
        limits_near: limits_near(state),
        since_start: since_start(&state.health.counts),
        commands: command_counts(&settings.policy),
        users: settings.policy.users.len(),
        trail: trail(state),
        last_faults: last.into_iter().map(last_fault).collect(),
    }
}

fn frontend(state: &State) -> Option<FrontendView> {
    let (landlock, uid) = state.link.confinement.borrow().clone()?;
    Some(FrontendView {
        uid,
        seccomp: "enforced".into(),
        landlock,
        own_user: state.settings().frontend.is_some(),
    })
}

fn certificate(state: &State) -> CertificateView {
    let (now, settings) = (crate::clock::now(), state.settings());
    let files = state.config.certificate_fault.borrow();
    CertificateView {
        fingerprint: settings.tls.fingerprint.to_string(),
        expires: settings.tls.validity.until_text(),
        days_left: settings.tls.validity.left(now).as_secs() / 86_400,
        fault: settings.tls.validity.fault(now),
        files: files.as_ref().map(|(_, fault)| fault.clone()),
    }
}

fn run_counts(state: &State) -> RunCounts {
    let [(_, queued), (_, starting), (_, running)] = phases(state);
    RunCounts {
        all: state.runs.going.borrow().len(),
        queued,
        starting,
        running,
    }
}

/// The limits that are nearly reached, and by whom.
fn limits_near(state: &State) -> Vec<LimitNear> {
    let is_near = |used: u64, most: u64| {
        used > 0 && used.saturating_mul(100) >= most.saturating_mul(LIMIT_NEAR)
    };
    let near = |limit: &str, user: Option<&str>, used, most| LimitNear {
        limit: limit.into(),
        user: user.map(str::to_owned),
        used,
        most,
    };
    let mut all: Vec<LimitNear> = of_all(state)
        .into_iter()
        .filter(|(_, used, most)| is_near(*used, *most))
        .map(|(limit, used, most)| near(limit, None, used, most))
        .collect();
    for shares in state.ledger.near(LIMIT_NEAR) {
        let limit = shares.share.limit();
        all.push(near(limit, Some(&shares.user), shares.used, shares.most));
    }
    let most = state.trail_share().unwrap_or(u64::MAX);
    for (user, used) in state.audit.budgets.all(most) {
        if is_near(used, most) {
            all.push(near(TRAIL_PER_USER, Some(&user), used, most));
        }
    }
    all
}

fn since_start(counts: &Counters) -> SinceStart {
    let all = |counts: u64, more: &u64| counts.saturating_add(*more);
    let logins = |outcome: &str| {
        let logins = counts.logins.borrow();
        logins
            .iter()
            .filter(|((_, its), _)| *its == outcome)
            .map(|(_, count)| count)
            .fold(0, all)
    };
    SinceStart {
        connections: counts.connections.get(),
        logins: logins("accepted"),
        logins_refused: logins("refused"),
        runs: counts.runs.get(),
        refused: counts.refusals.borrow().values().fold(0, all),
    }
}

fn command_counts(policy: &Policy) -> CommandCounts {
    let confined = |is: fn(&Command) -> bool| {
        let commands = policy.commands.values();
        commands.filter(|command| is(command)).count()
    };
    CommandCounts {
        all: policy.commands.len(),
        sandboxed: confined(|command| command.confinement.sandbox.is_some()),
        without_network: confined(|command| !command.confinement.network),
        setuid_allowed: confined(|command| command.confinement.setuid_allowed),
        audit_best_effort: confined(|command| command.audit_best_effort),
    }
}

fn trail(state: &State) -> TrailView {
    let room = trail_room(state);
    TrailView {
        file: state.settings().trail.display().to_string(),
        records: state.audit.trail().head().seq,
        files: room.files,
        bytes: room.bytes,
        bytes_a_day: room.a_day,
        days_left: room.left.and_then(|(days, _)| days),
        days_left_until: room.left.map(|(_, until)| until.key().into()),
        not_on_disk_yet: trail_lag(state),
        missed: state.audit.trail().missed(),
        not_in_the_journal_yet: journal_lag(state),
    }
}

fn last_fault(noted: Noted) -> LastFault {
    LastFault {
        time: noted.time,
        times: noted.times,
        text: noted.text,
    }
}
