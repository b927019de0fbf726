//! One message with the fields the protocol knows, borrowed and not yet looked into: whatever their types
//! are, the message is read to its end and the ones beside it stay readable.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

#[derive(Clone, Copy)]
pub(super) enum Field {
    Channel,
    Id,
    ClientId,
    Data,
    Ext,
    Subscription,
    ConnectionType,
    Advice,
    Version,
    MinimumVersion,
    SupportedConnectionTypes,
}

const FIELDS: usize = 11;

pub(super) struct Envelope<'a> {
    fields: [Option<&'a RawValue>; FIELDS],
    /// A known field came twice: readers of JSON disagree about which one counts, so neither does.
    pub(super) repeated: bool,
}

impl<'a> Envelope<'a> {
    /// The value of a field; `null` counts as absent.
    pub(super) fn get(&self, field: Field) -> Option<&'a RawValue> {
        self.get_or_null(field).filter(|value| value.get() != "null")
    }

    /// The value of a field, `null` included.
    pub(super) fn get_or_null(&self, field: Field) -> Option<&'a RawValue> {
        self.fields[field as usize]
    }
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut envelope = Envelope { fields: [None; FIELDS], repeated: false };
        // Names are read raw too: one with half of a surrogate pair is JSON, but not a string of Rust.
        while let Some(name) = map.next_key::<&RawValue>()? {
            match text(name).and_then(|name| field(&name)) {
                Some(field) => {
                    let value = map.next_value()?;
                    let before = envelope.fields[field as usize].replace(value);
                    envelope.repeated |= before.is_some();
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(envelope)
    }
}

fn field(name: &str) -> Option<Field> {
    Some(match name {
        "channel" => Field::Channel,
        "id" => Field::Id,
        "clientId" => Field::ClientId,
        "data" => Field::Data,
        "ext" => Field::Ext,
        "subscription" => Field::Subscription,
        "connectionType" => Field::ConnectionType,
        "advice" => Field::Advice,
        "version" => Field::Version,
        "minimumVersion" => Field::MinimumVersion,
        "supportedConnectionTypes" => Field::SupportedConnectionTypes,
        _ => return None,
    })
}

/// The text of a JSON string, borrowed unless it has escapes; nothing when the value is something else, or a
/// string that is no Unicode text (half of a surrogate pair).
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let inside = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if inside.as_bytes().contains(&b'\\') {
        serde_json::from_str(value.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inside))
    }
}
