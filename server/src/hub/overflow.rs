//! What becomes of a message that an outbox has no room for, and who is slow.

use std::sync::Arc;
use std::time::Duration;

use bayeux::{Message, Pattern, SessionId};
use serde::Serialize;

use super::expiry::TICK;
use super::outlet::Outlet;
use super::past::Class;
use super::session::{Ended, Session};
use super::shard::Shard;
use super::slow::OnOverflow;
use super::standing;

/// Lines of the log about slow sessions, a shard and second.
const LINES: u32 = 10;

/// Letters of a session's id that are shown: which of several it is. Sixteen stay secret, 95 bits.
const SHOWN: usize = 8;

fn beginning(id: &SessionId) -> String {
    format!("{}…", &id.as_str()[..SHOWN])
}

/// How many lines about slow sessions this second has had.
#[derive(Default)]
pub(super) struct Said {
    second: u64,
    lines: u32,
}

/// A session with something waiting, as operators see it.
#[derive(Clone, Debug, Serialize)]
pub struct Slow {
    /// The beginning of its id, which is a secret.
    pub session: String,
    /// The channel of the oldest message that waits.
    pub channel: String,
    /// Messages held: waiting, or unacknowledged.
    pub queued_messages: usize,
    /// The same in bytes.
    pub queued_bytes: usize,
    /// For how long the oldest has waited, in milliseconds.
    pub oldest_ms: u64,
    /// Whether it will catch up from history.
    pub catches_up: bool,
}

impl Shard {
    /// The message finds no room, or has to wait for the word that others before it did not. It is the connection that is
    /// blocked, absent, or owes acknowledgements.
    pub(super) fn overflow(&mut self, slot: u32, message: &Arc<Message>, urgent: bool) {
        let session = &self.sessions[slot as usize];
        if session.is_free() && session.outbox.sent() == 0 && session.outbox.has_messages() {
            // A connection that has only just come. Were nothing handed over before the next message is pushed, a client that moves
            // with each one that it publishes to itself would pass every bound.
            self.flush(slot);
        }
        let session = &self.sessions[slot as usize];
        let tells = session.more.as_ref().is_some_and(|more| more.has_lost());
        if tells && (session.is_free() || self.options.has_room(&session.outbox, message)) {
            self.tell_lost(slot);
            self.give_up_for(slot, message);
            return self.push(slot, message, urgent);
        }
        let number = Class::of(message.position());
        let class = &self.classes[number];
        let (policy, history) = (class.on_overflow, class.history);
        // A connection that works, and only acknowledges late, is not to lose what a short history lets go of meanwhile.
        let is_long = class.keeps >= self.options.outbox_messages;
        let session = &mut self.sessions[slot as usize];
        let free = session.is_free();
        if policy == OnOverflow::Gap && history && (!free || is_long) {
            self.metrics.overflowed("gap");
            self.say_slow(slot, message, "it will catch up from history");
            self.shut_gate(slot, number, message.position().sequence - 1);
            if free {
                // What is unacknowledged may be too little to be asked for, and the message too large beside it. Or it is asked for
                // now: a connect that is held anyway need not wait until it is asked again.
                self.catch_up(slot);
                self.mark(slot, urgent);
            }
            return;
        }
        if free {
            self.give_up_for(slot, message);
            return self.push(slot, message, urgent);
        }
        self.metrics.dropped("overflow", 1);
        match policy {
            OnOverflow::End => {
                self.metrics.overflowed("end");
                self.say_slow(slot, message, "it is ended");
                self.end(slot, Ended::Overflow);
            }
            OnOverflow::DropOldest => {
                self.metrics.overflowed("drop-oldest");
                // Those of other tables are not this one's to drop: it drops the new one when none of its own waits.
                let of_class = |older: &Message| Class::of(older.position()) == number;
                let mut room = self.options.has_room(&session.outbox, message);
                while !room {
                    match session.drop_oldest(of_class) {
                        Dropped::Nothing => break,
                        Dropped::Waiting => {}
                        Dropped::Numbered => _ = self.metrics.given_up.inc(),
                    }
                    room = self.options.has_room(&session.outbox, message);
                }
                self.say_slow(slot, message, "its oldest message is dropped");
                if room {
                    self.push(slot, message, urgent);
                }
            }
            OnOverflow::Gap => {
                self.metrics.overflowed("gap");
                self.say_slow(slot, message, "it will be told of a gap");
                for pattern in self.listening(slot, message) {
                    self.lose(slot, pattern, "overflow");
                }
            }
        }
    }

    /// Makes room where the connection takes everything, and the client acknowledges late. What has been handed over longest is
    /// given up: if the connection fails now, the client is told.
    fn give_up_for(&mut self, slot: u32, message: &Arc<Message>) {
        let session = &mut self.sessions[slot as usize];
        if session.is_free() {
            while !self.options.has_room(&session.outbox, message) && session.give_up_oldest() {
                self.metrics.given_up.inc();
            }
        }
    }

    fn push(&mut self, slot: u32, message: &Arc<Message>, urgent: bool) {
        let session = &mut self.sessions[slot as usize];
        let message = standing::live(session, &self.classes, message);
        session.outbox.push(message);
        self.turn.tally.peak(&session.outbox);
        if session.is_free() {
            self.turn.deepen(session, &self.options);
        }
        self.mark(slot, urgent);
    }

    /// The patterns by which a session hears a message.
    fn listening(&self, slot: u32, message: &Message) -> Vec<Pattern> {
        let (awake, asleep) = self.patterns(slot);
        awake.into_iter().chain(asleep).filter(|pattern| pattern.matches(message.channel())).collect()
    }

    /// Names the slow one in the log, a few times a second at most.
    fn say_slow(&mut self, slot: u32, message: &Message, what: &str) {
        let second = self.clock.now().as_secs();
        let said = &mut self.said;
        if said.second != second {
            *said = Said { second, lines: 0 };
        }
        said.lines += 1;
        if said.lines <= LINES {
            let Slow { session, queued_messages, queued_bytes, oldest_ms, .. } =
                self.slow(&self.sessions[slot as usize]);
            let channel = message.channel().as_str();
            tracing::warn!(
                session,
                channel,
                queued_messages,
                queued_bytes,
                oldest_ms,
                "a session is too slow: {what}"
            );
        }
    }

    fn slow(&self, session: &Session) -> Slow {
        let waited: Duration = TICK * self.now.saturating_sub(session.waits_since);
        let oldest = session.outbox.iter().next();
        Slow {
            session: session.id.map_or_else(|| "stream".to_owned(), |id| beginning(&id)),
            channel: oldest.map_or_else(String::new, |message| message.channel().as_str().to_owned()),
            queued_messages: session.outbox.len(),
            queued_bytes: session.outbox.bytes(),
            oldest_ms: if oldest.is_some() { waited.as_millis() as u64 } else { 0 },
            catches_up: session.more.as_ref().is_some_and(|more| !more.gates.is_empty()),
        }
    }

    /// The sessions for which something waits, at most `limit`, the slowest first.
    pub fn slowest(&self, limit: usize) -> Vec<Slow> {
        let mut waiting: Vec<&Session> = self
            .sessions
            .iter()
            .map(|(_, session)| session)
            .filter(|session| session.outbox.has_messages())
            .collect();
        waiting.sort_by_key(|session| session.waits_since);
        waiting.truncate(limit);
        waiting.into_iter().map(|session| self.slow(session)).collect()
    }
}

impl Session {
    /// Lets go of the delivery that has been unacknowledged longest; false when there is none that this connection has
    /// been handed, or that an earlier one has been and the next one can be told of.
    fn give_up_oldest(&mut self) -> bool {
        let is_lost = matches!(self.outlet, Outlet::Absent) && self.numbered() > 0;
        if self.outbox.sent() == 0 && !is_lost {
            return false;
        }
        let Some(more) = &mut self.more else { return false };
        self.outbox.forget(1);
        more.base += 1;
        more.given_up = true;
        true
    }

    /// Lets go of the oldest message of a class. What an earlier connection was handed comes first, and the next one is told
    /// of it unless it has arrived; what this connection was handed is on its way, and comes last.
    fn drop_oldest(&mut self, of_class: impl Fn(&Message) -> bool) -> Dropped {
        let in_front = self.outbox.oldest().is_some_and(|oldest| of_class(oldest));
        if in_front && matches!(self.outlet, Outlet::Absent) && self.give_up_oldest() {
            return Dropped::Numbered;
        }
        if self.outbox.drop_oldest(self.numbered(), of_class) {
            return Dropped::Waiting;
        }
        if in_front && self.give_up_oldest() { Dropped::Numbered } else { Dropped::Nothing }
    }
}

/// What was let go of to make room.
enum Dropped {
    Nothing,
    /// It had never been handed over.
    Waiting,
    /// It may have arrived: the client knows it by its number.
    Numbered,
}
