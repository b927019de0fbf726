//! The store of one class in memory: a ring of messages for each channel, and one log of them all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bayeux::{Message, Pattern, Reach};
use hashbrown::HashMap;
use slab::Slab;

use super::Options;

/// What a kept message costs beside itself: its places in a ring and in the log.
pub(super) const PLACE: usize = 96;
/// What a channel costs beside its name and its messages: a ring, and its places in the tables.
pub(super) const RING: usize = 256;
/// Channels without a message that are remembered, so that those who read them are not told of losses elsewhere.
pub(super) const TOMBSTONES: usize = 10_000;
/// Of the bytes of a class, tombstones may take one part in so many.
pub(super) const TOMBSTONE_SHARE: usize = 8;
/// Messages that one append lets go for their age: more than come in, few enough not to be felt.
const EXPIRED_BESIDE: usize = 16;
/// Messages that one call of [`Memory::expire`] lets go.
const EXPIRED_AT_ONCE: usize = 4096;
/// Names that [`Memory::lost`] looks at.
const NAMES: usize = 16_384;

/// What was said in the channels of one class, the newest of it.
pub struct Memory {
    options: Options,
    /// Everything kept, by sequence. There is one age for all, so the oldest stand in front.
    pub(super) log: BTreeMap<u64, Kept>,
    pub(super) rings: Slab<Ring>,
    /// Where the ring of a channel is.
    pub(super) places: HashMap<Arc<str>, usize>,
    /// The same by name: the channels of a wildcard stand side by side.
    pub(super) names: BTreeMap<Arc<str>, usize>,
    /// Rings without a message, by what they lost last: the oldest knowledge stands in front.
    tombstones: BTreeMap<u64, usize>,
    tombstone_bytes: usize,
    /// The highest sequence that any channel lost.
    lost: u64,
    /// The same of those channels that are not known by name any more.
    forgotten: u64,
    bytes: usize,
}

/// A message in the log.
pub(super) struct Kept {
    pub(super) message: Arc<Message>,
    at: Duration,
    pub(super) ring: u32,
}

/// One channel.
pub(super) struct Ring {
    name: Arc<str>,
    /// By sequence.
    pub(super) messages: VecDeque<(u64, Arc<Message>)>,
    bytes: usize,
    /// The highest sequence it lost, 0 if none.
    trimmed: u64,
}

/// What a message is charged.
pub(super) fn cost(message: &Message) -> usize {
    message.bytes() + PLACE
}

impl Ring {
    /// What the channel is charged beside its messages.
    fn charge(&self) -> usize {
        RING + self.name.len()
    }

    /// Forgets its oldest message, and gives back room that it will hardly need again.
    fn drop_front(&mut self) -> Option<(u64, usize)> {
        let (sequence, message) = self.messages.pop_front()?;
        let cost = cost(&message);
        self.bytes -= cost;
        self.trimmed = self.trimmed.max(sequence);
        let room = self.messages.capacity();
        if room > 16 && self.messages.len() < room / 4 {
            self.messages.shrink_to(room / 2);
        }
        Some((sequence, cost))
    }
}

impl Memory {
    /// A store that has heard nothing.
    pub fn new(options: Options) -> Self {
        Memory {
            options,
            log: BTreeMap::new(),
            rings: Slab::new(),
            places: HashMap::new(),
            names: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            tombstone_bytes: 0,
            lost: 0,
            forgotten: 0,
            bytes: 0,
        }
    }

    /// Keeps a message; each has a higher sequence than the one before. One that is larger than the bounds counts as
    /// kept and gone, and leaves the others alone.
    pub fn append(&mut self, message: Arc<Message>, now: Duration) {
        self.expire_some(now, EXPIRED_BESIDE);
        let sequence = message.position().sequence;
        debug_assert!(self.log.last_key_value().is_none_or(|(last, _)| *last < sequence), "sequences grow");
        let place = self.place(&message);
        self.rise(place);
        let cost = cost(&message);
        let ring = &mut self.rings[place];
        let room = self.options.total_bytes - self.options.total_bytes / TOMBSTONE_SHARE;
        if cost > self.options.bytes || cost.saturating_add(ring.charge()) > room {
            ring.trimmed = sequence;
            self.lost = sequence;
            self.bury(place);
        } else {
            ring.messages.push_back((sequence, message.clone()));
            ring.bytes += cost;
            self.bytes += cost;
            self.log.insert(sequence, Kept { message, at: now, ring: place as u32 });
            self.trim(place);
        }
        while self.bytes > self.options.total_bytes && self.drop_oldest() {}
    }

    /// Lets go of what is too old, a few thousand messages at most; whether there is more of it.
    pub fn expire(&mut self, now: Duration) -> bool {
        self.expire_some(now, EXPIRED_AT_ONCE)
    }

    /// The highest sequence of a message matching the pattern that was kept and is gone, 0 if there is none. A cursor
    /// below it is too old.
    ///
    /// The answer can be too high, never too low: it includes what was lost by channels that are forgotten, and for a
    /// pattern over very many channels by all.
    pub fn lost(&self, pattern: &Pattern) -> u64 {
        if self.lost == self.forgotten {
            return self.lost;
        }
        let mut lost = self.forgotten;
        for (looked, (_, place)) in self.below(pattern).enumerate() {
            if looked == NAMES {
                return self.lost;
            }
            if let Some(place) = place {
                lost = lost.max(self.rings[place].trimmed);
            }
        }
        lost
    }

    /// Messages kept.
    pub fn messages(&self) -> usize {
        self.log.len()
    }

    /// What is charged for messages and channels, those included that only remember what they lost.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Channels with a message.
    pub fn channels(&self) -> usize {
        self.rings.len() - self.tombstones.len()
    }

    /// The names that have to be looked at for a pattern, with the ring of each that matches.
    pub(super) fn below(&self, pattern: &Pattern) -> impl Iterator<Item = (&str, Option<usize>)> {
        let one = match pattern.reach() {
            Reach::Exact => self.places.get_key_value(pattern.key()),
            _ => None,
        };
        let prefix = format!("{}/", pattern.key());
        let is_flat = pattern.reach() == Reach::Children;
        let many = (pattern.is_wildcard()).then(|| {
            self.names.range::<str, _>((std::ops::Bound::Included(&*prefix), std::ops::Bound::Unbounded))
        });
        let many = many.into_iter().flatten().map_while(move |(name, place)| {
            let rest = name.strip_prefix(&*prefix)?;
            Some((&**name, (!is_flat || !rest.contains('/')).then_some(*place)))
        });
        one.into_iter().map(|(name, place)| (&**name, Some(*place))).chain(many)
    }

    /// The ring of a message's channel, which is made when it is missing.
    fn place(&mut self, message: &Message) -> usize {
        let name = message.channel().as_str();
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let name: Arc<str> = name.into();
        let ring = Ring { name: name.clone(), messages: VecDeque::new(), bytes: 0, trimmed: 0 };
        self.bytes += ring.charge();
        let place = self.rings.insert(ring);
        self.names.insert(name.clone(), place);
        self.places.insert(name, place);
        place
    }

    /// Keeps a channel within its own bounds. Its newest message fits into them alone, so it is never left empty.
    fn trim(&mut self, place: usize) {
        let ring = &mut self.rings[place];
        while ring.messages.len() > self.options.count.max(1) || ring.bytes > self.options.bytes {
            let Some((sequence, cost)) = ring.drop_front() else { return };
            self.log.remove(&sequence);
            self.lost = self.lost.max(sequence);
            self.bytes -= cost;
        }
    }

    fn expire_some(&mut self, now: Duration, most: usize) -> bool {
        for _ in 0..most {
            if !self.is_oldest_expired(now) {
                return false;
            }
            self.drop_oldest();
        }
        self.is_oldest_expired(now)
    }

    fn is_oldest_expired(&self, now: Duration) -> bool {
        self.log.first_key_value().is_some_and(|(_, kept)| now.saturating_sub(kept.at) > self.options.age)
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((sequence, kept)) = self.log.pop_first() else { return false };
        let place = kept.ring as usize;
        // The oldest of all is the oldest of its channel.
        let dropped = self.rings[place].drop_front();
        debug_assert_eq!(dropped.map(|(sequence, _)| sequence), Some(sequence));
        self.bytes -= cost(&kept.message);
        self.lost = self.lost.max(sequence);
        self.bury(place);
        true
    }

    /// Makes a tombstone of a ring that has no message any more. The oldest tombstones make room.
    fn bury(&mut self, place: usize) {
        let ring = &mut self.rings[place];
        if !ring.messages.is_empty() {
            return;
        }
        ring.messages = VecDeque::new();
        self.tombstones.insert(ring.trimmed, place);
        self.tombstone_bytes += ring.charge();
        while self.tombstones.len() > TOMBSTONES
            || self.tombstone_bytes > self.options.total_bytes / TOMBSTONE_SHARE
        {
            let Some((trimmed, place)) = self.tombstones.pop_first() else { return };
            let ring = self.rings.remove(place);
            self.tombstone_bytes -= ring.charge();
            self.bytes -= ring.charge();
            self.places.remove(&ring.name);
            self.names.remove(&ring.name);
            self.forgotten = self.forgotten.max(trimmed);
        }
    }

    /// The opposite of [`bury`](Self::bury), for a channel that is about to have a message.
    fn rise(&mut self, place: usize) {
        let ring = &self.rings[place];
        // A new ring lost nothing, so it is no tombstone.
        if ring.messages.is_empty() && self.tombstones.remove(&ring.trimmed).is_some() {
            self.tombstone_bytes -= ring.charge();
        }
    }
}
