//! The words of the Bayeux protocol: no I/O, no clock, no async.
//!
//! In the order a message meets them:
//!
//! - [`channel`]: where a message is published ([`Channel`]) and what a session listens to ([`Pattern`]).
//! - [`id`]: the names of sessions, requests and places in a history.
//! - [`cursor`]: where a reader stands in one or more histories.
//! - [`request`]: bytes → what a client says ([`Request`]).
//! - [`ext`]: what it says under `ext`: acknowledgement, replay, echoes.
//! - [`reply`]: what the server answers ([`Reply`], [`Advice`], [`Refusal`]) → bytes.
//! - [`answer`]: the client's side of the same: bytes → what a server said ([`Answer`]).
//! - [`message`]: a publication, encoded once for everybody ([`Draft`] → [`Message`]).
//! - [`framing`]: how messages stand on each kind of connection, both ways.
//!
//! Every parser takes bytes from strangers: it never panics, and what it keeps is bounded by limits that
//! the caller passes in or that stand beside it. "SPEC" in these pages is the text of Bayeux 1.0.

// In reading order: blank lines keep the formatter from sorting them.
pub mod channel;

pub mod id;

pub mod cursor;

pub mod request;

pub mod ext;

pub mod reply;

pub mod answer;

pub mod message;

pub mod framing;

pub mod websocket;

mod safe;

pub use answer::{Answer, parse_answers};
pub use channel::{Channel, ChannelKind, ChannelLimits, InvalidChannel, Pattern, Reach, covers};
pub use cursor::Cursor;
pub use ext::{Ack, Acknowledged, Since, Wishes};
pub use framing::Framing;
pub use framing::callback::{Callback, PollBody};
pub use id::{InvalidPosition, MessageId, Position, RequestId, SessionId};
pub use message::{Content, Draft, Encoded, Message, Payload, Seal, recovery_event};
pub use reply::{Advice, Reconnect, Refusal, Reply};
pub use request::{Limits, ParseError, Request, Subscription, Verb, parse, parse_form, parse_value};
