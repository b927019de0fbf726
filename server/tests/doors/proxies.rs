//! Proxies that are trusted to say for whom they speak, and others that are not. Which address counts is seen by the
//! rate of handshakes of one address.

use bayeux::websocket::{Opcode, write_masked_frame};
use serde_json::json;

use crate::polling::handshake;
use crate::server::Encke;
use crate::socket::Socket;

/// One handshake a second for each address; the clock stands still.
fn start(proxies: &[&str]) -> Encke {
    Encke::with(|config| {
        config.rates.handshakes_per_address = 1;
        config.doors.proxies =
            proxies.iter().map(|text| (*text).to_owned().try_into().expect("a proxy")).collect();
    })
}

/// Whether a handshake with these headers finds its address new.
fn is_new(encke: &Encke, headers: &str) -> bool {
    let body = json!([handshake()]).to_string();
    let reply = encke.wire().post_with("/bayeux", headers, &body).response().messages().remove(0);
    if reply["successful"] == true {
        return true;
    }
    assert!(reply["advice"]["interval"].as_u64().is_some_and(|wait| wait >= 1000), "{reply}");
    false
}

#[test]
fn a_proxy_that_is_trusted_is_believed() {
    let encke = start(&["127.0.0.1", "10.0.0.0/8"]);
    for (headers, new) in [
        ("X-Forwarded-For: 203.0.113.1\r\n", true),
        ("X-Forwarded-For: 203.0.113.1\r\n", false),
        ("Forwarded: for=203.0.113.1\r\n", false),
        ("X-Forwarded-For: 6.6.6.6, 203.0.113.1, 10.9.9.9\r\n", false),
        ("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.1\r\n", false),
        ("X-Forwarded-For: 203.0.113.2\r\n", true),
        ("Forwarded: for=6.6.6.6, for=\"[2001:db8::1]:80\";proto=https\r\n", true),
        // Whoever has one of these has them all.
        ("Forwarded: for=\"[2001:db8::ffff:1]\"\r\n", false),
        ("Forwarded: for=\"[2001:db8:0:1::1]\"\r\n", true),
    ] {
        assert_eq!(is_new(&encke, headers), new, "{headers}");
    }
    assert_eq!(encke.refused("handshakes_per_address"), 5);
    assert_eq!(encke.refused("forwarded_unreadable"), 0);
}

/// The first of them takes the proxy's own address, and so do all others.
#[test]
fn what_a_proxy_cannot_have_meant_is_ignored() {
    let encke = start(&["127.0.0.1"]);
    let bad = [
        "X-Forwarded-For: unknown\r\n",
        "X-Forwarded-For: 203.0.113.1, \r\n",
        "X-Forwarded-For: 203.0.113.1:x\r\n",
        "Forwarded: for=_hidden\r\n",
        "Forwarded: for=\"203.0.113.1\r\n",
    ];
    for (number, headers) in bad.iter().enumerate() {
        assert_eq!(is_new(&encke, headers), number == 0, "{headers}");
    }
    assert_eq!(encke.refused("forwarded_unreadable"), bad.len() as i64);
    // A client has written one of them, the proxy the other.
    assert!(!is_new(&encke, "Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 203.0.113.9\r\n"));
    assert_eq!(encke.refused("forwarded_in_two_ways"), 1);
    assert!(is_new(&encke, "X-Forwarded-For: 203.0.113.9\r\n"), "nobody has been that yet");
    assert!(is_new(&encke, "X-Forwarded-For: 6.6.6.6\r\n"), "nor that");
}

#[test]
fn a_stranger_says_nothing_about_itself() {
    for proxies in [&[][..], &["10.0.0.0/8", "::1", "unix"]] {
        let encke = start(proxies);
        assert!(is_new(&encke, "X-Forwarded-For: 203.0.113.1\r\n"));
        for headers in ["", "X-Forwarded-For: 203.0.113.2\r\n", "Forwarded: for=203.0.113.3\r\n"] {
            assert!(!is_new(&encke, headers), "{headers}");
        }
        assert_eq!(encke.refused("forwarded_by_a_stranger"), if proxies.is_empty() { 0 } else { 3 });
    }
}

#[test]
fn sockets_are_counted_alike() {
    let encke = start(&["127.0.0.1"]);
    assert!(is_new(&encke, "X-Forwarded-For: 203.0.113.1\r\n"));
    let mut wire = encke.wire();
    wire.get("/bayeux", &format!("X-Forwarded-For: 203.0.113.1\r\n{}", Socket::headers()));
    assert_eq!(wire.head().status, 101);
    let mut frame = Vec::new();
    let body = json!([handshake()]).to_string();
    write_masked_frame(&mut frame, Opcode::Text, true, [1, 2, 3, 4], body.as_bytes());
    wire.send(&frame);
    let reply = wire.take_until(b"}]");
    assert!(String::from_utf8_lossy(&reply).contains("\"successful\":false"), "{reply:?}");
}

/// For whom a request is says its `Host`, whatever a proxy adds.
#[test]
fn no_other_header_of_a_proxy_is_believed() {
    let encke = start(&["127.0.0.1"]);
    for (host, headers) in [
        ("evil.example", "X-Forwarded-Host: localhost\r\n"),
        ("evil.example", "Forwarded: for=127.0.0.1;host=localhost;proto=http\r\n"),
        (
            "localhost",
            "Origin: https://app.example\r\nX-Forwarded-Host: app.example\r\nX-Forwarded-Proto: https\r\n",
        ),
    ] {
        let mut wire = encke.wire();
        wire.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").as_bytes());
        wire.response().is_refused(403);
    }
}
