//! `Idempotency-Key`: a publication that is repeated is published once.

use std::time::Duration;

use serde_json::{Value, json};

use crate::guard::{guarded, token};
use crate::history::keep;
use crate::server::Encke;
use crate::socket::Socket;
use crate::wire::{Response, Wire};

fn post(encke: &Encke, path: &str, key: &str, body: &str) -> Response {
    let headers = format!("Content-Type: application/json\r\nIdempotency-Key: {key}\r\n");
    encke.wire().post_with(path, &headers, body).response()
}

#[test]
fn a_repeat_is_answered_like_the_first_and_heard_once() {
    let encke = Encke::with(|config| keep(config, "/a/**", 100));
    let mut listener = Socket::listening(&encke, "/**");
    for (path, key) in [("/channels/a/b", "order-17"), ("/channels/c", "order-18")] {
        let first = post(&encke, path, key, "{\"n\":1}").json();
        assert!(first.get("repeated").is_none() && first["sessions"] == 1, "{first}");
        assert_eq!(listener.message()["data"], json!({"n": 1}));
        for _ in 0..3 {
            let again = post(&encke, path, key, "{\"n\":1}");
            assert_eq!(again.status, 200);
            let expected = json!({"channel": first["channel"], "position": first["position"],
                                  "sessions": 0, "repeated": true});
            assert_eq!(again.json(), expected);
        }
        let other = post(&encke, path, key, "{\"n\":2}");
        assert_eq!((other.status, &other.json()["error"]), (422, &json!("422::idempotency_key_reused")));
    }
    assert_eq!(post(&encke, "/channels/c", "order-19", "1").status, 200);
    assert_eq!(listener.message()["data"], 1);
    // Without a key everything is said as often as it comes.
    for _ in 0..2 {
        encke.wire().post("/channels/c", "7").response();
        assert_eq!(listener.message()["data"], 7);
    }
    assert_eq!(encke.figure("encke_publish_repeats_total"), 6);
    assert_eq!(encke.refused("idempotency_key"), 2);
}

#[test]
fn ten_minutes_later_it_is_new() {
    let encke = Encke::start();
    let first = post(&encke, "/channels/a", "k", "1").json();
    encke.advance(Duration::from_secs(599));
    assert_eq!(post(&encke, "/channels/a", "k", "1").json()["position"], first["position"]);
    encke.advance(Duration::from_secs(1));
    let later = post(&encke, "/channels/a", "k", "1").json();
    assert!(later.get("repeated").is_none() && later["position"] != first["position"]);
}

#[test]
fn the_same_bytes_of_another_kind_are_something_else() {
    let encke = Encke::start();
    assert_eq!(post(&encke, "/channels/a", "k", "1").status, 200);
    let headers = "Content-Type: text/plain\r\nIdempotency-Key: k\r\n";
    assert_eq!(encke.wire().post_with("/channels/a", headers, "1").response().status, 422);
    assert_eq!(post(&encke, "/channels/b", "k", "1").status, 422, "another channel, too");
}

#[test]
fn keys_that_are_none() {
    let encke = Encke::start();
    let long = "k".repeat(129);
    for key in ["", "a b", "a\tb", "caf\u{e9}", &long, "a\r\nIdempotency-Key: b"] {
        for (path, internal) in [("/channels/a", false), ("/api/publish", true)] {
            let mut wire = if internal { Wire::connect(encke.internal) } else { encke.wire() };
            let body = if internal { "{\"channel\":\"/a\",\"data\":1}" } else { "1" };
            let headers = format!("Content-Type: application/json\r\nIdempotency-Key: {key}\r\n");
            let response = wire.post_with(path, &headers, body).response();
            assert_eq!(response.status, 400, "{key:?} at {path}");
            assert_eq!(response.json()["error"], "400::idempotency_key_invalid");
        }
    }
    let longest = format!("!{}~", "k".repeat(126));
    assert_eq!(post(&encke, "/channels/a", &longest, "1").status, 200);
    assert_eq!(encke.figure("encke_messages_in_total"), 1);
}

#[test]
fn one_key_is_for_all_channels_of_a_publication() {
    let encke = Encke::start();
    let mut listener = Socket::listening(&encke, "/**");
    let publish = |body: Value| {
        let headers = "Content-Type: application/json\r\nIdempotency-Key: job-1\r\n";
        Wire::connect(encke.internal).post_with("/api/publish", headers, &body.to_string()).response()
    };
    let first = publish(json!({"channels": ["/a", "/b"], "data": 1})).json();
    assert_eq!(
        (&listener.message()["channel"], &listener.message()["channel"]),
        (&json!("/a"), &json!("/b"))
    );
    let again = publish(json!({"channels": ["/a", "/b"], "data": 1})).json();
    for number in 0..2 {
        let (first, again) = (&first["published"][number], &again["published"][number]);
        assert_eq!((&first["position"], &again["repeated"]), (&again["position"], &json!(true)));
    }
    // The rest of a publication that had been cut off is said; what is something else is not, not even in part.
    let more = publish(json!({"channels": ["/a", "/c"], "data": 1})).json();
    assert_eq!(more["published"][0]["repeated"], true);
    assert_eq!(listener.message()["channel"], "/c");
    let other = publish(json!({"channels": ["/d", "/a"], "data": 2}));
    assert_eq!((other.status, &other.json()["error"]), (422, &json!("422::idempotency_key_reused")));
    // Nor is it a key of the other door.
    assert_eq!(post(&encke, "/channels/e", "job-1", "1").status, 200);
    assert_eq!(listener.message()["channel"], "/e");
}

/// Whoever guesses a key swallows nobody's publication.
#[test]
fn a_key_is_its_senders() {
    let (encke, key) = guarded(|config| keep(config, "/chat/**", 10));
    let hour = Duration::from_secs(3600);
    let sent = |secret: &str, data: &str| {
        let headers = format!(
            "Content-Type: application/json\r\nIdempotency-Key: order-1\r\nAuthorization: Bearer {secret}\r\n"
        );
        let response = encke.wire().post_with("/channels/chat/1", &headers, data).response();
        (response.status, response.json()["repeated"] == true)
    };
    let (alice, bob) = (token("alice", hour), token("bob", hour));
    // A subject that is called like the key is somebody else, too.
    let app = token("app", hour);
    for secret in [&alice, &bob, &key, &app] {
        assert_eq!(sent(secret, "1"), (200, false));
    }
    for secret in [&alice, &bob, &key, &app] {
        assert_eq!(sent(secret, "1"), (200, true));
        assert_eq!(sent(secret, "2").0, 422);
    }
    // A newer token is of the same one.
    assert_eq!(sent(&token("alice", 2 * hour), "1"), (200, true));
    let body = json!({"channel": "/chat/1", "data": 1}).to_string();
    let headers = format!("Idempotency-Key: job-1\r\nAuthorization: Bearer {key}\r\n");
    let publish =
        || Wire::connect(encke.internal).post_with("/api/publish", &headers, &body).response().json();
    assert_ne!(publish()["published"][0]["repeated"], true);
    assert_eq!(publish()["published"][0]["repeated"], true);
}

#[test]
fn a_page_of_another_origin_may_send_one() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    wire.send(
        b"OPTIONS /channels/a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\n\
          Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: idempotency-key\r\n\r\n",
    );
    let response = wire.response();
    let allowed = response.header("access-control-allow-headers").expect("headers");
    assert!(allowed.contains("Idempotency-Key"), "{allowed}");
}
