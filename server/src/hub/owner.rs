//! Who has a session, and until when. The hub keeps it for those above, to whom it means something.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use bayeux::SessionId;

use super::expiry::{TICK, Tick, tick};
use super::recovery::More;
use super::session::{Ended, Key, Phase};
use super::shard::Shard;

/// How long before its end a client is warned, so that it can show a newer token.
const WARNING: Duration = Duration::from_secs(30);

/// Who has a session.
pub type Owner = Arc<dyn Any + Send + Sync>;

/// Until when somebody has a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until {
    end: Tick,
    /// When the client is warned; past once it has been.
    warn: Tick,
}

impl Until {
    pub(super) fn due(&self) -> Tick {
        self.warn.min(self.end)
    }
}

/// What a session may still publish at the moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    left: f32,
    at: Duration,
}

impl Allowance {
    fn new(rate: u32, now: Duration) -> Self {
        Allowance { left: rate as f32, at: now }
    }

    fn take(&mut self, rate: u32, now: Duration) -> bool {
        let rate = rate as f32;
        self.left = (self.left + now.saturating_sub(self.at).as_secs_f32() * rate).min(rate);
        self.at = now;
        let is_there = self.left >= 1.0;
        self.left -= if is_there { 1.0 } else { 0.0 };
        is_there
    }
}

/// A session, as operators see it.
#[derive(Clone)]
pub struct Listed {
    /// Its id; a secret. Absent for streams.
    pub id: Option<SessionId>,
    /// Who has it.
    pub owner: Option<Owner>,
    /// Patterns that it listens to.
    pub subscriptions: usize,
    /// Messages that it holds.
    pub queued_messages: usize,
}

impl More {
    /// Whose the session is, and nothing else.
    pub(super) fn only_whose(self) -> Option<More> {
        let More { owner, until, .. } = self;
        owner.is_some().then(|| More { owner, until, ..More::default() })
    }
}

impl Shard {
    /// Gives a session to somebody, until a moment of the server's clock.
    pub fn own(&mut self, key: Key, owner: Owner, until: Option<Duration>) {
        let now = self.now;
        let Some(session) = self.get_mut(key) else { return };
        let more = session.more.get_or_insert_default();
        more.owner = Some(owner);
        more.until = until.map(|end| {
            // Not before it: whoever was sent away early would come back with the same token.
            let end = tick(end.saturating_add(TICK)).max(now + 1);
            // A token that is good for a short time is warned of at its half.
            let early = tick(WARNING).min((end - now) / 2);
            Until { end, warn: end - early }
        });
        self.schedule(key.slot);
    }

    /// Milliseconds that a session has left, once it is time to say so.
    pub(super) fn left(&self, slot: u32) -> Option<u64> {
        let until = self.sessions[slot as usize].more.as_ref()?.until?;
        (until.warn == Tick::MAX || until.warn <= self.now)
            .then(|| (TICK * until.end.saturating_sub(self.now)).as_millis() as u64)
    }

    /// Does what is due of a session's ownership: at its time, has the client warned by the answer to its connect. False when
    /// it is over.
    pub(super) fn is_owned_on(&mut self, slot: u32) -> bool {
        let now = self.now;
        let session = &mut self.sessions[slot as usize];
        let Some(until) = session.more.as_mut().and_then(|more| more.until.as_mut()) else { return true };
        if until.end <= now {
            return false;
        }
        if until.warn <= now {
            until.warn = Tick::MAX;
            if let Phase::Held(_) = session.phase {
                session.until = now;
            }
        }
        true
    }

    /// Who has a session.
    pub fn owner(&self, key: Key) -> Option<&Owner> {
        self.get(key)?.more.as_ref()?.owner.as_ref()
    }

    /// Takes one of the `rate` publications that a session may make in a second; false when there is none left.
    pub fn spend(&mut self, key: Key, rate: u32) -> bool {
        let now = TICK * self.now;
        let Some(session) = self.get_mut(key) else { return false };
        session
            .more
            .get_or_insert_default()
            .allowance
            .get_or_insert_with(|| Allowance::new(rate, now))
            .take(rate, now)
    }

    /// Bytes in all outboxes of this shard.
    pub fn queued_bytes(&self) -> usize {
        self.sessions.iter().map(|(_, session)| session.outbox.bytes()).sum()
    }

    /// All sessions of this shard, at most `limit`, of those whose owner `wanted` is asked about.
    pub fn list(&self, limit: usize, wanted: &dyn Fn(Option<&Owner>) -> bool) -> Vec<Listed> {
        let sessions = self.sessions.iter().map(|(_, session)| session);
        let owner =
            |session: &super::session::Session| session.more.as_ref().and_then(|more| more.owner.clone());
        sessions
            .filter(|session| wanted(owner(session).as_ref()))
            .take(limit)
            .map(|session| Listed {
                id: session.id,
                owner: owner(session),
                subscriptions: session.subscriptions(),
                queued_messages: session.outbox.len(),
            })
            .collect()
    }

    /// Ends the sessions that `wanted` picks by their id and owner; answers with how many.
    pub fn kick(&mut self, why: Ended, wanted: &dyn Fn(Option<SessionId>, Option<&Owner>) -> bool) -> usize {
        let picked: Vec<u32> = self
            .sessions
            .iter()
            .filter(|(_, session)| {
                wanted(session.id, session.more.as_ref().and_then(|more| more.owner.as_ref()))
            })
            .map(|(slot, _)| slot as u32)
            .collect();
        for slot in &picked {
            self.end(*slot, why);
        }
        picked.len()
    }

    /// The patterns that a session listens to.
    pub fn listens_to(&self, key: Key) -> Vec<bayeux::Pattern> {
        if !self.has(key) {
            return Vec::new();
        }
        let (mut awake, mut asleep) = self.patterns(key.slot);
        awake.append(&mut asleep);
        awake
    }
}
