//! The end: every client is told, in the way of its connection, and in time.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::polling::Polling;
use crate::server::Encke;
use crate::socket::{Heard, Socket};
use crate::wire::{DEADLINE, Wire};

/// Waits until nobody is let in any more: the first thing a drain does.
fn until_closed(encke: &Encke) {
    let end = Instant::now() + DEADLINE;
    while TcpStream::connect(encke.public).is_ok() {
        assert!(Instant::now() < end, "still listening");
        std::thread::yield_now();
    }
}

fn ready(wire: &mut Wire) -> u16 {
    wire.get("/health/ready", "").response().status
}

#[test]
fn everybody_is_told_to_return() {
    for cores in [1, 2] {
        let mut encke = Encke::with(|config| (config.cores, config.drain) = (cores, Duration::from_secs(20)));
        let mut health = Wire::connect(encke.internal);
        assert_eq!(ready(&mut health), 200);
        let mut idle = encke.wire();
        assert_eq!(idle.post("/channels/a", "1").response().status, 200);

        let mut polls: Vec<_> = (0..3).map(|_| Polling::listening(&encke, "/a")).collect();
        for client in &mut polls {
            client.hold();
        }
        let mut sockets: Vec<_> = (0..3).map(|_| Socket::listening(&encke, "/a")).collect();
        let held: Vec<_> = sockets.iter_mut().map(Socket::hold).collect();
        for socket in &mut sockets {
            socket.subscribe("/b");
        }
        let mut without_session = Socket::open(&encke);
        let mut streams: Vec<_> = ["lines", "event-stream"]
            .map(|form| {
                let mut wire = encke.wire();
                wire.get(&format!("/channels/a?as={form}"), "");
                assert_eq!(wire.head().status, 200);
                wire.chunk().expect("a first heartbeat");
                wire
            })
            .into();
        let mut old_stream = encke.wire();
        old_stream.send(b"GET /channels/a HTTP/1.0\r\n\r\n");
        old_stream.head();
        // A request under way keeps the server until it is answered.
        let mut under_way = encke.wire();
        under_way.send(b"POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n1");
        encke.until("the request is under way", 1, |encke| encke.figure("encke_requests"));
        encke.until("the streams are open", 9, |encke| encke.figure("encke_sessions"));
        encke.settle();

        let stopping = encke.stop();
        until_closed(&encke);
        assert_eq!(ready(&mut health), 503, "readiness goes before anybody is turned away");
        let mut moments = Vec::new();
        for client in &mut polls {
            let replies = client.polled();
            assert_eq!((replies.len(), &replies[0]["successful"]), (1, &json!(true)), "{replies:?}");
            assert_eq!(
                (&replies[0]["id"], &replies[0]["advice"]["reconnect"]),
                (&json!("c"), &json!("retry"))
            );
            assert!(replies[0]["advice"]["timeout"].is_u64());
            moments.push(replies[0]["advice"]["interval"].as_u64());
        }
        for (socket, held) in sockets.iter_mut().zip(&held) {
            let reply = socket.reply(held);
            assert_eq!(
                (&reply["successful"], &reply["advice"]["reconnect"]),
                (&json!(true), &json!("retry"))
            );
            moments.push(reply["advice"]["interval"].as_u64());
            assert_eq!(socket.closes(), (Some(1001), "draining".to_owned()));
        }
        assert_eq!(without_session.closes().0, Some(1001));
        drop(without_session);
        for (wire, form) in streams.iter_mut().zip(["lines", "event-stream"]) {
            if form == "event-stream" {
                let last = String::from_utf8(wire.chunk().expect("when to return")).expect("text");
                let number = last.strip_prefix("retry: ").and_then(|rest| rest.strip_suffix("\n\n"));
                moments.push(number.expect(&last).parse().ok());
            }
            assert_eq!(wire.chunk(), None);
            wire.ends();
        }
        // Seven clients in twenty seconds, each at a moment of its own.
        let mut moments: Vec<_> = moments.into_iter().map(|moment| moment.expect("a number")).collect();
        moments.sort_unstable();
        assert!(moments.windows(2).all(|two| two[1] > two[0] + 800), "{moments:?}");
        assert!(moments[6] <= 20_000 && moments[6] - moments[0] > 8000, "{moments:?}");
        assert_eq!(old_stream.rest(), b"\n");

        assert_eq!(ready(&mut Wire::connect(encke.internal)), 503, "the internal listener stays to the end");
        assert_eq!(health.get("/health/live", "").response().status, 200);
        let refused = idle.post("/channels/a", "1").response();
        assert_eq!((refused.status, refused.header("connection")), (503, Some("close")));
        let seconds: u64 =
            refused.header("retry-after").and_then(|value| value.parse().ok()).expect("seconds");
        assert!((1..=20).contains(&seconds), "{seconds}");
        assert!(!stopping.is_finished());
        under_way.send(b"2");
        assert_eq!(under_way.response().json()["channel"], "/a");
        let took = stopping.join().expect("it stops");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn what_waits_is_given_before_the_end() {
    let mut encke = Encke::start();
    let mut socket = Socket::listening(&encke, "/a");
    for number in 0..50 {
        socket.tell("/a", json!({"data": number}));
    }
    encke.settle();
    let stopping = encke.stop();
    let mut data = Vec::new();
    loop {
        match socket.hear() {
            Heard::Frame(messages) => {
                data.extend(messages.iter().filter_map(|message| message.get("data").cloned()))
            }
            Heard::Close(code, _) => break assert_eq!(code, Some(1001)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(json!(data), json!((0..50).collect::<Vec<_>>()));
    stopping.join().expect("it stops");
}

#[test]
fn who_does_not_leave_is_waited_for_no_longer_than_the_drain_time() {
    let mut encke = Encke::with(|config| config.drain = Duration::from_secs(1));
    let mut never = encke.wire();
    never.send(b"POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n1");
    encke.until("the request is under way", 1, |encke| encke.figure("encke_requests"));
    let took = encke.stop().join().expect("it stops");
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(3), "{took:?}");
    assert!(never.rest().is_empty());
}

#[test]
fn a_server_without_guests_ends_at_once() {
    let mut encke = Encke::with(|config| config.drain = Duration::from_secs(60));
    let mut resting = encke.wire();
    assert_eq!(resting.post("/channels/a", "1").response().status, 200);
    let _session = Polling::connected(&encke);
    let took = encke.stop().join().expect("it stops");
    assert!(took < Duration::from_secs(5), "{took:?}");
    resting.ends();
}
