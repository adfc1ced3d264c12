//! Times, accepted and refused, at a clock that stands still.

use super::*;
use proptest::prelude::*;

/// 2026-11-27T08:00:00Z
const NOW: u64 = 1_795_766_400;

fn clock(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn times(min: Option<&str>, max: Option<&str>, form: Form) -> Times {
    Times {
        min: min.map(|text| text.parse().unwrap()),
        max: max.map(|text| text.parse().unwrap()),
        form,
    }
}

fn given(times: Times, text: &str) -> Result<String, String> {
    times.accept(text, &format!("`{text}`"), clock(NOW))
}

#[test]
fn a_time_is_given_in_the_form_that_was_declared() {
    for (text, rfc3339, unix, journal) in [
        (
            "now",
            "2026-11-27T08:00:00Z",
            "1795766400",
            "2026-11-27 08:00:00 UTC",
        ),
        (
            "2h ago",
            "2026-11-27T06:00:00Z",
            "1795759200",
            "2026-11-27 06:00:00 UTC",
        ),
        (
            "7d ago",
            "2026-11-20T08:00:00Z",
            "1795161600",
            "2026-11-20 08:00:00 UTC",
        ),
        (
            "2026-11-27",
            "2026-11-27T00:00:00Z",
            "1795737600",
            "2026-11-27 00:00:00 UTC",
        ),
        (
            "2026-11-27T08:00:00+01:00",
            "2026-11-27T07:00:00Z",
            "1795762800",
            "2026-11-27 07:00:00 UTC",
        ),
        (
            "2026-11-26T23:30:00-05:30",
            "2026-11-27T05:00:00Z",
            "1795755600",
            "2026-11-27 05:00:00 UTC",
        ),
        (
            "1970-01-01",
            "1970-01-01T00:00:00Z",
            "0",
            "1970-01-01 00:00:00 UTC",
        ),
        (
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59Z",
            "253402300799",
            "9999-12-31 23:59:59 UTC",
        ),
        (
            "2024-02-29",
            "2024-02-29T00:00:00Z",
            "1709164800",
            "2024-02-29 00:00:00 UTC",
        ),
    ] {
        for (form, expected) in [
            (Form::Rfc3339, rfc3339),
            (Form::Unix, unix),
            (Form::Journal, journal),
        ] {
            let seen = given(times(None, None, form), text);
            assert_eq!(seen.as_deref(), Ok(expected), "{text}");
        }
    }
}

#[test]
fn what_is_no_time_is_refused() {
    for text in [
        "",
        " ",
        "Now",
        "yesterday",
        "now ",
        "ago",
        " ago",
        "2h",
        "2hago",
        "2h  ago",
        "-2h ago",
        "+2h ago",
        "2.5h ago",
        "2h 30m ago",
        "500ms ago",
        "2000ms ago",
        "2w ago",
        "99999999999999999999d ago",
        "18446744073709551615s ago",
        "4000d ago",
        "2h ago ago",
        "2026",
        "2026-11",
        "2026-1-2",
        "26-11-27",
        "2026-13-01",
        "2026-00-01",
        "2026-02-30",
        "2025-02-29",
        "2026-11-27 08:00:00",
        "2026-11-27T08:00:00",
        "2026-11-27T08:00Z",
        "2026-11-27t08:00:00z",
        "2026-11-27T24:00:00Z",
        "2026-11-27T08:60:00Z",
        "2026-06-30T23:59:60Z",
        "2026-11-27T08:00:00.5Z",
        "2026-11-27T08:00:00+1:00",
        "2026-11-27T08:00:00+24:00",
        "2026-11-27T08:00:00+01:60",
        "2026-11-27T08:00:00+",
        "2026-11-27T08:00:00Z ",
        "2026-11-27T08:00:00Zulu",
        "1969-12-31",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "10000-01-01",
        "+2026-11-27",
        "2026-11-2७",
        "@1795766400",
        "1795766400",
    ] {
        let seen = given(times(None, None, Form::Unix), text);
        assert!(seen.is_err(), "{text:?}: {seen:?}");
    }
}

#[test]
fn bounds_are_included_and_a_refusal_says_what_they_are() {
    let week = times(Some("7d ago"), Some("now"), Form::Rfc3339);
    for text in ["now", "7d ago", "168h ago", "2026-11-27T08:00:00Z"] {
        assert!(given(week, text).is_ok(), "{text}");
    }
    assert_eq!(
        given(week, "2026-11-27T08:00:01Z").unwrap_err(),
        "`2026-11-27T08:00:01Z` lies after now (2026-11-27T08:00:00Z), the latest that is accepted"
    );
    assert_eq!(
        given(week, "8d ago").unwrap_err(),
        "`8d ago` lies before 7d ago (2026-11-20T08:00:00Z), the earliest that is accepted"
    );

    let fixed = times(Some("2026-01-01"), None, Form::Unix);
    assert_eq!(
        given(fixed, "2025-12-31").unwrap_err(),
        "`2025-12-31` lies before 2026-01-01T00:00:00Z, the earliest that is accepted"
    );
}

#[test]
fn a_clock_near_the_ends_of_time_is_no_surprise() {
    let all = times(None, None, Form::Unix);
    let week = times(Some("7d ago"), Some("now"), Form::Unix);
    for (now, text, expected) in [
        (0, "now", Some("0")),
        (0, "1s ago", None),
        (5, "5s ago", Some("0")),
        (LAST + 1, "now", Some("253402300799")),
        (u64::from(u32::MAX) + 1, "now", Some("4294967296")),
    ] {
        let seen = all.accept(text, "it", clock(now));
        assert_eq!(seen.ok().as_deref(), expected, "{now} {text}");
        let seen = week.accept(text, "it", clock(now));
        assert_eq!(seen.ok().as_deref(), expected, "{now} {text}");
    }
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
    assert_eq!(all.accept("now", "it", before).as_deref(), Ok("0"));
    assert!(
        times(None, Some("1d ago"), Form::Unix)
            .accept("2026-01-01", "it", clock(0))
            .is_err()
    );
}

#[test]
fn bounds_that_let_nothing_through_are_known() {
    for (min, max, empty) in [
        ("now", "7d ago", true),
        ("1h ago", "2h ago", true),
        ("2026-01-02", "2026-01-01", true),
        ("7d ago", "now", false),
        ("now", "now", false),
        ("2026-01-01", "2026-01-01", false),
        ("now", "2026-01-01", false),
        ("2026-01-01", "7d ago", false),
    ] {
        let times = times(Some(min), Some(max), Form::Unix);
        assert_eq!(times.is_empty(), empty, "{min} {max}");
    }
}

#[test]
fn a_default_fits_at_any_time_or_not_at_all() {
    for (min, max, default, fits) in [
        (Some("7d ago"), Some("now"), "1d ago", true),
        (Some("7d ago"), None, "8d ago", false),
        (None, Some("1h ago"), "now", false),
        (Some("2026-01-01"), None, "2025-12-31", false),
        (Some("2026-01-01"), None, "2026-01-01", true),
        // The bound moves on and passes by it.
        (Some("7d ago"), None, "2099-01-01", false),
        (None, Some("2099-01-01"), "now", false),
        // A clock that is not set yet is no fault of the configuration.
        (None, Some("now"), "2026-01-01", true),
        (Some("2026-01-01"), None, "1h ago", true),
        (None, None, "tomorrow", false),
    ] {
        let judged = times(min, max, Form::Unix).fits_always(default);
        assert_eq!(
            judged.is_ok(),
            fits,
            "{min:?} {max:?} {default}: {judged:?}"
        );
    }
}

#[test]
fn a_moment_is_written_as_it_is_read() {
    for (text, shown) in [
        ("now", "now"),
        ("7d ago", "7d ago"),
        ("48h ago", "2d ago"),
        ("90s ago", "90s ago"),
        ("0s ago", "0d ago"),
        ("2026-11-27", "2026-11-27T00:00:00Z"),
    ] {
        let moment: Moment = text.parse().unwrap();
        assert_eq!(moment.to_string(), shown);
        assert_eq!(moment.to_string().parse(), Ok(moment));
    }
}

proptest! {
    /// Whatever is typed, at whatever time: what the command gets is one word of a few characters
    /// that no option begins with.
    #[test]
    fn no_text_makes_a_surprise(
        text in "\\PC{0,30}|[0-9]{0,22}[smhdw]{0,2} ago|[0-9]{1,5}-[0-9]{1,3}-[0-9]{1,3}(T[0-9:]{0,9}(\\.[0-9]{1,3})?([Z+-][0-9:]{0,6})?)?",
        now in any::<u32>(),
        far in any::<bool>(),
    ) {
        let now = if far { u64::from(now) << 8 } else { u64::from(now) };
        for form in [Form::Rfc3339, Form::Unix, Form::Journal] {
            if let Ok(seen) = times(None, None, form).accept(&text, "it", clock(now)) {
                prop_assert!(seen.starts_with(|c: char| c.is_ascii_digit()), "{text:?}: {seen}");
                prop_assert!(seen.len() <= 23 && seen.is_ascii(), "{text:?}: {seen}");
            }
        }
    }

    #[test]
    fn every_second_comes_back_as_itself(second in 0..=LAST, ahead in -1439i64..=1439) {
        let written = Form::Rfc3339.write(second);
        prop_assert_eq!(written.parse(), Ok(Moment::At(second)));
        prop_assert_eq!(Form::Unix.write(second), second.to_string());

        // The same second by the clock of another zone.
        let local = second.checked_add_signed(ahead * 60).filter(|local| *local <= LAST);
        if let Some(local) = local {
            let sign = if ahead < 0 { '-' } else { '+' };
            let zone = format!("{sign}{:02}:{:02}", ahead.abs() / 60, ahead.abs() % 60);
            let elsewhere = Form::Rfc3339.write(local).replace('Z', &zone);
            prop_assert_eq!(elsewhere.parse(), Ok(Moment::At(second)));
        }
    }

    #[test]
    fn what_is_accepted_lies_within_the_bounds(
        ago in 0u64..4_000_000,
        (oldest, newest) in (0u64..4_000_000, 0u64..4_000_000),
        now in 0u64..=LAST,
    ) {
        let bounds = times(
            Some(&format!("{oldest}s ago")),
            Some(&format!("{newest}s ago")),
            Form::Unix,
        );
        let seen = bounds.accept(&format!("{ago}s ago"), "it", clock(now));
        let expected = ago <= now && ago <= oldest && ago >= newest;
        prop_assert_eq!(seen.is_ok(), expected);
        if let Ok(second) = seen {
            prop_assert_eq!(second, (now - ago).to_string());
        }
    }
}
