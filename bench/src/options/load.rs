//! Measurements of a server that is well.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::common::{Common, positive, rate, sessions, time};
use crate::plan::{Ack, Transport};

/// One channel, many subscribers.
#[derive(Clone, Debug, Args)]
pub(crate) struct FanoutOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Subscribers
    #[arg(long, short = 'n', default_value_t = 1000, value_parser = sessions)]
    pub(crate) sessions: usize,
    /// Closed loop: messages that may be under way; the next waits until all subscribers have one
    #[arg(long, short = 'k', default_value_t = 1, conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) in_flight: u32,
    /// Open loop: messages a second, whatever happens
    #[arg(long, value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// How subscribers are connected
    #[arg(long, value_enum, default_value = "websocket")]
    pub(crate) transport: Transport,
    /// Start Encke with a history of the channel
    #[arg(long, conflicts_with_all = ["server", "url"])]
    pub(crate) history: bool,
    /// How subscribers acknowledge what they get
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) ack: Ack,
}

/// One publisher, one subscriber.
#[derive(Clone, Debug, Args)]
pub(crate) struct IngestOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Messages under way
    #[arg(long, short = 'k', default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) in_flight: u32,
    /// Start Encke with a history of the channel
    #[arg(long, conflicts_with_all = ["server", "url"])]
    pub(crate) history: bool,
    /// How subscribers acknowledge what they get
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) ack: Ack,
}

/// Bytes of a connection that does nothing.
#[derive(Clone, Debug, Args)]
pub(crate) struct IdleOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Numbers of connections to stop at, in rising order
    #[arg(long, short = 'n', value_delimiter = ',', default_values_t = [1000, 5000, 15_000], value_parser = sessions)]
    pub(crate) sessions: Vec<usize>,
    /// How they are connected
    #[arg(long, value_enum, default_value = "websocket")]
    pub(crate) transport: Transport,
    /// Seconds of silence before memory is read
    #[arg(long, default_value_t = 3.0, value_parser = positive)]
    pub(crate) settle: f64,
    /// Whether they acknowledge what they get
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) ack: Ack,
}

/// Latency of a small channel while a wide one fans out.
#[derive(Clone, Debug, Args)]
pub(crate) struct BesideOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Subscribers of the wide channel
    #[arg(long, short = 'n', default_value_t = 15_000, value_parser = sessions)]
    pub(crate) sessions: usize,
    /// Messages under way on the wide channel
    #[arg(long, short = 'k', default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) in_flight: u32,
    /// Subscribers of the small channel
    #[arg(long, default_value_t = 10, value_parser = sessions)]
    pub(crate) small: usize,
    /// Messages a second on the small channel
    #[arg(long, default_value_t = 50.0, value_parser = rate)]
    pub(crate) small_rate: f64,
}

/// CPU of the server for each connection, handshake and subscription.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Connections in one run
    #[arg(long, short = 'n', default_value_t = 10_000, value_parser = sessions)]
    pub(crate) sessions: usize,
}

/// A load that others have published figures of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// CometD's published benchmark: 1,000 clients, 100 rooms, 10 rooms each, 10 messages every 10 ms
    Cometd,
    /// "20,000 Reasons Why Comet Scales" (2008): one room of at most 200 for each, bursts to 10 rooms, long-polling
    #[value(name = "2008")]
    Y2008,
}

/// Many sessions in several rooms each.
#[derive(Clone, Debug, Args)]
pub(crate) struct RoomsOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// A load that others have published figures of; what else is said goes before it
    #[arg(long, value_enum)]
    pub(crate) profile: Option<Profile>,
    /// Sessions [default: 15,000, and 1,000 of profile cometd]
    #[arg(long, short = 'n', value_parser = sessions)]
    pub(crate) sessions: Option<usize>,
    /// Rooms; by default so many that each has about 100 members, and at most 200 of profile 2008
    #[arg(long, value_parser = sessions)]
    pub(crate) rooms: Option<usize>,
    /// Rooms that each session is in [default: 10, and 1 of profile 2008]
    #[arg(long, value_parser = sessions)]
    pub(crate) joined: Option<usize>,
    /// Messages in one array
    #[arg(long, default_value_t = 10, value_parser = sessions)]
    pub(crate) batch: usize,
    /// Sessions that publish
    #[arg(long, default_value_t = 10, value_parser = sessions)]
    pub(crate) publishers: usize,
    /// Closed loop: messages under way in all rooms together
    #[arg(long, short = 'k', default_value_t = 320, conflicts_with_all = ["rate", "profile"], value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) in_flight: u32,
    /// Open loop: messages a second in all rooms together [default of profile cometd: 1,000, of 2008: 100]
    #[arg(long, value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// How sessions are connected [default: websocket, and long-polling of profile 2008]
    #[arg(long, value_enum)]
    pub(crate) transport: Option<Transport>,
}

/// Sessions that each get a message now and then.
#[derive(Clone, Debug, Args)]
pub(crate) struct MochiwebOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Sessions, each with a channel of its own
    #[arg(long, short = 'n', default_value_t = 10_000, value_parser = sessions)]
    pub(crate) sessions: usize,
    /// Pause between two messages to a session
    #[arg(long, default_value = "10s", value_parser = time)]
    pub(crate) period: Duration,
    /// Periods that are measured, after one that is not
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=360))]
    pub(crate) periods: u32,
    /// Numbers of sessions to stop at on the way, as parts of all: the slope is between the first and the last
    #[arg(long, value_delimiter = ',', default_values_t = [0.25, 0.5, 1.0], value_parser = positive)]
    pub(crate) steps: Vec<f64>,
    /// How sessions are connected
    #[arg(long, value_enum, default_value = "websocket")]
    pub(crate) transport: Transport,
    /// Whether they acknowledge what they get
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) ack: Ack,
}

/// What is compared by `ratios`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compared {
    /// One publisher, one subscriber, 64 messages in flight: the publish rate
    Ingest,
    /// 1,000 subscribers, 50 messages a second: CPU per delivery and latency
    Open,
    /// 1,000 subscribers, 32 messages in flight: the highest rate
    Joined,
    /// Bytes of a session that does nothing
    Idle,
}

/// What history and acknowledgement cost.
#[derive(Clone, Debug, Args)]
pub(crate) struct RatiosOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// What to compare
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["ingest", "open", "joined", "idle"])]
    pub(crate) compare: Vec<Compared>,
    /// Subscribers in `open` and `joined`
    #[arg(long, short = 'n', default_value_t = 1000, value_parser = sessions)]
    pub(crate) sessions: usize,
    /// Numbers of connections to stop at in `idle`, in rising order
    #[arg(long, value_delimiter = ',', default_values_t = [1000, 5000], value_parser = sessions)]
    pub(crate) idle_sessions: Vec<usize>,
    /// Seconds of silence before memory is read in `idle`
    #[arg(long, default_value_t = 3.0, value_parser = positive)]
    pub(crate) settle: f64,
}
