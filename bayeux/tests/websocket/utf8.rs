//! Text is UTF-8, wherever it is cut (RFC 6455, 8.1; Autobahn 6).

use bayeux::websocket::{Opcode, Role};

use crate::peer::{ROOMY, Reader, assert_refused, binary, frame, hear, text};

const VALID: [&str; 6] = [
    "Hello-µ@ßöäüàá-UTF-8!!",
    "κόσμε",
    "\u{7F}\u{80}\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}",
    "\u{D7FF}\u{E000}\u{FFFD}\u{FEFF}",
    "🦀",
    "\0\0",
];

/// With the index of the byte that shows it, which is the length where only the end does.
const INVALID: [(&[u8], usize); 17] = [
    (b"ok\xFF", 2),
    (b"\xFE", 0),
    (b"\x80", 0),
    (b"ok\xBFno", 2),
    (b"\xC0\xAF", 0),
    (b"\xC1\xBF", 0),
    (b"\xE0\x80\xAF", 1),
    (b"\xF0\x80\x80\xAF", 1),
    (b"\xED\xA0\x80", 1),
    (b"\xCE\xBA\xE1\xBD\xB9\xED\xBF\xBFedited", 6),
    (b"\xF4\x90\x80\x80", 1),
    (b"\xF5\x80\x80\x80", 0),
    (b"\xF0\x9F\xA6x", 3),
    (b"\xCE\xCE", 1),
    (b"\xCE", 1),
    (b"a\xE2\x82", 3),
    (b"\xF0\x9F\xA6", 3),
];

#[test]
fn valid_text_cut_into_two_fragments_anywhere() {
    for whole in VALID {
        for cut in 0..=whole.len() {
            let (head, tail) = whole.as_bytes().split_at(cut);
            let bytes = [frame(Opcode::Text, false, head), frame(Opcode::Continuation, true, tail)].concat();
            assert_eq!(hear(&bytes), (vec![text(whole)], Ok(())), "{whole:?} cut at {cut}");
        }
    }
}

#[test]
fn valid_text_a_byte_a_fragment() {
    for whole in VALID {
        let mut bytes = frame(Opcode::Text, false, b"");
        for byte in whole.bytes() {
            bytes.extend(frame(Opcode::Continuation, false, &[byte]));
        }
        bytes.extend(frame(Opcode::Continuation, true, b""));
        assert_eq!(hear(&bytes), (vec![text(whole)], Ok(())));
    }
}

#[test]
fn invalid_text_in_one_frame() {
    for (invalid, _) in INVALID {
        assert_refused(&frame(Opcode::Text, true, invalid), 1007);
        assert_eq!(hear(&frame(Opcode::Binary, true, invalid)), (vec![binary(invalid)], Ok(())));
    }
}

#[test]
fn invalid_text_cut_into_two_fragments_anywhere() {
    for (invalid, _) in INVALID {
        for cut in 0..=invalid.len() {
            let (head, tail) = invalid.split_at(cut);
            let bytes = [frame(Opcode::Text, false, head), frame(Opcode::Continuation, true, tail)].concat();
            assert_refused(&bytes, 1007);
        }
    }
}

#[test]
fn invalid_text_is_refused_at_the_byte_that_shows_it() {
    for (invalid, shown) in INVALID {
        // A frame announced longer than what ever comes, byte by byte.
        let mut bytes = frame(Opcode::Text, true, &[invalid, &[b'.'; 90]].concat());
        bytes.truncate(6 + invalid.len());
        let mut reader = Reader::new(Role::Server, ROOMY);
        let refused = bytes.iter().position(|byte| reader.feed(&[*byte]).is_err());
        let expected = (shown < invalid.len()).then_some(6 + shown);
        assert_eq!(refused, expected, "{invalid:02x?}");
    }
}

#[test]
fn invalid_text_is_refused_without_waiting_for_a_further_fragment() {
    for (invalid, shown) in INVALID {
        let mut reader = Reader::new(Role::Server, ROOMY);
        let result = reader.feed(&frame(Opcode::Text, false, invalid));
        assert_eq!(result.is_err(), shown < invalid.len(), "{invalid:02x?}");
    }
}
