//! Where a reader of several histories stands.
//!
//! The id of an event names all histories, and is the same for every reader: right for whoever has been handed
//! everything else that was published before. A stream that catches up in one history has not, so it is told where it stands
//! itself, by copies of its messages; and it goes on live in all of its histories at once.

use std::sync::Arc;

use bayeux::{Message, Pattern, Position};

use super::past::Class;
use super::recovery::Gate;
use super::session::{Phase, Session};
use super::shard::Shard;

/// Where a stream stands in the histories behind its gates, one of them left out.
pub(super) fn reached(gates: &[Gate], classes: &[Class], but: Option<usize>) -> Vec<Position> {
    let others = gates.iter().enumerate().filter(|(number, _)| Some(*number) != but);
    others.map(|(_, gate)| gate.reached(classes)).collect()
}

/// A live message as a session sees it: as everybody does, unless it is a stream that catches up elsewhere.
pub(super) fn live(session: &Session, classes: &[Class], message: &Arc<Message>) -> Arc<Message> {
    match &session.more {
        Some(more) if matches!(session.phase, Phase::Stream) && !more.gates.is_empty() => {
            Arc::new(message.beside(&reached(&more.gates, classes, None)))
        }
        _ => message.clone(),
    }
}

impl Shard {
    /// A message whose id names what this shard has handed out, if it was sealed before that: publishers on two cores
    /// may be sealed in one order and come in another, and the id of an event must not go back.
    pub(super) fn abreast(&self, message: &Arc<Message>) -> Option<Arc<Message>> {
        let is_late = |other: &Position| other.sequence < self.seen[Class::of(*other)];
        if !message.others().iter().any(is_late) {
            return None;
        }
        let now = |other: &Position| Position { sequence: self.seen[Class::of(*other)], ..*other };
        let others: Vec<Position> = message.others().iter().map(now).collect();
        Some(Arc::new(message.beside(&others)))
    }

    /// The histories that wait when one of a stream's waits, and from where on.
    pub(super) fn beside(&self, slot: u32, class: usize) -> Vec<(usize, u64)> {
        let session = &self.sessions[slot as usize];
        if !matches!(session.phase, Phase::Stream) {
            return Vec::new();
        }
        let patterns = session.entries.iter().map(|entry| self.subscriptions.pattern(*entry));
        let patterns: Vec<_> = patterns.map(|(key, reach)| Pattern::from_key(key, reach)).collect();
        let is_read = |other: &Class| other.history && patterns.iter().any(|own| other.may_have(own));
        let others =
            self.classes.iter().enumerate().filter(|(number, other)| *number != class && is_read(other));
        others.map(|(number, _)| (number, self.seen[number])).collect()
    }
}
