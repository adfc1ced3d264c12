//! `ordain passwd`.

use crate::cli::ClientArgs;
use crate::client::{ClientError, Session};
use crate::exit::Status;
use crate::programs::ask::{self, Wanted};
use crate::programs::display::plain;
use crate::programs::target::Target;
use crate::programs::{complain, say, say_json};
use crate::protocol::Code;
use crate::secret::Secret;
use crate::verb::{Passwd, PasswordChanged};
use std::path::Path;

/// Asks for the old password and the new one, and has the server change it.
pub async fn passwd(
    args: &ClientArgs,
    target: &Target,
    session: &Session,
    new_file: Option<&Path>,
) -> Result<Status, ClientError> {
    let old = match &target.password_file {
        Some(file) => ask::secret_file(file)?,
        None => ask::secret(&Wanted::of(
            target.host(),
            &format!("old password of {}", target.user),
        ))?,
    };
    let new = match new_file {
        Some(file) => ask::secret_file(file)?,
        None => typed_twice(target)?,
    };

    let PasswordChanged { ended_sessions } = session.ask(&Passwd::from_to(old, new)).await?;
    let (host, user) = (plain(target.host()), plain(&target.user));
    let login = target.login();
    let kept = login.is_there();
    login.forget();
    if args.json {
        say_json(&serde_json::json!({ "ended_sessions": ended_sessions }));
    } else {
        say(&format!(
            "the password of {user} at {host} is changed; {ended_sessions} other sessions and kept logins have ended"
        ));
    }
    if kept {
        complain("ordain: the login that was kept has ended; `ordain login` keeps another");
    }
    if let Some(file) = &target.password_file {
        let file = plain(&file.display().to_string());
        complain(&format!("ordain: {file} still holds the old password"));
    }
    Ok(Status::OK)
}

/// The new password, typed twice on the terminal.
fn typed_twice(target: &Target) -> Result<Secret, ClientError> {
    let typed = |what: &str| {
        let what = format!("{what} of {}", target.user);
        ask::secret(&Wanted::of(target.host(), &what))
    };
    let new = typed("new password")?;
    if typed("new password again")? == new {
        return Ok(new);
    }
    let text = "the two new passwords differ; nothing was changed";
    Err(ClientError::new(Code::Usage, text))
}
