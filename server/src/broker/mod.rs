//! The verbs that every door uses. Each asks the policy first; only here a message is sealed and handed to the hub.

mod channels;
mod classes;
mod conversation;
mod handshake;
mod histories;
mod identities;
mod limits;
mod once;
mod options;
mod publishing;
mod rights;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use bayeux::{Channel, Framing, Limits, Pattern, Refusal, Since};

pub use channels::{ChannelOptions, InvalidTable};
pub use classes::Classes;
pub use conversation::{Bound, Door, Held, Replies, Spoken};
pub use histories::{Page, recovery_json};
pub use identities::{Whom, identity_of};
pub use limits::{Later, Options as RateOptions, Seat};
pub use options::Options;
pub use publishing::{By, Published};
pub use waiting::Waiter;

use crate::hub::{Hold, Hub, Key, Poll, Recovery, Room, Shard, Slow, Subscribed, Wire, Woken};
use crate::metrics::Metrics;
use crate::policy::{Action, Credentials, Decision, Identity, Policy, Unknown};

/// How long an answer to publications waits at most for room in the publisher's own outbox: less than a client waits for
/// an answer.
const CROWDED: Duration = Duration::from_secs(5);

/// By how much the two clocks may part before it is looked at whose time is over.
const SET: Duration = Duration::from_millis(500);

/// A stream of a channel URL, as it is asked for.
#[derive(Clone, Debug)]
pub struct Opening {
    /// What it listens to.
    pub pattern: Pattern,
    /// Where it begins; unless given, with what is published from now on.
    pub since: Option<Since>,
    /// How messages stand on it.
    pub framing: Framing,
    /// Whether each write is one HTTP/1.1 chunk.
    pub chunked: bool,
    /// Whose it is.
    pub identity: Arc<Identity>,
    /// Where it sits among their others.
    pub seat: Seat,
}

/// The one who holds the hub.
pub struct Broker {
    hub: Hub,
    policy: Policy,
    metrics: Arc<Metrics>,
    limits: Limits,
    /// All that the doors speak, for handshake replies.
    connection_types: &'static [&'static str],
    classes: Arc<Classes>,
    repeats: publishing::Repeats,
    rates: limits::Rates,
}

impl Broker {
    /// A broker over a hub whose shards run elsewhere.
    pub fn new(
        hub: Hub,
        classes: Arc<Classes>,
        policy: Policy,
        limits: Limits,
        rates: RateOptions,
        connection_types: &'static [&'static str],
        metrics: Arc<Metrics>,
    ) -> Self {
        let repeats = publishing::Repeats::new(hub.clock().clone());
        let rates = limits::Rates::new(rates, hub.clock().clone());
        Broker { rates, hub, policy, metrics, limits, connection_types, classes, repeats }
    }

    /// Lets go of what is too old, each second, for ever.
    pub async fn expire(&self) {
        let clock = self.hub.clock();
        let apart = || clock.wall().saturating_sub(clock.now());
        let mut before = apart();
        loop {
            clock.sleep_until(clock.now() + Duration::from_secs(1)).await;
            if apart().abs_diff(before) > SET {
                before = apart();
                self.end_over().await;
            }
            self.classes.expire(&self.metrics);
            self.repeats.expire();
            self.rates.expire();
            let mut bytes = 0;
            for index in 0..self.hub.shards() {
                bytes += self.hub.call(index, |shard| shard.queued_bytes()).await.unwrap_or(0);
            }
            self.metrics.outbox_bytes.set(bytes as i64);
        }
    }

    /// The figures.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// What a client may send.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The times and bounds of sessions.
    pub fn options(&self) -> &crate::hub::Options {
        self.hub.options()
    }

    /// Who these credentials belong to.
    ///
    /// # Errors
    /// The policy's refusal.
    pub fn identify(&self, credentials: &Credentials) -> Result<Arc<Identity>, Unknown> {
        self.policy.identify(credentials)
    }

    /// Who is whom, and who may what.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Subscribes a session to all of the patterns or to none. Answers with what became of each wish for the past.
    ///
    /// # Errors
    /// The policy's refusal, too many subscriptions, or no such session.
    pub async fn subscribe(
        &self,
        who: &Arc<Identity>,
        key: Key,
        patterns: Vec<Pattern>,
        wishes: Vec<(Pattern, Since)>,
    ) -> Result<Vec<Recovery>, Refusal> {
        self.may_subscribe(who, &patterns).await?;
        let wishes = self.allowed_wishes(who, wishes).await;
        // Service channels are never routed: subscribing is accepted and does nothing.
        let patterns: Vec<_> =
            patterns.into_iter().filter(|pattern| pattern.kind() == bayeux::ChannelKind::Broadcast).collect();
        // What was published before, and may be answered already, is not for this session.
        self.hub.receive_here();
        let asked = patterns.clone();
        let subscribe = move |shard: &mut Shard, wishes: &[(Pattern, Since)]| {
            let subscribed = shard.subscribe_since(key, &patterns, wishes)?;
            Ok((subscribed, identity_of(shard.owner(key))))
        };
        match self.ask(key.shard.into(), wishes, subscribe).await {
            Some(((Subscribed::Done, recoveries), owner)) => match owner {
                // Its token was renewed between the question and this: what the newer one does not allow is not had.
                Some(owner) if !Arc::ptr_eq(&owner, who) => {
                    self.keep_allowed(&owner, key, asked.clone()).await;
                    self.may_subscribe(&owner, &asked).await.map(|()| recoveries)
                }
                _ => Ok(recoveries),
            },
            Some(((Subscribed::TooMany, _), _)) => {
                self.metrics.refused("too_many_subscriptions");
                if let Some(pattern) = asked.first() {
                    self.say_refused(who, Action::Subscribe(pattern), "too_many_subscriptions");
                }
                Err(Refusal::too_many_subscriptions(self.options().subscriptions))
            }
            Some(((Subscribed::Unknown, _), _)) | None => Err(Refusal::session_unknown()),
        }
    }

    /// Ends those of a session's subscriptions that it may not have; answers with them.
    async fn keep_allowed(&self, who: &Identity, key: Key, patterns: Vec<Pattern>) -> Vec<Pattern> {
        let denied =
            |pattern: &Pattern| self.policy.check(who, Action::Subscribe(pattern)) != Decision::Allow;
        let denied: Vec<_> = patterns.into_iter().filter(denied).collect();
        if !denied.is_empty() {
            let ending = denied.clone();
            self.hub.call(key.shard.into(), move |shard| shard.unsubscribe(key, &ending)).await;
        }
        denied
    }

    /// Ends subscriptions of a session; one that it does not have has ended already.
    ///
    /// # Errors
    /// No such session.
    pub async fn unsubscribe(&self, key: Key, patterns: Vec<Pattern>) -> Result<(), Refusal> {
        // What was published before, by the same batch at the least, is still for this session.
        self.hub.receive_here();
        let known = self.hub.call(key.shard.into(), move |shard| shard.unsubscribe(key, &patterns)).await;
        if known == Some(true) { Ok(()) } else { Err(Refusal::session_unknown()) }
    }

    /// How many sessions of this node listen to a channel.
    pub async fn listeners(&self, channel: &Channel) -> usize {
        let mut all = 0;
        for index in 0..self.hub.shards() {
            let channel = channel.clone();
            all += self.hub.call(index, move |shard| shard.listeners(&channel)).await.unwrap_or(0);
        }
        all
    }

    /// Starts a stream that [`may_stream`](Self::may_stream) has allowed. What `head` makes of its recovery leaves when the
    /// stream listens, and not before: whoever has seen it gets what is published from then on. Dropping the answer ends it.
    pub async fn stream(
        self: &Arc<Self>,
        opening: Opening,
        wire: Arc<Wire>,
        head: impl FnOnce(&Recovery) -> Vec<u8> + Send + 'static,
    ) -> Option<Attached> {
        let Opening { pattern, since, framing, chunked, identity, seat } = opening;
        // What was published before is not for this stream.
        self.hub.receive_here();
        let wishes = since.into_iter().map(|since| (pattern.clone(), since)).collect();
        let wishes = self.allowed_wishes(&identity, wishes).await;
        let owner = self.owner(&identity, seat, true);
        let open = move |shard: &mut Shard, wishes: &[(Pattern, Since)]| {
            let (key, recoveries) = shard.open_stream_since(std::slice::from_ref(&pattern), wishes)?;
            if let Some((owner, until)) = owner.clone() {
                shard.own(key, owner, until);
            }
            Ok((key, recoveries))
        };
        let (key, mut recoveries) = self.ask(self.hub.here(), wishes, open).await?;
        let recovery = recoveries.pop().unwrap_or_default();
        let attached = Attached { broker: self.clone(), key, wire: wire.clone() };
        let attach = move |shard: &mut crate::hub::Shard| {
            let head = head(&recovery);
            shard.attach(key, wire, framing, chunked, Some(head.into()))
        };
        self.hub.call(key.shard.into(), attach).await?;
        // Whoever has revoked its token meanwhile, and ended all that came with it, has not seen this one.
        self.policy.still(&identity).is_ok().then_some(attached)
    }

    /// Starts a stream through an outlet that is woken: its task takes what waits with [`take`](Self::take).
    pub async fn stream_woken(&self, patterns: Vec<Pattern>, woken: Arc<Woken>) -> Option<Key> {
        self.hub
            .call(self.hub.here(), move |shard| {
                let key = shard.open_stream();
                shard.subscribe(key, &patterns);
                shard.attach_woken(key, woken);
                key
            })
            .await
    }

    /// Returns when a session that has published over HTTP has room for more of its own, or after [`CROWDED`].
    pub async fn breathe(&self, key: Key) {
        self.hub.receive_here();
        let crowded = self.hub.call(key.shard.into(), move |shard| shard.crowded(key)).await.flatten();
        if let Some(room) = crowded {
            self.metrics.reply_pauses.inc();
            let clock = self.hub.clock();
            tokio::select! {
                _ = room => {}
                () = clock.sleep_until(clock.now() + CROWDED) => {}
            }
        }
    }

    /// Takes what waits for a session, joined in `framing`; `None` when the session has ended.
    pub async fn take(&self, key: Key, framing: Framing) -> Option<Vec<u8>> {
        // So that a client's own publish rides on the reply to it.
        self.hub.receive_here();
        self.hub
            .call(key.shard.into(), move |shard| shard.has(key).then(|| shard.take(key, framing)))
            .await
            .flatten()
    }

    /// A connect was answered at once, though it might have been held, with the advice to wait before the next.
    pub async fn slowed(&self, key: Key) {
        self.hub.call(key.shard.into(), move |shard| shard.slowed(key)).await;
    }

    /// Holds a poll (its connection has been taken back from HTTP).
    pub async fn hold_poll(&self, held: Held, poll: Poll) -> Hold {
        let Held { key, id, timeout } = held;
        let hold =
            self.hub.call(key.shard.into(), move |shard| shard.hold_poll(key, id, timeout, poll)).await;
        hold.unwrap_or(Hold::Unknown)
    }

    /// A wire is gone, or needed for something else. Answers with what it still owed its peer.
    pub async fn detach(&self, key: Key, wire: &Arc<Wire>) -> Option<Box<[u8]>> {
        let wire = wire.clone();
        self.hub.call(key.shard.into(), move |shard| shard.detach(key, &wire)).await.flatten()
    }

    /// The same for those who cannot wait.
    pub fn detach_soon(&self, key: Key, wire: Arc<Wire>) {
        self.hub.post(key.shard.into(), move |shard| {
            shard.detach(key, &wire);
        });
    }

    /// Queues framed replies for a session's socket, if that is still `wire`.
    pub async fn reply(&self, key: Key, wire: &Arc<Wire>, framed: Vec<u8>) -> Room {
        let wire = wire.clone();
        let room = self.hub.call(key.shard.into(), move |shard| shard.reply(key, &wire, &framed)).await;
        room.unwrap_or(Room::Unknown)
    }

    /// Waits until there is room for more replies to this session; false when it has ended.
    pub async fn room(&self, key: Key, wire: &Wire) -> bool {
        self.metrics.reply_pauses.inc();
        loop {
            match self.hub.call(key.shard.into(), move |shard| shard.room(key)).await {
                Some(Room::Free) => return true,
                Some(Room::Unknown) | None => return false,
                Some(Room::Full) => wire.changed().await,
            }
        }
    }

    /// The sessions for which something waits, at most `limit`, the slowest first.
    pub async fn slowest(&self, limit: usize) -> Vec<Slow> {
        let mut all = Vec::new();
        for index in 0..self.hub.shards() {
            all.extend(self.hub.call(index, move |shard| shard.slowest(limit)).await.unwrap_or_default());
        }
        all.sort_by_key(|slow| std::cmp::Reverse(slow.oldest_ms));
        all.truncate(limit);
        all
    }

    /// Tells every session that the server goes away, and when to return.
    pub async fn drain(&self, drain: &crate::drain::Drain) {
        self.hub.drain(drain).await;
    }
}

/// A stream in progress. Leaving is a drop.
pub struct Attached {
    broker: Arc<Broker>,
    key: Key,
    wire: Arc<Wire>,
}

impl Attached {
    /// The wire that the stream is written to.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.broker.detach_soon(self.key, self.wire.clone());
    }
}
