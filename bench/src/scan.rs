//! Finds sequence numbers in what a server sends, without parsing it.
//!
//! A load generator that parses JSON for each delivery measures itself. Frames from a server are
//! unmasked (RFC 6455, 5.1), so their lengths can be read, and every benchmark message carries
//! `"s":` and eight digits. All messages of a run have the same width, so after the first one the
//! digits stand at a known place and the check costs a few nanoseconds.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// What stands before the eight digits of a sequence number.
pub(crate) const MARK: &[u8] = b"\"s\":";

/// The first sequence number: all of them have eight digits.
pub(crate) const FIRST: u32 = 10_000_000;

static MARKS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARK));
static META: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"/meta/"));
static REFUSED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"successful\":false"));

/// Text frame (RFC 6455, 5.2).
pub(crate) const TEXT: u8 = 1;
/// Close frame.
pub(crate) const CLOSE: u8 = 8;
/// Ping frame.
pub(crate) const PING: u8 = 9;
/// Pong frame.
pub(crate) const PONG: u8 = 10;

/// The head of a WebSocket frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The low four bits of the first byte.
    pub(crate) opcode: u8,
    /// Bytes before the payload, the masking key included.
    pub(crate) bytes: usize,
    /// Bytes of payload.
    pub(crate) payload: usize,
    /// The masking key, which only a client sends.
    pub(crate) mask: Option<[u8; 4]>,
}

/// Reads a frame's head (RFC 6455, 5.2); `None` when more bytes are needed.
pub(crate) fn head(bytes: &[u8]) -> Option<Head> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (mut at, payload) = match second & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (
            10,
            usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).unwrap_or(usize::MAX),
        ),
        short => (2, usize::from(short)),
    };
    let mut mask = None;
    if second & 0x80 != 0 {
        mask = Some(bytes.get(at..at + 4)?.try_into().ok()?);
        at += 4;
    }
    Some(Head { opcode: first & 0x0f, bytes: at, payload, mask })
}

/// Reads eight ASCII digits at once; `None` when one of them is no digit.
pub(crate) fn eight_digits(bytes: [u8; 8]) -> Option<u32> {
    let word = u64::from_le_bytes(bytes);
    let high = 0xf0f0_f0f0_f0f0_f0f0;
    let digits = 0x3030_3030_3030_3030;
    if word & high != digits || word.wrapping_add(0x0606_0606_0606_0606) & high != digits {
        return None;
    }
    let word = ((word & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul(2561)) >> 8;
    let word = ((word & 0x00ff_00ff_00ff_00ff).wrapping_mul(6_553_601)) >> 16;
    let word = ((word & 0x0000_ffff_0000_ffff).wrapping_mul(42_949_672_960_001)) >> 32;
    u32::try_from(word).ok()
}

fn digits_at(bytes: &[u8], at: usize) -> Option<u32> {
    eight_digits(bytes.get(at..at + 8)?.try_into().ok()?)
}

/// One thing found in a server's bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A delivery with this sequence number.
    Message(u32),
    /// A text that holds a reply of the protocol, perhaps beside deliveries.
    Reply(&'a [u8]),
    /// A frame that is not text: its opcode and payload.
    Control(u8, &'a [u8]),
}

/// Where the digits stood in the last frame that held exactly one message.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    head: [u8; 4],
    head_bytes: usize,
    frame: usize,
    digits: usize,
}

impl Shape {
    /// The sequence number, when `bytes` starts with a whole frame of this shape.
    fn fits(&self, bytes: &[u8]) -> Option<u32> {
        if self.frame == 0 || bytes.len() < self.frame {
            return None;
        }
        if bytes[..self.head_bytes] != self.head[..self.head_bytes]
            || bytes[self.digits - MARK.len()..self.digits] != *MARK
        {
            return None;
        }
        digits_at(bytes, self.digits)
    }

    /// Walks whole frames, tells what is in them, and returns how many bytes they took.
    /// The rest is the beginning of a frame that has not arrived in full.
    pub(crate) fn walk(&mut self, bytes: &[u8], mut found: impl FnMut(Found<'_>)) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if let Some(sequence) = self.fits(rest) {
                found(Found::Message(sequence));
                at += self.frame;
                continue;
            }
            let Some(head) = head(rest) else { break };
            let Some(payload) = rest.get(head.bytes..head.bytes.saturating_add(head.payload)) else { break };
            if head.opcode == TEXT {
                if let Some(digits) = text(payload, &mut found) {
                    self.learn(rest, &head, head.bytes + digits);
                }
            } else {
                found(Found::Control(head.opcode, payload));
            }
            at += head.bytes + head.payload;
        }
        at
    }

    fn learn(&mut self, frame: &[u8], head: &Head, digits: usize) {
        if head.bytes > self.head.len() {
            return;
        }
        self.head[..head.bytes].copy_from_slice(&frame[..head.bytes]);
        self.head_bytes = head.bytes;
        self.frame = head.bytes + head.payload;
        self.digits = digits;
    }
}

/// Tells what is in one text (a frame's payload or a response's body). Answers where the digits
/// stand when it holds exactly one message and nothing else.
fn text(payload: &[u8], found: &mut impl FnMut(Found<'_>)) -> Option<usize> {
    let (mut messages, mut place) = (0_usize, 0);
    for mark in MARKS.find_iter(payload) {
        if let Some(sequence) = digits_at(payload, mark + MARK.len()) {
            found(Found::Message(sequence));
            messages += 1;
            place = mark + MARK.len();
        }
    }
    if messages == 0 || META.find(payload).is_some() {
        found(Found::Reply(payload));
        return None;
    }
    (messages == 1).then_some(place)
}

/// Tells what is in a response's body.
pub(crate) fn body(payload: &[u8], mut found: impl FnMut(Found<'_>)) {
    let _ = text(payload, &mut found);
}

/// Whether a reply says that something was refused.
pub(crate) fn is_refusal(reply: &[u8]) -> bool {
    REFUSED.find(reply).is_some()
}

/// Whether a reply concerns this meta channel, for example `/meta/connect`.
pub(crate) fn concerns(reply: &[u8], channel: &str) -> bool {
    memchr::memmem::find(reply, channel.as_bytes()).is_some()
}

/// The value of a field that is a number.
pub(crate) fn number_field(text: &[u8], field: &str) -> Option<u64> {
    let name = format!("\"{field}\":");
    let rest = &text[memchr::memmem::find(text, name.as_bytes())? + name.len()..];
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

/// The value of a string field, as it stands, escapes untouched.
pub(crate) fn string_field<'a>(text: &'a [u8], field: &str) -> Option<&'a str> {
    let name = format!("\"{field}\":\"");
    let start = memchr::memmem::find(text, name.as_bytes())? + name.len();
    let end = start + memchr::memchr(b'"', &text[start..])?;
    std::str::from_utf8(&text[start..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Vec<u8> {
        let mut bytes = vec![0x81];
        match u8::try_from(text.len()) {
            Ok(short) if short < 126 => bytes.push(short),
            _ => {
                bytes.push(126);
                bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            }
        }
        bytes.extend(text.as_bytes());
        bytes
    }

    fn delivery(sequence: u32, pad: usize) -> String {
        format!(r#"[{{"channel":"/bench","data":{{"t":1,"s":{sequence},"pad":"{}"}}}}]"#, "x".repeat(pad))
    }

    fn walk(shape: &mut Shape, bytes: &[u8]) -> (Vec<u32>, Vec<Vec<u8>>, usize) {
        let (mut messages, mut replies) = (Vec::new(), Vec::new());
        let taken = shape.walk(bytes, |found| match found {
            Found::Message(sequence) => messages.push(sequence),
            Found::Reply(text) => replies.push(text.to_vec()),
            Found::Control(opcode, payload) => replies.push([&[opcode], payload].concat()),
        });
        (messages, replies, taken)
    }

    #[test]
    fn eight_digits_are_read_and_anything_else_is_refused() {
        assert_eq!(eight_digits(*b"10000000"), Some(10_000_000));
        assert_eq!(eight_digits(*b"98765432"), Some(98_765_432));
        for at in 0..8 {
            for byte in [b'/', b':', b' ', b'a', 0, 0xff] {
                let mut bytes = *b"12345678";
                bytes[at] = byte;
                assert_eq!(eight_digits(bytes), None, "{bytes:?}");
            }
        }
    }

    #[test]
    fn heads_of_every_length_and_with_a_mask() {
        assert_eq!(head(&[0x81]), None);
        assert_eq!(head(&[0x81, 5]), Some(Head { opcode: 1, bytes: 2, payload: 5, mask: None }));
        assert_eq!(head(&[0x81, 126, 1]), None);
        assert_eq!(head(&[0x81, 126, 1, 2]), Some(Head { opcode: 1, bytes: 4, payload: 258, mask: None }));
        assert_eq!(
            head(&[0x89, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            Some(Head { opcode: 9, bytes: 10, payload: 65_536, mask: None })
        );
        assert_eq!(head(&[0x81, 0x82, 1, 2, 3]), None);
        assert_eq!(
            head(&[0x81, 0x82, 1, 2, 3, 4]),
            Some(Head { opcode: 1, bytes: 6, payload: 2, mask: Some([1, 2, 3, 4]) })
        );
    }

    #[test]
    fn joined_frames_are_found_at_every_split() {
        for pad in [10, 200] {
            let bytes: Vec<u8> = (0..5).flat_map(|i| frame(&delivery(FIRST + i, pad))).collect();
            for split in 0..=bytes.len() {
                let mut shape = Shape::default();
                let (mut messages, _, taken) = walk(&mut shape, &bytes[..split]);
                let (rest, replies, _) = walk(&mut shape, &bytes[taken..]);
                messages.extend(rest);
                assert_eq!(messages, (FIRST..FIRST + 5).collect::<Vec<_>>());
                assert!(replies.is_empty());
            }
        }
    }

    #[test]
    fn several_messages_in_one_array_and_a_reply_beside_them() {
        let two = r#"[{"channel":"/b","data":{"s":10000000}},{"channel":"/b","data":{"s":10000001}}]"#;
        let mixed =
            r#"[{"channel":"/b","data":{"s":10000002}},{"channel":"/meta/connect","successful":true}]"#;
        let mut shape = Shape::default();
        let bytes = [frame(two), frame(mixed), frame(&delivery(FIRST + 3, 9))].concat();
        let (messages, replies, taken) = walk(&mut shape, &bytes);
        assert_eq!(messages, [FIRST, FIRST + 1, FIRST + 2, FIRST + 3]);
        assert_eq!(replies, [mixed.as_bytes()]);
        assert_eq!(taken, bytes.len());
    }

    #[test]
    fn a_reply_as_long_as_a_delivery_is_still_a_reply() {
        let delivery = delivery(FIRST, 40);
        let mut reply = String::from(r#"[{"channel":"/meta/connect","successful":true"#);
        while reply.len() < delivery.len() - 2 {
            reply.push(' ');
        }
        reply.push_str("}]");
        let mut shape = Shape::default();
        let (messages, replies, _) = walk(&mut shape, &[frame(&delivery), frame(&reply)].concat());
        assert_eq!(messages, [FIRST]);
        assert_eq!(replies, [reply.as_bytes()]);
    }

    #[test]
    fn pings_and_closes_are_told() {
        let (messages, replies, taken) = walk(&mut Shape::default(), &[0x89, 2, b'h', b'i', 0x88, 0]);
        assert!(messages.is_empty());
        assert_eq!(replies, [vec![PING, b'h', b'i'], vec![CLOSE]]);
        assert_eq!(taken, 6);
    }

    #[test]
    fn a_field_is_read_and_a_refusal_is_seen() {
        let reply = br#"[{"clientId":"abc","successful":false,"channel":"/meta/handshake"}]"#;
        assert_eq!(string_field(reply, "clientId"), Some("abc"));
        assert_eq!(string_field(reply, "advice"), None);
        assert_eq!(number_field(br#"{"ext":{"ack":120,"x":1}}"#, "ack"), Some(120));
        assert_eq!(number_field(br#"{"ext":{"ack":true}}"#, "ack"), None);
        assert!(is_refusal(reply));
        assert!(concerns(reply, "/meta/handshake"));
        assert!(!concerns(reply, "/meta/connect"));
    }
}
