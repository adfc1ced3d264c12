//! A user changes their own password: the old one is verified as at a login, and costs what it costs
//! there.

use super::access;
use super::asked::{Asked, answer_to};
use super::denied::Denied;
use super::metrics::count_by;
use super::session::Session;
use super::state::Shared;
use super::{penalties, sessions, verifiers};
use crate::audit::{Record, What};
use crate::credential::{Cost, Hash, hash_password};
use crate::ids::{ConnectionId, StreamId};
use crate::limits;
use crate::penalty::Misdeed;
use crate::policy::Grant;
use crate::protocol::Code;
use crate::secret::Secret;
use crate::source::Source;
use crate::verb::{Passwd, PasswordChanged};

/// The setting that lets users do this.
const SETTING: &str = "login.self_service";

/// What is asked for, judged as far as that needs no work.
struct Change {
    old: Secret,
    new: Secret,
    /// The hash of the password as it is.
    hash: Hash,
    cost: Cost,
}

/// Why nothing is changed: what the client is told, and for the trail the rule or the reason.
type Refused = (Denied, &'static str);

/// Judges a request, and changes the password when its turn comes.
pub fn change(state: &Shared, asked: &Asked<'_>, grant: &Grant<Passwd>) {
    let change = match judged(state, asked, grant) {
        Ok(change) => change,
        Err((denied, rule)) => {
            let denied = Denied {
                rule: Some(rule.to_owned()),
                ..denied
            };
            let mut record = asked.record(grant.verb());
            record = record.refused(denied.code, rule, &denied.text);
            // What is no secret among the passwords stands in the text as it is.
            record.keep_text = grant.verb().secrets().is_some();
            return asked.refuse(state, &record, denied.clone());
        }
    };
    // What comes of it is recorded when it has come.
    if asked.granted(grant).write(state).is_err() {
        return asked.deny(state, Denied::trail());
    }

    let asking = Asking {
        place: (asked.connection, asked.stream),
        session: asked.session.clone(),
        source: asked.peer.source.clone(),
    };
    let user = asked.session.user.clone();
    state.access.changing.borrow_mut().insert(user.clone());
    let state = state.clone();
    tokio::task::spawn_local(async move {
        match done(&state, &asking, change).await {
            Ok(answer) => answer_to(&state, asking.place, &answer),
            Err((denied, why)) => tell_refused(&state, &asking, denied, why),
        }
        state.access.changing.borrow_mut().remove(&user);
    });
}

/// Who waits for the change.
struct Asking {
    place: (ConnectionId, StreamId),
    session: Session,
    source: Source,
}

/// Whether this can be asked for at all.
fn judged(state: &Shared, asked: &Asked<'_>, grant: &Grant<Passwd>) -> Result<Change, Refused> {
    let no = |code, text: String, rule| Err((Denied::new(code, text), rule));
    let (settings, user) = (state.settings(), &asked.session.user);
    if !settings.self_service {
        let text = format!("users do not change their own passwords here ({SETTING})");
        return no(Code::NotPermitted, text, SETTING);
    }
    let Some((old, new)) = grant.verb().secrets() else {
        let text = "`passwords` holds the secrets `old` and `new`, and nothing else".into();
        return no(Code::Argument, text, "passwords are secrets");
    };
    if let Err(text) = fits(old, new) {
        let mut denied = Denied::new(Code::Argument, text);
        denied.argument = Some("new".into());
        return Err((denied, "what a new password must be"));
    }

    // One at a time of each user: otherwise one who asks for many holds up the logins of others.
    if state.access.changing.borrow().contains(user) {
        let text = "another change of this password is under way".into();
        return no(Code::LoginBusy, text, "one change of a password at a time");
    }

    let known = access::standing(state, user, &asked.peer.source).ok();
    let Some(hash) = known.and_then(|known| known.password) else {
        let text = format!("`{user}` has no password here that could be changed");
        return no(Code::NotPermitted, text, SETTING);
    };
    Ok(Change {
        old: old.clone(),
        new: new.clone(),
        hash,
        // As most passwords cost here, so that the time of a refusal tells users not apart.
        cost: settings.dummy.cost(),
    })
}

/// Whether a password may take the place of another.
fn fits(old: &Secret, new: &Secret) -> Result<(), String> {
    let (least, most) = (limits::NEW_PASSWORD, limits::PASSWORD);
    if new.expose().chars().count() < least {
        return Err(format!(
            "a new password has {least} characters at the least"
        ));
    }
    if new.bytes().len() > most {
        return Err(format!("a password has {most} bytes at the most"));
    }
    if new == old {
        return Err("the new password is the old one".into());
    }
    Ok(())
}

/// Verifies the old password, and puts the new one in force.
async fn done(state: &Shared, asking: &Asking, change: Change) -> Result<PasswordChanged, Refused> {
    let mark = change.hash.mark();
    let hash = verified(state, asking, change).await?;

    // What has changed while it was verified: the session, the user, the password itself.
    let gone = |why| (Denied::new(Code::Revoked, why), why);
    let session = sessions::find(state, asking.session.id);
    let session = session.ok_or_else(|| gone("the session has ended"))?;
    let known = access::standing(state, &session.user, &asking.source).ok();
    let same = known.and_then(|known| known.password);
    if same.is_none_or(|hash| hash.mark() != mark)
        || access::lost(state, &session.user, &session.factor)
        || !state.settings().self_service
    {
        return Err(gone("it was changed meanwhile what the user may, or knows"));
    }

    let chosen = access::choose(state, &session, &hash).await;
    let ended_sessions = chosen.map_err(|fault| {
        let text = format!("it could not be kept, so the old password stays: {fault}");
        (Denied::new(Code::Internal, text), "it could not be kept")
    })?;
    tracing::info!(user = %session.user, ended_sessions, "a user has changed their password");
    Ok(PasswordChanged { ended_sessions })
}

/// The hash of the new password, where the old one is right. A wrong one is a failed login.
async fn verified(state: &Shared, asking: &Asking, change: Change) -> Result<String, Refused> {
    let (user, source) = (&asking.session.user, &asking.source);
    let Change {
        old,
        new,
        hash,
        cost,
    } = change;
    let work = move || {
        let fits = old.bytes().len() <= limits::PASSWORD && hash.verify(&old);
        fits.then(|| hash_password(&new, cost))
    };
    let made = verifiers::in_turn(state, source, work).await;
    let made = made.map_err(|code| {
        let text = "too many passwords wait to be verified; try again in a moment";
        (Denied::new(code, text), "too many logins at once")
    })?;

    // As at a login: whoever has failed too often is not told whether this one is right.
    let taken = penalties::takes_guess(state, user, source);
    if made.is_none() {
        penalties::user(state, user);
    }
    match made {
        Some(made) if taken.is_ok() => {
            made.map_err(|why| (Denied::new(Code::Internal, why), "it could not be hashed"))
        }
        _ => {
            count_by(&state.health.counts.logins, ("password", "refused"));
            penalties::source(state, source, Misdeed::Login);
            let text = "the old password was refused";
            let why = taken.err().unwrap_or("wrong password");
            Err((Denied::new(Code::LoginRefused, text), why))
        }
    }
}

/// Records and tells that nothing is changed after all.
fn tell_refused(state: &Shared, asking: &Asking, denied: Denied, why: &str) {
    let user = &asking.session.user;
    tracing::warn!(%user, source = %asking.source, reason = why, "a change of the password was refused");
    count_by(&state.health.counts.refusals, denied.code.number());
    let _ = state.record(&Record::now(What::Password {
        user,
        state: "refused",
        change: None,
        reason: Some(why),
    }));
    state.refuse(asking.place, denied);
}
