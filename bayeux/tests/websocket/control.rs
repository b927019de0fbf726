//! Pings and pongs, alone and between fragments (RFC 6455, 5.5; Autobahn 2).

use bayeux::websocket::Opcode;

use crate::peer::{Heard, assert_refused, frame, hear, ping, pong, raw_frame, text};

#[test]
fn payloads_of_every_allowed_length() {
    for length in 0..=125 {
        let payload = vec![0xFE; length];
        let bytes = [frame(Opcode::Ping, true, &payload), frame(Opcode::Pong, true, &payload)].concat();
        assert_eq!(hear(&bytes), (vec![ping(&payload), pong(&payload)], Ok(())));
    }
}

#[test]
fn longer_ones_are_refused_from_their_second_byte() {
    for opcode in [Opcode::Ping, Opcode::Pong, Opcode::Close] {
        for length in [126, 127, 65_536] {
            assert_refused(&frame(opcode, true, &vec![0; length]), 1002);
            assert_refused(&frame(opcode, true, &vec![0; length])[..2], 1002);
        }
    }
}

#[test]
fn a_control_frame_is_never_fragmented() {
    for opcode in [0x8, 0x9, 0xA] {
        assert_refused(&raw_frame(opcode, b""), 1002);
        assert_refused(&[opcode], 1002);
    }
    let inside_a_message = [frame(Opcode::Text, false, b"a"), frame(Opcode::Ping, false, b"")].concat();
    assert_refused(&inside_a_message, 1002);
}

#[test]
fn control_frames_between_fragments_come_first() {
    let bytes = [
        frame(Opcode::Ping, true, b"before"),
        frame(Opcode::Text, false, b"he"),
        frame(Opcode::Ping, true, b"between"),
        frame(Opcode::Pong, true, b""),
        frame(Opcode::Continuation, false, b"ll"),
        frame(Opcode::Ping, true, &[9; 125]),
        frame(Opcode::Continuation, true, b"o"),
        frame(Opcode::Pong, true, b"after"),
    ]
    .concat();
    let heard =
        vec![ping(b"before"), ping(b"between"), pong(b""), ping(&[9; 125]), text("hello"), pong(b"after")];
    assert_eq!(hear(&bytes), (heard, Ok(())));
}

#[test]
fn a_ping_between_the_bytes_of_a_character() {
    let bytes = [
        frame(Opcode::Text, false, &[0xF0, 0x9F]),
        frame(Opcode::Ping, true, &[0xFF]),
        frame(Opcode::Continuation, true, &[0xA6, 0x80]),
    ]
    .concat();
    assert_eq!(hear(&bytes), (vec![ping(&[0xFF]), text("🦀")], Ok(())));
}

#[test]
fn a_close_between_fragments_ends_the_message_unheard() {
    let bytes = [
        frame(Opcode::Text, false, b"never"),
        frame(Opcode::Close, true, &1001u16.to_be_bytes()),
        frame(Opcode::Continuation, true, b"heard"),
    ]
    .concat();
    assert_eq!(hear(&bytes), (vec![Heard::Close(Some(1001), String::new())], Ok(())));
}
