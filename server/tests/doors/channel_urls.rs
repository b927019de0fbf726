//! A channel is a URL.

use std::time::Duration;

use bayeux::Position;
use serde_json::json;

use crate::polling::publish;
use crate::server::Encke;
use crate::socket::Socket;
use crate::wire::{Response, Wire};

/// Opens a stream, and reads the heartbeat it begins with.
fn stream(encke: &Encke, path: &str, headers: &str) -> (Wire, Response) {
    let mut wire = encke.wire();
    wire.get(path, headers);
    let head = wire.head();
    assert_eq!(head.status, 200, "{head:?}");
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    let first = wire.chunk().expect("a first heartbeat");
    let is_events = head.header("content-type") == Some("text/event-stream");
    assert!(if is_events { first.starts_with(b"retry: ") } else { first == b"\n" }, "{first:?}");
    (wire, head)
}

/// The text that comes with the next chunk.
fn next(wire: &mut Wire) -> String {
    String::from_utf8(wire.chunk().expect("the stream goes on")).expect("UTF-8")
}

#[test]
fn a_publication_is_answered_with_its_channel_position_and_reach() {
    for cores in [1, 2] {
        let encke = Encke::with(|config| config.cores = cores);
        let _listeners: Vec<_> = (0..3).map(|_| Socket::listening(&encke, "/chat/*")).collect();
        let mut wire = encke.wire();
        let mut positions = Vec::new();
        for _ in 0..3 {
            let response = wire.post("/channels/chat/demo", "{\"text\":\"hello\"}").response();
            assert_eq!(response.status, 200);
            assert_eq!(response.header("content-type"), Some("application/json"));
            assert_eq!(response.header("cache-control"), Some("no-store"));
            let answer = response.json();
            assert_eq!((&answer["channel"], &answer["sessions"]), (&json!("/chat/demo"), &json!(3)));
            positions.push(
                answer["position"].as_str().expect("a position").parse::<Position>().expect("a position"),
            );
        }
        assert!(positions.is_sorted() && positions[0] != positions[2]);
        assert!(positions.iter().all(|position| position.epoch == positions[0].epoch));
    }
}

/// Whoever has seen the head of a stream listens: what is published from then on arrives.
#[test]
fn a_stream_that_has_begun_listens() {
    let encke = Encke::with(|config| config.cores = 2);
    let mut speaker = encke.wire();
    for number in 0..200 {
        let mut wire = encke.wire();
        wire.get(&format!("/channels/a/{number}?as=lines"), "").head();
        let path = format!("/channels/a/{number}");
        assert_eq!(speaker.post(&path, "1").response().json()["sessions"], 1, "after {number}");
    }
}

#[test]
fn lines_are_whole_envelopes() {
    let encke = Encke::start();
    for (path, headers) in [
        ("/channels/a/*", ""),
        ("/channels/a/*", "Accept: */*\r\n"),
        ("/channels/a/*?as=lines", "Accept: text/event-stream\r\n"),
        ("/channels/a/*", "Accept: application/x-ndjson\r\n"),
    ] {
        let (mut wire, head) = stream(&encke, path, headers);
        assert_eq!(head.header("content-type"), Some("application/x-ndjson"));
        publish(&encke, "/a/b", &json!({"text": "one\ntwo"}));
        let line = next(&mut wire);
        assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line:?}");
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&line["channel"], &line["data"]), (&json!("/a/b"), &json!({"text": "one\ntwo"})));
    }
}

#[test]
fn events_are_payloads_named_when_the_pattern_is_wide() {
    let encke = Encke::start();
    let (mut exact, head) = stream(&encke, "/channels/a/b", "Accept: text/event-stream\r\n");
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    // It ends by a last chunk when the server ends it, and then nobody may send another request on it.
    assert_eq!(head.header("connection"), Some("close"));
    assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
    assert_eq!(head.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(head.header("vary"), Some("Accept, Origin"));
    let (mut wide, _) = stream(&encke, "/channels/a/*?as=event-stream", "");
    let (mut wider, _) = stream(&encke, "/channels/a/**?as=event-stream", "");
    assert_eq!(publish(&encke, "/a/b", &json!([1])), 3);
    let event = next(&mut exact);
    assert!(event.contains("data: [1]\n") || event.contains("data:[1]\n"), "{event:?}");
    assert!(event.contains("id:") && event.ends_with("\n\n") && !event.contains("event:"), "{event:?}");
    for wire in [&mut wide, &mut wider] {
        let event = next(wire);
        assert!(event.contains("event: /a/b\n") || event.contains("event:/a/b\n"), "{event:?}");
    }
    assert_eq!(publish(&encke, "/a/b/c", &json!(2)), 1);
    assert!(next(&mut wider).contains("/a/b/c"));
}

#[test]
fn a_stream_is_counted_while_it_lasts() {
    let encke = Encke::start();
    let (wire, _) = stream(&encke, "/channels/a", "");
    let (events, _) = stream(&encke, "/channels/a?as=event-stream", "");
    assert_eq!((encke.connections("lines"), encke.connections("event-stream")), (1, 1));
    assert_eq!((encke.figure("encke_sessions"), encke.figure("encke_subscriptions")), (2, 2));
    drop((wire, events));
    encke.until("streams", 0, |encke| encke.figure("encke_sessions"));
    encke.until("ended", 2, |encke| encke.ended("closed"));
    assert_eq!(encke.figure("encke_subscriptions"), 0);
    assert_eq!(publish(&encke, "/a", &json!(1)), 0);
}

#[test]
fn a_quiet_stream_has_heartbeats_and_never_expires() {
    let encke = Encke::start();
    let (mut lines, _) = stream(&encke, "/channels/a", "");
    let (mut events, _) = stream(&encke, "/channels/a?as=event-stream", "");
    for _ in 0..20 {
        encke.settle();
        assert!(lines.is_silent() && events.is_silent());
        encke.advance(Duration::from_secs(26));
        assert_eq!(next(&mut lines), "\n");
        assert_eq!(next(&mut events), ":\n\n");
    }
    publish(&encke, "/a", &json!("after nine minutes"));
    assert!(next(&mut lines).contains("nine"));
    assert!(next(&mut events).contains("nine"));
}

#[test]
fn a_stream_of_http_1_0_is_not_chunked() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    wire.send(b"GET /channels/a HTTP/1.0\r\n\r\n");
    let head = wire.head();
    assert_eq!((head.header("transfer-encoding"), head.header("connection")), (None, Some("close")));
    assert_eq!(wire.take(1), b"\n");
    encke.settle();
    publish(&encke, "/a", &json!(1));
    assert_eq!(wire.take_until(b"\n"), b"{\"channel\":\"/a\",\"data\":1}\n");
}

#[test]
fn names_may_be_percent_encoded() {
    let encke = Encke::start();
    let (mut wire, _) = stream(&encke, "/channels/%61/%2A", "");
    let mut other = encke.wire();
    let response = other.post("/channels/a%2Fb%21", "1").response();
    assert_eq!(response.json()["channel"], "/a/b!");
    assert!(next(&mut wire).contains("/a/b!"));
    let response = other.post("/channels/%FF", "1").response();
    response.is_refused(400);
}

#[test]
fn names_that_are_no_channels_are_refused() {
    let encke = Encke::start();
    for path in [
        "/channels",
        "/channels/",
        "/channels//a",
        "/channels/a%20b",
        "/channels/a/*/b",
        "/channels/%00",
        "/channels/a%0d%0aX:y",
    ] {
        for method in ["GET", "POST"] {
            let mut wire = encke.wire();
            wire.send(
                format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1")
                    .as_bytes(),
            );
            let response = wire.response();
            assert_eq!(response.status, 400, "{method} {path}");
            assert!(
                response.json()["error"].as_str().is_some_and(|error| error.ends_with(":channel_invalid"))
            );
        }
    }
    // One cannot publish to many.
    assert_eq!(encke.wire().post("/channels/a/*", "1").response().status, 400);
    assert_eq!(encke.refused("channel_request"), 15);
}

#[test]
fn meta_and_service_channels_are_not_routed() {
    let encke = Encke::start();
    for path in ["/channels/meta/connect", "/channels/service/x", "/channels/meta/x"] {
        assert_eq!(encke.wire().post(path, "1").response().status, 403, "{path}");
    }
    assert_eq!(encke.wire().get("/channels/meta/connect", "").response().status, 403);
    assert_eq!(encke.wire().get("/channels/meta/*", "").response().status, 403);
    assert_eq!(encke.figure("encke_sessions"), 0);
}

#[test]
fn forms_that_streams_do_not_come_in() {
    let encke = Encke::start();
    for (path, headers) in [
        ("/channels/a?as=telegram", ""),
        ("/channels/a", "Accept: image/png\r\n"),
        ("/channels/a", "Accept: audio/ogg, image/*\r\n"),
    ] {
        encke.wire().get(path, headers).response().is_refused(406);
    }
    assert_eq!(encke.refused("channel_request"), 3);
}

#[test]
fn bodies_that_channels_do_not_take() {
    let encke = Encke::start();
    let post = |headers: &str, body: &str| encke.wire().post_with("/channels/a", headers, body).response();
    for body in ["", "no", "{}{}", &"[".repeat(200)] {
        let response = post("", body);
        assert_eq!(
            (response.status, &response.json()["error"]),
            (400, &json!("400::json_invalid")),
            "{body}"
        );
    }
    assert_eq!(post("", &format!("\"{}\"", "x".repeat(64 * 1024))).status, 413);
    let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
    assert_eq!(post("", &deep).status, 400);
    // What `curl -d` sends says that it is a form, and one that JSON has a suffix of its own is JSON too.
    assert_eq!(post("Content-Type: application/x-www-form-urlencoded\r\n", "{\"a\":1}").status, 200);
    assert_eq!(post("Content-Type: application/problem+json; charset=utf-8\r\n", "{\"a\":1}").status, 200);
    assert_eq!(encke.figure("encke_messages_in_total"), 2);
}

#[test]
fn methods_that_channels_do_not_know() {
    let encke = Encke::start();
    for method in ["PUT", "DELETE", "PATCH", "HEAD"] {
        let mut wire = encke.wire();
        wire.send(format!("{method} /channels/a HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        let head = wire.head();
        assert_eq!((head.status, head.header("allow")), (405, Some("GET, POST, OPTIONS")), "{method}");
    }
    let mut wire = encke.wire();
    wire.send(b"OPTIONS /channels/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(wire.response().status, 204);
}

#[test]
fn who_talks_into_a_stream_is_not_listened_to_for_long() {
    let encke = Encke::start();
    let (mut wire, _) = stream(&encke, "/channels/a", "");
    wire.send(&[b'x'; 1000]);
    publish(&encke, "/a", &json!(1));
    assert!(next(&mut wire).contains("/a"));
    wire.send_while_taken(&vec![b'x'; 1024 * 1024]);
    let _ = wire.rest();
    encke.until("streams", 0, |encke| encke.figure("encke_sessions"));
}
