//! Node sets: the first line is the set, each further one a group, `name=text`. What is read has no
//! name that could be a path or an option, and its fold means the same names.

use ordain::nodes::{Groups, NoGroups, NodeSet, is_single_name, last_operand, split};
use std::collections::{HashMap, HashSet};

struct Told<'t>(HashMap<&'t str, &'t str>);

impl Groups for Told<'_> {
    fn members(&self, source: Option<&str>, name: &str) -> Result<String, String> {
        let key = source.map_or(name.to_owned(), |source| format!("{source}:{name}"));
        let text = self.0.get(&*key).ok_or("it is not known")?;
        Ok((*text).to_owned())
    }

    fn all(&self, source: Option<&str>) -> Result<String, String> {
        self.members(source, "*")
    }
}

/// Anything at all.
pub fn check(text: &str) {
    let mut lines = text.lines();
    let typed = lines.next().unwrap_or_default();
    let groups = Told(lines.filter_map(|line| line.split_once('=')).collect());
    let _ = NodeSet::from_lines(text);
    is_single_name(typed);
    assert!(typed.ends_with(last_operand(typed)));
    let Ok(parts) = split(typed) else {
        return;
    };

    match NodeSet::parse(parts.set, &groups) {
        Ok(set) => check_set(&set),
        Err(fault) => {
            let said = fault.to_string();
            assert!(!said.chars().any(char::is_control), "{said:?}");
            let most = parts.set.chars().count() + 1;
            assert!(fault.group.is_some() || fault.column <= most, "{said}");
        }
    }
}

fn check_set(set: &NodeSet) {
    let names: HashSet<&String> = set.iter().collect();
    assert_eq!(names.len(), set.len(), "each name once");
    assert!((1..=65_536).contains(&set.len()));
    for name in set {
        let good = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        assert!(name.chars().all(good) && !name.is_empty(), "{name:?}");
        assert!(
            !name.starts_with(['-', '.']) && !name.contains(".."),
            "{name}"
        );
    }
    // A fold of very many names is longer than what may be typed.
    let folded = set.fold();
    if folded.len() <= 64 * 1024 {
        let again = NodeSet::parse(&folded, &NoGroups).expect("a fold is a set");
        assert_eq!(again.iter().collect::<HashSet<_>>(), names, "{folded}");
    }
}
