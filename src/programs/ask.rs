//! Asking a person: passwords without echo, yes or no.

use crate::client::ClientError;
use crate::protocol::Code;
use crate::secret::Secret;
use crate::sys;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether nobody is asked anything any more, whatever there is to ask on.
static NEVER: AtomicBool = AtomicBool::new(false);

/// Asks nobody anything from now on.
pub fn never() {
    NEVER.store(true, Ordering::Relaxed);
}

/// Asks for a secret on the terminal, without echo; standard input is not touched.
///
/// # Errors
/// [`Code::Usage`] when there is no terminal.
pub fn secret(prompt: &str) -> Result<Secret, ClientError> {
    let typed = if NEVER.load(Ordering::Relaxed) {
        Err(std::io::ErrorKind::Unsupported.into())
    } else {
        rpassword::prompt_password(prompt)
    };

    typed.map(Secret::new).map_err(|_| nobody(prompt))
}

/// Whether there is a terminal to ask on.
pub fn possible() -> bool {
    !NEVER.load(Ordering::Relaxed) && std::fs::File::open("/dev/tty").is_ok()
}

/// There is nobody to ask.
pub fn nobody(prompt: &str) -> ClientError {
    let what = prompt.trim_end_matches([' ', ':']);
    let text = format!(
        "there is no terminal to ask for the {what} on; use --password-file or --password-stdin (or @FILE for an argument)"
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
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|fault| ClientError::new(Code::Usage, format!("standard input: {fault}")))?;
    Ok(Secret::first_line(line))
}

/// Whether there is somebody to ask.
pub fn can_ask() -> bool {
    !NEVER.load(Ordering::Relaxed)
        && std::io::stdin().is_terminal()
        && std::io::stderr().is_terminal()
}

/// Asks for a line that may be seen.
///
/// # Errors
/// [`Code::Usage`] when there is no terminal.
pub fn line(prompt: &str) -> Result<String, ClientError> {
    if !can_ask() {
        return Err(ClientError::new(
            Code::Usage,
            format!("there is no terminal to ask on ({})", prompt.trim()),
        ));
    }

    let mut out = std::io::stderr().lock();
    let _ = write!(out, "{prompt}");
    let _ = out.flush();
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
    Ok(line.trim().to_owned())
}

/// Asks a question that needs a yes.
///
/// # Errors
/// [`Code::Usage`] when there is no terminal, [`Code::Declined`] for anything but yes.
pub fn agree(question: &str) -> Result<(), ClientError> {
    if !can_ask() {
        return Err(ClientError::new(
            Code::Usage,
            "this command wants to be confirmed, and there is no terminal to ask on; --yes agrees beforehand",
        ));
    }

    let mut out = std::io::stderr().lock();
    let _ = write!(out, "{question} [y/N] ");
    let _ = out.flush();
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
    if matches!(line.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(ClientError::new(
            Code::Declined,
            "not confirmed; nothing was run",
        ))
    }
}
