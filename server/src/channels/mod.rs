//! A channel is a URL: `POST /channels/<channel>` publishes, `GET` streams, or reads a page of its history.

mod form;
mod read;

pub(crate) use read::{number, parameter};

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use bayeux::{Channel, ChannelKind, ChannelLimits, Draft, Payload};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use percent_encoding::percent_decode_str;

use crate::broker::{By, Later, Published};
use crate::transport::{Answer, Request};
use crate::transport::{App, Taken, content_type, sentence, status_of};

/// The longest `Idempotency-Key` in bytes.
const KEY_BYTES: usize = 128;

/// Answers a request for `/channels` + `path`.
pub(crate) async fn answer(
    app: &Arc<App>,
    request: Request,
    path: &str,
    peer: Option<IpAddr>,
) -> Answer<Taken> {
    let Ok(name) = percent_decode_str(path).decode_utf8() else {
        return refuse(app, StatusCode::BAD_REQUEST, "the channel's name is not UTF-8");
    };
    match *request.method() {
        Method::POST => Answer::Response(publish(app, request, &name, peer).await),
        Method::GET => read::answer(app, request, &name, peer).await,
        Method::OPTIONS => Answer::Response(allow(StatusCode::NO_CONTENT, Body::empty())),
        _ => {
            let why = Body::from("a channel is read with GET and written with POST\n");
            Answer::Response(allow(StatusCode::METHOD_NOT_ALLOWED, why))
        }
    }
}

async fn publish(app: &Arc<App>, request: Request, name: &str, peer: Option<IpAddr>) -> Response<Body> {
    let limits = app.broker.limits();
    let channel = match Channel::parse_within(name, &limits.channel) {
        Ok(channel) => channel,
        Err(why) => {
            return error(
                app,
                StatusCode::BAD_REQUEST,
                &format!("405:{}:channel_invalid", shown(name)),
                &why.to_string(),
            );
        }
    };
    if channel.kind() != ChannelKind::Broadcast {
        let why = "channels below /meta and /service are not routed";
        return error(app, StatusCode::FORBIDDEN, &format!("403:{}:publish_denied", channel.as_str()), why);
    }
    let identity = match app.identify(&request, peer) {
        Ok(identity) => identity,
        Err(response) => return *response,
    };
    let (head, body) = request.into_parts();
    let body = match app.read(body, limits.message_bytes, &head.headers).await {
        Ok(body) => body,
        Err(response) => return *response,
    };
    let payload = match payload(app, &content_type(&head.headers), &head.headers, &body) {
        Ok(payload) => payload,
        Err(response) => return *response,
    };
    let by = match key(&head.headers) {
        Ok(None) => By::Anyone,
        Ok(Some(key)) => By::Key(key),
        Err(why) => return error(app, StatusCode::BAD_REQUEST, KEY_INVALID, why),
    };
    if let Err(refusal) = app.broker.may_publish_now(&identity, &channel, peer) {
        return error(app, StatusCode::FORBIDDEN, &refusal.to_string(), "not so fast");
    }
    let draft = Draft { channel: channel.clone(), id: None, payload };
    match app.broker.publish_counted(&identity, draft, by).await {
        Ok(published) => json(StatusCode::OK, &place(&channel, &published)),
        Err(refusal) if refusal.code() == 422 => {
            error(app, StatusCode::UNPROCESSABLE_ENTITY, &refusal.to_string(), refusal.sentence())
        }
        Err(refusal) => error(app, StatusCode::FORBIDDEN, &refusal.to_string(), "not allowed here"),
    }
}

/// What is said of an `Idempotency-Key` that is none.
pub(crate) const KEY_INVALID: &str = "400::idempotency_key_invalid";

/// The key under which a publication is repeated, if it has one.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<&str>, &'static str> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let (Some(key), more) = (keys.next(), keys.next()) else { return Ok(None) };
    // A header's value that is text has nothing but ASCII that can be seen, tabs and spaces.
    let key = key.to_str().ok().filter(|key| !key.contains([' ', '\t']));
    match key {
        Some(key) if more.is_none() && (1..=KEY_BYTES).contains(&key.len()) => Ok(Some(key)),
        _ => Err("one Idempotency-Key of 1 to 128 visible ASCII characters names a publication"),
    }
}

/// What is answered to a publication.
pub(crate) fn place(channel: &Channel, published: &Published) -> serde_json::Value {
    let Published { position, sessions, repeated } = published;
    let mut place = serde_json::json!({
        "channel": channel.as_str(),
        "position": position.to_string(),
        "sessions": sessions,
    });
    if *repeated {
        place["repeated"] = true.into();
    }
    place
}

/// What a body publishes: JSON (also when nothing is said of it), text, a form's fields as an object, or bytes.
fn payload(app: &App, media: &str, headers: &HeaderMap, body: &[u8]) -> Result<Payload, Box<Response<Body>>> {
    let limits = app.broker.limits();
    let refuse = |status, string: &str, why: &str| Err(Box::new(error(app, status, string, why)));
    let named = || headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(media);
    match media {
        "" | "application/json" => json_payload(app, body),
        _ if media.ends_with("+json") => json_payload(app, body),
        "application/x-www-form-urlencoded" => {
            // What `curl -d` sends says that it is a form. In production a page of another origin could send the same
            // without asking, so there it has to say that it is JSON.
            if app.visitors.is_development()
                && let Ok(data) = bayeux::parse_value(body, limits)
            {
                return Ok(Payload::Json(data));
            }
            match form::object(body) {
                Some(json) => json_payload(app, json.as_bytes()),
                None => {
                    refuse(StatusCode::BAD_REQUEST, "400::form_invalid", "the form is empty, or not UTF-8")
                }
            }
        }
        "multipart/form-data" => {
            let why = "send the fields as application/x-www-form-urlencoded, or a file as its own type";
            refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "415::media_type_unsupported", why)
        }
        _ if media.starts_with("text/") => match str::from_utf8(body) {
            Ok(text) => Ok(Payload::Text { content_type: named().into(), text: text.into() }),
            Err(_) => refuse(StatusCode::BAD_REQUEST, "400::text_invalid", "text is sent as UTF-8"),
        },
        _ => Ok(Payload::Bytes { content_type: named().into(), bytes: body.into() }),
    }
}

fn json_payload(app: &App, body: &[u8]) -> Result<Payload, Box<Response<Body>>> {
    match bayeux::parse_value(body, app.broker.limits()) {
        Ok(data) => Ok(Payload::Json(data)),
        Err(why) => Err(Box::new(error(app, status_of(&why), "400::json_invalid", &why.to_string()))),
    }
}

/// A name that is not a channel, fit to be shown in an error string.
fn shown(name: &str) -> String {
    let limit = ChannelLimits::default().bytes;
    name.chars().map(|c| if c.is_control() || c == ':' { '?' } else { c }).take(limit).collect()
}

fn refuse(app: &App, status: StatusCode, why: &str) -> Answer<Taken> {
    app.metrics().refused("channel_request");
    Answer::Response(sentence(status, why))
}

/// An error as JSON: Bayeux's string for programs, and why for people.
fn error(app: &App, status: StatusCode, string: &str, why: &str) -> Response<Body> {
    app.metrics().refused("channel_request");
    json(status, &serde_json::json!({ "error": string, "why": why }))
}

/// There is no room for one more session, for now.
fn later(refused: &Later) -> Response<Body> {
    let Later { refusal, wait, .. } = refused;
    let value = serde_json::json!({ "error": refusal.to_string(), "why": refusal.sentence() });
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, &value);
    response.headers_mut().insert(header::RETRY_AFTER, wait.div_ceil(1000).into());
    response
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{value}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn allow(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST, OPTIONS"));
    response
}
