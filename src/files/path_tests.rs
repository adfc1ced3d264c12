//! Paths that are none, paths that are, and their order.

use super::*;
use proptest::prelude::*;

#[test]
fn what_leads_elsewhere_or_cannot_be_shown_is_no_path() {
    let cases: &[(&[u8], PathFault)] = &[
        (b"/", PathFault::Absolute),
        (b"/etc/passwd", PathFault::Absolute),
        (b"..", PathFault::Dots),
        (b"a/../b", PathFault::Dots),
        (b"./a", PathFault::Dots),
        (b"a/.", PathFault::Dots),
        (b"a//b", PathFault::EmptyName),
        (b"a/", PathFault::EmptyName),
        (b"a\0b", PathFault::Control),
        (b"a\nb", PathFault::Control),
        (b"a/\x1b[31m", PathFault::Control),
        (b"\x7f", PathFault::Control),
        ("a\u{9b}31m".as_bytes(), PathFault::Control),
        (b".ordain-AAAAAAAA", PathFault::Reserved),
        (b"a/.ordain-x/b", PathFault::Reserved),
        (&[b'n'; FILE_NAME + 1], PathFault::NameTooLong),
        (&[b'n'; FILE_PATH + 1], PathFault::TooLong),
    ];
    for (bytes, fault) in cases {
        assert_eq!(Below::parse(bytes), Err(*fault), "{}", bytes.escape_ascii());
    }
    let deep = vec!["a"; FILE_DEPTH + 1].join("/");
    assert_eq!(deep.parse::<Below>(), Err(PathFault::TooDeep));
    assert!(deep.strip_prefix("a/").unwrap().parse::<Below>().is_ok());
}

#[test]
fn odd_names_are_names() {
    for bytes in [
        b"-rf".as_slice(),
        b"...",
        b"..a",
        b" ",
        b"a b/c",
        b".ordain",
        b"\xff\xfe",
        "ä/ö".as_bytes(),
        &[b'n'; FILE_NAME],
    ] {
        assert_eq!(Below::parse(bytes).unwrap().as_bytes(), bytes);
    }
}

#[test]
fn a_path_is_taken_apart_and_put_together() {
    let path: Below = "a/b/c".parse().unwrap();
    assert_eq!(path.name(), Some(b"c".as_slice()));
    assert_eq!(path.folder().unwrap().to_string(), "a/b");
    assert_eq!("a".parse::<Below>().unwrap().folder(), Some(Below::root()));
    assert_eq!(Below::root().folder(), None);
    assert_eq!(Below::root().depth(), 0);
    assert!(path.is_in(&"a".parse().unwrap()) && path.is_in(&Below::root()));
    assert!(!path.is_in(&path) && !"ab".parse::<Below>().unwrap().is_in(&"a".parse().unwrap()));
    assert_eq!(path.child(b".."), Err(PathFault::Dots));
    assert_eq!(path.child(b"x/y"), Err(PathFault::EmptyName));
    let deep: Below = "x/y".parse().unwrap();
    assert_eq!(deep.beneath(&path).unwrap().to_string(), "a/b/c/x/y");
    assert_eq!(Below::root().beneath(&path).unwrap(), path);
}

#[test]
fn the_order_is_that_of_a_walk() {
    let mut paths: Vec<Below> = ["b", "a-b", "a/x", "a", "a/x/y", "a.b", ""]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    paths.sort();
    let shown: Vec<String> = paths.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["", "a", "a/x", "a/x/y", "a-b", "a.b", "b"]);
}

proptest! {
    #[test]
    fn whatever_is_a_path_has_only_names(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(path) = Below::parse(&bytes) {
            prop_assert_eq!(path.as_bytes(), bytes.as_slice());
            let mut again = Below::root();
            for name in path.names() {
                prop_assert!(!name.is_empty() && name != b"." && name != b".." && !name.contains(&0));
                again = again.child(name).unwrap();
            }
            prop_assert_eq!(&again, &path);
            prop_assert!(!path.to_string().chars().any(char::is_control));
            let encoded = postcard::to_allocvec(&path).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Below>(&encoded).unwrap(), path);
        }
    }

    #[test]
    fn the_order_is_that_of_the_names(one in "([a-c.-]{1,3}/){0,3}[a-c-]{1,2}", other in "([a-c.-]{1,3}/){0,3}[a-c-]{1,2}") {
        if let (Ok(one), Ok(other)) = (one.parse::<Below>(), other.parse::<Below>()) {
            prop_assert_eq!(one.cmp(&other), one.names().cmp(other.names()));
        }
    }
}
