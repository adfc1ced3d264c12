//! The last warnings and errors that were logged, for `status`: an operator need not search the log
//! for them first.

use crate::limits::FAULTS_KEPT;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Shared by the log, which notes, and `status`, which tells.
#[derive(Debug, Clone, Default)]
pub struct LastFaults {
    noted: Arc<Mutex<VecDeque<Noted>>>,
    dropped: Arc<OnceLock<Count>>,
}

/// Counts the lines of the log that were dropped, because nobody has read it.
struct Count(Box<dyn Fn() -> usize + Send + Sync>);

impl std::fmt::Debug for Count {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Count")
    }
}

/// Something that was logged, once or again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// When it was said last, RFC 3339.
    pub time: String,
    /// The message and its fields.
    pub text: String,
    /// How often the message was said since it was first noted.
    pub times: u64,
    message: String,
}

impl LastFaults {
    /// Notes a message. What is said again is one entry, with the newest fields.
    pub fn note(&self, message: &str, fields: &str) {
        let now = OffsetDateTime::from(crate::clock::now());
        let time = now
            .replace_nanosecond(0)
            .unwrap_or(now)
            .format(&Rfc3339)
            .unwrap_or_default();
        let text: String = [message, fields]
            .iter()
            .filter(|part| !part.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join(" ");
        let text = text.chars().take(300).collect();
        let message: String = message.chars().take(300).collect();
        let mut all = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all
            .iter()
            .position(|noted| noted.message == message)
            .and_then(|at| all.remove(at));
        let times = before.map_or(0, |noted| noted.times) + 1;
        all.push_back(Noted {
            time,
            text,
            times,
            message,
        });

        if all.len() > FAULTS_KEPT {
            all.pop_front();
        }
    }

    /// From now on this counts what the log has dropped.
    pub fn counts_dropped(&self, count: impl Fn() -> usize + Send + Sync + 'static) {
        let _ = self.dropped.set(Count(Box::new(count)));
    }

    /// Lines of the log that were dropped, because nobody has read it.
    pub fn dropped(&self) -> usize {
        self.dropped.get().map_or(0, |count| count.0())
    }

    /// Oldest first.
    pub fn all(&self) -> Vec<Noted> {
        self.noted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_message_is_one_entry_and_the_oldest_go() {
        let faults = LastFaults::default();
        for number in 0..3 {
            faults.note("login refused", &format!("user={number}"));
        }
        assert_eq!(
            faults
                .all()
                .iter()
                .map(|noted| (noted.text.as_str(), noted.times))
                .collect::<Vec<_>>(),
            [("login refused user=2", 3)]
        );

        for number in 0..2 * FAULTS_KEPT {
            faults.note(&number.to_string(), "");
        }
        let all = faults.all();
        assert_eq!(
            (all.len(), all[0].text.as_str()),
            (FAULTS_KEPT, FAULTS_KEPT.to_string().as_str())
        );
    }
}
