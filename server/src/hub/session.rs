//! One session: somebody who listens, over whichever connection is attached at the moment.

use bayeux::{Ack, Pattern, RequestId, SessionId};

use super::expiry::Tick;
use super::outbox::Outbox;
use super::outlet::Outlet;
use super::owner::Until;
use super::recovery::More;
use super::subscriptions::Entry;

/// Names one session of one shard. It outlives the session: a slot that was given to somebody else has another
/// generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The shard it lives on.
    pub shard: u16,
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// Why a session ended. The names are those of the `cause` label in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client said so.
    Disconnected,
    /// The client was not heard of in time.
    Expired,
    /// More waited than its outbox may hold, and its connection was blocked or absent.
    Overflow,
    /// Its connection took nothing for longer than a heartbeat.
    Stalled,
    /// The server is going away.
    Draining,
    /// A stream's connection closed.
    Closed,
    /// Its owner's token is good no longer.
    Unauthorized,
    /// An operator said so.
    Kicked,
}

impl Ended {
    /// The word for it in metrics, logs and close reasons.
    pub fn as_str(self) -> &'static str {
        match self {
            Ended::Disconnected => "disconnected",
            Ended::Expired => "expired",
            Ended::Overflow => "overflow",
            Ended::Stalled => "stalled",
            Ended::Draining => "draining",
            Ended::Closed => "closed",
            Ended::Unauthorized => "unauthorized",
            Ended::Kicked => "kicked",
        }
    }
}

/// Where a session stands in the connect cycle.
pub(super) enum Phase {
    /// Shook hands and has not connected yet.
    New,
    /// Between two connects.
    Between,
    /// A connect is held; it is answered at the deadline, with this id.
    Held(Option<RequestId>),
    /// Not a Bayeux client: a stream of a channel URL, which lives as long as its connection.
    Stream,
}

/// Which list of the flush turn a session stands on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dirty {
    No,
    Wide,
    Urgent,
}

pub(super) struct Session {
    /// Absent for streams.
    pub(super) id: Option<SessionId>,
    pub(super) generation: u32,
    pub(super) dirty: Dirty,
    /// Counted in the shard's `deep`: free, and half of what an outbox may hold waits.
    pub(super) deep: bool,
    /// The client was advised to wait longer than others, and is to hear when it no longer has to: a client keeps the last
    /// advice it was given.
    pub(super) slowed: bool,
    pub(super) phase: Phase,
    pub(super) outbox: Outbox,
    pub(super) outlet: Outlet,
    /// The outermost patterns, which stand in the tables.
    pub(super) entries: Vec<Entry>,
    /// Patterns that a wider one of the same session covers.
    #[expect(
        clippy::box_collection,
        reason = "a pointer for the many who have none, instead of three words"
    )]
    pub(super) asleep: Option<Box<Vec<Pattern>>>,
    /// What only some sessions have: acknowledgement, a publisher's name, a way back to what was missed.
    pub(super) more: Option<Box<More>>,
    /// When `phase` ends.
    pub(super) until: Tick,
    /// When the next heartbeat is due on the socket.
    pub(super) beat: Tick,
    /// Where the wheel will next come by.
    pub(super) scheduled: Tick,
    /// Since when messages wait.
    pub(super) waits_since: Tick,
}

impl Session {
    /// Patterns subscribed, awake or asleep.
    pub(super) fn subscriptions(&self) -> usize {
        self.entries.len() + self.asleep.as_ref().map_or(0, |asleep| asleep.len())
    }

    /// How its deliveries are acknowledged.
    pub(super) fn ack(&self) -> Ack {
        self.more.as_ref().map_or(Ack::None, |more| more.ack)
    }

    /// Whether a message can leave as soon as a turn comes to it. In CometD's way of acknowledging that takes a connect
    /// that is held.
    pub(super) fn is_free(&self) -> bool {
        self.outlet.is_free() && (self.ack() != Ack::Batch || matches!(self.phase, Phase::Held(_)))
    }

    /// The first `count` messages that wait have been handed to a connection.
    pub(super) fn handed_over(&mut self, count: usize) {
        match &mut self.more {
            Some(more) if more.ack != Ack::None => {
                self.outbox.hand_over(count);
                more.handed_over(self.outbox.sent());
            }
            _ => self.outbox.leave(count),
        }
    }

    /// Messages in front of the outbox that have been handed over at some time. A client may have them, and know each by its
    /// number, even while they wait for a new connection.
    pub(super) fn numbered(&self) -> usize {
        match &self.more {
            Some(more) if more.ack != Ack::None => (more.high - more.base) as usize,
            _ => 0,
        }
    }

    /// The number that stands for all deliveries handed over so far; absent where nobody acknowledges.
    pub(super) fn ack_number(&self) -> Option<u64> {
        let more = self.more.as_ref().filter(|more| more.ack != Ack::None)?;
        Some(more.base + self.outbox.sent() as u64)
    }

    /// The next moment at which something is due.
    pub(super) fn due(&self) -> Tick {
        let owned = self.more.as_ref().and_then(|more| more.until.as_ref()).map_or(Tick::MAX, Until::due);
        match self.outlet {
            Outlet::Socket(_) => self.until.min(self.beat).min(owned),
            _ => self.until.min(owned),
        }
    }
}
