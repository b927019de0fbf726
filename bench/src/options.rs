//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::cores::{self, Cores};
use crate::floor::Join;
use crate::plan::Transport;
use crate::target::{self, Subject, Target};
use crate::{Failure, words};

/// Load, memory and the floor: measurements of a Comet server that anyone can rerun.
#[derive(Debug, Parser)]
#[command(name = "encke-bench", version)]
pub(crate) struct Arguments {
    /// What to measure.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// One channel, many subscribers: rate, CPU per delivery, latency
    Fanout(FanoutOptions),
    /// One publisher, one subscriber, many messages under way
    Ingest(IngestOptions),
    /// Bytes of a connection that does nothing
    Idle(IdleOptions),
    /// Latency of a small channel while a wide one fans out
    Beside(BesideOptions),
    /// CPU of the server for each connection, handshake and subscription
    Connect(ConnectOptions),
    /// Many sessions in several rooms each, small messages in batches
    Rooms(RoomsOptions),
    /// What sessions that never read cost the others
    Stalled(StalledOptions),
    /// Healthy clients at twice the rate that the server can sustain
    Overload(OverloadOptions),
    /// The floor by itself, until its standard input closes
    #[command(hide = true)]
    Floor {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Which messages go out in one write
        #[arg(long, value_enum, default_value = "never")]
        join: Join,
    },
}

/// What every measurement needs to know.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Command line of the server under test, split at spaces. It must print a line with `public`
    /// and its URL. Default: `encke` beside this program
    #[arg(long, conflicts_with_all = ["url", "pid"])]
    server: Option<String>,
    /// URL of a server that runs already
    #[arg(long, requires = "pid")]
    url: Option<String>,
    /// Process of the server that runs already
    #[arg(long, requires = "url")]
    pid: Option<u32>,
    /// Path of the server's Bayeux endpoint
    #[arg(long, default_value = "/bayeux")]
    path: String,
    /// Cores of the server under test and of the floor
    #[arg(long, default_value = "0")]
    server_cores: Cores,
    /// Cores of this load generator
    #[arg(long, default_value = "1")]
    cores: Cores,
    /// Floors to run in turn with the server
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["never", "session"])]
    floors: Vec<Join>,
    /// Measure the floors alone
    #[arg(long)]
    no_server: bool,
    /// Runs of each, in turn: 9 unless the measurement takes long, then 1
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Seconds that count, in each run
    #[arg(long, default_value_t = 2.0, value_parser = positive)]
    seconds: f64,
    /// Seconds before them that do not count
    #[arg(long, default_value_t = 0.5, value_parser = positive)]
    warmup: f64,
    /// Seconds that sessions may take to open, and the last messages to arrive
    #[arg(long, default_value_t = 60.0, value_parser = positive)]
    patience: f64,
    /// Bytes of `data` in each message, at least 44: 100, or 50 in rooms
    #[arg(long, value_parser = payload)]
    payload: Option<usize>,
    /// Print one JSON object for each run
    #[arg(long)]
    pub(crate) json: bool,
}

impl Common {
    /// What to measure in each round: the server first, then the floors.
    pub(crate) fn subjects(&self) -> Result<Vec<Subject>, Failure> {
        let mut subjects = Vec::new();
        if !self.no_server {
            subjects.push(match (&self.server, &self.url, self.pid) {
                (Some(line), _, _) => Subject::Command(line.split_whitespace().map(String::from).collect()),
                (None, Some(url), Some(pid)) => Subject::Running(url.clone(), pid),
                _ => Subject::Command(target::default_command()?),
            });
        }
        subjects.extend(self.floors.iter().map(|join| Subject::Floor(*join)));
        Ok(subjects)
    }

    /// Prepares this process: descriptors and cores. Call once, before the first run.
    pub(crate) fn prepare(&self, sessions: usize) -> Result<(), Failure> {
        let descriptors = cores::raise_descriptors()?;
        // Standard streams, polls, /proc files and the publishers.
        let needed = sessions as u64 + 64;
        if needed > descriptors {
            return Err(Failure(format!(
                "{sessions} sessions need {needed} descriptors, and the limit is {descriptors}"
            )));
        }
        self.cores.pin()
    }

    /// Starts a subject on the server's cores.
    pub(crate) fn start(&self, subject: &Subject) -> Result<Target, Failure> {
        subject.start(&self.server_cores, &self.path)
    }

    /// How often each subject runs, if this is not said on the command line.
    pub(crate) fn rounds(&self, default: usize) -> usize {
        self.rounds.map_or(default, usize::from)
    }

    /// Bytes of `data` in each message, if this is not said on the command line.
    pub(crate) fn payload(&self, default: usize) -> usize {
        self.payload.unwrap_or(default)
    }

    /// How long sessions may take to open, and the last messages to arrive.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.patience)
    }

    /// The part of a run that counts.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// The part of a run before it.
    pub(crate) fn warmup(&self) -> Duration {
        Duration::from_secs_f64(self.warmup)
    }
}

/// Longer than anyone waits for one run.
const LONGEST: f64 = 3600.0;

/// Reads a number that is greater than zero and not absurd.
pub(crate) fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && number <= LONGEST => Ok(number),
        _ => Err(format!("`{text}` is not a number greater than 0 and at most {LONGEST}")),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && number <= 1e7 => Ok(number),
        _ => Err(format!("`{text}` is not a rate greater than 0 and at most 10,000,000")),
    }
}

fn payload(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if (words::LEAST_PAYLOAD..=65_536).contains(&bytes) => Ok(bytes),
        _ => Err(format!("`{text}` is not a number from {} to 65,536", words::LEAST_PAYLOAD)),
    }
}

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
}

/// One publisher, one subscriber.
#[derive(Clone, Debug, Args)]
pub(crate) struct IngestOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Messages under way
    #[arg(long, short = 'k', default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) in_flight: u32,
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

/// Many sessions in several rooms each.
#[derive(Clone, Debug, Args)]
pub(crate) struct RoomsOptions {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Sessions
    #[arg(long, short = 'n', default_value_t = 15_000, value_parser = sessions)]
    pub(crate) sessions: usize,
    /// Rooms; by default so many that each has about 100 members
    #[arg(long, value_parser = sessions)]
    pub(crate) rooms: Option<usize>,
    /// Rooms that each session is in
    #[arg(long, default_value_t = 10, value_parser = sessions)]
    pub(crate) joined: usize,
    /// Messages in one array
    #[arg(long, default_value_t = 10, value_parser = sessions)]
    pub(crate) batch: usize,
    /// Sessions that publish
    #[arg(long, default_value_t = 10, value_parser = sessions)]
    pub(crate) publishers: usize,
    /// Closed loop: messages under way in all rooms together
    #[arg(long, short = 'k', default_value_t = 320, conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) in_flight: u32,
    /// Open loop: messages a second in all rooms together
    #[arg(long, value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// How sessions are connected
    #[arg(long, value_enum, default_value = "websocket")]
    pub(crate) transport: Transport,
}

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
    /// Fail unless the p99 of the others stays within 1.5 times or 3 ms, and all that never read
    /// are ended
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

fn sessions(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=1_000_000).contains(&number) => Ok(number),
        _ => Err(format!("`{text}` is not a number from 1 to 1,000,000")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for bad in [
            &["fanout", "--sessions", "0"][..],
            &["fanout", "--payload", "43"],
            &["fanout", "--rate", "0"],
            &["fanout", "--seconds", "nan"],
            &["fanout", "--rounds", "0"],
            &["fanout", "--rate", "5", "--in-flight", "2"],
            &["fanout", "--url", "http://127.0.0.1:1/"],
        ] {
            let line = std::iter::once("encke-bench").chain(bad.iter().copied());
            assert!(Arguments::try_parse_from(line).is_err(), "{bad:?}");
        }
    }
}
