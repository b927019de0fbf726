//! Bayeux over long polls.

use std::time::Duration;

use serde_json::json;

use crate::polling::{Polling, handshake, publish};
use crate::server::Encke;
use crate::socket::Socket;

#[test]
fn the_first_connect_is_answered_at_once_with_advice() {
    let encke = Encke::start();
    let mut client = Polling::open(&encke);
    let replies = client.hold().polled();
    assert_eq!(replies.len(), 1);
    assert_eq!((&replies[0]["successful"], &replies[0]["id"]), (&json!(true), &json!("c")));
    assert_eq!(
        (
            &replies[0]["advice"]["reconnect"],
            &replies[0]["advice"]["timeout"],
            &replies[0]["advice"]["interval"]
        ),
        (&json!("retry"), &json!(30_000), &json!(0))
    );
}

#[test]
fn a_held_poll_is_answered_at_its_timeout_on_any_core() {
    let encke = Encke::start();
    let mut client = Polling::connected(&encke);
    client.hold();
    encke.settle();
    encke.advance(Duration::from_millis(29_900));
    encke.settle();
    assert!(client.poll.is_silent());
    encke.advance(Duration::from_millis(200));
    let replies = client.polled();
    assert_eq!(replies.len(), 1);
    assert_eq!((&replies[0]["channel"], &replies[0]["successful"]), (&json!("/meta/connect"), &json!(true)));
}

#[test]
fn a_poll_is_held_as_long_as_its_client_asks() {
    let encke = Encke::start();
    let mut client = Polling::connected(&encke);
    let connect = client.request("/meta/connect", json!({"advice": {"timeout": 1000}}));
    client.poll.post("/bayeux", &json!([connect]).to_string());
    encke.settle();
    encke.advance(Duration::from_millis(900));
    encke.settle();
    assert!(client.poll.is_silent());
    encke.advance(Duration::from_millis(200));
    assert_eq!(client.polled()[0]["successful"], true);
    let connect = client.request("/meta/connect", json!({"advice": {"timeout": 0}}));
    let replies = client.ask(&json!([connect]));
    assert_eq!(replies[0]["advice"]["reconnect"], "retry");
}

#[test]
fn messages_come_before_the_connect_reply_and_end_the_poll() {
    for cores in [1, 2, 3] {
        let encke = Encke::with(|config| config.cores = cores);
        let mut clients: Vec<_> = (0..4).map(|_| Polling::listening(&encke, "/a")).collect();
        for number in 0..20 {
            for client in &mut clients {
                client.hold();
            }
            // Held or not yet: the message reaches them either way.
            assert_eq!(publish(&encke, "/a", &json!(number)), 4);
            for client in &mut clients {
                let replies = client.polled();
                assert_eq!(replies.len(), 2, "{replies:?}");
                assert_eq!(replies[0], json!({"channel": "/a", "data": number}));
                assert_eq!(
                    (&replies[1]["channel"], &replies[1]["successful"]),
                    (&json!("/meta/connect"), &json!(true))
                );
            }
        }
    }
}

#[test]
fn what_waited_between_two_polls_comes_with_the_next_at_once() {
    let encke = Encke::start();
    let mut client = Polling::listening(&encke, "/a");
    for number in 0..10 {
        publish(&encke, "/a", &json!(number));
    }
    let replies = client.hold().polled();
    assert_eq!(replies.len(), 11);
    for (number, reply) in replies[..10].iter().enumerate() {
        assert_eq!(reply["data"], number);
    }
    assert_eq!(replies[10]["channel"], "/meta/connect");
}

#[test]
fn any_reply_carries_what_waits_while_no_poll_is_held() {
    let encke = Encke::start();
    let mut client = Polling::listening(&encke, "/a");
    publish(&encke, "/a", &json!(1));
    let subscribe = client.request("/meta/subscribe", json!({"subscription": "/b"}));
    let replies = client.ask(&json!([subscribe]));
    assert_eq!((&replies[0]["data"], &replies[1]["channel"]), (&json!(1), &json!("/meta/subscribe")));
    // And none while one is held: two drains would reorder.
    client.hold();
    encke.settle();
    let publish = client.request("/a", json!({"data": 2}));
    let replies = client.ask(&json!([publish]));
    assert_eq!((replies.len(), &replies[0]["successful"]), (1, &json!(true)));
    assert_eq!(client.polled()[0]["data"], 2);
}

#[test]
fn what_a_batch_publishes_to_itself_rides_on_its_own_response() {
    for cores in [1, 2, 3] {
        let encke = Encke::with(|config| config.cores = cores);
        let mut clients: Vec<_> = (0..3).map(|_| Polling::connected(&encke)).collect();
        for client in &mut clients {
            let batch = json!([
                client.request("/meta/subscribe", json!({"subscription": "/a", "id": "1"})),
                client.request("/a", json!({"data": "mine", "id": "2"})),
                client.request("/meta/unsubscribe", json!({"subscription": "/a", "id": "3"})),
            ]);
            let replies = client.ask(&batch);
            let ids: Vec<_> = replies.iter().map(|reply| reply["id"].as_str().unwrap_or("-")).collect();
            assert_eq!(ids, ["-", "1", "2", "3"], "{replies:?}");
            assert_eq!(replies[0], json!({"channel": "/a", "data": "mine"}));
        }
    }
}

#[test]
fn a_connect_beside_others_is_answered_at_once_and_last() {
    let encke = Encke::start();
    let mut client = Polling::connected(&encke);
    let batch = json!([
        client.request("/meta/connect", json!({"id": "1"})),
        client.request("/meta/subscribe", json!({"subscription": "/a", "id": "2"})),
        client.request("/a", json!({"data": 1, "id": "3"})),
    ]);
    let replies = client.ask(&batch);
    let ids: Vec<_> = replies.iter().map(|reply| reply["id"].as_str().unwrap_or("-")).collect();
    assert_eq!(ids, ["-", "2", "3", "1"]);
}

#[test]
fn a_replaced_poll_is_told_to_wait() {
    let encke = Encke::start();
    let mut client = Polling::listening(&encke, "/a");
    client.hold();
    encke.settle();
    let mut other = encke.wire();
    let connect = client.request("/meta/connect", json!({"id": "newer"}));
    other.post("/bayeux", &json!([connect]).to_string());
    let replies = client.polled();
    assert_eq!((replies.len(), &replies[0]["successful"]), (1, &json!(false)));
    assert_eq!(replies[0]["id"], "c");
    assert_eq!(replies[0]["advice"]["reconnect"], "retry");
    assert!(replies[0]["advice"]["interval"].as_u64() >= Some(2000), "{replies:?}");
    publish(&encke, "/a", &json!(1));
    let replies = other.response().messages();
    assert_eq!((&replies[0]["data"], &replies[1]["id"]), (&json!(1), &json!("newer")));
}

#[test]
fn a_socket_takes_the_place_of_a_poll() {
    let encke = Encke::start();
    let mut client = Polling::listening(&encke, "/a");
    client.hold();
    encke.settle();
    let mut socket = Socket::open(&encke);
    socket.id = client.id.clone();
    socket.hold();
    assert_eq!(client.polled()[0]["successful"], false);
    publish(&encke, "/a", &json!(1));
    assert_eq!(socket.message()["data"], 1);
}

#[test]
fn a_disconnect_answers_the_held_poll_and_then_itself() {
    let encke = Encke::start();
    let mut client = Polling::listening(&encke, "/a");
    client.hold();
    encke.settle();
    let disconnect = client.request("/meta/disconnect", json!({}));
    let replies = client.ask(&json!([disconnect]));
    assert_eq!((replies.len(), &replies[0]["successful"]), (1, &json!(true)));
    let replies = client.polled();
    assert_eq!(
        (&replies[0]["successful"], &replies[0]["advice"]["reconnect"]),
        (&json!(true), &json!("none"))
    );
    assert_eq!(encke.ended("disconnected"), 1);
    assert_eq!(client.ask(&json!([disconnect]))[0]["error"], "402::session_unknown");
}

#[test]
fn a_session_that_does_not_poll_again_expires() {
    let encke = Encke::start();
    let mut client = Polling::listening(&encke, "/a");
    encke.advance(Duration::from_secs(29));
    // Anything it says is a sign of life.
    client.subscribe("/b");
    encke.advance(Duration::from_secs(29));
    encke.settle();
    assert_eq!(encke.figure("encke_sessions"), 1);
    encke.advance(Duration::from_secs(2));
    encke.until("expired", 1, |encke| encke.ended("expired"));
    let replies = client.hold().polled();
    assert_eq!(replies[0]["error"], "402::session_unknown");
    assert_eq!(replies[0]["advice"]["reconnect"], "handshake");
}

#[test]
fn a_poll_whose_client_left_keeps_its_messages_for_the_next() {
    let encke = Encke::start();
    let mut client = Polling::listening(&encke, "/a");
    client.hold();
    encke.settle();
    client.poll = encke.wire();
    encke.settle();
    publish(&encke, "/a", &json!("not lost"));
    assert_eq!(client.hold().polled()[0]["data"], "not lost");
}

#[test]
fn two_sessions_of_one_browser_hold_one_poll() {
    let encke = Encke::start();
    let cookie = "Cookie: other=1; BAYEUX_BROWSER=abc; more=2\r\n";
    let mut first = Polling::open_with(&encke, "/bayeux", cookie);
    let mut second = Polling::open_with(&encke, "/bayeux", cookie);
    let mut third = Polling::open_with(&encke, "/bayeux", "Cookie: BAYEUX_BROWSER=other\r\n");
    for client in [&mut first, &mut second, &mut third] {
        client.hold().polled();
    }
    first.subscribe("/a");
    third.subscribe("/a");
    first.hold();
    encke.settle();
    let replies = second.hold().polled();
    assert_eq!(replies[0]["successful"], true);
    assert_eq!(replies[0]["advice"]["multiple-clients"], true, "{replies:?}");
    assert!(replies[0]["advice"]["interval"].as_u64() >= Some(2000));
    assert_eq!(encke.refused("multiple_clients"), 1);
    third.hold();
    encke.settle();
    assert!(first.poll.is_silent() && third.poll.is_silent(), "both are held");
    assert_eq!(publish(&encke, "/a", &json!(1)), 2);
    first.polled();
    third.polled();
    second.hold();
    encke.settle();
    assert!(second.poll.is_silent(), "the place was free");
    // It was told to wait 2 s each time, and would do so for ever.
    second.subscribe("/b");
    publish(&encke, "/b", &json!(1));
    let advice = &second.polled()[1]["advice"];
    assert_eq!((&advice["interval"], advice.get("multiple-clients")), (&json!(0), None), "{advice}");
    second.hold();
    publish(&encke, "/b", &json!(2));
    assert_eq!(second.polled()[1].get("advice"), None, "told once");
}

#[test]
fn without_cookies_everybody_may_hold() {
    let encke = Encke::start();
    let mut clients: Vec<_> = (0..3).map(|_| Polling::connected(&encke)).collect();
    for client in &mut clients {
        client.hold();
    }
    encke.settle();
    assert!(clients.iter_mut().all(|client| client.poll.is_silent()));
}

#[test]
fn a_cookie_names_the_browser_at_the_handshake_only() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    let cookie = wire.post("/bayeux", &json!([handshake()]).to_string()).response();
    let cookie = cookie.header("set-cookie").expect("a cookie");
    assert!(
        cookie.starts_with("BAYEUX_BROWSER=") && cookie.contains("HttpOnly") && cookie.contains("Path=/")
    );
    wire.post_with("/bayeux", "Cookie: BAYEUX_BROWSER=abc\r\n", &json!([handshake()]).to_string());
    assert_eq!(wire.response().header("set-cookie"), None);
    wire.post("/bayeux", &json!([{"channel": "/a", "data": 1}]).to_string());
    assert_eq!(wire.response().header("set-cookie"), None);
}

#[test]
fn all_the_ways_to_say_a_handshake() {
    let encke = Encke::start();
    let bare = handshake().to_string();
    let array = json!([handshake()]).to_string();
    let no_types = "{\"channel\":\"/meta/handshake\",\"version\":\"1.0\"}";
    let form = |text: &str| {
        format!("message={}", percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC))
    };
    let is_form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for (headers, body) in [
        ("Content-Type: application/json;charset=UTF-8\r\n", bare.clone()),
        ("Content-Type: text/json;charset=UTF-8\r\n", array.clone()),
        ("", array.clone()),
        ("", no_types.to_owned()),
        (is_form, form(&array)),
        (is_form, form(&bare)),
        (
            "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n",
            format!("x=1&{}", form(no_types)),
        ),
    ] {
        for path in [
            "/bayeux",
            "/cometd",
            "/faye",
            "/bayeux/",
            "/bayeux/handshake",
            "/cometd/anything/at/all",
            "/faye?x=1",
        ] {
            let mut wire = encke.wire();
            wire.post_with(path, headers, &body);
            let replies = wire.response().messages();
            assert_eq!(
                (replies.len(), &replies[0]["successful"]),
                (1, &json!(true)),
                "{path} {headers} {body}"
            );
        }
    }
    for path in ["/bayeuxx", "/meta", "/Bayeux"] {
        let mut wire = encke.wire();
        wire.post(path, &array);
        assert_eq!(wire.response().status, 404, "{path}");
    }
}

#[test]
fn a_form_of_several_fields_is_one_batch() {
    let encke = Encke::start();
    let mut wire = encke.wire();
    let one = |id: u8| format!("message=%7B%22channel%22%3A%22%2Fa%22%2C%22data%22%3A1%2C%22id%22%3A{id}%7D");
    wire.post_with(
        "/bayeux",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        &[one(1), one(2)].join("&"),
    );
    let replies = wire.response().messages();
    assert_eq!([&replies[0]["id"], &replies[1]["id"]], [1, 2]);
}

#[test]
fn everything_stands_under_the_base() {
    let encke = Encke::with(|config| config.doors.base = "/live".into());
    let mut client = Polling::open_with(&encke, "/live/bayeux/connect", "");
    assert_eq!(client.hold().polled()[0]["successful"], true);
    let mut socket = Socket::open_at(&encke, "/live/cometd");
    socket.handshake();
    let mut wire = encke.wire();
    assert_eq!(wire.post("/live/channels/a", "1").response().status, 200);
    let here = wire.get("/live", "").response();
    assert_eq!((here.status, here.header("location")), (308, Some("/live/")));
    assert_eq!(wire.get("/live/", "").response().status, 200);
    for path in ["/bayeux", "/channels/a", "/liveliness", "/"] {
        let mut wire = encke.wire();
        let response = wire.post(path, "1").response();
        assert_eq!(response.status, 404, "{path}");
    }
    let mut wire = encke.wire();
    let cookie = wire.post("/live/bayeux", &json!([handshake()]).to_string()).response();
    assert!(cookie.header("set-cookie").is_some_and(|cookie| cookie.contains("Path=/live;")));
}

#[test]
fn one_connection_holds_poll_after_poll() {
    let encke = Encke::start();
    let mut client = Polling::listening(&encke, "/a");
    for number in 0..50 {
        client.hold();
        if number % 3 == 0 {
            encke.settle();
        }
        publish(&encke, "/a", &json!(number));
        assert_eq!(client.polled()[0]["data"], number);
        // Something else on the same connection, between two polls.
        if number % 5 == 0 {
            assert_eq!(client.poll.post("/channels/b", "1").response().status, 200);
        }
    }
}

#[test]
fn a_poll_of_http_1_0_has_a_length_and_ends_its_connection() {
    for (version, header) in
        [("1.0", ""), ("1.0", "Connection: keep-alive\r\n"), ("1.1", "Connection: close\r\n")]
    {
        let encke = Encke::start();
        let mut client = Polling::listening(&encke, "/a");
        for held in [false, true] {
            let body = json!([client.request("/meta/connect", json!({}))]).to_string();
            let mut wire = encke.wire();
            wire.send(
                format!(
                    "POST /bayeux HTTP/{version}\r\nHost: localhost\r\n{header}Content-Length: {}\r\n\r\n{body}",
                    body.len()
                )
                .as_bytes(),
            );
            if held {
                encke.settle();
            }
            publish(&encke, "/a", &json!(held));
            // What is answered at once may come without a message.
            let response = wire.response();
            assert!(
                response.header("content-length").is_some() && response.header("transfer-encoding").is_none()
            );
            if header != "Connection: keep-alive\r\n" || held {
                assert_eq!(response.header("connection"), Some("close"), "{version} {header}");
                wire.ends();
            }
            if held {
                assert_eq!(response.messages()[0]["data"], true);
            } else if response.messages().len() == 1 {
                client.ask(&json!([client.request("/b", json!({"data": 1}))]));
            }
        }
    }
}

#[test]
fn what_is_not_a_post_is_told_so() {
    let encke = Encke::start();
    for method in ["GET", "PUT", "DELETE", "PATCH", "HEAD"] {
        let mut wire = encke.wire();
        wire.send(format!("{method} /bayeux HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        let response = wire.head();
        assert_eq!((response.status, response.header("allow")), (405, Some("POST, OPTIONS")), "{method}");
    }
    let mut wire = encke.wire();
    wire.send(b"OPTIONS /bayeux HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(wire.response().status, 204);
}
