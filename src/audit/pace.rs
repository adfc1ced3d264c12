//! How fast a trail grows, and how long there is room for it.

use super::kept::{KeepRules, Kept, kept_files};
use super::lines::Lines;
use super::packed::unpacked_size;
use super::seen::Seen;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const DAY: Duration = Duration::from_secs(86_400);
/// What is looked at when a trail is younger: an hour says more than its first minute.
const LEAST: Duration = Duration::from_secs(3600);

/// The files of a trail as they were seen together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The rotated files, oldest first.
    pub rotated: Vec<Kept>,
    /// When the first record that is there was written.
    pub begins: Option<SystemTime>,
    /// Bytes of a file when it was compressed, and before, as it says itself: less than there were, so
    /// that the room lasts longer than is told, and not shorter. Where that is known of one.
    pub packed: Option<(u64, u64)>,
}

/// The files of this trail as they are now. `known` is what was found before.
///
/// # Errors
/// What reading the folder says.
pub fn looked_at(trail: &Path, known: &Files) -> io::Result<Files> {
    let rotated = kept_files(trail)?;
    let first = rotated.first().map_or(trail, |file| &file.path);
    let same = |file: &Kept| known.rotated.contains(file);
    let packed = match rotated.iter().rev().find(|file| file.is_packed()) {
        Some(file) if !same(file) => unpacked_size(&file.path).map(|plain| (file.bytes, plain)),
        _ => known.packed,
    };
    Ok(Files {
        begins: begins(first),
        packed: packed.or(known.packed),
        rotated,
    })
}

/// When the first record of a file was written.
fn begins(path: &Path) -> Option<SystemTime> {
    let mut lines = Lines::open(path).ok()?;
    let line = lines.next_line().ok()??;
    let seen = Seen::read(line.bytes)?;
    OffsetDateTime::parse(&seen.time, &Rfc3339)
        .ok()
        .map(SystemTime::from)
}

/// What of a trail's room is used up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Its files become too old before it is full.
    Age,
    /// It reaches the size at which the oldest files are removed.
    Size,
    /// Its disk has no more than what is kept free.
    Reserve,
}

impl Until {
    /// The key of the configuration that it is about.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Age => "audit.keep_age",
            Self::Size => "audit.keep_size",
            Self::Reserve => "audit.reserve",
        }
    }
}

impl Files {
    /// Bytes of all files, with the one that is written to.
    pub fn bytes(&self, current: u64) -> u64 {
        self.rotated.iter().map(|file| file.bytes).sum::<u64>() + current
    }

    /// Bytes on the disk that a day of it takes, by the last one: what was written in it, and as
    /// small as it will be once it is compressed.
    pub fn a_day(&self, current: u64, now: SystemTime) -> u64 {
        let Some(begins) = self.begins else { return 0 };
        let window = now
            .duration_since(begins)
            .unwrap_or_default()
            .clamp(LEAST, DAY);
        let from = now.checked_sub(window).unwrap_or(begins);
        let (mut begun, mut bytes) = (begins, 0.0);
        for file in &self.rotated {
            bytes += file.bytes as f64 * share((begun, file.written), from);
            begun = file.written;
        }
        let (packed, plain) = self.packed.unwrap_or((1, 1));
        let becomes = current as f64 * packed as f64 / plain.max(1) as f64;
        bytes += becomes * share((begun, now), from);
        (bytes * DAY.as_secs_f64() / window.as_secs_f64()) as u64
    }

    /// How many days are left at this pace, where that is bounded, and what ends them; `spare` is
    /// what the disk has beyond what is kept free.
    pub fn days_left(
        &self,
        (current, a_day): (u64, u64),
        rules: &KeepRules,
        spare: u64,
    ) -> Option<(Option<u64>, Until)> {
        if a_day == 0 {
            return None;
        }
        let bytes = self.bytes(current);
        let to_size = rules.size.map(|most| most.saturating_sub(bytes));
        let (room, until) = match to_size.filter(|room| *room <= spare) {
            Some(room) => (room, Until::Size),
            None => (spare, Until::Reserve),
        };
        let in_the_end = |age: Duration| a_day.saturating_mul(age.as_secs()) / DAY.as_secs();
        let fits = |age| in_the_end(age) <= bytes.saturating_add(room);
        match rules.age.filter(|age| fits(*age)) {
            Some(_) => Some((None, Until::Age)),
            None => Some((Some(room / a_day), until)),
        }
    }
}

/// Which part of a time lies behind a moment.
fn share((begun, ended): (SystemTime, SystemTime), from: SystemTime) -> f64 {
    let seconds = |later: SystemTime, earlier: SystemTime| {
        later
            .duration_since(earlier)
            .unwrap_or_default()
            .as_secs_f64()
    };
    if ended <= from {
        return 0.0;
    }
    let all = seconds(ended, begun);
    match all > 0.0 {
        true => (seconds(ended, begun.max(from)) / all).min(1.0),
        false => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(hours * 3600)
    }

    fn seen(files: &[(u64, u64)], begins: u64) -> Files {
        let file = |(hours, bytes): &(u64, u64)| Kept {
            last: *hours,
            path: format!("/t/trail-{hours}").into(),
            bytes: *bytes,
            written: at(*hours),
        };
        Files {
            rotated: files.iter().map(file).collect(),
            begins: Some(at(begins)),
            packed: None,
        }
    }

    #[test]
    fn the_pace_is_that_of_the_last_day() {
        let trail = seen(&[(1000, 90_000), (1012, 1200), (1024, 2400)], 10);
        // Half of the second file, the third, and what is written to.
        assert_eq!(trail.a_day(600, at(1030)), 600 + 2400 + 600);
        let small = Files {
            packed: Some((10, 60)),
            ..trail.clone()
        };
        assert_eq!(small.a_day(600, at(1030)), 600 + 2400 + 100);
        assert_eq!(trail.bytes(600), 94_200);

        // Younger than a day, and than an hour.
        assert_eq!(seen(&[(102, 100)], 100).a_day(100, at(104)), 200 * 6);
        assert_eq!(seen(&[], 100).a_day(100, at(100)), 100 * 24);
        assert_eq!(seen(&[], 100).a_day(100, at(90)), 100 * 24, "set back");
        assert_eq!(Files::default().a_day(100, at(90)), 0);
        // Nothing was written lately.
        assert_eq!(seen(&[(100, 5000)], 10).a_day(0, at(1000)), 0);
    }

    #[test]
    fn what_is_used_up_first_bounds_it() {
        let trail = seen(&[(100, 1000)], 10);
        let rules = |age: Option<u64>, size| KeepRules {
            age: age.map(|days| DAY * u32::try_from(days).unwrap()),
            size,
            least: DAY,
        };
        let left = |rules, spare| trail.days_left((0, 100), &rules, spare).unwrap();
        assert_eq!(left(rules(None, None), 5000), (Some(50), Until::Reserve));
        assert_eq!(left(rules(None, Some(3000)), 5000), (Some(20), Until::Size));
        assert_eq!(
            left(rules(None, Some(9000)), 5000),
            (Some(50), Until::Reserve)
        );
        assert_eq!(left(rules(None, Some(500)), 5000), (Some(0), Until::Size));
        assert_eq!(left(rules(Some(20), Some(3000)), 5000), (None, Until::Age));
        assert_eq!(left(rules(Some(60), None), 5000), (None, Until::Age));
        assert_eq!(
            left(rules(Some(61), None), 5000),
            (Some(50), Until::Reserve)
        );
        assert_eq!(trail.days_left((0, 0), &rules(None, None), 1), None);
    }
}
