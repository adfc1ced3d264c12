//! Faults of a configuration, collected so that all are seen at once.

use crate::place::Place;
use std::cell::RefCell;
use std::fmt;

/// Something wrong in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where the fault is.
    pub place: Place,
    /// The key that is wrong, dotted.
    pub key: String,
    /// What was found and what is accepted.
    pub text: String,
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
        write!(out, "{}", self.text)
    }
}

/// Where readers leave what they find.
#[derive(Debug, Default)]
pub struct Faults {
    found: RefCell<Vec<Fault>>,
    warned: RefCell<Vec<Fault>>,
}

impl Faults {
    /// Adds a fault.
    pub fn add(&self, place: &Place, key: impl Into<String>, text: impl Into<String>) {
        self.found.borrow_mut().push(Fault {
            place: place.clone(),
            key: key.into(),
            text: text.into(),
        });
    }

    /// Adds a warning.
    pub fn warn(&self, place: &Place, key: impl Into<String>, text: impl Into<String>) {
        self.warned.borrow_mut().push(Fault {
            place: place.clone(),
            key: key.into(),
            text: text.into(),
        });
    }

    /// Whether nothing is wrong so far.
    pub fn none(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// Faults and warnings, in the order of their places.
    pub fn into_parts(self) -> (Vec<Fault>, Vec<Fault>) {
        let sorted = |mut list: Vec<Fault>| {
            list.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
            list
        };

        (
            sorted(self.found.into_inner()),
            sorted(self.warned.into_inner()),
        )
    }
}
