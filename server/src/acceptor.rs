//! The acceptor: one thread that takes sockets from the kernel and hands them to the cores in turn.
//!
//! One, and not `SO_REUSEPORT`, which would let two servers share a port unnoticed. Not tokio's listener
//! either: its streams belong to the runtime that accepted them, and these shall belong to the core that serves them.

mod turned_away;

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mio::net::{TcpListener, UnixListener};
use mio::{Events, Interest, Poll, Token, Waker};
use tokio::sync::mpsc;
use turned_away::TurnedAway;

use crate::hub::Wire;
use crate::listen::{Bound, File};
use crate::metrics::Metrics;
use crate::places::{Place, Places};
use crate::transport::App;

/// A pause after an accept that failed: for want of descriptors, mostly, which come back when others leave.
const PAUSE: Duration = Duration::from_millis(100);

const LISTEN: Token = Token(0);
const WAKE: Token = Token(1);

/// A socket that was accepted and belongs to no runtime yet.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(how),
            Stream::Unix(stream) => stream.shutdown(how),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket on its way to the core that will serve it.
pub(crate) struct Arrival {
    stream: Stream,
    /// Where it comes from; a program at a Unix socket has no address.
    pub(crate) peer: Option<IpAddr>,
    place: Option<Place>,
    pub(crate) app: Arc<App>,
}

impl Arrival {
    /// Takes it over, on the runtime of the core that serves it.
    pub(crate) fn land(self) -> io::Result<Arc<Wire>> {
        let Arrival { stream, place, .. } = self;
        Ok(match stream {
            Stream::Tcp(stream) => Wire::placed(tokio::net::TcpStream::from_std(stream)?, place),
            Stream::Unix(stream) => Wire::placed(tokio::net::UnixStream::from_std(stream)?, place),
        })
    }
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A listener and what its connections share.
pub(crate) struct Listener {
    socket: Socket,
    _file: Option<File>,
    app: Arc<App>,
    /// How many may be here at once, where that is counted.
    places: Option<Arc<Places>>,
}

/// Accepts until it is dropped.
pub(crate) struct Acceptor {
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    pub(crate) fn new(bound: Bound, app: Arc<App>, places: Option<Arc<Places>>) -> Self {
        let (socket, _file) = match bound {
            Bound::Tcp(socket) => (Socket::Tcp(TcpListener::from_std(socket)), None),
            Bound::Unix(socket, file) => (Socket::Unix(UnixListener::from_std(socket)), Some(file)),
        };
        Listener { socket, _file, app, places }
    }

    fn register(&mut self, poll: &Poll) -> io::Result<()> {
        let source: &mut dyn mio::event::Source = match &mut self.socket {
            Socket::Tcp(socket) => socket,
            Socket::Unix(socket) => socket,
        };
        poll.registry().register(source, LISTEN, Interest::READABLE)
    }

    fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, peer) = socket.accept()?;
                Ok((Stream::Tcp(stream.into()), Some(peer.ip().to_canonical())))
            }
            Socket::Unix(socket) => Ok((Stream::Unix(socket.accept()?.0.into()), None)),
        }
    }

    /// A place for a connection, or what is full. Whoever comes by a proxy of ours is one of many with its address.
    fn place(&self, peer: Option<IpAddr>) -> Result<Option<Place>, &'static str> {
        let address = peer.filter(|_| !self.app.proxies().trust(peer));
        self.places.as_ref().map(|places| places.take(address)).transpose()
    }
}

impl Acceptor {
    /// Starts the thread.
    pub(crate) fn start(
        mut listener: Listener,
        cores: Vec<mpsc::UnboundedSender<Arrival>>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        listener.register(&poll)?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let thread = std::thread::Builder::new()
            .name("encke-accept".into())
            .spawn(move || accept(poll, &listener, &cores, &metrics))?;
        Ok(Acceptor { waker, thread: Some(thread) })
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        let woken = self.waker.wake();
        if let (Ok(()), Some(thread)) = (woken, self.thread.take())
            && thread.join().is_err()
        {
            tracing::error!("the acceptor has panicked");
        }
    }
}

fn accept(mut poll: Poll, listener: &Listener, cores: &[mpsc::UnboundedSender<Arrival>], metrics: &Metrics) {
    let mut events = Events::with_capacity(16);
    let mut turn = 0;
    let mut starved = false;
    let mut turned_away = TurnedAway::default();
    let mut full = None;
    loop {
        // Readiness is told once: after an accept that failed, those who wait are looked for again.
        let pause = turned_away.close().into_iter().chain(starved.then_some(PAUSE)).min();
        match poll.poll(&mut events, pause) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return tracing::error!(%error, "the acceptor cannot wait"),
        }
        if events.iter().any(|event| event.token() == WAKE) {
            return;
        }
        starved = false;
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    let place = match listener.place(peer) {
                        Ok(place) => place,
                        Err(cause) => {
                            metrics.refused(cause);
                            // One line for as long as it stays so: a flood is no reason to flood the log.
                            if full.replace(cause) != Some(cause) {
                                tracing::warn!(cause, ?peer, "connections are turned away");
                            }
                            turned_away.add(stream);
                            continue;
                        }
                    };
                    full = None;
                    let arrival = Arrival { stream, peer, place, app: listener.app.clone() };
                    // A core that has stopped is one of a server that stops.
                    if cores[turn % cores.len()].send(arrival).is_err() {
                        return;
                    }
                    turn += 1;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                    _ => {
                        metrics.refused("accept");
                        tracing::warn!(%error, "a connection could not be accepted");
                        starved = true;
                        break;
                    }
                },
            }
        }
    }
}
