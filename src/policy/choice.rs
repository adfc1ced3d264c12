//! Words to choose from, and what a command gets for each.

/// The words of a choice in the order in which they were declared, each with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices(Vec<(String, String)>);

impl Choices {
    /// Words that stand for themselves.
    pub fn of_words<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        let same = |word: W| {
            let word = word.into();
            (word.clone(), word)
        };
        Self(words.into_iter().map(same).collect())
    }

    /// Words with their values.
    pub fn of_pairs(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The words, which are all that users see.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(word, _)| word.as_str())
    }

    /// The words with what the command gets for them.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(word, value)| (word.as_str(), value.as_str()))
    }

    /// What the command gets for a word; `None` when the word is not among them.
    pub fn value(&self, word: &str) -> Option<&str> {
        let found = self.pairs().find(|(known, _)| *known == word);
        found.map(|(_, value)| value)
    }

    /// Whether there is nothing to choose from.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words in one line.
    pub(super) fn listed(&self, between: &str) -> String {
        self.words().collect::<Vec<_>>().join(between)
    }
}
