//! The counters as metrics.

use super::counters::{BUCKETS, Counters, Ended};
use super::exposition::{Exposition, Kind, labels, seconds};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// Writes everything counted.
pub fn totals(out: &mut Exposition, counters: &Counters) {
    asked(out, counters);
    ends(out, counters);
    durations(out, counters);
    runs(out, counters);
    daemon(out, counters);
}

/// Who has come, and what was asked.
fn asked(out: &mut Exposition, counters: &Counters) {
    out.one(
        "ordain_connections_total",
        Kind::Counter,
        "Connections that passed the TLS handshake.",
        counters.connections.get(),
    );

    out.many(
        "ordain_logins_total",
        Kind::Counter,
        "Logins, by method and outcome.",
        by("method", "outcome", &counters.logins),
    );

    out.many(
        "ordain_requests_total",
        Kind::Counter,
        "Requests, by verb and decision.",
        by("verb", "decision", &counters.requests),
    );

    let refusals: Vec<_> = counters
        .refusals
        .borrow()
        .iter()
        .map(|(code, count)| (labels(&[("code", &code.to_string())]), *count))
        .collect();
    out.many(
        "ordain_refusals_total",
        Kind::Counter,
        "Refused requests, by the code that the client is told.",
        refusals,
    );
}

/// Samples of what is counted by two words.
fn by(
    first: &'static str,
    second: &'static str,
    counts: &RefCell<BTreeMap<(&'static str, &'static str), u64>>,
) -> Vec<(String, u64)> {
    let counts = counts.borrow();
    counts
        .iter()
        .map(|((a, b), count)| (labels(&[(first, a), (second, b)]), *count))
        .collect()
}

/// How runs have ended.
fn ends(out: &mut Exposition, counters: &Counters) {
    let ended = counters.ended.borrow();
    let reasons: Vec<_> = ended
        .iter()
        .flat_map(|(command, ended)| {
            ended.reasons.iter().map(move |(reason, count)| {
                (labels(&[("command", command), ("reason", reason)]), *count)
            })
        })
        .collect();
    out.many(
        "ordain_runs_ended_total",
        Kind::Counter,
        "Runs that have ended or could not begin, by command and reason.",
        reasons,
    );
}

/// How long runs took.
fn durations(out: &mut Exposition, counters: &Counters) {
    out.begin(
        "ordain_run_duration_seconds",
        Kind::Histogram,
        "How long runs took from start to end, by command.",
    );

    let ended = counters.ended.borrow();
    for (command, ended) in ended.iter().filter(|(_, ended)| ended.count > 0) {
        durations_of(out, command, ended);
    }
}

/// One command's histogram.
fn durations_of(out: &mut Exposition, command: &str, ended: &Ended) {
    let mut below = 0;
    for (bound, count) in BUCKETS.iter().zip(&ended.buckets) {
        below += count;
        let bound = seconds(Duration::from_millis(*bound));
        out.sample(
            "ordain_run_duration_seconds_bucket",
            &labels(&[("command", command), ("le", &bound)]),
            below,
        );
    }

    out.sample(
        "ordain_run_duration_seconds_bucket",
        &labels(&[("command", command), ("le", "+Inf")]),
        ended.count,
    );

    out.sample(
        "ordain_run_duration_seconds_sum",
        &labels(&[("command", command)]),
        seconds(ended.total),
    );

    out.sample(
        "ordain_run_duration_seconds_count",
        &labels(&[("command", command)]),
        ended.count,
    );
}

/// What has begun, and what went through it.
fn runs(out: &mut Exposition, counters: &Counters) {
    out.one(
        "ordain_runs_started_total",
        Kind::Counter,
        "Runs started.",
        counters.runs.get(),
    );

    let streams = ["stdin", "stdout", "stderr"].iter().zip(&counters.bytes);
    let bytes: Vec<_> = streams
        .map(|(stream, bytes)| (labels(&[("stream", stream)]), bytes.get()))
        .collect();
    out.many(
        "ordain_run_bytes_total",
        Kind::Counter,
        "Bytes of ended runs, by stream, as the frontend counted them.",
        bytes,
    );
}

/// What the daemon did for itself.
fn daemon(out: &mut Exposition, counters: &Counters) {
    out.one(
        "ordain_frontend_starts_total",
        Kind::Counter,
        "Network processes started.",
        counters.frontends.get(),
    );

    let [accepted, refused] = &counters.reloads;
    let reloads = [("accepted", accepted), ("refused", refused)];
    let reloads: Vec<_> = reloads
        .into_iter()
        .map(|(outcome, count)| (labels(&[("outcome", outcome)]), count.get()))
        .collect();
    out.many(
        "ordain_reloads_total",
        Kind::Counter,
        "Reloads, by outcome.",
        reloads,
    );

    out.one(
        "ordain_password_verifications_total",
        Kind::Counter,
        "Password verifications begun.",
        counters.verifications.get(),
    );

    let [sources, users] = &counters.penalties;
    let penalties = [("source", sources), ("user", users)];
    let penalties: Vec<_> = penalties
        .into_iter()
        .map(|(subject, count)| (labels(&[("subject", subject)]), count.get()))
        .collect();
    out.many(
        "ordain_penalties_total",
        Kind::Counter,
        "Sources and users that were not let in for a while.",
        penalties,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_what_is_below_each_bound() {
        let counters = Counters::default();
        for milliseconds in [5, 50, 50, 90_000, 100_000_000] {
            counters.run_ended("a\"b", "exit", Some(Duration::from_millis(milliseconds)));
        }
        counters.run_ended("a\"b", "not-started", None);
        let mut out = Exposition::default();
        totals(&mut out, &counters);
        let text = out.finish();
        for line in [
            "ordain_runs_ended_total{command=\"a\\\"b\",reason=\"not-started\"} 1",
            "ordain_run_duration_seconds_bucket{command=\"a\\\"b\",le=\"0.01\"} 1",
            "ordain_run_duration_seconds_bucket{command=\"a\\\"b\",le=\"0.1\"} 3",
            "ordain_run_duration_seconds_bucket{command=\"a\\\"b\",le=\"60\"} 3",
            "ordain_run_duration_seconds_bucket{command=\"a\\\"b\",le=\"600\"} 4",
            "ordain_run_duration_seconds_bucket{command=\"a\\\"b\",le=\"+Inf\"} 5",
            "ordain_run_duration_seconds_sum{command=\"a\\\"b\"} 100090.105",
            "ordain_run_duration_seconds_count{command=\"a\\\"b\"} 5",
        ] {
            assert!(text.lines().any(|said| said == line), "{line}\n{text}");
        }
    }
}
