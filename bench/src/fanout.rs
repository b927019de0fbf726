//! `fanout` and `ingest`: one channel, one publisher, many subscribers or one.

use crate::Failure;
use crate::crowd::Crowd;
use crate::drive::{Pace, Source, drive};
use crate::options::{Common, FanoutOptions, IngestOptions};
use crate::plan::{Plan, Transport};
use crate::report::{Figures, Report, of_window};
use crate::target::Subject;

/// A subscriber of these channels.
pub(crate) fn subscriber(transport: Transport, listens: Vec<u32>) -> Plan {
    Plan { listens, transport, connects: true, receive_buffer: None, urgent: false }
}

/// A publisher, by the transport of its subscribers.
pub(crate) fn publisher(transport: Transport) -> Plan {
    Plan { connects: transport == Transport::WebSocket, ..subscriber(transport, Vec::new()) }
}

/// The floor speaks WebSocket only; a server is asked for the transport that is measured.
pub(crate) fn transport_for(subject: &Subject, asked: Transport) -> Transport {
    match subject {
        Subject::Floor(_) => Transport::WebSocket,
        _ => asked,
    }
}

/// Runs `fanout`.
pub(crate) fn run(options: &FanoutOptions) -> Result<(), Failure> {
    if options.transport == Transport::EventStream {
        return Err(Failure("fanout knows websocket and long-polling".to_owned()));
    }
    let pace = options.rate.map_or(Pace::Closed(options.in_flight), Pace::Open);
    measure("fanout", &options.common, options.sessions, pace, options.transport)
}

/// Runs `ingest`.
pub(crate) fn ingest(options: &IngestOptions) -> Result<(), Failure> {
    measure("ingest", &options.common, 1, Pace::Closed(options.in_flight), Transport::WebSocket)
}

fn measure(
    name: &'static str,
    common: &Common,
    sessions: usize,
    pace: Pace,
    transport: Transport,
) -> Result<(), Failure> {
    common.prepare(sessions)?;
    let payload = common.payload(100);
    let how = match pace {
        Pace::Closed(under_way) => format!("{under_way} in flight"),
        Pace::Open(rate) => format!("{rate} messages/s"),
    };
    let settings = format!("{} subscribers by {}, {how}, {} bytes", sessions, transport.name(), payload);
    let closed = matches!(pace, Pace::Closed(_));
    let mut report = Report::new(name, settings, common.json).closed_loop(closed);
    for round in 1..=common.rounds(9) {
        for subject in common.subjects()? {
            let transport = transport_for(&subject, transport);
            let target = common.start(&subject)?;
            let mut crowd = Crowd::new(&target, vec!["/bench".to_owned()], 1)?;
            let publisher = crowd.open([publisher(transport)], common.patience())?;
            crowd.open((0..sessions).map(|_| subscriber(transport, vec![0])), common.patience())?;
            let mut sources = [Source::new(0, publisher..publisher + 1, 0..1, payload, pace)];
            drive(&mut crowd, &mut sources, target.pid, common.warmup())?;
            let window = drive(&mut crowd, &mut sources, target.pid, common.length())?;
            crowd.drain(common.patience())?;
            let figures = Figures { subject: subject.name(), values: of_window(&crowd, &window, 0) };
            report.add(round, figures);
            check(&crowd, &subject)?;
        }
    }
    report.print();
    Ok(())
}

/// A run in which something was lost, or came twice, or in the wrong order, is no measurement.
pub(crate) fn check(crowd: &Crowd, subject: &Subject) -> Result<(), Failure> {
    let ledger = &crowd.shared.ledger;
    if ledger.awaited() + ledger.faults() > 0 {
        return Err(Failure(format!(
            "{}: {} lost, {} reordered, {} stray",
            subject.name(),
            ledger.awaited(),
            ledger.reordered,
            ledger.stray
        )));
    }
    if ledger.delivered() == 0 {
        return Err(Failure(format!("{}: nothing was delivered", subject.name())));
    }
    Ok(())
}
