//! The command line.

mod common;
mod load;
mod trouble;

use std::net::SocketAddr;

use clap::{Parser, Subcommand};

pub(crate) use self::common::Common;
pub(crate) use self::load::{
    BesideOptions, Compared, ConnectOptions, FanoutOptions, IdleOptions, IngestOptions, MochiwebOptions,
    Profile, RatiosOptions, RoomsOptions,
};
pub(crate) use self::trouble::{Loss, OverloadOptions, RecoverOptions, StalledOptions};
use crate::floor::Join;

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
    /// Many sessions that each get a message every 10 seconds: memory and CPU, and the slope to a million
    Mochiweb(MochiwebOptions),
    /// What history and acknowledgement cost, as ratios to a server without them
    Ratios(RatiosOptions),
    /// Clients that lose their connection and return: what they missed, and how long until they have it
    Recover(RecoverOptions),
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
            &["rooms", "--peer", "faye"],
            &["rooms", "--profile", "cometd", "--in-flight", "3"],
            &["stalled", "--one", "--stalled", "2"],
            &["recover", "--away", "1h"],
        ] {
            let line = std::iter::once("encke-bench").chain(bad.iter().copied());
            assert!(Arguments::try_parse_from(line).is_err(), "{bad:?}");
        }
    }
}
