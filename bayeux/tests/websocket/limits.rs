//! How much one message may hold (Autobahn 9 and 10, turned round).

use bayeux::websocket::{Limits, Opcode, Role};

use crate::peer::{Heard, MASK, Outcome, binary, frame, ping, read, text};

fn hear_within(message_bytes: usize, fragments: usize, bytes: &[u8]) -> Outcome {
    read(Role::Server, Limits { message_bytes, fragments }, bytes)
}

#[track_caller]
fn assert_too_big(outcome: Outcome, before: &[Heard]) {
    assert_eq!(outcome.0, before);
    assert_eq!(outcome.1.map_err(|violation| violation.code), Err(1009));
}

#[test]
fn a_message_of_the_limit_passes_and_one_byte_more_does_not() {
    for limit in [0, 1, 125, 126, 1000, 65_536] {
        let payload = vec![b'x'; limit];
        let bytes = frame(Opcode::Binary, true, &payload);
        assert_eq!(hear_within(limit, 1, &bytes), (vec![binary(&payload)], Ok(())));
        let bytes = frame(Opcode::Binary, true, &vec![b'x'; limit + 1]);
        assert_too_big(hear_within(limit, 1, &bytes), &[]);
    }
}

#[test]
fn all_fragments_count_together() {
    let parts = |last: &[u8]| {
        [
            frame(Opcode::Text, false, &[b'a'; 40]),
            frame(Opcode::Continuation, false, &[b'b'; 40]),
            frame(Opcode::Continuation, true, last),
        ]
        .concat()
    };
    let whole = "a".repeat(40) + &"b".repeat(40) + &"c".repeat(20);
    assert_eq!(hear_within(100, 3, &parts(&[b'c'; 20])), (vec![text(&whole)], Ok(())));
    assert_too_big(hear_within(100, 3, &parts(&[b'c'; 21])), &[]);
    assert_too_big(hear_within(79, 3, &parts(&[])), &[]);
}

#[test]
fn a_character_that_is_cut_counts_too() {
    let bytes = [
        frame(Opcode::Text, false, "12€".as_bytes()[..4].as_ref()),
        frame(Opcode::Continuation, true, &[0xAC]),
    ];
    assert_eq!(hear_within(5, 2, &bytes.concat()), (vec![text("12€")], Ok(())));
    assert_too_big(hear_within(4, 2, &bytes.concat()), &[]);
}

#[test]
fn the_header_alone_is_refused() {
    // The whole payload is announced and none of it sent.
    let header = [&[0x82, 0x80 | 127][..], &(1u64 << 40).to_be_bytes(), &MASK].concat();
    assert_too_big(hear_within(1 << 20, 1, &header), &[]);
}

#[test]
fn each_message_has_the_limit_for_itself() {
    let one = frame(Opcode::Binary, true, &[1; 100]);
    assert_eq!(hear_within(100, 1, &[&one[..]; 5].concat()), (vec![binary(&[1; 100]); 5], Ok(())));
}

#[test]
fn fragments_are_counted_and_control_frames_are_not() {
    let empty =
        |last: bool| [frame(Opcode::Continuation, last, b""), frame(Opcode::Ping, true, b"")].concat();
    let message = |fragments: usize| {
        let mut bytes = frame(Opcode::Text, fragments == 1, b"");
        (2..=fragments).for_each(|count| bytes.extend(empty(count == fragments)));
        bytes
    };
    for limit in 1..10 {
        let mut heard = vec![ping(b""); limit - 1];
        heard.insert(limit.saturating_sub(2), text(""));
        assert_eq!(hear_within(0, limit, &message(limit)), (heard, Ok(())));
        assert_too_big(hear_within(0, limit, &message(limit + 1)), &vec![ping(b""); limit - 1]);
    }
}

#[test]
fn control_frames_have_their_own_bound() {
    assert_eq!(hear_within(0, 0, &frame(Opcode::Ping, true, &[7; 125])), (vec![ping(&[7; 125])], Ok(())));
}
