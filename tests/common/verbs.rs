//! What PROTOCOL.md says of every verb, made from its definition: the table of verbs, and the doc
//! comments and serde's attributes of the types in `src/verb/`.

use ordain::verb::{Door, Needs, Row, VERBS};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A type of `src/verb/`: a verb with its parameters, an answer, or a part of one of them.
#[derive(Default)]
struct Type {
    said: String,
    fields: Vec<Field>,
    /// The type whose fields stand in the place of its own.
    transparent: Option<String>,
}

/// A field of a type.
struct Field {
    name: String,
    rust: String,
    serde: String,
    said: String,
}

/// The definitions of all verbs, as they are written down.
pub struct Definitions {
    types: BTreeMap<String, Type>,
    /// The types of a verb's parameters and of its answer, by the verb's name.
    verbs: BTreeMap<String, (String, String)>,
    /// The anchors of PROTOCOL.md's sections, by their numbers.
    anchors: BTreeMap<String, String>,
}

impl Definitions {
    /// Reads the sources, and PROTOCOL.md for its sections.
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = Self {
            types: BTreeMap::new(),
            verbs: BTreeMap::new(),
            anchors: anchors(&std::fs::read_to_string(root.join("PROTOCOL.md")).unwrap()),
        };
        let mut files: Vec<_> = std::fs::read_dir(root.join("src/verb"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.push(root.join("src/protocol/signed.rs"));
        for file in files {
            let text = std::fs::read_to_string(file).unwrap();
            found.take(text.split("#[cfg(test)]").next().unwrap());
        }
        found
    }

    /// Takes the types and verbs of one source, which rustfmt has laid out.
    fn take(&mut self, text: &str) {
        let (mut said, mut serde) = (Vec::new(), String::new());
        let (mut inside, mut verb, mut name) = (None, None, String::new());
        for line in text.lines() {
            let trimmed = line.trim();
            if let Some(words) = trimmed.strip_prefix("///") {
                said.push(words.trim());
                continue;
            }
            if trimmed.starts_with("#[") {
                assert!(trimmed.ends_with(']'), "an attribute of two lines: {line}");
                serde.push_str(trimmed);
                continue;
            }
            let (said, serde) = (paragraphs(&said.split_off(0)), std::mem::take(&mut serde));

            let opened = trimmed.strip_prefix("pub struct ");
            let opened = opened.or_else(|| trimmed.strip_prefix("pub enum "));
            if let Some(rest) = opened {
                let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap();
                let inner = rest[end..].strip_prefix("(pub ");
                let inner = inner.filter(|_| serde.contains("transparent"));
                let made = Type {
                    said,
                    fields: Vec::new(),
                    transparent: inner.map(|inner| inner.trim_end_matches(");").to_owned()),
                };
                self.types.insert(rest[..end].to_owned(), made);
                inside = rest.ends_with('{').then(|| rest[..end].to_owned());
            } else if let Some(rest) = line.strip_prefix("impl Verb for ") {
                verb = Some(rest.trim_end_matches(" {").to_owned());
            } else if line == "}" {
                (inside, verb) = (None, None);
            } else if let (Some(owner), Some((name, rust))) = (
                &inside,
                trimmed
                    .strip_prefix("pub ")
                    .and_then(|field| field.split_once(": ")),
            ) {
                let field = Field {
                    name: name.to_owned(),
                    rust: rust.trim_end_matches(',').to_owned(),
                    serde,
                    said,
                };
                self.types.get_mut(owner).unwrap().fields.push(field);
            } else if let Some(owner) = &verb {
                if let Some(rest) = trimmed.strip_prefix("const NAME: &'static str = \"") {
                    name = rest.trim_end_matches("\";").to_owned();
                } else if let Some(answer) = trimmed.strip_prefix("type Answer = ") {
                    let answer = answer.trim_end_matches(';').to_owned();
                    self.verbs.insert(name.clone(), (owner.clone(), answer));
                }
            }
        }
    }

    /// All verbs of one door: an overview, and a section for each.
    pub fn of(&self, door: Door) -> String {
        let rows = || VERBS.iter().filter(|row| row.door == door);
        let mut out = String::from(match door {
            Door::Wire => "| verb | what it does | who may |\n|---|---|---|\n",
            Door::Control => "| verb | what it does |\n|---|---|\n",
        });
        for row in rows() {
            let said = self.linked(&self.parameters(row.name).0.said);
            let first = said.split(". ").next().unwrap().trim_end_matches('.');
            let name = row.name;
            let may = who(row).map_or_else(String::new, |who| format!(" {who} |"));
            out.push_str(&format!("| [`{name}`](#{name}) | {first} |{may}\n"));
        }
        for row in rows() {
            out.push('\n');
            out.push_str(&self.section(row));
        }
        out
    }

    /// The fields that the requests of a door have, by any verb.
    pub fn fields(&self, door: Door) -> BTreeSet<String> {
        VERBS
            .iter()
            .filter(|row| row.door == door)
            .flat_map(|row| self.parameters(row.name).1)
            .map(|field| field.name.clone())
            .collect()
    }

    /// One verb: what it does, who may, its parameters, its answer.
    fn section(&self, row: &Row) -> String {
        let (verb, parameters) = self.parameters(row.name);
        let mut out = format!("#### `{}`\n\n{}\n", row.name, self.linked(&verb.said));
        if let Some(who) = who(row) {
            out.push_str(&format!("\nWho may: {who}.\n"));
        }
        self.given(&mut out, row, parameters);

        let answer = &self.verbs[row.name].1;
        let mut waiting = vec![answer.as_str()];
        let mut told = BTreeSet::new();
        while !waiting.is_empty() {
            let name = waiting.remove(0);
            if told.insert(name) {
                let part = &self.types[name];
                out.push_str(&format!("\n{}\n", self.linked(&part.said)));
                self.answered(&mut out, &part.fields);
                waiting.extend(part.fields.iter().filter_map(|field| self.within(field)));
            }
        }
        out
    }

    /// The table of a verb's parameters.
    fn given(&self, out: &mut String, row: &Row, parameters: &[Field]) {
        let mut lines = String::new();
        for field in parameters {
            let required = match (field.serde.contains("default"), field.rust.as_str()) {
                (false, _) => "yes",
                (true, "bool") => "no, default `false`",
                (true, "Arguments") => "no, default `{}`",
                (true, "String") => "no, default empty",
                (true, rust) if rust.starts_with("Option<") => "no",
                (true, rust) => panic!("what is the default of a parameter of the type {rust}?"),
            };
            lines.push_str(&self.line(field, required));
        }
        if row.once {
            let again = &self.types["RequestName"].fields;
            for name in ["instance", "not_after"] {
                let field = again.iter().find(|field| field.name == name).unwrap();
                lines.push_str(&self.line(field, "no"));
            }
        }
        if lines.is_empty() {
            out.push_str("\nIt takes no fields.\n");
        } else {
            out.push_str("\n| field | type | required | meaning |\n|---|---|---|---|\n");
            out.push_str(&lines);
        }
    }

    /// The table of an answer, or of a part of one.
    fn answered(&self, out: &mut String, fields: &[Field]) {
        if fields.is_empty() {
            return;
        }
        out.push_str("\n| field | type | always there | meaning |\n|---|---|---|---|\n");
        for field in fields {
            let skipped = field.serde.split("skip_serializing_if = \"").nth(1);
            let always = match skipped.map(|rest| rest.split('"').next().unwrap()) {
                None if field.rust.starts_with("Option<") => "yes, or `null`",
                None => "yes",
                Some("Option::is_none") => "no",
                Some("std::ops::Not::not") => "no, default `false`",
                Some("BTreeMap::is_empty") => "no, default `{}`",
                Some("Vec::is_empty") => "no, default `[]`",
                Some("String::is_empty") => "no, default empty",
                Some(other) => panic!("what is left out by {other}?"),
            };
            out.push_str(&self.line(field, always));
        }
    }

    fn line(&self, field: &Field, third: &str) -> String {
        let said = self.linked(&field.said).replace('|', "\\|");
        assert!(!said.is_empty(), "{} has no meaning", field.name);
        format!(
            "| `{}` | {} | {third} | {said} |\n",
            field.name,
            self.json_type(&field.rust)
        )
    }

    /// The tables of a text that is an object of its own.
    pub fn text(&self, names: &[&str]) -> String {
        let mut out = String::new();
        for name in names {
            let part = &self.types[*name];
            out.push_str(&format!("\n{}\n", self.linked(&part.said)));
            self.answered(&mut out, &part.fields);
        }
        out.trim_start().to_owned()
    }

    /// The table of the parts of one parameter, which a section of its own describes.
    pub fn part(&self, name: &str) -> String {
        let mut out = String::from("| field | type | required | meaning |\n|---|---|---|---|\n");
        for field in &self.types[name].fields {
            out.push_str(&self.line(field, "yes"));
        }
        out
    }

    /// The type of a verb's parameters, and these.
    fn parameters(&self, verb: &str) -> (&Type, &[Field]) {
        let said = &self.types[&self.verbs[verb].0];
        let held = said
            .transparent
            .as_ref()
            .map_or(said, |inner| &self.types[inner]);
        (said, &held.fields)
    }

    /// The type of which a field holds one, or many.
    fn within(&self, field: &Field) -> Option<&str> {
        let inner = ["Option<", "Vec<", "BTreeMap<String, "]
            .iter()
            .fold(field.rust.as_str(), |rust, outer| {
                rust.strip_prefix(outer).unwrap_or(rust)
            })
            .trim_end_matches('>');
        self.types
            .get_key_value(inner)
            .map(|(name, _)| name.as_str())
    }

    /// What a type of Rust is called in JSON.
    fn json_type(&self, rust: &str) -> &'static str {
        let inner = |outer: &str| {
            let rest = rust.strip_prefix(outer)?;
            Some(rest.trim_end_matches('>'))
        };
        if let Some(inner) = inner("Option<") {
            return self.json_type(inner);
        }
        match inner("Vec<") {
            Some("String") => return "array of strings",
            Some(_) => return "array of objects",
            None => {}
        }
        match rust {
            "String" | "Named<RunId>" | "Named<RunId" | "Ending" => "string",
            "bool" => "boolean",
            "u8" => "integer, 0 to 255",
            "u16" => "integer, 0 to 65,535",
            "u32" | "u64" | "usize" => "integer",
            "Arguments" => "object",
            "BTreeMap<String, String>" => "object of strings",
            rust if rust.starts_with("BTreeMap<String, ") => "object of objects",
            rust if self.types.contains_key(rust) => "object",
            rust => panic!("a verb's field has the type {rust}, which this does not know"),
        }
    }

    /// `PROTOCOL.md, 6.5` as a link to this section.
    fn linked(&self, said: &str) -> String {
        assert!(
            !said.contains("[`"),
            "a link that only rustdoc knows: {said}"
        );
        let section = regex::Regex::new(r"PROTOCOL\.md, ([0-9]+(?:\.[0-9]+)?)").unwrap();
        section
            .replace_all(said, |found: &regex::Captures<'_>| {
                format!("[{}](#{})", &found[1], self.anchors[&found[1]])
            })
            .into_owned()
    }
}

/// The lines of a doc comment, a paragraph in one line.
fn paragraphs(lines: &[&str]) -> String {
    let paragraphs: Vec<String> = lines
        .split(|line| line.is_empty())
        .map(|lines| lines.join(" "))
        .collect();
    paragraphs.join("\n\n")
}

/// The anchors of numbered headings: `6.5` has `65-exit`.
fn anchors(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let title = line.strip_prefix("## ").or(line.strip_prefix("### "))?;
            let number = title.split(' ').next()?.trim_end_matches('.');
            let anchor = title
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect();
            Some((number.to_owned(), anchor))
        })
        .collect()
}

/// Who may ask for a verb of the wire; at the control socket it is always the same.
fn who(row: &Row) -> Option<String> {
    match row.needs {
        Needs::Nothing => Some("every user".into()),
        Needs::Command => Some("a user with a role that grants the command".into()),
        Needs::Root => Some("a user with a role that grants the right over the root".into()),
        Needs::OwnOr(right) => Some(format!(
            "every user for what is their own; for what is others', with the right `{right}`"
        )),
        Needs::Right(right) => Some(format!("a user with a role that has the right `{right}`")),
        Needs::Approver => {
            Some("a user with the role that agrees to runs of the command (`approval`)".into())
        }
        Needs::LocalAdmin => None,
    }
}
