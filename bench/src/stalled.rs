//! `stalled`: what sessions that never read cost the others, and what becomes of them.

use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::Failure;
use crate::counters::Counters;
use crate::crowd::Crowd;
use crate::drive::{Pace, Source, drive};
use crate::fanout::{check, publisher, subscriber};
use crate::meter::Memory;
use crate::options::StalledOptions;
use crate::plan::{Plan, Transport};
use crate::report::{Figures, Report, Values, of_window};
use crate::served::{OnOverflow, Setup};
use crate::target::{Subject, Target};

/// `SO_RCVBUF` of a session that stalls.
const RECEIVE_BUFFER: usize = 4096;
/// How long the ends of stalled sessions are looked for at most, once the load is over.
const LOOKING: Duration = Duration::from_secs(10);

/// How much worse the p99 of the others may become, when not within [`BESIDE_MS`]: beside many that never read,
/// and beside one.
const FACTORS: (f64, f64) = (1.5, 1.2);
/// Milliseconds by which it may become worse in any case.
const BESIDE_MS: f64 = 3.0;

/// Runs `stalled`: the same load twice on one server, first without the stalled sessions, then with
/// them; on a server for each policy that is asked for.
pub(crate) fn run(options: &StalledOptions) -> Result<(), Failure> {
    let common = &options.common;
    let stalled = if options.one { 1 } else { options.stalled };
    let rest = options.sessions.saturating_sub(stalled);
    if rest < options.rooms {
        return Err(Failure(format!("{rest} sessions that read are too few for {} rooms", options.rooms)));
    }
    common.prepare(options.sessions)?;
    let settings = format!(
        "{stalled} of {} sessions never read, {} deliveries/s to the others in {} channels",
        options.sessions, options.deliveries, options.rooms
    );
    let mut report = Report::new("stalled", settings, common.json).first_is_base();
    let subjects = subjects(options)?;
    let mut faults = Vec::new();
    // What one session does is small beside the noise of one run.
    for round in 1..=common.rounds(if options.one { 3 } else { 1 }) {
        for (subject, policy) in &subjects {
            let target = common.start(subject)?;
            let (values, crowd) = Run::open(options, &target, rest)?.measure(options, stalled, &target)?;
            let figures = Figures::of(subject, values);
            report.add(round, figures.clone());
            check(&crowd, subject)?;
            let fault = promised(&figures, *policy).err();
            faults.extend(fault.map(|Failure(why)| format!("{}: {why}", subject.name())));
        }
    }
    report.print();
    for (subject, _) in &subjects {
        let median = |name| report.median(subject.name(), name);
        let factor = if options.one { FACTORS.1 } else { FACTORS.0 };
        let fault = bars(median("alone_p99_ms"), median("p99_ms"), factor).err();
        faults.extend(fault.map(|Failure(why)| format!("{}: {why}", subject.name())));
    }
    if !options.strict || faults.is_empty() { Ok(()) } else { Err(Failure(faults.join("; "))) }
}

/// The servers to measure, with their policies.
fn subjects(options: &StalledOptions) -> Result<Vec<(Subject, Option<OnOverflow>)>, Failure> {
    let common = &options.common;
    if !options.one && options.on_overflow.is_empty() {
        return Ok(common.subjects(None)?.into_iter().take(1).map(|subject| (subject, None)).collect());
    }
    let mut policies = options.on_overflow.clone();
    if policies.is_empty() {
        policies.extend(OnOverflow::value_variants());
    }
    let served = |policy: OnOverflow| {
        let kept = Setup::with_history().kept.filter(|_| policy == OnOverflow::GapWithHistory);
        Ok((common.served(policy.name(), Setup { kept, on_overflow: Some(policy) })?, Some(policy)))
    };
    policies.into_iter().map(served).collect()
}

/// The bars of the acceptance line: latency within a factor or 3 ms.
fn bars(alone: f64, beside: f64, factor: f64) -> Result<(), Failure> {
    if !(beside <= alone * factor || beside <= alone + BESIDE_MS) {
        return Err(Failure(format!("the p99 of the others went from {alone:.1} ms to {beside:.1} ms")));
    }
    Ok(())
}

/// Whether those that never read got what the policy says, as far as the server's counters tell.
fn promised(figures: &Figures, policy: Option<OnOverflow>) -> Result<(), Failure> {
    let (stalled, ended) = (value(figures, "stalled"), value(figures, "stalled_ended"));
    let at_least = |name: &'static str, least: f64| {
        let count = value(figures, name);
        if count >= least { Ok(()) } else { Err(Failure(format!("{name} is {count} and not {least}"))) }
    };
    match policy {
        None if ended < stalled => {
            Err(Failure(format!("only {ended} of {stalled} stalled sessions were ended")))
        }
        None => Ok(()),
        Some(OnOverflow::End) => at_least("overflows", stalled)
            .and(at_least("ended_by_overflow", stalled))
            .and(at_least("stalled_ended", stalled)),
        Some(policy) => {
            if ended > 0.0 {
                return Err(Failure(format!("{ended} of {stalled} stalled sessions were ended")));
            }
            at_least("overflows", stalled).and(match policy {
                OnOverflow::DropOldest => at_least("messages_dropped", stalled),
                // When they read at last they are given what is still kept, and told of the rest, if any.
                OnOverflow::GapWithHistory => at_least("messages_replayed", stalled),
                _ => at_least("messages_dropped", stalled).and(at_least("gaps", stalled)),
            })
        }
    }
}

fn value(figures: &Figures, name: &str) -> f64 {
    figures.get(name).unwrap_or(f64::NAN)
}

/// What the server counted.
fn counted(counters: &Counters) -> Values {
    let sum = |name: &str, label: &str| counters.sum(&format!("encke_{name}_total"), label);
    vec![
        ("overflows", sum("overflows", "")),
        ("messages_dropped", sum("messages_dropped", "")),
        ("messages_replayed", sum("messages_replayed", "")),
        ("gaps", sum("gaps", "")),
        ("given_up", sum("given_up", "")),
        ("ended_by_overflow", sum("sessions_ended", "cause=\"overflow\"")),
        ("ended_as_stalled", sum("sessions_ended", "cause=\"stalled\"")),
    ]
}

struct Run {
    crowd: Crowd,
    sources: [Source; 2],
    /// The channel that only the stalled ones listen to.
    big: u32,
    empty: Memory,
}

impl Run {
    fn open(options: &StalledOptions, target: &Target, rest: usize) -> Result<Run, Failure> {
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
        stalled: usize,
        target: &Target,
    ) -> Result<(Values, Crowd), Failure> {
        let common = &options.common;
        let (crowd, sources) = (&mut self.crowd, &mut self.sources);
        drive(crowd, sources, target.pid, common.warmup())?;
        let alone = drive(crowd, sources, target.pid, common.length())?;
        crowd.drain(common.patience())?;
        let alone = of_window(crowd, &alone, 0);
        let before = Memory::of(target.pid)?;

        let stalls = (0..stalled).map(|number| Plan {
            receive_buffer: Some(RECEIVE_BUFFER),
            ..subscriber(Transport::WebSocket, vec![room(number, self.big), self.big])
        });
        let first = crowd.open(stalls, common.patience())?;
        let numbers: Vec<usize> = (first..first + stalled).collect();
        for number in &numbers {
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
        let ended = ends(crowd, numbers, LOOKING.min(common.patience()))?;

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
            ("stalled", stalled as f64),
            ("stalled_ended", ended as f64),
        ]);
        values.extend(counted(&Counters::of(target.internal())?));
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

    fn figures(values: &[(&'static str, f64)]) -> Figures {
        Figures { subject: "server".to_owned(), values: values.to_vec() }
    }

    #[test]
    fn the_bars_are_a_ratio_or_three_milliseconds() {
        assert!(bars(1.0, 4.0, 1.2).is_ok());
        assert!(bars(100.0, 119.0, 1.2).is_ok());
        assert!(bars(100.0, 121.0, 1.2).is_err());
        assert!(bars(100.0, 121.0, 1.5).is_ok());
        assert!(bars(1.0, 4.1, 1.2).is_err());
        assert!(bars(f64::NAN, f64::NAN, 1.2).is_err(), "what was not measured does not pass");
    }

    #[test]
    fn each_policy_is_held_to_what_it_says() {
        let ended = figures(&[
            ("stalled", 2.0),
            ("stalled_ended", 2.0),
            ("overflows", 2.0),
            ("ended_by_overflow", 2.0),
        ]);
        assert!(promised(&ended, None).is_ok());
        assert!(promised(&ended, Some(OnOverflow::End)).is_ok());
        assert!(promised(&ended, Some(OnOverflow::Gap)).is_err());
        let told = figures(&[
            ("stalled", 2.0),
            ("stalled_ended", 0.0),
            ("overflows", 9.0),
            ("messages_dropped", 9.0),
            ("messages_replayed", 0.0),
            ("gaps", 2.0),
        ]);
        assert!(promised(&told, None).is_err());
        assert!(promised(&told, Some(OnOverflow::End)).is_err());
        assert!(promised(&told, Some(OnOverflow::Gap)).is_ok());
        assert!(promised(&told, Some(OnOverflow::DropOldest)).is_ok());
        assert!(promised(&told, Some(OnOverflow::GapWithHistory)).is_err());
        assert!(promised(&figures(&[("stalled", 1.0)]), Some(OnOverflow::Gap)).is_err());
    }
}
