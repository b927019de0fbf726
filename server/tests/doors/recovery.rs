//! Subscriptions that begin in the past.

use serde_json::{Value, json};
use std::time::Duration;

use crate::history::keep;
use crate::polling::publish;
use crate::server::Encke;
use crate::socket::Socket;

/// Subscribes from there; answers with what became of it.
fn subscribe(socket: &mut Socket, pattern: &str, since: &str) -> Value {
    let fields = json!({"subscription": pattern, "ext": {"encke": {"since": {pattern: since}}}});
    let reply = socket.ask("/meta/subscribe", fields);
    assert_eq!(reply["successful"], true, "{reply}");
    reply["ext"]["encke"]["recovery"][pattern].clone()
}

fn replayed(socket: &mut Socket, subscription: &str) -> Value {
    let message = socket.message();
    assert_eq!(message["ext"]["encke"]["subscription"], subscription, "{message}");
    message["data"].clone()
}

fn position(message: &Value) -> String {
    message["ext"]["encke"]["position"]
        .as_str()
        .unwrap_or_else(|| panic!("no position: {message}"))
        .to_owned()
}

#[test]
fn a_new_session_gets_what_the_old_one_missed() {
    let encke = Encke::with(|config| keep(config, "/a/**", 100));
    let mut socket = Socket::connected(&encke);
    let first = subscribe(&mut socket, "/a/*", "now");
    assert!(first["cursor"].is_string() && first["recovered"].is_null(), "{first}");
    publish(&encke, "/a/1", &json!(0));
    publish(&encke, "/a/2", &json!(1));
    let message = socket.message();
    assert_eq!((&message["data"], &message["ext"]["encke"]["subscription"]), (&json!(0), &Value::Null));
    drop(socket);
    for number in 2..5 {
        publish(&encke, "/a/1", &json!(number));
        publish(&encke, "/b", &json!(number));
        publish(&encke, "/a/b/c", &json!(number));
    }
    let mut next = Socket::connected(&encke);
    let second = subscribe(&mut next, "/a/*", &position(&message));
    assert_eq!(second["recovered"], true, "{second}");
    for number in 1..5 {
        assert_eq!(replayed(&mut next, "/a/*"), number);
    }
    publish(&encke, "/a/9", &json!(5));
    let live = next.message();
    assert_eq!((&live["data"], &live["ext"]["encke"]["subscription"]), (&json!(5), &Value::Null));
    // From the end of all: nothing is missing, and nothing comes.
    let third = subscribe(&mut Socket::connected(&encke), "/a/*", &position(&live));
    assert_eq!((&third["recovered"], &third["cursor"]), (&json!(true), &json!(position(&live))));
}

#[test]
fn a_replay_follows_the_reply_that_announces_it() {
    let encke = Encke::with(|config| {
        keep(config, "/a", 10);
        keep(config, "/b", 10);
        config.channel[1].last_value = true;
    });
    publish(&encke, "/a", &json!(1));
    publish(&encke, "/b", &json!(1));
    let mut socket = Socket::connected(&encke);
    for fields in [
        json!({"subscription": "/a", "ext": {"encke": {"since": {"/a": "all"}}}}),
        json!({"subscription": "/b"}),
    ] {
        socket.tell("/meta/subscribe", fields);
        assert_eq!(socket.message()["channel"], "/meta/subscribe");
        assert_eq!(socket.message()["data"], 1);
    }
    // In a response too: what it brings comes with the next connect.
    let mut polls = crate::polling::Polling::connected(&encke);
    let fields = json!({"subscription": "/a", "ext": {"encke": {"since": {"/a": "all"}}}});
    let subscribe = polls.request("/meta/subscribe", fields);
    assert_eq!(polls.ask(&json!([subscribe])).len(), 1);
    assert_eq!(polls.hold().polled()[0]["data"], 1);
}

#[test]
fn all_that_is_kept_is_that_of_quiet_channels_too() {
    let encke = Encke::with(|config| keep(config, "/a/*", 3));
    publish(&encke, "/a/quiet", &json!("quiet"));
    for number in 0..9 {
        publish(&encke, "/a/busy", &json!(number));
    }
    let mut socket = Socket::connected(&encke);
    for (since, reason) in [("all", Value::Null), ("1-1", json!("new_epoch"))] {
        assert_eq!(subscribe(&mut socket, "/a/*", since)["reason"], reason);
        assert_eq!(replayed(&mut socket, "/a/*"), "quiet");
        for number in 6..9 {
            assert_eq!(replayed(&mut socket, "/a/*"), number);
        }
    }
}

#[test]
fn a_body_asks_for_so_many_bytes_of_pages() {
    let encke = Encke::with(|config| keep(config, "/a", 100));
    for _ in 0..12 {
        publish(&encke, "/a", &json!("x".repeat(60_000)));
    }
    let mut polls = crate::polling::Polling::connected(&encke);
    let ask = |polls: &mut crate::polling::Polling| {
        polls.request("/service/history", json!({"data": {"channel": "/a", "since": "all"}}))
    };
    let many: Vec<Value> = (0..100).map(|_| ask(&mut polls)).collect();
    let pages = polls.ask(&json!(many));
    assert_eq!(pages.len(), 100);
    assert!(pages.iter().all(|page| page["successful"] == true && page["data"]["more"] == true));
    let full = pages.iter().filter(|page| page["data"]["messages"] != json!([])).count();
    assert!((4..=6).contains(&full), "{full} pages have messages");
}

#[test]
fn a_narrow_replay_under_a_wide_live_subscription_is_told_apart() {
    let encke = Encke::with(|config| keep(config, "/**", 100));
    let mut socket = Socket::listening(&encke, "/a/**");
    for number in 0..3 {
        publish(&encke, "/a/b", &json!(number));
        assert_eq!(socket.message()["data"], number);
    }
    assert_eq!(subscribe(&mut socket, "/a/b", "all")["recovered"], Value::Null);
    for number in 0..3 {
        assert_eq!(replayed(&mut socket, "/a/b"), number);
    }
    publish(&encke, "/a/b", &json!(3));
    let live = socket.message();
    assert_eq!((&live["data"], &live["ext"]["encke"]["subscription"]), (&json!(3), &Value::Null), "once");
    publish(&encke, "/a/c", &json!(4));
    assert_eq!(socket.message()["data"], 4);
}

#[test]
fn a_cursor_that_cannot_be_honoured_is_told_so() {
    let encke = Encke::with(|config| {
        keep(config, "/a", 3);
        keep(config, "/b", 3);
    });
    let mut socket = Socket::connected(&encke);
    let start = subscribe(&mut socket, "/a", "now")["cursor"].as_str().expect("a cursor").to_owned();
    for number in 0..5 {
        publish(&encke, "/a", &json!(number));
    }
    let mut next = Socket::connected(&encke);
    let answer = subscribe(&mut next, "/a", &start);
    assert_eq!((&answer["recovered"], &answer["reason"]), (&json!(false), &json!("too_old")), "{answer}");
    for number in 2..5 {
        assert_eq!(replayed(&mut next, "/a"), number, "what is still kept");
    }
    let future = format!("{}-zzzz", start.split('-').next().expect("an epoch"));
    let of_b = subscribe(&mut next, "/b", "now")["cursor"].as_str().expect("a cursor").to_owned();
    for (cursor, reason) in
        [(&*future, "unknown"), (&of_b, "unknown"), ("nonsense", "unknown"), ("", "unknown")]
    {
        let mut next = Socket::connected(&encke);
        let answer = subscribe(&mut next, "/a", cursor);
        assert_eq!((&answer["recovered"], &answer["reason"]), (&json!(false), &json!(reason)), "{cursor}");
        publish(&encke, "/a", &json!("live"));
        assert_eq!(next.message()["data"], "live");
    }
    // Another life of the server: what it has kept since then is new to everybody.
    let mut next = Socket::connected(&encke);
    let answer = subscribe(&mut next, "/a", "1a-5");
    assert_eq!((&answer["recovered"], &answer["reason"]), (&json!(false), &json!("new_epoch")));
    assert_eq!(replayed(&mut next, "/a"), "live");
    // A channel without history.
    assert_eq!(subscribe(&mut next, "/c", &start), json!({"recovered": false, "reason": "unknown"}));
    assert_eq!(subscribe(&mut next, "/d", "now"), json!({}));
}

#[test]
fn a_cursor_holds_several_histories() {
    let encke = Encke::with(|config| {
        keep(config, "/a/**", 100);
        keep(config, "/b/**", 100);
    });
    let mut socket = Socket::connected(&encke);
    let cursor = subscribe(&mut socket, "/**", "now")["cursor"].as_str().expect("a cursor").to_owned();
    assert_eq!(cursor.split('.').count(), 2);
    drop(socket);
    for number in 0..3 {
        publish(&encke, "/a/1", &json!(["a", number]));
        publish(&encke, "/b/1", &json!(["b", number]));
    }
    let mut next = Socket::connected(&encke);
    assert_eq!(subscribe(&mut next, "/**", &cursor)["recovered"], true);
    let mut heard: Vec<Value> = (0..6).map(|_| replayed(&mut next, "/**")).collect();
    heard.sort_by_key(|data| data.to_string());
    let all: Vec<Value> = ["a", "b"].iter().flat_map(|h| (0..3).map(move |n| json!([h, n]))).collect();
    assert_eq!(heard, all);
}

#[test]
fn salesforces_clients_ask_in_their_own_way() {
    let encke = Encke::with(|config| keep(config, "/event/**", 100));
    for number in 0..4 {
        publish(&encke, "/event/A__e", &json!(number));
    }
    let mut socket = Socket::open(&encke);
    let fields = json!({"version": "1.0", "clientId": null, "ext": {"replay": true},
                        "supportedConnectionTypes": ["websocket"]});
    let reply = socket.ask("/meta/handshake", fields);
    assert_eq!(reply["ext"]["replay"], true);
    socket.id = reply["clientId"].as_str().expect("a clientId").to_owned();
    let ask = |socket: &mut Socket, id: Value| {
        let fields = json!({"subscription": "/event/A__e", "ext": {"replay": {"/event/A__e": id}}});
        socket.ask("/meta/subscribe", fields)
    };
    assert_eq!(ask(&mut socket, json!(-2))["successful"], true);
    for number in 0..4 {
        assert_eq!(replayed(&mut socket, "/event/A__e"), number);
    }
    let reply = ask(&mut socket, json!(2));
    assert_eq!(reply["ext"]["encke"]["recovery"]["/event/A__e"]["recovered"], true, "{reply}");
    for number in 2..4 {
        assert_eq!(replayed(&mut socket, "/event/A__e"), number);
    }
    assert_eq!(ask(&mut socket, json!(-1))["successful"], true);
    publish(&encke, "/event/A__e", &json!(4));
    assert_eq!(socket.message()["data"], 4);
}

#[test]
fn a_last_value_is_there_when_somebody_comes() {
    let encke = Encke::with(|config| {
        keep(config, "/price/*", 5);
        config.channel[0].last_value = true;
    });
    for (stock, price) in [("x", 1), ("x", 2), ("y", 7), ("x", 3)] {
        publish(&encke, &format!("/price/{stock}"), &json!(price));
    }
    let mut socket = Socket::listening(&encke, "/price/*");
    assert_eq!(replayed(&mut socket, "/price/*"), 7);
    assert_eq!(replayed(&mut socket, "/price/*"), 3);
    publish(&encke, "/price/y", &json!(8));
    assert_eq!(socket.message()["data"], 8);
}

#[test]
fn a_page_of_history_is_a_service() {
    let encke = Encke::with(|config| keep(config, "/a", 100));
    let mut last = Value::Null;
    let mut socket = Socket::connected(&encke);
    for number in 0..10 {
        last = socket.ask("/a", json!({"data": number}));
    }
    let newest = socket.ask("/service/history", json!({"data": {"channel": "/a", "limit": 3}}));
    assert_eq!(newest["successful"], true, "{newest}");
    let data = |page: &Value| -> Vec<Value> {
        page["data"]["messages"].as_array().expect("messages").iter().map(|m| m["data"].clone()).collect()
    };
    assert_eq!(data(&newest), [7, 8, 9].map(Value::from));
    assert_eq!(newest["data"]["cursor"], last["ext"]["encke"]["position"], "publishing says where");
    let mut since = "all".to_owned();
    let mut all = Vec::new();
    loop {
        let fields = json!({"data": {"channel": "/a", "limit": 4, "since": since}});
        let page = socket.ask("/service/history", fields);
        all.extend(data(&page));
        if page["data"]["more"] == false {
            break;
        }
        since = page["data"]["cursor"].as_str().expect("a cursor").to_owned();
    }
    assert_eq!(all, (0..10).map(Value::from).collect::<Vec<_>>());
    for (data, error) in [
        (json!({"channel": "/*/a"}), "405:/*/a:channel_invalid"),
        (json!("x"), "400:/service/history:data_invalid"),
        (json!({"channel": "/a", "limit": -1}), "400:/service/history:data_invalid"),
    ] {
        assert_eq!(socket.ask("/service/history", json!({ "data": data }))["error"], error);
    }
}

#[test]
fn a_long_replay_waits_for_a_slow_reader_within_its_outbox() {
    let encke = Encke::with(|config| {
        keep(config, "/a", 5000);
        config.channel[0].history.as_mut().expect("a history").bytes = 64 << 20;
        config.sessions.outbox_messages = 100;
    });
    let text = "x".repeat(1000);
    let mut wire = encke.wire();
    for number in 0..3000 {
        wire.post("/channels/a", &json!([number, text]).to_string());
        assert_eq!(wire.response().status, 200);
    }
    let mut socket = Socket::narrow(&encke);
    socket.begin();
    assert!(subscribe(&mut socket, "/a", "all")["cursor"].is_string());
    // Nothing is read, and more is published; it waits behind the replay.
    for number in 3000..3200 {
        wire.post("/channels/a", &json!([number, text]).to_string());
        assert_eq!(wire.response().status, 200);
    }
    for number in 0..3200 {
        let message = socket.message();
        assert_eq!(message["data"][0], number);
        let label = &message["ext"]["encke"]["subscription"];
        assert_eq!(label, &(if number < 3000 { json!("/a") } else { Value::Null }), "{number}");
    }
    assert!(encke.figure("encke_outbox_messages_peak") <= 100);
    assert_eq!(encke.ended("overflow"), 0);
    encke.advance(Duration::from_secs(1));
}
