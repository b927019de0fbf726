//! The `encke-bench` command: load, memory and the floor.
//!
//! Each run starts the server under test and the floor alternately, pinned to cores of their own,
//! and drives both with the same generator. In reading order: [`target`] starts what is measured,
//! [`crowd`] holds the [`session`]s, [`drive`] publishes and counts in the [`ledger`], [`report`]
//! prints; one file for each measurement stands beside them. `docs/benchmarks.md` says what the
//! figures mean.

mod beside;
mod connect;
mod cores;
mod counters;
mod crowd;
mod dial;
mod draw;
mod drive;
mod fanout;
mod floor;
mod hear;
mod http;
mod idle;
mod ledger;
mod meter;
mod mochiweb;
mod options;
mod overload;
mod plan;
mod ratios;
mod recover;
mod report;
mod rooms;
mod scan;
mod served;
mod session;
mod stalled;
mod target;
mod words;

use std::process::ExitCode;

use clap::Parser;

/// Why a run could not be finished, in a sentence for the person who started it.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

fn main() -> ExitCode {
    let outcome = match options::Arguments::parse().command {
        options::Command::Floor { listen, join } => floor::run(listen, join),
        options::Command::Fanout(options) => fanout::run(&options),
        options::Command::Ingest(options) => fanout::ingest(&options),
        options::Command::Idle(options) => idle::run(&options),
        options::Command::Beside(options) => beside::run(&options),
        options::Command::Connect(options) => connect::run(&options),
        options::Command::Rooms(options) => rooms::run(&options),
        options::Command::Stalled(options) => stalled::run(&options),
        options::Command::Mochiweb(options) => mochiweb::run(&options),
        options::Command::Ratios(options) => ratios::run(&options),
        options::Command::Recover(options) => recover::run(&options),
        options::Command::Overload(options) => overload::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(why)) => {
            report::warn(&why);
            ExitCode::FAILURE
        }
    }
}
