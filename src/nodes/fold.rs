//! Names as the shortest usual expression that means them, the same as ClusterShell's.

use super::merge::merged;
use super::number::Number;
use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// Runs of digits that are folded in one name. Names with more of them are told as they are.
const DIMENSIONS: usize = 16;

/// The shortest usual form of names: `web[1-6,8-40]`, `rack[1-4]n[1-16]`. It means the same names,
/// in an order of its own.
pub fn fold<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> String {
    let mut alike: BTreeMap<String, Vec<Vec<Number>>> = BTreeMap::new();
    for name in names {
        let (pattern, numbers) = taken_apart(name.as_ref());
        alike.entry(pattern).or_default().push(numbers);
    }

    let mut folded = String::new();
    for (pattern, points) in alike {
        for axes in sets(points) {
            if !folded.is_empty() {
                folded.push(',');
            }
            fill(&pattern, &axes, &mut folded);
        }
    }
    folded
}

/// Stands for a number in a pattern: no name has it. ClusterShell sorts patterns with `%s` in
/// them, and what it does with `%` must come out here, too.
const HOLE: &str = "%s";

/// A name as a pattern and the numbers in it. An IPv6 address has none: its digits are no counting.
fn taken_apart(name: &str) -> (String, Vec<Number>) {
    let (mut pattern, mut numbers) = (String::with_capacity(name.len()), Vec::new());
    if name.contains(':') {
        return (name.to_owned(), numbers);
    }

    let mut rest = name;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at_checked(begin).unwrap_or((rest, ""));
        let end = from
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(from.len());
        let (digits, behind) = from.split_at_checked(end).unwrap_or((from, ""));
        pattern.push_str(before);
        match Number::read(digits) {
            Some(number) => {
                pattern.push_str(HOLE);
                numbers.push(number);
            }
            // `find` has found digits: there are too many of them to count with.
            None => pattern.push_str(digits),
        }
        rest = behind;
    }
    if numbers.len() > DIMENSIONS {
        return (name.to_owned(), Vec::new());
    }
    pattern.push_str(rest);
    (pattern, numbers)
}

/// Sets of numbers, one for each hole, whose products are these points.
fn sets(points: Vec<Vec<Number>>) -> Vec<Vec<Vec<Number>>> {
    let Some(first) = points.first() else {
        return Vec::new();
    };
    let unlike: Vec<usize> = (0..first.len())
        .filter(|axis| {
            points
                .iter()
                .any(|point| point.get(*axis) != first.get(*axis))
        })
        .collect();
    if unlike.len() > 1 {
        return merged(points);
    }

    // All are alike but for one number.
    let mut axes: Vec<Vec<Number>> = first.iter().map(|number| vec![*number]).collect();
    if let Some((axis, numbers)) = unlike
        .first()
        .and_then(|at| Some((*at, axes.get_mut(*at)?)))
    {
        *numbers = points
            .iter()
            .filter_map(|point| point.get(axis).copied())
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
    }
    vec![axes]
}

fn fill(pattern: &str, axes: &[Vec<Number>], out: &mut String) {
    let mut between = pattern.split(HOLE);
    out.push_str(between.next().unwrap_or_default());
    for (numbers, behind) in axes.iter().zip(between) {
        // Writing into a string cannot fail.
        let _ = match numbers.as_slice() {
            [one] => write!(out, "{one}"),
            more => write!(out, "[{}]", Ranges(more)),
        };
        out.push_str(behind);
    }
}

/// Sorted numbers as ranges. A range has numbers of one length where zeros stand before the first.
struct Ranges<'n>(&'n [Number]);

impl fmt::Display for Ranges<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.iter().copied();
        let Some(mut first) = rest.next() else {
            return Ok(());
        };
        let mut last = first;
        // Whether numbers go on in their own length only. ClusterShell lets this pass on from a
        // number that stands alone, though the next one may have no zeros: `08,98-99,100`.
        let mut one_length = first.is_padded();
        for number in rest {
            let fits = if one_length {
                number.digits() == last.digits()
            } else {
                !number.is_padded()
            };
            if fits && number.value().checked_sub(last.value()) == Some(1) {
                last = number;
                continue;
            }

            range(first, last, out)?;
            out.write_char(',')?;
            if !fits || first != last {
                one_length = number.is_padded();
            }
            (first, last) = (number, number);
        }
        range(first, last, out)
    }
}

fn range(first: Number, last: Number, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    if first == last {
        write!(out, "{first}")
    } else {
        write!(out, "{first}-{last}")
    }
}
