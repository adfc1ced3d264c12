//! The argv template: words with holes. A value fills a hole and can never become more than its
//! word.

use std::fmt;

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text as it stands.
    Literal(String),
    /// The value of the argument at this index.
    Hole(usize),
}

/// One word of the argv, in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word(pub Vec<Piece>);

/// A word, or words that vanish together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// A word of its own.
    Word(Word),
    /// A nested array: gone when a hole in it is empty.
    Group(Vec<Word>),
}

/// A whole argv template; its first word is the executable and has no hole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template(pub Vec<Segment>);

/// Why a text is not a template's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateFault {
    /// A `{` without its `}`.
    Unclosed,
    /// A `}` without its `{`; a literal one is written `}}`.
    Unopened,
    /// A hole that names no declared argument.
    Undeclared(String),
    /// A NUL, which no argv can hold.
    Nul,
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed => write!(out, "`{{` without `}}` (a literal brace is written `{{{{`)"),
            Self::Unopened => write!(out, "`}}` without `{{` (a literal brace is written `}}}}`)"),
            Self::Undeclared(name) => write!(
                out,
                "`{{{}}}` is not a declared argument",
                name.escape_debug()
            ),
            Self::Nul => write!(out, "a NUL character"),
        }
    }
}

impl Word {
    /// Reads a word; `index` finds a declared argument by its name.
    ///
    /// # Errors
    /// What is wrong with the braces or the name between them.
    pub fn parse(text: &str, index: impl Fn(&str) -> Option<usize>) -> Result<Self, TemplateFault> {
        let (mut pieces, mut literal) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}', '\0']) {
            let (before, from) = rest.split_at(at);
            literal.push_str(before);
            rest = if let Some(after) = from.strip_prefix("{{") {
                literal.push('{');
                after
            } else if let Some(after) = from.strip_prefix("}}") {
                literal.push('}');
                after
            } else if let Some(inside) = from.strip_prefix('{') {
                let (name, after) = inside.split_once('}').ok_or(TemplateFault::Unclosed)?;
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Hole(
                    index(name).ok_or_else(|| TemplateFault::Undeclared(name.to_owned()))?,
                ));
                after
            } else if from.starts_with('}') {
                return Err(TemplateFault::Unopened);
            } else {
                return Err(TemplateFault::Nul);
            };
        }

        literal.push_str(rest);
        if !literal.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    /// The word as it stands, when it has no hole.
    pub fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The argument that is this whole word.
    pub fn whole_hole(&self) -> Option<usize> {
        match self.0.as_slice() {
            [Piece::Hole(index)] => Some(*index),
            _ => None,
        }
    }

    /// The arguments in the word, from left to right.
    pub fn holes(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Hole(index) => Some(*index),
            Piece::Literal(_) => None,
        })
    }

    /// Fills the word: no word when a hole is empty, several when it is a repeated argument.
    pub(super) fn fill<'v>(&self, values: impl Fn(usize) -> &'v [String]) -> Vec<String> {
        self.filled(values, str::to_owned)
    }

    /// Fills the word, its own text written by `literal`.
    fn filled<'v>(
        &self,
        values: impl Fn(usize) -> &'v [String],
        literal: fn(&str) -> String,
    ) -> Vec<String> {
        if let Some(index) = self.whole_hole() {
            return values(index).to_vec();
        }
        let mut word = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => word.push_str(&literal(text)),
                Piece::Hole(index) => match values(*index) {
                    [one] => word.push_str(one),
                    _ => return Vec::new(),
                },
            }
        }

        vec![word]
    }
}

impl Segment {
    /// The template's words.
    pub fn words(&self) -> &[Word] {
        match self {
            Self::Word(word) => std::slice::from_ref(word),
            Self::Group(words) => words,
        }
    }
}

impl Template {
    /// The template's words, those in nested arrays in their groups.
    pub fn words(&self) -> impl Iterator<Item = &Word> {
        self.0.iter().flat_map(Segment::words)
    }

    /// The arguments in the order of their first hole: their order by position.
    pub fn positions(&self) -> Vec<usize> {
        let mut order = Vec::new();
        for index in self.words().flat_map(Word::holes) {
            if !order.contains(&index) {
                order.push(index);
            }
        }

        order
    }

    /// The argv.
    pub(super) fn fill<'v>(&self, values: impl Fn(usize) -> &'v [String] + Copy) -> Vec<String> {
        self.filled(values, str::to_owned)
    }

    /// The argv, the template's own text written by `literal`.
    pub(super) fn filled<'v>(
        &self,
        values: impl Fn(usize) -> &'v [String] + Copy,
        literal: fn(&str) -> String,
    ) -> Vec<String> {
        let mut argv = Vec::new();
        for segment in &self.0 {
            match segment {
                Segment::Word(word) => argv.extend(word.filled(values, literal)),
                Segment::Group(words) => {
                    if words
                        .iter()
                        .flat_map(Word::holes)
                        .all(|index| !values(index).is_empty())
                    {
                        argv.extend(words.iter().flat_map(|word| word.filled(values, literal)));
                    }
                }
            }
        }

        argv
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
