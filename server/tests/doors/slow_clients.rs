//! Clients that take their time: every wait of the server has an end, by its own clock.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use bayeux::websocket::{Opcode, write_masked_frame};
use serde_json::json;

use crate::bystander::Bystander;
use crate::server::Encke;
use crate::socket::Socket;

#[test]
fn one_that_sends_a_byte_a_second_is_ended() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    let mut bytes =
        b"POST /bayeux HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n[[[[[[[[[[".iter();
    for _ in 0..29 {
        wire.send(&[*bytes.next().expect("more")]);
        encke.settle();
        encke.advance(Duration::from_secs(1));
    }
    encke.settle();
    assert_eq!(encke.refused("request_too_slow"), 0);
    assert!(wire.is_silent());
    encke.advance(Duration::from_secs(1));
    wire.response().is_refused(408);
    wire.ends();
    assert_eq!(encke.refused("request_too_slow"), 1);
    Bystander::join(&encke).is_well(&encke);
}

#[test]
fn one_that_sends_its_body_a_byte_a_second_is_ended() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    wire.send(b"POST /bayeux HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
    for _ in 0..29 {
        wire.send(b"[");
        encke.settle();
        encke.advance(Duration::from_secs(1));
    }
    encke.settle();
    assert!(wire.is_silent());
    encke.advance(Duration::from_secs(1));
    wire.response().is_refused(408);
    wire.ends();
    assert_eq!(encke.refused("request_too_slow"), 1);
    Bystander::join(&encke).is_well(&encke);
}

/// Neither bytes of a frame that never ends nor pings are a session.
#[test]
fn a_socket_without_a_session_is_closed() {
    let encke = Encke::start();
    let silent = Socket::open(&encke);
    let mut dripping = Socket::open(&encke);
    let mut pinging = Socket::open(&encke);
    let mut in_time = Socket::open(&encke);
    dripping.send(&[0x81, 0xfe, 0, 200, 0, 0, 0, 0]);
    for _ in 0..9 {
        dripping.send(b"[");
        pinging.send(&[0x89, 0x80, 0, 0, 0, 0]);
        encke.settle();
        encke.advance(Duration::from_secs(1));
    }
    encke.settle();
    assert_eq!(encke.refused("socket_without_session"), 0);
    in_time.handshake();
    encke.advance(Duration::from_millis(1_100));
    for mut socket in [silent, dripping, pinging] {
        assert_eq!(socket.closes(), (Some(1008), "no session: send a handshake".to_owned()));
    }
    assert_eq!(encke.refused("socket_without_session"), 3);
    assert_eq!(in_time.ask("/meta/subscribe", json!({"subscription": "/a"}))["successful"], true);
}

/// Who asks and asks and reads no answer is not read either, and loses nothing by it.
#[test]
fn one_that_asks_without_reading_waits() {
    const REQUESTS: usize = 20_000;
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut greedy = Socket::narrow(&encke);
    greedy.begin();
    let mut stream = greedy.stream.try_clone().unwrap();
    let asking = std::thread::spawn(move || {
        for number in 0..REQUESTS {
            let text = format!("[{{\"channel\":\"/a\",\"data\":1,\"id\":{number}}}]");
            let mut frame = Vec::new();
            write_masked_frame(&mut frame, Opcode::Text, true, [1, 2, 3, 4], text.as_bytes());
            stream.write_all(&frame).expect("the server reads again");
        }
    });
    encke.until("the server reads no more", 1, |encke| encke.figure("encke_reply_pauses_total").min(1));
    assert!(encke.figure("encke_messages_in_total") < REQUESTS as i64);
    bystander.is_well(&encke);
    for number in 0..REQUESTS {
        let reply = greedy.message();
        assert_eq!((&reply["id"], &reply["successful"]), (&json!(number), &json!(true)));
    }
    asking.join().expect("everything was taken");
    assert_eq!(greedy.ask("/a", json!({"data": 1}))["successful"], true);
}

/// The same over HTTP, where the whole exchange has a time.
#[test]
fn one_that_pipelines_without_reading_is_ended() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut wire = encke.wire();
    // Until nothing has been taken for a moment; that moment proves nothing, and nothing rests on it.
    wire.stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a socket takes the option");
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    let mut sent = 0;
    loop {
        match wire.stream.write(request.as_bytes()) {
            Ok(count) => sent += count,
            Err(error) => {
                break assert!(
                    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                    "{error}"
                );
            }
        }
        assert!(sent < 64 * 1024 * 1024, "the server takes everything");
    }
    encke.advance(Duration::from_secs(31));
    encke.until("too slow", 1, |encke| encke.refused("request_too_slow"));
    bystander.is_well(&encke);
}
