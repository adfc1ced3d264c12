//! What one of many things prints, caught piece by piece for whoever tells it behind a name.

use serde_json::Value;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

tokio::task_local! {
    /// Where what is printed goes instead, for the time that one of many things is done.
    static CAUGHT: Catcher;
}

/// Bytes that may wait to be told before a thread that prints more waits itself.
const WAITING: usize = 1 << 20;

/// Something that was printed.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Bytes, and whether they are for standard error.
    Bytes(bool, Vec<u8>),
    /// A line for machines.
    Json(Value),
}

/// What one of many things has printed and was not told yet.
#[derive(Default)]
pub struct Captured(Arc<Caught>);

#[derive(Default)]
struct Caught {
    kept: Mutex<Kept>,
    room: Condvar,
    news: Notify,
}

#[derive(Default)]
struct Kept {
    pieces: VecDeque<Piece>,
    bytes: usize,
    is_closed: bool,
}

/// Where somebody's pieces go.
#[derive(Clone)]
struct Catcher {
    into: Arc<Caught>,
    /// Whether it waits for room: a thread does, and a task never.
    waits: bool,
}

impl Captured {
    /// Does something, and catches what it prints.
    pub async fn catches<T>(&self, what: impl Future<Output = T>) -> T {
        let catcher = Catcher {
            into: self.0.clone(),
            waits: false,
        };
        CAUGHT.scope(catcher, what).await
    }

    /// The next piece; nothing once it is closed, and all was taken.
    pub async fn next(&self) -> Option<Piece> {
        loop {
            let is_closed = {
                let mut kept = self.0.kept();
                if let Some(piece) = kept.pieces.pop_front() {
                    kept.bytes -= piece.weight();
                    self.0.room.notify_all();
                    return Some(piece);
                }
                kept.is_closed
            };
            if is_closed {
                return None;
            }
            self.0.news.notified().await;
        }
    }

    /// Nothing more is caught: who prints then has no reader.
    pub fn close(&self) {
        self.0.kept().is_closed = true;
        self.0.room.notify_all();
        self.0.news.notify_one();
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        self.close();
    }
}

impl Caught {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Catcher {
    fn keep(&self, piece: Piece) -> io::Result<()> {
        let has_room = |kept: &mut Kept| self.waits && kept.bytes > WAITING && !kept.is_closed;
        let kept = self.into.kept();
        let kept = self.into.room.wait_while(kept, has_room);
        let mut kept = kept.unwrap_or_else(PoisonError::into_inner);
        if kept.is_closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        kept.bytes += piece.weight();
        kept.pieces.push_back(piece);
        self.into.news.notify_one();
        Ok(())
    }
}

impl Piece {
    const fn weight(&self) -> usize {
        match self {
            Self::Bytes(_, bytes) => bytes.len(),
            Self::Json(_) => 1024,
        }
    }
}

/// Catches these bytes; nothing where what is printed goes out.
pub fn catch(error: bool, bytes: &[u8]) -> Option<io::Result<()>> {
    let keep = |catcher: &Catcher| catcher.keep(Piece::Bytes(error, bytes.to_vec()));
    CAUGHT.try_with(keep).ok()
}

/// Catches a line for machines; whether it was.
pub fn catch_json(value: &Value) -> bool {
    let keep = |catcher: &Catcher| drop(catcher.keep(Piece::Json(value.clone())));
    CAUGHT.try_with(keep).is_ok()
}

/// What a thread does for the one who starts it: what it prints goes where theirs goes, and it waits
/// where that is read slowly.
#[cfg(target_os = "linux")]
pub fn along<T>(what: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let catcher = CAUGHT.try_with(Clone::clone).ok();
    move || match catcher {
        Some(Catcher { into, .. }) => CAUGHT.sync_scope(Catcher { into, waits: true }, what),
        None => what(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_prints_where_its_task_does_and_waits_for_its_reader() {
        let said = Captured::default();
        let printing = said
            .catches(async {
                assert!(catch(false, b"first").unwrap().is_ok());
                let thread = along(|| {
                    for _ in 0..64 {
                        catch(false, &[7; 65_536]).unwrap()?;
                    }
                    Ok::<(), io::Error>(())
                });
                // The thread prints on while this test reads.
                Some(tokio::task::spawn_blocking(thread))
            })
            .await;
        let mut bytes = 0;
        while bytes < 64 * 65_536 + 5 {
            // What waits is bounded, however much is printed.
            assert!(said.0.kept().bytes <= WAITING + 65_536);
            match said.next().await.unwrap() {
                Piece::Bytes(false, piece) => bytes += piece.len(),
                other => panic!("{other:?}"),
            }
        }
        printing.unwrap().await.unwrap().unwrap();
        assert!(catch(false, b"out").is_none());
    }

    #[tokio::test]
    async fn who_prints_for_nobody_is_told_so_and_does_not_wait() {
        let said = Captured::default();
        let printing = said
            .catches(async {
                let thread = along(|| (0..64).find_map(|_| catch(true, &[7; 65_536])?.err()));
                // The thread prints on while this test reads.
                Some(tokio::task::spawn_blocking(thread))
            })
            .await;
        said.next().await.unwrap();
        drop(said);
        let fault = printing.unwrap().await.unwrap().unwrap();
        assert_eq!(fault.kind(), io::ErrorKind::BrokenPipe);
    }
}
