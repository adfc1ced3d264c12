//! `ordain`: settings, the right server, a login, and what was asked for.

use super::display::plain;
use super::{ask, complain, run, say};
use crate::cli::{ClientArgs, ClientVerb, Destination, RunArgs};
use crate::client::{ClientError, Durable, Options, Session, connect};
use crate::config::{HostSettings, Hosts, load_hosts};
use crate::exit::Status;
use crate::protocol::{Answer, Code, CommandView, PORT};
use crate::request::{Ask, Attachment};
use crate::tls::{self, Identity, Trust};
use clap::Parser;
use std::path::{Path, PathBuf};

/// The whole program.
pub fn ordain() -> Status {
    let args = match ClientArgs::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    #[cfg(target_os = "linux")]
    crate::sys::steady_heap();
    let nagios = matches!(&args.verb, ClientVerb::Run(run) if run.nagios);
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|fault| ClientError::new(Code::Internal, format!("the runtime: {fault}")))
        .and_then(|runtime| {
            let outcome = runtime.block_on(story(&args));
            // Threads may still wait for input that nobody needs any more.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(status) => status,
        Err(error) => report(&error, nagios, args.json),
    }
}

/// The words are off, or only help was wanted. A plugin that was called wrongly is UNKNOWN and not CRITICAL.
fn usage(error: &clap::Error) -> Status {
    let _ = error.print();
    if !error.use_stderr() {
        return Status::OK;
    }
    if std::env::args().any(|argument| argument == "--nagios") {
        say("ORDAIN UNKNOWN - wrong usage");
        return Status::NAGIOS_UNKNOWN;
    }
    Status::OWN_FAILURE
}

/// ordain's own failure: on standard error, or as machines want it.
fn report(error: &ClientError, nagios: bool, json: bool) -> Status {
    let text = plain(&error.to_string());
    if nagios {
        say(&format!("ORDAIN UNKNOWN - {text}"));
        return Status::NAGIOS_UNKNOWN;
    }
    if json {
        say(&serde_json::json!({ "event": "error", "code": error.code, "text": error.text, "argument": error.argument, "rule": error.rule }).to_string());
    }
    complain(&format!("ordain: {text}"));
    Status::OWN_FAILURE
}

async fn story(args: &ClientArgs) -> Result<Status, ClientError> {
    let destination = match &args.verb {
        ClientVerb::Run(run) => &run.host,
        ClientVerb::List { host }
        | ClientVerb::Describe { host, .. }
        | ClientVerb::Runs { host }
        | ClientVerb::Attach { host, .. }
        | ClientVerb::Output { host, .. }
        | ClientVerb::Signal { host, .. }
        | ClientVerb::Cancel { host, .. } => host,
    };
    let known = hosts(args)?;
    let target = Target::new(args, destination, &known)?;
    let session = target.log_in(args).await?;
    match &args.verb {
        ClientVerb::Run(run) => run_verb(args, run, &target.options, &session).await,
        ClientVerb::Attach { run, from, raw, .. } => attach(args, &target.options, &session, (run, *from), true, *raw).await,
        ClientVerb::Output { run, from, raw, .. } => attach(args, &target.options, &session, (run, *from), false, *raw).await,
        ClientVerb::Signal { run, name, .. } => signal(args, &session, run, name).await,
        ClientVerb::List { .. } => list(args, &session).await,
        ClientVerb::Describe { command, .. } => describe(args, &session, command).await,
        ClientVerb::Runs { .. } => runs(args, &session).await,
        ClientVerb::Cancel { run, .. } => cancel(args, &session, run).await,
    }
}

/// The settings file, if there is one.
fn hosts(args: &ClientArgs) -> Result<Hosts, ClientError> {
    let default = || {
        let folder = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        folder.or_else(|| std::env::home_dir().map(|home| home.join(".config"))).map(|folder| folder.join("ordain/config.toml"))
    };
    if let Some(given) = args.config.as_ref().filter(|path| !path.exists()) {
        return Err(ClientError::new(Code::Usage, format!("{} does not exist", given.display())));
    }
    let Some(path) = args.config.clone().or_else(default) else { return Ok(Hosts::default()) };
    load_hosts(&path).map_err(|faults| ClientError::new(Code::Usage, faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
}

/// Where to, as whom, trusting what: options before the host's entry before the file's defaults.
struct Target {
    options: Options,
    user: String,
    password_file: Option<PathBuf>,
    settings: Option<String>,
    host: String,
}

impl Target {
    fn new(args: &ClientArgs, destination: &Destination, known: &Hosts) -> Result<Self, ClientError> {
        let entry = known.hosts.get(&destination.host).cloned().unwrap_or_default();
        let HostSettings { address, port, user, ca, pin, tls_name, password_file, cert, key, place } =
            with_defaults(entry, &known.defaults);
        let usage = |text: String| ClientError::new(Code::Usage, text);
        let trust = trust(args.ca.clone(), args.pin.clone(), ca, pin, &destination.host)?;
        let identity = match (args.cert.clone().or(cert), args.key.clone().or(key)) {
            (Some(cert), Some(key)) => Some(identity(&cert, &key)?),
            (None, None) => None,
            _ => return Err(usage("`cert` and `key` go together".into())),
        };
        let own_user = || std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok();
        let user = destination.user.clone().or_else(|| args.user.clone()).or(user).or_else(own_user);
        Ok(Self {
            options: Options {
                // A host known by another name is still asked for by its own in TLS.
                tls_name: args.tls_name.clone().or(tls_name).or_else(|| address.as_ref().map(|_| destination.host.clone())),
                host: address.unwrap_or_else(|| destination.host.clone()),
                port: destination.port.or(port).unwrap_or(PORT),
                tls: tls::client(&trust, identity).map_err(usage)?,
                timeout: args.connect_timeout,
            },
            user: user.ok_or_else(|| ClientError::new(Code::Usage, "who logs in? (user@host, --user, or `user` in the host's entry)"))?,
            password_file: args.password_file.clone().or(password_file),
            settings: place,
            host: destination.host.clone(),
        })
    }

    /// Reaches the server, makes sure of it, and only then asks for a password.
    async fn log_in(&self, args: &ClientArgs) -> Result<Session, ClientError> {
        let mut connection = connect(&self.options).await?;
        if args.verbose {
            let settings = self.settings.as_deref().unwrap_or("no entry of its own");
            complain(&format!(
                "ordain: {} at {} ({}), key {}, user {}, settings: {settings}",
                plain(&self.host),
                connection.peer(),
                plain(connection.software()),
                connection.server_key(),
                plain(&self.user),
            ));
        }
        let prompt = format!("password of {} at {}: ", plain(&self.user), plain(&self.host));
        let (mut password, asked) = match (&self.password_file, args.password_stdin) {
            (_, true) => (ask::secret_stdin()?, false),
            (Some(file), false) => (ask::secret_file(file)?, false),
            (None, false) => (ask::secret(&prompt)?, true),
        };
        loop {
            match connection.log_in(&self.user, &password).await {
                Ok(session) => return Ok(session),
                Err((Some(same), error)) if asked && error.is(Code::LoginRefused) => {
                    complain("ordain: login refused; try again");
                    connection = same;
                    password = ask::secret(&prompt)?;
                }
                Err((_, error)) => return Err(error),
            }
        }
    }
}

fn with_defaults(entry: HostSettings, defaults: &HostSettings) -> HostSettings {
    let defaults = defaults.clone();
    // An entry that names a CA is not meant to be trusted by the defaults' pin as well, and the other way round.
    let own_trust = entry.ca.is_some() || entry.pin.is_some();
    HostSettings {
        address: entry.address,
        port: entry.port.or(defaults.port),
        user: entry.user.or(defaults.user),
        ca: entry.ca.or(defaults.ca.filter(|_| !own_trust)),
        pin: entry.pin.or(defaults.pin.filter(|_| !own_trust)),
        tls_name: entry.tls_name,
        password_file: entry.password_file.or(defaults.password_file),
        cert: entry.cert.or(defaults.cert),
        key: entry.key.or(defaults.key),
        place: entry.place,
    }
}

/// What makes the server the right one; there is no way to trust just anything.
fn trust(
    ca_option: Option<String>,
    pin_option: Option<String>,
    ca: Option<String>,
    pin: Option<String>,
    host: &str,
) -> Result<Trust, ClientError> {
    let usage = |text: String| ClientError::new(Code::Usage, text);
    let (ca, pin) = if ca_option.is_some() || pin_option.is_some() { (ca_option, pin_option) } else { (ca, pin) };
    match (ca.as_deref(), pin) {
        (_, Some(pin)) => pin.parse().map(Trust::Pin).map_err(usage),
        (Some("system"), None) => Ok(Trust::System),
        (Some(file), None) => {
            let pem = std::fs::read(file).map_err(|fault| usage(format!("{file}: {fault}")))?;
            tls::certificates(&pem).map(Trust::Ca).map_err(|why| usage(format!("{file}: {why}")))
        }
        (None, None) => Err(usage(format!(
            "how is {} to be known? give --ca FILE (`--ca system` for public CAs) or --pin (what `ordaind fingerprint` prints there)",
            plain(host)
        ))),
    }
}

fn identity(cert: &Path, key: &Path) -> Result<Identity, ClientError> {
    let usage = |text: String| ClientError::new(Code::Usage, text);
    let chain = std::fs::read(cert).map_err(|fault| usage(format!("{}: {fault}", cert.display())))?;
    let key_pem = crate::sys::read_private(key, 1 << 20).map_err(|fault| usage(fault.to_string()))?;
    Ok(Identity {
        chain: tls::certificates(&chain).map_err(|why| usage(format!("{}: {why}", cert.display())))?,
        key: tls::private_key(&key_pem).map_err(|why| usage(format!("{}: {why}", key.display())))?,
    })
}

async fn run_verb(args: &ClientArgs, run: &RunArgs, options: &Options, session: &Session) -> Result<Status, ClientError> {
    let (mut invocation, described) = run::invocation(args, run, session).await?;
    if run.dry_run {
        let Answer::Preview(preview) = session.ask(&Ask::Preview(invocation)).await? else { return Err(unexpected("preview")) };
        if args.json {
            say(&serde_json::json!(preview).to_string());
        } else {
            say(&format!("granted by {}", plain(&preview.rule)));
            say(&format!("as {} in {}:", plain(&preview.run_as), plain(&preview.cwd)));
            say(&format!("  {}", run::quoted(&preview.argv)));
        }
        return Ok(Status::OK);
    }
    invocation.confirmed = run.yes;
    run::perform(args, run, options, session, invocation, described).await
}

fn unexpected(verb: &str) -> ClientError {
    ClientError::new(Code::Protocol, format!("the server answered `{verb}` with something else"))
}

async fn list(args: &ClientArgs, session: &Session) -> Result<Status, ClientError> {
    let Answer::List { commands } = session.ask(&Ask::List).await? else { return Err(unexpected("list")) };
    if args.json {
        say(&serde_json::json!({ "commands": commands }).to_string());
        return Ok(Status::OK);
    }
    if commands.is_empty() {
        complain(&format!("ordain: `{}` may run nothing here", plain(session.user())));
    }
    let width = commands.iter().map(|command| command.name.chars().count()).max().unwrap_or(0);
    for command in commands {
        say(format!("{:width$}  {}", plain(&command.name), plain(&command.summary)).trim_end());
    }
    Ok(Status::OK)
}

async fn describe(args: &ClientArgs, session: &Session, command: &str) -> Result<Status, ClientError> {
    let view = run::described(session, command).await?;
    if args.json {
        say(&serde_json::json!(view).to_string());
    } else {
        for line in description(&view) {
            say(&line);
        }
    }
    Ok(Status::OK)
}

fn description(view: &CommandView) -> Vec<String> {
    let mut lines = vec![
        [plain(&view.name), plain(&view.summary)].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" - "),
        format!("usage: ordain run HOST {}", plain(&view.usage)),
    ];
    for argument in &view.arguments {
        let mut notes = vec![plain(&argument.kind), plain(&argument.bounds)];
        notes.retain(|note| !note.is_empty());
        if argument.repeated {
            notes.push("may be repeated".into());
        }
        if argument.secret {
            notes.push("secret".into());
        }
        match &argument.default {
            Some(default) => notes.push(format!("default {}", plain(default))),
            None if argument.required => notes.push("required".into()),
            None => notes.push("optional".into()),
        }
        lines.push(format!("  {}: {}", plain(&argument.name), notes.join(", ")));
        if !argument.summary.is_empty() {
            lines.push(format!("      {}", plain(&argument.summary)));
        }
    }
    if view.stdin {
        let bound = view.stdin_max.map(|max| format!(", at most {max} bytes")).unwrap_or_default();
        lines.push(format!("takes standard input{bound}"));
    }
    if let Some(milliseconds) = view.timeout_ms {
        lines.push(format!("is ended after {}", crate::exit::Human(std::time::Duration::from_millis(milliseconds))));
    }
    if view.outlives_client {
        lines.push("goes on when its client leaves; `ordain attach` follows it".into());
    }
    if view.terminal {
        lines.push("gets a terminal".into());
    }
    if view.confirm {
        lines.push("wants to be confirmed".into());
    }
    lines
}

async fn runs(args: &ClientArgs, session: &Session) -> Result<Status, ClientError> {
    let Answer::Runs { runs } = session.ask(&Ask::Runs).await? else { return Err(unexpected("runs")) };
    if args.json {
        say(&serde_json::json!({ "runs": runs }).to_string());
        return Ok(Status::OK);
    }
    for run in runs {
        let took = match run.seconds {
            0 => "under a second".to_owned(),
            seconds @ 1..60 => format!("{seconds}s"),
            seconds => crate::exit::Human(std::time::Duration::from_secs(seconds)).to_string(),
        };
        let state = match (&run.ended, run.number) {
            (None, _) if run.waiting => format!("waits for its turn, {took} so far"),
            (None, _) => format!("goes on, {took} so far"),
            (Some(reason), Some(number)) => format!("{} {number} after {took}", plain(reason)),
            (Some(reason), None) => format!("{} after {took}", plain(reason)),
        };
        say(&format!("{}  {}  {}  {state}", plain(&run.run), plain(&run.user), plain(&run.command)));
    }
    Ok(Status::OK)
}

fn no_such_run() -> ClientError {
    ClientError::new(Code::NoSuchRun, "there is no such run")
}

/// `attach` and `output`: as much as is kept, and what comes.
async fn attach(
    args: &ClientArgs,
    options: &Options,
    session: &Session,
    (run, stdout): (&str, Option<u64>),
    follow: bool,
    raw: bool,
) -> Result<Status, ClientError> {
    let run = run.parse().map_err(|_| no_such_run())?;
    let attachment = Attachment { run, stdout, stderr: None, follow, resume: false };
    let attached = Durable::watch(options.clone(), session.clone(), attachment).await?;
    let how = run::How { json: args.json, raw, verbose: args.verbose, watching: true, ..run::How::default() };
    run::follow(&how, attached, None).await
}

async fn signal(args: &ClientArgs, session: &Session, run: &str, name: &str) -> Result<Status, ClientError> {
    let run = run.parse().map_err(|_| no_such_run())?;
    let signal = name.strip_prefix("SIG").unwrap_or(name).to_uppercase();
    let Answer::Signal { signalled } = session.ask(&Ask::Signal { run, signal }).await? else { return Err(unexpected("signal")) };
    if args.json {
        say(&serde_json::json!({ "signalled": signalled }).to_string());
    }
    Ok(Status::OK)
}

async fn cancel(args: &ClientArgs, session: &Session, run: &str) -> Result<Status, ClientError> {
    let run = run.parse().map_err(|_| ClientError::new(Code::NoSuchRun, "there is no such run"))?;
    let Answer::Cancel { cancelled } = session.ask(&Ask::Cancel { run }).await? else { return Err(unexpected("cancel")) };
    if args.json {
        say(&serde_json::json!({ "cancelled": cancelled }).to_string());
    }
    Ok(Status::OK)
}
