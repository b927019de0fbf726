//! Bodies that are not Bayeux: each is answered with a reason, counted, costs bounded memory, and disturbs nobody.

use serde_json::json;

use crate::bystander::Bystander;
use crate::polling::{Polling, handshake};
use crate::server::Encke;

const JSON: &str = "Content-Type: application/json\r\n";

/// Sends a body, and expects the status, a reason, and one more refusal of this cause.
fn refused(body: &str, status: u16, cause: &str) {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut wire = encke.wire();
    wire.post("/bayeux", body);
    wire.response().is_refused(status);
    assert_eq!(encke.refused(cause), 1);
    // Whoever was refused may go on.
    wire.post("/bayeux", &json!([handshake()]).to_string());
    assert_eq!(wire.response().messages()[0]["successful"], true);
    bystander.is_well(&encke);
}

#[test]
fn what_is_not_json_is_refused() {
    for body in ["not JSON", "[{\"channel\":", "[{}", "{} {}", "[1]", "\"text\"", "", " ", "[{},]"] {
        refused(body, 400, "bad_body");
    }
}

#[test]
fn bytes_that_are_not_text_are_refused() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    wire.send(b"POST /bayeux HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n[\"\xff]");
    wire.response().is_refused(400);
    assert_eq!(encke.refused("bad_body"), 1);
}

#[test]
fn an_empty_array_is_refused() {
    refused("[]", 400, "bad_body");
}

#[test]
fn deep_nesting_is_refused() {
    let deep = format!("[{{\"channel\":\"/a\",\"data\":{}1{}}}]", "[".repeat(50_000), "]".repeat(50_000));
    refused(&deep[..60_000], 400, "bad_body");
    let deep = format!("[{{\"channel\":\"/a\",\"data\":{}1{}}}]", "[".repeat(200), "]".repeat(200));
    refused(&deep, 400, "bad_body");
}

#[test]
fn ten_thousand_messages_are_refused() {
    let many = vec!["{\"channel\":\"/a\",\"data\":1}"; 10_000].join(",");
    refused(&format!("[{many}]"), 413, "too_large");
}

#[test]
fn a_message_past_its_limit_is_refused() {
    let long = "x".repeat(65 * 1024);
    refused(&json!([{"channel": "/a", "data": long}]).to_string(), 413, "too_large");
}

#[test]
fn a_body_that_announces_100_mb_is_refused_unread() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut wire = encke.wire();
    wire.send(
        format!("POST /bayeux HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: 104857600\r\n\r\n")
            .as_bytes(),
    );
    wire.response().is_refused(413);
    assert_eq!(encke.refused("too_large"), 1);
    let taken = wire.send_while_taken(&vec![b' '; 100 * 1024 * 1024]);
    assert!(taken < 100 * 1024 * 1024, "somebody has read all of it");
    bystander.is_well(&encke);
}

#[test]
fn a_body_of_100_mb_in_chunks_is_refused_when_it_passes_the_limit() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut wire = encke.wire();
    wire.send(
        format!("POST /bayeux HTTP/1.1\r\nHost: localhost\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n")
            .as_bytes(),
    );
    let chunk = [b"100000\r\n".to_vec(), vec![b' '; 1024 * 1024], b"\r\n".to_vec()].concat();
    let taken: usize = std::iter::repeat_with(|| wire.send_while_taken(&chunk))
        .take(100)
        .take_while(|taken| *taken == chunk.len())
        .sum();
    assert!(taken < 16 * 1024 * 1024, "{taken} bytes were taken");
    assert_eq!(encke.refused("too_large"), 1);
    bystander.is_well(&encke);
}

#[test]
fn a_body_in_chunks_just_past_the_limit_learns_why() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    wire.send(
        format!("POST /bayeux HTTP/1.1\r\nHost: localhost\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n")
            .as_bytes(),
    );
    wire.send(&[b"80001\r\n".to_vec(), vec![b' '; 0x80001], b"\r\n".to_vec()].concat());
    wire.response().is_refused(413);
}

#[test]
fn a_body_that_is_cut_short_ends_its_connection_only() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut client = Polling::connected(&encke);
    let mut wire = encke.wire();
    wire.send(
        format!("POST /bayeux HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: 100\r\n\r\n[{{\"chan")
            .as_bytes(),
    );
    wire.half_close();
    let rest = String::from_utf8(wire.rest()).expect("ASCII");
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400 "), "{rest}");
    encke.until("cut bodies", 1, |encke| encke.refused("bad_body"));
    let subscribe = client.request("/meta/subscribe", json!({"subscription": "/a"}));
    assert_eq!(client.ask(&json!([subscribe]))[0]["successful"], true);
    bystander.is_well(&encke);
}

#[test]
fn an_empty_object_is_nobody() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    for body in ["[{}]", "{}"] {
        let mut wire = encke.wire();
        wire.post("/bayeux", body);
        let replies = wire.response().messages();
        assert_eq!(replies.len(), 1);
        assert_eq!(replies[0]["successful"], false);
        assert_eq!(replies[0]["error"], "402::session_unknown");
    }
    assert_eq!(encke.refused("message"), 2);
    bystander.is_well(&encke);
}
