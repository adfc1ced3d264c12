//! What stands in a bracket: ranges of numbers, `1-5,07,9-20/2`.

use super::fault::{Bad, Wrong};
use super::number::{self, Number};

/// Blanks that may stand around operators and ranges.
pub(super) const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

/// The numbers of one bracket, range by range.
#[derive(Debug)]
pub(super) struct Bracket {
    ranges: Vec<Range>,
}

/// From one number to another by a step, both with this many digits at least.
#[derive(Debug, Clone, Copy)]
struct Range {
    first: u64,
    last: u64,
    step: u64,
    width: usize,
}

impl Bracket {
    /// Reads what stands between `[` and `]`.
    pub fn read(text: &str) -> Result<Self, Bad<'_>> {
        let ranges = text.split(',').map(|range| {
            let range = range.trim_matches(BLANK);
            if range.is_empty() {
                return Err(Bad::new(text, Wrong::NoRange));
            }
            Range::read(range)
        });
        Ok(Self {
            ranges: ranges.collect::<Result<_, _>>()?,
        })
    }

    /// How many numbers there are; `None` where they cannot be counted.
    pub fn count(&self) -> Option<u64> {
        let mut ranges = self.ranges.iter();
        ranges.try_fold(0_u64, |sum, range| sum.checked_add(range.count()))
    }

    /// Digits of the longest number.
    pub fn most_digits(&self) -> usize {
        let digits = |range: &Range| {
            let last = range.last.checked_ilog10().unwrap_or(0);
            range.width.max(
                usize::try_from(last)
                    .unwrap_or(usize::MAX)
                    .saturating_add(1),
            )
        };
        self.ranges.iter().map(digits).max().unwrap_or_default()
    }

    /// Whether numbers with no zeros before them go on from one length to the next, as 9 and 10 do.
    /// Behind a digit, `1[8-12]` is 18 to 112 for ClusterShell, and 18, 19, 110, 111, 112 for
    /// others.
    pub fn goes_on_in_length(&self) -> bool {
        let has = |value: u64, digits: usize| {
            self.ranges.iter().any(|range| {
                range.width <= digits
                    && (range.first..=range.last).contains(&value)
                    && value.saturating_sub(range.first).is_multiple_of(range.step)
            })
        };
        (1..=number::DIGITS).any(|digits| {
            let next = 10_u64.saturating_pow(u32::try_from(digits).unwrap_or(u32::MAX));
            has(next.saturating_sub(1), digits) && has(next, digits.saturating_add(1))
        })
    }

    /// Each number, with the digits that it has at least.
    pub fn numbers(&self) -> impl Iterator<Item = (u64, usize)> + '_ {
        self.ranges.iter().flat_map(|range| {
            (0..range.count()).map(|index| {
                // No overflow: the last one is no larger than the range's last.
                let beyond = index.saturating_mul(range.step);
                (range.first.saturating_add(beyond), range.width)
            })
        })
    }
}

impl Range {
    fn read(text: &str) -> Result<Self, Bad<'_>> {
        let (bounds, step) = match text.split_once('/') {
            Some((bounds, step)) => (bounds, Some(step)),
            None => (text, None),
        };
        let (first, last) = match bounds.split_once('-') {
            Some((first, last)) => (bound(first)?, bound(last)?),
            None if step.is_some() => return Err(Bad::new(text, Wrong::Step)),
            None => (bound(bounds)?, bound(bounds)?),
        };

        let padded = first.is_padded() || last.is_padded();
        if padded && first.digits() != last.digits() {
            return Err(Bad::new(text, Wrong::Zeros));
        }
        if first.value() > last.value() {
            return Err(Bad::new(text, Wrong::Backwards));
        }
        let step = step.map_or(Some(1), |step| {
            Number::read(step.trim_matches(BLANK)).map(Number::value)
        });
        Ok(Self {
            first: first.value(),
            last: last.value(),
            step: step
                .filter(|step| *step > 0)
                .ok_or(Bad::new(text, Wrong::Step))?,
            width: if padded { first.digits() } else { 0 },
        })
    }

    fn count(&self) -> u64 {
        let further = self.last.saturating_sub(self.first);
        further
            .checked_div(self.step)
            .unwrap_or_default()
            .saturating_add(1)
    }
}

fn bound(text: &str) -> Result<Number, Bad<'_>> {
    let digits = text.trim_matches(BLANK);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Bad::new(text, Wrong::NoNumber));
    }
    Number::read(digits).ok_or(Bad::new(digits, Wrong::LongNumber))
}
