//! How messages stand on each kind of connection, one file for each form, both ways: the server joins the
//! ready bytes of messages, a client takes them apart again.

pub mod array;
pub mod callback;
pub mod event_stream;
pub mod lines;
pub(crate) mod page;

use crate::message::Message;

/// The form in which a connection wants its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// One WebSocket frame for each message (RFC 6455).
    WebSocket,
    /// A JSON array: the body of a poll.
    Array,
    /// An event stream (WHATWG HTML, "Server-sent events") of payloads.
    EventStream {
        /// Whether each event has its channel as its type: for patterns with a wildcard.
        named: bool,
    },
    /// One message a line (NDJSON).
    Lines,
    /// An array inside of a string literal of JavaScript: the body of a poll that comes as a script.
    Callback,
    /// A page that grows, for browsers that have no script.
    Page,
}

impl Framing {
    /// Appends a message to what is written at once. `first` says whether it is the first inside of the
    /// brackets of an array, which the caller writes; the other forms have nothing between messages.
    pub fn push(&self, out: &mut Vec<u8>, message: &Message, first: bool) {
        if matches!(self, Self::Array | Self::Callback) && !first {
            out.push(b',');
        }
        match self {
            Self::Callback => callback::quote(out, message.json()),
            _ => out.extend_from_slice(self.ready(message)),
        }
        if *self == Self::Lines {
            out.push(b'\n');
        }
    }

    /// The bytes of one message without what separates it from the next: for [`Framing::Array`],
    /// [`Framing::Lines`] and [`Framing::Callback`] its bare JSON.
    pub fn ready<'m>(&self, message: &'m Message) -> &'m [u8] {
        match self {
            Self::WebSocket => message.websocket_frame(),
            Self::Array | Self::Lines | Self::Callback => message.json(),
            Self::Page => message.paragraph(),
            Self::EventStream { named } => message.event(*named),
        }
    }

    /// What keeps a quiet connection alive without saying anything; nothing for an array, whose connection
    /// waits for its first byte.
    pub fn heartbeat(&self) -> &'static [u8] {
        match self {
            // A ping without a payload.
            Self::WebSocket => &[0x89, 0],
            Self::Array | Self::Callback => b"",
            Self::Page => b"<!-- -->\n",
            // A comment.
            Self::EventStream { .. } => b":\n\n",
            Self::Lines => b"\n",
        }
    }
}

/// What a server sent is larger than the client's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server sent more than {limit} bytes without an end")]
pub struct TooLarge {
    /// The limit that was passed, in bytes.
    pub limit: usize,
}
