//! The groups that the client's settings know: `[groups]`, and what the programs of `[groups-from]`
//! tell, which is kept for a while.

use super::display::plain;
use super::{home, told};
use crate::client::ClientError;
use crate::config::{self, GROUP_HOLE, GroupForm, GroupSource, Hosts};
use crate::nodes::{Groups, NodeFault, NodeSet, is_name};
use crate::protocol::Code;
use crate::sys;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Names of groups that a fault lists.
const LISTED: usize = 12;

/// Reads a node set with the groups of the settings. Behind a user, its columns are counted from
/// that one's first character, as it was typed.
///
/// # Errors
/// [`Code::Usage`]: what does not fit, and where; that of a group with its line.
pub fn node_set(user: Option<&str>, set: &str, known: &Hosts) -> Result<NodeSet, ClientError> {
    let groups = KnownGroups {
        settings: &known.groups,
        told: RefCell::default(),
    };
    NodeSet::parse(set, &groups).map_err(|mut fault| {
        if let Some(user) = user.filter(|_| fault.group.is_none()) {
            let before = user.chars().count().saturating_add(1);
            fault.column = fault.column.saturating_add(before);
        }
        told_fault(&fault, known)
    })
}

/// A fault of a node set, with the line of the settings where it stands in a group of these.
pub fn told_fault(fault: &NodeFault, known: &Hosts) -> ClientError {
    let group = fault
        .group
        .as_deref()
        .and_then(|group| group.strip_prefix('@'));
    let line = group.and_then(|group| known.groups.named.get(group));
    let line = line.map_or_else(String::new, |group| format!("{}: ", group.place));
    ClientError::new(Code::Usage, format!("{line}{fault}"))
}

/// What the settings say of groups, and whom they name for more.
struct KnownGroups<'s> {
    settings: &'s config::Groups,
    /// What programs have told while this set is read, by source and group.
    told: RefCell<BTreeMap<Asked, Rc<Told>>>,
}

/// A source, and the group that it was asked for, where it tells one at a time.
type Asked = (String, Option<String>);

impl Groups for KnownGroups<'_> {
    fn members(&self, source: Option<&str>, name: &str) -> Result<String, String> {
        let Some(source) = source else {
            let named = &self.settings.named;
            return match named.get(name) {
                Some(group) => Ok(group.text.clone()),
                None => Err(format!(
                    "the settings have no group `{name}`{}",
                    listed(named.keys())
                )),
            };
        };
        let source = self.source(source)?;
        let one = source.settings.form == GroupForm::Lines;
        let told = self.told(&source, one.then_some(name))?;
        match told.groups.get(name) {
            Some(members) => members.text(),
            None => Err(format!(
                "`{}` tells of no such group{}",
                source.name,
                listed(told.groups.keys())
            )),
        }
    }

    fn all(&self, source: Option<&str>) -> Result<String, String> {
        let Some(source) = source else {
            let named = self.settings.named.keys();
            let all: Vec<String> = named.map(|name| format!("@{name}")).collect();
            return match all.is_empty() {
                true => Err("the settings have no groups".into()),
                false => Ok(all.join(",")),
            };
        };
        let source = self.source(source)?;
        if source.settings.form == GroupForm::Lines {
            return Err(format!(
                "`{}` tells one group at a time, so nobody knows all of its nodes",
                source.name
            ));
        }
        self.told(&source, None)?.all()
    }
}

impl<'s> KnownGroups<'s> {
    fn source(&self, name: &str) -> Result<Source<'s>, String> {
        match self.settings.sources.get_key_value(name) {
            Some((name, settings)) => Ok(Source { name, settings }),
            None => Err(format!(
                "the settings have no `[groups-from.{name}]`{}",
                listed(self.settings.sources.keys())
            )),
        }
    }

    fn told(&self, source: &Source<'_>, group: Option<&str>) -> Result<Rc<Told>, String> {
        let asked = (source.name.to_owned(), group.map(str::to_owned));
        if let Some(told) = self.told.borrow().get(&asked) {
            return Ok(told.clone());
        }
        let told = Rc::new(source.told(group)?);
        self.told.borrow_mut().insert(asked, told.clone());
        Ok(told)
    }
}

fn listed<'n>(names: impl ExactSizeIterator<Item = &'n String>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let some: Vec<String> = names.take(LISTED).map(|name| plain(name)).collect();
    match (some.is_empty(), more) {
        (true, _) => ", nor any other".into(),
        (false, 0) => format!("; there are {}", some.join(", ")),
        (false, more) => format!("; there are {} and {more} more", some.join(", ")),
    }
}

/// The groups that were told by programs and are kept, by the name of their source.
pub fn kept_groups(known: &Hosts) -> Vec<(String, String)> {
    let sources = known.groups.sources.iter();
    let groups = sources.flat_map(|(name, settings)| {
        let source = Source { name, settings };
        let told = source.kept(None).unwrap_or_default();
        told.groups.into_keys().map(|group| (name.clone(), group))
    });
    groups.collect()
}

/// A program that knows groups, by its name in the settings.
struct Source<'s> {
    name: &'s str,
    settings: &'s GroupSource,
}

impl Source<'_> {
    /// What is kept and fresh, or what the program tells now.
    fn told(&self, group: Option<&str>) -> Result<Told, String> {
        let now = home::now();
        let fresh = |told: &Told| {
            let until = told.at.saturating_add(self.settings.keep.as_secs());
            told.at <= now && now < until
        };
        if let Some(told) = self.kept(group).filter(fresh) {
            return Ok(told);
        }

        let arguments = self.arguments(group);
        let bytes = told::told_by(&self.settings.program, &arguments)?;
        let read = match (self.settings.form, group) {
            (GroupForm::Lines, Some(group)) => lines(group, &bytes),
            (GroupForm::Lines, None) => Ok(Told::default()),
            (GroupForm::Ansible, _) => ansible(&bytes),
            (GroupForm::Json, _) => json(&bytes),
        };
        let program = plain(&self.settings.program.to_string_lossy());
        let mut told = read.map_err(|why| format!("what {program} tells {why}"))?;
        told.at = now;
        told.by = self.by(&arguments);
        if let Some(file) = self.file(group) {
            keep(&file, &told);
        }
        Ok(told)
    }

    fn arguments(&self, group: Option<&str>) -> Vec<String> {
        let words = self.settings.arguments.iter();
        words
            .map(|word| word.replace(GROUP_HOLE, group.unwrap_or_default()))
            .collect()
    }

    /// What was asked how: what something else was told by is not believed.
    fn by(&self, arguments: &[String]) -> Vec<String> {
        let program = self.settings.program.to_string_lossy().into_owned();
        let form = self.settings.form.word().to_owned();
        [form, program]
            .into_iter()
            .chain(arguments.iter().cloned())
            .collect()
    }

    fn file(&self, group: Option<&str>) -> Option<PathBuf> {
        let group = group.map(|group| format!("@{group}")).unwrap_or_default();
        home::cache(&format!("groups@{}{group}", self.name))
    }

    /// What is kept, however old.
    fn kept(&self, group: Option<&str>) -> Option<Told> {
        let bytes = sys::read_private(&self.file(group)?, 16 << 20).ok()?;
        let told: Told = serde_json::from_slice(&bytes).ok()?;
        (told.by == self.by(&self.arguments(group))).then_some(told)
    }
}

fn keep(file: &Path, told: &Told) {
    let folder = file
        .parent()
        .map_or(Ok(()), |folder| sys::make_folder(folder, 0o700));
    if let (Ok(()), Ok(bytes)) = (folder, serde_json::to_vec(told)) {
        let _ = sys::replace(file, &bytes, 0o600, true);
    }
}

/// What a program has told.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Told {
    /// When, in seconds since 1970.
    at: u64,
    /// The form, the program and its arguments.
    by: Vec<String>,
    groups: BTreeMap<String, Members>,
    /// Hosts that are known, perhaps in no group.
    alone: Vec<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Members {
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    children: Vec<String>,
}

impl Told {
    /// All hosts that it knows.
    fn all(&self) -> Result<String, String> {
        let of_groups = self.groups.values().flat_map(|members| &members.hosts);
        let all: BTreeSet<&String> = of_groups.chain(&self.alone).collect();
        names(all, &[])
    }
}

impl Members {
    fn text(&self) -> Result<String, String> {
        names(&self.hosts, &self.children)
    }
}

/// Hosts and groups as a node set. What a program tells are names, and never operators or ranges.
fn names<'n>(
    hosts: impl IntoIterator<Item = &'n String>,
    groups: &[String],
) -> Result<String, String> {
    let mut text = String::new();
    let hosts = hosts.into_iter().map(|name| (name, ""));
    for (name, sign) in hosts.chain(groups.iter().map(|name| (name, "@"))) {
        if !is_name(name) {
            let odd = plain(name);
            return Err(format!("one of its members is `{odd}`, which is no name"));
        }
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(sign);
        text.push_str(name);
    }
    Ok(text)
}

/// As `ansible-inventory --list` tells an inventory.
fn ansible(bytes: &[u8]) -> Result<Told, String> {
    #[derive(Deserialize)]
    struct Inventory {
        #[serde(rename = "_meta", default)]
        meta: Meta,
        #[serde(flatten)]
        groups: BTreeMap<String, Members>,
    }
    #[derive(Default, Deserialize)]
    struct Meta {
        #[serde(default)]
        hostvars: BTreeMap<String, serde::de::IgnoredAny>,
    }

    let read: Inventory = serde_json::from_slice(bytes)
        .map_err(|fault| format!("is no inventory of Ansible's in JSON: {fault}"))?;
    Ok(Told {
        groups: read.groups,
        alone: read.meta.hostvars.into_keys().collect(),
        ..Told::default()
    })
}

/// `{"web": ["web1", "web2"]}`
fn json(bytes: &[u8]) -> Result<Told, String> {
    let read: BTreeMap<String, Vec<String>> = serde_json::from_slice(bytes).map_err(|fault| {
        format!("is no JSON of groups, such as {{\"web\": [\"web1\"]}}: {fault}")
    })?;
    let members = |hosts| Members {
        hosts,
        children: Vec::new(),
    };
    Ok(Told {
        groups: read
            .into_iter()
            .map(|(name, hosts)| (name, members(hosts)))
            .collect(),
        ..Told::default()
    })
}

/// A name a line.
fn lines(group: &str, bytes: &[u8]) -> Result<Told, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8 text")?;
    let names = text.lines().map(str::trim);
    let hosts = names.filter(|name| !name.is_empty() && !name.starts_with('#'));
    let members = Members {
        hosts: hosts.map(str::to_owned).collect(),
        children: Vec::new(),
    };
    Ok(Told {
        groups: BTreeMap::from([(group.to_owned(), members)]),
        ..Told::default()
    })
}
