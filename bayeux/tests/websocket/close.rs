//! The last frame (RFC 6455, 5.5.1 and 7.4; Autobahn 7).

use bayeux::websocket::{Opcode, Role, is_valid_close_code, write_close, write_frame};

use crate::peer::{Heard, ROOMY, Reader, assert_refused, frame, hear, read, text};

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(Opcode::Close, true, &[&code.to_be_bytes(), reason].concat())
}

#[test]
fn every_code_from_0_to_5000() {
    for code in 0..=5000 {
        // RFC 6455, 7.4.1 and the IANA registry "WebSocket Close Code Number".
        let allowed = (1000..=1014).contains(&code) && ![1004, 1005, 1006].contains(&code)
            || (3000..5000).contains(&code);
        assert_eq!(is_valid_close_code(code), allowed, "{code}");
        if allowed {
            assert_eq!(hear(&close(code, b"")), (vec![Heard::Close(Some(code), String::new())], Ok(())));
        } else {
            assert_refused(&close(code, b"because"), 1002);
        }
    }
    assert!(!is_valid_close_code(u16::MAX));
}

#[test]
fn a_close_may_say_nothing_but_not_half_a_code() {
    assert_eq!(hear(&frame(Opcode::Close, true, b"")), (vec![Heard::Close(None, String::new())], Ok(())));
    for byte in [0, 3, 255] {
        assert_refused(&frame(Opcode::Close, true, &[byte]), 1002);
    }
}

#[test]
fn the_reason_is_text_of_at_most_123_bytes() {
    let longest = "ü".repeat(61) + "!";
    assert_eq!(
        hear(&close(1000, longest.as_bytes())),
        (vec![Heard::Close(Some(1000), longest.clone())], Ok(()))
    );
    assert_refused(&close(1000, (longest + "!").as_bytes()), 1002);
    for invalid in [&b"\xFF"[..], b"bye\xC3", b"\xED\xA0\x80"] {
        assert_refused(&close(1000, invalid), 1007);
    }
}

#[test]
fn nothing_is_heard_after_it() {
    let after = [&frame(Opcode::Text, true, b"more")[..], &frame(Opcode::Ping, true, b""), &[0xFF; 40]];
    for after in after {
        let bytes = [&frame(Opcode::Text, true, b"last"), &close(4000, b"bye")[..], after].concat();
        assert_eq!(hear(&bytes), (vec![text("last"), Heard::Close(Some(4000), "bye".into())], Ok(())));
    }
}

#[test]
fn the_decoder_is_idle_after_it() {
    let mut reader = Reader::new(Role::Server, ROOMY);
    assert_eq!(reader.feed(&frame(Opcode::Text, false, b"begun")), Ok(()));
    assert!(!reader.decoder.is_idle());
    assert_eq!(reader.feed(&close(1000, b"")), Ok(()));
    assert!(reader.decoder.is_idle());
    assert_eq!(reader.feed(b"\x81"), Ok(()));
    assert!(reader.decoder.is_idle());
}

#[test]
fn a_reason_written_is_cut_between_characters() {
    // 41 characters of three bytes are 123 bytes; one letter before them and the last does not fit.
    for (reason, kept) in [
        ("€".repeat(41), 123),
        ("x".to_owned() + &"€".repeat(41), 121),
        ("x".repeat(5000), 123),
        ("🦀".repeat(31), 120),
        (String::new(), 0),
    ] {
        let mut bytes = Vec::new();
        write_close(&mut bytes, 1008, &reason);
        let heard = Heard::Close(Some(1008), reason[..kept].to_owned());
        assert_eq!(read(Role::Client, ROOMY, &bytes), (vec![heard], Ok(())));
    }
}

#[test]
fn a_close_without_a_code_can_be_written() {
    let mut bytes = Vec::new();
    write_frame(&mut bytes, Opcode::Close, b"");
    assert_eq!(bytes, [0x88, 0x00]);
    assert_eq!(read(Role::Client, ROOMY, &bytes), (vec![Heard::Close(None, String::new())], Ok(())));
}
