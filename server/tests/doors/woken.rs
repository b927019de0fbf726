//! The second kind of outlet, which is woken and not written: nothing but a broker and its hub, since no door has it
//! yet.

use std::sync::Arc;

use bayeux::framing::lines::Unframer;
use bayeux::{Channel, Cursor, Draft, Framing, Limits, Pattern, Payload, Position, Since};
use encke::broker::{Broker, By, ChannelOptions, Classes, Opening};
use encke::clock::Clock;
use encke::drain::Drain;
use encke::history;
use encke::hub::{Hub, Key, Options, Wire, Woken};
use encke::metrics::Metrics;
use encke::policy::{Identity, Policy};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::wire::DEADLINE;

struct Node {
    broker: Arc<Broker>,
}

impl Node {
    /// A hub of one shard, which runs on this test's own thread.
    fn start(options: Options) -> Self {
        Self::keeping(options, &[])
    }

    /// The same, with tables of channels.
    fn keeping(options: Options, tables: &[ChannelOptions]) -> Self {
        let metrics = Metrics::new();
        let classes =
            Classes::new(tables, &Limits::default().channel, Clock::system()).expect("tables with patterns");
        let hub = Hub::new(options, 1, Clock::system(), metrics.clone(), classes.clone());
        tokio::spawn(hub.clone().run(0));
        let policy = Policy::open(Clock::system());
        Node {
            broker: Arc::new(Broker::new(
                hub,
                classes,
                policy,
                Limits::default(),
                Default::default(),
                &["long-polling"],
                metrics,
            )),
        }
    }

    async fn stream(&self, pattern: &str) -> (Key, Arc<Woken>) {
        let woken = Arc::new(Woken::default());
        let patterns = vec![Pattern::parse(pattern).expect("a pattern")];
        let key = self.broker.stream_woken(patterns, woken.clone()).await.expect("a stream");
        (key, woken)
    }

    async fn publish(&self, data: u64) -> Position {
        let payload = Payload::Json(serde_json::value::to_raw_value(&data).expect("JSON"));
        let draft = Draft { channel: Channel::parse("/a/b").expect("a channel"), id: None, payload };
        self.broker.publish(&Identity::default(), draft, By::Anyone).await.expect("allowed")
    }

    /// Waits to be woken until something can be taken; `None` when the session has ended.
    async fn next(&self, (key, woken): &(Key, Arc<Woken>)) -> Option<Vec<u64>> {
        loop {
            timeout(DEADLINE, woken.waiting()).await.expect("it is woken");
            let bytes = self.broker.take(*key, Framing::Lines).await?;
            if !bytes.is_empty() {
                let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                let data = |line| serde_json::from_slice::<Value>(line).expect("JSON")["data"].as_u64();
                return Some(lines.map(|line| data(line).expect("a number")).collect());
            }
        }
    }
}

#[tokio::test]
async fn messages_arrive_in_order() {
    let node = Node::start(Options::default());
    let streams = [node.stream("/a/*").await, node.stream("/**").await];
    for round in 0..20 {
        for number in 0..round {
            node.publish(round * 100 + number).await;
        }
        for stream in streams.iter().filter(|_| round > 0) {
            let mut data = Vec::new();
            while data.len() < round as usize {
                data.extend(node.next(stream).await.expect("the session lives"));
            }
            assert_eq!(json!(data), json!((0..round).map(|number| round * 100 + number).collect::<Vec<_>>()));
        }
    }
}

#[tokio::test]
async fn what_waited_before_somebody_waits_is_not_forgotten() {
    let node = Node::start(Options::default());
    let stream = node.stream("/a/b").await;
    node.publish(1).await;
    tokio::task::yield_now().await;
    node.publish(2).await;
    let mut data = Vec::new();
    while data.len() < 2 {
        data.extend(node.next(&stream).await.expect("the session lives"));
    }
    assert_eq!(data, [1, 2]);
}

#[tokio::test]
async fn the_end_of_the_session_is_noticed() {
    let node = Node::start(Options { outbox_messages: 10, ..Options::default() });
    let stream = node.stream("/a/b").await;
    for number in 0..11 {
        node.publish(number).await;
    }
    // It does not take, so it overflows: then taking says so.
    while let Some(data) = node.next(&stream).await {
        assert!(data.len() <= 10);
    }
    let draining = node.stream("/a/b").await;
    timeout(DEADLINE, node.broker.drain(&Drain::new())).await.expect("a drain ends");
    assert_eq!(node.next(&draining).await, None);
}

fn table(last_value: bool) -> ChannelOptions {
    let history = Some(history::Options { count: 1000, ..Default::default() });
    ChannelOptions { patterns: vec!["/a/**".to_owned()], history, last_value, ..Default::default() }
}

#[tokio::test]
async fn it_is_woken_for_last_values() {
    let node = Node::keeping(Options::default(), &[table(true)]);
    node.publish(1).await;
    node.publish(2).await;
    let stream = node.stream("/a/*").await;
    assert_eq!(node.next(&stream).await, Some(vec![2]));
    node.publish(3).await;
    assert_eq!(node.next(&stream).await, Some(vec![3]));
}

#[tokio::test]
async fn it_catches_up_from_history() {
    let node = Node::keeping(Options { outbox_messages: 10, ..Options::default() }, &[table(false)]);
    let stream = node.stream("/a/b").await;
    for number in 0..100 {
        node.publish(number).await;
    }
    let mut data = Vec::new();
    while data.len() < 100 {
        let more = node.next(&stream).await.expect("the session lives");
        assert!(more.len() <= 10);
        data.extend(more);
    }
    assert_eq!(data, (0..100).collect::<Vec<_>>());
    node.publish(100).await;
    assert_eq!(node.next(&stream).await, Some(vec![100]));
}

/// A cursor may come from a shard that was ahead of the one where it arrives. What that one still has to take in has been
/// seen, and what follows comes once.
#[tokio::test]
async fn a_stream_begins_where_its_own_shard_has_not_come_to_yet() {
    let node = Node::keeping(Options::default(), &[table(false)]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let peer = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("it listens");
    let wire = Wire::new(listener.accept().await.expect("a connection").0);
    // One message for so many is all that a shard takes in at once.
    let mut crowd = Vec::new();
    for _ in 0..9_000 {
        crowd.push(node.stream("/a/b").await);
    }
    node.publish(1).await;
    let seen = node.publish(2).await;
    node.publish(3).await;
    let opening = Opening {
        pattern: Pattern::parse("/a/b").expect("a pattern"),
        since: Some(Since::Cursor(Cursor::from(seen))),
        framing: Framing::Lines,
        chunked: false,
        identity: Arc::default(),
        seat: Default::default(),
    };
    let head = |recovery: &encke::hub::Recovery| {
        assert_eq!(recovery.recovered, Some(Ok(())));
        Vec::new()
    };
    let _attached = node.broker.stream(opening, wire, head).await.expect("a stream");
    node.publish(4).await;
    let (mut buffer, mut data) = ([0; 4096], Vec::new());
    let mut lines = Unframer::new(1000);
    while data.len() < 2 {
        timeout(DEADLINE, peer.readable()).await.expect("in time").expect("it goes on");
        let Ok(count) = peer.try_read(&mut buffer) else { continue };
        assert!(count > 0, "it goes on");
        let number = |line: &[u8]| serde_json::from_slice::<Value>(line).expect("JSON")["data"].clone();
        lines.push(&buffer[..count], |line| data.push(number(line))).expect("short lines");
    }
    assert_eq!(data, [3, 4]);
}
