//! Where everything stands in a configuration's text: headers of tables, keys with their values,
//! and the comments that belong to a table.

use std::ops::Range;
use toml_edit::{Item, Key, Table};

/// A text with the places of what is in it.
pub struct Layout<'t> {
    /// The text, without a byte-order mark.
    pub text: &'t str,
    /// Its pieces, in the order of the text.
    pub pieces: Vec<Piece>,
}

/// A header of a table, or a key with its value.
pub struct Piece {
    /// The names of the tables around it, and its own.
    pub path: Vec<String>,
    /// Whether it is the header of a table.
    pub header: bool,
    /// Where it stands, without the space around it.
    pub span: Range<usize>,
}

impl Piece {
    /// Whether it says something of this user.
    pub fn is_of(&self, user: &str) -> bool {
        matches!(self.path.as_slice(), [users, name, ..] if users == "users" && name == user)
    }

    /// Whether it belongs to a table that holds users.
    pub fn is_of_users(&self) -> bool {
        self.path.first().is_some_and(|first| first == "users")
    }
}

impl<'t> Layout<'t> {
    /// The layout of a text that was read as this table.
    pub fn of(text: &'t str, table: &Table) -> Self {
        let mut pieces = Vec::new();
        collect(table, &mut Vec::new(), &mut pieces);
        pieces.sort_by_key(|piece| piece.span.start);
        Self { text, pieces }
    }

    /// Where the comments begin that stand directly above a place, with one blank line above them;
    /// not above `bound`, where something else ends.
    pub fn above(&self, place: usize, bound: usize) -> usize {
        let line_above = |at: usize| {
            let begin = self.line_start(at.checked_sub(1).filter(|_| at > bound)?);
            Some((begin, self.text.get(begin..at)?.trim()))
        };
        let mut at = place;
        while let Some((begin, _)) = line_above(at).filter(|(_, line)| line.starts_with('#')) {
            at = begin;
        }
        match line_above(at) {
            Some((begin, "")) => begin,
            // The caption of the file is nobody's comment.
            None if at == 0 => place,
            _ => at,
        }
    }

    /// Where the comments end that stand directly below a place; those that stand directly above
    /// something else belong to that.
    pub fn below(&self, place: usize) -> usize {
        let line = |at: usize| {
            let end = self.line_end(at);
            (end, self.text.get(at..end).unwrap_or_default().trim())
        };
        let mut at = place;
        loop {
            match line(at) {
                (end, text) if text.starts_with('#') => at = end,
                (_, "") => return at,
                _ => return place,
            }
        }
    }

    /// The line in which a piece stands.
    pub fn line(&self, piece: &Piece) -> u32 {
        let before = self.text.get(..piece.span.start).unwrap_or_default();
        let ends = before.bytes().filter(|byte| *byte == b'\n').count();
        u32::try_from(ends + 1).unwrap_or(u32::MAX)
    }

    /// The beginning of the line in which this place is.
    pub fn line_start(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        before.rfind('\n').map_or(0, |end| end + 1)
    }

    /// Behind the end of the line in which this place is.
    pub fn line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        rest.find('\n').map_or(self.text.len(), |end| at + end + 1)
    }

    /// How lines end in this text.
    pub fn line_end_of_file(&self) -> &'static str {
        if self.text.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        }
    }
}

/// Everything that stands in a table, at its place.
fn collect(table: &Table, path: &mut Vec<String>, into: &mut Vec<Piece>) {
    let header = |table: &Table, path: &[String]| {
        // One that only another's name makes has the place of its name there.
        let span = table.span().filter(|_| !table.is_implicit())?;
        (!table.is_dotted()).then(|| Piece {
            path: path.to_vec(),
            header: true,
            span,
        })
    };
    for (name, item) in table.iter() {
        path.push(name.to_owned());
        match item {
            Item::None => {}
            Item::Value(value) => {
                let begins = table.key(name).and_then(Key::span);
                if let (Some(key), Some(value)) = (begins, value.span()) {
                    into.push(Piece {
                        path: path.clone(),
                        header: false,
                        span: key.start..value.end,
                    });
                }
            }
            Item::Table(inner) => {
                into.extend(header(inner, path));
                collect(inner, path, into);
            }
            Item::ArrayOfTables(list) => {
                for inner in list.iter() {
                    into.extend(header(inner, path));
                    collect(inner, path, into);
                }
            }
        }
        path.pop();
    }
}
