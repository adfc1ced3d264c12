//! Whether a wider window would be of use: how much comes between a question and its answer, and
//! whether more came of the last widening.

use crate::limits::{STREAM_MOST, STREAM_WINDOW};
use std::time::{Duration, Instant};

/// Bytes that must have come before anything is measured: short outputs are never asked about.
const FIRST: u64 = STREAM_WINDOW as u64 / 4;

/// On ways that are shorter than this the first window carries a gigabit.
const SHORT: Duration = Duration::from_millis(4);

/// What came, and what is being measured of it.
#[derive(Debug)]
pub struct Measure {
    came: u64,
    /// How many bytes must have come before the next question.
    next: u64,
    /// When a question was asked, and how much had come then.
    asked: Option<(Instant, u64)>,
    /// The most that has come in a second at any width of the window before this one.
    best: u64,
    /// What came in a second, by the last answer.
    rate: u64,
    /// How many bytes pass before it is asked again, where a wider window brought nothing.
    pause: u64,
}

impl Default for Measure {
    fn default() -> Self {
        Self {
            came: 0,
            next: FIRST,
            asked: None,
            best: 0,
            rate: 0,
            pause: STREAM_WINDOW as u64,
        }
    }
}

impl Measure {
    /// Notes that so many bytes came.
    pub const fn arrived(&mut self, bytes: usize) {
        self.came = self.came.saturating_add(bytes as u64);
    }

    /// Whether a question is to be sent now.
    pub const fn asks(&mut self, now: Instant) -> bool {
        if self.asked.is_some() || self.came < self.next {
            return false;
        }
        self.asked = Some((now, self.came));
        true
    }

    /// The question was not sent.
    pub const fn forget(&mut self) {
        self.asked = None;
    }

    /// Takes the answer. How wide a window would be of use, where this one is what holds the sender
    /// up: it was filled while the answer was on its way, and the last widening has brought more.
    pub fn answered(&mut self, now: Instant, window: usize) -> Option<usize> {
        let (then, before) = self.asked.take()?;
        let (took, came) = (now.saturating_duration_since(then), self.came - before);
        self.next = self.came + FIRST;
        if took < SHORT || came.saturating_mul(3) < 2 * window as u64 {
            return None;
        }
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.rate = came.saturating_mul(1_000_000) / took.max(1);
        if self.rate <= self.best.saturating_add(self.best / 8) {
            self.next = self.came.saturating_add(self.pause);
            self.pause = self.pause.saturating_mul(2);
            return None;
        }
        let wanted = came.saturating_mul(2).min(STREAM_MOST as u64);
        usize::try_from(wanted).ok()
    }

    /// The window was opened further: the next one must bring more than this one.
    pub const fn opened(&mut self) {
        self.best = self.rate;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: usize = STREAM_WINDOW;

    /// Asks, lets so much come in so much time, and takes the answer.
    fn measured(
        measure: &mut Measure,
        bytes: usize,
        took: Duration,
        window: usize,
    ) -> Option<usize> {
        while !measure.asks(Instant::now()) {
            measure.arrived(WINDOW / 4);
        }
        let (then, _) = measure.asked.unwrap();
        measure.arrived(bytes);
        measure.answered(then + took, window)
    }

    #[test]
    fn little_output_is_not_asked_about() {
        let mut measure = Measure::default();
        measure.arrived(WINDOW / 4 - 1);
        assert!(!measure.asks(Instant::now()));
        measure.arrived(1);
        assert!(measure.asks(Instant::now()));
        assert!(!measure.asks(Instant::now()), "one question at a time");
        measure.forget();
        assert!(measure.asks(Instant::now()));
    }

    #[test]
    fn a_window_that_is_filled_on_a_long_way_is_too_narrow() {
        let mut measure = Measure::default();
        let long = Duration::from_millis(80);
        assert_eq!(
            measured(&mut measure, WINDOW, long, WINDOW),
            Some(2 * WINDOW)
        );
        measure.opened();
        let wide = 2 * WINDOW;
        assert_eq!(measured(&mut measure, wide, long, wide), Some(2 * wide));
        measure.opened();
        let most = measured(&mut measure, STREAM_MOST, long, STREAM_MOST);
        assert_eq!(most, Some(STREAM_MOST));
    }

    #[test]
    fn short_ways_slow_senders_and_widenings_that_bring_nothing_change_nothing() {
        let mut measure = Measure::default();
        let long = Duration::from_millis(80);
        assert_eq!(measured(&mut measure, WINDOW, SHORT / 2, WINDOW), None);
        assert_eq!(measured(&mut measure, WINDOW / 2, long, WINDOW), None);
        assert!(measured(&mut measure, WINDOW, long, WINDOW).is_some());
        measure.opened();

        // The reader is what is slow: twice the window takes twice the time.
        let wide = 2 * WINDOW;
        assert_eq!(measured(&mut measure, wide, long * 2, wide), None);
        let before = measure.next;
        assert_eq!(measured(&mut measure, wide, long * 2, wide), None);
        assert!(measure.next - before > WINDOW as u64, "asked less and less");
    }

    #[test]
    fn answers_to_nothing_and_at_once_are_passed_over() {
        let mut measure = Measure::default();
        assert_eq!(measure.answered(Instant::now(), WINDOW), None);
        let now = Instant::now();
        measure.arrived(WINDOW);
        assert!(measure.asks(now));
        assert_eq!(measure.answered(now, WINDOW), None);
    }
}
