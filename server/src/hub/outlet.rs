//! The one connection that now drains an outbox: a sink that the flush turn writes to, or one that it wakes.

use std::sync::Arc;
use std::time::Duration;

use bayeux::{Framing, PollBody};
use tokio::sync::Notify;

use super::wire::{Wire, Written};
use crate::clock::Clock;

/// How long the last bytes for a peer may take to leave before its socket is shut.
const FAREWELL: Duration = Duration::from_secs(5);

/// Something to let go of when a poll is answered (a place among its browser's held polls).
pub type Guard = Box<dyn Send>;

/// A long poll that is held.
pub struct Poll {
    /// Where it came from.
    pub wire: Arc<Wire>,
    /// The response up to and with `Content-Length: `; the hub adds the number, an empty line, and the body.
    pub head: Arc<[u8]>,
    /// How the body stands.
    pub body: PollBody,
    /// Whether the connection ends with this response (HTTP/1.0, `Connection: close`).
    pub close: bool,
    /// Let go of when the poll is answered.
    pub guard: Option<Guard>,
}

/// An outlet that cannot be written with a bare `write` (TLS, HTTP/2, a tower host): it is woken, and its
/// task then takes what waits with `Shard::take`.
#[derive(Debug, Default)]
pub struct Woken {
    waiting: Notify,
}

impl Woken {
    /// Returns when something waits, or the session has ended (then taking says so).
    pub async fn waiting(&self) {
        self.waiting.notified().await;
    }

    pub(super) fn wake(&self) {
        self.waiting.notify_one();
    }
}

/// A socket that stays: WebSocket, or a response that never ends.
pub(super) struct Socket {
    pub(super) wire: Arc<Wire>,
    pub(super) framing: Framing,
    /// Whether each write is one HTTP/1.1 chunk.
    pub(super) chunked: bool,
    /// The end of a write that the kernel took only a part of. While it is `Some`, even empty, the socket is
    /// blocked and a task waits for it.
    pub(super) rest: Option<Box<[u8]>>,
    /// The heartbeat has seen this very block before: the next time the session ends.
    pub(super) stalled: bool,
}

#[derive(Default)]
pub(super) enum Outlet {
    #[default]
    Absent,
    Socket(Socket),
    Poll(Box<Poll>),
    Woken(Arc<Woken>),
}

impl Outlet {
    /// Whether a message can leave as soon as a turn comes to it. Only the others can overflow: where
    /// the outlet is free and messages gather, it is the server that is late.
    pub(super) fn is_free(&self) -> bool {
        match self {
            Outlet::Absent | Outlet::Woken(_) => false,
            Outlet::Socket(socket) => socket.rest.is_none(),
            Outlet::Poll(_) => true,
        }
    }

    /// Whether what waits may ride on a response: nobody writes it elsewhere.
    pub(super) fn is_vacant(&self) -> bool {
        matches!(self, Outlet::Absent | Outlet::Woken(_))
    }

    pub(super) fn wire(&self) -> Option<&Arc<Wire>> {
        match self {
            Outlet::Socket(socket) => Some(&socket.wire),
            Outlet::Poll(poll) => Some(&poll.wire),
            Outlet::Absent | Outlet::Woken(_) => None,
        }
    }
}

/// Lets the last bytes of a connection leave, then shuts it. At most [`FAREWELL`] long.
pub(super) fn farewell(wire: Arc<Wire>, bytes: Vec<u8>) {
    wire.close();
    match wire.write(&[&bytes]) {
        Written::All | Written::Closed => wire.shut(),
        Written::Part(rest) => {
            let rest = rest.unwrap_or_else(|| bytes.into());
            tokio::spawn(async move {
                let _ = tokio::time::timeout(FAREWELL, wire.write_all(&rest)).await;
                wire.shut();
            });
        }
    }
}

/// Finishes the answer to a poll: gives the wire back to its connection, or shuts it.
pub(super) fn answered(poll: &Poll, now: Duration) {
    if poll.close {
        poll.wire.close();
        poll.wire.shut();
    } else {
        poll.wire.rest(now);
        poll.wire.answered();
    }
}

/// Finishes the answer to a poll of which the kernel took only a part. At most `limit` long.
pub(super) fn finish_answer(poll: Box<Poll>, rest: Box<[u8]>, limit: Duration, clock: Clock) {
    tokio::spawn(async move {
        match tokio::time::timeout(limit, poll.wire.write_all(&rest)).await {
            Ok(Ok(())) => answered(&poll, clock.now()),
            _ => {
                poll.wire.close();
                poll.wire.shut();
            }
        }
    });
}
