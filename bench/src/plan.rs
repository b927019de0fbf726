//! What a session is to become, and how far it has come.

use clap::ValueEnum;

use crate::ledger::ChannelNumber;

/// How a session talks to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Bayeux over WebSocket.
    #[value(name = "websocket")]
    WebSocket,
    /// Bayeux over HTTP/1.1 with held polls.
    LongPolling,
    /// `GET /channels/…?as=event-stream`, which has no session words at all.
    EventStream,
}

impl Transport {
    /// The name on the wire and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Transport::WebSocket => "websocket",
            Transport::LongPolling => "long-polling",
            Transport::EventStream => "event-stream",
        }
    }
}

/// How a session acknowledges its deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ack {
    /// Not at all.
    #[default]
    None,
    /// By the number of those that have arrived, which each connect tells; they come at any time.
    Count,
    /// In CometD's way: they come with connect replies only, and the next connect repeats the reply's number.
    Batch,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// TCP.
    Connecting,
    /// The head of the response to an upgrade, or of a stream, is awaited.
    Upgrading,
    /// The reply to `/meta/handshake` is awaited.
    Handshaking,
    /// The reply to `/meta/subscribe` is awaited.
    Subscribing,
    /// The reply to the first `/meta/connect` is awaited, which the server does not hold.
    Introducing,
    /// Subscribed, with a connect held unless the plan says otherwise.
    Ready,
    /// The connection is over.
    Over,
}

/// What a session is to become.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The channels it subscribes to; none for a publisher.
    pub(crate) listens: Vec<ChannelNumber>,
    /// How it talks.
    pub(crate) transport: Transport,
    /// Whether it keeps a `/meta/connect` held, without which a session expires.
    pub(crate) connects: bool,
    /// `SO_RCVBUF`, for one that will stall.
    pub(crate) receive_buffer: Option<usize>,
    /// Whether its events are looked at before those of the others.
    pub(crate) urgent: bool,
    /// How it acknowledges.
    pub(crate) ack: Ack,
}
