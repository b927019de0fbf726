//! The acceptor: one thread that takes sockets from the kernel and hands them to the cores in turn.
//!
//! One, and not `SO_REUSEPORT`, which would let two servers share a port unnoticed. Not tokio's listener
//! either: its streams belong to the runtime that accepted them, and these shall belong to the core that serves them.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::transport::App;

/// Connections that the kernel may hold for us between two accepts; a deploy brings everybody at once.
const BACKLOG: i32 = 4096;

/// What the kernel may hold of bytes that a peer does not take, beyond what is on its way. Without it a
/// stalled reader costs 3.9 MB.
const UNSENT: u32 = 16 * 1024;

/// How long bytes may stay unacknowledged before the connection is dead: one heartbeat and 15 s. Without it a peer that
/// lost its power is missed after a quarter of an hour.
const UNACKNOWLEDGED: Duration = Duration::from_secs(40);

/// A pause after an accept that failed: for want of descriptors, mostly, which come back when others leave.
const PAUSE: Duration = Duration::from_millis(100);

const LISTEN: Token = Token(0);
const WAKE: Token = Token(1);

/// A socket on its way to the core that will serve it.
pub(crate) struct Arrival {
    pub(crate) stream: TcpStream,
    pub(crate) peer: IpAddr,
    pub(crate) app: Arc<App>,
}

/// A listener and what its connections share.
pub(crate) struct Listener {
    socket: TcpListener,
    app: Arc<App>,
}

/// Accepts until it is dropped.
pub(crate) struct Acceptor {
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

/// Binds a listening socket.
pub(crate) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into()).map_err(named)?;
    // Accepted sockets inherit these, which saves five system calls a connection.
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)),
    )?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.listen(BACKLOG).map_err(named)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

impl Listener {
    pub(crate) fn new(socket: std::net::TcpListener, app: Arc<App>) -> Self {
        Listener { socket: TcpListener::from_std(socket), app }
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
        poll.registry().register(&mut listener.socket, LISTEN, Interest::READABLE)?;
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
    loop {
        // Readiness is told once: after an accept that failed, those who wait are looked for again.
        match poll.poll(&mut events, starved.then_some(PAUSE)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return tracing::error!(%error, "the acceptor cannot wait"),
        }
        if events.iter().any(|event| event.token() == WAKE) {
            return;
        }
        starved = false;
        loop {
            match listener.socket.accept() {
                Ok((stream, peer)) => {
                    let app = listener.app.clone();
                    let arrival = Arrival { stream: stream.into(), peer: peer.ip(), app };
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
