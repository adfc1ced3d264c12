//! Groups of hosts in the client's settings: those that the file itself names, and the programs
//! that know more.

use super::host::expand;
use super::names::name;
use super::reader::{Item, Table};
use crate::place::Place;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Stands for the group in a word of a program that is asked for one.
pub const GROUP_HOLE: &str = "{group}";
/// How long what a program has told is kept, where the settings do not say.
const KEEP: Duration = Duration::from_secs(600);

/// What the file says of groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// `[groups]`: what each is, as a node set that is not read yet.
    pub named: BTreeMap<String, NamedGroup>,
    /// `[groups-from.NAME]`: programs that know groups.
    pub sources: BTreeMap<String, GroupSource>,
}

/// A group that the file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedGroup {
    /// Its members: `web[1-40],@db`.
    pub text: String,
    /// The line that says so.
    pub place: Place,
}

/// A program that knows groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSource {
    /// The program, by its path.
    pub program: PathBuf,
    /// Its arguments; no shell reads them.
    pub arguments: Vec<String>,
    /// What it tells.
    pub form: GroupForm,
    /// For how long that is believed.
    pub keep: Duration,
    /// Where the settings name it.
    pub place: Place,
}

/// The form in which a program tells groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupForm {
    /// All of an Ansible inventory, as `ansible-inventory --list` tells it.
    Ansible,
    /// All groups: `{"web": ["web1", "web2"]}`.
    Json,
    /// One group: a name a line.
    Lines,
}

impl GroupForm {
    const WORDS: [(&'static str, Self); 3] = [
        ("ansible", Self::Ansible),
        ("json", Self::Json),
        ("lines", Self::Lines),
    ];

    /// The word for it in the settings.
    pub fn word(self) -> &'static str {
        let mut words = Self::WORDS.iter();
        words
            .find(|(_, form)| *form == self)
            .map_or("", |(word, _)| word)
    }

    fn read(text: &str) -> Result<Self, String> {
        let mut words = Self::WORDS.iter();
        let found = words.find(|(word, _)| *word == text);
        found.map(|(_, form)| *form).ok_or_else(|| {
            let text = text.escape_debug();
            format!("`{text}` is no form; accepted is ansible, json or lines")
        })
    }
}

impl Groups {
    pub(super) fn read(root: &Table<'_>, folder: &Path) -> Self {
        let mut groups = Self::default();
        for (group, item) in named(root.table("groups")) {
            if let Some(text) = item.text() {
                let place = item.place;
                groups.named.insert(group, NamedGroup { text, place });
            }
        }
        for (source, item) in named(root.table("groups-from")) {
            let read = item
                .table()
                .and_then(|table| GroupSource::read(table, folder));
            groups.sources.extend(read.map(|read| (source, read)));
        }
        groups
    }
}

/// The entries of a table whose keys are names.
fn named<'d>(table: Option<Table<'d>>) -> Vec<(String, Item<'d>)> {
    let mut entries = table.map(|table| table.named()).unwrap_or_default();
    entries.retain(|(key, item)| name(key).map_err(|why| item.fault(why)).is_ok());
    entries
}

impl GroupSource {
    fn read(table: Table<'_>, folder: &Path) -> Option<Self> {
        let form = table
            .item("form")
            .and_then(|item| item.parsed(GroupForm::read));
        if form.is_none() && !table.has_near("form") {
            table.fault("has no `form` that is known; accepted is ansible, json or lines");
        }
        let run = table.texts("run").unwrap_or_default();
        if run.is_empty() && !table.has_near("run") {
            table.fault("has no `run`; wanted is the program with its arguments, as a list");
        }
        let words: Vec<String> = run.iter().filter_map(Item::text).collect();
        let program = run.first().and_then(|item| program(item, folder));
        if let Some(form) = form.filter(|_| !run.is_empty()) {
            check_hole(&table, form, &words);
        }
        let keep = table.duration("keep").unwrap_or(KEEP);
        let place = table.place.clone();
        table.finish();
        Some(Self {
            program: program?,
            arguments: words.into_iter().skip(1).collect(),
            form: form?,
            keep,
            place,
        })
    }
}

/// A program is named by its path: what a name alone would start depends on who starts it where.
fn program(item: &Item<'_>, folder: &Path) -> Option<PathBuf> {
    let text = item.text()?;
    if !text.starts_with('/') && !text.starts_with("~/") {
        item.fault(format!(
            "`{}` is no program's path; accepted is one that begins with `/` or `~/`",
            text.escape_debug()
        ));
        return None;
    }
    Some(expand(&text, folder))
}

/// Whether the words have a place for the group, where the program is asked for one.
fn check_hole(table: &Table<'_>, form: GroupForm, words: &[String]) {
    let has = words.iter().skip(1).any(|word| word.contains(GROUP_HOLE));
    match form {
        GroupForm::Lines if !has => table.fault(
            "has form `lines`, in which a program tells one group, but no word `{group}` in `run` that says which",
        ),
        GroupForm::Ansible | GroupForm::Json if has => table.fault(
            "has a word `{group}` in `run`, but a form in which a program tells all groups at once",
        ),
        _ => {}
    }
}
