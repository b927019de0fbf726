//! The whole of a simulation: a server on this thread, a clock that is moved by hand, clients, and what happens to them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use super::client::{Client, Way};
use super::model::{Entry, Model};
use super::random::Random;
use super::server::{CHANNELS, CLASSES, Server};
use crate::hub::{ClientEnd, Loss, calls, handed_out};

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
        self.server.check_bounds(self.large)?;
        self.observe()
    }

    /// Learns what the server has handed out, and in which order.
    fn observe(&mut self) -> Result<(), String> {
        if PANICKED.get() || !self.server.lives() {
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
        // What is on its way arrives before: a server does not sleep for minutes.
        scene.settle()?;
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
        self.catch_up(3000)?;
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
        self.catch_up(3000)
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
