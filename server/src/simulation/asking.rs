//! A Bayeux client: what it asks for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::client::{Client, State, Way};
use super::deliveries::base36;
use super::model::{Asks, Entry};
use super::network::{Connection, Speech, What};
use super::server::CHANNELS;
use super::world::Scene;

impl Client {
    pub(super) fn handshake(&mut self, scene: &mut Scene) {
        let usable = |connection: &Connection| connection.is_free();
        let place = match self.connections.iter().position(usable) {
            Some(place) if scene.random.chance(70) => place,
            _ if self.connections.len() < 5 => {
                let speech = *scene.random.pick(&[Speech::WebSocket, Speech::Http]);
                self.open(scene, speech)
            }
            _ => return,
        };
        let ext = match self.way {
            Way::Plain => json!({}),
            Way::Batch => json!({"ack": true}),
            Way::Count => json!({"ack": true, "encke": {"ack": "count", "publisher": self.publisher}}),
        };
        let types = ["websocket", "long-polling"];
        let handshake = json!({
            "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": types, "ext": ext,
        });
        self.send(scene, place, handshake, What::Handshake);
    }

    pub(super) fn subscribe(&mut self, scene: &mut Scene, number: usize) -> Result<(), String> {
        // So that what was handed out before is known to have been.
        scene.settle()?;
        let Some(place) = self.any(scene) else { return Ok(()) };
        self.take_replayed(number)?;
        let subscription = &mut self.subscriptions[number];
        let pattern = subscription.stream.pattern;
        let mut subscribe = json!({"channel": "/meta/subscribe", "subscription": pattern});
        let since = match subscription.state {
            _ if !subscription.cursor.is_empty() => Some(cursor(&subscription.cursor)),
            _ => scene.random.pick(&[None, Some("now".to_owned()), Some("all".to_owned())]).clone(),
        };
        if subscription.cursor.is_empty() {
            let asks = match since.as_deref() {
                // What an earlier subscribe brings, whose answer was lost, cannot be told from what this one does.
                _ if subscription.state == State::Asked => Asks::Nothing,
                None => Asks::Nothing,
                Some("all") => Asks::All,
                Some(_) => Asks::Now,
            };
            subscription.stream.log.push(Entry::Begin(scene.model.moment(), asks));
            subscription.held.clear();
        }
        subscription.live.clear();
        subscription.from_now = since.as_deref() == Some("now");
        if let Some(since) = since {
            subscribe["ext"] = json!({"encke": {"since": {pattern: since}}});
        }
        (subscription.state, subscription.known) = (State::Asked, true);
        self.send(scene, place, subscribe, What::Subscribe(number));
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, scene: &mut Scene, number: usize) -> Result<(), String> {
        scene.settle()?;
        let Some(place) = self.any(scene) else { return Ok(()) };
        let subscription = &mut self.subscriptions[number];
        if subscription.state != State::Leaving {
            subscription.stream.log.push(Entry::Left(scene.model.moment()));
        }
        subscription.state = State::Leaving;
        subscription.cursor.clear();
        let unsubscribe =
            json!({"channel": "/meta/unsubscribe", "subscription": subscription.stream.pattern});
        self.send(scene, place, unsubscribe, What::Unsubscribe(number));
        Ok(())
    }

    pub(super) fn publish(&mut self, scene: &mut Scene) {
        let channel = *scene.random.pick(CHANNELS);
        let bytes = *scene.random.pick(&[0, 0, 10, 50, 200, scene.large]);
        self.publish_to(scene, channel, bytes);
    }

    pub(super) fn publish_to(&mut self, scene: &mut Scene, channel: &'static str, bytes: usize) {
        let now = scene.server.now();
        // Only a name outlives the session.
        let echoes = self.way != Way::Count || scene.random.chance(85);
        let number = scene.model.publish(channel, (self.name, echoes), bytes, now);
        self.send_publication(scene, number, None);
    }

    pub(super) fn send_publication(&mut self, scene: &mut Scene, number: usize, id: Option<String>) {
        let publication = &scene.model.publications[number];
        let data = json!({"n": number, "pad": "x".repeat(publication.bytes)});
        let mut message = json!({"channel": publication.channel, "data": data});
        if !publication.echoes {
            message["ext"] = json!({"encke": {"echo": false}});
        }
        if let Some(id) = &id {
            message["id"] = json!(id);
        } else {
            self.next_id += 1;
            message["id"] = json!(format!("p{}", self.next_id));
        }
        if id.is_none() {
            self.unanswered.push((number, message["id"].as_str().unwrap_or_default().to_owned()));
        }
        // Without a connection it goes out later.
        if let Some(place) = self.any(scene) {
            self.send(scene, place, message, What::Publish(number));
        }
    }

    pub(super) fn publish_in_session(&mut self, scene: &mut Scene) {
        if self.session.is_some() {
            self.publish(scene);
        }
    }

    pub(super) fn disconnect(&mut self, scene: &mut Scene) {
        if let Some(place) = self.any(scene) {
            self.send(scene, place, json!({"channel": "/meta/disconnect"}), What::Disconnect);
            if let Some(session) = &mut self.session {
                session.connect = None;
            }
        }
    }
}

/// Positions as a cursor on the wire.
fn cursor(positions: &BTreeMap<String, u64>) -> String {
    let parts = positions.iter().map(|(epoch, sequence)| format!("{epoch}-{}", base36(*sequence)));
    parts.collect::<Vec<_>>().join(".")
}

/// A message without its padding.
pub(super) fn summary(message: &Value) -> String {
    let mut short = message.clone();
    if let Some(data) = short.get_mut("data").and_then(Value::as_object_mut) {
        data.remove("pad");
    }
    for field in ["version", "minimumVersion", "supportedConnectionTypes", "connectionType", "clientId"] {
        if let Some(message) = short.as_object_mut() {
            message.remove(field);
        }
    }
    short.to_string()
}
