//! How the daemon is, for Prometheus: what is now, and then what was counted.

use super::exposition::{Exposition, Kind, labels, seconds};
use super::totals::totals;
use crate::monitor::penalties;
use crate::monitor::report::{
    bounded, faults, journal_lag, phases, sessions, trail_lag, trail_room,
};
use crate::monitor::state::State;
use std::time::{Duration, SystemTime};

/// Everything, as Prometheus reads it.
pub fn text(state: &State) -> String {
    let mut out = Exposition::default();
    daemon(&mut out, state);
    people(&mut out, state);
    logins(&mut out, state);
    trail(&mut out, state);
    certificate(&mut out, state);
    limits(&mut out, state);
    trail_failures(&mut out, state);
    totals(&mut out, &state.health.counts);
    out.finish()
}

/// The daemon itself.
fn daemon(out: &mut Exposition, state: &State) {
    let version = labels(&[("version", env!("CARGO_PKG_VERSION"))]);
    out.many(
        "ordain_build_info",
        Kind::Gauge,
        "The running version.",
        [(version, 1)],
    );

    let since_1970 = state
        .health
        .since
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    out.one(
        "ordain_start_time_seconds",
        Kind::Gauge,
        "When the daemon started, since 1970.",
        seconds(Duration::from_secs(since_1970)),
    );

    out.one(
        "ordain_healthy",
        Kind::Gauge,
        "1 when `ordaind status` finds nothing wrong.",
        u8::from(faults(state).is_empty()),
    );

    out.one(
        "ordain_config_generation",
        Kind::Gauge,
        "The configuration's number since the start.",
        state.config.generation.get(),
    );
}

/// Who is connected, and what runs for them.
fn people(out: &mut Exposition, state: &State) {
    out.one(
        "ordain_connections",
        Kind::Gauge,
        "Open connections.",
        state.sessions.connections.borrow().len(),
    );

    out.one(
        "ordain_sessions",
        Kind::Gauge,
        "Sessions on open connections.",
        sessions(state),
    );

    out.one(
        "ordain_sessions_parked",
        Kind::Gauge,
        "Sessions whose link is lost and that may come back.",
        state.sessions.parked.borrow().len(),
    );

    let phases = phases(state).map(|(phase, count)| (labels(&[("phase", phase)]), count));
    out.many(
        "ordain_runs",
        Kind::Gauge,
        "Runs by phase; those that are queued wait for a lock or a place.",
        phases,
    );
}

/// Who is being let in, and who is not.
fn logins(out: &mut Exposition, state: &State) {
    let settings = state.settings();
    out.one(
        "ordain_password_verifiers",
        Kind::Gauge,
        "Password verifications that may go on at once.",
        settings.verifiers,
    );

    let busy = settings
        .verifiers
        .saturating_sub(state.access.verifiers.borrow().free());
    out.one(
        "ordain_password_verifiers_busy",
        Kind::Gauge,
        "Password verifications that go on.",
        busy,
    );

    out.one(
        "ordain_logins_waiting",
        Kind::Gauge,
        "Logins that wait for a verifier or are with one.",
        state.access.logins_waiting.get(),
    );

    let (sources, users) = penalties::count(state);
    let closed = [("source", sources), ("user", users)]
        .map(|(subject, count)| (labels(&[("subject", subject)]), count));
    out.many(
        "ordain_penalized",
        Kind::Gauge,
        "Sources and users that are not let in now.",
        closed,
    );

    out.one(
        "ordain_users_locked",
        Kind::Gauge,
        "Users locked by an administrator.",
        state.access.vault.borrow().contents.locks.len(),
    );
}

/// The trail, on its way to the disk and to journald.
fn trail(out: &mut Exposition, state: &State) {
    out.one(
        "ordain_trail_records_total",
        Kind::Counter,
        "Records of the audit trail since it began.",
        state.audit.trail().head().seq,
    );

    out.one(
        "ordain_trail_unsynced_records",
        Kind::Gauge,
        "Records that are written and not yet on the disk.",
        trail_lag(state),
    );

    out.one(
        "ordain_trail_missed_records",
        Kind::Gauge,
        "Records that could not be written and are not yet told of.",
        state.audit.trail().missed(),
    );

    room_of_trail(out, state);
    if let Some(lag) = journal_lag(state) {
        out.one(
            "ordain_journal_lag_records",
            Kind::Gauge,
            "Records that journald has not taken yet.",
            lag,
        );
    }
}

/// What the trail takes on the disk, and what becomes of its old files.
fn room_of_trail(out: &mut Exposition, state: &State) {
    let room = trail_room(state);
    out.one(
        "ordain_trail_files",
        Kind::Gauge,
        "Files of the audit trail.",
        room.files,
    );

    out.one(
        "ordain_trail_bytes",
        Kind::Gauge,
        "Bytes that all files of the audit trail take.",
        room.bytes,
    );

    out.one(
        "ordain_trail_bytes_a_day",
        Kind::Gauge,
        "Bytes that a day of the audit trail takes, by the last one.",
        room.a_day,
    );

    if let Some((Some(days), until)) = room.left {
        out.many(
            "ordain_trail_left_seconds",
            Kind::Gauge,
            "How long the audit trail has room at this pace, in whole days, and what ends it.",
            [(
                labels(&[("until", until.key())]),
                days.saturating_mul(86_400),
            )],
        );
    }

    out.one(
        "ordain_trail_files_removed_total",
        Kind::Counter,
        "Old files of the audit trail that were removed.",
        state.audit.keeping.removed.get(),
    );

    out.one(
        "ordain_trail_archive_failures_total",
        Kind::Counter,
        "How often the archive command has failed to take an old file of the audit trail.",
        state.audit.keeping.unarchived.get(),
    );
}

/// The certificate.
fn certificate(out: &mut Exposition, state: &State) {
    let settings = state.settings();
    let until = u64::try_from(settings.tls.validity.until).unwrap_or(0);
    out.one(
        "ordain_certificate_expiry_timestamp_seconds",
        Kind::Gauge,
        "When the server's certificate expires, since 1970.",
        until,
    );
}

/// How near the bounds are.
fn limits(out: &mut Exposition, state: &State) {
    let bounded: Vec<_> = bounded(state)
        .into_iter()
        .map(|(limit, used, most)| (labels(&[("limit", &limit.replace(' ', "_"))]), used, most))
        .collect();
    let used = bounded
        .iter()
        .map(|(labels, used, _)| (labels.clone(), *used));
    out.many(
        "ordain_limit_used",
        Kind::Gauge,
        "How much is used of what is bounded.",
        used,
    );

    out.many(
        "ordain_limit_most",
        Kind::Gauge,
        "The bound.",
        bounded
            .iter()
            .map(|(labels, _, most)| (labels.clone(), *most)),
    );
}

/// What could not be written.
fn trail_failures(out: &mut Exposition, state: &State) {
    out.one(
        "ordain_trail_failures_total",
        Kind::Counter,
        "Failed writes and syncs of the audit trail.",
        state.audit.failures.get(),
    );
}
