//! Patterns find exactly the channels that a person would say they find.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a wrong assumption is told")]

use std::collections::HashSet;

use bayeux::{Channel, ChannelKind, Pattern, Reach};
use proptest::prelude::*;

/// The rules of the SPEC said once more, segment by segment, without keys and reaches.
fn says_the_spec(pattern: &[&str], channel: &[&str]) -> bool {
    match (pattern, channel) {
        ([], []) => true,
        (["*"], [_]) | (["**"], [_, ..]) => true,
        ([first, pattern @ ..], [other, channel @ ..]) => first == other && says_the_spec(pattern, channel),
        _ => false,
    }
}

fn segments(name: &str) -> Vec<&str> {
    name.split('/').skip(1).collect()
}

/// Few and similar segments, so that names meet often.
fn segment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "ab", "a.b", "meta", "$@"])
}

fn name(segments: Vec<&str>) -> String {
    segments.iter().map(|segment| format!("/{segment}")).collect()
}

fn channel() -> impl Strategy<Value = Channel> {
    prop::collection::vec(segment(), 1..6).prop_map(|segments| Channel::parse(&name(segments)).unwrap())
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let last = prop_oneof![segment(), Just("*"), Just("**")];
    (prop::collection::vec(segment(), 0..5), last).prop_map(|(mut segments, last)| {
        segments.push(last);
        Pattern::parse(&name(segments)).unwrap()
    })
}

/// Every name of at most `depth` segments over an alphabet.
fn all_names(alphabet: &[&str], depth: usize) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut from = 0;
    for _ in 0..depth {
        let to = names.len();
        for index in from..to {
            for segment in alphabet {
                names.push(format!("{}/{segment}", names[index]));
            }
        }
        from = to;
    }
    names.split_off(1)
}

proptest! {
    #[test]
    fn matches_is_what_the_spec_says(pattern in pattern(), channel in channel()) {
        let expected = says_the_spec(&segments(pattern.as_str()), &segments(channel.as_str()));
        prop_assert_eq!(pattern.matches(&channel), expected);
    }

    #[test]
    fn the_patterns_of_a_channel_are_those_that_match_it(channel in channel(), other in pattern()) {
        let patterns: Vec<_> = channel.patterns().collect();
        prop_assert_eq!(patterns.len(), segments(channel.as_str()).len() + 2);
        prop_assert_eq!(patterns.iter().collect::<HashSet<_>>().len(), patterns.len());
        for (key, reach) in &patterns {
            let pattern = Pattern::from_key(key, *reach);
            prop_assert_eq!(Pattern::parse(pattern.as_str()), Ok(pattern.clone()));
            prop_assert_eq!((pattern.key(), pattern.reach()), (*key, *reach));
            prop_assert!(says_the_spec(&segments(pattern.as_str()), &segments(channel.as_str())));
        }
        let listed = patterns.contains(&(other.key(), other.reach()));
        prop_assert_eq!(listed, other.matches(&channel));
    }

    #[test]
    fn a_pattern_is_its_key_and_its_reach(pattern in pattern()) {
        prop_assert_eq!(Pattern::from_key(pattern.key(), pattern.reach()), pattern.clone());
        prop_assert_eq!(pattern.is_wildcard(), pattern.as_str().ends_with('*'));
    }

    #[test]
    fn a_trailing_slash_changes_nothing_outside_of_meta(channel in channel()) {
        let slashed = format!("{}/", channel.as_str());
        let expected = if channel.kind() == ChannelKind::Meta { None } else { Some(channel) };
        prop_assert_eq!(Channel::parse(&slashed).ok(), expected);
    }

    #[test]
    fn any_text_is_a_channel_or_a_reason(text in any::<String>(), tail in "[/a-z*.]{0,12}") {
        for text in [text.clone(), format!("/{text}"), format!("/{tail}"), tail] {
            let pattern = Pattern::parse(&text);
            let channel = Channel::parse(&text);
            if let Ok(channel) = &channel {
                prop_assert_eq!(channel.as_str(), pattern.as_ref().unwrap().as_str());
                prop_assert_eq!(pattern.as_ref().unwrap().reach(), Reach::Exact);
                prop_assert_eq!(Channel::parse(channel.as_str()), Ok(channel.clone()));
            }
            if let Ok(pattern) = &pattern {
                prop_assert_eq!(pattern.is_wildcard(), channel.is_err());
                prop_assert!(pattern.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}

/// Exhaustive where it can be. `x` never stands in a pattern: it is the segment that only a wildcard finds.
/// One segment more than the longest pattern tells `**` from `*` everywhere.
#[test]
fn covers_is_inclusion_of_what_is_matched() {
    let patterns: Vec<Pattern> =
        all_names(&["a", "b", "*", "**"], 3).iter().filter_map(|name| Pattern::parse(name).ok()).collect();
    let channels: Vec<Channel> =
        all_names(&["a", "b", "x"], 4).iter().map(|name| Channel::parse(name).unwrap()).collect();
    let matched = |pattern: &Pattern| -> HashSet<usize> {
        let found =
            |channel: &Channel| says_the_spec(&segments(pattern.as_str()), &segments(channel.as_str()));
        (0..channels.len()).filter(|&index| found(&channels[index])).collect()
    };
    let matched: Vec<_> = patterns.iter().map(matched).collect();
    assert_eq!(patterns.len(), 14 + 14);
    for (one, of_one) in patterns.iter().zip(&matched) {
        for (other, of_other) in patterns.iter().zip(&matched) {
            let (one_name, other_name) = (one.as_str(), other.as_str());
            assert_eq!(one.covers(other), of_one.is_superset(of_other), "{one_name} {other_name}");
            let nested = one.covers(other) || other.covers(one);
            assert_eq!(nested, !of_one.is_disjoint(of_other), "{one_name} {other_name}");
        }
    }
}
