//! Words of an argv beside what was signed.

use super::*;

fn compared(argv: &[&str], holes: &[&str], signed: &str) -> Result<u64, String> {
    let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let signed: Arguments = serde_json::from_str(signed).unwrap();
    compare(&owned(argv), &owned(holes), &signed)
}

#[test]
fn what_the_argv_shows_must_have_been_signed() {
    let secret = r#"{"secret":"x"}"#;
    for (argv, holes, signed, unshown) in [
        (&["/x"][..], &[][..], "{}".to_owned(), 0),
        (&["/x", "a"], &["", "{n}"], r#"{"n":"a"}"#.into(), 0),
        (&["/x", "-5"], &["", "{n}"], r#"{"n":-5}"#.into(), 0),
        (
            &["/x", "--n=a{b"],
            &["", "--n={n}"],
            r#"{"n":"a{b"}"#.into(),
            0,
        ),
        (&["/x", "{a}"], &["", "{{{n}}}"], r#"{"n":"a"}"#.into(), 0),
        (
            &["/x", "a:b:a"],
            &["", "{n}:{m}:{n}"],
            r#"{"n":"a","m":"b"}"#.into(),
            0,
        ),
        (
            &["/x", "a", "b"],
            &["", "{n}", "{n}"],
            r#"{"n":["a","b"]}"#.into(),
            0,
        ),
        (&["/x", "--force"], &["", "{f}"], r#"{"f":true}"#.into(), 0),
        (
            &["/x", "a-fast!b"],
            &["", "a{f}!{n}"],
            r#"{"f":true,"n":"b"}"#.into(),
            0,
        ),
        (&["/x"], &[], r#"{"f":false,"m":[]}"#.into(), 0),
        (
            &["/x", "***"],
            &["", "{s}"],
            format!(r#"{{"s":{secret}}}"#),
            0,
        ),
        (
            &["/x", "/dev/fd/3"],
            &[],
            format!(r#"{{"n":"a","s":{secret},"f":true}}"#),
            3,
        ),
    ] {
        assert_eq!(compared(argv, holes, &signed), Ok(unshown), "{argv:?}");
    }
}

#[test]
fn what_was_not_signed_is_a_fault() {
    for (argv, holes, signed) in [
        (&["/x", "b"][..], &["", "{n}"][..], r#"{"n":"a"}"#),
        (&["/x", "a"], &["", "{m}"], r#"{"n":"a"}"#),
        (&["/x", "a"], &["{n}"], r#"{"n":"a"}"#),
        (&["/x", "b", "a"], &["", "{n}", "{n}"], r#"{"n":["a","b"]}"#),
        (&["/x", "a"], &["", "{n}"], r#"{"n":["a","b"]}"#),
        (&["/x", "--force"], &["", "{f}"], r#"{"f":false}"#),
        (&["/x", "s3cret"], &["", "{s}"], r#"{"s":{"secret":"x"}}"#),
        (&["/x", "x!b"], &["", "a{f}!{n}"], r#"{"f":true,"n":"b"}"#),
        (&["/x", "a"], &["", "{n"], r#"{"n":"a"}"#),
        (&["/x", "a"], &["", "n}"], r#"{"n":"a"}"#),
        (&["/x"], &[], r#"{"n":"a","n":"a"}"#),
    ] {
        assert!(compared(argv, holes, signed).is_err(), "{argv:?} {signed}");
    }
}
