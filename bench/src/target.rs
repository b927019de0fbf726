//! The process under test: Encke, a peer, or the floor, started as a child or already running.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::cores::Cores;
use crate::floor::Join;

/// How long a server may take to say where it listens, or to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A server started by this command line.
    Command(Vec<String>),
    /// A server that runs already: where, and its process.
    Running(String, u32),
    /// The floor.
    Floor(Join),
}

impl Subject {
    /// Its name in tables.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Subject::Command(_) | Subject::Running(..) => "server",
            Subject::Floor(Join::Never) => "floor",
            Subject::Floor(Join::Session) => "floor-joined",
            Subject::Floor(Join::Shared) => "floor-shared",
        }
    }

    /// Starts it on these cores and waits until it says where it listens.
    pub(crate) fn start(&self, cores: &Cores, path: &str) -> Result<Target, Failure> {
        let command = match self {
            Subject::Running(url, pid) => {
                return Ok(Target { child: None, pid: *pid, address: address(url)?, path: path.to_owned() });
            }
            Subject::Command(words) => words.clone(),
            Subject::Floor(join) => {
                let own = own_executable()?.to_string_lossy().into_owned();
                [own.as_str(), "floor", "--listen", "127.0.0.1:0", "--join", join.name()]
                    .map(String::from)
                    .into()
            }
        };
        let mut child = spawn(&command, cores)?;
        let found = public_url(&mut child).and_then(|url| address(&url));
        let pid = child.id();
        // Whatever happened, dropping the target stops the child.
        let mut target = Target {
            child: Some(child),
            pid,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            path: path.to_owned(),
        };
        target.address = found?;
        Ok(target)
    }
}

fn own_executable() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| Failure(format!("own executable: {error}")))
}

/// The command that is measured when none is named: `encke` beside this executable.
pub(crate) fn default_command() -> Result<Vec<String>, Failure> {
    let encke = own_executable()?.with_file_name("encke").to_string_lossy().into_owned();
    Ok([encke.as_str(), "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"]
        .map(String::from)
        .into())
}

/// A child inherits the affinity of the thread that starts it, so this thread goes there and back.
fn spawn(command: &[String], cores: &Cores) -> Result<Child, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure("an empty command line for the server".to_owned()));
    };
    let own = Cores::current()?;
    cores.pin()?;
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Failure(format!("cannot start {program}: {error}")));
    own.pin()?;
    child
}

/// Reads the line `public  http://…` from a child's output, and goes on reading so that the child
/// never waits for room in the pipe.
fn public_url(child: &mut Child) -> Result<String, Failure> {
    let Some(output) = child.stdout.take() else {
        return Err(Failure("the server has no output".to_owned()));
    };
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(output);
        let mut line = String::new();
        while matches!(lines.read_line(&mut line), Ok(bytes) if bytes > 0) {
            if let Some(url) = url_in(&line) {
                let _ = tell.send(url);
                break;
            }
            line.clear();
        }
        let _ = std::io::copy(&mut lines.take(u64::MAX), &mut std::io::sink());
    });
    told.recv_timeout(PATIENCE)
        .map_err(|_| Failure("the server did not print a line with `public` and its URL".to_owned()))
}

fn url_in(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    words.find(|word| *word == "public")?;
    words.find(|word| word.starts_with("http://")).map(str::to_owned)
}

fn address(url: &str) -> Result<SocketAddr, Failure> {
    let unfit = || Failure(format!("`{url}` is no URL like http://127.0.0.1:8080/"));
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("ws://")).ok_or_else(unfit)?;
    let authority = rest.split('/').next().unwrap_or_default();
    let mut addresses = authority.to_socket_addrs().map_err(|_| unfit())?.collect::<Vec<_>>();
    // `localhost` may have two; the sources 127.0.0.x need the older kind.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.first().copied().ok_or_else(unfit)
}

/// A server that can be measured. Dropping it stops what was started.
pub(crate) struct Target {
    child: Option<Child>,
    /// Its process.
    pub(crate) pid: u32,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The path of its Bayeux endpoint.
    pub(crate) path: String,
}

impl Drop for Target {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        // It serves nobody any more: no reason to let it drain.
        let _ = child.kill();
        let deadline = Instant::now() + PATIENCE;
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_line_is_found_and_no_other() {
        assert_eq!(
            url_in("  public    http://127.0.0.1:43121/\n").as_deref(),
            Some("http://127.0.0.1:43121/")
        );
        assert_eq!(url_in("  internal  http://127.0.0.1:43122/\n"), None);
        assert_eq!(url_in("public\n"), None);
    }

    #[test]
    fn an_address_is_taken_from_a_url() {
        assert_eq!(address("http://127.0.0.1:80/x").unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(address("ws://localhost:81").unwrap().port(), 81);
        assert!(address("127.0.0.1:80").is_err());
        assert!(address("http://127.0.0.1/").is_err());
    }

    #[test]
    fn a_server_that_says_nothing_is_an_error() {
        let cores = Cores::current().unwrap();
        let silent = Subject::Command(vec!["true".to_owned()]);
        assert!(silent.start(&cores, "/bayeux").is_err());
        let absent = Subject::Command(vec!["./no-such-server".to_owned()]);
        assert!(absent.start(&cores, "/bayeux").is_err());
    }
}
