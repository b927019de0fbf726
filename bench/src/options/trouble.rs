//! Measurements of a server or a network in trouble.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::common::{Common, payload, positive, rate, sessions, time};
use crate::plan::Transport;
use crate::served::OnOverflow;

/// What sessions that never read cost the others.
#[derive(Clone, Debug, Args)]
pub(crate) struct StalledOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// All sessions
    #[arg(long, short = 'n', default_value_t = 15_000, value_parser = sessions)]
    pub(crate) sessions: usize,
    /// How many of them never read
    #[arg(long, default_value_t = 1000, value_parser = sessions)]
    pub(crate) stalled: usize,
    /// Deliveries a second to the others
    #[arg(long, default_value_t = 50_000.0, value_parser = rate)]
    pub(crate) deliveries: f64,
    /// Channels that the others are spread over
    #[arg(long, default_value_t = 1, value_parser = sessions)]
    pub(crate) rooms: usize,
    /// Messages a second on the channel of those that never read
    #[arg(long, default_value_t = 100.0, value_parser = rate)]
    pub(crate) big_rate: f64,
    /// Bytes of `data` in each of them
    #[arg(long, default_value_t = 1024, value_parser = payload)]
    pub(crate) big_payload: usize,
    /// One session that never reads: the same as --stalled 1, once for each policy of --on-overflow (by default
    /// gap, gap with history, drop-oldest and end), and --strict compares with 1.2 times
    #[arg(long, conflicts_with = "stalled")]
    pub(crate) one: bool,
    /// Start Encke with these policies, a server for each
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) on_overflow: Vec<OnOverflow>,
    /// Fail unless the p99 of the others stays within 1.5 times or 3 ms, and those that never read get what the
    /// policy says: by default all are ended
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Healthy clients at twice the rate that the server can sustain.
#[derive(Clone, Debug, Args)]
pub(crate) struct OverloadOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Subscribers
    #[arg(long, short = 'n', default_value_t = 1000, value_parser = sessions)]
    pub(crate) sessions: usize,
    /// Messages under way at first while the sustainable rate is looked for
    #[arg(long, short = 'k', default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) in_flight: u32,
    /// What is offered, as a multiple of the sustainable rate
    #[arg(long, default_value_t = 2.0, value_parser = positive)]
    pub(crate) times: f64,
}

/// How a connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Loss {
    /// The server is told at once, by a reset
    Reset,
    /// The server is told nothing, and goes on writing to somebody who is not there
    Silent,
    /// Every other client the one way, the rest the other way
    Mixed,
}

/// Clients that lose their connection and return.
#[derive(Clone, Debug, Args)]
pub(crate) struct RecoverOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Clients, each in one room
    #[arg(long, short = 'n', default_value_t = 1000, value_parser = sessions)]
    pub(crate) clients: usize,
    /// Rooms, each with a history
    #[arg(long, default_value_t = 100, value_parser = sessions)]
    pub(crate) rooms: usize,
    /// Messages a second in all rooms together
    #[arg(long, default_value_t = 1000.0, value_parser = rate)]
    pub(crate) rate: f64,
    /// Transports, in turn
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["websocket", "long-polling", "event-stream"])]
    pub(crate) transports: Vec<Transport>,
    /// How connections are lost
    #[arg(long, value_enum, default_value = "mixed")]
    pub(crate) loss: Loss,
    /// How long all is well before that
    #[arg(long, default_value = "5s", value_parser = time)]
    pub(crate) before: Duration,
    /// How long the network is away. Sessions last 30 s without a connection: beyond that clients begin anew
    #[arg(long, default_value = "30s", value_parser = time)]
    pub(crate) away: Duration,
    /// Clients return at random moments within this time
    #[arg(long, default_value = "5s", value_parser = time)]
    pub(crate) within: Duration,
    /// How long messages are published after the last has caught up
    #[arg(long, default_value = "2s", value_parser = time)]
    pub(crate) after: Duration,
}
