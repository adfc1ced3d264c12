//! What does not fit in a node set, with the word and where it stands.

use crate::limits;
use std::fmt;

/// A fault of a node set, as a whole sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFault {
    /// Where the word stands, in characters from 1.
    pub column: usize,
    /// The word that does not fit; empty where one is missing.
    pub word: String,
    /// The line, from 1, where the text has lines.
    pub line: Option<usize>,
    /// The group in whose text it stands, as it is written: `@web`.
    pub group: Option<String>,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What can be wrong with a node set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// The text is longer than this many bytes.
    TooLong(usize),
    /// A name is missing: nothing is there, or nothing beside an operator.
    NoName,
    /// A name has a character that none has.
    Character(char),
    /// A name begins with `-` or `.`.
    Beginning,
    /// A name has two dots after one another.
    Dots,
    /// A name is longer than names can be.
    LongName,
    /// A name has a colon, but is no IPv6 address.
    Colon,
    /// A bracket is opened and not closed.
    NotClosed,
    /// A bracket is closed and was not opened.
    NotOpened,
    /// A bracket is opened within another, or with nothing but digits between the two.
    OpenedAgain,
    /// A range is empty.
    NoRange,
    /// A bound of a range is no number.
    NoNumber,
    /// A number has more digits than can be counted with.
    LongNumber,
    /// The second bound of a range is below the first.
    Backwards,
    /// The bounds of a range have zeros before them and are not of one length.
    Zeros,
    /// A step is no number from 1 on, or stands behind no range.
    Step,
    /// Digits before a bracket could be meant in two ways.
    TwoMeanings,
    /// More names than may be; how many, where that can be counted.
    TooMany(Option<u64>),
    /// Names are joined and taken away too often.
    TooMuch,
    /// A group is not known, or who knows it cannot be asked.
    Group(String),
    /// The name of a group is missing.
    NoGroup,
    /// A group is a member of itself; the way around.
    Loop(Vec<String>),
    /// Groups within groups, too deep.
    Deep,
    /// No name is left.
    Nobody,
    /// What stands behind the last colon is no port.
    Port,
    /// What stands before `@` is no user for the whole set.
    User,
}

/// A word of a text that does not fit.
#[derive(Debug)]
pub(super) struct Bad<'t> {
    pub word: &'t str,
    pub wrong: Wrong,
}

impl<'t> Bad<'t> {
    pub fn new(word: &'t str, wrong: Wrong) -> Self {
        Self { word, wrong }
    }

    /// The fault, for somebody who sees the whole text.
    pub fn within(self, text: &str) -> NodeFault {
        NodeFault::new(text, self.word, self.wrong)
    }
}

impl NodeFault {
    /// The word is a part of the text.
    pub(super) fn new(text: &str, word: &str, wrong: Wrong) -> Self {
        let begin = word.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
        let before = text.get(..begin).unwrap_or_default();
        Self {
            column: before.chars().count().saturating_add(1),
            word: word.to_owned(),
            line: None,
            group: None,
            wrong,
        }
    }

    pub(super) fn in_line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// In the text of a group, unless it stands in that of a group further inside.
    pub(super) fn in_group(mut self, group: &str) -> Self {
        self.group.get_or_insert_with(|| group.to_owned());
        self
    }
}

/// Characters of a word that a fault shows.
const SHOWN: usize = 80;

impl fmt::Display for NodeFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(group) = &self.group {
            write!(out, "in the group `{}`, ", group.escape_debug())?;
        }
        if let Some(line) = self.line {
            write!(out, "line {line}, ")?;
        }
        write!(out, "column {}: ", self.column)?;
        if !self.word.is_empty() {
            let mut shown = self.word.chars();
            let word: String = shown.by_ref().take(SHOWN).collect();
            let more = if shown.next().is_some() { "…" } else { "" };
            write!(out, "`{}{more}` ", word.escape_debug())?;
        }
        self.wrong.fmt(out)
    }
}

impl fmt::Display for Wrong {
    /// The rest of a sentence that begins with the word.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(most) => write!(out, "is longer than {most} bytes"),
            Self::NoName => out.write_str(
                "needs a name beside it; wanted is a set such as `web[1-40],db1!web7`",
            ),
            Self::Character(c) => write!(
                out,
                "has a {c:?}, which no name has; names have letters, digits, `.`, `_`, `-` and `:`"
            ),
            Self::Beginning => out.write_str("begins with `-` or `.`, as no name does"),
            Self::Dots => out.write_str("has two dots after one another, as no name has"),
            Self::LongName => write!(out, "makes names longer than {} bytes", limits::NODE_NAME),
            Self::Colon => out.write_str("has a colon but is no IPv6 address (a port goes behind the whole set)"),
            Self::NotClosed => out.write_str("opens a bracket that is not closed"),
            Self::NotOpened => out.write_str("closes a bracket that is not open"),
            Self::OpenedAgain => out.write_str(
                "opens a bracket within or directly behind another; wanted is something between them that is no digit",
            ),
            Self::NoRange => out.write_str("has an empty range; wanted are numbers such as `1-5,7`"),
            Self::NoNumber => out.write_str("is no number; wanted are numbers such as `1-5,7`"),
            Self::LongNumber => out.write_str("has more digits than a range can count with (18)"),
            Self::Backwards => out.write_str("goes backwards; the lower number comes first"),
            Self::Zeros => out.write_str(
                "has zeros before one bound and another length of the other; both bounds have the same number of digits, as in `01-40`",
            ),
            Self::Step => out.write_str("has a step that is none; wanted is one such as `0-8/2`"),
            Self::TwoMeanings => out.write_str(
                "has a digit before the bracket, and numbers of unlike length in it, which tools understand in different ways; put the digit into the bracket",
            ),
            Self::TooMany(Some(count)) => {
                write!(out, "names {count} hosts, and {} are the most", limits::NODES)
            }
            Self::TooMany(None) => {
                write!(out, "names more hosts than can be counted, and {} are the most", limits::NODES)
            }
            Self::TooMuch => out.write_str("names the same hosts too many times"),
            Self::Group(why) => write!(out, "is not known: {why}"),
            Self::NoGroup => out.write_str("needs the name of a group, as in `@web`"),
            Self::Loop(way) => write!(out, "is a member of itself: {}", way.join(" → ")),
            Self::Deep => write!(
                out,
                "is a group within {} others, and that is the most",
                limits::NODE_NESTING
            ),
            Self::Nobody => out.write_str("names no host"),
            Self::Port => out.write_str("is not a port"),
            Self::User => out.write_str(
                "is no user for all; one user stands before the whole set, as in `alice@web1,web2`",
            ),
        }
    }
}

impl std::error::Error for NodeFault {}
