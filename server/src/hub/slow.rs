//! What a slow consumer gets: the choices of a table of channels.

use serde::{Deserialize, Serialize};

/// Which messages wait for a session whose connection takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deliver {
    /// All of them.
    #[default]
    Every,
    /// The newest of each channel.
    Latest,
}

/// What happens when more would wait than an outbox may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnOverflow {
    /// Nothing more is queued. With history the session catches up from there; what cannot be had back, the client is
    /// told of.
    Gap,
    /// The oldest message that waits is dropped.
    DropOldest,
    /// The session ends.
    End,
}
