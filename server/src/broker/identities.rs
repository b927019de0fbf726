//! Whose a session is: at its handshake, while its token is renewed, and when somebody is sent away.

use std::sync::Arc;
use std::time::Duration;

use bayeux::{Reconnect, Refusal, Request, SessionId};

use super::conversation::Named;
use super::limits::Seat;
use super::{Bound, Broker, Door, Spoken};
use crate::hub::{Ended, Listed, Owner, Shard};
use crate::policy::secret::Secret;
use crate::policy::{Credentials, Identity, Unknown};

/// What a session's owner is to the hub.
struct Owned {
    identity: Arc<Identity>,
    /// Among the sessions of its subject; a renewed token keeps it.
    seat: Seat,
    /// Its token came in a header or a cookie, and not in a message.
    by_door: bool,
}

fn owned(owner: Option<&Owner>) -> Option<&Owned> {
    owner.and_then(|owner| owner.downcast_ref())
}

/// Who an owner is.
pub fn identity_of(owner: Option<&Owner>) -> Option<Arc<Identity>> {
    owned(owner).map(|owned| owned.identity.clone())
}

/// Whether an owner has shown its token in a header or a cookie.
pub(super) fn is_by_door(owner: Option<&Owner>) -> bool {
    owned(owner).is_some_and(|owned| owned.by_door)
}

/// Whom an operator means.
#[derive(Clone, Debug)]
pub enum Whom {
    /// The session with this id.
    Session(String),
    /// Everybody with this subject.
    Subject(String),
    /// Everybody who came with the API key of this name.
    Key(String),
    /// Everybody who came with the token of this id.
    Token(String),
}

impl Whom {
    fn is(&self, id: Option<SessionId>, identity: Option<&Identity>) -> bool {
        match self {
            Whom::Session(wanted) => id.is_some_and(|id| id.as_str() == wanted),
            Whom::Subject(wanted) => identity.is_some_and(|who| who.subject.as_deref() == Some(wanted)),
            Whom::Key(wanted) => {
                identity.and_then(|who| who.key.as_ref()).is_some_and(|key| *key.name == **wanted)
            }
            Whom::Token(wanted) => identity.is_some_and(|who| who.token.as_deref() == Some(wanted)),
        }
    }
}

impl Broker {
    /// Who shakes hands: whom its token says, or else whoever the door says.
    pub(super) fn identify_handshake(
        &self,
        door: &Door,
        request: &Request,
    ) -> Result<Arc<Identity>, Unknown> {
        match request.token() {
            Some(_) if door.url => Err(Unknown::InUrl),
            Some(token) => self.policy.identify(&credentials(&token)),
            // A socket may have been opened long ago.
            None => self.policy.still(&door.identity).map(|()| door.identity.clone()),
        }
    }

    /// Whose a session becomes, and until when; nobody's where that makes no difference.
    pub(super) fn owner(
        &self,
        identity: &Arc<Identity>,
        seat: Seat,
        by_door: bool,
    ) -> Option<(Owner, Option<Duration>)> {
        let matters = !self.policy.is_open() || !identity.is_anonymous();
        let until = identity.expires.map(|second| self.policy.moment(second));
        let owned = || Arc::new(Owned { identity: identity.clone(), seat, by_door }) as Owner;
        matters.then(|| (owned(), until))
    }

    /// Renews the token of a session: for the same subject, and its subscriptions are looked at again. Where there is
    /// nothing but a URL, a ticket stands for the token; and whose token came by a header or a cookie has it renewed by one.
    pub(super) async fn renew(&self, door: &Door, named: &Named, request: &Request) -> Result<(), Unknown> {
        let Named { bound: Bound { key, .. }, identity: ref before, by_door, .. } = *named;
        let (identity, by_door) = match request.token() {
            Some(_) if door.url => return Err(Unknown::InUrl),
            Some(token) => (self.policy.identify(&credentials(&token))?, false),
            None if door.ticket => (door.identity.clone(), false),
            None if by_door && self.is_newer(&door.identity, before) => (door.identity.clone(), true),
            None => return Ok(()),
        };
        if !identity.is(before) {
            return Err(Unknown::OtherSubject);
        }
        let until = identity.expires.map(|second| self.policy.moment(second));
        let renewed = identity.clone();
        let patterns = self.hub.call(key.shard.into(), move |shard| {
            let seat = owned(shard.owner(key)).map_or(Seat::default(), |owned| owned.seat.clone());
            shard.own(key, Arc::new(Owned { identity: renewed, seat, by_door }), until);
            shard.listens_to(key)
        });
        let denied = self.keep_allowed(&identity, key, patterns.await.unwrap_or_default()).await;
        if !denied.is_empty() {
            tracing::info!(who = identity.name(), patterns = ?denied, "a renewed token no longer allows these");
        }
        Ok(())
    }

    /// Whether somebody is known by another token that is good for longer: a browser sends the same cookie with each poll.
    fn is_newer(&self, identity: &Identity, before: &Identity) -> bool {
        let is_later = match (identity.expires, before.expires) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(end), Some(known)) => end > known,
        };
        is_later && !identity.is_anonymous() && self.policy.still(identity).is_ok()
    }

    /// A connect with a token that is not good. The session stays until the one that it has expires.
    pub(super) fn refuse_renewal(
        &self,
        door: &Door,
        who: &Identity,
        unknown: Unknown,
        request: &Request,
        spoken: &mut Spoken,
    ) {
        self.metrics.refused(unknown.as_str());
        self.say_declined(who.name(), door.address, "renewal", unknown.as_str());
        let refusal = Refusal::authentication_failed(unknown.as_str());
        let advice = self.options().advice(Reconnect::Retry);
        Self::refuse(&mut spoken.replies.last, request, &refusal, Some(advice));
    }

    /// Ends the sessions whose tokens are over. Each has an end of its own, by a clock that nobody sets: this is for when that of the
    /// tokens was set, or went on while the machine slept.
    pub(super) async fn end_over(&self) {
        let now = self.policy.now();
        for index in 0..self.hub.shards() {
            let is_over = move |owner: Option<&Owner>| {
                owned(owner).and_then(|owned| owned.identity.expires).is_some_and(|end| end <= now)
            };
            let end = move |shard: &mut Shard| shard.kick(Ended::Unauthorized, &|_, owner| is_over(owner));
            self.hub.call(index, end).await;
        }
    }

    /// The sessions of this node, at most `limit`, of one subject or of all.
    pub async fn sessions(&self, subject: Option<String>, limit: usize) -> Vec<Listed> {
        let mut all = Vec::new();
        for index in 0..self.hub.shards() {
            let subject = subject.clone();
            let list = move |shard: &mut Shard| {
                shard.list(limit, &|owner| match &subject {
                    None => true,
                    Some(wanted) => {
                        identity_of(owner).is_some_and(|who| who.subject.as_deref() == Some(wanted))
                    }
                })
            };
            all.extend(self.hub.call(index, list).await.unwrap_or_default());
        }
        all.truncate(limit);
        all
    }

    /// Ends sessions; answers with how many.
    pub async fn kick(&self, whom: Whom) -> usize {
        let mut ended = 0;
        for index in 0..self.hub.shards() {
            let whom = whom.clone();
            let kick = move |shard: &mut Shard| {
                shard.kick(Ended::Kicked, &|id, owner| whom.is(id, identity_of(owner).as_deref()))
            };
            ended += self.hub.call(index, kick).await.unwrap_or(0);
        }
        ended
    }
}

fn credentials(token: &str) -> Credentials {
    Credentials { secret: Some(Secret::from(token.to_owned())), ..Credentials::default() }
}
