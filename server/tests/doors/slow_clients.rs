//! Clients that take their time: every wait of the server has an end, by its own clock.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use bayeux::websocket::{Opcode, write_masked_frame};
use serde_json::json;

use crate::bystander::Bystander;
use crate::server::Encke;
use crate::socket::Socket;
use crate::wire::Wire;

#[test]
fn one_that_sends_a_byte_a_second_is_ended() {
    let encke = Encke::start();
    let mut wire = served(&encke);
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
    let mut wire = served(&encke);
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

/// As long as the configuration says, and what the client is told says so too.
#[test]
fn the_time_of_a_request_is_a_setting() {
    let encke = Encke::with(|config| config.limits.request_time = Duration::from_millis(2_500));
    let mut wire = served(&encke);
    wire.send(b"GET / HTTP/1.1\r\n");
    encke.settle();
    encke.advance(Duration::from_millis(2_400));
    encke.settle();
    assert!(wire.is_silent());
    encke.advance(Duration::from_millis(200));
    let response = wire.response();
    response.is_refused(408);
    assert!(response.text().ends_with("in 2s 500ms\n"), "{}", response.text());
    wire.ends();
}

/// Bytes that keep coming are no progress: neither lines of a head, nor chunks, nor what stands behind a chunk's size.
#[test]
fn many_that_drip_are_all_ended_at_their_time() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let chunked = "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let kinds = [
        ("GET / HTTP/1.1\r\nHost: localhost\r\n", "X-More: y\r\n"),
        ("GET /channels/a HTTP/1.1\r\nHost: localhost\r\nX-Long: ", "y"),
        (chunked, "1\r\n1\r\n"),
        (chunked, "0"),
        ("POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x"),
        ("", "\r\n"),
    ];
    let mut wires: Vec<_> =
        (0..10).flat_map(|_| kinds).map(|(begin, drip)| (served(&encke), begin, drip)).collect();
    for (wire, begin, _) in &mut wires {
        wire.send(begin.as_bytes());
    }
    for _ in 0..10 {
        for (wire, _, drip) in &mut wires {
            wire.send(drip.as_bytes());
        }
        encke.settle();
        encke.advance(Duration::from_millis(2_900));
    }
    encke.settle();
    assert_eq!(encke.refused("request_too_slow"), 0);
    encke.advance(Duration::from_millis(1_100));
    for (wire, begin, _) in &mut wires {
        assert_eq!(wire.response().status, 408, "{begin:?}");
        wire.ends();
    }
    assert_eq!(encke.refused("request_too_slow"), wires.len() as i64);
    assert_eq!(encke.figure("encke_messages_in_total"), 0);
    bystander.is_well(&encke);
}

/// A long answer that nobody takes: what the kernel does not hold is given up at the same time.
#[test]
fn one_that_never_reads_a_page_of_history_is_ended() {
    let encke = Encke::with(|config| {
        config.channel = vec![encke::broker::ChannelOptions {
            patterns: vec!["/a".into()],
            history: Some(encke::history::Options { count: 1000, bytes: 64 << 20, ..Default::default() }),
            ..Default::default()
        }];
    });
    let mut bystander = Bystander::join(&encke);
    let mut publisher = encke.wire();
    let text = json!("x".repeat(60_000)).to_string();
    for _ in 0..10 {
        assert_eq!(publisher.post("/channels/a", &text).response().status, 200);
    }
    let path = "/channels/a?as=messages";
    let length: usize = {
        let mut reader = encke.wire();
        reader.get(path, "Connection: close\r\n");
        let response = reader.response();
        assert_eq!(response.status, 200, "{}", response.text());
        response.body.len()
    };
    assert!(length > 400_000, "{length}");
    let mut stuck = narrow(&encke);
    stuck.get(path, "");
    assert_eq!(stuck.head().status, 200);
    encke.settle();
    encke.advance(Duration::from_millis(29_000));
    encke.settle();
    assert_eq!(encke.refused("request_too_slow"), 0);
    encke.advance(Duration::from_millis(1_100));
    encke.until("it is ended", 1, |encke| encke.refused("request_too_slow"));
    assert!(stuck.rest().len() < length, "it was not cut");
    bystander.is_well(&encke);
}

/// A connection that its core has: one that is new may still be on its way there.
fn served(encke: &Encke) -> Wire {
    let mut wire = encke.wire();
    assert_eq!(wire.get("/", "").response().status, 200);
    wire
}

fn narrow(encke: &Encke) -> Wire {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    // Before it connects: the window is agreed on then.
    socket.set_recv_buffer_size(4096).expect("a socket takes the option");
    socket.connect(&encke.public.into()).expect("the server listens");
    Wire::over(socket.into())
}
