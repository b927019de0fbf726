//! Where a listener is: an address and a port, or a file for programs of this machine.

use std::fmt::{self, Display};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rustix::fs::{Mode, chmod};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

/// Connections that the kernel may hold for us between two accepts; a deploy brings everybody at once.
const BACKLOG: i32 = 4096;

/// What the kernel may hold of bytes that a peer does not take, beyond what is on its way. Without it a
/// stalled reader costs 3.9 MB. (Of a Unix socket it holds 208 KiB at most, and whoever is there is a proxy.)
const UNSENT: u32 = 16 * 1024;

/// How long bytes may stay unacknowledged before the connection is dead: one heartbeat and 15 s. Without it a peer that
/// lost its power is missed after a quarter of an hour.
const UNACKNOWLEDGED: Duration = Duration::from_secs(40);

/// What a Unix socket's place begins with.
const UNIX: &str = "unix:";

/// A place to listen at: `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/encke/encke.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Listen {
    /// An address and a port; port 0 is any that is free.
    Tcp(SocketAddr),
    /// The file of a Unix socket.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix(UNIX) {
            Some(path) if path.starts_with('/') && !path.contains('\0') => Ok(Listen::Unix(path.into())),
            Some(_) => {
                Err(format!("{text:?} has to name a file from the root, such as unix:/run/encke.sock"))
            }
            None => text.parse().map(Listen::Tcp).map_err(|_| {
                format!("{text:?} is neither an address and a port, nor unix: and the path of a socket")
            }),
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        listen.to_string()
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Listen::Tcp(address)
    }
}

impl Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(formatter),
            Listen::Unix(path) => write!(formatter, "{UNIX}{}", path.display()),
        }
    }
}

impl Listen {
    /// The address and the port, where there are any.
    pub fn socket(&self) -> Option<SocketAddr> {
        match self {
            Listen::Tcp(address) => Some(*address),
            Listen::Unix(_) => None,
        }
    }

    /// Whether others than this machine can reach it.
    pub fn is_exposed(&self) -> bool {
        self.socket().is_some_and(|address| !address.ip().is_loopback())
    }

    /// How curl is told to go there: what stands before the URL, and the URL's beginning.
    pub fn curl(&self) -> (String, String) {
        match self {
            Listen::Tcp(address) => (String::new(), format!("http://{address}")),
            Listen::Unix(path) => {
                let path = path.to_string_lossy().replace('\'', r"'\''");
                (format!("--unix-socket '{path}' "), "http://localhost".to_owned())
            }
        }
    }

    /// Begins to listen.
    pub(crate) fn bind(&self) -> io::Result<Bound> {
        let bound = match self {
            Listen::Tcp(address) => tcp(*address),
            Listen::Unix(path) => unix(path),
        };
        bound.map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {self}: {error}")))
    }
}

/// A socket that listens.
pub(crate) enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, File),
}

impl Bound {
    /// Where it is, with the port that was free.
    pub(crate) fn place(&self) -> io::Result<Listen> {
        match self {
            Bound::Tcp(listener) => listener.local_addr().map(Listen::Tcp),
            Bound::Unix(_, file) => Ok(Listen::Unix(file.path.clone())),
        }
    }
}

/// The file of a Unix socket. It goes with its server.
pub(crate) struct File {
    path: PathBuf,
    /// The file that is ours, by device and inode: another server may have put its own in the place.
    is: (u64, u64),
}

impl Drop for File {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|is| is == self.is) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    path.symlink_metadata().map(|file| (file.dev(), file.ino()))
}

fn tcp(address: SocketAddr) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    // Accepted sockets inherit these, which saves five system calls a connection.
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)),
    )?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(Bound::Tcp(socket.into()))
}

fn unix(path: &Path) -> io::Result<Bound> {
    make_way(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    // Its owner and its group, such as a proxy's; nobody can connect before it listens.
    chmod(path, Mode::from_raw_mode(0o660))?;
    let file = File { path: path.to_owned(), is: identity(path)? };
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(Bound::Unix(socket.into(), file))
}

/// Removes what a server that has died left behind.
fn make_way(path: &Path) -> io::Result<()> {
    let taken = |why: &str| Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    let asked = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(file) if !file.file_type().is_socket() => return taken("a file is there that is no socket"),
        Ok(_) => identity(path)?,
    };
    match UnixStream::connect(path) {
        // Nobody listens any more. (Another server that starts now may have replaced it meanwhile.)
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && identity(path)? == asked => {
            std::fs::remove_file(path)
        }
        // It is not ours to ask.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        _ => taken("it is in use by another server"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for text in ["127.0.0.1:0", "[::1]:8080", "[::]:80", "unix:/run/encke/encke.sock"] {
            assert_eq!(text.parse::<Listen>().expect(text).to_string(), text);
        }
        for text in ["", "localhost:80", "::1:80", "unix:", "unix:encke.sock", "/run/encke.sock", "127.0.0.1"]
        {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
        let exposed = |text: &str| text.parse::<Listen>().expect(text).is_exposed();
        assert!(exposed("[::]:80") && exposed("0.0.0.0:80"));
        assert!(!exposed("[::1]:80") && !exposed("unix:/run/encke.sock"));
    }
}
