//! Frames that are not Bayeux: the socket is closed with a code and a reason, and the session has its grace.

use bayeux::websocket::{Opcode, write_frame};
use serde_json::json;

use crate::bystander::Bystander;
use crate::server::Encke;
use crate::socket::{Heard, Socket};

fn closed(say: impl FnOnce(&mut Socket), code: u16, cause: &str) {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut socket = Socket::listening(&encke, "/a");
    socket.hold();
    say(&mut socket);
    let (said, reason) = socket.closes();
    assert_eq!(said, Some(code));
    assert!(!reason.is_empty(), "no reason");
    assert_eq!(encke.refused(cause), 1);
    // Another socket takes the session up.
    let mut again = Socket::open(&encke);
    again.id = socket.id.clone();
    again.hold();
    assert_eq!(again.ask("/a", json!({"data": 1}))["successful"], true);
    assert_eq!(again.message()["data"], 1);
    bystander.is_well(&encke);
}

#[test]
fn text_that_is_not_json() {
    for text in ["", "no", "[{]", "[1]", "[{}"] {
        closed(|socket| socket.say_text(text), 1007, "bad_body");
    }
}

#[test]
fn deep_nesting() {
    let deep = format!("[{{\"data\":{}{}}}]", "[".repeat(200), "]".repeat(200));
    closed(|socket| socket.say_text(&deep), 1007, "bad_body");
}

#[test]
fn ten_thousand_messages() {
    let many = format!("[{}]", vec!["{\"channel\":\"/a\",\"data\":1}"; 10_000].join(","));
    closed(|socket| socket.say_text(&many), 1009, "too_large");
}

#[test]
fn a_message_past_its_limit() {
    let long = json!([{"channel": "/a", "data": "x".repeat(65 * 1024)}]).to_string();
    closed(|socket| socket.say_text(&long), 1009, "too_large");
}

#[test]
fn text_that_is_not_utf_8() {
    closed(|socket| socket.frame(Opcode::Text, true, b"[\"\xc3\x28\"]"), 1007, "bad_frame");
    closed(|socket| socket.frame(Opcode::Text, true, b"\xff"), 1007, "bad_frame");
}

#[test]
fn binary_frames() {
    closed(|socket| socket.frame(Opcode::Binary, true, b"[]"), 1003, "binary_frame");
}

#[test]
fn a_frame_that_announces_more_than_the_limit_is_refused_unread() {
    // 2^40 bytes, of which none is sent.
    closed(|socket| socket.send(&[0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4]), 1009, "bad_frame");
}

#[test]
fn fragments_past_the_limit() {
    closed(
        |socket| {
            socket.frame(Opcode::Text, false, &[b' '; 300 * 1024]);
            socket.frame(Opcode::Continuation, true, &[b' '; 300 * 1024]);
        },
        1009,
        "bad_frame",
    );
}

#[test]
fn empty_fragments_without_end() {
    closed(
        |socket| {
            socket.frame(Opcode::Text, false, b"");
            for _ in 0..1024 {
                socket.frame(Opcode::Continuation, false, b"");
            }
        },
        1009,
        "bad_frame",
    );
}

#[test]
fn frames_against_the_rules() {
    let mut unmasked = Vec::new();
    write_frame(&mut unmasked, Opcode::Text, b"[]");
    closed(|socket| socket.send(&unmasked), 1002, "bad_frame");
    closed(|socket| socket.send(&[0xc1, 0x80, 0, 0, 0, 0]), 1002, "bad_frame");
    closed(|socket| socket.send(&[0x83, 0x80, 0, 0, 0, 0]), 1002, "bad_frame");
    closed(|socket| socket.frame(Opcode::Continuation, true, b""), 1002, "bad_frame");
    closed(|socket| socket.frame(Opcode::Ping, false, b""), 1002, "bad_frame");
    closed(|socket| socket.frame(Opcode::Close, true, b"\x03"), 1002, "bad_frame");
}

#[test]
fn a_fragmented_message_with_a_ping_inside_is_heard() {
    let encke = Encke::start();
    let mut socket = Socket::listening(&encke, "/a");
    let (publish, id) = socket.request("/a", json!({"data": "ä"}));
    let text = json!([publish]).to_string().into_bytes();
    let cut = text.iter().position(|byte| *byte == 0xc3).expect("an umlaut") + 1;
    socket.frame(Opcode::Text, false, &text[..cut]);
    socket.frame(Opcode::Ping, true, b"there?");
    assert_eq!(socket.hear(), Heard::Pong(b"there?".to_vec()));
    socket.frame(Opcode::Continuation, false, b"");
    socket.frame(Opcode::Continuation, true, &text[cut..]);
    assert_eq!(socket.reply(&id)["successful"], true);
    assert_eq!(socket.message()["data"], "ä");
}

#[test]
fn an_empty_array_keeps_a_socket_alive_and_says_nothing() {
    let encke = Encke::start();
    let mut socket = Socket::connected(&encke);
    socket.say_text("[]");
    let (request, id) = socket.request("/meta/subscribe", json!({"subscription": "/a"}));
    socket.say(&json!([request]));
    let Heard::Frame(frame) = socket.hear() else { panic!("a frame") };
    assert_eq!((frame.len(), &frame[0]["id"]), (1, &json!(id)));
}

#[test]
fn a_close_is_answered_with_its_code() {
    let encke = Encke::start();
    for (payload, code) in [(&b"\x03\xe8"[..], Some(1000)), (b"\x0f\xa0bye", Some(4000)), (b"", None)] {
        let mut socket = Socket::connected(&encke);
        socket.hold();
        socket.frame(Opcode::Close, true, payload);
        assert_eq!(socket.closes().0, code);
    }
    encke.until("sockets", 0, |encke| encke.connections("websocket"));
    assert_eq!(encke.figure("encke_sessions"), 3, "they have their grace");
}
