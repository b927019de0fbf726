//! Why something was refused: every error string the server can say, from one table.

use std::fmt;

/// How many bytes of arguments are kept.
const ARGUMENT_BYTES: usize = 512;

/// One kind of refusal.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The number in front.
    pub code: u16,
    /// The name at the end.
    pub message: &'static str,
    /// What it means, for people; not on the wire.
    pub sentence: &'static str,
}

const fn kind(code: u16, message: &'static str, sentence: &'static str) -> Kind {
    Kind { code, message, sentence }
}

/// Every refusal there is. The codes follow the SPEC and CometD (401 and 402 mean something else to Faye,
/// whose clients only look at `advice`); 300 and 301 are Faye's.
pub const REFUSALS: &[Kind] = &[
    VERSION_UNSUPPORTED,
    CONNECTION_TYPE_UNSUPPORTED,
    CHANNEL_MISSING,
    DATA_MISSING,
    DATA_INVALID,
    MESSAGE_INVALID,
    BATCHED_WITH_HANDSHAKE,
    SESSION_UNKNOWN,
    HANDSHAKE_DENIED,
    PUBLISH_DENIED,
    SUBSCRIBE_DENIED,
    SUBSCRIPTION_MISSING,
    SUBSCRIPTION_INVALID,
    TOO_MANY_SUBSCRIPTIONS,
    TOO_MANY_SESSIONS,
    CHANNEL_UNKNOWN,
    CHANNEL_INVALID,
    MESSAGE_ID_INVALID,
    CONNECT_REPLACED,
    IDEMPOTENCY_KEY_REUSED,
];

const VERSION_UNSUPPORTED: Kind =
    kind(300, "version_unsupported", "The client speaks a version of Bayeux that the server does not.");
const CONNECTION_TYPE_UNSUPPORTED: Kind = kind(
    301,
    "connection_type_unsupported",
    "The server speaks none of the connection types that the client can use.",
);
const CHANNEL_MISSING: Kind = kind(400, "channel_missing", "The message names no channel.");
const DATA_MISSING: Kind = kind(400, "data_missing", "The publication has no data.");
const DATA_INVALID: Kind = kind(400, "data_invalid", "The service does not understand what it was sent.");
const IDEMPOTENCY_KEY_REUSED: Kind = kind(
    422,
    "idempotency_key_reused",
    "Something else was published under the same Idempotency-Key: use a key for one publication.",
);
const MESSAGE_INVALID: Kind =
    kind(400, "message_invalid", "A field of the message has a wrong type, or stands there twice.");
const BATCHED_WITH_HANDSHAKE: Kind =
    kind(400, "batched_with_handshake", "Nothing may travel beside a handshake: send it again afterwards.");
const SESSION_UNKNOWN: Kind =
    kind(402, "session_unknown", "There is no such session, or no longer: begin with a handshake.");
const HANDSHAKE_DENIED: Kind = kind(403, "handshake_denied", "This client may not have a session.");
const PUBLISH_DENIED: Kind = kind(403, "publish_denied", "This client may not publish there.");
const SUBSCRIBE_DENIED: Kind = kind(403, "subscribe_denied", "This client may not listen there.");
const SUBSCRIPTION_MISSING: Kind = kind(
    403,
    "subscription_missing",
    "The request does not say what to subscribe to or to unsubscribe from.",
);
const SUBSCRIPTION_INVALID: Kind = kind(
    403,
    "subscription_invalid",
    "The subscription is neither a pattern nor an array of at least one pattern.",
);
const TOO_MANY_SUBSCRIPTIONS: Kind =
    kind(403, "too_many_subscriptions", "There would be more subscriptions than the limit.");
const TOO_MANY_SESSIONS: Kind =
    kind(503, "too_many_sessions", "The server has as many sessions as it may: come back later.");
const CHANNEL_UNKNOWN: Kind = kind(404, "channel_unknown", "Nothing answers on that channel.");
const CHANNEL_INVALID: Kind = kind(
    405,
    "channel_invalid",
    "That is not the name of a channel, or a wildcard where one channel is needed.",
);
const MESSAGE_ID_INVALID: Kind =
    kind(405, "message_id_invalid", "An id is a string or a number of at most 64 bytes, without <.");
const CONNECT_REPLACED: Kind =
    kind(409, "connect_replaced", "A newer connect of the same session took the place of this one.");

/// Why something was refused. `Display` gives the error string of the SPEC: `403:/a,guest:publish_denied`.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    kind: &'static Kind,
    arguments: Box<str>,
}

impl Refusal {
    fn new(kind: &'static Kind, arguments: &[&str]) -> Self {
        let mut text = String::new();
        for (index, argument) in arguments.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            for character in argument.chars().map(plain) {
                if text.len() + character.len_utf8() > ARGUMENT_BYTES {
                    break;
                }
                text.push(character);
            }
        }
        Self { kind, arguments: text.into() }
    }

    /// The client speaks another version of the protocol.
    pub fn version_unsupported(version: &str) -> Self {
        Self::new(&VERSION_UNSUPPORTED, &[version])
    }

    /// No connection type in common; the arguments are those that the client named.
    pub fn connection_type_unsupported<'a>(named: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(&CONNECTION_TYPE_UNSUPPORTED, &named.into_iter().collect::<Vec<_>>())
    }

    /// The message names no channel.
    pub fn channel_missing() -> Self {
        Self::new(&CHANNEL_MISSING, &[])
    }

    /// A publication without data.
    pub fn data_missing(channel: &str) -> Self {
        Self::new(&DATA_MISSING, &[channel])
    }

    /// A field of a wrong type, or one that came twice.
    pub fn message_invalid() -> Self {
        Self::new(&MESSAGE_INVALID, &[])
    }

    /// Something else in the same request as a handshake (SPEC: the server must ignore it).
    pub fn batched_with_handshake() -> Self {
        Self::new(&BATCHED_WITH_HANDSHAKE, &[])
    }

    /// No such session.
    pub fn session_unknown() -> Self {
        Self::new(&SESSION_UNKNOWN, &[])
    }

    /// No session for this client.
    pub fn handshake_denied() -> Self {
        Self::new(&HANDSHAKE_DENIED, &[])
    }

    /// No right to publish there, and why.
    pub fn publish_denied(channel: &str, why: &str) -> Self {
        Self::new(&PUBLISH_DENIED, &[channel, why])
    }

    /// No right to listen there, and why.
    pub fn subscribe_denied(pattern: &str, why: &str) -> Self {
        Self::new(&SUBSCRIBE_DENIED, &[pattern, why])
    }

    /// A subscribe or unsubscribe request without a subscription.
    pub fn subscription_missing() -> Self {
        Self::new(&SUBSCRIPTION_MISSING, &[])
    }

    /// A subscription of a wrong type, or an empty array.
    pub fn subscription_invalid() -> Self {
        Self::new(&SUBSCRIPTION_INVALID, &[])
    }

    /// More subscriptions than `limit`, in one request or in one session.
    pub fn too_many_subscriptions(limit: usize) -> Self {
        Self::new(&TOO_MANY_SUBSCRIPTIONS, &[&limit.to_string()])
    }

    /// There are as many sessions as there may be.
    pub fn too_many_sessions(limit: usize) -> Self {
        Self::new(&TOO_MANY_SESSIONS, &[&limit.to_string()])
    }

    /// A service does not understand what it was sent.
    pub fn data_invalid(channel: &str) -> Self {
        Self::new(&DATA_INVALID, &[channel])
    }

    /// Something else was published under the same `Idempotency-Key`.
    pub fn key_reused() -> Self {
        Self::new(&IDEMPOTENCY_KEY_REUSED, &[])
    }

    /// A channel that nothing answers on: an unknown one below `/meta`, a service that is not there.
    pub fn channel_unknown(channel: &str) -> Self {
        Self::new(&CHANNEL_UNKNOWN, &[channel])
    }

    /// A name that is no channel, or a wildcard where one channel is needed.
    pub fn channel_invalid(name: &str) -> Self {
        Self::new(&CHANNEL_INVALID, &[name])
    }

    /// An id that is neither a string nor a number, is longer than 64 bytes, or has `<` in it.
    pub fn message_id_invalid() -> Self {
        Self::new(&MESSAGE_ID_INVALID, &[])
    }

    /// A newer connect of the session replaced this one.
    pub fn connect_replaced() -> Self {
        Self::new(&CONNECT_REPLACED, &[])
    }

    /// The number in front, for example 403.
    pub fn code(&self) -> u16 {
        self.kind.code
    }

    /// What it is about, joined by commas. A colon, a comma and what is not plain text in an argument became
    /// `_`, and at most 512 bytes are kept.
    pub fn arguments(&self) -> &str {
        &self.arguments
    }

    /// The name at the end, for example `publish_denied`.
    pub fn message(&self) -> &'static str {
        self.kind.message
    }

    /// A sentence for people: it is not on the wire.
    pub fn sentence(&self) -> &'static str {
        self.kind.sentence
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.code(), self.arguments, self.message())
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({self})")
    }
}

/// Keeps letters, and the marks that can stand in an error string, a log line and a page without a second
/// thought.
fn plain(character: char) -> char {
    match character {
        ':' | ',' | '"' | '\'' | '\\' | '<' | '>' | '&' => '_',
        ' ' => ' ',
        _ if character.is_alphanumeric() || character.is_ascii_graphic() => character,
        _ => '_',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_cannot_pass_for_the_rest_of_the_error() {
        let refusal = Refusal::publish_denied("/a:b,c", "no\u{2028}<b>");
        assert_eq!(refusal.to_string(), "403:/a_b_c,no__b_:publish_denied");
        let long = Refusal::channel_invalid(&"é".repeat(1000));
        assert_eq!(long.arguments().len(), 512);
    }

    #[test]
    fn codes_and_names_tell_refusals_apart() {
        for (index, kind) in REFUSALS.iter().enumerate() {
            assert!(REFUSALS[..index].iter().all(|other| other.message != kind.message), "{}", kind.message);
        }
    }
}
