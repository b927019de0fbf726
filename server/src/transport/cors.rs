//! What a page of another origin may read (the Fetch standard, CORS). Who may come in at all is asked before, of
//! `visitors`; whoever has come in may also read, with cookies if the page is known, and no other origin is ever named.

use axum::body::Body;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};

use crate::visitors::Welcome;

/// How long a browser may remember the answer to a preflight. Chromium's longest is two hours.
const REMEMBER: &str = "7200";

/// The page that asks. It has been let in.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    origin: HeaderValue,
    /// Whether it may read what was asked with its user's cookies.
    cookies: bool,
}

/// The page that asks, when a page asks.
pub(super) fn reader(headers: &HeaderMap, welcome: Welcome) -> Option<Reader> {
    let cookies = welcome == Welcome::Known;
    headers.get(header::ORIGIN).map(|origin| Reader { origin: origin.clone(), cookies })
}

/// Whether a request only asks what the page may ask.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight: everything that the doors understand.
pub(super) fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, Authorization, Last-Event-ID, Idempotency-Key"),
        (header::ACCESS_CONTROL_MAX_AGE, REMEMBER),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Lets the page read a response.
pub(super) fn allow(response: &mut Response<Body>, reader: Option<&Reader>) {
    let headers = response.headers_mut();
    // One field, also beside one that a door has set: some caches look at the first only.
    let vary = match headers.get(header::VARY).and_then(|vary| vary.to_str().ok()) {
        Some(vary) => HeaderValue::from_str(&format!("{vary}, Origin")).ok(),
        None => Some(HeaderValue::from_static("Origin")),
    };
    if let Some(vary) = vary {
        headers.insert(header::VARY, vary);
    }
    if let Some(Reader { origin, cookies }) = reader {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if *cookies {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// The same as lines of a head that is written by hand; `vary` is what it varies by.
pub(super) fn lines(vary: &str, reader: Option<&Reader>) -> String {
    let mut lines = format!("Vary: {vary}\r\n");
    // A header's value has no line break, and an origin that was let in is text.
    if let Some((origin, reader)) = reader.and_then(|reader| Some((reader.origin.to_str().ok()?, reader))) {
        lines += &format!("Access-Control-Allow-Origin: {origin}\r\n");
        lines += if reader.cookies { "Access-Control-Allow-Credentials: true\r\n" } else { "" };
    }
    lines
}
