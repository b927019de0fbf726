//! `recover`: clients lose their connection while messages are published, and return; what they missed, whether they
//! get it all, once and in order, and how long that takes.

mod client;
mod events;
mod had;
mod link;
mod network;
#[cfg(test)]
mod tests;
mod words;

use std::time::{Duration, Instant};

use self::network::Network;
use crate::Failure;
use crate::counters::Counters;
use crate::meter::{self, Cpu, Memory};
use crate::options::RecoverOptions;
use crate::plan::Transport;
use crate::report::{Figures, Report, Values};
use crate::served::{Kept, Setup};
use crate::target::Target;

/// Runs `recover`.
pub(crate) fn run(options: &RecoverOptions) -> Result<(), Failure> {
    let common = &options.common;
    // While a client returns it has two connections.
    common.prepare(2 * options.clients)?;
    let setup = Setup { kept: Some(kept(options)), on_overflow: None };
    let names: Vec<&str> = options.transports.iter().map(|transport| transport.name()).collect();
    let settings = format!(
        "{} clients by {} lose their connection ({:?}) for {:?} and return within {:?}, {} messages/s in {} rooms",
        options.clients,
        names.join(", "),
        options.loss,
        options.away,
        options.within,
        options.rate,
        options.rooms
    );
    let mut report = Report::new("recover", settings, common.json);
    for round in 1..=common.rounds(1) {
        for subject in common.subjects(Some(&setup))?.into_iter().take(1) {
            let target = common.start(&subject)?;
            let values = measure(options, &target)?;
            let figures = Figures::of(&subject, values);
            report.add(round, figures.clone());
            check(&figures)?;
        }
    }
    report.print();
    Ok(())
}

/// A history that holds all that is published in a run, twice over: what is lost is lost on the way.
fn kept(options: &RecoverOptions) -> Kept {
    let length = options.before + options.away + options.within + options.after + options.common.patience();
    let each = options.rate * length.as_secs_f64() / options.rooms as f64;
    Kept::of((2.0 * each) as usize + 100, options.common.payload(100), options.rooms)
}

/// A run in which something was lost, or came twice, or in the wrong order, has not recovered.
fn check(figures: &Figures) -> Result<(), Failure> {
    let value = |name: &str| figures.get(name).unwrap_or(f64::NAN);
    let faults = ["lost", "repeated", "reordered", "stray", "gaps", "unrecovered", "behind"];
    let found: Vec<String> = faults
        .iter()
        .filter(|name| value(name) != 0.0)
        .map(|name| format!("{} {name}", value(name)))
        .collect();
    if found.is_empty() {
        Ok(())
    } else {
        Err(Failure(format!("not all was recovered: {}", found.join(", "))))
    }
}

/// Server and generator between two moments.
struct Window {
    server: Cpu,
    generator: u64,
    began: Instant,
}

impl Window {
    fn open(target: &Target) -> Result<Window, Failure> {
        Ok(Window {
            server: Cpu::of(target.pid)?,
            generator: meter::own_nanoseconds(),
            began: Instant::now(),
        })
    }

    /// CPU seconds of the server, and the shares of their cores that server and generator had.
    fn close(&self, target: &Target) -> Result<(f64, f64, f64), Failure> {
        let seconds = self.began.elapsed().as_secs_f64();
        let server = Cpu::of(target.pid)?.since(self.server).nanoseconds as f64 / 1e9;
        let generator = (meter::own_nanoseconds() - self.generator) as f64 / 1e9;
        Ok((server, server / seconds, generator / seconds))
    }
}

fn measure(options: &RecoverOptions, target: &Target) -> Result<Values, Failure> {
    let patience = options.common.patience();
    let mut network = Network::open(options, target)?;
    network.begin();
    let (calm, published) = (Window::open(target)?, network.published);
    network.go(options.before)?;
    let (_, calm_busy, _) = calm.close(target)?;
    let calm_rate = f64::from(network.published - published) / calm.began.elapsed().as_secs_f64();
    let before = Memory::of(target.pid)?;

    network.cut(options.loss)?;
    network.go(options.away)?;
    let away = Memory::of(target.pid)?;

    network.restore(options.within);
    let back = Instant::now();
    let recovery = Window::open(target)?;
    while network.behind > 0 && back.elapsed() < options.within + patience {
        network.turn()?;
    }
    let (cpu_s, server_busy, generator_busy) = recovery.close(target)?;
    let after = Memory::of(target.pid)?;
    network.go(options.after)?;
    network.stop();
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline && !network.is_complete() {
        network.go(Duration::from_millis(50))?;
    }
    // What would come twice has its chance to come.
    network.go(Duration::from_millis(500))?;

    let mut values = vec![
        ("clients", network.clients.len() as f64),
        ("published_per_s", calm_rate),
        ("all_caught_up_s", network.last_caught_up.duration_since(back).as_secs_f64()),
        ("after_last_return_ms", network.after_last_return().as_secs_f64() * 1e3),
    ];
    values.extend(of_returns(&network));
    values.extend([
        ("server_cpu_s", cpu_s),
        ("server_busy", server_busy),
        ("calm_server_busy", calm_busy),
        ("generator_busy", generator_busy),
        ("anonymous_mb_before", before.anonymous as f64 / 1e6),
        ("anonymous_mb_away", away.anonymous as f64 / 1e6),
        ("anonymous_mb_after", after.anonymous as f64 / 1e6),
        ("peak_mb", Memory::of(target.pid)?.peak as f64 / 1e6),
    ]);
    let counters = Counters::of(target.internal())?;
    values.extend([
        ("replayed", counters.sum("encke_messages_replayed_total", "")),
        ("expired", counters.sum("encke_sessions_ended_total", "cause=\"expired\"")),
    ]);
    values.extend(of_messages(&network));
    Ok(values)
}

/// How long clients took, from the moment each began to connect until it had all that its room had had by then.
fn of_returns(network: &Network) -> Values {
    let sorted = |of: Option<Transport>| {
        let pairs = network.clients.iter().zip(&network.returns);
        let mut took: Vec<f64> = pairs
            .filter(|(client, _)| of.is_none_or(|transport| client.transport == transport))
            .filter_map(|(_, back)| Some(back.as_ref()?.took()?.as_secs_f64() * 1e3))
            .collect();
        took.sort_by(f64::total_cmp);
        took
    };
    let all = sorted(None);
    let mut values = vec![
        ("p50_ms", quantile(&all, 0.5)),
        ("p99_ms", quantile(&all, 0.99)),
        ("max_ms", quantile(&all, 1.0)),
    ];
    for (name, transport) in [
        ("websocket_p99_ms", Transport::WebSocket),
        ("long_polling_p99_ms", Transport::LongPolling),
        ("event_stream_p99_ms", Transport::EventStream),
    ] {
        let took = sorted(Some(transport));
        if !took.is_empty() {
            values.push((name, quantile(&took, 0.99)));
        }
    }
    let lacked: u64 = network.returns.iter().flatten().map(|back| back.lacked).sum();
    values.push(("missed", lacked as f64));
    values.push(("behind", network.behind as f64));
    values
}

/// The smallest value that so many of all do not exceed.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// What arrived, and what did not.
fn of_messages(network: &Network) -> Values {
    let sum = |count: fn(&client::Client) -> u64| network.clients.iter().map(count).sum::<u64>() as f64;
    let lost: u64 =
        network.clients.iter().map(|client| client.had.lacks(network.published_in(client.room))).sum();
    vec![
        ("published", f64::from(network.published)),
        ("withheld", network.withheld as f64),
        ("resumed", sum(|client| client.count.resumed)),
        ("renewed", sum(|client| client.count.renewed)),
        ("interruptions", sum(|client| client.count.interruptions)),
        ("gaps", sum(|client| client.count.gaps)),
        ("unrecovered", sum(|client| client.count.unrecovered)),
        ("lost", lost as f64),
        ("repeated", sum(|client| client.had.repeated)),
        ("reordered", sum(|client| client.had.reordered)),
        ("stray", sum(|client| client.had.stray)),
    ]
}
