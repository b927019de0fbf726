//! Waiting for the next publication without a stream of it: what a page of history that is empty does.

use std::sync::Arc;

use bayeux::Pattern;

use super::{Broker, Seat};
use crate::hub::{Key, Woken};
use crate::policy::Identity;

/// Somebody who waits for the next publication that a pattern matches, and counts as a session meanwhile. Leaving is a drop.
pub struct Waiter {
    broker: Arc<Broker>,
    key: Key,
    woken: Arc<Woken>,
}

impl Broker {
    /// Has somebody wait who [may read](Self::may_read), as long as they are who they are.
    pub async fn waiter(
        self: &Arc<Self>,
        pattern: Pattern,
        who: &Arc<Identity>,
        seat: Seat,
    ) -> Option<Waiter> {
        let woken = Arc::new(Woken::default());
        let outlet = woken.clone();
        let owner = self.owner(who, seat, true);
        let open = move |shard: &mut crate::hub::Shard| {
            let key = shard.open_stream();
            if let Some((owner, until)) = owner {
                shard.own(key, owner, until);
            }
            shard.subscribe(key, &[pattern]);
            // The last values are for those who read them.
            shard.skip(key);
            shard.attach_woken(key, outlet);
            key
        };
        let key = self.hub.call(self.hub.here(), open).await?;
        Some(Waiter { broker: self.clone(), key, woken })
    }
}

impl Waiter {
    /// Returns when something has been published; false when the session has ended, as all do when the server goes away.
    pub async fn news(&self) -> bool {
        self.woken.waiting().await;
        let key = self.key;
        self.broker.hub.call(key.shard.into(), move |shard| shard.skip(key)).await == Some(true)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let key = self.key;
        self.broker.hub.post(key.shard.into(), move |shard| shard.close_stream(key));
    }
}
