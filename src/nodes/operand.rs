//! One operand of a node set: a name, a pattern such as `rack[1-4]n[1-16]`, or an IPv6 address.

use super::bracket::Bracket;
use super::fault::{Bad, Wrong};
use super::number;
use super::typed::begins_with_address;
use crate::limits;
use std::net::Ipv6Addr;

/// A pattern whose names are not made yet.
#[derive(Debug)]
pub(super) struct Pattern<'t> {
    text: &'t str,
    pieces: Vec<Piece<'t>>,
}

#[derive(Debug)]
enum Piece<'t> {
    Plain(&'t str),
    Bracket(Bracket),
}

impl<'t> Pattern<'t> {
    /// Reads an operand that is no group. Its brackets are even.
    pub fn read(text: &'t str) -> Result<Self, Bad<'t>> {
        let mut pattern = Self {
            text,
            pieces: Vec::new(),
        };
        if begins_with_address(text) {
            pattern.pieces.push(Piece::Plain(address(text)?));
            return Ok(pattern);
        }

        let mut rest = text;
        while let Some((plain, from)) = rest.split_once('[') {
            let first = pattern.pieces.is_empty();
            if !first && plain.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Bad::new(text, Wrong::OpenedAgain));
            }
            let Some((inside, behind)) = from.split_once(']') else {
                return Err(Bad::new(text, Wrong::NotClosed));
            };
            let bracket = Bracket::read(inside)?;
            let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
            if digit(plain.as_bytes().last())
                && !digit(behind.as_bytes().first())
                && bracket.goes_on_in_length()
            {
                return Err(Bad::new(text, Wrong::TwoMeanings));
            }
            pattern.pieces.push(Piece::Plain(plain));
            pattern.pieces.push(Piece::Bracket(bracket));
            rest = behind;
        }
        pattern.pieces.push(Piece::Plain(rest));
        pattern.check()?;
        Ok(pattern)
    }

    fn check(&self) -> Result<(), Bad<'t>> {
        let mut length: usize = 0;
        for piece in &self.pieces {
            length = length.saturating_add(match piece {
                Piece::Plain(plain) => {
                    check_characters(plain)?;
                    plain.len()
                }
                Piece::Bracket(bracket) => bracket.most_digits(),
            });
        }
        if self.text.starts_with(['-', '.']) {
            return Err(Bad::new(self.text, Wrong::Beginning));
        }
        if length > limits::NODE_NAME {
            return Err(Bad::new(self.text, Wrong::LongName));
        }
        Ok(())
    }

    /// How many names it makes; `None` where they cannot be counted.
    pub fn count(&self) -> Option<u64> {
        self.pieces
            .iter()
            .try_fold(1_u64, |product, piece| match piece {
                Piece::Plain(_) => Some(product),
                Piece::Bracket(bracket) => product.checked_mul(bracket.count()?),
            })
    }

    /// Makes the names, the last bracket's numbers next to one another.
    pub fn names(&self) -> Result<Vec<String>, Bad<'t>> {
        let count = self.count();
        let most = u64::try_from(limits::NODES).unwrap_or(u64::MAX);
        if count.is_none_or(|count| count > most) {
            return Err(Bad::new(self.text, Wrong::TooMany(count)));
        }

        let mut names = vec![String::new()];
        for piece in &self.pieces {
            match piece {
                Piece::Plain(plain) => names.iter_mut().for_each(|name| name.push_str(plain)),
                Piece::Bracket(bracket) => names = with_numbers(&names, bracket),
            }
        }
        // Only what has a colon before its numbers could be an address.
        if self.text.contains(':') {
            let address = |name: &String| name.parse::<Ipv6Addr>().is_ok();
            if !names.iter().all(address) {
                return Err(Bad::new(self.text, Wrong::Colon));
            }
        }
        Ok(names)
    }
}

fn with_numbers(names: &[String], bracket: &Bracket) -> Vec<String> {
    let room = bracket.most_digits();
    let with = |name: &String, (value, width)| {
        let mut longer = String::with_capacity(name.len().saturating_add(room));
        longer.push_str(name);
        number::push(value, width, &mut longer);
        longer
    };
    names
        .iter()
        .flat_map(|name| bracket.numbers().map(move |number| with(name, number)))
        .collect()
}

/// The address in the brackets.
fn address(text: &str) -> Result<&str, Bad<'_>> {
    let inside = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    inside
        .filter(|inside| inside.parse::<Ipv6Addr>().is_ok())
        .ok_or(Bad::new(text, Wrong::Colon))
}

/// Whether a text is a name, and not more than one.
pub(super) fn check_name(text: &str) -> Result<(), Bad<'_>> {
    if let Some(c) = text.chars().find(|c| "[]".contains(*c)) {
        return Err(Bad::new(text, Wrong::Character(c)));
    }
    Pattern::read(text)?.names().map(drop)
}

fn check_characters(plain: &str) -> Result<(), Bad<'_>> {
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    if let Some(c) = plain.chars().find(|c| !of_a_name(*c)) {
        let wrong = if c == ']' {
            Wrong::NotOpened
        } else {
            Wrong::Character(c)
        };
        return Err(Bad::new(plain, wrong));
    }
    if plain.contains("..") {
        return Err(Bad::new(plain, Wrong::Dots));
    }
    Ok(())
}
