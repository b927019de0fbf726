//! Ids and positions: what is written is read back, and nothing else is.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is how a wrong assumption is told")]

use bayeux::{Position, RequestId, SessionId};
use proptest::prelude::*;
use serde_json::value::RawValue;

proptest! {
    #[test]
    fn a_session_id_says_its_shard(shard in 0..SessionId::SHARDS, seed in any::<[u8; 16]>()) {
        // Some bytes of the source are rejected, never all of them.
        let mut bytes = seed.into_iter().chain(0..=255).cycle();
        let id = SessionId::new(shard, || bytes.next().unwrap());
        prop_assert_eq!(id.shard(), shard);
        prop_assert_eq!(SessionId::parse(id.as_str()), Some(id));
        prop_assert_eq!(id.as_str().len(), SessionId::BYTES);
        let shown = format!("{id:?}");
        prop_assert!(!shown.contains(&id.as_str()[2..]), "{}", shown);
    }

    #[test]
    fn any_text_is_a_session_id_or_none(text in any::<String>(), near in "[0-9A-Za-z]{22,26}|[ -~é]{24}") {
        for text in [text, near] {
            let shaped = text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let id = SessionId::parse(&text);
            prop_assert_eq!(id.is_some(), shaped);
            if let Some(id) = id {
                prop_assert_eq!(id.as_str(), text);
                prop_assert!(id.shard() < SessionId::SHARDS);
            }
        }
    }

    #[test]
    fn a_position_is_read_back(epoch in any::<u64>(), sequence in any::<u64>(), shift in 0..64u32) {
        let position = Position { epoch, sequence: sequence >> shift };
        let text = position.to_string();
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
        prop_assert_eq!(text.parse(), Ok(position));
    }

    #[test]
    fn a_position_has_no_second_text(text in "[0-9a-zA-Z+-]{0,16}|\\PC{0,8}") {
        if let Ok(position) = text.parse::<Position>() {
            prop_assert_eq!(position.to_string(), text);
        }
    }

    #[test]
    fn an_id_is_a_short_string_or_number(token in prop_oneof![
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        any::<f64>().prop_map(|number| serde_json::to_string(&number).unwrap()),
        Just("true".to_string()), Just("{}".to_string()), Just("[1]".to_string()), "\"[a<\u{2028}]{0,3}a{55,65}\"",
    ]) {
        let raw = RawValue::from_string(token.clone()).unwrap();
        let fits = token.len() <= 64 && !token.starts_with(['t', 'n', '{', '['])
            && !token.contains(['<', '\u{2028}', '\u{2029}']);
        prop_assert_eq!(RequestId::from_json(&raw).map(|id| id.as_json().to_string()), fits.then_some(token));
    }
}
