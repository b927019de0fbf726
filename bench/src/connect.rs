//! `connect`: what it costs a server to take a client in.

use std::time::Instant;

use crate::Failure;
use crate::crowd::Crowd;
use crate::fanout::subscriber;
use crate::meter::{self, Cpu};
use crate::options::ConnectOptions;
use crate::plan::{Plan, Transport};
use crate::report::{Figures, Report};

/// Runs `connect`: TCP, the upgrade, `/meta/handshake` and `/meta/subscribe`, in that order, each
/// after the answer to the one before.
pub(crate) fn run(options: &ConnectOptions) -> Result<(), Failure> {
    let common = &options.common;
    common.prepare(options.sessions)?;
    let settings = format!("{} connections by websocket, handshake and one subscription", options.sessions);
    let mut report = Report::new("connect", settings, common.json);
    common.each(9, &common.subjects(None)?, |round, subject| {
        let target = common.start(subject)?;
        let mut crowd = Crowd::new(&target, vec!["/bench".to_owned()], 1)?;
        let plan = Plan { connects: false, ..subscriber(Transport::WebSocket, vec![0]) };
        let (cpu, own, begin) = (Cpu::of(target.pid)?, meter::own_nanoseconds(), Instant::now());
        crowd.open((0..options.sessions).map(|_| plan.clone()), common.patience())?;
        let seconds = begin.elapsed().as_secs_f64();
        let (cpu, own) = (Cpu::of(target.pid)?.since(cpu), meter::own_nanoseconds() - own);
        let each = |nanoseconds: f64| nanoseconds / 1e3 / options.sessions as f64;
        let values = vec![
            ("connects_per_s", options.sessions as f64 / seconds),
            ("cpu_us_per_connect", each(cpu.nanoseconds as f64)),
            ("user_us_per_connect", each(cpu.user_nanoseconds())),
            ("server_busy", cpu.nanoseconds as f64 / 1e9 / seconds),
            ("generator_busy", own as f64 / 1e9 / seconds),
        ];
        report.add(round, Figures::of(subject, values));
        Ok(())
    })?;
    report.print();
    Ok(())
}
