//! What a configuration says, key by key and without the values: enough to tell in words what a
//! reload has changed.

use std::collections::BTreeMap;

/// Entries such as `command deploy` or `[limits]`, each with its keys and what tells one value from
/// another. Values stay out of it, since some are hashes of passwords.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline(BTreeMap<String, BTreeMap<String, u64>>);

impl Outline {
    /// Notes an entry and its keys.
    pub fn put(&mut self, entry: String, keys: impl IntoIterator<Item = (String, u64)>) {
        self.0.entry(entry).or_default().extend(keys);
    }

    /// What the new one has, lacks and says otherwise, a line each: `command deploy changed: exec,
    /// timeout`.
    pub fn difference(old: &Self, new: &Self) -> Vec<String> {
        let added = new
            .0
            .keys()
            .filter(|entry| !old.0.contains_key(*entry))
            .map(|entry| format!("{entry} added"));
        let removed = old
            .0
            .keys()
            .filter(|entry| !new.0.contains_key(*entry))
            .map(|entry| format!("{entry} removed"));
        let changed = new.0.iter().filter_map(|(entry, is)| {
            let was = old.0.get(entry)?;
            let keys: Vec<&str> = was
                .iter()
                .filter(|(key, value)| is.get(*key) != Some(value))
                .chain(is.iter().filter(|(key, _)| !was.contains_key(*key)))
                .map(|(key, _)| key.as_str())
                .collect();
            (!keys.is_empty()).then(|| format!("{entry} changed: {}", keys.join(", ")))
        });

        let mut lines: Vec<String> = added.chain(removed).chain(changed).collect();
        lines.sort();
        lines
    }
}
