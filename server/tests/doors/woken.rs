//! The second kind of outlet, which is woken and not written: nothing but a broker and its hub, since no door has it
//! yet.

use std::sync::Arc;
use std::time::Duration;

use bayeux::{Channel, Draft, Framing, Limits, Pattern, Payload};
use encke::broker::{Broker, By, Classes};
use encke::clock::Clock;
use encke::hub::{Hub, Key, Options, Woken};
use encke::metrics::Metrics;
use encke::policy::{self, Identity, Policy};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::wire::DEADLINE;

struct Node {
    broker: Arc<Broker>,
}

impl Node {
    /// A hub of one shard, which runs on this test's own thread.
    fn start(options: Options) -> Self {
        let metrics = Metrics::new();
        let classes = Classes::new(&[], &Limits::default().channel, Clock::system()).expect("no tables");
        let hub = Hub::new(options, 1, Clock::system(), metrics.clone(), classes.clone());
        tokio::spawn(hub.clone().run(0));
        let policy = Policy::new(policy::Options { open: true });
        Node {
            broker: Arc::new(Broker::new(
                hub,
                classes,
                policy,
                Limits::default(),
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

    async fn publish(&self, data: u64) {
        let payload = Payload::Json(serde_json::value::to_raw_value(&data).expect("JSON"));
        let draft = Draft { channel: Channel::parse("/a/b").expect("a channel"), id: None, payload };
        self.broker.publish(&Identity::default(), draft, By::Anyone).await.expect("allowed");
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
    timeout(DEADLINE, node.broker.drain(Duration::ZERO)).await.expect("a drain ends");
    assert_eq!(node.next(&draining).await, None);
}
