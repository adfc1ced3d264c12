//! The signature that a login at one host of many begins with, made before its turn: it may be for all
//! of them.

use super::display::plain;
use super::keys::Keys;
use super::target::Target;
use crate::cli::ClientArgs;
use crate::client::{Claimed, ClientError, Connection, Signer};

/// What was done at one host of many before its turn: a signature may be for all of them, so it is
/// made while the first is not in yet.
#[derive(Default)]
pub struct Ahead {
    /// The key that was named.
    pub named: Option<Result<Signer, ClientError>>,
    /// The keys that nobody has named, the next of which is the one that has signed.
    pub keys: Option<Keys>,
    /// The key's fingerprint, and the login that it has signed.
    pub signed: Option<(String, Result<Claimed, ClientError>)>,
}

impl Ahead {
    /// Has the key sign that is tried first here, where there are many hosts and one is.
    pub async fn of(
        args: &ClientArgs,
        target: &Target,
        connection: &Connection,
        keep: bool,
    ) -> Self {
        let (mut ahead, coming) = (Self::default(), target.coming.take());
        let Some(gatherer) = &target.answers.gatherer else {
            return ahead;
        };
        let Some(signer) = ahead.signer(args, target, connection, keep) else {
            return ahead;
        };
        let signed = match connection.claim(&target.user, keep) {
            Ok(login) => gatherer.signed(&signer, login, coming).await,
            Err(error) => Err(error),
        };
        ahead.signed = Some((signer.public().fingerprint(), signed));
        ahead
    }

    /// What signs first, in the order in which [`super::enter::enter`] tries.
    fn signer(
        &mut self,
        args: &ClientArgs,
        target: &Target,
        connection: &Connection,
        keep: bool,
    ) -> Option<Signer> {
        let login = target.login();
        let is_kept = || {
            login
                .kept(connection.server_key())
                .map(|kept| kept.is_some())
        };
        if told_password(args) || (may_be_kept(args, keep) && is_kept().unwrap_or(true)) {
            return None;
        }
        if let Some(file) = &target.identity {
            let named = self.named.insert(target.answers.signer(file));
            return named.as_ref().ok().cloned();
        }
        if target.password_file.is_some() {
            return None;
        }
        let keys = self.keys.insert(Keys::of(&login));
        loop {
            match target.answers.signs(keys.candidates.front()?) {
                Ok(signer) => return Some(signer),
                Err(why) => keys.unusable.push(plain(&why)),
            }
            keys.candidates.pop_front();
        }
    }
}

/// Whether the command line says where a password is.
pub const fn told_password(args: &ClientArgs) -> bool {
    args.password_stdin || args.password_file.is_some()
}

/// Whether a login that was kept may be used. It asks nothing; what was said on the command line goes
/// before it.
pub const fn may_be_kept(args: &ClientArgs, keep: bool) -> bool {
    !keep && !told_password(args) && args.identity.is_none()
}
