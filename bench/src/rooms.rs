//! `rooms`: the shape of CometD's published benchmark, many sessions in several rooms each.

use crate::Failure;
use crate::crowd::Crowd;
use crate::drive::{Pace, Source, drive};
use crate::fanout::{check, publisher, subscriber, transport_for};
use crate::options::RoomsOptions;
use crate::plan::Transport;
use crate::report::{Figures, Report, of_window};

/// Members of a room when the number of rooms is not given.
const MEMBERS: usize = 100;

/// Runs `rooms`.
pub(crate) fn run(options: &RoomsOptions) -> Result<(), Failure> {
    let common = &options.common;
    if options.transport == Transport::EventStream {
        return Err(Failure("rooms knows websocket and long-polling".to_owned()));
    }
    let rooms = options.rooms.unwrap_or((options.sessions * options.joined / MEMBERS).max(options.joined));
    if options.joined > rooms {
        return Err(Failure(format!("a session cannot be in {} of {rooms} rooms", options.joined)));
    }
    common.prepare(options.sessions + options.publishers)?;
    let payload = common.payload(50);
    let pace = options.rate.map_or(Pace::Closed(options.in_flight), Pace::Open);
    let settings = format!(
        "{} sessions by {} in {} of {rooms} rooms each, batches of {}, {pace:?}, {payload} bytes",
        options.sessions,
        options.transport.name(),
        options.joined,
        options.batch
    );
    let closed = options.rate.is_none();
    let mut report = Report::new("rooms", settings, common.json).closed_loop(closed);
    for round in 1..=common.rounds(9) {
        for subject in common.subjects()? {
            let transport = transport_for(&subject, options.transport);
            let target = common.start(&subject)?;
            // Names of one width keep the messages of one width.
            let names = (0..rooms).map(|room| format!("/room/{room:07}")).collect();
            let mut crowd = Crowd::new(&target, names, 1)?;
            let first =
                crowd.open((0..options.publishers).map(|_| publisher(transport)), common.patience())?;
            let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
            let plans =
                (0..options.sessions).map(|_| subscriber(transport, draw.distinct(options.joined, rooms)));
            crowd.open(plans, common.patience())?;
            let channels = 0..u32::try_from(rooms).unwrap_or(u32::MAX);
            let mut source = Source::new(0, first..first + options.publishers, channels, payload, pace);
            source.batch = options.batch;
            let mut sources = [source];
            drive(&mut crowd, &mut sources, target.pid, common.warmup())?;
            let window = drive(&mut crowd, &mut sources, target.pid, common.length())?;
            crowd.drain(common.patience())?;
            let mut values = of_window(&crowd, &window, 0);
            let cpu_seconds = window.server.nanoseconds.max(1) as f64 / 1e9;
            values.push(("deliveries_per_cpu_s", window.delivered as f64 / cpu_seconds));
            report.add(round, Figures { subject: subject.name(), values });
            check(&crowd, &subject)?;
        }
    }
    report.print();
    Ok(())
}

/// Draws that are the same in every run (xorshift64), so that all subjects have the same rooms.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn distinct(&mut self, count: usize, of: usize) -> Vec<u32> {
        let mut drawn = Vec::with_capacity(count);
        while drawn.len() < count {
            let number = u32::try_from(self.next() % of as u64).unwrap_or(0);
            if !drawn.contains(&number) {
                drawn.push(number);
            }
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_distinct_repeatable_and_spread() {
        let (mut one, mut other) = (Draw(1), Draw(1));
        let mut members = [0; 20];
        for _ in 0..1000 {
            let drawn = one.distinct(10, 20);
            assert_eq!(drawn, other.distinct(10, 20));
            for room in drawn {
                members[room as usize] += 1;
            }
        }
        assert_eq!(members.iter().sum::<i32>(), 10_000);
        assert!(members.iter().all(|count| (400..600).contains(count)), "{members:?}");
    }
}
