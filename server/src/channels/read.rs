//! `GET` of a channel: a stream that begins now or in the past, or a page of history.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bayeux::{Framing, Pattern, Since};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode, Version};
use hyper::body::Body as _;
use percent_encoding::percent_decode_str;

use super::{error, later, refuse, shown};
use crate::policy::Identity;
use crate::transport::{Answer, App, Awaited, Request, Taken, Wanted, closes};

/// Messages that a page may be asked for.
const LIMIT: RangeInclusive<u64> = 1..=1000;

/// Seconds that an empty page may be asked to wait for a message: most proxies give up after 60.
const WAIT: RangeInclusive<u64> = 0..=60;

/// Answers a `GET`.
pub(super) async fn answer(
    app: &Arc<App>,
    request: Request,
    name: &str,
    peer: Option<IpAddr>,
) -> Answer<Taken> {
    let pattern = match Pattern::parse_within(name, &app.broker.limits().channel) {
        Ok(pattern) => pattern,
        Err(why) => {
            let string = format!("405:{}:channel_invalid", shown(name));
            return Answer::Response(error(app, StatusCode::BAD_REQUEST, &string, &why.to_string()));
        }
    };
    let query = request.uri().query().unwrap_or_default();
    let Some(form) = form(query, request.headers()) else {
        let why = "a channel comes as event-stream, lines, page or messages: say ?as= or Accept";
        return refuse(app, StatusCode::NOT_ACCEPTABLE, why);
    };
    let identity = match app.identify(&request, peer) {
        Ok(identity) => identity,
        Err(response) => return Answer::Response(*response),
    };
    // A page of history takes another right, which it asks about itself.
    if !matches!(form, Form::Messages)
        && let Err(refusal) = app.broker.may_stream(&identity, std::slice::from_ref(&pattern)).await
    {
        return Answer::Response(error(app, StatusCode::FORBIDDEN, &refusal.to_string(), "not allowed here"));
    }
    let since = parameter(query, "since").filter(|since| !since.is_empty()).map(|since| Since::parse(&since));
    let framing = match form {
        Form::Messages => return messages(app, &request, pattern, since, (identity, peer)).await,
        Form::EventStream => Framing::EventStream { named: pattern.is_wildcard() },
        Form::Lines => Framing::Lines,
        Form::Page => Framing::Page,
    };
    let since = match form {
        Form::EventStream => last_event_id(request.headers()).or(since),
        _ => since,
    };
    let seat = match app.broker.seat(&identity, &pattern, peer) {
        Ok(seat) => seat,
        Err(refused) => return Answer::Response(later(&refused)),
    };
    let chunked = request.version() == Version::HTTP_11;
    let wanted = Wanted::new(app, pattern, since, framing, chunked, (identity, seat));
    Answer::Take(Taken::Stream(Box::new(wanted)))
}

/// Where a reader of events had come to (WHATWG HTML, "Server-sent events"); empty is nowhere.
fn last_event_id(headers: &HeaderMap) -> Option<Since> {
    let id = headers.get("last-event-id").filter(|id| !id.is_empty())?;
    Some(id.to_str().map_or(Since::Garbage, Since::parse))
}

/// Answers with a page of history or, when there is nothing yet and the request has time, takes its socket.
async fn messages(
    app: &Arc<App>,
    request: &Request,
    pattern: Pattern,
    since: Option<Since>,
    (identity, peer): (Arc<Identity>, Option<IpAddr>),
) -> Answer<Taken> {
    let query = request.uri().query().unwrap_or_default();
    let (limit, wait) = match (number(query, "limit", LIMIT), number(query, "wait", WAIT)) {
        (Ok(limit), Ok(wait)) => (limit.map(|limit| limit as usize), wait.unwrap_or(0)),
        (Err(why), _) | (_, Err(why)) => {
            return Answer::Response(error(app, StatusCode::BAD_REQUEST, "400::parameter_invalid", &why));
        }
    };
    if let Err(refusal) = app.broker.may_read(&identity, &pattern).await {
        return Answer::Response(error(app, StatusCode::FORBIDDEN, &refusal.to_string(), "not allowed here"));
    }
    if !app.broker.has_history(&pattern) {
        let string = format!("404:{}:history_absent", pattern.as_str());
        let why = "no channel there has history: a [[channel]] table with [channel.history] gives it one";
        return Answer::Response(error(app, StatusCode::NOT_FOUND, &string, why));
    }
    // Whoever waits hears of what is published from here on, so nothing passes between the page and the wait.
    let waiter = match wait {
        0 => None,
        _ => match app.broker.seat(&identity, &pattern, peer) {
            Ok(seat) => app.broker.waiter(pattern.clone(), &identity, seat).await,
            Err(refused) => return Answer::Response(later(&refused)),
        },
    };
    let page = match app.broker.page(&identity, &pattern, since.as_ref(), limit).await {
        Ok(page) => page,
        Err(refusal) => {
            let string = refusal.to_string();
            return Answer::Response(error(app, StatusCode::FORBIDDEN, &string, "not allowed here"));
        }
    };
    let Some(waiter) = waiter.filter(|_| page.is_nothing_new()) else {
        return Answer::Response(whole(page.json()));
    };
    if !request.body().is_end_stream() {
        return refuse(app, StatusCode::BAD_REQUEST, "a request that waits has no body");
    }
    let until = app.now() + Duration::from_secs(wait);
    let close = closes(request.version(), request.headers());
    let awaited = Awaited { waiter, identity, pattern, limit, page, until, close, reader: None };
    Answer::Take(Taken::Awaited(Box::new(awaited)))
}

fn whole(json: String) -> Response<Body> {
    let mut response = Response::new(Body::from(json + "\n"));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "Accept"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The form a reader asks for: `?as=` wins over `Accept`.
#[derive(Clone, Copy)]
enum Form {
    EventStream,
    Lines,
    Page,
    Messages,
}

fn form(query: &str, headers: &HeaderMap) -> Option<Form> {
    match parameter(query, "as").as_deref() {
        Some("event-stream") => return Some(Form::EventStream),
        Some("lines") => return Some(Form::Lines),
        Some("page") => return Some(Form::Page),
        Some("messages") => return Some(Form::Messages),
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
        "application/json" => Some(Form::Messages),
        "application/x-ndjson" | "application/*" | "*/*" => Some(Form::Lines),
        _ => None,
    })
}

/// The first parameter of this name.
pub(crate) fn parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.find(|(known, _)| *known == name)?;
    Some(percent_decode_str(value).decode_utf8_lossy())
}

/// The number that a parameter is, or a sentence that says what it has to be.
pub(crate) fn number(query: &str, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, String> {
    let Some(text) = parameter(query, name) else { return Ok(None) };
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(format!("{name} is a number from {} to {}", range.start(), range.end())),
    }
}
