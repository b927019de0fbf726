//! `callback-polling`: what is said stands in a URL, what is answered is a script.

use bayeux::framing::callback::unframe;
use encke::visitors::Visitors;
use serde_json::{Value, json};

use crate::bystander::Bystander;
use crate::polling::{handshake, publish};
use crate::server::Encke;
use crate::wire::{Response, Wire};

fn encoded(messages: &Value) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => (byte as char).to_string(),
        _ => format!("%{byte:02x}"),
    };
    messages.to_string().bytes().map(escape).collect()
}

fn ask(wire: &mut Wire, messages: &Value) {
    wire.get(&format!("/bayeux?jsonp=cb&message={}", encoded(messages)), "");
}

/// The replies inside of a script, which must be what such a script has to be.
fn script(response: &Response) -> Vec<Value> {
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.header("content-disposition"), Some("attachment; filename=f.txt"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let text = response.text();
    let (name, json) = unframe(&text).expect("a script");
    assert_eq!(name, "cb");
    serde_json::from_str(&json).expect("JSON")
}

fn speaking() -> Encke {
    Encke::with(|config| config.doors.callback_polling = true)
}

#[test]
fn a_session_by_scripts() {
    let encke = speaking();
    let mut wire = encke.wire();
    ask(&mut wire, &json!([handshake()]));
    let reply = script(&wire.response()).remove(0);
    assert_eq!(reply["supportedConnectionTypes"], json!(["websocket", "long-polling", "callback-polling"]));
    let id = reply["clientId"].clone();
    let connect = json!([{"channel": "/meta/connect", "clientId": id, "connectionType": "callback-polling", "id": "c"}]);
    ask(&mut wire, &connect);
    assert_eq!(script(&wire.response())[0]["successful"], true);
    ask(&mut wire, &json!([{"channel": "/meta/subscribe", "clientId": id, "subscription": "/a", "id": "s"}]));
    assert_eq!(script(&wire.response())[0]["successful"], true);

    // Held, and answered with what would be no JavaScript if it stood there as it is.
    ask(&mut wire, &connect);
    encke.until("the poll is held", 1, |encke| encke.connections("long-polling"));
    let data = json!({"__proto__": 1, "text": "</script>\u{2028}\"\\\n"});
    publish(&encke, "/a", &data);
    let held = script(&wire.response());
    assert_eq!((&held[0]["data"], &held[1]["channel"]), (&data, &json!("/meta/connect")));
    assert_eq!(held[1]["id"], "c");

    // Nothing rides on a reply that is no connect's: nobody knows in which order scripts arrive.
    publish(&encke, "/a", &json!("waits"));
    ask(
        &mut wire,
        &json!([{"channel": "/meta/unsubscribe", "clientId": id, "subscription": "/b", "id": "u"}]),
    );
    assert_eq!(script(&wire.response()).len(), 1);
    ask(&mut wire, &connect);
    assert_eq!(script(&wire.response())[0]["data"], "waits");
}

#[test]
fn names_that_would_say_more_than_a_call() {
    let encke = speaking();
    let mut bystander = Bystander::join(&encke);
    let message = encoded(&json!([handshake()]));
    for name in ["alert(1)//", "a;b", "%3cscript%3e", "", "a%00", &"a".repeat(65), "cb&jsonp=other"] {
        let mut wire = encke.wire();
        wire.get(&format!("/bayeux?jsonp={name}&message={message}"), "");
        let response = wire.response();
        assert_eq!(response.status, 400, "{name}: {response:?}");
        assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    }
    let mut wire = encke.wire();
    wire.get(&format!("/bayeux?message={message}"), "");
    assert!(wire.response().text().starts_with("/**/jsonpcallback(JSON.parse("));
    assert_eq!(encke.refused("bad_body"), 7);
    bystander.is_well(&encke);
}

#[test]
fn it_is_off_unless_it_is_allowed() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    ask(&mut wire, &json!([handshake()]));
    wire.response().is_refused(403);
    wire.post("/bayeux", &json!([handshake()]).to_string());
    let reply = wire.response().messages().remove(0);
    assert_eq!(reply["supportedConnectionTypes"], json!(["websocket", "long-polling"]));
    // A plain GET is not a script's.
    wire.get("/bayeux", "").response().is_refused(405);
}

/// What a browser says with a script of a page elsewhere: no `Origin`, but where the page stands.
#[test]
fn a_page_elsewhere_passes_by_no_script() {
    let development = Encke::with(|config| {
        config.doors.callback_polling = true;
        config.doors.origins = vec!["https://app.example".to_owned()];
    });
    let production = Encke::visited(Visitors::SameOrigin, |config| {
        config.doors.callback_polling = true;
        config.doors.origins = vec!["https://app.example".to_owned()];
    });
    let asked = |encke: &Encke, headers: &str| {
        let mut wire = encke.wire();
        wire.get(&format!("/bayeux?jsonp=cb&message={}", encoded(&json!([handshake()]))), headers);
        wire.response().status
    };
    for (headers, statuses) in [
        ("", [200, 200]),
        ("Sec-Fetch-Site: same-origin\r\n", [200, 200]),
        ("Sec-Fetch-Site: none\r\n", [200, 200]),
        ("Sec-Fetch-Site: cross-site\r\n", [403, 403]),
        ("Sec-Fetch-Site: same-site\r\n", [403, 403]),
        ("Sec-Fetch-Site: cross-site\r\nReferer: https://evil.example/localhost\r\n", [403, 403]),
        ("Referer: https://evil.example/?http://localhost/\r\n", [403, 403]),
        ("Sec-Fetch-Site: same-site\r\nReferer: http://localhost:3000/page?a\r\n", [200, 403]),
        ("Sec-Fetch-Site: cross-site\r\nReferer: https://app.example/\r\n", [403, 200]),
    ] {
        assert_eq!([asked(&development, headers), asked(&production, headers)], statuses, "{headers}");
    }
}
