//! One list of origins for everything that a page can do here: read (CORS), and open sockets.

use bayeux::websocket::{Opcode, write_masked_frame};
use encke::config::Config;
use encke::visitors::Visitors;
use serde_json::json;

use crate::guard::{guarded, token};
use crate::server::Encke;
use crate::socket::Socket;
use crate::wire::Response;

const APP: &str = "https://app.example";
const HOST: &str = "push.example";

fn listed(origins: &[&str]) -> Encke {
    Encke::visited(Visitors::SameOrigin, |config| {
        config.doors.origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    })
}

fn ask(encke: &Encke, method: &str, path: &str, headers: &str, body: &str) -> Response {
    let mut wire = encke.wire();
    let length = body.len();
    wire.send(
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    );
    wire.response()
}

/// What a page of this origin gets: of a POST, a preflight and a WebSocket, which agree.
fn knock(encke: &Encke, origin: &str, more: &str) -> Option<Response> {
    let headers = format!("Origin: {origin}\r\n{more}");
    let posted = ask(encke, "POST", "/channels/a", &headers, "1");
    let asks = format!("{headers}Access-Control-Request-Method: POST\r\n");
    let preflight = ask(encke, "OPTIONS", "/bayeux", &asks, "");
    let mut wire = encke.wire();
    let upgrade = Socket::headers();
    wire.send(format!("GET /bayeux HTTP/1.1\r\nHost: {HOST}\r\n{headers}{upgrade}\r\n").as_bytes());
    let statuses = [posted.status, preflight.status, wire.head().status];
    match statuses {
        [200, 204, 101] => {
            let allowed =
                |response: &Response| response.header("access-control-allow-origin").map(str::to_owned);
            assert_eq!(allowed(&posted), allowed(&preflight));
            Some(preflight)
        }
        [403, 403, 403] => {
            assert_eq!(posted.header("access-control-allow-origin"), None);
            assert_eq!(preflight.header("access-control-max-age"), None, "a refusal is not remembered");
            None
        }
        other => panic!("{origin} is let in at one door and not at another: {other:?}"),
    }
}

#[test]
fn only_what_is_written_comes_in_and_nothing_like_it() {
    let encke = listed(&[APP, "http://localhost:5173"]);
    for origin in [APP, "http://localhost:5173", "https://push.example"] {
        let preflight = knock(&encke, origin, "").unwrap_or_else(|| panic!("{origin} is out"));
        assert_eq!(preflight.header("access-control-allow-origin"), Some(origin));
        assert_eq!(preflight.header("access-control-allow-credentials"), Some("true"));
    }
    for origin in [
        "https://app.example.evil",
        "https://evil-app.example",
        "https://sub.app.example",
        "https://app.example:8443",
        "https://app.example:443",
        "https://app.example.",
        "https://app.example/",
        "http://app.example",
        "HTTPS://app.example",
        "https://APP.example",
        "https://app.example@evil.example",
        "https://app.example evil",
        "https://\u{430}pp.example",
        "app.example",
        "http://localhost:5174",
        "http://localhost",
        "https://push.example.evil",
        "https://push.example:8443",
        "null",
        "*",
        "",
    ] {
        assert!(knock(&encke, origin, "").is_none(), "{origin} is in");
    }
}

#[test]
fn a_preflight_is_remembered_and_names_what_may_be_sent() {
    let encke = listed(&[APP]);
    let preflight =
        knock(&encke, APP, "Access-Control-Request-Headers: authorization\r\n").expect("it is in");
    assert_eq!(preflight.header("access-control-max-age"), Some("7200"));
    let names = preflight.header("access-control-allow-headers").expect("names");
    for name in ["Authorization", "Content-Type", "Last-Event-ID", "Idempotency-Key"] {
        assert!(names.split(", ").any(|known| known == name), "{name} is not among {names}");
    }
    assert!(preflight.header("vary").is_some_and(|vary| vary.contains("Origin")));
}

/// Another scheme is another origin. Only the proxy before us knows which one a client has used, but its browser says
/// when the two differ.
#[test]
fn a_page_of_the_same_host_by_another_scheme_is_another() {
    let encke = listed(&[APP]);
    for (site, is_in) in [("same-origin", true), ("cross-site", false), ("same-site", false)] {
        let knocked = knock(&encke, "http://push.example", &format!("Sec-Fetch-Site: {site}\r\n"));
        assert_eq!(knocked.is_some(), is_in, "{site}");
    }
    assert!(knock(&encke, APP, "Sec-Fetch-Site: cross-site\r\n").is_some(), "this one is written");
}

/// Where they are written, `null` and `*` let pages in, and never their users.
#[test]
fn strangers_come_without_cookies() {
    let encke = listed(&["null"]);
    assert!(knock(&encke, "https://evil.example", "").is_none());
    let preflight = knock(&encke, "null", "").expect("it is written");
    assert_eq!(preflight.header("access-control-allow-origin"), Some("null"));
    assert_eq!(preflight.header("access-control-allow-credentials"), None);
    let encke = listed(&["*", APP]);
    for (origin, credentials) in [("https://any.example", None), ("null", None), (APP, Some("true"))] {
        let preflight = knock(&encke, origin, "").expect("all are in");
        assert_eq!(preflight.header("access-control-allow-origin"), Some(origin), "never *");
        assert_eq!(preflight.header("access-control-allow-credentials"), credentials, "{origin}");
    }
    let mut stream = encke.wire();
    let headers = "Origin: https://any.example\r\n";
    let head = stream.get("/channels/a", headers).head();
    assert_eq!(head.header("access-control-allow-origin"), Some("https://any.example"));
    assert_eq!(head.header("access-control-allow-credentials"), None);
}

/// A page elsewhere cannot act as its reader's user, by CORS or by a WebSocket.
#[test]
fn a_cookie_of_a_user_counts_for_known_pages_only() {
    let (encke, _) = guarded(|config| config.doors.origins = vec![APP.into(), "*".into()]);
    let token = token("ann", std::time::Duration::from_secs(3600));
    for (origin, is_ann) in
        [(APP, true), ("https://push.example", true), ("https://evil.example", false), ("null", false)]
    {
        let headers = format!("Origin: {origin}\r\nCookie: session={token}\r\n");
        let status = ask(&encke, "POST", "/channels/chat/a", &headers, "1").status;
        assert_eq!(status, if is_ann { 200 } else { 403 }, "{origin}");
        let mut wire = encke.wire();
        let upgrade = Socket::headers();
        wire.send(format!("GET /bayeux HTTP/1.1\r\nHost: {HOST}\r\n{headers}{upgrade}\r\n").as_bytes());
        assert_eq!(wire.head().status, 101);
        let mut frame = Vec::new();
        let message = json!([{"channel": "/chat/a", "data": 1}]).to_string();
        write_masked_frame(&mut frame, Opcode::Text, true, [1, 2, 3, 4], message.as_bytes());
        wire.send(&frame);
        let reply = String::from_utf8_lossy(&wire.take_until(b"}]")).into_owned();
        assert_eq!(reply.contains("\"successful\":true"), is_ann, "{origin}: {reply}");
        // A token in a header is no cookie: the page had to know it.
        let headers = format!("Origin: {origin}\r\nAuthorization: Bearer {token}\r\n");
        assert_eq!(ask(&encke, "POST", "/channels/chat/a", &headers, "1").status, 200, "{origin}");
    }
}

/// Nor by a script, which comes without an `Origin`: old browsers say nothing but `Referer`.
#[test]
fn a_script_for_a_stranger_brings_no_cookie() {
    let (encke, _) = guarded(|config| {
        config.doors.origins = vec![APP.into(), "*".into()];
        config.doors.callback_polling = true;
    });
    let cookie = format!("Cookie: session={}\r\n", token("ann", std::time::Duration::from_secs(3600)));
    let message = "%5b%7b%22channel%22:%22/chat/a%22,%22data%22:1%7d%5d";
    for (page, is_ann) in [(APP, true), ("https://push.example", true), ("https://evil.example", false)] {
        let headers = format!("Referer: {page}/page\r\n{cookie}");
        let response = ask(&encke, "GET", &format!("/bayeux?jsonp=cb&message={message}"), &headers, "");
        assert_eq!(response.status, 200, "{}", response.text());
        let said = response.text().contains("\\\"successful\\\":true")
            || response.text().contains("\"successful\":true");
        assert_eq!(said, is_ann, "{page}: {}", response.text());
    }
}

#[test]
fn an_origin_that_no_browser_writes_is_no_configuration() {
    let with = |origin: &str| {
        let mut config = Config::default();
        config.doors.origins = vec![origin.to_owned()];
        config.check()
    };
    for origin in [
        "*",
        "null",
        APP,
        "http://localhost:5173",
        "http://[::1]:8080",
        "capacitor://localhost",
        "chrome-extension://abcdef",
    ] {
        assert!(with(origin).is_ok(), "{origin}: {:?}", with(origin));
    }
    for origin in [
        "",
        "app.example",
        "https://",
        "https://app.example/",
        "https://app.example/path",
        "https://APP.example",
        "https://*.app.example",
        "https://app.example:",
        "https://app.example:443",
        "http://app.example:80",
        "https://a@app.example",
        "https://app.example, https://b.example",
    ] {
        let why = with(origin).expect_err(origin).to_string();
        assert!(why.starts_with("doors.origins: ") && !why.contains('\n'), "{why}");
    }
}
