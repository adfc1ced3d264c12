//! Faults and warnings of a configuration, collected so that all are seen at once.

use super::warning::{Subject, Warning};
use crate::place::Place;
use std::cell::RefCell;
use std::fmt;

/// Something wrong in a configuration, or something to be warned of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it is.
    pub place: Place,
    /// The key that is wrong, dotted.
    pub key: String,
    /// What was found and what is accepted.
    pub text: String,
    /// The name of a warning; a fault has none.
    pub warning: Option<&'static str>,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.line > 0 {
            write!(out, "{}: ", self.place)?;
        } else if !self.place.file.is_empty() {
            write!(out, "{}: ", self.place.file)?;
        }

        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        write!(out, "{}", self.text)?;
        match self.warning {
            Some(name) => write!(out, " [{name}]"),
            None => Ok(()),
        }
    }
}

/// Where readers leave what they find.
#[derive(Debug, Default)]
pub struct Faults {
    found: RefCell<Vec<Fault>>,
    warned: RefCell<Vec<Warned>>,
    acknowledged: RefCell<Vec<Acknowledged>>,
}

#[derive(Debug)]
struct Warned {
    warning: Warning,
    subject: Subject,
    told: Fault,
}

/// A warning that somebody knows of.
#[derive(Debug)]
struct Acknowledged {
    warning: Warning,
    subject: Subject,
    place: Place,
    key: String,
}

/// The warnings of a configuration without faults.
#[derive(Debug)]
pub struct Warnings {
    /// Those that nobody has acknowledged, in the order of their places.
    pub told: Vec<Fault>,
    /// How many are acknowledged.
    pub acknowledged: usize,
}

impl Faults {
    /// Adds a fault.
    pub fn add(&self, place: &Place, key: impl Into<String>, text: impl Into<String>) {
        self.found.borrow_mut().push(Fault {
            place: place.clone(),
            key: key.into(),
            text: text.into(),
            warning: None,
        });
    }

    /// Adds a warning.
    pub fn warn(
        &self,
        (warning, subject): (Warning, &Subject),
        place: &Place,
        key: impl Into<String>,
        text: impl Into<String>,
    ) {
        self.warned.borrow_mut().push(Warned {
            warning,
            subject: subject.clone(),
            told: Fault {
                place: place.clone(),
                key: key.into(),
                text: text.into(),
                warning: Some(warning.word()),
            },
        });
    }

    /// Takes note that a warning is acknowledged under this key.
    pub fn acknowledge(
        &self,
        (warning, subject): (Warning, &Subject),
        place: &Place,
        key: impl Into<String>,
    ) {
        self.acknowledged.borrow_mut().push(Acknowledged {
            warning,
            subject: subject.clone(),
            place: place.clone(),
            key: key.into(),
        });
    }

    /// Whether nothing is wrong so far.
    pub fn none(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// Faults and warnings, in the order of their places, where faults kept the rest from being
    /// looked at.
    pub fn into_parts(self) -> (Vec<Fault>, Vec<Fault>) {
        let (told, _) = self.split();
        (in_order(self.found.into_inner()), in_order(told))
    }

    /// The warnings, where everything was looked at that can be, `here` or on another machine. An
    /// acknowledgement that was not needed is a warning too.
    pub fn into_warnings(self, here: bool) -> Warnings {
        let (mut told, acknowledged) = self.split();
        let warned = self.warned.borrow();
        let needed = |known: &Acknowledged| warned.iter().any(|warned| known.covers(warned));
        for known in self.acknowledged.borrow().iter() {
            if known.warning.is_looked_for(here) && !needed(known) {
                told.push(Fault {
                    place: known.place.clone(),
                    key: known.key.clone(),
                    text: "acknowledges what is not warned of; leave it out".into(),
                    warning: Some(Warning::UnusedAcknowledgement.word()),
                });
            }
        }
        Warnings {
            told: in_order(told),
            acknowledged,
        }
    }

    /// The warnings that are not acknowledged, and how many are.
    fn split(&self) -> (Vec<Fault>, usize) {
        let (warned, known) = (self.warned.borrow(), self.acknowledged.borrow());
        let open = |warned: &&Warned| !known.iter().any(|known| known.covers(warned));
        let told: Vec<Fault> = warned
            .iter()
            .filter(open)
            .map(|warned| warned.told.clone())
            .collect();
        let acknowledged = warned.len() - told.len();
        (told, acknowledged)
    }
}

impl Acknowledged {
    fn covers(&self, warned: &Warned) -> bool {
        (self.warning, &self.subject) == (warned.warning, &warned.subject)
    }
}

/// In the order of their places. What several commands share has one fault.
fn in_order(mut list: Vec<Fault>) -> Vec<Fault> {
    list.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
    list.dedup();
    list
}
