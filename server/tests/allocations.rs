//! What the policy costs on the way of a publication: nothing at the allocator, for whoever is allowed.

use std::sync::Arc;

use allocation_counter::measure;
use bayeux::{Channel, Draft, Pattern, Payload};
use encke::broker::{Broker, By, Classes, RateOptions};
use encke::clock::Clock;
use encke::hub::Hub;
use encke::metrics::Metrics;
use encke::policy::rules::{RuleOptions, Verb};
use encke::policy::secret::Secret;
use encke::policy::signer::Signer;
use encke::policy::token::{KeyOptions, Options as Tokens};
use encke::policy::{Action, Credentials, Decision, Identity, Options, Policy, key};
use serde_json::json;

/// Publications of one measurement: fewer than a shard's mailbox holds, since nobody takes them out.
const PUBLICATIONS: u64 = 200;

fn tokens() -> Tokens {
    let secret = Secret::from("a secret of at least 32 bytes, for tests".to_owned());
    let key = KeyOptions { algorithm: "HS256".into(), secret, ..KeyOptions::default() };
    Tokens { key: vec![key], revoked: vec!["lost".into()], ..Tokens::default() }
}

/// Ten rules about alice, the last of which allows what she does, and one that denies beside it.
fn rules() -> Vec<RuleOptions> {
    let rule = |who: &str, channel: String| RuleOptions {
        who: vec![who.into()],
        may: vec![Verb::Publish, Verb::Subscribe, Verb::History],
        may_not: vec![],
        channels: vec![channel],
    };
    let mut rules: Vec<_> = (0..8).map(|number| rule("user", format!("/rooms/{number}/*"))).collect();
    let denies =
        RuleOptions { may: vec![], may_not: vec![Verb::Publish], ..rule("group:staff", "/users/*".into()) };
    rules.push(denies);
    rules.push(rule("user:alice", "/users/{sub}/**".into()));
    rules
}

fn guarded(keys: &[key::Options]) -> Policy {
    let options = Options { rule: rules(), ..Options::default() };
    Policy::new(options, tokens(), keys, Clock::by_hand().0).expect("good rules")
}

fn alice(policy: &Policy) -> Arc<Identity> {
    let claims = json!({"sub": "alice", "groups": ["staff"], "jti": "kept", "exp": policy.now() + 3600});
    let token = Signer::new(&tokens(), None)
        .expect("a key")
        .sign(claims.as_object().expect("claims"))
        .expect("signed");
    known(policy, token)
}

fn known(policy: &Policy, secret: String) -> Arc<Identity> {
    policy
        .identify(&Credentials { secret: Some(Secret::from(secret)), ..Credentials::default() })
        .expect("known")
}

#[test]
fn asking_costs_no_allocation() {
    let (secret, sha256) = key::make();
    let app = key::Options {
        name: "app".into(),
        sha256,
        may: vec![Verb::Publish],
        channels: vec!["/users/**".into()],
        rate: 1_000_000,
        ..key::Options::default()
    };
    let policy = guarded(&[app]);
    let channel = Channel::parse("/users/alice/inbox").expect("a channel");
    let pattern = Pattern::parse("/users/alice/**").expect("a pattern");
    for who in [alice(&policy), known(&policy, secret)] {
        let cost = measure(|| {
            for _ in 0..1000 {
                assert_eq!(policy.check(&who, Action::Publish(&channel)), Decision::Allow);
            }
        });
        assert_eq!((cost.count_total, cost.bytes_total), (0, 0), "{}", who.name());
    }
    let who = alice(&policy);
    let cost = measure(|| {
        assert_eq!(policy.check(&who, Action::Subscribe(&pattern)), Decision::Allow);
        assert_eq!(policy.check(&who, Action::History(&pattern)), Decision::Allow);
        assert_eq!(policy.check(&who, Action::Handshake), Decision::Allow);
    });
    assert_eq!(cost.count_total, 0);
    // This can fail: to say why not takes words.
    let denied = Channel::parse("/users/bob").expect("a channel");
    assert!(
        measure(|| assert_ne!(policy.check(&who, Action::Publish(&denied)), Decision::Allow)).count_total > 0
    );
}

/// What a broker with this policy allocates while somebody publishes.
fn publishing(policy: Policy, who: &Identity) -> u64 {
    let clock = Clock::by_hand().0;
    let limits = bayeux::Limits::default();
    let classes = Classes::new(&[], &limits.channel, clock.clone()).expect("no tables are good tables");
    let metrics = Metrics::new();
    let hub = Hub::new(encke::hub::Options::default(), 1, clock, metrics.clone(), classes.clone());
    let broker = Broker::new(hub, classes, policy, limits, RateOptions::default(), &[], metrics);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let channel = Channel::parse("/users/alice/inbox").expect("a channel");
    let publish = || {
        let data = serde_json::value::to_raw_value(&1).expect("JSON");
        let draft = Draft { channel: channel.clone(), id: None, payload: Payload::Json(data) };
        runtime.block_on(broker.publish(who, draft, By::Anyone)).expect("allowed");
    };
    publish();
    measure(|| (0..PUBLICATIONS).for_each(|_| publish())).count_total
}

#[test]
fn a_publication_costs_no_more_where_there_are_rules() {
    let policy = guarded(&[]);
    let who = alice(&policy);
    let with_rules = publishing(policy, &who);
    let open = publishing(Policy::open(Clock::by_hand().0), &Identity::default());
    assert_eq!(with_rules, open);
    assert!(open >= PUBLICATIONS, "a message is allocated: {open}");
}
