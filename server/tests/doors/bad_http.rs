//! HTTP that two readers could read in two ways, and HTTP that arrives in unusual company.

use std::time::Duration;

use serde_json::json;

use crate::bystander::Bystander;
use crate::polling::{Polling, publish};
use crate::server::Encke;
use crate::socket::Socket;

/// What a smuggler hides in something else: it would be counted as a publication.
const HIDDEN: &str = "POST /channels/hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1";

/// Sends the bytes and expects one refusal, the end of the connection, and nothing published.
fn refused(bytes: &str) {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut wire = encke.wire();
    wire.send(bytes.as_bytes());
    let response = wire.response();
    assert_eq!(response.status, 400, "{bytes:?}: {response:?}");
    wire.ends();
    assert_eq!(encke.figure("encke_messages_in_total"), 0, "{bytes:?}");
    encke.until("bad HTTP", 1, |encke| encke.refused("bad_http") + encke.refused("bad_body"));
    bystander.is_well(&encke);
}

#[test]
fn two_lengths_that_differ_are_refused() {
    refused(&format!(
        "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: {}\r\n\r\n1{HIDDEN}",
        HIDDEN.len() + 1
    ));
}

#[test]
fn a_header_that_is_folded_is_refused() {
    refused(&format!(
        "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 1\r\n\r\n1{HIDDEN}"
    ));
}

#[test]
fn a_coding_that_does_not_end_in_chunked_is_refused() {
    for coding in ["gzip", "chunked, gzip", "xchunked", "identity"] {
        refused(&format!(
            "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n{HIDDEN}"
        ));
    }
}

#[test]
fn a_space_before_the_colon_is_refused() {
    refused(&format!(
        "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\nContent-Length: 1\r\n\r\n1{HIDDEN}"
    ));
}

#[test]
fn bad_chunk_sizes_are_refused() {
    for size in ["x", "-1", "10000000000000000", "0x1", "1 1", ""] {
        refused(&format!(
            "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n1\r\n0\r\n\r\n{HIDDEN}"
        ));
    }
}

/// What stands behind a chunk's size is skipped, and not for ever.
#[test]
fn a_megabyte_behind_a_chunks_size_is_refused() {
    let chunked = "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    for extension in [";".to_owned() + &"x".repeat(1 << 20), ";x=y".repeat(1 << 18)] {
        let encke = Encke::start();
        let mut bystander = Bystander::join(&encke);
        let mut wire = encke.wire();
        wire.send_while_taken(format!("{chunked}1{extension}\r\n1\r\n0\r\n\r\n{HIDDEN}").as_bytes());
        assert_eq!(wire.response().status, 400);
        assert_eq!(encke.figure("encke_messages_in_total"), 0);
        bystander.is_well(&encke);
    }
    // Nor does a line end within it, which another reader might take for the size's.
    refused(&format!("{chunked}1;x\n1\r\n0\r\n\r\n{HIDDEN}"));
    refused(&format!("{chunked}1\n1\r\n0\r\n\r\n{HIDDEN}"));
}

/// RFC 9112, section 2.2, lets a line of a head end in LF alone, as here: there is one reading of it, and what stands
/// in a body stays there.
#[test]
fn a_line_that_ends_in_a_bare_line_feed_hides_nothing() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    let length = HIDDEN.len();
    wire.send(
        format!("POST /channels/a HTTP/1.1\nHost: localhost\nContent-Type: text/plain\nContent-Length: {length}\n\n{HIDDEN}")
            .as_bytes(),
    );
    assert_eq!(wire.response().json()["channel"], "/a");
    assert!(wire.is_silent());
    assert_eq!(encke.figure("encke_messages_in_total"), 1);
    // A lone CR is no end of anything.
    refused(&format!("GET / HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n{HIDDEN}"));
    refused(&format!(
        "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nX: y\rContent-Length: 1\r\n\r\n1{HIDDEN}"
    ));
}

#[test]
fn headers_without_a_name_or_with_a_wrong_one_are_refused() {
    for header in [": chunked", "Transfer\u{0}-Encoding: chunked", "X Y: z", "(X): z", "X: \u{0}", "X"] {
        refused(&format!(
            "POST /channels/a HTTP/1.1\r\nHost: localhost\r\n{header}\r\nContent-Length: 1\r\n\r\n1{HIDDEN}"
        ));
    }
}

/// More headers than anybody needs, of whatever size: told so, and over.
#[test]
fn a_head_with_too_many_headers_is_refused() {
    let few_and_long = format!("X-Long: {}\r\n", "x".repeat(4000)).repeat(5);
    for headers in ["X: y\r\n".repeat(200), few_and_long, format!("Cookie: {}\r\n", "a=b; ".repeat(4000))] {
        let encke = Encke::start();
        let mut bystander = Bystander::join(&encke);
        let mut wire = encke.wire();
        wire.send_while_taken(
            format!(
                "POST /channels/a HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: 1\r\n\r\n1{HIDDEN}"
            )
            .as_bytes(),
        );
        assert_eq!(wire.response().status, 431);
        wire.ends();
        encke.until("bad HTTP", 1, |encke| encke.refused("bad_http"));
        assert_eq!(encke.figure("encke_messages_in_total"), 0);
        bystander.is_well(&encke);
    }
    let encke = Encke::start();
    assert_eq!(encke.wire().get(&format!("/{}", "a".repeat(20_000)), "").response().status, 431);
}

#[test]
fn a_length_that_is_no_number_is_refused() {
    for length in ["x", "-1", "+1", "1,2", "99999999999999999999999"] {
        refused(&format!(
            "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n1{HIDDEN}"
        ));
    }
}

#[test]
fn not_http_is_refused() {
    refused("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n");
    refused("GET\r\n\r\n");
}

#[test]
fn a_head_that_does_not_end_is_refused() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut wire = encke.wire();
    wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n");
    wire.send_while_taken(format!("X-Long: {}\r\n", "x".repeat(64 * 1024)).as_bytes());
    assert_eq!(wire.response().status, 431);
    encke.until("bad HTTP", 1, |encke| encke.refused("bad_http"));
    bystander.is_well(&encke);
}

/// RFC 9112, section 6.1: the coding counts, and the connection ends after the answer.
#[test]
fn both_a_length_and_a_coding_end_the_connection_after_one_answer() {
    for [first, second] in [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
    ] {
        let encke = Encke::start();
        let mut bystander = Bystander::join(&encke);
        let mut wire = encke.wire();
        wire.send(
            format!("POST /channels/a HTTP/1.1\r\nHost: localhost\r\n{first}\r\n{second}\r\n\r\n1\r\n7\r\n0\r\n\r\n{HIDDEN}")
                .as_bytes(),
        );
        assert_eq!(wire.response().status, 200);
        wire.ends();
        assert_eq!(encke.figure("encke_messages_in_total"), 1);
        bystander.is_well(&encke);
    }
}

#[test]
fn both_a_length_and_a_coding_end_the_connection_after_a_held_poll() {
    for [first, second] in [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
    ] {
        let encke = Encke::start();
        let mut client = Polling::listening(&encke, "/a");
        let connect =
            json!([client.request("/meta/connect", json!({"connectionType": "long-polling"}))]).to_string();
        client.poll.send(
            format!(
                "POST /bayeux HTTP/1.1\r\nHost: localhost\r\n{first}\r\n{second}\r\n\r\n{:x}\r\n{connect}\r\n0\r\n\r\n{HIDDEN}",
                connect.len()
            )
            .as_bytes(),
        );
        encke.settle();
        assert_eq!(publish(&encke, "/a", &json!(1)), 1);
        assert_eq!(client.polled().len(), 2);
        client.poll.ends();
        assert_eq!(encke.figure("encke_messages_in_total"), 1);
    }
}

/// A body that nobody has read is not the next request. (It would let a page, refused by its `Origin`, speak without
/// one.)
#[test]
fn what_is_in_a_refused_body_is_never_a_request() {
    let refusals = [
        ("/channels/a", "Content-Type: multipart/form-data\r\n", 415),
        ("/channels/a", "Origin: http://evil.example\r\n", 403),
        ("/bayeux", "Origin: http://evil.example\r\n", 403),
        ("/channels/meta/x", "", 403),
        ("/channels/a*b", "", 400),
        ("/nothing/here", "", 404),
        ("/", "", 405),
    ];
    for (path, headers, status) in refusals {
        let encke = Encke::start();
        let mut bystander = Bystander::join(&encke);
        let mut wire = encke.wire();
        wire.post_with(path, headers, HIDDEN);
        assert_eq!(wire.response().status, status, "{path} {headers}");
        // The connection may be closed, or it goes on with what stands behind the body.
        wire.send_while_taken(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let rest = String::from_utf8(wire.rest()).expect("ASCII");
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 404 "), "{path} {headers}: {rest}");
        assert_eq!(encke.figure("encke_messages_in_total"), 0, "{path} {headers}");
        bystander.is_well(&encke);
    }
}

/// The same when the body comes after the refusal.
#[test]
fn a_refused_body_that_comes_late_is_never_a_request() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    let head = format!(
        "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Length: {}\r\n\r\n",
        HIDDEN.len()
    );
    wire.send(head.as_bytes());
    wire.response().is_refused(403);
    wire.send_while_taken(HIDDEN.as_bytes());
    wire.ends();
    assert_eq!(encke.figure("encke_messages_in_total"), 0);
}

/// Nor is the body of an upgrade a frame, or that of a stream's request anything.
#[test]
fn an_upgrade_has_no_body() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    let headers = Socket::headers();
    wire.send(
        format!("GET /bayeux HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: 4\r\n\r\n\u{1}abc")
            .as_bytes(),
    );
    assert_eq!(wire.response().status, 400);
    assert_eq!(encke.refused("bad_upgrade"), 1);
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut wire = encke.wire();
    let mut bytes = String::new();
    for number in 0..100 {
        let body = format!("{number}");
        bytes += &format!(
            "POST /channels/n{number} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
    }
    wire.send(bytes.as_bytes());
    for number in 0..100 {
        assert_eq!(wire.response().json()["channel"], format!("/n{number}"));
    }
    assert_eq!(encke.figure("encke_messages_in_total"), 100);
    bystander.is_well(&encke);
}

#[test]
fn a_request_pipelined_behind_a_held_poll_waits_for_it() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut client = Polling::listening(&encke, "/a");
    client.hold();
    client.poll.post("/channels/behind", "1");
    client.poll.post("/channels/behind", "2");
    encke.settle();
    assert!(client.poll.is_silent());
    assert_eq!(encke.figure("encke_messages_in_total"), 0);
    publish(&encke, "/a", &json!(1));
    let replies = client.polled();
    assert_eq!((&replies[0]["data"], &replies[1]["channel"]), (&json!(1), &json!("/meta/connect")));
    for _ in 0..2 {
        assert_eq!(client.poll.response().json()["channel"], "/behind");
    }
    bystander.is_well(&encke);
}

#[test]
fn more_than_a_request_behind_a_held_poll_ends_the_connection() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut client = Polling::listening(&encke, "/a");
    client.hold();
    client.poll.send_while_taken(&vec![b'x'; 16 * 1024 * 1024]);
    client.poll.ends();
    assert_eq!(encke.figure("encke_sessions"), 2, "the session has its grace");
    bystander.is_well(&encke);
}

#[test]
fn who_closes_one_direction_after_a_request_is_still_answered() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut wire = encke.wire();
    wire.post("/channels/a", "1");
    wire.half_close();
    assert_eq!(wire.response().status, 200);
    wire.ends();
    bystander.is_well(&encke);
}

/// A poll or a socket whose peer has closed one direction is one whose peer has left: most have closed both, and
/// nobody can tell.
#[test]
fn who_closes_one_direction_of_a_poll_or_a_socket_has_left() {
    let encke = Encke::start();
    let mut client = Polling::listening(&encke, "/a");
    client.hold();
    encke.settle();
    client.poll.half_close();
    client.poll.ends();
    let mut socket = Socket::listening(&encke, "/a");
    socket.hold();
    socket.stream.shutdown(std::net::Shutdown::Write).expect("it is open");
    assert_eq!(socket.hear(), crate::socket::Heard::End);
    assert_eq!(encke.figure("encke_sessions"), 2, "both have their grace");
    encke.advance(Duration::from_secs(31));
    encke.until("expired", 2, |encke| encke.ended("expired"));
}
