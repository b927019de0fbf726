//! What a client says, and what it is told when that makes no sense.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a wrong assumption is told")]

mod strategies;

use bayeux::{
    Limits, ParseError, Pattern, Refusal, Request, Subscription, Verb, parse, parse_answers, parse_form,
};
use proptest::prelude::*;
use serde_json::Value;

fn verb() -> impl Strategy<Value = Verb> {
    let word = || proptest::option::of("[a-z.0-9]{1,20}".prop_map(Box::<str>::from));
    let types = prop::collection::vec("[a-z-]{1,20}".prop_map(Box::<str>::from), 0..4);
    prop_oneof![
        (word(), word(), proptest::option::of(types)).prop_map(
            |(version, minimum_version, connection_types)| {
                Verb::Handshake { version, minimum_version, connection_types }
            }
        ),
        (word(), proptest::option::of(any::<u64>()))
            .prop_map(|(connection_type, timeout)| Verb::Connect { connection_type, timeout }),
        Just(Verb::Disconnect),
        subscription().prop_map(Verb::Subscribe),
        subscription().prop_map(Verb::Unsubscribe),
        (strategies::channel(), strategies::raw())
            .prop_map(|(channel, data)| Verb::Publish { channel, data }),
    ]
}

fn subscription() -> impl Strategy<Value = Subscription> {
    let pattern = "(/[a-z]{1,3}){1,3}(/\\*{1,2})?".prop_map(|name| Pattern::parse(&name).unwrap());
    (prop::collection::vec(pattern, 1..4), any::<bool>())
        .prop_map(|(patterns, array)| Subscription { array: array || patterns.len() > 1, patterns })
}

fn request() -> impl Strategy<Value = Request> {
    let client_id = proptest::option::of("[ -~é]{0,30}".prop_map(Box::<str>::from));
    let id = proptest::option::of(strategies::request_id());
    (id, client_id, proptest::option::of(strategies::object()), verb())
        .prop_map(|(id, client_id, ext, verb)| Request { id, client_id, ext, verb })
}

fn print(request: &Request) -> String {
    let mut out = Vec::new();
    request.write_json(&mut out);
    String::from_utf8(out).unwrap()
}

fn print_all(requests: &[Request]) -> Vec<String> {
    requests.iter().map(print).collect()
}

/// What a request is, in a form that can be compared: JSON by its value.
fn essence(request: &Request) -> (String, Option<&str>, [Option<Value>; 3]) {
    let value = |json: &str| serde_json::from_str(json).unwrap();
    let data = match &request.verb {
        Verb::Publish { data, .. } => Some(value(data.get())),
        _ => None,
    };
    let verb = match &request.verb {
        Verb::Publish { channel, .. } => format!("{channel:?}"),
        verb => format!("{verb:?}"),
    };
    let id = request.id.as_ref().map(|id| value(id.as_json()));
    (verb, request.client_id.as_deref(), [id, request.ext.as_ref().map(|ext| value(ext.get())), data])
}

/// Any object with fields that the protocol knows, whatever stands in them; some names come twice, some are
/// written with escapes.
fn strange_message() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "channel",
        "id",
        "clientId",
        "data",
        "ext",
        "subscription",
        "connectionType",
        "advice",
        "version",
        "minimumVersion",
        "supportedConnectionTypes",
        "\\u0069d",
        "successful",
        "\\ud800",
    ]);
    let channel = prop::sample::select(vec![
        "\"/meta/handshake\"",
        "\"/meta/connect\"",
        "\"/meta/subscribe\"",
        "\"/a\"",
        "\"/a/*\"",
        "\"\"",
    ]);
    let value = prop_oneof![3 => strategies::json(), 1 => channel.clone().prop_map(String::from)];
    (channel, prop::collection::vec((name, value), 0..5)).prop_map(|(channel, fields)| {
        let mut message = format!("{{\"channel\":{channel}");
        for (name, value) in fields {
            message += &format!(",\"{name}\":{value}");
        }
        message + "}"
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed(requests in prop::collection::vec(request(), 0..5)) {
        let printed = print_all(&requests);
        let body = format!("[{}]", printed.join(","));
        let parsed = parse(body.as_bytes(), &Limits::default()).unwrap();
        prop_assert_eq!(parsed.len(), requests.len());
        for (parsed, request) in parsed.iter().zip(&requests) {
            prop_assert_eq!(essence(parsed), essence(request));
        }
        prop_assert_eq!(print_all(&parsed), printed);
    }

    #[test]
    fn data_is_kept_byte_for_byte(channel in strategies::channel(), data in strategies::raw()) {
        let body = format!(" {{\"data\" :\n{data} ,\"channel\":\"{}\"}}\n", channel.as_str());
        match &parse(body.as_bytes(), &Limits::default()).unwrap()[..] {
            [Request { verb: Verb::Publish { channel: parsed, data: kept }, .. }] => {
                prop_assert_eq!((parsed, kept.get()), (&channel, data.get()));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_strange_message_leaves_its_neighbours_alone(
        before in request(), strange in strange_message(), after in request(),
    ) {
        let body = format!("[{},{strange},{}]", print(&before), print(&after));
        let parsed = parse(body.as_bytes(), &Limits::default()).unwrap();
        prop_assert_eq!(parsed.len(), 3);
        prop_assert_eq!(essence(&parsed[0]), essence(&before));
        prop_assert_eq!(essence(&parsed[2]), essence(&after));
    }

    #[test]
    fn a_form_says_the_same_as_json(batches in prop::collection::vec(prop::collection::vec(request(), 1..3), 1..3)) {
        let mut form = String::from("other=%5B1");
        let mut expected = Vec::new();
        for batch in &batches {
            let body = format!("[{}]", print_all(batch).join(","));
            // `+` for a space, escapes for the rest, as a browser writes it.
            let encoded: String = body
                .bytes()
                .map(|byte| match byte {
                    b' ' => "+".to_string(),
                    b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
                    _ => format!("%{byte:02X}"),
                })
                .collect();
            form += &format!("&message={encoded}");
            expected.extend(print_all(batch));
        }
        let parsed = parse_form(form.as_bytes(), &Limits::default()).unwrap();
        prop_assert_eq!(print_all(&parsed), expected);
    }

    #[test]
    fn what_nests_too_deep_is_found_wherever_it_stands(depth in 1..12_usize, noise in "[\\[{\"\\\\\\]}]{0,40}") {
        // Brackets inside of strings open nothing.
        let noise = serde_json::to_string(&noise).unwrap();
        let limits = Limits { depth: 8, ..Limits::default() };
        let nested = format!("{}{noise}{}", "[".repeat(depth), "]".repeat(depth));
        let message = format!("{{\"channel\":\"/a\",\"x\":{noise},\"data\":{nested}}}");
        prop_assert_eq!(parse(message.as_bytes(), &limits).is_ok(), depth < 8);
        let array = parse(format!("[{message}]").as_bytes(), &limits);
        let expected = if depth < 7 { Ok(1) } else { Err(ParseError::TooDeep { index: 0, limit: 8 }) };
        prop_assert_eq!(array.map(|requests| requests.len()), expected);
    }
}

/// The error string a bad message gets, and the channel it is answered on.
#[test]
fn each_bad_message_gets_its_own_error() {
    let long_id = format!(r#"{{"channel":"/a","data":1,"id":"{}"}}"#, "x".repeat(63));
    let long_channel = format!(r#"{{"channel":"/{}","data":1}}"#, "x".repeat(512));
    let long_argument = format!("405:/{}:channel_invalid", "x".repeat(511));
    let segments = format!(r#"{{"channel":"{}","data":1}}"#, "/a".repeat(33));
    let segments_argument = format!("405:{}:channel_invalid", "/a".repeat(33));
    let many = format!(r#"{{"channel":"/meta/subscribe","subscription":[{}"/a"]}}"#, r#""/a","#.repeat(256));
    let name_33 = "/a".repeat(33);
    for (message, channel, error) in [
        ("{}", "", "402::session_unknown"),
        (r#"{"channel":null}"#, "", "402::session_unknown"),
        (r#"{"clientId":"x"}"#, "", "400::channel_missing"),
        (r#"{"channel":5,"data":1}"#, "", "405::channel_invalid"),
        (r#"{"channel":"\ud800","data":1}"#, "", "405::channel_invalid"),
        (r#"{"channel":"","data":1}"#, "", "405::channel_invalid"),
        (r#"{"channel":"/","data":1}"#, "/", "405:/:channel_invalid"),
        (r#"{"channel":"/a b:c","data":1}"#, "/a b:c", "405:/a b_c:channel_invalid"),
        (r#"{"channel":"/a/*","data":1}"#, "/a/*", "405:/a/*:channel_invalid"),
        (r#"{"channel":"/**","data":1}"#, "/**", "405:/**:channel_invalid"),
        (&long_channel, "", &long_argument),
        (&segments, &name_33, &segments_argument),
        (r#"{"channel":"/a"}"#, "/a", "400:/a:data_missing"),
        (r#"{"channel":"/meta"}"#, "/meta", "404:/meta:channel_unknown"),
        (r#"{"channel":"/meta/"}"#, "/meta/", "404:/meta/:channel_unknown"),
        (r#"{"channel":"/meta/x","data":1}"#, "/meta/x", "404:/meta/x:channel_unknown"),
        (r#"{"channel":"/meta/subscribe/x"}"#, "/meta/subscribe/x", "404:/meta/subscribe/x:channel_unknown"),
        (r#"{"channel":"/meta/connect/"}"#, "/meta/connect/", "404:/meta/connect/:channel_unknown"),
        (r#"{"channel":"/a","channel":"/b"}"#, "/b", "400::message_invalid"),
        (r#"{"channel":"/a","data":1,"d\u0061ta":1}"#, "/a", "400::message_invalid"),
        (r#"{"channel":"/a","data":1,"clientId":5}"#, "/a", "400::message_invalid"),
        (r#"{"channel":"/a","data":1,"ext":[]}"#, "/a", "400::message_invalid"),
        (r#"{"channel":"/a","data":1,"id":{}}"#, "/a", "405::message_id_invalid"),
        (r#"{"channel":"/a","data":1,"id":true}"#, "/a", "405::message_id_invalid"),
        (r#"{"channel":"/a","data":1,"id":"<b>"}"#, "/a", "405::message_id_invalid"),
        (&long_id, "/a", "405::message_id_invalid"),
        (r#"{"channel":"/meta/handshake","version":1}"#, "/meta/handshake", "400::message_invalid"),
        (
            r#"{"channel":"/meta/handshake","supportedConnectionTypes":"websocket"}"#,
            "/meta/handshake",
            "400::message_invalid",
        ),
        (r#"{"channel":"/meta/connect","connectionType":[]}"#, "/meta/connect", "400::message_invalid"),
        (r#"{"channel":"/meta/subscribe"}"#, "/meta/subscribe", "403::subscription_missing"),
        (r#"{"channel":"/meta/unsubscribe"}"#, "/meta/unsubscribe", "403::subscription_missing"),
        (
            r#"{"channel":"/meta/subscribe","subscription":[]}"#,
            "/meta/subscribe",
            "403::subscription_invalid",
        ),
        (
            r#"{"channel":"/meta/subscribe","subscription":{"a":1}}"#,
            "/meta/subscribe",
            "403::subscription_invalid",
        ),
        (
            r#"{"channel":"/meta/subscribe","subscription":["/a",5]}"#,
            "/meta/subscribe",
            "403::subscription_invalid",
        ),
        (
            r#"{"channel":"/meta/subscribe","subscription":["/a","/b c","/d"]}"#,
            "/meta/subscribe",
            "405:/b c:channel_invalid",
        ),
        (
            r#"{"channel":"/meta/unsubscribe","subscription":"/*/a"}"#,
            "/meta/unsubscribe",
            "405:/*/a:channel_invalid",
        ),
        (&many, "/meta/subscribe", "403:256:too_many_subscriptions"),
    ] {
        let parsed = parse(message.as_bytes(), &Limits::default()).unwrap();
        match &parsed[..] {
            [Request { verb: Verb::Refused { channel: on, refusal }, .. }] => {
                assert_eq!((&**on, &*refusal.to_string()), (channel, error), "{message}");
            }
            other => panic!("{message} became {other:?}"),
        }
    }
}

#[test]
fn each_bad_body_is_refused_with_a_sentence() {
    let limits = Limits { message_bytes: 40, batch_messages: 3, batch_bytes: 200, ..Limits::default() };
    let good = r#"{"channel":"/a","data":1}"#;
    let four = format!("[{good},{good},{good},{good}]");
    let large = format!(r#"[{good},{{"channel":"/a","data":"{}"}}]"#, "x".repeat(30));
    for (body, sentence) in [
        (&b""[..], "the body is empty, where a message or an array of messages is needed"),
        (b" \n", "the body is empty, where a message or an array of messages is needed"),
        (b"[{},\n x]", "the body is not JSON: expected value at line 2 column 2"),
        (b"{\"a\":}", "the body is not JSON: expected value at line 1 column 6"),
        (b"[\n{}, {\"a\" 1}]", "the body is not JSON: expected `:` at line 2 column 10"),
        (b"[{},  {\"a\"\n 1}]", "the body is not JSON: expected `:` at line 2 column 2"),
        (b"[{}", "the body is not JSON: EOF while parsing a list at line 1 column 4"),
        (b"[{},", "the body is not JSON: EOF while parsing a value at line 1 column 5"),
        (b"[{} {}]", "the body is not JSON: expected `,` or `]` at line 1 column 5"),
        (b"[{}] x", "the body is not JSON: trailing characters at line 1 column 6"),
        (b"[{},5]", "message 1 of the body is not a JSON object"),
        (b"[[{}]]", "message 0 of the body is not a JSON object"),
        (b"\"text\"", "message 0 of the body is not a JSON object"),
        (b"[{\"a\":\"\xFF\"}]", "the body is not UTF-8 (from byte 7)"),
        (&[b' '; 201], "the body has more than 200 bytes"),
        (four.as_bytes(), "the body has more than 3 messages"),
        (large.as_bytes(), "message 1 of the body has more than 40 bytes"),
    ] {
        let error = parse(body, &limits).unwrap_err();
        assert_eq!(error.to_string(), sentence, "{}", String::from_utf8_lossy(body));
    }
    assert_eq!(parse(b" [ ] ", &limits).unwrap().len(), 0);
    assert_eq!(parse(four.replacen(&format!("{good},"), "", 1).as_bytes(), &limits).unwrap().len(), 3);
}

#[test]
fn a_form_has_the_limits_of_one_body() {
    let limits = Limits { batch_messages: 3, batch_bytes: 30, ..Limits::default() };
    let form = |body: &str| parse_form(body.as_bytes(), &limits).map(|requests| requests.len());
    assert_eq!(form("message={}&message=%5B{},{}%5D"), Ok(3));
    assert_eq!(form("message=[]"), Ok(0));
    assert_eq!(form(""), Err(ParseError::Empty));
    assert_eq!(form("message"), Err(ParseError::Empty));
    assert_eq!(form("massage={}"), Err(ParseError::NoMessageField));
    assert_eq!(form("message=%ff"), Err(ParseError::NotUtf8 { valid_bytes: 0 }));
    assert_eq!(form("message={}&message=[{},{},{}]"), Err(ParseError::TooManyMessages { limit: 3 }));
    let spaces = "message={}".to_string() + &"+".repeat(20);
    assert_eq!(form(&spaces), Ok(1));
    assert_eq!(form(&format!("{spaces}&{spaces}")), Err(ParseError::BatchTooLarge { limit: 30 }));
}

#[test]
fn what_clients_really_send_is_understood() {
    // npm cometd 9: numeric ids as strings, advice in both requests.
    let body = br#"[{"id":"1","version":"1.0","minimumVersion":"1.0","channel":"/meta/handshake",
        "supportedConnectionTypes":["websocket","long-polling"],"advice":{"timeout":60000,"interval":0}}]"#;
    let parsed = parse(body, &Limits::default()).unwrap();
    assert!(
        matches!(&parsed[0].verb, Verb::Handshake { connection_types: Some(types), .. } if types.len() == 2)
    );
    assert_eq!(parsed[0].id.as_ref().unwrap().as_json(), "\"1\"");
    let body = br#"{"channel":"/meta/connect","connectionType":"long-polling","advice":{"timeout":0},"clientId":"c"}"#;
    let parsed = parse(body, &Limits::default()).unwrap();
    assert!(matches!(&parsed[0].verb, Verb::Connect { timeout: Some(0), connection_type: Some(_) }));
    // dojox.cometd across origins names no connection types.
    let body = br#"{"channel":"/meta/handshake","version":"1.0","minimumVersion":"0.9","id":7}"#;
    let parsed = parse(body, &Limits::default()).unwrap();
    assert!(matches!(&parsed[0].verb, Verb::Handshake { connection_types: None, .. }));
    assert_eq!(parsed[0].id.as_ref().unwrap().as_json(), "7");
    // null is a payload; elsewhere it is nothing. Advice of a strange type is no reason to refuse a connect.
    let body = br#"[{"channel":"/a/","data":null,"id":null,"clientId":null,"ext":null},
        {"channel":"/meta/connect","advice":{"timeout":"soon"}},{"channel":"/meta/connect","advice":[]}]"#;
    let parsed = parse(body, &Limits::default()).unwrap();
    match &parsed[0] {
        Request { id: None, client_id: None, ext: None, verb: Verb::Publish { channel, data } } => {
            assert_eq!((channel.as_str(), data.get()), ("/a", "null"));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(parsed[1].verb, Verb::Connect { timeout: None, .. }));
    assert!(matches!(parsed[2].verb, Verb::Connect { timeout: None, .. }));
}

#[test]
fn a_client_id_is_kept_short_and_out_of_logs() {
    let secret = "é".repeat(1000);
    let body = format!(r#"{{"channel":"/meta/disconnect","clientId":"{secret}"}}"#);
    let parsed = parse(body.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(parsed[0].client_id.as_deref(), Some(&*"é".repeat(32)));
    assert!(!format!("{parsed:?}").contains('é'));
}

#[test]
fn a_refusal_answers_in_the_words_of_the_table() {
    let mut out = Vec::new();
    let refusal = Refusal::session_unknown();
    bayeux::Reply { error: Some(&refusal), ..bayeux::Reply::new("") }.write_json(&mut out);
    let answers = parse_answers(&out).unwrap();
    assert_eq!(answers[0].error.as_deref(), Some("402::session_unknown"));
    assert_eq!(answers[0].successful, Some(false));
}
