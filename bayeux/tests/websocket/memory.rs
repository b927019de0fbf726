//! What a decoder owns, counted at the allocator.

use allocation_counter::measure;
use bayeux::websocket::{Decoder, Limits, Opcode, Role};

use crate::peer::{MASK, frame};

const LIMITS: Limits = Limits { message_bytes: 100_000, fragments: 1000 };

/// More than the box that keeps a cut frame.
const BOX: u64 = 256;

fn feed(decoder: &mut Decoder, input: &mut [u8]) {
    decoder.feed(Role::Server, &LIMITS, input, |_| {}).expect("the peer does nothing wrong");
}

#[test]
fn an_idle_decoder_is_small() {
    assert!(size_of::<Decoder>() <= 16);
    assert!(Decoder::default().is_idle());
}

#[test]
fn whole_messages_cost_no_allocation() {
    let mut input = [
        frame(Opcode::Text, true, b"[{}]"),
        frame(Opcode::Binary, true, &[1; 70_000]),
        frame(Opcode::Ping, true, b"are you there"),
        frame(Opcode::Text, true, "ü".repeat(100).as_bytes()),
        frame(Opcode::Close, true, b"\x03\xe8bye"),
    ]
    .concat();
    let mut decoder = Decoder::default();
    let used = measure(|| feed(&mut decoder, &mut input));
    assert_eq!(used.count_total, 0);
}

#[test]
fn a_header_sent_apart_from_its_payload_costs_one_box() {
    let mut input = frame(Opcode::Text, true, &[b'x'; 5000]);
    for cut in 1..=8 {
        let mut decoder = Decoder::default();
        let (header, rest) = input.split_at_mut(cut);
        let used = measure(|| {
            feed(&mut decoder, header);
            feed(&mut decoder, rest);
        });
        assert_eq!((used.count_total, used.bytes_current), (1, 0), "cut at {cut}");
        assert!(used.bytes_max <= BOX);
        input = frame(Opcode::Text, true, &[b'x'; 5000]);
    }
}

#[test]
fn control_frames_between_fragments_cost_no_allocation() {
    let mut decoder = Decoder::default();
    feed(&mut decoder, &mut frame(Opcode::Text, false, b"a"));
    let mut input = frame(Opcode::Ping, true, &[3; 125]);
    assert_eq!(measure(|| feed(&mut decoder, &mut input)).count_total, 0);
    assert!(!decoder.is_idle());
}

#[test]
fn what_was_kept_is_given_back_with_the_end_of_the_message() {
    for message in [
        frame(Opcode::Text, true, &[b'x'; 50_000]),
        [frame(Opcode::Binary, false, &[1; 500]), frame(Opcode::Continuation, true, &[1; 500])].concat(),
        frame(Opcode::Ping, true, &[1; 125]),
    ] {
        for piece in [1, 3, 700] {
            let mut decoder = Decoder::default();
            let mut input = message.clone();
            let (mut last, mut all) = (0, 0);
            let used = measure(|| {
                for piece in input.chunks_mut(piece) {
                    feed(&mut decoder, piece);
                    last = piece.len();
                    all += last;
                }
            });
            assert_eq!(all, message.len());
            assert!(decoder.is_idle());
            assert_eq!(used.bytes_current, 0, "pieces of {piece}");
            assert!(used.count_total > 0 || last == all);
        }
    }
}

#[test]
fn an_announced_length_is_not_believed() {
    let mut input = [&[0x82, 0x80 | 127][..], &99_999u64.to_be_bytes(), &MASK, &[0; 10]].concat();
    let mut decoder = Decoder::default();
    let used = measure(|| feed(&mut decoder, &mut input));
    assert!(used.bytes_max <= BOX + 10, "{} bytes", used.bytes_max);
}

#[test]
fn growth_stops_at_the_limit() {
    for opcode in [Opcode::Binary, Opcode::Text] {
        let mut input = frame(opcode, true, &[b'x'; 100_000]);
        input.pop();
        let mut decoder = Decoder::default();
        let used = measure(|| input.chunks_mut(100).for_each(|piece| feed(&mut decoder, piece)));
        let kept = u64::try_from(used.bytes_current).expect("more taken than given back");
        assert!(kept <= 100_000 + BOX, "{kept} bytes kept");
        // While a buffer moves to a larger place, both are there.
        assert!(used.bytes_max <= 2 * 100_000 + BOX, "{} bytes at most", used.bytes_max);
        assert!(used.count_total < 20, "{} allocations: it doubles", used.count_total);
    }
}

#[test]
fn a_violation_and_a_close_give_everything_back() {
    for end in [frame(Opcode::Text, true, b"not now"), frame(Opcode::Close, true, b"")] {
        let mut begun = frame(Opcode::Binary, false, &[1; 5000]);
        let mut end = end;
        let mut decoder = Decoder::default();
        let used = measure(|| {
            feed(&mut decoder, &mut begun);
            let _ = decoder.feed(Role::Server, &LIMITS, &mut end, |_| {});
        });
        assert!(decoder.is_idle());
        assert_eq!((used.bytes_current, used.bytes_max >= 5000), (0, true));
    }
}
