//! Both ends of a connection: a peer that says anything, right or wrong, and a reader that keeps what it heard.

use bayeux::websocket::{Decoder, Event, Limits, Opcode, Role, Violation, write_masked_frame};

pub(crate) const ROOMY: Limits = Limits { message_bytes: 1 << 20, fragments: 1 << 10 };
pub(crate) const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// An [`Event`] that can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Event<'_>> for Heard {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.into()),
            Event::Binary(bytes) => Self::Binary(bytes.into()),
            Event::Ping(bytes) => Self::Ping(bytes.into()),
            Event::Pong(bytes) => Self::Pong(bytes.into()),
            Event::Close { code, reason } => Self::Close(code, reason.into()),
        }
    }
}

pub(crate) fn text(text: &str) -> Heard {
    Heard::Text(text.into())
}

pub(crate) fn binary(bytes: &[u8]) -> Heard {
    Heard::Binary(bytes.into())
}

pub(crate) fn ping(bytes: &[u8]) -> Heard {
    Heard::Ping(bytes.into())
}

pub(crate) fn pong(bytes: &[u8]) -> Heard {
    Heard::Pong(bytes.into())
}

/// A connection's reading end.
pub(crate) struct Reader {
    pub(crate) decoder: Decoder,
    pub(crate) role: Role,
    pub(crate) limits: Limits,
    pub(crate) heard: Vec<Heard>,
}

impl Reader {
    pub(crate) fn new(role: Role, limits: Limits) -> Self {
        Self { decoder: Decoder::default(), role, limits, heard: Vec::new() }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let mut input = bytes.to_vec();
        let heard = &mut self.heard;
        self.decoder.feed(self.role, &self.limits, &mut input, |event| heard.push(event.into()))
    }

    /// Feeds pieces until one is refused.
    pub(crate) fn feed_all<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), Violation> {
        pieces.into_iter().try_for_each(|piece| self.feed(piece))
    }
}

/// What was heard, in order, and how it ended.
pub(crate) type Outcome = (Vec<Heard>, Result<(), Violation>);

/// Reads `bytes` whole, byte by byte, and in two pieces cut at every place; all must come to the same.
pub(crate) fn read(role: Role, limits: Limits, bytes: &[u8]) -> Outcome {
    let mut whole = Reader::new(role, limits);
    let result = whole.feed(bytes);

    let mut single = Reader::new(role, limits);
    let single_result = single.feed_all(bytes.chunks(1));
    assert_eq!((&single.heard, single_result), (&whole.heard, result), "byte by byte");
    assert_eq!(single.decoder.is_idle(), whole.decoder.is_idle());

    // Every place of a long stream would cost its square: those near the start, where headers are, and some.
    let step = (bytes.len() / 512).max(1);
    for cut in (0..bytes.len().min(64)).chain((64..bytes.len()).step_by(step)) {
        let (head, tail) = bytes.split_at(cut);
        let mut split = Reader::new(role, limits);
        let split_result = split.feed_all([head, tail]);
        assert_eq!((&split.heard, split_result), (&whole.heard, result), "cut at {cut}");
    }
    (whole.heard, result)
}

/// What a server hears from a client, read in every way.
pub(crate) fn hear(bytes: &[u8]) -> Outcome {
    read(Role::Server, ROOMY, bytes)
}

/// Asserts that a server refuses `bytes` with this code, after it heard nothing.
#[track_caller]
pub(crate) fn assert_refused(bytes: &[u8], code: u16) {
    let (heard, result) = hear(bytes);
    assert_eq!(heard, [], "heard something in {bytes:02x?}");
    assert_eq!(result.map_err(|violation| violation.code), Err(code), "{bytes:02x?}");
}

/// One frame from a client.
pub(crate) fn frame(opcode: Opcode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_masked_frame(&mut out, opcode, fin, MASK, payload);
    out
}

/// One frame from a client with any first byte, for what the writers cannot say. At most 125 bytes.
pub(crate) fn raw_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() <= 125);
    let mut out = vec![first, 0x80 | payload.len() as u8];
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}
