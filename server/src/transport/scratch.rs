//! The one buffer that all sockets of a core are read into: an idle connection owns none.

use std::cell::RefCell;
use std::io;

use crate::hub::Wire;

/// As much as one read takes.
const BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; BYTES].into());
}

/// What one read brought.
pub(super) enum Read<R> {
    /// Bytes, and what became of them.
    Bytes(R),
    /// Nothing for now.
    Nothing,
    /// The peer sends no more, or the connection is broken.
    End,
}

/// Reads what is there, up to `limit` bytes, and shows it to `take`.
pub(super) fn read<R>(wire: &Wire, limit: usize, take: impl FnOnce(&mut [u8]) -> R) -> Read<R> {
    SCRATCH.with_borrow_mut(|scratch| {
        let room = limit.min(BYTES);
        match wire.try_read(&mut scratch[..room]) {
            Ok(0) => Read::End,
            Ok(count) => Read::Bytes(take(&mut scratch[..count])),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Read::Nothing,
            Err(_) => Read::End,
        }
    })
}
