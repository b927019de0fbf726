//! The `[[channel]]` tables: which channels have history, and what a slow consumer of them gets.

use bayeux::{ChannelKind, ChannelLimits, InvalidChannel, Pattern};
use serde::{Deserialize, Serialize};

use crate::history;
use crate::hub::{Deliver, OnOverflow};

/// One `[[channel]]` table. The first one with a pattern that matches a channel is the channel's; channels without one
/// have no history, deliver every message and end a session that overflows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelOptions {
    /// Its channels.
    pub patterns: Vec<String>,
    /// Which messages wait for a slow consumer.
    pub deliver: Deliver,
    /// What happens when too many wait; see [`on_overflow`](Self::on_overflow).
    pub on_overflow: Option<OnOverflow>,
    /// Whether a new subscription gets the newest message of each channel.
    pub last_value: bool,
    /// How much is kept; nothing without it.
    pub history: Option<history::Options>,
}

/// Why a `[[channel]]` table cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTable {
    /// There are more than positions can name.
    #[error("this is one too many, there may be {} at most", ChannelOptions::TABLES)]
    TooMany,
    /// It is about no channel.
    #[error("it has no patterns; write, for example, patterns = [\"/chat/**\"]")]
    NoPatterns,
    /// What stands there is not a pattern.
    #[error("{0:?} is not a pattern: {1}")]
    Pattern(String, InvalidChannel),
    /// Nothing is ever published to others there.
    #[error(
        "{0} is the protocol's own or the server's: nothing below /meta and /service is published to others"
    )]
    Reserved(String),
    /// Another table has all its channels.
    #[error(
        "{0} has no effect: the first table that matches a channel counts, and {1} in number {2} matches all of these"
    )]
    Hidden(String, String, usize),
    /// A history that keeps nothing.
    #[error("history.{0} is 0, so nothing would be kept; for no history leave out [channel.history]")]
    Nothing(&'static str),
    /// There is no value to give.
    #[error("last_value gives what is kept, and nothing is; add [channel.history]")]
    NoLastValue,
}

impl ChannelOptions {
    /// How many tables there may be: the number of a channel's table is one byte of its positions.
    pub const TABLES: usize = 250;

    /// A table that says everything there is to say, each key with its default.
    pub fn complete() -> Self {
        let options = ChannelOptions {
            patterns: vec!["/chat/**".to_owned()],
            history: Some(history::Options::default()),
            ..ChannelOptions::default()
        };
        ChannelOptions { on_overflow: Some(options.on_overflow()), ..options }
    }

    /// What happens when too many messages wait: where there is history nobody has to go.
    pub fn on_overflow(&self) -> OnOverflow {
        let default = if self.history.is_some() { OnOverflow::Gap } else { OnOverflow::End };
        self.on_overflow.unwrap_or(default)
    }

    /// The patterns.
    ///
    /// # Errors
    /// For the first that is not one, or is none of a table.
    pub fn patterns(&self, limits: &ChannelLimits) -> Result<Vec<Pattern>, InvalidTable> {
        let parse = |name: &String| {
            let pattern = Pattern::parse_within(name, limits)
                .map_err(|why| InvalidTable::Pattern(name.clone(), why))?;
            match pattern.kind() {
                ChannelKind::Broadcast => Ok(pattern),
                ChannelKind::Meta | ChannelKind::Service => Err(InvalidTable::Reserved(name.clone())),
            }
        };
        self.patterns.iter().map(parse).collect()
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The first thing that is wrong, and the number of its table, counted from 1.
    pub fn check(tables: &[Self], limits: &ChannelLimits) -> Result<(), (usize, InvalidTable)> {
        let mut above: Vec<(Pattern, usize)> = Vec::new();
        for (number, table) in (1..).zip(tables) {
            if number > Self::TABLES {
                return Err((number, InvalidTable::TooMany));
            }
            let patterns = table.check_alone(limits).map_err(|why| (number, why))?;
            for pattern in &patterns {
                if let Some((wider, other)) = above.iter().find(|(wider, _)| wider.covers(pattern)) {
                    let [hidden, wider] = [pattern, wider].map(|pattern| pattern.as_str().to_owned());
                    return Err((number, InvalidTable::Hidden(hidden, wider, *other)));
                }
            }
            above.extend(patterns.into_iter().map(|pattern| (pattern, number)));
        }
        Ok(())
    }

    fn check_alone(&self, limits: &ChannelLimits) -> Result<Vec<Pattern>, InvalidTable> {
        let patterns = self.patterns(limits)?;
        if patterns.is_empty() {
            return Err(InvalidTable::NoPatterns);
        }
        match &self.history {
            None if self.last_value => return Err(InvalidTable::NoLastValue),
            None => {}
            Some(history) => {
                for (key, is_nothing) in [
                    ("count", history.count == 0),
                    ("bytes", history.bytes == 0),
                    ("age", history.age.is_zero()),
                    ("total_bytes", history.total_bytes == 0),
                ] {
                    if is_nothing {
                        return Err(InvalidTable::Nothing(key));
                    }
                }
            }
        }
        Ok(patterns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(patterns: &[&str]) -> ChannelOptions {
        let patterns = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        ChannelOptions { patterns, ..ChannelOptions::complete() }
    }

    fn wrong(tables: &[ChannelOptions]) -> (usize, String) {
        let (number, why) = ChannelOptions::check(tables, &ChannelLimits::default()).unwrap_err();
        (number, why.to_string())
    }

    #[test]
    fn a_table_is_refused_with_the_reason_and_its_number() {
        let good = table(&["/a/*", "/b"]);
        assert_eq!(
            ChannelOptions::check(&[good.clone(), table(&["/**"])], &ChannelLimits::default()),
            Ok(())
        );
        for (bad, reason) in [
            (table(&[]), "it has no patterns"),
            (table(&["chat"]), "\"chat\" is not a pattern: a channel begins with a slash"),
            (table(&["/c", "/*/c"]), "\"/*/c\" is not a pattern: a wildcard can only be the last segment"),
            (table(&["/meta/connect"]), "/meta/connect is the protocol's own"),
            (table(&["/service/**"]), "/service/** is the protocol's own"),
            (
                table(&["/c", "/a/x"]),
                "/a/x has no effect: the first table that matches a channel counts, and /a/* in number 1 matches",
            ),
            (
                ChannelOptions { history: None, last_value: true, ..table(&["/c"]) },
                "last_value gives what is kept, and nothing is",
            ),
            (
                ChannelOptions {
                    history: Some(history::Options { count: 0, ..Default::default() }),
                    ..table(&["/c"])
                },
                "history.count is 0",
            ),
            (
                ChannelOptions {
                    history: Some(history::Options { age: Default::default(), ..Default::default() }),
                    ..table(&["/c"])
                },
                "history.age is 0",
            ),
        ] {
            let (number, said) = wrong(&[good.clone(), bad]);
            assert!(number == 2 && said.starts_with(reason), "number {number}: {said}");
        }
        let many: Vec<_> = (0..251).map(|number| table(&[&format!("/{number}")])).collect();
        assert_eq!(wrong(&many), (251, "this is one too many, there may be 250 at most".to_owned()));
        assert_eq!(ChannelOptions::check(&many[1..], &ChannelLimits::default()), Ok(()));
    }

    #[test]
    fn nobody_has_to_go_where_there_is_history() {
        assert_eq!(table(&["/a"]).on_overflow(), OnOverflow::Gap);
        let without = ChannelOptions { patterns: vec!["/a".to_owned()], ..Default::default() };
        assert_eq!(without.on_overflow(), OnOverflow::End);
        let told = ChannelOptions { on_overflow: Some(OnOverflow::DropOldest), ..without };
        assert_eq!(told.on_overflow(), OnOverflow::DropOldest);
    }
}
