//! The format of Prometheus: metrics, samples and labels as text.

use std::fmt::{Display, Write};
use std::time::Duration;

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
    /// A metric, before its samples.
    pub fn begin(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };

        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One sample of the metric that was begun.
    pub fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
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
