//! Tokens: JSON Web Tokens (RFC 7519) from keys that the configuration names, each pinned to one algorithm.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bayeux::Pattern;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use super::refused::Refused;
use super::rules::Verb;
use super::secret::Secret;

/// The longest token that is looked at, in bytes.
const TOKEN_BYTES: usize = 8 * 1024;

/// The `[tokens]` table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The cookie that carries a token; empty for none.
    pub cookie: String,
    /// Who tokens must be for: one of these stands in `aud`. Empty: whatever stands there.
    pub audience: Vec<String>,
    /// Who may have made them: `iss` is one of these. Empty: anybody with the key.
    pub issuer: Vec<String>,
    /// How far the clocks of those who make tokens may be off.
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    /// Whether a token may be without `exp`, and so be good for ever.
    pub endless: bool,
    /// Tokens that are refused from the start, by their `jti`: what was revoked while the server ran is forgotten when it ends.
    pub revoked: Vec<String>,
    /// The keys.
    pub key: Vec<KeyOptions>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            cookie: String::new(),
            audience: Vec::new(),
            issuer: Vec::new(),
            leeway: Duration::from_secs(30),
            endless: false,
            revoked: Vec::new(),
            key: Vec::new(),
        }
    }
}

/// One `[[tokens.key]]` table.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyOptions {
    /// What a token's `kid` says. A token without a `kid` is tried with every key of its algorithm.
    pub id: String,
    /// The one algorithm that it is good for: HS256, RS256, PS256, ES256 (each with 384 and 512 too, ES512 apart), EdDSA.
    pub algorithm: String,
    /// The secret of an HS algorithm.
    pub secret: Secret,
    /// A file with the secret, or with the public key in PEM.
    pub file: Option<PathBuf>,
    /// The public key of the other algorithms, in PEM.
    pub public_key: String,
}

impl KeyOptions {
    /// A table that says everything there is to say.
    pub fn complete() -> Self {
        KeyOptions {
            id: "main".to_owned(),
            algorithm: "HS256".to_owned(),
            secret: Secret::from("x".repeat(32)),
            file: Some("/run/secrets/encke".into()),
            public_key: String::new(),
        }
    }
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidKey {
    /// There is no such algorithm, or none that is accepted.
    #[error(
        "algorithm = {0:?} is none of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA"
    )]
    Algorithm(String),
    /// The file cannot be read.
    #[error("{0} cannot be read: {1}")]
    File(PathBuf, std::io::Error),
    /// There is no secret, or a short one.
    #[error("{algorithm} needs a secret of at least {least} bytes, as secret or file, and has {bytes}")]
    Short {
        /// As it stands in the file.
        algorithm: String,
        /// RFC 7518, section 3.2.
        least: usize,
        /// What there is.
        bytes: usize,
    },
    /// What should be a secret is a key in PEM, which others may know.
    #[error(
        "{0} needs a secret, and what is there is a key in PEM: with it, whoever knows the key could make tokens"
    )]
    NoSecret(String),
    /// What stands there is not a public key of that algorithm.
    #[error("{0} needs a public key in PEM, as public_key or file: {1}")]
    Pem(String, String),
}

/// What a good token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `sub`.
    pub subject: Option<Box<str>>,
    /// `jti`.
    pub id: Option<Box<str>>,
    /// `exp`, in seconds since 1970.
    pub expires: Option<u64>,
    /// `groups`.
    pub groups: Vec<Box<str>>,
    /// All claims that are texts.
    pub texts: Vec<(Box<str>, Box<str>)>,
    /// The rights that it carries: `"encke": {"subscribe": ["/a/*"], …}`.
    pub grants: Vec<(Verb, Pattern)>,
}

struct Key {
    id: Box<str>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Reads tokens.
pub struct Tokens {
    keys: Vec<Key>,
    options: Options,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Reads the keys.
    ///
    /// # Errors
    /// The first key that cannot be used, by its number, counted from 1.
    pub fn new(options: Options) -> Result<Self, (usize, InvalidKey)> {
        let keys = options.key.iter().zip(1..).map(|(key, number)| load(key).map_err(|why| (number, why)));
        Ok(Tokens { keys: keys.collect::<Result<_, _>>()?, options })
    }

    /// The cookie that carries a token; empty for none.
    pub fn cookie(&self) -> &str {
        &self.options.cookie
    }

    /// How far the clocks of those who make tokens may be off, in seconds.
    pub fn leeway(&self) -> u64 {
        self.options.leeway.as_secs()
    }

    /// Whether there is any key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What a token says, if it is good at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// Why it is not.
    pub fn read(&self, token: &str, now: u64) -> Result<Claims, Refused> {
        if token.len() > TOKEN_BYTES {
            return Err(Refused::TooLong);
        }
        let header = decode_header(token).map_err(|_| match is_about_algorithm(token) {
            true => Refused::Algorithm,
            false => Refused::Malformed,
        })?;
        // RFC 7515, section 4.1.11: what has to be understood, and is not.
        if header.crit.is_some() {
            return Err(Refused::Malformed);
        }
        let named = |key: &&Key| header.kid.as_deref().is_none_or(|id| *key.id == *id);
        if !self.keys.iter().any(|key| named(&key)) {
            return Err(Refused::UnknownKey);
        }
        let mut refused = Refused::Algorithm;
        // The token does not choose how it is checked: a key is only used with its own algorithm.
        for key in self.keys.iter().filter(named).filter(|key| key.algorithm == header.alg) {
            match decode::<Map<String, Value>>(token, &key.key, &plain(key.algorithm)) {
                Ok(data) => return self.judge(&data.claims, now),
                Err(error) => {
                    refused = match error.kind() {
                        ErrorKind::InvalidSignature => Refused::Signature,
                        _ => Refused::Malformed,
                    }
                }
            }
        }
        Err(refused)
    }

    fn judge(&self, claims: &Map<String, Value>, now: u64) -> Result<Claims, Refused> {
        let leeway = self.options.leeway.as_secs();
        let expires = time(claims, "exp")?;
        match expires {
            Some(expires) if expires.saturating_add(leeway) <= now => return Err(Refused::Expired),
            None if !self.options.endless => return Err(Refused::Endless),
            _ => {}
        }
        if time(claims, "nbf")?.is_some_and(|from| from > now.saturating_add(leeway)) {
            return Err(Refused::NotYet);
        }
        if !self.options.audience.is_empty() {
            let audience = texts(claims, "aud")?;
            if !audience.iter().any(|one| self.options.audience.iter().any(|own| **one == **own)) {
                return Err(Refused::Audience);
            }
        }
        let issuer = text(claims, "iss")?;
        if !self.options.issuer.is_empty()
            && !issuer.is_some_and(|issuer| self.options.issuer.iter().any(|own| *issuer == **own))
        {
            return Err(Refused::Issuer);
        }
        let mut grants = Vec::new();
        match claims.get("encke") {
            None => {}
            Some(Value::Object(own)) => {
                for verb in Verb::ALL {
                    let name = serde_json::to_value(verb).map_err(|_| Refused::Claims)?;
                    for pattern in texts(own, name.as_str().unwrap_or_default())? {
                        grants.push((verb, Pattern::parse(&pattern).map_err(|_| Refused::Claims)?));
                    }
                }
            }
            Some(_) => return Err(Refused::Claims),
        }
        let is_text = |(name, value): (&String, &Value)| Some((name.as_str().into(), value.as_str()?.into()));
        Ok(Claims {
            subject: text(claims, "sub")?,
            id: text(claims, "jti")?,
            expires,
            groups: texts(claims, "groups")?,
            // All of them, since a rule that denies may be about any: a token is bounded itself.
            texts: claims.iter().filter_map(is_text).collect(),
            grants,
        })
    }
}

/// Nothing but the signature is checked by the library: times are ours, since a test holds the clock.
fn plain(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    validation
}

/// Whether a token that cannot be read is one with an algorithm that nobody accepts, such as `none`.
fn is_about_algorithm(token: &str) -> bool {
    use base64::Engine as _;
    let head = token.split('.').next().unwrap_or_default();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(head).unwrap_or_default();
    serde_json::from_slice::<Map<String, Value>>(&bytes).is_ok_and(|head| {
        head.get("alg").and_then(Value::as_str).is_some_and(|name| name.parse::<Algorithm>().is_err())
    })
}

/// The algorithm of a key, and its secret.
pub(super) fn secret_of(options: &KeyOptions) -> Result<(Algorithm, Vec<u8>), InvalidKey> {
    let KeyOptions { algorithm: name, secret, file, .. } = options;
    let algorithm: Algorithm = name.parse().map_err(|_| InvalidKey::Algorithm(name.clone()))?;
    let bytes = match file {
        Some(path) if secret.reveal().is_empty() => read_file(path)?.trim_ascii().to_vec(),
        _ => secret.reveal().as_bytes().to_vec(),
    };
    let least = match algorithm {
        Algorithm::HS512 => 64,
        Algorithm::HS384 => 48,
        _ => 32,
    };
    if bytes.starts_with(b"-----BEGIN") {
        return Err(InvalidKey::NoSecret(name.clone()));
    }
    if bytes.len() < least {
        return Err(InvalidKey::Short { algorithm: name.clone(), least, bytes: bytes.len() });
    }
    Ok((algorithm, bytes))
}

fn read_file(path: &std::path::Path) -> Result<Vec<u8>, InvalidKey> {
    std::fs::read(path).map_err(|error| InvalidKey::File(path.to_owned(), error))
}

fn load(options: &KeyOptions) -> Result<Key, InvalidKey> {
    let KeyOptions { id, algorithm: name, file, public_key, .. } = options;
    let algorithm: Algorithm = name.parse().map_err(|_| InvalidKey::Algorithm(name.clone()))?;
    let pem = || match file {
        Some(path) if public_key.is_empty() => read_file(path),
        _ => Ok(public_key.as_bytes().to_vec()),
    };
    let wrong = |why: jsonwebtoken::errors::Error| InvalidKey::Pem(name.clone(), why.to_string());
    let key = match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
            DecodingKey::from_secret(&secret_of(options)?.1)
        }
        Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(&pem()?).map_err(wrong)?,
        Algorithm::EdDSA => DecodingKey::from_ed_pem(&pem()?).map_err(wrong)?,
        _ => DecodingKey::from_rsa_pem(&pem()?).map_err(wrong)?,
    };
    Ok(Key { id: id.as_str().into(), algorithm, key })
}

/// A time: a number of seconds, perhaps with a fraction.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, Refused> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => {
            let seconds = number.as_f64().filter(|seconds| seconds.is_finite()).ok_or(Refused::Claims)?;
            Ok(Some(seconds.max(0.0) as u64))
        }
        Some(_) => Err(Refused::Claims),
    }
}

fn text(claims: &Map<String, Value>, name: &str) -> Result<Option<Box<str>>, Refused> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str().into())),
        Some(_) => Err(Refused::Claims),
    }
}

/// A text, or an array of texts.
fn texts(claims: &Map<String, Value>, name: &str) -> Result<Vec<Box<str>>, Refused> {
    match claims.get(name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.as_str().into()]),
        Some(Value::Array(all)) => {
            all.iter().map(|one| one.as_str().map(Box::from).ok_or(Refused::Claims)).collect()
        }
        Some(_) => Err(Refused::Claims),
    }
}
