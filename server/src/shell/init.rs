//! `encke init`: a small production file, with secrets of its own.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use clap::Args;
use encke::policy::key;

use super::{Outcome, say};

/// What `encke init` writes; the rest is at its default.
const FILE: &str = include_str!("init.toml");

#[derive(Args, Clone)]
pub(crate) struct Init {
    /// Where to write it
    #[arg(long, value_name = "FILE", default_value = "encke.toml")]
    config: PathBuf,
}

impl Init {
    pub(crate) fn run(self) -> Outcome {
        let (secret, _) = key::make();
        let (api_key, sha256) = key::make();
        let secret = secret.trim_start_matches("encke_");
        let text = FILE.replace("{secret}", secret).replace("{sha256}", &sha256);
        let file = self.config.display();
        let mut out = OpenOptions::new()
            .write(true)
            // One that is there has secrets that somebody uses.
            .create_new(true)
            .mode(0o600)
            .open(&self.config)
            .map_err(|error| format!("{file} cannot be written: {error}"))?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        let text = format!(
            "{file} is written, for your eyes only: it holds a secret.\n\n\
             The key of your application, which is shown this once:\n\n  {api_key}\n\n\
             serve     encke serve --config {file}\n\
             publish   curl -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\\n          \
             -d '{{\"text\":\"hello\"}}' http://127.0.0.1:8080/channels/news/today\n\
             a token   encke token --subject alice --config {file}\n"
        );
        say(text.as_bytes())?;
        Ok(())
    }
}
