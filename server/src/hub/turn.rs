//! The flush turn: what came in is pushed into outboxes, and everything that waits for a session leaves in one write.
//!
//! No task is woken per subscriber. Messages that arrive during the turn join the next writes, so writes grow
//! exactly when load does, and a lone message leaves at once. A turn yields after [`BUDGET`]; sessions
//! with news from a small fan-out stand on a list of their own that is looked at after every chunk of the wide one
//! (a 10-subscriber channel beside a fan-out to 15,000: 47 ms with one list, about 1 ms with two).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bayeux::{Ack, Message};

use super::acknowledge;
use super::expiry::Tick;
use super::outbox::Outbox;
use super::outlet::Outlet;
use super::past::Class;
use super::session::{Dirty, Key, Session};
use super::shard::Shard;
use super::slow::Deliver;
use super::standing;
use super::tally::Tally;
use super::wire::Written;
use super::{Command, Options};

/// How long a turn may hold the core before others (readers, new connections) have theirs.
const BUDGET: Duration = if cfg!(test) { Duration::MAX } else { Duration::from_millis(1) };

/// Sessions written between two looks at the clock, the mailbox and the urgent list: about 0.1 ms.
const CHUNK: usize = 32;

/// A fan-out to at most this many sessions of a shard is urgent.
const URGENT: usize = 64;

/// Pushes into outboxes between two looks at the lists: about 0.2 ms.
const PUSHES: usize = 8192;

/// The state of the turn.
#[derive(Default)]
pub(super) struct Lists {
    inbox: VecDeque<Command>,
    urgent: Vec<u32>,
    wide: VecDeque<u32>,
    walk: Walk,
    /// Sessions whose connection is free and whose outbox is half full: the *server* is late. No message is
    /// taken in until they have been written, so being late never ends anybody.
    deep: usize,
    full: Vec<u32>,
    /// Sessions that are owed more of the past than one look finds.
    catching: VecDeque<Key>,
    pub(super) tally: Tally,
}

/// Where the walk along the wide list is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Walk {
    #[default]
    Over,
    Gathers,
    Goes,
}

/// What the shard's thread does after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Yield, then take another turn.
    Again,
    /// Sleep until there is mail, or this tick.
    At(Option<Tick>),
}

impl Shard {
    /// One turn of at most about [`BUDGET`].
    pub(super) fn turn(&mut self) -> Next {
        let start = Instant::now();
        self.refresh();
        self.expire();
        loop {
            self.receive();
            self.flush_urgent();
            if let Some(key) = self.turn.catching.pop_front() {
                self.catch_up_further(key);
            }
            if self.gathers() {
                self.end_turn();
                return Next::Again;
            }
            // What has become urgent meanwhile is written already: it takes nobody's place, and does not gather.
            let mut left = CHUNK;
            while left > 0
                && let Some(slot) = self.turn.wide.pop_front()
            {
                if self.sessions.get(slot as usize).is_some_and(|session| session.dirty == Dirty::Wide) {
                    self.flush(slot);
                    left -= 1;
                }
            }
            if self.turn.wide.is_empty() {
                self.turn.walk = Walk::Over;
            }
            let idle =
                self.turn.wide.is_empty() && self.turn.urgent.is_empty() && self.turn.catching.is_empty();
            if idle && self.turn.inbox.is_empty() && self.mailbox.is_empty() {
                self.end_turn();
                return Next::At(self.wheel.next());
            }
            if start.elapsed() >= BUDGET {
                self.end_turn();
                return Next::Again;
            }
        }
    }

    /// Whether a walk along the wide list is about to begin and should first let the readers of this core have
    /// what is already in their sockets: what they publish now joins every write of the walk. It costs a walk one
    /// look at the sockets, a few microseconds, and a small fan-out nothing.
    fn gathers(&mut self) -> bool {
        let lists = &mut self.turn;
        if lists.wide.is_empty() {
            return false;
        }
        lists.walk = if lists.walk == Walk::Over { Walk::Gathers } else { Walk::Goes };
        lists.walk == Walk::Gathers
    }

    fn end_turn(&mut self) {
        self.joined.clear();
        self.turn.tally.settle(&self.metrics);
    }

    /// Takes in what the mailbox holds, while no free outbox is half full.
    pub(super) fn receive(&mut self) {
        let mut pushes = 0;
        while pushes < PUSHES {
            if self.turn.inbox.is_empty() {
                self.mailbox.swap(&mut self.turn.inbox);
            }
            // While behind, only what is not a publication is taken (it comes up in its order).
            if self.turn.deep > 0 && matches!(self.turn.inbox.front(), Some(Command::Deliver(..))) {
                return;
            }
            match self.turn.inbox.pop_front() {
                None => return,
                Some(Command::Deliver(message, count)) => {
                    let receivers = self.deliver(&message);
                    pushes += receivers;
                    if let Some(count) = count {
                        let _ = count.send(receivers);
                    }
                    self.mailbox.taken(message.bytes());
                }
                Some(Command::Run(run)) => run(self),
                Some(Command::Writable(key)) => self.writable(key),
            }
        }
    }

    /// Pushes a message into the outbox of everyone who listens; answers with how many.
    fn deliver(&mut self, message: &Arc<Message>) -> usize {
        let number = Class::of(message.position());
        let class = &self.classes[number];
        self.seen[number] = message.position().sequence;
        let receivers: usize =
            self.subscriptions.matching(message.channel()).map(|list| self.subscriptions.len(list)).sum();
        let urgent = receivers <= URGENT;
        let abreast = if receivers > 0 { self.abreast(message) } else { None };
        let message = abreast.as_ref().unwrap_or(message);
        for list in self.subscriptions.matching(message.channel()) {
            for slot in self.subscriptions.members(list) {
                let session = &mut self.sessions[slot as usize];
                let free = session.is_free();
                let mut bounded = !free;
                let mut tells = false;
                if let Some(more) = &session.more {
                    if more.is_shut(number)
                        || (message.muted().is_some() && message.muted() == more.publisher)
                    {
                        continue;
                    }
                    bounded |= more.ack != Ack::None;
                    tells = more.has_lost();
                }
                if !session.outbox.has_messages() {
                    session.waits_since = self.now;
                } else if class.deliver == Deliver::Latest {
                    let older = session.outbox.conflate(session.numbered(), message);
                    self.metrics.messages_conflated.inc_by(older as u64);
                }
                if tells || (bounded && !self.options.has_room(&session.outbox, message)) {
                    self.turn.full.push(slot);
                    continue;
                }
                session.outbox.push(standing::live(session, &self.classes, message));
                self.turn.tally.peak(&session.outbox);
                if free {
                    self.turn.mark(slot, &mut session.dirty, urgent);
                    self.turn.deepen(session, &self.options);
                } else if let Outlet::Woken(woken) = &session.outlet {
                    woken.wake();
                }
            }
        }
        while let Some(slot) = self.turn.full.pop() {
            self.overflow(slot, message, urgent);
        }
        receivers
    }

    /// Puts a session on a list of the turn.
    pub(super) fn mark(&mut self, slot: u32, urgent: bool) {
        let session = &mut self.sessions[slot as usize];
        if session.outlet.is_free() {
            self.turn.mark(slot, &mut session.dirty, urgent);
            self.mailbox.wake();
        }
    }

    pub(super) fn leave_deep(&mut self, slot: u32) {
        let session = &mut self.sessions[slot as usize];
        if std::mem::take(&mut session.deep) {
            self.turn.deep -= 1;
        }
    }

    /// Writes all that is urgent, or as much as there is time for: when everybody has a channel of their own, everybody is.
    fn flush_urgent(&mut self) {
        if self.turn.urgent.is_empty() {
            return;
        }
        let start = Instant::now();
        // What is marked meanwhile has its turn after the next chunk.
        let urgent = std::mem::take(&mut self.turn.urgent);
        for (number, &slot) in urgent.iter().enumerate() {
            if number % CHUNK == CHUNK - 1 && start.elapsed() >= BUDGET {
                self.turn.urgent.splice(..0, urgent[number..].iter().copied());
                return;
            }
            if self.sessions.get(slot as usize).is_some_and(|session| session.dirty == Dirty::Urgent) {
                self.flush(slot);
            }
        }
    }

    /// Writes what waits for one session, as much as one write takes.
    pub(super) fn flush(&mut self, slot: u32) {
        let session = &mut self.sessions[slot as usize];
        session.dirty = Dirty::No;
        let ack = session.ack();
        if ack != Ack::None {
            self.answer_acknowledging(slot);
        }
        let session = &mut self.sessions[slot as usize];
        match &mut session.outlet {
            Outlet::Socket(socket) if socket.rest.is_none() => {
                let (batch, count) = if ack != Ack::Batch && session.outbox.has_messages() {
                    self.joined.batch(&session.outbox, socket.framing)
                } else {
                    (&[][..], 0)
                };
                let replies = session.outbox.replies();
                if batch.is_empty() && replies.is_empty() {
                    return self.catch_up(slot);
                }
                let length = batch.len() + replies.len();
                let written = if socket.chunked {
                    let head = format!("{length:x}\r\n");
                    socket.wire.write(&[head.as_bytes(), batch, replies, b"\r\n"])
                } else if replies.is_empty() {
                    socket.wire.write(&[batch])
                } else if batch.is_empty() {
                    socket.wire.write(&[replies])
                } else {
                    socket.wire.write(&[batch, replies])
                };
                if !matches!(written, Written::Part(None) | Written::Closed) {
                    self.turn.tally.add(count, length);
                    if !replies_done(&mut session.outbox) {
                        socket.wire.notify();
                    }
                    session.handed_over(count);
                }
                self.after_write(slot, written);
            }
            Outlet::Poll(_) if session.outbox.has_messages() => self.answer_held(slot),
            _ => {}
        }
    }

    fn after_write(&mut self, slot: u32, written: Written) {
        let session = &mut self.sessions[slot as usize];
        let Outlet::Socket(socket) = &mut session.outlet else { return };
        match written {
            Written::All => {
                if (session.outbox.has_messages() && session.is_free())
                    || acknowledge::asks(session, &self.options)
                {
                    self.turn.mark(slot, &mut session.dirty, false);
                }
                if !self.options.is_half_full(&session.outbox) {
                    self.leave_deep(slot);
                }
                self.catch_up(slot);
            }
            Written::Part(rest) => {
                socket.rest = Some(rest.unwrap_or_default());
                self.leave_deep(slot);
                self.wait_writable(slot);
            }
            Written::Closed => {
                // The reader sees the same end and detaches; until then nothing more is tried.
                socket.rest = Some(Box::default());
                socket.wire.shut();
                self.leave_deep(slot);
            }
        }
    }

    /// A task of its own waits for a socket that took no more. There is one for each blocked session.
    pub(super) fn wait_writable(&self, slot: u32) {
        let session = &self.sessions[slot as usize];
        let Some(wire) = session.outlet.wire().cloned() else { return };
        let key = Key { shard: self.index, slot, generation: session.generation };
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            if wire.writable().await.is_ok() {
                mailbox.post(Command::Writable(key));
            }
        });
    }

    fn writable(&mut self, key: Key) {
        let Some(session) = self.get_mut(key) else { return };
        let Outlet::Socket(socket) = &mut session.outlet else { return };
        let Some(rest) = socket.rest.take() else { return };
        socket.stalled = false;
        if rest.is_empty() {
            self.flush(key.slot);
            return;
        }
        match socket.wire.write(&[&rest]) {
            Written::All => {
                socket.wire.notify();
                self.flush(key.slot);
            }
            Written::Part(left) => {
                socket.rest = Some(left.unwrap_or(rest));
                self.wait_writable(key.slot);
            }
            closed => self.after_write(key.slot, closed),
        }
    }
}

impl Lists {
    pub(super) fn catch_up_later(&mut self, key: Key) {
        self.catching.push_back(key);
    }

    /// Counts a free session whose outbox is half full.
    pub(super) fn deepen(&mut self, session: &mut Session, options: &Options) {
        if !session.deep && options.is_half_full(&session.outbox) {
            session.deep = true;
            self.deep += 1;
        }
    }

    fn mark(&mut self, slot: u32, dirty: &mut Dirty, urgent: bool) {
        match (*dirty, urgent) {
            (Dirty::No | Dirty::Wide, true) => {
                *dirty = Dirty::Urgent;
                self.urgent.push(slot);
            }
            (Dirty::No, false) => {
                *dirty = Dirty::Wide;
                self.wide.push_back(slot);
            }
            _ => {}
        }
    }
}

/// Lets go of the replies; true when there was less than would have stopped the reader.
fn replies_done(outbox: &mut Outbox) -> bool {
    let few = outbox.replies().len() < super::outbox::REPLY_BYTES;
    outbox.clear_replies();
    few
}
