//! The process under test: Encke, a peer, or the floor, started as a child or already running.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::cores::Cores;
use crate::floor::Join;
use crate::plan::Transport;
use crate::served::{Setup, Written};

/// How long a server may take to say where it listens, or to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A server started by this command line.
    Command(Vec<String>),
    /// A server that runs already: where, and its process.
    Running(String, u32),
    /// Encke, started with a configuration that is written for the run.
    Served {
        /// Its name in tables.
        name: &'static str,
        /// Its executable.
        program: String,
        /// The configuration.
        setup: Setup,
    },
    /// The floor.
    Floor(Join),
    /// A server to compare with.
    Peer(Peer),
}

/// A server to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    name: String,
    /// The one that it speaks, when it does not speak what is measured.
    transport: Option<Transport>,
    words: Vec<String>,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Peer, String> {
        let (name, line) = text.split_once('=').ok_or("a peer is NAME=COMMAND LINE")?;
        let (name, transport) = match name.split_once('@') {
            Some((name, transport)) => {
                (name, Some(<Transport as clap::ValueEnum>::from_str(transport, false)?))
            }
            None => (name, None),
        };
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        if name.is_empty() || words.is_empty() {
            return Err("a peer has a name and a command line".to_owned());
        }
        Ok(Peer { name: name.to_owned(), transport, words })
    }
}

impl Subject {
    /// Its name in tables.
    pub(crate) fn name(&self) -> &str {
        match self {
            Subject::Command(_) | Subject::Running(..) => "server",
            Subject::Served { name, .. } => name,
            Subject::Floor(Join::Never) => "floor",
            Subject::Floor(Join::Session) => "floor-joined",
            Subject::Floor(Join::Shared) => "floor-shared",
            Subject::Peer(peer) => &peer.name,
        }
    }

    /// Whether it is somebody else's, whose faults are told and do not end a run.
    pub(crate) fn is_peer(&self) -> bool {
        matches!(self, Subject::Peer(_))
    }

    /// The transport to measure it by: the floor speaks WebSocket only, a peer perhaps not what is asked for.
    pub(crate) fn transport(&self, asked: Transport) -> Transport {
        match self {
            Subject::Floor(_) => Transport::WebSocket,
            Subject::Peer(peer) => peer.transport.unwrap_or(asked),
            _ => asked,
        }
    }

    /// Starts it on these cores and waits until it says where it listens.
    pub(crate) fn start(&self, cores: &Cores, path: &str) -> Result<Target, Failure> {
        let mut written = None;
        let command = match self {
            Subject::Running(url, pid) => {
                let address = address(url)?;
                let internal = Arc::default();
                return Ok(Target {
                    child: None,
                    pid: *pid,
                    address,
                    internal,
                    path: path.to_owned(),
                    written,
                });
            }
            Subject::Command(words) | Subject::Peer(Peer { words, .. }) => words.clone(),
            Subject::Served { program, setup, .. } => written.insert(setup.write()?).command(program),
            Subject::Floor(join) => {
                let own = own_executable()?.to_string_lossy().into_owned();
                [own.as_str(), "floor", "--listen", "127.0.0.1:0", "--join", join.name()]
                    .map(String::from)
                    .into()
            }
        };
        let mut child = spawn(&command, cores)?;
        let internal = Arc::default();
        let found = public_url(&mut child, &internal).and_then(|url| address(&url));
        let pid = child.id();
        // Whatever happened, dropping the target stops the child.
        let mut target = Target {
            child: Some(child),
            pid,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            internal,
            path: path.to_owned(),
            written,
        };
        target.address = found?;
        Ok(target)
    }
}

fn own_executable() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| Failure(format!("own executable: {error}")))
}

/// Encke's executable when none is named: beside this one.
pub(crate) fn encke_beside() -> Result<String, Failure> {
    Ok(own_executable()?.with_file_name("encke").to_string_lossy().into_owned())
}

/// The command that is measured when none is named.
pub(crate) fn default_command(encke: &str) -> Vec<String> {
    [encke, "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"].map(String::from).into()
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
/// never waits for room in the pipe. The internal one may come later, or not at all.
fn public_url(child: &mut Child, internal: &Arc<Mutex<Option<String>>>) -> Result<String, Failure> {
    let Some(output) = child.stdout.take() else {
        return Err(Failure("the server has no output".to_owned()));
    };
    let (tell, told) = mpsc::channel();
    let internal = Arc::clone(internal);
    thread::spawn(move || {
        let mut lines = BufReader::new(output);
        let mut line = String::new();
        // A line at a time while there may be one to come; a server that logs there is not read in vain.
        for _ in 0..100 {
            if !matches!(lines.read_line(&mut line), Ok(bytes) if bytes > 0) {
                break;
            }
            if let Some(url) = url_in(&line, "public") {
                let _ = tell.send(url);
            } else if let Some(url) = url_in(&line, "internal")
                && let Ok(mut internal) = internal.lock()
            {
                *internal = Some(url);
            }
            line.clear();
        }
        let _ = std::io::copy(&mut lines.take(u64::MAX), &mut std::io::sink());
    });
    told.recv_timeout(PATIENCE)
        .map_err(|_| Failure("the server did not print a line with `public` and its URL".to_owned()))
}

fn url_in(line: &str, name: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    words.find(|word| *word == name)?;
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
    internal: Arc<Mutex<Option<String>>>,
    /// The path of its Bayeux endpoint.
    pub(crate) path: String,
    /// The configuration that was written for it, for as long as it runs.
    #[expect(dead_code, reason = "dropping it takes the file away")]
    written: Option<Written>,
}

impl Target {
    /// Where its internal listener is, if it said so.
    pub(crate) fn internal(&self) -> Option<SocketAddr> {
        address(self.internal.lock().ok()?.as_ref()?).ok()
    }
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
            url_in("  public    http://127.0.0.1:43121/\n", "public").as_deref(),
            Some("http://127.0.0.1:43121/")
        );
        assert_eq!(url_in("  internal  http://127.0.0.1:43122/\n", "public"), None);
        assert_eq!(url_in("public\n", "public"), None);
    }

    #[test]
    fn a_peer_has_a_name_a_command_and_perhaps_a_transport() {
        let peer: Peer = "cometd@long-polling=node cometd.js --port=0".parse().unwrap();
        assert_eq!((peer.name.as_str(), peer.transport), ("cometd", Some(Transport::LongPolling)));
        assert_eq!(peer.words, ["node", "cometd.js", "--port=0"]);
        assert_eq!(Subject::Peer(peer).transport(Transport::WebSocket), Transport::LongPolling);
        let peer: Peer = "faye=node faye.js".parse().unwrap();
        assert_eq!(Subject::Peer(peer).transport(Transport::WebSocket), Transport::WebSocket);
        for bad in ["faye", "=node", "faye=", "faye@pigeon=node"] {
            assert!(bad.parse::<Peer>().is_err(), "{bad}");
        }
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
