//! A configuration's outline, taken from the files as they were parsed.

use crate::policy::Outline;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use toml::de::{DeTable, DeValue};

/// Takes in a file's table. Files of one configuration never say the same entry twice; that is a
/// fault elsewhere.
pub fn note(outline: &mut Outline, document: &DeTable<'_>) {
    for (section, value) in document {
        let section = section.get_ref();
        let named = match section.as_ref() {
            "arguments" => Some("argument"),
            "commands" => Some("command"),
            "files" => Some("root"),
            "roles" => Some("role"),
            "users" => Some("user"),
            _ => None,
        };

        match (value.get_ref(), named) {
            (DeValue::Table(entries), Some(kind)) => {
                for (name, entry) in entries {
                    outline.put(
                        format!("{kind} {}", name.get_ref().escape_debug()),
                        keys(entry.get_ref()),
                    );
                }
            }

            (value @ DeValue::Table(_), None) => outline.put(format!("[{section}]"), keys(value)),
            (value, _) => outline.put(section.to_string(), keys(value)),
        }
    }
}

fn keys(value: &DeValue<'_>) -> Vec<(String, u64)> {
    match value {
        DeValue::Table(table) => table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), digest(value.get_ref())))
            .collect(),
        other => vec![("value".into(), digest(other))],
    }
}

/// Tells values apart within this process, whatever their order and place in the file.
fn digest(value: &DeValue<'_>) -> u64 {
    static KEYS: OnceLock<RandomState> = OnceLock::new();
    let mut text = String::new();
    spell(value, &mut text);
    KEYS.get_or_init(RandomState::new).hash_one(text)
}

fn spell(value: &DeValue<'_>, out: &mut String) {
    match value {
        DeValue::Array(items) => {
            out.push('[');
            for item in items {
                spell(item.get_ref(), out);
                out.push(',');
            }

            out.push(']');
        }

        DeValue::Table(table) => {
            let sorted: BTreeMap<&str, &DeValue<'_>> = table
                .iter()
                .map(|(key, value)| (key.get_ref().as_ref(), value.get_ref()))
                .collect();
            out.push('{');
            for (key, value) in sorted {
                out.push_str(&format!("{key:?}="));
                spell(value, out);
                out.push(',');
            }

            out.push('}');
        }

        leaf => out.push_str(&format!("{leaf:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> Outline {
        let mut outline = Outline::default();
        note(&mut outline, DeTable::parse(text).unwrap().get_ref());
        outline
    }

    #[test]
    fn differences_are_told_in_words_and_without_values() {
        let old = outline(
            "include = [\"a\"]\n[limits]\nconnections = 5\n[commands.a]\nexec = [\"/bin/a\"]\n[commands.b]\nexec = [\"/bin/b\"]\ntimeout = \"5s\"\nargs.x = { type = \"ip\" }\n[users.u]\npassword = \"old\"\n[roles.r]\ncommands = []",
        );
        let new = outline(
            "include = [\"b\"]\n[audit]\nsync = \"always\"\n[limits]\nconnections = 6\n[commands.b]\nexec = [\"/bin/b\"]\nargs.x = { type = \"cidr\" }\nlock = \"l\"\n[commands.c]\nexec = [\"/bin/c\"]\n[users.u]\npassword = \"new\"\n[roles.r]\ncommands = []",
        );
        let said = [
            "[audit] added",
            "[limits] changed: connections",
            "command a removed",
            "command b changed: args, timeout, lock",
            "command c added",
            "include changed: value",
            "user u changed: password",
        ];

        assert_eq!(Outline::difference(&old, &new), said);
    }

    #[test]
    fn order_and_place_make_no_difference() {
        let one = outline(
            "[commands.a]\nexec = [\"/bin/a\"]\nargs.x = { type = \"ip\", optional = true }\n[users.u]\nroles = []",
        );
        let two = outline(
            "[users.u]\nroles = []\n# moved\n[commands.a]\nargs.x = { optional = true, type = \"ip\" }\nexec = [\"/bin/a\"]",
        );
        assert_eq!(Outline::difference(&one, &two), Vec::<String>::new());
    }
}
