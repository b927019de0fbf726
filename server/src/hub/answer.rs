//! Answers to connects that were held, and good-byes.

use std::time::Duration;

use bayeux::{Ack, Advice, Framing, Reconnect, Refusal, Reply, RequestId};

use super::expiry::TICK;
use super::outbox::Outbox;
use super::outlet::{self, Outlet, Poll, Socket};
use super::session::{Ended, Phase};
use super::shard::Shard;
use super::wire::Written;
use crate::drain::Drain;

/// How long the rest of an answered poll may take to leave.
const ANSWER: Duration = Duration::from_secs(30);

/// What a connect reply says beside its answer.
#[derive(Clone, Copy, Default)]
pub(super) struct Extras {
    /// The number of the last delivery, for those who acknowledge.
    ack: Option<u64>,
    /// How long a token is still good, when a newer one is due.
    expires_in: Option<u64>,
}

impl Extras {
    /// With so many messages before the reply.
    fn after(self, count: usize) -> Self {
        Extras { ack: self.ack.map(|before| before + count as u64), ..self }
    }
}

impl Shard {
    /// What the next connect reply of a session says beside its answer.
    pub(super) fn extras(&self, slot: u32) -> Extras {
        Extras { ack: self.sessions[slot as usize].ack_number(), expires_in: self.left(slot) }
    }

    /// Answers the held poll of a session with what waits for it.
    pub(super) fn answer_held(&mut self, slot: u32) {
        self.leave_deep(slot);
        let until = self.after(self.options.grace);
        let session = &mut self.sessions[slot as usize];
        let Outlet::Poll(poll) = std::mem::take(&mut session.outlet) else { return };
        let extras = self.extras(slot);
        let session = &mut self.sessions[slot as usize];
        let framing = poll.body.framing();
        let id = match std::mem::replace(&mut session.phase, Phase::Between) {
            Phase::Held(id) => id,
            _ => None,
        };
        session.until = until;
        let slowed = std::mem::take(&mut session.slowed);
        let outbox = std::mem::take(&mut session.outbox);
        let advice = slowed.then(|| self.advice(Reconnect::Retry));
        let answered = self.answer(poll, &outbox, id.as_ref(), None, advice, extras);
        let session = &mut self.sessions[slot as usize];
        session.outbox = outbox;
        // Unless the connection was gone: then nobody has taken responsibility, and they wait for the next outlet.
        if answered && session.outbox.has_messages() {
            let taken = self.joined.batch(&session.outbox, framing).1;
            session.handed_over(taken);
        }
        self.schedule(slot);
    }

    /// Writes the response of a poll: the messages, then the connect reply, which comes last. `extras` are those before the
    /// messages. False when its connection was gone.
    pub(super) fn answer(
        &mut self,
        poll: Box<Poll>,
        outbox: &Outbox,
        id: Option<&RequestId>,
        error: Option<&Refusal>,
        advice: Option<Advice>,
        extras: Extras,
    ) -> bool {
        let (batch, count) =
            if outbox.has_messages() { self.joined.batch(outbox, poll.body.framing()) } else { (&[][..], 0) };
        let mut reply = Vec::with_capacity(160);
        if count > 0 {
            reply.push(b',');
        }
        Shard::connect_reply(id, error, advice, extras.after(count), &mut reply);
        let (mut open, mut tail) = (Vec::with_capacity(16), Vec::with_capacity(reply.len() + 8));
        poll.body.open(&mut open);
        poll.body.json(&mut tail, &reply);
        poll.body.close(&mut tail);
        let length = open.len() + batch.len() + tail.len();
        let mut head = Vec::with_capacity(poll.head.len() + open.len() + 16);
        head.extend_from_slice(&poll.head);
        head.extend_from_slice(format!("{length}\r\n\r\n").as_bytes());
        head.append(&mut open);
        match poll.wire.write(&[&head, batch, &tail]) {
            Written::All => outlet::answered(&poll, TICK * self.now),
            Written::Part(Some(rest)) => outlet::finish_answer(poll, rest, ANSWER, self.clock.clone()),
            Written::Part(None) => {
                let rest = [&head, batch, &tail].concat();
                outlet::finish_answer(poll, rest.into(), ANSWER, self.clock.clone());
            }
            Written::Closed => {
                poll.wire.shut();
                return false;
            }
        }
        self.turn.tally.add(count, head.len() + batch.len() + tail.len());
        true
    }

    /// Answers a connect that is held on a socket. In CometD's way of acknowledging, what waits comes in the same frame:
    /// a client has all of it or nothing.
    pub(super) fn reply_connect(
        &mut self,
        slot: u32,
        id: Option<&RequestId>,
        error: Option<&Refusal>,
        advice: Option<Advice>,
    ) {
        let session = &mut self.sessions[slot as usize];
        if !matches!(session.outlet, Outlet::Socket(_)) {
            return;
        }
        let mut json = vec![b'['];
        if session.ack() == Ack::Batch && session.outbox.has_messages() {
            let (batch, count) = self.joined.batch(&session.outbox, Framing::Array);
            json.extend_from_slice(batch);
            json.push(b',');
            session.handed_over(count);
            self.turn.tally.add(count, batch.len());
            self.leave_deep(slot);
        }
        let extras = self.extras(slot);
        Shard::connect_reply(id, error, advice, extras, &mut json);
        json.push(b']');
        let session = &mut self.sessions[slot as usize];
        bayeux::websocket::write_frame(session.outbox.replies_mut(), bayeux::websocket::Opcode::Text, &json);
        self.mark(slot, true);
    }

    /// Writes the reply to a held connect, as JSON.
    pub(super) fn connect_reply(
        id: Option<&RequestId>,
        error: Option<&Refusal>,
        advice: Option<Advice>,
        extras: Extras,
        out: &mut Vec<u8>,
    ) {
        let mut reply = Reply::new("/meta/connect");
        (reply.id, reply.error, reply.advice) = (id, error, advice);
        (reply.ack, reply.expires_in) = (extras.ack, extras.expires_in);
        reply.write_json(out);
    }

    /// Ends up to `count` sessions because the server goes away, each client told when to return: in the reply to a held
    /// connect, or as the time after which a browser opens its event stream again. Answers with how many are left.
    pub(super) fn drain(&mut self, count: usize, drain: &Drain) -> usize {
        let slots: Vec<u32> = self.sessions.iter().take(count).map(|(slot, _)| slot as u32).collect();
        for slot in slots {
            // Whoever is told the same moment returns at the same moment.
            let returns = drain.returns_after(self.clock.now()).as_millis() as u64;
            let mut advice = self.advice(Reconnect::Retry);
            advice.interval = advice.interval.max(returns);
            self.leave_deep(slot);
            let extras = self.extras(slot);
            let session = &mut self.sessions[slot as usize];
            if let Phase::Held(id) = std::mem::replace(&mut session.phase, Phase::Between) {
                let outbox = std::mem::take(&mut session.outbox);
                match std::mem::take(&mut session.outlet) {
                    Outlet::Poll(poll) => {
                        self.answer(poll, &outbox, id.as_ref(), None, Some(advice), extras);
                    }
                    other => {
                        session.outlet = other;
                        session.outbox = outbox;
                        self.reply_connect(slot, id.as_ref(), None, Some(advice));
                    }
                }
            } else if let Outlet::Socket(Socket { framing: Framing::EventStream { .. }, .. }) = session.outlet
            {
                // HTML, section 9.2.6: it counts for the next opening, and the next stream begins with another one.
                session.outbox.replies_mut().extend_from_slice(format!("retry: {returns}\n\n").as_bytes());
                self.mark(slot, true);
            }
            self.flush(slot);
            self.end(slot, Ended::Draining);
        }
        self.sessions.len()
    }
}

/// What a socket still gets when its session ends: the end of the write that was cut, and the framing's own good-bye.
pub(super) fn last_words(socket: Socket, code: u16, reason: &str) -> Vec<u8> {
    let mut bytes = socket.rest.map(Vec::from).unwrap_or_default();
    match socket.framing {
        Framing::WebSocket => bayeux::websocket::write_close(&mut bytes, code, reason),
        _ if socket.chunked => bytes.extend_from_slice(b"0\r\n\r\n"),
        _ => {}
    }
    bytes
}
