//! Connections that rest: between two requests, or after a poll was answered. One walk a core now and then closes
//! those that have rested too long, so that a waiting connection needs no timer (a timer is 120 bytes, and would be
//! set and unset with every poll).

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::clock::Clock;
use crate::hub::Wire;

/// How long a connection may rest: above the 60 s of most proxies, so that they close first and no request of theirs
/// meets a closing socket.
pub(crate) const REST: Duration = Duration::from_secs(75);

/// The pause between two walks: how much longer than [`REST`] it may be.
const WALK: Duration = Duration::from_secs(5);

/// Connections looked at before others have the core.
const CHUNK: usize = 4096;

thread_local! {
    /// Every connection of this core that began as HTTP.
    static WIRES: RefCell<Vec<Weak<Wire>>> = const { RefCell::new(Vec::new()) };
}

/// Has the walks of this core look at a wire for as long as it lives.
pub(super) fn register(wire: &Arc<Wire>) {
    WIRES.with_borrow_mut(|wires| wires.push(Arc::downgrade(wire)));
}

/// Walks, for ever. One of these runs on each core.
pub(crate) async fn watch(clock: Clock) {
    loop {
        clock.sleep_until(clock.now() + WALK).await;
        let mut place = 0;
        while !walk(&mut place, clock.now()) {
            tokio::task::yield_now().await;
        }
    }
}

/// Looks at the next few; true when that was the last of them.
fn walk(place: &mut usize, now: Duration) -> bool {
    WIRES.with_borrow_mut(|wires| {
        for _ in 0..CHUNK {
            let Some(wire) = wires.get(*place) else {
                if wires.len() * 4 < wires.capacity() {
                    wires.shrink_to(wires.len() * 2);
                }
                return true;
            };
            match wire.upgrade() {
                None => drop(wires.swap_remove(*place)),
                Some(wire) => {
                    if wire.rests_since().is_some_and(|since| now >= since + REST) {
                        // Its task reads the end.
                        wire.shut();
                    }
                    *place += 1;
                }
            }
        }
        false
    })
}
