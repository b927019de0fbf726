//! Who somebody is, whatever the door: tokens in handshakes, headers, sub-protocols and cookies, tickets, keys.

use std::time::Duration;

use serde_json::{Value, json};

use crate::guard::{guarded, now, signed, token};
use crate::polling::{Polling, handshake};
use crate::server::Encke;
use crate::socket::{Heard, Socket};
use crate::wire::{Response, Wire};

const HOUR: Duration = Duration::from_secs(3600);

fn handshake_with(ext: Value) -> Value {
    let mut handshake = handshake();
    handshake["ext"] = ext;
    handshake
}

fn shown(token: &str) -> Value {
    json!({"authentication": {"token": token}})
}

/// A session on a socket of whoever the token says.
fn session(encke: &Encke, token: &str) -> Socket {
    let mut socket = Socket::open(encke);
    socket.say(&json!([handshake_with(shown(token))]));
    let reply = socket.reply("h");
    assert_eq!(reply["successful"], true, "{reply}");
    socket.id = reply["clientId"].as_str().expect("a clientId").to_owned();
    assert_eq!(socket.ask("/meta/connect", json!({"advice": {"timeout": 0}}))["successful"], true);
    socket
}

fn says(socket: &mut Socket, channel: &str) -> Value {
    socket.ask(channel, json!({"data": 1}))["error"].clone()
}

fn hears(socket: &mut Socket, pattern: &str) -> Value {
    socket.subscribe(pattern)["error"].clone()
}

#[test]
fn users_may_what_rules_say_and_are_told_why_not() {
    let (encke, _) = guarded(|_| {});
    let mut alice = session(&encke, &token("alice", HOUR));
    assert_eq!(says(&mut alice, "/chat/1"), Value::Null);
    assert_eq!(says(&mut alice, "/users/alice/x/y"), Value::Null);
    assert_eq!(hears(&mut alice, "/users/alice/**"), Value::Null);
    assert_eq!(
        says(&mut alice, "/chat/locked"),
        "403:/chat/locked,rule_3_denies_/chat/locked:publish_denied"
    );
    assert_eq!(says(&mut alice, "/users/bob/x"), "403:/users/bob/x,no_rule:publish_denied");
    assert_eq!(says(&mut alice, "/news/today"), "403:/news/today,no_rule:publish_denied");
    // A right to a pattern is one to all of it, and the widest that would be allowed is named.
    assert_eq!(
        hears(&mut alice, "/users/**"),
        "403:/users/**,no_rule_but_for_/users/alice/**:subscribe_denied"
    );
    let mut nobody = Socket::connected(&encke);
    assert_eq!(hears(&mut nobody, "/news/**"), Value::Null);
    assert_eq!(hears(&mut nobody, "/chat/1"), "403:/chat/1,no_rule:subscribe_denied");
    assert_eq!(says(&mut nobody, "/chat/1"), "403:/chat/1,no_rule:publish_denied");
    // A subject that would be more than a part of a name is nobody's.
    for subject in ["**", "*", "a/b", "", "../x"] {
        let mut stranger = session(&encke, &token(subject, HOUR));
        assert_eq!(says(&mut stranger, "/chat/1"), Value::Null, "{subject:?} is a user all the same");
        for channel in ["/users/alice/x", "/users/a/b/x", "/users/x"] {
            let error = says(&mut stranger, channel);
            assert!(
                error.as_str().is_some_and(|error| error.ends_with("publish_denied")),
                "{subject:?} {channel}"
            );
        }
    }
}

#[test]
fn a_token_may_carry_rights_and_a_key_has_its_own() {
    let (encke, key) = guarded(|_| {});
    let grants = json!({"sub": "carol", "exp": now() + 60, "encke": {"subscribe": ["/prices/*"], "publish": "/orders/carol"}});
    let mut carol = session(&encke, &signed(&grants));
    assert_eq!(hears(&mut carol, "/prices/*"), Value::Null);
    assert_eq!(says(&mut carol, "/orders/carol"), Value::Null);
    assert_eq!(says(&mut carol, "/prices/x"), "403:/prices/x,no_rule:publish_denied");
    let headers = format!("Authorization: Bearer {key}\r\n");
    let response = encke.wire().post_with("/channels/news/today", &headers, "1").response();
    assert_eq!(response.status, 200, "{}", response.text());
    let wrong = "Authorization: Bearer encke_0000\r\n";
    let response = encke.wire().post_with("/channels/news/today", wrong, "1").response();
    assert_eq!(
        (response.status, &response.json()["error"]),
        (401, &json!("403:key_unknown:authentication_failed"))
    );
}

/// Publishes by the channel's URL with these headers.
fn post(encke: &Encke, path: &str, headers: &str) -> Response {
    let headers = format!("Content-Type: application/json\r\n{headers}");
    encke.wire().post_with(path, &headers, "1").response()
}

#[test]
fn every_door_knows_who_knocks() {
    let (encke, _) = guarded(|_| {});
    let alice = token("alice", HOUR);
    let bearer = format!("Authorization: Bearer {alice}\r\n");
    let cookie = format!("Cookie: a=b; session={alice}\r\n");
    for headers in [&bearer, &cookie, &format!("{cookie}Sec-Fetch-Site: same-origin\r\n")] {
        assert_eq!(post(&encke, "/channels/users/alice/x", headers).status, 200, "{headers}");
        assert_eq!(post(&encke, "/channels/users/bob/x", headers).status, 403, "{headers}");
    }
    // What a page of another site has a browser send along is nobody's.
    let elsewhere = format!("{cookie}Sec-Fetch-Site: cross-site\r\n");
    assert_eq!(post(&encke, "/channels/users/alice/x", &elsewhere).status, 403);
    // A token does not stand in a URL.
    assert_eq!(post(&encke, &format!("/channels/users/alice/x?token={alice}"), "").status, 403);

    let polls = Polling::open_with(&encke, "/bayeux", &bearer);
    let mut polls = polls;
    let publish = polls.request("/users/alice/x", json!({"data": 1}));
    assert_eq!(polls.ask(&json!([publish]))[0]["successful"], true);

    let mut wire = encke.wire();
    let headers = format!("{}Sec-WebSocket-Protocol: bearer, {alice}\r\n", Socket::headers());
    wire.get("/bayeux", &headers);
    let response = wire.head();
    assert_eq!((response.status, response.header("sec-websocket-protocol")), (101, Some("bearer")));

    let stream = encke.wire().get("/channels/users/alice/**", &bearer).head();
    assert_eq!(stream.status, 200);
    assert_eq!(encke.wire().get("/channels/users/alice/**", "").response().status, 403);
}

#[test]
fn a_ticket_is_good_once_and_for_half_a_minute() {
    let (encke, _) = guarded(|_| {});
    let bearer = format!("Authorization: Bearer {}\r\n", token("alice", HOUR));
    let ticket = || {
        let response = encke.wire().post_with("/ticket", &bearer, "").response();
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.json()["expires_in"], 30_000);
        response.json()["ticket"].as_str().expect("a ticket").to_owned()
    };
    let listen = |ticket: &str| {
        let path = format!("/channels/users/alice/x?as=event-stream&ticket={ticket}");
        encke.wire().get(&path, "").head().status
    };
    let first = ticket();
    assert_eq!([listen(&first), listen(&first), listen("nonsense")], [200, 401, 401]);
    let second = ticket();
    encke.advance(Duration::from_secs(31));
    assert_eq!(listen(&second), 401);
}

#[test]
fn bad_tokens_are_refused_with_the_reason() {
    let (encke, _) = guarded(|config| {
        config.tokens.audience = vec!["chat".into()];
        config.tokens.issuer = vec!["app".into()];
        config.tokens.key[0].id = "main".into();
    });
    let good = json!({"sub": "alice", "exp": now() + 60, "aud": ["x", "chat"], "iss": "app"});
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signed(&claims)
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().expect("claims").remove(name);
        signed(&claims)
    };
    let token = signed(&good);
    let [head, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    use base64::Engine as _;
    let base64 = |json: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string());
    let header = |json: Value| format!("{}.{claims}.{signature}", base64(json));
    for (token, reason) in [
        (header(json!({"alg": "none"})), "token_algorithm"),
        (format!("{}.{claims}.", base64(json!({"alg": "none", "typ": "JWT"}))), "token_algorithm"),
        (header(json!({"alg": "RS256", "kid": "main"})), "token_algorithm"),
        (header(json!({"alg": "HS384"})), "token_algorithm"),
        (header(json!({"alg": "HS256", "kid": "../../etc/passwd"})), "token_unknown_key"),
        (
            format!("{head}.{}.{signature}", base64(json!({"sub": "bob", "exp": now() + 60}))),
            "token_signature",
        ),
        (with("exp", json!(now() - 31)), "token_expired"),
        (with("nbf", json!(now() + 60)), "token_not_yet_valid"),
        (with("aud", json!("mail")), "token_audience"),
        (without("aud"), "token_audience"),
        (with("iss", json!("somebody")), "token_issuer"),
        (without("iss"), "token_issuer"),
        (without("exp"), "token_without_expiry"),
        (with("exp", json!("tomorrow")), "token_claims"),
        (with("sub", json!(7)), "token_claims"),
        (with("encke", json!({"publish": ["no pattern"]})), "token_claims"),
        ("nonsense".into(), "token_malformed"),
        ("x".repeat(20_000), "token_too_long"),
        ("..".into(), "token_malformed"),
        (format!("{token}.more"), "token_malformed"),
    ] {
        let mut socket = Socket::open(&encke);
        socket.say(&json!([handshake_with(shown(&token))]));
        let reply = socket.reply("h");
        assert_eq!(reply["error"], format!("403:{reason}:authentication_failed"), "{token}");
        assert_eq!(reply["advice"]["reconnect"], "none");
        assert!(encke.refused(reason) > 0, "{reason}");
    }
    assert_eq!(encke.figure("encke_sessions"), 0);
    let mut socket = Socket::open(&encke);
    socket.say(&json!([handshake_with(shown(&token))]));
    assert_eq!(socket.reply("h")["successful"], true);
}

#[test]
fn a_session_is_warned_renewed_and_ended_with_its_token() {
    let (encke, _) = guarded(|_| {});
    let mut alice = session(&encke, &token("alice", Duration::from_secs(100)));
    assert_eq!(hears(&mut alice, "/users/alice/**"), Value::Null);
    let held = alice.hold_for(Duration::from_secs(300));
    alice.ask("/chat/1", json!({"data": 1}));
    encke.advance(Duration::from_secs(80));
    let reply = alice.reply(&held);
    let left = reply["ext"]["authentication"]["expires_in"].as_u64().expect("it is time");
    assert!((10_000..=31_000).contains(&left), "{left}");
    // Somebody else's token changes nothing, a good one does.
    let renew = |socket: &mut Socket, token: &str| {
        let fields = json!({"advice": {"timeout": 0}, "ext": {"authentication": {"token": token}}});
        socket.ask("/meta/connect", fields)
    };
    let far = Duration::from_secs(1000);
    let reply = renew(&mut alice, &token("bob", far));
    assert_eq!(reply["error"], "403:token_of_another_subject:authentication_failed");
    assert_eq!(renew(&mut alice, "nonsense")["error"], "403:token_malformed:authentication_failed");
    assert_eq!(renew(&mut alice, &token("alice", far))["successful"], true);
    alice.hold_for(Duration::from_secs(3000));
    assert_eq!(hears(&mut alice, "/chat/1"), Value::Null);
    encke.advance(Duration::from_secs(200));
    encke.settle();
    assert_eq!(encke.figure("encke_sessions"), 1);
    encke.advance(Duration::from_secs(800));
    encke.until("ended", 1, |encke| encke.ended("unauthorized"));
    assert_eq!(alice.closes(), (Some(1008), "unauthorized".to_owned()));
}

#[test]
fn held_polls_and_streams_end_with_the_token_too() {
    let (encke, _) = guarded(|config| config.tokens.leeway = Duration::ZERO);
    let bearer = format!("Authorization: Bearer {}\r\n", token("alice", Duration::from_secs(20)));
    let mut polls = Polling::open_with(&encke, "/bayeux", &bearer);
    polls.hold().polled();
    polls.hold();
    let mut stream = encke.wire();
    stream.get("/channels/users/alice/x", &bearer);
    assert_eq!(stream.head().status, 200);
    encke.settle();
    // The poll is answered to warn of it, and the next one is held again.
    encke.advance(Duration::from_secs(11));
    assert!(polls.polled()[0]["ext"]["authentication"]["expires_in"].is_u64());
    polls.hold();
    encke.settle();
    encke.advance(Duration::from_secs(10));
    assert_eq!(polls.polled()[0]["error"], "402::session_unknown");
    while stream.chunk().is_some() {}
    encke.until("ended", 2, |encke| encke.ended("unauthorized"));
}

#[test]
fn a_renewed_token_with_fewer_rights_takes_subscriptions_along() {
    let (encke, key) = guarded(|_| {});
    let with = |patterns: &[&str]| {
        signed(&json!({"sub": "carol", "exp": now() + 600, "encke": {"subscribe": patterns}}))
    };
    let mut carol = session(&encke, &with(&["/a", "/b"]));
    assert_eq!([hears(&mut carol, "/a"), hears(&mut carol, "/b")], [Value::Null, Value::Null]);
    let fields = json!({"advice": {"timeout": 0}, "ext": shown(&with(&["/b"]))});
    assert_eq!(carol.ask("/meta/connect", fields)["successful"], true);
    let bearer = format!("Authorization: Bearer {key}\r\n");
    for channel in ["a", "b"] {
        assert_eq!(post(&encke, &format!("/channels/{channel}"), &bearer).status, 200);
    }
    assert_eq!(carol.message()["channel"], "/b");
}

#[test]
fn nobody_takes_anothers_session_with_a_token_of_their_own() {
    let (encke, _) = guarded(|_| {});
    let alice = session(&encke, &token("alice", HOUR));
    let bob = format!("Content-Type: application/json\r\nAuthorization: Bearer {}\r\n", token("bob", HOUR));
    let steal =
        json!([{"channel": "/meta/subscribe", "clientId": alice.id, "id": "1", "subscription": "/chat/1"}]);
    let reply = encke.wire().post_with("/bayeux", &bob, &steal.to_string()).response().messages().remove(0);
    assert_eq!(reply["error"], "402::session_unknown");
}

/// Asks the server API.
fn api(encke: &Encke, key: &str, path: &str, body: Option<Value>) -> Response {
    let headers = format!("Authorization: Bearer {key}\r\n");
    let mut wire = Wire::connect(encke.internal);
    match body {
        Some(body) => wire.post_with(path, &headers, &body.to_string()),
        None => wire.get(path, &headers),
    };
    wire.response()
}

#[test]
fn operators_list_kick_and_revoke() {
    let (encke, key) = guarded(|_| {});
    let (alice_token, bob_token) = (token("alice", HOUR), token("bob", HOUR));
    let mut alice = session(&encke, &alice_token);
    let mut bob = session(&encke, &bob_token);
    let _nobody = Socket::connected(&encke);
    let listed =
        api(&encke, &key, "/api/sessions", None).json()["sessions"].as_array().expect("sessions").len();
    assert_eq!(listed, 3);
    let of_alice = api(&encke, &key, "/api/sessions?subject=alice", None).json();
    assert_eq!(of_alice["sessions"][0]["session"], alice.id.as_str());
    assert_eq!(api(&encke, &key, "/api/kick", Some(json!({"subject": "alice"}))).json()["ended"], 1);
    assert_eq!(alice.closes(), (Some(1008), "kicked".to_owned()));
    // She may come back; a token that is revoked may not.
    let _again = session(&encke, &alice_token);
    assert_eq!(api(&encke, &key, "/api/revoke", Some(json!({"token": "id-bob"}))).json()["ended"], 1);
    assert_eq!(bob.closes(), (Some(1008), "kicked".to_owned()));
    let mut socket = Socket::open(&encke);
    socket.say(&json!([handshake_with(shown(&bob_token))]));
    assert_eq!(socket.reply("h")["error"], "403:token_revoked:authentication_failed");
    // Without the key, or with a user's token: not even a look.
    for secret in ["", "encke_no", &alice_token] {
        for path in ["/api/sessions", "/api/publish", "/api/kick", "/admin"] {
            assert_eq!(api(&encke, secret, path, None).status, 401, "{path}");
        }
    }
    assert_eq!(api(&encke, &key, "/health/ready", None).status, 200);
}

#[test]
fn a_key_is_kept_to_its_rate() {
    let (encke, key) = guarded(|config| config.key[0].rate = 2);
    let bearer = format!("Authorization: Bearer {key}\r\n");
    let publish = || post(&encke, "/channels/a", &bearer).status;
    assert_eq!([publish(), publish(), publish()], [200, 200, 403]);
    encke.advance(Duration::from_secs(1));
    assert_eq!(post(&encke, "/channels/a", &bearer).status, 200);
}

#[test]
fn a_socket_whose_session_is_kicked_hears_nothing_more() {
    let (encke, key) = guarded(|_| {});
    let mut alice = session(&encke, &token("alice", HOUR));
    assert_eq!(hears(&mut alice, "/chat/1"), Value::Null);
    assert_eq!(api(&encke, &key, "/api/kick", Some(json!({"session": alice.id}))).json()["ended"], 1);
    let bearer = format!("Authorization: Bearer {key}\r\n");
    assert_eq!(post(&encke, "/channels/chat/1", &bearer).json()["sessions"], 0);
    assert_eq!(alice.hear(), Heard::Close(Some(1008), "kicked".to_owned()));
}

/// The replies to messages in the URL of a script, with a ticket if there is one.
fn by_script(encke: &Encke, messages: &Value, ticket: &str) -> Vec<Value> {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => (byte as char).to_string(),
        _ => format!("%{byte:02x}"),
    };
    let message: String = messages.to_string().bytes().map(escape).collect();
    let text = encke.wire().get(&format!("/bayeux?jsonp=cb{ticket}&message={message}"), "").response().text();
    let (_, json) = bayeux::framing::callback::unframe(&text).unwrap_or_else(|| panic!("{text}"));
    serde_json::from_str(&json).expect("JSON")
}

fn ticket_of(encke: &Encke, token: &str) -> String {
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let response = encke.wire().post_with("/ticket", &bearer, "").response();
    format!("&ticket={}", response.json()["ticket"].as_str().expect("a ticket"))
}

#[test]
fn by_scripts_a_ticket_says_who_shakes_hands_and_who_renews_and_a_token_is_refused() {
    let (encke, _) = guarded(|config| config.doors.callback_polling = true);
    let first = token("alice", Duration::from_secs(20));
    let shaken = by_script(&encke, &json!([handshake()]), &ticket_of(&encke, &first)).remove(0);
    assert_eq!(shaken["successful"], true, "{shaken}");
    let connect = json!({"channel": "/meta/connect", "clientId": shaken["clientId"], "connectionType": "callback-polling",
        "id": "c", "advice": {"timeout": 0}});
    assert_eq!(by_script(&encke, &json!([connect]), "")[0]["successful"], true);

    // What stands in a URL stands in logs.
    let refused = by_script(&encke, &json!([handshake_with(shown(&first))]), "").remove(0);
    assert_eq!(refused["error"], "403:token_in_url:authentication_failed");
    let mut renewing = connect.clone();
    renewing["ext"] = shown(&token("alice", HOUR));
    let refused = by_script(&encke, &json!([renewing]), "").remove(0);
    assert_eq!(refused["error"], "403:token_in_url:authentication_failed");
    assert_eq!(refused["advice"]["reconnect"], "retry");

    // Somebody else's ticket names another session's owner, who has none of this id; the owner's renews it.
    let stolen = by_script(&encke, &json!([connect]), &ticket_of(&encke, &token("bob", HOUR))).remove(0);
    assert_eq!(stolen["error"], "402::session_unknown");
    let renewed = by_script(&encke, &json!([connect]), &ticket_of(&encke, &token("alice", HOUR))).remove(0);
    assert_eq!(renewed["successful"], true, "{renewed}");
    encke.advance(Duration::from_secs(25));
    assert_eq!(by_script(&encke, &json!([connect]), "")[0]["successful"], true);
}

#[test]
fn what_was_let_in_with_a_token_is_over_with_it_before_it_has_a_session() {
    let (encke, key) = guarded(|config| config.tokens.leeway = Duration::ZERO);
    let open = |token: &str| {
        let headers = format!("Sec-WebSocket-Protocol: bearer, {token}\r\n");
        Socket::over_with(encke.wire(), "/bayeux", &headers)
    };
    let says = |socket: &mut Socket| {
        socket.say(&json!([{"channel": "/users/alice/x", "id": "p", "data": 1}]));
        socket.reply("p")["error"].clone()
    };
    let alice = token("alice", HOUR);
    let (mut short, mut revoked) = (open(&token("alice", Duration::from_secs(5))), open(&alice));
    let ticket = ticket_of(&encke, &alice);
    assert_eq!([says(&mut short), says(&mut revoked)], [Value::Null, Value::Null]);
    encke.advance(Duration::from_secs(6));
    assert_eq!(says(&mut short), "403:/users/alice/x,token_expired:publish_denied");
    short.say(&json!([handshake()]));
    assert_eq!(short.reply("h")["error"], "403:token_expired:authentication_failed");
    assert_eq!(api(&encke, &key, "/api/revoke", Some(json!({"token": "id-alice"}))).json()["ended"], 0);
    assert_eq!(says(&mut revoked), "403:/users/alice/x,token_revoked:publish_denied");
    revoked.say(&json!([handshake()]));
    assert_eq!(revoked.reply("h")["error"], "403:token_revoked:authentication_failed");
    let late = encke.wire().get(&format!("/channels/users/alice/x?as=lines{ticket}"), "").response();
    assert_eq!(
        (late.status, &late.json()["error"]),
        (401, &json!("403:token_revoked:authentication_failed"))
    );
}

#[test]
fn a_token_that_is_taken_for_the_leeway_has_a_session_for_the_rest_of_it() {
    let (encke, _) = guarded(|_| {});
    let over = signed(&json!({"sub": "alice", "exp": now() - 10}));
    let mut alice = session(&encke, &over);
    encke.advance(Duration::from_secs(15));
    assert_eq!(hears(&mut alice, "/chat/1"), Value::Null);
    encke.advance(Duration::from_secs(10));
    encke.until("ended", 1, |encke| encke.ended("unauthorized"));
    assert_eq!(alice.closes(), (Some(1008), "unauthorized".to_owned()));
}
