//! What is counted since the start, and its form for Prometheus. Every label has a bounded set of
//! values: words of this program, codes, and the names of configured commands.

use crate::limits::COMMANDS_COUNTED;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::time::Duration;

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that passed the handshake.
    pub connections: Cell<u64>,
    /// Logins, by method and outcome.
    pub logins: RefCell<BTreeMap<(&'static str, &'static str), u64>>,
    /// Requests, by verb and decision.
    pub requests: RefCell<BTreeMap<(&'static str, &'static str), u64>>,
    /// Refused requests, by code.
    pub refusals: RefCell<BTreeMap<u16, u64>>,
    /// Runs started.
    pub runs: Cell<u64>,
    /// Runs that have ended, or could not begin, by command.
    pub ended: RefCell<BTreeMap<String, Ended>>,
    /// Bytes of standard input, output and error.
    pub bytes: [Cell<u64>; 3],
    /// Frontends started.
    pub frontends: Cell<u64>,
    /// Reloads accepted and refused.
    pub reloads: [Cell<u64>; 2],
    /// Password verifications begun.
    pub verifications: Cell<u64>,
    /// Sources and users that were closed out.
    pub penalties: [Cell<u64>; 2],
}

/// The ends of one command's runs.
#[derive(Debug, Default)]
pub struct Ended {
    reasons: BTreeMap<&'static str, u64>,
    buckets: [u64; BUCKETS.len()],
    total: Duration,
    count: u64,
}

/// Upper bounds of durations, in milliseconds: from a look at a file to an hour's migration.
const BUCKETS: [u64; 8] = [
    10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000, 21_600_000,
];

/// Adds one.
pub fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

/// Adds one under a key.
pub fn count_by<K: Ord>(counters: &RefCell<BTreeMap<K, u64>>, key: K) {
    *counters.borrow_mut().entry(key).or_default() += 1;
}

impl Counters {
    /// Notes how a run ended; one that did not begin has taken no time.
    pub fn run_ended(&self, command: &str, reason: &'static str, took: Option<Duration>) {
        let mut all = self.ended.borrow_mut();

        // Reloads bring new names for as long as the daemon lives.
        let name = if all.contains_key(command) || all.len() < COMMANDS_COUNTED {
            command
        } else {
            "others"
        };

        let ended = all.entry(name.to_owned()).or_default();
        *ended.reasons.entry(reason).or_default() += 1;
        if let Some(took) = took {
            let fits = BUCKETS
                .iter()
                .zip(&mut ended.buckets)
                .find(|(bound, _)| took <= Duration::from_millis(**bound));
            if let Some((_, bucket)) = fits {
                *bucket += 1;
            }
            ended.total += took;
            ended.count += 1;
        }
    }

    /// Writes everything counted.
    pub fn expose(&self, out: &mut Exposition) {
        out.one(
            "ordain_connections_total",
            Kind::Counter,
            "Connections that passed the TLS handshake.",
            self.connections.get(),
        );

        let by = |first: &'static str,
                  second: &'static str,
                  counts: &RefCell<BTreeMap<(&'static str, &'static str), u64>>| {
            let counts = counts.borrow();
            counts
                .iter()
                .map(|((a, b), count)| (labels(&[(first, a), (second, b)]), *count))
                .collect::<Vec<_>>()
        };

        out.many(
            "ordain_logins_total",
            Kind::Counter,
            "Logins, by method and outcome.",
            by("method", "outcome", &self.logins),
        );

        out.many(
            "ordain_requests_total",
            Kind::Counter,
            "Requests, by verb and decision.",
            by("verb", "decision", &self.requests),
        );

        let refusals: Vec<_> = self
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

        let ended = self.ended.borrow();
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

        out.begin(
            "ordain_run_duration_seconds",
            Kind::Histogram,
            "How long runs took from start to end, by command.",
        );

        for (command, ended) in ended.iter().filter(|(_, ended)| ended.count > 0) {
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

        out.one(
            "ordain_runs_started_total",
            Kind::Counter,
            "Runs started.",
            self.runs.get(),
        );

        let streams = ["stdin", "stdout", "stderr"].iter().zip(&self.bytes);
        let bytes: Vec<_> = streams
            .map(|(stream, bytes)| (labels(&[("stream", stream)]), bytes.get()))
            .collect();
        out.many(
            "ordain_run_bytes_total",
            Kind::Counter,
            "Bytes of ended runs, by stream, as the frontend counted them.",
            bytes,
        );

        out.one(
            "ordain_frontend_starts_total",
            Kind::Counter,
            "Network processes started.",
            self.frontends.get(),
        );

        let [accepted, refused] = &self.reloads;
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
            self.verifications.get(),
        );

        let [sources, users] = &self.penalties;
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
}

/// What a metric is.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Goes up only, until the daemon ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of observations below bounds.
    Histogram,
}

/// Text in the format of Prometheus, version 0.0.4.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    fn begin(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };

        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    /// A metric without labels.
    pub fn one(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.many(name, kind, help, [(String::new(), value)]);
    }

    /// A metric with its samples, each with its labels.
    pub fn many<V: Display>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = (String, V)>,
    ) {
        self.begin(name, kind, help);
        for (labels, value) in samples {
            self.sample(name, &labels, value);
        }
    }

    /// The text.
    pub fn finish(self) -> String {
        self.0
    }
}

/// `{a="x",b="y"}`, values escaped.
pub fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped = |value: &str| {
        value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    };

    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

/// Seconds as a decimal fraction.
pub fn seconds(duration: Duration) -> String {
    format!("{}", duration.as_secs_f64())
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
        counters.expose(&mut out);
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

    #[test]
    fn the_names_of_commands_are_bounded() {
        let counters = Counters::default();
        for number in 0..2 * COMMANDS_COUNTED {
            counters.run_ended(&number.to_string(), "exit", None);
        }
        assert_eq!(counters.ended.borrow().len(), COMMANDS_COUNTED + 1);
    }
}
