//! `ordain`: settings, the right server, a login, and what was asked for.

use super::display::plain;
use super::target::Target;
use super::{complain, complete, enter, home, run, say, say_json};
use crate::cli::{ClientArgs, ClientVerb, ExplainArgs, RunArgs};
use crate::client::{ClientError, Durable, Options, Session};
use crate::config::{Hosts, load_hosts};
use crate::exit::Status;
use crate::protocol::{Answer, Code, CommandView};
use crate::request::{Ask, Attachment, Ending};
use clap::CommandFactory;
use std::time::{Duration, Instant};

/// The whole program.
pub fn ordain() -> Status {
    if let Some(status) = complete::asked(ClientArgs::command) {
        return status;
    }
    let words: Vec<_> = std::env::args_os().collect();
    let args = match ClientArgs::read(&words) {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };

    #[cfg(target_os = "linux")]
    crate::sys::steady_heap();
    let nagios = matches!(&args.verb, ClientVerb::Run(run) if run.nagios);
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // And not `build`, which would bring the scheduler of many threads along, and with it
        // another library to load.
        .build_local(tokio::runtime::LocalOptions::default())
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

/// The words are off, or only help was wanted. A plugin that was called wrongly is UNKNOWN and not
/// CRITICAL.
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
        say_json(
            &serde_json::json!({ "event": "error", "code": error.code, "text": error.text, "argument": error.argument, "rule": error.rule }),
        );
    }

    complain(&format!("ordain: {text}"));
    if error.is(Code::OutcomeUnknown) {
        complain(
            "ordain: `ordain runs` there may show what became of it, and `ordain output` what it wrote",
        );
    }

    // Only an argument that the command does not have can be named so: what has a hole comes first.
    if error
        .argument
        .as_deref()
        .is_some_and(|name| error.text.contains("is unknown") && is_option(name))
    {
        complain("ordain: options of ordain's own stand before COMMAND");
    }
    Status::OWN_FAILURE
}

/// Whether `ordain run` has an option of this name.
fn is_option(name: &str) -> bool {
    let mut whole = ClientArgs::command();
    whole.build();
    whole.find_subcommand("run").is_some_and(|run| {
        run.get_arguments()
            .any(|argument| argument.get_long() == Some(name))
    })
}

async fn story(args: &ClientArgs) -> Result<Status, ClientError> {
    let destination = match &args.verb {
        ClientVerb::Run(run) => &run.host,
        ClientVerb::Explain(explain) => &explain.host,
        ClientVerb::Login { host }
        | ClientVerb::Logout { host }
        | ClientVerb::Whoami { host }
        | ClientVerb::Sessions { host, .. }
        | ClientVerb::List { host }
        | ClientVerb::Describe { host, .. }
        | ClientVerb::Runs { host }
        | ClientVerb::Attach { host, .. }
        | ClientVerb::Output { host, .. }
        | ClientVerb::Signal { host, .. }
        | ClientVerb::Cancel { host, .. } => host,
    };

    let known = hosts(args)?;
    let mut target = Target::new(args, destination, &known)?;
    let (mut patience, mut begun) = (None, false);

    loop {
        let error = match attempt(args, &mut target, &mut begun).await {
            // What has begun is never asked for again: its outcome is what it is, or unknown.
            Err(error) if !begun => error,
            done => return done,
        };

        // A server that stops has done nothing of what it has not answered: another, after an
        // upgrade, may do it.
        if patience.is_none() && error.is(Code::Stopping) && !asks_stdin(args) {
            patience = Some(Patience::new(args.connect_timeout));
            complain("ordain: the server is stopping; waiting for it to come back");
        }

        let waited = match &mut patience {
            Some(patience) => patience.pause(&error).await,
            None => false,
        };

        if !waited {
            return Err(error);
        }
    }
}

/// Whether standard input says something that can be read only once.
fn asks_stdin(args: &ClientArgs) -> bool {
    args.password_stdin
        || matches!(&args.verb, ClientVerb::Run(run) if run.words().iter().any(|word| word.ends_with("@-")))
}

/// Waits for a server that has said it is stopping.
struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    fn new(patience: Duration) -> Self {
        Self {
            until: Instant::now() + patience,
            pause: Duration::from_millis(50),
        }
    }

    /// Lets some time pass, where what has come of the last try may pass too.
    async fn pause(&mut self, error: &ClientError) -> bool {
        let passing = [
            Code::Stopping,
            Code::Connect,
            Code::ConnectionLost,
            Code::LoginBusy,
        ];

        if !passing.iter().any(|code| error.is(*code)) || Instant::now() + self.pause >= self.until
        {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(1));
        true
    }
}

/// One login, and what is asked for in it. `begun` once a command may be running.
async fn attempt(
    args: &ClientArgs,
    target: &mut Target,
    begun: &mut bool,
) -> Result<Status, ClientError> {
    match &args.verb {
        ClientVerb::Login { .. } => return enter::login(args, target).await,
        ClientVerb::Logout { .. } => return enter::logout(args, target).await,
        _ => {}
    }
    let session = enter::enter(args, target).await?;
    let outcome = match &args.verb {
        ClientVerb::Run(run) => run_verb(args, run, &target.options, &session, begun).await,
        ClientVerb::Explain(explain) => explain_verb(args, explain, &session).await,
        ClientVerb::Attach { run, from, raw, .. } => {
            attach(args, &target.options, &session, (run, *from), true, *raw).await
        }
        ClientVerb::Output { run, from, raw, .. } => {
            attach(args, &target.options, &session, (run, *from), false, *raw).await
        }
        ClientVerb::Signal { run, name, .. } => signal(args, &session, run, name).await,
        ClientVerb::List { .. } => list(args, &session).await,
        ClientVerb::Describe { command, .. } => describe(args, &session, command).await,
        ClientVerb::Runs { .. } => runs(args, &session).await,
        ClientVerb::Cancel { run, .. } => cancel(args, &session, run).await,
        ClientVerb::Whoami { .. } => whoami(args, &session).await,
        ClientVerb::Sessions { end: None, .. } => sessions(args, &session).await,
        ClientVerb::Sessions { end: Some(end), .. } => end_session(args, &session, end).await,
        // Served above.
        ClientVerb::Login { .. } | ClientVerb::Logout { .. } => Ok(Status::OK),
    };
    session.close().await;
    outcome
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

async fn run_verb(
    args: &ClientArgs,
    run: &RunArgs,
    options: &Options,
    session: &Session,
    begun: &mut bool,
) -> Result<Status, ClientError> {
    let (mut invocation, described) = run::invocation(args, run, session).await?;
    if run.dry_run {
        let Answer::Preview(preview) = session.ask(&Ask::Preview(invocation)).await? else {
            return Err(unexpected("preview"));
        };
        if args.json {
            say_json(&serde_json::json!(preview));
        } else {
            say(&format!("granted by {}", plain(&preview.rule)));
            say(&format!(
                "as {} in {}:",
                plain(&preview.run_as),
                plain(&preview.cwd)
            ));
            say(&format!("  {}", run::quoted(&preview.argv)));
            let view = match described {
                Some(view) => view,
                None => run::described(session, run.command()).await?,
            };
            if let Some(form) = view.reason.filter(|_| run.reason.is_none()) {
                say(&format!(
                    "but it wants a reason of the form {} (--reason)",
                    plain(&form)
                ));
            }
            if view.confirm {
                say("and to be confirmed (--yes)");
            }
        }
        return Ok(Status::OK);
    }
    invocation.confirmed = run.yes;
    run::perform(args, run, (options, session), invocation, described, begun).await
}

fn unexpected(verb: &str) -> ClientError {
    ClientError::new(
        Code::Protocol,
        format!("the server answered `{verb}` with something else"),
    )
}

async fn list(args: &ClientArgs, session: &Session) -> Result<Status, ClientError> {
    let Answer::List { commands } = session.ask(&Ask::List).await? else {
        return Err(unexpected("list"));
    };
    if args.json {
        say_json(&serde_json::json!({ "commands": commands }));
        return Ok(Status::OK);
    }

    if commands.is_empty() {
        complain(&format!(
            "ordain: `{}` may run nothing here",
            plain(session.user())
        ));
    }

    let width = commands
        .iter()
        .map(|command| command.name.chars().count())
        .max()
        .unwrap_or(0);
    for command in commands {
        say(format!(
            "{:width$}  {}",
            plain(&command.name),
            plain(&command.summary)
        )
        .trim_end());
    }

    Ok(Status::OK)
}

async fn describe(
    args: &ClientArgs,
    session: &Session,
    command: &str,
) -> Result<Status, ClientError> {
    let view = run::described(session, command).await?;
    if args.json {
        say_json(&serde_json::json!(view));
    } else {
        for line in description(&view) {
            say(&line);
        }
    }
    Ok(Status::OK)
}

fn description(view: &CommandView) -> Vec<String> {
    let mut lines = vec![
        [plain(&view.name), plain(&view.summary)]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" - "),
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
        let bound = view
            .stdin_max
            .map(|max| format!(", at most {max} bytes"))
            .unwrap_or_default();
        lines.push(format!("takes standard input{bound}"));
    }

    if let Some(milliseconds) = view.timeout_ms {
        lines.push(format!(
            "is ended after {}",
            crate::exit::Human(Duration::from_millis(milliseconds))
        ));
    }

    if view.outlives_client {
        lines.push("goes on when its client leaves; `ordain attach` follows it".into());
    }
    if view.terminal {
        lines.push("gets a terminal".into());
    }
    if let Some(form) = &view.reason {
        lines.push(format!(
            "wants a reason of the form {} (--reason)",
            plain(form)
        ));
    }

    if view.confirm {
        lines.push("wants to be confirmed".into());
    }
    lines
}

async fn runs(args: &ClientArgs, session: &Session) -> Result<Status, ClientError> {
    let Answer::Runs { runs } = session.ask(&Ask::Runs).await? else {
        return Err(unexpected("runs"));
    };
    if args.json {
        say_json(&serde_json::json!({ "runs": runs }));
        return Ok(Status::OK);
    }

    for run in runs {
        let took = match run.seconds {
            0 => "under a second".to_owned(),
            seconds @ 1..60 => format!("{seconds}s"),
            seconds => crate::exit::Human(Duration::from_secs(seconds)).to_string(),
        };

        let state = match (&run.ended, run.number) {
            (None, _) if run.waiting => format!("waits for its turn, {took} so far"),
            (None, _) => format!("goes on, {took} so far"),
            (Some(reason), Some(number)) => format!("{} {number} after {took}", plain(reason)),
            (Some(reason), None) => format!("{} after {took}", plain(reason)),
        };

        say(&format!(
            "{}  {}  {}  {state}",
            plain(&run.run),
            plain(&run.user),
            plain(&run.command)
        ));
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
    let attachment = Attachment {
        run,
        stdout,
        stderr: None,
        follow,
        resume: false,
    };
    let attached = Durable::watch(options.clone(), session.clone(), attachment).await?;
    let how = run::How {
        json: args.json,
        raw,
        verbose: args.verbose,
        watching: true,
        ..run::How::default()
    };
    run::follow(&how, attached, None).await
}

async fn signal(
    args: &ClientArgs,
    session: &Session,
    run: &str,
    name: &str,
) -> Result<Status, ClientError> {
    let run = run.parse().map_err(|_| no_such_run())?;
    let signal = name.strip_prefix("SIG").unwrap_or(name).to_uppercase();
    let Answer::Signal { signalled } = session.ask(&Ask::Signal { run, signal }).await? else {
        return Err(unexpected("signal"));
    };
    if args.json {
        say_json(&serde_json::json!({ "signalled": signalled }));
    }
    Ok(Status::OK)
}

async fn cancel(args: &ClientArgs, session: &Session, run: &str) -> Result<Status, ClientError> {
    let run = run
        .parse()
        .map_err(|_| ClientError::new(Code::NoSuchRun, "there is no such run"))?;
    let Answer::Cancel { cancelled } = session.ask(&Ask::Cancel { run }).await? else {
        return Err(unexpected("cancel"));
    };
    if args.json {
        say_json(&serde_json::json!({ "cancelled": cancelled }));
    }
    Ok(Status::OK)
}

async fn explain_verb(
    args: &ClientArgs,
    explain: &ExplainArgs,
    session: &Session,
) -> Result<Status, ClientError> {
    let invocation = run::explained(args, explain, session).await?;
    let Answer::Explain(view) = session.ask(&Ask::Explain(invocation)).await? else {
        return Err(unexpected("explain"));
    };
    if args.json {
        say_json(&serde_json::json!(view));
        return Ok(Status::OK);
    }
    super::display::explanation(&view)
        .iter()
        .for_each(|line| say(line));
    Ok(Status::OK)
}

async fn whoami(args: &ClientArgs, session: &Session) -> Result<Status, ClientError> {
    let Answer::Whoami(view) = session.ask(&Ask::Whoami).await? else {
        return Err(unexpected("whoami"));
    };
    if args.json {
        say_json(&serde_json::json!(view));
        return Ok(Status::OK);
    }

    let roles = if view.roles.is_empty() {
        "none".to_owned()
    } else {
        view.roles
            .iter()
            .map(|role| plain(role))
            .collect::<Vec<_>>()
            .join(", ")
    };

    say(&format!(
        "{} from {}",
        plain(&view.user),
        plain(&view.source)
    ));
    say(&format!("by: {}", plain(&view.by)));
    say(&format!("roles: {roles}"));
    say(&format!("session: {}", plain(&view.session)));

    match (&view.kept, view.kept_s) {
        (Some(id), Some(seconds)) => say(&format!(
            "kept login: {}, for another {}",
            plain(id),
            human(seconds)
        )),
        _ => say("kept login: none (`ordain login` keeps one)"),
    }

    Ok(Status::OK)
}

async fn sessions(args: &ClientArgs, session: &Session) -> Result<Status, ClientError> {
    let Answer::Sessions { sessions } = session.ask(&Ask::Sessions).await? else {
        return Err(unexpected("sessions"));
    };
    if args.json {
        say_json(&serde_json::json!({ "sessions": sessions }));
        return Ok(Status::OK);
    }

    for line in sessions {
        let left = line
            .kept_s
            .map(|seconds| format!(", for another {}", human(seconds)))
            .unwrap_or_default();
        let this = if line.this { "  (this one)" } else { "" };
        let source = if line.source.is_empty() {
            String::new()
        } else {
            format!(" from {}", plain(&line.source))
        };

        say(&format!(
            "{}  {}  {}{left}, since {}{source}, by {}{this}",
            plain(&line.session),
            plain(&line.user),
            plain(&line.state),
            human(line.age_s),
            plain(&line.by)
        ));
    }

    Ok(Status::OK)
}

async fn end_session(
    args: &ClientArgs,
    session: &Session,
    which: &str,
) -> Result<Status, ClientError> {
    let ending = match which {
        "all" => Ending::All,
        id => Ending::One(
            id.parse()
                .map_err(|_| ClientError::new(Code::NoSuchSession, "there is no such session"))?,
        ),
    };
    let Answer::EndSession { ended_sessions } = session.ask(&Ask::EndSession(ending)).await? else {
        return Err(unexpected("end-session"));
    };
    if args.json {
        say_json(&serde_json::json!({ "ended_sessions": ended_sessions }));
    } else {
        say(&format!("ended {ended_sessions}"));
    }
    Ok(Status::OK)
}

fn human(seconds: u64) -> String {
    if seconds < 60 {
        format!("{seconds}s")
    } else {
        crate::exit::Human(Duration::from_secs(seconds)).to_string()
    }
}
