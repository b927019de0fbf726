//! Messages in several frames (RFC 6455, 5.4; Autobahn 5).

use bayeux::websocket::{Opcode, Role, write_fragment, write_frame};

use crate::peer::{ROOMY, Reader, assert_refused, binary, frame, hear, read, text};

#[test]
fn a_message_is_handed_out_when_its_last_fragment_ends() {
    let mut reader = Reader::new(Role::Server, ROOMY);
    for (opcode, fin, part) in [
        (Opcode::Text, false, "one "),
        (Opcode::Continuation, false, "two "),
        (Opcode::Continuation, true, "three"),
    ] {
        assert_eq!(reader.heard, []);
        assert_eq!(reader.feed(&frame(opcode, fin, part.as_bytes())), Ok(()));
        assert_eq!(reader.decoder.is_idle(), fin);
    }
    assert_eq!(reader.heard, [text("one two three")]);
}

#[test]
fn fragments_join_whatever_the_cuts() {
    let bytes = [
        frame(Opcode::Binary, false, &[0, 255]),
        frame(Opcode::Continuation, false, &[128; 300]),
        frame(Opcode::Continuation, true, &[7]),
        frame(Opcode::Text, true, b"next"),
    ]
    .concat();
    let whole = [&[0, 255][..], &[128; 300], &[7]].concat();
    assert_eq!(hear(&bytes), (vec![binary(&whole), text("next")], Ok(())));
}

#[test]
fn empty_messages_and_empty_fragments_are_allowed() {
    let bytes = [
        frame(Opcode::Text, true, b""),
        frame(Opcode::Binary, true, b""),
        frame(Opcode::Text, false, b""),
        frame(Opcode::Continuation, false, b""),
        frame(Opcode::Continuation, true, b""),
        frame(Opcode::Text, false, b""),
        frame(Opcode::Continuation, false, b"middle"),
        frame(Opcode::Continuation, true, b""),
        frame(Opcode::Binary, false, b""),
        frame(Opcode::Continuation, true, b"end"),
    ]
    .concat();
    let heard = vec![text(""), binary(b""), text(""), text("middle"), binary(b"end")];
    assert_eq!(hear(&bytes), (heard, Ok(())));
}

#[test]
fn a_continuation_needs_a_message_begun() {
    assert_refused(&frame(Opcode::Continuation, true, b"what?"), 1002);
    assert_refused(&frame(Opcode::Continuation, false, b""), 1002);

    let after_a_whole_message =
        [frame(Opcode::Text, true, b"a"), frame(Opcode::Continuation, true, b"b")].concat();
    let (heard, result) = hear(&after_a_whole_message);
    assert_eq!((heard, result.map_err(|violation| violation.code)), (vec![text("a")], Err(1002)));

    let after_the_last_fragment = [
        frame(Opcode::Text, false, b"a"),
        frame(Opcode::Continuation, true, b"b"),
        frame(Opcode::Continuation, false, b"c"),
    ]
    .concat();
    let (heard, result) = hear(&after_the_last_fragment);
    assert_eq!((heard, result.map_err(|violation| violation.code)), (vec![text("ab")], Err(1002)));
}

#[test]
fn no_message_begins_inside_another() {
    for first in [Opcode::Text, Opcode::Binary] {
        for second in [Opcode::Text, Opcode::Binary] {
            for fin in [false, true] {
                assert_refused(&[frame(first, false, b"a"), frame(second, fin, b"b")].concat(), 1002);
            }
        }
    }
}

#[test]
fn what_the_server_writes_a_client_reads() {
    let mut bytes = Vec::new();
    write_frame(&mut bytes, Opcode::Text, "grüße".as_bytes());
    write_fragment(&mut bytes, Opcode::Binary, false, &[1; 200]);
    write_fragment(&mut bytes, Opcode::Continuation, true, &[1; 70_000]);
    let heard = vec![text("grüße"), binary(&[1; 70_200])];
    assert_eq!(read(Role::Client, ROOMY, &bytes), (heard, Ok(())));
}

#[test]
fn every_further_call_returns_the_same_violation() {
    let mut reader = Reader::new(Role::Server, ROOMY);
    let violation = reader.feed(&frame(Opcode::Continuation, true, b"")).expect_err("nothing to continue");
    assert!(reader.decoder.is_idle());
    for bytes in [&frame(Opcode::Text, true, b"fine")[..], &[], &[0xFF; 20]] {
        assert_eq!(reader.feed(bytes), Err(violation));
    }
    assert_eq!(reader.heard, []);
    assert_eq!(violation.to_string(), "continuation without a message begun (close code 1002)");
}
