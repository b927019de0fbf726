//! A shard without sockets: who hears what, whatever the order in which people came, listened and left.

use std::collections::{BTreeMap, BTreeSet};

use bayeux::{Ack, Acknowledged, Channel, Draft, Framing, Pattern, Payload, Position};
use proptest::prelude::*;

use super::shard::Shard;
use super::*;

fn shard(options: Options) -> Shard {
    let past = Arc::new(NoPast);
    Shard::new(0, Arc::new(options), Metrics::new(), Mailbox::new(), Clock::system(), past.classes(), past)
}

/// Nothing is kept.
struct NoPast;

impl Past for NoPast {
    fn classes(&self) -> Arc<[Class]> {
        let class = Class {
            epoch: 256,
            patterns: Vec::new(),
            history: false,
            keeps: 0,
            deliver: Deliver::Every,
            on_overflow: OnOverflow::End,
            last_value: false,
        };
        [class].into()
    }

    fn read(
        &self,
        _: usize,
        _: &[Pattern],
        span: Span,
        _: Portion,
        _: &mut Vec<Arc<Message>>,
        _: &mut dyn FnMut(usize, u64),
    ) -> u64 {
        span.until
    }

    fn latest(&self, _: usize, _: &Pattern, span: Span, _: Portion, _: &mut Vec<Arc<Message>>) -> u64 {
        span.until
    }

    fn lost(&self, _: usize, _: &Pattern) -> u64 {
        0
    }

    fn last(&self, _: usize) -> u64 {
        0
    }
}

fn message(channel: &str, number: u64) -> Arc<Message> {
    let payload = Payload::Json(serde_json::value::to_raw_value(&number).unwrap());
    let draft = Draft { channel: Channel::parse(channel).unwrap(), id: None, payload };
    Arc::new(draft.seal(Position { epoch: 256, sequence: number }))
}

fn publish(shard: &mut Shard, channel: &str) {
    let mailbox = shard.mailbox.clone();
    mailbox.post(Command::Deliver(message(channel, 7), None));
    shard.receive();
}

/// How many copies wait for a session, which has no connection. They are taken.
fn heard(shard: &mut Shard, key: Key) -> usize {
    let lines = shard.take(key, Framing::Lines);
    lines.iter().filter(|byte| **byte == b'\n').count()
}

/// What somebody does. Numbers are taken modulo the people, patterns and channels there are.
#[derive(Clone, Debug)]
enum Step {
    Come,
    Leave(usize),
    Subscribe(usize, Vec<usize>),
    Unsubscribe(usize, usize),
    Publish(usize),
}

const PATTERNS: &[&str] = &[
    "/a", "/a/b", "/a/b/c", "/a/*", "/a/**", "/a/b/*", "/a/b/**", "/*", "/**", "/b", "/b/*", "/b/**", "/ab/*",
];
const CHANNELS: &[&str] = &["/a", "/b", "/a/b", "/a/c", "/a/b/c", "/a/b/c/d", "/b/x", "/ab/x", "/c/d/e"];

/// Matching done the slow way, on segments.
fn matches(pattern: &str, channel: &str) -> bool {
    let (pattern, channel): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), channel.split('/').collect());
    let (last, front) = pattern.split_last().unwrap();
    match *last {
        "**" => channel.len() > front.len() && channel.starts_with(front),
        "*" => channel.len() == pattern.len() && channel.starts_with(front),
        _ => pattern == channel,
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Come),
        1 => any::<usize>().prop_map(Step::Leave),
        4 => (any::<usize>(), prop::collection::vec(any::<usize>(), 1..4)).prop_map(|(who, what)| Step::Subscribe(who, what)),
        3 => (any::<usize>(), any::<usize>()).prop_map(|(who, what)| Step::Unsubscribe(who, what)),
        3 => any::<usize>().prop_map(Step::Publish),
    ]
}

proptest! {
    #[test]
    fn everyone_hears_what_they_listen_to_exactly_once(steps in prop::collection::vec(step(), 1..80)) {
        let mut shard = shard(Options::default());
        let mut people: Vec<(Key, BTreeSet<&str>)> = Vec::new();
        for step in steps {
            match step {
                Step::Come => people.push((shard.handshake().0, BTreeSet::new())),
                _ if people.is_empty() => {}
                Step::Leave(who) => {
                    let (key, _) = people.swap_remove(who % people.len());
                    prop_assert!(shard.disconnect(key, None).is_some());
                    prop_assert!(!shard.has(key));
                }
                Step::Subscribe(who, what) => {
                    let count = people.len();
                    let (key, listens) = &mut people[who % count];
                    let names: Vec<_> = what.iter().map(|number| PATTERNS[number % PATTERNS.len()]).collect();
                    let patterns: Vec<_> = names.iter().map(|name| Pattern::parse(name).unwrap()).collect();
                    prop_assert_eq!(shard.subscribe(*key, &patterns), Subscribed::Done);
                    listens.extend(names);
                }
                Step::Unsubscribe(who, what) => {
                    let count = people.len();
                    let (key, listens) = &mut people[who % count];
                    let name = PATTERNS[what % PATTERNS.len()];
                    prop_assert!(shard.unsubscribe(*key, &[Pattern::parse(name).unwrap()]));
                    listens.remove(name);
                }
                Step::Publish(channel) => {
                    let channel = CHANNELS[channel % CHANNELS.len()];
                    publish(&mut shard, channel);
                    for (key, listens) in &people {
                        let expected = usize::from(listens.iter().any(|pattern| matches(pattern, channel)));
                        prop_assert_eq!(heard(&mut shard, *key), expected, "{:?} on {}", listens, channel);
                    }
                }
            }
        }
        let awake = shard.metrics.subscriptions.get();
        for (key, _) in people {
            shard.disconnect(key, None);
        }
        prop_assert!(awake >= 0);
        prop_assert_eq!(shard.metrics.subscriptions.get(), 0);
        prop_assert_eq!(shard.metrics.sessions.get(), 0);
    }
}

#[test]
fn an_outbox_at_its_bound_ends_its_session_and_no_other() {
    let mut shard = shard(Options { outbox_messages: 10, ..Options::default() });
    let (absent, id) = shard.handshake();
    let (other, _) = shard.handshake();
    for key in [absent, other] {
        shard.subscribe(key, &[Pattern::parse("/a").unwrap()]);
    }
    for _ in 0..10 {
        publish(&mut shard, "/a");
    }
    assert_eq!(heard(&mut shard, other), 10);
    assert!(shard.has(absent), "ten are allowed");
    publish(&mut shard, "/a");
    assert!(!shard.has(absent), "and the eleventh is not");
    assert_eq!(shard.find(&id), None);
    assert_eq!(heard(&mut shard, other), 1);
    let text = shard.metrics.text();
    assert!(text.contains("encke_sessions_ended_total{cause=\"overflow\"} 1"), "{text}");
    assert!(text.contains("encke_messages_dropped_total{cause=\"overflow\"} 11"), "{text}");
}

#[test]
fn the_bound_in_bytes_counts_as_well() {
    let one = message("/a", 7).bytes();
    let mut shard = shard(Options { outbox_bytes: one * 3, ..Options::default() });
    let (key, _) = shard.handshake();
    shard.subscribe(key, &[Pattern::parse("/a").unwrap()]);
    for _ in 0..3 {
        publish(&mut shard, "/a");
    }
    assert!(shard.has(key));
    publish(&mut shard, "/a");
    assert!(!shard.has(key));
}

#[test]
fn too_many_subscriptions_change_nothing() {
    let mut shard = shard(Options { subscriptions: 3, ..Options::default() });
    let (key, _) = shard.handshake();
    let patterns =
        |names: &[&str]| names.iter().map(|name| Pattern::parse(name).unwrap()).collect::<Vec<_>>();
    assert_eq!(shard.subscribe(key, &patterns(&["/a/*", "/a/b"])), Subscribed::Done);
    assert_eq!(shard.subscribe(key, &patterns(&["/c", "/d"])), Subscribed::TooMany);
    publish(&mut shard, "/c");
    assert_eq!(heard(&mut shard, key), 0);
    assert_eq!(shard.subscribe(key, &patterns(&["/a/b", "/c"])), Subscribed::Done);
    publish(&mut shard, "/c");
    assert_eq!(heard(&mut shard, key), 1);
}

#[test]
fn a_slot_given_to_somebody_else_does_not_answer_to_the_old_key() {
    let mut shard = shard(Options::default());
    let (old, _) = shard.handshake();
    shard.disconnect(old, None);
    let (new, _) = shard.handshake();
    assert_eq!(old.slot, new.slot);
    assert!(!shard.has(old) && shard.has(new));
    assert_eq!(shard.subscribe(old, &[Pattern::parse("/a").unwrap()]), Subscribed::Unknown);
    assert_eq!(shard.room(old), Room::Unknown);
}

#[test]
fn ids_are_unguessable_and_say_their_shard() {
    let mut shard = shard(Options::default());
    let ids: BTreeMap<String, Key> =
        (0..1000).map(|_| shard.handshake()).map(|(key, id)| (id.as_str().to_owned(), key)).collect();
    assert_eq!(ids.len(), 1000);
    assert!(ids.keys().all(|id| id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())));
    let firsts: BTreeSet<_> = ids.keys().map(|id| &id[2..6]).collect();
    assert!(firsts.len() > 990, "the random part begins at once");
}

#[tokio::test]
async fn a_woken_outlet_is_woken_and_takes_what_waits_in_order() {
    let mut shard = shard(Options::default());
    let key = shard.open_stream();
    shard.subscribe(key, &[Pattern::parse("/a").unwrap()]);
    let woken = Arc::new(Woken::default());
    assert!(shard.attach_woken(key, woken.clone()));
    for number in 1..=3 {
        shard.mailbox.clone().post(Command::Deliver(message("/a", number), None));
    }
    shard.turn();
    woken.waiting().await;
    let lines = String::from_utf8(shard.take(key, Framing::Lines)).unwrap();
    let data: Vec<_> = lines.lines().map(|line| line.rsplit(':').next().unwrap()).collect();
    assert_eq!(data, ["1}", "2}", "3}"]);
    assert!(shard.take(key, Framing::Lines).is_empty());
    // The end of the session wakes too, and taking then finds nobody.
    shard.end(key.slot, Ended::Closed);
    woken.waiting().await;
    assert!(!shard.has(key));
}

#[tokio::test]
async fn what_is_still_said_on_a_socket_that_was_left_repeats_nothing_on_the_next() {
    let mut shard = shard(Options::default());
    let (key, _) = shard.handshake();
    shard.settle(key, Ack::Count, None);
    shard.subscribe(key, &[Pattern::parse("/a").unwrap()]);
    let [(old, _), (new, heard)] =
        [line(1000), line(1000)].map(|(end, client)| (Wire::simulated(end), client));
    assert!(shard.attach(key, old.clone(), Framing::WebSocket, false, None));
    assert!(shard.attach(key, new.clone(), Framing::WebSocket, false, None));
    publish(&mut shard, "/a");
    shard.flush(key.slot);
    let sent = heard.waiting();
    assert!(sent > 0);
    // Its reader has not yet seen that it is closed. The connect comes too late to take the session, as attaching it says.
    shard.arrived(key, Acknowledged::First(0), Some(&old));
    assert!(!shard.attach(key, old, Framing::WebSocket, false, None));
    shard.flush(key.slot);
    assert_eq!(heard.waiting(), sent, "it came again");
}

#[test]
fn publishers_return_as_soon_as_half_of_the_bytes_are_taken() {
    use std::task::{Context, Waker};
    let mailbox = Mailbox::new();
    let piece = MAIL_BYTES / 64;
    mailbox.bytes.store(MAIL_BYTES, Ordering::Relaxed);
    mailbox.messages.store(64, Ordering::Relaxed);
    assert!(mailbox.is_full());
    let mut waiting = std::pin::pin!(mailbox.room.notified());
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..31 {
        mailbox.taken(piece);
        assert!(waiting.as_mut().poll(&mut context).is_pending());
    }
    mailbox.taken(piece);
    assert!(waiting.as_mut().poll(&mut context).is_ready());
}
