//! The Bayeux endpoint: `/bayeux`, `/cometd`, `/faye` and what is below them, by POST, by GET of a script, or as a
//! WebSocket.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use bayeux::websocket::{accept_key, is_valid_key};
use bayeux::{Callback, PollBody};
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode, Uri, Version};
use hyper::body::Body as _;
use percent_encoding::percent_decode_str;

use super::take_back::{Answer, Request};
use super::{App, Taken, content_type, credentials, poll, sentence, status_of};
use crate::broker::Door;
use crate::policy::Identity;
use crate::visitors::Welcome;

/// A WebSocket handshake that is accepted.
pub(crate) struct Accepted {
    key: String,
    /// Whether a token came as a sub-protocol, which then has to be chosen.
    bearer: bool,
    pub(super) identity: Arc<Identity>,
    /// Where the peer is.
    pub(super) address: Option<IpAddr>,
    /// Whether it is `/echo`.
    pub(super) echo: bool,
}

impl Accepted {
    /// RFC 6455, section 4.2.2. The only sub-protocol that is ever chosen is that which brings a token: Bayeux has none.
    pub(super) fn response(&self) -> Vec<u8> {
        let protocol = if self.bearer { "Sec-WebSocket-Protocol: bearer\r\n" } else { "" };
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n{protocol}\r\n",
            self.key
        )
        .into_bytes()
    }
}

/// Answers a request for a Bayeux endpoint.
pub(super) async fn answer(app: &Arc<App>, mut request: Request, peer: Option<IpAddr>) -> Answer<Taken> {
    let origins = &app.options.origins;
    if *request.method() == Method::GET && asks_for_script(request.uri().query()) {
        let welcome = app.visitors.check_script(request.headers(), request.uri(), origins);
        // No `Origin` came with it, which would have cost it its user's cookies before. Nor has an old browser to say where the
        // page is that asks.
        if welcome == Ok(Welcome::Stranger) || !says_where(request.headers()) {
            request.headers_mut().remove(header::COOKIE);
        }
    }
    let identity = match app.identify(&request, peer) {
        Ok(identity) => identity,
        Err(response) => return Answer::Response(*response),
    };
    if wants_upgrade(request.headers()) {
        return match upgrade(app, &request, identity, peer, false) {
            Ok(accepted) => Answer::Take(Taken::WebSocket(Box::new(accepted))),
            Err(response) => Answer::Response(*response),
        };
    }
    match *request.method() {
        Method::POST => {}
        Method::GET if asks_for_script(request.uri().query()) => {
            return script(app, (identity, peer), &request).await;
        }
        Method::OPTIONS => return Answer::Response(allow(StatusCode::NO_CONTENT)),
        _ => return Answer::Response(allow(StatusCode::METHOD_NOT_ALLOWED)),
    }
    let form = content_type(request.headers()) == "application/x-www-form-urlencoded";
    let (head, body) = request.into_parts();
    // A form's percent signs make three bytes of one.
    let limit = app.broker.limits().batch_bytes * if form { 3 } else { 1 };
    let body = match app.read(body, limit, &head.headers).await {
        Ok(body) => body,
        Err(response) => return Answer::Response(*response),
    };
    let limits = app.broker.limits();
    let parsed = if form { bayeux::parse_form(&body, limits) } else { bayeux::parse(&body, limits) };
    drop(body);
    let door = door(identity, peer, &head.uri, false);
    converse(app, door, parsed, PollBody::Array, &head).await
}

/// Has what was sent answered, in a body of this kind.
async fn converse(
    app: &Arc<App>,
    door: Door,
    parsed: Result<Vec<bayeux::Request>, bayeux::ParseError>,
    body: PollBody,
    head: &Parts,
) -> Answer<Taken> {
    let requests = match parsed {
        Ok(requests) if requests.is_empty() => {
            let why = "the array holds no message";
            return Answer::Response(poll::unreadable(app, StatusCode::BAD_REQUEST, why));
        }
        Ok(requests) => requests,
        Err(error) => {
            return Answer::Response(poll::unreadable(app, status_of(&error), &error.to_string()));
        }
    };
    poll::answer(app, door, requests, body, head.version, &head.headers).await
}

/// Who speaks by a request, which is all that it has to do with any other.
fn door(identity: Arc<Identity>, address: Option<IpAddr>, uri: &Uri, url: bool) -> Door {
    let ticket = credentials::ticket(uri).is_some() && !identity.is_anonymous();
    Door { identity, url, ticket, address, wire: None, bound: None, owed: None }
}

/// Whether a GET speaks `callback-polling`.
fn asks_for_script(query: Option<&str>) -> bool {
    let query = query.unwrap_or_default();
    query.split('&').any(|pair| pair.starts_with("message=") || pair.starts_with("jsonp="))
}

/// Whether a browser says of which page a request for a script is.
fn says_where(headers: &HeaderMap) -> bool {
    headers.contains_key(header::REFERER) || headers.contains_key("sec-fetch-site")
}

/// `callback-polling` (Bayeux 1.0, section 6.2): what is sent stands in the URL, what is answered is a script. It never
/// carries a token: a URL ends up in logs.
async fn script(
    app: &Arc<App>,
    (identity, peer): (Arc<Identity>, Option<IpAddr>),
    request: &Request,
) -> Answer<Taken> {
    let refuse = |status, why| Answer::Response(poll::unreadable(app, status, why));
    if !app.options.callback_polling {
        return refuse(
            StatusCode::FORBIDDEN,
            "callback-polling is off here: set callback_polling under [doors]",
        );
    }
    if let Err(why) = app.visitors.check_script(request.headers(), request.uri(), &app.options.origins) {
        app.metrics().refused("visitor");
        app.say_refused("a page that loads scripts", peer, "visit", request.uri().path(), why);
        return Answer::Response(sentence(StatusCode::FORBIDDEN, why));
    }
    let query = request.uri().query().unwrap_or_default();
    let mut names = query.split('&').filter_map(|pair| pair.strip_prefix("jsonp="));
    let callback = match (names.next(), names.next()) {
        (None, _) => Some(Callback::default()),
        (Some(name), None) => {
            percent_decode_str(name).decode_utf8().ok().and_then(|name| Callback::parse(&name))
        }
        _ => None,
    };
    let Some(callback) = callback else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "jsonp names one function, by identifiers with dots between them",
        );
    };
    let parsed = bayeux::parse_form(query.as_bytes(), app.broker.limits());
    let mut parts = http::Request::new(()).into_parts().0;
    (parts.version, parts.headers) = (request.version(), request.headers().clone());
    let door = door(identity, peer, request.uri(), true);
    converse(app, door, parsed, PollBody::Callback(callback), &parts).await
}

/// Checks a WebSocket handshake (RFC 6455, section 4.2.1).
pub(super) fn upgrade(
    app: &App,
    request: &Request,
    identity: Arc<Identity>,
    address: Option<IpAddr>,
    echo: bool,
) -> Result<Accepted, Box<Response<Body>>> {
    let refuse = |status, why| {
        app.metrics().refused("bad_upgrade");
        let mut response = sentence(status, why);
        let version = HeaderValue::from_static("13");
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, version);
        Err(Box::new(response))
    };
    let headers = request.headers();
    if !wants_upgrade(headers) {
        return refuse(StatusCode::UPGRADE_REQUIRED, "this URL is a WebSocket");
    }
    if request.method() != Method::GET || request.version() != Version::HTTP_11 {
        return refuse(StatusCode::BAD_REQUEST, "a WebSocket begins with GET and HTTP/1.1");
    }
    if !request.body().is_end_stream() {
        return refuse(StatusCode::BAD_REQUEST, "a WebSocket begins with a request that has no body");
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return refuse(StatusCode::UPGRADE_REQUIRED, "Sec-WebSocket-Version must be 13");
    }
    match headers.get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok()) {
        Some(key) if is_valid_key(key) => {
            let bearer = super::credentials::is_announced(headers);
            Ok(Accepted { key: accept_key(key), bearer, identity, address, echo })
        }
        _ => refuse(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes in base64"),
    }
}

fn wants_upgrade(headers: &HeaderMap) -> bool {
    let has = |name, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    has(header::UPGRADE, "websocket") && has(header::CONNECTION, "upgrade")
}

fn allow(status: StatusCode) -> Response<Body> {
    let mut response = sentence(status, "Bayeux is spoken by POST, or over a WebSocket");
    if status == StatusCode::NO_CONTENT {
        *response.body_mut() = Body::empty();
    }
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    response
}
