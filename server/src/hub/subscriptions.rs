//! Who listens: three hash tables keyed by prefix, and lists of slots.
//!
//! A channel of n segments is matched by n + 2 patterns, each a slice of its own name
//! ([`Channel::patterns`]), so a publish is n + 2 look-ups and no allocation. A session and a list know each
//! other's places, so leaving a list of any length costs the same.

use std::hash::BuildHasher;

use bayeux::{Channel, Pattern, Reach};
use hashbrown::{DefaultHashBuilder, HashTable};
use slab::Slab;

/// A session's place in one list: which list, and where in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) list: u32,
    index: u32,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    slot: u32,
    /// Where the session keeps the [`Entry`] that points back here.
    entry: u32,
}

struct List {
    key: Box<str>,
    reach: Reach,
    members: Vec<Member>,
}

/// The subscriptions of one shard.
#[derive(Default)]
pub(super) struct Subscriptions {
    tables: [HashTable<u32>; 3],
    lists: Slab<List>,
    hasher: DefaultHashBuilder,
}

/// What leaving a list moved: this slot's entry number `entry` now stands at `index`.
pub(super) struct Moved {
    pub(super) slot: u32,
    pub(super) entry: u32,
    index: u32,
}

impl Moved {
    /// Tells the session that was moved where it stands now.
    pub(super) fn apply(self, entries: &mut [Entry]) {
        entries[self.entry as usize].index = self.index;
    }
}

impl Subscriptions {
    /// Adds `slot`, whose session will keep the answer as its entry number `entry`.
    pub(super) fn add(&mut self, pattern: &Pattern, slot: u32, entry: u32) -> Entry {
        let (key, reach) = (pattern.key(), pattern.reach());
        let hash = self.hasher.hash_one(key);
        let lists = &mut self.lists;
        let found =
            self.tables[reach as usize].find(hash, |list| &*lists[*list as usize].key == key).copied();
        let list = found.unwrap_or_else(|| {
            let list = lists.insert(List { key: key.into(), reach, members: Vec::new() }) as u32;
            let hasher = &self.hasher;
            self.tables[reach as usize]
                .insert_unique(hash, list, |list| hasher.hash_one(&*lists[*list as usize].key));
            list
        });
        let members = &mut self.lists[list as usize].members;
        members.push(Member { slot, entry });
        Entry { list, index: members.len() as u32 - 1 }
    }

    /// Takes one entry out. The list's last member takes the free place: the caller tells its session.
    pub(super) fn remove(&mut self, entry: Entry) -> Option<Moved> {
        let list = &mut self.lists[entry.list as usize];
        list.members.swap_remove(entry.index as usize);
        let moved = list.members.get(entry.index as usize).map(|member| Moved {
            slot: member.slot,
            entry: member.entry,
            index: entry.index,
        });
        if list.members.is_empty() {
            let list = self.lists.remove(entry.list as usize);
            let hash = self.hasher.hash_one(&*list.key);
            if let Ok(found) =
                self.tables[list.reach as usize].find_entry(hash, |number| *number == entry.list)
            {
                found.remove();
            }
        } else if list.members.len() * 4 < list.members.capacity() {
            // A channel that was once popular does not keep the memory of it.
            list.members.shrink_to(list.members.len() * 2);
        }
        moved
    }

    /// Tells a list that the session's entry `entry` is now kept under another number.
    pub(super) fn renumber(&mut self, entry: Entry, number: u32) {
        self.lists[entry.list as usize].members[entry.index as usize].entry = number;
    }

    /// The pattern an entry stands for, in parts.
    pub(super) fn pattern(&self, entry: Entry) -> (&str, Reach) {
        let list = &self.lists[entry.list as usize];
        (&list.key, list.reach)
    }

    /// The lists that match a channel, as numbers for [`members`](Self::members).
    pub(super) fn matching<'a>(&'a self, channel: &'a Channel) -> impl Iterator<Item = u32> + 'a {
        channel.patterns().filter_map(|(key, reach)| {
            let table = &self.tables[reach as usize];
            if table.is_empty() {
                return None;
            }
            let hash = self.hasher.hash_one(key);
            table.find(hash, |list| &*self.lists[*list as usize].key == key).copied()
        })
    }

    /// How many sessions stand in a list.
    pub(super) fn len(&self, list: u32) -> usize {
        self.lists[list as usize].members.len()
    }

    /// The slots in a list.
    pub(super) fn members(&self, list: u32) -> impl Iterator<Item = u32> + '_ {
        self.lists[list as usize].members.iter().map(|member| member.slot)
    }
}
