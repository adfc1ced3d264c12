//! Names for many machines: expressions such as `web[1-40],@db!web7` as the names that they mean,
//! and names as the shortest such expression (node sets, as ClusterShell has them).

mod bracket;
mod expression;
mod fault;
mod fold;
mod groups;
mod merge;
mod number;
mod once;
mod operand;
mod typed;

pub use fault::{NodeFault, Wrong};
pub use fold::fold;
pub use groups::{Groups, NoGroups};
pub use typed::{Typed, is_single_name, last_operand, split};

use fault::Bad;
use once::{check_count, once_each};
use std::collections::HashSet;

/// Names of hosts, at least one, each once, in the order in which they were named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSet {
    names: Vec<String>,
}

impl NodeSet {
    /// Reads a set, such as `web[1-40],@db!web7`. How many names it has is counted before any of
    /// them is made.
    ///
    /// # Errors
    /// What does not fit, and where. A set in which nobody is left is a fault, too: what is asked
    /// of nobody must not look as if all had done it.
    pub fn parse(text: &str, groups: &dyn Groups) -> Result<Self, NodeFault> {
        let names = expression::names(text, groups)?;
        if names.is_empty() {
            return Err(NodeFault::new(text, text.trim(), Wrong::Nobody));
        }
        Ok(Self { names })
    }

    /// Reads one name a line. Blank lines, and what follows a `#`, are nothing.
    ///
    /// # Errors
    /// What does not fit, and in which line.
    pub fn from_lines(text: &str) -> Result<Self, NodeFault> {
        let (mut names, mut seen) = (Vec::new(), HashSet::new());
        for (number, line) in text.lines().enumerate() {
            let name = line.split('#').next().unwrap_or_default().trim();
            if name.is_empty() || !seen.insert(name) {
                continue;
            }
            names.push(name.to_owned());
            operand::check_name(name)
                .and_then(|()| check_count(&names).map_err(|wrong| Bad::new(name, wrong)))
                .map_err(|bad| bad.within(line).in_line(number.saturating_add(1)))?;
        }

        if names.is_empty() {
            return Err(NodeFault::new("", "", Wrong::Nobody));
        }
        Ok(Self { names })
    }

    /// The names of both, this one's first.
    ///
    /// # Errors
    /// Together they are too many.
    pub fn union(mut self, other: Self) -> Result<Self, NodeFault> {
        self.names.extend(other.names);
        once_each(&mut self.names);
        check_count(&self.names).map_err(|wrong| NodeFault::new("", "", wrong))?;
        Ok(self)
    }

    /// The names, in the order in which they were named.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a set names at least one host")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The names one after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, String> {
        self.names.iter()
    }

    /// The shortest usual form: `web[1-6,8-40]`.
    pub fn fold(&self) -> String {
        fold(&self.names)
    }
}

impl<'s> IntoIterator for &'s NodeSet {
    type Item = &'s String;
    type IntoIter = std::slice::Iter<'s, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for NodeSet {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.names.into_iter()
    }
}

/// Whether a text is one name, as it may stand in a set.
pub fn is_name(text: &str) -> bool {
    operand::check_name(text).is_ok()
}

#[cfg(test)]
mod fold_tests;
#[cfg(test)]
mod tests;
