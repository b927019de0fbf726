//! Pages from elsewhere are let in by no door.

use encke::visitors::Visitors;
use serde_json::json;

use crate::polling::handshake;
use crate::server::Encke;
use crate::socket::Socket;
use crate::wire::Wire;

/// Knocks at every door with this `Host` and these headers; answers with the statuses.
fn knock(encke: &Encke, host: &str, headers: &str) -> Vec<u16> {
    let body = json!([handshake()]).to_string();
    let post = |path: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\n{host}{headers}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\n{host}{headers}{more}\r\n");
    let upgrade = Socket::headers();
    [
        post("/bayeux", &body),
        post("/cometd/handshake", &body),
        post("/channels/a", "1"),
        get("/channels/a", ""),
        get("/bayeux", &upgrade),
        get("/faye", &upgrade),
        get("/echo", &upgrade),
        get("/", ""),
    ]
    .iter()
    .map(|request| {
        let mut wire = encke.wire();
        wire.send(request.as_bytes());
        wire.head().status
    })
    .collect()
}

const IN: [u16; 8] = [200, 200, 200, 200, 101, 101, 101, 200];
const OUT: [u16; 8] = [403; 8];

#[test]
fn development_is_open_to_this_machine() {
    let encke = Encke::start();
    for host in ["localhost", "127.0.0.1:8080", "[::1]:1", "app.localhost", "LOCALHOST."] {
        for origin in [
            "",
            "Origin: http://localhost:3000\r\n",
            "Origin: https://127.0.0.1\r\n",
            "Origin: http://[::1]:5\r\n",
        ] {
            assert_eq!(knock(&encke, &format!("Host: {host}\r\n"), origin), IN, "{host} {origin}");
        }
    }
    assert_eq!(encke.refused("visitor"), 0);
}

/// DNS rebinding: a page of evil.example reaches 127.0.0.1 by its own name, so its `Host` and its `Origin` agree.
#[test]
fn a_page_whose_name_was_rebound_is_refused_at_every_door() {
    let encke = Encke::start();
    let page = "Origin: http://evil.example:8080\r\n";
    for (host, origin) in [
        ("evil.example:8080", page),
        ("evil.example:8080", ""),
        ("localhost", page),
        ("localhost", "Origin: null\r\n"),
        ("localhost", "Origin: http://localhost.evil.example\r\n"),
        ("localhost", "Origin: http://localhost@evil.example\r\n"),
        ("localhost", "Origin: file://\r\n"),
        ("localhost", "Origin: \u{fc}\r\n"),
        ("127.0.0.1.evil.example", ""),
        ("localhost@evil.example", ""),
        ("0.0.0.0:8080", ""),
        ("192.168.1.1", ""),
        ("", ""),
    ] {
        assert_eq!(knock(&encke, &format!("Host: {host}\r\n"), origin), OUT, "{host} {origin}");
    }
    assert_eq!(encke.refused("visitor"), 13 * 8);
    assert_eq!(encke.figure("encke_sessions"), 0);
    assert_eq!(encke.figure("encke_messages_in_total"), 0);
}

#[test]
fn two_hosts_or_two_origins_are_refused() {
    let encke = Encke::start();
    assert_eq!(knock(&encke, "Host: localhost\r\nHost: evil.example\r\n", ""), OUT);
    let two = "Origin: http://localhost\r\nOrigin: http://evil.example\r\n";
    assert_eq!(knock(&encke, "Host: localhost\r\n", two), OUT);
}

#[test]
fn a_url_that_names_another_host_is_refused() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    wire.send(b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wire.response().is_refused(403);
}

#[test]
fn the_internal_listener_is_as_careful() {
    let encke = Encke::start();
    for headers in ["Host: evil.example\r\n", "Host: localhost\r\nOrigin: http://evil.example\r\n"] {
        for path in ["/metrics", "/health/live", "/health/ready"] {
            let mut wire = Wire::connect(encke.internal);
            wire.send(format!("GET {path} HTTP/1.1\r\n{headers}\r\n").as_bytes());
            wire.response().is_refused(403);
        }
    }
}

#[test]
fn production_is_open_to_programs_and_to_pages_of_its_own_origin() {
    let encke = Encke::visited(Visitors::SameOrigin, |_| {});
    // `/echo` is for development only.
    let inside = [200, 200, 200, 200, 101, 101, 404, 200];
    let host = "Host: push.example.com\r\n";
    assert_eq!(knock(&encke, host, ""), inside);
    assert_eq!(knock(&encke, host, "Origin: https://push.example.com\r\n"), inside);
    assert_eq!(knock(&encke, host, "Origin: https://PUSH.example.com\r\n"), inside);
    for origin in [
        "http://evil.example",
        "https://example.com",
        "https://push.example.com:8443",
        "null",
        "https://push.example.com.evil.example",
    ] {
        assert_eq!(knock(&encke, host, &format!("Origin: {origin}\r\n")), OUT, "{origin}");
    }
    assert_eq!(encke.refused("visitor"), 5 * 8);
}

#[test]
fn insecure_is_open_to_everybody() {
    let encke = Encke::visited(Visitors::Anyone, |_| {});
    assert_eq!(knock(&encke, "Host: any.example\r\n", "Origin: http://evil.example\r\n"), IN);
}
