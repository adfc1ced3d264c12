//! A number in a name, with the zeros before it: `7` and `07` are two.

use std::cmp::Ordering;
use std::fmt::{self, Write};

/// Digits that fit into what is counted with.
pub(super) const DIGITS: usize = 18;

/// A run of digits. Those with fewer digits come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Number {
    digits: u8,
    value: u64,
}

impl Number {
    /// Reads digits; `None` where there is something else, or more than can be counted with.
    pub fn read(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > DIGITS {
            return None;
        }
        let mut value: u64 = 0;
        for byte in text.bytes() {
            let digit = byte.is_ascii_digit().then(|| byte.wrapping_sub(b'0'))?;
            value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        }
        Some(Self {
            digits: u8::try_from(text.len()).ok()?,
            value,
        })
    }

    pub fn value(self) -> u64 {
        self.value
    }

    pub fn digits(self) -> usize {
        usize::from(self.digits)
    }

    /// Whether it has zeros before it that its value does not need.
    pub fn is_padded(self) -> bool {
        self.digits > 1 && self.value < power_of_ten(self.digits.saturating_sub(1))
    }

    /// As texts are compared, where `10` comes before `9`.
    pub fn compare_as_text(self, other: Self) -> Ordering {
        let most = u8::try_from(DIGITS).unwrap_or(u8::MAX);
        let from_the_left = |it: Self| {
            it.value
                .saturating_mul(power_of_ten(most.saturating_sub(it.digits)))
        };
        (from_the_left(self), self.digits).cmp(&(from_the_left(other), other.digits))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:0width$}", self.value, width = self.digits())
    }
}

fn power_of_ten(exponent: u8) -> u64 {
    10_u64.saturating_pow(u32::from(exponent))
}

/// Appends a value with at least so many digits.
pub(super) fn push(value: u64, width: usize, onto: &mut String) {
    // Writing into a string cannot fail.
    let _ = write!(onto, "{value:0width$}");
}
