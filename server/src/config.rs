//! The configuration: every module's options, gathered. A file is TOML; each key stands in `encke.toml` with its
//! default.

mod faults;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::faults::Fault;
use crate::clock::Clock;
use crate::listen::Listen;
use crate::{broker, history, hub, policy, transport, visitors};

/// All settings of a server. Each has a default that can be written as TOML: what a file may say is read from there.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The public listener.
    pub listen: Listen,
    /// The internal listener: health and metrics. Never for the public.
    pub internal_listen: Listen,
    /// Cores to serve on; 0 means all that this process may use.
    pub cores: usize,
    /// How long a server that was told to stop may take.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// The public doors.
    pub doors: transport::Options,
    /// Sessions: their times and bounds.
    pub sessions: hub::Options,
    /// What a client may send.
    pub limits: broker::Options,
    /// How many and how fast.
    pub rates: broker::RateOptions,
    /// Who may.
    pub rights: policy::Options,
    /// Tokens that say who somebody is.
    pub tokens: policy::token::Options,
    /// API keys.
    pub key: Vec<policy::key::Options>,
    /// Which channels have history, and what slow consumers get. The first table that matches a channel counts.
    pub channel: Vec<broker::ChannelOptions>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)).into(),
            internal_listen: SocketAddr::from(([127, 0, 0, 1], 8081)).into(),
            cores: 0,
            drain: Duration::from_secs(20),
            doors: Default::default(),
            sessions: Default::default(),
            limits: Default::default(),
            rates: Default::default(),
            rights: Default::default(),
            tokens: Default::default(),
            key: Vec::new(),
            channel: Vec::new(),
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// The file is not TOML, or has a value that does not exist.
    #[error("{0} cannot be used: {1}")]
    Invalid(PathBuf, String),
    /// The file has keys that do not exist, or values of a wrong type.
    #[error("{0} cannot be used:{list}", list = listed(.1))]
    Faults(PathBuf, Vec<Fault>),
    /// A rule, or a key of tokens or back ends.
    #[error("{0}")]
    Rights(policy::Invalid),
    /// Nobody has decided who may publish and subscribe.
    #[error(
        "the configuration does not say who may publish and subscribe. `encke init` writes one that does, with a secret of \
         its own. To let everybody do everything, write\n\n[rights]\nopen = true\n"
    )]
    NoRights,
    /// Everybody may do everything, and there are rules about who may do what.
    #[error(
        "[rights] says open = true, so that everybody may do everything, and [[rights.rule]] says who may: nobody would look at the \
         rules. Take one of the two out"
    )]
    OpenWithRules,
    /// A path of the Bayeux endpoint at which nobody would find it, or nothing else.
    #[error(
        "doors.endpoints: {0:?} must begin with a slash, end without one, and hold nothing but letters, digits and -._~/"
    )]
    Endpoint(String),
    /// A base path that is not one.
    #[error(
        "the base path {0:?} must begin with a slash, end without one, and hold nothing but letters, digits and -._~/"
    )]
    Base(String),
    /// An origin that no browser would write so.
    #[error("doors.origins: {0:?} {1}")]
    Origin(String, &'static str),
    /// A time that is none.
    #[error("limits.request_time is nought: no request would have its answer")]
    NoTime,
    /// A number that is more than the server can count.
    #[error("{key} is {value}, and may be {limit} at most")]
    TooMuch {
        /// As it stands in the file.
        key: &'static str,
        /// What it was set to.
        value: usize,
        /// The most it may be.
        limit: usize,
    },
    /// A table of channels.
    #[error("[[channel]] number {0}: {1}")]
    Channel(usize, broker::InvalidTable),
    /// Development is open; it stays on this machine.
    #[error(
        "development mode lets everybody in, so it listens on loopback addresses only, and {0} is not one. \
         Use `encke serve --config …`, or say --insecure if this network is yours alone"
    )]
    Exposed(Listen),
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}

impl Config {
    /// What holds in development: everybody may do everything, and the demos have history (what is below a room, such as who is
    /// typing, has none). Of ratings, each on a channel of who gives it, only the newest is kept: that is the state of the table.
    pub fn development() -> Self {
        let table = |patterns: &[&str], count, last_value| broker::ChannelOptions {
            patterns: patterns.iter().copied().map(str::to_owned).collect(),
            last_value,
            history: Some(history::Options { count, age: Duration::from_secs(3600), ..Default::default() }),
            ..Default::default()
        };
        let demos = vec![table(&["/chat/*", "/slideshow/*"], 100, false), table(&["/rating/**"], 1, true)];
        let mut config = Config { channel: demos, ..Config::default() };
        config.rights.open = true;
        config.doors.callback_polling = true;
        config
    }

    /// The defaults, and with them one table of each kind of which there may be many: every key there is.
    pub fn complete() -> Self {
        let mut config = Config { channel: vec![broker::ChannelOptions::complete()], ..Config::default() };
        config.rights.rule = vec![policy::rules::RuleOptions::complete()];
        config.tokens.key = vec![policy::token::KeyOptions::complete()];
        config.key = vec![policy::key::Options::complete()];
        config
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or says something that does not exist.
    pub fn read(path: &Path) -> Result<Self, Unusable> {
        let text =
            std::fs::read_to_string(path).map_err(|error| Unusable::Unreadable(path.to_owned(), error))?;
        let invalid = |error| Unusable::Invalid(path.to_owned(), faults::without_secrets(&text, &error));
        let complete =
            toml::Table::try_from(Config::complete()).expect("the defaults can be written as TOML");
        let faults = faults::find(&text, &complete).map_err(invalid)?;
        if !faults.is_empty() {
            return Err(Unusable::Faults(path.to_owned(), faults));
        }
        toml::from_str(&text).map_err(invalid)
    }

    /// Checks that somebody has decided who may publish and subscribe, as production demands.
    ///
    /// # Errors
    /// [`Unusable::NoRights`].
    pub fn check_rights(&self) -> Result<(), Unusable> {
        if self.rights.is_decided() { Ok(()) } else { Err(Unusable::NoRights) }
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), Unusable> {
        let is_path = |path: &str| {
            let plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte));
            plain && path.starts_with('/') && !path.ends_with('/') && !path.contains("//")
        };
        let base = &self.doors.base;
        if !base.is_empty() && !is_path(base) {
            return Err(Unusable::Base(base.clone()));
        }
        if let Some(endpoint) = self.doors.endpoints.iter().find(|endpoint| !is_path(endpoint)) {
            return Err(Unusable::Endpoint(endpoint.clone()));
        }
        if self.rights.open && !self.rights.rule.is_empty() {
            return Err(Unusable::OpenWithRules);
        }
        for origin in &self.doors.origins {
            visitors::check_origin(origin).map_err(|why| Unusable::Origin(origin.clone(), why))?;
        }
        if self.limits.request_time.is_zero() {
            return Err(Unusable::NoTime);
        }
        // An outbox counts its bytes in 32 bits, and may be passed by a message; two letters of a clientId name its shard.
        const BYTES: usize = 1 << 30;
        for (key, value, limit) in [
            ("cores", self.cores, bayeux::SessionId::SHARDS.into()),
            ("sessions.outbox_bytes", self.sessions.outbox_bytes, BYTES),
            ("limits.message_bytes", self.limits.message_bytes, BYTES),
        ] {
            if value > limit {
                return Err(Unusable::TooMuch { key, value, limit });
            }
        }
        let limits = bayeux::Limits::from(self.limits).channel;
        broker::ChannelOptions::check(&self.channel, &limits)
            .map_err(|(number, why)| Unusable::Channel(number, why))?;
        let (rights, tokens) = (self.rights.clone(), self.tokens.clone());
        policy::Policy::new(rights, tokens, &self.key, Clock::system()).map_err(Unusable::Rights)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_ratings_is_what_the_rater_shows() {
        let page = include_str!("../../demos/rater/index.html");
        let (_, shown) = page.split_once("<code>[[channel]]").expect("the page shows a table");
        let (shown, _) = shown.split_once("</code>").expect("its end");
        // The comments are marked for the eye.
        let plain: String =
            shown.lines().map(|line| line.split('<').next().unwrap_or(line).to_owned() + "\n").collect();
        let shown: Config = toml::from_str(&format!("[[channel]]{plain}")).expect("it can be used");
        let [_, ratings] = &Config::development().channel[..] else { panic!("there are two tables") };
        assert_eq!(format!("{:?}", shown.channel), format!("[{ratings:?}]"));
    }

    #[test]
    fn what_cannot_be_counted_is_refused_by_name() {
        for config in [Config::default(), Config::complete(), Config::development()] {
            assert!(config.check().is_ok(), "{:?}", config.check());
        }
        let mut config = Config { cores: 3845, ..Config::default() };
        assert_eq!(config.check().unwrap_err().to_string(), "cores is 3845, and may be 3844 at most");
        config.cores = 0;
        config.sessions.outbox_bytes = 1 << 40;
        assert!(matches!(config.check(), Err(Unusable::TooMuch { key: "sessions.outbox_bytes", .. })));
    }
}
