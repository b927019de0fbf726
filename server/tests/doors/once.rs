//! Publishing once: a repeat is answered like the first, and nobody hears it twice.

use std::time::Duration;

use serde_json::{Value, json};

use crate::history::keep;
use crate::server::Encke;
use crate::socket::Socket;

const NAME: &str = "f0f1f2f3f4f5f6f7";

/// A session of the publisher with that name.
fn named(encke: &Encke) -> Socket {
    let mut socket = Socket::open(encke);
    let fields = json!({"version": "1.0", "clientId": null, "ext": {"encke": {"publisher": NAME}},
                        "supportedConnectionTypes": ["websocket"]});
    let reply = socket.ask("/meta/handshake", fields);
    assert_eq!(reply["ext"]["encke"], json!({}), "it is understood");
    socket.id = reply["clientId"].as_str().expect("a clientId").to_owned();
    assert_eq!(socket.ask("/meta/connect", json!({}))["successful"], true);
    socket
}

/// Publishes under this id.
fn publish(socket: &mut Socket, id: &str, data: Value) -> Value {
    let request = json!([{"channel": "/a", "clientId": socket.id, "id": id, "data": data}]);
    socket.say(&request);
    let reply = socket.reply(id);
    assert_eq!(reply["successful"], true, "{reply}");
    reply
}

#[test]
fn a_repeat_has_the_place_of_the_first() {
    let encke = Encke::with(|config| keep(config, "/a", 100));
    let mut reader = Socket::listening(&encke, "/a");
    let mut socket = Socket::connected(&encke);
    let first = publish(&mut socket, "p1", json!("one"));
    let place = first["ext"]["encke"]["position"].clone();
    assert!(place.is_string(), "{first}");
    assert_eq!(publish(&mut socket, "p1", json!("one"))["ext"]["encke"]["position"], place);
    // The same id, and something else: old clients begin to count anew.
    assert_ne!(publish(&mut socket, "p1", json!("two"))["ext"]["encke"]["position"], place);
    // Another session that happens to use the same id.
    publish(&mut Socket::connected(&encke), "p1", json!("three"));
    for text in ["one", "two", "three"] {
        assert_eq!(reader.message()["data"], text);
    }
    assert_eq!(encke.figure("encke_publish_repeats_total"), 1);
    assert_eq!(encke.figure("encke_messages_in_total"), 3);
}

#[test]
fn a_publisher_with_a_name_is_known_in_its_next_session() {
    let encke = Encke::start();
    let mut reader = Socket::listening(&encke, "/a");
    publish(&mut named(&encke), "p1", json!(1));
    let mut next = named(&encke);
    publish(&mut next, "p1", json!(1));
    publish(&mut next, "p2", json!(2));
    for number in [1, 2] {
        assert_eq!(reader.message()["data"], number);
    }
    encke.advance(Duration::from_secs(121));
    let mut reader = Socket::listening(&encke, "/a");
    publish(&mut named(&encke), "p2", json!(2));
    assert_eq!(reader.message()["data"], 2, "the window is two minutes");
}

#[test]
fn a_publisher_may_wish_not_to_hear_itself() {
    let encke = Encke::with(|config| keep(config, "/a", 100));
    let mut reader = Socket::listening(&encke, "/a");
    let mut socket = named(&encke);
    let mut nameless = Socket::listening(&encke, "/a");
    assert_eq!(socket.subscribe("/a")["successful"], true);
    let silent = json!({"encke": {"echo": false}});
    for (who, number) in [(&mut socket, 1), (&mut nameless, 2)] {
        assert_eq!(who.ask("/a", json!({"data": number, "ext": silent}))["successful"], true);
    }
    socket.ask("/a", json!({"data": 3}));
    for (who, heard) in [(&mut reader, vec![1, 2, 3]), (&mut nameless, vec![1, 3]), (&mut socket, vec![2, 3])]
    {
        for number in heard {
            assert_eq!(who.message()["data"], number);
        }
    }
    // In its next session neither, also from history.
    let mut next = named(&encke);
    let fields = json!({"subscription": "/a", "ext": {"encke": {"since": {"/a": "all"}}}});
    next.ask("/meta/subscribe", fields);
    for number in [2, 3] {
        assert_eq!(next.message()["data"], number);
    }
    // Nor in a page, which is how a handler that joins others on their pattern reads the past.
    let page = next.ask("/service/history", json!({"data": {"channel": "/a", "since": "all"}}));
    let heard: Vec<_> = page["data"]["messages"].as_array().expect("a page").iter().collect();
    assert_eq!(heard.iter().map(|message| message["data"].clone()).collect::<Vec<_>>(), [2, 3]);
}
