//! What a page of another origin may read (the Fetch standard, CORS). Who may come in at all is asked before, of
//! `visitors`; whoever has come in may also read, with cookies, and no other origin is ever named.

use axum::body::Body;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};

/// How long a browser may remember the answer to a preflight. Chromium's longest is two hours.
const REMEMBER: &str = "7200";

/// The origin of the page that asks, when a page asks. It has been let in.
pub(super) fn origin(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(header::ORIGIN).filter(|origin| *origin != "null").cloned()
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
pub(super) fn allow(response: &mut Response<Body>, origin: Option<&HeaderValue>) {
    let headers = response.headers_mut();
    // One field, also beside one that a door has set: some caches look at the first only.
    let vary = match headers.get(header::VARY).and_then(|vary| vary.to_str().ok()) {
        Some(vary) => HeaderValue::from_str(&format!("{vary}, Origin")).ok(),
        None => Some(HeaderValue::from_static("Origin")),
    };
    if let Some(vary) = vary {
        headers.insert(header::VARY, vary);
    }
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// The same as lines of a head that is written by hand; `vary` is what it varies by.
pub(super) fn lines(vary: &str, origin: Option<&HeaderValue>) -> String {
    // A header's value has no line break, and an origin that was let in is text.
    match origin.and_then(|origin| origin.to_str().ok()) {
        Some(origin) => format!(
            "Vary: {vary}\r\nAccess-Control-Allow-Origin: {origin}\r\nAccess-Control-Allow-Credentials: true\r\n"
        ),
        None => format!("Vary: {vary}\r\n"),
    }
}
