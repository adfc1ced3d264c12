//! `ordain whoami` and `sessions`.

use crate::cli::ClientArgs;
use crate::client::{ClientError, Session};
use crate::exit::{Human, Status};
use crate::ids::SessionId;
use crate::programs::display::plain;
use crate::programs::{say, say_json};
use crate::protocol::Code;
use crate::verb::{EndSession, Ending, SessionList, Sessions, SessionsEnded, Whoami};
use std::time::Duration;

pub async fn whoami(args: &ClientArgs, session: &Session) -> Result<Status, ClientError> {
    let view = session.ask(&Whoami {}).await?;
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
    if !view.groups.is_empty() {
        let groups: Vec<String> = view.groups.iter().map(|group| plain(group)).collect();
        say(&format!("some by the groups: {}", groups.join(", ")));
    }
    for role in &view.out_of_hours {
        say(&format!("not now: {}", plain(role)));
    }
    // What is unlike everywhere would keep everything else from being told once.
    if args.many.fold {
        let kept = if view.kept.is_some() {
            "there is one"
        } else {
            "none"
        };
        say(&format!("kept login: {kept}"));
        return Ok(Status::OK);
    }
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

pub async fn sessions(args: &ClientArgs, session: &Session) -> Result<Status, ClientError> {
    let SessionList { sessions } = session.ask(&Sessions {}).await?;
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
            "{}  {}  {}{left}, begun {} ago{source}, by {}{this}",
            plain(&line.session),
            plain(&line.user),
            plain(&line.state),
            human(line.age_s),
            plain(&line.by)
        ));
    }

    Ok(Status::OK)
}

pub async fn end_session(
    args: &ClientArgs,
    session: &Session,
    which: &str,
) -> Result<Status, ClientError> {
    let target = match which {
        "all" => Ending::All,
        id => {
            let id: Result<SessionId, _> = id.parse();
            let wrong = |_| ClientError::new(Code::NoSuchSession, "there is no such session");
            Ending::One(id.map_err(wrong)?.into())
        }
    };
    let SessionsEnded { ended_sessions } = session.ask(&EndSession { target }).await?;
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
        Human(Duration::from_secs(seconds)).to_string()
    }
}
