//! Trails of which files are not there: what signed records account for, and what they do not.

use super::forged_tests::{
    Records, beginning, chained, checkpoint, cut_off, removed, trail_key, verified, without,
};
use super::*;
use serde_json::{Map, Value, json};

#[test]
fn what_a_signed_record_says_to_be_removed_is_no_fault_and_all_else_is() {
    let of = |records: &Records| verified(&chained(records));
    let report = of(&cut_off(vec![removed(1, 10), checkpoint()]));
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert_eq!((report.first, report.removed), (11, 10));
    assert_eq!(report.proved.map(|(seq, _)| seq), Some(16));
    // Of several files the last one counts; what told of the others may be gone with them.
    let report = of(&cut_off(vec![removed(8, 10), checkpoint()]));
    assert!(report.faults.is_empty(), "{:?}", report.faults);

    let other = |key: &str| {
        let mut record = removed(1, 10);
        record.insert("before_hash".into(), json!(base64(&[0; 32])));
        record.insert("last_hash".into(), json!(base64(&[0; 32])));
        record.insert(key.into(), json!(base64(&[7; 32])));
        record
    };
    for (what, after) in [
        ("nothing says so", vec![checkpoint()]),
        ("nobody has signed it", vec![removed(1, 10)]),
        ("fewer", vec![removed(1, 9), checkpoint()]),
        ("more", vec![removed(1, 11), checkpoint()]),
        ("another end", vec![other("last_hash"), checkpoint()]),
    ] {
        let report = of(&cut_off(after));
        let fault = &report.faults[0];
        assert!(
            fault.text.contains("begins with record 11"),
            "{what}: {fault:?}"
        );
        assert_eq!((fault.place.as_str(), report.proved), ("1", None), "{what}");
    }
}

#[test]
fn what_is_missing_between_two_records_must_be_named_whole() {
    let honest = beginning();
    let of = |gone: std::ops::Range<usize>, after: Vec<Map<String, Value>>| {
        let records = [without(&honest, gone), after].concat();
        verified(&chained(&records))
    };
    let both = || vec![removed(4, 6), removed(7, 9), checkpoint()];
    let report = of(3..9, both());
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert_eq!(report.removed, 6);
    for (what, gone, after) in [
        ("one more", 2..9, both()),
        ("one more behind", 3..10, both()),
        (
            "the first of them only",
            3..9,
            vec![removed(4, 6), checkpoint()],
        ),
        (
            "the last of them only",
            3..9,
            vec![removed(7, 9), checkpoint()],
        ),
    ] {
        let report = of(gone.clone(), after);
        let expected = format!("records {} to {} are missing", gone.start + 1, gone.end);
        assert!(
            report.faults[0].text.contains(&expected),
            "{what}: {:?}",
            report.faults
        );
    }
}

/// Whoever has not the key can put a record in, but nobody has signed it.
#[test]
fn a_removal_that_is_put_in_before_a_break_of_the_chain_counts_for_nothing() {
    let mut lines = chained(&cut_off(vec![removed(1, 10)]));
    let seq = 18;
    let head = Head { seq, link: [9; 32] };
    let other = json!({
        "kind": "checkpoint", "seq": seq + 1, "prev": base64(&head.link),
        "signature": trail_key().sign(&head),
    });
    lines.push(other.to_string());
    let report = verified(&lines);
    assert!(
        report.faults[0].text.contains("begins with record 11"),
        "{:?}",
        report.faults
    );
}
