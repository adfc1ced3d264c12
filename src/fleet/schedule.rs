//! Which host is next: so many at once, one batch after the other, and nothing new once too much
//! has failed.

use std::fmt;
use std::str::FromStr;

/// Sizes of batches, as `--batch` says them: `1,10%,50%,rest`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batches(Vec<Size>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Hosts(usize),
    Percent(usize),
    Rest,
}

impl Size {
    /// How many hosts that is of all; a share is rounded up.
    const fn of(self, all: usize) -> usize {
        match self {
            Self::Hosts(count) => count,
            Self::Percent(percent) => all.saturating_mul(percent).div_ceil(100),
            Self::Rest => all,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hosts(count) => write!(out, "{count}"),
            Self::Percent(percent) => write!(out, "{percent}%"),
            Self::Rest => out.write_str("rest"),
        }
    }
}

impl fmt::Display for Batches {
    /// As it is typed.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, size) in self.0.iter().enumerate() {
            write!(out, "{}{size}", if number == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for Batches {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = |word: &str| {
            let number = |digits: &str| digits.parse::<usize>().ok().filter(|number| *number > 0);
            match (word, word.strip_suffix('%')) {
                ("rest", _) => Some(Size::Rest),
                (_, Some(digits)) => number(digits)
                    .filter(|share| *share <= 100)
                    .map(Size::Percent),
                (digits, None) => number(digits).map(Size::Hosts),
            }
        };
        text.split(',')
            .map(|word| {
                let wanted = "a batch is a number of hosts, a share such as 10%, or `rest`";
                size(word).ok_or_else(|| format!("`{}`: {wanted}", word.escape_debug()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// How many hosts may fail, as `--max-fail` says it: `2`, or `5%` of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MostFailures(Size);

impl fmt::Display for MostFailures {
    /// As it is typed.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl FromStr for MostFailures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || {
            format!(
                "`{}` is no number of hosts, and no share such as 5%",
                text.escape_debug()
            )
        };
        let (digits, share) = match text.strip_suffix('%') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let number: usize = digits.parse().map_err(|_| wanted())?;
        match share {
            true if number > 100 => Err(wanted()),
            true => Ok(Self(Size::Percent(number))),
            false => Ok(Self(Size::Hosts(number))),
        }
    }
}

impl MostFailures {
    /// How many hosts of all that is; a share is rounded down.
    const fn of(self, all: usize) -> usize {
        match self.0 {
            Size::Percent(percent) => all.saturating_mul(percent) / 100,
            other => other.of(all),
        }
    }
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Begin at this host, which is counted from 0 on.
    Begin(usize),
    /// Wait for one that goes on.
    Wait,
    /// A batch is over and another one follows, once it is begun.
    BatchOver,
    /// Nothing goes on, and nothing follows.
    Over,
}

/// The order of things at a number of hosts.
#[derive(Debug)]
pub struct Schedule {
    /// The number of the host behind each batch's last.
    ends: Vec<usize>,
    batch: usize,
    at_once: usize,
    most_failures: Option<usize>,
    next: usize,
    going: usize,
    failed: usize,
    stopped: bool,
}

impl Schedule {
    /// A schedule for all hosts; without batches they are one.
    pub fn new(
        all: usize,
        at_once: usize,
        batches: &Batches,
        most_failures: Option<MostFailures>,
    ) -> Self {
        let mut ends = Vec::new();
        let mut end = 0;
        for size in batches.0.iter().chain([&Size::Rest]) {
            let next = all.min(end + size.of(all));
            if next > end {
                ends.push(next);
                end = next;
            }
        }
        Self {
            ends,
            batch: 0,
            at_once: at_once.max(1),
            most_failures: most_failures.map(|most| most.of(all)),
            next: 0,
            going: 0,
            failed: 0,
            stopped: false,
        }
    }

    /// What is to be done now. A host that is to be begun counts as begun.
    pub fn now(&mut self) -> Next {
        let end = self.ends.get(self.batch).copied().unwrap_or(0);
        if !self.stopped && self.next < end {
            if self.going >= self.at_once {
                return Next::Wait;
            }
            self.going += 1;
            self.next += 1;
            return Next::Begin(self.next - 1);
        }
        match self.going {
            0 if self.stopped || self.batch + 1 >= self.ends.len() => Next::Over,
            0 => Next::BatchOver,
            _ => Next::Wait,
        }
    }

    /// Goes on with the next batch.
    pub const fn next_batch(&mut self) {
        self.batch += 1;
    }

    /// A host that was begun has come to its end; `true` where that was one failure too many.
    pub fn ended(&mut self, failed: bool) -> bool {
        self.going = self.going.saturating_sub(1);
        self.failed += usize::from(failed);
        let too_many = self.most_failures.is_some_and(|most| self.failed > most);
        let now = too_many && !self.stopped;
        self.stopped |= too_many;
        now
    }

    /// Begins nothing new.
    pub const fn stop(&mut self) {
        self.stopped = true;
    }

    /// The batch that is under way, counted from 1 on, and how many there are.
    pub const fn batch(&self) -> (usize, usize) {
        (self.batch + 1, self.ends.len())
    }

    /// How many hosts were not begun.
    pub fn not_begun(&self) -> usize {
        self.ends.last().map_or(0, |all| all - self.next)
    }
}
