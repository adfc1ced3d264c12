//! From the words of a command line to an invocation: what the server says of the command, its
//! arguments, secrets that are asked for.

use super::answers::Answers;
use super::ask::{self, Wanted};
use super::target::Target;
use super::terminal::own_terminal;
use crate::cli::{ClientArgs, ExplainArgs, Given, RunArgs, assign, speak};
use crate::client::{ClientError, Session};
use crate::protocol::Code;
use crate::verb::{Arguments, CommandView, Describe, Invocation, Value};
use std::path::Path;

/// A command's description.
pub async fn described(session: &Session, command: &str) -> Result<CommandView, ClientError> {
    let command = command.to_owned();
    session.ask(&Describe { command }).await
}

/// The invocation that the words mean. A command without words is asked for as it is, which saves a
/// round trip. Only
/// where the command may have this terminal is one asked for.
pub async fn invocation(
    args: &ClientArgs,
    run: &RunArgs,
    target: &Target,
    session: &Session,
) -> Result<(Invocation, Option<CommandView>), ClientError> {
    let bare = bare(run, target);
    if run.words().is_empty() {
        return Ok((bare, None));
    }
    let view = described(session, run.command()).await?;
    let mut arguments = given(
        run.words(),
        &view,
        view.stdin || args.password_stdin || run.host.is_stdin(),
        &target.answers,
    )?;
    ask_for_secrets(&mut arguments, &view, run.command(), target)?;
    Ok((Invocation { arguments, ..bare }, Some(view)))
}

/// What is to run, where nothing of it has to be asked for first: it can be asked for with the login.
pub fn known(run: &RunArgs, target: &Target) -> Option<Invocation> {
    let is_known = run.words().is_empty() && !run.dry_run && !run.detach;
    is_known.then(|| bare(run, target))
}

/// A command without its words.
fn bare(run: &RunArgs, target: &Target) -> Invocation {
    Invocation {
        terminal: (run.tty || target.tty).then(own_terminal).flatten(),
        reason: run.reason.clone(),
        confirmed: run.yes && !run.dry_run,
        ..Invocation::of(run.command())
    }
}

/// The invocation that the words mean for `explain`, where nothing is asked for: a command that may
/// not be described is explained all the same.
pub async fn explained(
    args: &ClientArgs,
    explain: &ExplainArgs,
    target: &Target,
    session: &Session,
) -> Result<Invocation, ClientError> {
    let bare = Invocation {
        // Whether a person agrees is not what is asked here.
        confirmed: true,
        reason: explain.reason.clone(),
        ..Invocation::of(explain.command())
    };
    if explain.words().is_empty() {
        return Ok(bare);
    }
    match described(session, explain.command()).await {
        Ok(view) => Ok(Invocation {
            arguments: given(
                explain.words(),
                &view,
                args.password_stdin || explain.host.is_stdin(),
                &target.answers,
            )?,
            ..bare
        }),
        Err(error)
            if [Code::NotPermitted, Code::Source, Code::Hours]
                .iter()
                .any(|code| error.is(*code)) =>
        {
            Ok(bare)
        }
        Err(error) => Err(error),
    }
}

/// Arguments out of words, secrets read.
fn given(
    words: &[String],
    view: &CommandView,
    stdin_is_taken: bool,
    answers: &Answers,
) -> Result<Arguments, ClientError> {
    let assigned = assign(speak(words), view).map_err(|fault| ClientError {
        argument: Some(fault.argument.clone()),
        ..ClientError::new(Code::Usage, fault.to_string())
    })?;
    let mut arguments = Arguments::default();
    for (name, given) in assigned {
        let value = match given {
            Given::Value(value) => value,
            Given::SecretFrom(file) if file == "-" => {
                if stdin_is_taken {
                    return Err(ClientError::new(
                        Code::Usage,
                        "standard input is needed for something else; use @FILE",
                    ));
                }
                Value::Secret(answers.stdin()?)
            }
            Given::SecretFrom(file) => Value::Secret(ask::secret_file(Path::new(&file))?),
        };
        arguments.push((name, value));
    }
    Ok(arguments)
}

/// Required secrets that were not given are asked for.
pub fn ask_for_secrets(
    arguments: &mut Arguments,
    view: &CommandView,
    command: &str,
    target: &Target,
) -> Result<(), ClientError> {
    for wanted in view
        .arguments
        .iter()
        .filter(|argument| argument.secret && argument.required)
    {
        if !arguments.iter().any(|(name, _)| *name == wanted.name) {
            let prompt = Wanted::argument(target.host(), command, &wanted.name)?;
            let value = Value::Secret(target.answers.secret(&wanted.name, &prompt)?);
            arguments.push((wanted.name.clone(), value));
        }
    }

    Ok(())
}

/// A command that ends with its client, or wants its input, is not left to itself. Asked before it
/// runs.
pub async fn detachable(
    session: &Session,
    command: &str,
    view: Option<&CommandView>,
) -> Result<(), ClientError> {
    let asked = match view {
        Some(_) => None,
        None => Some(described(session, command).await?),
    };
    let Some(view) = view.or(asked.as_ref()) else {
        return Ok(());
    };
    let usage = |text: &str| Err(ClientError::new(Code::Usage, text));
    if !view.outlives_client {
        return usage(
            "this command ends with its client (on_disconnect is not \"continue\"), so it cannot be detached",
        );
    }
    if view.stdin {
        return usage("this command takes standard input, so it cannot be detached");
    }
    Ok(())
}
