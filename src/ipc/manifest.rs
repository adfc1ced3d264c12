//! The descriptors that come along with a message, each by its name.

use crate::sys::{Foreign, Held};
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;

/// What a descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Name {
    /// The certificate chain, PEM.
    Certificate,
    /// The certificate's key, PEM.
    Key,
    /// The CA that client certificates must come from, PEM.
    ClientCa,
    /// A socket that listens.
    Listener,
    /// A client's socket.
    Client,
    /// What is kept of a run's output.
    Spool,
    /// A run's standard output, to be read.
    Stdout,
    /// A run's standard error, to be read.
    Stderr,
    /// A run's standard input, to be written.
    Stdin,
}

/// Descriptors with their names.
#[derive(Debug, Default)]
pub struct Manifest {
    named: Vec<(Name, Held)>,
    lost: bool,
}

impl Manifest {
    /// What is left of descriptors that this process had no room for: none.
    pub const fn lost() -> Self {
        Self {
            named: Vec::new(),
            lost: true,
        }
    }

    /// Whether descriptors came that this process had no room for.
    pub const fn is_lost(&self) -> bool {
        self.lost
    }

    /// These descriptors with one more.
    #[must_use]
    pub fn with(mut self, name: Name, descriptor: impl Into<OwnedFd>) -> Self {
        self.named.push((name, Held::Own(descriptor.into())));
        self
    }

    /// These descriptors with one more, where there is one.
    #[must_use]
    pub fn with_some(self, name: Name, descriptor: Option<OwnedFd>) -> Self {
        match descriptor {
            Some(descriptor) => self.with(name, descriptor),
            None => self,
        }
    }

    /// Takes the first of this name, unless it is the frontend's.
    pub fn take(&mut self, name: Name) -> Option<OwnedFd> {
        match self.take_held(name)? {
            Held::Own(descriptor) => Some(descriptor),
            Held::Foreign(_) => None,
        }
    }

    /// Takes the first of this name, if it is the frontend's.
    pub fn take_foreign(&mut self, name: Name) -> Option<Foreign> {
        match self.take_held(name)? {
            Held::Foreign(descriptor) => Some(descriptor),
            Held::Own(_) => None,
        }
    }

    fn take_held(&mut self, name: Name) -> Option<Held> {
        let at = self.named.iter().position(|(known, _)| *known == name)?;
        Some(self.named.remove(at).1)
    }

    /// Takes all of this name, in their order.
    pub fn take_all(&mut self, name: Name) -> Vec<OwnedFd> {
        std::iter::from_fn(|| self.take(name)).collect()
    }

    /// The names, in order.
    pub fn names(&self) -> Vec<Name> {
        self.named.iter().map(|(name, _)| *name).collect()
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = &Held> {
        self.named.iter().map(|(_, descriptor)| descriptor)
    }

    /// The descriptors that came, by the names that were sent; `None` where they are not as many.
    pub fn named(names: Vec<Name>, descriptors: Vec<Held>) -> Option<Self> {
        (names.len() == descriptors.len()).then(|| Self {
            named: names.into_iter().zip(descriptors).collect(),
            lost: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys;

    #[test]
    fn descriptors_are_taken_by_name() {
        let null = || sys::null().unwrap();
        let mut manifest = Manifest::default()
            .with(Name::Key, null())
            .with(Name::Listener, null())
            .with_some(Name::ClientCa, None)
            .with(Name::Listener, null());
        assert_eq!(
            manifest.names(),
            [Name::Key, Name::Listener, Name::Listener]
        );
        assert!(manifest.take(Name::Stdin).is_none());
        assert!(manifest.take(Name::Key).is_some() && manifest.take(Name::Key).is_none());
        assert_eq!(manifest.take_all(Name::Listener).len(), 2);
        assert!(Manifest::named(vec![Name::Spool], vec![]).is_none());
    }
}
