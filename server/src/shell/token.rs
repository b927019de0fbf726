//! `encke token`: makes tokens and API keys, and says what is wrong with one.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use encke::clock::Clock;
use encke::config::Config;
use encke::policy::key;
use encke::policy::secret::Secret;
use encke::policy::signer::Signer;
use encke::policy::token::{Claims, Tokens};
use encke::policy::{Credentials, Policy};
use serde_json::{Map, Value};

use super::{Outcome, say};

/// A token for one user, signed with a secret of the configuration; or with `key` an API key for a back end.
#[derive(Args, Clone)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Token {
    #[command(subcommand)]
    command: Option<What>,
    #[command(flatten)]
    mint: Mint,
}

#[derive(Subcommand, Clone)]
enum What {
    /// Say whether a token is good, what it says, or why it is refused, in the server's words
    Check(Check),
    /// Make an API key for a back end, and the table that goes into the configuration
    Key(Key),
}

#[derive(Args, Clone)]
struct Mint {
    /// Whom it is for: its sub
    #[arg(long, value_name = "NAME", required = true)]
    subject: Option<String>,
    /// For how long it is good
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    expires: Duration,
    /// A further claim, a JSON value or else a text, such as plan=pro or groups='["staff"]'
    #[arg(long, value_name = "NAME=VALUE")]
    claim: Vec<String>,
    /// Which key signs: its id in the configuration [default: the first with a secret]
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// The configuration, a TOML file
    #[arg(long, value_name = "FILE", env = "ENCKE_CONFIG", default_value = "encke.toml")]
    config: PathBuf,
}

#[derive(Args, Clone)]
struct Check {
    /// The token; - reads it from standard input, so that it does not stand in the shell's history
    token: String,
    /// The configuration, a TOML file
    #[arg(long, value_name = "FILE", env = "ENCKE_CONFIG", default_value = "encke.toml")]
    config: PathBuf,
}

#[derive(Args, Clone)]
struct Key {
    /// What it is called in rules and logs
    name: String,
}

impl Token {
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            None => self.mint.run(),
            Some(What::Check(check)) => check.run(),
            Some(What::Key(key)) => key.run(),
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Mint {
    fn run(self) -> Outcome {
        let options = Config::read(&self.config)?.tokens;
        let signer = Signer::new(&options, self.key.as_deref())?;
        let mut claims = Map::new();
        claims.insert("sub".into(), self.subject.into());
        claims.insert("iat".into(), now().into());
        claims.insert("exp".into(), (now() + self.expires.as_secs()).into());
        if let [issuer, ..] = &options.issuer[..] {
            claims.insert("iss".into(), issuer.as_str().into());
        }
        if let [audience, ..] = &options.audience[..] {
            claims.insert("aud".into(), audience.as_str().into());
        }
        for claim in &self.claim {
            let (name, value) =
                claim.split_once('=').ok_or_else(|| format!("--claim {claim} is not NAME=VALUE"))?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            claims.insert(name.to_owned(), value);
        }
        say(format!("{}\n", signer.sign(&claims)?).as_bytes())?;
        Ok(())
    }
}

impl Check {
    fn run(self) -> Outcome {
        let token = match self.token.as_str() {
            "-" => std::io::read_to_string(std::io::stdin())?,
            token => token.to_owned(),
        };
        let Config { rights, tokens, key, .. } = Config::read(&self.config)?;
        let secret = token.trim();
        let policy = Policy::new(rights, tokens.clone(), &key, Clock::system())?;
        let shown = Credentials { secret: Some(Secret::from(secret.to_owned())), ..Credentials::default() };
        // As the server does it, so that it is refused for the same reason.
        let identity =
            policy.identify(&shown).map_err(|why| format!("{}: {}", why.as_str(), why.sentence()))?;
        if let Some(key) = &identity.key {
            say(format!("good: the key {}\n", key.name).as_bytes())?;
            return Ok(());
        }
        let tokens =
            Tokens::new(tokens).map_err(|(number, why)| format!("[[tokens.key]] number {number}: {why}"))?;
        if tokens.is_empty() {
            say(b"good: this server is open, and takes no notice of tokens\n")?;
            return Ok(());
        }
        let claims =
            tokens.read(secret, now()).map_err(|why| format!("{}: {}", why.as_str(), why.sentence()))?;
        say(explain(&claims).as_bytes())?;
        Ok(())
    }
}

fn explain(claims: &Claims) -> String {
    let mut text = format!("good: {}\n", claims.subject.as_deref().map_or("no subject", |subject| subject));
    if let Some(expires) = claims.expires {
        let left = Duration::from_secs(expires.saturating_sub(now()));
        text += &format!("expires in {}\n", humantime::format_duration(left));
    }
    if !claims.groups.is_empty() {
        text += &format!("groups {}\n", claims.groups.join(", "));
    }
    for (verb, pattern) in &claims.grants {
        text += &format!(
            "may {} {}\n",
            serde_json::to_string(verb).unwrap_or_default().trim_matches('"'),
            pattern.as_str()
        );
    }
    text
}

impl Key {
    fn run(self) -> Outcome {
        let (secret, sha256) = key::make();
        let text = format!(
            "# Give this to the back end, and keep no copy. It is sent as Authorization: Bearer.\n{secret}\n\n\
             # Put this into the configuration.\n[[key]]\nname = {:?}\nsha256 = \"{sha256}\"\nmay = [\"publish\"]\n\
             channels = [\"/**\"]\n",
            self.name
        );
        say(text.as_bytes())?;
        Ok(())
    }
}
