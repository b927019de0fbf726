//! Build, run, drain: listeners, a thread and a runtime for each core, and the end.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::acceptor::{Acceptor, Arrival, Listener};
use crate::broker::{Broker, Classes};
use crate::clock::Clock;
use crate::config::Config;
use crate::drain::Drain;
use crate::hub::Hub;
use crate::listen::Listen;
use crate::metrics::Metrics;
use crate::places::Places;
use crate::policy::Policy;
use crate::transport::{self, App, Side};
use crate::visitors::Visitors;
use crate::{admin, numbers, pages};

/// How often the end of a drain is looked for.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// A server that runs until it is [`stop`](Self::stop)ped.
pub struct Server {
    /// Where the public listener is.
    pub public: Listen,
    /// Where the internal listener is.
    pub internal: Listen,
    /// The figures.
    pub metrics: Arc<Metrics>,
    drain: Drain,
    within: Duration,
    clock: Clock,
    outside: Option<Acceptor>,
    _inside: Acceptor,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Binds both listeners and starts the cores.
    ///
    /// # Errors
    /// When an address cannot be bound or a thread cannot be started.
    pub fn start(config: Config, visitors: Visitors, clock: Clock) -> io::Result<Self> {
        let descriptors = raise_descriptor_limit();
        let cores = match config.cores {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            cores => cores,
        };
        let [outside, inside] = [config.listen.bind()?, config.internal_listen.bind()?];
        let [public, internal] = [outside.place()?, inside.place()?];
        let metrics = Metrics::new();
        let drain = Drain::new();
        let limits = bayeux::Limits::from(config.limits);
        let classes = Classes::new(&config.channel, &limits.channel, clock.clone())
            .map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let hub = Hub::new(config.sessions, cores, clock.clone(), metrics.clone(), classes.clone());
        let policy = Policy::new(config.rights, config.tokens, &config.key, clock.clone())
            .map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why.to_string()))?;
        let broker = Arc::new(Broker::new(
            hub.clone(),
            classes,
            policy,
            limits,
            config.rates,
            transport::connection_types(config.doors.callback_polling),
            metrics.clone(),
        ));
        let index = pages::router(&config.doors.base, visitors.is_development());
        let inner = admin::router(broker.clone(), drain.clone());
        // The internal listener is for programs of the operator: a page of another origin does not read it. (One whose
        // name was rebound does unless a firewall stands before it, since programs come under any name.)
        let closer = if visitors == Visitors::Anyone { Visitors::SameOrigin } else { visitors };
        let places = Places::new(
            room(config.doors.connections, descriptors, cores),
            config.doors.connections_per_address,
        );
        let request_time = config.limits.request_time;
        let app = |side| App::new(broker.clone(), side, request_time, drain.clone(), clock.clone());
        // Those whose pages the public doors let in are not therefore let in here.
        let options = transport::Options { origins: Vec::new(), ..config.doors.clone() };
        let inner = app(Side { options, visitors: closer, router: inner, internal: true });
        let outer = app(Side { options: config.doors, visitors, router: index, internal: false });
        let within = config.drain;
        let mut threads = Vec::new();
        let mut arrivals = Vec::new();
        for core in 0..cores {
            let (sender, receiver) = mpsc::unbounded_channel();
            arrivals.push(sender);
            let (hub, drain) = (hub.clone(), drain.clone());
            let first = (core == 0).then(|| First {
                broker: broker.clone(),
                drain: within,
                numbers: visitors.is_development().then(|| clock.clone()),
            });
            let thread = std::thread::Builder::new().name(format!("encke-core-{core}"));
            threads.push(thread.spawn(move || on_core(core, hub, receiver, drain, first))?);
        }
        let outside =
            Acceptor::start(Listener::new(outside, outer, Some(places)), arrivals.clone(), metrics.clone())?;
        let inside = Acceptor::start(Listener::new(inside, inner, None), arrivals, metrics.clone())?;
        let outside = Some(outside);
        Ok(Server { public, internal, metrics, drain, within, clock, outside, _inside: inside, threads })
    }

    /// Stops accepting, tells every client, and returns when all are gone or the drain time has passed.
    pub fn stop(self) {
        drop(self);
    }

    fn end(&mut self) {
        // Whoever asks whether this server is ready hears no before anybody is turned away. Then the public listener closes,
        // since a client that is sent away must not come back to this server. The internal one stays to the end, since that
        // is when operators look.
        self.drain.announce();
        self.outside = None;
        self.drain.begin(self.clock.now(), self.within);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the server has panicked");
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Descriptors that are kept back from clients: for the internal listener, when operators want to look why the public one is
/// full, for those who are told so, and for the server itself, each of whose cores takes a few.
const KEPT_BACK: u64 = 192;
const KEPT_BACK_PER_CORE: u64 = 8;

/// One descriptor a connection: as many as we are allowed. Answers with how many those are.
fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays where it is");
        return before.unwrap_or(u64::MAX);
    }
    limit.current.unwrap_or(u64::MAX)
}

/// How many connections there is room for, of as many as are `wanted` (0: all).
fn room(wanted: usize, descriptors: u64, cores: usize) -> usize {
    let kept_back = KEPT_BACK + KEPT_BACK_PER_CORE * cores as u64;
    let most = descriptors.saturating_sub(kept_back).max(descriptors / 2);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if wanted > most {
        tracing::warn!(wanted, descriptors, "there are descriptors for {most} connections: see LimitNOFILE");
    }
    if wanted == 0 { most } else { wanted.min(most) }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs a few descriptors, and nothing works without them")
}

/// What the first core does beside what all do.
struct First {
    broker: Arc<Broker>,
    /// How long the good-byes may take.
    drain: Duration,
    /// The clock of the live numbers, where they are shown.
    numbers: Option<Clock>,
}

/// What one core does: its shard's turns, its connections, and (one of them) the good-byes.
fn on_core(
    core: usize,
    hub: Hub,
    mut arrivals: mpsc::UnboundedReceiver<Arrival>,
    drain: Drain,
    first: Option<First>,
) {
    runtime().block_on(async move {
        tokio::spawn(transport::rest::watch(hub.clock().clone()));
        let turns = tokio::spawn(hub.run(core));
        tokio::spawn(async move {
            if turns.await.is_err_and(|error| error.is_panic()) {
                // Its sessions would hang and every publisher wait, while all looks healthy from outside.
                tracing::error!(core, "the turns of this core have panicked: nothing can go on");
                std::process::abort();
            }
        });
        tokio::spawn(async move {
            while let Some(arrival) = arrivals.recv().await {
                let (app, peer) = (arrival.app.clone(), arrival.peer);
                match arrival.land() {
                    Ok(wire) => drop(tokio::spawn(transport::run(app, wire, peer))),
                    Err(error) => tracing::warn!(%error, "a connection could not be served"),
                }
            }
        });
        match first {
            None => drain.done().await,
            Some(First { broker, drain: within, numbers }) => {
                if let Some(clock) = numbers {
                    tokio::spawn(numbers::publish(broker.clone(), clock));
                }
                let keeper = broker.clone();
                tokio::spawn(async move { keeper.expire().await });
                drain.begun().await;
                say_goodbye(&broker, &drain, within).await;
                drain.finish();
            }
        }
    });
}

/// Tells every client, then waits for what is under way, at most `within` in all.
async fn say_goodbye(broker: &Broker, drain: &Drain, within: Duration) {
    let end = Instant::now() + within;
    let _ = tokio::time::timeout_at(end, broker.drain(drain)).await;
    while broker.metrics().under_way() > 0 && Instant::now() < end {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_as_many_as_there_are_descriptors_for() {
        assert_eq!([room(0, 10_000, 1), room(20_000, 10_000, 1)], [9_800; 2]);
        assert_eq!(room(5_000, 10_000, 1), 5_000);
        assert_eq!(room(0, 256, 4), 128);
        assert_eq!(room(7, u64::MAX, 1), 7);
    }
}
