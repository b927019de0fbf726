//! An Encke with a configuration that is written for the run.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, io};

use clap::ValueEnum;

use crate::Failure;

/// What becomes of messages that a slow consumer has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOverflow {
    /// It is told that some are lost.
    Gap,
    /// It catches up from history.
    GapWithHistory,
    /// Its oldest ones go.
    DropOldest,
    /// Its session ends.
    End,
}

impl OnOverflow {
    /// The name on the command line and in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            OnOverflow::Gap => "gap",
            OnOverflow::GapWithHistory => "gap-with-history",
            OnOverflow::DropOldest => "drop-oldest",
            OnOverflow::End => "end",
        }
    }

    /// The name in the configuration and in the server's counters.
    pub(crate) fn policy(self) -> &'static str {
        match self {
            OnOverflow::GapWithHistory => "gap",
            other => other.name(),
        }
    }
}

/// How much is kept of each channel, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Messages of a channel.
    pub(crate) count: usize,
    /// Bytes of a channel.
    pub(crate) bytes: usize,
    /// Bytes of all channels.
    pub(crate) total_bytes: usize,
}

impl Kept {
    /// So many messages of so many bytes of `data` in so many channels, with room to spare for what the server
    /// counts beside `data`.
    pub(crate) fn of(count: usize, payload: usize, channels: usize) -> Kept {
        let bytes = count * (payload + 1024);
        Kept { count, bytes, total_bytes: (bytes * channels).max(1 << 20) }
    }
}

/// A configuration: everybody may do everything, and this is said of all channels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Setup {
    /// What is kept; nothing by default.
    pub(crate) kept: Option<Kept>,
    /// What slow consumers get, where that is not the default.
    pub(crate) on_overflow: Option<OnOverflow>,
}

impl Setup {
    /// With a history so long that a subscriber which is held up for a moment can catch up from it.
    pub(crate) fn with_history() -> Setup {
        Setup {
            kept: Some(Kept { count: 10_000, bytes: 16 << 20, total_bytes: 64 << 20 }),
            on_overflow: None,
        }
    }

    /// The configuration as TOML.
    pub(crate) fn toml(&self) -> String {
        let mut text = "[rights]\nopen = true\n".to_owned();
        if self.kept.is_none() && self.on_overflow.is_none() {
            return text;
        }
        text += "\n[[channel]]\npatterns = [\"/**\"]\n";
        if let Some(policy) = self.on_overflow {
            let _ = writeln!(text, "on_overflow = \"{}\"", policy.policy());
        }
        if let Some(Kept { count, bytes, total_bytes }) = self.kept {
            let _ = write!(
                text,
                "\n[channel.history]\ncount = {count}\nbytes = {bytes}\nage = \"1h\"\ntotal_bytes = {total_bytes}\n"
            );
        }
        text
    }

    /// Writes it into a folder of its own.
    pub(crate) fn write(&self) -> Result<Written, Failure> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("encke-bench-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let written = Written { folder: std::env::temp_dir().join(name) };
        let failed = |error: io::Error| Failure(format!("{}: {error}", written.folder.display()));
        // It must be ours: a folder that is there already is somebody else's.
        fs::create_dir(&written.folder).map_err(failed)?;
        fs::write(written.path(), self.toml()).map_err(failed)?;
        Ok(written)
    }
}

/// A configuration on disk. Dropping it takes it away.
#[derive(Debug)]
pub(crate) struct Written {
    folder: PathBuf,
}

impl Written {
    /// The file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("encke.toml")
    }

    /// The command line of a server that reads it.
    pub(crate) fn command(&self, program: &str) -> Vec<String> {
        let path = self.path();
        let file: &str = &Path::to_string_lossy(&path);
        [program, "serve", "--config", file, "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"]
            .map(String::from)
            .into()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        // A folder that stays in the temporary directory harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_says_what_differs_and_nothing_else() {
        assert_eq!(Setup::default().toml(), "[rights]\nopen = true\n");
        let setup = Setup { kept: None, on_overflow: Some(OnOverflow::DropOldest) };
        assert!(setup.toml().ends_with("patterns = [\"/**\"]\non_overflow = \"drop-oldest\"\n"));
        let setup = Setup { kept: Some(Kept::of(10, 100, 3)), on_overflow: Some(OnOverflow::GapWithHistory) };
        let text = setup.toml();
        assert!(text.contains("on_overflow = \"gap\"\n\n[channel.history]\ncount = 10\n"), "{text}");
    }

    #[test]
    fn what_is_written_goes_with_its_owner() {
        let written = Setup::with_history().write().unwrap();
        let (other, path) = (Setup::default().write().unwrap(), written.path());
        assert_ne!(other.path(), path);
        assert!(fs::read_to_string(&path).unwrap().contains("count = 10000"));
        assert!(written.command("encke").contains(&path.to_string_lossy().into_owned()));
        drop(written);
        assert!(!path.exists());
        assert!(other.path().exists());
    }
}
