//! Who may. The room stands in the path of every verb; in development it lets everybody pass.

pub mod key;
pub mod rules;
#[cfg(test)]
mod tests;
pub mod token;

use std::borrow::Cow;
use std::sync::Arc;

use bayeux::{Channel, Pattern, Refusal};
use serde::{Deserialize, Serialize};

/// What a door knows about a peer. Plain data: nothing here knows HTTP.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The peer's address.
    pub address: Option<std::net::IpAddr>,
}

/// Who somebody is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The name under which rights are given; absent for anonymous.
    pub subject: Option<Box<str>>,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// Open a session.
    Handshake,
    /// Listen.
    Subscribe(&'a Pattern),
    /// Speak; `connected` is false for a publish without a session.
    Publish {
        /// Where.
        channel: &'a Channel,
        /// Whether a session says it.
        connected: bool,
    },
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Allow,
    /// No, and why, in a word or two for the error string.
    Deny(Cow<'static, str>),
    /// Somebody else has to be asked ([`Policy::ask`]).
    Ask,
}

/// The `[rights]` table.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Everybody may do everything.
    pub open: bool,
}

/// The rules in force.
#[derive(Clone, Debug)]
pub struct Policy {
    options: Options,
    anonymous: Arc<Identity>,
}

impl Policy {
    /// Rules from their options.
    pub fn new(options: Options) -> Self {
        Policy { options, anonymous: Arc::new(Identity::default()) }
    }

    /// Who these credentials belong to.
    ///
    /// # Errors
    /// A refusal for the handshake's reply when the credentials are wrong (absent ones are not: they
    /// make an anonymous).
    pub async fn identify(&self, _credentials: &Credentials) -> Result<Arc<Identity>, Refusal> {
        Ok(self.anonymous.clone())
    }

    /// Whether `who` may do it, as far as this room knows by itself.
    pub fn check(&self, _who: &Identity, action: Action<'_>) -> Decision {
        match action {
            _ if self.options.open => Decision::Allow,
            Action::Handshake | Action::Subscribe(_) | Action::Publish { .. } => {
                Decision::Deny("not_open".into())
            }
        }
    }

    /// Whether `who` may do it, when [`check`](Self::check) could not tell. There is nobody to ask yet.
    pub async fn ask(&self, _who: &Identity, _action: Action<'_>) -> Decision {
        Decision::Deny("nobody_to_ask".into())
    }
}
