//! What was said: the newest messages of each channel, for those who come late or come back.
//!
//! A class is what one `[[channel]]` table is about: its channels share one store, one sequence and one age. The
//! room is plain data. Its owner keeps it under the lock that gives out sequences and tells it the time, so a message
//! is in the history before anybody can ask for what came before it.

mod memory;
mod reading;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use memory::Memory;

/// How much is kept: a `[channel.history]` table. Whatever is reached first lets the oldest go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Messages of each channel.
    pub count: usize,
    /// Bytes of each channel.
    pub bytes: usize,
    /// How long a message is kept.
    #[serde(with = "humantime_serde")]
    pub age: Duration,
    /// Bytes of all channels of the class, with what the store itself needs for them.
    pub total_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            count: 100,
            bytes: 1024 * 1024,
            age: Duration::from_secs(600),
            total_bytes: 64 * 1024 * 1024,
        }
    }
}

/// How much one call may hand out. The first message is handed out whatever its size.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Messages.
    pub messages: usize,
    /// Their [`bytes`](bayeux::Message::bytes).
    pub bytes: usize,
}
