//! What a request shows of who sends it: a token or a key in a header, a token as a WebSocket's sub-protocol or in a cookie, or a
//! ticket. Never a token in a URL: URLs end up in logs.

use std::net::IpAddr;

use axum::body::Body;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{App, Request};
use crate::policy::secret::Secret;
use crate::policy::{Credentials, Identity, Unknown};
use crate::refusals::{Place, Refused};
use std::sync::Arc;

/// The sub-protocol that announces a token: `new WebSocket(url, ["bearer", token])`.
pub(super) const BEARER: &str = "bearer";

impl App {
    /// Who sends a request, or the response that refuses it.
    pub(crate) fn identify(
        &self,
        request: &Request,
        peer: Option<IpAddr>,
    ) -> Result<Arc<Identity>, Box<Response<Body>>> {
        let credentials = self.credentials(request.headers(), request.uri(), peer);
        let who = self.broker.identify(&credentials);
        who.map_err(|unknown| Box::new(self.unauthorized(unknown, request.uri().path(), peer)))
    }

    /// What was shown for this request counts before what a browser sends with every one.
    fn credentials(&self, headers: &HeaderMap, uri: &Uri, peer: Option<IpAddr>) -> Credentials {
        let shown = bearer(headers).or_else(|| sub_protocol(headers));
        let ticket = if shown.is_none() { ticket(uri) } else { None };
        let name = self.broker.policy().cookie();
        let takes_cookie =
            shown.is_none() && ticket.is_none() && !name.is_empty() && !is_from_elsewhere(headers);
        let secret = shown.or_else(|| takes_cookie.then(|| cookie(headers, name)).flatten());
        Credentials { address: peer, secret, ticket }
    }

    /// One line of the log for a request that is refused.
    pub(super) fn say_refused(
        &self,
        who: &str,
        address: Option<IpAddr>,
        what: &'static str,
        path: &str,
        why: &str,
    ) {
        self.metrics().refusals.say(Refused { who, address, what, place: Place::Path(path), why });
    }

    fn unauthorized(&self, unknown: Unknown, path: &str, peer: Option<IpAddr>) -> Response<Body> {
        self.metrics().refused(unknown.as_str());
        self.say_refused("unknown", peer, "request", path, unknown.as_str());
        let error = bayeux::Refusal::authentication_failed(unknown.as_str()).to_string();
        let mut response =
            answer(StatusCode::UNAUTHORIZED, &json!({ "error": error, "why": unknown.sentence() }));
        // RFC 6750, section 3.
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        response
    }

    /// `POST /ticket`: a ticket that is good once, for what cannot send a header.
    pub(super) fn ticket(&self, request: &Request, peer: Option<IpAddr>) -> Response<Body> {
        if request.method() != Method::POST {
            let mut response =
                super::sentence(StatusCode::METHOD_NOT_ALLOWED, "a ticket is asked for with POST");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
            return response;
        }
        let identity = match self.identify(request, peer) {
            Ok(identity) => identity,
            Err(response) => return *response,
        };
        let path = request.uri().path();
        // Nobody has nothing to show for it, and could leave no tickets for others. Nor is there one for another.
        if self.credentials(request.headers(), request.uri(), peer).secret.is_none() {
            self.metrics().refused("ticket_for_nobody");
            self.say_refused(identity.name(), peer, "ticket", path, "ticket_for_nobody");
            let why = "a ticket is for whoever shows a token or a key, in a header or a cookie";
            let mut response = super::sentence(StatusCode::UNAUTHORIZED, why);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return response;
        }
        match self.broker.policy().ticket(&identity) {
            Some((ticket, good)) => {
                answer(StatusCode::OK, &json!({ "ticket": ticket, "expires_in": good.as_millis() as u64 }))
            }
            None => {
                self.metrics().refused("too_many_tickets");
                self.say_refused(identity.name(), peer, "ticket", path, "too_many_tickets");
                super::sentence(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "too many tickets are out: ask again in half a minute",
                )
            }
        }
    }

    /// Who uses the server API: whoever comes with a key that is for it or, in development, from this machine.
    pub(super) fn administrator(
        &self,
        request: &Request,
        peer: Option<IpAddr>,
    ) -> Result<Arc<Identity>, Box<Response<Body>>> {
        let identity = self.identify(request, peer)?;
        let is_here = self.visitors.is_development() && peer.is_none_or(|peer| peer.is_loopback());
        if is_here || self.broker.policy().may_administer(&identity) {
            return Ok(identity);
        }
        self.metrics().refused("not_admin");
        self.say_refused(identity.name(), peer, "api", request.uri().path(), "not_admin");
        let why = "the server API takes an API key that has admin = true, as Authorization: Bearer";
        let mut response = super::sentence(StatusCode::UNAUTHORIZED, why);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Err(Box::new(response))
    }
}

fn answer(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{value}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn bearer(headers: &HeaderMap) -> Option<Secret> {
    headers.get_all(header::AUTHORIZATION).iter().find_map(|value| {
        // What is no text is no good token, and is not nobody's either.
        let value = String::from_utf8_lossy(value.as_bytes());
        let (scheme, secret) = value.split_once(' ').unwrap_or((&value, ""));
        // Something else that a proxy wants to know of.
        scheme.eq_ignore_ascii_case(BEARER).then(|| Secret::from(secret.trim().to_owned()))
    })
}

/// Whether a token is announced as a WebSocket's sub-protocol.
pub(super) fn is_announced(headers: &HeaderMap) -> bool {
    sub_protocol(headers).is_some()
}

fn sub_protocol(headers: &HeaderMap) -> Option<Secret> {
    let mut names = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    names.find(|name| *name == BEARER)?;
    names.next().map(|secret| Secret::from(secret.to_owned()))
}

/// A cookie goes along with what pages of other sites have a browser ask for, images and scripts included.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    !headers.contains_key(header::ORIGIN)
        && site.is_some_and(|site| site == "cross-site" || site == "same-site")
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<Secret> {
    super::poll::cookie(headers, name, usize::MAX).map(|value| Secret::from(String::from(value)))
}

/// The ticket that a URL shows.
pub(super) fn ticket(uri: &Uri) -> Option<Secret> {
    let ticket = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("ticket="))?;
    Some(Secret::from(percent_decode_str(ticket).decode_utf8_lossy().into_owned()))
}
