//! Telling a client that messages are gone: notices on `/meta/gap`, which are deliveries like others.

use std::sync::Arc;

use bayeux::{Channel, Draft, Message, Pattern, Payload, Position};
use serde_json::value::to_raw_value;

use super::shard::Shard;

/// Up to where a client has been told that messages of a pattern are gone.
#[derive(Default)]
pub(super) struct Told(Vec<(Pattern, u64)>);

impl Told {
    /// Whether the client is yet to be told that messages of a pattern are gone, up to this one.
    pub(super) fn tells(&mut self, pattern: &Pattern, newest: u64) -> bool {
        match self.0.iter_mut().find(|(known, _)| known == pattern) {
            Some((_, told)) => std::mem::replace(told, newest.max(*told)) < newest,
            None => {
                self.0.push((pattern.clone(), newest));
                true
            }
        }
    }
}

impl Shard {
    /// Notes that messages for a pattern are gone, to be told when there is room.
    pub(super) fn lose(&mut self, slot: u32, pattern: Pattern, why: &'static str) {
        self.sessions[slot as usize].more.get_or_insert_default().lose(pattern, why);
    }

    /// Tells the client which of its subscriptions have lost messages: a delivery on `/meta/gap`.
    pub(super) fn tell_lost(&mut self, slot: u32) {
        let now = self.now;
        let session = &mut self.sessions[slot as usize];
        let Some(more) = &mut session.more else { return };
        for why in ["overflow", "too_old"] {
            let patterns: Vec<&str> = more
                .lost
                .iter()
                .filter(|(_, reason)| *reason == why)
                .map(|(pattern, _)| pattern.as_str())
                .collect();
            if !patterns.is_empty() {
                let data = serde_json::json!({ "subscription": patterns, "reason": why });
                if !session.outbox.has_messages() {
                    session.waits_since = now;
                }
                session.outbox.push(Arc::new(notice(&data)));
                self.metrics.gaps.inc();
            }
        }
        more.lost.clear();
    }

    /// The same for deliveries that were given up before they were acknowledged; the next delivery has the number
    /// after `count`.
    pub(super) fn tell_given_up(&mut self, slot: u32) {
        let (awake, asleep) = self.patterns(slot);
        let names: Vec<&str> = awake.iter().chain(&asleep).map(|pattern| pattern.as_str()).collect();
        let session = &mut self.sessions[slot as usize];
        let Some(more) = &mut session.more else { return };
        more.given_up = false;
        // It takes the number of the last one that was given up.
        more.base -= 1;
        let data = serde_json::json!({ "subscription": names, "reason": "overflow", "count": more.base + 1 });
        session.outbox.push_front(Arc::new(notice(&data)));
        self.metrics.gaps.inc();
    }
}

fn notice(data: &serde_json::Value) -> Message {
    let channel = Channel::parse("/meta/gap").expect("a name that is written right here");
    let json = to_raw_value(data).expect("texts and numbers are JSON");
    Draft { channel, id: None, payload: Payload::Json(json) }.seal(Position { epoch: 0, sequence: 0 })
}
