//! In which groups of the system users are: asked at login and again and again for as long as they are
//! here, beside the thread that decides. What an answer takes away takes effect at once.

use super::enforce::enforce;
use super::standing::Refused;
use crate::limits;
use crate::monitor::state::Shared;
use crate::policy::{Member, Policy, Question, Refusal};
use crate::protocol::Code;
use crate::sys;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Why nobody knows which groups somebody is in, for the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// The name service said that it cannot say.
    Failed,
    /// It said nothing in time.
    Late,
}

impl Unknown {
    const fn why(self) -> &'static str {
        match self {
            Self::Failed => "the name service failed, so the user's groups are not known",
            Self::Late => "the name service did not answer, so the user's groups are not known",
        }
    }
}

/// A user as they can be judged now.
///
/// # Errors
/// The refusal: what the name service said of their groups is too old, or nothing was heard of it since
/// another configuration is in force.
pub fn member(state: &Shared, user: &Arc<str>) -> Result<Member, Refusal> {
    let settings = state.settings();
    settings.policy.member(user).or_else(|question| {
        // Twice: when it is that old it was asked for again, and there was no answer.
        let known = state
            .access
            .members
            .answer(&question, settings.groups_age * 2);
        known.ok_or_else(|| Refusal::groups_unknown(user))
    })
}

/// A user by the roles of their entry alone, for what may be asked for also while nobody knows more.
pub fn by_entry(state: &Shared, user: &Arc<str>) -> Member {
    let known = state.settings().policy.member(user);
    known.unwrap_or_else(Question::unanswered)
}

/// Asks in which groups somebody is who has proved who they are, unless that was asked lately.
///
/// # Errors
/// That nobody knows, or that their account is missing: with fewer roles than they have they could lose
/// what a role denies them.
pub async fn know(state: &Shared, user: &str) -> Result<(), Refused> {
    let user: Arc<str> = user.into();
    let refused = |why| Refused {
        code: Code::GroupsUnknown,
        ..Refused::because(why)
    };
    let until = deadline();
    loop {
        let settings = state.settings();
        let Err(question) = settings.policy.member(&user) else {
            return Ok(());
        };
        let known = state.access.members.answer(&question, settings.groups_age);
        let member = match known {
            Some(member) => member,
            None => match ask(state, question, until).await {
                Ok(member) => member,
                Err(unknown) => return Err(refused(unknown.why())),
            },
        };
        // A reload may have brought another question meanwhile.
        if !member.fits(&state.settings().policy) {
            continue;
        }
        if member.has_lost_its_account() {
            return Err(refused(
                "this machine does not know the account that the user's `account` names",
            ));
        }
        learn(state, member).await;
        return Ok(());
    }
}

/// Until when an answer of the name service is waited for.
fn deadline() -> Instant {
    Instant::now() + sys::fault_time("name-service-time", limits::NAME_SERVICE)
}

/// Asks the name service, in a thread of its own.
async fn ask(state: &Shared, question: Question, until: Instant) -> Result<Member, Unknown> {
    let asking = state.access.members.asking.clone();
    let (account, groups) = (question.account().to_owned(), question.groups().to_vec());
    let answer = async {
        let place = asking
            .acquire_owned()
            .await
            .map_err(|fault| fault.to_string())?;
        let (done, answer) = tokio::sync::oneshot::channel();
        let lookup = move || {
            let found = sys::groups_among(&account, &groups);
            drop(place);
            let _ = done.send(found);
        };
        std::thread::Builder::new()
            .name("name-service".into())
            .spawn(lookup)
            .map_err(|fault| format!("the thread for the name service: {fault}"))?;
        answer.await.map_err(|fault| fault.to_string())?
    };

    let user = question.user().clone();
    let answer = timeout_at(until, answer).await;
    let silent = &state.access.members.silent;
    let why = match answer {
        Ok(Ok(groups)) => {
            if silent.replace(false) {
                tracing::info!("the name service answers again");
            }
            return Ok(question.answered(groups));
        }
        Ok(Err(why)) => (Unknown::Failed, why),
        Err(_) => (
            Unknown::Late,
            "the name service did not answer in time".into(),
        ),
    };
    if !silent.replace(true) {
        let why = &why.1;
        tracing::warn!(%user, why, "the groups of a user are not known; whoever's are not is refused until the name service answers");
    }
    Err(why.0)
}

/// What the name service has said holds from now on, and what it takes away ends.
async fn learn(state: &Shared, member: Member) {
    let user = member.user().clone();
    let Some(before) = state.access.members.learn(member.clone()) else {
        return;
    };
    let settings = state.settings();
    if before != member
        && settings
            .policy
            .takes_from(&member, (&settings.policy, &before))
    {
        tracing::info!(%user, "has left a group of the system that gave a role");
        enforce(state, |narrowed| *narrowed == user).await;
    }
}

/// Asks for everybody who is here, as another policy has to know it. Whoever is not among the answers
/// is not known, and refused until they are.
pub async fn ask_anew(state: &Shared, policy: &Policy) -> Vec<Member> {
    let until = deadline();
    let mut answers = Vec::new();
    for user in here(state) {
        if let Err(question) = policy.member(&user) {
            match ask(state, question, until).await {
                Ok(member) => answers.push(member),
                Err(Unknown::Failed) => {}
                Err(Unknown::Late) => break,
            }
        }
    }
    answers
}

/// Asks again and again for whoever is here, as long as a group gives roles.
pub fn look_after(state: Shared) {
    const SELDOM: Duration = Duration::from_secs(5);

    tokio::task::spawn_local(async move {
        loop {
            tokio::time::sleep((state.settings().groups_age / 4).min(SELDOM)).await;
            if !state.settings().policy.groups.names().is_empty() {
                look_again(&state).await;
            }
        }
    });
}

/// Asks for whoever is here and was not asked for lately, and forgets whoever is gone.
async fn look_again(state: &Shared) {
    let users = here(state);
    let age = state.settings().groups_age;
    state
        .access
        .members
        .forget(|user| users.contains(user), age);
    for user in users {
        let settings = state.settings();
        let Err(question) = settings.policy.member(&user) else {
            continue;
        };
        if state.access.members.answer(&question, age).is_some() {
            continue;
        }
        match ask(state, question, deadline()).await {
            Ok(member) if member.fits(&state.settings().policy) => learn(state, member).await,
            Ok(_) | Err(Unknown::Failed) => {}
            Err(Unknown::Late) => return,
        }
    }
}

/// Whoever has a session or a run, or processes that a run has left.
fn here(state: &Shared) -> HashSet<Arc<str>> {
    let mut users = HashSet::new();
    let connections = state.sessions.connections.borrow();
    let sessions = connections
        .values()
        .filter_map(|connection| connection.session.as_ref());
    users.extend(sessions.map(|session| session.user.clone()));
    let parked = state.sessions.parked.borrow();
    users.extend(parked.values().map(|(session, _)| session.user.clone()));
    users.extend(
        state
            .runs
            .going
            .borrow()
            .values()
            .map(|run| run.user.clone()),
    );
    let left = state.runs.left.borrow();
    users.extend(left.values().map(|left| left.user.clone()));
    users
}
