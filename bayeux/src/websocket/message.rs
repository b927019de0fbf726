//! A message of which something has arrived, and the text in it, cut anywhere.

use std::str;

use super::{Event, Opcode, Violation};

/// Said wherever UTF-8 is asked for and something else came (RFC 6455, 8.1).
pub(super) static INVALID_UTF8: Violation = Violation { code: 1007, reason: "invalid UTF-8" };

/// What the fragments so far have brought.
pub(super) struct Message {
    body: Body,
    /// Frames so far, the one being read included.
    pub(super) fragments: usize,
}

enum Body {
    Text(Text),
    Binary(Vec<u8>),
}

impl Message {
    /// Begins with the first frame of a message.
    pub(super) fn new(opcode: Opcode) -> Self {
        let body = match opcode {
            Opcode::Text => Body::Text(Text::default()),
            _ => Body::Binary(Vec::new()),
        };
        Self { body, fragments: 1 }
    }

    /// Payload bytes so far.
    pub(super) fn len(&self) -> usize {
        match &self.body {
            Body::Text(text) => text.whole.len() + text.cut_len,
            Body::Binary(bytes) => bytes.len(),
        }
    }

    /// Adds a piece, growing to no more than `limit` bytes.
    pub(super) fn push(&mut self, piece: &[u8], limit: usize) -> Result<(), &'static Violation> {
        match &mut self.body {
            Body::Text(text) => text.push(piece, limit),
            Body::Binary(bytes) => {
                append(bytes, piece, limit);
                Ok(())
            }
        }
    }

    /// The whole, once the last frame has ended.
    pub(super) fn finish(&self) -> Result<Event<'_>, &'static Violation> {
        match &self.body {
            Body::Text(text) if text.cut_len > 0 => Err(&INVALID_UTF8),
            Body::Text(text) => Ok(Event::Text(&text.whole)),
            Body::Binary(bytes) => Ok(Event::Binary(bytes)),
        }
    }
}

/// Every byte is checked when it arrives, so text that can no longer become valid is refused at once and
/// the whole is not checked a second time at its end.
#[derive(Default)]
struct Text {
    whole: String,
    /// The start of a character whose rest has not arrived.
    cut: [u8; 4],
    cut_len: usize,
}

impl Text {
    fn push(&mut self, mut piece: &[u8], limit: usize) -> Result<(), &'static Violation> {
        let needed = self.whole.len() + self.cut_len + piece.len();
        let capacity = grown(self.whole.capacity(), needed, limit);
        self.whole.reserve_exact(capacity - self.whole.len());
        while self.cut_len > 0
            && let Some((&byte, rest)) = piece.split_first()
        {
            self.cut[self.cut_len] = byte;
            self.cut_len += 1;
            piece = rest;
            match str::from_utf8(&self.cut[..self.cut_len]) {
                Ok(character) => {
                    self.whole.push_str(character);
                    self.cut_len = 0;
                }
                Err(error) if error.error_len().is_some() => return Err(&INVALID_UTF8),
                Err(_) => {}
            }
        }
        match str::from_utf8(piece) {
            Ok(piece) => self.whole.push_str(piece),
            Err(error) if error.error_len().is_some() => return Err(&INVALID_UTF8),
            Err(error) => {
                let (valid, cut) = piece.split_at(error.valid_up_to());
                self.whole.push_str(str::from_utf8(valid).map_err(|_| &INVALID_UTF8)?);
                self.cut[..cut.len()].copy_from_slice(cut);
                self.cut_len = cut.len();
            }
        }
        Ok(())
    }
}

/// Appends a piece of a payload of which at most `limit` bytes can come.
pub(super) fn append(bytes: &mut Vec<u8>, piece: &[u8], limit: usize) {
    let capacity = grown(bytes.capacity(), bytes.len() + piece.len(), limit);
    bytes.reserve_exact(capacity - bytes.len());
    bytes.extend_from_slice(piece);
}

/// Doubles, as a `Vec` would, so that a byte is copied a bounded number of times, but not past the limit.
fn grown(capacity: usize, needed: usize, limit: usize) -> usize {
    if needed <= capacity { capacity } else { needed.max(limit.min(capacity.saturating_mul(2))) }
}
