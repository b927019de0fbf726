//! `stalled`: what sessions that never read cost the others, and what becomes of them.

use std::time::{Duration, Instant};

use crate::Failure;
use crate::crowd::Crowd;
use crate::drive::{Pace, Source, drive};
use crate::fanout::{check, publisher, subscriber};
use crate::meter::Memory;
use crate::options::StalledOptions;
use crate::plan::{Plan, Transport};
use crate::report::{Figures, Report, Values, of_window};

/// `SO_RCVBUF` of a session that stalls.
const RECEIVE_BUFFER: usize = 4096;
/// How long the ends of stalled sessions are looked for at most, once the load is over.
const LOOKING: Duration = Duration::from_secs(10);

/// Runs `stalled`: the same load twice on one server, first without the stalled sessions, then with
/// them.
pub(crate) fn run(options: &StalledOptions) -> Result<(), Failure> {
    let common = &options.common;
    let rest = options.sessions.saturating_sub(options.stalled);
    if rest < options.rooms {
        return Err(Failure(format!("{rest} sessions that read are too few for {} rooms", options.rooms)));
    }
    common.prepare(options.sessions)?;
    let settings = format!(
        "{} of {} sessions never read, {} deliveries/s to the others in {} channels",
        options.stalled, options.sessions, options.deliveries, options.rooms
    );
    let mut report = Report::new("stalled", settings, common.json);
    for round in 1..=common.rounds(1) {
        for subject in common.subjects()?.into_iter().take(1) {
            let target = common.start(&subject)?;
            let figures = Run::open(options, &target, rest)?.measure(options, &target)?;
            let values = Figures { subject: subject.name(), values: figures.0 };
            report.add(round, values.clone());
            check(&figures.1, &subject)?;
            if options.strict {
                bars(&values)?;
            }
        }
    }
    report.print();
    Ok(())
}

/// The bars of the acceptance line: latency within 1.5 times or 3 ms, and all stalled ones ended.
fn bars(figures: &Figures) -> Result<(), Failure> {
    let value = |name| figures.get(name).unwrap_or(f64::NAN);
    let (alone, beside) = (value("alone_p99_ms"), value("p99_ms"));
    if !(beside <= alone * 1.5 || beside <= alone + 3.0) {
        return Err(Failure(format!("the p99 of the others went from {alone:.1} ms to {beside:.1} ms")));
    }
    if value("stalled_ended") < value("stalled") {
        return Err(Failure(format!(
            "only {} of {} stalled sessions were ended",
            value("stalled_ended"),
            value("stalled")
        )));
    }
    Ok(())
}

struct Run {
    crowd: Crowd,
    sources: [Source; 2],
    /// The channel that only the stalled ones listen to.
    big: u32,
    empty: Memory,
}

impl Run {
    fn open(options: &StalledOptions, target: &crate::target::Target, rest: usize) -> Result<Run, Failure> {
        let common = &options.common;
        let empty = Memory::of(target.pid)?;
        let rooms = u32::try_from(options.rooms).unwrap_or(u32::MAX);
        let mut channels: Vec<String> = (0..rooms).map(|room| format!("/room/{room:07}")).collect();
        channels.push("/big".to_owned());
        let mut crowd = Crowd::new(target, channels, 2)?;
        let transport = Transport::WebSocket;
        let first = crowd.open([publisher(transport), publisher(transport)], common.patience())?;
        crowd.open(
            (0..rest).map(|number| subscriber(transport, vec![room(number, rooms)])),
            common.patience(),
        )?;
        let members = rest as f64 / options.rooms as f64;
        let payload = common.payload(100);
        let sources = [
            Source::new(0, first..first + 1, 0..rooms, payload, Pace::Open(options.deliveries / members)),
            Source::new(
                1,
                first + 1..first + 2,
                rooms..rooms + 1,
                options.big_payload,
                Pace::Open(options.big_rate),
            ),
        ];
        Ok(Run { crowd, sources, big: rooms, empty })
    }

    fn measure(
        mut self,
        options: &StalledOptions,
        target: &crate::target::Target,
    ) -> Result<(Values, Crowd), Failure> {
        let common = &options.common;
        let (crowd, sources) = (&mut self.crowd, &mut self.sources);
        drive(crowd, sources, target.pid, common.warmup())?;
        let alone = drive(crowd, sources, target.pid, common.length())?;
        crowd.drain(common.patience())?;
        let alone = of_window(crowd, &alone, 0);
        let before = Memory::of(target.pid)?;

        let stalls = (0..options.stalled).map(|number| Plan {
            receive_buffer: Some(RECEIVE_BUFFER),
            ..subscriber(Transport::WebSocket, vec![room(number, self.big), self.big])
        });
        let first = crowd.open(stalls, common.patience())?;
        let stalled: Vec<usize> = (first..first + options.stalled).collect();
        for number in &stalled {
            crowd.stall(*number)?;
        }
        for source in sources.iter_mut() {
            source.set_pace(source.pace);
        }
        let beside = drive(crowd, sources, target.pid, common.length())?;
        let after = Memory::of(target.pid)?;
        // Stragglers count, and nothing is lost before it has had its time.
        crowd.drain(common.patience())?;
        let mut values = of_window(crowd, &beside, 0);
        let ended = ends(crowd, stalled, LOOKING.min(common.patience()))?;

        let alone =
            |name: &str| alone.iter().find(|(known, _)| *known == name).map_or(f64::NAN, |pair| pair.1);
        values.extend([
            ("alone_p50_ms", alone("p50_ms")),
            ("alone_p99_ms", alone("p99_ms")),
            ("alone_max_ms", alone("max_ms")),
            ("alone_cpu_us", alone("cpu_us_per_delivery")),
            ("anonymous_mb_empty", self.empty.anonymous as f64 / 1e6),
            ("anonymous_mb_before", before.anonymous as f64 / 1e6),
            ("anonymous_mb_after", after.anonymous as f64 / 1e6),
            ("peak_mb", Memory::of(target.pid)?.peak as f64 / 1e6),
            ("stalled", options.stalled as f64),
            ("stalled_ended", ended as f64),
        ]);
        Ok((values, self.crowd))
    }
}

/// The others are spread over the rooms evenly.
fn room(number: usize, rooms: u32) -> u32 {
    u32::try_from(number % rooms as usize).unwrap_or(0)
}

/// Reads what the stalled sessions were sent until each is at its end: that a server closed a
/// connection can be seen only behind what it wrote before.
fn ends(crowd: &mut Crowd, mut stalled: Vec<usize>, limit: Duration) -> Result<usize, Failure> {
    let count = stalled.len();
    let deadline = Instant::now() + limit;
    while !stalled.is_empty() && Instant::now() < deadline {
        stalled.retain(|number| !crowd.discard(*number));
        crowd.turn(Duration::from_millis(10))?;
    }
    Ok(count - stalled.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(alone: f64, beside: f64, ended: f64) -> Figures {
        let values =
            vec![("alone_p99_ms", alone), ("p99_ms", beside), ("stalled", 10.0), ("stalled_ended", ended)];
        Figures { subject: "server", values }
    }

    #[test]
    fn the_bars_are_a_ratio_or_three_milliseconds() {
        assert!(bars(&figures(1.0, 4.0, 10.0)).is_ok());
        assert!(bars(&figures(100.0, 149.0, 10.0)).is_ok());
        assert!(bars(&figures(100.0, 151.0, 10.0)).is_err());
        assert!(bars(&figures(1.0, 4.1, 10.0)).is_err());
        assert!(bars(&figures(1.0, 1.0, 9.0)).is_err());
        assert!(bars(&Figures { subject: "server", values: Vec::new() }).is_err());
    }
}
