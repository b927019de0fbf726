//! A channel is a URL: `POST /channels/<channel>` publishes, `GET` streams.

mod form;

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use bayeux::{Channel, ChannelKind, ChannelLimits, Draft, Framing, Pattern, Payload};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, Version};
use percent_encoding::percent_decode_str;

use crate::broker::{By, Opening, Published};
use crate::transport::{Answer, Request};
use crate::transport::{App, Taken, Wanted, content_type, sentence, status_of};

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
        Method::GET => stream(app, request, &name, peer).await,
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
    let identity = match app.identify(peer).await {
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
    let draft = Draft { channel: channel.clone(), id: None, payload };
    match app.broker.publish_counted(&identity, draft, By::Anyone).await {
        Ok(Published { position, sessions, .. }) => {
            let answer = serde_json::json!({
                "channel": channel.as_str(),
                "position": position.to_string(),
                "sessions": sessions,
            });
            json(StatusCode::OK, &answer)
        }
        Err(refusal) => error(app, StatusCode::FORBIDDEN, &refusal.to_string(), "not allowed here"),
    }
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

async fn stream(app: &Arc<App>, request: Request, name: &str, peer: Option<IpAddr>) -> Answer<Taken> {
    let pattern = match Pattern::parse_within(name, &app.broker.limits().channel) {
        Ok(pattern) => pattern,
        Err(why) => {
            let string = format!("405:{}:channel_invalid", shown(name));
            return Answer::Response(error(app, StatusCode::BAD_REQUEST, &string, &why.to_string()));
        }
    };
    let named = pattern.is_wildcard();
    let framing = match form(request.uri().query(), request.headers()) {
        Some(Form::EventStream) => Framing::EventStream { named },
        Some(Form::Lines) => Framing::Lines,
        Some(Form::Page) => Framing::Page,
        None => {
            let why = "streams come as event-stream, lines or page: say ?as= or Accept";
            return refuse(app, StatusCode::NOT_ACCEPTABLE, why);
        }
    };
    let identity = match app.identify(peer).await {
        Ok(identity) => identity,
        Err(response) => return Answer::Response(*response),
    };
    if let Err(refusal) = app.broker.may_stream(&identity, std::slice::from_ref(&pattern)).await {
        return Answer::Response(error(app, StatusCode::FORBIDDEN, &refusal.to_string(), "not allowed here"));
    }
    let chunked = request.version() == Version::HTTP_11;
    let opening = Opening { pattern, since: None, framing, chunked };
    Answer::Take(Taken::Stream(Box::new(Wanted { opening, origin: None })))
}

/// The form a reader asks for: `?as=` wins over `Accept`.
enum Form {
    EventStream,
    Lines,
    Page,
}

fn form(query: Option<&str>, headers: &HeaderMap) -> Option<Form> {
    let asked = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("as="));
    match asked {
        Some("event-stream") => return Some(Form::EventStream),
        Some("lines") => return Some(Form::Lines),
        Some("page") => return Some(Form::Page),
        Some(_) => return None,
        None => {}
    }
    let mut accepts = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .peekable();
    if accepts.peek().is_none() {
        return Some(Form::Lines);
    }
    accepts.find_map(|range| match range.as_str() {
        "text/event-stream" => Some(Form::EventStream),
        "text/html" => Some(Form::Page),
        "application/x-ndjson" | "application/*" | "*/*" => Some(Form::Lines),
        _ => None,
    })
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
