//! Reading what was said. Each call does a bounded piece of work, since publishers wait for the same lock, and says how
//! far it came.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::ops::Bound::{Excluded, Included};
use std::sync::Arc;

use bayeux::{Channel, Message, Pattern, Reach};

use super::Limit;
use super::memory::{Kept, Memory, Ring};

/// Entries that one call looks at.
pub(super) const ENTRIES: usize = 4096;
/// As many rings are merged; for more, the log is read, which has all channels in order already.
const MERGED: usize = 64;
/// Of that many the newest messages are gathered and sorted.
const GATHERED: usize = 1024;
/// Names that are looked at to find rings to merge.
const NAMES: usize = 512;
/// As many patterns are tried one by one; more are looked up.
const TRIED: usize = 8;

/// An entry that was looked at, and its message if that is wanted.
type Seen<'a> = (u64, Option<&'a Arc<Message>>);

impl Memory {
    /// Appends to `out` the messages with `after` < sequence <= `until` that match any of the patterns, in the order
    /// of sequences. Answers with how far it has read: what matches up to there is in `out`. It is done at `until`.
    pub fn read(
        &self,
        patterns: &[Pattern],
        after: u64,
        until: u64,
        limit: Limit,
        out: &mut Vec<Arc<Message>>,
    ) -> u64 {
        if after >= until {
            return until;
        }
        let next = match self.rings(patterns, NAMES, MERGED) {
            Some(rings) => take(merged(rings, after, until), limit, ENTRIES, out),
            None => {
                let wanted = Wanted::new(patterns);
                let entries = self.log.range((Excluded(after), Included(until)));
                take(entries.map(|(at, kept)| (*at, wanted.pick(kept))), limit, ENTRIES, out)
            }
        };
        next.map_or(until, |next| next - 1)
    }

    /// Appends to `out` the newest message of each matching channel among those with sequence <= `until`, if its
    /// sequence is above `after`, in the order of sequences. The answer is that of [`read`](Self::read).
    pub fn latest(
        &self,
        patterns: &[Pattern],
        after: u64,
        until: u64,
        limit: Limit,
        out: &mut Vec<Arc<Message>>,
    ) -> u64 {
        if after >= until {
            return until;
        }
        let next = match self.rings(patterns, ENTRIES, GATHERED) {
            Some(rings) => {
                let newest = rings.into_iter().filter_map(|ring| ring.newest_until(until));
                let mut newest: Vec<_> = newest.filter(|(at, _)| *at > after).collect();
                newest.sort_unstable_by_key(|(at, _)| *at);
                take(newest.iter().map(|(at, message)| (*at, Some(message))), limit, ENTRIES, out)
            }
            None => {
                let wanted = Wanted::new(patterns);
                let entries = self.log.range((Excluded(after), Included(until))).map(|(at, kept)| {
                    let is_newest = |_: &&Arc<Message>| {
                        let newest = self.rings[kept.ring as usize].newest_until(until);
                        newest.is_some_and(|(newest, _)| newest == at)
                    };
                    (*at, wanted.pick(kept).filter(is_newest))
                });
                take(entries, limit, ENTRIES, out)
            }
        };
        next.map_or(until, |next| next - 1)
    }

    /// The newest messages that match any of the patterns, oldest first. The work grows with the number of channels below the
    /// patterns, at worst, and not with that of messages.
    pub fn newest(&self, patterns: &[Pattern], limit: Limit) -> Vec<Arc<Message>> {
        let mut out = Vec::new();
        let rings = match self.rings(patterns, NAMES, MERGED) {
            Some(rings) => rings,
            None => {
                // Many channels: the newest messages are probably among those of all.
                let wanted = Wanted::new(patterns);
                let entries = self.log.iter().rev().take(ENTRIES).map(|(at, kept)| (*at, wanted.pick(kept)));
                let is_full = take(entries, limit, usize::MAX, &mut out).is_some();
                if is_full || self.log.len() <= ENTRIES {
                    out.reverse();
                    return out;
                }
                out.clear();
                self.rings(patterns, usize::MAX, usize::MAX).unwrap_or_default()
            }
        };
        take(merged_back(rings), limit, usize::MAX, &mut out);
        out.reverse();
        out
    }

    /// The rings with messages that match, unless there are more, or more names to look at.
    fn rings(&self, patterns: &[Pattern], names: usize, most: usize) -> Option<Vec<&Ring>> {
        let mut found = Vec::new();
        let mut looked = 0;
        for pattern in patterns {
            for (_, place) in self.below(pattern) {
                looked += 1;
                found.extend(place.filter(|place| !self.rings[*place].messages.is_empty()));
                if looked > names || found.len() > most {
                    return None;
                }
            }
        }
        // One pattern may be part of another.
        found.sort_unstable();
        found.dedup();
        Some(found.into_iter().map(|place| &self.rings[place]).collect())
    }
}

impl Ring {
    fn newest_until(&self, until: u64) -> Option<&(u64, Arc<Message>)> {
        let after = self.messages.partition_point(|(at, _)| *at <= until);
        self.messages.get(after.checked_sub(1)?)
    }
}

/// What somebody wants of the log.
enum Wanted<'a> {
    Few(&'a [Pattern]),
    /// A channel is matched by n + 2 patterns, which are looked up.
    Many(HashSet<(&'a str, Reach)>),
}

impl<'a> Wanted<'a> {
    fn new(patterns: &'a [Pattern]) -> Self {
        match patterns.len() {
            ..=TRIED => Wanted::Few(patterns),
            _ => Wanted::Many(patterns.iter().map(|pattern| (pattern.key(), pattern.reach())).collect()),
        }
    }

    fn has(&self, channel: &Channel) -> bool {
        match self {
            Wanted::Few(patterns) => patterns.iter().any(|pattern| pattern.matches(channel)),
            Wanted::Many(patterns) => channel.patterns().any(|pattern| patterns.contains(&pattern)),
        }
    }

    fn pick<'k>(&self, kept: &'k Kept) -> Option<&'k Arc<Message>> {
        self.has(kept.message.channel()).then_some(&kept.message)
    }
}

/// Takes messages until a limit is reached, and says which entry was the first that was not dealt with.
fn take<'m>(
    entries: impl Iterator<Item = Seen<'m>>,
    limit: Limit,
    most: usize,
    out: &mut Vec<Arc<Message>>,
) -> Option<u64> {
    let (mut messages, mut bytes) = (0, 0);
    for (looked, (sequence, message)) in entries.enumerate() {
        if looked == most {
            return Some(sequence);
        }
        let Some(message) = message else { continue };
        let is_full = messages >= limit.messages || message.bytes() > limit.bytes.saturating_sub(bytes);
        if messages > 0 && is_full {
            return Some(sequence);
        }
        messages += 1;
        bytes += message.bytes();
        out.push(message.clone());
    }
    None
}

/// The messages of several rings with `after` < sequence <= `until`, in the order of sequences.
fn merged(rings: Vec<&Ring>, after: u64, until: u64) -> impl Iterator<Item = Seen<'_>> {
    let start = |ring: &&Ring| ring.messages.partition_point(|(at, _)| *at <= after);
    let mut next: Vec<usize> = rings.iter().map(start).collect();
    let head =
        move |ring: &Ring, next: usize| ring.messages.get(next).map(|(at, _)| *at).filter(|at| *at <= until);
    let mut heads: BinaryHeap<_> = (0..rings.len())
        .filter_map(|number| Some(Reverse((head(rings[number], next[number])?, number))))
        .collect();
    std::iter::from_fn(move || {
        let Reverse((at, number)) = heads.pop()?;
        let message = &rings[number].messages[next[number]].1;
        next[number] += 1;
        heads.extend(head(rings[number], next[number]).map(|at| Reverse((at, number))));
        Some((at, Some(message)))
    })
}

/// All messages of several rings, the newest first.
fn merged_back(rings: Vec<&Ring>) -> impl Iterator<Item = Seen<'_>> {
    let mut left: Vec<usize> = rings.iter().map(|ring| ring.messages.len()).collect();
    let head = |ring: &Ring, left: usize| Some(ring.messages.get(left.checked_sub(1)?)?.0);
    let mut heads: BinaryHeap<_> =
        (0..rings.len()).filter_map(|number| Some((head(rings[number], left[number])?, number))).collect();
    std::iter::from_fn(move || {
        let (at, number) = heads.pop()?;
        left[number] -= 1;
        let message = &rings[number].messages[left[number]].1;
        heads.extend(head(rings[number], left[number]).map(|at| (at, number)));
        Some((at, Some(message)))
    })
}
