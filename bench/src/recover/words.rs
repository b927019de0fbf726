//! What a client that recovers says, and what it is told, beside what every session says.

use std::collections::HashMap;
use std::io::Write;

use bayeux::Answer;
use serde::Deserialize;

/// The channel of a room.
pub(super) fn room(number: u32) -> String {
    format!("/room/{number:07}")
}

/// Appends `/meta/subscribe` for messages after a cursor, or from `now` on.
pub(super) fn subscribe(out: &mut Vec<u8>, client: &str, room: &str, since: &str) {
    // Writing to memory does not fail.
    let _ = write!(
        out,
        r#"[{{"channel":"/meta/subscribe","clientId":"{client}","subscription":"{room}","id":"2","ext":{{"encke":{{"since":{{"{room}":"{since}"}}}}}}}}]"#
    );
}

/// Appends the request for an event stream, after a cursor, or of all that is kept.
pub(super) fn stream(out: &mut Vec<u8>, host: &str, room: &str, cursor: Option<&str>, from_start: bool) {
    let since = if from_start { "&since=all" } else { "" };
    let _ = write!(
        out,
        "GET /channels{room}?as=event-stream{since} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n"
    );
    if let Some(cursor) = cursor {
        let _ = write!(out, "Last-Event-ID: {cursor}\r\n");
    }
    out.extend(b"\r\n");
}

#[derive(Default, Deserialize)]
struct Ext {
    #[serde(default)]
    encke: Ours,
}

#[derive(Default, Deserialize)]
struct Ours {
    ack: Option<String>,
    position: Option<String>,
    #[serde(default)]
    recovery: HashMap<String, Recovery>,
}

/// What became of a subscription that begins in the past.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) struct Recovery {
    /// Where live messages begin.
    pub(super) cursor: Option<String>,
    /// Whether nothing is missing, when a cursor was given.
    pub(super) recovered: Option<bool>,
}

fn ours(answer: &Answer) -> Ours {
    let ext = answer.ext.as_deref().and_then(|ext| serde_json::from_str::<Ext>(ext.get()).ok());
    ext.unwrap_or_default().encke
}

/// Whether a handshake's reply agrees to acknowledgement by counts.
pub(super) fn counts(answer: &Answer) -> bool {
    ours(answer).ack.as_deref() == Some("count")
}

/// Where a delivery stands in its history.
pub(super) fn position(answer: &Answer) -> Option<String> {
    ours(answer).position
}

/// What a subscribe's reply says of a pattern.
pub(super) fn recovery(answer: &Answer, pattern: &str) -> Option<Recovery> {
    ours(answer).recovery.remove(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(ext: &str) -> Answer {
        let text = format!(r#"[{{"channel":"/x","successful":true,"ext":{ext}}}]"#);
        bayeux::parse_answers(text.as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn answers_are_understood() {
        assert!(counts(&answer(r#"{"ack":true,"encke":{"ack":"count"}}"#)));
        assert!(!counts(&answer(r#"{"ack":true}"#)));
        assert_eq!(position(&answer(r#"{"encke":{"position":"1a-2"}}"#)).as_deref(), Some("1a-2"));
        let reply =
            answer(r#"{"encke":{"recovery":{"/a":{"cursor":"1a-2","recovered":false,"reason":"x"}}}}"#);
        let expected = Recovery { cursor: Some("1a-2".to_owned()), recovered: Some(false) };
        assert_eq!(recovery(&reply, "/a"), Some(expected));
        assert_eq!(recovery(&reply, "/b"), None);
    }

    #[test]
    fn requests_are_what_a_server_reads() {
        let mut out = Vec::new();
        subscribe(&mut out, "me", &room(7), "1a-2");
        let request: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(request[0]["ext"]["encke"]["since"]["/room/0000007"], "1a-2");

        let mut out = Vec::new();
        stream(&mut out, "h:1", "/room/0000007", Some("1a-2"), false);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("GET /channels/room/0000007?as=event-stream HTTP/1.1\r\n"));
        assert!(text.ends_with("Last-Event-ID: 1a-2\r\n\r\n"));
    }
}
