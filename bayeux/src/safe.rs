//! JSON bytes that are safe in every framing: no raw line break (event streams, lines, parts), no `<` (HTML),
//! no U+2028 and U+2029 (scripts of before 2019). The value they stand for is the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Appends valid JSON.
///
/// No state of a parser is needed: in valid JSON a raw line break only stands between tokens, where a space
/// does as well, and `<`, U+2028 and U+2029 only stand inside strings, where their escapes mean the same.
pub(crate) fn json(out: &mut Vec<u8>, valid: &[u8]) {
    copy(
        out,
        valid,
        |byte| matches!(byte, b'\n' | b'\r' | b'<' | 0xE2),
        |out, byte| out.extend_from_slice(if byte == b'<' { b"\\u003c" } else { b" " }),
    );
}

/// Appends text as a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let special = |byte| matches!(byte, 0..=0x1F | b'"' | b'\\' | b'<' | 0xE2);
    copy(out, text.as_bytes(), special, |out, byte| {
        let short: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digit = |nibble: u8| DIGITS[usize::from(nibble & 15)];
                return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte)]);
            }
        };
        out.extend_from_slice(short);
    });
    out.push(b'"');
}

/// Appends texts as a JSON array of strings.
pub(crate) fn strings<'a>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'a str>) {
    out.push(b'[');
    for (index, text) in texts.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(out, text);
    }
    out.push(b']');
}

/// Appends bytes as base64 (RFC 4648, section 4, with padding).
pub(crate) fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + base64_len(bytes.len()), 0);
    STANDARD.encode_slice(bytes, &mut out[start..]).expect("the room is made for exactly these bytes");
}

/// How many bytes [`base64`] appends.
pub(crate) fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Copies runs of what is not special, and replaces what is. 0xE2 must be special: it begins U+2028 and
/// U+2029, and other characters that stay.
fn copy(
    out: &mut Vec<u8>,
    bytes: &[u8],
    special: impl Fn(u8) -> bool + Copy,
    replace: impl Fn(&mut Vec<u8>, u8),
) {
    let mut rest = bytes;
    let mut looked = 0;
    // Most payloads have nothing to replace. Without an early exit inside of a block the compiler looks at 16
    // bytes and more at once.
    while let Some(block) = rest.get(looked..).filter(|block| !block.is_empty()) {
        let block = &block[..block.len().min(64)];
        if !block.iter().fold(false, |found, &byte| found | special(byte)) {
            looked += block.len();
            continue;
        }
        looked += block.iter().position(|&byte| special(byte)).unwrap_or(block.len());
        let taken = match &rest[looked..] {
            [0xE2, 0x80, 0xA8, ..] | [0xE2, 0x80, 0xA9, ..] => 3,
            [0xE2, ..] => {
                looked += 1;
                continue;
            }
            _ => 1,
        };
        out.extend_from_slice(&rest[..looked]);
        match &rest[looked..looked + taken] {
            [_, _, last] => out.extend_from_slice(if *last == 0xA8 { b"\\u2028" } else { b"\\u2029" }),
            [byte, ..] => replace(out, *byte),
            [] => {}
        }
        rest = &rest[looked + taken..];
        looked = 0;
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    fn json(valid: &str) -> String {
        let mut out = Vec::new();
        super::json(&mut out, valid.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_could_break_a_framing_is_replaced() {
        let raw = "{\r\n\"a\":\t\"<b>\u{2028}\u{2029}\u{2027}…é\"}\n";
        assert_eq!(json(raw), "{  \"a\":\t\"\\u003cb>\\u2028\\u2029\u{2027}…é\"} ");
    }

    #[test]
    fn what_is_replaced_may_stand_at_the_edge_of_a_block() {
        for before in 58..70 {
            let text = "x".repeat(before);
            for (raw, safe) in [("<", "\\u003c"), ("\u{2029}", "\\u2029"), ("’", "’")] {
                let raw = format!("\"{text}{raw}\"");
                assert_eq!(json(&raw), format!("\"{text}{safe}\""));
            }
        }
    }

    #[test]
    fn text_becomes_a_string_without_raw_control_characters() {
        let mut out = Vec::new();
        super::string(&mut out, "a\"\\\n\r\t\u{1}\u{1f}\u{7f}<\u{2028}–");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a\\\"\\\\\\n\\r\\t\\u0001\\u001f\u{7f}\\u003c\\u2028–\""
        );
    }
}
