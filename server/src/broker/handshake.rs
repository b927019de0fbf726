//! How a session begins: who may have one, and what it is bound to.

use std::borrow::Cow;

use bayeux::{Ack, Framing, Reconnect, Refusal, Reply, Request, Verb, Wishes};
use serde_json::value::{RawValue, to_raw_value};

use super::limits::{Later, Seat};
use super::rights::UNKNOWN;
use super::{Bound, Broker, Door, Replies, Spoken};
use crate::policy::{Action, Identity, Unknown};

/// Why there is no session.
struct Declined {
    /// The name of it in metrics.
    cause: &'static str,
    /// The same in the log, or the rule that says no.
    why: Cow<'static, str>,
    refusal: Refusal,
    reconnect: Reconnect,
    /// How long the client is told to wait at least, in milliseconds.
    wait: u64,
}

impl Declined {
    fn new(cause: &'static str, refusal: Refusal) -> Self {
        Declined { cause, why: cause.into(), refusal, reconnect: Reconnect::None, wait: 0 }
    }
}

impl From<Later> for Declined {
    fn from(Later { cause, refusal, wait }: Later) -> Self {
        Declined { reconnect: Reconnect::Handshake, wait, ..Declined::new(cause, refusal) }
    }
}

impl From<Unknown> for Declined {
    fn from(unknown: Unknown) -> Self {
        Declined::new(unknown.as_str(), Refusal::authentication_failed(unknown.as_str()))
    }
}

impl Broker {
    /// Answers a handshake, with a session or with why there is none.
    pub(super) async fn handshake(&self, door: &mut Door, request: &Request, spoken: &mut Spoken) {
        // Before anything that costs: whoever comes too fast is told when to return.
        if let Err(later) = self.rates.admit(door.address, &self.metrics) {
            return self.decline(door, door.identity.name(), later.into(), request, spoken);
        }
        let identity = match self.identify_handshake(door, request) {
            Ok(identity) => identity,
            Err(unknown) => return self.decline(door, UNKNOWN, unknown.into(), request, spoken),
        };
        let seat = match self.may_shake_hands(&identity, request).await {
            Ok(seat) => seat,
            Err(declined) => return self.decline(door, identity.name(), declined, request, spoken),
        };
        // A new handshake on a socket rebinds it; the session it carried keeps its grace.
        if let (Some(bound), Some(wire)) = (door.bound.take(), &door.wire) {
            door.owed = self.detach(bound.key, wire).await;
        }
        let (wire, owed) = (door.wire.clone(), door.owed.take());
        let wishes = request.wishes();
        let (ack, publisher) =
            (wishes.ack, wishes.publisher.as_deref().map(|name| self.repeats.publisher(name)));
        let by_door = request.token().is_none() && !door.ticket;
        let owner = self.owner(&identity, seat, by_door);
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
        let mut reply = self.handshake_reply(request);
        reply.client_id = Some(&bound.id);
        let ext = granted(&wishes);
        reply.ext = ext.as_deref();
        reply.advice = Some(self.options().advice(Reconnect::Retry));
        Replies::add(&mut spoken.replies.first, &reply);
    }

    fn handshake_reply<'a>(&self, request: &'a Request) -> Reply<'a> {
        let mut reply = Reply::new("/meta/handshake");
        (reply.id, reply.handshake) = (request.id.as_ref(), Some(self.connection_types));
        reply
    }

    fn decline(&self, door: &Door, who: &str, declined: Declined, request: &Request, spoken: &mut Spoken) {
        let Declined { cause, why, refusal, reconnect, wait } = declined;
        self.metrics.refused(cause);
        self.say_declined(who, door.address, "handshake", &why);
        let mut advice = self.options().advice(reconnect);
        advice.interval = advice.interval.max(wait);
        let mut reply = self.handshake_reply(request);
        (reply.error, reply.advice) = (Some(&refusal), Some(advice));
        Replies::add(&mut spoken.replies.first, &reply);
    }

    async fn may_shake_hands(&self, who: &Identity, request: &Request) -> Result<Seat, Declined> {
        let Verb::Handshake { version, minimum_version, connection_types } = &request.verb else {
            return Ok(Seat::default());
        };
        // The oldest version that the client would accept has to be one of ours; what is older than 1 is.
        if let Some(oldest) = minimum_version.as_ref().or(version.as_ref())
            && major(oldest) > 1
        {
            return Err(Declined::new("version", Refusal::version_unsupported(oldest)));
        }
        // dojox.cometd sends no list across origins: it means the transport this came by.
        if let Some(types) = connection_types
            && !types.iter().any(|name| self.connection_types.contains(&&**name))
        {
            let named = types.iter().map(|name| &**name);
            return Err(Declined::new("no_connection_type", Refusal::connection_type_unsupported(named)));
        }
        if let Err(why) = self.decide(who, Action::Handshake).await {
            return Err(Declined { why, ..Declined::new("handshake_denied", Refusal::handshake_denied()) });
        }
        self.has_room()?;
        Ok(self.rates.seat(who)?)
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
