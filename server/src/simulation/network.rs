//! A client's end of a connection: it writes requests, and reads what the server wrote, byte for byte.

use serde_json::Value;

use crate::hub::{ClientEnd, Loss};

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    WebSocket,
    Http,
}

/// What a request was, so that its reply, or the loss of it, is understood.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) what: What,
    /// The session that it was said in; `None` for a handshake.
    pub(super) session: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Handshake,
    Connect,
    Disconnect,
    /// A stream of the client, by its number.
    Subscribe(usize),
    Unsubscribe(usize),
    /// A publication of the model, by its number.
    Publish(usize),
}

/// What arrived.
#[derive(Debug)]
pub(super) enum Came {
    /// Messages that travelled together.
    Messages(Vec<Value>),
    /// The server says good-bye on a WebSocket.
    Close(String),
}

pub(super) struct Connection {
    pub(super) number: u32,
    pub(super) speech: Speech,
    end: ClientEnd,
    /// Requests by id that have no reply yet.
    pub(super) asked: Vec<(String, Asked)>,
    /// Frames that wait for the WebSocket to open.
    waiting: Vec<u8>,
    open: bool,
    bytes: Vec<u8>,
    /// The client has connected elsewhere since: it looks no more at what this socket brings, and does not return to it.
    pub(super) left: bool,
    /// The window is shut: the client takes nothing for now.
    pub(super) stalled: bool,
}

impl Connection {
    pub(super) fn new(number: u32, speech: Speech, end: ClientEnd) -> Self {
        if speech == Speech::WebSocket {
            end.send(
                b"GET /bayeux HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            );
        }
        Connection {
            number,
            speech,
            end,
            asked: Vec::new(),
            waiting: Vec::new(),
            open: speech == Speech::Http,
            bytes: Vec::new(),
            stalled: false,
            left: false,
        }
    }

    /// Whether a request may be sent now: HTTP carries one at a time.
    pub(super) fn is_free(&self) -> bool {
        self.speech == Speech::WebSocket || self.asked.is_empty()
    }

    /// The bytes of a request that holds `messages`.
    fn request(&self, messages: &[Value]) -> Vec<u8> {
        let body = serde_json::to_vec(messages).expect("values are JSON");
        match self.speech {
            Speech::Http => {
                let head = format!(
                    "POST /bayeux HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\n\r\n",
                    body.len()
                );
                [head.as_bytes(), &body].concat()
            }
            Speech::WebSocket => {
                // RFC 6455, section 5.2, with a mask of zeros.
                let mut frame = vec![0x81];
                match body.len() {
                    length @ 0..126 => frame.push(0x80 | length as u8),
                    length @ 126..0x1_0000 => {
                        frame.push(0x80 | 126);
                        frame.extend_from_slice(&(length as u16).to_be_bytes());
                    }
                    length => {
                        frame.push(0x80 | 127);
                        frame.extend_from_slice(&(length as u64).to_be_bytes());
                    }
                }
                frame.extend_from_slice(&[0; 4]);
                frame.extend_from_slice(&body);
                frame
            }
        }
    }

    /// Sends messages in one request. With `only`, the connection is lost after so many thousandths of it.
    pub(super) fn send(&mut self, messages: &[Value], only: Option<usize>) {
        let request = self.request(messages);
        if let Some(part) = only {
            if self.open {
                self.end.send(&request[..request.len() * part / 1000]);
            }
        } else if self.open {
            self.end.send(&request);
        } else {
            self.waiting.extend_from_slice(&request);
        }
    }

    /// Bytes that are still to be taken.
    pub(super) fn arrived(&self) -> usize {
        if self.stalled { 0 } else { self.end.waiting() }
    }

    /// When the oldest of those was written.
    pub(super) fn oldest(&self) -> Option<u64> {
        if self.stalled { None } else { self.end.oldest() }
    }

    /// Takes what one write of the server left here.
    pub(super) fn receive_one(&mut self) -> Result<Vec<Came>, String> {
        let bytes = self.end.receive_one();
        self.feed(&bytes)
    }

    /// Takes up to `most` bytes.
    pub(super) fn receive(&mut self, most: usize) -> Result<Vec<Came>, String> {
        let bytes = self.end.receive(most);
        self.feed(&bytes)
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Came>, String> {
        self.bytes.extend_from_slice(bytes);
        let mut came = Vec::new();
        loop {
            let before = self.bytes.len();
            match self.speech {
                Speech::Http => self.response(&mut came)?,
                Speech::WebSocket if self.open => self.frame(&mut came)?,
                Speech::WebSocket => self.opening()?,
            }
            if self.bytes.len() == before {
                return Ok(came);
            }
        }
    }

    fn head(&self) -> Option<(String, usize)> {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        Some((String::from_utf8_lossy(&self.bytes[..end]).into_owned(), end + 4))
    }

    fn opening(&mut self) -> Result<(), String> {
        let Some((head, length)) = self.head() else { return Ok(()) };
        if !head.starts_with("HTTP/1.1 101 ") {
            return Err(format!("a WebSocket was refused: {head}"));
        }
        self.bytes.drain(..length);
        self.open = true;
        let waiting = std::mem::take(&mut self.waiting);
        self.end.send(&waiting);
        Ok(())
    }

    fn response(&mut self, came: &mut Vec<Came>) -> Result<(), String> {
        let Some((head, length)) = self.head() else { return Ok(()) };
        let field =
            |line: &str| Some(line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().to_owned());
        let body = head.lines().find_map(field).and_then(|value| value.parse::<usize>().ok());
        let body = body.ok_or_else(|| format!("a response without a length: {head}"))?;
        if self.bytes.len() < length + body {
            return Ok(());
        }
        if head.starts_with("HTTP/1.1 408 ") {
            // The connection was too slow, and closes.
            self.bytes.clear();
            return Ok(());
        }
        if !head.starts_with("HTTP/1.1 200 ") {
            return Err(format!("a request was refused: {head}"));
        }
        let messages = messages(&self.bytes[length..length + body])?;
        self.bytes.drain(..length + body);
        came.push(Came::Messages(messages));
        Ok(())
    }

    fn frame(&mut self, came: &mut Vec<Came>) -> Result<(), String> {
        let bytes = &self.bytes;
        let Some(&[first, second]) = bytes.first_chunk() else { return Ok(()) };
        let (start, length) = match second & 0x7f {
            126 => match bytes.get(2..4) {
                Some(length) => (4, usize::from(u16::from_be_bytes([length[0], length[1]]))),
                None => return Ok(()),
            },
            127 => match bytes.get(2..10).and_then(|length| length.try_into().ok()) {
                Some(length) => (10, u64::from_be_bytes(length) as usize),
                None => return Ok(()),
            },
            length => (2, usize::from(length)),
        };
        if second & 0x80 != 0 || first & 0xf0 != 0x80 {
            return Err(format!("a frame that no server sends: {first:x} {second:x}"));
        }
        let Some(payload) = bytes.get(start..start + length) else { return Ok(()) };
        match first & 0x0f {
            1 => came.push(Came::Messages(messages(payload)?)),
            8 => came.push(Came::Close(
                String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned(),
            )),
            9 => {}
            other => return Err(format!("a frame of type {other}")),
        }
        self.bytes.drain(..start + length);
        Ok(())
    }

    /// Whether the server has closed it, and everything was taken.
    pub(super) fn is_ended(&self) -> bool {
        self.end.is_ended()
    }

    /// How much the server may have under way here.
    pub(super) fn set_room(&mut self, room: usize) {
        self.end.set_room(room);
    }

    pub(super) fn lose(&mut self, loss: Loss) {
        self.end.lose(loss);
    }

    /// The bare end of it.
    pub(super) fn into_end(self) -> ClientEnd {
        self.end
    }
}

fn messages(json: &[u8]) -> Result<Vec<Value>, String> {
    serde_json::from_slice(json).map_err(|error| format!("{error}: {}", String::from_utf8_lossy(json)))
}
