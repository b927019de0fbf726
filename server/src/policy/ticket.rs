//! Tickets: what an `EventSource`, an image or a script shows where a token would stand in a URL, and so in logs. Good once,
//! and for half a minute.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bayeux::SessionId;

use super::Identity;
use crate::clock::Clock;

/// How long a ticket is good.
const GOOD: Duration = Duration::from_secs(30);

/// Tickets that may be out at once; one more is refused.
const TICKETS: usize = 100_000;

/// Until when one is good, and whose it is.
type Ticket = (Duration, Arc<Identity>);

/// The tickets that are out.
pub struct Tickets {
    out: Mutex<HashMap<Box<str>, Ticket>>,
    clock: Clock,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl Tickets {
    pub(super) fn new(clock: Clock) -> Self {
        Tickets { out: Mutex::default(), clock }
    }

    /// A new ticket, and how long it is good; `None` when too many are out.
    pub(super) fn issue(&self, who: &Arc<Identity>) -> Option<(String, Duration)> {
        let now = self.clock.now();
        let mut out = self.out.lock().expect("nobody panics with this lock");
        if out.len() >= TICKETS {
            out.retain(|_, (until, _)| *until > now);
        }
        if out.len() >= TICKETS {
            return None;
        }
        let mut random = [0; 64];
        getrandom::fill(&mut random).ok()?;
        let mut bytes = random.iter().copied().cycle();
        let ticket = SessionId::new(0, || bytes.next().unwrap_or_default()).as_str()[2..].to_owned();
        out.insert(ticket.as_str().into(), (now + GOOD, who.clone()));
        Some((ticket, GOOD))
    }

    /// Whose ticket it is. It is good no more.
    pub(super) fn redeem(&self, ticket: &str) -> Option<Arc<Identity>> {
        let (until, who) = self.out.lock().expect("nobody panics with this lock").remove(ticket)?;
        (until > self.clock.now()).then_some(who)
    }
}
