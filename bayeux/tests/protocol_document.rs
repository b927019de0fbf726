//! `docs/protocol.md` says what the code does: each example in it is parsed, or is what the server writes.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a wrong assumption is told")]

use bayeux::reply::REFUSALS;
use bayeux::{
    Advice, Channel, Draft, Limits, Pattern, Payload, Position, Reconnect, Refusal, Reply, Request,
    RequestId, Seal, SessionId, Subscription, Verb, parse, parse_answers,
};
use serde_json::Value;
use serde_json::value::RawValue;

const DOCUMENT: &str = include_str!("../../docs/protocol.md");

const TYPES: &[&str] = &["websocket", "long-polling"];

/// The JSON fences of a section, up to the next heading of the same level.
fn fences(heading: &str) -> Vec<&'static str> {
    let level = heading.split(' ').next().unwrap();
    let start = DOCUMENT.find(&format!("\n{heading}\n")).expect(heading) + heading.len() + 2;
    let section = &DOCUMENT[start..];
    let end = section.find(&format!("\n{level} ")).unwrap_or(section.len());
    let section = &section[..end];
    section.split("```json\n").skip(1).map(|fence| fence.split("\n```").next().unwrap()).collect()
}

fn subscription(names: &[&str], array: bool) -> Subscription {
    Subscription { patterns: names.iter().map(|name| Pattern::parse(name).unwrap()).collect(), array }
}

/// Every fence stands in a section that one of the tests below reads.
#[test]
fn no_example_is_left_unread() {
    let read: usize = ["## Requests", "## Replies", "## Deliveries", "### Messages that are refused"]
        .iter()
        .map(|heading| fences(heading).len())
        .sum();
    assert_eq!(read, DOCUMENT.matches("```json").count());
}

#[test]
fn requests_are_parsed_and_printed_as_they_stand_there() {
    let mut verbs = Vec::new();
    for fence in fences("## Requests") {
        let parsed = parse(fence.as_bytes(), &Limits::default()).unwrap();
        let [request] = &parsed[..] else { panic!("{fence} is not one request") };
        assert!(!matches!(request.verb, Verb::Refused { .. }), "{fence} became {request:?}");
        let mut out = Vec::new();
        request.write_json(&mut out);
        let printed: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(printed, serde_json::from_str::<Value>(fence).unwrap());
        assert!(request.client_id.iter().all(|id| SessionId::parse(id).is_some()), "{fence}");
        verbs.push(request.verb.channel().to_string());
    }
    for verb in ["handshake", "connect", "subscribe", "unsubscribe", "disconnect"] {
        assert!(verbs.contains(&format!("/meta/{verb}")), "{verb} has no example");
    }
}

#[test]
fn replies_are_what_the_server_writes() {
    let id = |token: &str| RequestId::from_json(&RawValue::from_string(token.into()).unwrap()).unwrap();
    let ids: Vec<_> = ["\"1\"", "\"2\"", "\"3\"", "\"4\"", "\"5\"", "\"6\"", "7", "\"8\"", "\"9\""]
        .map(id)
        .into_iter()
        .collect();
    let session = SessionId::parse("0AV7tqXn3PkR9sJw2YhL5cFd").unwrap();
    let advice = |reconnect, interval, multiple_clients| {
        Some(Advice { reconnect, interval, timeout: 30_000, multiple_clients })
    };
    let retry = advice(Reconnect::Retry, 0, false);
    let later = advice(Reconnect::Retry, 2_000, false);
    let many = advice(Reconnect::Retry, 2_000, true);
    let again = advice(Reconnect::Handshake, 0, false);
    let stop = advice(Reconnect::None, 0, false);
    let flash = Refusal::connection_type_unsupported(["flash"]);
    let unknown = Refusal::session_unknown();
    let replaced = Refusal::connect_replaced();
    let no_listening = Refusal::subscribe_denied("/chat/*", "guest");
    let no_saying = Refusal::publish_denied("/chat/demo", "guest");
    let raw = |json: &str| RawValue::from_string(json.into()).unwrap();
    let too_old =
        raw(r#"{"encke":{"recovery":{"/chat/*":{"cursor":"1a-30","recovered":false,"reason":"too_old"}}}}"#);
    let position = raw(r#"{"encke":{"position":"1a-31"}}"#);
    let page = raw(r#"{"messages":[],"cursor":"1a-31","more":false,"recovered":true}"#);
    let one = subscription(&["/chat/*"], false);
    let two = subscription(&["/chat/*", "/news/**"], true);

    let reply = |channel, number: usize| Reply { id: Some(&ids[number - 1]), ..Reply::new(channel) };
    let handshake = Reply { handshake: Some(TYPES), ..reply("/meta/handshake", 1) };
    let connect = reply("/meta/connect", 2);
    let written = [
        Reply { client_id: Some(&session), advice: retry, ..handshake },
        Reply { error: Some(&flash), advice: stop, ..handshake },
        Reply { advice: retry, ..connect },
        Reply { advice: many, ..connect },
        Reply { error: Some(&unknown), advice: again, ..connect },
        Reply { error: Some(&replaced), advice: later, ..connect },
        Reply { subscription: Some(&two), ..reply("/meta/subscribe", 4) },
        Reply { subscription: Some(&one), ..reply("/meta/unsubscribe", 5) },
        Reply { subscription: Some(&one), error: Some(&no_listening), ..reply("/meta/subscribe", 3) },
        reply("/chat/demo", 7),
        Reply { error: Some(&no_saying), ..reply("/chat/demo", 6) },
        reply("/meta/disconnect", 8),
        Reply { ack: Some(17), ..connect },
        Reply { subscription: Some(&one), ext: Some(&too_old), ..reply("/meta/subscribe", 3) },
        Reply { ext: Some(&position), ..reply("/chat/demo", 6) },
        Reply { data: Some(&page), ..reply("/service/history", 9) },
    ];
    let written = written.map(|reply| {
        let mut out = Vec::new();
        reply.write_json(&mut out);
        String::from_utf8(out).unwrap()
    });
    assert_eq!(fences("## Replies"), written);
    for fence in written {
        assert!(parse_answers(fence.as_bytes()).unwrap()[0].successful.is_some());
    }
}

#[test]
fn deliveries_are_what_the_server_writes() {
    let sealed = |channel, payload| {
        let draft = Draft { channel: Channel::parse(channel).unwrap(), id: None, payload };
        draft.seal(Position { epoch: 1, sequence: 36 })
    };
    let json = RawValue::from_string(r#"{"text":"hello"}"#.into()).unwrap();
    let text = |text: &str| Payload::Text { content_type: "text/html".into(), text: text.into() };
    let image = Payload::Bytes { content_type: "image/gif".into(), bytes: b"GIF89a".to_vec().into() };
    let draft = Draft {
        channel: Channel::parse("/chat/demo").unwrap(),
        id: None,
        payload: Payload::Json(json.clone()),
    };
    let seal = Seal { shown: true, ..Seal::default() };
    let kept = draft.encode().seal_as(Position { epoch: 1, sequence: 36 }, seal);
    let gap = RawValue::from_string(r#"{"subscription":["/chat/*"],"reason":"overflow"}"#.into()).unwrap();
    let replayed = kept.replayed("/chat/*");
    let written = [
        sealed("/chat/demo", Payload::Json(json)),
        sealed("/pages/now", text("<p>now</p>")),
        sealed("/cam/1", image),
        kept,
        replayed,
        sealed("/meta/gap", Payload::Json(gap)),
    ];
    let written = written.each_ref().map(|message| str::from_utf8(message.json()).unwrap());
    assert_eq!(fences("## Deliveries"), written);

    let event = sealed("/pages/now", text("<p>\nnow</p>"));
    let event = str::from_utf8(event.event(true)).unwrap();
    assert!(DOCUMENT.contains(&format!("```text\n{event}```\n")), "{event}");
}

#[test]
fn the_table_of_errors_is_that_of_the_code() {
    let errors = DOCUMENT.split("\n## Errors\n").nth(1).unwrap();
    let rows: Vec<_> = errors.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let expected: Vec<_> = REFUSALS
        .iter()
        .map(|kind| format!("| {} | `{}` | {} |", kind.code, kind.message, kind.sentence))
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn messages_are_refused_as_it_says() {
    for fence in fences("### Messages that are refused") {
        let pairs: Vec<(Box<RawValue>, String)> = serde_json::from_str(fence).unwrap();
        for (message, error) in pairs {
            match &parse(message.get().as_bytes(), &Limits::default()).unwrap()[..] {
                [Request { verb: Verb::Refused { refusal, .. }, .. }] => {
                    assert_eq!(refusal.to_string(), error, "{message}");
                }
                other => panic!("{message} became {other:?}"),
            }
        }
    }
}

#[test]
fn the_limits_it_names_are_the_defaults() {
    let limits = Limits::default();
    let sentence = format!(
        "The limits are {} KiB\nand {} messages for a body, {} KiB and {} levels of nesting for a message, and {} patterns",
        limits.batch_bytes / 1024,
        limits.batch_messages,
        limits.message_bytes / 1024,
        limits.depth,
        limits.subscriptions_per_request,
    );
    assert!(DOCUMENT.contains(&sentence), "{sentence}");
    let channel = format!("at most {} bytes and {} segments", limits.channel.bytes, limits.channel.segments);
    assert!(DOCUMENT.contains(&channel), "{channel}");
}
