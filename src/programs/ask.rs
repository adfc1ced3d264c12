//! Asking a person: passwords without echo, yes or no.

use super::display::plain;
use super::output::without_progress;
use crate::client::ClientError;
use crate::protocol::Code;
use crate::secret::Secret;
use crate::sys::{self, Echo, Typed, type_line};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, IsTerminal};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use zeroize::Zeroizing;

/// Whether nobody is asked anything any more, whatever there is to ask on.
static NEVER: AtomicBool = AtomicBool::new(false);

/// Asks nobody anything from now on.
pub fn never() {
    NEVER.store(true, Ordering::Relaxed);
}

/// What a person is asked for, in the one form that every prompt has: who asks, for which host, and
/// for what. No word of a server's is in it but the name of an argument, which holds letters,
/// digits and `-_.` alone; otherwise a server could have itself given a password by calling it
/// something else.
pub struct Wanted {
    program: &'static str,
    host: Option<String>,
    what: String,
}

impl Wanted {
    /// Something for this host, as it was typed.
    pub fn of(host: &str, what: &str) -> Self {
        Self {
            program: "ordain",
            host: Some(plain(host)),
            what: plain(what),
        }
    }

    /// A user's password there.
    pub fn password(host: &str, user: &str) -> Self {
        Self::of(host, &format!("password of {user}"))
    }

    /// A user's one-time code there.
    pub fn code(host: &str, user: &str) -> Self {
        Self::of(host, &format!("one-time code of {user}"))
    }

    /// An argument of a command there.
    ///
    /// # Errors
    /// [`Code::Protocol`]: the server calls the argument what no argument can be called.
    pub fn argument(host: &str, command: &str, name: &str) -> Result<Self, ClientError> {
        crate::config::name(name).map_err(|why| {
            let text = format!("the server asks for an argument whose name is none: {why}");
            ClientError::new(Code::Protocol, text)
        })?;
        Ok(Self::of(host, &format!("argument {name} of {command}")))
    }

    /// Something of this machine's own, for this program.
    pub fn own(program: &'static str, what: &str) -> Self {
        Self {
            program,
            host: None,
            what: plain(what),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(out, "{}: {host}: {}", self.program, self.what),
            None => write!(out, "{}: {}", self.program, self.what),
        }
    }
}

/// Asks for a secret on the terminal, without echo; standard input is not touched.
///
/// # Errors
/// [`Code::Usage`] when there is no terminal.
pub fn secret(wanted: &Wanted) -> Result<Secret, ClientError> {
    if NEVER.load(Ordering::Relaxed) {
        return Err(nobody(wanted));
    }
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let terminal = terminal.map_err(|_| nobody(wanted))?;
    let prompt = format!("{wanted}: ");
    let typed = || type_line(&terminal, &mut &terminal, &prompt, Echo::Hidden);
    let typed = without_progress(typed);
    let mut line = typed_at(wanted, typed)?;
    String::from_utf8(std::mem::take(&mut line))
        .map(Secret::new)
        .map_err(|_| ClientError::new(Code::Usage, format!("the {} is not text", wanted.what)))
}

/// The line that was typed at a prompt.
fn typed_at(wanted: &Wanted, typed: io::Result<Typed>) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    let what = &wanted.what;
    Err(match typed {
        Ok(Typed::Line(line)) => return Ok(line),
        Ok(Typed::Nothing) => {
            ClientError::new(Code::Usage, format!("nothing was typed for the {what}"))
        }
        Ok(Typed::Interrupted) => ClientError::new(
            Code::Declined,
            format!("given up at the prompt for the {what}"),
        ),
        Err(fault) => ClientError::new(
            Code::Usage,
            format!("the {what} could not be asked for: {fault}"),
        ),
    })
}

/// A new password for this program: typed twice on the terminal, or the first line of standard input
/// where that is no terminal.
///
/// # Errors
/// In words: the two differ, or there is nothing to read.
#[cfg(target_os = "linux")]
pub fn new_password(program: &'static str) -> Result<Secret, String> {
    if io::stdin().is_terminal() {
        typed_twice(program)
    } else {
        secret_stdin().map_err(|error| error.text)
    }
}

/// A new password for this program, typed twice on the terminal; standard input is not touched.
///
/// # Errors
/// In words: the two differ, or there is no terminal.
#[cfg(target_os = "linux")]
pub fn typed_twice(program: &'static str) -> Result<Secret, String> {
    let typed = |what| secret(&Wanted::own(program, what)).map_err(|error| error.text);
    let first = typed("password")?;
    if typed("password again")? == first {
        Ok(first)
    } else {
        Err("the two passwords differ".into())
    }
}

/// Whether there is a terminal to ask on.
pub fn possible() -> bool {
    !NEVER.load(Ordering::Relaxed) && File::open("/dev/tty").is_ok()
}

/// There is nobody to ask.
pub fn nobody(Wanted { host, what, .. }: &Wanted) -> ClientError {
    let at = host.as_ref().map(|host| format!(" at {host}"));
    let at = at.unwrap_or_default();
    let text = format!(
        "there is no terminal to ask for the {what}{at} on; use --password-file or --password-stdin (or @FILE for an argument)"
    );
    ClientError::new(Code::Usage, text)
}

/// The first line of a file that only its owner can read.
///
/// # Errors
/// [`Code::Usage`].
pub fn secret_file(path: &Path) -> Result<Secret, ClientError> {
    let usage = |text: String| ClientError::new(Code::Usage, text);
    let bytes = sys::read_private(path, 64 * 1024).map_err(|fault| usage(fault.to_string()))?;
    String::from_utf8(bytes)
        .map(Secret::first_line)
        .map_err(|_| usage(format!("{} is not text", path.display())))
}

/// The first line of standard input.
///
/// # Errors
/// [`Code::Usage`].
pub fn secret_stdin() -> Result<Secret, ClientError> {
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|fault| ClientError::new(Code::Usage, format!("standard input: {fault}")))?;
    Ok(Secret::first_line(line))
}

/// Whether there is somebody to ask.
pub fn can_ask() -> bool {
    !NEVER.load(Ordering::Relaxed) && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a line that may be seen.
///
/// # Errors
/// [`Code::Usage`] when there is no terminal.
pub fn line(wanted: &Wanted) -> Result<String, ClientError> {
    if !can_ask() {
        return Err(nobody(wanted));
    }
    let line = typed_at(wanted, typed(&format!("{wanted}: ")))?;
    Ok(String::from_utf8_lossy(&line).trim().to_owned())
}

/// What is typed at standard input behind a prompt.
fn typed(prompt: &str) -> io::Result<Typed> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let typed = || type_line(&input.into(), &mut io::stderr().lock(), prompt, Echo::Shown);
    without_progress(typed)
}

/// Asks a question that needs a yes.
///
/// # Errors
/// [`Code::Usage`] when there is no terminal, [`Code::Declined`] for anything but yes.
pub fn agree(question: &Wanted) -> Result<(), ClientError> {
    if !can_ask() {
        return Err(ClientError::new(
            Code::Usage,
            "this command wants to be confirmed, and there is no terminal to ask on; --yes agrees beforehand",
        ));
    }

    let answer = typed(&format!("{question} [y/N] "));
    if let Ok(Typed::Line(line)) = answer
        && matches!(line.trim_ascii(), b"y" | b"Y" | b"yes")
    {
        Ok(())
    } else {
        Err(ClientError::new(
            Code::Declined,
            "not confirmed; nothing was run",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one form, which no server can make look like another program's.
    #[test]
    fn every_prompt_names_ordain_the_host_and_what_is_asked_for() {
        for (wanted, shown) in [
            (
                Wanted::password("web1", "alice"),
                "ordain: web1: password of alice",
            ),
            (
                Wanted::code("web1", "alice"),
                "ordain: web1: one-time code of alice",
            ),
            (
                Wanted::argument("web1", "deploy", "token").unwrap(),
                "ordain: web1: argument token of deploy",
            ),
            (
                Wanted::of("web1", "run deploy?"),
                "ordain: web1: run deploy?",
            ),
            (
                Wanted::own("ordain", "passphrase of key"),
                "ordain: passphrase of key",
            ),
        ] {
            assert_eq!(wanted.to_string(), shown);
        }
    }

    #[test]
    fn an_argument_is_asked_for_by_nothing_but_a_name() {
        for name in [
            "",
            "[sudo] password for alice",
            "to ken",
            "x\n[sudo] password for alice",
            "x\x1b[2K",
            "p\u{430}ssword",
            "\u{202e}nekot",
            &"x".repeat(65),
        ] {
            let error = Wanted::argument("web1", "deploy", name).err().unwrap();
            assert!(error.is(Code::Protocol), "{name:?}: {error}");
        }
    }
}
