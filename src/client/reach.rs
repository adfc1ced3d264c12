//! A name that has several addresses: the first that answers is taken, and one that swallows what
//! is sent to it holds up nobody (RFC 8305, Happy Eyeballs).

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long an attempt is waited for before the next address is tried beside it: RFC 8305, section
/// 5, "Connection Attempt Delay".
const APART: Duration = Duration::from_millis(250);

/// Waits until the next address has its turn.
pub(super) async fn apart() {
    tokio::time::sleep(APART).await;
}

/// What has come of the addresses that were tried.
pub(super) struct Unreached(Vec<(SocketAddr, io::Error)>);

impl Unreached {
    /// Each address with its fault, or the fault alone where there is one address; and what it means
    /// where every address says the same.
    pub(super) fn sentence(&self) -> String {
        let said = match self.0.as_slice() {
            [] => return "its name has no address".to_owned(),
            [(_, fault)] => fault.to_string(),
            several => several
                .iter()
                .map(|(address, fault)| format!("{}: {fault}", address.ip()))
                .collect::<Vec<_>>()
                .join("; "),
        };
        let refused =
            |(_, fault): &(_, io::Error)| fault.kind() == io::ErrorKind::ConnectionRefused;
        match self.0.iter().all(refused) {
            true => format!(
                "{said}: nothing listens there; is ordaind running (`systemctl status ordaind` there), and is it the right port?"
            ),
            false => said,
        }
    }
}

/// The addresses in the order in which they are tried: the families in turn, each in the order that
/// the resolver gave (RFC 8305, section 4), and none twice.
pub(super) fn in_turn(addresses: impl IntoIterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let (mut first, mut second) = (VecDeque::new(), VecDeque::new());
    let mut first_is_v4 = None;
    for address in addresses {
        let of_first = *first_is_v4.get_or_insert(address.is_ipv4()) == address.is_ipv4();
        let family = if of_first { &mut first } else { &mut second };
        if !family.contains(&address) {
            family.push_back(address);
        }
    }

    let mut all = VecDeque::new();
    while let Some(address) = first.pop_front() {
        all.push_back(address);
        all.extend(second.pop_front());
    }
    all.extend(second);
    all
}

/// Tries one address after the other, each beside those that have not answered yet, and gives what
/// the first success is. The attempts that are left end with this. `apart` is how long one is waited
/// for before the next begins.
///
/// # Errors
/// What each address came to, in the order in which they failed.
pub(super) async fn first<T, F, A>(
    mut addresses: VecDeque<SocketAddr>,
    apart: impl Fn() -> A,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T, Unreached>
where
    A: Future<Output = ()>,
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut attempts = JoinSet::new();
    let mut faults = Vec::new();
    loop {
        match addresses.pop_front() {
            Some(address) => {
                let attempt = attempt(address);
                attempts.spawn(async move { (address, attempt.await) });
            }
            None if attempts.is_empty() => return Err(Unreached(faults)),
            None => {}
        }

        // The next address has its turn when this one has failed, or has taken too long.
        let mut late = std::pin::pin!(apart());
        loop {
            let ended = tokio::select! {
                ended = attempts.join_next() => ended,
                () = &mut late, if !addresses.is_empty() => break,
            };
            match ended {
                Some(Ok((_, Ok(reached)))) => return Ok(reached),
                Some(Ok((address, Err(fault)))) => faults.push((address, fault)),
                Some(Err(_)) => {}
                None => break,
            }
            if !addresses.is_empty() {
                break;
            }
        }
    }
}

#[cfg(test)]
#[path = "reach_tests.rs"]
mod tests;
