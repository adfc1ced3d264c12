//! Proof that a run may begin, whichever verb has asked for it: one type for all that comes behind
//! the decision.

use super::decision::{Asker, Grant};
use super::member::Member;
use super::model::Policy;
use super::plan::Plan;
use super::verdict::Refusal;
use crate::ids::RequestId;
use crate::limits::SHOWN_ARGUMENTS;
use crate::source::Source;
use crate::verb::{self, Verb};
use std::sync::Arc;
use std::time::SystemTime;

/// Proof that the policy lets a run begin. It is made of a grant, and of nothing else.
#[derive(Debug, Clone)]
pub struct Beginning {
    by: Begin,
    plan: Plan,
    request: RequestId,
    member: Member,
    source: Source,
    rule: String,
    asked: SystemTime,
}

impl Beginning {
    /// The request that the run was asked for with.
    pub const fn by(&self) -> &Begin {
        &self.by
    }

    /// What is run.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The id of that request.
    pub const fn request(&self) -> RequestId {
        self.request
    }

    /// The user who asked, by name.
    pub fn user(&self) -> &Arc<str> {
        self.member.user()
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

/// Makes the list of the verbs that let a run begin.
macro_rules! begins {
    ($($verb:ident)+) => {
        /// A request by any of the verbs that let a run begin.
        #[derive(Debug, Clone)]
        pub enum Begin {
            $(#[doc = concat!("[`verb::", stringify!($verb), "`]")] $verb(verb::$verb),)+
        }

        $(impl From<Grant<verb::$verb>> for Beginning {
            fn from(grant: Grant<verb::$verb>) -> Self {
                Self {
                    request: grant.request(),
                    member: grant.member().clone(),
                    source: grant.source().clone(),
                    rule: grant.rule().to_owned(),
                    asked: grant.asked(),
                    plan: grant.allowed().clone(),
                    by: Begin::$verb(grant.into_verb()),
                }
            }
        })+

        impl Begin {
            /// The verb's name.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$verb(_) => <verb::$verb as Verb>::NAME,)+ }
            }

            /// The command that the request speaks of, for the trail.
            pub fn about(&self) -> Option<&str> {
                match self { $(Self::$verb(verb) => verb.about(),)+ }
            }

            /// The root and the path below it that the request speaks of, for the trail.
            pub fn place(&self) -> Option<(&str, &str)> {
                match self { $(Self::$verb(verb) => verb.place(),)+ }
            }
        }

        impl Beginning {
            /// Judges the request again: what it would be granted now.
            ///
            /// # Errors
            /// The refusal.
            pub fn again(&self, policy: &Policy, asker: &Asker<'_>) -> Result<Self, Refusal> {
                match &self.by {
                    $(Begin::$verb(verb) => policy.authorize(asker, verb).map(Self::from),)+
                }
            }
        }
    };
}

begins! { Run ListFiles Get Put RemoveFiles }

impl Begin {
    /// Whether a secret is among its parameters.
    pub fn holds_secret(&self) -> bool {
        match self {
            Self::Run(verb::Run(invocation)) => invocation.holds_secret(),
            _ => false,
        }
    }

    /// Its parameters, for people.
    pub fn in_a_line(&self) -> String {
        match self {
            Self::Run(verb::Run(invocation)) => invocation.arguments.in_a_line(),
            _ => self
                .place()
                .map_or_else(String::new, |(_, path)| shown(path)),
        }
    }
}

/// A path in a list of runs.
fn shown(path: &str) -> String {
    let most = SHOWN_ARGUMENTS - "…".len();
    if path.len() <= SHOWN_ARGUMENTS {
        return path.escape_debug().take(SHOWN_ARGUMENTS).collect();
    }
    let fits = |(at, symbol): &(usize, char)| at + symbol.len_utf8() <= most;
    let begins: String = path
        .char_indices()
        .take_while(fits)
        .map(|(_, symbol)| symbol)
        .collect();
    format!("{begins}…")
}
