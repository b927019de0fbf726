//! How many and how fast: handshakes, publications, sessions of one subject, and what waits for all of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bayeux::{Pattern, Refusal};
use serde::{Deserialize, Serialize};

use super::Broker;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::places::network;
use crate::policy::Identity;
use crate::policy::key::Bucket;
use crate::refusals::{self, Refused};

/// Addresses whose handshakes are counted at once, and those whose publications are; of one more nothing is known, and only the
/// total holds.
const ADDRESSES: usize = 100_000;

/// How long whoever came too fast is told to wait, at most: spread, so that not all return at once.
const LONGEST_WAIT: u64 = 10_000;

/// Rates and numbers; 0 is any.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Handshakes a second.
    pub handshakes: u32,
    /// The same from one address.
    pub handshakes_per_address: u32,
    /// Publications a second of one session, and as many at once; those without a session count together for their subject or,
    /// where there is none, their address. API keys have rates of their own.
    pub publications_per_session: u32,
    /// Sessions of one subject, streams and pages that wait included.
    pub sessions_per_subject: usize,
    /// Bytes that wait in all outboxes; beyond them new sessions are refused.
    pub outbox_total_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            handshakes: 0,
            handshakes_per_address: 0,
            publications_per_session: 0,
            sessions_per_subject: 1000,
            outbox_total_bytes: 1024 * 1024 * 1024,
        }
    }
}

/// Keeps to them.
pub(super) struct Rates {
    options: Options,
    handshakes: Mutex<Bucket>,
    addresses: Mutex<HashMap<IpAddr, Bucket>>,
    speakers: Mutex<HashMap<Speaker, Bucket>>,
    subjects: Arc<Mutex<HashMap<Box<str>, usize>>>,
    clock: Clock,
}

/// Who publishes without a session.
#[derive(PartialEq, Eq, Hash)]
enum Speaker {
    Subject(Box<str>),
    Address(IpAddr),
}

/// A session's place among those of its subject, if it has one. The last that leaves leaves it free.
#[derive(Clone, Debug, Default)]
pub struct Seat(#[expect(dead_code, reason = "it is held, and leaving is a drop")] Option<Arc<Place>>);

/// One session's place among those of its subject. Leaving is a drop.
#[derive(Debug)]
struct Place {
    subjects: Arc<Mutex<HashMap<Box<str>, usize>>>,
    subject: Box<str>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut subjects = self.subjects.lock().expect("nobody panics with this lock");
        if let Some(count) = subjects.get_mut(&self.subject) {
            *count -= 1;
            if *count == 0 {
                subjects.remove(&self.subject);
            }
        }
    }
}

/// Why there is no session for now.
#[derive(Debug)]
pub struct Later {
    /// The name of it in metrics and in the log.
    pub cause: &'static str,
    /// What the client is told.
    pub refusal: Refusal,
    /// How long it is told to wait, in milliseconds.
    pub wait: u64,
}

impl Later {
    fn new(cause: &'static str, refusal: Refusal) -> Self {
        Later { cause, refusal, wait: 1000 + fastrand::u64(0..LONGEST_WAIT) }
    }
}

impl Rates {
    pub(super) fn new(options: Options, clock: Clock) -> Self {
        let handshakes = Mutex::new(Bucket::new(options.handshakes, clock.now()));
        let (addresses, speakers) = (Mutex::default(), Mutex::default());
        Rates { options, handshakes, addresses, speakers, subjects: Arc::default(), clock }
    }

    /// Whether there is room for what waits for one more session.
    fn has_room(&self, metrics: &Metrics) -> Result<(), Later> {
        let most = self.options.outbox_total_bytes;
        if most > 0 && metrics.outbox_bytes.get() >= most as i64 {
            return Err(Later::new("outboxes_full", Refusal::server_busy()));
        }
        Ok(())
    }

    /// Whether one more handshake may be looked at.
    pub(super) fn admit(&self, address: Option<IpAddr>, metrics: &Metrics) -> Result<(), Later> {
        self.has_room(metrics)?;
        let now = self.clock.now();
        let rate = self.options.handshakes_per_address;
        if let (true, Some(address)) = (rate > 0, address.map(network))
            && !take(&self.addresses, address, rate, now)
        {
            return Err(Later::new("handshakes_per_address", Refusal::too_many_handshakes()));
        }
        if self.options.handshakes > 0
            && !self.handshakes.lock().expect("nobody panics with this lock").take(now)
        {
            return Err(Later::new("handshakes", Refusal::too_many_handshakes()));
        }
        Ok(())
    }

    /// Whether somebody may publish once more without a session.
    pub(super) fn admit_publication(&self, who: &Identity, address: Option<IpAddr>) -> bool {
        let rate = self.options.publications_per_session;
        if rate == 0 || who.key.is_some() {
            return true;
        }
        let speaker = match &who.subject {
            Some(subject) => Speaker::Subject(subject.clone()),
            // Those who have no address are at our Unix socket: all of them together are one.
            None => Speaker::Address(address.map_or(Ipv4Addr::UNSPECIFIED.into(), network)),
        };
        take(&self.speakers, speaker, rate, self.clock.now())
    }

    /// A seat for one more session of somebody; who has no subject is not counted.
    pub(super) fn seat(&self, who: &Identity) -> Result<Seat, Later> {
        let Some(subject) = &who.subject else { return Ok(Seat::default()) };
        let most = self.options.sessions_per_subject;
        let mut subjects = self.subjects.lock().expect("nobody panics with this lock");
        let count = subjects.entry(subject.clone()).or_default();
        if most > 0 && *count >= most {
            let refusal = Refusal::too_many_sessions(most);
            return Err(Later { cause: "sessions_per_subject", refusal, wait: LONGEST_WAIT });
        }
        *count += 1;
        Ok(Seat(Some(Arc::new(Place { subjects: self.subjects.clone(), subject: subject.clone() }))))
    }

    /// How many publications a second a session may make; 0 is any.
    pub(super) fn publications(&self) -> u32 {
        self.options.publications_per_session
    }

    /// Forgets those who have been quiet.
    pub(super) fn expire(&self) {
        let now = self.clock.now();
        forget(&self.addresses, now);
        forget(&self.speakers, now);
    }
}

/// Takes one of the `rate` a second that a name has, as far as it is known how many it took.
fn take<N: Eq + Hash>(buckets: &Mutex<HashMap<N, Bucket>>, name: N, rate: u32, now: Duration) -> bool {
    let mut buckets = buckets.lock().expect("nobody panics with this lock");
    if buckets.len() >= ADDRESSES && !buckets.contains_key(&name) {
        return true;
    }
    buckets.entry(name).or_insert_with(|| Bucket::new(rate, now)).take(now)
}

fn forget<N: Eq + Hash>(buckets: &Mutex<HashMap<N, Bucket>>, now: Duration) {
    let mut buckets = buckets.lock().expect("nobody panics with this lock");
    buckets.retain(|_, bucket| bucket.is_used(now.saturating_sub(Duration::from_secs(2))));
    if buckets.len() * 4 < buckets.capacity() {
        buckets.shrink_to_fit();
    }
}

impl Broker {
    /// Whether there is room for one more session on this node.
    pub(super) fn has_room(&self) -> Result<(), Later> {
        let most = self.options().sessions;
        if self.metrics.sessions.inner().load(Ordering::Relaxed) >= most as i64 {
            let refusal = Refusal::too_many_sessions(most);
            return Err(Later { cause: "too_many_sessions", refusal, wait: LONGEST_WAIT });
        }
        Ok(())
    }

    /// A seat for somebody who listens without a handshake: a stream, or a page of history that waits.
    ///
    /// # Errors
    /// There is none for now.
    pub fn seat(&self, who: &Identity, pattern: &Pattern, address: Option<IpAddr>) -> Result<Seat, Later> {
        let seat = self.rates.has_room(&self.metrics).and_then(|()| self.has_room());
        let seat = seat.and_then(|()| self.rates.seat(who));
        seat.inspect_err(|later| {
            self.metrics.refused(later.cause);
            let (who, place) = (who.name(), refusals::Place::Channel(pattern.as_str()));
            self.metrics.refusals.say(Refused { who, address, what: "stream", place, why: later.cause });
        })
    }
}
