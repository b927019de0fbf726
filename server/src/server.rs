//! Build, run, drain: listeners, a thread and a runtime for each core, and the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::acceptor::{self, Acceptor, Arrival, Listener};
use crate::broker::{Broker, Classes};
use crate::clock::Clock;
use crate::config::Config;
use crate::drain::Drain;
use crate::hub::{Hub, Wire};
use crate::metrics::Metrics;
use crate::policy::Policy;
use crate::transport::{self, App};
use crate::visitors::Visitors;
use crate::{admin, numbers, pages};

/// How often the end of a drain is looked for.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// A server that runs until it is [`stop`](Self::stop)ped.
pub struct Server {
    /// Where the public listener is.
    pub public: SocketAddr,
    /// Where the internal listener is.
    pub internal: SocketAddr,
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
        raise_descriptor_limit();
        let cores = match config.cores {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            cores => cores,
        };
        let [outside, inside] = [acceptor::bind(config.listen)?, acceptor::bind(config.internal_listen)?];
        let [public, internal] = [outside.local_addr()?, inside.local_addr()?];
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
        let outer = App::new(
            broker.clone(),
            config.doors.clone(),
            visitors,
            index,
            false,
            drain.clone(),
            clock.clone(),
        );
        let inner = App::new(broker.clone(), config.doors, closer, inner, true, drain.clone(), clock.clone());
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
        let outside = Acceptor::start(Listener::new(outside, outer), arrivals.clone(), metrics.clone())?;
        let inside = Acceptor::start(Listener::new(inside, inner), arrivals, metrics.clone())?;
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

/// One descriptor a connection: as many as we are allowed.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays where it is");
    }
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
            while let Some(Arrival { stream, peer, app }) = arrivals.recv().await {
                match tokio::net::TcpStream::from_std(stream) {
                    Ok(stream) => drop(tokio::spawn(transport::run(app, Wire::new(stream), Some(peer)))),
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

/// Whether an address may be listened on by a server that is open to everybody.
pub fn is_exposed(address: SocketAddr) -> bool {
    !address.ip().is_loopback()
}
