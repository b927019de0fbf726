//! `encke check`: what `encke serve` would say about a configuration, without serving it.

use std::path::PathBuf;

use clap::Args;
use encke::config::Config;

use super::{Outcome, say};

#[derive(Args, Clone)]
pub(crate) struct Check {
    /// The configuration, a TOML file
    #[arg(long, value_name = "FILE", env = "ENCKE_CONFIG", default_value = "encke.toml")]
    config: PathBuf,
}

impl Check {
    pub(crate) fn run(self) -> Outcome {
        let config = Config::read(&self.config)?;
        config.check()?;
        config.check_rights()?;
        let file = self.config.display();
        say(format!("{file} can be used: encke serve --config {file}\n").as_bytes())?;
        Ok(())
    }
}
