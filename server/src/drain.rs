//! Going away: once begun it is known everywhere, and it does not end.

use tokio::sync::watch;

/// Whether the server is going away.
#[derive(Clone, Debug)]
pub struct Drain(std::sync::Arc<watch::Sender<Stage>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    Draining,
    Done,
}

impl Drain {
    /// Not begun.
    pub fn new() -> Self {
        Drain(std::sync::Arc::new(watch::Sender::new(Stage::Serving)))
    }

    /// Begins it.
    pub fn begin(&self) {
        self.0.send_if_modified(|stage| {
            *stage == Stage::Serving && std::mem::replace(stage, Stage::Draining) == Stage::Serving
        });
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        *self.0.borrow() >= Stage::Draining
    }

    /// Returns once it has begun.
    pub async fn begun(&self) {
        // The sender lives in `self`, so the wait can only end by beginning.
        let _ = self.0.subscribe().wait_for(|stage| *stage >= Stage::Draining).await;
    }

    /// Every client has been told, or there was no more time.
    pub fn finish(&self) {
        self.0.send_replace(Stage::Done);
    }

    /// Returns once it has finished.
    pub async fn done(&self) {
        let _ = self.0.subscribe().wait_for(|stage| *stage == Stage::Done).await;
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}
