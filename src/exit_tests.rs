//! Ends of runs, their words and their statuses.

use super::*;
use proptest::prelude::*;

#[test]
fn every_reason_survives_the_wire() {
    let all = [
        Reason::Exit(0),
        Reason::Exit(255),
        Reason::Signal(9),
        Reason::Timeout,
        Reason::Cancelled,
        Reason::Disconnected,
        Reason::Stopped,
        Reason::Revoked,
        Reason::Idle,
        Reason::OutputLimit,
        Reason::InputLimit,
        Reason::OutOfMemory,
        Reason::Recording,
        Reason::Lost,
    ];

    for reason in all {
        assert_eq!(
            Reason::from_parts(reason.word(), reason.number()),
            Some(reason)
        );
    }

    assert_eq!(Reason::from_parts("exit", None), None);
    assert_eq!(Reason::from_parts("timeout", Some(1)), None);
}

#[test]
fn only_a_command_that_exited_with_zero_is_a_success() {
    assert_eq!(Reason::Exit(0).status(), Status::OK);
    for reason in [
        Reason::Signal(15),
        Reason::Timeout,
        Reason::Cancelled,
        Reason::Stopped,
        Reason::Lost,
    ] {
        assert_ne!(reason.status(), Status::OK, "{reason:?}");
    }

    assert_eq!(Reason::Signal(9).status(), Status(137));
}

#[test]
fn statuses_are_those_of_shells_and_of_timeout() {
    for (reason, status) in [
        (Reason::Exit(0), 0),
        (Reason::Exit(1), 1),
        (Reason::Exit(255), 255),
        (Reason::Signal(1), 129),
        (Reason::Signal(15), 143),
        (Reason::Signal(64), 192),
        (Reason::Signal(127), 255),
        (Reason::Signal(200), 255),
        (Reason::Timeout, 124),
        (Reason::Idle, 124),
        (Reason::OutOfMemory, 137),
        (Reason::Cancelled, 255),
        (Reason::Disconnected, 255),
        (Reason::Revoked, 255),
        (Reason::Stopped, 255),
        (Reason::OutputLimit, 255),
        (Reason::InputLimit, 255),
        (Reason::Recording, 255),
        (Reason::Lost, 255),
    ] {
        assert_eq!(reason.status(), Status(status), "{reason:?}");
    }
}

#[test]
fn words_without_their_number_are_none() {
    for word in ["exit", "signal"] {
        assert_eq!(Reason::from_parts(word, None), None, "{word}");
        assert!(Reason::from_parts(word, Some(0)).is_some(), "{word}");
    }
    for word in [
        "timeout",
        "cancelled",
        "disconnected",
        "revoked",
        "stopped",
        "idle",
        "output-limit",
        "input-limit",
        "oom",
        "recording",
        "lost",
    ] {
        assert!(Reason::from_parts(word, None).is_some(), "{word}");
        assert_eq!(Reason::from_parts(word, Some(0)), None, "{word}");
    }
    for word in ["", "Exit", "exit ", "killed", "out-of-memory"] {
        assert_eq!(Reason::from_parts(word, None), None, "{word:?}");
        assert_eq!(Reason::from_parts(word, Some(1)), None, "{word:?}");
    }
}

#[test]
fn durations_are_written_as_people_write_them() {
    for (milliseconds, text) in [
        (0, "0ms"),
        (1, "1ms"),
        (999, "999ms"),
        (1000, "1.0s"),
        (1950, "1.9s"),
        (59_999, "59.9s"),
        (60_000, "1m00s"),
        (61_500, "1m01s"),
        (3_599_999, "59m59s"),
        (3_600_000, "1h00m"),
        (3_660_000, "1h01m"),
        (90_000_000, "25h00m"),
    ] {
        assert_eq!(
            Human(Duration::from_millis(milliseconds)).to_string(),
            text,
            "{milliseconds}"
        );
    }
}

proptest! {
    #[test]
    fn only_zero_is_a_success(status: u8) {
        prop_assert_eq!(Reason::Exit(status).status(), Status(status));
        prop_assert!(Reason::Signal(status).status().0 >= 128);
    }

    #[test]
    fn no_word_breaks_the_reader(word in "\\PC{0,20}", number: Option<u8>) {
        if let Some(reason) = Reason::from_parts(&word, number) {
            prop_assert_eq!((reason.word(), reason.number()), (word.as_str(), number));
        }
    }
}
