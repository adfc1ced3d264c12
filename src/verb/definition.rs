//! What a verb is: its name, its door, what it needs, its parameters and its answer, in one place.
//!
//! From a definition come the text that is signed, the authorisation, the dispatch at both doors,
//! the client's call, the help and PROTOCOL.md's tables.

use super::arguments::Arguments;
use super::invocation::Invocation;
use crate::ids::{Named, RunId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Something that can be asked of the daemon. The type holds the parameters; every field that is
/// not one of them is refused by `deny_unknown_fields`.
pub trait Verb: Clone + Debug + Serialize + DeserializeOwned + 'static {
    /// The verb's name on the wire, on the control socket and in the trail.
    const NAME: &'static str;
    /// What the verb does, for help.
    const SUMMARY: &'static str;
    /// Who may ask for it, one of the types of this module.
    type Needs: Need<Self>;
    /// What the daemon answers.
    type Answer: Debug + Serialize + DeserializeOwned;
    /// Whether a request that is sent again under the same id is the same request. Such a request
    /// may name the start of the daemon that it was first sent to.
    const ONCE: bool = false;

    /// The command that the request speaks of, for the trail.
    fn about(&self) -> Option<&str> {
        None
    }

    /// The root and the path below it that the request speaks of, for the trail.
    fn place(&self) -> Option<(&str, &str)> {
        None
    }

    /// The arguments, where secrets may be among the parameters.
    fn arguments(&mut self) -> Option<&mut Arguments> {
        None
    }
}

/// A verb whose answer can go on: what happens afterwards is told as events in the form of the
/// answer, until the client has enough.
pub trait Follows: Verb {
    /// Whether this request wants to follow.
    fn follows(&self) -> bool;
}

/// Through which door a verb can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Over TLS, by a user who logged in, signed with the session key.
    Wire,
    /// Over the control socket, by root or the daemon's own user.
    Control,
}

/// Who may ask for a verb, beyond having come through its door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing more: the answer shows users only what is theirs.
    Nothing,
    /// A role that grants the command.
    Command,
    /// A role that grants the right over the root.
    Root,
    /// To be the one whose run or session it is, or to have this right in `verbs` of a role.
    OwnOr(&'static str),
    /// To have this right in `verbs` of a role.
    Right(&'static str),
    /// To have the role that agrees to runs of the command.
    Approver,
    /// To be root or the daemon's own user.
    LocalAdmin,
}

/// A kind of need, as a type: the policy has one rule for each, and a verb that does not say what
/// the rule asks for does not compile.
pub trait Need<V> {
    /// The need as a value, for tables.
    const NEEDS: Needs;
}

/// Every user may.
#[derive(Debug)]
pub enum Anyone {}

/// The verb says why every user may ask for it.
pub trait Free: Verb {
    /// The rule, as refusals and the trail quote it.
    const RULE: &'static str;
}

impl<V: Free> Need<V> for Anyone {
    const NEEDS: Needs = Needs::Nothing;
}

/// A role must grant the command that is spoken of.
#[derive(Debug)]
pub enum OfCommand {}

/// The verb speaks of a command.
pub trait SpeaksOf: Verb {
    /// The command's name.
    fn command(&self) -> &str;
}

impl<V: SpeaksOf> Need<V> for OfCommand {
    const NEEDS: Needs = Needs::Command;
}

/// A role must grant the command, and each of its arguments must be accepted.
#[derive(Debug)]
pub enum ToSee {}

/// A role must grant the command, each of its arguments must be accepted, and what only a run must
/// have is there: a reason, a person's consent.
#[derive(Debug)]
pub enum ToRun {}

/// The verb names a command with its arguments.
pub trait Invokes: Verb {
    /// The command with its arguments.
    fn invocation(&self) -> &Invocation;
}

impl<V: Invokes> Need<V> for ToSee {
    const NEEDS: Needs = Needs::Command;
}

impl<V: Invokes> Need<V> for ToRun {
    const NEEDS: Needs = Needs::Command;
}

/// A role must grant the verb's right over the root that is spoken of.
#[derive(Debug)]
pub enum ToMove {}

/// The verb moves files below a root.
pub trait Moves: Verb {
    /// The root's name.
    fn root(&self) -> &str;
    /// The path below the root.
    fn path(&self) -> &str;
    /// Whether a person has agreed.
    fn confirmed(&self) -> bool;
    /// Why it is asked for.
    fn reason(&self) -> Option<&str>;
}

impl<V: Moves> Need<V> for ToMove {
    const NEEDS: Needs = Needs::Root;
}

/// The run must be one's own, and a role must grant the right to put files below its root.
#[derive(Debug)]
pub enum ToPlace {}

/// The verb has files placed that a run has put aside.
pub trait Places: Verb {
    /// The run.
    fn run(&self) -> Named<RunId>;
    /// The root's name.
    fn root(&self) -> &str;
    /// The path below the root.
    fn path(&self) -> &str;
}

impl<V: Places> Need<V> for ToPlace {
    const NEEDS: Needs = Needs::Root;
}

/// The run must be one's own, or a role must have the right over those of others.
#[derive(Debug)]
pub enum OwnRun {}

/// The verb is about one run.
pub trait OfRun: Verb {
    /// The right over the runs of others.
    const RIGHT: &'static str;
    /// The run that the verb is about.
    fn run(&self) -> Named<RunId>;
}

impl<V: OfRun> Need<V> for OwnRun {
    const NEEDS: Needs = Needs::OwnOr(V::RIGHT);
}

/// Every user may as far as their own goes; a role may have the right over everybody's.
#[derive(Debug)]
pub enum OwnOrAll {}

/// The verb is about all that is one's own, or everybody's.
pub trait OverAll: Verb {
    /// The right over what is others'.
    const RIGHT: &'static str;
    /// The rule by which every user may as far as their own goes.
    const OWN: &'static str;
}

impl<V: OverAll> Need<V> for OwnOrAll {
    const NEEDS: Needs = Needs::OwnOr(V::RIGHT);
}

/// The right to be in the room: to be told what happens, and to say something.
pub const ROOM: &str = "room";

/// A role must have the right to be in the room.
#[derive(Debug)]
pub enum InRoom {}

/// The verb is about the room.
pub trait OfRoom: Verb {
    /// What is said in it.
    fn text(&self) -> Option<&str> {
        None
    }

    /// The run that is spoken of.
    fn run(&self) -> Option<Named<RunId>> {
        None
    }
}

impl<V: OfRoom> Need<V> for InRoom {
    const NEEDS: Needs = Needs::Right(ROOM);
}

/// Only root and the daemon's own user may, over the control socket.
#[derive(Debug)]
pub enum LocalAdmin {}

impl<V: Verb> Need<V> for LocalAdmin {
    const NEEDS: Needs = Needs::LocalAdmin;
}

/// A role must be the one that agrees to runs of the command that is spoken of.
#[derive(Debug)]
pub enum ToDecide {}

/// The verb decides on a run of a command.
pub trait Decides: Verb {
    /// The command's name.
    fn command(&self) -> &str;

    /// The run; nothing where what was asked for cannot be one.
    fn run(&self) -> Option<RunId>;

    /// The digest of the plan that was seen.
    fn plan(&self) -> &str;

    /// Why it is decided so, in the words of whoever decides.
    fn reason(&self) -> Option<&str> {
        None
    }
}

impl<V: Decides> Need<V> for ToDecide {
    const NEEDS: Needs = Needs::Approver;
}

/// A verb's definition as a value, one row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The verb's name on the wire, on the control socket and in the trail.
    pub name: &'static str,
    /// Through which door the verb can be asked for.
    pub door: Door,
    /// Who may ask for the verb.
    pub needs: Needs,
    /// What the verb does, for help.
    pub summary: &'static str,
    /// Whether a request that is sent again under the same id is the same request.
    pub once: bool,
}

impl Row {
    /// The row of a verb.
    pub const fn of<V: Verb>() -> Self {
        let needs = <V::Needs as Need<V>>::NEEDS;
        Self {
            name: V::NAME,
            door: match needs {
                Needs::LocalAdmin => Door::Control,
                _ => Door::Wire,
            },
            needs,
            summary: V::SUMMARY,
            once: V::ONCE,
        }
    }
}
