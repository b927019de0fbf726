//! `overload`: healthy clients, and more messages than the server can deliver.

use std::time::Duration;

use crate::Failure;
use crate::crowd::Crowd;
use crate::drive::{Pace, Source, drive};
use crate::fanout::{check, publisher, subscriber};
use crate::meter::Memory;
use crate::options::OverloadOptions;
use crate::plan::Transport;
use crate::report::{Figures, Report, of_window};

/// Messages under way at which the search for the sustainable rate ends.
const MOST_IN_FLIGHT: u32 = 4096;

/// The highest rate found in a closed loop.
struct Sustained {
    /// Messages a second.
    rate: f64,
    in_flight: u32,
    server_busy: f64,
    generator_busy: f64,
}

/// Doubles what is under way until the rate grows by less than a tenth: a server that joins its
/// writes is faster the more it has to join, so one closed loop does not find its limit.
fn sustain(
    crowd: &mut Crowd,
    sources: &mut [Source; 1],
    pid: u32,
    options: &OverloadOptions,
) -> Result<Sustained, Failure> {
    let length = options.common.length().min(Duration::from_secs(2));
    let mut in_flight = options.in_flight;
    let mut best: Option<Sustained> = None;
    loop {
        sources[0].set_pace(Pace::Closed(in_flight));
        let window = drive(crowd, sources, pid, length)?;
        let found = Sustained {
            rate: window.delivered as f64 / options.sessions as f64 / window.seconds,
            in_flight,
            server_busy: window.server.nanoseconds as f64 / 1e9 / window.seconds,
            generator_busy: window.generator as f64 / 1e9 / window.seconds,
        };
        let grows = best.as_ref().is_none_or(|best| found.rate > best.rate * 1.1);
        if best.as_ref().is_none_or(|best| found.rate > best.rate) {
            best = Some(found);
        }
        in_flight = in_flight.saturating_mul(2);
        if !grows || in_flight > MOST_IN_FLIGHT {
            return best.ok_or_else(|| Failure("no rate was found".to_owned()));
        }
    }
}

/// Runs `overload`: finds the rate that the server sustains, offers a multiple of it, and then asks
/// whether every client is still there and receives one last message.
///
/// A server may slow its publisher down; what it does not take is counted as withheld. It may not
/// lose a message or end a client that reads.
pub(crate) fn run(options: &OverloadOptions) -> Result<(), Failure> {
    let common = &options.common;
    common.prepare(options.sessions)?;
    let payload = common.payload(100);
    let settings = format!(
        "{} subscribers, {} times the rate it sustains, {payload} bytes",
        options.sessions, options.times
    );
    let mut report = Report::new("overload", settings, common.json);
    for round in 1..=common.rounds(1) {
        for subject in common.subjects(None)?.into_iter().take(1) {
            let target = common.start(&subject)?;
            let mut crowd = Crowd::new(&target, vec!["/bench".to_owned()], 1)?;
            let transport = Transport::WebSocket;
            let first = crowd.open([publisher(transport)], common.patience())?;
            crowd.open((0..options.sessions).map(|_| subscriber(transport, vec![0])), common.patience())?;
            let pace = Pace::Closed(options.in_flight);
            let mut sources = [Source::new(0, first..first + 1, 0..1, payload, pace)];
            drive(&mut crowd, &mut sources, target.pid, common.warmup())?;
            let calm = sustain(&mut crowd, &mut sources, target.pid, options)?;
            let sustained = calm.rate;
            let before = Memory::of(target.pid)?;
            crowd.drain(common.patience())?;

            sources[0].set_pace(Pace::Open(sustained * options.times));
            let window = drive(&mut crowd, &mut sources, target.pid, common.length())?;
            let taken = crowd.shared.ledger.sources[0].published as f64 / window.seconds;
            let kept = window.delivered as f64
                / (sustained * options.times * options.sessions as f64)
                / window.seconds;
            let mut values = vec![
                ("sustained_messages_per_s", sustained),
                ("sustained_in_flight", f64::from(calm.in_flight)),
                ("sustained_server_busy", calm.server_busy),
                ("sustained_generator_busy", calm.generator_busy),
                ("offered_messages_per_s", sustained * options.times),
                ("taken_messages_per_s", taken),
                ("withheld", sources[0].withheld as f64),
                ("delivered_of_offered", kept),
            ];
            crowd.drain(common.patience())?;
            let during = of_window(&crowd, &window, 0);
            let lost = crowd.shared.ledger.awaited();

            // One last message to everyone: `drain` fails when a client is gone.
            sources[0].set_pace(Pace::Closed(1));
            let last = drive(&mut crowd, &mut sources, target.pid, Duration::from_millis(100))?;
            crowd.drain(common.patience())?;
            let after = Memory::of(target.pid)?;
            values.extend(during.into_iter().filter(|(name, _)| *name != "lost"));
            values.extend([
                ("lost", lost as f64),
                ("last_deliveries", last.delivered as f64),
                ("anonymous_mb_before", before.anonymous as f64 / 1e6),
                ("anonymous_mb_after", after.anonymous as f64 / 1e6),
                ("peak_mb", after.peak as f64 / 1e6),
            ]);
            report.add(round, Figures::of(&subject, values));
            check(&crowd, &subject)?;
        }
    }
    report.print();
    Ok(())
}
