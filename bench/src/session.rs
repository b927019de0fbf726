//! One session of the crowd: from the first byte to a held connect, and every delivery after that.

use std::io::{ErrorKind, Read, Write};
use std::mem;

use mio::net::TcpStream;

use crate::crowd::{Batch, Shared};
use crate::hear::{Heard, arrived};
use crate::ledger::Listen;
use crate::plan::{Ack, Plan, Stage, Transport};
use crate::scan::{self, Found};
use crate::{http, words};

/// Why a connection ended.
#[derive(Debug)]
pub(crate) struct Ended(pub(crate) String);

/// One session.
pub(crate) struct Session {
    pub(crate) stream: TcpStream,
    pub(crate) stage: Stage,
    pub(crate) plan: Plan,
    pub(crate) listens: Vec<Listen>,
    client: String,
    cookie: String,
    /// Received, but not yet a whole frame or response.
    partial: Vec<u8>,
    /// To be sent when the socket takes it.
    unsent: Vec<u8>,
    /// Publications that wait for the response to the POST before them.
    queued: Vec<u8>,
    /// Whether a POST of publications is under way.
    posting: bool,
    /// Deliveries that the next connect acknowledges.
    arrived: u64,
}

/// A publisher whose socket takes nothing stops at so many bytes of its own.
const UNSENT_LIMIT: usize = 4 << 20;

impl Session {
    pub(crate) fn new(stream: TcpStream, plan: Plan) -> Session {
        Session {
            stream,
            stage: Stage::Connecting,
            plan,
            listens: Vec::new(),
            client: String::new(),
            cookie: String::new(),
            partial: Vec::new(),
            unsent: Vec::new(),
            queued: Vec::new(),
            posting: false,
            arrived: 0,
        }
    }

    /// The socket may be written: finish connecting, or send what waited.
    pub(crate) fn writable(&mut self, shared: &mut Shared) -> Result<(), Ended> {
        if self.stage == Stage::Connecting {
            if let Some(error) = self.stream.take_error().ok().flatten() {
                return Err(Ended(format!("cannot connect: {error}")));
            }
            if self.stream.peer_addr().is_err() {
                return Ok(());
            }
            // Requests are small and must not wait for one another.
            let _ = self.stream.set_nodelay(true);
            match self.plan.transport {
                Transport::WebSocket => {
                    self.stage = Stage::Upgrading;
                    self.unsent.extend(words::upgrade(&shared.host, &shared.path).as_bytes());
                }
                Transport::EventStream => {
                    self.stage = Stage::Upgrading;
                    let channel = self.plan.listens.first().map_or(0, |channel| *channel as usize);
                    self.unsent.extend(words::stream(&shared.host, &shared.channels[channel]).as_bytes());
                }
                Transport::LongPolling => {
                    self.stage = Stage::Handshaking;
                    self.request(shared, |out, session| {
                        words::handshake(out, session.plan.transport.name(), session.plan.ack)
                    });
                }
            }
        }
        self.flush(shared)
    }

    /// Puts a request in line for the socket.
    fn request(&mut self, shared: &mut Shared, write: impl FnOnce(&mut Vec<u8>, &Session)) {
        let mut text = mem::take(&mut shared.text);
        text.clear();
        write(&mut text, self);
        match self.plan.transport {
            Transport::LongPolling => {
                words::post(&mut self.unsent, &shared.host, &shared.path, &self.cookie, &text);
            }
            _ => words::frame(&mut self.unsent, scan::TEXT, &text),
        }
        shared.text = text;
    }

    /// Puts publications in line, in one array.
    pub(crate) fn publish(&mut self, shared: &mut Shared, sequences: &[u32], batch: &Batch<'_>) {
        let channels = mem::take(&mut shared.channels);
        let items = |out: &mut Vec<u8>, client: &str| {
            for (at, (sequence, channel)) in sequences.iter().zip(batch.channels).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                let channel = &channels[*channel as usize];
                words::publish(out, client, channel, batch.due, *sequence, batch.payload);
            }
        };
        if self.plan.transport == Transport::LongPolling {
            if !self.queued.is_empty() {
                self.queued.push(b',');
            }
            items(&mut self.queued, &self.client);
        } else {
            self.request(shared, |out, session| {
                out.push(b'[');
                items(out, &session.client);
                out.push(b']');
            });
        }
        shared.channels = channels;
    }

    /// Whether [`Session::publish`] would take more.
    pub(crate) fn has_room(&self) -> bool {
        self.unsent.len() + self.queued.len() <= UNSENT_LIMIT
    }

    /// Writes what waits, as far as the socket takes it.
    pub(crate) fn flush(&mut self, shared: &mut Shared) -> Result<(), Ended> {
        if !self.queued.is_empty() && !self.posting {
            self.posting = true;
            let queued = mem::take(&mut self.queued);
            self.request(shared, |out, _| {
                out.push(b'[');
                out.extend(&queued);
                out.push(b']');
            });
            self.queued = queued;
            self.queued.clear();
        }
        let mut sent = 0;
        while sent < self.unsent.len() {
            match self.stream.write(&self.unsent[sent..]) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Ended(format!("cannot send: {error}"))),
            }
        }
        self.unsent.drain(..sent);
        Ok(())
    }

    /// The socket may be read: one receive, unless it filled the whole buffer.
    pub(crate) fn readable(&mut self, shared: &mut Shared, now: u64) -> Result<(), Ended> {
        loop {
            let mut buffer = shared.take_buffer();
            let got = self.stream.read(&mut buffer);
            let whole = buffer.len();
            let outcome = match got {
                Ok(0) => Err(Ended("closed by the server".to_owned())),
                Ok(bytes) => self.take(shared, &buffer[..bytes], now).map(|()| bytes == whole),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
                Err(error) => Err(Ended(format!("cannot receive: {error}"))),
            };
            shared.return_buffer(buffer);
            if !outcome? {
                return Ok(());
            }
        }
    }

    fn take(&mut self, shared: &mut Shared, bytes: &[u8], now: u64) -> Result<(), Ended> {
        if !self.partial.is_empty() {
            self.partial.extend(bytes);
            let partial = mem::take(&mut self.partial);
            let taken = self.read_all(shared, &partial, now);
            // Those bytes stand in `partial` and not in the buffer.
            shared.forget();
            self.partial = partial;
            self.partial.drain(..taken?);
            return Ok(());
        }
        if let [listen] = &mut self.listens[..]
            && self.stage == Stage::Ready
            && let Some(deliveries) = shared.repeat(bytes, listen, now)
        {
            self.arrived += deliveries;
            return Ok(());
        }
        let taken = self.read_all(shared, bytes, now)?;
        self.partial.extend(&bytes[taken..]);
        Ok(())
    }

    fn read_all(&mut self, shared: &mut Shared, bytes: &[u8], now: u64) -> Result<usize, Ended> {
        let mut taken = 0;
        if self.stage == Stage::Upgrading {
            let Some((status, head)) = http::head(bytes).map_err(Ended)? else { return Ok(0) };
            let expected = if self.plan.transport == Transport::WebSocket { 101 } else { 200 };
            if status != expected {
                return Err(Ended(format!("status {status} where {expected} was expected")));
            }
            taken = head;
            if self.plan.transport == Transport::WebSocket {
                self.stage = Stage::Handshaking;
                self.request(shared, |out, session| {
                    words::handshake(out, session.plan.transport.name(), session.plan.ack)
                });
                self.flush(shared)?;
            } else {
                self.become_ready(shared);
            }
        }
        match self.plan.transport {
            Transport::WebSocket => Ok(taken + self.read_frames(shared, &bytes[taken..], now)?),
            Transport::LongPolling => self.read_responses(shared, bytes, now),
            // What a stream says is of no interest to an idle connection.
            Transport::EventStream => Ok(bytes.len()),
        }
    }

    fn read_frames(&mut self, shared: &mut Shared, bytes: &[u8], now: u64) -> Result<usize, Ended> {
        let before = self.listens.first().map_or(0, |listen| listen.last);
        let mut heard = Heard::default();
        let mut only_messages = true;
        let faults = shared.ledger.faults();
        let ready = self.stage == Stage::Ready;
        let listens = &mut self.listens;
        let Shared { shape, ledger, seen, .. } = shared;
        seen.clear();
        let taken = shape.walk(bytes, |found| match found {
            Found::Message(sequence) => {
                seen.push(sequence);
                arrived(ledger, listens, sequence, now);
            }
            other => {
                only_messages = false;
                heard.hear(other, ready);
            }
        });
        self.arrived += seen.len() as u64;
        let clean = only_messages && taken == bytes.len() && ledger.faults() == faults;
        if clean && ready && listens.len() == 1 {
            shared.remember(bytes.len(), listens[0], before);
        }
        self.answer(shared, heard)?;
        Ok(taken)
    }

    fn read_responses(&mut self, shared: &mut Shared, bytes: &[u8], now: u64) -> Result<usize, Ended> {
        let mut taken = 0;
        while let Some(response) = http::response(&bytes[taken..]).map_err(Ended)? {
            if response.status != 200 {
                let body = String::from_utf8_lossy(&response.body);
                return Err(Ended(format!("status {}: {body:.200}", response.status)));
            }
            taken += response.taken;
            let mut heard = Heard::default();
            let ready = self.stage == Stage::Ready;
            let listens = &mut self.listens;
            let ledger = &mut shared.ledger;
            let count = &mut self.arrived;
            scan::body(&response.body, |found| match found {
                Found::Message(sequence) => {
                    *count += 1;
                    arrived(ledger, listens, sequence, now);
                }
                other => heard.hear(other, ready),
            });
            if self.stage == Stage::Handshaking
                && let Some(cookie) = http::field(response.head, "set-cookie")
            {
                // CometD's servers bind a session to its cookie over HTTP.
                cookie.split(';').next().unwrap_or_default().clone_into(&mut self.cookie);
            }
            // A poll that was answered with nothing but messages must be renewed as well.
            heard.connect |= ready && self.plan.connects;
            self.posting = false;
            self.answer(shared, heard)?;
        }
        Ok(taken)
    }

    /// Does what the protocol asks for after a read.
    fn answer(&mut self, shared: &mut Shared, heard: Heard) -> Result<(), Ended> {
        if let Some(refused) = heard.refused {
            return Err(Ended(format!("refused: {refused}")));
        }
        if let Some(closed) = heard.closed {
            return Err(Ended(closed));
        }
        if let Some(ping) = heard.ping {
            words::frame(&mut self.unsent, scan::PONG, &ping);
        }
        if let (Ack::Batch, Some(number)) = (self.plan.ack, heard.number) {
            self.arrived = number;
        }
        if !heard.opening.is_empty() {
            self.advance(shared, &heard.opening)?;
        } else if heard.connect && self.stage == Stage::Ready {
            self.connect(shared, false);
        }
        self.flush(shared)
    }

    fn connect(&mut self, shared: &mut Shared, at_once: bool) {
        self.request(shared, |out, session| {
            let acknowledged = (session.plan.ack != Ack::None).then_some(session.arrived);
            words::connect(out, &session.client, session.plan.transport.name(), at_once, acknowledged);
        });
    }

    /// One step towards [`Stage::Ready`].
    fn advance(&mut self, shared: &mut Shared, reply: &[u8]) -> Result<(), Ended> {
        match self.stage {
            Stage::Handshaking if scan::concerns(reply, "/meta/handshake") => {
                let client = scan::string_field(reply, "clientId");
                client
                    .ok_or_else(|| Ended("a handshake without a clientId".to_owned()))?
                    .clone_into(&mut self.client);
                if self.plan.listens.is_empty() {
                    return self.introduce(shared);
                }
                self.stage = Stage::Subscribing;
                let channels = mem::take(&mut shared.channels);
                self.request(shared, |out, session| {
                    let names = session.plan.listens.iter().map(|number| channels[*number as usize].as_str());
                    words::subscribe(out, &session.client, names);
                });
                shared.channels = channels;
            }
            Stage::Subscribing if scan::concerns(reply, "/meta/subscribe") => return self.introduce(shared),
            Stage::Introducing if scan::concerns(reply, "/meta/connect") => {
                self.connect(shared, false);
                self.become_ready(shared);
            }
            _ => {}
        }
        Ok(())
    }

    fn introduce(&mut self, shared: &mut Shared) -> Result<(), Ended> {
        // A publisher over HTTP needs its one connection for its POSTs.
        if !self.plan.connects {
            self.become_ready(shared);
            return Ok(());
        }
        self.stage = Stage::Introducing;
        self.connect(shared, true);
        self.flush(shared)
    }

    fn become_ready(&mut self, shared: &mut Shared) {
        self.stage = Stage::Ready;
        shared.ready += 1;
        // Nobody waits for one that will stall.
        if self.plan.receive_buffer.is_some() {
            return;
        }
        self.listens = self.plan.listens.iter().map(|channel| shared.ledger.listen(*channel)).collect();
    }
}
