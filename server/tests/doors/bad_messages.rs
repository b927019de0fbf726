//! Messages that are JSON and still cannot be done: each gets the protocol's own error, over both transports.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bystander::Bystander;
use crate::polling::{Polling, handshake};
use crate::server::Encke;
use crate::socket::{Heard, Socket};

/// Sends one request over a socket and over a poll of a connected session; both are answered with this error, at
/// most `refused` of `cause` are counted, and both sessions go on.
fn refused(channel: &str, fields: Value, error: &str, cause: &str) -> Vec<Value> {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut socket = Socket::connected(&encke);
    let mut polling = Polling::connected(&encke);
    let spoken = socket.ask(channel, fields.clone());
    let request = polling.request(channel, fields);
    let mut polled = polling.ask(&json!([request]));
    assert_eq!(polled.len(), 1, "{polled:?}");
    let replies = vec![spoken, polled.remove(0)];
    for reply in &replies {
        assert_eq!(reply["successful"], false, "{reply}");
        assert_eq!(reply["error"], error, "{reply}");
    }
    assert_eq!(encke.refused(cause), 2, "{}", encke.figures());
    assert_eq!(socket.subscribe("/still/here")["successful"], true);
    polling.subscribe("/still/here");
    bystander.is_well(&encke);
    replies
}

#[test]
fn unknown_meta_channels() {
    for channel in
        ["/meta/unknown", "/meta/subscribe/x", "/meta/connect/", "/meta/subscribe/", "/meta", "/meta/*"]
    {
        refused(channel, json!({"subscription": "/a"}), &format!("404:{channel}:channel_unknown"), "message");
    }
}

#[test]
fn channels_with_bad_characters() {
    for channel in ["/a b", "/a:b", "/ä", "a", "/", "", "//a", "/a//b", "/a\"b", "/a?b", "/a\u{0}b"] {
        for (verb, fields) in [
            (channel, json!({"data": 1})),
            ("/meta/subscribe", json!({ "subscription": channel })),
            ("/meta/unsubscribe", json!({ "subscription": channel })),
            ("/meta/subscribe", json!({ "subscription": ["/fine", channel] })),
        ] {
            let encke = Encke::start();
            let mut socket = Socket::connected(&encke);
            let reply = socket.ask(verb, fields);
            let error = reply["error"].as_str().expect("an error");
            assert!(error.starts_with("405:") && error.ends_with(":channel_invalid"), "{channel:?}: {reply}");
            assert_eq!(encke.refused("message"), 1);
            assert_eq!(encke.figure("encke_subscriptions"), 0, "all patterns or none");
        }
    }
}

#[test]
fn five_thousand_segments() {
    let channel = "/a".repeat(5000);
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut socket = Socket::connected(&encke);
    for (verb, fields) in
        [(&*channel, json!({"data": 1})), ("/meta/subscribe", json!({ "subscription": channel }))]
    {
        let reply = socket.ask(verb, fields);
        assert_eq!(reply["successful"], false);
        assert!(
            reply.to_string().len() < 2000,
            "an error echoes a bounded part: {}",
            reply.to_string().len()
        );
    }
    // The longest that is allowed, and one more.
    assert_eq!(socket.subscribe(&"/a".repeat(32))["successful"], true);
    assert_eq!(socket.subscribe(&"/a".repeat(33))["successful"], false);
    assert_eq!(encke.refused("message"), 3);
    bystander.is_well(&encke);
}

#[test]
fn publishing_to_a_wildcard() {
    for channel in ["/a/*", "/a/**", "/*", "/**"] {
        refused(channel, json!({"data": 1}), &format!("405:{channel}:channel_invalid"), "message");
    }
}

#[test]
fn publishing_nothing() {
    refused("/a", json!({}), "400:/a:data_missing", "message");
}

#[test]
fn a_subscription_that_is_none() {
    refused("/meta/subscribe", json!({}), "403::subscription_missing", "message");
    refused("/meta/subscribe", json!({"subscription": []}), "403::subscription_invalid", "message");
    refused("/meta/subscribe", json!({"subscription": {"a": 1}}), "403::subscription_invalid", "message");
}

#[test]
fn subscribing_to_meta_channels() {
    refused(
        "/meta/subscribe",
        json!({"subscription": "/meta/connect"}),
        "403:/meta/connect,meta_channel:subscribe_denied",
        "subscribe_denied",
    );
}

#[test]
fn more_subscriptions_than_the_limit() {
    let encke = Encke::with(|config| config.sessions.subscriptions = 3);
    let mut socket = Socket::connected(&encke);
    assert_eq!(socket.ask("/meta/subscribe", json!({"subscription": ["/a", "/b"]}))["successful"], true);
    let reply = socket.ask("/meta/subscribe", json!({"subscription": ["/c", "/d"]}));
    assert_eq!(reply["error"], "403:3:too_many_subscriptions");
    assert_eq!(encke.figure("encke_subscriptions"), 2, "all patterns or none");
    assert_eq!(socket.subscribe("/a")["successful"], true, "known already");
    assert_eq!(socket.subscribe("/c")["successful"], true);
    assert_eq!(encke.refused("too_many_subscriptions"), 1);
}

#[test]
fn services_that_are_not_there() {
    refused("/service/echo", json!({"data": 1}), "404:/service/echo:channel_unknown", "service_unknown");
}

#[test]
fn ids_and_fields_of_wrong_types() {
    for (fields, error) in [
        (json!({"id": {"a": 1}, "data": 1}), "405::message_id_invalid"),
        (json!({"clientId": 7, "data": 1}), "400::message_invalid"),
        (json!({"ext": [], "data": 1}), "400::message_invalid"),
    ] {
        let encke = Encke::start();
        let mut polling = Polling::connected(&encke);
        let request = polling.request("/a", fields);
        let replies = polling.ask(&json!([request]));
        assert_eq!(replies[0]["error"], error, "{replies:?}");
        assert_eq!(encke.refused("message"), 1);
    }
}

/// 402, always with the advice to shake hands again, on each verb and in each way of asking.
#[test]
fn an_unknown_client_on_each_verb() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let verbs = [
        ("/meta/connect", json!({"connectionType": "websocket"})),
        ("/meta/subscribe", json!({"subscription": "/a"})),
        ("/meta/unsubscribe", json!({"subscription": "/a"})),
        ("/meta/disconnect", json!({})),
        ("/a", json!({"data": 1})),
    ];
    let unknown =
        ["nobody", "", "zzAAAAAAAAAAAAAAAAAAAAAA", "00AAAAAAAAAAAAAAAAAAAAAA", "\u{fffd}", &"x".repeat(5000)];
    let mut count = 0;
    for (verb, fields) in &verbs {
        for id in unknown {
            let mut fields = fields.clone();
            fields["clientId"] = json!(id);
            let mut socket = Socket::open(&encke);
            let spoken = socket.ask(verb, fields.clone());
            fields["channel"] = json!(verb);
            fields["id"] = json!("x");
            let mut wire = encke.wire();
            wire.post("/bayeux", &json!([fields]).to_string());
            for reply in [&spoken, &wire.response().messages()[0]] {
                assert_eq!(reply["channel"], *verb);
                assert_eq!(reply["successful"], false);
                assert_eq!(reply["error"], "402::session_unknown");
                assert_eq!(reply["advice"]["reconnect"], "handshake", "{reply}");
                assert!(
                    reply["advice"]["interval"].is_u64() && reply["advice"]["timeout"].is_u64(),
                    "complete advice"
                );
            }
            count += 2;
        }
    }
    assert_eq!(encke.refused("session_unknown"), count);
    assert_eq!(encke.figure("encke_messages_in_total"), 0);
    bystander.is_well(&encke);
}

#[test]
fn a_request_without_a_client() {
    let encke = Encke::start();
    for (verb, fields) in [
        ("/meta/connect", json!({"connectionType": "websocket"})),
        ("/meta/subscribe", json!({"subscription": "/a"})),
        ("/meta/disconnect", json!({})),
    ] {
        let mut fields = fields;
        fields["clientId"] = Value::Null;
        let reply = Socket::open(&encke).ask(verb, fields);
        assert_eq!(
            (&reply["successful"], &reply["advice"]["reconnect"]),
            (&json!(false), &json!("handshake"))
        );
    }
}

/// One socket, one session: whoever else is named is unknown there, though alive elsewhere.
#[test]
fn another_live_client_on_the_same_socket() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut other = Socket::listening(&encke, "/a");
    let mut socket = Socket::connected(&encke);
    for (verb, fields) in [
        ("/meta/connect", json!({"connectionType": "websocket"})),
        ("/meta/subscribe", json!({"subscription": "/a"})),
        ("/meta/disconnect", json!({})),
        ("/a", json!({"data": "not mine"})),
    ] {
        let mut fields = fields;
        fields["clientId"] = json!(other.id);
        let reply = socket.ask(verb, fields);
        assert_eq!(reply["error"], "402::session_unknown", "{verb}");
    }
    assert_eq!(encke.refused("session_unknown"), 4);
    // Neither of the two has noticed anything.
    assert_eq!(socket.ask("/a", json!({"data": 1}))["successful"], true);
    assert_eq!(other.message()["data"], 1);
    bystander.is_well(&encke);
}

#[test]
fn what_stands_beside_a_handshake_is_not_done() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let publish = json!({"channel": "/a", "data": 1, "id": "p"});
    for batch in [json!([handshake(), publish]), json!([publish, handshake()])] {
        let mut wire = encke.wire();
        wire.post("/bayeux", &batch.to_string());
        let replies = wire.response().messages();
        assert_eq!(replies.len(), 2);
        assert_eq!(
            (&replies[0]["channel"], &replies[0]["successful"]),
            (&json!("/meta/handshake"), &json!(true))
        );
        assert_eq!(replies[1]["error"], "400::batched_with_handshake");

        let mut socket = Socket::open(&encke);
        socket.say(&batch);
        let Heard::Frame(first) = socket.hear() else { panic!("a frame") };
        assert_eq!((first.len(), &first[0]["successful"]), (1, &json!(true)), "alone in its frame");
        assert_eq!(socket.reply("p")["error"], "400::batched_with_handshake");
    }
    let two = json!([handshake(), handshake()]);
    let mut wire = encke.wire();
    wire.post("/bayeux", &two.to_string());
    let replies = wire.response().messages();
    assert_eq!([&replies[0]["successful"], &replies[1]["successful"]], [&json!(true), &json!(false)]);
    assert_eq!(encke.refused("beside_handshake"), 5);
    assert_eq!(encke.figure("encke_messages_in_total"), 0);
    bystander.is_well(&encke);
}

#[test]
fn no_connection_type_in_common() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    for types in [json!(["flash"]), json!([])] {
        let request = json!({"channel": "/meta/handshake", "version": "1.0", "id": "h", "supportedConnectionTypes": types});
        let mut wire = encke.wire();
        wire.post("/bayeux", &json!([request]).to_string());
        let polled = wire.response().messages().remove(0);
        let mut socket = Socket::open(&encke);
        socket.say(&json!([request]));
        for reply in [polled, socket.reply("h")] {
            assert_eq!(reply["successful"], false);
            assert!(reply["error"].as_str().is_some_and(|error| error.starts_with("301:")), "{reply}");
            assert_eq!(reply["advice"]["reconnect"], "none");
            assert_eq!(reply["supportedConnectionTypes"], json!(["websocket", "long-polling"]));
            assert!(reply["clientId"].is_null());
        }
    }
    assert_eq!(encke.refused("no_connection_type"), 4);
    assert_eq!(encke.figure("encke_sessions"), 1);
    bystander.is_well(&encke);
}

#[test]
fn versions_that_are_not_ours() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    let mut shake = |version: &str, oldest: Option<&str>| {
        let mut request = handshake();
        request["version"] = json!(version);
        if let Some(oldest) = oldest {
            request["minimumVersion"] = json!(oldest);
        }
        wire.post("/bayeux", &json!([request]).to_string());
        wire.response().messages().remove(0)
    };
    for (version, oldest) in [("1.0", Some("0.9")), ("2.0", Some("1.0")), ("0.1", None), ("1.0beta", None)] {
        assert_eq!(shake(version, oldest)["successful"], true, "{version} {oldest:?}");
    }
    for (version, oldest) in [("2.0", None), ("3", Some("2.5"))] {
        let reply = shake(version, oldest);
        assert!(reply["error"].as_str().is_some_and(|error| error.starts_with("300:")), "{reply}");
        assert_eq!(reply["advice"]["reconnect"], "none");
    }
    assert_eq!(encke.refused("version"), 2);
}

#[test]
fn more_sessions_than_there_may_be() {
    let encke = Encke::with(|config| config.sessions.sessions = 2);
    let mut bystander = Bystander::join(&encke);
    let here = encke.figure("encke_sessions");
    assert!(here == 1 || here == 2);
    let mut wire = encke.wire();
    for _ in here..2 {
        wire.post("/bayeux", &json!([handshake()]).to_string());
        assert_eq!(wire.response().messages()[0]["successful"], true);
    }
    wire.post("/bayeux", &json!([handshake()]).to_string());
    let reply = wire.response().messages().remove(0);
    assert_eq!((&reply["successful"], &reply["error"]), (&json!(false), &json!("503:2:too_many_sessions")));
    assert_eq!(
        (&reply["advice"]["reconnect"], &reply["advice"]["interval"]),
        (&json!("handshake"), &json!(10_000))
    );
    assert!(reply["clientId"].is_null());
    assert_eq!(encke.refused("too_many_sessions"), 1);
    bystander.is_well(&encke);
}

#[test]
fn a_thousand_handshakes_without_a_connect_are_forgotten() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    for _ in 0..1000 {
        wire.post("/bayeux", &json!([handshake()]).to_string());
        assert_eq!(wire.response().messages()[0]["successful"], true);
    }
    let mut bystander = Bystander::join(&encke);
    assert_eq!(encke.figure("encke_sessions"), 1001);
    encke.advance(Duration::from_millis(9_900));
    encke.settle();
    assert_eq!(encke.figure("encke_sessions"), 1001);
    encke.advance(Duration::from_millis(200));
    encke.until("handshakes forgotten", 1000, |encke| encke.ended("expired"));
    assert_eq!(encke.figure("encke_sessions"), 1);
    bystander.is_well(&encke);
}

#[test]
fn a_bad_message_does_no_harm_to_those_beside_it() {
    let encke = Encke::start();
    let mut socket = Socket::listening(&encke, "/a");
    let (bad, _) = socket.request("/a b", json!({"data": 1}));
    let (good, id) = socket.request("/a", json!({"data": 2}));
    socket.say(&json!([bad, {}, good]));
    assert_eq!(socket.reply(&id)["successful"], true);
}

#[test]
fn a_batch_that_is_much_work_lets_others_have_their_turn() {
    let encke = Encke::start();
    let mut busy = Socket::connected(&encke);
    for hundred in 0..9 {
        let patterns: Vec<_> = (0..100).map(|number| format!("/a/{hundred}/{number}")).collect();
        let reply = busy.ask("/meta/subscribe", json!({ "subscription": patterns }));
        assert_eq!(reply["successful"], true, "{reply}");
    }
    let mut bystander = Socket::connected(&encke);
    // The wide pattern puts nine hundred to sleep, and its end wakes them.
    let batch: Vec<_> = (0..250)
        .map(|number| {
            let channel = if number % 2 == 0 { "/meta/subscribe" } else { "/meta/unsubscribe" };
            busy.request(channel, json!({"subscription": "/a/**"})).0
        })
        .collect();
    busy.say(&json!(batch));
    // The first of these may have been read before the batch.
    for pattern in ["/b", "/c"] {
        assert_eq!(bystander.subscribe(pattern)["successful"], true);
    }
    busy.stream.set_nonblocking(true).expect("a socket takes the option");
    let read = std::io::Read::read(&mut busy.stream, &mut [0; 1]);
    assert!(read.is_err(), "others were answered after the whole batch");
}
