//! The commands that are clients: `encke publish` and `encke subscribe` speak plain HTTP with the channel URLs of a
//! server that runs elsewhere; `encke check`, `init` and `token` read and write what a configuration needs.

mod check;
mod init;
mod publish;
mod remote;
mod subscribe;
mod token;

use std::error::Error;
use std::io::{ErrorKind, Write};

pub(crate) use check::Check;
pub(crate) use init::Init;
pub(crate) use publish::Publish;
pub(crate) use subscribe::Subscribe;
pub(crate) use token::Token;

/// How a command ends; the error is a sentence for people.
type Outcome = Result<(), Box<dyn Error>>;

/// A message is 64 KiB by default, and an operator may allow more; this much of one is held here.
const LINE_BYTES: usize = 16 * 1024 * 1024;

/// Writes to standard output. False when nobody reads it any more, which is how `| head` ends a command well.
fn say(text: &[u8]) -> std::io::Result<bool> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tells the person who watches, beside what the command prints.
fn remark(text: &str) {
    let _ = writeln!(std::io::stderr(), "encke: {text}");
}

/// One thread is plenty for one connection.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
