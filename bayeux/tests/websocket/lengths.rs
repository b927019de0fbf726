//! The three forms of a length, of which only the shortest may be used (RFC 6455, 5.2).

use bayeux::websocket::{Limits, Opcode, Role, write_frame};

use crate::peer::{MASK, Reader, assert_refused, binary, frame, hear};

const BOUNDLESS: Limits = Limits { message_bytes: usize::MAX, fragments: usize::MAX };

fn header(form: u8, length: &[u8]) -> Vec<u8> {
    [&[0x82, 0x80 | form], length, &MASK].concat()
}

#[test]
fn lengths_around_the_borders_of_the_forms() {
    for (length, header) in [(0, 2), (125, 2), (126, 4), (127, 4), (65_535, 4), (65_536, 10), (65_537, 10)] {
        let payload = vec![0xAB; length];
        let mut unmasked = Vec::new();
        write_frame(&mut unmasked, Opcode::Binary, &payload);
        assert_eq!(unmasked.len(), header + length);
        assert_eq!(hear(&frame(Opcode::Binary, true, &payload)), (vec![binary(&payload)], Ok(())));
    }
}

#[test]
fn two_bytes_for_what_fits_in_seven_bits() {
    for length in 0..=125u16 {
        assert_refused(&header(126, &length.to_be_bytes()), 1002);
        // Not even the mask is waited for.
        assert_refused(&header(126, &length.to_be_bytes())[..4], 1002);
    }
}

#[test]
fn eight_bytes_for_what_fits_in_two() {
    for length in [0, 1, 125, 126, 65_535u64] {
        assert_refused(&header(127, &length.to_be_bytes()), 1002);
        assert_refused(&header(127, &length.to_be_bytes())[..10], 1002);
    }
}

#[test]
fn the_top_bit_is_never_set() {
    for length in [1 << 63, 1 << 63 | 70_000, u64::MAX] {
        assert_refused(&header(127, &length.to_be_bytes()), 1002);
    }
}

#[test]
fn the_longest_length_is_a_length() {
    let mut reader = Reader::new(Role::Server, BOUNDLESS);
    assert_eq!(reader.feed(&header(127, &(u64::MAX >> 1).to_be_bytes())), Ok(()));
    assert_eq!(reader.feed(&[0; 1000]), Ok(()));
    assert!(!reader.decoder.is_idle());
}
