//! Making tokens, for `encke token`.

use serde_json::{Map, Value};

use super::token::{InvalidKey, KeyOptions, Options, secret_of};

/// Makes tokens, with a secret of the configuration.
pub struct Signer {
    header: jsonwebtoken::Header,
    key: jsonwebtoken::EncodingKey,
}

impl Signer {
    /// The key of that id, or the first that has a secret.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub fn new(options: &Options, id: Option<&str>) -> Result<Self, NoSigner> {
        let has_secret = |key: &&KeyOptions| key.algorithm.starts_with("HS");
        let named = |key: &&KeyOptions| id.is_none_or(|id| key.id == id);
        let found = options.key.iter().filter(has_secret).find(named).ok_or(NoSigner::None)?;
        let (algorithm, secret) = secret_of(found).map_err(NoSigner::Invalid)?;
        let mut header = jsonwebtoken::Header::new(algorithm);
        header.kid = (!found.id.is_empty()).then(|| found.id.clone());
        Ok(Signer { header, key: jsonwebtoken::EncodingKey::from_secret(&secret) })
    }

    /// A token that says this.
    ///
    /// # Errors
    /// What the library says.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, jsonwebtoken::errors::Error> {
        jsonwebtoken::encode(&self.header, claims, &self.key)
    }
}

/// Why no token can be made.
#[derive(Debug, thiserror::Error)]
pub enum NoSigner {
    /// There is no such key.
    #[error(
        "no [[tokens.key]] of the configuration has that id and a secret: tokens of other algorithms are made where the private key is"
    )]
    None,
    /// There is, and it cannot be used.
    #[error(transparent)]
    Invalid(InvalidKey),
}
