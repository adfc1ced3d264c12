//! The texts a session key signs: the login that names it, and every request.
//!
//! A signature covers a context, a zero byte and the text exactly as it was sent, so that the
//! monitor verifies bytes and never a re-serialisation. A secret argument's value is not in the
//! text: the text holds a salted commitment, so that the trail can keep it, and prove it, without
//! the secret.

use super::message::SecretPart;
use super::{Code, VERSION};
use crate::encoding::{base64, unbase64};
use crate::ids::{RequestId, RunId, SessionId};
use crate::limits;
use crate::request::{Arguments, Ask, Attachment, Door, Ending, Invocation, Terminal, Value, Verb};
use crate::secret::Secret;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a login's signature begins with.
pub const LOGIN_CONTEXT: &[u8] = b"ordain/1 login\0";
/// What a request's signature begins with.
pub const REQUEST_CONTEXT: &[u8] = b"ordain/1 request\0";

/// The namespace of signatures by SSH keys (SSHSIG): what is signed for another is worth nothing
/// here.
pub const SSH_NAMESPACE: &str = "ordain";

/// How a login is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// A password, beside the text.
    Password,
    /// A signature over the text by an SSH key, beside it.
    SshKey,
    /// The session's own key: a session whose link was lost is taken up again.
    Session,
    /// The key of a login that was kept: a new session begins.
    Kept,
}

impl Method {
    /// Its word on the wire and in the trail.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SshKey => "ssh-key",
            Self::Session => "session",
            Self::Kept => "kept",
        }
    }
}

/// The text that a login signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginText {
    /// The protocol's version, 1.
    pub version: u32,
    /// Who.
    pub user: String,
    /// How it is proved.
    pub method: Method,
    /// With `session` and `kept`: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The session's Ed25519 public key, 32 bytes, base64.
    pub session_key: String,
    /// SHA-256 of the server's public key (SubjectPublicKeyInfo), base64, as the client saw it.
    pub server_key: String,
    /// The TLS exporter, 32 bytes, base64. A client whose TLS library has none leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exporter: Option<String>,
    /// The nonce of the server's HELLO.
    pub nonce: String,
    /// Whether this key is to begin sessions later too, without the password or the SSH key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
}

/// Reads a login's text.
///
/// # Errors
/// What is wrong with it.
pub fn read_login(text: &str) -> Result<LoginText, String> {
    let login: LoginText = super::read(text.as_bytes())?;
    if login.version != VERSION {
        return Err(format!("version {} is not spoken here", login.version));
    }
    Ok(login)
}

/// The text that a request signs, before it is read into an [`Ask`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    session: String,
    counter: u64,
    id: String,
    verb: String,
    command: Option<String>,
    #[serde(default)]
    arguments: RawArguments,
    #[serde(default)]
    confirmed: bool,
    run: Option<String>,
    stdout: Option<u64>,
    stderr: Option<u64>,
    #[serde(default)]
    follow: bool,
    #[serde(default)]
    resume: bool,
    signal: Option<String>,
    terminal: Option<RawTerminal>,
    reason: Option<String>,
    target: Option<String>,
    instance: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTerminal {
    kind: String,
    columns: u16,
    rows: u16,
}

impl From<RawTerminal> for Terminal {
    fn from(raw: RawTerminal) -> Self {
        Self {
            kind: raw.kind,
            size: (raw.columns, raw.rows),
        }
    }
}

/// A request that was read; its signature is not judged here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// The session it is meant for.
    pub session: SessionId,
    /// Higher than in any request of this session before.
    pub counter: u64,
    /// The client's name for it.
    pub id: RequestId,
    /// Where it is sent again: which start of the daemon it was first sent to.
    pub instance: Option<String>,
    /// What is asked.
    pub ask: Ask,
}

/// Why a text is not a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFault {
    /// Malformed or unknown verb.
    pub code: Code,
    /// For people.
    pub text: String,
}

/// Reads a request's text, with the secrets that came beside it.
///
/// # Errors
/// The text is no JSON object of a request's fields, its ids are no ids, the verb does not exist or
/// has fields that are not its own.
pub fn read_request(
    text: &str,
    secrets: &BTreeMap<String, SecretPart>,
) -> Result<SignedRequest, RequestFault> {
    let malformed = |text: String| RequestFault {
        code: Code::Malformed,
        text,
    };
    if text.len() > limits::SIGNED_TEXT {
        return Err(malformed(format!(
            "the signed text has {} bytes, {} are allowed",
            text.len(),
            limits::SIGNED_TEXT
        )));
    }
    let raw: Raw = super::read(text.as_bytes()).map_err(malformed)?;
    let session = raw
        .session
        .parse()
        .map_err(|_| malformed("`session` is not a session id".into()))?;
    let id = raw
        .id
        .parse()
        .map_err(|_| malformed("`id` is not a request id".into()))?;
    let verb = Verb::named(&raw.verb).ok_or_else(|| RequestFault {
        code: Code::UnknownVerb,
        text: format!("there is no verb `{}`", raw.verb.escape_debug()),
    })?;
    let attached = raw.stdout.is_some() || raw.stderr.is_some() || raw.follow || raw.resume;
    let misplaced = (attached && verb != Verb::Attach)
        || (raw.signal.is_some() && verb != Verb::Signal)
        || (raw.instance.is_some() && verb != Verb::Run)
        || (raw.target.is_some() && verb != Verb::EndSession);
    if misplaced {
        return Err(malformed(format!(
            "these are not the fields of `{}`",
            verb.name()
        )));
    }
    let bare = raw.arguments.0.is_empty()
        && !raw.confirmed
        && raw.terminal.is_none()
        && raw.reason.is_none();
    if let Some(name) = secrets.keys().find(|name| !raw.arguments.commits_to(name)) {
        return Err(malformed(format!(
            "the secret `{}` is not committed to in the signed text",
            name.escape_debug()
        )));
    }
    let arguments = raw.arguments.with_secrets(secrets);
    let ask = match (verb, raw.command, raw.run) {
        (Verb::List, None, None) if bare => Ask::List,
        (Verb::Runs, None, None) if bare => Ask::Runs,
        (Verb::Describe, Some(command), None) if bare => Ask::Describe { command },
        (Verb::Preview | Verb::Run | Verb::Explain, Some(command), None) => {
            let terminal = raw.terminal.map(Into::into);
            let invocation = Invocation {
                command,
                arguments,
                confirmed: raw.confirmed,
                terminal,
                reason: raw.reason,
            };
            match verb {
                Verb::Run => Ask::Run(invocation),
                Verb::Explain => Ask::Explain(invocation),
                _ => Ask::Preview(invocation),
            }
        }
        (Verb::Whoami, None, None) if bare => Ask::Whoami,
        (Verb::Sessions, None, None) if bare => Ask::Sessions,
        (Verb::EndSession, None, None) if bare => match raw.target.as_deref() {
            Some("all") => Ask::EndSession(Ending::All),
            Some(id) => match id.parse() {
                Ok(id) => Ask::EndSession(Ending::One(id)),
                // As an id that is nobody's.
                Err(_) => {
                    return Err(RequestFault {
                        code: Code::NoSuchSession,
                        text: "there is no such session".into(),
                    });
                }
            },
            None => {
                return Err(malformed(
                    "`target` is missing: a session's id, or \"all\"".into(),
                ));
            }
        },
        (Verb::Cancel | Verb::Attach | Verb::Signal, None, Some(run)) if bare => {
            match (run.parse::<RunId>(), verb, raw.signal) {
                (Ok(run), Verb::Attach, None) => Ask::Attach(Attachment {
                    run,
                    stdout: raw.stdout,
                    stderr: raw.stderr,
                    follow: raw.follow,
                    resume: raw.resume,
                }),
                (Ok(run), Verb::Signal, Some(signal)) => Ask::Signal { run, signal },
                (Ok(run), Verb::Cancel, None) => Ask::Cancel { run },
                // Not an id at all is answered like an id that is nobody's, so that nothing can be
                // learnt.
                (Err(_), ..) => {
                    return Err(RequestFault {
                        code: Code::NoSuchRun,
                        text: "there is no such run".into(),
                    });
                }
                _ => {
                    return Err(malformed(format!(
                        "these are not the fields of `{}`",
                        verb.name()
                    )));
                }
            }
        }
        _ if verb.row().is_some_and(|row| row.door == Door::Control) => {
            return Err(RequestFault {
                code: Code::UnknownVerb,
                text: format!("`{}` is a local verb", verb.name()),
            });
        }
        _ => {
            return Err(malformed(format!(
                "these are not the fields of `{}`",
                verb.name()
            )));
        }
    };
    Ok(SignedRequest {
        session,
        counter: raw.counter,
        id,
        instance: raw.instance,
        ask,
    })
}

/// Which request it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestName {
    /// The client's name for it.
    pub id: RequestId,
    /// Where it is sent again: which start of the daemon it was first sent to, from its HELLO.
    pub instance: Option<String>,
}

impl From<RequestId> for RequestName {
    fn from(id: RequestId) -> Self {
        Self { id, instance: None }
    }
}

/// The text of a request as the client writes it, with the secrets that go beside it.
pub struct RequestText {
    /// What is signed.
    pub text: String,
    /// What is not.
    pub secrets: BTreeMap<String, SecretPart>,
}

/// Writes a request's text. `salt` gives 32 random bytes for each secret.
pub fn request_text(
    session: SessionId,
    counter: u64,
    name: &RequestName,
    ask: &Ask,
    mut salt: impl FnMut() -> [u8; 32],
) -> RequestText {
    use serde_json::{Map, json};
    let mut secrets = BTreeMap::new();
    let mut fields = Map::new();
    fields.insert("session".into(), json!(session.to_string()));
    fields.insert("counter".into(), json!(counter));
    fields.insert("id".into(), json!(name.id.to_string()));
    if let Some(instance) = &name.instance {
        fields.insert("instance".into(), json!(instance));
    }
    fields.insert("verb".into(), json!(ask.verb().name()));
    if let Some(command) = ask.command() {
        fields.insert("command".into(), json!(command));
    }
    match ask {
        Ask::Preview(invocation) | Ask::Run(invocation) | Ask::Explain(invocation) => {
            let mut arguments = Map::new();
            for (name, value) in &invocation.arguments {
                let value = match value {
                    Value::Text(text) => json!(text),
                    Value::Integer(number) => json!(number),
                    Value::Flag(given) => json!(given),
                    Value::Many(values) => json!(values),
                    Value::Misfit(_) => json!(null),
                    Value::Secret(secret) => {
                        let salt = salt();
                        let part = SecretPart {
                            value: secret.expose().to_owned(),
                            salt: base64(&salt),
                        };
                        secrets.insert(name.clone(), part);
                        json!({ "secret": commit(&salt, secret.bytes()) })
                    }
                };
                arguments.insert(name.clone(), value);
            }
            fields.insert("arguments".into(), arguments.into());
            if invocation.confirmed {
                fields.insert("confirmed".into(), json!(true));
            }
            if let Some(reason) = &invocation.reason {
                fields.insert("reason".into(), json!(reason));
            }
            if let Some(Terminal {
                kind,
                size: (columns, rows),
            }) = &invocation.terminal
            {
                fields.insert(
                    "terminal".into(),
                    json!({ "kind": kind, "columns": columns, "rows": rows }),
                );
            }
        }
        Ask::Cancel { run } => {
            fields.insert("run".into(), json!(run.to_string()));
        }
        Ask::Attach(attachment) => {
            fields.insert("run".into(), json!(attachment.run.to_string()));
            for (name, offset) in [("stdout", attachment.stdout), ("stderr", attachment.stderr)] {
                if let Some(offset) = offset {
                    fields.insert(name.into(), json!(offset));
                }
            }
            fields.insert("follow".into(), json!(attachment.follow));
            fields.insert("resume".into(), json!(attachment.resume));
        }
        Ask::Signal { run, signal } => {
            fields.insert("run".into(), json!(run.to_string()));
            fields.insert("signal".into(), json!(signal));
        }
        Ask::EndSession(ending) => {
            let target = match ending {
                Ending::All => "all".to_owned(),
                Ending::One(id) => id.to_string(),
            };
            fields.insert("target".into(), json!(target));
        }
        Ask::List | Ask::Runs | Ask::Describe { .. } | Ask::Whoami | Ask::Sessions => {}
    }
    RequestText {
        text: serde_json::Value::Object(fields).to_string(),
        secrets,
    }
}

/// The commitment to a secret: base64 of SHA-256 over salt and value.
pub fn commit(salt: &[u8], value: &[u8]) -> String {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    digest.update(salt);
    digest.update(value);
    base64(digest.finish().as_ref())
}

/// Arguments in the order of the text, doubled names kept so that they can be refused by name.
#[derive(Debug, Default)]
struct RawArguments(Vec<(String, RawValue)>);

#[derive(Debug)]
enum RawValue {
    Plain(Value),
    Commitment(String),
}

impl RawArguments {
    fn commits_to(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|(known, value)| known == name && matches!(value, RawValue::Commitment(_)))
    }

    fn with_secrets(self, secrets: &BTreeMap<String, SecretPart>) -> Arguments {
        self.0
            .into_iter()
            .map(|(name, value)| {
                let value = match value {
                    RawValue::Plain(value) => value,
                    RawValue::Commitment(commitment) => match secrets.get(&name) {
                        None => Value::Misfit("a secret without its value"),
                        Some(part) => match unbase64::<32>(&part.salt) {
                            Some(salt) if commit(&salt, part.value.as_bytes()) == commitment => {
                                Value::Secret(Secret::new(part.value.clone()))
                            }
                            _ => Value::Misfit("a secret that does not fit its commitment"),
                        },
                    },
                };

                (name, value)
            })
            .collect()
    }
}

impl<'de> Deserialize<'de> for RawArguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;
        impl<'de> Visitor<'de> for Named {
            type Value = RawArguments;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of named arguments")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawArguments, A::Error> {
                let mut arguments = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    arguments.push(pair);
                    if arguments.len() > limits::ARGUMENTS {
                        return Err(serde::de::Error::custom(format_args!(
                            "more than {} arguments",
                            limits::ARGUMENTS
                        )));
                    }
                }

                Ok(RawArguments(arguments))
            }
        }

        deserializer.deserialize_map(Named)
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = RawValue;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an argument's value")
    }
    fn visit_str<E>(self, text: &str) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Value::Text(text.to_owned())))
    }
    fn visit_i64<E>(self, number: i64) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Value::Integer(number)))
    }
    fn visit_u64<E>(self, number: u64) -> Result<RawValue, E> {
        Ok(RawValue::Plain(i64::try_from(number).map_or(
            Value::Misfit("a number out of range"),
            Value::Integer,
        )))
    }
    fn visit_f64<E>(self, _: f64) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Value::Misfit("a fraction")))
    }
    fn visit_bool<E>(self, given: bool) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Value::Flag(given)))
    }
    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Value::Misfit("null")))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawValue, A::Error> {
        let (mut values, mut misfit) = (Vec::new(), false);
        while let Some(item) = seq.next_element::<RawValue>()? {
            match item {
                RawValue::Plain(Value::Text(text)) => values.push(text),
                _ => misfit = true,
            }

            // One more than any argument may have is kept, so that the refusal can still name it.
            if values.len() > limits::REPEATS {
                misfit = true;
                values.clear();
            }
        }

        Ok(RawValue::Plain(if misfit {
            Value::Misfit("a list of other things than a few strings")
        } else {
            Value::Many(values)
        }))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawValue, A::Error> {
        let first: Option<(String, RawValue)> = map.next_entry()?;
        let mut more = false;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok(match first {
            Some((name, RawValue::Plain(Value::Text(commitment)))) if name == "secret" && !more => {
                RawValue::Commitment(commitment)
            }
            _ => RawValue::Plain(Value::Misfit("an object")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids() -> (SessionId, RequestId) {
        (
            SessionId::from_random([7; 20]),
            RequestId::from_random([9; 20]),
        )
    }

    fn asked(arguments: &str) -> Arguments {
        let (session, id) = ids();
        let text = format!(
            r#"{{"session":"{session}","counter":1,"id":"{id}","verb":"run","command":"c","arguments":{arguments}}}"#
        );
        match read_request(&text, &BTreeMap::new()).unwrap().ask {
            Ask::Run(invocation) => invocation.arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn odd_values_are_kept_to_be_refused_by_name() {
        let seen = asked(
            r#"{"a":null,"b":{"x":[{"y":1}]},"c":1.5,"d":[1],"e":["x"],"f":18446744073709551615,"a":"again"}"#,
        );
        let kinds: Vec<(&str, &str)> = seen
            .iter()
            .map(|(name, value)| (name.as_str(), value.kind()))
            .collect();
        assert_eq!(
            kinds,
            [
                ("a", "null"),
                ("b", "an object"),
                ("c", "a fraction"),
                ("d", "a list of other things than a few strings"),
                ("e", "a list of strings"),
                ("f", "a number out of range"),
                ("a", "a string"),
            ]
        );
    }

    #[test]
    fn a_secret_needs_its_value_and_the_value_its_commitment() {
        let salt = [3u8; 32];
        let good = commit(&salt, b"s3cret");
        let part = |value: &str| SecretPart {
            value: value.into(),
            salt: base64(&salt),
        };

        let (session, id) = ids();
        let text = format!(
            r#"{{"session":"{session}","counter":1,"id":"{id}","verb":"run","command":"c","arguments":{{"t":{{"secret":"{good}"}}}}}}"#
        );
        let value = |secrets: &BTreeMap<_, _>| match read_request(&text, secrets).unwrap().ask {
            Ask::Run(invocation) => invocation.arguments[0].1.clone(),
            other => panic!("{other:?}"),
        };

        assert_eq!(
            value(&BTreeMap::from([("t".into(), part("s3cret"))])),
            Value::Secret(Secret::new("s3cret".into()))
        );

        assert!(matches!(
            value(&BTreeMap::from([("t".into(), part("other"))])),
            Value::Misfit(_)
        ));
        assert!(matches!(value(&BTreeMap::new()), Value::Misfit(_)));
    }

    #[test]
    fn fields_of_other_verbs_are_refused() {
        let (session, id) = ids();
        for rest in [
            r#""verb":"list","command":"x""#,
            r#""verb":"run""#,
            r#""verb":"cancel","command":"x""#,
            r#""verb":"list","y":1"#,
        ] {
            let text = format!(r#"{{"session":"{session}","counter":1,"id":"{id}",{rest}}}"#);
            assert_eq!(
                read_request(&text, &BTreeMap::new()).unwrap_err().code,
                Code::Malformed,
                "{rest}"
            );
        }

        for (rest, code) in [
            (r#""verb":"reload""#, Code::UnknownVerb),
            (r#""verb":"sudo""#, Code::UnknownVerb),
            (r#""verb":"cancel","run":"../../x""#, Code::NoSuchRun),
        ] {
            let text = format!(r#"{{"session":"{session}","counter":1,"id":"{id}",{rest}}}"#);
            assert_eq!(
                read_request(&text, &BTreeMap::new()).unwrap_err().code,
                code,
                "{rest}"
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
            let command_kind = command.clone();
            let ask = Ask::Run(Invocation { command, arguments: arguments.into_iter().collect(), confirmed, terminal: confirmed.then_some(Terminal { kind: command_kind, size: (80, 24) }), reason: confirmed.then(|| "OPS-1".into()) });
            let instance = again.then(|| "rkdxhghe7j8r8g3n".to_owned()).filter(|_| matches!(ask, Ask::Run(_)));
            let written = request_text(session, counter, &RequestName { id, instance: instance.clone() }, &ask, || [5; 32]);
            let read = read_request(&written.text, &written.secrets).unwrap();
            prop_assert_eq!(read, SignedRequest { session, counter, id, instance, ask });
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = read_request(&text, &BTreeMap::new());
            let _ = read_login(&text);
        }
    }
}
