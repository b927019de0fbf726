//! The floor: what the kernel charges for a fan-out when a server does nothing beside.
//!
//! One thread, one epoll, no sessions: it answers the words of Bayeux with ready-made replies and
//! writes a publication's bytes to every subscriber. It speaks WebSocket only, never expires
//! anything, checks nothing, and must never be reachable by anyone but the load generator.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use clap::ValueEnum;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::{Failure, report, scan, words};

/// Which messages go out in one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Join {
    /// One write for each message.
    Never,
    /// Everything that waits for a session, gathered in a buffer of its own.
    Session,
    /// Everything that waits for a channel, gathered once and written to all.
    Shared,
}

impl Join {
    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Join::Never => "never",
            Join::Session => "session",
            Join::Shared => "shared",
        }
    }
}

const LISTENER: Token = Token(usize::MAX);

struct Peer {
    stream: TcpStream,
    upgraded: bool,
    partial: Vec<u8>,
    unsent: Vec<u8>,
    dirty: bool,
}

#[derive(Default)]
struct Channel {
    peers: Vec<usize>,
    pending: Vec<u8>,
}

struct Floor {
    join: Join,
    peers: Vec<Option<Peer>>,
    free: Vec<usize>,
    channels: HashMap<Vec<u8>, Channel>,
    /// Channels, or sessions, with something to write at the end of the turn.
    waiting: Vec<Vec<u8>>,
    dirty: Vec<usize>,
    frame: Vec<u8>,
}

/// Serves until its standard input closes, so that it cannot outlive the generator.
pub(crate) fn run(listen: SocketAddr, join: Join) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure(format!("floor: {error}"));
    let socket = socket2::Socket::new(socket2::Domain::for_address(listen), socket2::Type::STREAM, None)
        .map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    socket.bind(&listen.into()).map_err(failed)?;
    socket.listen(4096).map_err(failed)?;
    let mut listener = TcpListener::from_std(socket.into());
    let mut poll = Poll::new().map_err(failed)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).map_err(failed)?;
    report::say(&format!("  public    http://{}/", listener.local_addr().map_err(failed)?));
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(0);
    });

    let mut floor = Floor {
        join,
        peers: Vec::new(),
        free: Vec::new(),
        channels: HashMap::new(),
        waiting: Vec::new(),
        dirty: Vec::new(),
        frame: Vec::new(),
    };
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(failed(error)),
            _ => {}
        }
        for event in &events {
            if event.token() == LISTENER {
                floor.accept(&listener, &poll);
                continue;
            }
            let number = event.token().0;
            if event.is_writable() {
                floor.flush(number);
            }
            if event.is_readable() {
                floor.read(number, &mut buffer);
            }
        }
        floor.write_joined();
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) {
        while let Ok((mut stream, _)) = listener.accept() {
            let number = self.free.pop().unwrap_or_else(|| {
                self.peers.push(None);
                self.peers.len() - 1
            });
            let _ = stream.set_nodelay(true);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if poll.registry().register(&mut stream, Token(number), interest).is_err() {
                self.free.push(number);
                continue;
            }
            self.peers[number] =
                Some(Peer { stream, upgraded: false, partial: Vec::new(), unsent: Vec::new(), dirty: false });
        }
    }

    fn leave(&mut self, number: usize) {
        self.peers[number] = None;
        self.free.push(number);
        for channel in self.channels.values_mut() {
            channel.peers.retain(|peer| *peer != number);
        }
    }

    fn flush(&mut self, number: usize) {
        let Some(peer) = &mut self.peers[number] else { return };
        peer.dirty = false;
        if !peer.unsent.is_empty() && !send(&peer.stream, &mut peer.unsent) {
            self.leave(number);
        }
    }

    fn read(&mut self, number: usize, buffer: &mut [u8]) {
        loop {
            let Some(peer) = &mut self.peers[number] else { return };
            match peer.stream.read(buffer) {
                Ok(0) => return self.leave(number),
                Ok(bytes) => {
                    if peer.partial.is_empty() {
                        let taken = self.take(number, &mut buffer[..bytes]);
                        if let Some(peer) = &mut self.peers[number] {
                            peer.partial.extend(&buffer[taken..bytes]);
                        }
                    } else {
                        peer.partial.extend(&buffer[..bytes]);
                        let mut partial = std::mem::take(&mut peer.partial);
                        let taken = self.take(number, &mut partial);
                        partial.drain(..taken);
                        if let Some(peer) = &mut self.peers[number] {
                            peer.partial = partial;
                        }
                    }
                    if bytes < buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.leave(number),
            }
        }
    }

    fn take(&mut self, number: usize, bytes: &mut [u8]) -> usize {
        let Some(peer) = &mut self.peers[number] else { return bytes.len() };
        let mut at = 0;
        if !peer.upgraded {
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return 0 };
            at = end + 4;
            peer.upgraded = true;
            self.reply(
                number,
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            );
        }
        while let Some(head) = scan::head(&bytes[at..]) {
            let start = at + head.bytes;
            let Some(payload) = bytes.get_mut(start..start.saturating_add(head.payload)) else { break };
            if let Some(key) = head.mask {
                words::unmask(payload, key);
            }
            at = start + head.payload;
            if payload.starts_with(b"[{\"channel\":\"/meta/") {
                self.converse(number, &bytes[start..at]);
            } else if head.opcode == scan::TEXT {
                self.publish(&bytes[start..at]);
            }
        }
        at
    }

    fn reply(&mut self, number: usize, bytes: &[u8]) {
        let Some(peer) = &mut self.peers[number] else { return };
        peer.unsent.extend(bytes);
        self.flush(number);
    }

    fn converse(&mut self, number: usize, request: &[u8]) {
        let reply: &[u8] = match &request[b"[{\"channel\":\"/meta/".len()..] {
            rest if rest.starts_with(b"handshake") => {
                br#"[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket"],"clientId":"floor","successful":true,"id":"1"}]"#
            }
            rest if rest.starts_with(b"subscribe") => {
                self.subscribe(number, rest);
                br#"[{"channel":"/meta/subscribe","successful":true,"id":"2"}]"#
            }
            rest if scan::concerns(rest, "\"timeout\":0") => {
                br#"[{"channel":"/meta/connect","successful":true,"id":"3"}]"#
            }
            // A held connect is held for as long as the floor lives.
            _ => return,
        };
        let mut frame = std::mem::take(&mut self.frame);
        server_frame(&mut frame, &[reply]);
        self.reply(number, &frame);
        self.frame = frame;
    }

    fn subscribe(&mut self, number: usize, request: &[u8]) {
        let Some(at) = memchr::memmem::find(request, b"\"subscription\":") else { return };
        let list = &request[at + b"\"subscription\":".len()..];
        let end = memchr::memmem::find(list, b",\"id\"").unwrap_or(list.len());
        for name in list[..end].split(|byte| *byte == b'"').filter(|part| part.starts_with(b"/")) {
            self.channels.entry(name.to_vec()).or_default().peers.push(number);
        }
    }

    /// Hands on every message of an array in the generator's own form, where `data` comes last.
    fn publish(&mut self, mut text: &[u8]) {
        const NAME: &[u8] = b"\"channel\":\"";
        const DATA: &[u8] = b"\"data\":";
        while let Some(at) = memchr::memmem::find(text, NAME) {
            let name_on = &text[at + NAME.len()..];
            let Some(name_end) = memchr::memchr(b'"', name_on) else { return };
            let Some(data) = memchr::memmem::find(name_on, DATA) else { return };
            let data_on = &name_on[data + DATA.len()..];
            let Some(data_end) = memchr::memmem::find(data_on, b"\"}}") else { return };
            let mut frame = std::mem::take(&mut self.frame);
            let parts = [
                b"[{\"channel\":\"".as_slice(),
                &name_on[..name_end],
                b"\",\"data\":",
                &data_on[..data_end],
                b"\"}}]",
            ];
            server_frame(&mut frame, &parts);
            self.deliver(&name_on[..name_end], &frame);
            self.frame = frame;
            text = &data_on[data_end + 3..];
        }
    }

    fn deliver(&mut self, name: &[u8], frame: &[u8]) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        if self.join == Join::Shared {
            if channel.pending.is_empty() {
                self.waiting.push(name.to_vec());
            }
            channel.pending.extend(frame);
            return;
        }
        for number in &channel.peers {
            let Some(peer) = &mut self.peers[*number] else { continue };
            if self.join == Join::Never {
                // An error shows again when the socket is read.
                let _ = write_or_keep(peer, frame);
                continue;
            }
            peer.unsent.extend(frame);
            if !peer.dirty {
                peer.dirty = true;
                self.dirty.push(*number);
            }
        }
    }

    fn write_joined(&mut self) {
        for number in std::mem::take(&mut self.dirty) {
            self.flush(number);
        }
        for name in std::mem::take(&mut self.waiting) {
            let Some(channel) = self.channels.get_mut(&name) else { continue };
            for number in &channel.peers {
                if let Some(peer) = &mut self.peers[*number] {
                    let _ = write_or_keep(peer, &channel.pending);
                }
            }
            channel.pending.clear();
        }
    }
}

/// An unmasked text frame (RFC 6455, 5.2) of these parts.
fn server_frame(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.clear();
    out.push(0x81);
    match u16::try_from(length) {
        Ok(short) if short < 126 => out.push(short.to_le_bytes()[0]),
        Ok(medium) => {
            out.push(126);
            out.extend(medium.to_be_bytes());
        }
        Err(_) => {
            out.push(127);
            out.extend(u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    for part in parts {
        out.extend(*part);
    }
}

/// Writes at once, and keeps what the socket does not take.
fn write_or_keep(peer: &mut Peer, bytes: &[u8]) -> io::Result<()> {
    let mut sent = 0;
    if peer.unsent.is_empty() {
        sent = match peer.stream.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            written => written?,
        };
    }
    peer.unsent.extend(&bytes[sent..]);
    Ok(())
}

/// Sends what waits; `false` when the peer is gone.
fn send(mut stream: &TcpStream, unsent: &mut Vec<u8>) -> bool {
    let mut sent = 0;
    while sent < unsent.len() {
        match stream.write(&unsent[sent..]) {
            Ok(bytes) => sent += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    unsent.drain(..sent);
    true
}
