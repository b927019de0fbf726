//! Acknowledgement (CometD's `ack` extension): a delivery stays in the outbox until the client says that it has arrived.
//!
//! Numbers count the deliveries of a session, so that "I have the first N" means the same on every connection, and
//! whoever only echoes the number that closed a batch says the same.

use std::sync::Arc;

use bayeux::{Ack, Acknowledged, Framing};

use tokio::sync::oneshot;

use super::Options;
use super::outbox::WRITE_BYTES;
use super::outlet::{Outlet, Socket};
use super::session::{Key, Phase, Session};
use super::shard::Shard;
use super::wire::Wire;

/// So many unacknowledged deliveries, or
const ASK_MESSAGES: usize = 250;
/// so many bytes of them: a held connect is answered, and the next one acknowledges. At most a quarter of what an
/// outbox may hold, so that it does not fill up in the meantime.
const ASK_BYTES: usize = 256 * 1024;

/// Whether so much is unacknowledged that the client should be heard.
pub(super) fn owes(session: &Session, options: &Options) -> bool {
    let outbox = &session.outbox;
    session.ack() == Ack::Count
        && outbox.sent() > 0
        && (outbox.sent() >= ASK_MESSAGES.min(options.outbox_messages / 4)
            || outbox.sent_bytes() >= ASK_BYTES.min(options.outbox_bytes / 4))
}

/// Whether it is, and a connect is held whose answer would have it acknowledge.
pub(super) fn asks(session: &Session, options: &Options) -> bool {
    matches!(session.phase, Phase::Held(_)) && owes(session, options)
}

fn is_crowded(session: &Session, options: &Options) -> bool {
    let outbox = &session.outbox;
    outbox.len() >= (options.outbox_messages / 2).max(1)
        || outbox.bytes() >= (options.outbox_bytes / 2).max(1)
}

impl Shard {
    /// How a session's deliveries are acknowledged, and who publishes by it: what its handshake said.
    pub fn settle(&mut self, key: Key, ack: Ack, publisher: Option<std::num::NonZeroU64>) {
        if ack == Ack::None && publisher.is_none() {
            return;
        }
        if let Some(session) = self.get_mut(key) {
            let more = session.more.get_or_insert_default();
            (more.ack, more.publisher) = (ack, publisher);
        }
    }

    /// Names the one who publishes by a session that has no name yet.
    pub fn settle_publisher(&mut self, key: Key, publisher: std::num::NonZeroU64) {
        if let Some(session) = self.get_mut(key) {
            session.more.get_or_insert_default().publisher.get_or_insert(publisher);
        }
    }

    /// A connect has come, on `wire` if that is a socket. Lets go of what it acknowledges, and fills the outbox from
    /// what was missed. What was handed to a connection that is no more waits again.
    pub fn arrived(&mut self, key: Key, acknowledged: Acknowledged, wire: Option<&Arc<Wire>>) {
        if wire.is_some_and(|wire| wire.is_closing()) {
            // It was said on a socket that another connection has taken the place of, whose reader has yet to see that: nothing
            // of what the other one is handed waits again.
            return;
        }
        let Some(session) = self.get_mut(key) else { return };
        if session.ack() != Ack::None {
            let is_new = match wire {
                Some(_) => !session.is_at(wire),
                // A poll takes the place of another connection when it is held.
                None => session.outlet.is_vacant(),
            };
            if !session.acknowledge(acknowledged) {
                self.metrics.refused("ack_invalid");
            }
            if is_new {
                self.begin_again(key.slot);
            }
            self.disperse(key.slot);
        }
        self.catch_up(key.slot);
    }

    /// What was handed to an earlier connection and not acknowledged is for the new one.
    pub(super) fn begin_again(&mut self, slot: u32) {
        let session = &mut self.sessions[slot as usize];
        session.outbox.rewind();
        if session.more.as_ref().is_some_and(|more| more.given_up) {
            self.tell_given_up(slot);
        }
    }

    /// A connect that is answered at once has come by a way that is no socket. For a session that acknowledges its connection takes
    /// the place of another one: the number in the answer stands for what that client has been sent.
    pub fn take_place(&mut self, key: Key) {
        if self.get(key).is_some_and(|session| session.ack() != Ack::None && !session.outlet.is_vacant()) {
            self.replace_outlet(key.slot);
        }
    }

    /// Over HTTP, deliveries of a session that acknowledges ride on connects only, so one that publishes to itself could
    /// fill its own outbox faster than it is emptied. While that is half full, its publications are answered late: the answer says when
    /// there is room again. `None`: there is.
    pub fn crowded(&mut self, key: Key) -> Option<oneshot::Receiver<()>> {
        let options = self.options.clone();
        let session = self.get_mut(key)?;
        let is_polled = !matches!(session.outlet, Outlet::Socket(_)) && session.ack() != Ack::None;
        if !is_polled || !is_crowded(session, &options) {
            return None;
        }
        let (room, is_made) = oneshot::channel();
        session.more.as_mut()?.crowd.push(room);
        Some(is_made)
    }

    /// Tells those who wait for room that there is.
    fn disperse(&mut self, slot: u32) {
        let session = &mut self.sessions[slot as usize];
        if !is_crowded(session, &self.options)
            && let Some(more) = &mut session.more
        {
            more.crowd.drain(..).for_each(|room| _ = room.send(()));
        }
    }

    /// What rides on the reply to a connect that is not held, for a session that acknowledges: messages as an array
    /// without its brackets, and the number that stands for them. `None`: the session does not acknowledge.
    pub fn take_acknowledged(&mut self, key: Key, wire: Option<&Arc<Wire>>) -> Option<(Vec<u8>, u64)> {
        let session = self.get(key)?;
        let rides = match session.ack() {
            Ack::None => return None,
            Ack::Batch => session.is_at(wire) && !matches!(session.phase, Phase::Held(_)),
            Ack::Count => wire.is_none() && session.outlet.is_vacant(),
        };
        let mut bytes = Vec::new();
        let session = &mut self.sessions[key.slot as usize];
        if rides && session.outbox.has_messages() {
            let mut count = 0;
            for message in session.outbox.iter() {
                if count > 0 && bytes.len() + message.bytes() > WRITE_BYTES {
                    break;
                }
                Framing::Array.push(&mut bytes, message, count == 0);
                count += 1;
            }
            session.handed_over(count);
            self.metrics.messages_out.inc_by(count as u64);
        }
        Some((bytes, self.sessions[key.slot as usize].ack_number()?))
    }
}

impl Shard {
    /// Answers a held connect of a session that acknowledges: with what waits, in CometD's way; or because so much was
    /// handed over that it should be acknowledged.
    pub(super) fn answer_acknowledging(&mut self, slot: u32) {
        let until = self.after(self.options.grace);
        let session = &mut self.sessions[slot as usize];
        let due =
            asks(session, &self.options) || (session.ack() == Ack::Batch && session.outbox.has_messages());
        if !due || !matches!(session.outlet, Outlet::Socket(Socket { rest: None, .. })) {
            return;
        }
        match std::mem::replace(&mut session.phase, Phase::Between) {
            Phase::Held(id) => {
                session.until = until;
                self.schedule(slot);
                self.reply_connect(slot, id.as_ref(), None, None);
            }
            other => session.phase = other,
        }
    }
}

impl Session {
    /// Whether a request on `wire`, or on a connection that is no socket, came by the session's own way.
    fn is_at(&self, wire: Option<&Arc<Wire>>) -> bool {
        match wire {
            Some(wire) => self.outlet.wire().is_some_and(|held| Arc::ptr_eq(held, wire)),
            None => self.outlet.is_vacant(),
        }
    }

    /// Lets go of the deliveries that have arrived. False when the number is none that was handed over.
    fn acknowledge(&mut self, acknowledged: Acknowledged) -> bool {
        let Some(more) = &mut self.more else { return true };
        match acknowledged {
            Acknowledged::Nothing => true,
            Acknowledged::First(number) if number <= more.high => {
                if let Some(count) = number.checked_sub(more.base) {
                    self.outbox.forget(count as usize);
                    more.base = number;
                    // Whatever was given up has arrived all the same.
                    more.given_up = false;
                    return true;
                }
                more.given_up
            }
            Acknowledged::First(_) | Acknowledged::Garbage => false,
        }
    }
}
