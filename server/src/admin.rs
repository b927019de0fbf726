//! What operators and applications ask on the internal listener: is it alive, is it ready, what are the figures, who is
//! slow; and the server API.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bayeux::{Channel, ChannelKind, Draft, Payload};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::broker::{Broker, By, Whom, identity_of};
use crate::channels;
use crate::drain::Drain;
use crate::hub::Listed;
use crate::policy::Identity;

/// Sessions that are listed unless more are asked for, and at most.
const SLOWEST: u64 = 100;
const MOST_SLOWEST: u64 = 1000;

/// `/health/live`, `/health/ready`, `/metrics`, `/api/publish` and `/api/sessions`.
pub(crate) fn router(broker: Arc<Broker>, drain: Drain) -> Router {
    let ready = move || async move {
        if !drain.is_ready() {
            (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
        } else {
            (StatusCode::OK, "ready\n")
        }
    };
    let metrics = broker.metrics().clone();
    let text = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let limit = broker.limits().batch_bytes;
    let listed = broker.clone();
    let sessions = move |RawQuery(query): RawQuery| async move {
        sessions(&listed, query.as_deref().unwrap_or_default()).await
    };
    let publisher = broker.clone();
    let publish = move |Extension(who): Extension<Arc<Identity>>, headers: HeaderMap, body: Bytes| async move {
        publish(&publisher, &who, &headers, &body).await
    };
    let (kicker, revoker) = (broker.clone(), broker);
    let kick = move |body: Bytes| async move { kick(&kicker, &body).await };
    let revoke = move |body: Bytes| async move { revoke(&revoker, &body).await };
    Router::new()
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(move || async move { ([(header::CONTENT_TYPE, text)], metrics.text()) }))
        .route("/api/publish", post(publish).layer(DefaultBodyLimit::max(limit)))
        .route("/api/sessions", get(sessions))
        .route("/api/kick", post(kick))
        .route("/api/revoke", post(revoke))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "the internal listener has /health/live, /health/ready, /metrics, /api/publish, /api/sessions, \
                 /api/kick and /api/revoke\n",
            )
        })
}

/// The sessions of this node: of one subject, or all; or those for which something waits, the slowest first.
async fn sessions(broker: &Broker, query: &str) -> Response {
    let limit = match channels::number(query, "limit", 1..=MOST_SLOWEST) {
        Ok(limit) => limit.unwrap_or(SLOWEST) as usize,
        Err(why) => return error(StatusCode::BAD_REQUEST, "400::parameter_invalid", &why),
    };
    let is_slow = channels::parameter(query, "slow").is_some();
    let subject = channels::parameter(query, "subject").map(|subject| subject.into_owned());
    if is_slow {
        return answer(StatusCode::OK, &json!({ "sessions": broker.slowest(limit).await }));
    }
    let sessions: Vec<Value> = broker.sessions(subject, limit).await.iter().map(shown).collect();
    answer(StatusCode::OK, &json!({ "sessions": sessions }))
}

/// A session, with its id: this is the way to learn what to kick, on a listener that is not for the public.
fn shown(listed: &Listed) -> Value {
    let who = identity_of(listed.owner.as_ref());
    json!({
        "session": listed.id.as_ref().map(|id| id.as_str()),
        "subject": who.as_ref().and_then(|who| who.subject.as_deref()),
        "key": who.as_ref().and_then(|who| who.key.as_ref()).map(|key| &*key.name),
        "token": who.as_ref().and_then(|who| who.token.as_deref()),
        "expires": who.as_ref().and_then(|who| who.expires),
        "subscriptions": listed.subscriptions,
        "queued_messages": listed.queued_messages,
    })
}

/// The body of `POST /api/kick`: one of these.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kick {
    Session(String),
    Subject(String),
    Key(String),
    Token(String),
}

/// Ends sessions. Their clients may come back if their tokens are good: see `/api/revoke`.
async fn kick(broker: &Broker, body: &[u8]) -> Response {
    let whom = match serde_json::from_slice(body) {
        Ok(Kick::Session(id)) => Whom::Session(id),
        Ok(Kick::Subject(name)) => Whom::Subject(name),
        Ok(Kick::Key(name)) => Whom::Key(name),
        Ok(Kick::Token(id)) => Whom::Token(id),
        Err(why) => return error(StatusCode::BAD_REQUEST, "400::json_invalid", &why.to_string()),
    };
    answer(StatusCode::OK, &json!({ "ended": broker.kick(whom).await }))
}

/// The body of `POST /api/revoke`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    /// The token's `jti`.
    token: String,
    /// Its `exp`: until then it is remembered; unless it is given, as long as the server runs.
    expires: Option<u64>,
}

/// Refuses a token from now on, and ends the sessions that came with it.
async fn revoke(broker: &Broker, body: &[u8]) -> Response {
    let Revoke { token, expires } = match serde_json::from_slice(body) {
        Ok(revoke) => revoke,
        Err(why) => return error(StatusCode::BAD_REQUEST, "400::json_invalid", &why.to_string()),
    };
    if !broker.policy().revoke(&token, expires.unwrap_or(u64::MAX)) {
        let why = "too many tokens are revoked already";
        return error(StatusCode::SERVICE_UNAVAILABLE, "503::too_many_revoked", why);
    }
    answer(StatusCode::OK, &json!({ "ended": broker.kick(Whom::Token(token)).await }))
}

/// The body of `POST /api/publish`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish<'a> {
    /// One channel,
    channel: Option<String>,
    /// or several; at most as many as a batch has messages.
    #[serde(default)]
    channels: Vec<String>,
    /// What is published to each of them.
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Publishes the same to one or many channels: to all of them, or, when one of them cannot be, to none.
async fn publish(broker: &Broker, who: &Identity, headers: &HeaderMap, body: &[u8]) -> Response {
    let limits = broker.limits();
    let request: Publish<'_> = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(why) => return error(StatusCode::BAD_REQUEST, "400::json_invalid", &why.to_string()),
    };
    let data = match bayeux::parse_value(request.data.get().as_bytes(), limits) {
        Ok(data) => data,
        Err(why) => return error(StatusCode::BAD_REQUEST, "400::json_invalid", &why.to_string()),
    };
    let names: Vec<String> = request.channel.into_iter().chain(request.channels).collect();
    if names.is_empty() || names.len() > limits.batch_messages {
        let why = format!("name a channel, or up to {} channels", limits.batch_messages);
        return error(StatusCode::BAD_REQUEST, "400::channel_missing", &why);
    }
    let mut channels = Vec::with_capacity(names.len());
    for name in names {
        match Channel::parse_within(&name, &limits.channel) {
            Ok(channel) if channel.kind() == ChannelKind::Broadcast => channels.push(channel),
            Ok(_) => {
                let why = "channels below /meta and /service are not routed";
                return error(StatusCode::FORBIDDEN, &format!("403:{name}:publish_denied"), why);
            }
            Err(why) => {
                return error(StatusCode::BAD_REQUEST, "405::channel_invalid", &format!("{name:?}: {why}"));
            }
        }
    }
    let key = match channels::key(headers) {
        Ok(key) => key,
        Err(why) => return error(StatusCode::BAD_REQUEST, channels::KEY_INVALID, why),
    };
    let draft = |channel: &Channel| Draft {
        channel: channel.clone(),
        id: None,
        payload: Payload::Json(data.clone()),
    };
    // One key is for all of them: for each it is another. No key has a space, so these are nobody else's.
    let keys: Vec<_> =
        channels.iter().map(|channel| key.map(|key| format!("{key} {}", channel.as_str()))).collect();
    for (channel, key) in channels.iter().zip(&keys) {
        if let Some(key) = key
            && let Err(refusal) = broker.check_key(who, key, &draft(channel))
        {
            return error(StatusCode::UNPROCESSABLE_ENTITY, &refusal.to_string(), refusal.sentence());
        }
    }
    for channel in &channels {
        if let Err(refusal) = broker.may_publish(who, channel).await {
            return error(StatusCode::FORBIDDEN, &refusal.to_string(), refusal.sentence());
        }
    }
    let mut published = Vec::with_capacity(channels.len());
    for (channel, key) in channels.iter().zip(&keys) {
        let by = key.as_deref().map_or(By::Anyone, By::Key);
        // It has been asked, and that has cost the key one of its rate.
        match broker.publish_allowed(who, draft(channel), by).await {
            Ok(done) => published.push(channels::place(channel, &done)),
            Err(refusal) => {
                return error(StatusCode::UNPROCESSABLE_ENTITY, &refusal.to_string(), refusal.sentence());
            }
        }
    }
    answer(StatusCode::OK, &json!({ "published": published }))
}

fn error(status: StatusCode, string: &str, why: &str) -> Response {
    answer(status, &json!({ "error": string, "why": why }))
}

fn answer(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{value}\n")).into_response()
}
