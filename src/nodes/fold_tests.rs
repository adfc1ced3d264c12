//! Folding: what is folded means the same names, in the form that people know.

use super::{NoGroups, NodeSet, fold};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn folded(text: &str) -> String {
    NodeSet::parse(text, &NoGroups).unwrap().fold()
}

#[test]
fn folds_are_those_that_people_know() {
    let cases = [
        ("web1", "web1"),
        ("web2,web1", "web[1-2]"),
        ("web[1-6],web[8-40]", "web[1-6,8-40]"),
        ("web9,web10,web11", "web[9-11]"),
        ("web08,web09,web10", "web[08-10]"),
        ("web[1-3],web[01-03]", "web[1-3,01-03]"),
        ("web[0-10/2]", "web[0,2,4,6,8,10]"),
        ("rack[1-4]n[1-16]", "rack[1-4]n[1-16]"),
        ("a1b1,a1b2,a2b1", "a1b[1-2],a2b1"),
        ("db1.example,db2.example,mail", "db[1-2].example,mail"),
        ("10.0.0.1,10.0.0.2", "10.0.0.[1-2]"),
        ("web,web1,db", "db,web,web1"),
        ("fe80::1,fe80::2,[fe80::3]", "fe80::1,fe80::2,fe80::3"),
        ("n[08,98-100]", "n[08,98-99,100]"),
        (
            "n1234567890123456789,n1234567890123456790",
            "n1234567890123456789,n1234567890123456790",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(folded(text), expected, "{text}");
    }
    assert_eq!(fold::<&str>([]), "");
}

#[test]
fn a_name_with_very_many_numbers_is_told_as_it_is() {
    let many = |last: u32| format!("{}{last}", "a1".repeat(20));
    assert_eq!(fold([many(1), many(2)]), format!("{},{}", many(1), many(2)));
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c][0-9]{1,3}",
        "[ab][0-2]{1,2}[cd][0-2]{1,2}",
        "x[0-2]y[0-2]z[0-2]",
        "[a-z][a-z0-9._-]{0,12}[a-z0-9]",
        "[0-9]{1,20}",
        (0_u16..4, 0_u16..40).prop_map(|(one, two)| format!("fe80::{one:x}:{two:x}")),
    ]
    .prop_filter("two dots", |name| !name.contains(".."))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_fold_means_the_same_names(names in prop::collection::vec(name(), 1..200)) {
        let text = fold(&names);
        let again = NodeSet::parse(&text, &NoGroups).unwrap();
        let same: BTreeSet<String> = again.names().iter().cloned().collect();
        prop_assert_eq!(same.len(), again.len());
        prop_assert_eq!(same, names.into_iter().collect());
        prop_assert_eq!(again.fold(), text);
    }

    #[test]
    fn the_order_of_names_does_not_matter(
        names in prop::collection::vec(name(), 1..60).prop_shuffle(),
    ) {
        let sorted: BTreeSet<&String> = names.iter().collect();
        prop_assert_eq!(fold(&names), fold(sorted));
    }
}
