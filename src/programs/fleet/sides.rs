//! Which copies are for many hosts: every byte is read once, and what comes has a place of its own.

use super::files::file_name;
use super::hosts::Host;
use crate::cli::{ClientArgs, ClientVerb, Place, Side};
use crate::client::ClientError;
use crate::protocol::Code;
use std::collections::HashMap;
use std::path::Path;

/// What would be read twice, or has no name of its own for each host, is for one.
///
/// # Errors
/// [`Code::Usage`]: what that is.
pub fn for_many(args: &ClientArgs, place: &Place) -> Result<(), ClientError> {
    let usage = |text: String| Err(ClientError::new(Code::Usage, text));
    let from = match &args.verb {
        ClientVerb::Cp(cp) => &cp.from,
        _ => return Ok(()),
    };
    if *from == Side::Standard && args.password_stdin {
        return usage("standard input is what is copied, so no password can come from there; use --password-file".into());
    }
    if *from == Side::Standard && place.is_stdin() {
        return usage("standard input is what is copied, so the names of the hosts cannot come from there; give --hosts-from a file".into());
    }
    Ok(())
}

/// Looks whether what comes from each host has a place of its own here, before anybody is asked.
///
/// # Errors
/// [`Code::Usage`]: what has none.
pub fn have_folders(args: &ClientArgs, hosts: &[Host]) -> Result<(), ClientError> {
    let Some(to) = comes_to(&args.verb) else {
        return Ok(());
    };
    let shown = to.display();
    let usage = |text: String| Err(ClientError::new(Code::Usage, text));
    if !crate::cli::is_into(to) {
        return usage(format!(
            "`{shown}` would be one name for what comes from many hosts: `{shown}/` gets a folder for each"
        ));
    }
    if !to.is_dir() {
        return usage(format!(
            "`{shown}` is no folder; what comes from many hosts is put into one"
        ));
    }
    let mut folders = HashMap::new();
    for host in hosts {
        if let Some(other) = folders.insert(file_name(&host.name), &host.name) {
            return usage(format!(
                "{other} and {} would have the same folder in `{shown}`",
                host.name
            ));
        }
    }
    Ok(())
}

/// The folder here that gets one for each host.
fn comes_to(verb: &ClientVerb) -> Option<&Path> {
    match verb {
        ClientVerb::Cp(cp) => match (&cp.from, &cp.to) {
            (Side::There(_), Side::Here(to)) => Some(to),
            _ => None,
        },
        ClientVerb::Sync(sync) => match (&sync.from, &sync.to) {
            (Side::There(_), Side::Here(to)) => Some(to),
            _ => None,
        },
        _ => None,
    }
}
