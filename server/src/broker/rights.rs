//! Who may: every verb asks here before it does anything. What is refused is counted, and said in the log.

use std::borrow::Cow;
use std::net::IpAddr;

use bayeux::{Channel, ChannelKind, Pattern, Refusal, Since};

use super::Broker;
use crate::policy::{Action, Decision, Identity};
use crate::refusals::{Place, Refused};

/// Whose rights have not been asked about, since what they have shown is not good.
pub(super) const UNKNOWN: &str = "unknown";

impl Broker {
    /// What the policy says, and why if it says no.
    pub(super) async fn decide(&self, who: &Identity, action: Action<'_>) -> Result<(), Cow<'static, str>> {
        let decision = match self.policy.check(who, action) {
            Decision::Ask => self.policy.ask(who, action).await,
            decision => decision,
        };
        match decision {
            Decision::Allow => Ok(()),
            Decision::Deny(why) => Err(why),
            Decision::Ask => Err("nobody_answered".into()),
        }
    }

    async fn allowed(&self, who: &Identity, action: Action<'_>) -> Result<(), Cow<'static, str>> {
        let decided = self.decide(who, action).await;
        if let Err(why) = &decided {
            self.say_refused(who, action, why);
        }
        decided
    }

    /// One line for what somebody may not do.
    pub(super) fn say_refused(&self, who: &Identity, action: Action<'_>, why: &str) {
        let (what, place) = match action {
            Action::Handshake => ("handshake", Place::Nowhere),
            Action::Subscribe(pattern) => ("subscribe", Place::Channel(pattern.as_str())),
            Action::History(pattern) => ("history", Place::Channel(pattern.as_str())),
            Action::Publish(channel) => ("publish", Place::Channel(channel.as_str())),
        };
        self.metrics.refusals.say(Refused { who: who.name(), address: None, what, place, why });
    }

    /// One line for what is refused before it is asked what for.
    pub(super) fn say_declined(&self, who: &str, address: Option<IpAddr>, what: &'static str, why: &str) {
        self.metrics.refusals.say(Refused { who, address, what, place: Place::Nowhere, why });
    }

    /// Whether somebody may publish there.
    ///
    /// # Errors
    /// The policy's refusal.
    pub async fn may_publish(&self, who: &Identity, channel: &Channel) -> Result<(), Refusal> {
        if let Err(why) = self.allowed(who, Action::Publish(channel)).await {
            self.metrics.refused("publish_denied");
            return Err(Refusal::publish_denied(channel.as_str(), &why));
        }
        self.hub.admit().await;
        Ok(())
    }

    /// Whether somebody who publishes without a session is within the rate of one: the rate of a key is the key's own.
    ///
    /// # Errors
    /// They are not.
    pub fn may_publish_now(
        &self,
        who: &Identity,
        channel: &Channel,
        address: Option<IpAddr>,
    ) -> Result<(), Refusal> {
        if self.rates.admit_publication(who, address) {
            return Ok(());
        }
        Err(self.too_fast(who, channel))
    }

    pub(super) fn too_fast(&self, who: &Identity, channel: &Channel) -> Refusal {
        const WHY: &str = "rate_exceeded";
        self.metrics.refused("publications_per_session");
        self.say_refused(who, Action::Publish(channel), WHY);
        Refusal::publish_denied(channel.as_str(), WHY)
    }

    /// Whether somebody may read what was said there.
    ///
    /// # Errors
    /// The policy's refusal.
    pub async fn may_read(&self, who: &Identity, pattern: &Pattern) -> Result<(), Refusal> {
        self.may_have(who, Action::History(pattern), pattern, "history_denied").await
    }

    /// What somebody may read of the past: who has no right to it begins now, and is told that this is not what was asked.
    pub(super) async fn allowed_wishes(
        &self,
        who: &Identity,
        wishes: Vec<(Pattern, Since)>,
    ) -> Vec<(Pattern, Since)> {
        let mut allowed = Vec::with_capacity(wishes.len());
        for (pattern, since) in wishes {
            let since = match since {
                Since::Now => since,
                _ if self.may_read(who, &pattern).await.is_ok() => since,
                _ => Since::Garbage,
            };
            allowed.push((pattern, since));
        }
        allowed
    }

    pub(super) async fn may_subscribe(&self, who: &Identity, patterns: &[Pattern]) -> Result<(), Refusal> {
        for pattern in patterns {
            self.may_have(who, Action::Subscribe(pattern), pattern, "subscribe_denied").await?;
        }
        Ok(())
    }

    async fn may_have(
        &self,
        who: &Identity,
        action: Action<'_>,
        pattern: &Pattern,
        cause: &'static str,
    ) -> Result<(), Refusal> {
        let decided = match pattern.kind() {
            ChannelKind::Meta => {
                self.say_refused(who, action, "meta_channel");
                Err("meta_channel".into())
            }
            _ => self.allowed(who, action).await,
        };
        decided.map_err(|why| {
            self.metrics.refused(cause);
            Refusal::subscribe_denied(pattern.as_str(), &why)
        })
    }

    /// Whether somebody may have a stream of what matches the patterns.
    ///
    /// # Errors
    /// The policy's refusal.
    pub async fn may_stream(&self, who: &Identity, patterns: &[Pattern]) -> Result<(), Refusal> {
        self.may_subscribe(who, patterns).await
    }
}
