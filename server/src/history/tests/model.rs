//! A store that keeps everything and recomputes each answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bayeux::{Channel, Message, Pattern};

use crate::history::Options;
use crate::history::memory::{RING, TOMBSTONE_SHARE, cost};

/// All that was ever said, and which of it is kept.
pub(super) struct Model {
    options: Options,
    said: Vec<Said>,
    /// What channels lost; those with nothing kept are its tombstones.
    lost: BTreeMap<String, u64>,
    forgotten: u64,
}

pub(super) struct Said {
    message: Arc<Message>,
    at: Duration,
    is_kept: bool,
}

impl Model {
    pub(super) fn new(options: Options) -> Self {
        Model { options, said: Vec::new(), lost: BTreeMap::new(), forgotten: 0 }
    }

    pub(super) fn kept(&self) -> impl DoubleEndedIterator<Item = &Said> {
        self.said.iter().filter(|said| said.is_kept)
    }

    pub(super) fn matching(&self, patterns: &[Pattern]) -> Vec<Arc<Message>> {
        let is_wanted = |said: &&Said| patterns.iter().any(|pattern| pattern.matches(said.message.channel()));
        self.kept().filter(is_wanted).map(|said| said.message.clone()).collect()
    }

    fn of(&self, channel: &str) -> Vec<usize> {
        let is_wanted = |place: &usize| {
            let said = &self.said[*place];
            said.is_kept && said.message.channel().as_str() == channel
        };
        (0..self.said.len()).filter(is_wanted).collect()
    }

    fn drop(&mut self, place: usize) {
        self.said[place].is_kept = false;
        let channel = self.said[place].message.channel().as_str().to_owned();
        let sequence = self.said[place].message.position().sequence;
        let lost = self.lost.entry(channel).or_default();
        *lost = sequence.max(*lost);
        while self.tombstone_bytes() > self.options.total_bytes / TOMBSTONE_SHARE {
            let (name, sequence) =
                self.tombstones().into_iter().min_by_key(|(_, sequence)| *sequence).unwrap();
            self.lost.remove(&name);
            self.forgotten = self.forgotten.max(sequence);
        }
    }

    fn tombstones(&self) -> Vec<(String, u64)> {
        let lost = self.lost.iter().filter(|(name, _)| self.of(name).is_empty());
        lost.map(|(name, sequence)| (name.clone(), *sequence)).collect()
    }

    fn tombstone_bytes(&self) -> usize {
        self.tombstones().iter().map(|(name, _)| RING + name.len()).sum()
    }

    pub(super) fn channels(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.kept().map(|said| said.message.channel().as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub(super) fn bytes(&self) -> usize {
        let messages: usize = self.kept().map(|said| cost(&said.message)).sum();
        let rings: usize = self.channels().iter().map(|name| RING + name.len()).sum();
        messages + rings + self.tombstone_bytes()
    }

    pub(super) fn append(&mut self, message: Arc<Message>, now: Duration) {
        self.expire(now);
        let channel = message.channel().as_str().to_owned();
        let cost_of_it = cost(&message);
        let room = self.options.total_bytes - self.options.total_bytes / TOMBSTONE_SHARE;
        self.said.push(Said { message, at: now, is_kept: true });
        if cost_of_it > self.options.bytes || cost_of_it + RING + channel.len() > room {
            self.drop(self.said.len() - 1);
        }
        loop {
            let own = self.of(&channel);
            let bytes: usize = own.iter().map(|place| cost(&self.said[*place].message)).sum();
            if own.len() <= self.options.count && bytes <= self.options.bytes {
                break;
            }
            self.drop(own[0]);
        }
        while self.bytes() > self.options.total_bytes {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.said.iter().position(|said| said.is_kept).unwrap();
        self.drop(oldest);
    }

    pub(super) fn expire(&mut self, now: Duration) {
        while self.kept().next().is_some_and(|said| now - said.at > self.options.age) {
            self.drop_oldest();
        }
    }

    pub(super) fn latest(&self, patterns: &[Pattern], until: u64) -> Vec<u64> {
        let mut newest = BTreeMap::new();
        for message in self.matching(patterns) {
            if message.position().sequence <= until {
                newest.insert(message.channel().as_str().to_owned(), message.position().sequence);
            }
        }
        let mut newest: Vec<_> = newest.into_values().collect();
        newest.sort_unstable();
        newest
    }

    pub(super) fn lost(&self, pattern: &Pattern) -> u64 {
        let matching = self.lost.iter().filter(|(name, _)| pattern.matches(&Channel::parse(name).unwrap()));
        matching.map(|(_, sequence)| *sequence).fold(self.forgotten, u64::max)
    }
}
