//! Bytes → requests. A body is read once: each message is borrowed field by field, and what is kept of it is
//! copied once.

use std::borrow::Cow;

use serde_json::error::Category;
use serde_json::value::RawValue;

use super::envelope::{Envelope, Field, text};
use super::{Limits, ParseError, Request, Subscription, Verb};
use crate::channel::{Channel, Pattern};
use crate::id::{ID_BYTES, RequestId};
use crate::reply::Refusal;

/// How many of the connection types in a handshake are kept.
const CONNECTION_TYPES: usize = 32;

/// Reads the body of a request: an array of messages, or one bare message (SPEC allows both). An empty array
/// gives no requests; what to answer is for the transport to say.
pub fn parse(body: &[u8], limits: &Limits) -> Result<Vec<Request>, ParseError> {
    let mut requests = Vec::new();
    append(&mut requests, body, limits)?;
    Ok(requests)
}

/// Reads one JSON value, the payload of a publication that came without a message around it (`POST` to a
/// channel's URL), within [`Limits::message_bytes`] and [`Limits::depth`].
pub fn parse_value(body: &[u8], limits: &Limits) -> Result<Box<RawValue>, ParseError> {
    if body.len() > limits.message_bytes {
        return Err(ParseError::MessageTooLarge { index: 0, limit: limits.message_bytes });
    }
    let body =
        str::from_utf8(body).map_err(|error| ParseError::NotUtf8 { valid_bytes: error.valid_up_to() })?;
    if skip_space(body, 0) == body.len() {
        return Err(ParseError::Empty);
    }
    let value: Box<RawValue> = serde_json::from_str(body).map_err(|error| ParseError::not_json(&error))?;
    if nests_deeper(value.get().as_bytes(), limits.depth) {
        return Err(ParseError::TooDeep { index: 0, limit: limits.depth });
    }
    Ok(value)
}

/// Reads a body of the type `application/x-www-form-urlencoded` (SPEC, "long-polling request messages"): each
/// field named `message` is a message or an array of them. The limits hold for the decoded fields together.
pub fn parse_form(body: &[u8], limits: &Limits) -> Result<Vec<Request>, ParseError> {
    if body.is_empty() {
        return Err(ParseError::Empty);
    }
    let mut requests = Vec::new();
    let mut room = limits.batch_bytes;
    let mut found = false;
    for field in body.split(|&byte| byte == b'&') {
        let equals = field.iter().position(|&byte| byte == b'=').unwrap_or(field.len());
        let (name, value) = field.split_at(equals);
        if *form_text(name) != *b"message" {
            continue;
        }
        found = true;
        let value = form_text(value.strip_prefix(b"=").unwrap_or_default());
        room =
            room.checked_sub(value.len()).ok_or(ParseError::BatchTooLarge { limit: limits.batch_bytes })?;
        append(&mut requests, &value, limits)?;
    }
    if found { Ok(requests) } else { Err(ParseError::NoMessageField) }
}

fn form_text(encoded: &[u8]) -> Cow<'_, [u8]> {
    if !encoded.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(encoded);
    }
    let spaced: Vec<u8> = encoded.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    Cow::Owned(percent_encoding::percent_decode(&spaced).collect())
}

/// Reads one body after what is already there; the number of messages is limited for all of them together.
fn append(requests: &mut Vec<Request>, body: &[u8], limits: &Limits) -> Result<(), ParseError> {
    if body.len() > limits.batch_bytes {
        return Err(ParseError::BatchTooLarge { limit: limits.batch_bytes });
    }
    let body =
        str::from_utf8(body).map_err(|error| ParseError::NotUtf8 { valid_bytes: error.valid_up_to() })?;
    let mut at = skip_space(body, 0);
    match body.as_bytes().get(at) {
        None => return Err(ParseError::Empty),
        Some(b'[') => {
            at = skip_space(body, at + 1);
            if body.as_bytes().get(at) != Some(&b']') {
                at = elements(requests, body, at, limits)?;
            }
            at += 1;
        }
        Some(_) => at = message(requests, body, at, 0, limits)?,
    }
    at = skip_space(body, at);
    if at < body.len() { Err(not_json(body, at, "trailing characters")) } else { Ok(()) }
}

/// Reads the messages of an array up to its closing bracket, and returns where that stands.
fn elements(
    requests: &mut Vec<Request>,
    body: &str,
    mut at: usize,
    limits: &Limits,
) -> Result<usize, ParseError> {
    loop {
        at = message(requests, body, at, 1, limits)?;
        at = skip_space(body, at);
        match body.as_bytes().get(at) {
            Some(b',') => at = skip_space(body, at + 1),
            Some(b']') => return Ok(at),
            Some(_) => return Err(not_json(body, at, "expected `,` or `]`")),
            None => return Err(not_json(body, at, "EOF while parsing a list")),
        }
    }
}

/// Reads the message that starts at `at` with `outer` arrays around it, and returns where it ends.
fn message(
    requests: &mut Vec<Request>,
    body: &str,
    at: usize,
    outer: usize,
    limits: &Limits,
) -> Result<usize, ParseError> {
    let index = requests.len();
    if index == limits.batch_messages {
        return Err(ParseError::TooManyMessages { limit: limits.batch_messages });
    }
    // A stream of values is what serde_json can tell the end of.
    let mut values = serde_json::Deserializer::from_str(&body[at..]).into_iter::<Envelope<'_>>();
    let envelope = match values.next() {
        Some(Ok(envelope)) => envelope,
        Some(Err(error)) if error.classify() == Category::Data => {
            return Err(ParseError::NotAnObject { index });
        }
        Some(Err(error)) => return Err(relocate(body, at, &error)),
        None => return Err(not_json(body, at, "EOF while parsing a value")),
    };
    let length = values.byte_offset();
    if length > limits.message_bytes {
        return Err(ParseError::MessageTooLarge { index, limit: limits.message_bytes });
    }
    if nests_deeper(&body.as_bytes()[at..at + length], limits.depth.saturating_sub(outer)) {
        return Err(ParseError::TooDeep { index, limit: limits.depth });
    }
    requests.push(request(&envelope, limits));
    Ok(at + length)
}

fn skip_space(body: &str, at: usize) -> usize {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    at + body.as_bytes()[at..].iter().take_while(|byte| space(byte)).count()
}

/// Whether valid JSON nests arrays and objects deeper than `limit`.
fn nests_deeper(json: &[u8], limit: usize) -> bool {
    // `[` and `{` differ in one bit. What opens at most `limit` times cannot nest deeper, and counting in
    // blocks that cannot overflow a byte is done many bytes at once.
    let opens = |block: &[u8]| block.iter().map(|byte| u8::from(byte & 0xDF == b'[')).sum::<u8>();
    if json.chunks(255).map(|block| usize::from(opens(block))).sum::<usize>() <= limit {
        return false;
    }
    let mut depth = 0;
    let mut inside = false;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => inside = !inside,
            b'\\' => {
                bytes.next();
            }
            b'[' | b'{' if !inside => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b']' | b'}' if !inside => depth -= 1,
            _ => {}
        }
    }
    false
}

/// The error of a message, counted from the beginning of the body.
fn relocate(body: &str, at: usize, error: &serde_json::Error) -> ParseError {
    let mut error = ParseError::not_json(error);
    if let ParseError::NotJson { line, column, .. } = &mut error {
        let (first_line, first_column) = line_and_column(&body[..at]);
        *column += if *line == 1 { first_column - 1 } else { 0 };
        *line += first_line - 1;
    }
    error
}

fn not_json(body: &str, at: usize, problem: &str) -> ParseError {
    let (line, column) = line_and_column(&body[..at]);
    ParseError::NotJson { line, column, problem: problem.into() }
}

/// Where the byte after `before` stands, both counted from 1.
fn line_and_column(before: &str) -> (usize, usize) {
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    (line, before.len() - before.rfind('\n').map_or(0, |newline| newline + 1) + 1)
}

fn request(envelope: &Envelope<'_>, limits: &Limits) -> Request {
    let id = envelope.get(Field::Id);
    let known_id = id.and_then(RequestId::from_json);
    let client_id = envelope.get(Field::ClientId);
    let ext = envelope.get(Field::Ext);
    let name = envelope.get(Field::Channel).map(text);

    let well_formed = !envelope.repeated
        && client_id.is_none_or(|value| value.get().starts_with('"'))
        && ext.is_none_or(|value| value.get().starts_with('{'));
    let verb = if !well_formed {
        Err(Refusal::message_invalid())
    } else if id.is_some() && known_id.is_none() {
        Err(Refusal::message_id_invalid())
    } else {
        match &name {
            Some(Some(name)) => verb(name, envelope, limits),
            Some(None) => Err(Refusal::channel_invalid("")),
            // What names neither a channel nor a session is nobody's: CometD's own tests want this.
            None if client_id.is_none() => Err(Refusal::session_unknown()),
            None => Err(Refusal::channel_missing()),
        }
    };
    let verb = verb.unwrap_or_else(|refusal| {
        let channel = name.flatten().filter(|name| name.len() <= limits.channel.bytes);
        Verb::Refused { channel: channel.unwrap_or_default().into(), refusal }
    });
    Request {
        id: known_id,
        client_id: client_id.and_then(short_text),
        ext: ext.filter(|_| well_formed).map(RawValue::to_owned),
        verb,
    }
}

fn verb(name: &str, envelope: &Envelope<'_>, limits: &Limits) -> Result<Verb, Refusal> {
    Ok(match name {
        "/meta/handshake" => Verb::Handshake {
            version: optional_text(envelope, Field::Version)?,
            minimum_version: optional_text(envelope, Field::MinimumVersion)?,
            connection_types: connection_types(envelope)?,
        },
        "/meta/connect" => Verb::Connect {
            connection_type: optional_text(envelope, Field::ConnectionType)?,
            timeout: envelope.get(Field::Advice).and_then(timeout),
        },
        "/meta/disconnect" => Verb::Disconnect,
        "/meta/subscribe" => Verb::Subscribe(subscription(envelope, limits)?),
        "/meta/unsubscribe" => Verb::Unsubscribe(subscription(envelope, limits)?),
        // Nothing else below /meta is anything, not even with a slash more at the end: rules that compare
        // names and code that runs verbs must never disagree.
        _ if name == "/meta" || name.starts_with("/meta/") => return Err(Refusal::channel_unknown(name)),
        _ => {
            let channel =
                Channel::parse_within(name, &limits.channel).map_err(|_| Refusal::channel_invalid(name))?;
            let data = envelope.get_or_null(Field::Data).ok_or_else(|| Refusal::data_missing(name))?;
            Verb::Publish { channel, data: data.to_owned() }
        }
    })
}

fn optional_text(envelope: &Envelope<'_>, field: Field) -> Result<Option<Box<str>>, Refusal> {
    let Some(value) = envelope.get(field) else { return Ok(None) };
    short_text(value).map(Some).ok_or_else(Refusal::message_invalid)
}

/// The text of a string, cut to what is kept of it.
fn short_text(value: &RawValue) -> Option<Box<str>> {
    let text = text(value)?;
    Some(text[..text.floor_char_boundary(ID_BYTES)].into())
}

fn connection_types(envelope: &Envelope<'_>) -> Result<Option<Vec<Box<str>>>, Refusal> {
    let Some(list) = envelope.get(Field::SupportedConnectionTypes) else { return Ok(None) };
    let values: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| Refusal::message_invalid())?;
    let types: Option<Vec<_>> = values.into_iter().take(CONNECTION_TYPES).map(short_text).collect();
    types.map(Some).ok_or_else(Refusal::message_invalid)
}

fn timeout(advice: &RawValue) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Hint {
        timeout: Option<u64>,
    }
    serde_json::from_str::<Hint>(advice.get()).ok()?.timeout
}

fn subscription(envelope: &Envelope<'_>, limits: &Limits) -> Result<Subscription, Refusal> {
    let value = envelope.get(Field::Subscription).ok_or_else(Refusal::subscription_missing)?;
    let array = value.get().starts_with('[');
    let values: Vec<&RawValue> = if array {
        serde_json::from_str(value.get()).map_err(|_| Refusal::subscription_invalid())?
    } else {
        vec![value]
    };
    if values.is_empty() {
        return Err(Refusal::subscription_invalid());
    }
    if values.len() > limits.subscriptions_per_request {
        return Err(Refusal::too_many_subscriptions(limits.subscriptions_per_request));
    }
    let pattern = |value| {
        let name = text(value).ok_or_else(Refusal::subscription_invalid)?;
        Pattern::parse_within(&name, &limits.channel).map_err(|_| Refusal::channel_invalid(&name))
    };
    Ok(Subscription { patterns: values.into_iter().map(pattern).collect::<Result<_, _>>()?, array })
}
