//! Getting back what a session has missed, from history: a gate for each history behind which live messages wait.
//!
//! A gate is shut by a subscription that begins in the past, and by an outbox that is full. While it is shut, the
//! session is handed nothing live of that history. What it is owed is read from the store as its outbox drains: first the
//! replays, each for one subscription, then what has come meanwhile for all of them. When nothing is left the gate goes. So there is
//! no gap and no repeat, and a slow session costs at most half an outbox.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use bayeux::{Ack, Pattern, Position, Since};

use tokio::sync::oneshot;

use super::gaps::Told;
use super::interest::Subscribed;
use super::outlet::Outlet;
use super::owner::{Allowance, Owner, Until};
use super::past::{Behind, Class, Missing, Recovery, Span};
use super::session::Key;
use super::shard::Shard;

/// What only some sessions have.
#[derive(Default)]
pub(super) struct More {
    pub(super) ack: Ack,
    /// Deliveries acknowledged, or given up: the number before the first message in the outbox.
    pub(super) base: u64,
    /// Up to which number deliveries have ever been handed over.
    pub(super) high: u64,
    /// Deliveries were given up that the client may not have.
    pub(super) given_up: bool,
    /// Names the one who publishes by this session, over all its sessions.
    pub(super) publisher: Option<NonZeroU64>,
    /// Who has the session, where that matters. It means nothing to the hub.
    pub(super) owner: Option<Owner>,
    /// Until when.
    pub(super) until: Option<Until>,
    /// What it may publish, where that is limited.
    pub(super) allowance: Option<Allowance>,
    pub(super) gates: Vec<Gate>,
    /// Whether it stands on the list of those who catch up in the next turn.
    pub(super) catches: bool,
    /// Whoever waits until the outbox is less than half full, the session's own publishers.
    pub(super) crowd: Vec<oneshot::Sender<()>>,
    /// Patterns of which messages are gone that the client has not been told of, and why.
    pub(super) lost: Vec<(Pattern, &'static str)>,
}

impl More {
    pub(super) fn handed_over(&mut self, sent: usize) {
        self.high = self.high.max(self.base + sent as u64);
    }

    pub(super) fn is_shut(&self, class: usize) -> bool {
        self.gate(class).is_some()
    }

    fn gate(&self, class: usize) -> Option<&Gate> {
        self.gates.iter().find(|gate| gate.class == class)
    }

    /// Whether the client is still to be told that messages are gone.
    pub(super) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    pub(super) fn lose(&mut self, pattern: Pattern, why: &'static str) {
        if !self.lost.iter().any(|(known, _)| *known == pattern) {
            self.lost.push((pattern, why));
        }
    }
}

/// While it is there, nothing live of one class reaches the session.
pub(super) struct Gate {
    pub(super) class: usize,
    /// Everything up to here has been handed to the session's live subscriptions.
    pub(super) after: u64,
    /// What single subscriptions are still to get from before that.
    pub(super) replays: VecDeque<Replay>,
    /// Up to where the client has been told that messages of a pattern are gone.
    pub(super) told: Told,
}

impl Gate {
    /// Up to where its reader has been handed everything.
    pub(super) fn reached(&self, classes: &[Class]) -> Position {
        let replay = self.replays.iter().find(|replay| replay.begins != Begins::Latest);
        let sequence = replay.map_or(self.after, |replay| replay.span.after);
        Position { epoch: classes[self.class].epoch, sequence }
    }
}

pub(super) struct Replay {
    pub(super) pattern: Pattern,
    pub(super) span: Span,
    pub(super) begins: Begins,
    pub(super) told: u64,
}

/// Where a replay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// Behind a place that the client has named. What is gone from there on is missing.
    There,
    /// With all that is kept when it is read.
    Whole,
    /// With the newest message of each channel, and there is nothing else.
    Latest,
}

impl Shard {
    /// Whether this shard has yet to take in what a cursor says was seen.
    fn is_behind(&self, since: &Since) -> bool {
        self.classes.iter().enumerate().any(|(number, class)| {
            let sequence = match since {
                Since::Cursor(cursor) => cursor.sequence(class.epoch),
                Since::Sequence(sequence) => Some(*sequence),
                _ => None,
            };
            sequence.is_some_and(|sequence| {
                class.history && sequence > self.seen[number] && sequence <= self.past.last(number)
            })
        })
    }

    /// Subscribes, and begins in the past what is to begin there, in one step: nothing live comes between the two,
    /// which the session would have once more as a replay.
    ///
    /// # Errors
    /// [`Behind`]; nothing has been subscribed.
    pub fn subscribe_since(
        &mut self,
        key: Key,
        patterns: &[Pattern],
        wishes: &[(Pattern, Since)],
    ) -> Result<(Subscribed, Vec<Recovery>), Behind> {
        if wishes.iter().any(|(_, since)| self.is_behind(since)) {
            return Err(Behind);
        }
        let greets = |pattern: &Pattern| wishes.iter().all(|(wished, _)| wished != pattern);
        let subscribed = self.listen(key, patterns, greets);
        let recoveries = match subscribed {
            Subscribed::Done => {
                wishes.iter().map(|(pattern, since)| self.recover(key, pattern, since)).collect()
            }
            Subscribed::TooMany | Subscribed::Unknown => Vec::new(),
        };
        Ok((subscribed, recoveries))
    }

    /// Opens a stream in the same way.
    ///
    /// # Errors
    /// [`Behind`]; nothing has been opened.
    pub fn open_stream_since(
        &mut self,
        patterns: &[Pattern],
        wishes: &[(Pattern, Since)],
    ) -> Result<(Key, Vec<Recovery>), Behind> {
        if wishes.iter().any(|(_, since)| self.is_behind(since)) {
            return Err(Behind);
        }
        let key = self.open_stream();
        let (_, recoveries) = self.subscribe_since(key, patterns, wishes)?;
        Ok((key, recoveries))
    }

    /// Begins a subscription, which the session has, in the past.
    fn recover(&mut self, key: Key, pattern: &Pattern, since: &Since) -> Recovery {
        let classes = self.classes.clone();
        let mut recovery = Recovery::default();
        let mut worst = None;
        let mut histories = 0;
        for (number, class) in classes.iter().enumerate() {
            if !class.history || !class.may_have(pattern) {
                continue;
            }
            histories += 1;
            let (after, missing) = match since {
                Since::Now => (None, None),
                // From the very beginning: what one channel has lost says nothing of the others.
                Since::All => (Some(0), None),
                Since::Garbage => (None, Some(Missing::Unknown)),
                Since::Sequence(sequence) => self.begin(number, pattern, *sequence),
                Since::Cursor(cursor) => match cursor.sequence(class.epoch) {
                    Some(sequence) => self.begin(number, pattern, sequence),
                    None if cursor.epochs().any(|epoch| classes.iter().all(|class| class.epoch != epoch)) => {
                        (Some(0), Some(Missing::NewEpoch))
                    }
                    None => (None, Some(Missing::Unknown)),
                },
            };
            let begins = match (since, missing) {
                // It has been told that nothing of what it had seen is here.
                (Since::All, _) | (_, Some(Missing::NewEpoch)) => Begins::Whole,
                _ => Begins::There,
            };
            worst = worst.max(missing);
            let from = after.unwrap_or(self.seen[number]);
            recovery.from.set(Position { epoch: class.epoch, sequence: from });
            match after {
                Some(after) => self.replay(key, number, pattern, after, begins),
                None if class.last_value => self.replay(key, number, pattern, 0, Begins::Latest),
                None => {}
            }
            // Behind a gate that was shut before, what it has not let through yet is live for this subscription too.
            let gate = self.get(key).and_then(|session| session.more.as_ref()?.gate(number));
            let sequence = gate.map_or(self.seen[number], |gate| gate.after);
            recovery.cursor.set(Position { epoch: class.epoch, sequence });
        }
        let asked = !matches!(since, Since::Now | Since::All);
        if asked && histories == 0 {
            worst = Some(Missing::Unknown);
        }
        recovery.recovered = asked.then_some(worst.map_or(Ok(()), Err));
        self.catch_up_after_reply(key.slot);
        recovery
    }

    /// What a subscription begins with follows the reply to it: a client that begins anew when it hears what became of its
    /// recovery must not lose what it was just told. On a socket the reply's own write goes on with it, and a response takes
    /// nothing along; a poll that is held elsewhere is answered now.
    fn catch_up_after_reply(&mut self, slot: u32) {
        if matches!(self.sessions[slot as usize].outlet, Outlet::Poll(_)) {
            self.catch_up(slot);
        }
    }

    /// Where to begin after a sequence that a client gave, and what is missing there.
    fn begin(&self, class: usize, pattern: &Pattern, sequence: u64) -> (Option<u64>, Option<Missing>) {
        if sequence > self.past.last(class) {
            return (None, Some(Missing::Unknown));
        }
        let lost = self.past.lost(class, pattern) > sequence;
        (Some(sequence), lost.then_some(Missing::TooOld))
    }

    /// A session listens to something new: the newest message of each channel, where the table says so.
    pub(super) fn greet(&mut self, key: Key, pattern: &Pattern) {
        let classes = self.classes.clone();
        for (number, class) in classes.iter().enumerate() {
            if class.last_value && class.may_have(pattern) {
                self.replay(key, number, pattern, 0, Begins::Latest);
                self.catch_up_after_reply(key.slot);
            }
        }
    }

    /// Forgets what a subscription was still to get.
    pub(super) fn forget_replays(&mut self, key: Key, pattern: &Pattern) {
        if let Some(more) = self.get_mut(key).and_then(|session| session.more.as_mut()) {
            for gate in &mut more.gates {
                gate.replays.retain(|replay| replay.pattern != *pattern);
            }
            more.lost.retain(|(known, _)| known != pattern);
        }
    }

    fn replay(&mut self, key: Key, class: usize, pattern: &Pattern, after: u64, begins: Begins) {
        let seen = self.seen[class];
        let lost = self.past.lost(class, pattern);
        let Some(session) = self.get_mut(key) else { return };
        let more = session.more.get_or_insert_default();
        let place = match more.gates.iter().position(|gate| gate.class == class) {
            Some(place) => place,
            None if after < seen => {
                self.shut_gate(key.slot, class, seen);
                return self.replay(key, class, pattern, after, begins);
            }
            None => return,
        };
        let gate = &mut more.gates[place];
        // What comes after the gate is for all subscriptions, this one included.
        let span = Span { after, until: gate.after };
        // A pattern is replayed once at a time: who asks again begins again, and who says where needs no last values.
        gate.replays.retain(|replay| replay.pattern != *pattern);
        if span.after < span.until {
            gate.replays.push_back(Replay { pattern: pattern.clone(), span, begins, told: lost });
        }
    }

    /// Shuts the gate of a class: what was pushed last is the last that the session gets live.
    pub(super) fn shut_gate(&mut self, slot: u32, class: usize, after: u64) {
        let beside = self.beside(slot, class);
        let more = self.sessions[slot as usize].more.get_or_insert_default();
        for (class, after) in beside.into_iter().chain([(class, after)]) {
            if !more.is_shut(class) {
                more.gates.push(Gate { class, after, replays: VecDeque::new(), told: Told::default() });
            }
        }
    }
}
