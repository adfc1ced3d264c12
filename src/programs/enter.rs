//! Logging in: what proves who somebody is, in the order in which it costs them least; and logins
//! that are kept.

use super::ask::{self, Wanted};
use super::display::plain;
use super::home::Login;
use super::target::Target;
use super::{complain, say};
use crate::cli::ClientArgs;
use crate::client::{Agent, ClientError, Connection, Entered, Kept, Proof, Session, Signer};
use crate::credential::{PrivateFault, SshPrivate, SshPublic};
use crate::exit::{Human, Status};
use crate::protocol::Code;
use crate::verb::{EndSession, Ending};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a key's file.
const KEY_FILE: u64 = 64 * 1024;
/// An agent's keys that are tried before a password is asked for: a connection has three tries.
const AGENT_KEYS: usize = 2;

/// Reaches the server, makes sure of it, and only then proves who we are.
pub async fn enter(args: &ClientArgs, target: &mut Target) -> Result<Session, ClientError> {
    // A server counts whoever reaches it and does not log in: who cannot, need not.
    if !may_prove(args, target) {
        return Err(ask::nobody(&password(target)));
    }
    let connection = target.reach(args).await?;
    prove(args, target, connection, false)
        .await
        .map(|entered| entered.session)
}

/// Whether there is anything to log in with, as far as that is known before the server is.
fn may_prove(args: &ClientArgs, target: &Target) -> bool {
    let told = args.password_stdin || target.password_file.is_some() || target.identity.is_some();
    told || target.login().is_there() || Agent::own().is_some() || ask::possible()
}

/// What is asked for where a password is.
fn password(target: &Target) -> Wanted {
    Wanted::password(&target.host, &target.user)
}

/// `ordain login`
pub async fn login(args: &ClientArgs, target: &mut Target) -> Result<Status, ClientError> {
    let connection = target.reach(args).await?;
    let server = connection.server_key();
    let entered = prove(args, target, connection, true).await?;
    let Some((kept, seconds)) = entered.kept else {
        return Err(ClientError::new(
            Code::LoginRefused,
            "logged in, but the server keeps no login (login.lifetime there, or its disk)",
        ));
    };

    target.login().keep(server, &kept, seconds)?;
    say(&format!(
        "logged in to {} as {} for {}",
        plain(&target.host),
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
        say(&format!("no login to {} is kept", plain(&target.host)));
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
        }

        // It has ended already.
        Err((_, error)) if error.is(Code::LoginRefused) => {}
        Err((_, error)) => return Err(error),
    }

    login.forget();
    say(&format!("logged out of {}", plain(&target.host)));
    Ok(Status::OK)
}

/// Nobody is asked for a one-time code here.
fn no_code() -> Result<String, ClientError> {
    Err(ClientError::new(
        Code::CodeWanted,
        "a one-time code is wanted",
    ))
}

/// The one-time code that was given, or is typed now.
fn code(args: &ClientArgs, target: &Target) -> Result<String, ClientError> {
    match &args.code {
        Some(code) => Ok(code.clone()),
        None => ask::secret(&Wanted::code(&target.host, &target.user))
            .map(|code| code.expose().trim().to_owned())
            .map_err(|_| {
                ClientError::new(
                    Code::CodeWanted,
                    "a one-time code is wanted, and there is no terminal to ask on; use --code",
                )
            }),
    }
}

/// Tries one way to prove who somebody is after the other.
async fn prove(
    args: &ClientArgs,
    target: &Target,
    connection: Connection,
    keep: bool,
) -> Result<Entered, ClientError> {
    let login = target.login();
    let told_password = args.password_stdin || args.password_file.is_some();

    // A login that is kept asks nothing; what was said on the command line goes before it.
    let may_be_kept = !keep && !told_password && args.identity.is_none();
    let mut way_in = WayIn {
        args,
        target,
        connection,
        keep,
        tries: AGENT_KEYS,
        refused: 0,
    };

    if may_be_kept && let Some(kept) = login.kept(way_in.connection.server_key())? {
        match way_in.by_kept(kept, &login).await? {
            Tried::In(entered) => return Ok(entered),
            Tried::Refused(same) => way_in = *same,
        }
    }

    if !told_password && let Some(file) = &target.identity {
        return way_in.by_identity(file, &login).await;
    }
    let from_file = match (&target.password_file, args.password_stdin) {
        (_, true) => Some(ask::secret_stdin()?),
        (Some(file), false) => Some(ask::secret_file(file)?),
        (None, false) => None,
    };

    if let Some(password) = from_file {
        return way_in.once(&Proof::Password(password)).await;
    }
    for signer in agent_keys(&login).into_iter().take(way_in.tries) {
        match way_in.by_agents_key(signer, &login).await? {
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
    /// How many of an agent's keys may be tried: a connection has three tries, and one of them is
    /// for a password.
    tries: usize,
    /// How many of an agent's keys were refused.
    refused: usize,
}

impl<'a> WayIn<'a> {
    /// A proof that nothing else follows.
    async fn once(self, proof: &Proof) -> Result<Entered, ClientError> {
        let (args, target) = (self.args, self.target);
        self.connection
            .enter(&target.user, proof, self.keep, || code(args, target))
            .await
            .map_err(|(_, error)| error)
    }

    /// A login that was kept.
    async fn by_kept(self, kept: Kept, login: &Login) -> Result<Tried<'a>, ClientError> {
        match self
            .connection
            .enter(&self.target.user, &Proof::Kept(kept), false, no_code)
            .await
        {
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
    async fn by_identity(self, file: &Path, login: &Login) -> Result<Entered, ClientError> {
        let signer = signer_of(file)?;
        let fingerprint = signer.public().fingerprint();
        let entered = self.once(&Proof::Key(signer)).await?;
        login.note(&fingerprint);
        Ok(entered)
    }

    /// One of the agent's keys.
    async fn by_agents_key(self, signer: Signer, login: &Login) -> Result<Tried<'a>, ClientError> {
        let (args, target) = (self.args, self.target);
        let fingerprint = signer.public().fingerprint();
        match self
            .connection
            .enter(&target.user, &Proof::Key(signer), self.keep, || {
                code(args, target)
            })
            .await
        {
            Ok(entered) => {
                login.note(&fingerprint);
                Ok(Tried::In(entered))
            }

            Err((Some(connection), error))
                if error.is(Code::LoginRefused) || error.is(Code::Identity) =>
            {
                if args.verbose || error.is(Code::Identity) {
                    complain(&format!("ordain: {fingerprint}: {}", plain(&error.text)));
                }
                Ok(Tried::Refused(Box::new(Self {
                    connection,
                    refused: self.refused + 1,
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
            refused,
            ..
        } = self;
        let wanted = password(target);
        loop {
            let password = ask::secret(&wanted).map_err(|error| match refused {
                0 => error,
                _ => ClientError::new(
                    Code::LoginRefused,
                    format!(
                        "login refused: {refused} of the SSH agent's keys were tried, and there is no terminal to ask for a password on (--identity says which key, --password-file where the password is)"
                    ),
                ),
            })?;
            match connection
                .enter(&target.user, &Proof::Password(password), keep, || {
                    code(args, target)
                })
                .await
            {
                Ok(entered) => {
                    login.note("password");
                    return Ok(entered);
                }
                Err((Some(same), error)) if error.is(Code::LoginRefused) => {
                    complain("ordain: login refused; try again");
                    connection = same;
                }
                Err((_, error)) => return Err(error),
            }
        }
    }
}

/// The key that a file is, or names: a private key, or a public one whose private half an agent
/// has.
fn signer_of(file: &Path) -> Result<Signer, ClientError> {
    let fault = |why: &dyn std::fmt::Display| {
        ClientError::new(Code::Identity, format!("{}: {why}", file.display()))
    };
    if let Ok(text) = std::fs::read_to_string(file)
        && let Ok(key) = SshPublic::read(text.lines().next().unwrap_or_default())
    {
        let agent = Agent::own().ok_or_else(|| {
            fault(&"it is a public key, and no SSH agent is there to sign (SSH_AUTH_SOCK)")
        })?;
        return Ok(Signer::Agent(agent, key));
    }

    let pem = zeroize::Zeroizing::new(
        crate::sys::read_private(file, KEY_FILE)
            .map_err(|why| ClientError::new(Code::Identity, why.to_string()))?,
    );

    let key = match SshPrivate::read(&pem, None) {
        Err(PrivateFault::Passphrase) => {
            let passphrase = ask::secret(&Wanted::own("ordain", &format!("passphrase of {}", file.display())))
                .map_err(|_| fault(&"it wants its passphrase, and there is no terminal to ask on; ssh-agent can keep it (ssh-add)"))?;
            SshPrivate::read(&pem, Some(&passphrase))
        }

        other => other,
    };

    match key {
        Ok(key) => Ok(Signer::Own(Arc::new(key))),
        Err(why) => Err(fault(&why)),
    }
}

/// The agent's keys, the one that worked last first. None where a password worked last.
fn agent_keys(login: &Login) -> Vec<Signer> {
    let last = login.last();
    if last.as_deref() == Some("password") {
        return Vec::new();
    }
    let Some(agent) = Agent::own() else {
        return Vec::new();
    };
    let mut keys = agent.keys().unwrap_or_else(|error| {
        complain(&format!("ordain: {}", plain(&error.text)));
        Vec::new()
    });

    keys.sort_by_key(|key| Some(key.fingerprint()) != last);
    keys.into_iter()
        .take(AGENT_KEYS)
        .map(|key| Signer::Agent(agent.clone(), key))
        .collect()
}
