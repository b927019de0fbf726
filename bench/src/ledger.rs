//! The ledger of a run: what was published, and who has not had it yet.
//!
//! Every delivery is checked against it, so "lost" and "reordered" are counted and not sampled.

use hdrhistogram::Histogram;

use crate::scan::FIRST;

/// How many messages may be under way at once, a power of two. More is an overrun: the source waits.
const ROOM: usize = 1 << 19;

/// A channel's number in the run.
pub(crate) type ChannelNumber = u32;

#[derive(Clone, Copy, Default)]
struct Entry {
    /// Nanoseconds since the run began.
    sent: u64,
    sequence: u32,
    channel: ChannelNumber,
    source: u32,
    /// Deliveries still to come.
    awaited: u32,
}

/// What one session has had of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listen {
    /// Which channel.
    pub(crate) channel: ChannelNumber,
    /// The sequence number that came last.
    pub(crate) last: u32,
}

struct ChannelState {
    last: u32,
    listeners: u32,
}

/// Counts of one source of messages.
pub(crate) struct SourceCount {
    /// Messages that not all listeners have had yet.
    pub(crate) outstanding: u32,
    /// Deliveries since [`Ledger::begin`].
    pub(crate) delivered: u64,
    /// Messages published since [`Ledger::begin`].
    pub(crate) published: u64,
    /// Nanoseconds from the time a message was due to each delivery, since [`Ledger::begin`].
    pub(crate) latency: Histogram<u64>,
}

/// What was published, and who has not had it yet.
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    next: u32,
    channels: Vec<ChannelState>,
    /// One for each source of messages.
    pub(crate) sources: Vec<SourceCount>,
    /// Deliveries of a message after a later one of the same channel.
    pub(crate) reordered: u64,
    /// Deliveries of messages that nobody waits for, repeats among them.
    pub(crate) stray: u64,
}

impl Ledger {
    /// A ledger for this many channels and sources.
    pub(crate) fn new(channels: usize, sources: usize) -> Ledger {
        let latency = || {
            // Up to 1,000 seconds, two significant digits; the bounds are constants that fit.
            let histogram = Histogram::new_with_bounds(1, 1_000_000_000_000, 2);
            histogram.expect("constant bounds within the histogram's limits")
        };
        Ledger {
            entries: vec![Entry::default(); ROOM],
            next: FIRST,
            channels: (0..channels).map(|_| ChannelState { last: 0, listeners: 0 }).collect(),
            sources: (0..sources)
                .map(|_| SourceCount { outstanding: 0, delivered: 0, published: 0, latency: latency() })
                .collect(),
            reordered: 0,
            stray: 0,
        }
    }

    /// A session begins to listen.
    pub(crate) fn listen(&mut self, channel: ChannelNumber) -> Listen {
        let state = &mut self.channels[channel as usize];
        state.listeners += 1;
        Listen { channel, last: state.last }
    }

    /// Writes a message down and gives its sequence number; `None` while too many are under way.
    pub(crate) fn publish(&mut self, source: usize, channel: ChannelNumber, due: u64) -> Option<u32> {
        let sequence = self.next;
        let entry = &mut self.entries[sequence as usize % ROOM];
        if entry.awaited > 0 {
            return None;
        }
        self.next += 1;
        let state = &mut self.channels[channel as usize];
        let count = &mut self.sources[source];
        *entry = Entry {
            sent: due,
            sequence,
            channel,
            source: u32::try_from(source).unwrap_or(u32::MAX),
            awaited: state.listeners,
        };
        state.last = sequence;
        count.published += 1;
        count.outstanding += u32::from(state.listeners > 0);
        Some(sequence)
    }

    /// The channel of a message under way.
    pub(crate) fn channel(&self, sequence: u32) -> Option<ChannelNumber> {
        let entry = &self.entries[sequence as usize % ROOM];
        (entry.sequence == sequence).then_some(entry.channel)
    }

    /// Ticks off a delivery to a session that listens so.
    pub(crate) fn deliver(&mut self, sequence: u32, listen: &mut Listen, now: u64) {
        let entry = &self.entries[sequence as usize % ROOM];
        if entry.sequence != sequence || entry.awaited == 0 || sequence == listen.last {
            self.stray += 1;
            return;
        }
        if sequence > listen.last {
            listen.last = sequence;
        } else {
            self.reordered += 1;
        }
        self.tick(sequence, now);
    }

    /// Ticks off a delivery whose order has been checked.
    pub(crate) fn tick(&mut self, sequence: u32, now: u64) {
        let entry = &mut self.entries[sequence as usize % ROOM];
        if entry.awaited == 0 {
            self.stray += 1;
            return;
        }
        entry.awaited -= 1;
        let count = &mut self.sources[entry.source as usize];
        count.outstanding -= u32::from(entry.awaited == 0);
        count.delivered += 1;
        count.latency.saturating_record(now.saturating_sub(entry.sent));
    }

    /// Deliveries that were not as they should be.
    pub(crate) fn faults(&self) -> u64 {
        self.reordered + self.stray
    }

    /// Starts counting anew; what is under way stays under way.
    pub(crate) fn begin(&mut self) {
        for source in &mut self.sources {
            source.delivered = 0;
            source.published = 0;
            source.latency.reset();
        }
    }

    /// Messages that not all listeners have had.
    pub(crate) fn outstanding(&self) -> u32 {
        self.sources.iter().map(|source| source.outstanding).sum()
    }

    /// Deliveries that did not come.
    pub(crate) fn awaited(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.awaited)).sum()
    }

    /// Deliveries since [`Ledger::begin`], over all sources.
    pub(crate) fn delivered(&self) -> u64 {
        self.sources.iter().map(|source| source.delivered).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_under_way_until_everyone_has_it() {
        let mut ledger = Ledger::new(1, 1);
        let (mut a, mut b) = (ledger.listen(0), ledger.listen(0));
        let sequence = ledger.publish(0, 0, 100).unwrap();
        ledger.deliver(sequence, &mut a, 150);
        assert_eq!((ledger.outstanding(), ledger.awaited()), (1, 1));
        ledger.deliver(sequence, &mut b, 200);
        assert_eq!((ledger.outstanding(), ledger.awaited(), ledger.delivered()), (0, 0, 2));
        assert_eq!(ledger.sources[0].latency.max(), 100);
    }

    #[test]
    fn an_earlier_message_after_a_later_one_is_reordered() {
        let mut ledger = Ledger::new(1, 1);
        let mut listen = ledger.listen(0);
        let first = ledger.publish(0, 0, 0).unwrap();
        let second = ledger.publish(0, 0, 0).unwrap();
        ledger.deliver(second, &mut listen, 1);
        assert_eq!(ledger.reordered, 0);
        ledger.deliver(first, &mut listen, 1);
        assert_eq!((ledger.reordered, ledger.awaited()), (1, 0));
    }

    #[test]
    fn a_second_delivery_is_stray() {
        let mut ledger = Ledger::new(1, 1);
        let mut listen = ledger.listen(0);
        let sequence = ledger.publish(0, 0, 0).unwrap();
        ledger.deliver(sequence, &mut listen, 1);
        ledger.deliver(sequence, &mut listen, 1);
        ledger.deliver(sequence + 1, &mut listen, 1);
        assert_eq!(ledger.stray, 2);
    }

    #[test]
    fn what_never_comes_is_counted_and_bounds_the_rest() {
        let mut ledger = Ledger::new(2, 1);
        ledger.listen(0);
        for _ in 0..ROOM {
            assert!(ledger.publish(0, 0, 0).is_some());
        }
        assert_eq!(ledger.publish(0, 0, 0), None);
        assert_eq!(ledger.awaited(), ROOM as u64);
    }
}
