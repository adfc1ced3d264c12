//! How far the windows of one run's streams may be opened, at whose charge the monitor decides.

use crate::ipc::Way;
use crate::limits::{DATA_FRAME, PIPE_BUFFER, STREAM_MOST, STREAM_WINDOW};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes that are read ahead of a client whose link is lost: its window is kept, and what a full
/// pipe holds still fits.
pub const AHEAD: usize = STREAM_WINDOW - 2 * DATA_FRAME;

/// Bytes of a spool besides what a client may not have: what is read ahead, and a full pipe.
const SPARE: usize = AHEAD + DATA_FRAME + PIPE_BUFFER;

const _: () = assert!((STREAM_WINDOW + SPARE) as u64 <= crate::limits::SPOOL_LEAST);
const _: () = assert!((STREAM_MOST + SPARE) as u64 <= crate::limits::SPOOL_WIDE);

/// How many bytes of output a client may be behind, so that a spool of this size still has all that
/// a lost link may have swallowed.
pub fn behind(capacity: u64) -> usize {
    usize::try_from(capacity)
        .unwrap_or(usize::MAX)
        .saturating_sub(SPARE)
        .clamp(STREAM_WINDOW, STREAM_MOST)
}

/// The windows of one run.
#[derive(Debug)]
pub struct Windows {
    /// How far the window of input may be opened.
    input: AtomicUsize,
    /// Whether the monitor was asked for more, for input and output.
    asked: [AtomicBool; 2],
    /// Whether what was opened is to be closed again.
    narrow: AtomicBool,
    /// Whether the monitor knows that it is, for input and output.
    told: [AtomicBool; 2],
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            input: AtomicUsize::new(STREAM_WINDOW),
            asked: Default::default(),
            narrow: AtomicBool::new(false),
            told: Default::default(),
        }
    }
}

impl Windows {
    /// How far the window of input may be opened.
    pub fn input(&self) -> usize {
        self.input.load(Ordering::Relaxed)
    }

    /// Notes that the window of input may be opened to its most.
    pub fn open_input(&self) {
        if !self.is_narrow() {
            self.input.store(STREAM_MOST, Ordering::Relaxed);
        }
    }

    /// Whether the monitor is to be asked for more now: once for each way.
    pub fn asks(&self, way: Way) -> bool {
        !self.is_narrow() && !place(&self.asked, way).swap(true, Ordering::Relaxed)
    }

    /// Notes that others need the memory.
    pub fn narrow(&self) {
        self.narrow.store(true, Ordering::Relaxed);
        self.input.store(STREAM_WINDOW, Ordering::Relaxed);
    }

    /// Whether what was opened is to be closed again.
    pub fn is_narrow(&self) -> bool {
        self.narrow.load(Ordering::Relaxed)
    }

    /// Whether the monitor is to be told now that what was opened this way is closed again.
    pub fn tells(&self, way: Way) -> bool {
        self.is_narrow()
            && place(&self.asked, way).load(Ordering::Relaxed)
            && !place(&self.told, way).swap(true, Ordering::Relaxed)
    }
}

const fn place(pair: &[AtomicBool; 2], way: Way) -> &AtomicBool {
    let [input, output] = pair;
    match way {
        Way::Input => input,
        Way::Output => output,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{SPOOL_LEAST, SPOOL_WIDE};

    #[test]
    fn a_spool_says_how_far_a_client_may_be_behind() {
        assert!(behind(0) == STREAM_WINDOW && behind(SPOOL_LEAST) >= STREAM_WINDOW);
        assert!(behind(SPOOL_LEAST) < 2 * STREAM_WINDOW);
        assert_eq!(behind(SPOOL_WIDE), STREAM_MOST);
        assert_eq!(behind(u64::MAX), STREAM_MOST);
    }

    #[test]
    fn each_way_is_asked_for_once_and_told_once() {
        let windows = Windows::default();
        assert!(windows.asks(Way::Input) && !windows.asks(Way::Input));
        windows.open_input();
        assert_eq!(windows.input(), STREAM_MOST);
        assert!(!windows.tells(Way::Input), "nobody needs it");

        windows.narrow();
        assert_eq!(windows.input(), STREAM_WINDOW);
        assert!(windows.tells(Way::Input) && !windows.tells(Way::Input));
        assert!(!windows.asks(Way::Output) && !windows.tells(Way::Output));
        windows.open_input();
        assert_eq!(
            windows.input(),
            STREAM_WINDOW,
            "what crossed it comes too late"
        );
    }
}
