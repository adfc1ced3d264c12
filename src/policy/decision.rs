//! The decision: who may do what, judged in one place, as data.

use super::command::Command;
use super::judge::{Judge, Moved};
use super::member::{Held, Member};
use super::model::{Policy, Role};
use super::plan::Plan;
use super::root::{Right, Root};
use super::verdict::{Explanation, Refusal, Scope};
use crate::ids::{RequestId, RunId};
use crate::source::Source;
use crate::verb::{
    Anyone, Decides, Free, InRoom, Invocation, Invokes, LocalAdmin, Need, OfCommand, OfRoom, OfRun,
    OverAll, OwnOrAll, OwnRun, Places, SpeaksOf, ToDecide, ToMove, ToPlace, ToRun, ToSee, Verb,
};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::SystemTime;

/// Who asks, in which request, and from where.
#[derive(Clone)]
pub struct Asker<'a> {
    /// The user that logged in, with their groups.
    pub member: &'a Member,
    /// The request's id.
    pub request: RequestId,
    /// Where the user is, as the kernel says it.
    pub source: Source,
    /// Who has asked for a run, if there is such a run.
    pub owner: &'a dyn Fn(RunId) -> Option<Arc<str>>,
    /// The server's time when the request came, which `now` among its arguments means.
    pub asked: SystemTime,
    /// The server's time now, at which roles hold or do not: later, where the request is judged again.
    pub now: SystemTime,
}

/// The policy's rule for a kind of need.
pub trait Rule<V>: Need<V> {
    /// What the policy adds to the request.
    type Allowed: Clone + Debug;
    /// Whether a further role can only allow more: no role denies what is asked for.
    const ONLY_WIDENED: bool;

    /// Judges a request: what is allowed, and the rule that decided.
    ///
    /// # Errors
    /// The refusal.
    fn judge(verb: &V, judge: &Judge<'_>) -> Result<(Self::Allowed, String), Refusal>;
}

impl<V: Free> Rule<V> for Anyone {
    type Allowed = ();
    const ONLY_WIDENED: bool = true;

    fn judge(_: &V, _: &Judge<'_>) -> Result<((), String), Refusal> {
        Ok(((), V::RULE.into()))
    }
}

impl<V: SpeaksOf> Rule<V> for OfCommand {
    type Allowed = Arc<Command>;
    const ONLY_WIDENED: bool = false;

    fn judge(verb: &V, judge: &Judge<'_>) -> Result<(Arc<Command>, String), Refusal> {
        let (command, rule, _) = judge.command(verb.command())?;
        Ok((command, rule))
    }
}

impl<V: Invokes> Rule<V> for ToSee {
    type Allowed = Plan;
    const ONLY_WIDENED: bool = false;

    fn judge(verb: &V, judge: &Judge<'_>) -> Result<(Plan, String), Refusal> {
        judge.plan(verb.invocation())
    }
}

impl<V: Invokes> Rule<V> for ToRun {
    type Allowed = Plan;
    const ONLY_WIDENED: bool = false;

    fn judge(verb: &V, judge: &Judge<'_>) -> Result<(Plan, String), Refusal> {
        judge.run_plan(verb.invocation())
    }
}

impl<V: Moved> Rule<V> for ToMove {
    type Allowed = Plan;
    const ONLY_WIDENED: bool = false;

    fn judge(verb: &V, judge: &Judge<'_>) -> Result<(Plan, String), Refusal> {
        judge.moving(verb)
    }
}

impl<V: Places> Rule<V> for ToPlace {
    type Allowed = RunId;
    const ONLY_WIDENED: bool = false;

    fn judge(verb: &V, judge: &Judge<'_>) -> Result<(RunId, String), Refusal> {
        judge.placing(verb)
    }
}

impl<V: OfRun> Rule<V> for OwnRun {
    type Allowed = RunId;
    const ONLY_WIDENED: bool = true;

    fn judge(verb: &V, judge: &Judge<'_>) -> Result<(RunId, String), Refusal> {
        judge.run(verb.run().0, V::RIGHT)
    }
}

impl<V: OverAll> Rule<V> for OwnOrAll {
    type Allowed = Scope;
    const ONLY_WIDENED: bool = true;

    fn judge(_: &V, judge: &Judge<'_>) -> Result<(Scope, String), Refusal> {
        Ok(match judge.right(V::RIGHT) {
            Some(rule) => (Scope::All, rule),
            None => (Scope::Own, V::OWN.into()),
        })
    }
}

impl<V: OfRoom> Rule<V> for InRoom {
    /// Whose runs are spoken of before them.
    type Allowed = Scope;
    const ONLY_WIDENED: bool = true;

    fn judge(verb: &V, judge: &Judge<'_>) -> Result<(Scope, String), Refusal> {
        judge.room(verb)
    }
}

impl<V: Decides> Rule<V> for ToDecide {
    type Allowed = Arc<Command>;
    const ONLY_WIDENED: bool = true;

    fn judge(verb: &V, judge: &Judge<'_>) -> Result<(Arc<Command>, String), Refusal> {
        judge.deciding(verb)
    }
}

/// A verb of the wire that the policy has a rule for.
pub trait Judged: Verb {
    /// What the policy adds to the request: the run that it is about, the plan of a command.
    type Allowed: Clone + Debug;
    /// Whether a further role can only allow more: no role denies what is asked for.
    #[doc(hidden)]
    const ONLY_WIDENED: bool;

    /// Judges the request by the rule of what its verb needs.
    ///
    /// # Errors
    /// The refusal.
    #[doc(hidden)]
    fn judged(&self, judge: &Judge<'_>) -> Result<(Self::Allowed, String), Refusal>;
}

impl<V: Verb> Judged for V
where
    V::Needs: Rule<V>,
{
    type Allowed = <V::Needs as Rule<V>>::Allowed;
    const ONLY_WIDENED: bool = <V::Needs as Rule<V>>::ONLY_WIDENED;

    fn judged(&self, judge: &Judge<'_>) -> Result<(Self::Allowed, String), Refusal> {
        V::Needs::judge(self, judge)
    }
}

/// Proof that the policy allows one exact request. Only [`super::Policy::authorize`] can make one,
/// and every effect takes the one of its own verb.
#[derive(Debug, Clone)]
pub struct Grant<V: Judged> {
    verb: V,
    allowed: V::Allowed,
    request: RequestId,
    member: Member,
    source: Source,
    rule: String,
    asked: SystemTime,
}

impl<V: Judged> Grant<V> {
    pub(super) fn new(verb: &V, asker: &Asker<'_>, allowed: V::Allowed, rule: String) -> Self {
        Self {
            verb: verb.clone(),
            allowed,
            request: asker.request,
            member: asker.member.clone(),
            source: asker.source.clone(),
            rule,
            asked: asker.asked,
        }
    }

    /// The request's parameters.
    pub const fn verb(&self) -> &V {
        &self.verb
    }

    /// The request's parameters alone.
    pub(super) fn into_verb(self) -> V {
        self.verb
    }

    /// What is allowed: the run that the request is about, the plan of a command.
    pub const fn allowed(&self) -> &V::Allowed {
        &self.allowed
    }

    /// The id of the request that was granted.
    pub const fn request(&self) -> RequestId {
        self.request
    }

    /// The user who asked, by name.
    pub fn user(&self) -> &Arc<str> {
        self.member.user()
    }

    /// The user who asked, with the groups that they were judged by.
    pub const fn member(&self) -> &Member {
        &self.member
    }

    /// Where the user asked from.
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// The time at which the request came, which `now` among its arguments means.
    pub const fn asked(&self) -> SystemTime {
        self.asked
    }

    /// The rule that decided, with its place in the configuration.
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

/// Proof that a request over the control socket may be served. Only [`authorize_local`] can make
/// one.
#[derive(Debug)]
pub struct LocalGrant<V> {
    verb: V,
    uid: u32,
}

impl<V> LocalGrant<V> {
    /// The request's parameters.
    pub const fn verb(&self) -> &V {
        &self.verb
    }

    /// The user id of whoever asked, by the kernel's word.
    pub const fn uid(&self) -> u32 {
        self.uid
    }
}

/// Judges a request over the control socket: root and the daemon's own user may, by what the
/// kernel says of the peer.
///
/// # Errors
/// The refusal of anybody else.
pub fn authorize_local<V: Verb<Needs = LocalAdmin>>(
    verb: V,
    peer: u32,
    own: u32,
) -> Result<LocalGrant<V>, Refusal>
where
    LocalAdmin: Need<V>,
{
    if peer == 0 || peer == own {
        return Ok(LocalGrant { verb, uid: peer });
    }
    Err(Refusal::local())
}

impl Policy {
    /// Judges a request of a user who logged in. Pure: the same arguments give the same decision.
    ///
    /// # Errors
    /// The refusal, with the rule that decided.
    pub fn authorize<V: Judged>(&self, asker: &Asker<'_>, verb: &V) -> Result<Grant<V>, Refusal> {
        let judge = Judge::of(self, asker.member, &asker.source, asker.owner, asker.now)
            .for_what_was_asked_at(asker.asked);
        // Whoever may do something by their entry alone may do it whatever groups they are in, unless a
        // role could deny it.
        let by_entry = V::ONLY_WIDENED && asker.member.is_known_by_entry(self);
        if !by_entry && !asker.member.fits(self) {
            return Err(Refusal::groups_unknown(asker.member.user()));
        }
        judge.user_here()?;
        let (allowed, rule) = verb.judged(&judge)?;
        Ok(Grant::new(verb, asker, allowed, rule))
    }

    /// The commands that this user may run from there at this time, by name.
    pub fn granted_to(
        &self,
        member: &Member,
        source: &Source,
        now: SystemTime,
    ) -> Vec<Arc<Command>> {
        let judge = Judge::of(self, member, source, &|_| None, now);
        self.commands
            .values()
            .filter(|command| judge.command(&command.name).is_ok())
            .cloned()
            .collect()
    }

    /// The roots below which this user may do anything from there at this time, with their rights.
    pub fn roots_for(
        &self,
        member: &Member,
        source: &Source,
        now: SystemTime,
    ) -> Vec<(Arc<Root>, Vec<Right>)> {
        let judge = Judge::of(self, member, source, &|_| None, now);
        let rights = |root: &Root| {
            let may = |right: &Right| judge.root(&root.name, *right).is_ok();
            Right::ALL.into_iter().filter(may).collect::<Vec<_>>()
        };
        self.roots
            .values()
            .map(|root| (root.clone(), rights(root)))
            .filter(|(_, rights)| !rights.is_empty())
            .collect()
    }

    /// Whose runs this user may see from there at this time.
    pub fn runs_seen_by(&self, member: &Member, source: &Source, now: SystemTime) -> Scope {
        Judge::of(self, member, source, &|_| None, now).runs_seen()
    }

    /// What would be decided if this user asked for this run from there, at this time, and
    /// everything that was considered.
    pub fn explain(
        &self,
        member: &Member,
        invocation: &Invocation,
        source: &Source,
        now: SystemTime,
    ) -> Explanation {
        let judge = Judge::of(self, member, source, &|_| None, now).taking_notes();
        let decided = judge.user_here().and_then(|()| judge.run_plan(invocation));
        let considered = judge.considered();
        match decided {
            Ok((plan, rule)) => Explanation {
                outcome: Ok(plan.shown),
                rule,
                considered,
            },
            Err(refusal) => Explanation {
                rule: refusal.rule.clone(),
                outcome: Err(refusal),
                considered,
            },
        }
    }

    /// The roles of a user that do not hold at this time, a clause for each.
    pub fn out_of_hours(&self, member: &Member, now: SystemTime) -> Vec<String> {
        self.roles_of(member)
            .filter_map(|Held { name, role, .. }| {
                Some(format!("roles.{name} {}", role.out_of_hours(now)?))
            })
            .collect()
    }

    /// The commands that a role grants, wildcards spelled out.
    pub fn granted_by(&self, role: &Role) -> Vec<&str> {
        let granted = |name: &str| role.commands.iter().any(|pattern| pattern.matches(name));
        self.commands
            .keys()
            .map(String::as_str)
            .filter(|name| granted(name))
            .collect()
    }
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
