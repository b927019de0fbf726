//! What one session listens to: only its outermost patterns stand in the tables.
//!
//! Two Bayeux patterns are nested or disjoint, so a session whose narrower patterns sleep under the wider one
//! matches a message at most once, and the hot path needs no check for duplicates.

use bayeux::{Channel, Pattern, Reach, covers};

use super::session::Key;
use super::shard::Shard;
use super::subscriptions::Entry;

/// What became of a subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscribed {
    /// The session listens (or did already).
    Done,
    /// It has as many subscriptions as it may.
    TooMany,
    /// There is no such session.
    Unknown,
}

impl Shard {
    /// Subscribes to all patterns or, when there is no room, to none of them.
    pub fn subscribe(&mut self, key: Key, patterns: &[Pattern]) -> Subscribed {
        self.listen(key, patterns, |_| true)
    }

    /// The same; those that are greeted get the newest messages where the table says so.
    pub(super) fn listen(
        &mut self,
        key: Key,
        patterns: &[Pattern],
        greets: impl Fn(&Pattern) -> bool,
    ) -> Subscribed {
        let Some(session) = self.get(key) else { return Subscribed::Unknown };
        let new = patterns.iter().filter(|pattern| !self.is_subscribed(key, pattern)).count();
        if session.subscriptions() + new > self.options.subscriptions {
            return Subscribed::TooMany;
        }
        for pattern in patterns {
            if !self.is_subscribed(key, pattern) {
                self.subscribe_one(key, pattern);
                if greets(pattern) {
                    self.greet(key, pattern);
                }
            }
        }
        Subscribed::Done
    }

    /// Forgets the patterns; one that was not subscribed is forgotten already.
    pub fn unsubscribe(&mut self, key: Key, patterns: &[Pattern]) -> bool {
        for pattern in patterns {
            self.forget_replays(key, pattern);
            let Some(session) = self.get_mut(key) else { return false };
            if let Some(asleep) = &mut session.asleep
                && let Some(place) = asleep.iter().position(|known| known == pattern)
            {
                asleep.swap_remove(place);
                if asleep.is_empty() {
                    session.asleep = None;
                }
                continue;
            }
            if let Some(place) = self.place(key, pattern.key(), pattern.reach()) {
                self.drop_entry(key, place);
                self.wake(key);
            }
        }
        self.has(key)
    }

    /// How many sessions of this shard listen to a channel.
    pub fn listeners(&self, channel: &Channel) -> usize {
        self.subscriptions.matching(channel).map(|list| self.subscriptions.len(list)).sum()
    }

    /// What a session listens to: the outermost patterns, and those that they cover.
    pub(super) fn patterns(&self, slot: u32) -> (Vec<Pattern>, Vec<Pattern>) {
        let session = &self.sessions[slot as usize];
        let awake = session.entries.iter().map(|entry| self.subscriptions.pattern(*entry));
        let awake = awake.map(|(key, reach)| Pattern::from_key(key, reach)).collect();
        (awake, session.asleep.as_deref().cloned().unwrap_or_default())
    }

    fn is_subscribed(&self, key: Key, pattern: &Pattern) -> bool {
        self.get(key).is_some_and(|session| {
            session.asleep.as_ref().is_some_and(|asleep| asleep.contains(pattern))
                || self.place(key, pattern.key(), pattern.reach()).is_some()
        })
    }

    /// Which of the session's entries stands for this pattern.
    fn place(&self, key: Key, prefix: &str, reach: Reach) -> Option<usize> {
        let entries = &self.get(key)?.entries;
        entries.iter().position(|entry| self.subscriptions.pattern(*entry) == (prefix, reach))
    }

    fn subscribe_one(&mut self, key: Key, pattern: &Pattern) {
        let Some(session) = self.get(key) else { return };
        let new = (pattern.key(), pattern.reach());
        let known = |entry: &Entry| self.subscriptions.pattern(*entry);
        if session.entries.iter().any(|entry| covers(known(entry), new)) {
            let session = self.get_mut(key).expect("looked up just above");
            session.asleep.get_or_insert_default().push(pattern.clone());
            return;
        }
        if pattern.is_wildcard() {
            self.put_to_sleep(key, new);
        }
        self.insert_entry(key, pattern);
    }

    /// Moves what the new, wider pattern covers out of the tables.
    fn put_to_sleep(&mut self, key: Key, wider: (&str, Reach)) {
        let mut place = 0;
        while let Some(entry) = self.get(key).and_then(|session| session.entries.get(place)).copied() {
            let (prefix, reach) = self.subscriptions.pattern(entry);
            if !covers(wider, (prefix, reach)) {
                place += 1;
                continue;
            }
            let narrower = Pattern::from_key(prefix, reach);
            self.drop_entry(key, place);
            if let Some(session) = self.get_mut(key) {
                session.asleep.get_or_insert_default().push(narrower);
            }
        }
    }

    /// Puts back what no wider pattern covers any more.
    fn wake(&mut self, key: Key) {
        let Some(session) = self.get_mut(key) else { return };
        let Some(mut asleep) = session.asleep.take() else { return };
        // The wider ones first, so that each of the others finds its cover.
        asleep.sort_by_key(|pattern| {
            (pattern.as_str().matches('/').count(), pattern.reach() != Reach::Descendants)
        });
        for pattern in *asleep {
            self.subscribe_one(key, &pattern);
        }
    }

    fn insert_entry(&mut self, key: Key, pattern: &Pattern) {
        let Some(session) = self.get(key) else { return };
        let entry = self.subscriptions.add(pattern, key.slot, session.entries.len() as u32);
        let session = &mut self.sessions[key.slot as usize];
        if session.entries.is_empty() {
            // Most sessions listen to one thing; a vector would reserve four places.
            session.entries.reserve_exact(1);
        }
        session.entries.push(entry);
        self.metrics.subscriptions.inc();
    }

    fn drop_entry(&mut self, key: Key, place: usize) {
        let session = &mut self.sessions[key.slot as usize];
        let entry = session.entries.swap_remove(place);
        if let Some(moved) = session.entries.get(place) {
            self.subscriptions.renumber(*moved, place as u32);
        }
        if let Some(moved) = self.subscriptions.remove(entry)
            && let Some(other) = self.sessions.get_mut(moved.slot as usize)
        {
            moved.apply(&mut other.entries);
        }
        self.metrics.subscriptions.dec();
    }
}
