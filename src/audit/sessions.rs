//! Whether each request of a trail was signed by the session that it is told of, and says what was
//! signed.

use super::argv;
use super::chain::{Link, link};
use super::report::{Page, Report};
use super::seen::{Seen, SignedLogin, SignedRequest};
use crate::ids::SessionId;
use crate::limits;
use crate::protocol::{Code, Gathered};
use std::collections::{HashMap, HashSet};

/// Who is said to have signed a text.
#[derive(Debug, Clone, Copy)]
pub enum SignedBy<'s> {
    /// A session's key, by its base64, the text of a login.
    Login(&'s str),
    /// A session's key, by its base64, the text of a request.
    Request(&'s str),
    /// An SSH key, by its fingerprint, the text of a login, which may stand among others that the same
    /// signature is for.
    SshKey(&'s str, Option<&'s Gathered>),
}

/// Verifies a signature: who is said to have made it, the text, the signature.
pub type Signatures<'v> = &'v dyn Fn(SignedBy<'_>, &str, &str) -> bool;

/// Whose session it is, by which key, and what proved that.
#[derive(Clone, PartialEq, Eq)]
struct Owner {
    user: String,
    key: String,
    by: String,
}

struct Session {
    owner: Owner,
    /// The id of its kept login.
    kept: Option<String>,
    /// The highest counter so far; not known of a session that began before the first record.
    counter: Option<u64>,
    /// The connections that it logged in over, with their sources.
    places: Vec<(u64, String)>,
    /// The hashes of the texts that it logged in with.
    logins: Vec<Link>,
}

/// All sessions up to a record.
pub(super) struct Sessions<'v> {
    verifies: Option<Signatures<'v>>,
    open: HashMap<SessionId, Session>,
    ended: HashSet<SessionId>,
    /// Whose the logins are that were kept.
    kept: HashMap<SessionId, Owner>,
}

/// A session that a record names.
fn named(session: &str, page: &mut Page<'_>) -> Option<SessionId> {
    let id = session.parse().ok();
    if id.is_none() {
        let session = session.escape_debug();
        page.fault(format!("names the session `{session}`, which is no id"));
    }
    id
}

/// The codes of requests of which nothing was believed.
const UNREAD: [Code; 4] = [
    Code::Signature,
    Code::Replay,
    Code::Malformed,
    Code::UnknownVerb,
];

impl<'v> Sessions<'v> {
    pub fn new(verifies: Option<Signatures<'v>>) -> Self {
        Self {
            verifies,
            open: HashMap::new(),
            ended: HashSet::new(),
            kept: HashMap::new(),
        }
    }

    /// A daemon has started, which knows no session of the one before it, or the trail has ended.
    pub fn restart(&mut self, report: &mut Report) {
        report.open.without_logout += self.open.len() as u64;
        self.ended.extend(self.open.drain().map(|(id, _)| id));
    }

    /// A login names the key of the session that it begins or goes on with, and is signed with it.
    pub fn login(&mut self, seen: &Seen<'_>, page: &mut Page<'_>) {
        match seen.outcome.as_ref() {
            "accepted" => {}
            "refused" => {
                if seen.session.is_some() || seen.session_key.is_some() || seen.signed.is_some() {
                    page.fault("is a refused login, but names a session");
                }
                return;
            }
            _ => return page.fault("is a login that was neither accepted nor refused"),
        }
        let (Some(session), Some(key), Some(text)) =
            (&seen.session, &seen.session_key, &seen.signed)
        else {
            return page.fault("is an accepted login without its session, key or signed text");
        };
        let Ok(signed) = serde_json::from_str::<SignedLogin<'_>>(text) else {
            return page.fault("is an accepted login whose signed text is none");
        };
        let Some(id) = named(session, page) else {
            return;
        };

        if signed.user != seen.user {
            page.fault(format!(
                "says that `{}` logged in, but `{}` signed it",
                seen.user.escape_debug(),
                signed.user.escape_debug()
            ));
        }
        page.same("method", Some(&seen.method), Some(&signed.method));
        page.same("session key", Some(key), Some(&signed.session_key));
        if seen.reason.is_some() {
            page.fault("is an accepted login, but says why it was refused");
        }
        match seen.method.as_ref() {
            "session" => {
                page.same("session", Some(session), signed.session.as_deref());
                self.goes_on(id, seen, page);
            }
            _ => self.begins(id, seen, &signed, page),
        }
        self.proof(seen, page);
        self.signature(SignedBy::Login(key), seen, page);
    }

    /// What the method of a login leaves that others can check.
    fn proof(&self, seen: &Seen<'_>, page: &mut Page<'_>) {
        let by_ssh_key = seen.method == "ssh-key";
        if seen.key_signature.is_some() != by_ssh_key {
            page.fault("has an SSH key's signature without its method, or the method without it");
        }
        if seen.method == "password" && seen.by != "password" {
            page.fault("is a login by password, but says that something else proved it");
        }
        let Ok(gathered) = seen.gathered() else {
            return page.fault("says only a part of where it stands among many logins");
        };
        if gathered.is_some() && !by_ssh_key {
            page.fault("stands among logins that share an SSH key's signature, and has none");
        }
        if let (Some(verifies), Some(signature)) = (self.verifies, &seen.key_signature)
            && !verifies(
                SignedBy::SshKey(&seen.by, gathered.as_ref()),
                seen.signed.as_deref().unwrap_or_default(),
                signature,
            )
        {
            page.fault("the SSH key's signature does not fit, or is that of another key");
        }
    }

    /// A new session.
    fn begins(
        &mut self,
        id: SessionId,
        seen: &Seen<'_>,
        signed: &SignedLogin<'_>,
        page: &mut Page<'_>,
    ) {
        let kept = match (seen.method.as_ref(), signed.keep) {
            ("kept", _) => signed.session.as_deref(),
            (_, true) => seen.session.as_deref(),
            (_, false) => None,
        };
        page.same("kept login", seen.kept.as_deref(), kept);
        if self.open.contains_key(&id) || self.ended.contains(&id) {
            return page.fault(format!("begins the session {id}, which has begun before"));
        }
        let session = Session::of(seen, Some(0));
        if signed.keep {
            self.kept.insert(id, session.owner.clone());
        }
        if seen.method == "kept" {
            self.is_kept(signed, &session.owner, page);
        }
        self.open.insert(id, session);
    }

    /// A session that begins with a kept login has its user, its key and its proof.
    fn is_kept(&self, signed: &SignedLogin<'_>, owner: &Owner, page: &mut Page<'_>) {
        let kept = signed.session.as_deref().unwrap_or_default();
        match kept.parse().ok().map(|id: SessionId| self.kept.get(&id)) {
            Some(Some(first)) if first == owner => {}
            // It may be older than the trail.
            Some(None) => page.report.open.unknown_sessions += 1,
            _ => page.fault("begins with a kept login of another user, key or proof"),
        }
    }

    /// A session that has begun before is taken up again.
    fn goes_on(&mut self, id: SessionId, seen: &Seen<'_>, page: &mut Page<'_>) {
        if self.ended.contains(&id) {
            return page.fault(format!("takes up the session {id}, which has ended"));
        }
        let Some(session) = self.open.get_mut(&id) else {
            if page.complete {
                return page.fault(format!("takes up the session {id}, which no login began"));
            }
            page.report.open.unknown_sessions += 1;
            self.open.insert(id, Session::of(seen, None));
            return;
        };
        if session.owner != Owner::of(seen) {
            page.fault(format!(
                "takes up the session {id} with another user, key or proof"
            ));
        }
        if seen.kept.as_deref() != session.kept.as_deref() {
            page.fault(format!(
                "names another kept login than the session {id} has"
            ));
        }
        let text = text_hash(seen);
        if session.logins.contains(&text) {
            page.fault(format!("takes up the session {id} with a login of before"));
        }
        session.logins.push(text);
        session.places.push(place(seen));
    }

    /// A session has ended.
    pub fn logout(&mut self, seen: &Seen<'_>, page: &mut Page<'_>) {
        let Some(id) = named(seen.session.as_deref().unwrap_or_default(), page) else {
            return;
        };
        let known = self.open.remove(&id);
        if self.ended.contains(&id) {
            page.fault(format!("ends the session {id}, which has ended before"));
        } else if known.is_none() && page.complete {
            page.fault(format!("ends the session {id}, which no login began"));
        }
        if known.is_some_and(|known| known.owner.user != seen.user) {
            page.fault(format!("says that the session {id} is another user's"));
        }
        self.ended.insert(id);
    }

    /// A request says what was signed, by the key of its session. What was signed is returned where
    /// the request was granted.
    pub fn request<'s>(
        &mut self,
        seen: &'s Seen<'_>,
        page: &mut Page<'_>,
    ) -> Option<SignedRequest<'s>> {
        let granted = decided(seen, page)?;
        if seen.verb == "unknown" {
            let unread = |code: &Code| seen.code == Some(code.number());
            if granted || !UNREAD.iter().any(unread) {
                page.fault("is a request without a verb, but not refused for that");
            }
            page.report.open.unread += 1;
            return None;
        }

        let Some(text) = seen.signed.as_deref() else {
            let of_files = seen.root.is_some() || seen.path.is_some();
            if may_withhold(seen, granted) && !has_effect(seen) && !of_files {
                page.report.open.withheld += 1;
            } else {
                page.fault(
                    "is a request without the text that was signed, or says more than it may",
                );
            }
            return None;
        };
        let Ok(signed) = serde_json::from_str::<SignedRequest<'_>>(text) else {
            page.fault("is a request whose signed text is none");
            return None;
        };
        says_what_was_signed(seen, &signed, granted, page);
        self.of_session(seen, &signed, page);
        granted.then_some(signed)
    }

    /// The session that a request names is open, the user's, and has signed it now.
    fn of_session(&mut self, seen: &Seen<'_>, signed: &SignedRequest<'_>, page: &mut Page<'_>) {
        let Some(id) = named(&signed.session, page) else {
            return;
        };
        if self.ended.contains(&id) {
            return page.fault(format!("is a request of the session {id}, which has ended"));
        }
        let Some(session) = self.open.get_mut(&id) else {
            if page.complete {
                return page.fault(format!(
                    "is a request of the session {id}, which no login began"
                ));
            }
            page.report.open.unknown_sessions += 1;
            return;
        };

        if session.owner.user != seen.user {
            page.fault(format!(
                "says that `{}` asked, but the session is that of `{}`",
                seen.user.escape_debug(),
                session.owner.user.escape_debug()
            ));
        }
        if !session.places.contains(&place(seen)) {
            page.fault("came over a connection that its session has not logged in over");
        }
        if let Some(before) = session.counter {
            if signed.counter <= before {
                return page.fault(format!(
                    "has the counter {}, but the session has come to {before} before: a request counts once",
                    signed.counter
                ));
            }
            page.report.open.skipped += signed.counter - before - 1;
        }
        session.counter = Some(signed.counter);
        let key = session.owner.key.clone();
        self.signature(SignedBy::Request(&key), seen, page);
    }

    fn signature(&self, by: SignedBy<'_>, seen: &Seen<'_>, page: &mut Page<'_>) {
        let (Some(verifies), Some(signed)) = (self.verifies, seen.signed.as_deref()) else {
            return;
        };
        if verifies(by, signed, &seen.signature) {
            page.report.signatures += 1;
            page.signed = true;
        } else {
            page.fault(format!(
                "the user's signature over record {} does not fit",
                seen.seq
            ));
        }
    }
}

impl Session {
    fn of(seen: &Seen<'_>, counter: Option<u64>) -> Self {
        Self {
            owner: Owner::of(seen),
            kept: seen.kept.clone().map(std::borrow::Cow::into_owned),
            counter,
            places: vec![place(seen)],
            logins: vec![text_hash(seen)],
        }
    }
}

impl Owner {
    fn of(seen: &Seen<'_>) -> Self {
        Self {
            user: seen.user.clone().into_owned(),
            key: seen.session_key.clone().unwrap_or_default().into_owned(),
            by: seen.by.clone().into_owned(),
        }
    }
}

fn place(seen: &Seen<'_>) -> (u64, String) {
    (seen.connection, seen.source.clone().into_owned())
}

fn text_hash(seen: &Seen<'_>) -> Link {
    link(seen.signed.as_deref().unwrap_or_default().as_bytes())
}

/// Whether a request was granted, where its record has what belongs to that and nothing else.
fn decided(seen: &Seen<'_>, page: &mut Page<'_>) -> Option<bool> {
    let told = (seen.code.is_some(), seen.text.is_some());
    match (seen.decision.as_ref(), told) {
        ("granted", (false, false)) => Some(true),
        ("refused", (true, true)) if !has_effect(seen) => Some(false),
        ("granted", _) => {
            page.fault("is granted, but has the code or text of a refusal");
            Some(true)
        }
        ("refused", (true, true)) => {
            page.fault("is refused, but says what would have been done");
            Some(false)
        }
        ("refused", _) => {
            page.fault("is refused without a code and a text");
            Some(false)
        }
        _ => {
            page.fault("is a request that was neither granted nor refused");
            None
        }
    }
}

/// Whether a record says what is done.
fn has_effect(seen: &Seen<'_>) -> bool {
    let of_run = seen.run.is_some() || seen.run_as.is_some() || seen.reason.is_some();
    of_run || seen.argv.is_some() || !seen.holes.is_empty()
}

/// Whether the daemon leaves out the text of such a request, because it may hold a secret in the
/// clear.
fn may_withhold(seen: &Seen<'_>, granted: bool) -> bool {
    if granted {
        return seen.verb == "explain";
    }
    let argument = seen.code == Some(Code::Argument.number());
    argument && ["run", "preview", "passwd"].contains(&&*seen.verb)
}

/// The argv of every transfer.
const MOVER: &[&str] = &["ordaind", crate::policy::MOVER];

/// What the record says of the request must be what was signed.
fn says_what_was_signed(
    seen: &Seen<'_>,
    signed: &SignedRequest<'_>,
    granted: bool,
    page: &mut Page<'_>,
) {
    page.same("verb", Some(&seen.verb), Some(&signed.verb));
    // There is no command of a longer name, so the record leaves it to the signed text.
    let command = signed.command.as_deref();
    let command = command.filter(|name| name.len() <= limits::NAME);
    page.same("command", seen.command.as_deref(), command);
    let root = signed.root.as_deref();
    let root = root.filter(|name| name.len() <= limits::NAME);
    page.same("root", seen.root.as_deref(), root);
    let path = signed.place();
    let path = path.filter(|path| path.len() <= limits::FILE_PATH);
    page.same("path", seen.path.as_deref(), path);
    if !granted {
        return;
    }

    let verb = signed.verb.as_ref();
    let begins = signed.begins() && seen.argv.is_some();
    let reason = signed.reason.as_deref().filter(|_| begins);
    page.same("reason", seen.reason.as_deref(), reason);
    if !signed.begins() {
        page.same("run", seen.run.as_deref(), signed.run.as_deref());
    }

    let Some(words) = &seen.argv else {
        if verb == "preview" || seen.run_as.is_some() || !seen.holes.is_empty() {
            page.fault("has no argv, but something that belongs to one");
        }
        return;
    };
    if signed.right().is_some() && seen.run_as.is_some() {
        if words != MOVER || !seen.holes.is_empty() {
            page.fault("has another argv than a mover has");
        }
        return;
    }
    if !(verb == "run" || verb == "preview") || seen.run_as.is_none() || words.is_empty() {
        return page.fault("has an argv that does not belong to it, or lacks its account");
    }
    match argv::compare(words, &seen.holes, &signed.arguments) {
        Ok(unshown) => page.report.open.unshown += unshown,
        Err(why) => page.fault(why),
    }
}
