//! Bytes from anywhere: no parser panics, and the one for requests agrees with serde_json about what is JSON.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a wrong assumption is told")]

mod strategies;

use bayeux::framing::{array, event_stream, lines};
use bayeux::{Limits, Verb, parse, parse_answers, parse_form};
use proptest::prelude::*;
use serde_json::value::RawValue;

fn good_body() -> impl Strategy<Value = Vec<u8>> {
    let message =
        (strategies::channel(), strategies::json(), strategies::json()).prop_map(|(channel, id, data)| {
            let channel = channel.as_str();
            format!("{{\"channel\":\"{channel}\",\"id\":{id},\"data\":{data}}}")
        });
    let meta = prop::sample::select(vec![
        r#"{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket"]}"#,
        r#"{"channel":"/meta/connect","clientId":"abc","connectionType":"websocket","advice":{"timeout":0}}"#,
        r#"{"channel":"/meta/subscribe","clientId":"abc","subscription":["/a/**","/b"]}"#,
        r#"{"channel":"/meta/subscribe","successful":true,"advice":{"reconnect":"retry","interval":0}}"#,
    ]);
    let message = prop_oneof![message, meta.prop_map(String::from)];
    prop::collection::vec(message, 0..3)
        .prop_map(|messages| format!("[{}]", messages.join(" ,\n")).into_bytes())
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..100),
        1 => "[\\[\\]{}:,\"0-9a-z\\\\ ]{0,40}".prop_map(String::into_bytes),
        4 => strategies::damaged(good_body()),
    ]
}

proptest! {
    #[test]
    fn parse_takes_what_is_json_and_nothing_else(body in body()) {
        let expected = serde_json::from_slice::<Vec<&RawValue>>(&body)
            .or_else(|_| serde_json::from_slice::<&RawValue>(&body).map(|bare| vec![bare]))
            .ok()
            .filter(|messages| messages.iter().all(|message| message.get().starts_with('{')))
            .map(|messages| messages.len());
        let parsed = parse(&body, &Limits::default());
        prop_assert_eq!(parsed.as_ref().ok().map(Vec::len), expected, "{:?}", parsed);
        for request in parsed.unwrap_or_default() {
            if let Verb::Refused { channel, .. } = &request.verb {
                prop_assert!(channel.len() <= 512);
            }
            let mut out = Vec::new();
            request.write_json(&mut out);
            prop_assert_eq!(parse(&out, &Limits::default()).unwrap().len(), 1);
        }
    }

    #[test]
    fn an_error_points_into_the_body(body in body()) {
        if let Err(bayeux::ParseError::NotJson { line, column, .. }) = parse(&body, &Limits::default()) {
            let lines: Vec<_> = body.split(|&byte| byte == b'\n').collect();
            prop_assert!((1..=lines.len()).contains(&line));
            prop_assert!(column <= lines[line - 1].len() + 1, "line {} column {}", line, column);
        }
    }

    #[test]
    fn forms_are_read_or_refused(body in body(), form in "(message=|[\\[\\]{}%&=+\"0-9a-f])*") {
        let _ = parse_form(&body, &Limits::default());
        let _ = parse_form(form.as_bytes(), &Limits::default());
        let field = [b"message=", &body[..]].concat();
        let _ = parse_form(&field, &Limits::default());
    }

    #[test]
    fn answers_are_read_or_refused(body in body()) {
        let answers = parse_answers(&body);
        let messages = array::unframe(&body);
        if let (Ok(answers), Ok(messages)) = (answers, messages) {
            prop_assert_eq!(answers.len(), messages.len());
        }
    }

    #[test]
    fn a_stream_is_the_same_however_it_is_cut(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "(data: ?|event:|id: ?|:|\r|\n|\r\n|[a-z\u{feff}é\0]){0,60}".prop_map(String::into_bytes),
        ],
        cut in any::<prop::sample::Index>(),
        limit in 0..120_usize,
    ) {
        let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));

        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        let mut unframer = event_stream::Unframer::new(limit);
        let at_once = unframer.push(&bytes, |event| whole.push(event));
        let mut unframer = event_stream::Unframer::new(limit);
        let one_by_one = unframer
            .push(head, |event| parts.push(event))
            .and_then(|()| unframer.push(tail, |event| parts.push(event)));
        prop_assert_eq!((&at_once, &whole), (&one_by_one, &parts));

        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        let mut unframer = lines::Unframer::new(limit);
        let at_once = unframer.push(&bytes, |line| whole.push(line.to_vec()));
        let mut unframer = lines::Unframer::new(limit);
        let one_by_one = unframer
            .push(head, |line| parts.push(line.to_vec()))
            .and_then(|()| unframer.push(tail, |line| parts.push(line.to_vec())));
        prop_assert_eq!((&at_once, &whole), (&one_by_one, &parts));
        prop_assert!(whole.iter().all(|line| !line.is_empty() && line.len() <= limit));
    }
}

/// Depth costs no stack, and a limit of bytes is looked at before anything is kept.
#[test]
fn a_deep_or_endless_body_costs_nothing() {
    let limits = Limits::default();
    let deep = |opening: &str| format!(r#"[{{"channel":"/a","data":{}"#, opening.repeat(15_000));
    for opening in ["[", r#"{"a":"#, "[{\"\":"] {
        assert!(parse(deep(opening).as_bytes(), &limits).is_err());
        assert!(parse_answers(deep(opening).as_bytes()).is_err());
        let closed = deep("[") + &"]".repeat(15_000) + "}]";
        assert_eq!(
            parse(closed.as_bytes(), &limits).unwrap_err(),
            bayeux::ParseError::TooDeep { index: 0, limit: 128 }
        );
        assert_eq!(parse_answers(closed.as_bytes()).unwrap().len(), 1);
    }
    assert!(parse(&vec![b'['; 200_000], &limits).is_err());
    let huge = vec![b' '; 100 << 20];
    assert_eq!(parse(&huge, &limits).unwrap_err(), bayeux::ParseError::BatchTooLarge { limit: 512 * 1024 });
    let many = format!("[{}{{}}]", "{},".repeat(10_000));
    assert_eq!(
        parse(many.as_bytes(), &limits).unwrap_err(),
        bayeux::ParseError::TooManyMessages { limit: 256 }
    );
}
