//! `ratios`: what history and acknowledgement cost, measured in turn on the same machine in the same minutes.

use std::time::Duration;

use crate::Failure;
use crate::drive::Pace;
use crate::fanout::{Load, fan_out, of_one};
use crate::idle::{Filling, Reports};
use crate::options::{Compared, RatiosOptions};
use crate::plan::{Ack, Transport};
use crate::report::Report;
use crate::served::Setup;
use crate::target::Subject;

/// Messages under way in `ingest`, as there.
const INGEST: u32 = 64;
/// Messages under way in `joined`.
const JOINED: u32 = 32;
/// Messages a second in `open`.
const OPEN: f64 = 50.0;

/// A way to run Encke, with how its subscribers acknowledge. The first is what the others are compared with.
const VARIANTS: [(&str, bool, Ack); 5] = [
    ("plain", false, Ack::None),
    ("history", true, Ack::None),
    ("ack-count", false, Ack::Count),
    ("ack-batch", false, Ack::Batch),
    ("history-ack-count", true, Ack::Count),
];

/// Runs `ratios`: every measure on every variant in turn, round after round.
pub(crate) fn run(options: &RatiosOptions) -> Result<(), Failure> {
    let common = &options.common;
    let variants = VARIANTS
        .into_iter()
        .map(|(name, history, ack)| {
            let setup = if history { Setup::with_history() } else { Setup::default() };
            Ok((common.served(name, setup)?, ack))
        })
        .collect::<Result<Vec<(Subject, Ack)>, Failure>>()?;
    let filling = Filling {
        steps: options.idle_sessions.clone(),
        transport: Transport::WebSocket,
        settle: Duration::from_secs_f64(options.settle),
    };
    common.prepare(filling.check()?.max(options.sessions))?;

    let mut measures: Vec<Measure> =
        options.compare.iter().map(|compared| Measure::new(*compared, options, &filling)).collect();
    for round in 1..=common.rounds(9) {
        for measure in &mut measures {
            for (subject, ack) in &variants {
                match measure {
                    Measure::Load(report, load) => {
                        let load = Load { ack: *ack, ..*load };
                        let (figures, outcome) = fan_out(common, subject, load)?;
                        report.add(round, figures);
                        outcome?;
                    }
                    Measure::Idle(reports) => reports.measure(common, subject, round, &filling, *ack)?,
                }
            }
        }
    }
    for measure in &measures {
        match measure {
            Measure::Load(report, _) => report.print(),
            Measure::Idle(reports) => reports.print(),
        }
    }
    Ok(())
}

/// What is measured of each variant.
enum Measure {
    Load(Report, Load),
    Idle(Reports),
}

impl Measure {
    fn new(compared: Compared, options: &RatiosOptions, filling: &Filling) -> Measure {
        let common = &options.common;
        let payload = common.payload(100);
        let fanout = |pace| Load {
            sessions: options.sessions,
            pace,
            transport: Transport::WebSocket,
            ack: Ack::None,
            payload,
        };
        let (name, load) = match compared {
            Compared::Ingest => ("ingest", of_one(INGEST, Ack::None, payload)),
            Compared::Open => ("open", fanout(Pace::Open(OPEN))),
            Compared::Joined => ("joined", fanout(Pace::Closed(JOINED))),
            Compared::Idle => return Measure::Idle(Reports::new(filling, common.json, "").first_is_base()),
        };
        let closed = matches!(load.pace, Pace::Closed(_));
        let report = Report::new(name, load.to_string(), common.json).closed_loop(closed).first_is_base();
        Measure::Load(report, load)
    }
}
