//! Durations and sizes, read and refused.

use super::*;
use proptest::prelude::*;

#[test]
fn units() {
    assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
    assert_eq!(duration("2h"), Some(Duration::from_secs(7200)));
    assert_eq!(size("2GiB"), Some(2 << 30));
    assert_eq!(size("7"), Some(7));
    for bad in [
        "",
        "s",
        "1",
        "1 s",
        "-1s",
        "1.5s",
        "+1s",
        "1y",
        "99999999999d",
    ] {
        assert_eq!(duration(bad), None, "{bad}");
    }

    for bad in ["", "GiB", "1 GiB", "-1", "1gib", "99999999999TiB"] {
        assert_eq!(size(bad), None, "{bad}");
    }
}

#[test]
fn durations_of_every_unit() {
    for (text, milliseconds) in [
        ("0s", 0),
        ("1ms", 1),
        ("999ms", 999),
        ("1s", 1000),
        ("001s", 1000),
        ("90s", 90_000),
        ("1m", 60_000),
        ("90m", 5_400_000),
        ("1h", 3_600_000),
        ("1d", 86_400_000),
        ("365d", 31_536_000_000),
    ] {
        assert_eq!(
            duration(text),
            Some(Duration::from_millis(milliseconds)),
            "{text}"
        );
    }
}

#[test]
fn durations_end_at_ten_years() {
    assert!(duration("3650d").is_some());
    assert!(duration("87600h").is_some());
    for text in [
        "3651d",
        "87601h",
        "18446744073709551615d",
        "18446744073709551616s",
    ] {
        assert_eq!(duration(text), None, "{text}");
    }
}

#[test]
fn sizes_of_every_unit() {
    for (text, bytes) in [
        ("0", 0),
        ("4096", 4096),
        ("1B", 1),
        ("1KiB", 1024),
        ("1kB", 1000),
        ("1KB", 1000),
        ("1MiB", 1_048_576),
        ("1MB", 1_000_000),
        ("1GiB", 1_073_741_824),
        ("1GB", 1_000_000_000),
        ("1TiB", 1_099_511_627_776),
        ("1TB", 1_000_000_000_000),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(size(text), Some(bytes), "{text}");
    }
    for text in [
        "1k", "1K", "1M", "1mb", "1Mib", "1PiB", "1 MB", "1.5MB", "0x10", "1_000", "١",
    ] {
        assert_eq!(size(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_duration_or_refused(text in "\\PC{0,20}") {
        if let Some(time) = duration(&text) {
            prop_assert!(text.starts_with(|c: char| c.is_ascii_digit()));
            prop_assert!(text.ends_with(['s', 'm', 'h', 'd']));
            prop_assert!(text.ends_with("ms") || time.as_secs() <= 10 * 365 * 86_400);
        }
    }

    #[test]
    fn a_number_and_a_unit_are_their_product(number in 0u64..1 << 20) {
        for (unit, factor) in [("B", 1u64), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GB", 1_000_000_000)] {
            prop_assert_eq!(size(&format!("{number}{unit}")), Some(number * factor));
        }
    }

    #[test]
    fn longer_is_never_less(one in 0u64..100_000, other in 0u64..100_000, unit in "ms|s|m|h") {
        let read = |number| duration(&format!("{number}{unit}"));
        if let (Some(one_time), Some(other_time)) = (read(one), read(other)) {
            prop_assert_eq!(one.cmp(&other), one_time.cmp(&other_time));
        }
    }
}
