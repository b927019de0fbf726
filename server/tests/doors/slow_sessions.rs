//! Who is slow, as an operator asks: `GET /api/sessions?slow` on the internal listener.

use std::time::Duration;

use serde_json::{Value, json};

use crate::polling::{Polling, publish};
use crate::server::Encke;
use crate::socket::Socket;
use crate::wire::{Response, Wire};

fn get(encke: &Encke, query: &str) -> Response {
    Wire::connect(encke.internal).get(&format!("/api/sessions{query}"), "").response()
}

fn slow(encke: &Encke, query: &str) -> Vec<Value> {
    let response = get(encke, query);
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    response.json()["sessions"].as_array().expect("a list").clone()
}

#[test]
fn the_slowest_stand_first() {
    let encke = Encke::with(|config| config.cores = 2);
    assert_eq!(slow(&encke, "?slow"), Vec::<Value>::new());
    let _reader = Socket::listening(&encke, "/**");
    let away: Vec<_> = (0..5).map(|number| Polling::listening(&encke, &format!("/a/{number}"))).collect();
    for (number, client) in away.iter().enumerate() {
        publish(&encke, &format!("/a/{number}"), &json!("x".repeat(100)));
        publish(&encke, &format!("/a/{number}"), &json!(number));
        encke.advance(Duration::from_secs(1));
        assert!(!client.id.is_empty());
    }
    let sessions = slow(&encke, "?slow");
    assert_eq!(sessions.len(), 5, "{sessions:?}");
    for (number, (session, client)) in sessions.iter().zip(&away).enumerate() {
        assert_eq!(session["channel"], format!("/a/{number}"));
        assert_eq!(session["queued_messages"], 2);
        assert!(session["queued_bytes"].as_u64() > Some(100), "{session}");
        assert_eq!(session["oldest_ms"], 1000 * (5 - number));
        // Enough to tell it from others, and not to speak in its name.
        let name = session["session"].as_str().expect("a name").trim_end_matches('…');
        assert!(client.id.starts_with(name) && name.len() == 8, "{name}");
    }
    assert_eq!(slow(&encke, "?slow&limit=2"), sessions[..2]);
    assert_eq!(slow(&encke, "?limit=1&slow=1"), sessions[..1]);
}

#[test]
fn what_else_may_be_asked_is_said() {
    let encke = Encke::start();
    for query in ["?limit=0", "?slow&limit=0", "?slow&limit=1001", "?slow&limit=many"] {
        let response = get(&encke, query);
        response.is_refused(400);
        assert_eq!(response.json()["error"], "400::parameter_invalid", "{query}");
    }
    // Not for the public.
    assert_eq!(encke.wire().get("/api/sessions?slow", "").response().status, 404);
}
