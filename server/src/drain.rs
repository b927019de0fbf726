//! Going away: once begun it is known everywhere, and it does not end. It hands every client a moment of its own to return.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// The part of the drain time in which nobody is told to return, so that the next process can be there: one in twenty.
const AWAY: u32 = 20;

/// 2^64 divided by the golden ratio. Its multiples fall evenly into a circle however many they are, which those of a random
/// generator do not: among these no second of the drain time gets many more clients than another.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Whether the server is going away.
#[derive(Clone, Debug)]
pub struct Drain(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stage: watch::Sender<Stage>,
    /// The place of the next moment on the circle.
    next: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    /// No longer ready: whoever asks is told so, and nothing else has changed.
    Unready,
    /// Clients are told to return within so long from the moment at which it began.
    Draining {
        began: Duration,
        within: Duration,
    },
    Done,
}

impl Drain {
    /// Not begun.
    pub fn new() -> Self {
        Drain(Arc::new(Shared {
            stage: watch::Sender::new(Stage::Serving),
            next: AtomicU64::new(fastrand::u64(..)),
        }))
    }

    /// Says that there is no point in sending anybody here: the first thing.
    pub fn announce(&self) {
        self.0.stage.send_if_modified(|stage| {
            let first = *stage == Stage::Serving;
            if first {
                *stage = Stage::Unready;
            }
            first
        });
    }

    /// Begins it: clients are to return `within` so long from `now`, by the server's clock.
    pub fn begin(&self, now: Duration, within: Duration) {
        self.0.stage.send_if_modified(|stage| {
            let first = *stage < Stage::Draining { began: Duration::ZERO, within: Duration::ZERO };
            if first {
                *stage = Stage::Draining { began: now, within };
            }
            first
        });
    }

    /// Whether somebody should be sent here.
    pub fn is_ready(&self) -> bool {
        *self.0.stage.borrow() == Stage::Serving
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.stage.borrow() > Stage::Unready
    }

    /// Returns once it has begun.
    pub async fn begun(&self) {
        // The sender lives in `self`, so the wait can only end by beginning.
        let _ = self.0.stage.subscribe().wait_for(|stage| *stage > Stage::Unready).await;
    }

    /// How long one more client has to wait before it returns: all of them are spread evenly over the drain time, counted
    /// from its beginning and not from the good-bye, however long the good-byes take.
    pub fn returns_after(&self, now: Duration) -> Duration {
        let Stage::Draining { began, within } = *self.0.stage.borrow() else { return Duration::ZERO };
        let place = self.0.next.fetch_add(GOLDEN, Ordering::Relaxed);
        let gone = now.saturating_sub(began);
        let first = gone.max(within / AWAY).min(within);
        let moment = first + (within - first).mul_f64(place as f64 / u64::MAX as f64);
        moment.saturating_sub(gone)
    }

    /// Every client has been told, or there was no more time.
    pub fn finish(&self) {
        self.0.stage.send_replace(Stage::Done);
    }

    /// Returns once it has finished.
    pub async fn done(&self) {
        let _ = self.0.stage.subscribe().wait_for(|stage| *stage == Stage::Done).await;
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(20);

    /// Clients that return in each second, told at moments that `told` gives.
    fn seconds(clients: u32, told: impl Fn(u32) -> Duration) -> [u32; 20] {
        let drain = Drain::new();
        let began = Duration::from_secs(1000);
        drain.begin(began, WITHIN);
        let mut seconds = [0; 20];
        for client in 0..clients {
            let gone = told(client);
            let moment = gone + drain.returns_after(began + gone);
            assert!(moment >= Duration::from_secs(1) && moment <= WITHIN, "{moment:?}");
            seconds[(moment.as_millis().min(19_999) / 1000) as usize] += 1;
        }
        seconds
    }

    #[test]
    fn as_many_return_in_each_second() {
        for clients in [190, 1000, 10_000] {
            let seconds = seconds(clients, |_| Duration::ZERO);
            assert_eq!(seconds[0], 0, "the next process may need a moment");
            for returned in &seconds[1..] {
                assert!(returned.abs_diff(clients / 19) <= 3, "{seconds:?}");
            }
        }
    }

    #[test]
    fn the_time_that_good_byes_take_is_not_added() {
        // The last is told after three seconds; nobody returns after the drain time, and no second gets twice as many as another.
        let seconds = seconds(30_000, |client| Duration::from_millis(u64::from(client) / 10));
        let (least, most) = (seconds[4..].iter().min(), seconds[4..].iter().max());
        assert!(most.unwrap() <= &(least.unwrap() * 5 / 4), "{seconds:?}");
    }

    #[test]
    fn readiness_goes_first() {
        let drain = Drain::new();
        assert!(drain.is_ready() && !drain.has_begun());
        drain.announce();
        assert!(!drain.is_ready() && !drain.has_begun());
        drain.begin(Duration::ZERO, WITHIN);
        drain.announce();
        assert!(!drain.is_ready() && drain.has_begun());
        drain.finish();
        assert!(!drain.is_ready() && drain.has_begun());
        assert_eq!(drain.returns_after(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn without_a_drain_time_everybody_returns_at_once() {
        let drain = Drain::new();
        drain.begin(Duration::ZERO, Duration::ZERO);
        assert_eq!(drain.returns_after(Duration::from_secs(1)), Duration::ZERO);
    }
}
