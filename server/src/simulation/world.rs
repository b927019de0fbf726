//! The whole of a simulation: a server on this thread, a clock that is moved by hand, clients, and what happens to them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::client::{Client, Way};
use super::model::{Class, Entry, Model};
use super::random::Random;
use crate::broker::{Broker, Classes};
use crate::clock::{Clock, Hand};
use crate::config::Config;
use crate::drain::Drain;
use crate::hub::{ClientEnd, Hub, Loss, Wire, calls, handed_out, line};
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
const CLASSES: &[Class] = &[
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
    fn start(random: &mut Random) -> Self {
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
    fn go(&self, times: usize) {
        self.runtime.block_on(async {
            for _ in 0..times {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Until nothing happens any more without somebody outside.
    fn rest(&self) {
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

    /// What waits, and for whom.
    fn state(&self) -> String {
        let state = self.hub.call(0, |shard| format!("{:?}", shard.slowest(9)));
        let options = self.hub.options();
        let bounds = (options.outbox_messages, options.outbox_bytes);
        format!("bounds {bounds:?}, waiting {}", self.runtime.block_on(state).unwrap_or_default())
    }

    fn advance(&self, by: Duration) {
        self.hand.advance(by);
        self.runtime.block_on(tokio::time::advance(by));
    }
}

/// What clients have before them.
pub(super) struct Scene {
    pub(super) random: Random,
    pub(super) model: Model,
    pub(super) server: Server,
    /// How often connections break, in hundredths.
    pub(super) trouble: usize,
    /// The largest payload.
    pub(super) large: usize,
    /// Connections of which the server does not know that nobody is there any more.
    pub(super) silent: Vec<ClientEnd>,
    lines: Option<VecDeque<String>>,
}

/// Lines of the trace that are kept.
const TRACE: usize = 5000;

thread_local! {
    static PANICKED: Cell<bool> = const { Cell::new(false) };
}

/// Has panics of the server's tasks noticed, which the runtime keeps to itself.
pub(super) fn notice_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICKED.set(true);
            before(info);
        }));
    });
}

impl Scene {
    /// Writes a line of the trace, if one is kept.
    pub(super) fn trace(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            if lines.len() == TRACE {
                lines.pop_front();
            }
            lines.push_back(line());
        }
    }

    /// Lets the server come to rest, and the model know what was published.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        self.server.rest();
        self.observe()
    }

    /// Learns what the server has handed out, and in which order.
    fn observe(&mut self) -> Result<(), String> {
        if PANICKED.get() || self.server.turns.is_finished() {
            return Err("the server has panicked".to_owned());
        }
        for message in handed_out() {
            let json: Value = serde_json::from_slice(message.json()).expect("messages are JSON");
            let number = json["data"]["n"].as_u64().expect("the simulation numbers its publications");
            let position = message.position();
            self.trace(|| format!("server: {number} on {} is {position}", json["channel"]));
            let shown = json["ext"]["encke"]["position"].as_str();
            self.model.observe(number as usize, shown)?;
        }
        Ok(())
    }
}

pub(super) struct World {
    pub(super) scene: Scene,
    clients: Vec<Client>,
}

impl World {
    pub(super) fn new(seed: u64, traced: bool) -> Self {
        PANICKED.set(false);
        let mut random = Random::new(seed);
        let server = Server::start(&mut random);
        drop(handed_out());
        let clients = 1 + random.below(4);
        let ways = [Way::Plain, Way::Batch, Way::Count, Way::Count];
        let clients = (0..clients)
            .map(|name| Client::new(name, *random.pick(&ways), random.chance(50), random.chance(50)))
            .collect();
        let scene = Scene {
            trouble: *random.pick(&[0, 1, 3]),
            large: *random.pick(&[500, 3000, 40_000]),
            random,
            model: Model::new(CLASSES),
            server,
            silent: Vec::new(),
            lines: traced.then(VecDeque::new),
        };
        World { scene, clients }
    }

    /// The last lines of the trace.
    pub(super) fn trace(&self) -> String {
        let lines = self
            .scene
            .lines
            .iter()
            .flatten()
            .cloned()
            .chain([self.scene.server.state()])
            .chain(self.clients.iter().map(Client::unrest));
        lines.collect::<Vec<_>>().join("\n")
    }

    pub(super) fn run(&mut self, steps: usize) -> Result<(), String> {
        self.scene.settle()?;
        for step in 0..steps {
            self.scene.trace(|| format!("-- step {step}"));
            self.step()?;
        }
        self.calm_down()?;
        self.check()
    }

    fn step(&mut self) -> Result<(), String> {
        let World { scene, clients } = self;
        let who = scene.random.below(clients.len());
        let client = &mut clients[who];
        match scene.random.below(100) {
            0..50 => {
                if scene.random.chance(70) {
                    client.read(scene, true)?;
                }
                client.act(scene, false)?;
            }
            50..70 => client.read(scene, false)?,
            70..75 => {
                if !client.connections.is_empty() && scene.random.chance(40 * scene.trouble) {
                    client.read(scene, false)?;
                }
                if !client.connections.is_empty() && scene.random.chance(40 * scene.trouble) {
                    let place = scene.random.below(client.connections.len());
                    let loss = *scene.random.pick(&[Loss::Silent, Loss::Closed, Loss::Reset]);
                    client.lose(scene, place, loss);
                }
            }
            75..79 => client.move_on(scene),
            79..83 => client.stall(scene),
            83..88 => {
                for _ in 0..scene.random.below(30) {
                    client.publish_in_session(scene);
                }
            }
            88..94 => self.wait()?,
            _ => scene.settle()?,
        }
        let scene = &mut self.scene;
        if scene.random.chance(40) {
            scene.settle()
        } else {
            let times = scene.random.below(4);
            scene.server.go(times);
            scene.observe()
        }
    }

    /// Time passes.
    fn wait(&mut self) -> Result<(), String> {
        let scene = &mut self.scene;
        let by = match scene.random.below(10) {
            0..6 => scene.random.below(100),
            6..9 => scene.random.below(12_000),
            _ => scene.random.below(150_000),
        };
        scene.trace(|| format!("{by} ms pass"));
        scene.server.advance(Duration::from_millis(by as u64));
        if scene.random.chance(30)
            && let Some(end) = scene.silent.pop()
        {
            end.lose(Loss::Reset);
        }
        for client in &mut self.clients {
            client.give_up(&mut self.scene);
        }
        Ok(())
    }

    /// Everybody comes back, has time to catch up, and gets one more message on each channel.
    fn calm_down(&mut self) -> Result<(), String> {
        self.scene.trace(|| "-- calm".to_owned());
        self.scene.trouble = 0;
        for client in &mut self.clients {
            client.wake();
        }
        self.catch_up(300)?;
        let now = self.scene.model.moment();
        for client in &mut self.clients {
            for subscription in client.subscriptions.iter_mut().filter(|it| it.is_in()) {
                subscription.stream.log.push(Entry::Calm(now));
            }
        }
        self.scene.trace(|| "-- last publications".to_owned());
        for channel in CHANNELS {
            self.clients[0].publish_to(&mut self.scene, channel, 0);
        }
        self.catch_up(300)
    }

    /// Until nobody has anything left to do.
    fn catch_up(&mut self, rounds: usize) -> Result<(), String> {
        for _ in 0..rounds {
            let before = calls();
            for client in &mut self.clients {
                client.drain(&mut self.scene)?;
                client.act(&mut self.scene, true)?;
            }
            self.scene.settle()?;
            if calls() == before && self.clients.iter().all(Client::rests) {
                return Ok(());
            }
            self.scene.server.advance(Duration::from_millis(20));
        }
        let why: Vec<String> = self.clients.iter().map(Client::unrest).collect();
        Err(format!("the clients never came to rest: {}", why.join(", ")))
    }

    fn check(&self) -> Result<(), String> {
        self.scene.model.check_publications()?;
        for client in &self.clients {
            for subscription in &client.subscriptions {
                self.scene
                    .model
                    .check(&subscription.stream)
                    .map_err(|wrong| format!("client {} ({:?}): {wrong}", client.name, client.way))?;
            }
        }
        Ok(())
    }
}
