//! One frame's header, read and checked as early as its bytes allow, and the mask.

use super::{Opcode, Role, Violation};

/// The longest header: two bytes, eight of length, four of mask.
pub(super) const MAX_HEADER: usize = 14;

/// RFC 6455, 5.5.
pub(super) const MAX_CONTROL_PAYLOAD: usize = 125;

static RESERVED_BITS: Violation = Violation::protocol("reserved bit set without an extension");
static RESERVED_OPCODE: Violation = Violation::protocol("reserved opcode");
static CONTROL_FRAGMENTED: Violation = Violation::protocol("fragmented control frame");
static CONTROL_TOO_LONG: Violation = Violation::protocol("control frame longer than 125 bytes");
static NOTHING_TO_CONTINUE: Violation = Violation::protocol("continuation without a message begun");
static MESSAGE_UNFINISHED: Violation = Violation::protocol("new message inside a fragmented one");
static NOT_MASKED: Violation = Violation::protocol("frame from a client without a mask");
static MASKED: Violation = Violation::protocol("masked frame from a server");
static NOT_MINIMAL: Violation = Violation::protocol("length not in the fewest bytes");
static LENGTH_TOP_BIT: Violation = Violation::protocol("length with the top bit set");

/// A frame whose header has been read: what it is, and what is still to come.
pub(super) struct Frame {
    pub(super) opcode: Opcode,
    pub(super) fin: bool,
    /// Turned so that its first byte belongs to the next payload byte.
    mask: [u8; 4],
    /// Payload bytes that have not arrived yet.
    pub(super) left: u64,
}

impl Frame {
    /// Reads the header at the start of `bytes`, and says how long it is; `None` if it is cut.
    ///
    /// A header that is wrong in its first byte is refused when that byte is there. `in_message` tells
    /// whether a fragmented message waits for its continuation.
    pub(super) fn read(
        bytes: &[u8],
        role: Role,
        in_message: bool,
    ) -> Result<Option<(Self, usize)>, &'static Violation> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let fin = first & 0x80 != 0;
        if first & 0x70 != 0 {
            return Err(&RESERVED_BITS);
        }
        let opcode = Opcode::from_bits(first & 0x0F).ok_or(&RESERVED_OPCODE)?;
        match opcode {
            Opcode::Continuation if !in_message => return Err(&NOTHING_TO_CONTINUE),
            Opcode::Text | Opcode::Binary if in_message => return Err(&MESSAGE_UNFINISHED),
            _ if opcode.is_control() && !fin => return Err(&CONTROL_FRAGMENTED),
            _ => {}
        }

        let Some(&second) = bytes.get(1) else { return Ok(None) };
        match (role, second & 0x80 != 0) {
            (Role::Server, false) => return Err(&NOT_MASKED),
            (Role::Client, true) => return Err(&MASKED),
            _ => {}
        }
        let short = second & 0x7F;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL_PAYLOAD {
            return Err(&CONTROL_TOO_LONG);
        }

        let after = &bytes[2..];
        let (left, length_bytes) = match short {
            126 => match after.first_chunk() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
                None => return Ok(None),
            },
            127 => match after.first_chunk() {
                Some(length) => (u64::from_be_bytes(*length), 8),
                None => return Ok(None),
            },
            _ => (u64::from(short), 0),
        };
        if left >> 63 != 0 {
            return Err(&LENGTH_TOP_BIT);
        }
        if (length_bytes == 2 && left < 126) || (length_bytes == 8 && left <= u64::from(u16::MAX)) {
            return Err(&NOT_MINIMAL);
        }

        let (mask, mask_bytes) = match role {
            Role::Client => ([0; 4], 0),
            Role::Server => match after[length_bytes..].first_chunk() {
                Some(mask) => (*mask, 4),
                None => return Ok(None),
            },
        };
        Ok(Some((Self { opcode, fin, mask, left }, 2 + length_bytes + mask_bytes)))
    }

    /// Takes the next piece of the payload, which must not be longer than what is left.
    pub(super) fn unmask(&mut self, payload: &mut [u8]) {
        if self.mask != [0; 4] {
            apply_mask(payload, self.mask);
            self.mask.rotate_left(payload.len() % 4);
        }
        self.left -= payload.len() as u64;
    }
}

/// Masks or unmasks (RFC 6455, 5.3), in words of eight bytes, which the compiler widens further.
pub(super) fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in tail.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}
