//! All clients of a run and the publishers, on one thread, with a network that can be cut.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::client::{Client, Place};
use super::link::Ended;
use crate::Failure;
use crate::crowd::{Batch, Crowd};
use crate::dial::dial;
use crate::draw::Draw;
use crate::fanout::publisher;
use crate::options::{Loss, RecoverOptions};
use crate::plan::Transport;
use crate::target::Target;

/// Sessions that publish.
const PUBLISHERS: u32 = 4;
/// Sessions that open at the same time.
const OPENING: usize = 64;
/// When a client whose connection ended by itself tries again.
const AGAIN: Duration = Duration::from_millis(200);
/// How often it does before the run is given up.
const TRIES: u64 = 20;
/// The longest wait for something to happen.
const WAIT: Duration = Duration::from_millis(5);

/// A client's return.
#[derive(Clone, Copy, Debug)]
pub(super) struct Return {
    at: Instant,
    /// How many messages its room had then.
    target: u32,
    /// How many of them it lacked.
    pub(super) lacked: u64,
    caught_up: Option<Instant>,
}

impl Return {
    /// How long it took to have what it lacked.
    pub(super) fn took(&self) -> Option<Duration> {
        Some(self.caught_up?.duration_since(self.at))
    }
}

/// All clients and publishers.
pub(super) struct Network {
    pub(super) clients: Vec<Client>,
    /// Of each client that has returned.
    pub(super) returns: Vec<Option<Return>>,
    /// Clients that are to dial, with the time; the last one is the next.
    dials: Vec<(Instant, usize)>,
    place: Place,
    address: SocketAddr,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    crowd: Crowd,
    first_publisher: usize,
    payload: usize,
    step: Duration,
    /// When the next message is due; none while nothing is published.
    due: Option<Instant>,
    /// Messages published so far, over all rooms.
    pub(super) published: u32,
    /// Times a message was due and the server took no more.
    pub(super) withheld: u64,
    /// Clients that have yet to catch up.
    pub(super) behind: usize,
    /// When the last one did.
    pub(super) last_caught_up: Instant,
    cut: bool,
}

impl Network {
    /// Connects everybody, and waits until all are subscribed.
    pub(super) fn open(options: &RecoverOptions, target: &Target) -> Result<Network, Failure> {
        let common = &options.common;
        let failed = |error: io::Error| Failure(format!("cannot poll: {error}"));
        let rooms = u32::try_from(options.rooms).unwrap_or(u32::MAX);
        let names = (0..rooms).map(super::words::room).collect();
        let mut crowd = Crowd::new(target, names, 1)?;
        let publishers = (0..PUBLISHERS).map(|_| publisher(Transport::WebSocket));
        let first_publisher = crowd.open(publishers, common.patience())?;
        let transports = &options.transports;
        // Rooms advance once all transports had their turn, so that each room has clients of every kind.
        let client = |number: usize| {
            let room = u32::try_from((number / transports.len()) % options.rooms).unwrap_or(0);
            Client::new(room, transports[number % transports.len()])
        };
        let mut network = Network {
            clients: (0..options.clients).map(client).collect(),
            returns: vec![None; options.clients],
            dials: Vec::new(),
            place: Place { host: target.address.to_string(), path: target.path.clone(), rooms },
            address: target.address,
            poll: Poll::new().map_err(failed)?,
            events: Events::with_capacity(256),
            buffer: vec![0; 64 * 1024],
            crowd,
            first_publisher,
            payload: common.payload(100),
            step: Duration::from_secs_f64(1.0 / options.rate),
            due: None,
            published: 0,
            withheld: 0,
            behind: 0,
            last_caught_up: Instant::now(),
            cut: false,
        };
        let deadline = Instant::now() + common.patience();
        let mut dialled = 0;
        loop {
            let mut awaited = network.clients[..dialled].iter().filter(|client| !client.subscribed).count();
            if awaited == 0 && dialled == options.clients {
                break;
            }
            while awaited < OPENING && dialled < options.clients {
                network.dial(dialled)?;
                (dialled, awaited) = (dialled + 1, awaited + 1);
            }
            network.turn()?;
            if Instant::now() > deadline {
                let why = format!("{awaited} of {dialled} clients were not subscribed in time");
                return Err(Failure(why));
            }
        }
        Ok(network)
    }

    /// Begins to publish.
    pub(super) fn begin(&mut self) {
        self.due = Some(Instant::now());
    }

    /// Publishes no more.
    pub(super) fn stop(&mut self) {
        self.due = None;
    }

    /// Lets things go their way for so long.
    pub(super) fn go(&mut self, length: Duration) -> Result<(), Failure> {
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.turn()?;
        }
        Ok(())
    }

    /// Everybody loses the connection.
    pub(super) fn cut(&mut self, loss: Loss) -> Result<(), Failure> {
        self.cut = true;
        self.dials.clear();
        for (number, client) in self.clients.iter_mut().enumerate() {
            if let Some(stream) = client.stream() {
                let gone = self.poll.registry().deregister(stream);
                gone.map_err(|error| Failure(format!("client {number}: {error}")))?;
            }
            client.lose(match loss {
                Loss::Reset => false,
                Loss::Silent => true,
                // Not every other one, or it would be the same transports each time.
                Loss::Mixed => number / 6 % 2 == 1,
            });
        }
        Ok(())
    }

    /// The network is back: everybody returns at a random moment within this time.
    pub(super) fn restore(&mut self, within: Duration) {
        self.cut = false;
        let now = Instant::now();
        let mut draw = Draw::new(1);
        let micros = usize::try_from(within.as_micros()).unwrap_or(usize::MAX);
        let moment = |draw: &mut Draw| now + Duration::from_micros(draw.below(micros) as u64);
        self.dials = (0..self.clients.len()).map(|number| (moment(&mut draw), number)).collect();
        self.dials.sort_by(|one, other| other.cmp(one));
        self.behind = self.clients.len();
        self.last_caught_up = now;
    }

    /// Messages of a room so far.
    pub(super) fn published_in(&self, room: u32) -> u32 {
        (self.published + self.place.rooms - 1 - room) / self.place.rooms
    }

    /// How long after the last client had begun to return the last one had caught up.
    pub(super) fn after_last_return(&self) -> Duration {
        let last = self.returns.iter().flatten().map(|back| back.at).max();
        last.map_or(Duration::ZERO, |last| self.last_caught_up.saturating_duration_since(last))
    }

    /// Whether everybody has everything.
    pub(super) fn is_complete(&self) -> bool {
        self.clients.iter().all(|client| client.had.is_complete(self.published_in(client.room)))
    }

    fn dial(&mut self, number: usize) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure(format!("connection {number}: {error}"));
        let mut stream = dial(self.address, number, None).map_err(failed)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(number), interest).map_err(failed)?;
        self.clients[number].dialled(stream);
        Ok(())
    }

    /// Publishes what is due, dials, and looks at what is ready.
    pub(super) fn turn(&mut self) -> Result<(), Failure> {
        self.publish()?;
        self.crowd.turn(Duration::ZERO)?;
        let now = Instant::now();
        while let Some((at, number)) = self.dials.last().copied()
            && at <= now
        {
            self.dials.pop();
            self.dial(number)?;
            if self.behind > 0 && self.returns[number].is_none() {
                let target = self.published_in(self.clients[number].room);
                let lacked = self.clients[number].had.lacks(target);
                self.returns[number] = Some(Return { at: now, target, lacked, caught_up: None });
            }
        }
        let next = self.due.into_iter().chain(self.dials.last().map(|(at, _)| *at)).min();
        let wait = next.map_or(WAIT, |next| next.saturating_duration_since(now).min(WAIT));
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(Failure(format!("cannot poll: {error}")));
            }
            _ => {}
        }
        for event in &self.events {
            let number = event.token().0;
            let client = &mut self.clients[number];
            let mut outcome = Ok(());
            if event.is_writable() {
                outcome = client.writable(&self.place);
            }
            if outcome.is_ok() && event.is_readable() {
                outcome = client.readable(&self.place, &mut self.buffer);
            }
            if let Err(Ended(why)) = outcome {
                client.lose(false);
                client.count.interruptions += 1;
                if client.count.interruptions > TRIES {
                    return Err(Failure(format!("client {number} ended {TRIES} times, at last: {why}")));
                }
                let place = self.dials.partition_point(|(at, _)| *at > now + AGAIN);
                self.dials.insert(place, (now + AGAIN, number));
            } else if let Some(back) = &mut self.returns[number]
                && back.caught_up.is_none()
                && client.had.is_complete(back.target)
                && client.subscribed
            {
                let now = Instant::now();
                (back.caught_up, self.last_caught_up) = (Some(now), now);
                self.behind -= 1;
                client.let_go();
            }
        }
        Ok(())
    }

    fn publish(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let mut any = false;
        while let Some(due) = self.due
            && due <= now
        {
            let room = self.published % self.place.rooms;
            let publisher = self.first_publisher + (room % PUBLISHERS) as usize;
            let batch = Batch { channels: &[room], payload: self.payload, due: self.crowd.now() };
            if self.crowd.publish(publisher, 0, &batch) {
                self.published += 1;
            } else {
                self.withheld += 1;
            }
            any = true;
            self.due = Some(due + self.step);
        }
        if any {
            for publisher in 0..PUBLISHERS as usize {
                self.crowd.flush(self.first_publisher + publisher)?;
            }
        }
        Ok(())
    }
}
