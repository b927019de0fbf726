//! `mochiweb`: Richard Jones's experiment of 2008, in which a million clients each got a message every ten seconds
//! or so; here as many as a process holds, and the slope from there.

use std::time::Duration;

use crate::Failure;
use crate::crowd::Crowd;
use crate::drive::{Pace, Source, Window, drive};
use crate::fanout::{check, publisher, subscriber};
use crate::idle::quiet;
use crate::meter::Memory;
use crate::options::MochiwebOptions;
use crate::plan::{Ack, Plan};
use crate::report::{Figures, Report, Values, of_window, say};
use crate::target::Subject;

/// What is extrapolated to.
const MILLION: f64 = 1e6;
/// Sessions that publish.
const PUBLISHERS: usize = 10;
/// Silence before the memory of the empty server is read.
const EMPTY: Duration = Duration::from_secs(1);

/// One step: so many sessions under their load.
struct Step {
    sessions: usize,
    memory: Memory,
    window: Window,
}

/// Runs `mochiweb`: fills a server in steps; at each, every session gets its messages for some periods, and then the
/// memory is read and the CPU time counted.
pub(crate) fn run(options: &MochiwebOptions) -> Result<(), Failure> {
    let common = &options.common;
    let steps = sizes(options)?;
    common.prepare(options.sessions + PUBLISHERS)?;
    let how = format!(
        "sessions by {}, acknowledged by {}, each with a channel of its own and a message of {} bytes every {:?}",
        options.transport.name(),
        format!("{:?}", options.ack).to_lowercase(),
        common.payload(100),
        options.period
    );
    let mut reports: Vec<Report> = steps
        .iter()
        .map(|sessions| Report::new("mochiweb", format!("{sessions} {how}"), common.json))
        .collect();
    let from_to = format!("EXTRAPOLATED, not measured: from {steps:?} to 1,000,000 {how}");
    let mut million = Report::new("mochiweb extrapolated", from_to, common.json);
    common.each(1, &common.subjects(None)?, |round, subject| {
        measure(options, subject, &steps, |step, values| {
            let report = reports.get_mut(step).unwrap_or(&mut million);
            report.add(round, Figures::of(subject, values));
        })
    })?;
    for report in &reports {
        report.print();
    }
    million.print();
    if !common.json {
        say("extrapolated: memory by the slope between the first and the last step, CPU by the last step's");
        say("figure for each delivery. Nobody has run a million sessions here.");
    }
    Ok(())
}

/// The numbers of sessions to stop at.
fn sizes(options: &MochiwebOptions) -> Result<Vec<usize>, Failure> {
    let size = |part: &f64| (options.sessions as f64 * part).round() as usize;
    let steps: Vec<usize> = options.steps.iter().map(size).collect();
    let rises = steps.is_sorted_by(|a, b| a < b);
    if !rises || steps.first() == Some(&0) || steps.last() != Some(&options.sessions) {
        return Err(Failure("--steps must rise, from more than nothing to 1".to_owned()));
    }
    Ok(steps)
}

/// Measures one server, and tells the figures of each step and, under the number after them, of a million.
fn measure(
    options: &MochiwebOptions,
    subject: &Subject,
    steps: &[usize],
    mut tell: impl FnMut(usize, Values),
) -> Result<(), Failure> {
    let common = &options.common;
    let transport = subject.transport(options.transport);
    let ack = if matches!(subject, Subject::Floor(_)) { Ack::None } else { options.ack };
    let target = common.start(subject)?;
    let names = (0..options.sessions).map(|number| format!("/user/{number:07}")).collect();
    let mut crowd = Crowd::new(&target, names, 1)?;
    let first = crowd.open((0..PUBLISHERS).map(|_| publisher(transport)), common.patience())?;
    quiet(&mut crowd, EMPTY.min(options.period))?;
    let empty = Memory::of(target.pid)?;
    let mut done: Vec<Step> = Vec::new();
    for (place, sessions) in steps.iter().copied().enumerate() {
        let known = done.last().map_or(0, |step| step.sessions);
        let channel = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let plans =
            (known..sessions).map(|number| Plan { ack, ..subscriber(transport, vec![channel(number)]) });
        crowd.open(plans, common.patience())?;
        let pace = Pace::Open(sessions as f64 / options.period.as_secs_f64());
        let publishers = first..first + PUBLISHERS;
        let mut sources = [Source::new(0, publishers, 0..channel(sessions), common.payload(100), pace)];
        drive(&mut crowd, &mut sources, target.pid, options.period)?;
        let window = drive(&mut crowd, &mut sources, target.pid, options.period * options.periods)?;
        let memory = Memory::of(target.pid)?;
        crowd.drain(common.patience())?;
        let mut values = of_window(&crowd, &window, 0);
        values.push(("user_bytes", (memory.anonymous as f64 - empty.anonymous as f64) / sessions as f64));
        values.push(("anonymous_mb", memory.anonymous as f64 / 1e6));
        values.push(("peak_mb", memory.peak as f64 / 1e6));
        tell(place, values);
        check(&crowd, subject)?;
        done.push(Step { sessions, memory, window });
    }
    if let Some(values) = extrapolate(&done, options.period.as_secs_f64()) {
        tell(steps.len(), values);
    }
    Ok(())
}

/// What a million would take if each further session took as much as those between the first step and the last.
fn extrapolate(steps: &[Step], period: f64) -> Option<Values> {
    let [first, .., last] = steps else { return None };
    let bytes = last.memory.anonymous as f64 - first.memory.anonymous as f64;
    let slope = bytes / (last.sessions - first.sessions) as f64;
    let cpu_seconds = last.window.server.nanoseconds as f64 / 1e9;
    let each = cpu_seconds / last.window.delivered.max(1) as f64;
    Some(vec![
        ("slope_user_bytes", slope),
        ("million_user_mb", (last.memory.anonymous as f64 + slope * (MILLION - last.sessions as f64)) / 1e6),
        ("million_deliveries_per_s", MILLION / period),
        ("million_cores", each * MILLION / period),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Cpu;

    #[test]
    fn a_million_is_the_last_step_and_the_slope_from_there() {
        let step = |sessions, anonymous, delivered, milliseconds: u64| Step {
            sessions,
            memory: Memory { anonymous, peak: 0 },
            window: Window {
                seconds: 10.0,
                delivered,
                server: Cpu::of_nanoseconds(milliseconds * 1_000_000),
                generator: 0,
            },
        };
        let steps = [step(1000, 10_000_000, 1000, 900), step(5000, 14_000_000, 5000, 50)];
        let values = extrapolate(&steps, 10.0).unwrap();
        let value = |name: &str| values.iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(value("slope_user_bytes"), 1000.0);
        assert_eq!(value("million_user_mb"), 14.0 + 995.0);
        assert_eq!(value("million_deliveries_per_s"), 100_000.0);
        assert!((value("million_cores") - 1.0).abs() < 1e-9);
        assert!(extrapolate(&steps[..1], 10.0).is_none());
    }
}
