//! Bits and opcodes nobody has agreed on (RFC 6455, 5.2; Autobahn 3 and 4).

use bayeux::websocket::Opcode;

use crate::peer::{assert_refused, frame, hear, raw_frame, text};

#[test]
fn every_first_byte() {
    for first in 0..=u8::MAX {
        let fine = matches!(first, 0x81 | 0x82 | 0x88 | 0x89 | 0x8A);
        let begins_a_message = matches!(first, 0x01 | 0x02);
        if begins_a_message {
            assert_eq!(hear(&raw_frame(first, b"")), (vec![], Ok(())));
        } else if fine {
            let (heard, result) = hear(&raw_frame(first, b""));
            assert_eq!((heard.len(), result), (1, Ok(())), "{first:#04x}");
        } else {
            assert_refused(&raw_frame(first, b""), 1002);
            assert_refused(&[first], 1002);
        }
    }
}

#[test]
fn reserved_bits_inside_a_fragmented_message() {
    for bits in 1..=7 {
        for first in [0x00, 0x80, 0x89, 0x8A, 0x88] {
            let bytes = [frame(Opcode::Text, false, b"a"), raw_frame(bits << 4 | first, b"")].concat();
            assert_refused(&bytes, 1002);
        }
    }
}

#[test]
fn what_came_before_is_heard() {
    for bad in [0xC1, 0x83, 0x8F] {
        let bytes = [frame(Opcode::Text, true, b"before"), raw_frame(bad, b"after")].concat();
        let (heard, result) = hear(&bytes);
        assert_eq!((heard, result.map_err(|violation| violation.code)), (vec![text("before")], Err(1002)));
    }
}
