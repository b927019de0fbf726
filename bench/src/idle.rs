//! `idle`: what a connection costs while it does nothing.

use std::time::{Duration, Instant};

use crate::Failure;
use crate::crowd::Crowd;
use crate::fanout::subscriber;
use crate::meter::{self, Memory};
use crate::options::{Common, IdleOptions};
use crate::plan::{Ack, Plan, Transport};
use crate::report::{Figures, Report};
use crate::target::Subject;

/// Runs `idle`: one server for each round, filled in steps, memory read at each.
pub(crate) fn run(options: &IdleOptions) -> Result<(), Failure> {
    let common = &options.common;
    let filling = Filling {
        steps: options.sessions.clone(),
        transport: options.transport,
        settle: Duration::from_secs_f64(options.settle),
    };
    common.prepare(filling.check()?)?;
    let mut reports = Reports::new(&filling, common.json, &format!(", acknowledged by {:?}", options.ack));
    common.each(9, &common.subjects(None)?, |round, subject| {
        reports.measure(common, subject, round, &filling, options.ack)
    })?;
    reports.print();
    Ok(())
}

/// How a server is filled.
pub(crate) struct Filling {
    /// Numbers of sessions to stop at.
    pub(crate) steps: Vec<usize>,
    /// How they are connected.
    pub(crate) transport: Transport,
    /// Silence before memory is read.
    pub(crate) settle: Duration,
}

impl Filling {
    /// The most sessions; an error unless the steps rise.
    pub(crate) fn check(&self) -> Result<usize, Failure> {
        if !self.steps.is_sorted_by(|a, b| a < b) {
            return Err(Failure("numbers of sessions must rise".to_owned()));
        }
        Ok(self.steps.last().copied().unwrap_or(0))
    }
}

/// A report for each step, and one of the slope between the first and the last.
pub(crate) struct Reports {
    steps: Vec<Report>,
    slope: Report,
}

impl Reports {
    /// Empty ones; `how` ends what they say of the settings.
    pub(crate) fn new(filling: &Filling, json: bool, how: &str) -> Reports {
        let by = format!("connections by {}{}", filling.transport.name(), how.to_lowercase());
        let (first, last) = (filling.steps.first().unwrap_or(&0), filling.steps.last().unwrap_or(&0));
        Reports {
            steps: filling
                .steps
                .iter()
                .map(|sessions| Report::new("idle", format!("{sessions} {by}"), json))
                .collect(),
            slope: Report::new("idle slope", format!("from {first} to {last} {by}"), json),
        }
    }

    /// The same with ratios to the first subject.
    pub(crate) fn first_is_base(self) -> Reports {
        Reports {
            steps: self.steps.into_iter().map(Report::first_is_base).collect(),
            slope: self.slope.first_is_base(),
        }
    }

    /// Fills one server.
    pub(crate) fn measure(
        &mut self,
        common: &Common,
        subject: &Subject,
        round: usize,
        filling: &Filling,
        ack: Ack,
    ) -> Result<(), Failure> {
        let transport = subject.transport(filling.transport);
        let target = common.start(subject)?;
        let mut crowd = Crowd::new(&target, vec!["/bench".to_owned()], 1)?;
        quiet(&mut crowd, filling.settle.min(Duration::from_secs(1)))?;
        let empty = (Memory::of(target.pid)?, meter::kernel_bytes()?);
        let mut steps = Vec::new();
        for (step, sessions) in filling.steps.iter().enumerate() {
            let more = *sessions - crowd.sessions.len();
            let connects = transport != Transport::EventStream;
            let plan = Plan { connects, ack, ..subscriber(transport, vec![0]) };
            crowd.open((0..more).map(|_| plan.clone()), common.patience())?;
            quiet(&mut crowd, filling.settle)?;
            let now = (Memory::of(target.pid)?, meter::kernel_bytes()?);
            let each = |now: u64, before: u64, count: usize| (now as f64 - before as f64) / count as f64;
            let values = vec![
                ("user_bytes", each(now.0.anonymous, empty.0.anonymous, *sessions)),
                ("kernel_bytes", each(now.1, empty.1, *sessions)),
                ("anonymous_mb", now.0.anonymous as f64 / 1e6),
                ("peak_mb", now.0.peak as f64 / 1e6),
            ];
            self.steps[step].add(round, Figures::of(subject, values));
            steps.push((*sessions, now));
        }
        if let [first, .., last] = &steps[..] {
            let count = (last.0 - first.0) as f64;
            let values = vec![
                ("user_bytes", (last.1.0.anonymous as f64 - first.1.0.anonymous as f64) / count),
                ("kernel_bytes", (last.1.1 as f64 - first.1.1 as f64) / count),
            ];
            self.slope.add(round, Figures::of(subject, values));
        }
        Ok(())
    }

    /// Prints the tables.
    pub(crate) fn print(&self) {
        for report in &self.steps {
            report.print();
        }
        self.slope.print();
    }
}

/// Keeps the sessions alive for so long, and publishes nothing.
pub(crate) fn quiet(crowd: &mut Crowd, length: Duration) -> Result<(), Failure> {
    let end = Instant::now() + length;
    while Instant::now() < end {
        crowd.turn(Duration::from_millis(50))?;
    }
    Ok(())
}
