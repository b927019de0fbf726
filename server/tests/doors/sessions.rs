//! Bayeux over a WebSocket, and sessions as they move.

use std::time::Duration;

use serde_json::{Value, json};

use crate::polling::{Polling, handshake, publish};
use crate::server::Encke;
use crate::socket::{Heard, Socket};

fn is_complete(advice: &Value, reconnect: &str) {
    assert_eq!(advice["reconnect"], reconnect, "{advice}");
    assert!(advice["interval"].is_u64() && advice["timeout"].is_u64(), "incomplete: {advice}");
}

#[test]
fn a_handshake_names_all_types_and_gives_complete_advice() {
    let encke = Encke::start();
    let reply = Socket::open(&encke).handshake();
    assert_eq!(reply["version"], "1.0");
    assert_eq!(reply["supportedConnectionTypes"], json!(["websocket", "long-polling"]));
    is_complete(&reply["advice"], "retry");
    assert_eq!(reply["advice"]["timeout"], 30_000);
    let id = reply["clientId"].as_str().expect("an id");
    assert!(id.len() >= 22 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
}

#[test]
fn the_first_connect_is_answered_at_once_with_advice() {
    let encke = Encke::start();
    let mut socket = Socket::open(&encke);
    socket.handshake();
    let reply = socket.ask("/meta/connect", json!({"connectionType": "websocket"}));
    assert_eq!(reply["successful"], true);
    is_complete(&reply["advice"], "retry");
}

#[test]
fn a_held_connect_is_answered_at_its_timeout() {
    let encke = Encke::start();
    let mut socket = Socket::connected(&encke);
    let held = socket.hold();
    // Answered in order: when this reply is there, the connect is held.
    socket.subscribe("/a");
    encke.advance(Duration::from_millis(29_900));
    encke.settle();
    assert!(matches!(ask_ping(&mut socket), Heard::Ping | Heard::Pong(_)));
    encke.advance(Duration::from_millis(200));
    let reply = socket.reply(&held);
    assert_eq!((&reply["channel"], &reply["successful"]), (&json!("/meta/connect"), &json!(true)));
    assert_eq!(encke.figure("encke_sessions"), 1);
}

/// Sends a ping, and hears what the server says first: a pong when it had nothing else to say.
fn ask_ping(socket: &mut Socket) -> Heard {
    socket.frame(bayeux::websocket::Opcode::Ping, true, b"x");
    socket.hear()
}

#[test]
fn a_connect_is_held_as_long_as_its_client_asks() {
    let encke = Encke::start();
    let mut socket = Socket::connected(&encke);
    let held = socket.tell("/meta/connect", json!({"advice": {"timeout": 2000}}));
    socket.subscribe("/a");
    encke.advance(Duration::from_millis(1_900));
    encke.settle();
    assert_eq!(ask_ping(&mut socket), Heard::Pong(b"x".to_vec()));
    encke.advance(Duration::from_millis(200));
    assert_eq!(socket.reply(&held)["successful"], true);
    // Not at all: its first connect after a failure.
    let reply = socket.ask("/meta/connect", json!({"advice": {"timeout": 0}}));
    assert_eq!(reply["successful"], true);
    is_complete(&reply["advice"], "retry");
}

#[test]
fn messages_come_while_a_connect_is_held_and_do_not_answer_it() {
    let encke = Encke::start();
    let mut socket = Socket::listening(&encke, "/a/*");
    let held = socket.hold();
    for number in 0..10 {
        assert_eq!(publish(&encke, "/a/b", &json!(number)), 1);
        assert_eq!(
            socket.message(),
            json!({"channel": "/a/b", "data": number}),
            "nothing else is in a delivery"
        );
    }
    encke.advance(Duration::from_secs(31));
    assert_eq!(socket.reply(&held)["successful"], true);
}

#[test]
fn messages_come_before_the_first_connect_too() {
    let encke = Encke::start();
    let mut socket = Socket::open(&encke);
    socket.handshake();
    socket.subscribe("/a");
    publish(&encke, "/a", &json!(1));
    assert_eq!(socket.message()["data"], 1);
}

#[test]
fn a_duplicate_connect_is_answered_and_the_new_one_is_held() {
    let encke = Encke::start();
    let mut socket = Socket::connected(&encke);
    let first = socket.hold();
    let second = socket.hold();
    let reply = socket.reply(&first);
    assert_eq!(reply["successful"], true, "{reply}");
    assert_eq!(ask_ping(&mut socket), Heard::Pong(b"x".to_vec()));
    encke.advance(Duration::from_secs(31));
    assert_eq!(socket.reply(&second)["successful"], true);
}

#[test]
fn the_held_connect_is_answered_before_the_disconnect() {
    let encke = Encke::start();
    let mut socket = Socket::connected(&encke);
    let held = socket.hold();
    let gone = socket.tell("/meta/disconnect", json!({}));
    let [connect, disconnect] = [socket.message(), socket.message()];
    assert_eq!([&connect["id"], &disconnect["id"]], [&json!(held), &json!(gone)]);
    assert_eq!([&connect["successful"], &disconnect["successful"]], [&json!(true), &json!(true)]);
    is_complete(&connect["advice"], "none");
    assert_eq!(encke.ended("disconnected"), 1);
    assert_eq!(encke.figure("encke_sessions"), 0);
    // The socket may begin again.
    socket.handshake();
    assert_eq!(socket.ask("/meta/connect", json!({}))["successful"], true);
}

#[test]
fn a_socket_takes_up_a_session_and_what_waited_for_it() {
    for cores in [1, 2, 3] {
        let encke = Encke::with(|config| config.cores = cores);
        let polling = Polling::listening(&encke, "/a");
        for number in 0..100 {
            assert_eq!(publish(&encke, "/a", &json!(number)), 1);
        }
        let mut socket = Socket::open(&encke);
        socket.id = polling.id.clone();
        socket.hold();
        for number in 0..100 {
            assert_eq!(socket.message()["data"], number);
        }
        publish(&encke, "/a", &json!("live"));
        assert_eq!(socket.message()["data"], "live");
    }
}

#[test]
fn a_newer_socket_takes_the_session_from_an_older_one() {
    let encke = Encke::start();
    let mut old = Socket::listening(&encke, "/a");
    old.hold();
    let mut new = Socket::open(&encke);
    new.id = old.id.clone();
    new.hold();
    new.subscribe("/b");
    assert_eq!(old.closes(), (Some(1000), "replaced".to_owned()));
    publish(&encke, "/a", &json!(1));
    assert_eq!(new.message()["data"], 1);
    assert_eq!(encke.figure("encke_sessions"), 1);
}

#[test]
fn a_socket_that_closes_leaves_its_session_its_grace() {
    let encke = Encke::start();
    let mut socket = Socket::listening(&encke, "/a");
    let id = socket.id.clone();
    socket.hold();
    drop(socket);
    encke.until("sockets", 0, |encke| encke.connections("websocket"));
    publish(&encke, "/a", &json!("meanwhile"));
    encke.advance(Duration::from_secs(29));
    let mut again = Socket::open(&encke);
    again.id = id;
    again.hold();
    assert_eq!(again.message()["data"], "meanwhile");
}

#[test]
fn after_its_grace_a_session_is_unknown() {
    let encke = Encke::start();
    let mut socket = Socket::listening(&encke, "/a");
    let id = socket.id.clone();
    socket.hold();
    drop(socket);
    encke.until("sockets", 0, |encke| encke.connections("websocket"));
    encke.advance(Duration::from_secs(31));
    encke.until("expired", 1, |encke| encke.ended("expired"));
    assert_eq!(encke.figure("encke_sessions"), 0);
    assert_eq!(encke.figure("encke_subscriptions"), 0);
    let mut again = Socket::open(&encke);
    again.id = id;
    let reply = again.ask("/meta/connect", json!({}));
    assert_eq!(reply["error"], "402::session_unknown");
    is_complete(&reply["advice"], "handshake");
    again.handshake();
    assert_eq!(again.ask("/meta/connect", json!({}))["successful"], true);
}

#[test]
fn a_session_that_stops_connecting_expires_and_its_socket_closes() {
    let encke = Encke::start();
    let mut socket = Socket::connected(&encke);
    encke.advance(Duration::from_secs(31));
    assert_eq!(socket.closes().0, Some(1000));
    assert_eq!(encke.ended("expired"), 1);
}

#[test]
fn a_new_handshake_on_a_socket_binds_it_anew() {
    let encke = Encke::start();
    let mut socket = Socket::listening(&encke, "/old");
    let old = socket.id.clone();
    socket.hold();
    socket.handshake();
    assert_ne!(socket.id, old);
    socket.ask("/meta/connect", json!({}));
    socket.subscribe("/new");
    publish(&encke, "/old", &json!("not here"));
    publish(&encke, "/new", &json!("here"));
    assert_eq!(socket.message()["data"], "here");
    // The old session has its grace, and another socket may take it up.
    let mut other = Socket::open(&encke);
    other.id = old;
    other.hold();
    assert_eq!(other.message()["data"], "not here");
}

#[test]
fn overlapping_patterns_give_one_copy_and_narrow_ones_wake_up() {
    let encke = Encke::start();
    let mut socket = Socket::connected(&encke);
    let reply = socket.ask("/meta/subscribe", json!({"subscription": ["/a/b", "/a/*", "/a/**", "/**"]}));
    assert_eq!(reply["subscription"], json!(["/a/b", "/a/*", "/a/**", "/**"]));
    let mut number = 0;
    let mut reaches = |socket: &mut Socket, channel: &str, copies: u64| {
        number += 1;
        assert_eq!(publish(&encke, channel, &json!(number)), copies, "{channel}");
        if copies > 0 {
            assert_eq!(socket.message()["data"], number);
        }
    };
    reaches(&mut socket, "/a/b", 1);
    reaches(&mut socket, "/else", 1);
    socket.ask("/meta/unsubscribe", json!({"subscription": "/**"}));
    reaches(&mut socket, "/else", 0);
    reaches(&mut socket, "/a/b/c", 1);
    socket.ask("/meta/unsubscribe", json!({"subscription": ["/a/**"]}));
    reaches(&mut socket, "/a/b/c", 0);
    reaches(&mut socket, "/a/c", 1);
    socket.ask("/meta/unsubscribe", json!({"subscription": "/a/*"}));
    reaches(&mut socket, "/a/c", 0);
    reaches(&mut socket, "/a/b", 1);
    socket.ask("/meta/unsubscribe", json!({"subscription": "/a/b"}));
    reaches(&mut socket, "/a/b", 0);
    assert_eq!(encke.figure("encke_subscriptions"), 0);
}

#[test]
fn a_publisher_hears_itself_before_the_reply() {
    let encke = Encke::start();
    let mut socket = Socket::listening(&encke, "/a");
    let (publish, id) = socket.request("/a", json!({"data": 1}));
    socket.say(&json!([publish]));
    let [first, second] = [socket.message(), socket.message()];
    assert_eq!(first, json!({"channel": "/a", "data": 1}), "the publisher's id is not sent out");
    assert_eq!((&second["id"], &second["successful"]), (&json!(id), &json!(true)));
}

#[test]
fn replies_echo_the_id_as_the_token_that_was_sent() {
    let encke = Encke::start();
    let mut socket = Socket::connected(&encke);
    for id in ["7", "\"7\"", "7.50", "-1e3", "\"\\u0041\"", "12345678901234567890123"] {
        socket.say_text(&format!("[{{\"channel\":\"/a\",\"data\":1,\"id\":{id}}}]"));
        let Heard::Frame(frame) = socket.hear() else { panic!("a frame") };
        let sent: Value = serde_json::from_str(id).unwrap();
        assert_eq!(frame[0]["id"], sent);
    }
}

#[test]
fn heartbeats_go_over_a_quiet_socket() {
    let encke = Encke::start();
    let mut socket = Socket::connected(&encke);
    socket.hold();
    socket.subscribe("/a");
    for _ in 0..3 {
        encke.advance(Duration::from_secs(26));
        loop {
            match socket.hear() {
                Heard::Ping => break,
                Heard::Frame(frame) => {
                    assert_eq!(frame[0]["channel"], "/meta/connect");
                    socket.hold();
                    encke.settle();
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn no_subprotocol_is_ever_chosen() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    wire.get("/bayeux", &format!("{}Sec-WebSocket-Protocol: bayeux\r\n", Socket::headers()));
    let response = wire.head();
    assert_eq!((response.status, response.header("sec-websocket-protocol")), (101, None));
}

#[test]
fn a_bad_upgrade_says_what_is_wrong() {
    let encke = Encke::start();
    let good = Socket::headers();
    for (headers, status) in [
        (good.replace("Version: 13", "Version: 8"), 426),
        (good.replace("Sec-WebSocket-Version: 13\r\n", ""), 426),
        (good.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), 400),
    ] {
        let mut wire = encke.wire();
        wire.get("/bayeux", &headers);
        let response = wire.response();
        assert_eq!(response.header("sec-websocket-version"), Some("13"));
        response.is_refused(status);
    }
    assert_eq!(encke.refused("bad_upgrade"), 3);
}

/// What a client sends at once, it gets the answers to at once, each in its place.
#[test]
fn many_frames_in_one_write_are_answered_in_order() {
    let encke = Encke::start();
    let mut socket = Socket::connected(&encke);
    let ids: Vec<_> = (0..200).map(|_| socket.tell("/a", json!({"data": 1}))).collect();
    for id in ids {
        assert_eq!(socket.message()["id"], id);
    }
}

/// A client may send its first frames without waiting for the answer to its handshake.
#[test]
fn frames_right_behind_the_upgrade_are_heard() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    let mut bytes =
        format!("GET /bayeux HTTP/1.1\r\nHost: localhost\r\n{}\r\n", Socket::headers()).into_bytes();
    bayeux::websocket::write_masked_frame(
        &mut bytes,
        bayeux::websocket::Opcode::Text,
        true,
        [1, 2, 3, 4],
        json!([handshake()]).to_string().as_bytes(),
    );
    wire.send(&bytes);
    assert_eq!(wire.head().status, 101);
    let frame = wire.take_until(b"]");
    assert!(String::from_utf8_lossy(&frame).contains("/meta/handshake"));
}
