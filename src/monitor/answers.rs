//! Answers to requests that run nothing: the policy's types as the wire shows them.

use super::access;
use super::run::Phase;
use super::session::Session;
use super::state::Shared;
use crate::clock::seconds as now;
use crate::policy::{
    Argument, Command, Explanation, Kind, OnDisconnect, Plan, Presence, Scope, Stdin,
};
use crate::protocol::{
    Answer, ArgumentView, CommandLine, CommandView, ExplainView, PreviewView, RunLine, SessionLine,
    WhoamiView,
};
use std::net::SocketAddr;
use std::sync::Arc;

/// To `list`.
pub fn list(commands: &[Arc<Command>]) -> Answer {
    let line = |command: &Arc<Command>| CommandLine {
        name: command.name.clone(),
        summary: command.summary.clone(),
    };

    Answer::List {
        commands: commands.iter().map(line).collect(),
    }
}

/// To `describe`.
pub fn describe(command: &Command) -> CommandView {
    let positions = command.template.positions();
    let mut order = positions.clone();
    order.extend((0..command.arguments.len()).filter(|index| !positions.contains(index)));
    let view = |index: &usize| {
        command
            .arguments
            .get(*index)
            .map(|argument| argument_view(argument, positions.contains(index)))
    };

    CommandView {
        name: command.name.clone(),
        summary: command.summary.clone(),
        usage: command.usage(),
        arguments: order.iter().filter_map(view).collect(),
        stdin: command.stdin != Stdin::None,
        stdin_max: match command.stdin {
            Stdin::Accepted { max } => max,
            Stdin::None => None,
        },
        timeout_ms: command
            .timeout
            .map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
        confirm: command.confirm,
        outlives_client: command.on_disconnect == OnDisconnect::Continue,
        terminal: command.pty,
        reason: command.reason.as_ref().map(|form| form.pattern.clone()),
    }
}

fn argument_view(argument: &Argument, has_hole: bool) -> ArgumentView {
    ArgumentView {
        name: argument.name.clone(),
        kind: argument.kind.word().into(),
        bounds: argument.kind.bounds(),
        choices: match &argument.kind {
            Kind::Choice(choices) => choices.clone(),
            _ => Vec::new(),
        },
        required: argument.presence == Presence::Required
            && !matches!(argument.kind, Kind::Flag(_)),
        default: match &argument.presence {
            Presence::Default(text) if argument.secret => {
                Some("***".chars().take(text.len().min(3)).collect())
            }
            Presence::Default(text) => Some(text.clone()),
            _ => None,
        },
        repeated: argument.repeated.is_some(),
        secret: argument.secret,
        positional: has_hole && !argument.secret && !matches!(argument.kind, Kind::Flag(_)),
        summary: argument.summary.clone(),
    }
}

/// To `preview`.
pub fn preview(plan: &Plan, rule: &str) -> Answer {
    Answer::Preview(PreviewView {
        rule: rule.into(),
        argv: plan.shown.clone(),
        run_as: plan.command.run_as.name().into(),
        cwd: plan.command.cwd.to_string_lossy().into_owned(),
    })
}

/// To `explain`.
pub fn explain(explanation: &Explanation) -> ExplainView {
    let refusal = explanation.outcome.as_ref().err();
    ExplainView {
        decision: if refusal.is_none() {
            "granted"
        } else {
            "refused"
        }
        .into(),
        decided_by: explanation.rule.clone(),
        code: refusal.map(|refusal| super::asked::code_of(refusal.kind).number()),
        text: refusal.map(|refusal| refusal.text.clone()),
        argv: explanation.outcome.clone().unwrap_or_default(),
        considered: explanation.considered.clone(),
    }
}

/// To `whoami`.
pub fn whoami(state: &Shared, session: &Session, peer: SocketAddr) -> Answer {
    let kept_s = session.kept.and_then(|id| {
        state
            .vault
            .borrow()
            .login(id, now())
            .map(|login| access::kept_for(state, login))
    });

    Answer::Whoami(WhoamiView {
        user: session.user.to_string(),
        source: crate::policy::canonical(peer.ip()).to_string(),
        by: session.factor.shown().into(),
        roles: state
            .settings()
            .policy
            .users
            .get(&*session.user)
            .map(|user| user.roles.clone())
            .unwrap_or_default(),
        session: session.id.to_string(),
        kept: session.kept.map(|id| id.to_string()),
        kept_s,
    })
}

/// To `sessions`.
pub fn sessions(state: &Shared, own: &Session, scope: Scope) -> Answer {
    let mut sessions = session_lines(state, own, scope);

    // As many as fit into an answer.
    let skipped = sessions.len().saturating_sub(1000);
    Answer::Sessions {
        sessions: sessions.split_off(skipped),
    }
}

/// Sessions on connections, those whose link is lost, and kept logins; oldest first.
pub fn session_lines(state: &Shared, own: &Session, scope: Scope) -> Vec<SessionLine> {
    let shown = |owner: &str| scope == Scope::All || *owner == *own.user;
    let line = |session: &Session, word: &str, source: String| SessionLine {
        session: session.id.to_string(),
        user: session.user.to_string(),
        state: word.into(),
        by: session.factor.shown().into(),
        source,
        age_s: now().saturating_sub(session.since),
        kept_s: None,
        this: session.id == own.id,
    };

    let mut lines = Vec::new();
    for connection in state.connections.borrow().values() {
        if let Some(session) = connection
            .session
            .as_ref()
            .filter(|session| shown(&session.user))
        {
            lines.push(line(
                session,
                "connected",
                connection
                    .peer
                    .map(|peer| crate::policy::canonical(peer.ip()).to_string())
                    .unwrap_or_default(),
            ));
        }
    }

    lines.extend(
        state
            .parked
            .borrow()
            .values()
            .filter(|(session, _)| shown(&session.user))
            .map(|(session, _)| line(session, "link lost", String::new())),
    );

    let kept = state.vault.borrow().contents.logins.clone();
    let shown = kept
        .into_iter()
        .map(|(id, login)| (access::kept_for(state, &login), id, login));
    let shown = shown.filter(|(kept_for, _, login)| {
        *kept_for > 0 && (scope == Scope::All || login.user == *own.user)
    });
    lines.extend(shown.map(|(kept_for, id, login)| SessionLine {
        this: own.kept.is_some_and(|kept| kept.to_string() == id),
        session: id,
        by: login.factor.shown().into(),
        user: login.user,
        state: "kept".into(),
        source: login.source,
        age_s: now().saturating_sub(login.since),
        kept_s: Some(kept_for),
    }));
    lines.sort_by(|one, other| {
        other
            .age_s
            .cmp(&one.age_s)
            .then_with(|| one.session.cmp(&other.session))
    });

    lines
}

/// To `runs`: those that have ended, as long as they are kept, and those that go on.
pub fn runs(state: &Shared, user: &Arc<str>, scope: Scope) -> Answer {
    let shown = |owner: &Arc<str>| scope == Scope::All || owner == user;
    let over = state.kept.borrow();
    let mut lines: Vec<RunLine> = over
        .iter(state.settings().retention)
        .filter(|over| shown(&over.ran.user))
        .map(|over| RunLine {
            run: over.ran.run.to_string(),
            user: over.ran.user.to_string(),
            command: over.ran.command.clone(),
            seconds: over.ran.end.duration_ms / 1000,
            waiting: false,
            ended: Some(over.ran.end.reason.clone()),
            number: over.ran.end.number,
        })
        .collect();
    let runs = state.runs.borrow();

    // One whose end is being recorded is in both.
    let mut going: Vec<_> = runs
        .values()
        .filter(|run| shown(&run.user) && !lines.iter().any(|line| line.run == run.id.to_string()))
        .collect();
    going.sort_by_key(|run| run.since);
    lines.extend(going.into_iter().map(|run| RunLine {
        run: run.id.to_string(),
        user: run.user.to_string(),
        command: run.command.name.clone(),
        seconds: run.since.elapsed().as_secs(),
        waiting: run.phase == Phase::Queued,
        ended: None,
        number: None,
    }));

    // A signed request's answer is one frame.
    const MOST: usize = 1000;
    let skipped = lines.len().saturating_sub(MOST);
    Answer::Runs {
        runs: lines.split_off(skipped),
    }
}
