//! How far all of it is: a line at a terminal, drawn anew now and then.

use super::Fleet;
use crate::exit::Human;
use crate::fleet::End;
use crate::programs::output::{end_progress, show_progress};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// How often the line is drawn.
const EVERY: Duration = Duration::from_millis(100);

/// How far it is.
pub struct Progress {
    all: usize,
    since: Instant,
    done: usize,
    failed: usize,
    /// Since when each host is being asked.
    going: BTreeMap<usize, Instant>,
    /// Whether there is a terminal to show it on.
    is_shown: bool,
}

impl Progress {
    /// Nothing is done yet.
    pub fn new(fleet: &Fleet) -> Self {
        Self {
            all: fleet.hosts.len(),
            since: Instant::now(),
            done: 0,
            failed: 0,
            going: BTreeMap::new(),
            is_shown: io::stderr().is_terminal() && !fleet.args.json,
        }
    }

    /// A host is being asked.
    pub fn begun(&mut self, host: usize) {
        self.going.insert(host, Instant::now());
    }

    /// A host has come to its end.
    pub fn ended(&mut self, host: usize, end: End, good: &[u8]) {
        self.going.remove(&host);
        self.done += 1;
        self.failed += usize::from(!end.is_well(good));
    }

    /// Waits until it is time to draw.
    pub async fn tick(&self) {
        if self.is_shown {
            tokio::time::sleep(EVERY).await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    /// Draws the line.
    pub fn show(&self, fleet: &Fleet) {
        if self.is_shown {
            show_progress(&self.line(fleet));
        }
    }

    /// Takes it away.
    pub fn over(&self) {
        if self.is_shown {
            end_progress();
        }
    }

    /// `31/40 done · 2 failed · 4 running (web9 41 s) · 5 waiting · 12/s`
    fn line(&self, fleet: &Fleet) -> String {
        let mut parts = vec![format!("{}/{} done", self.done, self.all)];
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        let slowest = self.going.iter().min_by_key(|(_, since)| **since);
        if let Some((host, since)) = slowest {
            let whole = Duration::from_secs(since.elapsed().as_secs());
            let (count, name) = (self.going.len(), fleet.name(*host));
            parts.push(format!("{count} running ({name} {})", Human(whole)));
        }
        let waiting = self.all - self.done - self.going.len();
        if waiting > 0 {
            parts.push(format!("{waiting} waiting"));
        }
        let seconds = self.since.elapsed().as_secs();
        if let Some(rate) = u64::try_from(self.done).unwrap_or(0).checked_div(seconds) {
            parts.push(format!("{rate}/s"));
        }
        #[cfg(target_os = "linux")]
        if let Some(moved) = fleet.common.moved.line_of_all(self.since.elapsed()) {
            parts.push(moved);
        }
        parts.join(" · ")
    }
}
