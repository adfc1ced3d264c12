//! Who knows groups, as a set is read.

/// Who knows what groups hold.
pub trait Groups {
    /// The text of a group, which may name further groups. Without a source, the usual one is meant.
    ///
    /// # Errors
    /// A sentence: there is no such group, or its source cannot be asked.
    fn members(&self, source: Option<&str>, name: &str) -> Result<String, String>;

    /// All nodes of a source, as such a text.
    ///
    /// # Errors
    /// A sentence, as of [`Groups::members`].
    fn all(&self, source: Option<&str>) -> Result<String, String>;
}

/// Where there are no groups at all.
pub struct NoGroups;

impl Groups for NoGroups {
    fn members(&self, _: Option<&str>, _: &str) -> Result<String, String> {
        Err("there are no groups here".into())
    }

    fn all(&self, _: Option<&str>) -> Result<String, String> {
        Err("there are no groups here".into())
    }
}
