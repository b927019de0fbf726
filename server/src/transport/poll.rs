//! `long-polling`: a request, and an answer at once or when there is something to say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use bayeux::{Framing, PollBody, Reply, Request};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode, Version};

use super::scratch::{self, Read};
use super::{App, HeldPoll, Taken, cors, take_back::Answer};
use crate::broker::{Door, Held, Spoken};
use crate::hub::{Guard, Key, Poll, Wire};

/// What may arrive on a connection whose poll is held: a pipelined request, which waits its turn.
const AHEAD_BYTES: usize = 64 * 1024;

/// CometD's name for the cookie that tells which browser it is (Bayeux 1.0, section 6.3).
const BROWSER: &str = "BAYEUX_BROWSER";

/// What clients with more than one poll are advised to wait between two of them.
const MULTIPLE_CLIENTS_INTERVAL: u64 = 2000;

/// Who holds a poll for each browser. Browsers open six connections to a host (and proxies fewer): two
/// tabs that each hold one would leave the page none.
#[derive(Clone, Default)]
pub(crate) struct Browsers(Arc<Mutex<HashMap<Box<str>, Holder>>>);

struct Holder {
    key: Key,
    /// More than one for a moment, when a session's newer poll takes the place of its older one.
    polls: usize,
}

/// One held poll of a browser. Leaving is a drop.
struct Place {
    browsers: Browsers,
    browser: Box<str>,
}

impl Browsers {
    /// A place for one more held poll; `None` when another session of the browser holds one.
    fn take(&self, browser: &str, key: Key) -> Option<Guard> {
        let mut held = self.0.lock().expect("nobody panics with this lock");
        let holder = held.entry(browser.into()).or_insert(Holder { key, polls: 0 });
        if holder.key != key {
            return None;
        }
        holder.polls += 1;
        Some(Box::new(Place { browsers: self.clone(), browser: browser.into() }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.browsers.0.lock().expect("nobody panics with this lock");
        if let Some(holder) = held.get_mut(&self.browser) {
            holder.polls -= 1;
            if holder.polls == 0 {
                held.remove(&self.browser);
            }
        }
    }
}

/// Answers what has been said in a request.
pub(super) async fn answer(
    app: &Arc<App>,
    mut door: Door,
    requests: Vec<Request>,
    body: PollBody,
    version: Version,
    headers: &HeaderMap,
) -> Answer<Taken> {
    let close = closes(version, headers);
    let speaks = requests.iter().any(|request| matches!(request.verb, bayeux::Verb::Publish { .. }));
    let browser = cookie(headers, BROWSER, 64);
    let Spoken { mut replies, messages, session, hold, shook_hands, .. } =
        app.broker.converse(&mut door, requests).await;
    if let Some(held) = hold {
        let guard = match &browser {
            None => Ok(None),
            Some(browser) => app.browsers.take(browser, held.key).map(Some).ok_or(()),
        };
        match guard {
            Ok(guard) => {
                let held = HeldPoll { held, body, close, guard, reader: None };
                return Answer::Take(Taken::Poll(Box::new(held)));
            }
            Err(()) => {
                app.metrics().refused("multiple_clients");
                multiple_clients(app, &held, &mut replies.last);
                app.broker.slowed(held.key).await;
            }
        }
    }
    if let (true, Some(key)) = (speaks, session) {
        // What was published just now is in the outboxes of this core.
        app.broker.breathe(key).await;
    }
    // With scripts, whose order of arrival nobody knows, messages ride on connect replies only.
    let rides = body == PollBody::Array || !replies.last.is_empty();
    let messages = match session {
        _ if !messages.is_empty() => messages,
        Some(key) if rides => app.broker.take(key, Framing::Array).await.unwrap_or_default(),
        _ => Vec::new(),
    };
    // The order that clients rely on: handshake reply, messages, replies, and the connect reply last.
    let mut bytes = Vec::new();
    body.open(&mut bytes);
    let mut first = true;
    for part in [&replies.first, &messages, &replies.middle, &replies.last] {
        if !part.is_empty() {
            if !std::mem::take(&mut first) {
                bytes.push(b',');
            }
            body.json(&mut bytes, part);
        }
    }
    body.close(&mut bytes);
    app.metrics().bytes_out.inc_by(bytes.len() as u64);
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    for (name, value) in kind(&body) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if shook_hands
        && browser.is_none()
        && let Ok(value) = HeaderValue::from_str(&new_browser(&app.options.base))
    {
        headers.insert(header::SET_COOKIE, value);
    }
    Answer::Response(response)
}

fn multiple_clients(app: &App, held: &Held, replies: &mut Vec<u8>) {
    let mut reply = Reply::new("/meta/connect");
    reply.id = held.id.as_ref();
    let mut advice = app.broker.options().advice(bayeux::Reconnect::Retry);
    advice.multiple_clients = true;
    advice.interval = advice.interval.max(MULTIPLE_CLIENTS_INTERVAL);
    reply.advice = Some(advice);
    reply.write_json(replies);
}

/// Holds a poll on a socket that is ours again. [`wait`] follows.
pub(super) async fn hold(app: &App, wire: &Arc<Wire>, poll: Box<HeldPoll>) -> Key {
    let HeldPoll { held, body, close, guard, reader } = *poll;
    let key = held.key;
    let head = match (&body, close, &reader) {
        (PollBody::Array, false, None) => app.poll_head.clone(),
        _ => head(close, &body, reader.as_ref()),
    };
    wire.reopen();
    app.broker.hold_poll(held, Poll { wire: wire.clone(), head, body, close, guard }).await;
    key
}

/// A held poll being counted.
struct Counted<'a>(&'a App);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.metrics().disconnected("long-polling");
    }
}

/// Waits beside a held poll, and after it, for the next request. What the client sends meanwhile is put into
/// `ahead`. False when the connection is over.
#[expect(clippy::manual_async_fn, reason = "the arguments of an async fn take their place twice")]
pub(super) fn wait(app: &App, wire: &Arc<Wire>, key: Key, ahead: &mut Vec<u8>) -> impl Future<Output = bool> {
    async move {
        app.metrics().connected("long-polling");
        let _counted = Counted(app);
        loop {
            if wire.is_closing() {
                return false;
            }
            if wire.is_answered() && !ahead.is_empty() {
                return true;
            }
            if ahead.is_empty() {
                // One wait for both: bytes before the answer mean a peer that left (or pipelines), bytes after
                // it are the next request.
                if wire.readable().await.is_err() {
                    return false;
                }
                if wire.is_answered() {
                    return true;
                }
            }
            let room = AHEAD_BYTES - ahead.len();
            match scratch::read(wire, room, |bytes| ahead.extend_from_slice(bytes)) {
                Read::Bytes(()) if ahead.len() < AHEAD_BYTES => {}
                Read::Nothing if ahead.is_empty() => {}
                Read::Nothing => Box::pin(either(wire)).await,
                // The end of the stream, or more than a request may hold while another waits.
                Read::Bytes(()) | Read::End => {
                    Box::pin(app.broker.detach(key, wire)).await;
                    return false;
                }
            }
        }
    }
}

/// Until the poll has been answered, or more has come, the end included.
async fn either(wire: &Wire) {
    tokio::select! {
        () = wire.changed() => {}
        _ = wire.readable() => {}
    }
}

/// Whether the connection ends with the response (RFC 9112, section 9.3).
pub(crate) fn closes(version: Version, headers: &HeaderMap) -> bool {
    let says_close = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("close"));
    // A request with a length beside its coding ends its connection too (section 6.1). hyper has taken the length
    // away, so every coding counts; clients that poll send lengths.
    says_close || version == Version::HTTP_10 || headers.contains_key(header::TRANSFER_ENCODING)
}

/// What the headers say of a body.
fn kind(body: &PollBody) -> &'static [(HeaderName, &'static str)] {
    const JSON: &[(HeaderName, &str)] =
        &[(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    // A script from elsewhere that somebody opens as a page or a download shall be neither.
    const SCRIPT: &[(HeaderName, &str)] = &[
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_DISPOSITION, "attachment; filename=f.txt"),
    ];
    match body {
        PollBody::Array => JSON,
        PollBody::Callback(_) => SCRIPT,
    }
}

/// The response to a poll up to the number of its content length: always with one, never chunked, since
/// nginx speaks HTTP/1.0 unless told otherwise.
pub(super) fn head(close: bool, body: &PollBody, reader: Option<&cors::Reader>) -> Arc<[u8]> {
    let mut head = "HTTP/1.1 200 OK\r\n".to_owned();
    for (name, value) in kind(body) {
        head += &format!("{name}: {value}\r\n");
    }
    head += &cors::lines("Origin", reader);
    head += if close { "Connection: close\r\n" } else { "" };
    head += "Content-Length: ";
    head.into_bytes().into()
}

pub(super) fn cookie(headers: &HeaderMap, name: &str, longest: usize) -> Option<Box<str>> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && !value.is_empty() && value.len() <= longest)
        .map(|(_, value)| value.into())
}

fn new_browser(base: &str) -> String {
    let value: String = std::iter::repeat_with(fastrand::alphanumeric).take(20).collect();
    let path = if base.is_empty() { "/" } else { base };
    format!("{BROWSER}={value}; Path={path}; HttpOnly; SameSite=Lax")
}

/// A body that is not Bayeux, with the reason.
pub(super) fn unreadable(app: &App, status: StatusCode, refusal: &str) -> Response<Body> {
    app.metrics().refused(if status == StatusCode::PAYLOAD_TOO_LARGE { "too_large" } else { "bad_body" });
    super::sentence(status, refusal)
}
