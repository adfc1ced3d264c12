//! How far a transfer is: a line at a terminal, drawn by the clock from numbers that others count.

use crate::programs::output::{end_progress, show_progress};
use crate::units::Bytes;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the line is drawn.
const EVERY: Duration = Duration::from_millis(100);

/// How much was moved, by one transfer or by many.
#[derive(Default)]
pub struct Moved {
    bytes: AtomicU64,
    files: AtomicU64,
    /// Bytes in all, where that is known.
    total: AtomicU64,
    name: Mutex<String>,
}

/// How far it is.
pub struct Bar {
    since: Instant,
    moved: Arc<Moved>,
    /// Whether there is a terminal to show it on.
    is_shown: bool,
}

impl Bar {
    /// Nothing has come yet.
    pub fn new(json: bool) -> Self {
        Self {
            since: Instant::now(),
            moved: Arc::default(),
            is_shown: io::stderr().is_terminal() && !json,
        }
    }

    /// Counts for all of them, and is shown by whoever shows how far all are.
    pub fn among(moved: Arc<Moved>) -> Self {
        Self {
            since: Instant::now(),
            moved,
            is_shown: false,
        }
    }

    /// So many more bytes have come.
    pub fn bytes(&self, count: usize) {
        self.moved.bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// So many more bytes will come in all.
    pub fn total(&self, bytes: u64) {
        self.moved.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A file is there.
    pub fn file(&self, name: &impl ToString) {
        self.moved.files.fetch_add(1, Ordering::Relaxed);
        if self.is_shown {
            let shown = &self.moved.name;
            *shown.lock().unwrap_or_else(PoisonError::into_inner) = name.to_string();
        }
    }

    /// Waits until it is time to draw.
    pub async fn tick(&self) {
        if self.is_shown {
            tokio::time::sleep(EVERY).await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    /// Draws the line.
    pub fn show(&self) {
        show_progress(&self.moved.line(self.since.elapsed()));
    }

    /// Takes it away.
    pub fn over(&self) {
        if self.is_shown {
            end_progress();
        }
    }
}

impl Moved {
    /// The same for many transfers; nothing where none has moved anything.
    pub fn line_of_all(&self, spent: Duration) -> Option<String> {
        (self.bytes.load(Ordering::Relaxed) > 0).then(|| self.line(spent))
    }

    /// `41% · 12.3 MiB of 30 MiB · 128 files · 4.1 MiB/s · 4 s left · conf/app.toml`
    fn line(&self, spent: Duration) -> String {
        let load = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let (bytes, total, files) = (load(&self.bytes), load(&self.total), load(&self.files));
        let rate = (u128::from(bytes) * 1000 / spent.as_millis().max(1))
            .try_into()
            .unwrap_or(0_u64);
        let mut parts = Vec::new();
        match u128::from(bytes)
            .checked_mul(100)
            .and_then(|hundred| hundred.checked_div(total.into()))
        {
            Some(percent) => {
                parts.push(format!("{}%", percent.min(100)));
                parts.push(format!("{} of {}", Bytes(bytes), Bytes(total)));
            }
            None => parts.push(Bytes(bytes).to_string()),
        }
        if files > 1 {
            parts.push(format!("{files} files"));
        }
        parts.push(format!("{}/s", Bytes(rate)));
        if let Some(left) = total.saturating_sub(bytes).checked_div(rate)
            && total > bytes
        {
            parts.push(format!("{left} s left"));
        }
        let name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        if !name.is_empty() {
            parts.push(name.clone());
        }
        parts.join(" · ")
    }
}
