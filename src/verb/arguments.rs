//! The named arguments of a request, and what stands in for a secret among them.

use crate::encoding::{base64, unbase64};
use crate::limits;
use crate::secret::Secret;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The value of one named argument, as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A flag: given or not.
    Flag(bool),
    /// The values of a repeated argument.
    Many(Vec<String>),
    /// A secret; what was signed and is kept is a commitment to it.
    Secret(Secret),
    /// The commitment to a secret, in the place of its value in a signed text.
    Commitment(String),
    /// Something no argument can be (null, an object, a fraction): kept so that the refusal can
    /// name it.
    Misfit(&'static str),
    /// More values than any argument may have: this many.
    TooMany(usize),
}

impl Value {
    /// What it is, for a refusal.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Flag(_) => "a boolean",
            Self::Many(_) => "a list of strings",
            Self::Secret(_) => "a secret",
            Self::Commitment(_) => "a secret without its value",
            Self::Misfit(kind) => kind,
            Self::TooMany(_) => "a list of too many strings",
        }
    }
}

/// The named arguments of a request, in the order in which they came. Doubled names are kept, so
/// that they can be refused by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arguments(Vec<(String, Value)>);

impl std::ops::Deref for Arguments {
    type Target = Vec<(String, Value)>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl std::ops::DerefMut for Arguments {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl From<Vec<(String, Value)>> for Arguments {
    fn from(arguments: Vec<(String, Value)>) -> Self {
        Self(arguments)
    }
}

impl FromIterator<(String, Value)> for Arguments {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(arguments: I) -> Self {
        Self(arguments.into_iter().collect())
    }
}

/// Secrets by the names of their arguments, beside the text that commits to them.
pub type Secrets = BTreeMap<String, SecretPart>;

/// A secret argument's value, beside the text that commits to it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretPart {
    /// The value.
    pub value: String,
    /// 32 random bytes, base64: without them the commitment cannot be guessed back.
    pub salt: String,
}

impl Drop for SecretPart {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.value);
    }
}

impl fmt::Debug for SecretPart {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretPart(…)")
    }
}

impl SecretPart {
    /// The secret, when it is the one that was committed to.
    fn opens(&self, commitment: &str) -> Option<Secret> {
        let salt = unbase64::<32>(&self.salt)?;
        (commit(&salt, self.value.as_bytes()) == commitment)
            .then(|| Secret::new(self.value.clone()))
    }
}

/// The commitment to a secret: base64 of SHA-256 over salt and value.
pub fn commit(salt: &[u8], value: &[u8]) -> String {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    digest.update(salt);
    digest.update(value);
    base64(digest.finish().as_ref())
}

impl Arguments {
    /// Puts a commitment in the place of each secret, and returns the secrets. `salt` gives 32
    /// random bytes for each.
    pub fn seal(&mut self, mut salt: impl FnMut() -> [u8; 32]) -> Secrets {
        let mut secrets = Secrets::new();
        for (name, value) in &mut self.0 {
            let Value::Secret(secret) = value else {
                continue;
            };
            let salt = salt();
            let part = SecretPart {
                value: secret.expose().to_owned(),
                salt: base64(&salt),
            };
            *value = Value::Commitment(commit(&salt, secret.bytes()));
            secrets.insert(name.clone(), part);
        }
        secrets
    }

    /// Puts each secret in the place of its commitment. One that is missing or does not fit leaves
    /// a misfit, which is refused by its argument's name.
    pub fn open(&mut self, secrets: &Secrets) {
        for (name, value) in &mut self.0 {
            if let Value::Commitment(commitment) = value {
                *value = match secrets.get(name) {
                    None => Value::Misfit("a secret without its value"),
                    Some(part) => part.opens(commitment).map_or(
                        Value::Misfit("a secret that does not fit its commitment"),
                        Value::Secret,
                    ),
                };
            }
        }
    }

    /// The arguments in one line for people, as long as [`limits::SHOWN_ARGUMENTS`] at the most. No
    /// secret is in it, and nothing that could move a cursor.
    pub fn in_a_line(&self) -> String {
        let mut line = String::new();
        for (name, value) in &self.0 {
            let value = match value {
                Value::Text(text) => shown(text),
                Value::Integer(number) => number.to_string(),
                Value::Flag(given) => given.to_string(),
                Value::Many(values) => values
                    .iter()
                    .take(limits::SHOWN_ARGUMENTS)
                    .map(|value| shown(value))
                    .collect::<Vec<_>>()
                    .join(","),
                Value::Secret(_) | Value::Commitment(_) => "***".to_owned(),
                Value::Misfit(kind) => (*kind).to_owned(),
                Value::TooMany(count) => format!("{count} values"),
            };
            let space = if line.is_empty() { "" } else { " " };
            line.push_str(&format!("{space}{}={value}", name.escape_debug()));
            if line.len() > limits::SHOWN_ARGUMENTS {
                let most = limits::SHOWN_ARGUMENTS - '…'.len_utf8();
                let end = (0..=most).rfind(|end| line.is_char_boundary(*end));
                line.truncate(end.unwrap_or(0));
                line.push('…');
                break;
            }
        }
        line
    }

    /// Whether a commitment to a secret stands under this name.
    pub fn commits_to(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|(known, value)| known == name && matches!(value, Value::Commitment(_)))
    }
}

/// As much of a value as a line could hold, without what could move a cursor.
fn shown(value: &str) -> String {
    value
        .chars()
        .take(limits::SHOWN_ARGUMENTS)
        .flat_map(char::escape_debug)
        .collect()
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;
        impl<'de> Visitor<'de> for Named {
            type Value = Arguments;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of named arguments")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Arguments, A::Error> {
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
                Ok(Arguments(arguments))
            }
        }
        deserializer.deserialize_map(Named)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Flag(given) => serializer.serialize_bool(*given),
            Self::Many(values) => values.serialize(serializer),
            Self::Commitment(commitment) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("secret", commitment)?;
                map.end()
            }
            // A secret is sealed before anything is written.
            Self::Secret(_) => Err(serde::ser::Error::custom("a secret is never written")),
            Self::Misfit(_) | Self::TooMany(_) => serializer.serialize_unit(),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an argument's value")
    }
    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Misfit("a number out of range"), Value::Integer))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Misfit("a fraction"))
    }
    fn visit_bool<E>(self, given: bool) -> Result<Value, E> {
        Ok(Value::Flag(given))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Misfit("null"))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let (mut values, mut misfit, mut count) = (Vec::new(), false, 0);
        while let Some(item) = seq.next_element::<Value>()? {
            count += 1;
            match item {
                // What no argument may have is counted, and not kept.
                Value::Text(_) if values.len() == limits::REPEATS => {}
                Value::Text(text) => values.push(text),
                _ => misfit = true,
            }
        }

        Ok(if misfit {
            Value::Misfit("a list of other things than strings")
        } else if count > limits::REPEATS {
            Value::TooMany(count)
        } else {
            Value::Many(values)
        })
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let first: Option<(String, Value)> = map.next_entry()?;
        let mut more = false;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok(match first {
            Some((name, Value::Text(commitment))) if name == "secret" && !more => {
                Value::Commitment(commitment)
            }
            _ => Value::Misfit("an object"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Arguments {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn odd_values_are_kept_to_be_refused_by_name() {
        let seen = read(
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
                ("d", "a list of other things than strings"),
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
        let opened = |secrets: &Secrets| {
            let mut arguments = read(&format!(r#"{{"t":{{"secret":"{good}"}}}}"#));
            arguments.open(secrets);
            arguments[0].1.clone()
        };

        assert_eq!(
            opened(&BTreeMap::from([("t".into(), part("s3cret"))])),
            Value::Secret(Secret::new("s3cret".into()))
        );
        assert!(matches!(
            opened(&BTreeMap::from([("t".into(), part("other"))])),
            Value::Misfit(_)
        ));
        assert!(matches!(opened(&BTreeMap::new()), Value::Misfit(_)));
    }

    #[test]
    fn a_secret_is_never_written() {
        let secret = Value::Secret(Secret::new("s3cret".into()));
        let mut arguments = Arguments::from(vec![("t".into(), secret)]);
        assert!(serde_json::to_string(&arguments).is_err());
        let secrets = arguments.seal(|| [7; 32]);
        let text = serde_json::to_string(&arguments).unwrap();
        assert!(
            !text.contains("s3cret") && secrets["t"].value == "s3cret",
            "{text}"
        );
    }
}
