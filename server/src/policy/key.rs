//! API keys of back ends: named, kept as hashes, each with what it may do, until when and how fast.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use bayeux::Pattern;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::rules::Verb;

/// What an API key begins with, so that one that leaks is found by those who look for such things.
const PREFIX: &str = "encke_";

/// One `[[key]]` table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// What it is called in rules, logs and metrics.
    pub name: String,
    /// The SHA-256 of the key in hexadecimal, as `encke init` and `encke token key` print it. The key itself stands nowhere.
    pub sha256: String,
    /// What it may do, beside what rules give `key:NAME`.
    pub may: Vec<Verb>,
    /// Where.
    pub channels: Vec<String>,
    /// Whether it may use the server's API on the internal listener.
    pub admin: bool,
    /// When it ends, such as 2027-01-31T00:00:00Z; absent for never.
    pub expires: Option<String>,
    /// Publications a second, over a burst of as many; 0 for any number.
    pub rate: u32,
}

impl Options {
    /// A table that says everything there is to say.
    pub fn complete() -> Self {
        Options {
            name: "shop".to_owned(),
            sha256: "0".repeat(64),
            may: vec![Verb::Publish],
            channels: vec!["/shop/**".to_owned()],
            admin: false,
            expires: Some("2030-01-31T00:00:00Z".to_owned()),
            rate: 0,
        }
    }
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It has no name, or one that would not fit into a log line.
    #[error("name = {0:?} must be 1 to 64 letters, digits and -_., and is not the key")]
    Name(String),
    /// The name is another key's too.
    #[error("another key is called {0:?} too")]
    Twice(String),
    /// It is another key, by another name.
    #[error("{0}: this is the same key as {1}, and one of them would not be known by its name")]
    Same(String, String),
    /// It says what and not where, or where and not what.
    #[error(
        "{0}: may says what and channels says where; it takes both, or neither where rules for key:{0} say it"
    )]
    Half(String),
    /// The hash is none.
    #[error("{0}: sha256 must be 64 hexadecimal digits; encke token key makes a key and its hash")]
    Hash(String),
    /// What stands there is no pattern.
    #[error("{0}: {1:?} is not a pattern: {2}")]
    Pattern(String, String, String),
    /// What stands there is no time.
    #[error("{0}: expires = {1:?} is not a time such as 2027-01-31T00:00:00Z")]
    Expires(String, String),
}

/// An API key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// What it is called.
    pub name: Box<str>,
    /// What it may do by itself.
    pub grants: Vec<(Vec<Verb>, Pattern)>,
    /// Whether it may use the server's API.
    pub admin: bool,
    /// When it ends, in seconds since 1970.
    pub expires: Option<u64>,
    rate: Option<Mutex<Bucket>>,
}

/// A token bucket.
#[derive(Debug)]
pub struct Bucket {
    rate: f64,
    tokens: f64,
    at: Duration,
}

/// The keys of a configuration.
#[derive(Debug, Default)]
pub struct Keys {
    by_hash: HashMap<[u8; 32], std::sync::Arc<Key>>,
}

impl Keys {
    /// Reads the tables.
    ///
    /// # Errors
    /// The first thing that is wrong, and the number of its table, counted from 1.
    pub fn new(tables: &[Options]) -> Result<Self, (usize, Invalid)> {
        let mut keys = Keys::default();
        for (table, number) in tables.iter().zip(1..) {
            let (hash, key) = read(table).map_err(|why| (number, why))?;
            if keys.by_hash.values().any(|known| known.name == key.name) {
                return Err((number, Invalid::Twice(table.name.clone())));
            }
            if let Some(known) = keys.by_hash.get(&hash) {
                return Err((number, Invalid::Same(table.name.clone(), known.name.clone().into())));
            }
            keys.by_hash.insert(hash, std::sync::Arc::new(key));
        }
        Ok(keys)
    }

    /// The key that this is. (Its hash is looked up, so the time that takes tells nothing of any key.)
    pub fn find(&self, secret: &str) -> Option<&std::sync::Arc<Key>> {
        self.by_hash.get(&<[u8; 32]>::from(Sha256::digest(secret.as_bytes())))
    }

    /// Whether a text looks like an API key.
    pub fn is_key(secret: &str) -> bool {
        secret.starts_with(PREFIX)
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.by_hash.values().any(|key| *key.name == *name)
    }
}

impl Key {
    /// Whether one more publication is within the key's rate.
    pub fn admits(&self, now: Duration) -> bool {
        self.rate.as_ref().is_none_or(|rate| rate.lock().expect("nobody panics with this lock").take(now))
    }
}

impl Bucket {
    /// A full bucket of `rate` a second and as many at once.
    pub fn new(rate: u32, now: Duration) -> Self {
        Bucket { rate: rate.into(), tokens: rate.into(), at: now }
    }

    /// Whether it was asked since a moment.
    pub fn is_used(&self, since: Duration) -> bool {
        self.at >= since
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: Duration) -> bool {
        let since = now.saturating_sub(self.at).as_secs_f64();
        self.at = now;
        self.tokens = (self.tokens + since * self.rate).min(self.rate);
        let is_there = self.tokens >= 1.0;
        if is_there {
            self.tokens -= 1.0;
        }
        is_there
    }
}

/// A new key, and the hash that stands for it.
pub fn make() -> (String, String) {
    let mut random = [0; 32];
    getrandom::fill(&mut random).expect("the system has random numbers");
    let key = PREFIX.to_owned() + &hex(&random);
    let hash = hex(&Sha256::digest(key.as_bytes()));
    (key, hash)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn read(table: &Options) -> Result<([u8; 32], Key), Invalid> {
    let Options { name, sha256, may, channels, admin, expires, rate } = table;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.contains(PREFIX) {
        // Somebody has put the key itself here.
        return Err(Invalid::Name(PREFIX.to_owned() + "…"));
    }
    if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
        return Err(Invalid::Name(name.clone()));
    }
    if may.is_empty() != channels.is_empty() {
        return Err(Invalid::Half(name.clone()));
    }
    let digit = |place: usize| sha256.get(place..place + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let bytes: Option<Vec<u8>> = (0..32).map(|byte| digit(2 * byte)).collect();
    let is_hex = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = bytes.filter(|_| is_hex).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let hash = hash.ok_or_else(|| Invalid::Hash(name.clone()))?;
    let pattern = |text: &String| {
        Pattern::parse(text).map_err(|why| Invalid::Pattern(name.clone(), text.clone(), why.to_string()))
    };
    let grants = channels.iter().map(|text| Ok((may.clone(), pattern(text)?))).collect::<Result<_, _>>()?;
    let expires = match expires {
        None => None,
        Some(text) => {
            let at = humantime::parse_rfc3339_weak(text)
                .map_err(|_| Invalid::Expires(name.clone(), text.clone()))?;
            Some(at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
        }
    };
    let rate = (*rate > 0).then(|| Mutex::new(Bucket::new(*rate, Duration::ZERO)));
    Ok((hash, Key { name: name.as_str().into(), grants, admin: *admin, expires, rate }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_what_it_is_and_kept_as_what_it_hashes_to() {
        let (secret, sha256) = make();
        let (other, _) = make();
        let table = Options { name: "shop".into(), sha256, rate: 2, ..Options::default() };
        let keys = Keys::new(std::slice::from_ref(&table)).unwrap();
        let key = keys.find(&secret).unwrap();
        assert_eq!(&*key.name, "shop");
        assert!(keys.find(&other).is_none() && keys.find("").is_none() && keys.find(&table.sha256).is_none());
        let now = Duration::from_secs(9);
        assert_eq!([key.admits(now), key.admits(now), key.admits(now)], [true, true, false]);
        assert!(key.admits(now + Duration::from_millis(500)));
    }

    #[test]
    fn what_is_wrong_with_a_key_is_said() {
        let (_, sha256) = make();
        let good = Options { name: "shop".into(), sha256, ..Options::default() };
        for (bad, reason) in [
            (Options { name: "a b".into(), ..good.clone() }, "name = \"a b\" must be"),
            (good.clone(), "another key is called \"shop\" too"),
            (Options { name: "b".into(), ..good.clone() }, "b: this is the same key as shop"),
            (
                Options { name: format!("encke_{}", "0".repeat(64)), ..good.clone() },
                "name = \"encke_…\" must",
            ),
            (Options { name: "b".into(), may: vec![Verb::Publish], ..good.clone() }, "b: may says what"),
            (Options { name: "b".into(), channels: vec!["/a".into()], ..good.clone() }, "b: may says what"),
            (Options { name: "b".into(), sha256: "é".repeat(32), ..good.clone() }, "b: sha256 must be"),
            (Options { name: "b".into(), sha256: "+f".repeat(32), ..good.clone() }, "b: sha256 must be"),
            (
                Options {
                    name: "b".into(),
                    may: vec![Verb::Publish],
                    channels: vec!["a".into()],
                    ..good.clone()
                },
                "b: \"a\" is not a pattern",
            ),
            (
                Options { name: "b".into(), expires: Some("soon".into()), ..good.clone() },
                "b: expires = \"soon\"",
            ),
        ] {
            let (number, why) = Keys::new(&[good.clone(), bad]).unwrap_err();
            assert!(number == 2 && why.to_string().starts_with(reason), "{why}");
        }
    }
}
