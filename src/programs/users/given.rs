//! What is said of a user: roles from the command line, keys and hashes from files, a password from
//! whoever types it.

use crate::cli::SaidOfUser;
use crate::config::Said;
use crate::credential::{self, SshPublic};
use crate::exit::Status;
use crate::programs::local::failed;
use crate::programs::{ask, complain};
use crate::sys;
use std::io::Read;
use std::path::Path;

/// Bytes of a file with keys.
const MOST: u64 = 64 * 1024;

/// Reads what is said, of which there must be something.
///
/// # Errors
/// The status to end with; why is told.
pub fn something(said: &SaidOfUser) -> Result<Said, Status> {
    let nothing = said.roles.is_none()
        && said.account.is_none()
        && said.ssh_key.is_empty()
        && !said.password
        && said.password_hash.is_none();
    if nothing {
        let text = "say what is new: --roles, --account, --ssh-key, --password or --password-hash";
        complain(&format!("ordaind: {text}"));
        return Err(Status(2));
    }
    given(said)
}

/// Reads what is said. A password is asked for last.
///
/// # Errors
/// The status to end with; why is told.
pub fn given(said: &SaidOfUser) -> Result<Said, Status> {
    let files = said.ssh_key.iter().chain(&said.password_hash);
    let from_input = files.filter(|path| is_input(path)).count();
    if from_input > 1 {
        complain("ordaind: standard input can be read once only; give the others as files");
        return Err(Status(2));
    }

    let mut keys = Vec::new();
    for path in &said.ssh_key {
        keys.extend(keys_in(path).map_err(|why| failed(&why))?);
    }
    let hash = said.password_hash.as_deref().map(hash_in).transpose();
    let hash = hash.map_err(|why| failed(&why))?;
    let typed = match said.password {
        true => Some(new_password(from_input > 0).map_err(|why| failed(&why))?),
        false => None,
    };
    Ok(Said {
        roles: said.roles.clone(),
        account: said.account.clone(),
        ssh_keys: (!said.ssh_key.is_empty()).then_some(keys),
        password: typed.or(hash),
    })
}

/// The hash of a new password.
fn new_password(input_is_read: bool) -> Result<String, String> {
    let password = match input_is_read {
        true => ask::typed_twice("ordaind").map_err(|_| {
            "there is no terminal to ask for the password on, and standard input has brought something else; give that as a file".to_owned()
        }),
        false => ask::new_password("ordaind"),
    };
    credential::hash_password(&password?, credential::COST)
}

/// The keys of a file, a line each, as they stand there; whatever is no key is a fault.
fn keys_in(path: &Path) -> Result<Vec<String>, String> {
    let (name, text) = text_of(path)?;
    if text.contains("-----BEGIN") {
        return Err(format!(
            "{name} is no public key but a private one, which nobody else needs; give the file that ends with .pub"
        ));
    }
    let mut keys = Vec::new();
    for (at, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        SshPublic::read(line).map_err(|why| format!("{name}:{}: {why}", at + 1))?;
        keys.push(line.to_owned());
    }
    match keys.is_empty() {
        true => Err(format!("{name} has no key")),
        false => Ok(keys),
    }
}

/// The first line of a file, which is a hash.
fn hash_in(path: &Path) -> Result<String, String> {
    let (name, text) = text_of(path)?;
    let line = text.lines().next().unwrap_or_default().trim();
    credential::Hash::read(line).map_err(|why| format!("{name}: {why}"))?;
    Ok(line.to_owned())
}

/// A file's text, with its name in messages.
fn text_of(path: &Path) -> Result<(String, String), String> {
    let (name, mut text) = match is_input(path) {
        true => ("standard input".to_owned(), String::new()),
        false => (path.display().to_string(), String::new()),
    };
    let read = match is_input(path) {
        true => std::io::stdin().lock().take(MOST).read_to_string(&mut text),
        false => {
            text = sys::read_text(path, MOST).map_err(|fault| fault.to_string())?;
            Ok(text.len())
        }
    };
    let length = read.map_err(|fault| format!("{name}: {fault}"))?;
    if u64::try_from(length).unwrap_or(u64::MAX) == MOST {
        return Err(format!("{name} has more than {MOST} bytes"));
    }
    Ok((name, text))
}

fn is_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}
