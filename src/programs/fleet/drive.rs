//! One host after the other, so many at once: what begins when, and what an interrupt ends.

use super::Fleet;
use super::progress::Progress;
use crate::cli::{ClientVerb, Pause, RunArgs};
use crate::client::ClientError;
use crate::fleet::{Counts, End, Next, Schedule};
use crate::programs::ask::{self, Wanted};
use crate::programs::complain;
use crate::programs::terminal::Signals;
use crate::programs::wish::Wish;
use crate::protocol::Code;
use std::rc::Rc;
use tokio::task::JoinSet;

/// At how many hosts at once, where nobody has said otherwise: what clush does.
const FANOUT: usize = 64;
/// Descriptors that a host may take at once, those of its files besides, and what is needed anyway.
const DESCRIPTORS: (usize, usize, usize) = (2, 2, 64);

/// Hosts that are being asked.
type Going = JoinSet<(usize, End)>;

impl Fleet {
    /// Asks all hosts, and gives what became of each.
    ///
    /// # Errors
    /// Signals cannot be heard.
    pub async fn drive(fleet: &Rc<Self>) -> Result<Vec<End>, ClientError> {
        let mut schedule = fleet.schedule();
        let order = fleet.order();
        let mut ends = vec![End::NotStarted; fleet.hosts.len()];
        let mut going: Going = JoinSet::new();
        let mut signals = Signals::new()?;
        let mut progress = Progress::new(fleet);
        loop {
            match schedule.now() {
                Next::Begin(turn) => {
                    let host = order.get(turn).copied().unwrap_or(turn);
                    progress.begun(host);
                    let fleet = fleet.clone();
                    going.spawn_local(async move { (host, fleet.at(host).await) });
                }
                Next::Wait => tokio::select! {
                    ended = going.join_next() => {
                        let (host, end) = known(ended)?;
                        if let Some(known) = ends.get_mut(host) {
                            *known = end;
                        }
                        progress.ended(host, end, fleet.good());
                        fleet.judge(&mut schedule, end);
                    }
                    () = progress.tick() => progress.show(fleet),
                    () = signals.interrupt.rung() => {
                        progress.show(fleet);
                        fleet.interrupted(&mut schedule, &mut signals).await;
                    }
                    () = signals.end.rung() => fleet.leave(&mut schedule),
                },
                Next::BatchOver => tokio::select! {
                    goes_on = fleet.between(&schedule) => if goes_on {
                        schedule.next_batch();
                    } else {
                        schedule.stop();
                    },
                    () = signals.interrupt.rung() => schedule.stop(),
                    () = signals.end.rung() => schedule.stop(),
                },
                Next::Over => {
                    progress.over();
                    return Ok(ends);
                }
            }
        }
    }

    pub fn run_args(&self) -> Option<&RunArgs> {
        match &self.args.verb {
            ClientVerb::Run(run) => Some(run),
            _ => None,
        }
    }

    fn schedule(&self) -> Schedule {
        let fanout = self.args.many.fanout;
        let wanted = match self.answers.are_for_each() {
            // No server waits for what is typed for another.
            true => 1,
            false => fanout.map_or(FANOUT, |fanout| fanout as usize),
        };
        let at_once = wanted.min(room(self.files.is_some())).max(1);
        if at_once < wanted {
            complain(&format!(
                "ordain: {at_once} hosts at once, not {wanted}: this process may open no more files (ulimit -n)"
            ));
        }
        let pace = self.pace();
        let batches = pace.and_then(|pace| pace.batch.clone());
        let batches = batches.unwrap_or_default();
        let most = pace.and_then(|pace| pace.max_fail);
        Schedule::new(self.hosts.len(), at_once, &batches, most)
    }

    /// Hosts in the order in which they have their turns: those that were asked before come first,
    /// because others may be the same server.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.hosts.len()).collect();
        order.sort_by_key(|host| self.known(*host).is_some_and(|known| !known.sent));
        order
    }

    /// Counts a host that has come to its end, and stops what would be new where that is too much.
    fn judge(self: &Rc<Self>, schedule: &mut Schedule, end: End) {
        let exits = self.pace().is_some_and(|pace| pace.count_only_exits);
        let counts = if exits { Counts::Exits } else { Counts::All };
        if schedule.ended(end.is_failure(self.good(), counts)) {
            let cancels = self.pace().is_some_and(|pace| pace.cancel_rest);
            let rest = if cancels {
                "what goes on is cancelled (--cancel-rest)"
            } else {
                "what goes on is waited for"
            };
            let text = format!(
                "more hosts have failed than --max-fail allows: nothing new begins, and {rest}"
            );
            // Who does not read holds up nobody who hears of signals.
            if !self.screen.says(&text) {
                let fleet = self.clone();
                tokio::task::spawn_local(async move { fleet.screen.say(&text).await });
            }
            if cancels {
                self.wish.send_replace(Wish::Cancel);
            }
        }
    }

    /// Waits between two batches; `false` where somebody does not want the next.
    async fn between(&self, schedule: &Schedule) -> bool {
        let (batch, batches) = schedule.batch();
        match self.pace().and_then(|pace| pace.pause) {
            None => true,
            Some(Pause::For(time)) => {
                tokio::time::sleep(time).await;
                true
            }
            Some(Pause::Ask) => {
                let left = schedule.not_begun();
                let what =
                    format!("batch {batch} of {batches} is over, {left} hosts are left; go on?");
                let asked =
                    tokio::task::spawn_blocking(move || ask::agree(&Wanted::own("ordain", &what)));
                matches!(asked.await, Ok(Ok(())))
            }
        }
    }

    /// Ctrl-C: where there is somebody to ask, what they want; otherwise nothing new begins, and what
    /// goes on is ended. Once more leaves it.
    async fn interrupted(&self, schedule: &mut Schedule, signals: &mut Signals) {
        let first = *self.wish.borrow() == Wish::GoOn;
        if first && ask::can_ask() {
            let asked = tokio::task::spawn_blocking(|| {
                let what = "[g]o on, [d]etach, or [c]ancel what goes on?";
                ask::line(&Wanted::own("ordain", what))
            });
            let answer = tokio::select! {
                answer = asked => answer.ok().and_then(Result::ok).unwrap_or_default(),
                () = signals.interrupt.rung() => "d".into(),
                () = signals.end.rung() => "d".into(),
            };
            match answer.chars().next() {
                Some('g' | 'G') => return,
                Some('d' | 'D') => return self.leave(schedule),
                _ => {}
            }
        }
        schedule.stop();
        if first {
            self.wish.send_replace(Wish::Cancel);
            complain(
                "ordain: nothing new begins, and what goes on is cancelled; once more leaves it to itself",
            );
        } else {
            self.leave(schedule);
        }
    }

    fn leave(&self, schedule: &mut Schedule) {
        schedule.stop();
        self.screen.leave();
        self.wish.send_replace(Wish::Leave);
    }
}

fn known(
    ended: Option<Result<(usize, End), tokio::task::JoinError>>,
) -> Result<(usize, End), ClientError> {
    match ended {
        Some(Ok(end)) => Ok(end),
        Some(Err(fault)) => Err(ClientError::new(Code::Internal, fault.to_string())),
        None => Err(ClientError::new(Code::Internal, "nothing goes on")),
    }
}

/// How many hosts there are descriptors for.
fn room(with_files: bool) -> usize {
    #[cfg(target_os = "linux")]
    let most = crate::sys::raise_descriptor_limit().unwrap_or(256);
    #[cfg(not(target_os = "linux"))]
    let most = 256_u64;
    let (each, files, besides) = DESCRIPTORS;
    let each = each + if with_files { files } else { 0 };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    most.saturating_sub(besides) / each
}
