//! Chance that is the same in every run, so that all subjects have the same.

/// Draws by xorshift64.
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    /// Draws that follow from a seed.
    pub(crate) fn new(seed: u64) -> Draw {
        Draw(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or(0)
    }

    /// So many different numbers below `of`, which is no fewer.
    pub(crate) fn distinct(&mut self, count: usize, of: usize) -> Vec<u32> {
        let mut drawn = Vec::with_capacity(count);
        while drawn.len() < count {
            let number = u32::try_from(self.below(of)).unwrap_or(0);
            if !drawn.contains(&number) {
                drawn.push(number);
            }
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_distinct_repeatable_and_spread() {
        let (mut one, mut other) = (Draw::new(1), Draw::new(1));
        let mut members = [0; 20];
        for _ in 0..1000 {
            let drawn = one.distinct(10, 20);
            assert_eq!(drawn, other.distinct(10, 20));
            for room in drawn {
                members[room as usize] += 1;
            }
        }
        assert_eq!(members.iter().sum::<i32>(), 10_000);
        assert!(members.iter().all(|count| (400..600).contains(count)), "{members:?}");
    }
}
