//! A Bayeux client on a WebSocket.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bayeux::websocket::{Decoder, Event, Limits, Opcode, Role, accept_key, write_masked_frame};
use serde_json::{Value, json};

use crate::server::Encke;
use crate::wire::Wire;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// What a server may say to a test at once.
const LIMITS: Limits = Limits { message_bytes: 64 * 1024 * 1024, fragments: 1 };

/// What was heard.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    /// The messages of one frame.
    Frame(Vec<Value>),
    /// A close frame.
    Close(Option<u16>, String),
    Ping,
    Pong(Vec<u8>),
    /// The end of the connection.
    End,
}

pub(crate) struct Socket {
    pub(crate) stream: TcpStream,
    decoder: Decoder,
    heard: VecDeque<Heard>,
    /// Messages of frames that have been taken apart by [`message`](Self::message).
    messages: VecDeque<Value>,
    pub(crate) id: String,
    count: u64,
}

impl Socket {
    pub(crate) fn open(encke: &Encke) -> Self {
        Self::open_at(encke, "/bayeux")
    }

    pub(crate) fn open_at(encke: &Encke, path: &str) -> Self {
        Self::over(encke.wire(), path)
    }

    /// A client with so little room that the server soon finds the socket full.
    pub(crate) fn narrow(encke: &Encke) -> Self {
        Self::with_room(encke, 4096)
    }

    /// A client with room for 200 KB that it has not read.
    pub(crate) fn roomy(encke: &Encke) -> Self {
        Self::with_room(encke, 256 * 1024)
    }

    fn with_room(encke: &Encke, bytes: usize) -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        // Before it connects: the window is agreed on then.
        socket.set_recv_buffer_size(bytes).expect("a socket takes the option");
        socket.connect(&encke.public.into()).expect("the server listens");
        Self::over(Wire::over(socket.into()), "/bayeux")
    }

    pub(crate) fn over(wire: Wire, path: &str) -> Self {
        Self::over_with(wire, path, "")
    }

    /// The same with further headers.
    pub(crate) fn over_with(mut wire: Wire, path: &str, headers: &str) -> Self {
        wire.get(path, &format!("{}{headers}", Self::headers()));
        let response = wire.head();
        assert_eq!(response.status, 101, "{response:?}");
        assert_eq!(response.header("sec-websocket-accept"), Some(&*accept_key(KEY)));
        let (stream, unread) = wire.into_parts();
        let mut socket = Socket {
            stream,
            decoder: Decoder::default(),
            heard: VecDeque::new(),
            messages: VecDeque::new(),
            id: String::new(),
            count: 0,
        };
        socket.feed(unread);
        socket
    }

    /// The headers of a WebSocket handshake.
    pub(crate) fn headers() -> String {
        format!(
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
        )
    }

    /// Opens, shakes hands, and makes the first connect.
    pub(crate) fn connected(encke: &Encke) -> Self {
        let mut socket = Self::open(encke);
        socket.begin();
        socket
    }

    /// Shakes hands, and makes the first connect.
    pub(crate) fn begin(&mut self) {
        self.handshake();
        let reply = self.ask("/meta/connect", json!({"connectionType": "websocket"}));
        assert_eq!(reply["successful"], true, "{reply}");
    }

    /// The same, and listens to one pattern.
    pub(crate) fn listening(encke: &Encke, pattern: &str) -> Self {
        let mut socket = Self::connected(encke);
        let reply = socket.subscribe(pattern);
        assert_eq!(reply["successful"], true, "{reply}");
        socket
    }

    pub(crate) fn handshake(&mut self) -> Value {
        let reply = self.ask(
            "/meta/handshake",
            json!({"version": "1.0", "supportedConnectionTypes": ["websocket", "long-polling"], "clientId": null}),
        );
        assert_eq!(reply["successful"], true, "{reply}");
        self.id = reply["clientId"].as_str().expect("a clientId").to_owned();
        reply
    }

    pub(crate) fn subscribe(&mut self, pattern: &str) -> Value {
        self.ask("/meta/subscribe", json!({ "subscription": pattern }))
    }

    /// Sends a connect that is held; answers with its id.
    pub(crate) fn hold(&mut self) -> String {
        self.tell("/meta/connect", json!({"connectionType": "websocket"}))
    }

    /// Sends a connect that asks to be held for so long; answers with its id.
    pub(crate) fn hold_for(&mut self, time: Duration) -> String {
        self.tell("/meta/connect", json!({"advice": {"timeout": time.as_millis() as u64}}))
    }

    /// Sends one request; answers with its id.
    pub(crate) fn tell(&mut self, channel: &str, fields: Value) -> String {
        let (request, id) = self.request(channel, fields);
        self.say(&json!([request]));
        id
    }

    /// One request with an id of its own.
    pub(crate) fn request(&mut self, channel: &str, fields: Value) -> (Value, String) {
        self.count += 1;
        let id = format!("r{}", self.count);
        let mut request = json!({"channel": channel, "clientId": self.id, "id": id});
        for (name, value) in fields.as_object().expect("fields") {
            request[name] = value.clone();
        }
        (request, id)
    }

    /// Sends one request and waits for its reply; messages that come before it are kept.
    pub(crate) fn ask(&mut self, channel: &str, fields: Value) -> Value {
        let id = self.tell(channel, fields);
        self.reply(&id)
    }

    /// Waits for the reply with this id; messages that come before it are kept.
    pub(crate) fn reply(&mut self, id: &str) -> Value {
        let mut before = VecDeque::new();
        let reply = loop {
            let message = self.message();
            if message["id"] == *id {
                break message;
            }
            before.push_back(message);
        };
        before.append(&mut self.messages);
        self.messages = before;
        reply
    }

    /// Sends text as it is.
    pub(crate) fn say_text(&mut self, text: &str) {
        self.frame(Opcode::Text, true, text.as_bytes());
    }

    pub(crate) fn say(&mut self, messages: &Value) {
        self.say_text(&messages.to_string());
    }

    pub(crate) fn frame(&mut self, opcode: Opcode, fin: bool, payload: &[u8]) {
        let mut bytes = Vec::new();
        write_masked_frame(&mut bytes, opcode, fin, [7, 1, 9, 3], payload);
        self.send(&bytes);
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// The next message or reply.
    pub(crate) fn message(&mut self) -> Value {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return message;
            }
            match self.hear() {
                Heard::Frame(messages) => self.messages.extend(messages),
                Heard::Ping | Heard::Pong(_) => {}
                other => panic!("a message was awaited: {other:?}"),
            }
        }
    }

    /// The next frame, or the end.
    pub(crate) fn hear(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return heard;
            }
            let mut buffer = vec![0; 256 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Heard::End,
                Ok(count) => {
                    buffer.truncate(count);
                    self.feed(buffer);
                }
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Heard::End,
                Err(error) => panic!("nothing was heard: {error}"),
            }
        }
    }

    /// Waits for the close frame and the end after it; what comes before is forgotten.
    pub(crate) fn closes(&mut self) -> (Option<u16>, String) {
        loop {
            match self.hear() {
                Heard::Close(code, reason) => {
                    assert_eq!(self.hear(), Heard::End);
                    return (code, reason);
                }
                Heard::End => panic!("the end without a close frame"),
                _ => {}
            }
        }
    }

    fn feed(&mut self, mut bytes: Vec<u8>) {
        let heard = &mut self.heard;
        let fed = self.decoder.feed(Role::Client, &LIMITS, &mut bytes, |event| {
            heard.push_back(match event {
                Event::Text(text) => match serde_json::from_str(text) {
                    Ok(Value::Array(messages)) => Heard::Frame(messages),
                    other => panic!("no array: {other:?}"),
                },
                Event::Binary(bytes) => panic!("binary: {bytes:?}"),
                Event::Ping(_) => Heard::Ping,
                Event::Pong(payload) => Heard::Pong(payload.into()),
                Event::Close { code, reason } => Heard::Close(code, reason.to_owned()),
            });
        });
        fed.expect("the server keeps to RFC 6455");
    }
}
