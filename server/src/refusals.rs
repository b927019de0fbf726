//! One line of the log for each refusal: who wanted what where, and which rule says no. Of a flood, some lines and a number: each
//! refusal is counted ([`Metrics::refused`](crate::metrics::Metrics::refused)), and a log that nobody can read says less.

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Lines of one kind at once.
const LINES: u32 = 100;

/// How long it takes until one more may be written: ten a second.
const PAUSE: Duration = Duration::from_millis(100);

/// What is refused.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// A subject, the name of an API key, `anonymous`, or `unknown` for whoever has shown something that is not good.
    pub who: &'a str,
    /// Where they are, as far as the door knows.
    pub address: Option<IpAddr>,
    /// What they wanted: `handshake`, `publish`, …
    pub what: &'static str,
    /// Where: a channel or a pattern, or the path of a URL. Never what stands behind the path.
    pub place: Place<'a>,
    /// The rule that says no, or the reason, in the word that the client is told.
    pub why: &'a str,
}

/// Where somebody wanted something.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// Nowhere in particular.
    Nowhere,
    /// A channel or a pattern.
    Channel(&'a str),
    /// The path of a URL.
    Path(&'a str),
}

/// Writes the lines.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Vec<Kind>>);

/// What has been written of one kind.
#[derive(Debug)]
struct Kind {
    what: &'static str,
    left: u32,
    at: Instant,
    /// Lines that were left out since the last one.
    unsaid: u64,
}

impl Refusals {
    /// Writes a line, unless there were too many of its kind.
    pub fn say(&self, refused: Refused<'_>) {
        // Where nobody reads, nothing is to be spared.
        if !tracing::enabled!(tracing::Level::INFO) {
            return;
        }
        let Some(unsaid) = self.admit(refused.what, Instant::now()) else { return };
        let Refused { who, address, what, place, why } = refused;
        let (channel, path) = match place {
            Place::Nowhere => (None, None),
            Place::Channel(channel) => (Some(channel), None),
            Place::Path(path) => (None, Some(path)),
        };
        let unsaid = (unsaid > 0).then_some(unsaid);
        tracing::info!(who, address = address.map(display), what, channel, path, why, unsaid, "refused");
    }

    /// Whether there may be one more line, and how many were left out before it.
    fn admit(&self, what: &'static str, now: Instant) -> Option<u64> {
        let mut kinds = self.0.lock().expect("nobody panics with this lock");
        let known = kinds.iter().position(|kind| kind.what == what);
        let kind = match known {
            Some(known) => &mut kinds[known],
            None => {
                kinds.push(Kind { what, left: LINES, at: now, unsaid: 0 });
                kinds.last_mut()?
            }
        };
        let since = now.saturating_duration_since(kind.at);
        let more = (since.as_millis() / PAUSE.as_millis()).min(LINES.into()) as u32;
        if more > 0 {
            kind.left = (kind.left + more).min(LINES);
            kind.at = now;
        }
        if kind.left == 0 {
            kind.unsaid += 1;
            return None;
        }
        kind.left -= 1;
        Some(std::mem::take(&mut kind.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_some_lines_and_their_number_are_written() {
        let refusals = Refusals::default();
        let now = Instant::now();
        let said = (0..10_000).filter(|_| refusals.admit("publish", now).is_some()).count();
        assert_eq!(said, 100);
        assert_eq!(refusals.admit("handshake", now), Some(0), "another kind is not drowned by it");
        assert_eq!(refusals.admit("publish", now + PAUSE), Some(9_900));
        assert_eq!(refusals.admit("publish", now + PAUSE), None);
        let later = now + Duration::from_secs(60);
        assert_eq!(refusals.admit("publish", later), Some(1));
        assert_eq!((0..1000).filter(|_| refusals.admit("publish", later).is_some()).count(), 99);
    }
}
