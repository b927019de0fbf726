//! What a turn has moved.

use super::outbox::Outbox;
use crate::metrics::Metrics;

/// Counted during a turn and added to the metrics at its end: shards do not share a cache line per delivery.
#[derive(Default)]
pub(super) struct Tally {
    messages: u64,
    bytes: u64,
    writes: u64,
    peak_messages: usize,
    peak_bytes: usize,
}

impl Tally {
    pub(super) fn add(&mut self, messages: usize, bytes: usize) {
        self.messages += messages as u64;
        self.bytes += bytes as u64;
        self.writes += 1;
    }

    pub(super) fn peak(&mut self, outbox: &Outbox) {
        self.peak_messages = self.peak_messages.max(outbox.len());
        self.peak_bytes = self.peak_bytes.max(outbox.bytes());
    }

    /// Adds all of it to the metrics.
    pub(super) fn settle(&mut self, metrics: &Metrics) {
        if self.writes > 0 {
            metrics.messages_out.inc_by(self.messages);
            metrics.bytes_out.inc_by(self.bytes);
            metrics.writes.inc_by(self.writes);
            Metrics::peak(&metrics.outbox_messages_peak, self.peak_messages);
            Metrics::peak(&metrics.outbox_bytes_peak, self.peak_bytes);
            (self.messages, self.bytes, self.writes) = (0, 0, 0);
        }
    }
}
