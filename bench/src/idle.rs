//! `idle`: what a connection costs while it does nothing.

use std::time::{Duration, Instant};

use crate::Failure;
use crate::crowd::Crowd;
use crate::fanout::{subscriber, transport_for};
use crate::meter::{self, Memory};
use crate::options::IdleOptions;
use crate::plan::{Plan, Transport};
use crate::report::{Figures, Report};

/// Runs `idle`: one server for each round, filled in steps, memory read at each.
pub(crate) fn run(options: &IdleOptions) -> Result<(), Failure> {
    let common = &options.common;
    if !options.sessions.is_sorted_by(|a, b| a < b) {
        return Err(Failure("--sessions must rise".to_owned()));
    }
    let most = options.sessions.last().copied().unwrap_or(0);
    common.prepare(most)?;
    let mut reports: Vec<Report> = options
        .sessions
        .iter()
        .map(|sessions| {
            let settings = format!("{sessions} connections by {}", options.transport.name());
            Report::new("idle", settings, common.json)
        })
        .collect();
    let mut slope = Report::new(
        "idle slope",
        format!("from {} to {most} connections by {}", options.sessions[0], options.transport.name()),
        common.json,
    );
    let settle = Duration::from_secs_f64(options.settle);
    for round in 1..=common.rounds(9) {
        for subject in common.subjects()? {
            let transport = transport_for(&subject, options.transport);
            let target = common.start(&subject)?;
            let mut crowd = Crowd::new(&target, vec!["/bench".to_owned()], 1)?;
            quiet(&mut crowd, settle.min(Duration::from_secs(1)))?;
            let empty = (Memory::of(target.pid)?, meter::kernel_bytes()?);
            let mut steps = Vec::new();
            for (step, sessions) in options.sessions.iter().enumerate() {
                let more = *sessions - crowd.sessions.len();
                let plan =
                    Plan { connects: transport != Transport::EventStream, ..subscriber(transport, vec![0]) };
                crowd.open((0..more).map(|_| plan.clone()), common.patience())?;
                quiet(&mut crowd, settle)?;
                let now = (Memory::of(target.pid)?, meter::kernel_bytes()?);
                let each = |now: u64, before: u64, count: usize| (now as f64 - before as f64) / count as f64;
                let values = vec![
                    ("user_bytes", each(now.0.anonymous, empty.0.anonymous, *sessions)),
                    ("kernel_bytes", each(now.1, empty.1, *sessions)),
                    ("anonymous_mb", now.0.anonymous as f64 / 1e6),
                    ("peak_mb", now.0.peak as f64 / 1e6),
                ];
                reports[step].add(round, Figures { subject: subject.name(), values });
                steps.push((*sessions, now));
            }
            if let [first, .., last] = &steps[..] {
                let count = (last.0 - first.0) as f64;
                let values = vec![
                    ("user_bytes", (last.1.0.anonymous as f64 - first.1.0.anonymous as f64) / count),
                    ("kernel_bytes", (last.1.1 as f64 - first.1.1 as f64) / count),
                ];
                slope.add(round, Figures { subject: subject.name(), values });
            }
        }
    }
    for report in &reports {
        report.print();
    }
    slope.print();
    Ok(())
}

/// Keeps the sessions alive for so long, and publishes nothing.
fn quiet(crowd: &mut Crowd, length: Duration) -> Result<(), Failure> {
    let end = Instant::now() + length;
    while Instant::now() < end {
        crowd.turn(Duration::from_millis(50))?;
    }
    Ok(())
}
