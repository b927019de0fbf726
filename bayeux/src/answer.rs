//! The client's side: what a server said. For tests, load generators and the shell client; it also reads the
//! answers of other servers.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::channel::Pattern;
use crate::id::RequestId;
use crate::reply::{Advice, Reconnect};
use crate::request::{ParseError, Subscription};

/// One message of a server: a reply when `successful` is there, else a delivery.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Where it was published, or the channel of the request it answers.
    pub channel: Box<str>,
    /// The id of the request it answers.
    #[serde(default, deserialize_with = "request_id")]
    pub id: Option<RequestId>,
    /// Whether the request succeeded; absent in deliveries.
    pub successful: Option<bool>,
    /// The error string, for example `402::session_unknown`.
    pub error: Option<Box<str>>,
    /// The session, in the reply to a handshake.
    pub client_id: Option<Box<str>>,
    /// The version of the protocol, in the reply to a handshake.
    pub version: Option<Box<str>>,
    /// The oldest version that the server accepts, in the reply to a handshake.
    pub minimum_version: Option<Box<str>>,
    /// The connection types that the server speaks, in the reply to a handshake.
    pub supported_connection_types: Option<Vec<Box<str>>>,
    /// What was subscribed or unsubscribed.
    #[serde(default, deserialize_with = "subscription")]
    pub subscription: Option<Subscription>,
    /// How to go on. What a server leaves out reads as `retry`, 0 and 0.
    #[serde(default, deserialize_with = "advice")]
    pub advice: Option<Advice>,
    /// The payload of a delivery; `null` is a payload too.
    #[serde(default, deserialize_with = "present")]
    pub data: Option<Box<RawValue>>,
    /// What extensions say.
    pub ext: Option<Box<RawValue>>,
}

/// Reads what a server sent in one body, frame, event or line: an array of messages, or a bare one.
///
/// # Errors
/// [`ParseError::Empty`], [`ParseError::NotUtf8`], or [`ParseError::NotJson`], which here also stands for a
/// field of a wrong type. The size of the body is for the caller to limit.
pub fn parse_answers(body: &[u8]) -> Result<Vec<Answer>, ParseError> {
    let body =
        str::from_utf8(body).map_err(|error| ParseError::NotUtf8 { valid_bytes: error.valid_up_to() })?;
    let answers = match body.trim_ascii_start().bytes().next() {
        None => return Err(ParseError::Empty),
        Some(b'[') => serde_json::from_str(body),
        Some(_) => serde_json::from_str(body).map(|answer| vec![answer]),
    };
    answers.map_err(|error| ParseError::not_json(&error))
}

fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Deserialize::deserialize(value).map(Some)
}

fn request_id<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<RequestId>, D::Error> {
    let token: &RawValue = Deserialize::deserialize(value)?;
    match RequestId::from_json(token) {
        None if token.get() != "null" => Err(serde::de::Error::custom("the id is no string or number")),
        id => Ok(id),
    }
}

fn subscription<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Subscription>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Echo {
        One(Box<str>),
        Many(Vec<Box<str>>),
    }
    let Some(echo) = Option::deserialize(value)? else { return Ok(None) };
    let (names, array) = match echo {
        Echo::One(name) => (vec![name], false),
        Echo::Many(names) => (names, true),
    };
    let patterns = names.iter().map(|name| Pattern::parse(name)).collect::<Result<_, _>>();
    Ok(Some(Subscription { patterns: patterns.map_err(serde::de::Error::custom)?, array }))
}

fn advice<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Advice>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Heard {
        reconnect: Option<Word>,
        interval: Option<i64>,
        timeout: Option<i64>,
        multiple_clients: Option<bool>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        Retry,
        Handshake,
        None,
    }
    let Some(Heard { reconnect, interval, timeout, multiple_clients }) = Option::deserialize(value)? else {
        return Ok(None);
    };
    let milliseconds = |number: Option<i64>| number.map_or(0, |number| u64::try_from(number).unwrap_or(0));
    Ok(Some(Advice {
        reconnect: match reconnect {
            Some(Word::Retry) | None => Reconnect::Retry,
            Some(Word::Handshake) => Reconnect::Handshake,
            Some(Word::None) => Reconnect::None,
        },
        interval: milliseconds(interval),
        timeout: milliseconds(timeout),
        multiple_clients: multiple_clients.unwrap_or(false),
    }))
}
