//! Drives a crowd: sources that publish, closed or open loop, and a window in which all is counted.

use std::ops::Range;
use std::time::Duration;

use crate::Failure;
use crate::crowd::{Batch, Crowd};
use crate::draw::Draw;
use crate::ledger::ChannelNumber;
use crate::meter::{self, Cpu};

/// When a source publishes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// A new message when one has reached everyone, with so many under way.
    Closed(u32),
    /// So many messages a second, whatever happens.
    Open(f64),
}

/// Something that publishes.
pub(crate) struct Source {
    /// Its place in the ledger.
    pub(crate) number: usize,
    /// The sessions that publish: a channel always by the same one, or its order would be open.
    pub(crate) publishers: Range<usize>,
    /// Its channels, in turn.
    pub(crate) channels: Range<ChannelNumber>,
    /// Messages in one array.
    pub(crate) batch: usize,
    /// Whether each message of an array goes to a channel drawn by lot; else all go to the same one.
    pub(crate) scattered: bool,
    /// Bytes of `data` in each message.
    pub(crate) payload: usize,
    /// When.
    pub(crate) pace: Pace,
    /// When the next message is due, for an open loop.
    due: f64,
    turn: u32,
    draw: Draw,
    /// The channels of an array.
    places: Vec<ChannelNumber>,
    /// Messages that were due and could not be sent, because the server took no more.
    pub(crate) withheld: u64,
}

impl Source {
    /// A source that begins when it is first pumped.
    pub(crate) fn new(
        number: usize,
        publishers: Range<usize>,
        channels: Range<ChannelNumber>,
        payload: usize,
        pace: Pace,
    ) -> Source {
        Source {
            number,
            publishers,
            channels,
            batch: 1,
            scattered: false,
            payload,
            pace,
            due: 0.0,
            turn: 0,
            draw: Draw::new(1),
            places: Vec::new(),
            withheld: 0,
        }
    }

    /// Changes the pace from now on.
    pub(crate) fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
        self.due = 0.0;
    }

    fn begin(&mut self, now: u64) {
        if self.due == 0.0 {
            self.due = now as f64;
        }
    }

    /// Publishes what is due, and tells how long nothing more will be, in nanoseconds.
    fn pump(&mut self, crowd: &mut Crowd) -> Result<u64, Failure> {
        let now = crowd.now();
        let mut published = false;
        let wait = match self.pace {
            Pace::Closed(under_way) => {
                let batch = u32::try_from(self.batch).unwrap_or(u32::MAX);
                while crowd.shared.ledger.sources[self.number].outstanding + batch <= under_way.max(batch) {
                    if !self.publish(crowd, now) {
                        break;
                    }
                    published = true;
                }
                u64::MAX
            }
            Pace::Open(rate) => {
                let step = self.batch as f64 * 1e9 / rate;
                while self.due <= now as f64 {
                    if !self.publish(crowd, self.due as u64) {
                        self.withheld += self.batch as u64;
                    }
                    published = true;
                    self.due += step;
                }
                (self.due - now as f64) as u64
            }
        };
        if published {
            for publisher in self.publishers.clone() {
                crowd.flush(publisher)?;
            }
        }
        Ok(wait)
    }

    fn publish(&mut self, crowd: &mut Crowd, due: u64) -> bool {
        let publisher = self.address();
        let batch = Batch { channels: &self.places, payload: self.payload, due };
        crowd.publish(publisher, self.number, &batch)
    }

    /// Chooses who publishes next, and the channels.
    fn address(&mut self) -> usize {
        let channels = self.channels.end - self.channels.start;
        let place = self.turn % channels;
        self.turn = self.turn.wrapping_add(1);
        let publishers = u32::try_from(self.publishers.len()).unwrap_or(u32::MAX);
        let publisher = place % publishers;
        self.places.clear();
        for _ in 0..self.batch {
            let place = if self.scattered {
                // Of the channels that this publisher has for itself: each so many places after the one before.
                let own = (channels - publisher).div_ceil(publishers);
                publisher + publishers * u32::try_from(self.draw.below(own as usize)).unwrap_or(0)
            } else {
                place
            };
            self.places.push(self.channels.start + place);
        }
        self.publishers.start + publisher as usize
    }
}

/// What was counted between two moments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    /// Its length.
    pub(crate) seconds: f64,
    /// Deliveries of all sources.
    pub(crate) delivered: u64,
    /// CPU time of the server.
    pub(crate) server: Cpu,
    /// CPU time of the generator, in nanoseconds.
    pub(crate) generator: u64,
}

/// `epoll_wait` counts in whole milliseconds; closer than this to a message, the generator spins.
const SPIN: u64 = 2_000_000;

/// Lets the sources publish for so long, and counts what the server did meanwhile.
pub(crate) fn drive(
    crowd: &mut Crowd,
    sources: &mut [Source],
    pid: u32,
    length: Duration,
) -> Result<Window, Failure> {
    crowd.shared.ledger.begin();
    let (server, generator) = (Cpu::of(pid)?, meter::own_nanoseconds());
    let begin = crowd.now();
    let end = begin + u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
    for source in sources.iter_mut() {
        source.begin(begin);
    }
    while crowd.now() < end {
        let mut wait = 50_000_000;
        for source in sources.iter_mut() {
            wait = source.pump(crowd)?.min(wait);
        }
        crowd.turn(Duration::from_nanos(wait.saturating_sub(SPIN)))?;
    }
    Ok(Window {
        seconds: (crowd.now() - begin) as f64 / 1e9,
        delivered: crowd.shared.ledger.delivered(),
        server: Cpu::of(pid)?.since(server),
        generator: meter::own_nanoseconds() - generator,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_always_published_by_the_same_session() {
        for scattered in [false, true] {
            let mut source = Source::new(0, 5..8, 100..110, 50, Pace::Open(1.0));
            (source.batch, source.scattered) = (4, scattered);
            let (mut owner, mut several) = (std::collections::HashMap::new(), 0);
            for _ in 0..1000 {
                let publisher = source.address();
                assert!((5..8).contains(&publisher));
                assert_eq!(source.places.len(), 4);
                several += usize::from(source.places.iter().any(|place| *place != source.places[0]));
                for channel in &source.places {
                    assert!((100..110).contains(channel));
                    assert_eq!(*owner.entry(*channel).or_insert(publisher), publisher);
                }
            }
            assert_eq!(owner.len(), 10, "every channel has its turn");
            assert_eq!(several > 0, scattered);
        }
    }
}
