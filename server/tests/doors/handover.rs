//! Sessions between two connections: who takes one from whom, and what the other is told.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::polling::{Polling, publish};
use crate::server::Encke;
use crate::socket::{Heard, Socket};
use crate::wire::Wire;

/// Publishes until messages wait for a socket that does not read; answers with how many.
fn block(encke: &Encke, channel: &str) -> u64 {
    // Somebody who reads, so that the figures move.
    let _reader = Socket::listening(encke, channel);
    let text = "x".repeat(1000);
    for number in 0..5000 {
        publish(encke, channel, &json!([number, text]));
        if number % 20 == 0 && encke.figure("encke_outbox_messages_peak") > 30 {
            return number + 1;
        }
    }
    panic!("never blocked\n{}", encke.figures());
}

#[test]
fn a_poll_takes_over_from_a_socket_that_is_stuck() {
    let encke = Encke::start();
    let mut stuck = Socket::narrow(&encke);
    stuck.begin();
    stuck.subscribe("/flood");
    let sent = block(&encke, "/flood");
    let mut poll = encke.wire();
    let mut next = None;
    // What the socket's kernel has taken is on its way there; the rest comes here, in order, to the last.
    while next != Some(sent) {
        let connect = json!([{"channel": "/meta/connect", "clientId": stuck.id, "id": "c", "connectionType": "long-polling"}]);
        let messages = poll.post("/bayeux", &connect.to_string()).response().messages();
        let (last, messages) = messages.split_last().expect("a connect reply");
        assert_eq!((&last["id"], &last["successful"]), (&json!("c"), &json!(true)), "{last}");
        assert!(!messages.is_empty(), "answered with nothing while messages wait: {last}");
        for message in messages {
            let number = message["data"][0].as_u64().expect("a number");
            assert!(next.is_none_or(|next| next == number), "{next:?}, {number}");
            next = Some(number + 1);
        }
    }
}

#[test]
fn a_connect_that_does_not_wait_leaves_a_held_poll_its_id() {
    let encke = Encke::start();
    let mut client = Polling::listening(&encke, "/a");
    client.hold();
    encke.until("polls", 1, |encke| encke.connections("long-polling"));
    let probe = client.request("/meta/connect", json!({"id": "p", "advice": {"timeout": 0}}));
    let replies = client.ask(&json!([probe]));
    assert_eq!((&replies[0]["id"], &replies[0]["successful"]), (&json!("p"), &json!(true)));
    publish(&encke, "/a", &json!(1));
    let polled = client.polled();
    assert_eq!((polled.len(), &polled[1]["id"]), (2, &json!("c")), "{polled:?}");
}

#[test]
fn a_connect_that_does_not_wait_answers_the_one_held_on_its_socket() {
    let encke = Encke::start();
    let mut socket = Socket::connected(&encke);
    let held = socket.hold();
    let probe = socket.hold_for(std::time::Duration::ZERO);
    assert_eq!(socket.reply(&held)["successful"], true);
    assert_eq!(socket.reply(&probe)["successful"], true);
}

#[test]
fn a_disconnect_from_elsewhere_ends_the_socket_of_the_session() {
    let encke = Encke::start();
    let mut socket = Socket::connected(&encke);
    let held = socket.hold();
    encke.settle();
    let mut elsewhere = Socket::open(&encke);
    elsewhere.id = socket.id.clone();
    let id = elsewhere.tell("/meta/disconnect", json!({}));
    match elsewhere.hear() {
        Heard::Frame(replies) => {
            assert_eq!((replies.len(), &replies[0]["id"]), (1, &json!(id)), "{replies:?}");
        }
        other => panic!("{other:?}"),
    }
    let reply = socket.reply(&held);
    assert_eq!((&reply["successful"], &reply["advice"]["reconnect"]), (&json!(true), &json!("none")));
    assert_eq!(socket.closes(), (Some(1000), "disconnected".to_owned()));
}

#[test]
fn and_what_a_blocked_socket_was_to_get_stays_there() {
    let encke = Encke::start();
    let mut stuck = Socket::narrow(&encke);
    stuck.begin();
    stuck.subscribe("/flood");
    block(&encke, "/flood");
    let mut elsewhere = Socket::open(&encke);
    elsewhere.id = stuck.id.clone();
    let id = elsewhere.tell("/meta/disconnect", json!({}));
    match elsewhere.hear() {
        Heard::Frame(replies) => assert_eq!((replies.len(), &replies[0]["id"]), (1, &json!(id))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_socket_that_lost_its_session_does_not_take_it_back() {
    let encke = Encke::start();
    for _ in 0..40 {
        let mut old = Socket::connected(&encke);
        let mut new = Socket::open(&encke);
        new.id = old.id.clone();
        encke.settle();
        new.hold();
        let (connect, _) = old.request("/meta/connect", json!({}));
        let mut bytes = Vec::new();
        let text = json!([connect]).to_string();
        bayeux::websocket::write_masked_frame(
            &mut bytes,
            bayeux::websocket::Opcode::Text,
            true,
            [1, 2, 3, 4],
            text.as_bytes(),
        );
        // It may be closed already.
        let _ = std::io::Write::write_all(&mut old.stream, &bytes);
        assert_eq!(new.subscribe("/a")["successful"], true);
    }
}

#[test]
fn handshakes_on_a_socket_that_never_reads_are_bounded() {
    let encke = Encke::start();
    let mut stuck = Socket::narrow(&encke);
    let handshake =
        json!([{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["websocket"]}]);
    for _ in 0..30 {
        for _ in 0..200 {
            stuck.say(&handshake);
        }
        encke.settle();
        if encke.figure("encke_reply_pauses_total") > 0 {
            return;
        }
    }
    panic!("6,000 handshakes were read, and no reply was\n{}", encke.figures());
}

#[test]
fn an_outbox_of_one_is_small_and_works() {
    let encke = Encke::with(|config| config.sessions.outbox_messages = 1);
    let mut socket = Socket::listening(&encke, "/a");
    for number in 0..3 {
        let mut wire: Wire = encke.wire();
        wire.post("/channels/a", &number.to_string());
        assert_eq!(socket.message()["data"], number);
    }
}

#[test]
fn a_session_that_moves_hears_everything_once_and_in_order() {
    let encke = Encke::with(|config| {
        config.cores = 2;
        // Room for whatever is published while a busy machine lets the listener wait: this story is not of overflow.
        (config.sessions.outbox_messages, config.sessions.outbox_bytes) = (1_000_000, 1 << 30);
    });
    let mut socket = Socket::listening(&encke, "/a");
    let id = socket.id.clone();
    let connect = json!([{"channel": "/meta/connect", "clientId": id, "id": "c"}]).to_string();
    let mut next = 0;
    let mut hear = |message: &serde_json::Value| {
        if message["channel"] == "/a" {
            assert_eq!(message["data"], next);
            next += 1;
        }
    };
    let moved = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut wire = encke.wire();
            for number in 0..100_000 {
                wire.post("/channels/a", &number.to_string());
                assert_eq!(wire.response().json()["sessions"], 1);
                if moved.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        for _ in 0..40 {
            socket.hold();
            for _ in 0..20 {
                hear(&socket.message());
            }
            // A poll takes the session, on this core or the other; what the socket was sent before is read to its end.
            let mut poll = encke.wire();
            poll.post("/bayeux", &connect);
            loop {
                match socket.hear() {
                    Heard::Frame(messages) => messages.iter().for_each(&mut hear),
                    Heard::Close(code, reason) => assert_eq!((code, &*reason), (Some(1000), "replaced")),
                    Heard::End => break,
                    _ => {}
                }
            }
            for _ in 0..3 {
                poll.response().messages().iter().for_each(&mut hear);
                poll.post("/bayeux", &connect);
            }
            // And a socket takes it from the poll, which is told, or had its messages before.
            socket = Socket::open(&encke);
            socket.id = id.clone();
            socket.hold();
            poll.response().messages().iter().for_each(&mut hear);
        }
        moved.store(true, Ordering::Relaxed);
    });
}
