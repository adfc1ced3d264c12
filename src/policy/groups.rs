//! The groups of the system that give roles to whoever is in them.

use crate::place::Place;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The groups of the system that give roles, by name.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    given: BTreeMap<String, Given>,
    names: Arc<[String]>,
}

/// What a group of the system gives whoever is in it.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The roles, all of them declared.
    pub roles: Vec<String>,
    /// Where that is written.
    pub place: Place,
}

impl From<BTreeMap<String, Given>> for Groups {
    fn from(given: BTreeMap<String, Given>) -> Self {
        let names = given.keys().cloned().collect();
        Self { given, names }
    }
}

impl Groups {
    /// Each with what it gives.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Given)> {
        self.given.iter().map(|(name, given)| (&**name, given))
    }

    /// The names of all.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The names of all, for whoever keeps them.
    pub(super) fn shared_names(&self) -> Arc<[String]> {
        self.names.clone()
    }
}
