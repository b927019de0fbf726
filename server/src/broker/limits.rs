//! How many and how fast: handshakes, publications, sessions of one subject, and what waits for all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bayeux::Refusal;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::places::network;
use crate::policy::key::Bucket;

/// Addresses whose handshakes are counted at once; of one more nothing is known, and only the total holds.
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
    /// Publications a second of one session, and as many at once.
    pub publications_per_session: u32,
    /// Sessions of one subject.
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
    subjects: Arc<Mutex<HashMap<Box<str>, usize>>>,
    clock: Clock,
}

/// One session's place among those of its subject. Leaving is a drop.
#[derive(Debug)]
pub(super) struct Place {
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

/// Why there is no session for now: the name of it in metrics, the refusal, and how long to wait in milliseconds.
pub(super) type Later = (&'static str, Refusal, u64);

impl Rates {
    pub(super) fn new(options: Options, clock: Clock) -> Self {
        let handshakes = Mutex::new(Bucket::new(options.handshakes, clock.now()));
        Rates { options, handshakes, addresses: Mutex::default(), subjects: Arc::default(), clock }
    }

    /// Whether one more handshake may be looked at.
    pub(super) fn admit(&self, address: Option<IpAddr>, metrics: &Metrics) -> Result<(), Later> {
        let now = self.clock.now();
        let wait = || 1000 + fastrand::u64(0..LONGEST_WAIT);
        let most = self.options.outbox_total_bytes;
        if most > 0 && metrics.outbox_bytes.get() >= most as i64 {
            return Err(("outboxes_full", Refusal::server_busy(), wait()));
        }
        let rate = self.options.handshakes_per_address;
        if let (true, Some(address)) = (rate > 0, address.map(network)) {
            let mut addresses = self.addresses.lock().expect("nobody panics with this lock");
            if addresses.len() < ADDRESSES || addresses.contains_key(&address) {
                let bucket = addresses.entry(address).or_insert_with(|| Bucket::new(rate, now));
                if !bucket.take(now) {
                    return Err(("handshakes_per_address", Refusal::too_many_handshakes(), wait()));
                }
            }
        }
        if self.options.handshakes > 0
            && !self.handshakes.lock().expect("nobody panics with this lock").take(now)
        {
            return Err(("handshakes", Refusal::too_many_handshakes(), wait()));
        }
        Ok(())
    }

    /// A place for one more session of a subject.
    pub(super) fn place(&self, subject: &str) -> Result<Place, Later> {
        let most = self.options.sessions_per_subject;
        let mut subjects = self.subjects.lock().expect("nobody panics with this lock");
        let count = subjects.entry(subject.into()).or_default();
        if most > 0 && *count >= most {
            return Err(("sessions_per_subject", Refusal::too_many_sessions(most), LONGEST_WAIT));
        }
        *count += 1;
        Ok(Place { subjects: self.subjects.clone(), subject: subject.into() })
    }

    /// How many publications a second a session may make; 0 is any.
    pub(super) fn publications(&self) -> u32 {
        self.options.publications_per_session
    }

    /// Forgets addresses that have been quiet.
    pub(super) fn expire(&self) {
        let now = self.clock.now();
        let mut addresses = self.addresses.lock().expect("nobody panics with this lock");
        addresses.retain(|_, bucket| bucket.is_used(now.saturating_sub(Duration::from_secs(2))));
        if addresses.len() * 4 < addresses.capacity() {
            addresses.shrink_to_fit();
        }
    }
}
