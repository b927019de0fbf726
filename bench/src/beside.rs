//! `beside`: what a small channel feels while a wide one fans out.

use crate::Failure;
use crate::crowd::Crowd;
use crate::drive::{Pace, Source, drive};
use crate::fanout::{check, publisher, subscriber};
use crate::options::BesideOptions;
use crate::plan::{Plan, Transport};
use crate::report::{Figures, Report, of_window};

const WIDE: usize = 0;
const SMALL: usize = 1;

/// Runs `beside`. The small channel's sessions have a queue of their own in the generator, looked at
/// after every few of the others, so that what is measured is the server's fairness and not the
/// generator's.
pub(crate) fn run(options: &BesideOptions) -> Result<(), Failure> {
    let common = &options.common;
    common.prepare(options.sessions + options.small)?;
    let payload = common.payload(100);
    let settings = format!(
        "{} subscribers at {} messages/s beside {} with {} in flight, {payload} bytes",
        options.small, options.small_rate, options.sessions, options.in_flight
    );
    let mut report = Report::new("beside", settings, common.json);
    common.each(9, &common.subjects(None)?, |round, subject| {
        let target = common.start(subject)?;
        let mut crowd = Crowd::new(&target, vec!["/bench".to_owned(), "/small".to_owned()], 2)?;
        let transport = Transport::WebSocket;
        let urgent = |plan: Plan| Plan { urgent: true, ..plan };
        let wide = crowd.open([publisher(transport)], common.patience())?;
        let small = crowd.open([urgent(publisher(transport))], common.patience())?;
        crowd.open((0..options.small).map(|_| urgent(subscriber(transport, vec![1]))), common.patience())?;
        crowd.open((0..options.sessions).map(|_| subscriber(transport, vec![0])), common.patience())?;

        let pace = Pace::Open(options.small_rate);
        let mut alone = [Source::new(SMALL, small..small + 1, 1..2, payload, pace)];
        drive(&mut crowd, &mut alone, target.pid, common.length())?;
        let quiet = crowd.shared.ledger.sources[SMALL].latency.value_at_quantile(0.99);

        let [small_source] = alone;
        let wide_pace = Pace::Closed(options.in_flight);
        let mut both = [Source::new(WIDE, wide..wide + 1, 0..1, payload, wide_pace), small_source];
        drive(&mut crowd, &mut both, target.pid, common.warmup())?;
        let window = drive(&mut crowd, &mut both, target.pid, common.length())?;
        crowd.drain(common.patience())?;
        let mut values = of_window(&crowd, &window, SMALL);
        values.push(("alone_p99_ms", quiet as f64 / 1e6));
        report.add(round, Figures::of(subject, values));
        check(&crowd, subject)
    })?;
    report.print();
    Ok(())
}
