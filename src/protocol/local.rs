//! Questions over the control socket: one line with a JSON object, the verb's parameters and its
//! name. One line comes back: the verb's answer, or `{"error": "…"}`.

use super::envelope::Envelope;
use crate::verb::{LocalAdmin, LocalAsk, Verb};
use serde_json::{Map, Value, json};

/// Why a line is no question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalFault {
    /// The line is no JSON object, or has no verb's name.
    Unreadable,
    /// The control socket has no verb of this name.
    Unknown(String),
    /// The verb does not have, or lacks, a field.
    Fields(String),
}

/// Reads a question.
///
/// # Errors
/// See [`LocalFault`].
pub fn read_local(line: &str) -> Result<LocalAsk, LocalFault> {
    let mut envelope = Envelope::read(line).map_err(|_| LocalFault::Unreadable)?;
    let name: String = envelope.must("verb").map_err(|_| LocalFault::Unreadable)?;
    match LocalAsk::read(&name, envelope.0) {
        Some(read) => read.map_err(|fault| LocalFault::Fields(format!("`{name}`: {fault}"))),
        None => Err(LocalFault::Unknown(name)),
    }
}

/// Writes a question.
pub fn local_text<V: Verb<Needs = LocalAdmin>>(verb: &V) -> String {
    let mut fields = match serde_json::to_value(verb) {
        Ok(Value::Object(fields)) => fields,
        // A verb's parameters are an object.
        _ => Map::new(),
    };
    fields.insert("verb".into(), json!(V::NAME));
    Value::Object(fields).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verb::Lock;

    #[test]
    fn what_is_written_is_read() {
        let lock = Lock {
            user: "alice".into(),
            reason: "lost her laptop".into(),
        };
        let read = read_local(&local_text(&lock)).unwrap();
        assert!(matches!(read, LocalAsk::Lock(read) if read == lock));
    }

    #[test]
    fn what_is_no_question_is_told_apart() {
        for line in ["", "{", "[]", "{}", r#"{"verb":1}"#, r#"{"user":"x"}"#] {
            assert_eq!(
                read_local(line).unwrap_err(),
                LocalFault::Unreadable,
                "{line}"
            );
        }
        for name in ["list", "shutdown", ""] {
            let line = json!({ "verb": name }).to_string();
            assert_eq!(
                read_local(&line).unwrap_err(),
                LocalFault::Unknown(name.into())
            );
        }
        for line in [r#"{"verb":"lock"}"#, r#"{"verb":"status","user":"x"}"#] {
            assert!(
                matches!(read_local(line), Err(LocalFault::Fields(_))),
                "{line}"
            );
        }
    }
}
