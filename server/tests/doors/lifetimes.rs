//! How long somebody is who they are: far ends, renewal by what a browser sends, clocks that are set, and revocation.

use std::time::Duration;

use serde_json::{Value, json};

use crate::guard::{guarded, now, signed, token};
use crate::history::keep;
use crate::polling::{Polling, handshake};
use crate::server::Encke;
use crate::socket::Socket;
use crate::wire::Wire;

const HOUR: Duration = Duration::from_secs(3600);

fn until(subject: &str, exp: u64) -> String {
    signed(&json!({"sub": subject, "exp": exp, "jti": format!("{subject}-{exp}")}))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn cookie(token: &str) -> String {
    format!("Cookie: session={token}\r\n")
}

/// Asks for what a poll that does not wait is answered.
fn connect(encke: &Encke, id: &str, headers: &str, ext: Value) -> Value {
    let connect = json!([{"channel": "/meta/connect", "clientId": id, "id": "c", "connectionType": "long-polling",
        "advice": {"timeout": 0}, "ext": ext}]);
    let headers = format!("Content-Type: application/json\r\n{headers}");
    encke.wire().post_with("/bayeux", &headers, &connect.to_string()).response().messages().remove(0)
}

fn expires(encke: &Encke, key: &str, subject: &str) -> Vec<u64> {
    let mut wire = Wire::connect(encke.internal);
    let listed = wire.get(&format!("/api/sessions?subject={subject}"), &bearer(key)).response().json();
    let sessions = listed["sessions"].as_array().expect("sessions");
    sessions.iter().filter_map(|session| session["expires"].as_u64()).collect()
}

fn revoke(encke: &Encke, key: &str, what: &Value) -> u64 {
    let mut wire = Wire::connect(encke.internal);
    wire.post_with("/api/revoke", &bearer(key), &what.to_string()).response().json()["ended"]
        .as_u64()
        .expect("a number")
}

/// The wheel counts in steps of 20 ms, and 2^32 of them are 994 days.
#[test]
fn a_token_for_years_has_a_session_for_years() {
    let (encke, _) = guarded(|_| {});
    let round = (1_u64 << 32) / 50;
    let ends = [now() + round + 5, now() + 3 * round + 5, 253_402_300_799, u64::MAX];
    let mut sessions: Vec<_> = ends
        .into_iter()
        .map(|end| {
            let mut handshake = handshake();
            handshake["ext"] = json!({"authentication": {"token": until("alice", end)}});
            let mut socket = Socket::open(&encke);
            socket.say(&json!([handshake]));
            socket.id = socket.reply("h")["clientId"].as_str().expect("a clientId").to_owned();
            assert_eq!(socket.ask("/meta/connect", json!({"advice": {"timeout": 0}}))["successful"], true);
            socket
        })
        .collect();
    for _ in 0..3 {
        encke.advance(Duration::from_secs(8));
        for socket in &mut sessions {
            assert_eq!(socket.ask("/chat/1", json!({"data": 1}))["error"], Value::Null);
        }
    }
    assert_eq!((encke.ended("unauthorized"), encke.figure("encke_sessions")), (0, 4));
}

/// A page whose token is in a cookie that scripts cannot read has no other way.
#[test]
fn a_newer_cookie_or_header_renews_the_session_that_came_by_one() {
    let (encke, key) = guarded(|_| {});
    for (subject, shown) in [("alice", cookie as fn(&str) -> String), ("bob", bearer)] {
        let end = now() + 600;
        let polls = Polling::open_with(&encke, "/bayeux", &shown(&until(subject, end)));
        let connect = |headers: &str, ext| connect(&encke, &polls.id, headers, ext)["successful"].clone();
        assert_eq!(expires(&encke, &key, subject), [end]);
        for (exp, is) in [(end, end), (end + 60, end + 60), (end - 60, end + 60), (end + 120, end + 120)] {
            assert_eq!(connect(&shown(&until(subject, exp)), json!({})), true);
            assert_eq!(expires(&encke, &key, subject), [is]);
        }
        // Nobody's, and one that is good no longer, are no newer ones.
        assert_eq!(connect("", json!({})), true);
        assert_eq!(revoke(&encke, &key, &json!({"token": format!("{subject}-{}", end + 180)})), 0);
        let response = encke.wire().post_with("/bayeux", &shown(&until(subject, end + 180)), "[]").response();
        assert_eq!(response.status, 401);
        assert_eq!(expires(&encke, &key, subject), [end + 120]);
        // Subscriptions are looked at again.
        let fewer = signed(&json!({"sub": subject, "exp": end + 300, "encke": {"subscribe": ["/only"]}}));
        assert_eq!(connect(&shown(&fewer), json!({})), true);
        assert_eq!(expires(&encke, &key, subject), [end + 300]);
    }
}

/// Whose token comes in messages has it renewed by messages: a cookie may be another token of theirs, with other rights.
#[test]
fn a_session_whose_token_came_in_a_message_is_not_renewed_by_a_cookie() {
    let (encke, key) = guarded(|_| {});
    let end = now() + 600;
    let mut handshake = handshake();
    handshake["ext"] = json!({"authentication": {"token": until("alice", end)}});
    let body = json!([handshake]).to_string();
    let shaken =
        encke.wire().post_with("/bayeux", &cookie(&until("alice", end + 60)), &body).response().messages();
    let id = shaken[0]["clientId"].as_str().expect("a clientId");
    assert_eq!(expires(&encke, &key, "alice"), [end]);
    assert_eq!(connect(&encke, id, &cookie(&until("alice", end + 90)), json!({}))["successful"], true);
    assert_eq!(expires(&encke, &key, "alice"), [end]);
    let newer = json!({"authentication": {"token": until("alice", end + 120)}});
    assert_eq!(connect(&encke, id, "", newer)["successful"], true);
    assert_eq!(expires(&encke, &key, "alice"), [end + 120]);
}

/// What was shown for one request counts before the cookie that a browser sends with every one.
#[test]
fn a_ticket_counts_before_a_cookie() {
    let (encke, _) = guarded(|_| {});
    let (alice, bob) = (token("alice", HOUR), token("bob", HOUR));
    let ticket = encke.wire().post_with("/ticket", &bearer(&alice), "").response().json();
    let ticket = ticket["ticket"].as_str().expect("a ticket");
    let path = format!("/channels/users/alice/x?as=lines&ticket={ticket}");
    assert_eq!(encke.wire().get(&path, &cookie(&bob)).head().status, 200);
    assert_eq!(encke.wire().get(&path, &cookie(&alice)).response().status, 401, "it is good once");
}

/// A machine that has slept, or whose clock was wrong when it started: tokens are judged by the time that it is.
#[test]
fn a_token_is_over_when_the_time_of_day_says_so() {
    let (encke, _) = guarded(|config| config.tokens.leeway = Duration::ZERO);
    let short = token("alice", Duration::from_secs(60));
    let mut polls = Polling::open_with(&encke, "/bayeux", &bearer(&short));
    polls.hold().polled();
    polls.hold();
    encke.settle();
    encke.set_forward(Duration::from_secs(120));
    let response = encke.wire().post_with("/channels/chat/1", &bearer(&short), "1").response();
    assert_eq!(response.json()["error"], "403:token_expired:authentication_failed");
    // What it had opened is ended when that is seen, within a second.
    encke.advance(Duration::from_secs(1));
    assert_eq!(polls.polled()[0]["error"], "402::session_unknown");
    encke.until("ended", 1, |encke| encke.ended("unauthorized"));
}

/// A page of history that waits is somebody's as everything else is.
#[test]
fn a_page_that_waits_is_answered_when_its_reader_is_sent_away() {
    let (encke, key) = guarded(|config| {
        config.tokens.leeway = Duration::ZERO;
        keep(config, "/users/**", 10);
    });
    let wait = |token: &str| {
        let mut wire = encke.wire();
        wire.get("/channels/users/alice/x?as=messages&wait=60&since=now", &bearer(token));
        wire
    };
    let empty = |mut wire: Wire| wire.response().json()["messages"].as_array().expect("messages").is_empty();
    let expiring = wait(&token("alice", Duration::from_secs(5)));
    encke.until("waits", 1, |encke| encke.figure("encke_sessions"));
    encke.advance(Duration::from_secs(6));
    assert!(empty(expiring));
    encke.until("ended", 1, |encke| encke.ended("unauthorized"));
    let kicked = wait(&token("alice", HOUR));
    encke.until("waits", 1, |encke| encke.figure("encke_sessions"));
    let mut wire = Wire::connect(encke.internal);
    let body = json!({"subject": "alice"}).to_string();
    assert_eq!(wire.post_with("/api/kick", &bearer(&key), &body).response().json()["ended"], 1);
    assert!(empty(kicked));
    let revoked = wait(&token("alice", HOUR));
    encke.until("waits", 1, |encke| encke.figure("encke_sessions"));
    assert_eq!(revoke(&encke, &key, &json!({"token": "id-alice"})), 1);
    assert!(empty(revoked));
}

#[test]
fn what_is_revoked_stays_so() {
    let (encke, key) = guarded(|config| config.tokens.revoked = vec!["lost".into()]);
    let with = |id: &str| signed(&json!({"sub": "alice", "exp": now() + 30 * 86_400, "jti": id}));
    let error = |token: &str| {
        encke.wire().post_with("/channels/chat/1", &bearer(token), "1").response().json()["error"].clone()
    };
    const REVOKED: &str = "403:token_revoked:authentication_failed";
    // By the configuration, which a restart does not forget.
    assert_eq!([error(&with("lost")), error(&with("kept"))], [json!(REVOKED), Value::Null]);
    // And by an operator who did not say until when.
    revoke(&encke, &key, &json!({"token": "kept"}));
    encke.advance(Duration::from_secs(10 * 86_400));
    assert_eq!(error(&with("kept")), REVOKED);
}
