//! What a client may say (SPEC, "Bayeux Message Fields" and "Meta Messages"): bytes → [`Request`]s.
//!
//! Bytes that are not JSON, or too much of it, fail as a whole ([`ParseError`]). A message that is JSON but
//! says something the protocol does not know becomes [`Verb::Refused`] and leaves its neighbours alone.

mod envelope;
mod parse;
mod print;

use std::fmt;

use serde_json::value::RawValue;

use crate::channel::{Channel, ChannelLimits, Pattern};
use crate::id::RequestId;
use crate::reply::Refusal;

pub use parse::{parse, parse_form, parse_value};

/// One message of a client.
#[derive(Clone)]
pub struct Request {
    /// What the reply must carry so that the client recognises it.
    pub id: Option<RequestId>,
    /// The session it claims, as sent, cut to 64 bytes (no real one is longer). A secret: `Debug` hides it.
    pub client_id: Option<Box<str>>,
    /// The object under `ext`, which may have a token in it: `Debug` hides it.
    pub ext: Option<Box<RawValue>>,
    /// What it asks for.
    pub verb: Verb,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("id", &self.id)
            .field("client_id", &self.client_id.as_ref().map(|_| "…"))
            .field("ext", &self.ext.as_ref().map(|_| "…"))
            .field("verb", &self.verb)
            .finish()
    }
}

/// What a request asks for, decided here and nowhere else from its channel, which must match exactly.
#[derive(Clone, Debug)]
pub enum Verb {
    /// `/meta/handshake`: a new session.
    Handshake {
        /// The protocol the client speaks, cut to 64 bytes.
        version: Option<Box<str>>,
        /// The oldest one it would accept, cut to 64 bytes.
        minimum_version: Option<Box<str>>,
        /// The first 32 connection types it can use, each cut to 64 bytes. Absent in what `dojox.cometd`
        /// sends: then it means the transport that the request came by.
        connection_types: Option<Vec<Box<str>>>,
    },
    /// `/meta/connect`: hold this until there is something to say.
    Connect {
        /// The transport the client thinks it uses, cut to 64 bytes.
        connection_type: Option<Box<str>>,
        /// `advice.timeout` of the client in milliseconds: how long it wants to be held. 0 asks for an answer
        /// at once. Absent also when it is not a whole number: advice is a hint.
        timeout: Option<u64>,
    },
    /// `/meta/disconnect`: end the session.
    Disconnect,
    /// `/meta/subscribe`.
    Subscribe(Subscription),
    /// `/meta/unsubscribe`.
    Unsubscribe(Subscription),
    /// A message on any other channel, those below `/service` included.
    Publish {
        /// Where to.
        channel: Channel,
        /// Any JSON value, `null` too, byte for byte as it was sent.
        data: Box<RawValue>,
    },
    /// Something that cannot be done, whoever asks: only the reply is left to write.
    Refused {
        /// The channel to answer on, as sent; `""` when it was missing, no string, or too long.
        channel: Box<str>,
        /// Why.
        refusal: Refusal,
    },
}

/// The patterns of a subscribe or unsubscribe request: valid, and at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// In the order in which they were sent.
    pub patterns: Vec<Pattern>,
    /// Whether they came in an array; the reply answers in the same shape.
    pub array: bool,
}

/// What [`parse`] accepts. The defaults are those of the product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of one message in bytes.
    pub message_bytes: usize,
    /// Messages in one body.
    pub batch_messages: usize,
    /// Length of a whole body in bytes.
    pub batch_bytes: usize,
    /// How deep arrays and objects may nest, the message itself and an array around it included.
    pub depth: usize,
    /// Length of channels and patterns.
    pub channel: ChannelLimits,
    /// Patterns in one subscribe or unsubscribe request.
    pub subscriptions_per_request: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 64 * 1024,
            batch_messages: 256,
            batch_bytes: 512 * 1024,
            depth: 128,
            channel: ChannelLimits::default(),
            subscriptions_per_request: 256,
        }
    }
}

/// Why a whole body was refused, in words for the author of a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Nothing but white space.
    #[error("the body is empty, where a message or an array of messages is needed")]
    Empty,
    /// A form without a field of that name.
    #[error("the form has no field named message")]
    NoMessageField,
    /// The bytes are not text.
    #[error("the body is not UTF-8 (from byte {valid_bytes})")]
    NotUtf8 {
        /// How many bytes before the first wrong one are UTF-8.
        valid_bytes: usize,
    },
    /// The text is not JSON.
    #[error("the body is not JSON: {problem} at line {line} column {column}")]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// Counted in bytes from 1; 0 when the problem is the line break before.
        column: usize,
        /// What is wrong there.
        problem: Box<str>,
    },
    /// The text is JSON, but a message is something else than an object.
    #[error("message {index} of the body is not a JSON object")]
    NotAnObject {
        /// Which one, counted from 0.
        index: usize,
    },
    /// The body has more bytes than [`Limits::batch_bytes`].
    #[error("the body has more than {limit} bytes")]
    BatchTooLarge {
        /// The limit that was passed.
        limit: usize,
    },
    /// The body has more messages than [`Limits::batch_messages`].
    #[error("the body has more than {limit} messages")]
    TooManyMessages {
        /// The limit that was passed.
        limit: usize,
    },
    /// A message has more bytes than [`Limits::message_bytes`].
    #[error("message {index} of the body has more than {limit} bytes")]
    MessageTooLarge {
        /// Which one, counted from 0.
        index: usize,
        /// The limit that was passed.
        limit: usize,
    },
    /// A message nests deeper than [`Limits::depth`].
    #[error("message {index} of the body nests arrays and objects deeper than {limit} levels")]
    TooDeep {
        /// Which one, counted from 0.
        index: usize,
        /// The limit that was passed.
        limit: usize,
    },
}

impl ParseError {
    /// What serde_json says, without the place that it repeats in its text.
    pub(crate) fn not_json(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let problem = text.split(" at line ").next().unwrap_or_default();
        Self::NotJson { line: error.line(), column: error.column(), problem: problem.into() }
    }
}
