//! Words with holes, filled.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Word, TemplateFault> {
    Word::parse(text, |name| {
        ["a", "b"].iter().position(|known| *known == name)
    })
}

#[test]
fn braces() {
    use Piece::{Hole, Literal};
    let cases = [
        ("x", vec![Literal("x".into())]),
        ("", vec![Literal(String::new())]),
        ("{a}", vec![Hole(0)]),
        ("--n={b}", vec![Literal("--n=".into()), Hole(1)]),
        ("{a}:{b}", vec![Hole(0), Literal(":".into()), Hole(1)]),
        ("{{a}}", vec![Literal("{a}".into())]),
        (
            "{{{a}}}",
            vec![Literal("{".into()), Hole(0), Literal("}".into())],
        ),
    ];

    for (text, pieces) in cases {
        assert_eq!(parse(text), Ok(Word(pieces)), "{text}");
    }
    for (text, fault) in [
        ("{a", TemplateFault::Unclosed),
        ("a}", TemplateFault::Unopened),
        ("{c}", TemplateFault::Undeclared("c".into())),
        ("{}", TemplateFault::Undeclared(String::new())),
        ("a\0", TemplateFault::Nul),
    ] {
        assert_eq!(parse(text), Err(fault), "{text}");
    }
}

#[test]
fn words_vanish_and_multiply() {
    let word = |text| parse(text).unwrap();
    let template = Template(vec![
        Segment::Word(word("/bin/x")),
        Segment::Group(vec![word("-n"), word("{a}")]),
        Segment::Word(word("--")),
        Segment::Word(word("{b}")),
    ]);
    let fill = |a: &[&str], b: &[&str]| {
        let owned = |values: &[&str]| {
            values
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<String>>()
        };

        let values = [owned(a), owned(b)];
        template.fill(|index| &values[index])
    };

    assert_eq!(fill(&["1"], &["f"]), ["/bin/x", "-n", "1", "--", "f"]);
    assert_eq!(fill(&[], &["f", "g h"]), ["/bin/x", "--", "f", "g h"]);
    assert_eq!(fill(&[], &[]), ["/bin/x", "--"]);
    assert_eq!(template.positions(), [0, 1]);
}

proptest! {
    #[test]
    fn a_value_never_leaves_its_word(value in "\\PC{0,30}") {
        let values = [vec![value.clone()], vec![value.clone()]];
        let template = Template(vec![
            Segment::Word(parse("/bin/x").unwrap()), Segment::Word(parse("{a}").unwrap()), Segment::Word(parse("p{b}s").unwrap()),
        ]);
        let argv = template.fill(|index| &values[index]);
        prop_assert_eq!(argv, vec!["/bin/x".to_owned(), value.clone(), format!("p{value}s")]);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[{}ab\\PC]{0,12}") {
        let _ = parse(&text);
    }
}

#[test]
fn what_is_wrong_with_a_word_is_said() {
    for (text, sentence) in [
        ("{a", "`{` without `}` (a literal brace is written `{{`)"),
        ("a}", "`}` without `{` (a literal brace is written `}}`)"),
        ("{c}", "`{c}` is not a declared argument"),
        ("{a b}", "`{a b}` is not a declared argument"),
        ("{\u{1b}}", "`{\\u{1b}}` is not a declared argument"),
        ("\0", "a NUL character"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), sentence);
    }
}

#[test]
fn words_know_what_they_are_made_of() {
    let word = |text| parse(text).unwrap();
    assert_eq!(word("x{{y").literal(), Some("x{y"));
    assert_eq!(word("{a}").literal(), None);
    assert_eq!(word("{a}").whole_hole(), Some(0));
    assert_eq!(word("x{a}").whole_hole(), None);
    assert_eq!(word("x").whole_hole(), None);
    assert_eq!(word("{b}-{a}-{b}").holes().collect::<Vec<_>>(), [1, 0, 1]);
}

#[test]
fn a_group_vanishes_whole_when_one_of_its_holes_is_empty() {
    let word = |text| parse(text).unwrap();
    let template = Template(vec![
        Segment::Word(word("/bin/x")),
        Segment::Group(vec![word("--from"), word("{a}"), word("--to={b}")]),
    ]);
    let fill = |a: &[&str], b: &[&str]| {
        let values =
            [a, b].map(|values| values.iter().map(ToString::to_string).collect::<Vec<_>>());
        template.fill(|index| &values[index])
    };

    assert_eq!(fill(&["1"], &["2"]), ["/bin/x", "--from", "1", "--to=2"]);
    assert_eq!(fill(&["1"], &[]), ["/bin/x"]);
    assert_eq!(fill(&[], &["2"]), ["/bin/x"]);
    assert_eq!(template.words().count(), 4);
}

#[test]
fn a_repeated_value_is_a_word_each() {
    let template = Template(vec![
        Segment::Word(parse("/bin/x").unwrap()),
        Segment::Word(parse("{a}").unwrap()),
        Segment::Word(parse("end").unwrap()),
    ]);
    let values = [vec!["1".to_owned(), "2".to_owned(), "3".to_owned()]];
    assert_eq!(
        template.fill(|_| &values[0]),
        ["/bin/x", "1", "2", "3", "end"]
    );
}

#[test]
fn arguments_are_placed_in_the_order_of_their_first_hole() {
    let words = |texts: &[&str]| {
        Template(
            texts
                .iter()
                .map(|text| Segment::Word(parse(text).unwrap()))
                .collect(),
        )
    };
    assert_eq!(words(&["/x", "{b}", "{a}"]).positions(), [1, 0]);
    assert_eq!(words(&["/x", "{b}{a}", "{a}", "{b}"]).positions(), [1, 0]);
    assert_eq!(words(&["/x", "{{a}}"]).positions(), Vec::<usize>::new());
}

proptest! {
    #[test]
    fn literals_are_read_as_they_were_meant(text in "[^{}\0]{0,30}") {
        let word = parse(&text).unwrap();
        prop_assert_eq!(word.literal(), Some(text.as_str()));
    }

    #[test]
    fn braces_that_are_doubled_are_braces(text in "[a-z{}]{0,20}") {
        let doubled = text.replace('{', "{{").replace('}', "}}");
        let word = parse(&doubled).unwrap();
        prop_assert_eq!(word.literal(), Some(text.as_str()));
    }

    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,30}") {
        if let Ok(word) = parse(&text) {
            prop_assert!(!word.0.is_empty());
            prop_assert!(word.holes().all(|hole| hole < 2));
        }
    }

    #[test]
    fn values_make_as_many_words_as_there_are_values(count in 0usize..10) {
        let values = vec!["{a}".to_owned(); count];
        let template = Template(vec![Segment::Word(parse("/x").unwrap()), Segment::Word(parse("{a}").unwrap())]);
        let argv = template.fill(|_| &values);
        prop_assert_eq!(argv.len(), 1 + count);
        prop_assert_eq!(&argv[1..], &values[..]);
    }
}
