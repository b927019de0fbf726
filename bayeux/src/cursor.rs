//! Where a reader stands: a position in each history that it reads.

use std::fmt;
use std::str::FromStr;

use crate::id::{InvalidPosition, Position};

/// Histories that one cursor may name: more than a server has tables of channels.
const POSITIONS: usize = 256;

/// Positions of different epochs. On the wire they are joined by dots (`1a-2z.1b-5`), and a position alone is a cursor
/// too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor(Vec<Position>);

impl Cursor {
    /// Adds a position, or moves the one of the same epoch there.
    pub fn set(&mut self, position: Position) {
        match self.0.iter_mut().find(|known| known.epoch == position.epoch) {
            Some(known) => *known = position,
            None => self.0.push(position),
        }
    }

    /// The sequence in an epoch.
    pub fn sequence(&self, epoch: u64) -> Option<u64> {
        self.0.iter().find(|position| position.epoch == epoch).map(|position| position.sequence)
    }

    /// The epochs named.
    pub fn epochs(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().map(|position| position.epoch)
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Position> for Cursor {
    fn from(position: Position) -> Self {
        Cursor(vec![position])
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, position) in self.0.iter().enumerate() {
            let dot = if number > 0 { "." } else { "" };
            write!(f, "{dot}{position}")?;
        }
        Ok(())
    }
}

impl FromStr for Cursor {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let mut cursor = Cursor::default();
        for (number, part) in text.split('.').enumerate() {
            let position: Position = part.parse()?;
            if number == POSITIONS || cursor.sequence(position.epoch).is_some() {
                return Err(InvalidPosition);
            }
            cursor.0.push(position);
        }
        Ok(cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_positions_joined_by_dots() {
        let mut cursor: Cursor = "1a-2z.1b-5".parse().unwrap();
        assert_eq!(cursor.to_string(), "1a-2z.1b-5");
        cursor.set("1b-6".parse().unwrap());
        cursor.set("1c-1".parse().unwrap());
        assert_eq!(cursor.to_string(), "1a-2z.1b-6.1c-1");
        assert_eq!(cursor.sequence(46), Some(107));
        for text in ["", ".", "1a-2z.", "1a-1.1a-2", "now", "1a-2z,1b-5"] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidPosition), "{text}");
        }
        let many = |count: u64| {
            (0..count).map(|n| Position { epoch: n, sequence: 1 }.to_string()).collect::<Vec<_>>().join(".")
        };
        assert!(many(256).parse::<Cursor>().is_ok());
        assert_eq!(many(257).parse::<Cursor>(), Err(InvalidPosition));
    }
}
