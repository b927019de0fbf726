//! The public doors: who may come in, which URL is whose, and what each connection becomes.

mod awaited;
mod connection;
mod cors;
mod credentials;
mod echo;
mod endpoint;
mod poll;
mod proxies;
pub(crate) mod rest;
mod scratch;
mod stream;
mod take_back;
mod websocket;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bayeux::PollBody;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode, Version};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use tower_service::Service;

pub(crate) use awaited::Awaited;
pub(crate) use connection::run;
use endpoint::Accepted;
pub(crate) use poll::closes;
use proxies::Proxies;
pub use proxies::Proxy;
pub(crate) use stream::Wanted;
pub(crate) use take_back::{Answer, Request};

use crate::broker::{Broker, Held};
use crate::channels;
use crate::clock::Clock;
use crate::drain::Drain;
use crate::hub::Guard;
use crate::metrics::Metrics;
use crate::visitors::{Visitors, Welcome};

/// All connection types, in the order of the server's preference.
const CONNECTION_TYPES: &[&str] = &["websocket", "long-polling", "callback-polling"];

/// The connection types that the server speaks.
pub(crate) fn connection_types(callback_polling: bool) -> &'static [&'static str] {
    // The one that may be left out stands last.
    &CONNECTION_TYPES[..CONNECTION_TYPES.len() - usize::from(!callback_polling)]
}

/// The settings of the public doors.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The path that all public URLs stand under: empty, or `/live`.
    pub base: String,
    /// The paths of the Bayeux endpoint, below the base.
    pub endpoints: Vec<String>,
    /// Origins of pages that may come in beside those of the server's own, such as `https://app.example`; exact. `*` is
    /// any, `null` those that have none: both come without their user's cookies.
    /// (Development lets in pages of this machine, whatever stands here.)
    pub origins: Vec<String>,
    /// Who is trusted to say, in `Forwarded` or `X-Forwarded-For`, for whom it speaks.
    pub proxies: Vec<Proxy>,
    /// Connections of the public listener; 0 is as many as there are descriptors for.
    pub connections: usize,
    /// The same from one address; 0 is any number.
    pub connections_per_address: usize,
    /// Whether `callback-polling` (JSONP) is spoken. Development always speaks it.
    pub callback_polling: bool,
}

impl Default for Options {
    fn default() -> Self {
        let endpoints = ["/bayeux", "/cometd", "/faye"].map(String::from).to_vec();
        Options {
            base: String::new(),
            endpoints,
            origins: Vec::new(),
            proxies: Vec::new(),
            connections: 0,
            connections_per_address: 0,
            callback_polling: false,
        }
    }
}

/// What differs between the two listeners.
pub(crate) struct Side {
    pub(crate) options: Options,
    pub(crate) visitors: Visitors,
    pub(crate) router: Router,
    pub(crate) internal: bool,
}

/// What every connection of a listener shares.
pub(crate) struct App {
    pub(crate) broker: Arc<Broker>,
    pub(crate) options: Options,
    pub(crate) visitors: Visitors,
    /// What is neither Bayeux nor a channel: pages, or everything on the internal listener.
    pub(crate) router: Router,
    /// Whether only the router serves here.
    pub(crate) internal: bool,
    pub(crate) browsers: poll::Browsers,
    drain: Drain,
    clock: Clock,
    /// How long a request may take, from its first byte to the last of its answer.
    request_time: Duration,
    /// The head of most answers to polls, shared by all that are held.
    poll_head: Arc<[u8]>,
}

/// What a door has taken a socket for.
pub(crate) enum Taken {
    Poll(Box<HeldPoll>),
    Stream(Box<Wanted>),
    Awaited(Box<Awaited>),
    WebSocket(Box<Accepted>),
}

/// A poll that will be held.
pub(crate) struct HeldPoll {
    held: Held,
    body: PollBody,
    close: bool,
    guard: Option<Guard>,
    reader: Option<cors::Reader>,
}

impl App {
    pub(crate) fn new(
        broker: Arc<Broker>,
        side: Side,
        request_time: Duration,
        drain: Drain,
        clock: Clock,
    ) -> Arc<Self> {
        let Side { options, visitors, router, internal } = side;
        Arc::new(App {
            broker,
            options,
            visitors,
            router,
            internal,
            browsers: Default::default(),
            drain,
            clock,
            request_time,
            poll_head: poll::head(false, &PollBody::Array, None),
        })
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        self.broker.metrics()
    }

    /// The time on the server's clock.
    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Who is trusted to speak for others.
    pub(crate) fn proxies(&self) -> Proxies<'_> {
        Proxies(&self.options.proxies)
    }

    /// Answers one request, or takes its socket.
    async fn answer(self: Arc<Self>, mut request: Request, peer: Option<IpAddr>) -> Answer<Taken> {
        let peer = self.proxies().client(peer, request.headers(), self.metrics());
        // RFC 9112, section 3.2.
        if request.version() == Version::HTTP_11
            && !request.headers().contains_key(header::HOST)
            && request.uri().authority().is_none()
        {
            self.metrics().refused("bad_http");
            return Answer::Response(sentence(StatusCode::BAD_REQUEST, "an HTTP/1.1 request names its Host"));
        }
        let welcome = match self.visitors.check(request.headers(), request.uri(), &self.options.origins) {
            Ok(welcome) => welcome,
            Err(why) => {
                self.metrics().refused("visitor");
                let origin = request.headers().get(header::ORIGIN).map(|origin| origin.to_str());
                let who = format!("a page of {}", origin.and_then(Result::ok).unwrap_or("nowhere"));
                self.say_refused(&who, peer, "visit", request.uri().path(), why);
                return Answer::Response(sentence(StatusCode::FORBIDDEN, why));
            }
        };
        if welcome == Welcome::Stranger {
            // A browser sends its user's cookies along with what any page asks.
            request.headers_mut().remove(header::COOKIE);
        }
        if self.internal {
            let path = request.uri().path();
            if path.starts_with("/api/") || path.starts_with("/admin") {
                match self.administrator(&request, peer) {
                    Ok(who) => drop(request.extensions_mut().insert(who)),
                    Err(response) => return Answer::Response(*response),
                }
            }
            return Answer::Response(self.route(request).await);
        }
        let reader = cors::reader(request.headers(), welcome);
        let mut answer = if cors::is_preflight(request.method(), request.headers()) {
            Answer::Response(cors::preflight())
        } else {
            self.open(request, peer).await
        };
        match &mut answer {
            Answer::Response(response) => cors::allow(response, reader.as_ref()),
            Answer::Take(Taken::Poll(poll)) => poll.reader = reader,
            Answer::Take(Taken::Stream(wanted)) => wanted.reader = reader,
            Answer::Take(Taken::Awaited(awaited)) => awaited.reader = reader,
            Answer::Take(Taken::WebSocket(_)) => {}
        }
        answer
    }

    /// Opens the door that a request knocks at.
    async fn open(self: Arc<Self>, request: Request, peer: Option<IpAddr>) -> Answer<Taken> {
        let _under_way = self.metrics().begin();
        if self.drain.has_begun() {
            let mut response = sentence(StatusCode::SERVICE_UNAVAILABLE, "the server is going away");
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            let seconds = self.drain.returns_after(self.clock.now()).as_secs_f64().ceil() as u64;
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            return Answer::Response(response);
        }
        let path = request.uri().path();
        let Some(path) = path.strip_prefix(self.options.base.as_str()) else {
            let hint = format!("nothing is here: all URLs of this server begin with {}", self.options.base);
            return Answer::Response(sentence(StatusCode::NOT_FOUND, &hint));
        };
        if self.options.endpoints.iter().any(|endpoint| is_at(path, endpoint)) {
            return endpoint::answer(&self, request, peer).await;
        }
        if is_at(path, "/channels") {
            let channel = path["/channels".len()..].to_owned();
            return channels::answer(&self, request, &channel, peer).await;
        }
        if path == "/ticket" {
            return Answer::Response(self.ticket(&request, peer));
        }
        if path == "/echo" && self.visitors.is_development() {
            return match endpoint::upgrade(&self, &request, Arc::default(), peer, true) {
                Ok(accepted) => Answer::Take(Taken::WebSocket(Box::new(accepted))),
                Err(response) => Answer::Response(*response),
            };
        }
        Answer::Response(self.route(request).await)
    }

    /// Plain pages are ordinary axum.
    async fn route(&self, request: Request) -> Response<Body> {
        match self.router.clone().call(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Reads a request's body to its end, as long as it is within `limit` bytes.
    pub(crate) async fn read(
        &self,
        body: hyper::body::Incoming,
        limit: usize,
        headers: &HeaderMap,
    ) -> Result<Bytes, Box<Response<Body>>> {
        let too_large = || {
            let why = format!("the body is larger than {limit} bytes");
            Box::new(poll::unreadable(self, StatusCode::PAYLOAD_TOO_LARGE, &why))
        };
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: u64| length > limit as u64) {
            return Err(too_large());
        }
        match Limited::new(body, limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
            Err(error) => {
                let why = format!("the body could not be read: {error}");
                Err(Box::new(poll::unreadable(self, StatusCode::BAD_REQUEST, &why)))
            }
        }
    }
}

/// Whether `path` is `endpoint` or below it.
fn is_at(path: &str, endpoint: &str) -> bool {
    path.strip_prefix(endpoint).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The media type without its parameters; empty when there is none.
pub(crate) fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The status that says what was wrong with a body.
pub(crate) fn status_of(error: &bayeux::ParseError) -> StatusCode {
    match error {
        bayeux::ParseError::BatchTooLarge { .. }
        | bayeux::ParseError::MessageTooLarge { .. }
        | bayeux::ParseError::TooManyMessages { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// One sentence for whoever reads the response.
pub(crate) fn sentence(status: StatusCode, why: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{why}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
