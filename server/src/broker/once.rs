//! Publishing once: a repeat within the window is answered with the place of the first.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::num::NonZeroU64;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bayeux::Position;
use hashbrown::DefaultHashBuilder;

use crate::clock::Clock;

/// Parts, so that publishers seldom wait for one another.
const PARTS: usize = 16;

/// How far back repeats are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Publications of one publisher.
    pub(super) publications: usize,
    /// How long one is remembered.
    pub(super) age: Duration,
    /// Publications of all together; one more is not remembered.
    pub(super) total: usize,
}

/// What has been published.
pub(super) struct Once {
    window: Window,
    parts: [Mutex<Part>; PARTS],
    hasher: DefaultHashBuilder,
    clock: Clock,
}

#[derive(Default)]
struct Part {
    publishers: HashMap<u64, Remembered>,
    /// Publications of all of them.
    count: usize,
}

/// The publications of one publisher.
#[derive(Default)]
struct Remembered {
    /// By what their ids hash to.
    places: HashMap<u64, Place>,
    order: VecDeque<(Duration, u64)>,
    /// Up to this id the publisher has heard all answers: what still comes is a copy that was long on its way.
    answered: Option<u64>,
}

#[derive(Clone, Copy)]
struct Place {
    /// What channel and payload hash to.
    fingerprint: u64,
    position: Position,
}

/// What is known of a publication.
pub(super) enum Known {
    /// It is new: to be published while this is held, and remembered by it.
    New,
    /// It has been published.
    Repeat(Position),
    /// It has been published, and where is forgotten.
    Answered,
    /// Something else has been published under the same id.
    Other,
}

/// Names a publication: who says it, its id, and what is said, as hashes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub(super) publisher: u64,
    pub(super) id: u64,
    pub(super) fingerprint: u64,
    /// The id itself, if it is a number, and up to which one the publisher says that all were answered.
    pub(super) number: Option<u64>,
    pub(super) answered: Option<u64>,
}

/// One publisher's part of what is known, so that a publication and its repeat do not pass at once.
pub(super) struct Desk<'a> {
    part: MutexGuard<'a, Part>,
    once: &'a Once,
    name: Name,
}

impl Once {
    pub(super) fn new(window: Window, clock: Clock) -> Self {
        Once { window, parts: Default::default(), hasher: DefaultHashBuilder::default(), clock }
    }

    /// A name that a publisher has chosen, as a number that nobody can aim at.
    pub(super) fn number(&self, name: &impl std::hash::Hash) -> NonZeroU64 {
        NonZeroU64::new(self.hasher.hash_one(name)).unwrap_or(NonZeroU64::MIN)
    }

    /// Looks a publication up, and keeps its place until the answer is dropped.
    pub(super) fn desk(&self, name: Name) -> Desk<'_> {
        let part = &self.parts[name.publisher as usize % PARTS];
        Desk { part: part.lock().expect("nobody panics with this lock"), once: self, name }
    }

    /// Forgets what is too old.
    pub(super) fn expire(&self) {
        let now = self.clock.now();
        for part in &self.parts {
            let mut part = part.lock().expect("nobody panics with this lock");
            let mut count = 0;
            part.publishers.retain(|_, remembered| {
                remembered.expire(now, self.window.age);
                count += remembered.order.len();
                !remembered.order.is_empty()
            });
            part.count = count;
            if part.publishers.len() * 4 < part.publishers.capacity() {
                part.publishers.shrink_to_fit();
            }
        }
    }
}

impl Desk<'_> {
    pub(super) fn known(&mut self) -> Known {
        let now = self.once.clock.now();
        let part = &mut *self.part;
        let Some(remembered) = part.publishers.get_mut(&self.name.publisher) else { return Known::New };
        part.count -= remembered.expire(now, self.once.window.age);
        remembered.answered = remembered.answered.max(self.name.answered);
        match remembered.places.get(&self.name.id) {
            None if self.name.number.is_some() && self.name.number <= remembered.answered => Known::Answered,
            None => Known::New,
            Some(place) if place.fingerprint == self.name.fingerprint => Known::Repeat(place.position),
            Some(_) => Known::Other,
        }
    }

    /// It has been published, there. False when there is no room to remember it.
    pub(super) fn remember(mut self, position: Position) -> bool {
        let Window { publications, total, .. } = self.once.window;
        let Name { publisher, id, fingerprint, answered, .. } = self.name;
        let part = &mut *self.part;
        if part.count >= total / PARTS {
            return false;
        }
        let now = self.once.clock.now();
        let remembered = part.publishers.entry(publisher).or_default();
        remembered.answered = remembered.answered.max(answered);
        if remembered.places.insert(id, Place { fingerprint, position }).is_none() {
            remembered.order.push_back((now, id));
            part.count += 1;
        }
        if remembered.order.len() > publications {
            remembered.forget_oldest();
            part.count -= 1;
        }
        true
    }
}

impl Remembered {
    /// Answers with how many were too old.
    fn expire(&mut self, now: Duration, age: Duration) -> usize {
        let before = self.order.len();
        while self.order.front().is_some_and(|(at, _)| *at + age <= now) {
            self.forget_oldest();
        }
        before - self.order.len()
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.places.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(once: &Once, publisher: u64, id: u64, fingerprint: u64, sequence: u64) -> Option<u64> {
        let mut desk = once.desk(Name { publisher, id, fingerprint, number: None, answered: None });
        match desk.known() {
            Known::New => {
                desk.remember(Position { epoch: 1, sequence });
                None
            }
            Known::Repeat(position) => Some(position.sequence),
            Known::Other | Known::Answered => Some(0),
        }
    }

    #[test]
    fn a_repeat_is_known_within_the_window() {
        let (clock, hand) = Clock::by_hand();
        let window = Window { publications: 3, age: Duration::from_secs(120), total: 320 };
        let once = Once::new(window, clock);
        assert_eq!(say(&once, 1, 7, 70, 100), None);
        assert_eq!(say(&once, 1, 7, 70, 101), Some(100), "a repeat");
        assert_eq!(say(&once, 2, 7, 70, 102), None, "of somebody else");
        assert_eq!(say(&once, 1, 7, 71, 103), Some(0), "something else under the same id");
        for id in 8..11 {
            assert_eq!(say(&once, 1, id, 70, id), None);
        }
        assert_eq!(say(&once, 1, 7, 70, 104), None, "three more have come since");
        hand.advance(Duration::from_secs(119));
        assert_eq!(say(&once, 1, 10, 70, 105), Some(10));
        hand.advance(Duration::from_secs(1));
        assert_eq!(say(&once, 1, 10, 70, 106), None, "two minutes later");
        hand.advance(Duration::from_secs(120));
        once.expire();
        assert!(once.parts.iter().all(|part| part.lock().unwrap().publishers.is_empty()));
    }

    #[test]
    fn a_copy_that_comes_after_all_were_answered_is_a_repeat_beyond_the_window() {
        let window = Window { publications: 3, age: Duration::from_secs(120), total: 320 };
        let once = Once::new(window, Clock::by_hand().0);
        let is_new = |number: u64, answered| {
            let name = Name { publisher: 1, id: number, fingerprint: 0, number: Some(number), answered };
            let mut desk = once.desk(name);
            let known = desk.known();
            let is_new = matches!(known, Known::New);
            if is_new {
                desk.remember(Position { epoch: 1, sequence: number });
            }
            is_new
        };
        for number in 1..=10 {
            assert!(is_new(number, Some(number - 1)), "{number}");
        }
        assert!(!is_new(2, Some(1)), "long forgotten");
        assert!(!is_new(9, None), "remembered");
        assert!(is_new(12, None));
        assert!(is_new(11, None), "nobody has said that it was answered");
    }

    #[test]
    fn more_than_there_is_room_for_is_not_remembered() {
        let (clock, hand) = Clock::by_hand();
        let window = Window { publications: 3, age: Duration::from_secs(120), total: PARTS };
        let once = Once::new(window, clock);
        assert_eq!(say(&once, 1, 7, 70, 1), None);
        assert_eq!(say(&once, 1 + PARTS as u64, 7, 70, 2), None);
        assert_eq!(say(&once, 1 + PARTS as u64, 7, 70, 3), None, "it was not remembered");
        assert_eq!(say(&once, 1, 7, 70, 4), Some(1));
        hand.advance(Duration::from_secs(120));
        assert_eq!(say(&once, 1, 8, 70, 5), None);
        assert_eq!(say(&once, 1, 8, 70, 6), Some(5), "there is room again");
    }
}
