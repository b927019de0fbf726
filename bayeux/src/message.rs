//! A publication, encoded once for everybody who listens, on every transport.
//!
//! A [`Draft`] can still change. Encoding it costs one pass over the payload and is done before any lock is
//! taken; sealing only adds the position, so that it fits into the short step in which sequences are given
//! out. A [`Message`] never changes again: it is shared, and its bytes are ready to be written.

mod forms;

use std::num::NonZeroU64;
use std::sync::OnceLock;

use serde_json::value::RawValue;

use crate::channel::Channel;
use crate::id::{MessageId, Position};
use crate::safe;

pub use forms::recovery_event;

/// What is published.
#[derive(Clone, Debug)]
pub enum Payload {
    /// Any JSON value; its bytes are kept but for what [`Message::json`] makes safe.
    Json(Box<RawValue>),
    /// Text: a JSON string to Bayeux clients, raw to readers of event streams.
    Text {
        /// As the publisher named it, for example `text/html`.
        content_type: Box<str>,
        /// The text.
        text: Box<str>,
    },
    /// Bytes: base64 in JSON and in event streams (RFC 4648, section 4).
    Bytes {
        /// As the publisher named it, for example `image/png`.
        content_type: Box<str>,
        /// The bytes.
        bytes: Box<[u8]>,
    },
}

/// A publication before it has its place in the order of things.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Where to.
    pub channel: Channel,
    /// What the publisher calls it. It is not delivered: old clients take the id of a delivery for that of a
    /// reply.
    pub id: Option<MessageId>,
    /// What.
    pub payload: Payload,
}

/// A publication whose bytes are ready, still without a position.
#[derive(Debug)]
pub struct Encoded {
    channel: Channel,
    id: Option<MessageId>,
    kept: Kept,
    /// Room for the longest frame header, `[`, the JSON up to the end of the data. Sealing adds the rest.
    buffer: Vec<u8>,
}

/// How a publication is sealed, beside its position.
#[derive(Debug, Default)]
pub struct Seal {
    /// Whether clients are told the position: where its channel has history.
    pub shown: bool,
    /// The newest positions of the other histories at that moment, all of which every subscriber has been handed
    /// before. They stand in the id of events, so that a reader of several histories can resume them all.
    pub others: Option<Box<[Position]>>,
    /// The publisher that shall not hear its own message.
    pub muted: Option<NonZeroU64>,
}

/// A publication with its position: immutable, the same for every subscriber.
#[derive(Debug)]
pub struct Message {
    position: Position,
    encoded: Encoded,
    seal: Seal,
    /// Where the data ends in the buffer.
    end: usize,
    /// Where the frame header begins in it.
    frame: u8,
    /// `event: …` and then the rest, so that the form without a name is the end of the one with it.
    event: OnceLock<Box<[u8]>>,
    paragraph: OnceLock<Box<[u8]>>,
}

/// The payload of a [`Message`], borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A JSON value, as safe as [`Message::json`].
    Json(&'a [u8]),
    /// [`Payload::Text`].
    Text {
        /// As the publisher named it.
        content_type: &'a str,
        /// The text as it was published.
        text: &'a str,
    },
    /// [`Payload::Bytes`].
    Bytes {
        /// As the publisher named it.
        content_type: &'a str,
        /// The bytes as they were published.
        bytes: &'a [u8],
    },
}

/// What a message keeps of its payload beside its JSON: nothing, if that is the payload.
#[derive(Clone, Debug)]
enum Kept {
    Json,
    Text { content_type: Box<str>, text: Box<str> },
    Bytes { content_type: Box<str>, bytes: Box<[u8]> },
}

/// The longest header of a server's WebSocket frame (RFC 6455, section 5.2): two bytes and a 64-bit length.
const HEADER: usize = 10;
const HEAD: &[u8] = b"{\"channel\":\"";
const MIDDLE: &[u8] = b"\",\"data\":";
/// What follows the data where the position is shown: this, two numbers of at most 13 digits, their dash, and what closes.
const PLACE: usize = POSITION.len() + 27 + 3;
const POSITION: &str = ",\"ext\":{\"encke\":{\"position\":\"";

impl Draft {
    /// Makes the bytes that all subscribers share. This is the expensive part.
    pub fn encode(self) -> Encoded {
        let Self { channel, id, payload } = self;
        let data = match &payload {
            Payload::Json(json) => json.get().len(),
            Payload::Text { text, .. } => text.len() + 2,
            Payload::Bytes { bytes, .. } => safe::base64_len(bytes.len()) + 2,
        };
        // `[` before, the position and `}]` after; enough unless something must be escaped.
        let room = HEADER + 1 + HEAD.len() + channel.as_str().len() + MIDDLE.len() + data + PLACE + 2;
        let mut buffer = Vec::with_capacity(room);
        buffer.extend_from_slice(&[0; HEADER]);
        buffer.push(b'[');
        buffer.extend_from_slice(HEAD);
        // The alphabet of channels needs no escaping.
        buffer.extend_from_slice(channel.as_str().as_bytes());
        buffer.extend_from_slice(MIDDLE);
        let kept = match payload {
            Payload::Json(json) => {
                safe::json(&mut buffer, json.get().as_bytes());
                Kept::Json
            }
            Payload::Text { content_type, text } => {
                safe::string(&mut buffer, &text);
                Kept::Text { content_type, text }
            }
            Payload::Bytes { content_type, bytes } => {
                buffer.push(b'"');
                safe::base64(&mut buffer, &bytes);
                buffer.push(b'"');
                Kept::Bytes { content_type, bytes }
            }
        };
        Encoded { channel, id, kept, buffer }
    }

    /// [`Draft::encode`] and [`Encoded::seal`] in one step.
    pub fn seal(self, position: Position) -> Message {
        self.encode().seal(position)
    }
}

/// Writes the header of an unmasked, final text frame right before its payload, and returns where it begins.
fn write_header(buffer: &mut [u8]) -> u8 {
    const FINAL_TEXT: u8 = 0x81;
    let length = buffer.len() - HEADER;
    let header: &mut [u8] = &mut buffer[..HEADER];
    let start = match length {
        0..126 => {
            header[9] = length as u8;
            8
        }
        126..0x1_0000 => {
            header[7] = 126;
            header[8..].copy_from_slice(&(length as u16).to_be_bytes());
            6
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&(length as u64).to_be_bytes());
            0
        }
    };
    header[start] = FINAL_TEXT;
    start as u8
}

impl Encoded {
    /// Gives the publication its place, which clients are not told.
    pub fn seal(self, position: Position) -> Message {
        self.seal_as(position, Seal::default())
    }

    /// Gives the publication its place. Copies nothing of the payload.
    pub fn seal_as(mut self, position: Position, seal: Seal) -> Message {
        let end = self.buffer.len();
        if seal.shown {
            self.buffer.extend_from_slice(POSITION.as_bytes());
            position.write(&mut self.buffer);
            self.buffer.extend_from_slice(b"\"}}");
        }
        self.finish(position, seal, end)
    }

    fn finish(mut self, position: Position, seal: Seal, end: usize) -> Message {
        self.buffer.extend_from_slice(b"}]");
        let frame = write_header(&mut self.buffer);
        let (event, paragraph) = (OnceLock::new(), OnceLock::new());
        Message { position, encoded: self, seal, end, frame, event, paragraph }
    }

    /// Where it goes.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }
}

impl Message {
    /// Where it was published.
    pub fn channel(&self) -> &Channel {
        &self.encoded.channel
    }

    /// Where it stands.
    pub fn position(&self) -> Position {
        self.position
    }

    /// What the publisher calls it. It is not in the bytes.
    pub fn id(&self) -> Option<&MessageId> {
        self.encoded.id.as_ref()
    }

    /// The newest positions of the other histories when it was sealed.
    pub fn others(&self) -> &[Position] {
        self.seal.others.as_deref().unwrap_or_default()
    }

    /// The publisher that shall not hear it.
    pub fn muted(&self) -> Option<NonZeroU64> {
        self.seal.muted
    }

    /// The message as the answer to one subscription (a client that listens to it by another one as well has it
    /// already): a copy that names the subscription. Only its JSON forms are made.
    pub fn replayed(&self, subscription: &str) -> Message {
        let data = &self.encoded.buffer[..self.end];
        let mut buffer = Vec::with_capacity(data.len() + PLACE + subscription.len() + 24);
        buffer.extend_from_slice(data);
        buffer.extend_from_slice(POSITION.as_bytes());
        self.position.write(&mut buffer);
        buffer.extend_from_slice(b"\",\"subscription\":");
        safe::string(&mut buffer, subscription);
        buffer.extend_from_slice(b"}}");
        let channel = self.encoded.channel.clone();
        let encoded = Encoded { channel, id: None, kept: Kept::Json, buffer };
        encoded.finish(self.position, Seal { shown: true, ..Seal::default() }, self.end)
    }

    /// The message for a reader who stands elsewhere in the other histories than one that gets everything live: a copy.
    pub fn beside(&self, others: &[Position]) -> Message {
        let Encoded { channel, id, kept, buffer } = &self.encoded;
        let encoded = Encoded {
            channel: channel.clone(),
            id: id.clone(),
            kept: kept.clone(),
            buffer: buffer[..self.end].to_vec(),
        };
        let others = (!others.is_empty()).then(|| others.into());
        encoded.seal_as(self.position, Seal { shown: self.seal.shown, others, muted: self.seal.muted })
    }

    fn data(&self) -> &[u8] {
        let start = HEADER + 1 + HEAD.len() + self.channel().as_str().len() + MIDDLE.len();
        &self.encoded.buffer[start..self.end]
    }

    /// What was published.
    pub fn payload(&self) -> Content<'_> {
        match &self.encoded.kept {
            Kept::Json => Content::Json(self.data()),
            Kept::Text { content_type, text } => Content::Text { content_type, text },
            Kept::Bytes { content_type, bytes } => Content::Bytes { content_type, bytes },
        }
    }

    /// The delivery: `{"channel":"/a/b","data":…}`. It has no raw line break, no `<`, no U+2028 and U+2029,
    /// so it can stand in a line, an event, an HTML page and a MIME part. (It is not a safe JavaScript
    /// literal: `__proto__` means something else there.)
    pub fn json(&self) -> &[u8] {
        &self.encoded.buffer[HEADER + 1..self.encoded.buffer.len() - 1]
    }

    /// The delivery alone in an array as one final, unmasked text frame (RFC 6455, section 5.2).
    pub fn websocket_frame(&self) -> &[u8] {
        &self.encoded.buffer[usize::from(self.frame)..]
    }

    /// Whether it is the server's own word to a session, and no publication.
    fn is_notice(&self) -> bool {
        self.channel().kind() == crate::channel::ChannelKind::Meta
    }

    /// What the message costs a queue in bytes: that of its JSON, of the text or bytes beside it, and of its place in other
    /// histories, and a flat rate for what stands around them. (The form of an event stream is made on first use, and not counted.)
    pub fn bytes(&self) -> usize {
        /// The message itself and the two counters of an `Arc` around it.
        const FLAT: usize = size_of::<Message>() + 16;
        let kept = match &self.encoded.kept {
            Kept::Json => 0,
            Kept::Text { content_type, text } => content_type.len() + text.len(),
            Kept::Bytes { content_type, bytes } => content_type.len() + bytes.len(),
        };
        self.json().len() + kept + self.seal.others.as_deref().map_or(0, size_of_val) + FLAT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(payload: Payload) -> Message {
        let channel = Channel::parse("/a/b").unwrap();
        Draft { channel, id: None, payload }.seal(Position { epoch: 1, sequence: 36 })
    }

    #[test]
    fn the_forms_of_one_message_are_literally_these() {
        let json = RawValue::from_string("{\n\"text\": \"<b>\"}".into()).unwrap();
        let message = sealed(Payload::Json(json));
        let text = r#"{"channel":"/a/b","data":{ "text": "\u003cb>"}}"#;
        assert_eq!(str::from_utf8(message.json()).unwrap(), text);
        assert_eq!(message.websocket_frame()[..2], [0x81, text.len() as u8 + 2]);
        assert_eq!(message.websocket_frame()[2..], *format!("[{text}]").as_bytes());
        let event = "id: 1-10\ndata: { \"text\": \"\\u003cb>\"}\n\n";
        assert_eq!(str::from_utf8(message.event(false)).unwrap(), event);
        let named = format!("event: /a/b\n{event}");
        assert_eq!(str::from_utf8(message.event(true)).unwrap(), named);
    }

    #[test]
    fn text_is_a_string_in_json_and_raw_lines_in_an_event() {
        let text = "<p>\r\none\rtwo\n\n".into();
        let message = sealed(Payload::Text { content_type: "text/html".into(), text });
        let json = r#"{"channel":"/a/b","data":"\u003cp>\r\none\rtwo\n\n"}"#;
        assert_eq!(str::from_utf8(message.json()).unwrap(), json);
        let event = "id: 1-10\ndata: <p>\ndata: one\ndata: two\ndata: \ndata: \n\n";
        assert_eq!(str::from_utf8(message.event(false)).unwrap(), event);
    }

    #[test]
    fn the_header_of_a_frame_grows_with_its_payload() {
        // `[{"channel":"/a/b","data":"…"}]` without the text.
        let around = 30;
        for (length, header) in [
            (125, &[0x81, 125][..]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xFF, 0xFF]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let text = "x".repeat(length - around).into();
            let message = sealed(Payload::Text { content_type: "text/plain".into(), text });
            let frame = message.websocket_frame();
            assert_eq!(frame[..header.len()], *header);
            assert_eq!(frame.len(), header.len() + length);
        }
    }
}
