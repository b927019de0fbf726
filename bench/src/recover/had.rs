//! What one client has had of its room, whose messages are numbered from 0 without a gap.

use std::ops::Range;

/// Which messages have come, and how many came wrongly.
#[derive(Clone, Debug, Default)]
pub(super) struct Had {
    /// The number after the highest that has come.
    next: u32,
    /// What is missing below that, in rising order.
    missing: Vec<Range<u32>>,
    /// Messages that came again.
    pub(super) repeated: u64,
    /// Messages that came after a later one.
    pub(super) reordered: u64,
    /// Messages of other rooms.
    pub(super) stray: u64,
}

impl Had {
    /// A message has come.
    pub(super) fn take(&mut self, number: u32) {
        if number >= self.next {
            if number > self.next {
                self.missing.push(self.next..number);
            }
            self.next = number + 1;
            return;
        }
        let Some(place) = self.missing.iter().position(|range| range.contains(&number)) else {
            self.repeated += 1;
            return;
        };
        self.reordered += 1;
        let range = self.missing.remove(place);
        let rest = [range.start..number, number + 1..range.end];
        self.missing.splice(place..place, rest.into_iter().filter(|range| !range.is_empty()));
    }

    /// The number after the highest that has come.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// How many of the first `published` have not come.
    pub(super) fn lacks(&self, published: u32) -> u64 {
        let below = |number: u32| number.min(published);
        let missing = self.missing.iter().map(|range| below(range.end) - below(range.start)).sum::<u32>();
        u64::from(missing) + u64::from(published.saturating_sub(self.next))
    }

    /// Whether all of the first `published` have come.
    pub(super) fn is_complete(&self, published: u32) -> bool {
        self.next >= published && self.missing.first().is_none_or(|range| range.start >= published)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::draw::Draw;

    fn of(numbers: &[u32]) -> Had {
        let mut had = Had::default();
        numbers.iter().for_each(|number| had.take(*number));
        had
    }

    #[test]
    fn all_in_order_is_complete() {
        let had = of(&[0, 1, 2, 3]);
        assert_eq!((had.lacks(4), had.repeated, had.reordered, had.next()), (0, 0, 0, 4));
        assert!(had.is_complete(4) && had.is_complete(2) && !had.is_complete(5));
        assert_eq!(had.lacks(6), 2);
        assert!(of(&[]).is_complete(0) && !of(&[]).is_complete(1));
    }

    #[test]
    fn a_hole_is_missing_until_it_comes_late() {
        let mut had = of(&[0, 5]);
        assert_eq!((had.lacks(6), had.lacks(3), had.is_complete(1)), (4, 2, true));
        assert!(!had.is_complete(2));
        had.take(3);
        assert_eq!((had.lacks(6), had.reordered, had.repeated), (3, 1, 0));
        had.take(3);
        assert_eq!((had.reordered, had.repeated), (1, 1));
        [1, 2, 4].into_iter().for_each(|number| had.take(number));
        assert_eq!((had.lacks(6), had.reordered), (0, 4));
        assert!(had.is_complete(6));
    }

    #[test]
    fn chance_is_counted_like_by_hand() {
        for seed in 0..200 {
            let mut draw = Draw::new(seed);
            let (mut had, mut set, mut highest) = (Had::default(), BTreeSet::new(), None);
            let (mut repeated, mut reordered) = (0, 0);
            for _ in 0..60 {
                let number = u32::try_from(draw.below(40)).unwrap();
                had.take(number);
                if !set.insert(number) {
                    repeated += 1;
                } else if highest.is_some_and(|highest| number < highest) {
                    reordered += 1;
                }
                highest = highest.max(Some(number));
                for published in 0..45 {
                    let lacks = (0..published).filter(|number| !set.contains(number)).count() as u64;
                    assert_eq!(had.lacks(published), lacks);
                    assert_eq!(had.is_complete(published), lacks == 0);
                }
            }
            assert_eq!((had.repeated, had.reordered), (repeated, reordered), "seed {seed}");
        }
    }
}
