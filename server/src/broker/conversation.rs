//! Bayeux spoken: requests in, replies out, in the order that clients rely on.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bayeux::{Acknowledged, Advice, Framing, Reconnect, Refusal, Reply, Request, RequestId, SessionId, Verb};

use super::Broker;
use super::identities::{identity_of, is_by_door};
use crate::hub::{Key, Parted, Touched, Wire};
use crate::policy::Identity;

/// The longest a client may ask to have its connect held: an hour. (A held poll that long dies in some
/// proxy; a socket may want it.)
const LONGEST_HOLD: Duration = Duration::from_secs(3600);

/// How long one batch may hold its core before others have their turn. (A request is microseconds; to wake a thousand
/// narrow patterns with each of 256 unsubscribes is half a second.)
const SLICE: Duration = if cfg!(test) { Duration::MAX } else { Duration::from_millis(1) };

/// The session that a socket carries.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// In the hub.
    pub key: Key,
    /// On the wire.
    pub id: SessionId,
}

/// Where a conversation takes place.
pub struct Door {
    /// Who is speaking.
    pub identity: Arc<Identity>,
    /// What was said stands in a URL, as that of a script does.
    pub url: bool,
    /// Who is speaking was shown by a ticket, for this request.
    pub ticket: bool,
    /// Where the peer is.
    pub address: Option<std::net::IpAddr>,
    /// The socket, where the door is one: a connect may be held on it while it is read on.
    pub wire: Option<Arc<Wire>>,
    /// The session that the socket carries now.
    pub bound: Option<Bound>,
    /// What a session that was bound before still owed to the socket's peer. It goes out first.
    pub owed: Option<Box<[u8]>>,
}

/// The session that a request names, and who speaks by it.
pub(super) struct Named {
    pub(super) bound: Bound,
    /// By which name it publishes.
    pub(super) publisher: NonZeroU64,
    /// Whose it is.
    pub(super) identity: Arc<Identity>,
    /// Whether they were known by a header or a cookie.
    pub(super) by_door: bool,
}

/// A connect that HTTP shall hold.
#[derive(Debug)]
pub struct Held {
    /// Whose.
    pub key: Key,
    /// Its request's id.
    pub id: Option<RequestId>,
    /// For how long.
    pub timeout: Duration,
}

/// Replies to the requests of one frame or body, as JSON objects.
#[derive(Debug, Default)]
pub struct Replies {
    /// Handshake replies: they come first, on a socket in a frame of their own.
    pub first: Vec<u8>,
    /// Replies in request order.
    pub middle: Vec<u8>,
    /// Replies to connect and disconnect: they come last.
    pub last: Vec<u8>,
}

impl Replies {
    pub(super) fn add(to: &mut Vec<u8>, reply: &Reply<'_>) {
        if !to.is_empty() {
            to.push(b',');
        }
        reply.write_json(to);
    }
}

/// A connect.
struct Asked {
    id: Option<RequestId>,
    timeout: Duration,
    acknowledged: Acknowledged,
    /// Nothing stands beside it.
    alone: bool,
}

/// What was said.
#[derive(Debug, Default)]
pub struct Spoken {
    /// The replies.
    pub replies: Replies,
    /// Messages that ride before the connect reply, in one piece with it: those of a session that acknowledges. JSON
    /// objects with commas between them.
    pub messages: Vec<u8>,
    /// Bytes of the pages of history among the replies.
    pub(super) paged: usize,
    /// The session that spoke, whose messages may ride along.
    pub session: Option<Key>,
    /// Instead of replies: hold this.
    pub hold: Option<Held>,
    /// A session began (HTTP sets its cookie).
    pub shook_hands: bool,
}

impl Broker {
    /// Does what the requests of one frame or one body ask, in their order.
    pub async fn converse(&self, door: &mut Door, requests: Vec<Request>) -> Spoken {
        let mut spoken = Spoken::default();
        let handshake = requests.iter().position(|request| matches!(request.verb, Verb::Handshake { .. }));
        let alone = requests.len() == 1;
        let mut since = Instant::now();
        for (number, request) in requests.into_iter().enumerate() {
            // Section 4.1: what stands beside a handshake is ignored; it is told so, since clients wait for replies.
            if handshake.is_some_and(|handshake| handshake != number) {
                self.metrics().refused("beside_handshake");
                let refusal = Refusal::batched_with_handshake();
                Self::refuse(&mut spoken.replies.middle, &request, &refusal, None);
                continue;
            }
            self.say(door, request, alone, &mut spoken).await;
            if since.elapsed() >= SLICE {
                tokio::task::yield_now().await;
                since = Instant::now();
            }
        }
        spoken
    }

    pub(super) fn refuse(to: &mut Vec<u8>, request: &Request, refusal: &Refusal, advice: Option<Advice>) {
        let channel = match &request.verb {
            Verb::Handshake { .. } => "/meta/handshake",
            Verb::Connect { .. } => "/meta/connect",
            Verb::Disconnect => "/meta/disconnect",
            Verb::Subscribe(_) => "/meta/subscribe",
            Verb::Unsubscribe(_) => "/meta/unsubscribe",
            Verb::Publish { channel, .. } => channel.as_str(),
            Verb::Refused { channel, .. } => channel,
        };
        let mut reply = Reply::new(channel);
        (reply.id, reply.error, reply.advice) = (request.id.as_ref(), Some(refusal), advice);
        if let Verb::Subscribe(subscription) | Verb::Unsubscribe(subscription) = &request.verb {
            reply.subscription = Some(subscription);
        }
        Replies::add(to, &reply);
    }

    async fn say(&self, door: &mut Door, request: Request, alone: bool, spoken: &mut Spoken) {
        match &request.verb {
            Verb::Handshake { .. } => self.handshake(door, &request, spoken).await,
            Verb::Refused { refusal, .. } => {
                self.metrics().refused("message");
                Self::refuse(&mut spoken.replies.middle, &request, refusal, None);
            }
            Verb::Publish { channel, .. } if request.client_id.is_none() => {
                match self.may_publish_now(&door.identity, channel, door.address) {
                    Ok(()) => self.publish_request(&door.identity.clone(), request, None, spoken).await,
                    Err(refusal) => Self::refuse(&mut spoken.replies.middle, &request, &refusal, None),
                }
            }
            _ => match self.session(door, &request).await {
                Some(named) => {
                    spoken.session = Some(named.bound.key);
                    self.say_in_session(door, named, request, alone, spoken).await;
                }
                None => self.unknown(&request, spoken),
            },
        }
    }

    /// `402::session_unknown`, always with the advice to shake hands again.
    fn unknown(&self, request: &Request, spoken: &mut Spoken) {
        self.metrics().refused("session_unknown");
        let to = match request.verb {
            Verb::Connect { .. } | Verb::Disconnect => &mut spoken.replies.last,
            _ => &mut spoken.replies.middle,
        };
        let advice = self.options().advice(Reconnect::Handshake);
        Self::refuse(to, request, &Refusal::session_unknown(), Some(advice));
    }

    /// The live session that a request names. On a socket that carries a live session no other one may speak.
    async fn session(&self, door: &mut Door, request: &Request) -> Option<Named> {
        let client_id = request.client_id.as_deref()?;
        let (speaks, address) = (door.identity.clone(), door.address);
        let named = |bound: Bound, Touched { publisher, owner }: Touched| {
            let publisher = publisher.unwrap_or_else(|| self.repeats.publisher(bound.id.as_str()));
            let identity = identity_of(owner.as_ref()).unwrap_or_else(|| speaks.clone());
            // A clientId is a secret, and whoever shows only that may use the session. Whoever shows who they are has to be the
            // same one.
            if !speaks.is_anonymous() && !speaks.is(&identity) {
                self.say_declined(speaks.name(), address, "session", "session_of_another_subject");
                return None;
            }
            Some(Named { bound, publisher, identity, by_door: is_by_door(owner.as_ref()) })
        };
        if let Some(bound) = door.bound {
            let key = bound.key;
            let alive = self.hub.call(key.shard.into(), move |shard| shard.touch(key)).await.flatten();
            if let Some(touched) = alive {
                return if bound.id.as_str() == client_id { named(bound, touched) } else { None };
            }
            door.bound = None;
        }
        let id = SessionId::parse(client_id)?;
        let find = move |shard: &mut crate::hub::Shard| {
            let key = shard.find(&id)?;
            Some((key, shard.touch(key)?))
        };
        let (key, touched) = self.hub.call(id.shard().into(), find).await.flatten()?;
        named(Bound { key, id }, touched)
    }

    async fn say_in_session(
        &self,
        door: &mut Door,
        named: Named,
        request: Request,
        alone: bool,
        spoken: &mut Spoken,
    ) {
        let acknowledged = match request.verb {
            Verb::Connect { .. } => {
                if let Err(unknown) = self.renew(door, &named, &request).await {
                    return self.refuse_renewal(door, &named.identity, unknown, &request, spoken);
                }
                request.acknowledged()
            }
            _ => Acknowledged::Nothing,
        };
        let Named { bound, publisher, identity, .. } = named;
        let Bound { key, id } = bound;
        let since = match request.verb {
            Verb::Subscribe(_) => request.since(),
            _ => Default::default(),
        };
        match request.verb {
            Verb::Connect { timeout, .. } => {
                let timeout = timeout.map_or(self.options().timeout, Duration::from_millis).min(LONGEST_HOLD);
                let asked = Asked { id: request.id, timeout, acknowledged, alone };
                self.connect(door, bound, asked, spoken).await;
            }
            Verb::Disconnect => {
                let here = door.wire.clone();
                let disconnect = move |shard: &mut crate::hub::Shard| shard.disconnect(key, here.as_ref());
                let gone = self.hub.call(key.shard.into(), disconnect).await.flatten();
                door.bound = None;
                spoken.session = None;
                if let Some(Parted { held, owed }) = gone {
                    door.owed = owed;
                    if let Some(connect) = held {
                        // Before the disconnect reply: a client closes its socket only when no connect is outstanding.
                        let mut reply = Reply::new("/meta/connect");
                        reply.id = connect.as_ref();
                        reply.advice = Some(self.options().advice(Reconnect::None));
                        Replies::add(&mut spoken.replies.last, &reply);
                    }
                }
                let mut reply = Reply::new("/meta/disconnect");
                (reply.id, reply.client_id) = (request.id.as_ref(), Some(&id));
                Replies::add(&mut spoken.replies.last, &reply);
            }
            Verb::Subscribe(ref subscription) | Verb::Unsubscribe(ref subscription) => {
                let (channel, result) = match request.verb {
                    Verb::Subscribe(_) => {
                        ("/meta/subscribe", self.subscribe_request(&identity, key, subscription, since).await)
                    }
                    _ => {
                        let patterns = subscription.patterns.clone();
                        ("/meta/unsubscribe", self.unsubscribe(key, patterns).await.map(|()| None))
                    }
                };
                let mut reply = Reply::new(channel);
                (reply.id, reply.client_id) = (request.id.as_ref(), Some(&id));
                (reply.subscription, reply.error) = (Some(subscription), result.as_ref().err());
                reply.ext = result.as_ref().ok().and_then(|ext| ext.as_deref());
                Replies::add(&mut spoken.replies.middle, &reply);
            }
            Verb::Publish { ref channel, .. } => {
                let rate = self.rates.publications();
                if rate > 0
                    && self.hub.call(key.shard.into(), move |shard| shard.spend(key, rate)).await
                        != Some(true)
                {
                    let refusal = self.too_fast(&identity, channel);
                    return Self::refuse(&mut spoken.replies.middle, &request, &refusal, None);
                }
                self.publish_request(&identity, request, Some((key, publisher)), spoken).await
            }
            // Told apart before a session was looked for.
            Verb::Handshake { .. } | Verb::Refused { .. } => {}
        }
    }

    async fn connect(
        &self,
        door: &mut Door,
        bound: Bound,
        Asked { id, timeout, acknowledged, alone }: Asked,
        spoken: &mut Spoken,
    ) {
        let key = bound.key;
        // A copy, for the case that the session is gone: rarely there is anything.
        let owed = door.owed.clone();
        let wire = door.wire.clone();
        let held_id = id.clone();
        let on_socket = wire.is_some();
        // On a socket the session is adopted and the connect held in one step, so that nothing comes between.
        let connect = move |shard: &mut crate::hub::Shard| {
            shard.arrived(key, acknowledged, wire.as_ref());
            let may_hold = shard.may_hold(key)?;
            let ready = !may_hold.first && !timeout.is_zero();
            let advise = may_hold.first || may_hold.slowed;
            if let Some(wire) = wire {
                if !shard.attach(key, wire.clone(), Framing::WebSocket, false, owed) {
                    return None;
                }
                if ready {
                    shard.hold(key, held_id, timeout);
                    return Some((true, advise, None));
                }
                shard.connected(key);
                return Some((false, advise, shard.take_acknowledged(key, Some(&wire))));
            }
            let hold = ready && alone && !may_hold.waiting;
            if hold {
                return Some((true, advise, None));
            }
            shard.take_place(key);
            shard.connected(key);
            Some((false, advise, shard.take_acknowledged(key, None)))
        };
        let Some((held, advise, acknowledging)) = self.hub.call(key.shard.into(), connect).await.flatten()
        else {
            let request = Request {
                id,
                client_id: None,
                ext: None,
                verb: Verb::Connect { connection_type: None, timeout: None },
            };
            return self.unknown(&request, spoken);
        };
        if on_socket {
            door.bound = Some(bound);
            door.owed = None;
        }
        if held {
            if !on_socket {
                spoken.hold = Some(Held { key, id, timeout });
            }
            return;
        }
        let mut reply = Reply::new("/meta/connect");
        (reply.id, reply.client_id) = (id.as_ref(), Some(&bound.id));
        if let Some((messages, ack)) = acknowledging {
            if !spoken.messages.is_empty() && !messages.is_empty() {
                spoken.messages.push(b',');
            }
            spoken.messages.extend_from_slice(&messages);
            reply.ack = Some(ack);
        }
        // The first reply, one that ends an advice to wait, and one to a client that asked not to wait (its first after a
        // failure) carry it.
        if advise || timeout.is_zero() {
            reply.advice = Some(self.options().advice(Reconnect::Retry));
        }
        Replies::add(&mut spoken.replies.last, &reply);
    }
}
