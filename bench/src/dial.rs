//! Connections to a server, from many addresses of loopback.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

/// Begins to connect; `number` chooses the source.
pub(crate) fn dial(
    address: SocketAddr,
    number: usize,
    receive_buffer: Option<usize>,
) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Closing with a reset leaves no port in TIME_WAIT.
    socket.set_linger(Some(Duration::ZERO))?;
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let IpAddr::V4(ip) = address.ip()
        && ip.is_loopback()
    {
        // One source address has some 28,000 ports.
        let source = Ipv4Addr::new(127, 0, 0, u8::try_from(2 + number % 8).unwrap_or(2));
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(nix::errno::Errno::EINPROGRESS as i32) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}
