//! How a session begins: who may have one, and what it is bound to.

use std::sync::atomic::Ordering;

use bayeux::{Ack, Framing, Reconnect, Refusal, Reply, Request, Verb, Wishes};
use serde_json::value::{RawValue, to_raw_value};

use super::limits::Later;
use super::{Bound, Broker, Door, Replies, Spoken};
use crate::policy::{Action, Identity};

/// What a client is told to wait when there is no room for one more session.
const FULL_INTERVAL: u64 = 10_000;

impl Broker {
    /// Answers a handshake, with a session or with why there is none.
    pub(super) async fn handshake(&self, door: &mut Door, request: &Request, spoken: &mut Spoken) {
        let mut reply = Reply::new("/meta/handshake");
        reply.id = request.id.as_ref();
        reply.handshake = Some(self.connection_types);
        // Before anything that costs: whoever comes too fast is told when to return.
        if let Err(later) = self.rates.admit(door.address, &self.metrics) {
            return self.refuse_for_now(later, request, spoken);
        }
        let identity = match self.identify_handshake(door, request) {
            Ok(identity) => identity,
            Err(unknown) => {
                self.metrics().refused(unknown.as_str());
                let address = door.address.map(tracing::field::display);
                tracing::info!(address, why = unknown.as_str(), "a handshake is refused");
                let refusal = Refusal::authentication_failed(unknown.as_str());
                reply.error = Some(&refusal);
                reply.advice = Some(self.options().advice(Reconnect::None));
                return Replies::add(&mut spoken.replies.first, &reply);
            }
        };
        if let Err((cause, refusal, reconnect)) = self.may_shake_hands(&identity, request).await {
            self.metrics().refused(cause);
            let mut advice = self.options().advice(reconnect);
            if reconnect != Reconnect::None {
                advice.interval = advice.interval.max(FULL_INTERVAL);
            }
            (reply.error, reply.advice) = (Some(&refusal), Some(advice));
            return Replies::add(&mut spoken.replies.first, &reply);
        }
        // A new handshake on a socket rebinds it; the session it carried keeps its grace.
        if let (Some(bound), Some(wire)) = (door.bound.take(), &door.wire) {
            door.owed = self.detach(bound.key, wire).await;
        }
        let (wire, owed) = (door.wire.clone(), door.owed.take());
        let wishes = request.wishes();
        let (ack, publisher) =
            (wishes.ack, wishes.publisher.as_deref().map(|name| self.repeats.publisher(name)));
        let place = match identity.subject.as_deref().map(|subject| self.rates.place(subject)).transpose() {
            Ok(place) => place,
            Err(later) => return self.refuse_for_now(later, request, spoken),
        };
        let owner = self.owner(&identity, place);
        let made = self.hub.call(self.hub.here(), move |shard| {
            let (key, id) = shard.handshake();
            shard.settle(key, ack, publisher);
            if let Some((owner, until)) = owner {
                shard.own(key, owner, until);
            }
            if let Some(wire) = wire {
                shard.attach(key, wire, Framing::WebSocket, false, owed);
            }
            Bound { key, id }
        });
        let Some(bound) = made.await else { return };
        if door.wire.is_some() {
            door.bound = Some(bound);
        }
        spoken.shook_hands = true;
        reply.client_id = Some(&bound.id);
        let ext = granted(&wishes);
        reply.ext = ext.as_deref();
        reply.advice = Some(self.options().advice(Reconnect::Retry));
        Replies::add(&mut spoken.replies.first, &reply);
    }

    fn refuse_for_now(&self, (cause, refusal, wait): Later, request: &Request, spoken: &mut Spoken) {
        self.metrics().refused(cause);
        let mut advice = self.options().advice(Reconnect::Handshake);
        advice.interval = advice.interval.max(wait);
        let mut reply = Reply::new("/meta/handshake");
        (reply.id, reply.handshake) = (request.id.as_ref(), Some(self.connection_types));
        (reply.error, reply.advice) = (Some(&refusal), Some(advice));
        Replies::add(&mut spoken.replies.first, &reply);
    }

    async fn may_shake_hands(
        &self,
        who: &Identity,
        request: &Request,
    ) -> Result<(), (&'static str, Refusal, Reconnect)> {
        let Verb::Handshake { version, minimum_version, connection_types } = &request.verb else {
            return Ok(());
        };
        // The oldest version that the client would accept has to be one of ours; what is older than 1 is.
        if let Some(oldest) = minimum_version.as_ref().or(version.as_ref())
            && major(oldest) > 1
        {
            return Err(("version", Refusal::version_unsupported(oldest), Reconnect::None));
        }
        // dojox.cometd sends no list across origins: it means the transport this came by.
        if let Some(types) = connection_types
            && !types.iter().any(|name| self.connection_types.contains(&&**name))
        {
            let named = types.iter().map(|name| &**name);
            let refusal = Refusal::connection_type_unsupported(named);
            return Err(("no_connection_type", refusal, Reconnect::None));
        }
        if self.allowed(who, Action::Handshake).await.is_err() {
            return Err(("handshake_denied", Refusal::handshake_denied(), Reconnect::None));
        }
        let most = self.options().sessions;
        if self.metrics.sessions.inner().load(Ordering::Relaxed) >= most as i64 {
            return Err(("too_many_sessions", Refusal::too_many_sessions(most), Reconnect::Handshake));
        }
        Ok(())
    }
}

/// The extensions that a session will speak, of those that its client wished for.
fn granted(wishes: &Wishes) -> Option<Box<RawValue>> {
    let mut ext = serde_json::Map::new();
    if wishes.ack != Ack::None {
        ext.insert("ack".into(), true.into());
    }
    if wishes.replay {
        ext.insert("replay".into(), true.into());
    }
    if wishes.ack == Ack::Count {
        ext.insert("encke".into(), serde_json::json!({ "ack": "count" }));
    } else if wishes.publisher.is_some() {
        ext.insert("encke".into(), serde_json::json!({}));
    }
    (!ext.is_empty()).then(|| to_raw_value(&ext).ok()).flatten()
}

/// The first number of a version such as `1.0`; 0 when there is none, as old clients sent words.
fn major(version: &str) -> u64 {
    version.split('.').next().and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}
