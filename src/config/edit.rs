//! Edits of a configuration's text: a user is put in, changed or taken out, and every other byte
//! stays as it is.
//!
//! `toml_edit` says where each key and table stands, and how a value is spelled. Its own writer is
//! not used: it would spell line ends and dotted keys anew. What an edit has made is read again, and
//! must differ by this user alone.

use super::layout::{Layout, Piece};
use std::fmt;
use std::ops::Range;
use toml_edit::{Document, InlineTable, Item, Key, Table, Value};

/// What is said of a user; what is `None` is left out, or stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Their roles.
    pub roles: Option<Vec<String>>,
    /// The account whose groups give them roles.
    pub account: Option<String>,
    /// Their keys, each as a line of `authorized_keys`.
    pub ssh_keys: Option<Vec<String>>,
    /// The hash of their password.
    pub password: Option<String>,
}

/// Why a text is not edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unedited {
    /// It is no TOML.
    NotToml(String),
    /// The users stand in a form that is not edited, in this line.
    Form(u32),
    /// More would have changed than this user.
    Unsure,
}

impl fmt::Display for Unedited {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotToml(why) => write!(out, "not TOML: {why}"),
            Self::Form(line) => write!(
                out,
                "the users in line {line} stand in a form that is not edited; accepted is a table for each, `[users.NAME]`, or a line below `[users]`"
            ),
            Self::Unsure => out.write_str(
                "it cannot be edited without changing more than this user; edit it by hand",
            ),
        }
    }
}

/// A configuration's text, with the place of everything in it.
pub struct Text<'t> {
    /// The byte-order mark before the text, where there is one.
    mark: &'t str,
    document: Document<&'t str>,
    layout: Layout<'t>,
}

/// Bytes that are put in the place of others.
type Splice = (Range<usize>, String);

impl<'t> Text<'t> {
    /// Reads a text.
    ///
    /// # Errors
    /// [`Unedited::NotToml`].
    pub fn read(whole: &'t str) -> Result<Self, Unedited> {
        let text = whole.strip_prefix('\u{feff}').unwrap_or(whole);
        let mark = whole.strip_suffix(text).unwrap_or_default();
        let document = Document::parse(text)
            .map_err(|fault| Unedited::NotToml(fault.message().trim().to_owned()))?;
        let layout = Layout::of(text, document.as_table());
        Ok(Self {
            mark,
            document,
            layout,
        })
    }

    /// The line in which a user's table begins, if they are in this text.
    pub fn line_of(&self, user: &str) -> Option<u32> {
        let users = self.document.get("users")?;
        users.get(user)?;
        let own = self.layout.pieces.iter().find(|piece| piece.is_of(user));
        let any = || self.layout.pieces.iter().find(|piece| piece.is_of_users());
        Some(own.or_else(any).map_or(1, |piece| self.layout.line(piece)))
    }

    /// The text with one more user.
    ///
    /// # Errors
    /// The users stand in a form that is not edited.
    pub fn with(&self, user: &str, said: &Said) -> Result<String, Unedited> {
        self.not_in_one_line()?;
        let at = self.place_for_new();
        let end = self.layout.line_end_of_file();
        let before = self.layout.text.get(..at).unwrap_or_default();
        let whole = before.is_empty() || before.ends_with('\n');

        let mut new = String::new();
        if !whole {
            new.push_str(end);
        }
        if !before.is_empty() {
            new.push_str(end);
        }
        let mut lines = vec![format!("[users.{}]", Key::new(user))];
        lines.push(entry(
            "roles",
            &in_one_line(said.roles.as_deref().unwrap_or_default()),
        ));
        let account = said.account.as_deref().map(quoted);
        lines.extend(account.map(|name| entry("account", &name)));
        let keys = said.ssh_keys.as_deref().map(|keys| list(keys, end));
        lines.extend(keys.map(|keys| entry("ssh_keys", &keys)));
        let password = said.password.as_deref().map(quoted);
        lines.extend(password.map(|hash| entry("password", &hash)));
        new.push_str(&lines.join(end));
        if whole {
            new.push_str(end);
        }

        let made = self.spliced(vec![(at..at, new)]);
        let said = Said {
            roles: Some(said.roles.clone().unwrap_or_default()),
            ..said.clone()
        };
        self.differs(&made, |users| {
            users.insert(user.to_owned(), said.table().into()).is_none()
        })?;
        Ok(made)
    }

    /// The text without a user. What stands directly above and below their table, without a blank
    /// line between, are their comments, and goes too; the caption of the file stays.
    ///
    /// # Errors
    /// The users stand in a form that is not edited.
    pub fn without(&self, user: &str) -> Result<String, Unedited> {
        self.not_in_one_line()?;
        let mut gone: Vec<Splice> = Vec::new();
        let mut at = 0;
        while let Some(first) = self.layout.pieces.get(at) {
            let mine = self.layout.pieces.iter().skip(at);
            let mine: Vec<&Piece> = mine.take_while(|piece| piece.is_of(user)).collect();
            if let Some(last) = mine.last() {
                gone.push((self.lines_of(first, last, at), String::new()));
            }
            at += mine.len().max(1);
        }

        let made = self.spliced(gone);
        self.differs(&made, |users| users.remove(user).is_some())?;
        Ok(made)
    }

    /// The text in which a user's keys say something else; their other keys stay.
    ///
    /// # Errors
    /// The user stands in a form that is not edited.
    pub fn changed(&self, user: &str, said: &Said) -> Result<String, Unedited> {
        self.not_in_one_line()?;
        let end = self.layout.line_end_of_file();
        let said_now = [
            ("roles", said.roles.as_deref().map(in_one_line)),
            ("account", said.account.as_deref().map(quoted)),
            (
                "ssh_keys",
                said.ssh_keys.as_deref().map(|keys| list(keys, end)),
            ),
            ("password", said.password.as_deref().map(quoted)),
        ];
        let mut splices: Vec<Splice> = Vec::new();
        for (key, value) in said_now {
            if let Some(value) = value {
                splices.push(self.put(user, key, value)?);
            }
        }

        let made = self.spliced(splices);
        self.differs(&made, |users| {
            let known = users.get_mut(user).and_then(toml::Value::as_table_mut);
            known.is_some_and(|known| {
                known.extend(said.table());
                true
            })
        })?;
        Ok(made)
    }

    /// Users in one value, `users = { … }`, are not edited.
    fn not_in_one_line(&self) -> Result<(), Unedited> {
        let whole = |piece: &&Piece| !piece.header && piece.path.len() == 1 && piece.is_of_users();
        match self.layout.pieces.iter().find(whole) {
            Some(piece) => Err(Unedited::Form(self.layout.line(piece))),
            None => Ok(()),
        }
    }

    /// Where a new user's table goes: behind the last table of users, else at the end.
    fn place_for_new(&self) -> usize {
        let of_users = |piece: &Piece| piece.header && piece.is_of_users();
        let Some(last) = self.layout.pieces.iter().rposition(of_users) else {
            return self.layout.text.len();
        };
        let section = self.layout.pieces.iter().skip(last + 1);
        let end = section.take_while(|piece| !piece.header).last();
        let end = end.or_else(|| self.layout.pieces.get(last));
        end.map_or(self.layout.text.len(), |piece| {
            self.layout.below(self.layout.line_end(piece.span.end))
        })
    }

    /// The lines of a group of pieces, the first of which has this index.
    fn lines_of(&self, first: &Piece, last: &Piece, index: usize) -> Range<usize> {
        let mut start = self.layout.line_start(first.span.start);
        let mut end = self.layout.line_end(last.span.end);
        if first.header {
            end = self.layout.below(end);
            let before = index
                .checked_sub(1)
                .and_then(|at| self.layout.pieces.get(at));
            start = self.layout.above(
                start,
                before.map_or(0, |piece| self.layout.line_end(piece.span.end)),
            );
        }
        // What has no line end at its end leaves none behind.
        if end == self.layout.text.len() && !self.layout.text.ends_with('\n') {
            let kept = self.layout.text.get(..start).unwrap_or_default();
            let cut = kept.strip_suffix('\n').unwrap_or(kept);
            start = cut.strip_suffix('\r').unwrap_or(cut).len();
        }
        start..end
    }

    /// What puts a value in the place of a key's, or a new key to the others of the user.
    fn put(&self, user: &str, key: &str, value: String) -> Result<Splice, Unedited> {
        let is_of_key = |piece: &&Piece| {
            let [.., last] = piece.path.as_slice() else {
                return false;
            };
            piece.is_of(user) && piece.path.len() == 3 && !piece.header && last == key
        };
        let form = || Unedited::Form(self.line_of(user).unwrap_or(1));
        let known = self.document.get("users").and_then(|users| users.get(user));
        match known {
            Some(Item::Value(Value::InlineTable(table))) => {
                put_inline(table, key, &value).ok_or_else(form)
            }
            Some(Item::Table(table)) => {
                if let Some(span) = table.get(key).and_then(Item::span)
                    && self.layout.pieces.iter().any(|piece| is_of_key(&piece))
                {
                    return Ok((span, value));
                }
                self.put_line(user, table, key, &value).ok_or_else(form)
            }
            _ => Err(form()),
        }
    }

    /// What puts one more line to the lines of a user.
    fn put_line(&self, user: &str, table: &Table, key: &str, value: &str) -> Option<Splice> {
        let own = |piece: &&Piece| {
            let plain = piece.header && piece.path.len() == 2;
            piece.is_of(user) && (plain || piece.path.len() == 3 && !piece.header)
        };
        let last = self.layout.pieces.iter().rfind(own)?;
        let at = self.layout.line_end(last.span.end);
        let end = self.layout.line_end_of_file();
        // Where the keys are dotted, the new one begins as the one before it.
        let begins = match table.is_dotted() {
            true => {
                let start = self.layout.line_start(last.span.start);
                self.layout.text.get(start..last.span.start)?
            }
            false => "",
        };
        let line = format!("{begins}{}", entry(key, value));
        let before = self.layout.text.get(..at)?;
        let put = match before.ends_with('\n') {
            true => format!("{line}{end}"),
            false => format!("{end}{line}"),
        };
        Some((at..at, put))
    }

    /// The text with these splices, the byte-order mark included. Several at one place follow one
    /// another.
    fn spliced(&self, mut splices: Vec<Splice>) -> String {
        splices.sort_by_key(|(span, _)| span.start);
        let mut made = self.mark.to_owned();
        let mut at = 0;
        for (span, new) in splices {
            made.push_str(self.layout.text.get(at..span.start).unwrap_or_default());
            made.push_str(&new);
            at = span.end;
        }
        made.push_str(self.layout.text.get(at..).unwrap_or_default());
        made
    }

    /// Whether the text that was made says what this one says, but for this change of its users.
    fn differs(
        &self,
        made: &str,
        change: impl FnOnce(&mut toml::Table) -> bool,
    ) -> Result<(), Unedited> {
        let read = |text: &str| toml::from_str::<toml::Table>(text).ok();
        let plain = made.strip_prefix('\u{feff}').unwrap_or(made);
        let (Some(mut wanted), Some(mut found)) = (read(self.layout.text), read(plain)) else {
            return Err(Unedited::Unsure);
        };
        let users = wanted
            .entry("users")
            .or_insert_with(|| toml::Table::new().into());
        let done = users.as_table_mut().is_some_and(change);
        for table in [&mut wanted, &mut found] {
            let empty = table.get("users").and_then(toml::Value::as_table);
            if empty.is_some_and(toml::Table::is_empty) {
                table.remove("users");
            }
        }
        if done && wanted == found {
            Ok(())
        } else {
            Err(Unedited::Unsure)
        }
    }
}

impl Said {
    /// As it is read from a file.
    fn table(&self) -> toml::Table {
        let texts = |list: &Vec<String>| toml::Value::from(list.clone());
        let said = [
            ("roles", self.roles.as_ref().map(texts)),
            ("account", self.account.clone().map(toml::Value::from)),
            ("ssh_keys", self.ssh_keys.as_ref().map(texts)),
            ("password", self.password.clone().map(toml::Value::from)),
        ];
        said.into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect()
    }
}

/// What puts a key into a table in one line.
fn put_inline(table: &InlineTable, key: &str, value: &str) -> Option<Splice> {
    if let Some(known) = table.get(key) {
        return Some((known.span()?, value.to_owned()));
    }
    let own = table.span()?;
    if table.is_empty() {
        return Some((own, format!("{{ {} }}", entry(key, value))));
    }
    let ends = table.iter().map(|(_, value)| Some(value.span()?.end));
    let last = ends.collect::<Option<Vec<usize>>>()?.into_iter().max()?;
    Some((last..last, format!(", {}", entry(key, value))))
}

fn entry(key: &str, value: &str) -> String {
    format!("{key} = {value}")
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn in_one_line(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    format!("[{}]", names.join(", "))
}

/// A list that has a line for each, where there are several.
fn list(items: &[String], end: &str) -> String {
    if items.len() < 2 {
        return in_one_line(items);
    }
    let lines: String = items
        .iter()
        .map(|item| format!("    {},{end}", quoted(item)))
        .collect();
    format!("[{end}{lines}]")
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
