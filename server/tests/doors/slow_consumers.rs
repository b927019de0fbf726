//! What a slow consumer gets, by the table of the channel.

use encke::hub::{Deliver, OnOverflow};
use serde_json::{Value, json};

use crate::history::{keep, slow};
use crate::polling::{Polling, publish};
use crate::server::Encke;

fn data(messages: &[Value]) -> Vec<Value> {
    messages
        .iter()
        .filter(|message| !message["data"].is_null())
        .map(|message| message["data"].clone())
        .collect()
}

/// A session whose poll stays away while 15 messages come, and whose outbox holds 10.
fn away(encke: &Encke) -> Polling {
    let away = Polling::listening(encke, "/a");
    for number in 0..15 {
        publish(encke, "/a", &json!(number));
    }
    away
}

fn overflows(encke: &Encke, policy: &str) -> i64 {
    encke.figure(&format!("encke_overflows_total{{policy=\"{policy}\"}}"))
}

#[test]
fn with_history_it_catches_up() {
    let encke = Encke::with(|config| {
        config.sessions.outbox_messages = 10;
        keep(config, "/a", 100);
    });
    let mut away = away(&encke);
    assert_eq!((overflows(&encke, "gap"), encke.ended("overflow")), (1, 0));
    let mut heard = Vec::new();
    while heard.len() < 15 {
        heard.extend(data(&away.hold().polled()));
    }
    assert_eq!(heard, (0..15).map(Value::from).collect::<Vec<_>>());
    away.hold();
    encke.settle();
    publish(&encke, "/a", &json!(15));
    assert_eq!(data(&away.polled()), [json!(15)]);
    assert!(encke.figure("encke_outbox_messages_peak") <= 10);
    assert_eq!(encke.figure("encke_gaps_total"), 0);
}

#[test]
fn and_is_told_what_history_has_no_longer() {
    let encke = Encke::with(|config| {
        config.sessions.outbox_messages = 10;
        keep(config, "/a", 3);
    });
    let mut away = away(&encke);
    let mut heard = Vec::new();
    while heard.last() != Some(&json!(14)) {
        heard.extend(data(&away.hold().polled()));
    }
    let mut expected: Vec<Value> = (0..10).map(Value::from).collect();
    expected.push(json!({"subscription": ["/a"], "reason": "too_old"}));
    expected.extend((12..15).map(Value::from));
    assert_eq!(heard, expected);
    assert_eq!(encke.figure("encke_gaps_total"), 1);
}

#[test]
fn without_history_a_gap_is_told() {
    let encke = Encke::with(|config| {
        config.sessions.outbox_messages = 10;
        slow(config, "/a", Deliver::Every, OnOverflow::Gap);
    });
    let mut away = away(&encke);
    assert_eq!(overflows(&encke, "gap"), 5);
    let mut heard = data(&away.hold().polled());
    heard.extend(data(&away.hold().polled()));
    let mut expected: Vec<Value> = (0..10).map(Value::from).collect();
    expected.push(json!({"subscription": ["/a"], "reason": "overflow"}));
    assert_eq!(heard, expected);
    publish(&encke, "/a", &json!(15));
    assert_eq!(data(&away.hold().polled()), [json!(15)]);
}

#[test]
fn the_oldest_can_be_dropped() {
    let encke = Encke::with(|config| {
        config.sessions.outbox_messages = 10;
        slow(config, "/a", Deliver::Every, OnOverflow::DropOldest);
    });
    let mut away = away(&encke);
    assert_eq!(data(&away.hold().polled()), (5..15).map(Value::from).collect::<Vec<_>>());
    assert_eq!((overflows(&encke, "drop-oldest"), encke.ended("overflow")), (5, 0));
    assert_eq!(encke.figure("encke_messages_dropped_total{cause=\"overflow\"}"), 5);
}

#[test]
fn it_can_be_ended() {
    let encke = Encke::with(|config| {
        config.sessions.outbox_messages = 10;
        keep(config, "/a", 100);
        config.channel[0].on_overflow = Some(OnOverflow::End);
    });
    let mut away = away(&encke);
    assert_eq!((overflows(&encke, "end"), encke.ended("overflow")), (1, 1));
    assert_eq!(away.hold().polled()[0]["error"], "402::session_unknown");
}

#[test]
fn the_newest_of_each_channel_may_be_enough() {
    let encke = Encke::with(|config| {
        config.sessions.outbox_messages = 10;
        slow(config, "/price/*", Deliver::Latest, OnOverflow::End);
    });
    let mut away = Polling::listening(&encke, "/price/*");
    for number in 0..30 {
        publish(&encke, &format!("/price/{}", number % 3), &json!(number));
    }
    assert_eq!(data(&away.hold().polled()), [27, 28, 29].map(Value::from));
    assert_eq!(encke.figure("encke_messages_conflated_total"), 27);
    assert_eq!(encke.ended("overflow"), 0);
}
