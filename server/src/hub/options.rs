//! The hub's settings: times and bounds of sessions.

use std::time::Duration;

use bayeux::{Advice, Message, Reconnect};
use serde::{Deserialize, Serialize};

use super::outbox::Outbox;

/// The hub's settings.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How long a connect is held.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// How long clients are advised to wait between two connects.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// The pause between two heartbeats on streams and sockets.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// How long a session waits for its next connection or poll.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// How long a session may take from its handshake to its first connect.
    #[serde(with = "humantime_serde")]
    pub first_connect: Duration,
    /// Messages an outbox holds while its connection is blocked or absent; one more ends the session.
    pub outbox_messages: usize,
    /// The same in bytes.
    pub outbox_bytes: usize,
    /// Subscriptions a session may have.
    pub subscriptions: usize,
    /// Sessions on this node; a handshake beyond them is told to come back later.
    pub sessions: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            timeout: Duration::from_secs(30),
            interval: Duration::ZERO,
            heartbeat: Duration::from_secs(25),
            grace: Duration::from_secs(30),
            first_connect: Duration::from_secs(10),
            outbox_messages: 1000,
            outbox_bytes: 1024 * 1024,
            subscriptions: 1000,
            sessions: 1_000_000,
        }
    }
}

impl Options {
    /// Complete advice with these settings' times.
    pub fn advice(&self, reconnect: Reconnect) -> Advice {
        Advice {
            reconnect,
            interval: self.interval.as_millis() as u64,
            timeout: self.timeout.as_millis() as u64,
            multiple_clients: false,
        }
    }

    /// An empty outbox never is, however small it may be.
    pub(super) fn is_half_full(&self, outbox: &Outbox) -> bool {
        outbox.waiting() >= (self.outbox_messages / 2).max(1)
            || outbox.waiting_bytes() >= (self.outbox_bytes / 2).max(1)
    }

    /// Whether an outbox may hold one more. An empty one may, whatever its size: nothing would ever make room for it.
    pub(super) fn has_room(&self, outbox: &Outbox, message: &Message) -> bool {
        outbox.holds_none()
            || (outbox.len() < self.outbox_messages && outbox.bytes() + message.bytes() <= self.outbox_bytes)
    }
}
