//! Rules against brute force: a naive reading of the same tables, channel by channel.

use bayeux::{Channel, Pattern};
use proptest::prelude::*;

use super::rules::{Denied, Facts, RuleOptions, Rules, Verb};

const PATTERNS: &[&str] = &[
    "/a",
    "/a/b",
    "/a/b/c",
    "/a/*",
    "/a/**",
    "/a/b/*",
    "/a/b/**",
    "/*",
    "/**",
    "/b",
    "/b/*",
    "/b/**",
    "/{sub}/*",
    "/a/{sub}",
    "/a/{sub}/**",
    "/a/{team}/*",
];
const CHANNELS: &[&str] = &[
    "/a",
    "/b",
    "/c",
    "/a/b",
    "/a/c",
    "/a/alice",
    "/alice/x",
    "/a/b/c",
    "/a/b/d",
    "/a/alice/x",
    "/a/red/x",
    "/a/b/c/d",
    "/b/x",
    "/b/x/y",
    "/c/x",
    "/c/d/e",
    "/a/c/e/f",
    "/bob/x",
];
const WHO: &[&str] = &["anyone", "user", "user:alice", "group:staff", "claim:team=red", "key:shop"];

#[derive(Clone, Debug)]
struct Person {
    subject: Option<&'static str>,
    groups: Vec<Box<str>>,
    claims: Vec<(Box<str>, Box<str>)>,
    key: Option<&'static str>,
}

impl Person {
    fn facts(&self) -> Facts<'_> {
        Facts { subject: self.subject, groups: &self.groups, claims: &self.claims, key: self.key }
    }

    fn is(&self, who: &str) -> bool {
        match who {
            "anyone" => true,
            "user" => self.subject.is_some(),
            "user:alice" => self.subject == Some("alice"),
            "group:staff" => !self.groups.is_empty(),
            "claim:team=red" => !self.claims.is_empty(),
            _ => self.key.is_some(),
        }
    }
}

fn people() -> Vec<Person> {
    let nobody = Person { subject: None, groups: vec![], claims: vec![], key: None };
    vec![
        nobody.clone(),
        Person { subject: Some("alice"), ..nobody.clone() },
        Person { subject: Some("bob"), groups: vec!["staff".into()], ..nobody.clone() },
        Person { subject: Some("**"), claims: vec![("team".into(), "red".into())], ..nobody.clone() },
        Person { subject: Some("a/b"), ..nobody.clone() },
        Person { key: Some("shop"), ..nobody },
    ]
}

/// Whether a pattern with names in it matches a channel, segment by segment.
fn matches(pattern: &str, person: &Person, channel: &str) -> bool {
    let segments: Option<Vec<&str>> = pattern
        .split('/')
        .map(|segment| match segment {
            "{sub}" => person.subject.filter(|subject| !subject.contains(['/', '*'])),
            "{team}" => person.claims.first().map(|(_, value)| &**value),
            segment => Some(segment),
        })
        .collect();
    let Some(pattern) = segments else { return false };
    let channel: Vec<_> = channel.split('/').collect();
    let (last, front) = pattern.split_last().unwrap();
    match *last {
        "**" => channel.len() > front.len() && channel.starts_with(front),
        "*" => channel.len() == pattern.len() && channel.starts_with(front),
        _ => pattern == channel,
    }
}

fn naive(tables: &[RuleOptions], person: &Person, verb: Verb, channel: &str) -> bool {
    let about = |table: &&RuleOptions| {
        table.who.iter().any(|who| person.is(who))
            && table.channels.iter().any(|pattern| matches(pattern, person, channel))
    };
    let denied = tables.iter().filter(about).any(|table| table.may_not.contains(&verb));
    !denied && tables.iter().filter(about).any(|table| table.may.contains(&verb))
}

fn some(of: &'static [&'static str], count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::sample::select(of).prop_map(str::to_owned), count)
}

fn table() -> impl Strategy<Value = RuleOptions> {
    let verbs = || prop::sample::subsequence(Verb::ALL.to_vec(), 0..=4);
    let deny = prop_oneof![3 => Just(vec![]), 1 => verbs()];
    (some(WHO, 1..3), prop::sample::subsequence(Verb::ALL.to_vec(), 1..=4), deny, some(PATTERNS, 1..3))
        .prop_map(|(who, may, may_not, channels)| RuleOptions { who, may, may_not, channels })
}

/// Everything that a wildcard could match here, and one name for all that is not listed.
fn universe() -> Vec<Channel> {
    CHANNELS.iter().map(|name| Channel::parse(name).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn rules_say_what_a_naive_reading_says(tables in prop::collection::vec(table(), 0..6)) {
        let rules = Rules::new(&tables).unwrap();
        for person in people() {
            let rights = rules.of(person.facts());
            for channel in universe() {
                let expected = naive(&tables, &person, Verb::Publish, channel.as_str());
                prop_assert_eq!(rights.may_publish(&channel).is_ok(), expected, "{:?} {:?}", person, channel);
                for verb in Verb::ALL {
                    let exact = Pattern::parse(channel.as_str()).unwrap();
                    let expected = naive(&tables, &person, verb, channel.as_str());
                    prop_assert_eq!(rights.may_all(verb, &exact).is_ok(), expected, "{:?} {:?}", person, channel);
                }
            }
        }
    }

    /// Whoever may listen to a pattern may listen to each channel that it matches: no deny is passed by a wildcard.
    #[test]
    fn a_right_to_a_pattern_is_one_to_all_of_it(tables in prop::collection::vec(table(), 0..6)) {
        let rules = Rules::new(&tables).unwrap();
        for person in people() {
            let rights = rules.of(person.facts());
            for pattern in PATTERNS.iter().filter(|text| !text.contains('{')) {
                let pattern = Pattern::parse(pattern).unwrap();
                let inside: Vec<_> = universe().into_iter().filter(|channel| pattern.matches(channel)).collect();
                match rights.may_all(Verb::Subscribe, &pattern) {
                    Ok(()) => for channel in &inside {
                        prop_assert!(naive(&tables, &person, Verb::Subscribe, channel.as_str()));
                    },
                    Err(Denied::NoRule(Some(within))) => {
                        prop_assert!(pattern.covers(within) && *within != pattern);
                        prop_assert!(rights.may_all(Verb::Subscribe, within).is_ok(), "{:?}", within);
                    }
                    // A channel that nobody has thought of is denied, or the whole pattern has no rule.
                    Err(_) => {}
                }
            }
        }
    }
}

#[test]
fn what_is_wrong_with_a_rule_is_said() {
    let good = RuleOptions {
        who: vec!["user".into()],
        may: vec![Verb::Publish],
        may_not: vec![],
        channels: vec!["/users/{sub}/**".into()],
    };
    assert!(Rules::new(std::slice::from_ref(&good)).is_ok());
    for (bad, reason) in [
        (RuleOptions { who: vec![], ..good.clone() }, "it says nobody"),
        (RuleOptions { who: vec!["users".into()], ..good.clone() }, "\"users\" is nobody"),
        (RuleOptions { who: vec!["claim:plan".into()], ..good.clone() }, "\"claim:plan\" is nobody"),
        (RuleOptions { may: vec![], ..good.clone() }, "it says neither"),
        (RuleOptions { channels: vec![], ..good.clone() }, "it has no channels"),
        (RuleOptions { channels: vec!["/a/{sub".into()], ..good.clone() }, "\"/a/{sub\" is not a pattern"),
        (
            RuleOptions { channels: vec!["/**/{sub}".into()], ..good.clone() },
            "\"/**/{sub}\" is not a pattern",
        ),
    ] {
        let (number, why) = Rules::new(&[good.clone(), bad]).unwrap_err();
        assert!(number == 2 && why.to_string().starts_with(reason), "{number}: {why}");
    }
}
