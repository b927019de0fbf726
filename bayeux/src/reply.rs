//! What the server answers (SPEC, "Meta Messages" and "Advice"): replies, advice, refusals → bytes.

mod refusal;

use serde_json::value::RawValue;

use crate::id::{RequestId, SessionId};
use crate::request::Subscription;
use crate::safe;

pub use refusal::{Kind, REFUSALS, Refusal};

/// The protocol this crate speaks, and the oldest one it accepts.
pub const VERSION: &str = "1.0";

/// What a client should do after its connection ends or a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconnect {
    /// Connect again with the same session.
    Retry,
    /// Ask for a new session.
    Handshake,
    /// Stop.
    None,
}

impl Reconnect {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Handshake => "handshake",
            Self::None => "none",
        }
    }
}

/// How a client should connect from now on. Always complete: npm `cometd` forgets what it was told before, so
/// a field that is left out falls back to that client's own default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What to do next.
    pub reconnect: Reconnect,
    /// How long to wait before the next connect, in milliseconds.
    pub interval: u64,
    /// How long the server holds a connect, in milliseconds.
    pub timeout: u64,
    /// The server has seen several clients of one browser, which must not all hold a poll.
    pub multiple_clients: bool,
}

impl Advice {
    /// Appends one JSON object.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let Self { reconnect, interval, timeout, multiple_clients } = *self;
        let reconnect = reconnect.as_str();
        let text = format!(r#"{{"reconnect":"{reconnect}","interval":{interval},"timeout":{timeout}"#);
        out.extend_from_slice(text.as_bytes());
        if multiple_clients {
            out.extend_from_slice(b",\"multiple-clients\":true");
        }
        out.push(b'}');
    }
}

/// One answer. `successful` is whether there is no error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reply<'a> {
    /// The channel of the request.
    pub channel: &'a str,
    /// The id of the request: clients find the request by it alone.
    pub id: Option<&'a RequestId>,
    /// Why it failed.
    pub error: Option<&'a Refusal>,
    /// The session, in the reply to a handshake.
    pub client_id: Option<&'a SessionId>,
    /// What was subscribed or unsubscribed, in the shape in which it was asked for.
    pub subscription: Option<&'a Subscription>,
    /// How to go on.
    pub advice: Option<Advice>,
    /// In the reply to a handshake, whether it succeeded or not: all connection types the server speaks. The
    /// versions are written with it.
    pub handshake: Option<&'a [&'a str]>,
    /// What a service answers.
    pub data: Option<&'a RawValue>,
    /// The answer to extensions, an object.
    pub ext: Option<&'a RawValue>,
    /// The number that stands for all deliveries up to this reply (CometD's `ack`). With it `ext` says nothing else.
    pub ack: Option<u64>,
}

impl<'a> Reply<'a> {
    /// A successful answer on `channel` that says nothing else yet.
    pub fn new(channel: &'a str) -> Self {
        Self { channel, ..Self::default() }
    }

    /// Appends one JSON object, safe in every framing.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"channel\":");
        safe::string(out, self.channel);
        if let Some(id) = self.id {
            out.extend_from_slice(b",\"id\":");
            out.extend_from_slice(id.as_json().as_bytes());
        }
        if let Some(client_id) = self.client_id {
            out.extend_from_slice(b",\"clientId\":");
            safe::string(out, client_id.as_str());
        }
        if let Some(types) = self.handshake {
            let versions = format!(r#","version":"{VERSION}","minimumVersion":"{VERSION}""#);
            out.extend_from_slice(versions.as_bytes());
            out.extend_from_slice(b",\"supportedConnectionTypes\":");
            safe::strings(out, types.iter().copied());
        }
        let successful: &[u8] =
            if self.error.is_none() { b",\"successful\":true" } else { b",\"successful\":false" };
        out.extend_from_slice(successful);
        if let Some(error) = self.error {
            out.extend_from_slice(b",\"error\":");
            safe::string(out, &error.to_string());
        }
        if let Some(subscription) = self.subscription {
            out.extend_from_slice(b",\"subscription\":");
            subscription.write_json(out);
        }
        if let Some(advice) = self.advice {
            out.extend_from_slice(b",\"advice\":");
            advice.write_json(out);
        }
        if let Some(data) = self.data {
            out.extend_from_slice(b",\"data\":");
            safe::json(out, data.get().as_bytes());
        }
        if let Some(ack) = self.ack {
            out.extend_from_slice(format!(r#","ext":{{"ack":{ack}}}"#).as_bytes());
        } else if let Some(ext) = self.ext {
            out.extend_from_slice(b",\"ext\":");
            safe::json(out, ext.get().as_bytes());
        }
        out.push(b'}');
    }
}
