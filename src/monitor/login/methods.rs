//! What each method proves: a password, an SSH key, a login that was kept, a session whose link was
//! lost.

use super::judged::{Bound, Judged, Proof, Proved, Proven};
use crate::credential::{Factor, Purpose, SessionPublic, SshPublic, Statement};
use crate::encoding;
use crate::ids::SessionId;
use crate::monitor::access::{self, Refused};
use crate::monitor::state::Shared;
use crate::monitor::verifiers::verify;
use crate::monitor::{penalties, sessions};
use crate::protocol::{LoginText, Method, read_login};
use crate::secret::Secret;
use std::time::{Duration, Instant};

pub async fn judge(state: &Shared, bound: &Bound, proof: Proof) -> Judged {
    let text = read_login(&proof.signed);
    let user = text
        .as_ref()
        .map(|text| text.user.clone())
        .unwrap_or_default();
    let method = text.as_ref().map(|text| text.method).ok();
    let mut verified_in = Duration::ZERO;
    let outcome = match &text {
        Err(_) => Err(Refused::because("the text is no login").guessed()),
        Ok(text) => {
            let began = Instant::now();
            let outcome = match text.method {
                Method::Password => by_password(state, text, &proof, bound, &mut verified_in)
                    .await
                    .map_err(Refused::guessed),
                Method::SshKey => by_key(state, text, &proof, bound),
                Method::Session => come_back(state, text, &proof, bound),
                Method::Kept => by_kept(state, text, &proof, bound),
            };

            if text.method != Method::Password {
                verified_in = began.elapsed();
            }
            outcome
        }
    };

    let Proof {
        signed,
        signature,
        key_signature,
        gathered,
        ..
    } = proof;
    Judged {
        user,
        method,
        verified_in,
        signed,
        signature,
        key_signature,
        gathered,
        outcome,
    }
}

/// A password, at the same cost for everybody.
async fn by_password(
    state: &Shared,
    text: &LoginText,
    proof: &Proof,
    bound: &Bound,
    verified_in: &mut Duration,
) -> Result<Proved, Refused> {
    let key = bound_key(text, proof, bound);
    let known = access::standing(state, &text.user, &bound.source);
    let hash = known.as_ref().ok().and_then(|known| known.password.clone());
    // Somebody unknown costs as much as somebody known.
    let (exists, hash) = (
        hash.is_some(),
        hash.unwrap_or_else(|| state.settings().dummy.clone()),
    );

    let mark = hash.mark();
    let verified = verify(
        state,
        &bound.source,
        hash,
        Secret::new(proof.password.0.clone()),
    )
    .await;
    let (fits, took) = verified.map_err(|code| Refused {
        code,
        ..Refused::because("too many logins at once")
    })?;
    *verified_in = took;

    // Asked now, and not before the verification: others that came with this one may have failed
    // since, and until this one's penalty counts nothing else is judged.
    let taken = penalties::takes_guess(state, &text.user, &bound.source);
    if !fits {
        // Whether there is such a user or not.
        penalties::user(state, &text.user);
    }

    taken.map_err(Refused::because)?;

    let known = known.map_err(Refused::because)?;
    if !exists {
        return Err(Refused::because("user without password"));
    }
    if !fits {
        return Err(Refused::because("wrong password"));
    }

    let key = key.map_err(Refused::because)?;
    if text.session.is_some() || proof.by_a_key() {
        return Err(Refused::because("a password with something else"));
    }

    access::second_factor(state, &text.user, &bound.source, known.totp, &proof.code.0)?;
    Ok(Proved::User(Proven {
        key,
        factor: Factor::Password(mark),
        kept: None,
        keep: text.keep,
    }))
}

/// A signature by one of the user's SSH keys. It is verified before anybody looks whose key it is.
fn by_key(
    state: &Shared,
    text: &LoginText,
    proof: &Proof,
    bound: &Bound,
) -> Result<Proved, Refused> {
    let signer = Statement::with(&proof.signed, proof.gathered.as_ref())
        .and_then(|what| SshPublic::says(&what, &proof.key_signature));
    let key = connected_key(text, proof, bound);
    let known = access::standing(state, &text.user, &bound.source).map_err(Refused::because)?;

    let signer = signer.map_err(Refused::because)?;
    if !known.keys.iter().any(|known| known.is(&signer)) {
        return Err(Refused::because(if known.keys.is_empty() {
            "user without SSH keys"
        } else {
            "an SSH key that is not this user's"
        }));
    }

    let key = key.map_err(Refused::because)?;
    if text.session.is_some() || !proof.password.0.is_empty() {
        return Err(Refused::because("an SSH key with something else"));
    }

    access::second_factor(state, &text.user, &bound.source, known.totp, &proof.code.0)?;
    Ok(Proved::User(Proven {
        key,
        factor: Factor::Key(signer.fingerprint()),
        kept: None,
        keep: text.keep,
    }))
}

/// The key of a login that was kept. Costs a signature and no password's work: there is nothing to
/// guess.
fn by_kept(
    state: &Shared,
    text: &LoginText,
    proof: &Proof,
    bound: &Bound,
) -> Result<Proved, Refused> {
    let key = connected_key(text, proof, bound);
    let known = access::standing(state, &text.user, &bound.source).map_err(Refused::because)?;
    let id = text
        .session
        .as_deref()
        .and_then(|id| id.parse::<SessionId>().ok())
        .ok_or_else(|| Refused::because("a kept login without its id"))?;
    let kept = access::kept(state, id)
        .ok_or_else(|| Refused::because("no such kept login, or its time is up"))?;

    let key = key.map_err(Refused::because)?;
    if kept.user != text.user
        || kept.key != text.session_key
        || text.keep
        || !proof.password.0.is_empty()
        || proof.by_a_key()
    {
        return Err(Refused::because("another kept login's key"));
    }
    if !known.holds(&kept.factor) {
        return Err(Refused::because(
            "what the kept login was proved by is gone",
        ));
    }
    Ok(Proved::User(Proven {
        key,
        factor: kept.factor,
        kept: Some(id),
        keep: false,
    }))
}

/// The session whose key has signed this login.
fn come_back(
    state: &Shared,
    text: &LoginText,
    proof: &Proof,
    bound: &Bound,
) -> Result<Proved, Refused> {
    let key = connected_key(text, proof, bound);
    let known = access::standing(state, &text.user, &bound.source).map_err(Refused::because)?;
    let id = text
        .session
        .as_deref()
        .and_then(|id| id.parse::<SessionId>().ok());
    let session = id
        .and_then(|id| sessions::find(state, id))
        .ok_or_else(|| Refused::because("no such session to come back to"))?;

    let key = key.map_err(Refused::because)?;
    if *session.user != *text.user
        || key != session.key
        || text.keep
        || !proof.password.0.is_empty()
        || proof.by_a_key()
    {
        return Err(Refused::because("another session's key"));
    }
    if !known.holds(&session.factor) {
        return Err(Refused::because("what the session was proved by is gone"));
    }
    Ok(Proved::Session(session))
}

/// As [`bound_key`], with the TLS exporter: it ties the proof to this very connection, and there is
/// no password that would be known otherwise.
fn connected_key(
    text: &LoginText,
    proof: &Proof,
    bound: &Bound,
) -> Result<SessionPublic, &'static str> {
    let key = bound_key(text, proof, bound)?;
    text.exporter
        .as_ref()
        .map(|_| key)
        .ok_or("a proof without the TLS exporter")
}

/// The session key, when the proof is bound to this server, this connection and that key.
fn bound_key(
    text: &LoginText,
    proof: &Proof,
    bound: &Bound,
) -> Result<SessionPublic, &'static str> {
    let key = SessionPublic::read(&text.session_key).ok_or("a session key that is none")?;
    if !key.verifies(Purpose::Login, &proof.signed, &proof.signature) {
        return Err("a signature that does not fit");
    }
    if text.nonce != encoding::base64(&bound.nonce) {
        return Err("another connection's nonce");
    }
    if text.server_key != encoding::base64(&bound.server_key) {
        return Err("another server's key: somebody is in between");
    }
    if let Some(exporter) = &text.exporter
        && proof.exporter.map(|seen| encoding::base64(&seen)).as_ref() != Some(exporter)
    {
        return Err("another TLS connection: somebody is in between");
    }
    Ok(key)
}
