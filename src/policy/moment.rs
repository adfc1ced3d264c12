//! Points in time as people type them, and the forms in which a command gets them. What time it is
//! comes in as a value.

use crate::units;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};
use time::{Date, Month, OffsetDateTime};

/// The last second that four digits of a year can say.
const LAST: u64 = 253_402_300_799;

/// What is accepted, in words.
pub(super) const ACCEPTED: &str = "now, 2h ago, 2026-11-27 or 2026-11-27T08:00:00Z";

/// A point in time as it was typed: whole seconds, in the years 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The time at which it is judged.
    Now,
    /// So long before the time at which it is judged.
    Ago(Duration),
    /// So many seconds after the beginning of 1970, in UTC.
    At(u64),
}

/// The bounds of a time argument, and what the command gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The earliest time that is accepted.
    pub min: Option<Moment>,
    /// The latest time that is accepted.
    pub max: Option<Moment>,
    /// The form in which the command gets the time.
    pub form: Form,
}

/// The forms in which a command can get a time, always in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `2026-11-27T08:00:00Z`
    Rfc3339,
    /// Seconds since the beginning of 1970.
    Unix,
    /// `2026-11-27 08:00:00 UTC`, which journalctl and systemd's other programs read
    /// (systemd.time(7)).
    Journal,
}

impl Times {
    /// What the command gets for the text, which is `shown` in a refusal, at this time.
    ///
    /// # Errors
    /// A sentence that names bound and value, without the argument's name.
    pub(super) fn accept(
        &self,
        text: &str,
        shown: &str,
        now: SystemTime,
    ) -> Result<String, String> {
        let moment: Moment = text.parse().map_err(|why| format!("{shown} {why}"))?;
        let at = moment
            .second(now)
            .ok_or_else(|| format!("{shown} lies before 1970"))?;

        // A bound so far back that it lies before 1970 keeps nothing out.
        let bound = |bound: Option<Moment>| Some((bound?, bound?.second(now)?));
        if let Some((earliest, second)) = bound(self.min).filter(|(_, second)| at < *second) {
            return Err(format!(
                "{shown} lies before {}, the earliest that is accepted",
                told(earliest, second)
            ));
        }
        if let Some(latest) = self.max {
            let second = latest.second(now).unwrap_or_default();
            if at > second {
                return Err(format!(
                    "{shown} lies after {}, the latest that is accepted",
                    told(latest, second)
                ));
            }
        }
        Ok(self.form.write(at))
    }

    /// Whether a default fits now and at any time: a bound that moves along with the clock must not
    /// pass by it. What only some clocks show is judged when it stands in.
    ///
    /// # Errors
    /// What is wrong, without the argument's name.
    pub fn fits_always(&self, default: &str) -> Result<(), String> {
        use Moment::At;
        let shown = format!("`{}`", default.escape_debug());
        let moment: Moment = default.parse().map_err(|why| format!("{shown} {why}"))?;
        let before = |one: Moment, other: Moment| match (one, other) {
            (At(one), At(other)) => one < other,
            (one, other) => one
                .age()
                .zip(other.age())
                .is_some_and(|(one, other)| one > other),
        };

        let early = |min| before(moment, min) || (matches!(moment, At(_)) && min.age().is_some());
        if let Some(min) = self.min.filter(|min| early(*min)) {
            return Err(format!("{shown} lies before {min}, or will"));
        }
        let late = |max| before(max, moment) || (moment.age().is_some() && matches!(max, At(_)));
        match self.max.filter(|max| late(*max)) {
            Some(max) => Err(format!("{shown} lies after {max}, or will")),
            None => Ok(()),
        }
    }

    /// What is accepted, in words.
    pub(super) fn bounds(&self) -> String {
        match (self.min, self.max) {
            (None, None) => ACCEPTED.to_owned(),
            (Some(min), None) => format!("{ACCEPTED}; not before {min}"),
            (None, Some(max)) => format!("{ACCEPTED}; not after {max}"),
            (Some(min), Some(max)) => format!("{ACCEPTED}; from {min} to {max}"),
        }
    }

    /// Whether nothing can ever lie between the bounds. Of a point in time and one that moves along
    /// with the clock nobody can say.
    pub fn is_empty(&self) -> bool {
        match (self.min, self.max) {
            (Some(Moment::At(min)), Some(Moment::At(max))) => min > max,
            (Some(min), Some(max)) => min.age().zip(max.age()).is_some_and(|(min, max)| min < max),
            _ => false,
        }
    }
}

/// A bound as it was written, and when that is.
fn told(bound: Moment, second: u64) -> String {
    match bound {
        Moment::At(_) => bound.to_string(),
        _ => format!("{bound} ({})", Form::Rfc3339.write(second)),
    }
}

impl Moment {
    /// The second that is meant, at this time; `None` when it lies before 1970.
    fn second(self, now: SystemTime) -> Option<u64> {
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        match self {
            Self::At(second) => Some(second),
            moving => now.min(LAST).checked_sub(moving.age()?.as_secs()),
        }
    }

    /// How long ago it is, where that does not depend on the clock.
    const fn age(self) -> Option<Duration> {
        match self {
            Self::Now => Some(Duration::ZERO),
            Self::Ago(time) => Some(time),
            Self::At(_) => None,
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let no_time = || format!("is no time; accepted are {ACCEPTED}");
        if text == "now" {
            return Ok(Self::Now);
        }
        if let Some(span) = text.strip_suffix(" ago") {
            let whole = |time: &Duration| time.subsec_nanos() == 0 && !span.ends_with("ms");
            let time = units::duration(span).filter(whole);
            return time.map(Self::Ago).ok_or_else(|| {
                "is no time ago; accepted is a whole number with s, m, h or d, such as `2h ago`, ten years at the most".into()
            });
        }

        let Some(day) = day(text.get(..10).unwrap_or_default()) else {
            return Err(no_time());
        };
        let (seconds, offset) = match text.get(10..) {
            Some("") => (0, 0),
            Some(clock) => read_clock(clock).ok_or_else(|| match clock.contains('.') {
                true => "has a part of a second; accepted are whole seconds".into(),
                false => no_time(),
            })?,
            None => return Err(no_time()),
        };
        u64::try_from(day + seconds - offset)
            .ok()
            .filter(|second| *second <= LAST)
            .map(Self::At)
            .ok_or_else(|| "lies outside of the years 1970 to 9999".into())
    }
}

/// The first second of a day `YYYY-MM-DD` that the calendar has.
fn day(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let mut part = |digits| digits_of(parts.next()?, digits);
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;
    parts
        .next()
        .is_none()
        .then(|| date.midnight().assume_utc().unix_timestamp())
}

/// `THH:MM:SS` with `Z`, `+HH:MM` or `-HH:MM`: the seconds of the day, and those that the zone is
/// ahead of UTC. A leap second is none: no clock here can show it.
fn read_clock(text: &str) -> Option<(i64, i64)> {
    let clock = text.get(..9)?.strip_prefix('T')?;
    let (hours_minutes, seconds) = clock.rsplit_once(':')?;
    let seconds = digits_of(seconds, 2).filter(|seconds| *seconds < 60)?;
    let zone = text.get(9..)?;
    let offset = match (zone, zone.split_at_checked(1)?) {
        ("Z", _) => 0,
        (_, ("+", ahead)) => minutes(ahead)? * 60,
        (_, ("-", behind)) => -minutes(behind)? * 60,
        _ => return None,
    };
    Some((minutes(hours_minutes)? * 60 + i64::from(seconds), offset))
}

/// `HH:MM` of a day.
fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let hours = digits_of(hours, 2).filter(|hours| *hours < 24)?;
    let minutes = digits_of(minutes, 2).filter(|minutes| *minutes < 60)?;
    Some(i64::from(hours * 60 + minutes))
}

/// The number that exactly so many decimal digits say.
fn digits_of(text: &str, digits: usize) -> Option<i32> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

impl Form {
    /// A second since the beginning of 1970 in this form.
    pub(super) fn write(self, second: u64) -> String {
        let at = i64::try_from(second)
            .ok()
            .and_then(|second| OffsetDateTime::from_unix_timestamp(second).ok())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, second_of) = at.to_hms();
        match self {
            Self::Unix => second.to_string(),
            Self::Rfc3339 => {
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second_of:02}Z")
            }
            Self::Journal => {
                format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second_of:02} UTC")
            }
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => out.write_str("now"),
            Self::Ago(time) => {
                let seconds = time.as_secs();
                let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
                let fits = |(_, length): &&(&str, u64)| seconds % length == 0;
                let (unit, length) = units.iter().find(fits).unwrap_or(&("s", 1));
                write!(out, "{}{unit} ago", seconds / length)
            }
            Self::At(second) => out.write_str(&Form::Rfc3339.write(*second)),
        }
    }
}

#[cfg(test)]
#[path = "moment_tests.rs"]
mod tests;
