//! One connection of a client.

use std::io::{ErrorKind, Write};

use mio::net::TcpStream;

use super::events::EventStream;

/// Why a connection ended.
#[derive(Debug)]
pub(super) struct Ended(pub(super) String);

/// A connection.
pub(super) struct Link {
    /// Its socket.
    pub(super) stream: TcpStream,
    /// How far it has come.
    pub(super) stage: Stage,
    /// Received, but not yet whole.
    pub(super) partial: Vec<u8>,
    /// To be sent when the socket takes it.
    pub(super) unsent: Vec<u8>,
    /// What it carries, when that is an event stream.
    pub(super) events: Option<EventStream>,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// TCP.
    Connecting,
    /// The head of the response to an upgrade, or of a stream, is awaited.
    Opening,
    /// A session is to be taken up again: the first answer tells whether it is still there.
    Resuming,
    /// Requests and answers.
    Talking,
}

impl Link {
    /// A connection that is being made.
    pub(super) fn new(stream: TcpStream) -> Link {
        let (partial, unsent) = (Vec::new(), Vec::new());
        Link { stream, stage: Stage::Connecting, partial, unsent, events: None }
    }

    /// Whether it has come about, now that it may be written.
    pub(super) fn is_connected(&mut self) -> Result<bool, Ended> {
        if let Some(error) = self.stream.take_error().ok().flatten() {
            return Err(Ended(format!("cannot connect: {error}")));
        }
        if self.stream.peer_addr().is_err() {
            return Ok(false);
        }
        // Requests are small and must not wait for one another.
        let _ = self.stream.set_nodelay(true);
        self.stage = Stage::Opening;
        Ok(true)
    }

    /// Writes what waits, as far as the socket takes it.
    pub(super) fn flush(&mut self) -> Result<(), Ended> {
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
}
