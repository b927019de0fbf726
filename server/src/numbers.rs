//! The live numbers of the index page: published every second on a channel of their own, while somebody listens.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bayeux::{Channel, Draft, Payload};
use serde_json::json;

use crate::broker::{Broker, By};
use crate::clock::Clock;
use crate::policy::Identity;

/// Where they are published.
const CHANNEL: &str = "/encke/numbers";

/// Publishes, for ever.
pub(crate) async fn publish(broker: Arc<Broker>, clock: Clock) {
    let channel = Channel::parse(CHANNEL).expect("it is a channel");
    loop {
        clock.sleep_until(clock.now() + Duration::from_secs(1)).await;
        if broker.listeners(&channel).await == 0 {
            continue;
        }
        let metrics = broker.metrics();
        let numbers = json!({
            "sessions": metrics.sessions.get(),
            "connections": metrics.open(),
            "published": metrics.messages_in.inner().load(Ordering::Relaxed),
            "delivered": metrics.messages_out.inner().load(Ordering::Relaxed),
            "seconds": clock.now().as_secs(),
        });
        let Ok(data) = serde_json::value::to_raw_value(&numbers) else { continue };
        let draft = Draft { channel: channel.clone(), id: None, payload: Payload::Json(data) };
        // A refusal is counted where it is made.
        let _ = broker.publish(&Identity::default(), draft, By::Anyone).await;
    }
}
