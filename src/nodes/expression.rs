//! Operands joined from left to right, and the groups that some of them are.

use super::bracket::BLANK;
use super::fault::{Bad, NodeFault, Wrong};
use super::groups::Groups;
use super::once::{check_count, once_each};
use super::operand::Pattern;
use crate::limits;
use std::collections::{HashMap, HashSet};

/// All names of an expression, each once; perhaps none.
pub(super) fn names(text: &str, groups: &dyn Groups) -> Result<Vec<String>, NodeFault> {
    if text.len() > limits::NODE_TEXT {
        return Err(NodeFault::new(text, "", Wrong::TooLong(limits::NODE_TEXT)));
    }
    let mut reading = Reading {
        groups,
        known: HashMap::new(),
        open: Vec::new(),
        work: 0,
    };
    reading.expression(text, None)
}

/// How an operand changes what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Union,
    Difference,
    Intersection,
    SymmetricDifference,
}

impl Operator {
    fn of(c: char) -> Option<Self> {
        match c {
            ',' => Some(Self::Union),
            '!' => Some(Self::Difference),
            '&' => Some(Self::Intersection),
            '^' => Some(Self::SymmetricDifference),
            _ => None,
        }
    }
}

/// The operands of a text, each with the operator before it; the first one is joined with nothing.
fn operands(text: &str) -> Result<Vec<(Operator, &str)>, Bad<'_>> {
    let mut found = Vec::new();
    let (mut operator, mut begin, mut opened) = (Operator::Union, 0, None);
    for (at, c) in text.char_indices() {
        let sign = || text.get(at..).unwrap_or_default();
        match c {
            '[' if opened.is_some() => return Err(Bad::new(sign(), Wrong::OpenedAgain)),
            '[' => opened = Some(at),
            ']' if opened.is_none() => return Err(Bad::new(sign(), Wrong::NotOpened)),
            ']' => opened = None,
            _ if opened.is_some() => {}
            _ => {
                let Some(next) = Operator::of(c) else {
                    continue;
                };
                let end = at.saturating_add(c.len_utf8());
                let word = text.get(at..end).unwrap_or_default();
                found.push((operator, operand(text, begin, at, word)?));
                (operator, begin) = (next, end);
            }
        }
    }

    if let Some(at) = opened {
        return Err(Bad::new(
            text.get(at..).unwrap_or_default(),
            Wrong::NotClosed,
        ));
    }
    let before = begin.saturating_sub(1);
    let last = text.get(before..begin).unwrap_or_default();
    found.push((operator, operand(text, begin, text.len(), last)?));
    Ok(found)
}

/// What stands there without the blanks around it; where that is nothing, the operator beside it
/// is the word that needs it.
fn operand<'t>(
    text: &'t str,
    begin: usize,
    end: usize,
    beside: &'t str,
) -> Result<&'t str, Bad<'t>> {
    let operand = text.get(begin..end).unwrap_or_default().trim_matches(BLANK);
    if operand.is_empty() {
        return Err(Bad::new(beside, Wrong::NoName));
    }
    Ok(operand)
}

/// A source and the name of a group; `*` stands for all.
type Group = (Option<String>, String);

fn written((source, name): &Group) -> String {
    match source {
        Some(source) => format!("@{source}:{name}"),
        None => format!("@{name}"),
    }
}

/// What is being read: the groups that are open, one within the other, and those that are known.
struct Reading<'g> {
    groups: &'g dyn Groups,
    known: HashMap<Group, Vec<String>>,
    open: Vec<Group>,
    work: usize,
}

impl Reading<'_> {
    /// Groups in this text are of this source, unless they say another.
    fn expression(&mut self, text: &str, source: Option<&str>) -> Result<Vec<String>, NodeFault> {
        let mut gathered = Gathered::default();
        for (operator, word) in operands(text).map_err(|bad| bad.within(text))? {
            let fault = |wrong| NodeFault::new(text, word, wrong);
            let names = if word.starts_with('@') {
                self.groups_named(text, word, source)?
            } else {
                Pattern::read(word)
                    .and_then(|pattern| pattern.names())
                    .map_err(|bad| bad.within(text))?
            };
            let work = gathered.join(operator, names).map_err(fault)?;
            self.spend(work).map_err(fault)?;
        }
        Ok(gathered.settled())
    }

    /// The members of the groups that a word names: `@source:name`, `@*`, `@rack[1-4]`.
    fn groups_named(
        &mut self,
        text: &str,
        word: &str,
        source: Option<&str>,
    ) -> Result<Vec<String>, NodeFault> {
        let named = word.strip_prefix('@').unwrap_or(word);
        let (source, name) = match named.split_once(':') {
            Some((source, name)) => (Some(source), name),
            None => (source, named),
        };
        let fault = |wrong| NodeFault::new(text, word, wrong);
        if name.is_empty() || source.is_some_and(str::is_empty) {
            return Err(fault(Wrong::NoGroup));
        }
        if name.contains(':') {
            return Err(fault(Wrong::Character(':')));
        }

        let names = if name == "*" {
            vec![name.to_owned()]
        } else {
            let read = Pattern::read(name).and_then(|pattern| pattern.names());
            read.map_err(|bad| bad.within(text))?
        };
        let mut members = Vec::new();
        for name in names {
            let group = (source.map(str::to_owned), name);
            let of_one = self.members(&group).map_err(|bad| match bad {
                Inside::Here(wrong) => fault(wrong),
                Inside::There(inner) => inner.in_group(&written(&group)),
            })?;
            self.spend(of_one.len()).map_err(fault)?;
            members.extend(of_one);
        }
        Ok(members)
    }

    fn members(&mut self, group: &Group) -> Result<Vec<String>, Inside> {
        if let Some(known) = self.known.get(group) {
            return Ok(known.clone());
        }
        if let Some(at) = self.open.iter().position(|open| open == group) {
            let around = self.open.iter().skip(at).chain([group]);
            return Err(Inside::Here(Wrong::Loop(around.map(written).collect())));
        }
        if self.open.len() >= limits::NODE_NESTING {
            return Err(Inside::Here(Wrong::Deep));
        }

        let (source, name) = (group.0.as_deref(), group.1.as_str());
        let text = if name == "*" {
            self.groups.all(source)
        } else {
            self.groups.members(source, name)
        };
        let text = text.map_err(|why| Inside::Here(Wrong::Group(why)))?;
        if text.len() > limits::NODE_GROUP {
            return Err(Inside::Here(Wrong::TooLong(limits::NODE_GROUP)));
        }
        // A group may be empty: `@web!@drained` has a meaning when nobody is drained.
        let mut members = Vec::new();
        if !text.trim_matches(BLANK).is_empty() {
            self.open.push(group.clone());
            members = self.expression(&text, source).map_err(Inside::There)?;
            self.open.pop();
        }
        self.known.insert(group.clone(), members.clone());
        Ok(members)
    }

    /// What is typed is short, but may say many names many times.
    fn spend(&mut self, work: usize) -> Result<(), Wrong> {
        self.work = self.work.saturating_add(work);
        if self.work > limits::NODE_WORK {
            return Err(Wrong::TooMuch);
        }
        Ok(())
    }
}

/// A fault at the word for a group, or in the group's own text.
enum Inside {
    Here(Wrong),
    There(NodeFault),
}

/// The names of what stands to the left. Operands that are joined one after the other are looked
/// through together, and so are those that are taken away.
#[derive(Default)]
struct Gathered {
    names: Vec<String>,
    /// How many of them, from the first, are known to be there once.
    once: usize,
    away: HashSet<String>,
}

impl Gathered {
    /// Joins an operand's names; how many names had to be gone through.
    fn join(&mut self, operator: Operator, names: Vec<String>) -> Result<usize, Wrong> {
        let mut work = names.len();
        match operator {
            Operator::Union => {
                work = work.saturating_add(self.take_away());
                self.names.extend(names);
                if self.names.len() > limits::NODES {
                    work = work.saturating_add(self.settle());
                    check_count(&self.names)?;
                }
            }

            Operator::Difference => self.away.extend(names),
            Operator::Intersection => {
                work = work.saturating_add(self.settle());
                let both: HashSet<String> = names.into_iter().collect();
                self.names.retain(|name| both.contains(name));
                self.once = self.names.len();
            }

            Operator::SymmetricDifference => {
                work = work.saturating_add(self.settle());
                let mut other = Self {
                    names,
                    ..Self::default()
                };
                work = work.saturating_add(other.settle());
                self.without_what_both_have(&mut other.names);
                check_count(&self.names)?;
            }
        }
        Ok(work)
    }

    fn without_what_both_have(&mut self, other: &mut Vec<String>) {
        let left: HashSet<&str> = self.names.iter().map(String::as_str).collect();
        let (both, mut new): (Vec<String>, Vec<String>) =
            other.drain(..).partition(|name| left.contains(&**name));
        let both: HashSet<String> = both.into_iter().collect();
        self.names.retain(|name| !both.contains(name));
        self.names.append(&mut new);
        self.once = self.names.len();
    }

    fn take_away(&mut self) -> usize {
        if self.away.is_empty() {
            return 0;
        }
        let gone_through = self.names.len();
        self.names.retain(|name| !self.away.contains(name));
        self.away.clear();
        self.once = 0;
        gone_through
    }

    fn settle(&mut self) -> usize {
        let gone_through = self.take_away();
        if self.once == self.names.len() {
            return gone_through;
        }
        once_each(&mut self.names);
        self.once = self.names.len();
        gone_through.saturating_add(self.once)
    }

    fn settled(mut self) -> Vec<String> {
        self.settle();
        self.names
    }
}
