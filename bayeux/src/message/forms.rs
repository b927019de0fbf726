//! The forms of a message that only some connections need, made on first use.

use std::fmt::Write as _;

use super::{Content, Message};
use crate::framing::page::{self, Shown};
use crate::safe;

const EVENT: &str = "event: ";
const DATA: &[u8] = b"data: ";

impl Message {
    /// The payload as one event of an event stream (WHATWG HTML, "Server-sent events"), its id the position,
    /// its type the channel if `named`. Text stands there line by line, so that its line breaks of all three
    /// kinds reach the reader as line feeds. Made on first use.
    pub fn event(&self, named: bool) -> &[u8] {
        let event = self.event.get_or_init(|| self.make_event());
        if self.is_notice() {
            return event;
        }
        // A line of its own: `event: `, the channel, a line feed.
        let name = EVENT.len() + self.channel().as_str().len() + 1;
        if named { event } else { &event[name..] }
    }

    /// The message as one paragraph of a page without a script: HTML in which nothing of the payload is markup.
    pub fn paragraph(&self) -> &[u8] {
        self.paragraph.get_or_init(|| {
            let shown = match self.payload() {
                Content::Json(json) => Shown::Json(json),
                Content::Text { text, .. } => Shown::Text(text),
                Content::Bytes { content_type, bytes } => Shown::Bytes { content_type, length: bytes.len() },
            };
            let mut paragraph = Vec::new();
            page::paragraph(&mut paragraph, self.channel().as_str(), shown);
            paragraph.into()
        })
    }

    fn make_event(&self) -> Box<[u8]> {
        if self.is_notice() {
            // Messages are gone: what every reader of such an event looks at first.
            let rest = self.data().strip_prefix(b"{").unwrap_or_default();
            return recovery_event(&[b"{\"recovered\":false,", rest].concat()).into();
        }
        let channel = self.channel().as_str();
        let mut head = String::with_capacity(EVENT.len() + channel.len() + 64);
        write!(head, "{EVENT}{channel}\nid: {}", self.position).expect("a String takes everything");
        for other in self.seal.others.iter().flatten() {
            write!(head, ".{other}").expect("a String takes everything");
        }
        head.push('\n');
        let mut out = Vec::with_capacity(head.len() + self.data().len() + 16);
        out.extend_from_slice(head.as_bytes());
        match self.payload() {
            Content::Json(json) => line(&mut out, json),
            Content::Text { text, .. } => {
                let mut rest = text.as_bytes();
                while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
                    line(&mut out, &rest[..end]);
                    let broken = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
                    rest = &rest[end + broken..];
                }
                line(&mut out, rest);
            }
            Content::Bytes { bytes, .. } => {
                out.extend_from_slice(DATA);
                safe::base64(&mut out, bytes);
                out.push(b'\n');
            }
        }
        out.push(b'\n');
        out.into_boxed_slice()
    }
}

/// The event by which a reader of an event stream hears what became of its recovery, or that messages are gone.
pub fn recovery_event(json: &[u8]) -> Vec<u8> {
    [b"event: recovery\n", DATA, json, b"\n\n"].concat()
}

fn line(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(DATA);
    out.extend_from_slice(bytes);
    out.push(b'\n');
}
