//! Classes of channels: one sequence each, and a history for those that keep one.
//!
//! Taking the next sequence, appending to the history and handing the message to all shards is one step under the lock of the class, so
//! every session sees a class in the order of its sequence.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bayeux::{Channel, ChannelLimits, Cursor, Encoded, Message, Pattern, Position, Seal};

use super::channels::{ChannelOptions, InvalidTable};
use crate::clock::Clock;
use crate::history::{Limit, Memory};
use crate::hub::{Class, Deliver, OnOverflow, Past, Portion, Span};
use crate::metrics::Metrics;

/// All classes of a server; the first is that of the channels without a table.
pub struct Classes {
    settings: Arc<[Class]>,
    states: Vec<State>,
    clock: Clock,
}

struct State {
    sequencer: Mutex<Sequencer>,
    /// The last sequence that was handed to all shards.
    delivered: AtomicU64,
}

#[derive(Default)]
struct Sequencer {
    last: u64,
    memory: Option<Memory>,
}

impl Classes {
    /// A class for each table. Their epochs are of this boot: positions of another one are not comparable.
    ///
    /// # Errors
    /// For a pattern that is none.
    pub fn new(
        tables: &[ChannelOptions],
        limits: &ChannelLimits,
        clock: Clock,
    ) -> Result<Arc<Self>, InvalidTable> {
        let boot = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_micros() as u64);
        let plain = Class {
            epoch: boot << 8,
            patterns: Vec::new(),
            history: false,
            keeps: 0,
            deliver: Deliver::Every,
            on_overflow: OnOverflow::End,
            last_value: false,
        };
        let mut settings = vec![plain];
        let mut states = vec![State::new(None)];
        for (table, number) in tables.iter().zip(1..) {
            settings.push(Class {
                epoch: boot << 8 | number,
                patterns: table.patterns(limits)?,
                history: table.history.is_some(),
                keeps: table.history.map_or(0, |history| history.count),
                deliver: table.deliver,
                on_overflow: table.on_overflow(),
                last_value: table.last_value,
            });
            states.push(State::new(table.history.map(Memory::new)));
        }
        Ok(Arc::new(Classes { settings: settings.into(), states, clock }))
    }

    /// The class of a channel: that of the first table with a pattern that matches.
    fn of(&self, channel: &Channel) -> usize {
        let matches = |class: &Class| class.patterns.iter().any(|pattern| pattern.matches(channel));
        self.settings.iter().position(matches).unwrap_or(0)
    }

    fn lock(&self, class: usize) -> MutexGuard<'_, Sequencer> {
        self.states[class].sequencer.lock().expect("nobody panics with this lock")
    }

    /// Gives a message its place, keeps it, and hands it over.
    pub(super) fn publish<R>(
        &self,
        encoded: Encoded,
        muted: Option<NonZeroU64>,
        deliver: impl FnOnce(&Arc<Message>) -> R,
    ) -> (Arc<Message>, R) {
        let number = self.of(encoded.channel());
        let class = &self.settings[number];
        let seal = Seal { shown: class.history, others: self.others(number), muted };
        let mut sequencer = self.lock(number);
        sequencer.last += 1;
        let sequence = sequencer.last;
        let message = Arc::new(encoded.seal_as(Position { epoch: class.epoch, sequence }, seal));
        if let Some(memory) = &mut sequencer.memory {
            memory.append(message.clone(), self.clock.now());
        }
        let delivered = deliver(&message);
        self.states[number].delivered.store(sequence, Ordering::Release);
        drop(sequencer);
        (message, delivered)
    }

    /// Where the other histories stand: whoever gets a message that is sealed now has been handed all of that.
    fn others(&self, own: usize) -> Option<Box<[Position]>> {
        let others: Box<[Position]> = self
            .settings
            .iter()
            .zip(&self.states)
            .enumerate()
            .filter(|(number, (class, _))| class.history && *number != own)
            .map(|(_, (class, state))| Position {
                epoch: class.epoch,
                sequence: state.delivered.load(Ordering::Acquire),
            })
            .collect();
        (!others.is_empty()).then_some(others)
    }

    /// Whether a message at this position is kept, so that clients are told the position.
    pub(super) fn is_kept(&self, position: Position) -> bool {
        self.settings[Class::of(position)].history
    }

    /// Lets go of what is too old, and counts what is left.
    pub(super) fn expire(&self, metrics: &Metrics) {
        let (mut messages, mut bytes, mut channels) = (0, 0, 0);
        for number in 0..self.states.len() {
            // A little at a time: publishers wait meanwhile.
            while self.lock(number).memory.as_mut().is_some_and(|memory| memory.expire(self.clock.now())) {}
            if let Some(memory) = &self.lock(number).memory {
                messages += memory.messages();
                bytes += memory.bytes();
                channels += memory.channels();
            }
        }
        metrics.history_messages.set(messages as i64);
        metrics.history_bytes.set(bytes as i64);
        metrics.history_channels.set(channels as i64);
    }

    /// The classes with history in which a pattern may have channels, by their numbers.
    pub(super) fn histories<'a>(
        &'a self,
        pattern: &'a Pattern,
    ) -> impl Iterator<Item = (usize, &'a Class)> + 'a {
        let has = move |(_, class): &(usize, &Class)| class.history && class.may_have(pattern);
        self.settings.iter().enumerate().filter(has)
    }

    /// Whether a cursor names the history of another boot.
    pub(super) fn is_foreign(&self, cursor: &Cursor) -> bool {
        cursor.epochs().any(|epoch| self.settings.iter().all(|class| class.epoch != epoch))
    }

    /// The newest messages of one class that match, oldest first, and the last sequence.
    pub(super) fn newest(
        &self,
        class: usize,
        pattern: &Pattern,
        portion: Portion,
    ) -> (Vec<Arc<Message>>, u64) {
        let sequencer = self.lock(class);
        let newest = |memory: &Memory| memory.newest(std::slice::from_ref(pattern), portion.into());
        (sequencer.memory.as_ref().map(newest).unwrap_or_default(), sequencer.last)
    }
}

impl State {
    fn new(memory: Option<Memory>) -> Self {
        State { sequencer: Mutex::new(Sequencer { last: 0, memory }), delivered: AtomicU64::new(0) }
    }
}

impl From<Portion> for Limit {
    fn from(Portion { messages, bytes }: Portion) -> Self {
        Limit { messages, bytes }
    }
}

impl Past for Classes {
    fn classes(&self) -> Arc<[Class]> {
        self.settings.clone()
    }

    fn read(
        &self,
        class: usize,
        patterns: &[Pattern],
        span: Span,
        portion: Portion,
        out: &mut Vec<Arc<Message>>,
        lost: &mut dyn FnMut(usize, u64),
    ) -> u64 {
        let Span { after, until } = span;
        let sequencer = self.lock(class);
        let Some(memory) = &sequencer.memory else { return until };
        for (number, pattern) in patterns.iter().enumerate() {
            let newest = memory.lost(pattern);
            if newest > after {
                lost(number, newest);
            }
        }
        memory.read(patterns, after, until, portion.into(), out)
    }

    fn latest(
        &self,
        class: usize,
        pattern: &Pattern,
        span: Span,
        portion: Portion,
        out: &mut Vec<Arc<Message>>,
    ) -> u64 {
        let Span { after, until } = span;
        match &self.lock(class).memory {
            Some(memory) => memory.latest(std::slice::from_ref(pattern), after, until, portion.into(), out),
            None => until,
        }
    }

    fn lost(&self, class: usize, pattern: &Pattern) -> u64 {
        self.lock(class).memory.as_ref().map_or(0, |memory| memory.lost(pattern))
    }

    fn last(&self, class: usize) -> u64 {
        self.lock(class).last
    }
}
