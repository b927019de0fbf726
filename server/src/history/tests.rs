//! Stories of one class, and all of it against a model.

mod model;

use std::sync::Arc;
use std::time::Duration;

use bayeux::{Channel, Draft, Message, Pattern, Payload, Position};
use proptest::prelude::*;

use super::memory::{RING, TOMBSTONES, cost};
use super::{Limit, Memory, Options};
use model::Model;

const ALL: Limit = Limit { messages: usize::MAX, bytes: usize::MAX };

fn message(channel: &str, sequence: u64, length: usize) -> Arc<Message> {
    let text = "x".repeat(length).into();
    let payload = Payload::Text { content_type: "text/plain".into(), text };
    let channel = Channel::parse(channel).unwrap();
    Arc::new(Draft { channel, id: None, payload }.seal(Position { epoch: 1, sequence }))
}

fn pattern(name: &str) -> Pattern {
    Pattern::parse(name).unwrap()
}

fn patterns(names: &[&str]) -> Vec<Pattern> {
    names.iter().map(|name| pattern(name)).collect()
}

fn sequences(messages: &[Arc<Message>]) -> Vec<u64> {
    messages.iter().map(|message| message.position().sequence).collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A store that has heard one message on each of these channels, one a second, sequences from 1.
fn heard(options: Options, channels: &[&str]) -> Memory {
    let mut memory = Memory::new(options);
    for (sequence, channel) in (1..).zip(channels) {
        memory.append(message(channel, sequence, 10), seconds(sequence));
    }
    memory
}

fn read(memory: &Memory, names: &[&str], after: u64, until: u64) -> Vec<u64> {
    let mut out = Vec::new();
    assert_eq!(memory.read(&patterns(names), after, until, ALL, &mut out), until);
    sequences(&out)
}

#[test]
fn a_wildcard_reads_its_channels_in_the_order_in_which_they_spoke() {
    let memory = heard(Options::default(), &["/a/x", "/b", "/a/y", "/a/x/deep", "/a-b/c", "/a/x", "/a"]);
    for (names, expected) in [
        (&["/a/*"][..], &[1, 3, 6][..]),
        (&["/a/**"], &[1, 3, 4, 6]),
        (&["/*"], &[2, 7]),
        (&["/**"], &[1, 2, 3, 4, 5, 6, 7]),
        (&["/a/x"], &[1, 6]),
        (&["/a/x", "/a/*", "/b"], &[1, 2, 3, 6]),
        (&["/nobody", "/nobody/**"], &[]),
        (&[], &[]),
    ] {
        assert_eq!(read(&memory, names, 0, 7), expected, "{names:?}");
    }
    assert_eq!(read(&memory, &["/a/**"], 1, 4), [3, 4]);
    assert_eq!(read(&memory, &["/a/**"], 7, 7), [0; 0]);
    assert_eq!(read(&memory, &["/a/**"], 9, 7), [0; 0]);
    assert_eq!((memory.messages(), memory.channels()), (7, 6));
}

#[test]
fn what_does_not_fit_is_read_by_the_next_call() {
    let memory = heard(Options::default(), &["/a", "/b", "/a", "/a", "/b"]);
    let size = message("/a", 1, 10).bytes();
    let mut out = Vec::new();
    let two = Limit { messages: 2, bytes: usize::MAX };
    assert_eq!(memory.read(&patterns(&["/a"]), 0, 5, two, &mut out), 3);
    assert_eq!(memory.read(&patterns(&["/a"]), 3, 5, two, &mut out), 5);
    assert_eq!(sequences(&out), [1, 3, 4]);
    out.clear();
    assert_eq!(
        memory.read(&patterns(&["/*"]), 0, 5, Limit { messages: 9, bytes: 2 * size + 1 }, &mut out),
        2
    );
    // One is handed out however large it is.
    assert_eq!(memory.read(&patterns(&["/*"]), 2, 5, Limit { messages: 0, bytes: 0 }, &mut out), 3);
    assert_eq!(sequences(&out), [1, 2, 3]);
    assert_eq!(sequences(&memory.newest(&patterns(&["/*"]), two)), [4, 5]);
    assert_eq!(sequences(&memory.newest(&patterns(&["/a"]), ALL)), [1, 3, 4]);
}

#[test]
fn the_latest_of_each_channel_is_the_latest_of_that_moment() {
    let memory = heard(Options::default(), &["/a/x", "/a/y", "/a/x", "/b", "/a/y"]);
    let latest = |after, until, limit| {
        let mut out = Vec::new();
        let reached = memory.latest(&patterns(&["/a/*"]), after, until, limit, &mut out);
        (reached, sequences(&out))
    };
    assert_eq!(latest(0, 5, ALL), (5, vec![3, 5]));
    assert_eq!(latest(0, 4, ALL), (4, vec![2, 3]));
    assert_eq!(latest(2, 4, ALL), (4, vec![3]));
    assert_eq!(latest(0, 4, Limit { messages: 1, bytes: usize::MAX }), (2, vec![2]));
}

#[test]
fn the_latest_of_thousands_of_channels_is_found_piece_by_piece() {
    let mut memory = Memory::new(Options::default());
    for sequence in 1..=9000 {
        memory.append(message(&format!("/a/{}", sequence % 3000), sequence, 1), seconds(0));
    }
    for until in [9000, 7500] {
        let (mut out, mut after, mut calls) = (Vec::new(), 0, 0);
        while after < until {
            after = memory.latest(&patterns(&["/a/*"]), after, until, ALL, &mut out);
            calls += 1;
        }
        assert!(sequences(&out).into_iter().eq(until - 2999..=until), "until {until}");
        assert!(calls > 1, "it did all in one call");
    }
}

#[test]
fn a_quiet_channel_lost_nothing_when_others_did() {
    let options = Options { count: 2, age: seconds(60), ..Options::default() };
    let mut memory = heard(options, &["/quiet", "/loud", "/loud", "/loud", "/loud"]);
    let lost = |memory: &Memory, name| memory.lost(&pattern(name));
    assert_eq!(read(&memory, &["/**"], 0, 5), [1, 4, 5]);
    assert_eq!(["/quiet", "/loud", "/*", "/**", "/else"].map(|name| lost(&memory, name)), [0, 3, 3, 3, 0]);
    // When it has lost all it had, it still knows what that was.
    assert!(!memory.expire(seconds(62)));
    assert_eq!((memory.messages(), memory.channels()), (2, 1));
    assert_eq!(["/quiet", "/loud", "/*"].map(|name| lost(&memory, name)), [1, 3, 3]);
    memory.append(message("/quiet", 6, 10), seconds(63));
    assert_eq!(["/quiet", "/loud", "/*"].map(|name| lost(&memory, name)), [1, 3, 3]);
    assert_eq!((memory.messages(), memory.channels()), (3, 2));
}

#[test]
fn a_message_beyond_the_bounds_counts_as_gone_and_throws_nothing_out() {
    let options = Options { bytes: 1000, ..Options::default() };
    let mut memory = heard(options, &["/a", "/b"]);
    memory.append(message("/a", 3, 2000), seconds(3));
    memory.append(message("/new", 4, 2000), seconds(3));
    assert_eq!(read(&memory, &["/**"], 0, 4), [1, 2]);
    assert_eq!(["/a", "/b", "/new"].map(|name| memory.lost(&pattern(name))), [3, 0, 4]);
    assert_eq!((memory.messages(), memory.channels()), (2, 2));
}

#[test]
fn a_class_without_room_for_more_lets_the_oldest_go_whoever_said_it() {
    let each = cost(&message("/a", 1, 10)) + RING + 2;
    let options = Options { total_bytes: 3 * each, ..Options::default() };
    let memory = heard(options, &["/a", "/b", "/c", "/d", "/e"]);
    assert!(memory.bytes() <= 3 * each, "{}", memory.bytes());
    assert_eq!(read(&memory, &["/**"], 0, 5), [3, 4, 5]);
    // A tombstone would take more than its share here.
    assert_eq!(["/a", "/b", "/e", "/**"].map(|name| memory.lost(&pattern(name))), [2; 4]);
}

#[test]
fn tombstones_are_bounded_and_the_oldest_knowledge_goes_first() {
    let mut memory = Memory::new(Options { age: seconds(1), ..Options::default() });
    let many = TOMBSTONES as u64 + 3;
    for sequence in 1..=many {
        memory.append(message(&format!("/a/{sequence}"), sequence, 1), seconds(0));
    }
    assert_eq!(memory.channels(), many as usize);
    while memory.expire(seconds(2)) {}
    assert_eq!((memory.messages(), memory.channels()), (0, 0));
    // Three are forgotten by name, so nobody can say of any channel that it lost less.
    assert_eq!(memory.lost(&pattern("/never")), 3);
    assert_eq!(memory.lost(&pattern("/a/2")), 3);
    assert_eq!(memory.lost(&pattern("/a/100")), 100);
    assert_eq!(memory.lost(&pattern("/a/*")), many);
    assert!(memory.bytes() < TOMBSTONES * (RING + 20), "{}", memory.bytes());
}

#[test]
fn many_channels_are_read_piece_by_piece() {
    let mut memory = Memory::new(Options { count: 50, ..Options::default() });
    for sequence in 1..=20_000 {
        let channel = format!("/{}/{}", if sequence % 4 == 0 { "few" } else { "many" }, sequence % 500);
        memory.append(message(&channel, sequence, 1), seconds(0));
    }
    for name in ["/few/*", "/many/**"] {
        let (mut out, mut after, mut calls) = (Vec::new(), 0, 0);
        while after < 20_000 {
            let reached = memory.read(&patterns(&[name]), after, 20_000, ALL, &mut out);
            assert!(reached > after, "it did not get on");
            (after, calls) = (reached, calls + 1);
        }
        assert_eq!(calls, 5, "{name}");
        let expected = (1..=20_000u64).filter(|sequence| (sequence % 4 == 0) == (name == "/few/*"));
        assert!(sequences(&out).into_iter().eq(expected), "{name}");
    }
    // Old ones of many channels, behind thousands of others.
    for sequence in 20_001..=26_000 {
        memory.append(message(&format!("/many/{}", sequence % 500), sequence, 1), seconds(0));
    }
    let newest = memory.newest(&patterns(&["/few/*"]), Limit { messages: 2, bytes: usize::MAX });
    assert_eq!(sequences(&newest), [19_996, 20_000]);
    // More patterns than are tried one by one.
    let names: Vec<String> = (0..200).map(|number| format!("/few/{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let newest = memory.newest(&patterns(&names), Limit { messages: 3, bytes: usize::MAX });
    assert_eq!(sequences(&newest), [19_692, 19_696, 20_000]);
}

#[derive(Clone, Debug)]
enum Step {
    Append { channel: String, length: usize, skipped: u64, passed: u64 },
    Expire { passed: u64 },
    Ask { patterns: Vec<Pattern>, after: u64, until: u64, limit: Limit },
}

fn channels() -> impl Strategy<Value = String> {
    // So few that they are nested and met again, and so many that a merge is not always possible.
    "/[a-c](/[ab.]){0,2}|/d/[a-z][a-z]"
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let suffix = prop_oneof![Just(""), Just("/*"), Just("/**")];
    let narrow = (channels(), suffix).prop_map(|(name, suffix)| pattern(&format!("{name}{suffix}")));
    let wide = prop_oneof![Just("/*"), Just("/**"), Just("/d/*"), Just("/d/**")].prop_map(pattern);
    let patterns = prop::collection::vec(prop_oneof![narrow, wide], 0..12);
    let length = prop_oneof![6 => 0..60usize, 1 => 500..1500usize];
    let append = (channels(), length, 0..3u64, 0..3u64)
        .prop_map(|(channel, length, skipped, passed)| Step::Append { channel, length, skipped, passed });
    let limit = (0..20usize, 0..4000usize).prop_map(|(messages, bytes)| Limit { messages, bytes });
    let ask = (patterns, 0..400u64, 0..400u64, limit).prop_map(|(patterns, after, until, limit)| Step::Ask {
        patterns,
        after,
        until,
        limit,
    });
    let expire = (0..40u64).prop_map(|passed| Step::Expire { passed });
    prop::collection::vec(prop_oneof![12 => append, 1 => expire, 2 => ask], 1..200)
}

fn options() -> impl Strategy<Value = Options> {
    (1..8usize, 300..3000usize, 10..400u64, 500..40_000usize)
        .prop_map(|(count, bytes, age, total_bytes)| Options { count, bytes, age: seconds(age), total_bytes })
}

/// What a limit lets through: one, and more as long as they fit.
fn within(messages: &[Arc<Message>], limit: Limit) -> usize {
    let mut bytes = 0;
    let fits = |(number, message): &(usize, &Arc<Message>)| {
        bytes += message.bytes();
        *number == 0 || (*number < limit.messages && bytes <= limit.bytes)
    };
    messages.iter().enumerate().take_while(fits).count()
}

fn ask(memory: &Memory, model: &Model, patterns: &[Pattern], after: u64, until: u64, limit: Limit) {
    let matching = model.matching(patterns);
    let wanted: Vec<_> = matching
        .iter()
        .filter(|message| (after + 1..=until).contains(&message.position().sequence))
        .cloned()
        .collect();
    // One call says truly how far it came; all calls together say everything.
    let mut out = Vec::new();
    let reached = memory.read(patterns, after, until, limit, &mut out);
    assert_eq!(sequences(&out), sequences(&wanted[..within(&wanted, limit)]));
    assert!(sequences(&wanted[out.len()..]).iter().all(|sequence| *sequence > reached));
    let mut reached = reached;
    while reached < until {
        reached = memory.read(patterns, reached, until, limit, &mut out);
    }
    assert_eq!(sequences(&out), sequences(&wanted));

    let wanted: Vec<_> = model.latest(patterns, until).into_iter().filter(|at| *at > after).collect();
    let (mut out, mut reached) = (Vec::new(), after.min(until));
    while reached < until {
        let had = out.len();
        reached = memory.latest(patterns, reached, until, limit, &mut out);
        assert!(out.len() - had <= limit.messages.max(1));
        let told = wanted.iter().filter(|at| **at <= reached).count();
        assert_eq!(sequences(&out), wanted[..told]);
    }
    assert_eq!(sequences(&out), wanted);

    let newest: Vec<_> = matching.iter().rev().cloned().collect();
    let mut newest = sequences(&newest[..within(&newest, limit)]);
    newest.reverse();
    assert_eq!(sequences(&memory.newest(patterns, limit)), newest);

    for pattern in patterns {
        assert_eq!(memory.lost(pattern), model.lost(pattern), "{}", pattern.as_str());
    }
}

proptest! {
    #[test]
    fn a_store_answers_like_one_that_keeps_everything(options in options(), steps in steps()) {
        let (mut memory, mut model) = (Memory::new(options), Model::new(options));
        let (mut sequence, mut now) = (0, seconds(0));
        for step in steps {
            match step {
                Step::Append { channel, length, skipped, passed } => {
                    sequence += 1 + skipped;
                    now += seconds(passed);
                    let message = message(&channel, sequence, length);
                    memory.append(message.clone(), now);
                    model.append(message, now);
                }
                Step::Expire { passed } => {
                    now += seconds(passed);
                    while memory.expire(now) {}
                    model.expire(now);
                }
                Step::Ask { patterns, after, until, limit } => {
                    ask(&memory, &model, &patterns, after, until, limit);
                }
            }
            prop_assert!(memory.bytes() <= options.total_bytes);
            prop_assert_eq!(memory.bytes(), model.bytes());
            prop_assert_eq!(memory.messages(), model.kept().count());
            prop_assert_eq!(memory.channels(), model.channels().len());
        }
    }
}
