//! One timer for all sessions of a shard: a wheel of buckets that holds slots, never a task each.
//!
//! A session has one deadline. Moving it *later* (what nearly every request does) costs nothing: the
//! wheel's entry stays where it is, and when it comes up the session's real deadline is looked at and the entry put
//! back. Only moving it *earlier* adds an entry.

use std::time::Duration;

use super::outlet::Outlet;
use super::session::{Ended, Phase};
use super::shard::Shard;

/// A moment in steps of [`TICK`] since the server started. 2^32 of them are 2.7 years; what is later is as late as that.
pub(super) type Tick = u32;

/// How exact deadlines are. The shortest wait that matters on the wire is a client's own `advice.timeout`.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// 4,096 buckets of 20 ms are 82 s: past every default deadline, so an entry is nearly always put in once.
const BUCKETS: usize = 4096;

pub(super) fn tick(moment: Duration) -> Tick {
    Tick::try_from(moment.as_millis() / TICK.as_millis()).unwrap_or(Tick::MAX)
}

/// The first tick at which `after` will have passed since `now`.
pub(super) fn tick_after(now: Tick, after: Duration) -> Tick {
    let ticks = Tick::try_from(after.as_millis().div_ceil(TICK.as_millis())).unwrap_or(Tick::MAX);
    now.saturating_add(ticks).max(now + 1)
}

pub(super) struct Wheel {
    buckets: Box<[Vec<u32>]>,
    /// One bit a bucket that holds something, so that the next one is found without a walk.
    occupied: Box<[u64; BUCKETS / 64]>,
    /// All buckets up to this tick have been emptied.
    done: Tick,
}

impl Wheel {
    pub(super) fn new(now: Tick) -> Self {
        Wheel {
            buckets: std::iter::repeat_with(Vec::new).take(BUCKETS).collect(),
            occupied: Box::new([0; BUCKETS / 64]),
            done: now,
        }
    }

    /// Puts `slot` in for `at` and returns the tick at which it will come up: `at`, or sooner when `at`
    /// is past the wheel's horizon.
    pub(super) fn insert(&mut self, slot: u32, at: Tick) -> Tick {
        let at = at.clamp(self.done + 1, self.done + BUCKETS as Tick - 1);
        let bucket = at as usize % BUCKETS;
        self.buckets[bucket].push(slot);
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
        at
    }

    /// Takes one bucket that is due at `now`: its tick and its slots.
    pub(super) fn due(&mut self, now: Tick) -> Option<(Tick, Vec<u32>)> {
        let next = self.next()?;
        if next > now {
            return None;
        }
        self.done = next;
        let bucket = next as usize % BUCKETS;
        self.occupied[bucket / 64] &= !(1 << (bucket % 64));
        Some((next, std::mem::take(&mut self.buckets[bucket])))
    }

    /// The tick of the first bucket that holds something.
    pub(super) fn next(&self) -> Option<Tick> {
        let first = self.done as usize + 1;
        let words = BUCKETS / 64;
        // The first word is looked at twice: above the starting bit now, below it after a whole round.
        for step in 0..=words {
            let word = (first / 64 + step) % words;
            let mut bits = self.occupied[word];
            if step == 0 {
                bits &= u64::MAX << (first % 64);
            } else if step == words {
                bits &= !(u64::MAX << (first % 64));
            }
            if bits != 0 {
                let bucket = word * 64 + bits.trailing_zeros() as usize;
                let ahead = (bucket + BUCKETS - first % BUCKETS) % BUCKETS;
                return Some((first + ahead) as Tick);
            }
        }
        None
    }
}

impl Shard {
    /// Looks at the sessions whose time has come.
    pub(super) fn expire(&mut self) {
        while let Some((at, slots)) = self.wheel.due(self.now) {
            for slot in slots {
                match self.sessions.get_mut(slot as usize) {
                    // An entry that an earlier one has overtaken, or of a session that is gone.
                    Some(session) if session.scheduled == at => session.scheduled = Tick::MAX,
                    _ => continue,
                }
                if self.on_time(slot) {
                    self.schedule(slot);
                }
            }
        }
    }

    /// Does what is due for one session; false when that ended it.
    fn on_time(&mut self, slot: u32) -> bool {
        let now = self.now;
        let beat = self.after(self.options.heartbeat);
        let grace = self.after(self.options.grace);
        if !self.is_owned_on(slot) {
            self.end(slot, Ended::Unauthorized);
            return false;
        }
        let session = &mut self.sessions[slot as usize];
        if session.until <= now {
            match std::mem::replace(&mut session.phase, Phase::Between) {
                Phase::New | Phase::Between => {
                    self.end(slot, Ended::Expired);
                    return false;
                }
                Phase::Held(id) => {
                    if let Outlet::Poll(_) = session.outlet {
                        session.phase = Phase::Held(id);
                        self.answer_held(slot);
                    } else {
                        self.reply_connect(slot, id.as_ref(), None, None);
                    }
                    self.sessions[slot as usize].until = grace;
                }
                Phase::Stream => session.phase = Phase::Stream,
            }
        }
        let session = &mut self.sessions[slot as usize];
        if session.beat <= now {
            session.beat = beat;
            if let Outlet::Socket(socket) = &mut session.outlet {
                if socket.rest.is_some() {
                    if std::mem::replace(&mut socket.stalled, true) {
                        self.end(slot, Ended::Stalled);
                        return false;
                    }
                } else {
                    let heartbeat = socket.framing.heartbeat();
                    session.outbox.replies_mut().extend_from_slice(heartbeat);
                    self.mark(slot, true);
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_up_at_its_tick_and_once() {
        let mut wheel = Wheel::new(100);
        for (slot, at) in [(1, 101), (2, 164), (3, 164), (4, 100 + 4095)] {
            assert_eq!(wheel.insert(slot, at), at);
        }
        assert_eq!(wheel.next(), Some(101));
        assert_eq!(wheel.due(100), None);
        assert_eq!(wheel.due(163), Some((101, vec![1])));
        assert_eq!(wheel.due(163), None);
        assert_eq!(wheel.due(164), Some((164, vec![2, 3])));
        assert_eq!(wheel.due(100_000), Some((4195, vec![4])));
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn past_the_horizon_comes_up_early_and_the_past_comes_up_next() {
        let mut wheel = Wheel::new(5000);
        assert_eq!(wheel.insert(1, 1_000_000), 5000 + 4095);
        assert_eq!(wheel.insert(2, 3), 5001);
        assert_eq!(wheel.due(9000), Some((5001, vec![2])));
        assert_eq!(wheel.next(), Some(9095));
    }

    #[test]
    fn a_wait_of_years_does_not_come_round() {
        assert_eq!(tick_after(5, Duration::from_secs(3 * 365 * 86_400)), Tick::MAX);
    }

    #[test]
    fn every_distance_is_found() {
        for start in [0u32, 63, 64, 4095, 4096, 10_000] {
            for ahead in [1u32, 2, 63, 64, 65, 1000, 4094, 4095] {
                let mut wheel = Wheel::new(start);
                wheel.insert(7, start + ahead);
                assert_eq!(wheel.next(), Some(start + ahead), "{start} + {ahead}");
                assert_eq!(wheel.due(start + ahead), Some((start + ahead, vec![7])));
            }
        }
    }
}
