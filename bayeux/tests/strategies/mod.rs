//! Strategies that more than one story needs.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a wrong assumption is told")]
#![allow(dead_code, reason = "each story uses some of them")]

use bayeux::{Channel, Payload, RequestId};
use proptest::prelude::*;
use serde_json::value::RawValue;

/// White space as JSON allows it, line breaks of all kinds among it.
fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "", "", " ", "\n", "\r\n", "\r", "\t", " \n "])
}

/// Texts with what framings stumble over.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ -~]{0,6}",
        2 => prop::sample::select(vec![
            "<", "</script>", "<!--", "\u{2028}", "\u{2029}", "\u{2027}", "…", "é", "\n", "\r", "\r\n", "\"",
            "\\", "\0", "\u{85}", "\u{feff}", ":", " ", "data: ", "]", "}",
        ]).prop_map(String::from),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// The text as a JSON string that escapes no more than it must, or everything it can.
fn json_string() -> impl Strategy<Value = String> {
    (text(), any::<bool>()).prop_map(|(text, everything)| {
        if everything {
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
            format!("\"{escaped}\"")
        } else {
            serde_json::to_string(&text).unwrap()
        }
    })
}

/// JSON texts as people write them: with white space, escapes, every kind of value.
pub(crate) fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_string()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        prop::sample::select(vec!["0", "-0", "1.5E+3", "1e-7", "0.10"]).prop_map(String::from),
        json_string(),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let item = (space(), inner, space())
            .prop_map(|(before, value, after)| format!("{before}{value}{after}"))
            .boxed();
        let member = (space(), json_string(), space(), item.clone())
            .prop_map(|(before, name, after, value)| format!("{before}{name}{after}:{value}"));
        prop_oneof![
            prop::collection::vec(item, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

pub(crate) fn raw() -> impl Strategy<Value = Box<RawValue>> {
    json().prop_map(|json| RawValue::from_string(json).unwrap())
}

pub(crate) fn object() -> impl Strategy<Value = Box<RawValue>> {
    json().prop_map(|json| RawValue::from_string(format!("{{\"it\":{json}}}")).unwrap())
}

pub(crate) fn channel() -> impl Strategy<Value = Channel> {
    "(/[a-zA-Z0-9_!~()$@.-]{1,8}){1,4}"
        .prop_filter_map("meta channels are verbs", |name| Channel::parse(&name).ok())
        .prop_filter("meta channels are verbs", |channel| !channel.as_str().starts_with("/meta"))
}

pub(crate) fn request_id() -> impl Strategy<Value = RequestId> {
    let token = prop_oneof![
        any::<u64>().prop_map(|number| number.to_string()),
        "\"[0-9a-z]{0,20}\"",
        text().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    token.prop_filter_map("too long for an id", |token| {
        RequestId::from_json(&RawValue::from_string(token).unwrap())
    })
}

pub(crate) fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        4 => raw().prop_map(Payload::Json),
        2 => text().prop_map(|text| Payload::Text { content_type: "text/html".into(), text: text.into() }),
        1 => prop::collection::vec(any::<u8>(), 0..80)
            .prop_map(|bytes| Payload::Bytes { content_type: "image/png".into(), bytes: bytes.into() }),
    ]
}

/// Bytes that were good before something happened to them.
pub(crate) fn damaged(good: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let splice = (any::<prop::sample::Index>(), 0..4_usize, prop::collection::vec(damage(), 0..4));
    (good, prop::collection::vec(splice, 0..3)).prop_map(|(mut bytes, splices)| {
        for (at, removed, inserted) in splices {
            let at = at.index(bytes.len() + 1);
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, inserted);
        }
        bytes
    })
}

fn damage() -> impl Strategy<Value = u8> {
    prop_oneof![3 => prop::sample::select(b"[]{},:\"\\ \r\n0e-u<".to_vec()), 1 => any::<u8>()]
}
