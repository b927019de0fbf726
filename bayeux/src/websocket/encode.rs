//! Frames appended to the caller's bytes.
//!
//! The writers write what they are told, so that tests can also write what a peer must refuse. The rules
//! that are the caller's: a control frame has at most 125 bytes and is never fragmented (RFC 6455, 5.5),
//! and a text message is UTF-8.

use super::{Opcode, frame::apply_mask};

/// What is left of a control frame's 125 bytes after the close code.
const MAX_CLOSE_REASON: usize = 123;

/// Appends a whole message or a control frame as a server sends it: one frame, unmasked.
pub fn write_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    write_fragment(out, opcode, true, payload);
}

/// Appends one unmasked frame of a message sent in several: the first has the message's opcode, the others
/// are continuations, and the last has `fin` (RFC 6455, 5.4).
pub fn write_fragment(out: &mut Vec<u8>, opcode: Opcode, fin: bool, payload: &[u8]) {
    write_header(out, opcode, fin, 0, payload.len());
    out.extend_from_slice(payload);
}

/// Appends one frame as a client sends it, masked. A client that cares for its users takes an unguessable
/// mask for every frame (RFC 6455, 5.3).
pub fn write_masked_frame(out: &mut Vec<u8>, opcode: Opcode, fin: bool, mask: [u8; 4], payload: &[u8]) {
    write_header(out, opcode, fin, 0x80, payload.len());
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], mask);
}

/// Appends a server's close frame. The reason is cut to 123 bytes, never inside a character; `code` should
/// be one that [`is_valid_close_code`](super::is_valid_close_code) accepts. To close without a code, write
/// an empty [`Opcode::Close`] frame.
pub fn write_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let reason = &reason[..reason.floor_char_boundary(MAX_CLOSE_REASON)];
    write_header(out, Opcode::Close, true, 0, 2 + reason.len());
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

fn write_header(out: &mut Vec<u8>, opcode: Opcode, fin: bool, mask_bit: u8, length: usize) {
    out.push(if fin { 0x80 } else { 0 } | opcode as u8);
    match length {
        0..=125 => out.push(mask_bit | length as u8),
        126..=0xFFFF => {
            out.push(mask_bit | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(mask_bit | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}
