//! Requests → bytes: the client's side, for tests, load generators and the shell client.

use super::{Request, Subscription, Verb};
use crate::safe;

impl Request {
    /// Appends one JSON object. [`parse`](super::parse) reads it back as it was, except for
    /// [`Verb::Refused`], of which only the channel is left.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"channel\":");
        safe::string(out, self.verb.channel());
        if let Some(id) = &self.id {
            out.extend_from_slice(b",\"id\":");
            out.extend_from_slice(id.as_json().as_bytes());
        }
        text(out, "clientId", self.client_id.as_deref());
        match &self.verb {
            Verb::Handshake { version, minimum_version, connection_types } => {
                text(out, "version", version.as_deref());
                text(out, "minimumVersion", minimum_version.as_deref());
                if let Some(types) = connection_types {
                    out.extend_from_slice(b",\"supportedConnectionTypes\":");
                    safe::strings(out, types.iter().map(|name| &**name));
                }
            }
            Verb::Connect { connection_type, timeout } => {
                text(out, "connectionType", connection_type.as_deref());
                if let Some(timeout) = timeout {
                    out.extend_from_slice(format!(",\"advice\":{{\"timeout\":{timeout}}}").as_bytes());
                }
            }
            Verb::Subscribe(subscription) | Verb::Unsubscribe(subscription) => {
                out.extend_from_slice(b",\"subscription\":");
                subscription.write_json(out);
            }
            Verb::Publish { data, .. } => {
                out.extend_from_slice(b",\"data\":");
                safe::json(out, data.get().as_bytes());
            }
            Verb::Disconnect | Verb::Refused { .. } => {}
        }
        if let Some(ext) = &self.ext {
            out.extend_from_slice(b",\"ext\":");
            safe::json(out, ext.get().as_bytes());
        }
        out.push(b'}');
    }
}

impl Verb {
    /// The channel of the request, which is also that of its reply.
    pub fn channel(&self) -> &str {
        match self {
            Self::Handshake { .. } => "/meta/handshake",
            Self::Connect { .. } => "/meta/connect",
            Self::Disconnect => "/meta/disconnect",
            Self::Subscribe(_) => "/meta/subscribe",
            Self::Unsubscribe(_) => "/meta/unsubscribe",
            Self::Publish { channel, .. } => channel.as_str(),
            Self::Refused { channel, .. } => channel,
        }
    }
}

impl Subscription {
    /// Appends the patterns in the shape in which they came: a string, or an array of strings.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match &self.patterns[..] {
            [pattern] if !self.array => safe::string(out, pattern.as_str()),
            patterns => safe::strings(out, patterns.iter().map(|pattern| pattern.as_str())),
        }
    }
}

fn text(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.push(b',');
        safe::string(out, name);
        out.push(b':');
        safe::string(out, value);
    }
}
