//! Connections for which there is no place: told so, before anything of them is read.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::Stream;

/// How long one is kept after it was told. Closed at once, with a request on its way to us, it would be reset, and
/// what it was told lost with many a peer.
const LINGER: Duration = Duration::from_secs(1);

/// How many are kept; beyond them the oldest goes. They live from the descriptors that are kept back.
const KEPT: usize = 64;

/// How long they are told to stay away at most, in seconds: spread, so that not all return at once.
const LONGEST_WAIT: u32 = 10;

/// What is read of a request that nobody serves, so that closing does not reset its connection.
const READS: usize = 16;

/// Those who were told, the oldest first.
#[derive(Default)]
pub(super) struct TurnedAway(VecDeque<(Instant, Stream)>);

impl TurnedAway {
    /// Tells a client to come back later, as far as its socket takes that at once.
    pub(super) fn add(&mut self, mut stream: Stream) {
        let why = "there is no room for one more connection: come back in a moment\n";
        let after = fastrand::u32(1..=LONGEST_WAIT);
        let response = format!(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n\
             Retry-After: {after}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{why}",
            why.len()
        );
        if stream.write_all(response.as_bytes()).is_err() || stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        if self.0.len() == KEPT
            && let Some((_, oldest)) = self.0.pop_front()
        {
            close(oldest);
        }
        self.0.push_back((Instant::now() + LINGER, stream));
    }

    /// Closes those whose time has come; answers with how long until the next one's.
    pub(super) fn close(&mut self) -> Option<Duration> {
        let now = Instant::now();
        while let Some((until, _)) = self.0.front() {
            if *until > now {
                return Some(*until - now);
            }
            if let Some((_, stream)) = self.0.pop_front() {
                close(stream);
            }
        }
        None
    }
}

fn close(mut stream: Stream) {
    let mut buffer = [0; 16 * 1024];
    for _ in 0..READS {
        match stream.read(&mut buffer) {
            Ok(1..) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}
