//! Verbs about sessions and kept logins.

use super::Serve;
use crate::clock::seconds as now;
use crate::monitor::access;
use crate::monitor::asked::{Asked, answer_to};
use crate::monitor::denied::Denied;
use crate::monitor::passwd;
use crate::monitor::session::Session;
use crate::monitor::state::Shared;
use crate::policy::{Grant, Held, Scope};
use crate::protocol::Code;
use crate::vault::KeptLogin;
use crate::verb::{
    EndSession, Ending, Passwd, SessionLine, SessionList, Sessions, SessionsEnded, Whoami,
    WhoamiView,
};
use std::collections::BTreeSet;
use std::io;

impl Serve for Whoami {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        asked.done(state, &asked.granted(&grant), || {
            Ok(whoami(state, asked, &grant))
        });
    }
}

impl Serve for Sessions {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        /// As many as fit into an answer.
        const MOST: usize = 1000;

        asked.done(state, &asked.granted(&grant), || {
            let mut sessions = lines(state, &asked.session, *grant.allowed());
            let skipped = sessions.len().saturating_sub(MOST);
            Ok(SessionList {
                sessions: sessions.split_off(skipped),
            })
        });
    }
}

impl Serve for EndSession {
    const TAKES_AWAY: bool = true;

    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        match asked.granted(&grant).write(state) {
            Ok(()) => end(state, asked, &grant),
            Err(_) => asked.deny(state, Denied::trail()),
        }
    }
}

impl Serve for Passwd {
    fn serve(state: &Shared, asked: &Asked<'_>, grant: Grant<Self>) {
        passwd::change(state, asked, &grant);
    }
}

fn whoami(state: &Shared, asked: &Asked<'_>, grant: &Grant<Whoami>) -> WhoamiView {
    let session = &asked.session;
    let settings = state.settings();
    let held: Vec<Held<'_>> = settings.policy.roles_of(grant.member()).collect();
    let groups: BTreeSet<&str> = held.iter().filter_map(|held| Some(held.by?.0)).collect();
    let vault = state.access.vault.borrow();
    let kept = session.kept.and_then(|id| vault.login(id, now()));
    WhoamiView {
        user: session.user.to_string(),
        source: asked.peer.source.to_string(),
        by: session.factor.shown().into(),
        roles: held.iter().map(|held| held.name.to_owned()).collect(),
        groups: groups.into_iter().map(str::to_owned).collect(),
        out_of_hours: settings.policy.out_of_hours(grant.member(), grant.asked()),
        session: session.id.to_string(),
        kept: session.kept.map(|id| id.to_string()),
        kept_s: kept.map(|login| access::kept_for(state, login)),
    }
}

/// Ends sessions and kept logins, those of others with the right to it. The answer leaves before
/// the asking session does.
fn end(state: &Shared, asked: &Asked<'_>, grant: &Grant<EndSession>) {
    let meant: Vec<String> = lines(state, &asked.session, *grant.allowed())
        .into_iter()
        .filter(|line| match &grant.verb().target {
            Ending::All => line.user == **grant.user(),
            Ending::One(id) => id.0.is_some_and(|id| line.session == id.to_string()),
        })
        .map(|line| line.session)
        .collect();
    if meant.is_empty() {
        let denied = Denied::new(Code::NoSuchSession, "there is no such session");
        return asked.deny(state, denied);
    }

    let (place, last) = ((asked.connection, asked.stream), asked.session.id);
    let state = state.clone();
    tokio::task::spawn_local(async move {
        let told = |written: io::Result<()>| match written {
            Ok(()) => {
                let ended_sessions = u32::try_from(meant.len()).unwrap_or(u32::MAX);
                answer_to(&state, place, &SessionsEnded { ended_sessions });
            }
            Err(fault) => {
                let text = format!("ended, but that could not be written: {fault}");
                state.refuse(place, Denied::new(Code::Internal, text));
            }
        };
        access::end_logins(&state, &meant, last, "ended by a user", told).await;
    });
}

/// Sessions on connections, those whose link is lost, and kept logins; oldest first.
fn lines(state: &Shared, own: &Session, scope: Scope) -> Vec<SessionLine> {
    let shown = |owner: &str| scope == Scope::All || *owner == *own.user;
    let mut lines = Vec::new();
    for connection in state.sessions.connections.borrow().values() {
        if let Some(session) = connection.session.as_ref() {
            let source = connection.peer.as_ref().map(|peer| peer.source.to_string());
            let source = source.unwrap_or_default();
            lines.push(session_line(session, own, "connected", source));
        }
    }
    for (session, _) in state.sessions.parked.borrow().values() {
        lines.push(session_line(session, own, "link lost", String::new()));
    }
    for (id, login) in &state.access.vault.borrow().contents.logins {
        let kept_for = access::kept_for(state, login);
        if kept_for > 0 {
            lines.push(kept_line(id, login, own, kept_for));
        }
    }

    lines.retain(|line| shown(&line.user));
    lines.sort_by(|one, other| {
        let older = other.age_s.cmp(&one.age_s);
        older.then_with(|| one.session.cmp(&other.session))
    });
    lines
}

fn session_line(session: &Session, own: &Session, word: &str, source: String) -> SessionLine {
    SessionLine {
        session: session.id.to_string(),
        user: session.user.to_string(),
        state: word.into(),
        by: session.factor.shown().into(),
        source,
        age_s: now().saturating_sub(session.since),
        kept_s: None,
        this: session.id == own.id,
    }
}

fn kept_line(id: &str, login: &KeptLogin, own: &Session, kept_for: u64) -> SessionLine {
    SessionLine {
        this: own.kept.is_some_and(|kept| kept.to_string() == id),
        session: id.to_owned(),
        by: login.factor.shown().into(),
        user: login.user.clone(),
        state: "kept".into(),
        source: login.source.clone(),
        age_s: now().saturating_sub(login.since),
        kept_s: Some(kept_for),
    }
}
