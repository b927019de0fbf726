//! Acknowledgement: what was handed to a connection that failed comes again on the next one, and once.

use serde_json::{Value, json};

use crate::polling::{Polling, publish};
use crate::server::Encke;
use crate::socket::{Heard, Socket};

/// How a client says that it acknowledges.
pub(crate) const BATCH: &str = r#"{"ack":true}"#;
pub(crate) const COUNT: &str = r#"{"ack":true,"encke":{"ack":"count"}}"#;

/// A session on a socket that acknowledges in its way and listens to `/a`.
fn acknowledging(encke: &Encke, ext: &str) -> Socket {
    let mut socket = Socket::open(encke);
    let ext: Value = serde_json::from_str(ext).expect("JSON");
    let fields = json!({"version": "1.0", "clientId": null, "ext": ext,
                        "supportedConnectionTypes": ["websocket", "long-polling"]});
    let reply = socket.ask("/meta/handshake", fields);
    assert_eq!(reply["ext"], ext, "{reply}");
    socket.id = reply["clientId"].as_str().expect("a clientId").to_owned();
    assert_eq!(connect(&mut socket, 0)["ext"]["ack"], 0);
    assert_eq!(socket.subscribe("/a")["successful"], true);
    socket
}

/// A connect that is answered at once.
fn connect(socket: &mut Socket, ack: i64) -> Value {
    let reply = socket.ask("/meta/connect", json!({"ext": {"ack": ack}, "advice": {"timeout": 0}}));
    assert_eq!(reply["successful"], true, "{reply}");
    reply
}

/// The same session on another socket.
fn moved(encke: &Encke, from: &Socket) -> Socket {
    let mut socket = Socket::open(encke);
    socket.id = from.id.clone();
    socket
}

fn numbers(messages: &[Value]) -> Vec<i64> {
    messages.iter().filter(|m| m["channel"] == "/a").map(|m| m["data"].as_i64().expect("a number")).collect()
}

#[test]
fn what_a_dead_socket_had_been_handed_comes_on_the_next_one() {
    let encke = Encke::start();
    let mut socket = acknowledging(&encke, COUNT);
    for number in 0..5 {
        publish(&encke, "/a", &json!(number));
    }
    for number in 0..3 {
        assert_eq!(socket.message()["data"], number);
    }
    // It has read three, and is gone; the other two were written to it.
    let mut next = moved(&encke, &socket);
    drop(socket);
    let id = next.tell("/meta/connect", json!({"ext": {"ack": 3}, "advice": {"timeout": 0}}));
    assert_eq!(next.message()["data"], 3);
    assert_eq!(next.message()["data"], 4);
    assert_eq!(next.reply(&id)["successful"], true);
    publish(&encke, "/a", &json!(5));
    assert_eq!(next.message()["data"], 5);
    assert_eq!(connect(&mut next, 6)["ext"]["ack"], 6);
}

#[test]
fn a_socket_that_is_there_is_not_told_twice() {
    let encke = Encke::start();
    let mut socket = acknowledging(&encke, COUNT);
    publish(&encke, "/a", &json!(0));
    // The message is on its way, and the client has not seen it when it connects.
    assert_eq!(connect(&mut socket, 0)["ext"]["ack"], 1);
    assert_eq!(socket.message()["data"], 0);
    publish(&encke, "/a", &json!(1));
    assert_eq!(socket.message()["data"], 1);
}

#[test]
fn in_cometds_way_messages_and_the_number_come_in_one_frame() {
    let encke = Encke::start();
    let mut socket = acknowledging(&encke, BATCH);
    publish(&encke, "/a", &json!(0));
    publish(&encke, "/a", &json!(1));
    let held = socket.tell("/meta/connect", json!({"ext": {"ack": 0}}));
    let Heard::Frame(messages) = socket.hear() else { panic!("no frame") };
    assert_eq!(numbers(&messages), [0, 1]);
    let reply = messages.last().expect("a reply");
    assert_eq!((&reply["id"], &reply["ext"]["ack"]), (&json!(held), &json!(2)), "{reply}");
    // A held connect is answered by a message.
    let held = socket.tell("/meta/connect", json!({"ext": {"ack": 2}}));
    encke.settle();
    publish(&encke, "/a", &json!(2));
    let Heard::Frame(messages) = socket.hear() else { panic!("no frame") };
    assert_eq!(numbers(&messages), [2]);
    assert_eq!(messages[1]["id"], held.as_str());
    // That frame is lost with its socket.
    let mut next = moved(&encke, &socket);
    drop(socket);
    next.tell("/meta/connect", json!({"ext": {"ack": 2}, "advice": {"timeout": 0}}));
    let Heard::Frame(messages) = next.hear() else { panic!("no frame") };
    assert_eq!(numbers(&messages), [2]);
    assert_eq!(messages[1]["ext"]["ack"], 3);
}

/// A session over polls that acknowledges.
fn polling(encke: &Encke, ext: &str) -> Polling {
    let mut client = Polling::open(encke);
    let mut handshake = crate::polling::handshake();
    handshake["ext"] = serde_json::from_str(ext).expect("JSON");
    let reply = client.ask(&json!([handshake])).remove(0);
    client.id = reply["clientId"].as_str().expect("a clientId").to_owned();
    assert_eq!(poll(&mut client, 0, 0).pop().expect("a reply")["ext"]["ack"], 0);
    client.subscribe("/a");
    client
}

/// Sends a connect on the connection of polls.
fn send_poll(client: &mut Polling, ack: i64, timeout: u64) {
    let fields = json!({"ext": {"ack": ack}, "id": "c", "advice": {"timeout": timeout}});
    let connect = client.request("/meta/connect", fields);
    client.poll.post_with("/bayeux", &client.headers.clone(), &json!([connect]).to_string());
}

fn poll(client: &mut Polling, ack: i64, timeout: u64) -> Vec<Value> {
    send_poll(client, ack, timeout);
    client.polled()
}

#[test]
fn over_polls_messages_ride_on_connects_only_and_again_when_an_answer_was_lost() {
    for ext in [BATCH, COUNT] {
        let encke = Encke::start();
        let mut client = polling(&encke, ext);
        publish(&encke, "/a", &json!(0));
        let own = client.request("/a", json!({"data": 1}));
        assert_eq!(client.ask(&json!([own])).len(), 1, "only the reply");
        let first = poll(&mut client, 0, 0);
        assert_eq!((numbers(&first), &first[2]["ext"]["ack"]), (vec![0, 1], &json!(2)));
        // As if that answer had never arrived, first on a connect that is not held, then on one that would be.
        assert_eq!(numbers(&poll(&mut client, 0, 0)), [0, 1]);
        assert_eq!(numbers(&poll(&mut client, 1, 30_000)), [1]);
        send_poll(&mut client, 2, 30_000);
        encke.settle();
        publish(&encke, "/a", &json!(2));
        let held = client.polled();
        assert_eq!((numbers(&held), &held[1]["ext"]["ack"]), (vec![2], &json!(3)));
    }
}

#[test]
fn who_publishes_to_itself_over_polls_waits_for_itself() {
    let encke = Encke::with(|config| config.sessions.outbox_messages = 20);
    let mut client = polling(&encke, COUNT);
    let batch = |client: &Polling, from: usize| {
        let publish = |n: usize| client.request("/a", json!({"data": n, "id": format!("p{n}")}));
        Value::Array((from..from + 12).map(publish).collect()).to_string()
    };
    let (first, second) = (batch(&client, 0), batch(&client, 12));
    client.other.post_with("/bayeux", "Content-Type: application/json\r\n", &first);
    encke.settle();
    assert!(client.other.is_silent(), "the answer waits");
    assert_eq!(numbers(&poll(&mut client, 0, 0)).len(), 12);
    encke.settle();
    assert!(client.other.is_silent(), "nothing is acknowledged yet");
    poll(&mut client, 12, 0);
    assert_eq!(client.other.response().messages().len(), 12);
    // And not for ever.
    client.other.post_with("/bayeux", "Content-Type: application/json\r\n", &second);
    encke.settle();
    assert!(client.other.is_silent());
    encke.advance(std::time::Duration::from_secs(5));
    assert_eq!(client.other.response().messages().len(), 12);
    assert_eq!(encke.ended("overflow"), 0);
}

#[test]
fn a_session_moves_from_a_socket_to_polls_and_back() {
    let encke = Encke::start();
    let mut socket = acknowledging(&encke, COUNT);
    publish(&encke, "/a", &json!(0));
    assert_eq!(socket.message()["data"], 0);
    publish(&encke, "/a", &json!(1));
    let mut client = Polling::open(&encke);
    client.id = socket.id.clone();
    // The socket still stands, with a message in it that nobody reads any more.
    let held = poll(&mut client, 1, 30_000);
    assert_eq!((numbers(&held), &held[1]["ext"]["ack"]), (vec![1], &json!(2)));
    publish(&encke, "/a", &json!(2));
    let mut next = moved(&encke, &socket);
    next.tell("/meta/connect", json!({"ext": {"ack": 2}}));
    assert_eq!(next.message()["data"], 2);
}

#[test]
fn numbers_that_make_no_sense_change_nothing() {
    let encke = Encke::start();
    let mut client = polling(&encke, COUNT);
    for number in 0..3 {
        publish(&encke, "/a", &json!(number));
    }
    assert_eq!(numbers(&poll(&mut client, 0, 0)), [0, 1, 2]);
    assert_eq!(numbers(&poll(&mut client, 1, 0)), [1, 2]);
    let before = encke.refused("ack_invalid");
    // Back, from the future, and beyond all numbers: all of that is sent again which is not acknowledged.
    for ack in [json!(0), json!(4), json!(u64::MAX), json!(-5), json!("2"), json!([])] {
        let connect = client.request("/meta/connect", json!({"ext": {"ack": ack}, "advice": {"timeout": 0}}));
        client.poll.post_with("/bayeux", &client.headers.clone(), &json!([connect]).to_string());
        assert_eq!(numbers(&client.polled()), [1, 2], "{ack}");
    }
    assert_eq!(encke.refused("ack_invalid") - before, 6);
    assert_eq!(poll(&mut client, 3, 0).len(), 1);
}

#[test]
fn a_held_connect_is_answered_when_much_is_unacknowledged() {
    let encke = Encke::start();
    let mut socket = acknowledging(&encke, COUNT);
    let held = socket.tell("/meta/connect", json!({"ext": {"ack": 0}}));
    for number in 0..250 {
        publish(&encke, "/a", &json!(number));
    }
    for number in 0..250 {
        assert_eq!(socket.message()["data"], number);
    }
    let reply = socket.reply(&held);
    assert_eq!((&reply["successful"], &reply["ext"]["ack"]), (&json!(true), &json!(250)));
    let _ = socket.tell("/meta/connect", json!({"ext": {"ack": 250}}));
    publish(&encke, "/a", &json!(250));
    assert_eq!(socket.message()["data"], 250);
    assert_eq!(encke.figure("encke_outbox_messages_peak"), 250);
}

#[test]
fn a_history_that_is_shorter_than_an_outbox_does_not_cost_a_working_connection_messages() {
    let encke = Encke::with(|config| {
        config.sessions.outbox_messages = 10;
        crate::history::keep(config, "/a", 2);
    });
    let mut socket = acknowledging(&encke, COUNT);
    for number in 0..30 {
        publish(&encke, "/a", &json!(number));
    }
    for number in 0..30 {
        assert_eq!(socket.message()["data"], number, "nothing is read back, and nothing is missing");
    }
    assert_eq!(encke.figure("encke_gaps_total"), 0);
}

#[test]
fn who_never_acknowledges_on_a_connection_that_works_is_given_up_on_quietly_and_told_when_it_fails() {
    let encke = Encke::with(|config| config.sessions.outbox_messages = 10);
    let mut socket = acknowledging(&encke, COUNT);
    for number in 0..15 {
        publish(&encke, "/a", &json!(number));
        assert_eq!(socket.message()["data"], number);
    }
    assert_eq!(encke.figure("encke_given_up_total"), 5);
    assert_eq!(encke.ended("overflow"), 0);
    let mut next = moved(&encke, &socket);
    drop(socket);
    // It says that it has two of what it has had: three are gone.
    let held = next.tell("/meta/connect", json!({"ext": {"ack": 2}}));
    let gap = next.message();
    assert_eq!(gap["channel"], "/meta/gap");
    assert_eq!(gap["data"], json!({"subscription": ["/a"], "reason": "overflow", "count": 5}));
    for number in 5..15 {
        assert_eq!(next.message()["data"], number);
    }
    assert_eq!(connect(&mut next, 15)["ext"]["ack"], 15);
    assert_eq!(next.reply(&held)["successful"], true, "the one that a newer one has overtaken");
    publish(&encke, "/a", &json!(15));
    assert_eq!(next.message()["data"], 15);
}
