//! WebSocket frames (RFC 6455) without I/O and without a standing buffer.
//!
//! A [`Decoder`] is fed whatever the socket gave, in any cut, and hands out whole messages and control
//! frames; between messages it owns nothing. The `write_…` functions append frames to the caller's bytes.
//! Extensions are not spoken: a reserved bit is a [`Violation`].

mod decode;
mod encode;
mod frame;
mod handshake;
mod message;

pub use decode::Decoder;
pub use encode::{write_close, write_fragment, write_frame, write_masked_frame};
pub use handshake::{accept_key, is_valid_key};

/// Which end of the connection is reading; it decides whether frames must be masked (RFC 6455, 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads what a client sent: every frame must be masked.
    Server,
    /// Reads what a server sent: no frame may be masked.
    Client,
}

/// The kinds of frame (RFC 6455, 5.2); all other opcodes are reserved and refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message begun by a text or binary frame.
    Continuation = 0x0,
    /// A text message or its first fragment.
    Text = 0x1,
    /// A binary message or its first fragment.
    Binary = 0x2,
    /// The last frame of a direction.
    Close = 0x8,
    /// Asks for a pong with the same payload.
    Ping = 0x9,
    /// Answers a ping, or says unasked that the peer is alive.
    Pong = 0xA,
}

impl Opcode {
    /// Whether this is a control frame: at most 125 bytes, never fragmented, allowed between the fragments
    /// of a message (RFC 6455, 5.5).
    pub fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }

    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }
}

/// What the peer said: a whole message, whatever its fragments were, or a control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A ping, to be answered by a pong with the same payload (at most 125 bytes).
    Ping(&'a [u8]),
    /// A pong (at most 125 bytes).
    Pong(&'a [u8]),
    /// The peer closes and will say no more (RFC 6455, 5.5.1).
    Close {
        /// Why, if the peer said so; always one that [`is_valid_close_code`] accepts.
        code: Option<u16>,
        /// Words for people, at most 123 bytes; empty if there are none.
        reason: &'a str,
    },
}

/// How much of one message a [`Decoder`] takes. Both are checked when a frame's header has arrived, before
/// anything of its payload is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Payload bytes of one message, all fragments together. Control frames have their own bound, 125.
    pub message_bytes: usize,
    /// Frames of one message, the first included and control frames between them not counted; without
    /// it, empty fragments would keep a message open for ever. An unfragmented message has one.
    pub fragments: usize,
}

/// Why the connection must be failed, as it is to be said in the close frame (RFC 6455, 7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (close code {code})")]
pub struct Violation {
    /// The close code: 1002 (protocol error), 1007 (invalid UTF-8) or 1009 (past the [`Limits`]).
    pub code: u16,
    /// What was wrong, in a few words that fit in a close frame.
    pub reason: &'static str,
}

impl Violation {
    const fn protocol(reason: &'static str) -> Self {
        Self { code: 1002, reason }
    }

    const fn too_big(reason: &'static str) -> Self {
        Self { code: 1009, reason }
    }
}

/// Whether a peer may send this close code.
///
/// These are the codes registered with IANA for use on the wire (1000 to 1003, 1007 to 1014) and those left
/// to libraries (3000 to 3999) and applications (4000 to 4999). RFC 6455, 7.4 forbids 1004 to 1006 and 1015
/// in a frame, and the rest up to 2999 is not assigned.
pub fn is_valid_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
