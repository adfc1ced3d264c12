//! A line while it is typed at a terminal that passes on each key: what stands in it, where the cursor
//! is, and the lines before it. No I/O.

use super::display::plain;
use std::collections::VecDeque;

/// Letters of one line: more than can be said.
const LETTERS: usize = 8 * 1024;
/// Lines before it that are kept: those of a long evening.
const KEPT: usize = 200;
/// Bytes of a key: longer sequences are none that we know.
const KEY: usize = 16;
/// What stands before the line.
const PROMPT: &str = "> ";
/// Takes away the line that the cursor is in.
pub const TAKEN_AWAY: &str = "\r\x1b[K";

/// A line that is typed.
#[derive(Debug, Default)]
pub struct Edited {
    /// Bytes of keys that are not looked at yet.
    keys: VecDeque<u8>,
    text: Vec<char>,
    /// The cursor stands before this letter.
    cursor: usize,
    before: VecDeque<String>,
    /// Which of the lines before is shown, and what was typed before it was.
    shown: Option<(usize, Vec<char>)>,
}

/// What has come of keys.
#[derive(Debug, PartialEq, Eq)]
pub enum Done {
    /// A whole line.
    Line(String),
    /// The end of input, in an empty line.
    End,
}

enum Key {
    Letter(char),
    Enter,
    Rubout,
    Delete,
    EndOfInput,
    Left,
    Right,
    Home,
    End,
    Earlier,
    Later,
    RuboutAll,
    RuboutWord,
    DeleteRest,
    Unknown,
}

impl Edited {
    /// Takes what was typed.
    pub fn takes(&mut self, keys: &[u8]) {
        self.keys.extend(keys);
    }

    /// Does what the keys say, up to the first that ends the line.
    pub fn done(&mut self) -> Option<Done> {
        while let Some((key, length)) = key(self.keys.make_contiguous()) {
            self.keys.drain(..length);
            match key {
                Key::Enter => return Some(Done::Line(self.line())),
                Key::EndOfInput if self.text.is_empty() => return Some(Done::End),
                key => self.press(&key),
            }
        }
        None
    }

    /// Forgets what is typed; `false` where nothing is.
    pub fn forgets(&mut self) -> bool {
        self.keys.clear();
        self.shown = None;
        self.cursor = 0;
        let was = !self.text.is_empty();
        self.text.clear();
        was
    }

    /// The line as a terminal of so many columns shows it, with as much of it as fits around the cursor.
    /// A letter that is not ASCII counts as two, which no terminal's letter is wider than.
    pub fn drawn(&self, columns: u16) -> String {
        let room = usize::from(columns).saturating_sub(PROMPT.len() + 1);
        let (before, behind) = self.text.split_at_checked(self.cursor).unwrap_or_default();
        let mut used = 0;
        let mut fits = |letter: &&char| {
            used += wide(**letter);
            used <= room
        };
        let mut left: Vec<&char> = before.iter().rev().take_while(&mut fits).collect();
        left.reverse();
        let right: Vec<&char> = behind.iter().take_while(&mut fits).collect();
        let shown =
            |letters: Vec<&char>| letters.into_iter().map(|c| letter(*c)).collect::<String>();
        let (left, right) = (shown(left), shown(right));
        // The cursor's place is kept and taken again: no letter has to be counted for it.
        format!("{TAKEN_AWAY}{PROMPT}{left}\x1b7{right}\x1b8")
    }

    fn line(&mut self) -> String {
        let line: String = std::mem::take(&mut self.text).into_iter().collect();
        self.cursor = 0;
        self.shown = None;
        if !line.trim().is_empty() && self.before.back() != Some(&line) {
            self.before.push_back(line.clone());
            if self.before.len() > KEPT {
                self.before.pop_front();
            }
        }
        line
    }

    fn press(&mut self, key: &Key) {
        match key {
            Key::Letter(letter) if self.text.len() < LETTERS => {
                self.text.insert(self.cursor, *letter);
                self.cursor += 1;
            }
            Key::Rubout => self.rub_out(self.cursor.saturating_sub(1)),
            Key::RuboutAll => self.rub_out(0),
            Key::RuboutWord => self.rub_out(self.word()),
            Key::Delete | Key::EndOfInput if self.cursor < self.text.len() => {
                self.text.remove(self.cursor);
            }
            Key::DeleteRest => self.text.truncate(self.cursor),
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = self.text.len().min(self.cursor + 1),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.text.len(),
            Key::Earlier => self.earlier(),
            Key::Later => self.later(),
            _ => {}
        }
    }

    /// Takes out what stands between this letter and the cursor.
    fn rub_out(&mut self, from: usize) {
        self.text.drain(from..self.cursor);
        self.cursor = from;
    }

    /// Where the word before the cursor begins.
    fn word(&self) -> usize {
        let before = self.text.iter().take(self.cursor).rev();
        let mut in_word = false;
        let letters = before.take_while(|letter| {
            in_word |= **letter != ' ';
            **letter != ' ' || !in_word
        });
        self.cursor - letters.count()
    }

    fn earlier(&mut self) {
        let at = self
            .shown
            .as_ref()
            .map_or(self.before.len(), |shown| shown.0);
        let Some(at) = at.checked_sub(1) else {
            return;
        };
        let typed = match self.shown.take() {
            Some((_, typed)) => typed,
            None => std::mem::take(&mut self.text),
        };
        self.text = self
            .before
            .get(at)
            .map_or_else(Vec::new, |line| line.chars().collect());
        self.cursor = self.text.len();
        self.shown = Some((at, typed));
    }

    fn later(&mut self) {
        let Some((at, typed)) = self.shown.take() else {
            return;
        };
        match self.before.get(at + 1) {
            Some(line) => {
                self.text = line.chars().collect();
                self.shown = Some((at + 1, typed));
            }
            None => self.text = typed,
        }
        self.cursor = self.text.len();
    }
}

/// A letter as it is shown.
fn letter(letter: char) -> String {
    plain(letter.encode_utf8(&mut [0; 4]))
}

/// Columns of a letter, at the most.
fn wide(shown: char) -> usize {
    if shown.is_ascii() {
        1
    } else {
        letter(shown).len().max(2)
    }
}

/// The first key of these bytes and how many of them it is; nothing where more are needed to tell.
fn key(bytes: &[u8]) -> Option<(Key, usize)> {
    let one = |key| Some((key, 1));
    match bytes.first()? {
        b'\r' | b'\n' => one(Key::Enter),
        0x7f | 0x08 => one(Key::Rubout),
        0x01 => one(Key::Home),
        0x02 => one(Key::Left),
        0x04 => one(Key::EndOfInput),
        0x05 => one(Key::End),
        0x06 => one(Key::Right),
        0x0b => one(Key::DeleteRest),
        0x0e => one(Key::Later),
        0x10 => one(Key::Earlier),
        0x15 => one(Key::RuboutAll),
        0x17 => one(Key::RuboutWord),
        b'\t' => one(Key::Letter(' ')),
        0x1b => sequence(bytes),
        byte if byte.is_ascii_control() => one(Key::Unknown),
        byte if byte.is_ascii() => one(Key::Letter(char::from(*byte))),
        _ => character(bytes),
    }
}

/// A key that is a sequence of bytes behind ESC.
fn sequence(bytes: &[u8]) -> Option<(Key, usize)> {
    if !matches!(bytes.get(1)?, b'[' | b'O') {
        return Some((Key::Unknown, 2));
    }
    let parameters = bytes.iter().skip(2).take(KEY);
    let parameters = parameters.take_while(|byte| matches!(byte, b'0'..=b'9' | b';'));
    let length = 2 + parameters.count();
    let key = match (bytes.get(length)?, bytes.get(2)?) {
        (b'A', _) => Key::Earlier,
        (b'B', _) => Key::Later,
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', b'1' | b'7') => Key::Home,
        (b'F', _) | (b'~', b'4' | b'8') => Key::End,
        (b'~', b'3') => Key::Delete,
        _ => Key::Unknown,
    };
    Some((key, length + 1))
}

/// A letter of several bytes; bytes that are none are passed over.
fn character(bytes: &[u8]) -> Option<(Key, usize)> {
    let piece = bytes.get(..4).unwrap_or(bytes);
    let valid = match std::str::from_utf8(piece) {
        Ok(text) => text,
        Err(fault) => match (fault.valid_up_to(), fault.error_len()) {
            (0, None) => return None,
            (0, Some(length)) => return Some((Key::Unknown, length)),
            (length, _) => std::str::from_utf8(piece.get(..length)?).ok()?,
        },
    };
    let letter = valid.chars().next()?;
    let key = if letter.is_control() {
        Key::Unknown
    } else {
        Key::Letter(letter)
    };
    Some((key, letter.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn typed(line: &mut Edited, keys: &str) -> Option<Done> {
        line.takes(keys.as_bytes());
        line.done()
    }

    #[test]
    fn a_line_is_what_was_typed_and_edited() {
        for (keys, said) in [
            ("hello\r", "hello"),
            ("helo\x1b[Dl\n", "hello"),
            ("ello\x01h\r", "hello"),
            ("ello\x1b[Hh\x1bOF!\r", "hello!"),
            ("hellp\x7fo\r", "hello"),
            ("xhello\x1b[1~\x1b[3~\r", "hello"),
            ("one two three\x17\x17last\r", "one last"),
            ("gone\x15here\r", "here"),
            ("here and\x01\x06\x06\x06\x06\x0b\r", "here"),
            ("grüße 日本\r", "grüße 日本"),
            ("a\x1b[5~\x1bx\x00b\r", "ab"),
            ("ab\x02\x04\r", "a"),
            ("\r", ""),
        ] {
            let done = typed(&mut Edited::default(), keys);
            assert_eq!(done, Some(Done::Line(said.into())), "{keys:?}");
        }
    }

    #[test]
    fn keys_that_come_in_pieces_are_the_same_keys() {
        let keys = "a日\x1b[D\x1b[3~é\r".as_bytes();
        for cut in 0..keys.len() {
            let mut line = Edited::default();
            line.takes(&keys[..cut]);
            assert_eq!(line.done(), None);
            line.takes(&keys[cut..]);
            assert_eq!(line.done(), Some(Done::Line("aé".into())), "{cut}");
        }
    }

    #[test]
    fn the_end_of_input_ends_an_empty_line_only() {
        let mut line = Edited::default();
        assert_eq!(typed(&mut line, "x\x04"), None);
        assert_eq!(typed(&mut line, "\x7f\x04"), Some(Done::End));
    }

    #[test]
    fn lines_before_come_again_and_what_was_begun_is_kept() {
        let mut line = Edited::default();
        for before in ["first\r", "second\r", "second\r"] {
            typed(&mut line, before);
        }
        let said = typed(&mut line, "begun\x1b[A\x1b[A\x1b[A\r");
        assert_eq!(said, Some(Done::Line("first".into())));
        let said = typed(&mut line, "begun\x1b[A\x1b[A\x1b[B\x1b[B\x1b[B\r");
        assert_eq!(said, Some(Done::Line("begun".into())));
    }

    #[test]
    fn a_line_fits_whatever_stands_in_it() {
        let mut line = Edited::default();
        typed(&mut line, "0123456789\x1b[D");
        assert_eq!(line.drawn(80), "\r\x1b[K> 012345678\x1b79\x1b8");
        assert_eq!(line.drawn(8), "\r\x1b[K> 45678\x1b7\x1b8");
        assert!(line.forgets() && !line.forgets());
        typed(&mut line, "日本\u{202e}");
        assert_eq!(line.drawn(8), "\r\x1b[K> \x1b7\x1b8");
        assert_eq!(line.drawn(0), "\r\x1b[K> \x1b7\x1b8");
    }

    proptest! {
        /// Nothing that is typed or pasted gets to the terminal as a control character.
        #[test]
        fn no_keys_break_it(keys in prop::collection::vec(any::<u8>(), 0..300), columns in 0u16..100) {
            let mut line = Edited::default();
            line.takes(&keys);
            while let Some(done) = line.done() {
                if let Done::Line(line) = done {
                    prop_assert!(!line.contains(char::is_control));
                }
            }
            let drawn = line.drawn(columns);
            let inner = drawn.replace("\x1b7", "").replace("\x1b8", "");
            let inner = inner.strip_prefix(TAKEN_AWAY);
            prop_assert!(inner.is_some_and(|inner| !inner.contains(char::is_control)));
            prop_assert!(line.keys.len() <= KEY + 4);
        }
    }
}
