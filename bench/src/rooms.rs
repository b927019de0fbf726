//! `rooms`: the field's classic load, many sessions in rooms.

use crate::Failure;
use crate::crowd::Crowd;
use crate::draw::Draw;
use crate::drive::{Pace, Source, drive};
use crate::fanout::{check, publisher, subscriber};
use crate::options::{Common, Profile, RoomsOptions};
use crate::plan::Transport;
use crate::report::{Figures, Report, of_window};
use crate::target::Subject;

/// Members of a room when the number of rooms is not given.
const MEMBERS: usize = 100;
/// The most members of a room in the benchmark of 2008.
const MOST_MEMBERS: usize = 200;

/// Runs `rooms`.
pub(crate) fn run(options: &RoomsOptions) -> Result<(), Failure> {
    let common = &options.common;
    let load = Load::of(options)?;
    common.prepare(load.sessions + options.publishers)?;
    let closed = matches!(load.pace, Pace::Closed(_));
    let mut report = Report::new("rooms", load.to_string(), common.json).closed_loop(closed);
    common.each(9, &common.subjects(None)?, |round, subject| {
        let (figures, outcome) = measure(common, subject, &load)?;
        report.add(round, figures);
        outcome
    })?;
    report.print();
    Ok(())
}

/// Who is where, and what is published.
#[derive(Clone, Debug, PartialEq)]
struct Load {
    profile: Option<Profile>,
    sessions: usize,
    rooms: usize,
    joined: usize,
    batch: usize,
    publishers: usize,
    pace: Pace,
    payload: usize,
    transport: Transport,
}

impl Load {
    fn of(options: &RoomsOptions) -> Result<Load, Failure> {
        let profile = options.profile;
        let sessions =
            options.sessions.unwrap_or(if profile == Some(Profile::Cometd) { 1000 } else { 15_000 });
        let joined = options.joined.unwrap_or(if profile == Some(Profile::Y2008) { 1 } else { 10 });
        let rooms = options.rooms.unwrap_or(match profile {
            Some(Profile::Cometd) => 100,
            Some(Profile::Y2008) => sessions.div_ceil(MOST_MEMBERS),
            None => (sessions * joined / MEMBERS).max(joined),
        });
        let rate = options.rate.or(match profile {
            // Ten every 10 ms, and ten every 100 ms.
            Some(Profile::Cometd) => Some(1000.0),
            Some(Profile::Y2008) => Some(100.0),
            None => None,
        });
        let transport = options.transport.unwrap_or(match profile {
            Some(Profile::Y2008) => Transport::LongPolling,
            _ => Transport::WebSocket,
        });
        if transport == Transport::EventStream {
            return Err(Failure("rooms knows websocket and long-polling".to_owned()));
        }
        if joined > rooms {
            return Err(Failure(format!("a session cannot be in {joined} of {rooms} rooms")));
        }
        Ok(Load {
            profile,
            sessions,
            rooms,
            joined,
            batch: options.batch,
            // More publishers than rooms would be idle.
            publishers: options.publishers.min(rooms),
            pace: rate.map_or(Pace::Closed(options.in_flight), Pace::Open),
            payload: options.common.payload(50),
            transport,
        })
    }

    /// The rooms of each session.
    fn seats(&self) -> impl Iterator<Item = Vec<u32>> {
        let mut draw = Draw::new(0);
        (0..self.sessions).map(move |number| match self.profile {
            // Rooms of one size, as far as that goes.
            Some(Profile::Y2008) => (0..self.joined)
                .map(|seat| u32::try_from((number + seat) % self.rooms).unwrap_or(0))
                .collect(),
            _ => draw.distinct(self.joined, self.rooms),
        })
    }
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Load { sessions, rooms, joined, batch, pace, payload, transport, .. } = self;
        if let Some(profile) = self.profile {
            write!(f, "profile {}: ", if profile == Profile::Cometd { "cometd" } else { "2008" })?;
        }
        let transport = transport.name();
        write!(f, "{sessions} sessions by {transport} in {joined} of {rooms} rooms each, ")?;
        write!(f, "batches of {batch}, {pace:?}, {payload} bytes")
    }
}

/// One run; the figures come with the verdict on them.
fn measure(
    common: &Common,
    subject: &Subject,
    load: &Load,
) -> Result<(Figures, Result<(), Failure>), Failure> {
    let transport = subject.transport(load.transport);
    let target = common.start(subject)?;
    // Names of one width keep the messages of one width.
    let names = (0..load.rooms).map(|room| format!("/room/{room:07}")).collect();
    let mut crowd = Crowd::new(&target, names, 1)?;
    let first = crowd.open((0..load.publishers).map(|_| publisher(transport)), common.patience())?;
    crowd.open(load.seats().map(|rooms| subscriber(transport, rooms)), common.patience())?;
    let channels = 0..u32::try_from(load.rooms).unwrap_or(u32::MAX);
    let mut source = Source::new(0, first..first + load.publishers, channels, load.payload, load.pace);
    source.batch = load.batch;
    // The profiles' bursts go to rooms drawn by lot.
    source.scattered = load.profile.is_some();
    let mut sources = [source];
    drive(&mut crowd, &mut sources, target.pid, common.warmup())?;
    let window = drive(&mut crowd, &mut sources, target.pid, common.length())?;
    crowd.drain(common.patience())?;
    let mut values = of_window(&crowd, &window, 0);
    let cpu_seconds = window.server.nanoseconds.max(1) as f64 / 1e9;
    values.push(("deliveries_per_cpu_s", window.delivered as f64 / cpu_seconds));
    values.push(("withheld", sources[0].withheld as f64));
    Ok((Figures::of(subject, values), check(&crowd, subject)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::options::{Arguments, Command};

    fn load(words: &str) -> Load {
        let line = ["encke-bench", "rooms"].into_iter().chain(words.split_whitespace());
        match Arguments::try_parse_from(line).unwrap().command {
            Command::Rooms(options) => Load::of(&options).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn profiles_are_what_was_published_and_give_way_to_what_is_said() {
        let plain = load("");
        assert_eq!((plain.sessions, plain.rooms, plain.joined), (15_000, 1500, 10));
        assert_eq!(plain.pace, Pace::Closed(320));
        let cometd = load("--profile cometd");
        assert_eq!((cometd.sessions, cometd.rooms, cometd.joined, cometd.batch), (1000, 100, 10, 10));
        assert_eq!((cometd.pace, cometd.payload), (Pace::Open(1000.0), 50));
        let mut members = [0; 100];
        cometd.seats().flatten().for_each(|room| members[room as usize] += 1);
        assert_eq!(members.iter().sum::<i32>(), 10_000);

        let old = load("--profile 2008 -n 1001 --rate 50");
        assert_eq!((old.rooms, old.joined, old.transport), (6, 1, Transport::LongPolling));
        assert_eq!(old.pace, Pace::Open(50.0));
        let mut members = [0; 6];
        old.seats().flatten().for_each(|room| members[room as usize] += 1);
        assert!(members.iter().all(|count| (166..=200).contains(count)), "{members:?}");
    }
}
