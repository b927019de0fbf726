//! The one connection that now drains an outbox: a sink that the flush turn writes to, or one that it wakes.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use bayeux::{Framing, PollBody};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::clock::Clock;

/// How long the last bytes for a peer may take to leave before its socket is shut.
const FAREWELL: Duration = Duration::from_secs(5);

/// A socket that two parties hold: its connection's task, which reads, and a shard, which writes.
#[derive(Debug)]
pub struct Wire {
    /// The socket. Whoever is not the writer at the moment must not write.
    pub stream: TcpStream,
    state: AtomicU8,
    /// Seconds on the server's clock, plus one; 0 while there is something to do.
    rests: AtomicU32,
    changed: Notify,
}

const OPEN: u8 = 0;
const ANSWERED: u8 = 1;
const CLOSING: u8 = 2;

impl Wire {
    /// Takes a socket that nobody else holds.
    pub fn new(stream: TcpStream) -> Arc<Self> {
        Arc::new(Wire {
            stream,
            state: AtomicU8::new(OPEN),
            rests: AtomicU32::new(0),
            changed: Notify::new(),
        })
    }

    /// Whether the poll held on this wire has been answered to the last byte.
    pub fn is_answered(&self) -> bool {
        self.state.load(Ordering::Acquire) == ANSWERED
    }

    /// Whether the hub is ending this connection: its reader must write nothing more.
    pub fn is_closing(&self) -> bool {
        self.state.load(Ordering::Acquire) == CLOSING
    }

    /// Nothing is under way any more: from now on it may be closed for resting too long.
    pub fn rest(&self, now: Duration) {
        self.rests.store(now.as_secs() as u32 + 1, Ordering::Relaxed);
    }

    /// Something is under way.
    pub fn work(&self) {
        self.rests.store(0, Ordering::Relaxed);
    }

    /// Since when nothing has been under way.
    pub fn rests_since(&self) -> Option<Duration> {
        let since = self.rests.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_secs(since.into()))
    }

    /// A new poll will be held here.
    pub fn reopen(&self) {
        let _ = self.state.compare_exchange(ANSWERED, OPEN, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Returns after the state has changed, or room for replies was made.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn notify(&self) {
        self.changed.notify_one();
    }

    fn turn_to(&self, state: u8) {
        self.state.store(state, Ordering::Release);
        self.changed.notify_one();
    }

    /// Returns when there is something to read, the end included. For one task at a time: it waits in the
    /// socket's own slot for a reader, which costs a connection nothing.
    ///
    /// # Errors
    /// When the runtime that the socket belongs to has stopped.
    pub async fn readable(&self) -> io::Result<()> {
        std::future::poll_fn(|context| self.stream.poll_read_ready(context)).await
    }

    /// Ends both directions; the reader sees the end of the stream.
    pub fn shut(&self) {
        let _ = SockRef::from(&self.stream).shutdown(std::net::Shutdown::Both);
    }

    /// Writes everything, waiting as long as it takes. For the party that is the writer.
    ///
    /// # Errors
    /// What the socket says when the peer is gone.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Something to let go of when a poll is answered (a place among its browser's held polls).
pub type Guard = Box<dyn Send>;

/// A long poll that is held.
pub struct Poll {
    /// Where it came from.
    pub wire: Arc<Wire>,
    /// The response up to and with `Content-Length: `; the hub adds the number, an empty line, and the body.
    pub head: Arc<[u8]>,
    /// How the body stands.
    pub body: PollBody,
    /// Whether the connection ends with this response (HTTP/1.0, `Connection: close`).
    pub close: bool,
    /// Let go of when the poll is answered.
    pub guard: Option<Guard>,
}

/// An outlet that cannot be written with a bare `write` (TLS, HTTP/2, a tower host): it is woken, and its
/// task then takes what waits with `Shard::take`.
#[derive(Debug, Default)]
pub struct Woken {
    waiting: Notify,
}

impl Woken {
    /// Returns when something waits, or the session has ended (then taking says so).
    pub async fn waiting(&self) {
        self.waiting.notified().await;
    }

    pub(super) fn wake(&self) {
        self.waiting.notify_one();
    }
}

/// A socket that stays: WebSocket, or a response that never ends.
pub(super) struct Socket {
    pub(super) wire: Arc<Wire>,
    pub(super) framing: Framing,
    /// Whether each write is one HTTP/1.1 chunk.
    pub(super) chunked: bool,
    /// The end of a write that the kernel took only a part of. While it is `Some`, even empty, the socket is
    /// blocked and a task waits for it.
    pub(super) rest: Option<Box<[u8]>>,
    /// The heartbeat has seen this very block before: the next time the session ends.
    pub(super) stalled: bool,
}

#[derive(Default)]
pub(super) enum Outlet {
    #[default]
    Absent,
    Socket(Socket),
    Poll(Box<Poll>),
    Woken(Arc<Woken>),
}

/// What became of a write.
pub(super) enum Written {
    All,
    /// The kernel takes no more for now; these bytes are left of it (`None`: it took nothing).
    Part(Option<Box<[u8]>>),
    Closed,
}

/// One non-blocking write of `slices` joined. The system is asked directly, since it knows best whether the socket takes
/// more, and what the runtime remembers of it is one more miss of the cache for each delivery. Only when it
/// takes nothing the runtime tries as well, and so learns what to wait for.
pub(super) fn write(stream: &TcpStream, slices: &[&[u8]]) -> Written {
    let total: usize = slices.iter().map(|slice| slice.len()).sum();
    let mut vector = [IoSlice::new(&[]); 4];
    for (place, slice) in vector.iter_mut().zip(slices) {
        *place = IoSlice::new(slice);
    }
    let vector = &vector[..slices.len()];
    let sent = match slices {
        [slice] => rustix::net::send(stream, slice, SendFlags::NOSIGNAL),
        _ => {
            let mut nothing = SendAncillaryBuffer::default();
            rustix::net::sendmsg(stream, vector, &mut nothing, SendFlags::NOSIGNAL)
        }
    };
    let written = match sent {
        Ok(written) => Ok(written),
        Err(Errno::AGAIN | Errno::INTR) => stream.try_write_vectored(vector),
        Err(error) => Err(error.into()),
    };
    match written {
        Ok(written) if written == total => Written::All,
        Ok(written) => {
            let mut rest = Vec::with_capacity(total - written);
            let mut skip = written;
            for slice in slices {
                let from = skip.min(slice.len());
                rest.extend_from_slice(&slice[from..]);
                skip -= from;
            }
            Written::Part(Some(rest.into()))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Written::Part(None),
        Err(_) => Written::Closed,
    }
}

impl Outlet {
    /// Whether a message can leave as soon as a turn comes to it. Only the others can overflow: where
    /// the outlet is free and messages gather, it is the server that is late.
    pub(super) fn is_free(&self) -> bool {
        match self {
            Outlet::Absent | Outlet::Woken(_) => false,
            Outlet::Socket(socket) => socket.rest.is_none(),
            Outlet::Poll(_) => true,
        }
    }

    /// Whether what waits may ride on a response: nobody writes it elsewhere.
    pub(super) fn is_vacant(&self) -> bool {
        matches!(self, Outlet::Absent | Outlet::Woken(_))
    }

    pub(super) fn wire(&self) -> Option<&Arc<Wire>> {
        match self {
            Outlet::Socket(socket) => Some(&socket.wire),
            Outlet::Poll(poll) => Some(&poll.wire),
            Outlet::Absent | Outlet::Woken(_) => None,
        }
    }
}

/// Lets the last bytes of a connection leave, then shuts it. At most [`FAREWELL`] long.
pub(super) fn farewell(wire: Arc<Wire>, bytes: Vec<u8>) {
    wire.turn_to(CLOSING);
    match write(&wire.stream, &[&bytes]) {
        Written::All | Written::Closed => wire.shut(),
        Written::Part(rest) => {
            let rest = rest.unwrap_or_else(|| bytes.into());
            tokio::spawn(async move {
                let _ = tokio::time::timeout(FAREWELL, wire.write_all(&rest)).await;
                wire.shut();
            });
        }
    }
}

/// Finishes the answer to a poll: gives the wire back to its connection, or shuts it.
pub(super) fn answered(poll: &Poll, now: Duration) {
    if poll.close {
        poll.wire.turn_to(CLOSING);
        poll.wire.shut();
    } else {
        poll.wire.rest(now);
        poll.wire.turn_to(ANSWERED);
    }
}

/// Finishes the answer to a poll of which the kernel took only a part. At most `limit` long.
pub(super) fn finish_answer(poll: Box<Poll>, rest: Box<[u8]>, limit: Duration, clock: Clock) {
    tokio::spawn(async move {
        match tokio::time::timeout(limit, poll.wire.write_all(&rest)).await {
            Ok(Ok(())) => answered(&poll, clock.now()),
            _ => {
                poll.wire.turn_to(CLOSING);
                poll.wire.shut();
            }
        }
    });
}
