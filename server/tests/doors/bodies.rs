//! What a channel takes, what a page shows of it, and the server API.

use encke::visitors::Visitors;
use serde_json::{Value, json};

use crate::bystander::Bystander;
use crate::polling::publish;
use crate::server::Encke;
use crate::socket::Socket;
use crate::wire::Wire;

fn text(chunk: Option<Vec<u8>>) -> String {
    String::from_utf8(chunk.expect("the stream goes on")).expect("UTF-8")
}

#[test]
fn text_bytes_and_forms_are_taken_as_what_they_are() {
    let encke = Encke::start();
    let mut socket = Socket::listening(&encke, "/a");
    let mut events = encke.wire();
    events.get("/channels/a?as=event-stream", "").head();
    events.chunk();
    for (media, body, data, event) in [
        (
            "text/html; charset=utf-8",
            "<b>one</b>\ntwo",
            json!("<b>one</b>\ntwo"),
            "data: <b>one</b>\ndata: two\n\n",
        ),
        ("text/plain", "plain", json!("plain"), "data: plain\n\n"),
        ("image/png", "\u{1}\u{2}", json!("AQI="), "data: AQI=\n\n"),
        (
            "application/x-www-form-urlencoded",
            "name=Ann&text=a+b&tag=1&tag=2",
            json!({"name": "Ann", "text": "a b", "tag": ["1", "2"]}),
            "data: {",
        ),
        (
            "application/x-www-form-urlencoded",
            "{\"curl\":\"-d\"}",
            json!({"curl": "-d"}),
            "data: {\"curl\":\"-d\"}\n\n",
        ),
        ("application/json", "[1]", json!([1]), "data: [1]\n\n"),
    ] {
        let response =
            encke.wire().post_with("/channels/a", &format!("Content-Type: {media}\r\n"), body).response();
        assert_eq!(response.status, 200, "{media}: {response:?}");
        assert_eq!(socket.message()["data"], data, "{media}");
        let event_text = text(events.chunk());
        assert!(event_text.contains(event), "{media}: {event_text}");
    }
}

#[test]
fn what_is_not_what_it_says_is_refused() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    for (media, body, status, error) in [
        ("application/x-www-form-urlencoded", "", 400, "400::form_invalid"),
        ("application/x-www-form-urlencoded", "a=%ff", 400, "400::form_invalid"),
        ("multipart/form-data; boundary=x", "--x", 415, "415::media_type_unsupported"),
        ("application/json", "{", 400, "400::json_invalid"),
    ] {
        let response =
            encke.wire().post_with("/channels/a", &format!("Content-Type: {media}\r\n"), body).response();
        assert_eq!((response.status, &response.json()["error"]), (status, &json!(error)), "{media} {body}");
    }
    let mut wire = encke.wire();
    wire.send(b"POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n\xff");
    assert_eq!(wire.response().json()["error"], "400::text_invalid");
    assert_eq!(encke.figure("encke_messages_in_total"), 0);
    bystander.is_well(&encke);
}

#[test]
fn in_production_a_form_is_never_json() {
    let encke = Encke::visited(Visitors::SameOrigin, |_| {});
    let mut socket = Socket::listening(&encke, "/a");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(encke.wire().post_with("/channels/a", form, "{\"a\":1}").response().status, 200);
    assert_eq!(socket.message()["data"], json!({"{\"a\":1}": ""}));
}

#[test]
fn a_page_grows_and_runs_nothing() {
    let encke = Encke::start();
    for (path, headers) in [
        ("/channels/chat/demo?as=page", ""),
        ("/channels/chat/demo", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"),
    ] {
        let mut wire: Wire = encke.wire();
        let head = wire.get(path, headers).head();
        assert_eq!(head.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(
            head.header("content-security-policy")
                .is_some_and(|policy| policy.contains("default-src 'none'"))
        );
        assert_eq!(head.header("vary"), Some("Accept, Origin"));
        let begin = text(wire.chunk());
        assert!(
            begin.contains("<title>/chat/demo</title>") && begin.contains("<form method=\"post\""),
            "{begin}"
        );
        assert!(!begin.contains("<script") && !begin.contains('{'.to_string().as_str().repeat(2).as_str()));
        publish(&encke, "/chat/demo", &json!({"name": "<i>Ann", "text": "<script>alert(1)</script>"}));
        let said = text(wire.chunk());
        assert_eq!(
            said,
            "<p><i>/chat/demo</i> <b>&lt;i&gt;Ann</b> &lt;script&gt;alert(1)&lt;/script&gt;</p>\n"
        );
    }
    let mut wide = encke.wire();
    wide.get("/channels/chat/*?as=page", "").head();
    assert!(!text(wide.chunk()).contains("<form"), "nobody can speak to a pattern");
    encke.until("the others have left", 1, |encke| encke.connections("page"));
}

#[test]
fn the_server_api_publishes_to_many_channels_or_to_none() {
    let encke = Encke::start();
    let mut socket = Socket::listening(&encke, "/a/*");
    let call =
        |body: &Value| Wire::connect(encke.internal).post("/api/publish", &body.to_string()).response();
    let response = call(&json!({"channels": ["/a/b", "/a/c", "/d"], "data": {"n": 1}}));
    assert_eq!(response.status, 200);
    let published = response.json()["published"].clone();
    let reached: Vec<_> =
        (0..3).map(|n| (published[n]["channel"].clone(), published[n]["sessions"].clone())).collect();
    assert_eq!(reached, [(json!("/a/b"), json!(1)), (json!("/a/c"), json!(1)), (json!("/d"), json!(0))]);
    assert!(published[0]["position"].is_string());
    for channel in ["/a/b", "/a/c"] {
        assert_eq!(socket.message()["channel"], channel);
    }
    assert_eq!(call(&json!({"channel": "/a/b", "data": null})).status, 200);
    assert_eq!(socket.message()["data"], Value::Null);
    for (body, status) in [
        (json!({"channels": ["/a/b", "/meta/x"], "data": 1}), 403),
        (json!({"channels": ["/a/b", "/a/*"], "data": 1}), 400),
        (json!({"channels": [], "data": 1}), 400),
        (json!({"channels": vec!["/a/b"; 257], "data": 1}), 400),
        (json!({"channel": "/a/b"}), 400),
        (json!({"chanel": "/a/b", "data": 1}), 400),
    ] {
        assert_eq!(call(&body).status, status, "{body}");
    }
    assert_eq!(encke.figure("encke_messages_in_total"), 4, "what is refused reaches nobody");
    // Never on the public listener.
    assert_eq!(encke.wire().post("/api/publish", "{}").response().status, 404);
}

#[test]
fn the_client_is_part_of_the_server() {
    let encke = Encke::start();
    for path in ["/encke.js", "/encke.mjs"] {
        let mut wire = encke.wire();
        let script = wire.get(path, "").response();
        assert_eq!(
            (script.status, script.header("content-type")),
            (200, Some("text/javascript; charset=utf-8"))
        );
        let tag = script.header("etag").expect("a tag").to_owned();
        // It has no body, and says no length.
        assert_eq!(wire.get(path, &format!("If-None-Match: {tag}\r\n")).head().status, 304);
        assert_eq!(wire.get(path, "").response().status, 200);
    }
    let production = Encke::visited(Visitors::SameOrigin, |_| {});
    assert_eq!(production.wire().get("/demos/", "").response().status, 404);
    assert_eq!(production.wire().get("/encke.js", "").response().status, 200);
}
