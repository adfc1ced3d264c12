//! The hours of a role: on which days, from when to when, by the clocks of which zone. What time it is, and
//! what is known of a zone, comes in as values.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::fmt;
use std::time::SystemTime;

/// The days as they are written, from Monday on.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The minutes of a day.
const DAY: u16 = 24 * 60;

/// What is accepted, in words.
const ACCEPTED: &str = "accepted are days, hours and a zone, such as \"Mon-Fri 08:00-18:00 Europe/Berlin\", \"Sat,Sun 22:00-06:00 UTC\" or, for every day, \"00:00-24:00 UTC\"";

/// A zone of the IANA database, as it was known when the configuration was read.
#[derive(Debug, Clone)]
pub struct Zone {
    name: String,
    clocks: TimeZone,
}

/// A part of the week in which a role holds.
#[derive(Debug, Clone)]
pub struct Hours {
    /// Whether they begin on each day, from Monday on.
    days: [bool; 7],
    /// The minute of the day at which they begin.
    from: u16,
    /// The minute at which they are over: of the next day, where it is not later than `from`.
    to: u16,
    zone: Zone,
    /// The hours as they were written, with single spaces.
    text: String,
}

impl Zone {
    /// The zone without rules.
    pub fn utc() -> Self {
        Self {
            name: "UTC".into(),
            clocks: TimeZone::UTC,
        }
    }

    /// A zone as its compiled file says (TZif, RFC 9636).
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn compiled(name: &str, file: &[u8]) -> Result<Self, String> {
        let clocks = TimeZone::tzif(name, file).map_err(|fault| fault.to_string())?;
        Ok(Self {
            name: name.into(),
            clocks,
        })
    }

    /// A zone by the rule of a POSIX TZ text.
    #[cfg(test)]
    pub fn ruled(name: &str, rule: &str) -> Self {
        Self {
            name: name.into(),
            clocks: TimeZone::posix(rule).unwrap(),
        }
    }

    /// The day, from Monday on, and its minute that clocks show there; `None` for a time that no
    /// calendar has.
    fn clock(&self, now: SystemTime) -> Option<(usize, u16)> {
        let there = self.clocks.to_datetime(Timestamp::try_from(now).ok()?);
        let minute = u16::try_from(there.hour()).ok()? * 60 + u16::try_from(there.minute()).ok()?;
        let day = usize::try_from(there.weekday().to_monday_zero_offset()).ok()?;
        Some((day, minute))
    }

    /// The day and the time that clocks show there, such as `Sat 12:00`.
    fn shown(&self, now: SystemTime) -> String {
        let shown = self.clock(now).and_then(|(day, minute)| {
            let day = DAYS.get(day)?;
            Some(format!("{day} {:02}:{:02}", minute / 60, minute % 60))
        });
        shown.unwrap_or_else(|| "no time that a calendar has".into())
    }
}

impl Hours {
    /// Reads hours; `zone` knows the zones by their names.
    ///
    /// # Errors
    /// What is wrong, and what is accepted.
    pub fn read(
        text: &str,
        zone: impl FnOnce(&str) -> Result<Zone, String>,
    ) -> Result<Self, String> {
        let wrong = |why: String| format!("found \"{}\"; {why}", text.escape_debug());
        let accepted = || wrong(ACCEPTED.into());
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let (days, hours, place) = match *words {
            [days, hours, place] => (Some(days), hours, place),
            [hours, place] if is_range(hours) => (None, hours, place),
            [_, hours] | [hours] if is_range(hours) => {
                let why = "it names no zone; add one, such as `UTC` or `Europe/Berlin`: the clocks of which place are meant must not depend on the machine";
                return Err(wrong(why.into()));
            }
            _ => return Err(accepted()),
        };

        let days = days.map_or(Ok([true; 7]), read_days).map_err(wrong)?;
        let (from, to) = hours
            .split_once('-')
            .and_then(|(from, to)| Some((minute(from)?, minute(to)?)))
            .filter(|(from, _)| *from < DAY)
            .ok_or_else(accepted)?;
        if from == to {
            let why = "it begins and ends at the same time, so it never holds; a whole day is 00:00-24:00";
            return Err(wrong(why.into()));
        }

        Ok(Self {
            days,
            from,
            to,
            zone: zone(place).map_err(wrong)?,
            text: words.join(" "),
        })
    }

    /// Whether it is within them. What begins on one day and ends on the next belongs to the first.
    fn hold(&self, now: SystemTime) -> bool {
        let clock = self.zone.clock(now);
        clock.is_some_and(|(day, minute)| self.hold_at(day, minute))
    }

    fn hold_at(&self, day: usize, minute: u16) -> bool {
        let on = |day: usize| self.days.get(day % 7).copied().unwrap_or(false);
        if self.from < self.to {
            return on(day) && (self.from..self.to).contains(&minute);
        }
        (on(day) && minute >= self.from) || (on(day + 6) && minute < self.to)
    }

    /// The minutes of a week that they hold in, by the clocks of their zone.
    fn minutes(&self) -> impl Iterator<Item = (usize, u16)> {
        (0..7)
            .flat_map(|day| (0..DAY).map(move |minute| (day, minute)))
            .filter(|(day, minute)| self.hold_at(*day, *minute))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// Whether it is within some of these hours; where none are said it always is.
pub(super) fn hold(hours: &[Hours], now: SystemTime) -> bool {
    hours.is_empty() || hours.iter().any(|hours| hours.hold(now))
}

/// The hours in words, such as `Mon-Fri 08:00-18:00 Europe/Berlin or Sat 10:00-12:00 UTC`.
pub(super) fn listed(hours: &[Hours]) -> String {
    let texts: Vec<&str> = hours.iter().map(|hours| hours.text.as_str()).collect();
    texts.join(" or ")
}

/// What the clocks of these hours' zones show, in a clause.
pub(super) fn told(hours: &[Hours], now: SystemTime) -> String {
    let mut zones: Vec<&Zone> = hours.iter().map(|hours| &hours.zone).collect();
    zones.sort_by(|one, other| one.name.cmp(&other.name));
    zones.dedup_by(|one, other| one.name == other.name);
    if let [zone] = *zones {
        return format!("it is {} there", zone.shown(now));
    }
    let each = |zone: &&Zone| format!("{} in {}", zone.shown(now), zone.name);
    let each: Vec<String> = zones.iter().map(each).collect();
    format!("it is {}", each.join(", "))
}

/// Whether the new hours leave out a part of the old ones. Clocks of different zones are not compared:
/// a zone that changes takes, unless it is the whole week.
pub(super) fn narrower(was: &[Hours], is: &[Hours]) -> bool {
    let texts = |hours: &[Hours]| hours.iter().map(Hours::to_string).collect::<BTreeSet<_>>();
    if is.is_empty() || texts(was).is_subset(&texts(is)) && !was.is_empty() {
        return false;
    }

    let week = |hours: &[Hours], zone: &str| -> BTreeSet<(usize, u16)> {
        let there = hours.iter().filter(|hours| hours.zone.name == zone);
        there.flat_map(Hours::minutes).collect()
    };
    let whole = |zone: &str| week(is, zone).len() == 7 * usize::from(DAY);
    if is.iter().any(|hours| whole(&hours.zone.name)) {
        return false;
    }
    let left_out = |zone: &str| !week(was, zone).is_subset(&week(is, zone));
    was.is_empty() || was.iter().any(|hours| left_out(&hours.zone.name))
}

/// Days such as `Mon`, `Mon-Fri`, `Fri-Mon` or `Tue,Sat-Sun`.
fn read_days(text: &str) -> Result<[bool; 7], String> {
    let index = |name: &str| {
        let known = DAYS.iter().position(|day| *day == name);
        known.ok_or_else(|| {
            format!(
                "`{}` is no day; accepted are {}, such as `Mon-Fri` or `Sat,Sun`",
                name.escape_debug(),
                DAYS.join(", ")
            )
        })
    };

    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (index(first)?, index(last)?);
        if first == last && part.contains('-') {
            return Err(format!(
                "`{part}` is one day twice; every day is meant where none is said"
            ));
        }
        let length = (last + 7 - first) % 7;
        for (at, day) in days.iter_mut().enumerate() {
            *day |= (at + 7 - first) % 7 <= length;
        }
    }
    Ok(days)
}

/// Whether this is meant to be `08:00-18:00`.
fn is_range(text: &str) -> bool {
    text.contains(':')
}

/// The minute of a day that `08:00` means; 24:00 is its end.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let minutes = number(minutes).filter(|minutes| *minutes < 60)?;
    let minute = number(hours)? * 60 + minutes;
    (minute <= DAY).then_some(minute)
}

#[cfg(test)]
#[path = "hours_tests.rs"]
mod tests;
