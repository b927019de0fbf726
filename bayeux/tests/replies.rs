//! What the server answers is what a client reads.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a wrong assumption is told")]

mod strategies;

use bayeux::{Advice, Pattern, Reconnect, Refusal, Reply, SessionId, Subscription, parse_answers};
use proptest::prelude::*;
use serde_json::Value;

fn advice() -> impl Strategy<Value = Advice> {
    let reconnect = prop::sample::select(vec![Reconnect::Retry, Reconnect::Handshake, Reconnect::None]);
    (reconnect, 0..i64::MAX as u64, 0..i64::MAX as u64, any::<bool>()).prop_map(
        |(reconnect, interval, timeout, multiple_clients)| Advice {
            reconnect,
            interval,
            timeout,
            multiple_clients,
        },
    )
}

fn subscription() -> impl Strategy<Value = Subscription> {
    let pattern = "(/[a-z]{1,3}){1,3}(/\\*{1,2})?".prop_map(|name| Pattern::parse(&name).unwrap());
    (prop::collection::vec(pattern, 1..4), any::<bool>())
        .prop_map(|(patterns, array)| Subscription { array: array || patterns.len() > 1, patterns })
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed(
        channel in strategies::text(),
        id in proptest::option::of(strategies::request_id()),
        error in proptest::option::of((strategies::text(), strategies::text())),
        shard in proptest::option::of(0..SessionId::SHARDS),
        subscription in proptest::option::of(subscription()),
        advice in proptest::option::of(advice()),
        types in proptest::option::of(prop::sample::subsequence(vec!["websocket", "long-polling"], 0..=2)),
        ext in proptest::option::of(strategies::object()),
    ) {
        let error = error.map(|(channel, why)| Refusal::publish_denied(&channel, &why));
        let client_id = shard.map(|shard| SessionId::new(shard, || 1));
        let reply = Reply {
            channel: &channel,
            id: id.as_ref(),
            error: error.as_ref(),
            client_id: client_id.as_ref(),
            subscription: subscription.as_ref(),
            advice,
            handshake: types.as_deref(),
            data: None,
            ext: ext.as_deref(),
            ack: None,
        };
        let mut out = b"[".to_vec();
        reply.write_json(&mut out);
        let text = str::from_utf8(&out).unwrap();
        prop_assert!(!text.contains(['\n', '\r', '<', '\u{2028}', '\u{2029}']), "{}", text);
        out.push(b']');
        let answers = parse_answers(&out).unwrap();
        prop_assert_eq!(parse_answers(&out[1..out.len() - 1]).unwrap().len(), 1);

        let [answer] = &answers[..] else { panic!("{answers:?}") };
        prop_assert_eq!(&*answer.channel, &*channel);
        let value = |json: &str| serde_json::from_str::<Value>(json).unwrap();
        let expected = id.as_ref().map(|id| value(id.as_json()));
        prop_assert_eq!(answer.id.as_ref().map(|id| value(id.as_json())), expected);
        prop_assert_eq!(answer.successful, Some(error.is_none()));
        let error = error.map(|error| error.to_string().into_boxed_str());
        prop_assert_eq!(&answer.error, &error);
        prop_assert_eq!(answer.client_id.as_deref(), client_id.as_ref().map(|id| id.as_str()));
        prop_assert_eq!(&answer.subscription, &subscription);
        prop_assert_eq!(answer.advice, advice);
        let names = |types: &[Box<str>]| types.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let expected = types.as_ref().map(|types| types.iter().map(|name| name.to_string()).collect());
        prop_assert_eq!(answer.supported_connection_types.as_deref().map(names), expected);
        prop_assert_eq!(answer.version.as_deref(), types.as_ref().map(|_| "1.0"));
        let ext = ext.map(|ext| value(ext.get()));
        prop_assert_eq!(answer.ext.as_ref().map(|ext| value(ext.get())), ext);
        prop_assert!(answer.data.is_none());
    }

    #[test]
    fn an_error_string_has_three_parts(channel in any::<String>(), why in any::<String>()) {
        let refusal = Refusal::subscribe_denied(&channel, &why);
        let text = refusal.to_string();
        let parts: Vec<_> = text.split(':').collect();
        prop_assert_eq!(&parts, &["403", refusal.arguments(), "subscribe_denied"]);
        prop_assert!(refusal.arguments().len() <= 512);
        prop_assert!(!text.contains(char::is_control));
    }
}

#[test]
fn other_servers_are_understood() {
    let faye = br#"[{"id":"1","channel":"/meta/handshake","successful":true,"version":"1.0",
        "supportedConnectionTypes":["long-polling"],"clientId":"0","advice":{"reconnect":"retry"},"more":[]},
        {"channel":"/a","data":null,"id":"5"}]"#;
    let answers = parse_answers(faye).unwrap();
    let advice = Advice { reconnect: Reconnect::Retry, interval: 0, timeout: 0, multiple_clients: false };
    assert_eq!(answers[0].advice, Some(advice));
    assert_eq!(answers[1].data.as_ref().unwrap().get(), "null");
    assert_eq!(answers[1].successful, None);
    assert!(answers[0].data.is_none());
    for bad in [r#"[{"channel":5}]"#, r#"[{"successful":true}]"#, "[", "5", r#"[{"channel":"/a","id":{}}]"#] {
        assert!(parse_answers(bad.as_bytes()).is_err(), "{bad}");
    }
}
