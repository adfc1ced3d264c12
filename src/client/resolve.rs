//! The addresses behind names: many are looked up at once, and a name that nobody answers for holds up
//! no other.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Names that are looked up at once, of those that are answered for.
const AT_ONCE: usize = 16;
/// How long a name has its turn to itself. One that takes longer goes on, and the next begins.
const TURN: Duration = Duration::from_millis(200);
/// Threads that wait for names in all: the C library has no other way, and nothing ends one early.
const THREADS: usize = 256;

/// Turns to look names up.
pub(super) struct Turns {
    at_once: Semaphore,
    threads: Arc<Semaphore>,
    turn: Duration,
}

impl Turns {
    fn new(turn: Duration) -> Self {
        Self {
            at_once: Semaphore::new(AT_ONCE),
            threads: Arc::new(Semaphore::new(THREADS)),
            turn,
        }
    }

    /// Has something looked up in a thread when it is its turn. Whoever waits for it says for how
    /// long.
    async fn taken<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let closed = |fault| io::Error::other(fault);
        let turn = self.at_once.acquire().await.map_err(closed)?;
        let thread = self.threads.clone().acquire_owned().await;
        let thread = thread.map_err(closed)?;
        let mut looking = tokio::task::spawn_blocking(move || {
            let _thread = thread;
            look()
        });
        let done = tokio::select! {
            biased;
            done = &mut looking => done,
            () = tokio::time::sleep(self.turn) => {
                drop(turn);
                looking.await
            }
        };
        done.map_err(io::Error::other)?
    }
}

/// The addresses of a name, in the order in which the resolver wants them tried.
///
/// # Errors
/// The resolver's.
pub(super) fn addresses(
    name: &str,
    port: u16,
) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + use<> {
    static TURNS: std::sync::LazyLock<Turns> = std::sync::LazyLock::new(|| Turns::new(TURN));
    let name = name.to_owned();
    TURNS.taken(move || Ok((name.as_str(), port).to_socket_addrs()?.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};

    /// A resolver that answers for no name that begins with `hangs` until it is told to.
    #[derive(Default)]
    struct Resolver {
        answers: Mutex<bool>,
        told: Condvar,
        looking: AtomicUsize,
        most: AtomicUsize,
    }

    impl Resolver {
        fn look(&self, name: &str) -> String {
            let looking = self.looking.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(looking, Ordering::SeqCst);
            if name.starts_with("hangs") {
                let answers = self.answers.lock().unwrap();
                drop(self.told.wait_while(answers, |answers| !*answers).unwrap());
            }
            self.looking.fetch_sub(1, Ordering::SeqCst);
            name.to_owned()
        }

        fn answer(&self) {
            *self.answers.lock().unwrap() = true;
            self.told.notify_all();
        }
    }

    /// Looks all of these up at once; a name for itself is one of 200 that somebody wants.
    async fn all(turns: &Arc<Turns>, resolver: &Arc<Resolver>, names: Vec<String>) -> usize {
        let mut going = tokio::task::JoinSet::new();
        for name in names {
            let (turns, resolver) = (turns.clone(), resolver.clone());
            going.spawn(async move {
                let found = turns.taken(move || Ok(resolver.look(&name))).await;
                assert!(!found.unwrap().starts_with("hangs"));
            });
        }
        let mut found = 0;
        while let Some(done) = going.join_next().await {
            done.unwrap();
            found += 1;
        }
        found
    }

    #[tokio::test]
    async fn names_that_hang_cost_the_others_nothing() {
        let resolver = Arc::new(Resolver::default());
        let turns = Arc::new(Turns::new(Duration::from_millis(1)));
        // As many as have a turn at once, and more.
        let hanging: Vec<_> = (0..2 * AT_ONCE)
            .map(|number| {
                let (turns, resolver) = (turns.clone(), resolver.clone());
                let name = format!("hangs{number}");
                tokio::spawn(async move { turns.taken(move || Ok(resolver.look(&name))).await })
            })
            .collect();
        let names = (0..200).map(|number| format!("web{number}")).collect();
        let found = tokio::time::timeout(Duration::from_secs(20), all(&turns, &resolver, names));
        assert_eq!(found.await.unwrap(), 200);
        assert!(hanging.iter().all(|hangs| !hangs.is_finished()));
        resolver.answer();
        for hangs in hanging {
            assert!(hangs.await.unwrap().unwrap().starts_with("hangs"));
        }
    }

    #[tokio::test]
    async fn no_more_names_are_looked_up_at_once_than_have_a_turn() {
        let resolver = Arc::new(Resolver::default());
        // Nothing gives its turn away early.
        let turns = Arc::new(Turns::new(Duration::from_secs(3600)));
        let names = (0..200).map(|number| format!("web{number}")).collect();
        assert_eq!(all(&turns, &resolver, names).await, 200);
        assert!(resolver.most.load(Ordering::SeqCst) <= AT_ONCE);
    }

    /// Whoever gives up waiting for a name leaves its turn to the next.
    #[tokio::test]
    async fn a_name_that_is_given_up_gives_its_turn_away() {
        let resolver = Arc::new(Resolver::default());
        let turns = Arc::new(Turns::new(Duration::from_secs(3600)));
        let given_up: Vec<_> = (0..AT_ONCE)
            .map(|number| {
                let (turns, resolver) = (turns.clone(), resolver.clone());
                let name = format!("hangs{number}");
                tokio::spawn(async move { turns.taken(move || Ok(resolver.look(&name))).await })
            })
            .collect();
        while resolver.looking.load(Ordering::SeqCst) < AT_ONCE {
            tokio::task::yield_now().await;
        }
        for hangs in given_up {
            hangs.abort();
        }
        let one = all(&turns, &resolver, vec!["web1".into()]);
        let found = tokio::time::timeout(Duration::from_secs(20), one);
        assert_eq!(found.await.unwrap(), 1);
        resolver.answer();
    }
}
