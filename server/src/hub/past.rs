//! What was said before, as the hub sees it: classes of channels, and the histories that sessions read.

use std::sync::Arc;

use bayeux::{Cursor, Message, Pattern, Position};

use super::slow::{Deliver, OnOverflow};

/// What channels of one table have in common. Its number is the last byte of its epoch.
#[derive(Clone, Debug)]
pub struct Class {
    /// The life of its sequence.
    pub epoch: u64,
    /// Its channels.
    pub patterns: Vec<Pattern>,
    /// Whether they have history.
    pub history: bool,
    /// Messages that are kept of each.
    pub keeps: usize,
    /// What waits for a slow consumer.
    pub deliver: Deliver,
    /// What happens at the bound.
    pub on_overflow: OnOverflow,
    /// Whether a new subscription gets the newest message of each channel.
    pub last_value: bool,
}

impl Class {
    /// The number of the class that a position belongs to.
    pub fn of(position: Position) -> usize {
        (position.epoch & 0xFF) as usize
    }

    /// Whether some channel of the class matches.
    pub fn may_have(&self, pattern: &Pattern) -> bool {
        self.patterns.iter().any(|own| own.covers(pattern) || pattern.covers(own))
    }
}

/// A part of a history: sequences after the first and up to the second number.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Not included.
    pub after: u64,
    /// Included.
    pub until: u64,
}

/// At most so much at once.
#[derive(Clone, Copy, Debug)]
pub struct Portion {
    /// Messages.
    pub messages: usize,
    /// Bytes, as [`Message::bytes`] counts them.
    pub bytes: usize,
}

/// The histories, as sessions read them. The broker, which owns them, hands them in.
pub trait Past: Send + Sync {
    /// The classes, each at its number.
    fn classes(&self) -> Arc<[Class]>;
    /// Appends what matches, in order; answers up to where it has read. `lost` is told the number of each pattern of which a
    /// message after the span's beginning is gone, and the sequence of the newest one: as it is at the moment of reading, so
    /// that nothing can go between the question and the answer.
    fn read(
        &self,
        class: usize,
        patterns: &[Pattern],
        span: Span,
        portion: Portion,
        out: &mut Vec<Arc<Message>>,
        lost: &mut dyn FnMut(usize, u64),
    ) -> u64;
    /// The same of the newest message of each channel only.
    fn latest(
        &self,
        class: usize,
        pattern: &Pattern,
        span: Span,
        portion: Portion,
        out: &mut Vec<Arc<Message>>,
    ) -> u64;
    /// The highest sequence of a message that matched and is gone.
    fn lost(&self, class: usize, pattern: &Pattern) -> u64;
    /// The last sequence given.
    fn last(&self, class: usize) -> u64;
}

/// What became of a subscription that begins in the past.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Where live messages begin.
    pub cursor: Cursor,
    /// Where what follows begins, the past included: what a reader has that has read nothing yet.
    pub from: Cursor,
    /// Whether nothing is missing since the cursor that was given; absent when none was.
    pub recovered: Option<Result<(), Missing>>,
}

/// Why something is missing. The names are those on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// The cursor is none that this server gave out, or there is no history.
    Unknown,
    /// Messages after the cursor are no longer kept. The rest follows.
    TooOld,
    /// The history is another one: the server has restarted. What it has kept since follows.
    NewEpoch,
}

impl Missing {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Missing::Unknown => "unknown",
            Missing::TooOld => "too_old",
            Missing::NewEpoch => "new_epoch",
        }
    }
}

/// This shard has yet to take in messages that the cursor says were seen already: ask again.
#[derive(Debug)]
pub struct Behind;
