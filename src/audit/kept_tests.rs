//! What is due, by age and by size; clocks that jump; files that are not what was written.

use super::super::forged_tests::{beginning, chained, trail_key};
use super::super::rotated_name;
use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn files(ages_in_days: &[u32]) -> Vec<Kept> {
    let now = at(100);
    let file = |(number, days): (usize, &u32)| Kept {
        last: number as u64 + 1,
        path: format!("/t/trail-{number}").into(),
        bytes: 10,
        written: now - *days * DAY,
    };
    ages_in_days.iter().enumerate().map(file).collect()
}

fn at(day: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + day * DAY
}

#[test]
fn the_oldest_is_due_by_its_age_or_by_the_size_of_all() {
    let rules = |age: Option<u32>, size, least: u32| KeepRules {
        age: age.map(|days| days * DAY),
        size,
        least: least * DAY,
    };
    let files = files(&[9, 5, 0]);
    let cases = [
        (rules(None, None, 0), "nothing"),
        (rules(Some(10), None, 0), "nothing"),
        (rules(Some(9), None, 7), "age"),
        (rules(None, Some(40), 7), "nothing"),
        (rules(None, Some(39), 7), "size"),
        (rules(None, Some(39), 9), "size"),
        (rules(None, Some(39), 10), "too young"),
        (rules(Some(10), Some(39), 10), "too young"),
        (rules(Some(8), Some(39), 10), "age"),
    ];
    for (rules, expected) in cases {
        let found = match due(&files, 10, &rules, at(100)) {
            Due::Nothing => "nothing",
            Due::TooYoung { bytes: 40 } => "too young",
            Due::TooYoung { .. } => "another size",
            Due::Oldest(file, why) => {
                assert_eq!(file.last, 1);
                why
            }
        };
        assert_eq!(found, expected, "{rules:?}");
    }
    // By a clock that was set back nothing is old.
    let found = due(&files, 10, &rules(Some(1), None, 0), at(1));
    assert_eq!(found, Due::Nothing);
    let found = due(&[], 10, &rules(Some(1), Some(1), 0), at(1));
    assert_eq!(found, Due::Nothing, "the file that is written to stays");
}

#[test]
fn a_clock_that_jumps_ahead_is_believed_after_a_while() {
    let steady = Instant::now();
    let hours = |hours: u32| hours * (DAY / 24);
    let mut clock = Steady::new(None, (at(10), steady), DAY);
    assert_eq!(
        clock.now((at(10) + hours(1), steady + hours(1))),
        at(10) + hours(1)
    );
    // Ten years at once.
    let jumped = at(3650);
    let doubted = clock.now((jumped, steady + hours(2)));
    assert!(doubted <= at(10) + hours(2), "{doubted:?}");
    let later = clock.now((jumped + hours(23), steady + hours(25)));
    assert!(later <= at(11) + hours(1), "{later:?}");
    let now = (jumped + hours(25), steady + hours(27));
    assert_eq!(clock.now(now), now.0, "nobody has set it back");
    // Set back: at once.
    assert_eq!(clock.now((at(5), steady + hours(28))), at(5));

    // The daemon starts with a clock that is far ahead of the trail.
    let mut clock = Steady::new(Some(at(10)), (at(400), steady), DAY);
    assert_eq!(clock.now((at(400), steady)), at(10));
    let now = (at(401), steady + DAY);
    assert_eq!(clock.now(now), now.0);
    // And with one that is behind it.
    let mut clock = Steady::new(Some(at(400)), (at(10), steady), DAY);
    assert_eq!(clock.now((at(10), steady)), at(10));
}

/// A rotated file with the first ten records of a trail, and the next file with the rest.
fn rotated() -> (tempfile::TempDir, Kept, PathBuf, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.jsonl");
    let lines = chained(&beginning());
    let text = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect();
    let (old, new): (String, String) = (text(&lines[..10]), text(&lines[10..]));
    std::fs::write(rotated_name(&trail, 10), old).unwrap();
    std::fs::write(&trail, new).unwrap();
    let file = kept_files(&trail).unwrap().pop().unwrap();
    (folder, file, trail, lines)
}

#[test]
fn a_file_is_known_by_its_ends_before_it_goes() {
    let (_folder, file, trail, lines) = rotated();
    let found = content(&file, &trail, trail_key().public()).unwrap();
    let last = Head {
        seq: 10,
        link: link(lines[9].as_bytes()),
    };
    let before = crate::encoding::base64(&[0; 32]);
    let tells_of_the_vault = false;
    let expected = Content {
        first: 1,
        before,
        last,
        tells_of_the_vault,
    };
    assert_eq!(found, expected);
}

#[test]
fn a_file_that_somebody_has_changed_stays() {
    let (_folder, file, trail, lines) = rotated();
    let joined = |lines: &[String]| lines.join("\n") + "\n";
    let mut edited = lines[..10].to_vec();
    edited[4] = edited[4].replace("a rule", "no rule");
    let mut last_edited = lines[..10].to_vec();
    last_edited[9] = last_edited[9].replace("12:00:09", "12:00:08");
    assert_ne!(last_edited, lines[..10]);
    for (text, expected) in [
        (String::new(), "has no record"),
        (joined(&lines[..9]), "ends with record 9"),
        (joined(&edited), "was edited"),
        (joined(&last_edited), "was edited"),
        (
            "rubbish\n".to_owned() + &joined(&lines[..10]),
            "is no record",
        ),
        (joined(&lines[1..10]) + "{", "is no record"),
    ] {
        std::fs::write(&file.path, &text).unwrap();
        let found = content(&file, &trail, trail_key().public()).unwrap_err();
        assert!(found.contains(expected), "{expected}: {found}");
    }
}
