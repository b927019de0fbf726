//! Pages of other origins: who may read is said to those who have been let in, and to nobody else.

use encke::visitors::Visitors;
use serde_json::json;

use crate::polling::{Polling, handshake, publish};
use crate::server::Encke;
use crate::wire::Response;

const HERE: &str = "http://localhost:5173";
const APP: &str = "https://app.example";

fn may_read(response: &Response, origin: &str) {
    assert_eq!(response.header("access-control-allow-origin"), Some(origin), "{response:?}");
    assert_eq!(response.header("access-control-allow-credentials"), Some("true"));
    assert!(response.header("vary").is_some(), "{response:?}");
}

#[test]
fn a_page_of_this_machine_may_read_every_door() {
    let encke = Encke::start();
    let origin = format!("Origin: {HERE}\r\n");
    let mut wire = encke.wire();
    let shaken = wire.post_with("/bayeux", &origin, &json!([handshake()]).to_string()).response();
    may_read(&shaken, HERE);
    may_read(&wire.post_with("/channels/a", &origin, "1").response(), HERE);
    may_read(&wire.get("/nothing", &origin).response(), HERE);
    may_read(&wire.get("/channels/a?as=event-stream", &origin).head(), HERE);

    let mut client = Polling::open_with(&encke, "/bayeux", &origin);
    let connect = client.request("/meta/connect", json!({"connectionType": "long-polling", "id": "first"}));
    let connected = client.ask(&json!([connect]));
    assert_eq!(connected[0]["successful"], true);
    client.subscribe("/a");
    client.hold();
    encke.until("the poll is held", 1, |encke| encke.connections("long-polling"));
    publish(&encke, "/a", &json!(1));
    may_read(&client.poll.response(), HERE);
}

#[test]
fn a_preflight_is_told_what_may_be_asked() {
    let encke = Encke::start();
    let asks = format!(
        "Origin: {HERE}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n"
    );
    for path in ["/bayeux", "/bayeux/handshake", "/cometd/connect", "/channels/a"] {
        let mut wire = encke.wire();
        wire.send(format!("OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\n{asks}\r\n").as_bytes());
        let response = wire.response();
        assert_eq!(response.status, 204);
        may_read(&response, HERE);
        assert!(
            response.header("access-control-allow-methods").is_some_and(|methods| methods.contains("POST"))
        );
        assert!(
            response
                .header("access-control-allow-headers")
                .is_some_and(|names| names.contains("Content-Type"))
        );
    }
}

#[test]
fn nobody_else_is_named() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    let plain = wire.post("/channels/a", "1").response();
    assert_eq!(plain.header("access-control-allow-origin"), None);
    assert!(plain.header("vary").is_some_and(|vary| vary.contains("Origin")));
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        let response =
            encke.wire().post_with("/channels/a", &format!("Origin: {origin}\r\n"), "1").response();
        assert_eq!(
            (response.status, response.header("access-control-allow-origin")),
            (403, None),
            "{origin}"
        );
    }
}

#[test]
fn production_lets_in_its_own_origin_and_those_that_are_named() {
    let encke = Encke::visited(Visitors::SameOrigin, |config| config.doors.origins = vec![APP.into()]);
    let mut wire = encke.wire();
    may_read(&wire.post_with("/channels/a", &format!("Origin: {APP}\r\n"), "1").response(), APP);
    may_read(
        &wire.post_with("/channels/a", "Origin: http://localhost\r\n", "1").response(),
        "http://localhost",
    );
    for origin in ["https://app.example.evil", "http://app.example", "https://app.example:8443", HERE] {
        let response =
            encke.wire().post_with("/channels/a", &format!("Origin: {origin}\r\n"), "1").response();
        assert_eq!(
            (response.status, response.header("access-control-allow-origin")),
            (403, None),
            "{origin}"
        );
    }
}
