//! Clients mask, servers do not (RFC 6455, 5.1, 5.3 and the examples of 5.7).

use bayeux::websocket::{Opcode, Role, write_frame, write_masked_frame};

use crate::peer::{ROOMY, binary, frame, ping, pong, read, text};

#[test]
fn the_examples_of_the_rfc() {
    let from_server = [
        &b"\x81\x05\x48\x65\x6c\x6c\x6f"[..],
        b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f",
        b"\x89\x05\x48\x65\x6c\x6c\x6f",
    ]
    .concat();
    let heard = vec![text("Hello"), text("Hello"), ping(b"Hello")];
    assert_eq!(read(Role::Client, ROOMY, &from_server), (heard, Ok(())));

    let from_client = [
        &b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"[..],
        b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
    ]
    .concat();
    assert_eq!(read(Role::Server, ROOMY, &from_client), (vec![text("Hello"), pong(b"Hello")], Ok(())));
    assert_eq!(frame(Opcode::Text, true, b"Hello"), from_client[..11]);
}

#[test]
fn a_server_wants_a_mask_and_a_client_wants_none() {
    for opcode in [Opcode::Text, Opcode::Binary, Opcode::Ping, Opcode::Pong, Opcode::Close] {
        let mut unmasked = Vec::new();
        write_frame(&mut unmasked, opcode, b"");
        let masked = frame(opcode, true, b"");
        for (role, right, wrong) in [(Role::Server, &masked, &unmasked), (Role::Client, &unmasked, &masked)] {
            assert_eq!(read(role, ROOMY, right).1, Ok(()));
            // The second byte shows it.
            for wrong in [&wrong[..], &wrong[..2]] {
                let (heard, result) = read(role, ROOMY, wrong);
                assert_eq!((heard, result.map_err(|violation| violation.code)), (vec![], Err(1002)));
            }
        }
    }
}

#[test]
fn every_length_around_the_width_of_the_loop_and_odd_masks() {
    for mask in [[0, 0, 0, 0], [1, 2, 3, 4], [0, 0, 0, 0xFF], [0xFF; 4]] {
        for length in 0..100 {
            let payload: Vec<u8> = (0..length).collect();
            let mut bytes = Vec::new();
            write_masked_frame(&mut bytes, Opcode::Binary, true, mask, &payload);
            // The mask by its definition, not by our loop.
            let by_hand: Vec<u8> = payload.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]).collect();
            assert_eq!(bytes[6..], by_hand);
            assert_eq!(read(Role::Server, ROOMY, &bytes), (vec![binary(&payload)], Ok(())));
        }
    }
}
