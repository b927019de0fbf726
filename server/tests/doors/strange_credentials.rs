//! Tokens where and as nobody expects them.

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::guard::{guarded, now, token};
use crate::server::Encke;
use crate::wire::Response;

const HOUR: Duration = Duration::from_secs(3600);

fn publish(encke: &Encke, headers: &[u8]) -> Response {
    let mut wire = encke.wire();
    let head =
        b"POST /channels/users/alice/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    wire.send(&[&head[..], headers, b"Content-Length: 1\r\n\r\n1"].concat());
    wire.response()
}

/// Who shows something that is not good is refused, and not taken for nobody.
#[test]
fn what_is_shown_and_cannot_be_read_is_refused() {
    let (encke, _) = guarded(|_| {});
    for header in
        ["Authorization: Bearer caf\u{e9}\r\n", "Authorization: bearer\r\n", "Authorization: BEARER  \r\n"]
    {
        let response = publish(&encke, header.as_bytes());
        assert_eq!(
            (response.status, &response.json()["error"]),
            (401, &json!("403:token_malformed:authentication_failed")),
            "{header}"
        );
    }
    let latin = publish(&encke, b"Authorization: Bearer caf\xe9\r\n");
    assert_eq!(latin.status, 401);
}

/// A proxy may ask for something of its own.
#[test]
fn a_bearer_is_found_beside_what_is_for_a_proxy() {
    let (encke, _) = guarded(|_| {});
    let both = format!("Authorization: Basic YTpi\r\nAuthorization: Bearer {}\r\n", token("alice", HOUR));
    assert_eq!(publish(&encke, both.as_bytes()).status, 200);
}

/// RFC 7515, section 4.1.11.
#[test]
fn a_token_with_something_that_has_to_be_understood_is_refused() {
    let (encke, _) = guarded(|_| {});
    let base64 = |json: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string());
    let claims = base64(json!({"sub": "alice", "exp": now() + 60}));
    let signed = |header: Value| {
        let input = format!("{}.{claims}", base64(header));
        let key = jsonwebtoken::EncodingKey::from_secret(crate::guard::SECRET.as_bytes());
        let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &key, jsonwebtoken::Algorithm::HS256);
        format!("Authorization: Bearer {input}.{}\r\n", signature.expect("a key"))
    };
    let plain = signed(json!({"alg": "HS256"}));
    let critical = signed(json!({"alg": "HS256", "crit": ["exp"], "exp": 1}));
    assert_eq!(publish(&encke, plain.as_bytes()).status, 200);
    assert_eq!(publish(&encke, critical.as_bytes()).status, 401);
}

#[test]
fn nobody_gets_no_ticket_and_a_ticket_no_other() {
    let (encke, _) = guarded(|_| {});
    assert_eq!(encke.wire().post_with("/ticket", "", "").response().status, 401);
    let bearer = format!("Authorization: Bearer {}\r\n", token("alice", HOUR));
    let ticket = encke.wire().post_with("/ticket", &bearer, "").response().json();
    let path = format!("/ticket?ticket={}", ticket["ticket"].as_str().expect("a ticket"));
    assert_eq!(encke.wire().post_with(&path, "", "").response().status, 401);
    assert_eq!(encke.refused("ticket_for_nobody"), 2);
}

/// A browser that is so old that it does not say where a page is sends its user's cookies all the same.
#[test]
fn a_script_of_a_page_that_nobody_knows_is_nobodys() {
    let (encke, _) = guarded(|config| config.doors.callback_polling = true);
    let cookie = format!("Cookie: session={}\r\n", token("alice", HOUR));
    let message = "%5B%7B%22channel%22:%22/users/alice/x%22,%22data%22:1%7D%5D";
    let asks = |headers: &str| {
        let path = format!("/bayeux?jsonp=cb&message={message}");
        let text = encke.wire().get(&path, &format!("{cookie}{headers}")).response().text();
        text.contains("\\\"successful\\\":true") || text.contains("\"successful\":true")
    };
    assert!(!asks(""));
    assert!(asks("Referer: http://localhost/page\r\n"));
    assert!(asks("Sec-Fetch-Site: same-origin\r\n"));
}

/// Whoever prints a policy, a request or an identity prints no secret with it.
#[test]
fn nothing_shows_a_secret() {
    let request = json!([{"channel": "/meta/handshake", "version": "1.0", "clientId": "hidden-1",
        "ext": {"authentication": {"token": "hidden-2"}}}]);
    let parsed =
        bayeux::parse(request.to_string().as_bytes(), &bayeux::Limits::default()).expect("a request");
    let clock = encke::clock::Clock::by_hand().0;
    let mut config = encke::config::Config { tokens: crate::guard::tokens(), ..Default::default() };
    config.rights.open = true;
    let policy = encke::policy::Policy::new(config.rights.clone(), config.tokens.clone(), &config.key, clock)
        .expect("good");
    let (ticket, _) = policy.ticket(&Default::default()).expect("a ticket");
    let shown = format!("{parsed:?} {policy:?} {config:?}");
    for secret in ["hidden", &ticket, crate::guard::SECRET] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
