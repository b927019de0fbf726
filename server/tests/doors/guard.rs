//! A server with rules, and tokens for its users.

use std::time::{Duration, SystemTime};

use encke::config::Config;
use encke::policy::key::{self, Options as KeyOptions};
use encke::policy::rules::{RuleOptions, Verb};
use encke::policy::secret::Secret;
use encke::policy::signer::Signer;
use encke::policy::token::{KeyOptions as TokenKey, Options};
use serde_json::{Map, Value, json};

use crate::server::Encke;
use encke::visitors::Visitors;

pub(crate) const SECRET: &str = "a secret of at least 32 bytes, for tests";

pub(crate) fn tokens() -> Options {
    let key = TokenKey {
        algorithm: "HS256".into(),
        secret: Secret::from(SECRET.to_owned()),
        ..TokenKey::default()
    };
    Options { key: vec![key], cookie: "session".into(), ..Options::default() }
}

pub(crate) fn rule(who: &str, may: &[Verb], channels: &[&str]) -> RuleOptions {
    RuleOptions {
        who: vec![who.into()],
        may: may.to_vec(),
        may_not: vec![],
        channels: channels.iter().map(|&channel| channel.to_owned()).collect(),
    }
}

/// Everybody may hear the news; users may talk, and have channels of their own; nobody may speak on `/chat/locked`.
pub(crate) fn guard(config: &mut Config) {
    use Verb::{History, Publish, Subscribe};
    config.rights.open = false;
    config.tokens = tokens();
    config.rights.rule = vec![
        rule("anyone", &[Subscribe], &["/news/**"]),
        rule("user", &[Publish, Subscribe, History], &["/chat/*", "/users/{sub}/**"]),
        RuleOptions { may: vec![], may_not: vec![Publish], ..rule("anyone", &[], &["/chat/locked"]) },
    ];
}

/// A server in production, and the API key of its application.
pub(crate) fn guarded(change: impl FnOnce(&mut Config)) -> (Encke, String) {
    let (secret, sha256) = key::make();
    let encke = Encke::visited(Visitors::SameOrigin, |config| {
        guard(config);
        let (name, may, channels) = ("app".to_owned(), Verb::ALL.to_vec(), vec!["/**".to_owned()]);
        config.key = vec![KeyOptions { name, sha256, may, channels, admin: true, ..KeyOptions::default() }];
        change(config);
    });
    (encke, secret)
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// A token that says this.
pub(crate) fn signed(claims: &Value) -> String {
    let claims: Map<String, Value> = claims.as_object().expect("claims").clone();
    Signer::new(&tokens(), None).expect("a key").sign(&claims).expect("claims are JSON")
}

/// A token for a subject.
pub(crate) fn token(subject: &str, good: Duration) -> String {
    signed(&json!({"sub": subject, "exp": now() + good.as_secs(), "jti": format!("id-{subject}")}))
}
