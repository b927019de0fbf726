//! `websocket`: Bayeux both ways on one socket (RFC 6455), without a standing buffer.

use std::sync::Arc;
use std::time::Duration;

use bayeux::websocket::{self, Decoder, Event, Opcode, Role, Violation};
use bayeux::{ParseError, Request};
use bytes::Bytes;
use tokio::time::timeout;

use super::scratch::{self, Read};
use super::{Accepted, App};
use crate::broker::{Bound, Door, Spoken};
use crate::hub::{Room, Wire};

/// How long a socket may carry no session.
const UNBOUND: Duration = Duration::from_secs(10);

/// How long a peer may take for what is written to it while no session's outbox does the waiting.
const WRITE: Duration = Duration::from_secs(10);

/// Frames of one message. A browser sends one; proxies that cut do so at their buffers, 4 KiB at the least.
const FRAGMENTS: usize = 1024;

/// What came in with one read.
enum Said {
    Requests(Vec<Request>),
    Unreadable(ParseError),
    Ping(Vec<u8>),
    Close(Option<u16>),
    Binary,
    Violation(Violation),
}

struct Socket {
    app: Arc<App>,
    decoder: Decoder,
    door: Door,
    wire: Arc<Wire>,
}

/// Answers a WebSocket's handshake. The socket then serves until it closes.
pub(super) async fn open(app: Arc<App>, wire: Arc<Wire>, accepted: Box<Accepted>, ahead: Bytes) {
    app.metrics().connected("websocket");
    let identity = accepted.identity.clone();
    let door = Door {
        identity,
        url: false,
        ticket: false,
        address: accepted.address,
        wire: Some(wire.clone()),
        bound: None,
        owed: None,
    };
    let mut socket = Socket { app, decoder: Decoder::default(), door, wire };
    if !matches!(timeout(WRITE, socket.wire.write_all(&accepted.response())).await, Ok(Ok(()))) {
        return;
    }
    let said = decode(&socket.app, &mut socket.decoder, &mut Vec::from(ahead));
    if said.is_empty() || socket.answer(said).await {
        // A task of its own size, since it stays.
        tokio::spawn(serve(socket));
    } else {
        socket.leave().await;
    }
}

/// Serves until the socket closes. What a conversation needs is boxed, so that a socket that waits owns nothing of it.
#[expect(clippy::manual_async_fn, reason = "the arguments of an async fn take their place twice")]
fn serve(mut socket: Socket) -> impl Future<Output = ()> {
    async move {
        loop {
            if socket.door.bound.is_none() && !Box::pin(socket.await_session()).await {
                break;
            }
            if socket.wire.readable().await.is_err() {
                break;
            }
            let conversation = match socket.read() {
                Read::Bytes(said) if said.is_empty() => continue,
                Read::Bytes(said) => Box::pin(socket.answer(said)),
                Read::Nothing => continue,
                Read::End => break,
            };
            if !conversation.await {
                break;
            }
        }
        Box::pin(socket.leave()).await;
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.app.metrics().disconnected("websocket");
    }
}

impl Socket {
    /// Serves until the socket carries a session; false when it is over, or has carried none for too long. From
    /// the first moment, and not from the last byte: a frame that never ends is no session.
    async fn await_session(&mut self) -> bool {
        let until = self.app.clock.now() + UNBOUND;
        while self.door.bound.is_none() {
            let (code, reason) = tokio::select! {
                biased;
                () = self.app.drain.begun() => (1001, "draining"),
                () = self.app.clock.sleep_until(until) => {
                    self.app.metrics().refused("socket_without_session");
                    (1008, "no session: send a handshake")
                }
                readable = self.wire.readable() => match readable.map(|()| self.read()) {
                    Ok(Read::Bytes(said)) => {
                        if said.is_empty() || self.answer(said).await {
                            continue;
                        }
                        return false;
                    }
                    Ok(Read::Nothing) => continue,
                    _ => return false,
                },
            };
            self.close(Some(code), reason).await;
            return false;
        }
        true
    }

    /// The session stays, with its grace.
    async fn leave(&mut self) {
        if let Some(Bound { key, .. }) = self.door.bound {
            self.app.broker.detach(key, &self.wire).await;
        }
    }

    fn read(&mut self) -> Read<Vec<Said>> {
        let Socket { app, decoder, wire, .. } = self;
        scratch::read(wire, usize::MAX, |bytes| decode(app, decoder, bytes))
    }

    /// Answers what was said, in order, with as few writes as possible. False when the socket is to close.
    async fn answer(&mut self, said: Vec<Said>) -> bool {
        let mut out = Vec::new();
        for said in said {
            let (cause, code, reason) = match said {
                Said::Requests(requests) => {
                    let spoken = self.app.broker.converse(&mut self.door, requests).await;
                    frame(&mut out, &spoken);
                    continue;
                }
                Said::Ping(payload) => {
                    websocket::write_frame(&mut out, Opcode::Pong, &payload);
                    continue;
                }
                Said::Close(code) => {
                    self.send(&mut out).await;
                    self.close(code, "").await;
                    return false;
                }
                Said::Unreadable(error) => match error {
                    ParseError::BatchTooLarge { .. }
                    | ParseError::MessageTooLarge { .. }
                    | ParseError::TooManyMessages { .. } => ("too_large", 1009, error.to_string()),
                    _ => ("bad_body", 1007, error.to_string()),
                },
                Said::Binary => ("binary_frame", 1003, "Bayeux is spoken in text frames".to_owned()),
                Said::Violation(violation) => ("bad_frame", violation.code, violation.reason.to_owned()),
            };
            self.app.metrics().refused(cause);
            self.send(&mut out).await;
            self.close(Some(code), &reason).await;
            return false;
        }
        self.send(&mut out).await
    }

    /// Sends replies: through the session's outbox when there is one, since only one may write to a socket.
    async fn send(&mut self, out: &mut Vec<u8>) -> bool {
        if let Some(Bound { key, .. }) = self.door.bound {
            if out.is_empty() {
                return true;
            }
            match self.app.broker.reply(key, &self.wire, std::mem::take(out)).await {
                Room::Free => return true,
                Room::Full => return self.app.broker.room(key, &self.wire).await || !self.wire.is_closing(),
                Room::Unknown => self.door.bound = None,
            }
        }
        if self.wire.is_closing() {
            return false;
        }
        if let Some(owed) = self.door.owed.take()
            && !matches!(timeout(WRITE, self.wire.write_all(&owed)).await, Ok(Ok(())))
        {
            return false;
        }
        matches!(timeout(WRITE, self.wire.write_all(out)).await, Ok(Ok(())))
    }

    /// Closes our side, and lets the peer see it.
    async fn close(&mut self, code: Option<u16>, reason: &str) {
        if let Some(Bound { key, .. }) = self.door.bound.take() {
            self.door.owed = self.app.broker.detach(key, &self.wire).await;
        }
        let mut out = Vec::new();
        match code {
            Some(code) => websocket::write_close(&mut out, code, reason),
            None => websocket::write_frame(&mut out, Opcode::Close, b""),
        }
        self.send(&mut out).await;
        super::connection::linger(&self.wire).await;
    }
}

fn decode(app: &App, decoder: &mut Decoder, bytes: &mut [u8]) -> Vec<Said> {
    let mut said = Vec::new();
    app.metrics().bytes_in.inc_by(bytes.len() as u64);
    let limits = app.broker.limits();
    let frame_limits = websocket::Limits { message_bytes: limits.batch_bytes, fragments: FRAGMENTS };
    let decoded = decoder.feed(Role::Server, &frame_limits, bytes, |event| match event {
        // Older Faye clients send an empty array to keep the socket alive; it has no requests.
        Event::Text(text) => said.push(match bayeux::parse(text.as_bytes(), limits) {
            Ok(requests) => Said::Requests(requests),
            Err(error) => Said::Unreadable(error),
        }),
        Event::Binary(_) => said.push(Said::Binary),
        Event::Ping(payload) => said.push(Said::Ping(payload.into())),
        Event::Pong(_) => {}
        Event::Close { code, .. } => said.push(Said::Close(code)),
    });
    if let Err(violation) = decoded {
        said.push(Said::Violation(violation));
    }
    said
}

/// Frames replies: that to a handshake alone, then the others.
fn frame(out: &mut Vec<u8>, spoken: &Spoken) {
    let Spoken { replies, messages, .. } = spoken;
    let mut text = |parts: &[&[u8]]| {
        let mut json = vec![b'['];
        for part in parts.iter().filter(|part| !part.is_empty()) {
            if json.len() > 1 {
                json.push(b',');
            }
            json.extend_from_slice(part);
        }
        if json.len() > 1 {
            json.push(b']');
            websocket::write_frame(out, Opcode::Text, &json);
        }
    };
    text(&[&replies.first]);
    text(&[messages, &replies.middle, &replies.last]);
}
