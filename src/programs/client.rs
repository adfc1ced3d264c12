//! `ordain`: settings, the right server, a login, and what was asked for.

use super::display::plain;
#[cfg(target_os = "linux")]
use super::moves;
use super::output::{self, Finished};
use super::patience::Patience;
use super::replay;
use super::run::Waiting;
use super::target::{Target, hosts};
use super::trusts::Trusts;
use super::verbs::{approvals, commands, keyscan, nodes, passwd, recordings, room, runs, sessions};
use super::{complain, complete, enter, fleet, invoke, say, say_json};
use crate::cli::{ClientArgs, ClientVerb, Place, Side};
use crate::client::{ClientError, Session};
use crate::exit::Status;
use crate::protocol::Code;
use crate::verb::Recordings;
use std::cell::Cell;

/// The whole program.
pub fn ordain() -> Finished {
    output::finish(program())
}

fn program() -> Status {
    if let Some(status) = complete::asked(ClientArgs::command) {
        return status;
    }
    let Ok(words) = super::words("ordain") else {
        return wrong_usage();
    };
    let args = match ClientArgs::read(&words) {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };

    crate::sys::usual_signals();
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
        Err(error) => report(&error, &args, nagios),
    }
}

/// The words are off, or only help was wanted. A plugin that was called wrongly is UNKNOWN and not
/// CRITICAL.
fn usage(error: &clap::Error) -> Status {
    let _ = error.print();
    if !error.use_stderr() {
        return Status::OK;
    }
    wrong_usage()
}

fn wrong_usage() -> Status {
    if std::env::args_os().any(|argument| argument == "--nagios") {
        say("ORDAIN UNKNOWN - wrong usage");
        return Status::NAGIOS_UNKNOWN;
    }

    Status::OWN_FAILURE
}

/// ordain's own failure: on standard error, or as machines want it. It names the host as it was
/// typed, so that one of many is found.
fn report(error: &ClientError, args: &ClientArgs, nagios: bool) -> Status {
    let named = place(args).filter(|place| !matches!(place, Place::Listed(_)));
    let host = named.map(|host| plain(&host.to_string()));
    let host = host.as_deref();
    let at = host.map(|host| format!("{host}: ")).unwrap_or_default();
    let text = plain(&error.to_string());
    if nagios {
        say(&format!("ORDAIN UNKNOWN - {at}{text}"));
        return Status::NAGIOS_UNKNOWN;
    }

    if args.json {
        say_json(
            &serde_json::json!({ "event": "error", "host": host, "code": error.code, "text": error.text, "argument": error.argument, "rule": error.rule }),
        );
    }

    complain(&format!("ordain: {at}{text}"));
    if error.is(Code::OutcomeUnknown) {
        complain(
            "ordain: `ordain runs` there may show what became of it, and `ordain output` what it wrote",
        );
    }

    if error.is(Code::LoginRefused) {
        complain(
            "ordain: why is told there alone: `ordaind audit show --kind login --decision refused`, or the log",
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
    if let (Some(host), Some(command)) = (host, asked_command(&args.verb)) {
        next_step(error, host, &plain(command));
    }
    Status::OWN_FAILURE
}

/// Where it stands what a command takes, or which commands there are.
fn next_step(error: &ClientError, host: &str, command: &str) {
    // The word that is wrong is named, here or there.
    if error.argument.is_some() {
        complain(&format!(
            "ordain: `ordain describe {host} {command}` shows what {command} takes"
        ));
    }
    if error.is(Code::NotPermitted) {
        complain(&format!(
            "ordain: `ordain list {host}` shows what you may run there"
        ));
    }
}

/// The command that is to be run or explained.
fn asked_command(verb: &ClientVerb) -> Option<&str> {
    match verb {
        ClientVerb::Run(run) => Some(run.command()),
        ClientVerb::Explain(explain) => Some(explain.command()),
        _ => None,
    }
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

/// Where to, as it was typed, where that is one place.
const fn place(args: &ClientArgs) -> Option<&Place> {
    Some(match &args.verb {
        ClientVerb::Run(run) => &run.host,
        ClientVerb::Explain(explain) => &explain.host,
        ClientVerb::Login { host, .. }
        | ClientVerb::Logout { host }
        | ClientVerb::Passwd { host, .. }
        | ClientVerb::Whoami { host }
        | ClientVerb::Sessions { host, .. }
        | ClientVerb::List { host }
        | ClientVerb::Describe { host, .. }
        | ClientVerb::Runs { host, .. }
        | ClientVerb::Attach { host, .. }
        | ClientVerb::Output { host, .. }
        | ClientVerb::Signal { host, .. }
        | ClientVerb::Files { host }
        | ClientVerb::Say { host, .. }
        | ClientVerb::Who { host }
        | ClientVerb::Approvals { host, .. }
        | ClientVerb::Approve { host, .. }
        | ClientVerb::Deny { host, .. }
        | ClientVerb::Cancel { host, .. } => host,
        ClientVerb::Recordings(asked) => &asked.host,
        ClientVerb::Replay(asked) => match &asked.of.host {
            Some(host) => host,
            None => return None,
        },
        ClientVerb::Export(asked) => match &asked.of.host {
            Some(host) => host,
            None => return None,
        },
        ClientVerb::Ls(ls) => &ls.there.host,
        ClientVerb::Cat(cat) => &cat.there.host,
        ClientVerb::Rm(rm) => &rm.there.host,
        ClientVerb::Cp(cp) => match cp.there() {
            Some(there) => &there.host,
            None => return None,
        },
        ClientVerb::Sync(sync) => match sync.there() {
            Some(there) => &there.host,
            None => return None,
        },
        ClientVerb::Keyscan { .. }
        | ClientVerb::Room(_)
        | ClientVerb::Nodes(_)
        | ClientVerb::Hosts { .. }
        | ClientVerb::Fleet { .. } => return None,
    })
}

async fn story(args: &ClientArgs) -> Result<Status, ClientError> {
    match &args.verb {
        ClientVerb::Keyscan { hosts } => return keyscan::keyscan(args, hosts).await,
        ClientVerb::Room(asked) => return room::room(args, asked).await,
        ClientVerb::Nodes(asked) => return nodes::nodes(args, asked),
        ClientVerb::Hosts { host } => return nodes::host(args, host),
        ClientVerb::Replay(asked) => {
            if let Some(file) = &asked.of.file {
                return replay::replay(asked, replay::file(file)?).await;
            }
        }
        ClientVerb::Export(asked) => {
            if let Some(file) = &asked.of.file {
                return replay::export(asked, replay::file(file)?);
            }
        }
        ClientVerb::Fleet { verb } => return fleet::fleets(args, verb.as_ref()).await,
        _ => {}
    }
    let place = place(args).ok_or_else(|| {
        ClientError::new(
            Code::Usage,
            "one side is HOST:ROOT/PATH, and the other is here (`ordain files HOST` shows the roots)",
        )
    })?;
    if !cfg!(target_os = "linux") && about_files(&args.verb) {
        let text = "this client runs on a system where it moves no files yet; those on Linux do";
        return Err(ClientError::new(Code::Usage, text));
    }
    let destination = match place {
        Place::One(one) if !is_for_many(args) => one,
        place => return fleet::many(args, place).await,
    };
    let known = hosts(args)?;
    let mut target = Target::new(args, destination, &known, &Trusts::default())?;
    let (mut patience, begun) = (None, Cell::new(false));

    loop {
        let error = match attempt(args, &mut target, &begun).await {
            // What has begun is never asked for again: its outcome is what it is, or unknown.
            Err(error) if !begun.get() => error,
            done => return done,
        };

        // A server that stops has done nothing of what it has not answered: another, after an
        // upgrade, may do it.
        if patience.is_none() && error.is(Code::Stopping) && !asks_stdin(args) {
            let begun = Patience::new(args.connect_timeout, error.stop);
            complain(&begun.sentence(&destination.to_string()));
            patience = Some(begun);
        }

        let Some(patience) = &mut patience else {
            return Err(error);
        };
        patience.pause(error).await?;
    }
}

/// Whether an option was given that is for many hosts: a set that has come down to one name is told
/// of as the others are.
const fn is_for_many(args: &ClientArgs) -> bool {
    let by_verb = match &args.verb {
        ClientVerb::Run(run) => run.is_for_many(),
        ClientVerb::Cp(cp) => cp.pace.is_said(),
        ClientVerb::Sync(sync) => sync.pace.is_said(),
        ClientVerb::Rm(rm) => rm.pace.is_said(),
        ClientVerb::Login { each, .. } => *each,
        _ => false,
    };
    args.many.is_said() || by_verb
}

/// Whether a verb has to do with files.
pub const fn about_files(verb: &ClientVerb) -> bool {
    moves_files(verb) || matches!(verb, ClientVerb::Files { .. })
}

/// Whether a verb moves files.
pub const fn moves_files(verb: &ClientVerb) -> bool {
    matches!(
        verb,
        ClientVerb::Ls(_)
            | ClientVerb::Cat(_)
            | ClientVerb::Cp(_)
            | ClientVerb::Rm(_)
            | ClientVerb::Sync(_)
    )
}

/// Whether standard input says something that can be read only once. A password is kept for the next
/// try.
fn asks_stdin(args: &ClientArgs) -> bool {
    matches!(&args.verb, ClientVerb::Cp(cp) if cp.from == Side::Standard)
        || matches!(&args.verb, ClientVerb::Run(run) if run.words().iter().any(|word| word.ends_with("@-")))
}

/// One login, and what is asked for in it. `begun` once a command may be running.
pub async fn attempt(
    args: &ClientArgs,
    target: &mut Target,
    begun: &Cell<bool>,
) -> Result<Status, ClientError> {
    match &args.verb {
        ClientVerb::Passwd { .. } if args.password_stdin => {
            let text = "the old password is needed twice, for the login and for the change; use --password-file";
            return Err(ClientError::new(Code::Usage, text));
        }
        ClientVerb::Login { .. } => return enter::login(args, target).await,
        ClientVerb::Logout { .. } => return enter::logout(args, target).await,
        _ => {}
    }
    let (known, timeout) = match &args.verb {
        ClientVerb::Run(run) => (invoke::known(run, target), run.timeout),
        _ => (None, None),
    };
    let mut waiting = Waiting::new(timeout);
    let session = match known {
        Some(run) => {
            let early = (run, waiting.leaves());
            waiting
                .entered(enter::enter_for(args, target, early))
                .await?
        }
        None => enter::enter(args, target).await?,
    };
    let outcome = match &args.verb {
        ClientVerb::Run(run) => {
            let beginning = (waiting, begun);
            commands::run_verb(args, run, target, &session, beginning).await
        }
        _ => of_runs(args, target, &session, begun).await,
    };
    session.close().await;
    outcome
}

/// Does what is asked about commands and runs.
async fn of_runs(
    args: &ClientArgs,
    target: &mut Target,
    session: &Session,
    begun: &Cell<bool>,
) -> Result<Status, ClientError> {
    match &args.verb {
        ClientVerb::Explain(explain) => {
            commands::explain_verb(args, explain, target, session).await
        }
        ClientVerb::Attach { run, from, raw, .. } => {
            runs::attach(args, &target.options, session, (run, *from), true, *raw).await
        }
        ClientVerb::Output { run, from, raw, .. } => {
            runs::attach(args, &target.options, session, (run, *from), false, *raw).await
        }
        ClientVerb::Signal { run, name, .. } => runs::signal(args, session, run, name).await,
        ClientVerb::List { .. } => commands::list(args, session).await,
        ClientVerb::Describe { command, .. } => commands::describe(args, session, command).await,
        ClientVerb::Runs {
            follow,
            going,
            of,
            command,
            ..
        } => {
            let wanted = runs::Wanted {
                going: *going,
                user: of.as_deref(),
                command: command.as_deref(),
            };
            runs::runs(args, session, *follow, &wanted).await
        }
        ClientVerb::Cancel { run, .. } => runs::cancel(args, session, run).await,
        _ => of_others(args, target, session, begun).await,
    }
}

/// Does what is asked about users and files.
async fn of_others(
    args: &ClientArgs,
    target: &mut Target,
    session: &Session,
    begun: &Cell<bool>,
) -> Result<Status, ClientError> {
    match &args.verb {
        ClientVerb::Passwd {
            new_password_file, ..
        } => {
            // It may be done though its answer is lost: asked for again, the old one would be wrong.
            begun.set(true);
            passwd::passwd(args, target, session, new_password_file.as_deref()).await
        }
        #[cfg(target_os = "linux")]
        verb if about_files(verb) => {
            // What was moved may be asked for again, and moves nothing twice; what was removed is gone.
            begun.set(true);
            move_files((args, &*target, session).into(), verb).await
        }
        ClientVerb::Whoami { .. } => sessions::whoami(args, session).await,
        ClientVerb::Say { .. }
        | ClientVerb::Who { .. }
        | ClientVerb::Approvals { .. }
        | ClientVerb::Approve { .. }
        | ClientVerb::Deny { .. } => of_people(args, target, session, begun).await,
        ClientVerb::Recordings(_) | ClientVerb::Replay(_) | ClientVerb::Export(_) => {
            of_recordings(args, session).await
        }
        ClientVerb::Sessions { end: None, .. } => sessions::sessions(args, session).await,
        ClientVerb::Sessions { end: Some(end), .. } => {
            sessions::end_session(args, session, end).await
        }
        // Served elsewhere.
        ClientVerb::Files { .. }
        | ClientVerb::Ls(_)
        | ClientVerb::Cat(_)
        | ClientVerb::Cp(_)
        | ClientVerb::Rm(_)
        | ClientVerb::Sync(_)
        | ClientVerb::Login { .. }
        | ClientVerb::Logout { .. }
        | ClientVerb::Keyscan { .. }
        | ClientVerb::Room(_)
        | ClientVerb::Nodes(_)
        | ClientVerb::Hosts { .. }
        | ClientVerb::Fleet { .. }
        | ClientVerb::Run(_)
        | ClientVerb::Explain(_)
        | ClientVerb::Attach { .. }
        | ClientVerb::Output { .. }
        | ClientVerb::Signal { .. }
        | ClientVerb::List { .. }
        | ClientVerb::Describe { .. }
        | ClientVerb::Runs { .. }
        | ClientVerb::Cancel { .. } => Ok(Status::OK),
    }
}

/// Does what is asked of other users: what is said, and who agrees to what.
async fn of_people(
    args: &ClientArgs,
    target: &Target,
    session: &Session,
    begun: &Cell<bool>,
) -> Result<Status, ClientError> {
    match &args.verb {
        ClientVerb::Say { run, text, .. } => {
            // It may be said though its answer is lost: asked for again, it would be said twice.
            begun.set(true);
            room::say_text(args, session, run.as_deref(), text).await
        }
        ClientVerb::Approvals { run, .. } => {
            approvals::approvals(args, session, run.as_deref()).await
        }
        ClientVerb::Approve { run, yes, .. } => {
            // It may be decided though the answer is lost: asked for again, no such run would wait.
            begun.set(true);
            let host = target.host().to_owned();
            approvals::approve(args, session, (&host, run, *yes)).await
        }
        ClientVerb::Deny { run, reason, .. } => {
            begun.set(true);
            approvals::deny(args, session, (run, reason.as_deref())).await
        }
        ClientVerb::Who { .. } => room::who(args, session).await,
        _ => Ok(Status::OK),
    }
}

/// Does what is asked about recordings.
async fn of_recordings(args: &ClientArgs, session: &Session) -> Result<Status, ClientError> {
    match &args.verb {
        ClientVerb::Recordings(asked) => {
            let wanted = Recordings {
                user: asked.of.clone(),
                command: asked.command.clone(),
                until: asked.until,
            };
            recordings::recordings(args, session, &wanted).await
        }
        ClientVerb::Replay(asked) => {
            let run = asked.of.run.as_deref().unwrap_or_default();
            replay::replay(asked, recordings::fetched(session, run).await?).await
        }
        ClientVerb::Export(asked) => {
            let run = asked.of.run.as_deref().unwrap_or_default();
            replay::export(asked, recordings::fetched(session, run).await?)
        }
        _ => Ok(Status::OK),
    }
}

/// What is asked for about files.
#[cfg(target_os = "linux")]
async fn move_files(server: moves::Server<'_>, verb: &ClientVerb) -> Result<Status, ClientError> {
    match verb {
        ClientVerb::Files { .. } => moves::files(server).await,
        ClientVerb::Ls(ls) => moves::ls(server, ls).await,
        ClientVerb::Cat(cat) => moves::cat(server, cat).await,
        ClientVerb::Cp(cp) => moves::cp(server, cp).await,
        ClientVerb::Rm(rm) => moves::rm(server, rm).await,
        ClientVerb::Sync(sync) => moves::sync(server, sync).await,
        _ => Ok(Status::OK),
    }
}
