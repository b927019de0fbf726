//! A sealed message is safe in every framing, and still says what was published.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a wrong assumption is told")]

mod strategies;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bayeux::{Content, Draft, Framing, Message, Payload, Position};
use proptest::prelude::*;
use serde_json::{Value, json};

fn expected(payload: &Payload) -> Value {
    match payload {
        Payload::Json(raw) => serde_json::from_str(raw.get()).unwrap(),
        Payload::Text { text, .. } => json!(**text),
        Payload::Bytes { bytes, .. } => json!(STANDARD.encode(bytes)),
    }
}

fn sealed(channel: &bayeux::Channel, payload: &Payload) -> Message {
    let draft = Draft { channel: channel.clone(), id: None, payload: payload.clone() };
    draft.seal(Position { epoch: 7, sequence: 49 })
}

proptest! {
    #[test]
    fn sealed_bytes_are_safe_and_mean_the_same(
        channel in strategies::channel(),
        payload in strategies::payload(),
    ) {
        let message = sealed(&channel, &payload);
        let text = str::from_utf8(message.json()).unwrap();
        prop_assert!(!text.contains(['\n', '\r', '<', '\u{2028}', '\u{2029}']), "{}", text);
        let value: Value = serde_json::from_str(text).unwrap();
        prop_assert_eq!(value, json!({ "channel": channel.as_str(), "data": expected(&payload) }));
    }

    #[test]
    fn sealing_changes_only_what_it_must(json in "[ -;=-~é’]{0,300}") {
        let raw = serde_json::value::RawValue::from_string(serde_json::to_string(&json).unwrap()).unwrap();
        let channel = bayeux::Channel::parse("/a").unwrap();
        let message = sealed(&channel, &Payload::Json(raw.clone()));
        prop_assert_eq!(message.payload(), Content::Json(raw.get().as_bytes()));
    }

    #[test]
    fn the_payload_stays_what_it_was(channel in strategies::channel(), payload in strategies::payload()) {
        let message = sealed(&channel, &payload);
        prop_assert_eq!(message.channel(), &channel);
        prop_assert!(message.bytes() > message.json().len());
        match (&payload, message.payload()) {
            (Payload::Json(raw), Content::Json(json)) => {
                let value: Value = serde_json::from_slice(json).unwrap();
                prop_assert_eq!(value, serde_json::from_str::<Value>(raw.get()).unwrap());
            }
            (Payload::Text { content_type, text }, kept) => {
                prop_assert_eq!(kept, Content::Text { content_type, text });
            }
            (Payload::Bytes { content_type, bytes }, kept) => {
                prop_assert_eq!(kept, Content::Bytes { content_type, bytes });
            }
            (payload, kept) => prop_assert!(false, "{:?} became {:?}", payload, kept),
        }
    }

    #[test]
    fn an_event_is_lines_of_fields_and_one_empty_line(
        channel in strategies::channel(),
        payload in strategies::payload(),
    ) {
        let message = sealed(&channel, &payload);
        let plain = str::from_utf8(message.event(false)).unwrap();
        let named = str::from_utf8(message.event(true)).unwrap();
        prop_assert_eq!(format!("event: {}\n{plain}", channel.as_str()), named);
        let fields = plain.strip_suffix("\n\n").unwrap();
        prop_assert!(!fields.contains('\r'));
        for (index, line) in fields.split('\n').enumerate() {
            prop_assert!(line.starts_with(if index == 0 { "id: 7-1d" } else { "data: " }), "{}", line);
        }
    }

    #[test]
    fn a_frame_is_one_buffer_with_its_json(channel in strategies::channel(), payload in strategies::payload()) {
        let message = sealed(&channel, &payload);
        let frame = message.websocket_frame();
        let inside = frame.as_ptr_range();
        let json = message.json().as_ptr_range();
        prop_assert!(inside.start < json.start && json.end < inside.end);
        prop_assert_eq!(Framing::WebSocket.ready(&message), frame);
    }
}

/// Raw bytes that JSON allows and typed values cannot hold: they pass, and framings survive them.
#[test]
fn what_a_value_cannot_hold_is_passed_on_as_it_is() {
    let channel = bayeux::Channel::parse("/a").unwrap();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for json in [r#""\ud800""#, "1e999", r#"{"__proto__":1,"__proto__":2}"#, &deep] {
        let raw = serde_json::value::RawValue::from_string(json.into()).unwrap();
        let message = sealed(&channel, &Payload::Json(raw));
        assert_eq!(message.payload(), Content::Json(json.as_bytes()));
    }
}
