//! The text that a session key signs for every request.
//!
//! A signature covers a context, a zero byte and the text exactly as it was sent, so that the
//! monitor verifies bytes and never a re-serialisation. A secret argument's value is not in the
//! text: the text holds a salted commitment, so that the trail can keep it, and prove it, without
//! the secret.

use super::Code;
use super::envelope::Envelope;
use crate::ids::{RequestId, SessionId};
use crate::limits;
use crate::verb::{self, Ask, Door, Fields, Secrets, Verb};

/// What a request's signature begins with.
pub const REQUEST_CONTEXT: &[u8] = b"ordain/1 request\0";

/// A request that was read; its signature is not judged here.
#[derive(Debug, Clone)]
pub struct SignedRequest {
    /// The session that the request is meant for.
    pub session: SessionId,
    /// The request's number, higher than in any request of this session before.
    pub counter: u64,
    /// The client's name for the request.
    pub id: RequestId,
    /// Where the request is sent again: which start of the daemon it was first sent to.
    pub instance: Option<String>,
    /// Until when it may begin, in milliseconds of that start's clock.
    pub not_after: Option<u64>,
    /// What is asked.
    pub ask: Ask,
}

/// Why a text is not a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFault {
    /// Whether the text is malformed, or its verb unknown.
    pub code: Code,
    /// What is wrong, in a sentence for people.
    pub text: String,
}

fn malformed(text: impl Into<String>) -> RequestFault {
    RequestFault {
        code: Code::Malformed,
        text: text.into(),
    }
}

/// Reads a request's text, with the secrets that came beside it.
///
/// # Errors
/// The text is no JSON object of a request's fields, its session and its own id are no ids, the
/// verb does not exist or has fields that are not its own.
pub fn read_request(text: &str, secrets: &Secrets) -> Result<SignedRequest, RequestFault> {
    if text.len() > limits::SIGNED_TEXT {
        return Err(malformed(format!(
            "the signed text has {} bytes, {} are allowed",
            text.len(),
            limits::SIGNED_TEXT
        )));
    }

    let mut envelope = Envelope::read(text).map_err(malformed)?;
    let session: String = envelope.must("session").map_err(malformed)?;
    let counter = envelope.must("counter").map_err(malformed)?;
    let id: String = envelope.must("id").map_err(malformed)?;
    let name: String = envelope.must("verb").map_err(malformed)?;
    let instance = envelope.take("instance").map_err(malformed)?;
    let not_after = envelope.take("not_after").map_err(malformed)?;

    let session = session
        .parse()
        .map_err(|_| malformed("`session` is not a session id"))?;
    let id = id
        .parse()
        .map_err(|_| malformed("`id` is not a request id"))?;
    let mut ask = ask(&name, envelope.0)?;
    if instance.is_some() && !ask.row().once {
        return Err(malformed(format!("`{name}` has no field `instance`")));
    }
    if not_after.is_some() && instance.is_none() {
        return Err(malformed("`not_after` is by the clock of an `instance`"));
    }

    open(&mut ask, secrets)?;
    Ok(SignedRequest {
        session,
        counter,
        id,
        instance,
        not_after,
        ask,
    })
}

fn ask(name: &str, fields: Fields<'_>) -> Result<Ask, RequestFault> {
    let unknown = |text: String| RequestFault {
        code: Code::UnknownVerb,
        text,
    };
    match (Ask::read(name, fields), verb::named(name)) {
        (Some(read), _) => read.map_err(|fault| malformed(format!("`{name}`: {fault}"))),
        (None, Some(row)) if row.door == Door::Control => {
            Err(unknown(format!("`{name}` is a local verb")))
        }
        _ => Err(unknown(format!(
            "there is no verb `{}`",
            name.escape_debug()
        ))),
    }
}

/// Puts the secrets in their places; one that the signed text does not commit to has none.
fn open(ask: &mut Ask, secrets: &Secrets) -> Result<(), RequestFault> {
    let arguments = ask.arguments();
    let stray = secrets.keys().find(|name| {
        arguments
            .as_ref()
            .is_none_or(|arguments| !arguments.commits_to(name))
    });
    if let Some(name) = stray {
        let name = name.escape_debug();
        let text = format!("the secret `{name}` is not committed to in the signed text");
        return Err(malformed(text));
    }
    if let Some(arguments) = arguments {
        arguments.open(secrets);
    }
    Ok(())
}

/// Which request it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestName {
    /// The client's name for the request.
    pub id: RequestId,
    /// Where the request is sent again: `instance` of the HELLO of the server that it was first sent
    /// to (PROTOCOL.md, 5.5).
    pub instance: Option<String>,
    /// Until when it may begin, in milliseconds of that server's clock (`now_ms` of its HELLO).
    pub not_after: Option<u64>,
}

impl From<RequestId> for RequestName {
    fn from(id: RequestId) -> Self {
        Self {
            id,
            instance: None,
            not_after: None,
        }
    }
}

/// The text of a request as the client writes it, with the secrets that go beside it.
pub struct RequestText {
    /// The text that is signed.
    pub text: String,
    /// The secrets that the text commits to, and that are not signed.
    pub secrets: Secrets,
}

/// Writes a request's text. `salt` gives 32 random bytes for each secret.
pub fn request_text<V: Verb>(
    session: SessionId,
    counter: u64,
    name: &RequestName,
    verb: &V,
    salt: impl FnMut() -> [u8; 32],
) -> RequestText {
    use serde_json::{Map, Value, json};

    let mut verb = verb.clone();
    let secrets = match verb.arguments() {
        Some(arguments) => arguments.seal(salt),
        None => Secrets::new(),
    };
    let mut fields = match serde_json::to_value(&verb) {
        Ok(Value::Object(fields)) => fields,
        // A verb's parameters are an object, and no secret is left among them.
        _ => Map::new(),
    };
    fields.insert("session".into(), json!(session));
    fields.insert("counter".into(), json!(counter));
    fields.insert("id".into(), json!(name.id));
    fields.insert("verb".into(), json!(V::NAME));
    if let Some(instance) = &name.instance {
        fields.insert("instance".into(), json!(instance));
    }
    if let Some(not_after) = name.not_after {
        fields.insert("not_after".into(), json!(not_after));
    }
    RequestText {
        text: Value::Object(fields).to_string(),
        secrets,
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_login;
    use super::*;
    use crate::ids::Named;
    use crate::secret::Secret;
    use crate::verb::{Arguments, Cancel, Invocation, Run, SecretPart, Terminal, Value};
    use proptest::prelude::*;

    fn ids() -> (SessionId, RequestId) {
        (
            SessionId::from_random([7; 20]),
            RequestId::from_random([9; 20]),
        )
    }

    fn read(rest: &str) -> Result<SignedRequest, RequestFault> {
        let (session, id) = ids();
        let text = format!(r#"{{"session":"{session}","counter":1,"id":"{id}",{rest}}}"#);
        read_request(&text, &Secrets::new())
    }

    #[test]
    fn fields_of_other_verbs_are_refused() {
        for rest in [
            r#""verb":"list","command":"x""#,
            r#""verb":"run""#,
            r#""verb":"cancel","command":"x""#,
            r#""verb":"list","y":1"#,
            r#""verb":"list","instance":"x""#,
            r#""verb":"run","command":"x","not_after":1"#,
            r#""verb":"run","command":"x","instance":"x","not_after":-1"#,
            r#""verb":"list","verb":"list""#,
            r#""verb":"run","command":"x","command":"y""#,
            r#""verb":"run","command":"x","signal":"INT""#,
            r#""verb":"run","command":["x"]"#,
            r#""verb":"attach","run":"x","target":"all""#,
        ] {
            assert_eq!(read(rest).unwrap_err().code, Code::Malformed, "{rest}");
        }
        for text in ["[]", "{}", "", "null", r#"{"session":1}"#, r#"{"a":"#] {
            let fault = read_request(text, &Secrets::new()).unwrap_err();
            assert_eq!(fault.code, Code::Malformed, "{text}");
        }
    }

    #[test]
    fn local_verbs_and_what_is_no_verb_are_unknown() {
        for rest in [
            r#""verb":"reload""#,
            r#""verb":"lock","user":"a""#,
            r#""verb":"sudo""#,
        ] {
            assert_eq!(read(rest).unwrap_err().code, Code::UnknownVerb, "{rest}");
        }
    }

    /// What comes of it is the policy's to say: the same as of an id that is nobody's.
    #[test]
    fn a_name_that_is_no_id_is_read_as_nobodys() {
        let request = read(r#""verb":"cancel","run":"../../x""#).unwrap();
        assert!(matches!(
            request.ask,
            Ask::Cancel(Cancel { run: Named(None) })
        ));
    }

    #[test]
    fn a_secret_that_nothing_commits_to_makes_a_request_malformed() {
        let (session, id) = ids();
        let part = SecretPart {
            value: "v".into(),
            salt: "s".into(),
        };
        for rest in [r#""verb":"run","command":"c""#, r#""verb":"list""#] {
            let text = format!(r#"{{"session":"{session}","counter":1,"id":"{id}",{rest}}}"#);
            let secrets = Secrets::from([("t".into(), part.clone())]);
            assert_eq!(
                read_request(&text, &secrets).unwrap_err().code,
                Code::Malformed
            );
        }
    }

    proptest! {
        #[test]
        fn what_the_client_writes_is_what_the_monitor_reads(
            command in "\\PC{0,12}",
            arguments in prop::collection::btree_map("\\PC{0,6}", prop_oneof![
                "\\PC{0,20}".prop_map(Value::Text),
                any::<i64>().prop_map(Value::Integer),
                any::<bool>().prop_map(Value::Flag),
                prop::collection::vec("\\PC{0,5}", 0..4).prop_map(Value::Many),
                "\\PC{0,20}".prop_map(|text| Value::Secret(Secret::new(text))),
            ], 0..6),
            confirmed: bool, counter: u64, again: bool,
        ) {
            let (session, id) = ids();
            let terminal = Terminal { kind: command.clone(), columns: 80, rows: 24 };
            let run = Run(Invocation {
                command,
                arguments: arguments.into_iter().collect::<Arguments>(),
                confirmed,
                terminal: confirmed.then_some(terminal),
                reason: confirmed.then(|| "OPS-1".into()),
                unattended: again,
            });
            let instance = again.then(|| "rkdxhghe7j8r8g3n".to_owned());
            let not_after = again.then_some(counter);
            let name = RequestName { id, instance: instance.clone(), not_after };
            let written = request_text(session, counter, &name, &run, || [5; 32]);
            let read = read_request(&written.text, &written.secrets).unwrap();
            prop_assert_eq!((read.session, read.counter, read.id), (session, counter, id));
            prop_assert_eq!((read.instance, read.not_after), (instance, not_after));
            prop_assert!(matches!(read.ask, Ask::Run(read) if read == run));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = read_request(&text, &Secrets::new());
            let _ = read_login(&text);
        }
    }
}
