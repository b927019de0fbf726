//! The names of sessions, of requests and publications, and of places in a history.

use std::fmt;
use std::str::FromStr;

use serde_json::value::RawValue;

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many bytes of a clientId, or of the JSON token of an id, are kept.
pub(crate) const ID_BYTES: usize = 64;

/// The clientId of a session: two letters that say its shard, then 22 random ones of 62 (131 bits).
///
/// Whoever knows it can act as the session, so `Debug` shows its shard only, and there is no `Display`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; Self::BYTES]);

impl SessionId {
    /// Length of the id in bytes, all of them ASCII letters and digits.
    pub const BYTES: usize = 24;

    /// How many shards two letters can name.
    pub const SHARDS: u16 = 62 * 62;

    /// Makes an id on `shard` from a source of random bytes, which must be fit for secrets.
    ///
    /// # Panics
    /// When `shard` is not below [`SessionId::SHARDS`].
    pub fn new(shard: u16, mut random: impl FnMut() -> u8) -> Self {
        assert!(shard < Self::SHARDS, "two letters name at most {} shards", Self::SHARDS);
        let mut letters = [0; Self::BYTES];
        letters[0] = LETTERS[usize::from(shard / 62)];
        letters[1] = LETTERS[usize::from(shard % 62)];
        for letter in &mut letters[2..] {
            // 248 is the largest multiple of 62 in a byte: with the rest, the first 8 letters would come
            // more often than the others.
            *letter = loop {
                let byte = random();
                if byte < 248 {
                    break LETTERS[usize::from(byte % 62)];
                }
            };
        }
        Self(letters)
    }

    /// Reads what a client sent. Whether there is such a session is another question.
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; Self::BYTES] = text.as_bytes().try_into().ok()?;
        letters.iter().all(u8::is_ascii_alphanumeric).then_some(Self(letters))
    }

    /// The secret itself, for the wire.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("letters and digits are UTF-8")
    }

    /// The shard the session lives on, below [`SessionId::SHARDS`].
    pub fn shard(&self) -> u16 {
        value(self.0[0]) * 62 + value(self.0[1])
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}{}…)", char::from(self.0[0]), char::from(self.0[1]))
    }
}

fn value(letter: u8) -> u16 {
    u16::from(match letter {
        b'0'..=b'9' => letter - b'0',
        b'A'..=b'Z' => letter - b'A' + 10,
        _ => letter - b'a' + 36,
    })
}

/// The `id` of a request, as the JSON token that was sent (a string or a number of at most 64 bytes, without
/// `<`, U+2028 and U+2029), because clients match replies by comparing with exactly what they sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// Takes a JSON string or number within the limits above; anything else is no id.
    pub fn from_json(token: &RawValue) -> Option<Self> {
        id_token(token).map(Self)
    }

    /// The token as it was sent.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl From<u64> for RequestId {
    fn from(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

/// The `id` that a publisher gave its publication, as the JSON token that was sent; the limits are those of
/// [`RequestId`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageId(Box<str>);

impl MessageId {
    /// Takes a JSON string or number within the limits above; anything else is no id.
    pub fn from_json(token: &RawValue) -> Option<Self> {
        id_token(token).map(Self)
    }

    /// The token as it was sent.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl From<RequestId> for MessageId {
    fn from(id: RequestId) -> Self {
        Self(id.0)
    }
}

/// An id is echoed as it came, into every framing, so what one of them could stumble over is no id. (The
/// SPEC allows letters and digits only.)
fn id_token(token: &RawValue) -> Option<Box<str>> {
    let token = token.get();
    let is_id = matches!(token.as_bytes().first(), Some(b'"' | b'-' | b'0'..=b'9'));
    let fits = token.len() <= ID_BYTES && !token.contains(['<', '\u{2028}', '\u{2029}']);
    (is_id && fits).then(|| token.into())
}

/// Where a message stands: the life of the store that numbered it, and its number there.
///
/// On the wire it is an opaque text of letters, digits and one `-`, safe in a URL and in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Names the life of a store; without a store, the boot of the server.
    pub epoch: u64,
    /// Counts the messages of a retention class within the epoch.
    pub sequence: u64,
}

/// The text is not a position that this server could have given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is a text that the server gave out with a message, such as 1a-2z")]
pub struct InvalidPosition;

impl Position {
    /// Appends the text of it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let (text, start) = self.text();
        out.extend_from_slice(&text[start..]);
    }

    /// The text, and where in it it starts.
    fn text(&self) -> ([u8; 27], usize) {
        // Two numbers of at most 13 digits, and what joins them.
        let mut text = [b'-'; 27];
        let start = write_base_36(&mut text, 27, self.sequence) - 1;
        let start = write_base_36(&mut text, start, self.epoch);
        (text, start)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, start) = self.text();
        f.write_str(std::str::from_utf8(&text[start..]).expect("digits and a dash are UTF-8"))
    }
}

/// Writes the digits so that they end before `end`, and returns where they start.
fn write_base_36(text: &mut [u8], end: usize, mut number: u64) -> usize {
    let mut start = end;
    loop {
        start -= 1;
        let digit = (number % 36) as u8;
        text[start] = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        number /= 36;
        if number == 0 {
            return start;
        }
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (epoch, sequence) = text.split_once('-').ok_or(InvalidPosition)?;
        Ok(Self { epoch: read_base_36(epoch)?, sequence: read_base_36(sequence)? })
    }
}

/// Takes only what `write_base_36` writes, so that one position has one text.
fn read_base_36(digits: &str) -> Result<u64, InvalidPosition> {
    let canonical = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z'))
        && (digits == "0" || !digits.starts_with('0'));
    if !canonical {
        return Err(InvalidPosition);
    }
    u64::from_str_radix(digits, 36).map_err(|_| InvalidPosition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_tell_the_secret() {
        let id = SessionId::new(61, || 7);
        assert_eq!(id.as_str(), "0z7777777777777777777777");
        assert_eq!(format!("{id:?}"), "SessionId(0z…)");
    }

    #[test]
    fn bytes_that_would_favour_some_letters_are_not_used() {
        let mut bytes = (248..=255).chain([61]).cycle();
        let id = SessionId::new(0, || bytes.next().unwrap());
        assert_eq!(id.as_str(), "00zzzzzzzzzzzzzzzzzzzzzz");
    }

    #[test]
    #[should_panic(expected = "3844 shards")]
    fn a_shard_that_two_letters_cannot_name_is_a_mistake_of_the_caller() {
        SessionId::new(SessionId::SHARDS, || 0);
    }

    #[test]
    fn a_position_has_one_text() {
        let last = Position { epoch: u64::MAX, sequence: 0 };
        assert_eq!(last.to_string(), "3w5e11264sgsf-0");
        assert_eq!("3w5e11264sgsf-0".parse(), Ok(last));
        for text in ["", "-", "1", "1-", "-1", "01-1", "1-00", "A-1", "+1-1", "1-1-1", "3w5e11264sgsg-0"] {
            assert_eq!(text.parse::<Position>(), Err(InvalidPosition), "{text}");
        }
    }
}
