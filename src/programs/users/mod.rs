//! `ordaind user`: the users of the configuration.

mod edit;
mod given;
mod show;

use crate::cli::UserVerb;
use crate::exit::Status;
use std::path::Path;

/// Each verb with its story.
pub fn user(path: &Path, verb: UserVerb) -> Status {
    match verb {
        UserVerb::Add {
            user,
            said,
            no_reload,
        } => match given::given(&said) {
            Ok(said) => edit::edit(path, &user, &edit::Act::Add(said), !no_reload),
            Err(status) => status,
        },
        UserVerb::Set {
            user,
            said,
            no_reload,
        } => match given::something(&said) {
            Ok(said) => edit::edit(path, &user, &edit::Act::Set(said), !no_reload),
            Err(status) => status,
        },
        UserVerb::Remove { user, no_reload } => {
            edit::edit(path, &user, &edit::Act::Remove, !no_reload)
        }
        UserVerb::Show { user, json } => show::show(path, &user, json),
        UserVerb::List { json } => show::list(path, json),
    }
}
