//! Publishing: the policy first, then once, then to everybody who listens.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use bayeux::{ChannelKind, Draft, Encoded, Message, Payload, Position, Refusal, Reply, Request, Verb};
use serde_json::value::{RawValue, to_raw_value};

use super::once::{Known, Name, Once, Window};
use super::{Broker, Replies, Spoken};
use crate::clock::Clock;
use crate::hub::Key;
use crate::policy::Identity;

/// Repeats of a session's publications: a client that lost its connection repeats what it knows no answer to.
const SESSIONS: Window = Window { publications: 256, age: Duration::from_secs(120), total: 2_000_000 };

/// Repeats under an `Idempotency-Key` of one identity: a back end that lost its connection, or whose job was run twice.
const KEYS: Window = Window { publications: 65_536, age: Duration::from_secs(600), total: 16 * 65_536 };

/// Repeats, by the two ways in which publications are named.
pub(super) struct Repeats {
    sessions: Once,
    keys: Once,
}

impl Repeats {
    pub(super) fn new(clock: Clock) -> Self {
        Repeats { sessions: Once::new(SESSIONS, clock.clone()), keys: Once::new(KEYS, clock) }
    }

    /// A name by which somebody publishes in all of their sessions, as a number.
    pub(super) fn publisher(&self, name: &str) -> NonZeroU64 {
        self.sessions.number(&name)
    }

    /// Whose `Idempotency-Key`s are told apart from those of others: who has no name shares them with all who have none.
    fn scope(&self, who: &Identity) -> NonZeroU64 {
        match (&who.subject, &who.key) {
            (Some(subject), _) => self.keys.number(&("subject", &**subject)),
            (None, Some(key)) => self.keys.number(&("key", &*key.name)),
            (None, None) => self.keys.number(&("nobody", "")),
        }
    }

    pub(super) fn expire(&self) {
        self.sessions.expire();
        self.keys.expire();
    }
}

/// How a publication came.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// Without a session, and without a name that would tell a repeat.
    Anyone,
    /// Without a session, under an `Idempotency-Key`.
    Key(&'a str),
    /// By a session.
    Session {
        /// Who speaks by it.
        publisher: NonZeroU64,
        /// The id of the request.
        id: Option<&'a str>,
        /// Whether the publisher hears it too.
        echoes: bool,
        /// Up to which number the publisher's ids have been answered, if it says so.
        answered: Option<u64>,
    },
}

/// What publishing answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where the message stands.
    pub position: Position,
    /// Sessions on this node that listen to its channel; nobody counts for a repeat.
    pub sessions: usize,
    /// It had been published before.
    pub repeated: bool,
}

enum Placed<R> {
    New(Arc<Message>, R),
    Repeat(Position),
}

impl Broker {
    /// Publishes. Waits for the policy and, when the server is behind, for its turn; never for a subscriber.
    ///
    /// # Errors
    /// The policy's refusal.
    pub async fn publish(&self, who: &Identity, draft: Draft, by: By<'_>) -> Result<Position, Refusal> {
        self.may_publish(who, &draft.channel).await?;
        match self.place(who, draft, by, |message| self.hub.deliver(message))? {
            Placed::New(message, ()) => Ok(message.position()),
            Placed::Repeat(position) => Ok(position),
        }
    }

    /// Publishes, and counts who listens.
    ///
    /// # Errors
    /// The policy's refusal, or something else that was published under the same key.
    pub async fn publish_counted(
        &self,
        who: &Identity,
        draft: Draft,
        by: By<'_>,
    ) -> Result<Published, Refusal> {
        self.may_publish(who, &draft.channel).await?;
        self.publish_allowed(who, draft, by).await
    }

    /// The same for what [`may_publish`](Self::may_publish) has allowed already.
    ///
    /// # Errors
    /// Something else was published under the same key.
    pub async fn publish_allowed(
        &self,
        who: &Identity,
        draft: Draft,
        by: By<'_>,
    ) -> Result<Published, Refusal> {
        match self.place(who, draft, by, |message| self.hub.deliver_counted(message))? {
            Placed::New(message, counts) => {
                let mut sessions = 0;
                for count in counts {
                    sessions += count.await.unwrap_or(0);
                }
                Ok(Published { position: message.position(), sessions, repeated: false })
            }
            Placed::Repeat(position) => Ok(Published { position, sessions: 0, repeated: true }),
        }
    }

    /// Looks whether a publication may be made under an `Idempotency-Key`: new, or again.
    ///
    /// # Errors
    /// Something else was published under it.
    pub fn check_key(&self, who: &Identity, key: &str, draft: &Draft) -> Result<(), Refusal> {
        let once = &self.repeats.keys;
        match once.desk(name(once, self.repeats.scope(who), key, draft)).known() {
            Known::Other => {
                self.metrics.refused("idempotency_key");
                Err(Refusal::key_reused())
            }
            Known::New | Known::Repeat(_) | Known::Answered => Ok(()),
        }
    }

    /// Gives a publication its place, unless it has one.
    fn place<R>(
        &self,
        who: &Identity,
        draft: Draft,
        by: By<'_>,
        deliver: impl FnOnce(&Arc<Message>) -> R,
    ) -> Result<Placed<R>, Refusal> {
        let (once, publisher, id, muted, answered) = match by {
            By::Anyone => return Ok(self.place_new(draft.encode(), None, deliver)),
            By::Key(key) => (&self.repeats.keys, self.repeats.scope(who), Some(key), None, None),
            By::Session { publisher, id, echoes, answered } => {
                (&self.repeats.sessions, publisher, id, (!echoes).then_some(publisher), answered)
            }
        };
        let Some(id) = id else { return Ok(self.place_new(draft.encode(), muted, deliver)) };
        let name = Name { answered, ..name(once, publisher, id, &draft) };
        let encoded = draft.encode();
        // The same publication may arrive on two connections at once: one of the two finds the other's place.
        let mut desk = once.desk(name);
        match desk.known() {
            Known::Repeat(position) => {
                self.metrics.repeats.inc();
                Ok(Placed::Repeat(position))
            }
            Known::Answered => {
                self.metrics.repeats.inc();
                // Of no history, so that nobody is told where it stands.
                Ok(Placed::Repeat(Position { epoch: 0, sequence: 0 }))
            }
            Known::Other if matches!(by, By::Key(_)) => {
                self.metrics.refused("idempotency_key");
                Err(Refusal::key_reused())
            }
            // Ids of old clients begin again with each page.
            Known::Other | Known::New => {
                let placed = self.place_new(encoded, muted, deliver);
                if let Placed::New(message, _) = &placed
                    && !desk.remember(message.position())
                {
                    self.metrics.unremembered.inc();
                }
                Ok(placed)
            }
        }
    }

    fn place_new<R>(
        &self,
        encoded: Encoded,
        muted: Option<NonZeroU64>,
        deliver: impl FnOnce(&Arc<Message>) -> R,
    ) -> Placed<R> {
        let (message, delivered) = self.classes.publish(encoded, muted, deliver);
        self.metrics.messages_in.inc();
        Placed::New(message, delivered)
    }

    /// Answers a publish request. `session` is the one that says it, with the name of its publisher.
    pub(super) async fn publish_request(
        &self,
        who: &Identity,
        request: Request,
        session: Option<(Key, NonZeroU64)>,
        spoken: &mut Spoken,
    ) {
        let (echoes, answered) = (request.echoes(), request.answered());
        let Verb::Publish { channel, data } = request.verb else { return };
        if channel.kind() == ChannelKind::Service {
            let publisher = session.map(|(_, publisher)| publisher);
            return self.serve(who, &channel, request.id.as_ref(), &data, publisher, spoken).await;
        }
        if let (false, Some((key, publisher))) = (echoes, session) {
            // From now on the session is known by that name: what is on its way is not for it.
            self.hub.call(key.shard.into(), move |shard| shard.settle_publisher(key, publisher)).await;
        }
        let id = request.id.as_ref().map(|id| id.as_json());
        let by = match session {
            Some((_, publisher)) => By::Session { publisher, id, echoes, answered },
            None => By::Anyone,
        };
        let draft = Draft { channel: channel.clone(), id: None, payload: Payload::Json(data) };
        let result = self.publish(who, draft, by).await;
        let ext = match &result {
            Ok(position) if self.classes.is_kept(*position) => position_ext(*position),
            _ => None,
        };
        let mut reply = Reply::new(channel.as_str());
        (reply.id, reply.error) = (request.id.as_ref(), result.as_ref().err());
        reply.ext = ext.as_deref();
        Replies::add(&mut spoken.replies.middle, &reply);
    }
}

/// Names a publication, so that its repeat is known.
fn name(once: &Once, publisher: NonZeroU64, id: &str, draft: &Draft) -> Name {
    let channel = draft.channel.as_str();
    // The same bytes as JSON and as text are not the same.
    let fingerprint = match &draft.payload {
        Payload::Json(json) => once.number(&(channel, "json", json.get())),
        Payload::Text { text, .. } => once.number(&(channel, "text", text)),
        Payload::Bytes { bytes, .. } => once.number(&(channel, "bytes", bytes)),
    };
    Name {
        publisher: publisher.get(),
        id: once.number(&id).get(),
        fingerprint: fingerprint.get(),
        number: id.trim_matches('"').parse().ok(),
        answered: None,
    }
}

fn position_ext(position: Position) -> Option<Box<RawValue>> {
    to_raw_value(&serde_json::json!({ "encke": { "position": position.to_string() } })).ok()
}
