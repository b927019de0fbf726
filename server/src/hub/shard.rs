//! A core's sessions and what can be done with them. Everything here runs on the shard's own thread, so nothing is locked.

use std::sync::Arc;
use std::time::Duration;

use bayeux::{Advice, Reconnect, Refusal, SessionId};
use hashbrown::{DefaultHashBuilder, HashTable};
use slab::Slab;
use std::hash::BuildHasher;

use super::expiry::{Tick, Wheel, tick, tick_after};
use super::outbox::{Joined, Outbox};
use super::outlet::{self, Outlet};
use super::past::{Class, Past};
use super::session::{Dirty, Ended, Key, Phase, Session};
use super::subscriptions::Subscriptions;
use super::{Mailbox, Options};
use crate::clock::Clock;
use crate::metrics::Metrics;

/// What is known of a session whose client was heard of.
#[derive(Clone, Copy, Debug)]
pub struct Touched {
    /// The name under which it publishes in all of its sessions, as a number.
    pub publisher: Option<std::num::NonZeroU64>,
}

/// The sessions of one core.
pub struct Shard {
    pub(super) index: u16,
    pub(super) options: Arc<Options>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) clock: Clock,
    pub(super) now: Tick,
    pub(super) classes: Arc<[Class]>,
    pub(super) past: Arc<dyn Past>,
    /// The last sequence of each class that this shard has taken in.
    pub(super) seen: Vec<u64>,
    pub(super) sessions: Slab<Session>,
    by_id: HashTable<u32>,
    hasher: DefaultHashBuilder,
    pub(super) subscriptions: Subscriptions,
    pub(super) wheel: Wheel,
    pub(super) turn: super::turn::Lists,
    pub(super) joined: Joined,
    pub(super) said: super::overflow::Said,
    generation: u32,
}

impl Shard {
    pub(super) fn new(
        index: u16,
        options: Arc<Options>,
        metrics: Arc<Metrics>,
        mailbox: Arc<Mailbox>,
        clock: Clock,
        classes: Arc<[Class]>,
        past: Arc<dyn Past>,
    ) -> Self {
        let now = tick(clock.now());
        Shard {
            index,
            options,
            metrics,
            mailbox,
            clock,
            now,
            seen: vec![0; classes.len()],
            classes,
            past,
            sessions: Slab::new(),
            by_id: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            subscriptions: Subscriptions::default(),
            wheel: Wheel::new(now),
            turn: Default::default(),
            joined: Joined::default(),
            said: Default::default(),
            generation: 0,
        }
    }

    pub(super) fn refresh(&mut self) {
        self.now = tick(self.clock.now());
    }

    pub(super) fn after(&self, wait: Duration) -> Tick {
        tick_after(self.now, wait)
    }

    /// Complete advice (Bayeux 1.0, section 8), as this server gives it.
    pub fn advice(&self, reconnect: Reconnect) -> Advice {
        self.options.advice(reconnect)
    }

    fn insert(&mut self, id: Option<SessionId>, phase: Phase) -> Key {
        self.generation = self.generation.wrapping_add(1);
        let until = match phase {
            Phase::Stream => Tick::MAX,
            _ => self.after(self.options.first_connect),
        };
        let session = Session {
            id,
            generation: self.generation,
            dirty: Dirty::No,
            deep: false,
            slowed: false,
            phase,
            outbox: Outbox::default(),
            outlet: Outlet::Absent,
            entries: Vec::new(),
            asleep: None,
            until,
            beat: self.after(self.options.heartbeat),
            scheduled: Tick::MAX,
            more: None,
            waits_since: self.now,
        };
        let slot = self.sessions.insert(session) as u32;
        self.metrics.sessions.inc();
        Key { shard: self.index, slot, generation: self.generation }
    }

    /// A new session that has not connected yet. It ends after [`Options::first_connect`] unless it does.
    pub fn handshake(&mut self) -> (Key, SessionId) {
        let id = SessionId::new(self.index, super::random_byte);
        let key = self.insert(Some(id), Phase::New);
        let (sessions, hasher) = (&self.sessions, &self.hasher);
        self.by_id.insert_unique(hasher.hash_one(id), key.slot, |slot| {
            hasher.hash_one(sessions[*slot as usize].id.expect("only sessions with an id are in the table"))
        });
        self.schedule(key.slot);
        (key, id)
    }

    /// A stream of a channel URL: no Bayeux, no id, alive as long as its connection.
    pub fn open_stream(&mut self) -> Key {
        self.insert(None, Phase::Stream)
    }

    /// The session with this id.
    pub fn find(&self, id: &SessionId) -> Option<Key> {
        let slot = self
            .by_id
            .find(self.hasher.hash_one(id), |slot| self.sessions[*slot as usize].id.as_ref() == Some(id))?;
        let generation = self.sessions[*slot as usize].generation;
        Some(Key { shard: self.index, slot: *slot, generation })
    }

    /// Whether the session is there.
    pub fn has(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn get(&self, key: Key) -> Option<&Session> {
        self.sessions.get(key.slot as usize).filter(|session| session.generation == key.generation)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Session> {
        self.sessions.get_mut(key.slot as usize).filter(|session| session.generation == key.generation)
    }

    /// The client was heard of: while no connect is held, its grace starts again. `None`: there is no such session.
    pub fn touch(&mut self, key: Key) -> Option<Touched> {
        let until = self.after(self.options.grace);
        let session = self.get_mut(key)?;
        if matches!(session.phase, Phase::Between) {
            session.until = until;
        }
        Some(Touched { publisher: session.more.as_ref().and_then(|more| more.publisher) })
    }

    /// Puts the session into the wheel unless the wheel comes by in time anyway.
    pub(super) fn schedule(&mut self, slot: u32) {
        let session = &mut self.sessions[slot as usize];
        let due = session.due();
        if due < session.scheduled {
            let first = self.wheel.next();
            session.scheduled = self.wheel.insert(slot, due);
            // The shard's thread sleeps until what was first when it fell asleep.
            if first.is_none_or(|first| session.scheduled < first) {
                self.mailbox.wake();
            }
        }
    }

    /// Ends a session: whoever is attached is told in the way of its connection.
    pub(super) fn end(&mut self, slot: u32, ended: Ended) {
        self.leave_deep(slot);
        let entries = std::mem::take(&mut self.sessions[slot as usize].entries);
        for entry in &entries {
            // A session stands in a list once, so what moved is somebody else's.
            if let Some(moved) = self.subscriptions.remove(*entry)
                && let Some(other) = self.sessions.get_mut(moved.slot as usize)
            {
                moved.apply(&mut other.entries);
            }
        }
        self.metrics.subscriptions.dec_by(entries.len() as i64);
        let mut session = self.sessions.remove(slot as usize);
        if let Some(id) = session.id {
            let hash = self.hasher.hash_one(id);
            if let Ok(found) = self.by_id.find_entry(hash, |known| *known == slot) {
                found.remove();
            }
        }
        self.metrics.sessions.dec();
        self.metrics.ended(ended.as_str());
        self.metrics.dropped(ended.as_str(), session.outbox.waiting() as u64);
        match std::mem::take(&mut session.outlet) {
            Outlet::Absent => {}
            Outlet::Woken(woken) => woken.wake(),
            Outlet::Socket(socket) => {
                let code = match ended {
                    Ended::Draining => 1001,
                    Ended::Overflow | Ended::Stalled => 1008,
                    _ => 1000,
                };
                let wire = socket.wire.clone();
                outlet::farewell(wire, super::answer::last_words(socket, code, ended.as_str()));
            }
            Outlet::Poll(poll) => {
                let id = match &session.phase {
                    Phase::Held(id) => id.as_ref(),
                    _ => None,
                };
                let unknown = Refusal::session_unknown();
                let advice = self.advice(Reconnect::Handshake);
                self.answer(poll, &Outbox::default(), id, Some(&unknown), Some(advice), None);
            }
        }
    }
}
