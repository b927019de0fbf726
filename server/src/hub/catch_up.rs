//! Handing a session what it is owed of the past, as much as its outbox takes, a little at a time.

use std::sync::Arc;

use bayeux::{Message, Pattern, Position};

use super::outlet::Outlet;
use super::past::{Portion, Span};
use super::recovery::{Begins, Gate};
use super::session::{Key, Phase};
use super::shard::Shard;
use super::standing;

/// Looks into a history before others have their turn: each may go past some thousand messages that are of no interest to this
/// session, which is about 0.1 ms.
const READS: usize = 8;

/// Takes one look, if there is one left.
fn take(reads: &mut usize) -> bool {
    let is_left = *reads > 0;
    *reads -= usize::from(is_left);
    is_left
}

impl Shard {
    /// Fills a session's outbox up to its half from what it has missed.
    pub(super) fn catch_up(&mut self, slot: u32) {
        let session = &mut self.sessions[slot as usize];
        let Some(more) = &mut session.more else { return };
        if more.gates.is_empty() && more.lost.is_empty() {
            return;
        }
        let mut gates = std::mem::take(&mut more.gates);
        let mut reads = READS;
        if self.portion(slot).is_some() {
            self.tell_lost(slot);
        }
        let is_stream = matches!(self.sessions[slot as usize].phase, Phase::Stream);
        let mut done = Vec::with_capacity(gates.len());
        for number in 0..gates.len() {
            let others = is_stream.then(|| standing::reached(&gates, &self.classes, Some(number)));
            done.push(self.read_gate(
                slot,
                &mut gates[number],
                others.as_deref().unwrap_or_default(),
                &mut reads,
            ));
        }
        if !is_stream || done.iter().all(|done| *done) {
            let mut done = done.into_iter();
            gates.retain(|_| done.next() == Some(false));
        }
        let session = &mut self.sessions[slot as usize];
        if let Some(more) = &mut session.more {
            more.gates = gates;
            if reads == 0 && !more.gates.is_empty() && !std::mem::replace(&mut more.catches, true) {
                let key = Key { shard: self.index, slot, generation: session.generation };
                self.turn.catch_up_later(key);
                self.mailbox.wake();
            }
        }
        if !session.outbox.has_messages() {
            return;
        }
        if let Outlet::Woken(woken) = &session.outlet {
            woken.wake();
        } else if session.is_free() {
            self.mark(slot, false);
        }
    }

    /// Goes on with a session that was owed more than one look found.
    pub(super) fn catch_up_further(&mut self, key: Key) {
        if let Some(more) = self.get_mut(key).and_then(|session| session.more.as_mut()) {
            more.catches = false;
            self.catch_up(key.slot);
        }
    }

    /// How much of the past an outbox takes now.
    fn portion(&self, slot: u32) -> Option<Portion> {
        let outbox = &self.sessions[slot as usize].outbox;
        let messages = (self.options.outbox_messages / 2).max(1).saturating_sub(outbox.len());
        let bytes = (self.options.outbox_bytes / 2).max(1).saturating_sub(outbox.bytes());
        (messages > 0 && bytes > 0).then_some(Portion { messages, bytes })
    }

    /// Reads what is behind a gate; true when nothing is left and live messages may come again. `others` is where a stream
    /// stands in its other histories.
    fn read_gate(&mut self, slot: u32, gate: &mut Gate, others: &[Position], reads: &mut usize) -> bool {
        let past = self.past.clone();
        let labelled = !matches!(self.sessions[slot as usize].phase, Phase::Stream);
        let mut out = Vec::new();
        while let Some(replay) = gate.replays.front_mut() {
            let Some(portion) = self.portion(slot).filter(|_| take(reads)) else { return false };
            let (class, pattern, span) = (gate.class, &replay.pattern, replay.span);
            if replay.begins == Begins::Latest {
                replay.span.after = past.latest(class, pattern, span, portion, &mut out);
            } else {
                let mut lost = 0;
                let alone = std::slice::from_ref(pattern);
                replay.span.after =
                    past.read(class, alone, span, portion, &mut out, &mut |_, newest| lost = newest);
                if lost > replay.told {
                    replay.told = lost;
                    // Whoever asked for all that is kept, and has had nothing of it, gets all that is kept now.
                    if span.after > 0 || replay.begins == Begins::There {
                        self.lose(slot, pattern.clone(), "too_old");
                    }
                }
            }
            let label = labelled.then(|| pattern.as_str().to_owned());
            let done = replay.span.after >= span.until;
            self.tell_lost(slot);
            self.push_past(slot, &mut out, label.as_deref(), others);
            if done {
                gate.replays.pop_front();
            }
        }
        let (awake, asleep) = self.patterns(slot);
        let is_of = |pattern: &Pattern| self.classes[gate.class].may_have(pattern);
        let patterns: Vec<Pattern> = awake.into_iter().filter(is_of).collect();
        let asleep: Vec<Pattern> = asleep.into_iter().filter(is_of).collect();
        while gate.after < self.seen[gate.class] {
            let Some(portion) = self.portion(slot).filter(|_| take(reads)) else { return false };
            let span = Span { after: gate.after, until: self.seen[gate.class] };
            let mut gone = Vec::new();
            let mut lost = |number: usize, newest: u64| gone.push((&patterns[number], newest));
            gate.after = past.read(gate.class, &patterns, span, portion, &mut out, &mut lost);
            // A wider pattern reads for those, and each is told for itself. What is lost since may be told too early.
            gone.extend(asleep.iter().map(|pattern| (pattern, past.lost(gate.class, pattern))));
            for (pattern, newest) in gone.into_iter().filter(|(_, newest)| *newest > span.after) {
                if gate.told.tells(pattern, newest) {
                    self.lose(slot, pattern.clone(), "too_old");
                }
            }
            self.tell_lost(slot);
            self.push_past(slot, &mut out, None, others);
        }
        true
    }

    fn push_past(
        &mut self,
        slot: u32,
        out: &mut Vec<Arc<Message>>,
        label: Option<&str>,
        others: &[Position],
    ) {
        let now = self.now;
        let session = &mut self.sessions[slot as usize];
        let publisher = session.more.as_ref().and_then(|more| more.publisher);
        let mut replayed = 0;
        for message in out.drain(..) {
            if publisher.is_some() && message.muted() == publisher {
                continue;
            }
            let message = match label {
                Some(label) => Arc::new(message.replayed(label)),
                None if !others.is_empty() => Arc::new(message.beside(others)),
                None => message,
            };
            if !session.outbox.has_messages() {
                session.waits_since = now;
            }
            session.outbox.push(message);
            replayed += 1;
        }
        self.turn.tally.peak(&session.outbox);
        self.metrics.messages_replayed.inc_by(replayed);
    }
}
