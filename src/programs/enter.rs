//! Logging in: what proves who somebody is, in the order in which it costs them least; and logins
//! that are kept.

use super::ahead::{Ahead, may_be_kept, told_password};
use super::answers::Password;
use super::ask::{self, Wanted};
use super::display::plain;
use super::home::{self, Login};
use super::keys::{Candidate, Keys};
use super::output::announce;
use super::target::Target;
use super::{complain, say};
use crate::cli::ClientArgs;
use crate::client::{
    Agent, Claimed, ClientError, Connection, Entered, Kept, Proof, Session, Signer,
};
use crate::exit::{Human, Status};
use crate::protocol::Code;
use crate::verb::{EndSession, Ending, Invocation};
use std::time::Duration;

/// How often a connection may be told a proof.
const TRIES: usize = 3;

/// Reaches the server, makes sure of it, and only then proves who we are.
pub async fn enter(args: &ClientArgs, target: &mut Target) -> Result<Session, ClientError> {
    let connection = reached(args, target).await?;
    entered(args, target, connection).await
}

/// Enters as [`enter`] does, and asks for a run together with the login. `leaves` is told when that
/// request leaves.
pub async fn enter_for(
    args: &ClientArgs,
    target: &mut Target,
    (run, leaves): (Invocation, impl Fn() + Send + Sync + 'static),
) -> Result<Session, ClientError> {
    let connection = reached(args, target).await?.asking_for(run, leaves);
    entered(args, target, connection).await
}

async fn reached(args: &ClientArgs, target: &mut Target) -> Result<Connection, ClientError> {
    // A server counts whoever reaches it and does not log in: who cannot, need not.
    if !may_prove(args, target) {
        return Err(ask::nobody(&password(target)));
    }
    target.reach(args).await
}

async fn entered(
    args: &ClientArgs,
    target: &mut Target,
    connection: Connection,
) -> Result<Session, ClientError> {
    prove(args, target, connection, false)
        .await
        .map(|entered| entered.session)
}

/// Whether there is anything to log in with, as far as that is known before the server is.
fn may_prove(args: &ClientArgs, target: &Target) -> bool {
    let told = args.password_stdin || target.password_file.is_some() || target.identity.is_some();
    let keys = || Agent::own().is_some() || !home::ssh_keys().is_empty();
    told || target.login().is_there() || keys() || ask::possible()
}

/// What is asked for where a password is.
fn password(target: &Target) -> Wanted {
    Wanted::password(target.host(), &target.user)
}

/// `ordain login`
pub async fn login(args: &ClientArgs, target: &mut Target) -> Result<Status, ClientError> {
    let connection = target.reach(args).await?;
    let server = connection.server_key();
    let entered = prove(args, target, connection, true).await?;
    // Otherwise the server would wait for a session whose link is lost.
    entered.session.close().await;
    let Some((kept, seconds)) = entered.kept else {
        return Err(ClientError::new(
            Code::LoginRefused,
            "logged in, but the server keeps no login (login.lifetime there, or its disk)",
        ));
    };

    target.login().keep(server, &kept, seconds)?;
    say(&format!(
        "logged in to {} as {} for {}",
        plain(target.host()),
        plain(&target.user),
        Human(Duration::from_secs(seconds))
    ));
    Ok(Status::OK)
}

/// `ordain logout`
pub async fn logout(args: &ClientArgs, target: &mut Target) -> Result<Status, ClientError> {
    let login = target.login();
    let connection = target.reach(args).await?;
    let nothing = || {
        say(&format!("no login to {} is kept", plain(target.host())));
        Ok(Status::OK)
    };

    let Some(kept) = login.kept(connection.server_key())? else {
        login.forget();
        return nothing();
    };

    let id = kept.id;
    match connection
        .enter(&target.user, &Proof::Kept(kept), false, no_code)
        .await
    {
        Ok(entered) => {
            let target = Ending::One(id.into());
            entered.session.ask(&EndSession { target }).await?;
            entered.session.close().await;
        }

        // It has ended already.
        Err((_, error)) if error.is(Code::LoginRefused) => {}
        Err((_, error)) => return Err(error),
    }

    login.forget();
    say(&format!("logged out of {}", plain(target.host())));
    Ok(Status::OK)
}

/// Nobody is asked for a one-time code here.
fn no_code() -> Result<String, ClientError> {
    Err(ClientError::new(
        Code::CodeWanted,
        "a one-time code is wanted",
    ))
}

/// The one-time code that was given, or is typed now. Where many hosts may want one, each waits for
/// its turn before it is reached again: no server waits for what is typed for another.
fn code(args: &ClientArgs, target: &Target) -> Result<String, ClientError> {
    match &args.code {
        Some(code) => Ok(code.clone()),
        None if !target.may_ask() => no_code(),
        None => ask::secret(&Wanted::code(target.host(), &target.user))
            .map(|code| code.expose().trim().to_owned())
            .map_err(|_| {
                ClientError::new(
                    Code::CodeWanted,
                    "a one-time code is wanted, and there is no terminal to ask on; use --code",
                )
            }),
    }
}

/// Proves who somebody is, when it is their turn.
async fn prove(
    args: &ClientArgs,
    target: &Target,
    connection: Connection,
    keep: bool,
) -> Result<Entered, ClientError> {
    let ahead = Ahead::of(args, target, &connection, keep).await;
    let turn = target.answers.turn(&target.user).await?;
    target.is_first.set(turn.is_first());
    let entered = proved(args, target, (connection, ahead), keep).await;
    turn.came_to(entered.as_ref().err());
    target.question.take();
    entered
}

/// Tells a server a proof, and waits for its answer.
async fn tell(
    target: &Target,
    connection: Connection,
    proof: &Proof,
    keep: bool,
    code: impl FnMut() -> Result<String, ClientError>,
) -> Result<Entered, (Option<Connection>, ClientError)> {
    let entering = connection.enter(&target.user, proof, keep, code);
    match target.answers.are_for_many() {
        true => match answered(target, entering).await {
            Ok(told) => told,
            Err(late) => Err((None, late)),
        },
        false => entering.await,
    }
}

/// Waits for a login at one host of many, the others of which wait for the first, for as long as
/// reaching it may take. Time that somebody takes at a prompt does not count: nothing else goes on
/// here meanwhile, so it is one tick at most.
pub async fn answered<T>(
    target: &Target,
    login: impl Future<Output = T>,
) -> Result<T, ClientError> {
    const TICKS: u32 = 20;
    let time = target.options.timeout;
    let mut ticks = tokio::time::interval((time / TICKS).max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut login, mut left) = (std::pin::pin!(login), TICKS + 1);
    while left > 0 {
        tokio::select! {
            biased;
            entered = &mut login => return Ok(entered),
            _ = ticks.tick() => left -= 1,
        }
    }
    let text = format!(
        "the server has not answered the login within {}",
        Human(time)
    );
    Err(ClientError::new(Code::ConnectTimeout, text))
}

/// Tries one way to prove who somebody is after the other.
async fn proved(
    args: &ClientArgs,
    target: &Target,
    (connection, ahead): (Connection, Ahead),
    keep: bool,
) -> Result<Entered, ClientError> {
    let login = target.login();
    let mut way_in = WayIn {
        args,
        target,
        connection,
        keep,
        // One is for a password, where one can be asked for.
        tries: TRIES - usize::from(ask::possible()),
        keys: Keys::default(),
        signed: ahead.signed,
    };

    if may_be_kept(args, keep)
        && let Some(kept) = login.kept(way_in.connection.server_key())?
    {
        match way_in.by_kept(kept, &login).await? {
            Tried::In(entered) => return Ok(entered),
            Tried::Refused(same) => way_in = *same,
        }
    }

    if !told_password(args)
        && let Some(file) = &target.identity
    {
        let signer = ahead.named.unwrap_or_else(|| target.answers.signer(file))?;
        return way_in.by_identity(signer, &login).await;
    }
    let from_file = match (&target.password_file, args.password_stdin) {
        (_, true) => Some(target.answers.stdin()?),
        (Some(file), false) => Some(ask::secret_file(file)?),
        (None, false) => None,
    };

    if let Some(password) = from_file {
        return way_in.once(&Proof::Password(password)).await;
    }
    way_in.keys = ahead.keys.unwrap_or_else(|| Keys::of(&login));
    while way_in.tries > 0
        && let Some(key) = way_in.keys.candidates.pop_front()
    {
        match way_in.by_key(&key, &login).await? {
            Tried::In(entered) => return Ok(entered),
            Tried::Refused(same) => way_in = *same,
        }
    }
    way_in.by_password(&login).await
}

/// What has come of one proof.
enum Tried<'a> {
    /// The user is in.
    In(Entered),
    /// The proof was refused, and another may be tried.
    Refused(Box<WayIn<'a>>),
}

/// A login under way.
struct WayIn<'a> {
    args: &'a ClientArgs,
    target: &'a Target,
    connection: Connection,
    /// Whether the login is to be kept.
    keep: bool,
    /// How many keys may be tried.
    tries: usize,
    /// The keys that nobody has named.
    keys: Keys,
    /// A key's fingerprint, and the login that it has signed already.
    signed: Option<(String, Result<Claimed, ClientError>)>,
}

impl<'a> WayIn<'a> {
    /// A key as a proof: with a signature of its own here; for one host of many with one that others
    /// may share.
    async fn by_signer(&mut self, signer: Signer) -> Result<Proof, ClientError> {
        let Some(gatherer) = &self.target.answers.gatherer else {
            return Ok(Proof::Key(signer));
        };
        let fingerprint = signer.public().fingerprint();
        let ahead = self.signed.take().filter(|(by, _)| *by == fingerprint);
        let signed = match ahead {
            Some((_, signed)) => signed?,
            None => {
                let login = self.connection.claim(&self.target.user, self.keep)?;
                gatherer.signed(&signer, login, None).await?
            }
        };
        Ok(Proof::Claimed(signed))
    }

    /// A proof that nothing else follows.
    async fn once(self, proof: &Proof) -> Result<Entered, ClientError> {
        let (args, target) = (self.args, self.target);
        tell(target, self.connection, proof, self.keep, || {
            code(args, target)
        })
        .await
        .map_err(|(_, error)| error)
    }

    /// A login that was kept.
    async fn by_kept(self, kept: Kept, login: &Login) -> Result<Tried<'a>, ClientError> {
        let proof = Proof::Kept(kept);
        match tell(self.target, self.connection, &proof, false, no_code).await {
            Ok(entered) => Ok(Tried::In(entered)),
            Err((Some(connection), error)) if error.is(Code::LoginRefused) => {
                complain(
                    "ordain: the login that was kept was refused, so it has ended; `ordain login` keeps another",
                );
                login.forget();
                Ok(Tried::Refused(Box::new(Self {
                    connection,
                    tries: self.tries - 1,
                    ..self
                })))
            }

            Err((_, error)) => Err(error),
        }
    }

    /// The key that was named.
    async fn by_identity(mut self, signer: Signer, login: &Login) -> Result<Entered, ClientError> {
        let fingerprint = signer.public().fingerprint();
        let proof = self.by_signer(signer).await?;
        let entered = self.once(&proof).await?;
        login.note(&fingerprint);
        Ok(entered)
    }

    /// One of the keys that nobody has named.
    async fn by_key(mut self, key: &Candidate, login: &Login) -> Result<Tried<'a>, ClientError> {
        let (args, target) = (self.args, self.target);
        let signer = match target.answers.signs(key) {
            Ok(signer) => signer,
            Err(why) => {
                self.keys.unusable.push(plain(&why));
                return Ok(Tried::Refused(Box::new(self)));
            }
        };

        let fingerprint = signer.public().fingerprint();
        let outcome = match self.by_signer(signer).await {
            Ok(proof) => {
                tell(target, self.connection, &proof, self.keep, || {
                    code(args, target)
                })
                .await
            }
            Err(error) => Err((Some(self.connection), error)),
        };
        match outcome {
            Ok(entered) => {
                login.note(&fingerprint);
                Ok(Tried::In(entered))
            }

            Err((Some(connection), error)) if error.is(Code::LoginRefused) => {
                if args.verbose {
                    complain(&format!("ordain: {key}: {}", plain(&error.text)));
                }
                self.keys.refused.push(key.to_string());
                Ok(Tried::Refused(Box::new(Self {
                    connection,
                    tries: self.tries - 1,
                    ..self
                })))
            }

            // An agent that did not sign, and might let each of its keys be waited for.
            Err((Some(connection), error)) if error.is(Code::Identity) => {
                let why = format!("{key}: {}", plain(&error.text));
                complain(&format!("ordain: {why}"));
                self.keys.unusable.push(why);
                Ok(Tried::Refused(Box::new(Self {
                    connection,
                    tries: self.tries - 1,
                    ..self
                })))
            }

            Err((_, error)) => Err(error),
        }
    }

    /// A password, asked for on the terminal, again and again.
    async fn by_password(self, login: &Login) -> Result<Entered, ClientError> {
        let Self {
            args,
            target,
            mut connection,
            keep,
            keys,
            ..
        } = self;
        let wanted = password(target);
        let told = || keys.told(&plain(&target.user), &plain(target.host()));
        if keys.were_there() && ask::possible() {
            announce(&format!("ordain: {}", told()));
        }
        loop {
            let nobody = |error| match keys.were_there() {
                false => error,
                true => ClientError::new(
                    Code::LoginRefused,
                    format!(
                        "{} (there is no terminal to ask for a password on; --password-file says where it is)",
                        told()
                    ),
                ),
            };
            let (password, may_be_typed) = match target.answers.password(&target.user, &wanted) {
                Ok(Some(Password::Typed(password))) => (password, true),
                Ok(Some(Password::Known(password))) => (password, false),
                Ok(None) => return Err(ClientError::new(Code::LoginRefused, told())),
                Err(error) => return Err(nobody(error)),
            };
            let proof = Proof::Password(password.clone());
            match tell(target, connection, &proof, keep, || code(args, target)).await {
                Ok(entered) => {
                    target.answers.was_right(&target.user, &password);
                    login.note("password");
                    return Ok(entered);
                }
                Err((Some(same), error)) if error.is(Code::LoginRefused) && may_be_typed => {
                    announce("ordain: login refused; try again");
                    connection = same;
                }
                Err((_, error)) => {
                    let refused = [Code::LoginRefused, Code::LoginTries];
                    if may_be_typed && !refused.iter().any(|code| error.is(*code)) {
                        target.answers.was_not_judged(&target.user, password);
                    }
                    return Err(error);
                }
            }
        }
    }
}
