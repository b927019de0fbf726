//! How fast and how many: publications, sessions of one subject, and what may wait in all outboxes.

use std::time::Duration;

use encke::policy::key;
use serde_json::{Value, json};

use crate::guard::{guarded, now, signed, token};
use crate::polling::handshake;
use crate::server::Encke;
use crate::socket::Socket;
use crate::wire::{Response, Wire};

const HOUR: Duration = Duration::from_secs(3600);
const EXCEEDED: &str = "403:/chat/1,rate_exceeded:publish_denied";

fn bearer(secret: &str) -> String {
    format!("Content-Type: application/json\r\nAuthorization: Bearer {secret}\r\n")
}

fn with_token(token: &str) -> Value {
    let mut handshake = handshake();
    handshake["ext"] = json!({"authentication": {"token": token}});
    handshake
}

fn post(encke: &Encke, channel: &str, secret: &str) -> Response {
    encke.wire().post_with(&format!("/channels{channel}"), &bearer(secret), "1").response()
}

fn stream(encke: &Encke, secret: &str) -> (Wire, Response) {
    let mut wire = encke.wire();
    let response = wire.get("/channels/users/alice/x", &bearer(secret)).head();
    (wire, response)
}

#[test]
fn a_session_publishes_at_its_rate() {
    let (encke, _) = guarded(|config| config.rates.publications_per_session = 2);
    let mut socket = Socket::open(&encke);
    socket.say(&json!([with_token(&token("alice", HOUR))]));
    socket.id = socket.reply("h")["clientId"].as_str().expect("a clientId").to_owned();
    let mut says = || socket.ask("/chat/1", json!({"data": 1}))["error"].clone();
    assert_eq!([says(), says(), says()], [Value::Null, Value::Null, json!(EXCEEDED)]);
    encke.advance(Duration::from_secs(1));
    assert_eq!([says(), says(), says()], [Value::Null, Value::Null, json!(EXCEEDED)]);
    assert_eq!(encke.refused("publications_per_session"), 2);
}

/// Nor is it a way around the rate to have no session.
#[test]
fn who_publishes_without_a_session_has_the_rate_of_one() {
    let (encke, key) = guarded(|config| config.rates.publications_per_session = 2);
    let alice = token("alice", HOUR);
    let status = |secret: &str| post(&encke, "/chat/1", secret).status;
    assert_eq!([status(&alice), status(&alice)], [200, 200]);
    let third = post(&encke, "/chat/1", &alice);
    assert_eq!((third.status, &third.json()["error"]), (403, &json!(EXCEEDED)));
    // By the other doors neither, and for others as if nothing had been.
    let publish = json!([{"channel": "/chat/1", "id": "p", "data": 1}]).to_string();
    let reply = encke.wire().post_with("/bayeux", &bearer(&alice), &publish).response().messages().remove(0);
    assert_eq!(reply["error"], EXCEEDED);
    let headers = format!("Sec-WebSocket-Protocol: bearer, {alice}\r\n");
    let mut socket = Socket::over_with(encke.wire(), "/bayeux", &headers);
    socket.say_text(&publish);
    assert_eq!(socket.reply("p")["error"], EXCEEDED);
    assert_eq!(encke.refused("publications_per_session"), 3);
    assert_eq!(status(&token("bob", HOUR)), 200);
    // A key has a rate of its own.
    assert!((0..10).all(|_| status(&key) == 200));
    encke.advance(Duration::from_secs(1));
    assert_eq!(status(&alice), 200);
}

#[test]
fn who_is_nobody_publishes_at_the_rate_of_an_address() {
    let encke = Encke::with(|config| config.rates.publications_per_session = 2);
    let status = || encke.wire().post("/channels/a", "1").response().status;
    assert_eq!([status(), status(), status()], [200, 200, 403]);
    encke.advance(Duration::from_secs(3));
    assert_eq!([status(), status(), status()], [200, 200, 403]);
}

#[test]
fn a_publication_by_the_server_api_costs_a_key_one_of_its_rate_for_each_channel() {
    let (encke, key) = guarded(|config| config.key[0].rate = 4);
    let publish = |channels: &[&str]| {
        let body = json!({"channels": channels, "data": 1}).to_string();
        Wire::connect(encke.internal).post_with("/api/publish", &bearer(&key), &body).response().status
    };
    assert_eq!(publish(&["/a", "/b", "/c", "/d"]), 200);
    assert_eq!(encke.figure("encke_messages_in_total"), 4);
    // To all of them or, when one of them cannot be, to none.
    encke.advance(Duration::from_secs(1));
    assert_eq!(publish(&["/a", "/b", "/c", "/d", "/e"]), 403);
    assert_eq!(encke.figure("encke_messages_in_total"), 4);
}

#[test]
fn a_key_is_kept_to_its_rate_where_everybody_may_do_everything_too() {
    let (secret, sha256) = key::make();
    let encke = Encke::with(|config| {
        config.key = vec![key::Options { name: "app".into(), sha256, rate: 1, ..Default::default() }];
    });
    assert_eq!([200, 403].map(|_| post(&encke, "/a", &secret).status), [200, 403]);
}

#[test]
fn a_subject_has_so_many_sessions_and_streams() {
    let (encke, _) = guarded(|config| config.rates.sessions_per_subject = 2);
    let alice = token("alice", HOUR);
    let shake = |token: &str| {
        let body = json!([with_token(token)]).to_string();
        encke.wire().post("/bayeux", &body).response().messages().remove(0)
    };
    assert_eq!(shake(&alice)["successful"], true);
    let (listening, head) = stream(&encke, &alice);
    assert_eq!(head.status, 200);
    let refused = shake(&alice);
    assert_eq!(refused["error"], "503:2:too_many_sessions");
    assert_eq!(refused["advice"]["reconnect"], "handshake");
    assert!(refused["advice"]["interval"].as_u64().is_some_and(|wait| wait >= 1000), "{refused}");
    let (_, head) = stream(&encke, &alice);
    assert_eq!(head.status, 503);
    assert!(head.header("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok_and(|wait| wait > 0)));
    assert_eq!(encke.refused("sessions_per_subject"), 2);
    // Others have theirs, and who leaves leaves room.
    assert_eq!(shake(&token("bob", HOUR))["successful"], true);
    drop(listening);
    encke.until("streams", 0, |encke| encke.connections("lines"));
    encke.until("sessions", 2, |encke| encke.figure("encke_sessions"));
    assert_eq!(stream(&encke, &alice).1.status, 200);
}

#[test]
fn a_full_node_has_no_room_for_streams_either() {
    let encke = Encke::with(|config| config.sessions.sessions = 1);
    let mut first = encke.wire();
    assert_eq!(first.get("/channels/a", "").head().status, 200);
    let second = encke.wire().get("/channels/a", "").response();
    assert_eq!((second.status, &second.json()["error"]), (503, &json!("503:1:too_many_sessions")));
    assert!(second.header("retry-after").is_some());
    assert_eq!(encke.refused("too_many_sessions"), 1);
}

/// SEDA's lesson: who is here goes on, and nobody new comes in until there is room again.
#[test]
fn full_outboxes_let_nobody_new_in() {
    let encke = Encke::with(|config| config.rates.outbox_total_bytes = 1000);
    let mut polls = crate::polling::Polling::listening(&encke, "/a");
    let body = format!("\"{}\"", "x".repeat(2000));
    assert_eq!(encke.wire().post("/channels/a", &body).response().json()["sessions"], 1);
    let full = |encke: &Encke| i64::from(encke.figure("encke_outbox_bytes") >= 1000);
    encke.advance(Duration::from_secs(1));
    encke.until("full", 1, full);
    let shaken =
        encke.wire().post("/bayeux", &json!([handshake()]).to_string()).response().messages().remove(0);
    assert_eq!(shaken["error"], "503::server_busy");
    assert_eq!(shaken["advice"]["reconnect"], "handshake");
    let refused = encke.wire().get("/channels/a", "").response();
    assert_eq!((refused.status, &refused.json()["error"]), (503, &json!("503::server_busy")));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(encke.refused("outboxes_full"), 2);
    // Who has a session goes on, and makes room.
    polls.hold();
    assert_eq!(polls.polled().len(), 2);
    encke.advance(Duration::from_secs(1));
    encke.until("room", 0, full);
    assert_eq!(encke.wire().get("/channels/a", "").head().status, 200);
}

/// A token that says nobody's name is counted as nobody.
#[test]
fn who_has_no_name_is_not_counted() {
    let (encke, _) = guarded(|config| config.rates.sessions_per_subject = 1);
    let nameless = signed(&json!({"exp": now() + 60, "encke": {"subscribe": ["/a"]}}));
    for _ in 0..3 {
        let body = json!([with_token(&nameless)]).to_string();
        assert_eq!(encke.wire().post("/bayeux", &body).response().messages()[0]["successful"], true);
    }
}
