//! One client: a session or an event stream that loses its connection and goes on where it was.

use std::io::{ErrorKind, Read};
use std::mem;

use bayeux::framing::event_stream::Event;
use bayeux::{Answer, parse_answers};
use mio::net::TcpStream;

use super::events::EventStream;
use super::had::Had;
use super::link::{Ended, Link, Stage};
use super::words as says;
use crate::plan::{Ack, Transport};
use crate::scan::{self, FIRST};
use crate::{http, words};

/// What all clients know.
pub(super) struct Place {
    /// Of the server, as `Host`.
    pub(super) host: String,
    /// Of its Bayeux endpoint.
    pub(super) path: String,
    /// How many rooms there are: message `n` of the run is in room `n % rooms`.
    pub(super) rooms: u32,
}

/// How often something happened that is worth knowing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    /// Sessions, and streams with `Last-Event-ID`, that went on.
    pub(super) resumed: u64,
    /// Sessions that were gone, so that another one took up the cursor.
    pub(super) renewed: u64,
    /// Notices that something is lost.
    pub(super) gaps: u64,
    /// Recoveries that were not complete.
    pub(super) unrecovered: u64,
    /// Connections that ended when nobody cut them.
    pub(super) interruptions: u64,
}

/// One client.
pub(super) struct Client {
    /// What it has had.
    pub(super) had: Had,
    /// What happened to it.
    pub(super) count: Count,
    /// Its room.
    pub(super) room: u32,
    /// How it is connected.
    pub(super) transport: Transport,
    /// Whether it is subscribed.
    pub(super) subscribed: bool,
    link: Option<Link>,
    /// The connection before, which the server may take for alive.
    lost: Option<TcpStream>,
    session: Option<String>,
    /// Deliveries of the session that have arrived: what a connect acknowledges.
    arrived: u64,
    cursor: Option<String>,
}

impl Client {
    /// One that is not connected yet.
    pub(super) fn new(room: u32, transport: Transport) -> Client {
        Client {
            had: Had::default(),
            count: Count::default(),
            room,
            transport,
            subscribed: false,
            link: None,
            lost: None,
            session: None,
            arrived: 0,
            cursor: None,
        }
    }

    /// Takes a connection that is being made.
    pub(super) fn dialled(&mut self, stream: TcpStream) {
        self.link = Some(Link::new(stream));
    }

    /// The socket of its connection.
    pub(super) fn stream(&mut self) -> Option<&mut TcpStream> {
        self.link.as_mut().map(|link| &mut link.stream)
    }

    /// The connection is gone. The server is told by a reset, or not at all: then the socket stays open, and what it
    /// holds unread is lost.
    pub(super) fn lose(&mut self, silently: bool) {
        if !self.subscribed && self.link.as_ref().is_some_and(|link| link.stage == Stage::Talking) {
            // The session had not come so far as to be subscribed.
            self.session = None;
        }
        self.subscribed = false;
        if let Some(link) = self.link.take()
            && silently
        {
            self.lost = Some(link.stream);
        }
    }

    /// Closes the connection before this one.
    pub(super) fn let_go(&mut self) {
        self.lost = None;
    }

    /// The socket may be written: finish connecting, or send what waited.
    pub(super) fn writable(&mut self, place: &Place) -> Result<(), Ended> {
        let Some(link) = &mut self.link else { return Ok(()) };
        if link.stage == Stage::Connecting {
            if !link.is_connected()? {
                return Ok(());
            }
            match self.transport {
                Transport::WebSocket => {
                    link.unsent.extend(words::upgrade(&place.host, &place.path).as_bytes());
                }
                Transport::LongPolling => self.begin(place),
                Transport::EventStream => {
                    let room = says::room(self.room);
                    // The first time it is there before anything is published.
                    let from_start = self.cursor.is_none() && self.had.next() > 0;
                    says::stream(&mut link.unsent, &place.host, &room, self.cursor.as_deref(), from_start);
                }
            }
        }
        self.flush()
    }

    /// Takes the session up again, or begins one.
    fn begin(&mut self, place: &Place) {
        let resumes = self.session.is_some();
        if let Some(link) = &mut self.link {
            link.stage = if resumes { Stage::Resuming } else { Stage::Talking };
        }
        if resumes {
            self.connect(place);
        } else {
            self.shake_hands(place);
        }
    }

    fn shake_hands(&mut self, place: &Place) {
        self.arrived = 0;
        let name = self.transport.name();
        self.request(place, |out, _| words::handshake(out, name, Ack::Count));
    }

    fn connect(&mut self, place: &Place) {
        self.request(place, |out, client| {
            let session = client.session.as_deref().unwrap_or_default();
            words::connect(out, session, client.transport.name(), false, Some(client.arrived));
        });
    }

    /// Puts a request in line for the socket.
    fn request(&mut self, place: &Place, write: impl FnOnce(&mut Vec<u8>, &Client)) {
        let mut text = Vec::new();
        write(&mut text, self);
        let Some(link) = &mut self.link else { return };
        if self.transport == Transport::LongPolling {
            words::post(&mut link.unsent, &place.host, &place.path, "", &text);
        } else {
            words::frame(&mut link.unsent, scan::TEXT, &text);
        }
    }

    /// Writes what waits, as far as the socket takes it.
    fn flush(&mut self) -> Result<(), Ended> {
        self.link.as_mut().map_or(Ok(()), Link::flush)
    }

    /// The socket may be read, as far as it is filled.
    pub(super) fn readable(&mut self, place: &Place, buffer: &mut [u8]) -> Result<(), Ended> {
        loop {
            let Some(link) = &mut self.link else { return Ok(()) };
            match link.stream.read(buffer) {
                Ok(0) => return Err(Ended("closed by the server".to_owned())),
                Ok(bytes) => {
                    link.partial.extend(&buffer[..bytes]);
                    self.digest(place)?;
                    if bytes < buffer.len() {
                        return self.flush();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.flush(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Ended(format!("cannot receive: {error}"))),
            }
        }
    }

    /// Takes what has arrived in full.
    fn digest(&mut self, place: &Place) -> Result<(), Ended> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let bytes = mem::take(&mut link.partial);
        let taken = match self.transport {
            Transport::WebSocket => self.frames(place, &bytes),
            Transport::LongPolling => self.responses(place, &bytes),
            Transport::EventStream => self.events(place, &bytes),
        }?;
        if let Some(link) = &mut self.link {
            link.partial = bytes;
            link.partial.drain(..taken);
        }
        Ok(())
    }

    fn frames(&mut self, place: &Place, bytes: &[u8]) -> Result<usize, Ended> {
        let mut at = 0;
        if self.stage() == Stage::Opening {
            let Some((status, head)) = http::head(bytes).map_err(Ended)? else { return Ok(0) };
            if status != 101 {
                return Err(Ended(format!("status {status} where 101 was expected")));
            }
            at = head;
            self.begin(place);
        }
        while let Some(head) = scan::head(&bytes[at..]) {
            let start = at + head.bytes;
            let Some(payload) = bytes.get(start..start.saturating_add(head.payload)) else { break };
            match head.opcode {
                scan::TEXT => self.hear_all(place, payload)?,
                scan::PING => {
                    if let Some(link) = &mut self.link {
                        words::frame(&mut link.unsent, scan::PONG, payload);
                    }
                }
                scan::CLOSE => return Err(Ended("closed by the server with a frame".to_owned())),
                _ => {}
            }
            at = start + head.payload;
        }
        Ok(at)
    }

    fn responses(&mut self, place: &Place, bytes: &[u8]) -> Result<usize, Ended> {
        let mut at = 0;
        while let Some(response) = http::response(&bytes[at..]).map_err(Ended)? {
            if response.status != 200 {
                return Err(Ended(format!("status {}", response.status)));
            }
            self.hear_all(place, &response.body)?;
            at += response.taken;
        }
        Ok(at)
    }

    fn events(&mut self, place: &Place, bytes: &[u8]) -> Result<usize, Ended> {
        let Some(link) = &mut self.link else { return Ok(0) };
        let mut head = 0;
        if link.events.is_none() {
            let Some((events, taken)) = EventStream::open(bytes).map_err(Ended)? else { return Ok(0) };
            (link.events, head) = (Some(events), taken);
            self.subscribed = true;
            self.count.resumed += u64::from(self.cursor.is_some());
        }
        let mut seen = Vec::new();
        let Some(events) = &mut link.events else { return Ok(0) };
        let taken = events.take(&bytes[head..], |event| seen.push(event)).map_err(Ended)?;
        for event in seen {
            self.hear_event(place, event)?;
        }
        Ok(head + taken)
    }

    fn stage(&self) -> Stage {
        self.link.as_ref().map_or(Stage::Talking, |link| link.stage)
    }

    fn hear_event(&mut self, place: &Place, event: Event) -> Result<(), Ended> {
        if event.event.as_deref() == Some("recovery") {
            self.count.unrecovered += u64::from(!event.data.contains("\"recovered\":true"));
        } else {
            self.take(place, &event.data)?;
        }
        self.cursor = event.id.map(String::from).or(self.cursor.take());
        Ok(())
    }

    fn hear_all(&mut self, place: &Place, body: &[u8]) -> Result<(), Ended> {
        let unreadable = |error| Ended(format!("{error}: {:.200}", String::from_utf8_lossy(body)));
        parse_answers(body).map_err(unreadable)?.into_iter().try_for_each(|answer| self.hear(place, answer))
    }

    fn hear(&mut self, place: &Place, answer: Answer) -> Result<(), Ended> {
        let Some(successful) = answer.successful else { return self.deliver(place, &answer) };
        let error = answer.error.as_deref().unwrap_or_default();
        let unknown = !successful && error.starts_with("402");
        if self.stage() == Stage::Resuming && !unknown {
            self.taken_up();
        }
        if unknown {
            // Another session goes on from the cursor.
            if self.session.take().is_some() {
                self.count.renewed += 1;
                self.begin(place);
            }
            return Ok(());
        }
        match &*answer.channel {
            channel if !successful => return Err(Ended(format!("{channel}: {error}"))),
            "/meta/handshake" => {
                if !says::counts(&answer) {
                    return Err(Ended("the server does not acknowledge by counts".to_owned()));
                }
                self.session = answer.client_id.map(String::from);
                let room = says::room(self.room);
                self.request(place, |out, client| {
                    let session = client.session.as_deref().unwrap_or_default();
                    says::subscribe(out, session, &room, client.cursor.as_deref().unwrap_or("now"));
                });
            }
            "/meta/subscribe" => {
                let recovery = says::recovery(&answer, &says::room(self.room)).unwrap_or_default();
                self.count.unrecovered += u64::from(recovery.recovered == Some(false));
                self.cursor = self.cursor.take().or(recovery.cursor);
                self.subscribed = true;
                self.connect(place);
            }
            "/meta/connect" => self.connect(place),
            _ => {}
        }
        Ok(())
    }

    /// The session is still there.
    fn taken_up(&mut self) {
        self.count.resumed += 1;
        self.subscribed = true;
        if let Some(link) = &mut self.link {
            link.stage = Stage::Talking;
        }
    }

    fn deliver(&mut self, place: &Place, answer: &Answer) -> Result<(), Ended> {
        if self.stage() == Stage::Resuming {
            self.taken_up();
        }
        self.arrived += 1;
        let data = answer.data.as_deref().map_or("null", |data| data.get());
        if &*answer.channel == "/meta/gap" {
            self.count.gaps += 1;
            self.arrived = scan::number_field(data.as_bytes(), "count").unwrap_or(self.arrived);
            return Ok(());
        }
        self.take(place, data)?;
        self.cursor = says::position(answer).or(self.cursor.take());
        Ok(())
    }

    fn take(&mut self, place: &Place, data: &str) -> Result<(), Ended> {
        let sequence = scan::number_field(data.as_bytes(), "s").and_then(|number| u32::try_from(number).ok());
        let number = sequence
            .and_then(|sequence| sequence.checked_sub(FIRST))
            .ok_or_else(|| Ended(format!("a message that nobody published: {data:.200}")))?;
        if number % place.rooms == self.room {
            self.had.take(number / place.rooms);
        } else {
            self.had.stray += 1;
        }
        Ok(())
    }
}
