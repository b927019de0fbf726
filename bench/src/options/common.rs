//! What every measurement needs to know.

use std::time::Duration;

use clap::Args;

use crate::cores::{self, Cores};
use crate::floor::Join;
use crate::served::Setup;
use crate::target::{self, Peer, Subject, Target};
use crate::{Failure, report, words};

/// What every measurement needs to know.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Command line of the server under test, split at spaces. It must print a line with `public`
    /// and its URL. Default: `encke` beside this program
    #[arg(long, conflicts_with_all = ["url", "pid"])]
    server: Option<String>,
    /// Encke's executable, for runs that need a configuration of their own and where no server is named.
    /// Default: `encke` beside this program
    #[arg(long, conflicts_with_all = ["server", "url"])]
    encke: Option<String>,
    /// Another server to run in turn with the rest, as often as you like: NAME=COMMAND LINE, or
    /// NAME@long-polling=COMMAND LINE where it lacks the transport that is measured. It must print a line with
    /// `public` and its URL
    #[arg(long = "peer", value_name = "NAME[@TRANSPORT]=COMMAND")]
    peers: Vec<Peer>,
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
    /// What to measure in each round: the server first, then the floors, then the peers. Encke is started with
    /// the configuration, if there is one; a server that is named has its own.
    pub(crate) fn subjects(&self, setup: Option<&Setup>) -> Result<Vec<Subject>, Failure> {
        let mut subjects = Vec::new();
        if !self.no_server {
            subjects.push(match (&self.server, &self.url, self.pid, setup) {
                (Some(line), ..) => Subject::Command(line.split_whitespace().map(String::from).collect()),
                (None, Some(url), Some(pid), _) => Subject::Running(url.clone(), pid),
                (.., Some(setup)) => self.served("server", setup.clone())?,
                _ => Subject::Command(target::default_command(&self.executable()?)),
            });
        }
        subjects.extend(self.floors.iter().map(|join| Subject::Floor(*join)));
        subjects.extend(self.peers.iter().cloned().map(Subject::Peer));
        Ok(subjects)
    }

    /// Encke with a configuration, under this name in tables.
    pub(crate) fn served(&self, name: &'static str, setup: Setup) -> Result<Subject, Failure> {
        if self.server.is_some() || self.url.is_some() {
            let why = "this needs configurations that Encke is started with: name its executable by --encke";
            return Err(Failure(why.to_owned()));
        }
        Ok(Subject::Served { name, program: self.executable()?, setup })
    }

    fn executable(&self) -> Result<String, Failure> {
        self.encke.clone().map_or_else(target::encke_beside, Ok)
    }

    /// Measures each subject in turn, as many rounds as were asked for. A peer that fails is told of, and does
    /// not end the run.
    pub(crate) fn each(
        &self,
        rounds: usize,
        subjects: &[Subject],
        mut measure: impl FnMut(usize, &Subject) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for round in 1..=self.rounds(rounds) {
            for subject in subjects {
                match measure(round, subject) {
                    Err(Failure(why)) if subject.is_peer() => {
                        report::warn(&format!("{} in round {round}: {why}", subject.name()));
                    }
                    outcome => outcome?,
                }
            }
        }
        Ok(())
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

pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && number <= 1e7 => Ok(number),
        _ => Err(format!("`{text}` is not a rate greater than 0 and at most 10,000,000")),
    }
}

pub(crate) fn payload(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if (words::LEAST_PAYLOAD..=65_536).contains(&bytes) => Ok(bytes),
        _ => Err(format!("`{text}` is not a number from {} to 65,536", words::LEAST_PAYLOAD)),
    }
}

pub(crate) fn sessions(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=1_000_000).contains(&number) => Ok(number),
        _ => Err(format!("`{text}` is not a number from 1 to 1,000,000")),
    }
}

/// Reads a length of time: seconds, with or without their `s`, or milliseconds with `ms`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    match number.parse::<f64>() {
        Ok(number) if number >= 0.0 && number * unit <= LONGEST => Ok(Duration::from_secs_f64(number * unit)),
        _ => Err(format!("`{text}` is no length of time such as 30s or 500ms, at most {LONGEST} s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(time("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(time("2.5"), Ok(Duration::from_millis(2500)));
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "s", "-1s", "1m", "nan", "3601"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
