//! Files from or to many hosts: each host's transfer with what it has in common with the others.

use super::Fleet;
#[cfg(target_os = "linux")]
use super::files::file_name;
#[cfg(target_os = "linux")]
use crate::cli::{ClientArgs, CpArgs, Place, Side, SyncArgs};
use crate::cli::{ClientVerb, PaceArgs};
use crate::client::ClientError;
use crate::fleet::End;
use crate::programs::target::Target;
use std::cell::Cell;

impl Fleet {
    /// How many hosts are asked at a time, and how many failures are too many.
    pub fn pace(&self) -> Option<&PaceArgs> {
        match &self.args.verb {
            ClientVerb::Run(run) => Some(&run.pace),
            ClientVerb::Cp(cp) => Some(&cp.pace),
            ClientVerb::Sync(sync) => Some(&sync.pace),
            ClientVerb::Rm(rm) => Some(&rm.pace),
            _ => None,
        }
    }
}

#[cfg(target_os = "linux")]
impl Fleet {
    /// Moves files from or to one host.
    pub async fn moved(
        &self,
        host: usize,
        target: &mut Target,
        begun: &Cell<bool>,
    ) -> Result<End, ClientError> {
        use crate::exit::Reason;
        use crate::programs::client::attempt;
        use crate::programs::moves::Among;
        use std::io::Read;

        let input = self.input.clone();
        target.among = Some(Among {
            name: file_name(self.name(host)),
            wish: self.wish.subscribe(),
            common: self.common.clone(),
            standard: Box::new(move || -> Box<dyn Read + Send> { Box::new(input.clone().read()) }),
            ended: Cell::default(),
        });
        let args = self.args_of(host);
        // Its future has all that any verb has, and there are many hosts.
        let status = Box::pin(attempt(&args, target, begun)).await?;
        let ended = target.among.as_ref().and_then(|among| among.ended.get());
        Ok(End::Ended(ended.unwrap_or(Reason::Exit(status.0))))
    }

    /// The same for one host alone, which it names then.
    fn args_of(&self, host: usize) -> ClientArgs {
        let mut args = self.args.clone();
        if let Some(host) = self.hosts.get(host) {
            move_at(&mut args.verb, Place::One(host.destination.clone()));
        }
        args
    }
}

/// Has files moved from or to this place, and no other.
#[cfg(target_os = "linux")]
fn move_at(verb: &mut ClientVerb, place: Place) {
    let there = match verb {
        ClientVerb::Files { host } => return *host = place,
        ClientVerb::Ls(ls) => &mut ls.there,
        ClientVerb::Cat(cat) => &mut cat.there,
        ClientVerb::Rm(rm) => &mut rm.there,
        ClientVerb::Cp(CpArgs { from, to, .. }) | ClientVerb::Sync(SyncArgs { from, to, .. }) => {
            match (from, to) {
                (Side::There(there), _) | (_, Side::There(there)) => there,
                _ => return,
            }
        }
        _ => return,
    };
    there.host = place;
}

#[cfg(not(target_os = "linux"))]
impl Fleet {
    /// Nothing is moved here, and nobody gets as far as this.
    pub async fn moved(
        &self,
        _: usize,
        _: &mut Target,
        _: &Cell<bool>,
    ) -> Result<End, ClientError> {
        Ok(End::NotStarted)
    }
}
