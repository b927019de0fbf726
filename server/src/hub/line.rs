//! A connection without a socket, for the simulation: two buffers, of which the server's has a bound as the kernel's has;
//! and what hubs have handed out, in their order.
//!
//! Whoever holds the client's end decides how much a write takes, what arrives, and how the connection ends.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bayeux::Message;

use super::shard::Shard;

/// How a connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nobody tells the server: what it writes is taken for as long as there is room, and never arrives.
    Silent,
    /// The server reads the end of the stream. What it still writes is taken and never arrives.
    Closed,
    /// The server's reads and writes fail.
    Reset,
}

#[derive(Default)]
struct State {
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// Bytes that `to_client` may hold.
    room: usize,
    /// The client's end is gone; the last word on it counts.
    lost: Option<Loss>,
    /// The server reads no more.
    shut_read: bool,
    /// The server writes no more.
    shut_write: bool,
    readers: Vec<Waker>,
    writers: Vec<Waker>,
    /// Where the server's writes end in `to_client`, and when they were: the ends count from the first byte ever written.
    writes: VecDeque<(u64, u64)>,
    written: u64,
    taken: u64,
}

thread_local! {
    /// What servers of this thread have done to their lines: while it stands still they rest. It also tells which of
    /// two writes was earlier.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

thread_local! {
    /// What hubs of this thread were given to hand out, if somebody wants to know.
    static HANDED_OUT: RefCell<Option<Vec<Arc<Message>>>> = const { RefCell::new(None) };
}

pub(super) fn hand_out(message: &Arc<Message>) {
    HANDED_OUT.with_borrow_mut(|all| all.iter_mut().for_each(|all| all.push(message.clone())));
}

/// What hubs of this thread were given to hand out since this was last asked.
pub(crate) fn handed_out() -> Vec<Arc<Message>> {
    HANDED_OUT.replace(Some(Vec::new())).unwrap_or_default()
}

/// How often the servers of this thread have read, written or closed something.
pub(crate) fn calls() -> u64 {
    CALLS.get()
}

fn called() -> u64 {
    CALLS.set(CALLS.get() + 1);
    CALLS.get()
}

impl State {
    fn is_readable(&self) -> bool {
        !self.to_server.is_empty() || self.shut_read || matches!(self.lost, Some(Loss::Closed | Loss::Reset))
    }

    fn is_writable(&self) -> bool {
        self.to_client.len() < self.room || self.shut_write || self.lost == Some(Loss::Reset)
    }

    fn wake(&mut self) {
        if self.is_readable() {
            self.readers.drain(..).for_each(Waker::wake);
        }
        if self.is_writable() {
            self.writers.drain(..).for_each(Waker::wake);
        }
    }
}

/// Both ends of a new connection whose server may have `room` bytes under way.
pub(crate) fn line(room: usize) -> (ServerEnd, ClientEnd) {
    let state = Arc::new(Mutex::new(State { room, ..State::default() }));
    (ServerEnd(state.clone()), ClientEnd(state))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nobody panics with this lock")
}

/// What the server has instead of a socket. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct ServerEnd(Arc<Mutex<State>>);

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} in, {} of {} out, {:?}",
            self.to_server.len(),
            self.to_client.len(),
            self.room,
            self.lost
        )
    }
}

impl ServerEnd {
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = lock(&self.0);
        if state.lost == Some(Loss::Reset) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if !state.is_readable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        called();
        if state.shut_read {
            return Ok(0);
        }
        let count = buffer.len().min(state.to_server.len());
        for (place, byte) in buffer.iter_mut().zip(state.to_server.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    pub(super) fn try_write(&self, slices: &[&[u8]]) -> io::Result<usize> {
        let mut state = lock(&self.0);
        if state.shut_write || state.lost == Some(Loss::Reset) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = state.room.saturating_sub(state.to_client.len());
        if room == 0 && slices.iter().any(|slice| !slice.is_empty()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let before = state.to_client.len();
        state.to_client.extend(slices.iter().copied().flatten().take(room));
        let count = state.to_client.len() - before;
        state.written += count as u64;
        let write = (state.written, called());
        state.writes.push_back(write);
        Ok(count)
    }

    pub(super) fn poll_readable(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = lock(&self.0);
        if state.is_readable() {
            return Poll::Ready(Ok(()));
        }
        state.readers.push(context.waker().clone());
        Poll::Pending
    }

    pub(super) fn poll_writable(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = lock(&self.0);
        if state.is_writable() {
            return Poll::Ready(Ok(()));
        }
        state.writers.push(context.waker().clone());
        Poll::Pending
    }

    pub(super) fn shut(&self, read: bool) -> io::Result<()> {
        let mut state = lock(&self.0);
        if state.lost == Some(Loss::Reset) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        state.shut_read |= read;
        state.shut_write = true;
        called();
        state.wake();
        Ok(())
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        let _ = self.shut(true);
    }
}

/// What the simulation holds.
#[derive(Clone, Debug)]
pub(crate) struct ClientEnd(Arc<Mutex<State>>);

impl ClientEnd {
    /// Bytes that reach the server.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let mut state = lock(&self.0);
        state.to_server.extend(bytes);
        state.wake();
    }

    /// Takes up to `most` of what has arrived, and so makes room for as much.
    pub(crate) fn receive(&self, most: usize) -> Vec<u8> {
        let mut state = lock(&self.0);
        let count = most.min(state.to_client.len());
        let bytes = state.to_client.drain(..count).collect();
        state.taken += count as u64;
        let taken = state.taken;
        while state.writes.front().is_some_and(|(end, _)| *end <= taken) {
            state.writes.pop_front();
        }
        state.wake();
        bytes
    }

    /// Takes what is left of the oldest write.
    pub(crate) fn receive_one(&self) -> Vec<u8> {
        let state = lock(&self.0);
        let count = state.writes.front().map_or(0, |(end, _)| end - state.taken) as usize;
        drop(state);
        self.receive(count)
    }

    /// When the oldest bytes that wait here were written, as [`calls`] counts.
    pub(crate) fn oldest(&self) -> Option<u64> {
        lock(&self.0).writes.front().map(|(_, at)| *at)
    }

    /// Bytes that have arrived and were not taken.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.0).to_client.len()
    }

    /// How many bytes may wait here before the server's writes take no more.
    pub(crate) fn set_room(&self, room: usize) {
        let mut state = lock(&self.0);
        state.room = room;
        state.wake();
    }

    /// The client is gone; what had not been taken never arrives.
    pub(crate) fn lose(&self, loss: Loss) {
        let mut state = lock(&self.0);
        state.lost = Some(loss);
        if loss == Loss::Closed {
            // The kernel of a peer that is gone takes what comes, and throws it away.
            state.room = usize::MAX;
        }
        state.wake();
    }

    /// Whether the server has ended its side, and everything has been taken.
    pub(crate) fn is_ended(&self) -> bool {
        let state = lock(&self.0);
        state.shut_write && state.to_client.is_empty()
    }
}

impl Shard {
    /// The most messages and the most bytes that one outbox holds.
    pub(crate) fn heaviest(&self) -> (usize, usize) {
        let outboxes = || self.sessions.iter().map(|(_, session)| &session.outbox);
        let messages = outboxes().map(|outbox| outbox.len()).max();
        (messages.unwrap_or(0), outboxes().map(|outbox| outbox.bytes()).max().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Wire, Written};
    use super::*;

    #[tokio::test]
    async fn a_full_line_takes_a_part_and_the_rest_when_there_is_room_again() {
        let (server, client) = line(4);
        let wire = Wire::simulated(server);
        assert!(matches!(wire.write(&[b"ab", b"cdef"]), Written::Part(Some(rest)) if *rest == *b"ef"));
        assert!(matches!(wire.write(&[b"ef"]), Written::Part(None)));
        let (sent, ()) = tokio::join!(wire.write_all(b"ef"), async {
            assert_eq!(client.receive(3), b"abc");
            assert_eq!(client.waiting(), 1);
        });
        sent.unwrap();
        wire.shut();
        assert!(!client.is_ended(), "the last bytes are still to be taken");
        assert_eq!(client.receive(9), b"def");
        assert!(client.is_ended());
        assert!(matches!(wire.write(&[b"g"]), Written::Closed));
    }

    #[tokio::test]
    async fn what_is_sent_arrives_and_losses_are_seen_as_they_are() {
        for (loss, read, write) in [
            (Loss::Silent, Some(io::ErrorKind::WouldBlock), true),
            (Loss::Closed, None, true),
            (Loss::Reset, Some(io::ErrorKind::ConnectionReset), false),
        ] {
            let (server, client) = line(4);
            let wire = Wire::simulated(server);
            client.send(b"abc");
            wire.readable().await.unwrap();
            let mut buffer = [0; 2];
            assert_eq!(wire.try_read(&mut buffer).unwrap(), 2);
            assert_eq!(wire.try_read(&mut buffer).unwrap(), 1);
            assert!(calls() > 0);
            client.lose(loss);
            assert_eq!(wire.try_read(&mut buffer).err().map(|error| error.kind()), read);
            assert_eq!(matches!(wire.write(&[b"abc"]), Written::All), write, "{loss:?}");
            client.set_room(3);
            assert_eq!(matches!(wire.write(&[b"d"]), Written::Part(None)), write, "{loss:?}");
        }
    }
}
