//! Walks a TOML document with the place of every value. A key that nobody asked for is a fault.

use super::fault::Faults;
use super::warning::{Subject, Warning};
use crate::place::Place;
use crate::units;
use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A parsed file.
pub struct Document<'t> {
    name: Arc<str>,
    lines: Vec<usize>,
    table: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Parses a file's text; what is no TOML becomes faults, and the rest is still read.
    pub fn parse(name: &str, text: &'t str, faults: &Faults) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let lines = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(at, _)| at)
            .collect();
        let document = Self {
            name: name.into(),
            lines,
            table,
        };

        for error in errors {
            let span = error.span().unwrap_or_default();
            let found: String = text
                .get(span.clone())
                .unwrap_or_default()
                .chars()
                .take(40)
                .flat_map(char::escape_debug)
                .collect();
            faults.add(
                &document.place(span),
                "",
                format!("not TOML: {} (at `{found}`)", error.message().trim()),
            );
        }

        document
    }

    fn place(&self, span: Range<usize>) -> Place {
        let line = self.lines.partition_point(|end| *end < span.start) + 1;
        Place {
            file: self.name.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
        }
    }

    /// The table as it was parsed.
    pub fn table(&self) -> &DeTable<'t> {
        self.table.get_ref()
    }

    /// The document's table.
    pub fn root<'d>(&'d self, faults: &'d Faults) -> Table<'d> {
        Table {
            document: self,
            entries: self.table.get_ref(),
            key: String::new(),
            place: Place {
                file: self.name.clone(),
                line: 1,
            },
            faults,
            asked: RefCell::default(),
        }
    }
}

/// A table that is being read.
pub struct Table<'d> {
    document: &'d Document<'d>,
    entries: &'d DeTable<'d>,
    /// The table's own key, dotted; empty for the document.
    pub key: String,
    /// Where the table begins.
    pub place: Place,
    faults: &'d Faults,
    asked: RefCell<Vec<&'static str>>,
}

/// A value with its place and key.
pub struct Item<'d> {
    document: &'d Document<'d>,
    value: &'d DeValue<'d>,
    /// The value's key, dotted.
    pub key: String,
    /// Where the value stands.
    pub place: Place,
    faults: &'d Faults,
}

impl<'d> Table<'d> {
    /// The key of an entry, dotted.
    pub fn path(&self, name: &str) -> String {
        if self.key.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.key)
        }
    }

    fn find(&self, name: &str) -> Option<Item<'d>> {
        self.entries
            .iter()
            .find(|(key, _)| key.get_ref() == name)
            .map(|(key, value)| self.entry(key, value))
    }

    fn entry(&self, key: &Spanned<DeString<'_>>, value: &'d Spanned<DeValue<'d>>) -> Item<'d> {
        Item {
            document: self.document,
            value: value.get_ref(),
            key: self.path(key.get_ref()),
            // The key's place: a table's value spans from its first entry.
            place: self.document.place(key.span()),
            faults: self.faults,
        }
    }

    /// The value of a key, whatever it is.
    pub fn item(&self, name: &'static str) -> Option<Item<'d>> {
        self.asked.borrow_mut().push(name);
        self.find(name)
    }

    /// All entries of a table whose keys are names of the administrator's own.
    pub fn named(&self) -> Vec<(String, Item<'d>)> {
        self.entries
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), self.entry(key, value)))
            .collect()
    }

    /// A string.
    pub fn text(&self, name: &'static str) -> Option<String> {
        self.item(name)?.text()
    }

    /// A path, read as [`Item::file`] reads it.
    pub fn file(&self, name: &'static str, folder: &Path) -> Option<PathBuf> {
        self.item(name)?.file(folder)
    }

    /// A boolean.
    pub fn flag(&self, name: &'static str) -> Option<bool> {
        self.item(name)?.flag()
    }

    /// A whole number within bounds.
    pub fn integer(
        &self,
        name: &'static str,
        bounds: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        self.item(name)?.integer(bounds)
    }

    /// A duration, at least a millisecond.
    pub fn duration(&self, name: &'static str) -> Option<Duration> {
        self.item(name)?.duration()
    }

    /// A list of strings.
    pub fn texts(&self, name: &'static str) -> Option<Vec<Item<'d>>> {
        self.item(name)?.list()
    }

    /// A table.
    pub fn table(&self, name: &'static str) -> Option<Table<'d>> {
        self.item(name)?.table()
    }

    /// A fault at this table.
    pub fn fault(&self, text: impl Into<String>) {
        self.faults.add(&self.place, self.key.clone(), text);
    }

    /// A warning at this table.
    pub fn warn(&self, what: (Warning, &Subject), text: impl Into<String>) {
        self.faults.warn(what, &self.place, self.key.clone(), text);
    }

    /// A warning at something below this table.
    pub fn warn_below(
        &self,
        what: (Warning, &Subject),
        place: &Place,
        key: &str,
        text: impl Into<String>,
    ) {
        let key = format!("{}.{key}", self.key);
        self.faults.warn(what, place, key, text);
    }

    /// Notes that this table acknowledges a warning, at this place in it.
    pub fn acknowledged(&self, place: &Place, warning: Warning, subject: &Subject) {
        let key = self.path(warning.word());
        self.faults.acknowledge((warning, subject), place, key);
    }

    /// Everything was asked for: what is left over is a fault.
    pub fn finish(self) {
        let mut accepted = self.asked.into_inner();
        accepted.sort_unstable();
        accepted.dedup();
        for key in self
            .entries
            .keys()
            .filter(|key| !accepted.contains(&key.get_ref().as_ref()))
        {
            let path = if self.key.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{}.{}", self.key, key.get_ref())
            };

            let meant = accepted.iter().find(|known| is_near(key.get_ref(), known));
            let meant = meant.map(|known| format!("did you mean `{known}`? "));
            self.faults.add(
                &self.document.place(key.span()),
                path,
                format!(
                    "unknown key; {}accepted are {}",
                    meant.unwrap_or_default(),
                    accepted.join(", ")
                ),
            );
        }
    }

    /// Tells a key that may be a mistyped `name` as what it is, where the rest of the table cannot be
    /// read without it. Whether there is one.
    pub fn meant(&self, name: &str) -> bool {
        let near =
            |key: &&Spanned<DeString<'_>>| key.get_ref() != name && is_near(key.get_ref(), name);
        let Some(key) = self.entries.keys().find(near) else {
            return false;
        };
        self.faults.add(
            &self.document.place(key.span()),
            self.path(key.get_ref()),
            format!("unknown key; did you mean `{name}`?"),
        );
        true
    }

    /// Whether a key stands here that may be a mistyped `name`: that `name` is missing follows from
    /// it, and is not told as well.
    pub fn has_near(&self, name: &str) -> bool {
        let mut keys = self.entries.keys();
        keys.any(|key| key.get_ref() != name && is_near(key.get_ref(), name))
    }
}

/// Whether one word is likely to be the other, mistyped.
pub fn is_near(one: &str, other: &str) -> bool {
    let most = if other.len() > 4 { 2 } else { 1 };
    strsim::damerau_levenshtein(one, other) <= most
}

impl<'d> Item<'d> {
    fn wrong(&self, expected: &str) {
        let found = match self.value {
            DeValue::String(text) => format!(
                "\"{}\"",
                text.chars()
                    .take(60)
                    .flat_map(char::escape_debug)
                    .collect::<String>()
            ),
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(flag) => flag.to_string(),
            other => format!("a {}", other.type_str()),
        };

        self.fault(format!("found {found}; accepted is {expected}"));
    }

    /// A fault at this value.
    pub fn fault(&self, text: impl Into<String>) {
        self.faults.add(&self.place, self.key.clone(), text);
    }

    /// A warning at this value.
    pub fn warn(&self, what: (Warning, &Subject), text: impl Into<String>) {
        self.faults.warn(what, &self.place, self.key.clone(), text);
    }

    /// The string, silently `None` for anything else.
    pub fn as_text(&self) -> Option<&'d str> {
        self.value.as_str()
    }

    /// The boolean, silently `None` for anything else.
    pub fn as_flag(&self) -> Option<bool> {
        self.value.as_bool()
    }

    /// Whether the value is a list.
    pub fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// Whether the value is a table.
    pub fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// A string.
    pub fn text(&self) -> Option<String> {
        let text = self.value.as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong("a string");
        }
        text
    }

    /// A path of the daemon's: from the file's folder on where it is not absolute. Whose home `~`
    /// would be depends on who starts it.
    pub fn file(&self, folder: &Path) -> Option<PathBuf> {
        let path = self.text()?;
        if path.starts_with('~') {
            self.fault(format!(
                "is `{path}`: `~` is not expanded here; accepted is a path, from this file's folder on where it is not absolute"
            ));
        }

        Some(folder.join(path))
    }

    /// A string that is read into something else; the error says what is accepted.
    pub fn parsed<T>(&self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text()?;
        parse(&text).map_err(|why| self.fault(why)).ok()
    }

    /// A boolean.
    pub fn flag(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.wrong("true or false");
        }
        flag
    }

    /// A whole number within bounds.
    pub fn integer(&self, bounds: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let number = self
            .value
            .as_integer()
            .and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        let within = number.filter(|number| bounds.contains(number));
        if within.is_none() {
            self.wrong(&format!(
                "a whole number from {} to {}",
                bounds.start(),
                bounds.end()
            ));
        }

        within
    }

    /// A duration, at least a millisecond.
    pub fn duration(&self) -> Option<Duration> {
        let duration = self
            .value
            .as_str()
            .and_then(units::duration)
            .filter(|duration| !duration.is_zero());
        if duration.is_none() {
            self.wrong("a duration such as \"500ms\", \"60s\", \"30m\", \"2h\"");
        }
        duration
    }

    /// Bytes: a number, or a string with a unit.
    pub fn size(&self) -> Option<u64> {
        let number = self
            .value
            .as_integer()
            .and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
        let size = number
            .or_else(|| self.value.as_str().and_then(units::size))
            .filter(|size| *size > 0);
        if size.is_none() {
            self.wrong("a size such as 4096, \"64KiB\", \"2GiB\"");
        }
        size
    }

    /// A list.
    pub fn list(&self) -> Option<Vec<Item<'d>>> {
        let Some(list) = self.value.as_array() else {
            self.wrong("a list");
            return None;
        };

        let item = |(index, value): (usize, &'d Spanned<DeValue<'d>>)| Item {
            document: self.document,
            value: value.get_ref(),
            key: format!("{}[{index}]", self.key),
            place: self.document.place(value.span()),
            faults: self.faults,
        };

        Some(list.iter().enumerate().map(item).collect())
    }

    /// A table.
    pub fn table(&self) -> Option<Table<'d>> {
        let Some(entries) = self.value.as_table() else {
            self.wrong("a table");
            return None;
        };

        Some(Table {
            document: self.document,
            entries,
            key: self.key.clone(),
            place: self.place.clone(),
            faults: self.faults,
            asked: RefCell::default(),
        })
    }
}
