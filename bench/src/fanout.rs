//! `fanout` and `ingest`: one channel, one publisher, many subscribers or one.

use crate::Failure;
use crate::crowd::Crowd;
use crate::drive::{Pace, Source, drive};
use crate::options::{Common, FanoutOptions, IngestOptions};
use crate::plan::{Ack, Plan, Transport};
use crate::report::{Figures, Report, of_window};
use crate::served::Setup;
use crate::target::Subject;

/// A subscriber of these channels.
pub(crate) fn subscriber(transport: Transport, listens: Vec<u32>) -> Plan {
    Plan { listens, transport, connects: true, receive_buffer: None, urgent: false, ack: Ack::None }
}

/// A publisher, by the transport of its subscribers.
pub(crate) fn publisher(transport: Transport) -> Plan {
    Plan { connects: transport == Transport::WebSocket, ..subscriber(transport, Vec::new()) }
}

/// What is published to how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Subscribers of the one channel.
    pub(crate) sessions: usize,
    /// When messages are published.
    pub(crate) pace: Pace,
    /// How subscribers are connected.
    pub(crate) transport: Transport,
    /// How they acknowledge.
    pub(crate) ack: Ack,
    /// Bytes of `data` in each message.
    pub(crate) payload: usize,
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} subscribers by {}, ", self.sessions, self.transport.name())?;
        match self.pace {
            Pace::Closed(under_way) => write!(f, "{under_way} in flight")?,
            Pace::Open(rate) => write!(f, "{rate} messages/s")?,
        }
        write!(f, ", {} bytes", self.payload)
    }
}

/// Runs `fanout`.
pub(crate) fn run(options: &FanoutOptions) -> Result<(), Failure> {
    if options.transport == Transport::EventStream {
        return Err(Failure("fanout knows websocket and long-polling".to_owned()));
    }
    let load = Load {
        sessions: options.sessions,
        pace: options.rate.map_or(Pace::Closed(options.in_flight), Pace::Open),
        transport: options.transport,
        ack: options.ack,
        payload: options.common.payload(100),
    };
    measure("fanout", &options.common, options.history, load)
}

/// What `ingest` does.
pub(crate) fn of_one(in_flight: u32, ack: Ack, payload: usize) -> Load {
    Load { sessions: 1, pace: Pace::Closed(in_flight), transport: Transport::WebSocket, ack, payload }
}

/// Runs `ingest`.
pub(crate) fn ingest(options: &IngestOptions) -> Result<(), Failure> {
    let load = of_one(options.in_flight, options.ack, options.common.payload(100));
    measure("ingest", &options.common, options.history, load)
}

fn measure(name: &'static str, common: &Common, history: bool, load: Load) -> Result<(), Failure> {
    common.prepare(load.sessions)?;
    let kept = if history { ", with history" } else { "" };
    let settings = format!("{load}{kept}, acknowledged by {:?}", load.ack).to_lowercase();
    let mut report =
        Report::new(name, settings, common.json).closed_loop(matches!(load.pace, Pace::Closed(_)));
    let setup = history.then(Setup::with_history);
    common.each(9, &common.subjects(setup.as_ref())?, |round, subject| {
        let (figures, outcome) = fan_out(common, subject, load)?;
        report.add(round, figures);
        outcome
    })?;
    report.print();
    Ok(())
}

/// One run; the figures come with the verdict on them.
pub(crate) fn fan_out(
    common: &Common,
    subject: &Subject,
    load: Load,
) -> Result<(Figures, Result<(), Failure>), Failure> {
    let transport = subject.transport(load.transport);
    let target = common.start(subject)?;
    let mut crowd = Crowd::new(&target, vec!["/bench".to_owned()], 1)?;
    let publisher = crowd.open([publisher(transport)], common.patience())?;
    let ack = if matches!(subject, Subject::Floor(_)) { Ack::None } else { load.ack };
    let plan = Plan { ack, ..subscriber(transport, vec![0]) };
    crowd.open((0..load.sessions).map(|_| plan.clone()), common.patience())?;
    let mut sources = [Source::new(0, publisher..publisher + 1, 0..1, load.payload, load.pace)];
    drive(&mut crowd, &mut sources, target.pid, common.warmup())?;
    let window = drive(&mut crowd, &mut sources, target.pid, common.length())?;
    crowd.drain(common.patience())?;
    Ok((Figures::of(subject, of_window(&crowd, &window, 0)), check(&crowd, subject)))
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
