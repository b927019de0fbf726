//! The crowd: all sessions of a run, on one thread, driven by readiness.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::Failure;
use crate::dial::dial;
use crate::ledger::{ChannelNumber, Ledger, Listen};
use crate::plan::{Plan, Stage};
use crate::scan::Shape;
use crate::session::Session;
use crate::target::Target;

/// One receive takes at most so much.
const BUFFER: usize = 64 * 1024;
/// Events looked at between two looks at the urgent sessions.
const EVENTS: usize = 64;
/// Sessions that open at the same time.
const OPENING: usize = 64;

/// What all sessions share.
pub(crate) struct Shared {
    pub(crate) ledger: Ledger,
    pub(crate) shape: Shape,
    pub(crate) channels: Vec<String>,
    pub(crate) host: String,
    pub(crate) path: String,
    /// Sessions that have become ready.
    pub(crate) ready: usize,
    /// A request being written.
    pub(crate) text: Vec<u8>,
    /// Sequence numbers of the read being looked at.
    pub(crate) seen: Vec<u32>,
    buffers: [Vec<u8>; 2],
    current: usize,
    remembered: Remembered,
}

/// The last read that held nothing but whole deliveries. Most subscribers of a channel receive
/// the very same bytes, and comparing is cheaper than reading digits.
#[derive(Default)]
struct Remembered {
    bytes: usize,
    before: Listen,
    after: u32,
    sequences: Vec<u32>,
    fresh: bool,
}

impl Shared {
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffers[self.current])
    }

    pub(crate) fn return_buffer(&mut self, buffer: Vec<u8>) {
        self.buffers[self.current] = buffer;
        if std::mem::take(&mut self.remembered.fresh) {
            // The remembered bytes stay where they are; the next read goes to the other buffer.
            self.current = 1 - self.current;
        }
    }

    /// Notes that the bytes now in the buffer were read in full and held the messages in `seen`.
    pub(crate) fn remember(&mut self, bytes: usize, listen: Listen, before: u32) {
        let remembered = &mut self.remembered;
        remembered.bytes = bytes;
        remembered.before = Listen { channel: listen.channel, last: before };
        remembered.after = listen.last;
        std::mem::swap(&mut remembered.sequences, &mut self.seen);
        remembered.fresh = true;
    }

    /// What was read last is not in the buffer.
    pub(crate) fn forget(&mut self) {
        self.remembered.fresh = false;
        self.remembered.bytes = 0;
    }

    /// Ticks off the same messages as in the remembered read, when these are the same bytes for a
    /// session that waited for the same messages; answers how many.
    pub(crate) fn repeat(&mut self, bytes: &[u8], listen: &mut Listen, now: u64) -> Option<u64> {
        let remembered = &self.remembered;
        if remembered.bytes != bytes.len()
            || remembered.before != *listen
            || self.buffers[1 - self.current].get(..bytes.len()) != Some(bytes)
        {
            return None;
        }
        for sequence in &remembered.sequences {
            self.ledger.tick(*sequence, now);
        }
        listen.last = remembered.after;
        Some(remembered.sequences.len() as u64)
    }
}

/// Messages that go into one array.
pub(crate) struct Batch<'a> {
    /// The channel of each.
    pub(crate) channels: &'a [ChannelNumber],
    /// Bytes of `data` in each.
    pub(crate) payload: usize,
    /// When they were due, in nanoseconds since the run began.
    pub(crate) due: u64,
}

/// All sessions of a run.
pub(crate) struct Crowd {
    pub(crate) shared: Shared,
    pub(crate) sessions: Vec<Session>,
    poll: Poll,
    urgent: Poll,
    has_urgent: bool,
    events: Events,
    address: SocketAddr,
    started: Instant,
    /// Why the first healthy session ended.
    ended: Option<String>,
    /// Stalled sessions whose end was seen.
    pub(crate) stalled_ended: usize,
}

impl Crowd {
    /// An empty crowd before a server. Channels are known by their place in `channels`.
    pub(crate) fn new(target: &Target, channels: Vec<String>, sources: usize) -> Result<Crowd, Failure> {
        let failed = |error: io::Error| Failure(format!("cannot poll: {error}"));
        Ok(Crowd {
            shared: Shared {
                ledger: Ledger::new(channels.len(), sources),
                shape: Shape::default(),
                channels,
                host: target.address.to_string(),
                path: target.path.clone(),
                ready: 0,
                text: Vec::new(),
                seen: Vec::new(),
                buffers: [vec![0; BUFFER], vec![0; BUFFER]],
                current: 0,
                remembered: Remembered::default(),
            },
            sessions: Vec::new(),
            poll: Poll::new().map_err(failed)?,
            urgent: Poll::new().map_err(failed)?,
            has_urgent: false,
            events: Events::with_capacity(EVENTS),
            address: target.address,
            started: Instant::now(),
            ended: None,
            stalled_ended: 0,
        })
    }

    /// Nanoseconds since the run began.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Opens sessions, a few at a time, until all are ready; answers the place of the first.
    pub(crate) fn open(
        &mut self,
        plans: impl IntoIterator<Item = Plan>,
        limit: Duration,
    ) -> Result<usize, Failure> {
        let first = self.sessions.len();
        let deadline = Instant::now() + limit;
        let mut plans = plans.into_iter().peekable();
        while plans.peek().is_some() || self.shared.ready < self.sessions.len() {
            while self.sessions.len() - self.shared.ready < OPENING {
                let Some(plan) = plans.next() else { break };
                self.connect(plan)?;
            }
            self.turn(Duration::from_millis(100))?;
            if Instant::now() > deadline {
                return Err(Failure(format!(
                    "only {} of {} sessions were ready after {limit:?}",
                    self.shared.ready,
                    self.sessions.len()
                )));
            }
        }
        Ok(first)
    }

    fn connect(&mut self, plan: Plan) -> Result<(), Failure> {
        let number = self.sessions.len();
        let failed = |error: io::Error| Failure(format!("connection {number}: {error}"));
        let mut stream = dial(self.address, number, plan.receive_buffer).map_err(failed)?;
        let poll = if plan.urgent { &self.urgent } else { &self.poll };
        self.has_urgent |= plan.urgent;
        poll.registry()
            .register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)
            .map_err(failed)?;
        self.sessions.push(Session::new(stream, plan));
        Ok(())
    }

    /// Looks at what is ready, at most [`EVENTS`] sessions, waiting at most so long for the first.
    /// An error tells of a healthy session that ended.
    pub(crate) fn turn(&mut self, wait: Duration) -> Result<(), Failure> {
        let wait = if self.has_urgent {
            self.look(true, Duration::ZERO)?;
            // Two queues cannot be waited for at once; a run with urgent sessions is busy anyway.
            Duration::ZERO
        } else {
            wait
        };
        self.look(false, wait)?;
        match self.ended.take() {
            Some(why) => Err(Failure(format!("a session ended: {why}"))),
            None => Ok(()),
        }
    }

    fn look(&mut self, urgent: bool, wait: Duration) -> Result<(), Failure> {
        let poll = if urgent { &mut self.urgent } else { &mut self.poll };
        match poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(Failure(format!("cannot poll: {error}")));
            }
            _ => {}
        }
        for event in &self.events {
            let number = event.token().0;
            let session = &mut self.sessions[number];
            if session.stage == Stage::Over {
                continue;
            }
            let mut outcome = Ok(());
            if event.is_writable() {
                outcome = session.writable(&mut self.shared);
            }
            if outcome.is_ok() && event.is_readable() {
                // Deliveries count when they are looked at, so the clock is read for each session.
                let now = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
                outcome = session.readable(&mut self.shared, now);
            }
            if let Err(ended) = outcome {
                session.stage = Stage::Over;
                if session.plan.receive_buffer.is_some() {
                    self.stalled_ended += 1;
                } else if self.ended.is_none() {
                    self.ended = Some(format!("number {number}: {}", ended.0));
                }
            }
        }
        Ok(())
    }

    /// Publishes a batch in one array, by the session `publisher`; `false` when that session's line
    /// or the ledger is full.
    pub(crate) fn publish(&mut self, publisher: usize, source: usize, batch: &Batch<'_>) -> bool {
        let session = &mut self.sessions[publisher];
        if !session.has_room() {
            return false;
        }
        let shared = &mut self.shared;
        let mut sequences = std::mem::take(&mut shared.seen);
        sequences.clear();
        for channel in batch.channels {
            let Some(sequence) = shared.ledger.publish(source, *channel, batch.due) else { break };
            sequences.push(sequence);
        }
        let whole = sequences.len() == batch.channels.len();
        if !sequences.is_empty() {
            session.publish(shared, &sequences, batch);
        }
        shared.seen = sequences;
        whole
    }

    /// Sends what a publisher has in line.
    pub(crate) fn flush(&mut self, publisher: usize) -> Result<(), Failure> {
        self.sessions[publisher]
            .flush(&mut self.shared)
            .map_err(|ended| Failure(format!("the publisher ended: {}", ended.0)))
    }

    /// Waits until every message has reached everyone, at most so long.
    pub(crate) fn drain(&mut self, limit: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + limit;
        while self.shared.ledger.outstanding() > 0 && Instant::now() < deadline {
            self.turn(Duration::from_millis(50))?;
        }
        Ok(())
    }

    /// Stops looking at a session, so that its socket fills up.
    pub(crate) fn stall(&mut self, number: usize) -> Result<(), Failure> {
        self.poll
            .registry()
            .deregister(&mut self.sessions[number].stream)
            .map_err(|error| Failure(format!("session {number}: {error}")))
    }

    /// Reads what a stalled session was sent, and throws it away; `true` when it is at its end.
    pub(crate) fn discard(&mut self, number: usize) -> bool {
        let mut buffer = self.shared.take_buffer();
        let stream = &mut self.sessions[number].stream;
        let at_end = loop {
            match io::Read::read(stream, &mut buffer) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break true,
            }
        };
        self.shared.return_buffer(buffer);
        at_end
    }
}
