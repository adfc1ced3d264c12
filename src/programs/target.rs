//! Where to, as whom, and what makes the server the right one.

use super::answers::Answers;
use super::ask::{self, Wanted};
use super::display::plain;
use super::gatherer::{Coming, Gatherer};
use super::home::{KnownServers, Login};
use super::output::announce;
use super::trusts::{Pair, Said, Trusts};
use super::{complain, home};
use crate::cli::{ClientArgs, Destination};
use crate::client::{ClientError, Connection, Options, connect};
use crate::config::{HostSettings, Hosts, load_hosts};
use crate::host::Host;
use crate::limits::CONNECT;
use crate::protocol::{Code, PORT};
use crate::sys::with_named_zone;
use crate::tls::{Fingerprint, Trust};
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use tokio::sync::OwnedMutexGuard;

/// A server to reach, the user to be there, and what makes it the right one: options before the
/// host's entry before the file's defaults.
pub struct Target {
    /// How to reach the server.
    pub options: Options,
    /// Who logs in.
    pub user: String,
    /// Where their password is.
    pub password_file: Option<PathBuf>,
    /// Where their SSH key is.
    pub identity: Option<PathBuf>,
    /// The place of the host's entry, for `-v`.
    settings: Option<String>,
    /// Where to, as it was typed.
    pub destination: Destination,
    /// What a person has answered so far.
    pub answers: Rc<Answers>,
    /// What a transfer has in common with others, where it is one of many.
    #[cfg(target_os = "linux")]
    pub among: Option<super::moves::Among>,
    /// The turn to ask a person about this host, where many hosts may want to; until it is logged in.
    pub question: RefCell<Option<OwnedMutexGuard<()>>>,
    /// The key that the server has shown.
    pub server_key: Cell<Option<Fingerprint>>,
    /// That it was reached and has not logged in, where many hosts may wait for one signature.
    pub coming: Cell<Option<Coming>>,
    /// Whether all others wait for this login.
    pub is_first: Cell<bool>,
    /// The host that it means.
    called: Host,
    /// Whether commands there may have this terminal, where they want one.
    pub tty: bool,
    /// The line of known_servers that knows the server, if one does.
    known: Option<String>,
    /// Whether nobody has said what makes it the right server.
    first_sight: bool,
    /// Our own certificate and its key.
    certificate: Option<Pair>,
}

/// The client's own certificate with its key.
fn pair(cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<Pair>, ClientError> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        (None, None) => Ok(None),
        _ => Err(ClientError::new(
            Code::Usage,
            "`cert` and `key` go together",
        )),
    }
}

/// Whoever is logged in here logs in there, where nobody else is named.
fn own_user() -> Result<String, ClientError> {
    std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .map_err(|_| {
            ClientError::new(
                Code::Usage,
                "who logs in? (user@host, --user, `user` in the host's entry, or $USER)",
            )
        })
}

/// Where a server is, and the name that its certificate must have, by options and settings.
fn located(
    args: &ClientArgs,
    destination: &Destination,
    (address, port, tls_name): (Option<Host>, Option<u16>, Option<Host>),
) -> (Host, u16, Option<Host>) {
    let called = || with_named_zone(destination.host.clone());
    // A host known by another name is still asked for by its own in TLS.
    let tls_name = args.tls_name.clone().or(tls_name);
    let tls_name = tls_name.or_else(|| address.as_ref().map(|_| called()));
    let host = address.map_or_else(called, with_named_zone);
    (host, destination.port.or(port).unwrap_or(PORT), tls_name)
}

/// The host that is meant, and what is known of it.
fn entry_of(destination: &Destination, known: &Hosts) -> (Host, HostSettings) {
    let called = with_named_zone(destination.host.clone());
    let settings = known.settings(&called);
    (called, settings)
}

/// How to reach a server to look at its key, whatever that is; nobody is to log in.
///
/// # Errors
/// [`Code::Usage`].
pub fn to_look_at(
    args: &ClientArgs,
    destination: &Destination,
    known: &Hosts,
) -> Result<Options, ClientError> {
    let (_, entry) = entry_of(destination, known);
    let place = (entry.address, entry.port, entry.tls_name);
    let (host, port, tls_name) = located(args, destination, place);
    Ok(Options {
        host,
        port,
        tls_name,
        tls: Trusts::default().tls(&Trust::FirstSight, None)?,
        timeout: args.connect_timeout.unwrap_or(CONNECT),
    })
}

impl Target {
    /// Everything that is known before it is reached.
    ///
    /// # Errors
    /// [`Code::Usage`].
    pub fn new(
        args: &ClientArgs,
        destination: &Destination,
        known: &Hosts,
        trusts: &Trusts,
    ) -> Result<Self, ClientError> {
        let (called, entry) = entry_of(destination, known);
        let HostSettings {
            address,
            port,
            user,
            ca,
            pin,
            tls_name,
            password_file,
            identity: key_file,
            cert,
            key,
            tty,
            name: _,
            place,
            lines: _,
        } = entry;
        let said = said(args.ca.clone(), args.pin.clone(), ca, pin);
        let certificate = pair(args.cert.clone().or(cert), args.key.clone().or(key))?;
        let (host, port, tls_name) = located(args, destination, (address, port, tls_name));
        let right = trusts.of(said, (&host, port), certificate.as_ref())?;
        let named = destination.user.clone().or_else(|| args.user.clone());
        Ok(Self {
            options: Options {
                tls_name,
                host,
                port,
                tls: right.tls,
                timeout: args.connect_timeout.unwrap_or(CONNECT),
            },
            user: named.or(user).map_or_else(own_user, Ok)?,
            password_file: args.password_file.clone().or(password_file),
            identity: args.identity.clone().or(key_file),
            settings: place,
            destination: destination.clone(),
            answers: Rc::default(),
            #[cfg(target_os = "linux")]
            among: None,
            question: RefCell::default(),
            coming: Cell::default(),
            is_first: Cell::default(),
            server_key: Cell::default(),
            called,
            tty: tty.unwrap_or(false),
            known: right.known,
            first_sight: right.first_sight,
            certificate,
        })
    }

    /// Whether a person may be asked about this host now: nobody else asks.
    pub fn may_ask(&self) -> bool {
        let answers = &self.answers;
        let alone = !answers.are_for_many() || answers.are_for_each() || self.is_first.get();
        alone || self.question.borrow().is_some()
    }

    /// The name that the server was called by, as it was typed.
    pub fn host(&self) -> &str {
        &self.destination.typed
    }

    /// Reaches the server and makes sure of it. One that is met for the first time is agreed to
    /// first.
    pub async fn reach(&mut self, args: &ClientArgs) -> Result<Connection, ClientError> {
        let gatherer = self.answers.gatherer.as_ref();
        let coming = gatherer.map(Gatherer::comes);
        let connection = match connect(&self.options).await {
            // Only TLS says so here, before the server has said anything: its codes are not these.
            Err(error)
                if self.known.is_some()
                    && error.is(Code::Untrusted)
                    && error.text.contains("is pinned") =>
            {
                return Err(self.changed(&error));
            }
            other => other?,
        };

        let key = connection.server_key();
        self.server_key.set(Some(key));
        self.coming.set(coming);
        if args.verbose {
            let settings = self.settings.as_deref().unwrap_or("no entry of its own");
            complain(&format!(
                "ordain: {} at {} ({}), key {key}, user {}, settings: {settings}",
                plain(self.host()),
                connection.peer(),
                plain(connection.software()),
                plain(&self.user),
            ));
        }

        if self.first_sight {
            self.agree(args, key)?;
            self.first_sight = false;

            // What comes back later comes back to this key.
            self.options.tls =
                Trusts::default().tls(&Trust::Pin(key), self.certificate.as_ref())?;
        }

        Ok(connection)
    }

    /// Asks whether this key is the server's, and notes it.
    fn agree(&self, args: &ClientArgs, key: Fingerprint) -> Result<(), ClientError> {
        let servers = KnownServers::own()?;
        let host = plain(self.host());

        if !args.accept_new {
            if !ask::can_ask() {
                let text = format!(
                    "{host} is not known: it shows the key {key}, and there is no terminal to ask on; give --pin or --ca, or --accept-new to trust it from now on"
                );
                return Err(ClientError::new(Code::UnknownServer, text));
            }

            announce(&format!(
                "ordain: {host} is not known yet. It shows the key"
            ));
            announce(&format!("  {key}"));
            announce("which is what `ordaind fingerprint` must print there.");
            let question = Wanted::of(self.host(), "is this the right server?");
            ask::agree(&question).map_err(|_| {
                ClientError::new(
                    Code::UnknownServer,
                    format!("{host} was not agreed to; nothing was sent to it"),
                )
            })?;
        }

        servers.add(&self.options.host, self.options.port, key)?;
        complain(&format!(
            "ordain: {host} is known from now on by the key {key} ({})",
            servers.path().display()
        ));
        Ok(())
    }

    /// The server shows another key than the one that is known.
    fn changed(&self, error: &ClientError) -> ClientError {
        let place = self.known.as_deref().unwrap_or_default();
        ClientError::new(
            Code::UnknownServer,
            format!(
                "THE KEY OF {} HAS CHANGED: somebody may be in between. {}. If the server really has a new key (compare `ordaind fingerprint` there), remove the line {place}",
                plain(self.host()),
                error.text.replace("is pinned", "is known")
            ),
        )
    }

    /// The files of a login that are kept here.
    pub fn login(&self) -> Login {
        Login::new(&self.user, &self.called, self.options.port)
    }
}

/// What was said of a server: by options before the host's entry, and never by both.
fn said(
    ca_option: Option<String>,
    pin_option: Option<String>,
    ca: Option<String>,
    pin: Option<String>,
) -> Said {
    if ca_option.is_some() || pin_option.is_some() {
        Said {
            ca: ca_option,
            pin: pin_option,
        }
    } else {
        Said { ca, pin }
    }
}

/// The settings file, if there is one.
pub fn hosts(args: &ClientArgs) -> Result<Hosts, ClientError> {
    if let Some(given) = args.config.as_ref().filter(|path| !path.exists()) {
        return Err(ClientError::new(
            Code::Usage,
            format!("{} does not exist", given.display()),
        ));
    }

    let Some(path) = args.config.clone().or_else(|| home::config("config.toml")) else {
        return Ok(Hosts::default());
    };
    load_hosts(&path).map_err(|faults| {
        ClientError::new(
            Code::Usage,
            faults
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "),
        )
    })
}
