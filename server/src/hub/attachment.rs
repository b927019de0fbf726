//! The connect cycle, and what a session is attached to: one outlet at a time, the newest wins.

use std::sync::Arc;
use std::time::Duration;

use bayeux::{Ack, Framing, Reconnect, Refusal, RequestId};

use super::acknowledge;
use super::answer::Extras;
use super::outbox::{CUT_BYTES, Outbox, REPLY_BYTES};
use super::outlet::{self, Outlet, Poll, Socket, Woken};
use super::session::{Ended, Key, Phase, Session};
use super::shard::Shard;
use super::wire::Wire;

/// When a client is asked again for acknowledgements that it has not sent with its connect.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What speaks for and against holding a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MayHold {
    /// It is the session's first.
    pub first: bool,
    /// It was advised to wait, and no longer has to.
    pub slowed: bool,
    /// Messages wait that the reply would carry: a poll is answered with them at once. Those of a session with another
    /// outlet wait for that one, or for a poll that takes its place.
    pub waiting: bool,
}

/// What became of an attempt to hold a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Held, or answered already.
    Done,
    /// There is no such session.
    Unknown,
}

/// What a session's client may be told about room for replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is.
    Free,
    /// The socket should not be read before its wire says that something changed.
    Full,
    /// There is no such session.
    Unknown,
}

/// What a socket's peer is still to get: the end of a write that was cut, and the replies that wait.
fn owed(socket: Socket, outbox: &Outbox) -> Option<Box<[u8]>> {
    let replies = outbox.replies();
    match socket.rest {
        None if replies.is_empty() => None,
        None => Some(replies.into()),
        Some(rest) => Some([&rest, replies].concat().into()),
    }
}

/// Whether a session's socket may be read on. What was cut counts, since a socket that is handed from session to session
/// (by a handshake each time) takes its unwritten replies along as such.
fn room(session: &Session) -> Room {
    let cut = match &session.outlet {
        Outlet::Socket(socket) => socket.rest.as_ref().map_or(0, |rest| rest.len()),
        _ => 0,
    };
    if session.outbox.replies().len() < REPLY_BYTES && cut < CUT_BYTES { Room::Free } else { Room::Full }
}

/// What a session that said good-bye leaves to be said on its socket.
#[derive(Debug, Default)]
pub struct Parted {
    /// A connect was held on the socket: it is to be answered, with this id.
    pub held: Option<Option<RequestId>>,
    /// What the socket's peer is still to get before anything else.
    pub owed: Option<Box<[u8]>>,
}

impl Shard {
    /// What speaks for and against holding a connect now. `None`: no such session.
    pub fn may_hold(&self, key: Key) -> Option<MayHold> {
        let session = self.get(key)?;
        let first = matches!(session.phase, Phase::New);
        // The first connect is answered at once, so that the client knows that it is connected.
        let waiting = session.outlet.is_vacant() && session.outbox.has_messages();
        Some(MayHold { first, slowed: session.slowed, waiting })
    }

    /// A connect was answered at once: the cycle goes on. One that is held on the session's socket is answered too; a
    /// poll that is held stays so, with its id and its time.
    pub fn connected(&mut self, key: Key) {
        let until = self.after(self.options.grace);
        let Some(session) = self.get_mut(key) else { return };
        session.slowed = false;
        if matches!(session.outlet, Outlet::Poll(_)) {
            return;
        }
        let earlier = std::mem::replace(&mut session.phase, Phase::Between);
        session.until = until;
        self.schedule(key.slot);
        if let Phase::Held(id) = earlier {
            self.reply_connect(key.slot, id.as_ref(), None, None);
        }
    }

    /// The same, with the advice to wait longer than others.
    pub fn slowed(&mut self, key: Key) {
        self.connected(key);
        if let Some(session) = self.get_mut(key) {
            session.slowed = true;
        }
    }

    /// Holds a connect on the session's socket for `timeout`. One that was held before is answered now
    /// (`successful: true`: a duplicate on the same socket is no quarrel between two holders).
    pub fn hold(&mut self, key: Key, id: Option<RequestId>, timeout: Duration) -> Hold {
        let Some(session) = self.get_mut(key) else { return Hold::Unknown };
        if let Phase::Held(earlier) = std::mem::replace(&mut session.phase, Phase::Held(id)) {
            self.reply_connect(key.slot, earlier.as_ref(), None, None);
        }
        // A client that owes many acknowledgements is asked for them soon, since nothing may come that would make it.
        let asks = acknowledge::owes(&self.sessions[key.slot as usize], &self.options);
        let until = self.after(if asks { timeout.min(ASK_AGAIN) } else { timeout });
        let session = &mut self.sessions[key.slot as usize];
        session.until = until;
        let waits = session.outbox.has_messages();
        self.schedule(key.slot);
        if waits {
            self.mark(key.slot, true);
        }
        Hold::Done
    }

    /// Holds a poll: the session's outlet until something waits, `timeout` passes, or another takes its place.
    pub fn hold_poll(&mut self, key: Key, id: Option<RequestId>, timeout: Duration, poll: Poll) -> Hold {
        if !self.has(key) {
            let advice = self.advice(Reconnect::Handshake);
            let unknown = Refusal::session_unknown();
            self.answer(
                Box::new(poll),
                &Outbox::default(),
                id.as_ref(),
                Some(&unknown),
                Some(advice),
                Extras::default(),
            );
            return Hold::Unknown;
        }
        self.replace_outlet(key.slot);
        let until = self.after(timeout);
        let session = &mut self.sessions[key.slot as usize];
        session.outlet = Outlet::Poll(Box::new(poll));
        session.phase = Phase::Held(id);
        session.until = until;
        self.schedule(key.slot);
        if self.sessions[key.slot as usize].outbox.has_messages() {
            self.mark(key.slot, true);
        }
        Hold::Done
    }

    /// Makes a socket the session's outlet. `rest` is what an earlier writer left unwritten on it. False when there is no
    /// such session, or when the socket is being closed: what its peer still said on it must not take the session
    /// back from the one that took it.
    pub fn attach(
        &mut self,
        key: Key,
        wire: Arc<Wire>,
        framing: Framing,
        chunked: bool,
        rest: Option<Box<[u8]>>,
    ) -> bool {
        if !self.has(key) || wire.is_closing() {
            return false;
        }
        if self
            .get(key)
            .and_then(|session| session.outlet.wire())
            .is_some_and(|held| Arc::ptr_eq(held, &wire))
        {
            return true;
        }
        self.replace_outlet(key.slot);
        let blocked = rest.is_some();
        let beat = self.after(self.options.heartbeat);
        let session = &mut self.sessions[key.slot as usize];
        session.outlet = Outlet::Socket(Socket { wire, framing, chunked, rest, stalled: false });
        session.beat = beat;
        self.schedule(key.slot);
        if blocked {
            self.wait_writable(key.slot);
        } else if !self.sessions[key.slot as usize].outbox.is_empty() {
            self.mark(key.slot, true);
        }
        true
    }

    /// Makes an outlet that is woken the session's outlet.
    pub fn attach_woken(&mut self, key: Key, woken: Arc<Woken>) -> bool {
        if !self.has(key) {
            return false;
        }
        self.replace_outlet(key.slot);
        self.catch_up(key.slot);
        let session = &mut self.sessions[key.slot as usize];
        if session.outbox.has_messages() {
            woken.wake();
        }
        session.outlet = Outlet::Woken(woken);
        true
    }

    /// Lets go of all that waits for somebody who only wants to know that there is something; false when the session has
    /// ended.
    pub fn skip(&mut self, key: Key) -> bool {
        let Some(session) = self.get_mut(key) else { return false };
        session.outbox = Default::default();
        // Whose it is, it stays.
        session.more = session.more.take().and_then(|more| more.only_whose()).map(Box::new);
        true
    }

    /// The reader of a stream is gone.
    pub fn close_stream(&mut self, key: Key) {
        if self.get(key).is_some_and(|session| matches!(session.phase, Phase::Stream)) {
            self.end(key.slot, Ended::Closed);
        }
    }

    /// The newest outlet wins. A poll that loses its place is answered; a socket is told to close.
    pub(super) fn replace_outlet(&mut self, slot: u32) {
        self.leave_deep(slot);
        let session = &mut self.sessions[slot as usize];
        match std::mem::take(&mut session.outlet) {
            Outlet::Absent => {}
            Outlet::Woken(woken) => woken.wake(),
            Outlet::Socket(socket) => {
                // Replies were framed for that socket; their requester is gone with it.
                session.outbox.clear_replies();
                session.phase = Phase::Between;
                outlet::farewell(socket.wire.clone(), super::answer::last_words(socket, 1000, "replaced"));
            }
            Outlet::Poll(poll) => {
                let id = match std::mem::replace(&mut session.phase, Phase::Between) {
                    Phase::Held(id) => id,
                    _ => None,
                };
                // Two holders of one id would otherwise take the poll from each other at line speed.
                let mut advice = self.advice(Reconnect::Retry);
                advice.interval = advice.interval.max(2000);
                let refusal = Refusal::connect_replaced();
                self.answer(
                    poll,
                    &Outbox::default(),
                    id.as_ref(),
                    Some(&refusal),
                    Some(advice),
                    Extras::default(),
                );
            }
        }
        self.begin_again(slot);
    }

    /// The connection is gone, or will serve something else. Answers with what it still owed its peer.
    /// A stream ends with its connection; a session has its grace.
    pub fn detach(&mut self, key: Key, wire: &Arc<Wire>) -> Option<Box<[u8]>> {
        let until = self.after(self.options.grace);
        let session = self.get_mut(key)?;
        if matches!((&session.phase, &session.outlet), (Phase::Stream, Outlet::Absent)) {
            // It was given up before it began.
            self.end(key.slot, Ended::Closed);
            return None;
        }
        if !session.outlet.wire().is_some_and(|held| Arc::ptr_eq(held, wire)) {
            return None;
        }
        self.leave_deep(key.slot);
        let session = &mut self.sessions[key.slot as usize];
        let rest = match std::mem::take(&mut session.outlet) {
            Outlet::Socket(socket) => owed(socket, &session.outbox),
            _ => None,
        };
        session.outbox.clear_replies();
        session.outbox.rewind();
        match session.phase {
            Phase::Stream => self.end(key.slot, Ended::Closed),
            Phase::New => {}
            Phase::Between | Phase::Held(_) => {
                session.phase = Phase::Between;
                session.until = until;
                self.schedule(key.slot);
            }
        }
        rest
    }

    /// Queues bytes, framed for the session's socket, behind the messages that wait now. `Unknown` also when the
    /// session's outlet is another one than `wire`.
    pub fn reply(&mut self, key: Key, wire: &Arc<Wire>, framed: &[u8]) -> Room {
        let Some(session) = self.get_mut(key) else { return Room::Unknown };
        if !session.outlet.wire().is_some_and(|held| Arc::ptr_eq(held, wire)) {
            return Room::Unknown;
        }
        session.outbox.replies_mut().extend_from_slice(framed);
        let room = room(session);
        self.mark(key.slot, true);
        room
    }

    /// Whether replies may be queued.
    pub fn room(&self, key: Key) -> Room {
        self.get(key).map_or(Room::Unknown, room)
    }

    /// Takes what waits, joined in `framing`, for a response that becomes the outlet for as long as it lasts.
    /// Empty while another outlet is attached: two drains of one outbox would reorder it.
    pub fn take(&mut self, key: Key, framing: Framing) -> Vec<u8> {
        let mut bytes = Vec::new();
        let Some(session) = self.get_mut(key) else { return bytes };
        if !session.outlet.is_vacant() || session.ack() != Ack::None {
            self.catch_up(key.slot);
            return bytes;
        }
        for (number, message) in session.outbox.iter().enumerate() {
            framing.push(&mut bytes, message, number == 0);
        }
        let count = session.outbox.len();
        session.outbox.leave(count);
        self.metrics.messages_out.inc_by(count as u64);
        self.catch_up(key.slot);
        bytes
    }

    /// The client has said good-bye. A held poll is answered before this returns. If it was said on the session's own
    /// socket, `here`, that is free, and the id of a connect held there is the answer (the caller puts both replies
    /// into one frame). Any other socket is told, and closed: what it was to get is for nobody else.
    pub fn disconnect(&mut self, key: Key, here: Option<&Arc<Wire>>) -> Option<Parted> {
        let advice = self.advice(Reconnect::None);
        let session = self.get_mut(key)?;
        let held = match std::mem::replace(&mut session.phase, Phase::Between) {
            Phase::Held(id) => Some(id),
            _ => None,
        };
        self.leave_deep(key.slot);
        let extras = self.extras(key.slot);
        let session = &mut self.sessions[key.slot as usize];
        let outbox = std::mem::take(&mut session.outbox);
        let parted = match std::mem::take(&mut session.outlet) {
            Outlet::Poll(poll) => {
                let id = held.flatten();
                self.answer(poll, &outbox, id.as_ref(), None, Some(advice), extras);
                Parted::default()
            }
            Outlet::Socket(socket) if here.is_some_and(|here| Arc::ptr_eq(here, &socket.wire)) => {
                Parted { held, owed: owed(socket, &outbox) }
            }
            elsewhere @ Outlet::Socket(_) => {
                (session.outlet, session.outbox) = (elsewhere, outbox);
                if let Some(id) = held {
                    self.reply_connect(key.slot, id.as_ref(), None, Some(advice));
                }
                self.flush(key.slot);
                Parted::default()
            }
            Outlet::Woken(woken) => {
                woken.wake();
                Parted::default()
            }
            Outlet::Absent => {
                self.metrics.dropped(Ended::Disconnected.as_str(), outbox.waiting() as u64);
                Parted::default()
            }
        };
        self.end(key.slot, Ended::Disconnected);
        Some(parted)
    }
}
