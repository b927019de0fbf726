//! Who may. The room stands in the path of every verb: it says who somebody is, and what they may do where.

pub mod key;
mod refused;
pub mod rules;
pub mod secret;
pub mod signer;
#[cfg(test)]
mod tests;
pub mod ticket;
pub mod token;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bayeux::{Channel, Pattern};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use key::{Key, Keys};
pub use refused::Unknown;
use rules::{Denied, Facts, Rights, RuleOptions, Rules, Verb};
use ticket::Tickets;
use token::{Refused, Tokens};

/// Revoked tokens that are remembered, each until it would have expired by itself.
const REVOKED: usize = 100_000;

/// What a door knows about a peer. Plain data: nothing here knows HTTP.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The peer's address.
    pub address: Option<std::net::IpAddr>,
    /// A token or an API key, from wherever the door has found it.
    pub secret: Option<secret::Secret>,
    /// A ticket, which is good once.
    pub ticket: Option<secret::Secret>,
}

/// Who somebody is.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The name under which rights are given; absent for anonymous and for API keys.
    pub subject: Option<Box<str>>,
    /// The API key.
    pub key: Option<Arc<Key>>,
    /// The id of the token.
    pub token: Option<Box<str>>,
    /// Until when it is known, in seconds since 1970.
    pub expires: Option<u64>,
    rights: Rights,
}

impl Identity {
    /// Whom the log names.
    pub fn name(&self) -> &str {
        match (&self.subject, &self.key) {
            (Some(subject), _) => subject,
            (None, Some(key)) => &key.name,
            (None, None) => "anonymous",
        }
    }

    /// Nobody in particular.
    pub fn is_anonymous(&self) -> bool {
        self.subject.is_none() && self.key.is_none()
    }

    /// Whether it is the same somebody, perhaps by another token.
    pub fn is(&self, other: &Identity) -> bool {
        let key = |identity: &Identity| identity.key.as_ref().map(|key| key.name.clone());
        self.subject == other.subject && key(self) == key(other)
    }
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// Open a session.
    Handshake,
    /// Listen.
    Subscribe(&'a Pattern),
    /// Read what was said before.
    History(&'a Pattern),
    /// Speak.
    Publish(&'a Channel),
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
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Everybody may do everything.
    pub open: bool,
    /// Whether somebody without a token may have a session; what they may do there, rules for `anyone` say.
    pub anonymous: bool,
    /// The rules.
    pub rule: Vec<RuleOptions>,
}

impl Default for Options {
    fn default() -> Self {
        Options { open: false, anonymous: true, rule: Vec::new() }
    }
}

impl Options {
    /// Whether somebody has decided who may publish and subscribe.
    pub fn is_decided(&self) -> bool {
        self.open || !self.rule.is_empty()
    }
}

/// Why the rights of a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// A rule.
    #[error("[[rights.rule]] number {0}: {1}")]
    Rule(usize, rules::InvalidRule),
    /// A key of tokens.
    #[error("[[tokens.key]] number {0}: {1}")]
    TokenKey(usize, token::InvalidKey),
    /// An API key.
    #[error("[[key]] number {0}: {1}")]
    Key(usize, key::Invalid),
}

/// The rules in force.
#[derive(Debug)]
pub struct Policy {
    open: bool,
    allows_anonymous: bool,
    anonymous: Arc<Identity>,
    rules: Rules,
    tokens: Tokens,
    keys: Keys,
    tickets: Tickets,
    /// By id, with the second at which it may be forgotten.
    revoked: Mutex<HashMap<Box<str>, u64>>,
    clock: Clock,
    /// Whether any of them is, so that nobody waits for the lock as long as none is.
    has_revoked: AtomicBool,
}

impl Policy {
    /// Rules from their options.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn new(
        options: Options,
        tokens: token::Options,
        keys: &[key::Options],
        clock: Clock,
    ) -> Result<Self, Invalid> {
        let rules = Rules::new(&options.rule).map_err(|(number, why)| Invalid::Rule(number, why))?;
        let anonymous = Identity { rights: rules.of(Facts::default()), ..Identity::default() };
        let keys = Keys::new(keys).map_err(|(number, why)| Invalid::Key(number, why))?;
        // A rule about a key that nobody has would, where it denies, deny nothing.
        for (rule, number) in options.rule.iter().zip(1..) {
            let named = rule.who.iter().filter_map(|who| who.strip_prefix("key:"));
            if let Some(name) = named.clone().find(|name| !keys.has(name)) {
                return Err(Invalid::Rule(number, rules::InvalidRule::Key(name.to_owned())));
            }
        }
        let revoked: HashMap<_, _> = tokens.revoked.iter().map(|id| (id.as_str().into(), u64::MAX)).collect();
        Ok(Policy {
            open: options.open,
            allows_anonymous: options.anonymous,
            anonymous: Arc::new(anonymous),
            rules,
            tokens: Tokens::new(tokens).map_err(|(number, why)| Invalid::TokenKey(number, why))?,
            keys,
            tickets: Tickets::new(clock.clone()),
            has_revoked: AtomicBool::new(!revoked.is_empty()),
            revoked: Mutex::new(revoked),
            clock,
        })
    }

    /// Everybody may do everything.
    pub fn open(clock: Clock) -> Self {
        let options = Options { open: true, ..Options::default() };
        Self::new(options, token::Options::default(), &[], clock).expect("nothing of this can be wrong")
    }

    /// Seconds since 1970, by the server's clock.
    pub fn now(&self) -> u64 {
        self.clock.wall().as_secs()
    }

    /// When a second since 1970 is on the server's clock.
    pub fn moment(&self, second: u64) -> Duration {
        let left = Duration::from_secs(second).saturating_sub(self.clock.wall());
        self.clock.now().saturating_add(left)
    }

    /// The cookie that carries a token; empty for none.
    pub fn cookie(&self) -> &str {
        self.tokens.cookie()
    }

    /// Whether everybody may do everything.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Who these credentials belong to. None at all make an anonymous.
    ///
    /// # Errors
    /// Why they are not good.
    pub fn identify(&self, credentials: &Credentials) -> Result<Arc<Identity>, Unknown> {
        if let Some(ticket) = &credentials.ticket {
            let who = self.tickets.redeem(ticket.reveal()).ok_or(Unknown::Ticket)?;
            return self.still(&who).map(|()| who);
        }
        let Some(secret) = credentials.secret.as_ref().map(|secret| secret.reveal()) else {
            return Ok(self.anonymous.clone());
        };
        if Keys::is_key(secret) {
            return self.by_key(secret);
        }
        if self.tokens.is_empty() {
            // An open server has nothing to find out.
            return if self.open { Ok(self.anonymous.clone()) } else { Err(Unknown::NoTokens) };
        }
        self.by_token(secret).map_err(Unknown::Token)
    }

    fn by_key(&self, secret: &str) -> Result<Arc<Identity>, Unknown> {
        let key = self.keys.find(secret).ok_or(Unknown::Key)?;
        if key.expires.is_some_and(|expires| expires <= self.now()) {
            return Err(Unknown::Key);
        }
        let mut rights = self.rules.of(Facts { key: Some(&key.name), ..Facts::default() });
        for (verbs, pattern) in &key.grants {
            rights.grant(verbs, pattern.clone());
        }
        Ok(Arc::new(Identity { key: Some(key.clone()), expires: key.expires, rights, ..Identity::default() }))
    }

    fn by_token(&self, secret: &str) -> Result<Arc<Identity>, Refused> {
        let claims = self.tokens.read(secret, self.now())?;
        if claims.id.as_ref().is_some_and(|id| self.is_revoked(id)) {
            return Err(Refused::Revoked);
        }
        let facts = Facts {
            subject: claims.subject.as_deref(),
            groups: &claims.groups,
            claims: &claims.texts,
            key: None,
        };
        let mut rights = self.rules.of(facts);
        for (verb, pattern) in claims.grants {
            rights.grant(&[verb], pattern);
        }
        let (subject, token, expires) = (claims.subject, claims.id, claims.expires);
        // A token that is over by this clock and was taken for the leeway is good for the rest of it: a session that ended
        // at once would be opened again at once.
        let expires = expires.map(|end| if end > self.now() { end } else { end + self.tokens.leeway() });
        Ok(Arc::new(Identity { subject, key: None, token, expires, rights }))
    }

    /// Whether somebody who was let in earlier still would be: sockets, tickets and waiting requests outlive tokens.
    ///
    /// # Errors
    /// Why not.
    pub fn still(&self, who: &Identity) -> Result<(), Unknown> {
        if who.expires.is_some_and(|end| end <= self.now()) {
            return Err(if who.key.is_some() { Unknown::Key } else { Unknown::Token(Refused::Expired) });
        }
        match &who.token {
            Some(id) if self.is_revoked(id) => Err(Unknown::Token(Refused::Revoked)),
            _ => Ok(()),
        }
    }

    /// Whether `who` may do it, as far as this room knows by itself. Nothing is allocated for what is allowed.
    pub fn check(&self, who: &Identity, action: Action<'_>) -> Decision {
        if self.open {
            return self.check_rate(who, action);
        }
        if let Err(unknown) = self.still(who) {
            return Decision::Deny(unknown.as_str().into());
        }
        let denied = match action {
            Action::Handshake if who.is_anonymous() && (!self.allows_anonymous || who.rights.is_empty()) => {
                return Decision::Deny("token_required".into());
            }
            Action::Handshake => return Decision::Allow,
            Action::Publish(channel) => who.rights.may_publish(channel),
            Action::Subscribe(pattern) => who.rights.may_all(Verb::Subscribe, pattern),
            Action::History(pattern) => who.rights.may_all(Verb::History, pattern),
        };
        match denied {
            Ok(()) => self.check_rate(who, action),
            Err(denied) => Decision::Deny(explain(denied)),
        }
    }

    fn check_rate(&self, who: &Identity, action: Action<'_>) -> Decision {
        match (&who.key, action) {
            (Some(key), Action::Publish(_)) if !key.admits(self.clock.now()) => {
                Decision::Deny("rate_exceeded".into())
            }
            _ => Decision::Allow,
        }
    }

    /// Whether `who` may do it, when [`check`](Self::check) could not tell. There is nobody to ask yet.
    pub async fn ask(&self, _who: &Identity, _action: Action<'_>) -> Decision {
        Decision::Deny("nobody_to_ask".into())
    }

    /// Whether `who` may use the server's API.
    pub fn may_administer(&self, who: &Identity) -> bool {
        who.key.as_ref().is_some_and(|key| key.admin)
    }

    /// A ticket that is good once, for half a minute, where a token could not be sent.
    pub fn ticket(&self, who: &Arc<Identity>) -> Option<(String, Duration)> {
        self.tickets.issue(who)
    }

    /// Refuses a token from now on. `until`, in seconds since 1970, is when it expires by itself. False when too many are
    /// remembered already.
    pub fn revoke(&self, id: &str, until: u64) -> bool {
        let now = self.now();
        // For the leeway it would still be taken.
        let until = until.saturating_add(self.tokens.leeway());
        let mut revoked = self.revoked.lock().expect("nobody panics with this lock");
        if revoked.len() >= REVOKED {
            revoked.retain(|_, until| *until > now);
        }
        let has_room = revoked.len() < REVOKED;
        if has_room {
            revoked.insert(id.into(), until);
            self.has_revoked.store(true, Ordering::Release);
        }
        has_room
    }

    fn is_revoked(&self, id: &str) -> bool {
        self.has_revoked.load(Ordering::Acquire)
            && self.revoked.lock().expect("nobody panics with this lock").contains_key(id)
    }
}

/// Why not, as it stands in the error string.
fn explain(denied: Denied<'_>) -> Cow<'static, str> {
    match denied {
        Denied::NoRule(None) => "no_rule".into(),
        Denied::NoRule(Some(within)) => format!("no_rule_but_for_{}", within.as_str()).into(),
        Denied::Rule(number, pattern) => format!("rule_{number}_denies_{}", pattern.as_str()).into(),
    }
}
