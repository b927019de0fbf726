//! A started server, and the hand on its clock.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use encke::clock::{Clock, Hand};
use encke::config::Config;
use encke::listen::Listen;
use encke::server::Server;
use encke::visitors::Visitors;

use crate::wire::{DEADLINE, Wire};

/// A server on free ports of the loopback. It stops when it is dropped.
pub(crate) struct Encke {
    server: Option<Server>,
    pub(crate) public: SocketAddr,
    pub(crate) internal: SocketAddr,
    /// Where the public listener is, which may be a file.
    pub(crate) place: Listen,
    hand: Hand,
}

impl Encke {
    /// Development, on one core: what is asked after an answer is seen by the core that gave it.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::visited(Visitors::Loopback, change)
    }

    pub(crate) fn visited(visitors: Visitors, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
            internal_listen: SocketAddr::from(([127, 0, 0, 1], 0)).into(),
            cores: 1,
            drain: Duration::from_secs(5),
            ..Config::default()
        };
        config.rights.open = true;
        change(&mut config);
        let (clock, hand) = Clock::by_hand();
        let server = Server::start(config, visitors, clock).expect("loopback has free ports");
        let place = server.public.clone();
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let [public, internal] = [&place, &server.internal].map(|place| place.socket().unwrap_or(nowhere));
        Encke { server: Some(server), public, internal, place, hand }
    }

    /// Moves the server's clock.
    pub(crate) fn advance(&self, by: Duration) {
        self.hand.advance(by);
    }

    /// Sets the time of day forward, and not the clock that waits are measured with.
    pub(crate) fn set_forward(&self, by: Duration) {
        self.hand.set_forward(by);
    }

    /// A connection to the public listener.
    pub(crate) fn wire(&self) -> Wire {
        match &self.place {
            Listen::Tcp(address) => Wire::connect(*address),
            Listen::Unix(path) => Wire::connect_to_file(path),
        }
    }

    /// All figures, as Prometheus would scrape them.
    pub(crate) fn figures(&self) -> String {
        let mut wire = Wire::connect(self.internal);
        wire.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let response = wire.response();
        assert_eq!(response.status, 200);
        response.text()
    }

    /// One figure: `encke_sessions`, or `encke_refused_total{cause="bad_body"}`. One that was never counted is 0.
    pub(crate) fn figure(&self, name: &str) -> i64 {
        figure(&self.figures(), name)
    }

    /// `refused` of one cause.
    pub(crate) fn refused(&self, cause: &str) -> i64 {
        self.figure(&format!("encke_refused_total{{cause=\"{cause}\"}}"))
    }

    /// `sessions_ended` of one cause.
    pub(crate) fn ended(&self, cause: &str) -> i64 {
        self.figure(&format!("encke_sessions_ended_total{{cause=\"{cause}\"}}"))
    }

    /// Connections of one transport.
    pub(crate) fn connections(&self, transport: &str) -> i64 {
        self.figure(&format!("encke_connections{{transport=\"{transport}\"}}"))
    }

    /// Waits until `ask` answers `wanted`; fails at the deadline with what it answered instead.
    pub(crate) fn until(&self, what: &str, wanted: i64, ask: impl Fn(&Self) -> i64) {
        let end = Instant::now() + DEADLINE;
        loop {
            let is = ask(self);
            if is == wanted {
                return;
            }
            assert!(Instant::now() < end, "{what}: still {is} instead of {wanted}\n{}", self.figures());
            std::thread::yield_now();
        }
    }

    /// When this returns, the server has read what was sent to it before. One core takes its sockets in the order in
    /// which they became readable, and this opens one more, last, and waits for what it says.
    pub(crate) fn settle(&self) {
        for _ in 0..2 {
            self.figures();
        }
    }

    /// Tells it to stop, in a thread of its own; joining it answers with how long that took.
    pub(crate) fn stop(&mut self) -> std::thread::JoinHandle<Duration> {
        let server = self.server.take().expect("a server is stopped once");
        std::thread::spawn(move || {
            let start = Instant::now();
            server.stop();
            start.elapsed()
        })
    }
}

fn figure(figures: &str, name: &str) -> i64 {
    figures
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .map_or(0, |value| value.parse().expect("a figure is a number"))
}
