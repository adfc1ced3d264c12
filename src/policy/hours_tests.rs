//! Hours as they are written, and what the clocks of a zone make of them on every kind of day.

use super::*;
use proptest::prelude::*;
use std::time::Duration;
use time::format_description::well_known::Rfc3339;

/// Berlin's rule since 1996: from 2 to 3 on the last Sunday of March, back from 3 to 2 on October's.
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

fn zone(name: &str) -> Result<Zone, String> {
    match name {
        "UTC" => Ok(Zone::utc()),
        "Europe/Berlin" => Ok(Zone::ruled(name, BERLIN)),
        _ => Err(format!("no zone {name}")),
    }
}

fn hours(text: &str) -> Hours {
    Hours::read(text, zone).unwrap()
}

fn at(text: &str) -> SystemTime {
    time::OffsetDateTime::parse(text, &Rfc3339).unwrap().into()
}

#[test]
fn hours_hold_by_the_clocks_of_their_zone() {
    let office = "Mon-Fri 08:00-18:00 Europe/Berlin";
    let cases = [
        // A Friday in winter, to the minute.
        (office, "2026-11-27T06:59:59Z", false),
        (office, "2026-11-27T07:00:00Z", true),
        (office, "2026-11-27T16:59:59Z", true),
        (office, "2026-11-27T17:00:00Z", false),
        (office, "2026-11-28T11:00:00Z", false),
        // A Monday in summer: an hour earlier by UTC.
        (office, "2026-07-06T06:00:00Z", true),
        (office, "2026-07-06T05:59:59Z", false),
        // Past midnight, they belong to the day on which they begin.
        ("Fri 22:00-06:00 UTC", "2026-11-27T21:59:59Z", false),
        ("Fri 22:00-06:00 UTC", "2026-11-27T22:00:00Z", true),
        ("Fri 22:00-06:00 UTC", "2026-11-28T05:59:59Z", true),
        ("Fri 22:00-06:00 UTC", "2026-11-28T06:00:00Z", false),
        ("Fri 22:00-06:00 UTC", "2026-11-27T05:00:00Z", false),
        ("Sun 22:00-06:00 UTC", "2026-11-30T05:59:59Z", true),
        ("Mon 22:00-06:00 UTC", "2026-11-30T05:59:59Z", false),
        ("Fri 18:00-00:00 UTC", "2026-11-27T23:59:59Z", true),
        ("Fri 18:00-00:00 UTC", "2026-11-28T00:00:00Z", false),
        // Lists, ranges past Sunday, every day.
        ("Fri-Mon 00:00-24:00 UTC", "2026-11-29T12:00:00Z", true),
        ("Fri-Mon 00:00-24:00 UTC", "2026-12-01T00:00:00Z", false),
        ("Tue,Sat-Sun 00:00-24:00 UTC", "2026-12-01T23:59:59Z", true),
        ("Tue,Sat-Sun 00:00-24:00 UTC", "2026-12-02T00:00:00Z", false),
        ("12:00-13:00 UTC", "2026-11-29T12:59:59Z", true),
        ("12:00-13:00 UTC", "1969-12-31T12:30:00Z", true),
    ];

    for (text, now, holds) in cases {
        assert_eq!(hours(text).hold(at(now)), holds, "{text} at {now}");
    }
}

/// In the night to 2026-03-29 clocks in Berlin go from 01:59:59 to 03:00:00.
#[test]
fn an_hour_that_clocks_leave_out_holds_nothing() {
    let minutes = |text: &str, from: &str| {
        let (hours, from) = (hours(text), at(from));
        let within = |minute: &u64| hours.hold(from + Duration::from_secs(60 * minute));
        (0..24 * 60).filter(within).count()
    };

    let spring = "2026-03-28T23:00:00Z";
    assert_eq!(minutes("02:00-03:00 Europe/Berlin", spring), 0);
    assert_eq!(minutes("01:30-03:30 Europe/Berlin", spring), 60);
    assert_eq!(minutes("Sat 22:00-06:00 Europe/Berlin", spring), 5 * 60);
    assert_eq!(minutes("02:00-03:00 UTC", spring), 60);

    // In the night to 2026-10-25 they go from 02:59:59 to 02:00:00.
    let autumn = "2026-10-24T22:00:00Z";
    assert_eq!(minutes("02:00-03:00 Europe/Berlin", autumn), 120);
    assert_eq!(minutes("01:30-03:30 Europe/Berlin", autumn), 180);
    assert_eq!(minutes("Sat 22:00-06:00 Europe/Berlin", autumn), 7 * 60);
}

#[test]
fn an_hour_that_clocks_show_twice_holds_twice() {
    let night = hours("02:00-02:30 Europe/Berlin");
    for (now, holds) in [
        ("2026-10-25T00:00:00Z", true),
        ("2026-10-25T00:29:59Z", true),
        ("2026-10-25T00:30:00Z", false),
        ("2026-10-25T01:00:00Z", true),
        ("2026-10-25T01:30:00Z", false),
    ] {
        assert_eq!(night.hold(at(now)), holds, "{now}");
    }
}

#[test]
fn what_is_no_hours_is_refused_and_says_what_is_accepted() {
    for (text, why) in [
        ("", "accepted are days, hours and a zone"),
        ("Mon-Fri", "accepted are days, hours and a zone"),
        ("Mon-Fri 08:00-18:00", "it names no zone"),
        ("08:00-18:00", "it names no zone"),
        ("Mon, Tue 08:00-18:00 UTC", "accepted are"),
        ("Mon-Fri 8:00-18:00 UTC", "accepted are"),
        ("Mon-Fri 08:00-18:60 UTC", "accepted are"),
        ("Mon-Fri 08:00-24:01 UTC", "accepted are"),
        ("24:00-06:00 UTC", "accepted are"),
        ("08:00 UTC", "accepted are"),
        ("+8:00-18:00 UTC", "accepted are"),
        ("08:00-08:00 UTC", "so it never holds"),
        ("00:00-00:00 UTC", "so it never holds"),
        ("mon 08:00-18:00 UTC", "`mon` is no day"),
        ("Mon,, 08:00-18:00 UTC", "`` is no day"),
        ("Mon-Mon 08:00-18:00 UTC", "is one day twice"),
        ("Mon-Tue-Wed 08:00-18:00 UTC", "`Tue-Wed` is no day"),
        ("08:00-18:00 Mars/Base", "no zone Mars/Base"),
    ] {
        let said = Hours::read(text, zone).unwrap_err();
        assert!(
            said.starts_with("found \"") && said.contains(why),
            "{text}: {said}"
        );
    }
}

#[test]
fn what_clocks_show_is_said_of_each_zone() {
    let noon = at("2026-11-28T11:00:00Z");
    let one = [
        hours("Mon-Fri  08:00-18:00 Europe/Berlin"),
        hours("Sun 08:00-09:00 Europe/Berlin"),
    ];
    assert!(!hold(&one, noon) && hold(&[], noon));
    assert_eq!(
        listed(&one),
        "Mon-Fri 08:00-18:00 Europe/Berlin or Sun 08:00-09:00 Europe/Berlin"
    );
    assert_eq!(told(&one, noon), "it is Sat 12:00 there");
    let [office, _] = one;
    assert_eq!(
        told(&[hours("Sun 01:00-02:00 UTC"), office], noon),
        "it is Sat 12:00 in Europe/Berlin, Sat 11:00 in UTC"
    );
}

#[test]
fn hours_are_narrower_where_a_minute_of_the_week_is_gone() {
    let list = |texts: &[&str]| texts.iter().map(|text| hours(text)).collect::<Vec<_>>();
    let office = "Mon-Fri 08:00-18:00 UTC";
    let cases: &[(&[&str], &[&str], bool)] = &[
        (&[], &[], false),
        (&[office], &[], false),
        (&[], &[office], true),
        (&[], &["00:00-24:00 UTC"], false),
        (
            &[],
            &["Mon-Fri 00:00-24:00 UTC", "Sat,Sun 00:00-24:00 UTC"],
            false,
        ),
        (&[office], &[office], false),
        (&[office], &[office, "Sat 10:00-12:00 UTC"], false),
        (&[office, "Sat 10:00-12:00 UTC"], &[office], true),
        (&[office], &["Mon-Fri 08:00-17:59 UTC"], true),
        (
            &[office],
            &["Mon-Fri 08:00-12:00 UTC", "Mon-Fri 12:00-18:00 UTC"],
            false,
        ),
        (&[office], &["Mon-Fri 08:00-18:00 Europe/Berlin"], true),
        (&[office], &["00:00-24:00 Europe/Berlin"], false),
        (
            &["Fri 22:00-02:00 UTC"],
            &["Fri 22:00-24:00 UTC", "Sat 00:00-02:00 UTC"],
            false,
        ),
    ];
    for (was, is, less) in cases {
        assert_eq!(narrower(&list(was), &list(is)), *less, "{was:?} to {is:?}");
    }
}

/// A day of each kind of spelling, and the days that are meant.
fn some_days() -> impl Strategy<Value = (String, [bool; 7])> {
    let part = (0..7usize, 0..7usize).prop_map(|(first, last)| {
        let mut days = [false; 7];
        let mut day = first;
        days[day] = true;
        while day != last {
            day = (day + 1) % 7;
            days[day] = true;
        }
        let text = match first == last {
            true => DAYS[first].to_owned(),
            false => format!("{}-{}", DAYS[first], DAYS[last]),
        };
        (text, days)
    });
    proptest::collection::vec(part, 1..4).prop_map(|parts| {
        let texts: Vec<String> = parts.iter().map(|(text, _)| text.clone()).collect();
        let days = std::array::from_fn(|day| parts.iter().any(|(_, days)| days[day]));
        (texts.join(","), days)
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[MonTueFri,: 0-9UTC-]{0,40}|.*") {
        let _ = Hours::read(&text, zone);
    }

    #[test]
    fn a_minute_is_within_exactly_those_days_and_times_that_are_written(
        (text, days) in some_days(),
        from in 0..DAY,
        length in 1..=DAY,
        after in 0..14 * u64::from(DAY),
    ) {
        // No hours go on past the end of the next day, or for longer than a day.
        let end = from + length;
        let to = if end <= DAY { end } else { end - DAY };
        prop_assume!(to != from);
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let hours = hours(&format!("{text} {}-{} UTC", clock(from), clock(to)));

        // 2026-11-23 is a Monday.
        let now = at("2026-11-23T00:00:00Z") + Duration::from_secs(60 * after);
        let begins = |day: u64| days[(day % 7) as usize];
        let (day, minute) = (after / u64::from(DAY), (after % u64::from(DAY)) as u16);
        let today = begins(day) && minute >= from && minute < end;
        let since_yesterday = begins(day + 6) && minute + DAY < end;
        prop_assert_eq!(hours.hold(now), today || since_yesterday);
    }
}
