//! Node sets: what they mean, and everything that is none.

use super::{Groups, NoGroups, NodeFault, NodeSet, Typed, Wrong, is_single_name, split};
use crate::limits;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

struct Known(BTreeMap<&'static str, String>);

impl Known {
    fn new(groups: impl IntoIterator<Item = (&'static str, &'static str)>) -> Self {
        let text = |(name, text): (_, &str)| (name, text.to_owned());
        Self(groups.into_iter().map(text).collect())
    }
}

impl Groups for Known {
    fn members(&self, source: Option<&str>, name: &str) -> Result<String, String> {
        let key = source.map_or(name.to_owned(), |source| format!("{source}:{name}"));
        self.0.get(&*key).cloned().ok_or("it is not known".into())
    }

    fn all(&self, source: Option<&str>) -> Result<String, String> {
        self.members(source, "*")
    }
}

fn names(text: &str) -> String {
    match NodeSet::parse(text, &NoGroups) {
        Ok(set) => set.names().join(" "),
        Err(fault) => panic!("{text}: {fault}"),
    }
}

fn fault(text: &str) -> NodeFault {
    match NodeSet::parse(text, &NoGroups) {
        Ok(set) => panic!("{text} has {} names", set.len()),
        Err(fault) => fault,
    }
}

#[test]
fn sets_are_their_names_in_the_order_of_the_text() {
    let cases = [
        ("web1", "web1"),
        ("web[1-3]", "web1 web2 web3"),
        ("web[3,1-2]", "web3 web1 web2"),
        ("web[08-11]", "web08 web09 web10 web11"),
        ("web[8-11]", "web8 web9 web10 web11"),
        ("web[1-9/4,2]", "web1 web5 web9 web2"),
        ("web[1-2,01-02]", "web1 web2 web01 web02"),
        ("[1-2]", "1 2"),
        ("r[1-2]n[1-2]", "r1n1 r1n2 r2n1 r2n2"),
        ("web1[2-3]", "web12 web13"),
        ("web[1-3]5", "web15 web25 web35"),
        ("web1[8-12]4", "web184 web194 web1104 web1114 web1124"),
        ("web[1-2].example.com", "web1.example.com web2.example.com"),
        ("b,a,b,a", "b a"),
        ("web[1-3]!web2", "web1 web3"),
        ("web[1-3]!web2,web2", "web1 web3 web2"),
        ("web[1-5]!web2!web[4-9],web8!web1", "web3 web8"),
        ("web[1-4]&web[3-9]", "web3 web4"),
        ("a,b&b,a", "b a"),
        ("web[1-4]^web[3-6]", "web1 web2 web5 web6"),
        (" web1 , web[ 2 - 3 , 7 ] \t", "web1 web2 web3 web7"),
        (
            "fe80::1,[::1],10.0.0.[1-2]",
            "fe80::1 ::1 10.0.0.1 10.0.0.2",
        ),
        ("fe80::[1-2]", "fe80::1 fe80::2"),
        (
            "n[000000000000000007-000000000000000008]",
            "n000000000000000007 n000000000000000008",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(names(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_set_is_told_with_word_and_column() {
    let cases = [
        ("", 1, "", Wrong::NoName),
        ("  ", 1, "", Wrong::NoName),
        (",a", 1, ",", Wrong::NoName),
        ("a,", 2, ",", Wrong::NoName),
        ("a,,b", 3, ",", Wrong::NoName),
        ("a!", 2, "!", Wrong::NoName),
        ("a,web[3-1]", 7, "3-1", Wrong::Backwards),
        ("web[1-3", 4, "[1-3", Wrong::NotClosed),
        ("web1-3]", 7, "]", Wrong::NotOpened),
        ("web[[1]]", 5, "[1]]", Wrong::OpenedAgain),
        ("web[1][2]", 1, "web[1][2]", Wrong::OpenedAgain),
        ("web[1]0[2]", 1, "web[1]0[2]", Wrong::OpenedAgain),
        ("web[]", 5, "", Wrong::NoRange),
        ("web[1,,2]", 5, "1,,2", Wrong::NoRange),
        ("web[a]", 5, "a", Wrong::NoNumber),
        ("web[-1]", 5, "", Wrong::NoNumber),
        ("web[1-]", 7, "", Wrong::NoNumber),
        ("web[1-2-3]", 7, "2-3", Wrong::NoNumber),
        ("web[١-٣]", 5, "١", Wrong::NoNumber),
        ("web[01-100]", 5, "01-100", Wrong::Zeros),
        ("web[1-010]", 5, "1-010", Wrong::Zeros),
        ("web[1-5/0]", 5, "1-5/0", Wrong::Step),
        ("web[1-5/x]", 5, "1-5/x", Wrong::Step),
        ("web[5/2]", 5, "5/2", Wrong::Step),
        (
            "web[1-1234567890123456789]",
            7,
            "1234567890123456789",
            Wrong::LongNumber,
        ),
        ("web1[8-12]", 1, "web1[8-12]", Wrong::TwoMeanings),
        ("web1[8,9,10]", 1, "web1[8,9,10]", Wrong::TwoMeanings),
        ("web/1", 1, "web/1", Wrong::Character('/')),
        ("ok,größe1", 4, "größe1", Wrong::Character('ö')),
        ("web*", 1, "web*", Wrong::Character('*')),
        ("a b", 1, "a b", Wrong::Character(' ')),
        ("a\u{1b}[1]", 1, "a\u{1b}", Wrong::Character('\u{1b}')),
        ("a@b,c", 1, "a@b", Wrong::Character('@')),
        ("a..b", 1, "a..b", Wrong::Dots),
        ("../etc", 1, "../etc", Wrong::Character('/')),
        (".", 1, ".", Wrong::Beginning),
        ("-oProxy", 1, "-oProxy", Wrong::Beginning),
        ("ok,-[1-2]", 4, "-[1-2]", Wrong::Beginning),
        ("web1:22,web2", 1, "web1:22", Wrong::Colon),
        ("[::g],web2", 1, "[::g]", Wrong::Colon),
        ("[::1]x,web2", 1, "[::1]x", Wrong::Colon),
        ("a!a", 1, "a!a", Wrong::Nobody),
        ("a&b", 1, "a&b", Wrong::Nobody),
        ("@", 1, "@", Wrong::NoGroup),
        (
            "@web",
            1,
            "@web",
            Wrong::Group("there are no groups here".into()),
        ),
        ("n[1-65537]", 1, "n[1-65537]", Wrong::TooMany(Some(65_537))),
    ];
    for (text, column, word, wrong) in cases {
        let found = fault(text);
        let said = found.to_string();
        assert_eq!(
            (found.column, &*found.word, &found.wrong),
            (column, word, &wrong),
            "{text}: {said}"
        );
        assert!(said.starts_with(&format!("column {column}: ")), "{said}");
        assert!(!said.chars().any(char::is_control), "{said:?}");
    }

    let long = "n".repeat(limits::NODE_NAME);
    assert_eq!(names(&long), long);
    assert_eq!(fault(&format!("{long}[1-2]")).wrong, Wrong::LongName);
    assert_eq!(
        fault(&"a,".repeat(40_000)).wrong,
        Wrong::TooLong(limits::NODE_TEXT)
    );
}

#[test]
fn what_is_too_much_is_refused_before_it_is_made() {
    let begin = Instant::now();
    let many = Wrong::TooMany(Some(1_000_000_000));
    assert_eq!(fault("n[1-1000000000]").wrong, many);
    assert_eq!(fault("a[1-1000]b[1-1000]c[1-1000]").wrong, many);
    assert_eq!(fault("n[1-500000000,1-500000000]").wrong, many);
    let wide = "a[1-999999999999999999]".repeat(5);
    assert_eq!(fault(&wide).wrong, Wrong::TooMany(None));
    assert_eq!(
        fault("a[1-40000],b[1-40000]").wrong,
        Wrong::TooMany(Some(80_000))
    );
    // The same names again and again are few, but going through them is much.
    let again = vec!["n[1-65536]"; 5000].join(",");
    assert_eq!(fault(&again).wrong, Wrong::TooMuch);
    let again = vec!["n[1-65536]"; 5000].join("&");
    assert_eq!(fault(&again).wrong, Wrong::TooMuch);
    // A debug build on a busy machine needs a fraction of this; making the names would need more.
    assert!(
        begin.elapsed() < Duration::from_secs(30),
        "{:?}",
        begin.elapsed()
    );

    assert_eq!(names("n[1-40000],n[1-40000]").split(' ').count(), 40_000);
    assert_eq!(names("n[1-65536]").split(' ').count(), limits::NODES);
}

#[test]
fn groups_hold_groups_and_know_their_source() {
    let groups = Known::new([
        ("web", "web[1-3]"),
        ("db", "db[1-2]"),
        ("prod", "@web,@db!web2"),
        ("rack1", "a"),
        ("rack2", "b"),
        ("none", " "),
        ("inv:web", "@edge,i1"),
        ("inv:edge", "e1,@up:x"),
        ("up:x", "x1"),
        ("*", "@web,@db"),
        ("inv:*", "i9"),
    ]);
    let parse = |text| NodeSet::parse(text, &groups).unwrap().names().join(" ");
    assert_eq!(parse("@prod"), "web1 web3 db1 db2");
    assert_eq!(parse("@web!@prod"), "web2");
    assert_eq!(parse("@rack[1-2]"), "a b");
    assert_eq!(parse("@web!@none"), "web1 web2 web3");
    assert_eq!(parse("@inv:web"), "e1 x1 i1");
    assert_eq!(parse("@*&@web"), "web1 web2 web3");
    assert_eq!(parse("@inv:*,@prod"), "i9 web1 web3 db1 db2");

    let wrong = |text| NodeSet::parse(text, &groups).unwrap_err().wrong;
    assert_eq!(wrong("@none"), Wrong::Nobody);
    assert_eq!(
        wrong("@web!@nobody"),
        Wrong::Group("it is not known".into())
    );
    assert_eq!(wrong("@:web"), Wrong::NoGroup);
    assert_eq!(wrong("@inv:"), Wrong::NoGroup);
    assert_eq!(wrong("@a:b:c"), Wrong::Character(':'));
    assert_eq!(wrong("@../x"), Wrong::Character('/'));
    assert_eq!(wrong("@@inv"), Wrong::Character('@'));
}

#[test]
fn a_fault_in_a_group_names_the_group() {
    let groups = Known::new([
        ("a", "web1,@b"),
        ("b", "x,@c"),
        ("c", "@a"),
        ("self", "@self"),
        ("outer", "ok,@inner"),
        ("inner", "web[3-1]"),
    ]);
    let told = |text| NodeSet::parse(text, &groups).unwrap_err().to_string();
    assert_eq!(
        told("@outer"),
        "in the group `@inner`, column 5: `3-1` goes backwards; the lower number comes first"
    );
    assert_eq!(
        told("@a"),
        "in the group `@c`, column 1: `@a` is a member of itself: @a → @b → @c → @a"
    );
    assert_eq!(
        told("@self"),
        "in the group `@self`, column 1: `@self` is a member of itself: @self → @self"
    );
}

/// Each group names the next one twice: without a memory this would be 2^16 readings.
struct Chain(usize);

impl Groups for Chain {
    fn members(&self, _: Option<&str>, name: &str) -> Result<String, String> {
        let number: usize = name.trim_start_matches('g').parse().unwrap();
        if number == self.0 {
            return Ok("end".into());
        }
        let next = number + 1;
        Ok(format!("@g{next},@g{next}"))
    }

    fn all(&self, _: Option<&str>) -> Result<String, String> {
        Err("no".into())
    }
}

#[test]
fn groups_are_read_once_and_not_too_deep() {
    let deepest = Chain(limits::NODE_NESTING);
    let set = NodeSet::parse("@g1", &deepest).unwrap();
    assert_eq!(set.names(), ["end"]);
    let deeper = Chain(limits::NODE_NESTING + 1);
    assert_eq!(
        NodeSet::parse("@g1", &deeper).unwrap_err().wrong,
        Wrong::Deep
    );
}

#[test]
fn one_name_is_known_without_a_parser() {
    for one in [
        "web1",
        "alice@web1",
        "web1:99",
        "a@b@web1",
        "[::1]:7424",
        "[::1]",
        "fe80::1",
        "ops@[2001:db8::1]:1",
        "[fe80::1%eth0]:7424",
        "web 1",
        "",
        "größe",
    ] {
        assert!(is_single_name(one), "{one}");
    }
    for many in [
        "web[1-2]",
        "a,b",
        "a!b",
        "a&b",
        "a^b",
        "@web",
        "alice@@web",
        "@*",
        "[1-2]",
        "[::1],[::2]",
        "fe80::[1-2]",
        "alice@web[1-2]:7",
    ] {
        assert!(!is_single_name(many), "{many}");
    }
}

#[test]
fn user_and_port_are_for_the_whole_set() {
    let cases = [
        ("web[1-2]", (None, "web[1-2]", None)),
        ("alice@web[1-2]:99", (Some("alice"), "web[1-2]", Some(99))),
        ("@web", (None, "@web", None)),
        ("web[1-40],@db:99", (None, "web[1-40],@db", Some(99))),
        ("web1! @inv:db", (None, "web1! @inv:db", None)),
        ("alice@@web:99", (Some("alice"), "@web", Some(99))),
        ("@inv:web", (None, "@inv:web", None)),
        ("@inv:web:99", (None, "@inv:web", Some(99))),
        ("@inv:*", (None, "@inv:*", None)),
        ("a,b:99", (None, "a,b", Some(99))),
        ("a,fe80::1", (None, "a,fe80::1", None)),
        ("a,[fe80::1]:99", (None, "a,[fe80::1]", Some(99))),
        ("[::1]:99", (None, "[::1]", Some(99))),
        ("[::1],b", (None, "[::1],b", None)),
        ("a,b[1,2]x!c:7", (None, "a,b[1,2]x!c", Some(7))),
        ("web[1-40],@db", (None, "web[1-40],@db", None)),
        ("alice@web1,@db:7", (Some("alice"), "web1,@db", Some(7))),
    ];
    for (text, (user, set, port)) in cases {
        assert_eq!(split(text), Ok(Typed { user, set, port }), "{text}");
    }

    let wrong = |text| {
        split(text)
            .map_err(|fault| (fault.column, fault.wrong))
            .unwrap_err()
    };
    assert_eq!(wrong("a,b:0"), (5, Wrong::Port));
    assert_eq!(wrong("a,b:70000"), (5, Wrong::Port));
    assert_eq!(wrong("web1,alice@web2"), (1, Wrong::User));
    assert_eq!(wrong("web[1-2]@web2"), (1, Wrong::User));
}

#[test]
fn lines_are_names_and_nothing_else() {
    let set = NodeSet::from_lines("# all\nweb2\r\n\n  web1  # the old one\nweb2\nfe80::1").unwrap();
    assert_eq!(set.names(), ["web2", "web1", "fe80::1"]);
    let joined = NodeSet::parse("web[1,3]", &NoGroups)
        .unwrap()
        .union(set)
        .unwrap();
    assert_eq!(joined.names(), ["web1", "web3", "web2", "fe80::1"]);

    let told = |text: &str| NodeSet::from_lines(text).unwrap_err();
    assert_eq!(told("# none\n").wrong, Wrong::Nobody);
    assert_eq!(told("a\nweb[1-2]").wrong, Wrong::Character('['));
    assert_eq!(told("a\n@web").wrong, Wrong::Character('@'));
    assert_eq!(told("a,b").wrong, Wrong::Character(','));
    assert_eq!(
        told("a\n b/c").to_string(),
        format!("line 2, column 2: `b/c` {}", Wrong::Character('/'))
    );
    let many: String = (0..=limits::NODES)
        .map(|number| format!("n{number}\n"))
        .collect();
    assert_eq!(told(&many).line, Some(limits::NODES + 1));
    let half = |letter: &str| NodeSet::parse(&format!("{letter}[1-40000]"), &NoGroups).unwrap();
    assert_eq!(
        half("a").union(half("b")).unwrap_err().wrong,
        Wrong::TooMany(Some(80_000))
    );
}

/// What a set means, the slow and plain way.
fn meaning(parts: &[(char, Vec<String>)]) -> Vec<String> {
    let mut left: Vec<String> = Vec::new();
    for (operator, right) in parts {
        let before = left.clone();
        match operator {
            ',' => left.extend(right.iter().cloned()),
            '!' => left.retain(|name| !right.contains(name)),
            '&' => left.retain(|name| right.contains(name)),
            _ => {
                left.retain(|name| !right.contains(name));
                left.extend(right.iter().filter(|name| !before.contains(name)).cloned());
            }
        }
        let mut once = Vec::new();
        left.retain(|name| {
            !once.contains(name) && {
                once.push(name.clone());
                true
            }
        });
    }
    left
}

proptest! {
    #[test]
    fn operators_are_taken_from_left_to_right(
        parts in prop::collection::vec((prop::sample::select(vec![',', ',', '!', '&', '^']), 0..4_u8, 1..9_u32, 0..5_u32), 1..12),
    ) {
        let mut text = String::new();
        let mut meant = Vec::new();
        for (number, (operator, letter, from, further)) in parts.into_iter().enumerate() {
            let letter = char::from(b'a' + letter / 3);
            let operator = if number == 0 { ',' } else { operator };
            if number > 0 {
                text.push(operator);
            }
            text.push_str(&format!("{letter}[{from}-{}]", from + further));
            meant.push((operator, (from..=from + further).map(|number| format!("{letter}{number}")).collect()));
        }
        let expected = meaning(&meant);
        match NodeSet::parse(&text, &NoGroups) {
            Ok(set) => prop_assert_eq!(set.names(), expected),
            Err(fault) => {
                prop_assert_eq!(fault.wrong, Wrong::Nobody);
                prop_assert!(expected.is_empty());
            }
        }
    }

    #[test]
    fn any_text_is_read_without_harm(text in "[a-c0-2\\[\\],!&^@:./* -]{0,40}") {
        let groups = Known::new([("a", "b1,@b"), ("b", "@c:a"), ("*", "c[0-9]")]);
        let _ = (is_single_name(&text), split(&text));
        match NodeSet::parse(&text, &groups) {
            Ok(set) => {
                prop_assert!(set.len() > 0);
                let folded = NodeSet::parse(&set.fold(), &NoGroups).unwrap();
                let sorted = |set: &NodeSet| {
                    let mut names = set.names().to_vec();
                    names.sort();
                    names
                };
                prop_assert_eq!(sorted(&folded), sorted(&set));
            }
            Err(fault) => {
                prop_assert!(fault.group.is_some() || fault.column <= text.chars().count() + 1);
                prop_assert!(fault.group.is_some() || text.contains(&fault.word));
            }
        }
    }
}
