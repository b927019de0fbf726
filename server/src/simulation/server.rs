//! The server of a simulation: all of it but its sockets, on this thread, with the clock in our hand.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::model::Class;
use super::random::Random;
use crate::broker::{Broker, Classes};
use crate::clock::{Clock, Hand};
use crate::config::Config;
use crate::drain::Drain;
use crate::hub::{ClientEnd, Hub, Wire, calls, line};
use crate::metrics::Metrics;
use crate::policy::Policy;
use crate::transport::{self, App, Side};
use crate::visitors::Visitors;

pub(super) const CHANNELS: &[&str] = &[
    "/n/a", "/n/b/c", "/h/a", "/h/b", "/h/c/d", "/s/a", "/s/b", "/v/a", "/l/a", "/l/b", "/d/a", "/g/a",
    "/g/b",
];

pub(super) const PATTERNS: &[&str] = &[
    "/n/a", "/n/*", "/n/**", "/h/a", "/h/*", "/h/**", "/h/c/d", "/s/a", "/s/*", "/v/*", "/v/a", "/l/*",
    "/d/*", "/g/*", "/g/a", "/**",
];

/// The tables of channels, as [`TABLES`] has them, and the channels without one.
pub(super) const CLASSES: &[Class] = &[
    Class { prefix: "/h/", history: true, complete: true, lossy: false, tells: false, drops: false },
    Class { prefix: "/s/", history: true, complete: false, lossy: false, tells: false, drops: false },
    Class { prefix: "/v/", history: true, complete: true, lossy: false, tells: false, drops: false },
    Class { prefix: "/l/", history: true, complete: false, lossy: true, tells: false, drops: false },
    Class { prefix: "/d/", history: false, complete: false, lossy: false, tells: false, drops: true },
    Class { prefix: "/g/", history: false, complete: false, lossy: false, tells: true, drops: false },
    Class { prefix: "", history: false, complete: false, lossy: false, tells: false, drops: false },
];

const TABLES: &str = r#"
    [[channel]]
    patterns = ["/h/**"]
    history = { count = 1000, age = "1d" }
    [[channel]]
    patterns = ["/s/**"]
    history = { count = 4, age = "1m" }
    [[channel]]
    patterns = ["/v/**"]
    last_value = true
    history = { count = 1000, age = "1d" }
    [[channel]]
    patterns = ["/l/**"]
    deliver = "latest"
    history = { count = 2, age = "1h" }
    [[channel]]
    patterns = ["/d/**"]
    on_overflow = "drop-oldest"
    [[channel]]
    patterns = ["/g/**"]
    on_overflow = "gap"
"#;

/// What a few notices may weigh, and what a message has around its payload.
const NOTICES: usize = 4096;

/// Looks at a server that did nothing in between, before it counts as resting.
const QUIET: usize = 6;

pub(super) struct Server {
    runtime: Runtime,
    app: Arc<App>,
    hand: Hand,
    clock: Clock,
    hub: Hub,
    turns: JoinHandle<()>,
}

impl Server {
    pub(super) fn start(random: &mut Random) -> Self {
        let mut config: Config = toml::from_str(TABLES).expect("tables that are written right here");
        config.rights.open = true;
        config.sessions.outbox_messages = *random.pick(&[5, 20, 100, 1000]);
        config.sessions.outbox_bytes = *random.pick(&[1000, 10_000, 1 << 20]);
        let (clock, hand) = Clock::by_hand();
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime without sockets needs nothing");
        let metrics = Metrics::new();
        let limits = bayeux::Limits::from(config.limits);
        let classes = Classes::new(&config.channel, &limits.channel, clock.clone()).expect("they are valid");
        let hub = Hub::new(config.sessions.clone(), 1, clock.clone(), metrics.clone(), classes.clone());
        let (types, policy) = (transport::connection_types(false), Policy::open(clock.clone()));
        let broker =
            Arc::new(Broker::new(hub.clone(), classes, policy, limits, Default::default(), types, metrics));
        let keeper = broker.clone();
        runtime.spawn(async move { keeper.expire().await });
        let side = Side {
            options: config.doors,
            visitors: Visitors::Loopback,
            router: axum::Router::new(),
            internal: false,
        };
        let app = App::new(broker, side, config.limits.request_time, Drain::new(), clock.clone());
        runtime.spawn(transport::rest::watch(clock.clone()));
        let turns = runtime.spawn(hub.clone().run(0));
        Server { runtime, app, hand, clock, hub, turns }
    }

    /// A connection on which the server may have `room` bytes under way.
    pub(super) fn connect(&self, room: usize) -> ClientEnd {
        let (end, client) = line(room);
        self.runtime.spawn(transport::run(self.app.clone(), Wire::simulated(end), None));
        client
    }

    /// Lets every task that can go on do so, a few times.
    pub(super) fn go(&self, times: usize) {
        self.runtime.block_on(async {
            for _ in 0..times {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Until nothing happens any more without somebody outside.
    pub(super) fn rest(&self) {
        self.runtime.block_on(async {
            let mut quiet = 0;
            let mut before = calls();
            while quiet < QUIET {
                tokio::task::yield_now().await;
                let now = calls();
                quiet = if now == before { quiet + 1 } else { 0 };
                before = now;
            }
        });
    }

    /// The server's clock in milliseconds.
    pub(super) fn now(&self) -> u64 {
        self.clock.now().as_millis() as u64
    }

    /// No outbox holds more than it may: one message may pass the bound in bytes, one more may come for a poll that then turns
    /// out to be dead, and each may follow the word that others are gone.
    pub(super) fn check_bounds(&self, largest: usize) -> Result<(), String> {
        let heaviest = self.runtime.block_on(self.hub.call(0, |shard| shard.heaviest()));
        let (messages, bytes) = heaviest.unwrap_or_default();
        let options = self.hub.options();
        if messages > options.outbox_messages + 4 || bytes > options.outbox_bytes + 2 * largest + NOTICES {
            return Err(format!("an outbox holds {messages} messages, {bytes} bytes: {}", self.state()));
        }
        Ok(())
    }

    /// What waits, and for whom.
    pub(super) fn state(&self) -> String {
        let state = self.hub.call(0, |shard| format!("{:?}", shard.slowest(9)));
        let options = self.hub.options();
        let bounds = (options.outbox_messages, options.outbox_bytes);
        format!("bounds {bounds:?}, waiting {}", self.runtime.block_on(state).unwrap_or_default())
    }

    pub(super) fn advance(&self, by: Duration) {
        self.hand.advance(by);
        self.runtime.block_on(tokio::time::advance(by));
    }

    /// Whether it still takes turns.
    pub(super) fn lives(&self) -> bool {
        !self.turns.is_finished()
    }
}
