//! Time as the server sees it: the system's, or one that a test holds in its hand.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// The time since the server started, and a way to wait for a moment of it.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System(Instant),
    Hand(Arc<watch::Sender<Times>>),
}

/// What a clock by hand shows.
#[derive(Clone, Copy, Debug)]
struct Times {
    now: Duration,
    wall: Duration,
}

/// What moves a clock made by [`Clock::by_hand`].
#[derive(Clone, Debug)]
pub struct Hand(Arc<watch::Sender<Times>>);

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Clock {
    /// A clock that goes by itself.
    pub fn system() -> Self {
        Clock(Kind::System(Instant::now()))
    }

    /// A clock that stands still until its hand is moved.
    pub fn by_hand() -> (Self, Hand) {
        let sender = Arc::new(watch::Sender::new(Times { now: Duration::ZERO, wall: since_1970() }));
        (Clock(Kind::Hand(sender.clone())), Hand(sender))
    }

    /// How long ago the clock was made.
    pub fn now(&self) -> Duration {
        match &self.0 {
            Kind::System(start) => start.elapsed(),
            Kind::Hand(hand) => hand.borrow().now,
        }
    }

    /// The time since 1970, which others put into tokens. Nothing is measured with it: it is set, and goes on while a machine sleeps,
    /// which the other one does not.
    pub fn wall(&self) -> Duration {
        match &self.0 {
            Kind::System(_) => since_1970(),
            Kind::Hand(hand) => hand.borrow().wall,
        }
    }

    /// Returns once [`now`](Self::now) has reached `moment`.
    pub async fn sleep_until(&self, moment: Duration) {
        match &self.0 {
            Kind::System(start) => tokio::time::sleep_until((*start + moment).into()).await,
            Kind::Hand(hand) => {
                // The sender lives in `self`, so the wait can only end by the hand.
                let _ = hand.subscribe().wait_for(|times| times.now >= moment).await;
            }
        }
    }
}

impl Hand {
    /// Moves the clock forward and wakes whoever waited for a moment now past.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|times| {
            times.now += by;
            times.wall += by;
        });
    }

    /// Sets the time of day forward alone, as for a machine that has slept.
    pub fn set_forward(&self, by: Duration) {
        self.0.send_modify(|times| times.wall += by);
    }
}
