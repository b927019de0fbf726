//! Time as the server sees it: the system's, or one that a test holds in its hand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The time since the server started, and a way to wait for a moment of it.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System(Instant),
    Hand(Arc<watch::Sender<Duration>>),
}

/// What moves a clock made by [`Clock::by_hand`].
#[derive(Clone, Debug)]
pub struct Hand(Arc<watch::Sender<Duration>>);

impl Clock {
    /// A clock that goes by itself.
    pub fn system() -> Self {
        Clock(Kind::System(Instant::now()))
    }

    /// A clock that stands still until its hand is moved.
    pub fn by_hand() -> (Self, Hand) {
        let sender = Arc::new(watch::Sender::new(Duration::ZERO));
        (Clock(Kind::Hand(sender.clone())), Hand(sender))
    }

    /// How long ago the clock was made.
    pub fn now(&self) -> Duration {
        match &self.0 {
            Kind::System(start) => start.elapsed(),
            Kind::Hand(hand) => *hand.borrow(),
        }
    }

    /// Returns once [`now`](Self::now) has reached `moment`.
    pub async fn sleep_until(&self, moment: Duration) {
        match &self.0 {
            Kind::System(start) => tokio::time::sleep_until((*start + moment).into()).await,
            Kind::Hand(hand) => {
                // The sender lives in `self`, so the wait can only end by the hand.
                let _ = hand.subscribe().wait_for(|now| *now >= moment).await;
            }
        }
    }
}

impl Hand {
    /// Moves the clock forward and wakes whoever waited for a moment now past.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now += by);
    }
}
