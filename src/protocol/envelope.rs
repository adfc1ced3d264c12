//! A request's fields before its verb is known: each as it stands in the text, and only once.

use crate::limits;
use crate::verb::Fields;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// An object's fields as they stand in the text, each name once.
pub(super) struct Envelope<'t>(pub(super) Fields<'t>);

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Envelope<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
                let mut fields: Fields<'de> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if fields.iter().any(|(known, _)| *known == name) {
                        let name = name.escape_debug();
                        return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
                    }
                    if fields.len() == limits::REQUEST_FIELDS {
                        return Err(A::Error::custom("too many fields"));
                    }
                    fields.push((name, value));
                }
                Ok(Envelope(fields))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

impl Envelope<'_> {
    /// Takes a field that a request may have beside those of its verb.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, String> {
        let Some(at) = self.0.iter().position(|(known, _)| known == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.swap_remove(at);
        serde_json::from_str(value.get())
            .map(Some)
            .map_err(|fault| format!("`{name}`: {fault}"))
    }

    /// Takes a field that every request has.
    pub(super) fn must<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, String> {
        self.take(name)?
            .ok_or_else(|| format!("missing field `{name}`"))
    }
}

impl<'t> Envelope<'t> {
    /// Takes an object's text apart.
    ///
    /// # Errors
    /// That the text is no JSON object, or that a field stands in it twice.
    pub(super) fn read(text: &'t str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|fault| fault.to_string())
    }
}
