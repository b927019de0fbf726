//! A socket that two parties hold, and the one way in which the hub writes.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;

#[cfg(test)]
use super::line::ServerEnd;
use crate::places::Place;

/// What bytes leave through.
#[derive(Debug)]
pub(crate) enum Stream {
    /// An ordinary socket.
    Tcp(TcpStream),
    /// That of a program on this machine, mostly a proxy's.
    Unix(UnixStream),
    #[cfg(test)]
    Simulated(ServerEnd),
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Stream::Tcp(stream)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Stream::Unix(stream)
    }
}

/// A socket that two parties hold: its connection's task, which reads, and a shard, which writes. Whoever is not the
/// writer at the moment must not write.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    /// Its place among the connections of its listener, left when the socket closes.
    _place: Option<Place>,
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
        Wire::placed(stream, None)
    }

    /// The same for a connection that has no socket.
    #[cfg(test)]
    pub(crate) fn simulated(end: ServerEnd) -> Arc<Self> {
        Wire::placed(Stream::Simulated(end), None)
    }

    /// The same for one that has a place, which it leaves when it closes.
    pub(crate) fn placed(stream: impl Into<Stream>, place: Option<Place>) -> Arc<Self> {
        Arc::new(Wire {
            stream: stream.into(),
            _place: place,
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

    /// The poll held here has been answered to the last byte.
    pub(super) fn answered(&self) {
        self.turn_to(ANSWERED);
    }

    /// The hub is ending this connection.
    pub(super) fn close(&self) {
        self.turn_to(CLOSING);
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
        std::future::poll_fn(|context| self.poll_read_ready(context)).await
    }

    /// The same as a poll.
    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Tcp(stream) => stream.poll_read_ready(context),
            Stream::Unix(stream) => stream.poll_read_ready(context),
            #[cfg(test)]
            Stream::Simulated(end) => end.poll_readable(context),
        }
    }

    /// Reads what is there.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.stream {
            Stream::Tcp(stream) => stream.try_read(buffer),
            Stream::Unix(stream) => stream.try_read(buffer),
            #[cfg(test)]
            Stream::Simulated(end) => end.try_read(buffer),
        }
    }

    /// Returns when the socket takes bytes, or is broken. For any number of tasks.
    ///
    /// # Errors
    /// When the runtime that the socket belongs to has stopped.
    pub async fn writable(&self) -> io::Result<()> {
        match &self.stream {
            Stream::Tcp(stream) => stream.writable().await,
            Stream::Unix(stream) => stream.writable().await,
            #[cfg(test)]
            Stream::Simulated(end) => std::future::poll_fn(|context| end.poll_writable(context)).await,
        }
    }

    /// The same as a poll, for one task at a time.
    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Tcp(stream) => stream.poll_write_ready(context),
            Stream::Unix(stream) => stream.poll_write_ready(context),
            #[cfg(test)]
            Stream::Simulated(end) => end.poll_writable(context),
        }
    }

    /// Writes as much as the socket takes.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.stream {
            Stream::Tcp(stream) => stream.try_write(bytes),
            Stream::Unix(stream) => stream.try_write(bytes),
            #[cfg(test)]
            Stream::Simulated(end) => end.try_write(&[bytes]),
        }
    }

    /// Ends both directions; the reader sees the end of the stream.
    pub fn shut(&self) {
        let _ = match &self.stream {
            Stream::Tcp(stream) => SockRef::from(stream).shutdown(std::net::Shutdown::Both),
            Stream::Unix(stream) => SockRef::from(stream).shutdown(std::net::Shutdown::Both),
            #[cfg(test)]
            Stream::Simulated(end) => end.shut(true),
        };
    }

    /// Ends what leaves; the peer sees the end of the stream.
    pub(crate) fn shut_write(&self) -> io::Result<()> {
        match &self.stream {
            Stream::Tcp(stream) => SockRef::from(stream).shutdown(std::net::Shutdown::Write),
            Stream::Unix(stream) => SockRef::from(stream).shutdown(std::net::Shutdown::Write),
            #[cfg(test)]
            Stream::Simulated(end) => end.shut(false),
        }
    }

    /// Writes everything, waiting as long as it takes. For the party that is the writer.
    ///
    /// # Errors
    /// What the socket says when the peer is gone.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.try_write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One non-blocking write of `slices` joined.
    pub(super) fn write(&self, slices: &[&[u8]]) -> Written {
        let written = match &self.stream {
            Stream::Tcp(stream) => send(stream, slices, TcpStream::try_write_vectored),
            Stream::Unix(stream) => send(stream, slices, UnixStream::try_write_vectored),
            #[cfg(test)]
            Stream::Simulated(end) => end.try_write(slices),
        };
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
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
}

/// What became of a write.
pub(super) enum Written {
    All,
    /// The kernel takes no more for now; these bytes are left of it (`None`: it took nothing).
    Part(Option<Box<[u8]>>),
    Closed,
}

/// The system is asked directly, since it knows best whether the socket takes more, and what the runtime remembers of it
/// is one more miss of the cache for each delivery. Only when it takes nothing the runtime tries as well, and so learns what
/// to wait for.
fn send<S: AsFd>(
    stream: &S,
    slices: &[&[u8]],
    try_write: impl Fn(&S, &[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<usize> {
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
    match sent {
        Ok(written) => Ok(written),
        Err(Errno::AGAIN | Errno::INTR) => try_write(stream, vector),
        Err(error) => Err(error.into()),
    }
}
