//! HTTP/1.1 as bytes: what a test writes goes out exactly as written, and what comes back is taken apart here.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before its test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

/// A response, or only its head.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The only header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} came twice: {:?}", self.headers);
        value
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the body is UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// The array of Bayeux messages in it.
    pub(crate) fn messages(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        match self.json() {
            Value::Array(messages) => messages,
            other => panic!("no array: {other}"),
        }
    }

    /// A refusal says why, in words.
    pub(crate) fn is_refused(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text());
        assert!(self.text().trim().contains(' '), "no reason: {:?}", self.text());
    }
}

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("the server listens"))
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a socket takes the option");
        Self::bounded(stream)
    }

    /// The same to a Unix socket: a descriptor is read and written alike, whatever it leads to.
    pub(crate) fn connect_to_file(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("the server listens");
        Self::bounded(TcpStream::from(OwnedFd::from(stream)))
    }

    fn bounded(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket takes the option");
        stream.set_write_timeout(Some(DEADLINE)).expect("a socket takes the option");
        Wire { stream, unread: Vec::new() }
    }

    /// Takes a connection over, with what was already read from it.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.unread)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// Sends as much as the server takes: one that has refused may close before it has read everything.
    pub(crate) fn send_while_taken(&mut self, bytes: &[u8]) -> usize {
        for (number, piece) in bytes.chunks(64 * 1024).enumerate() {
            if let Err(error) = self.stream.write_all(piece) {
                assert!(
                    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
                    "the server neither takes nor closes: {error}"
                );
                return number * 64 * 1024;
            }
        }
        bytes.len()
    }

    /// Sends a `POST` of JSON.
    pub(crate) fn post(&mut self, path: &str, body: &str) -> &mut Self {
        self.post_with(path, "Content-Type: application/json\r\n", body)
    }

    pub(crate) fn post_with(&mut self, path: &str, headers: &str, body: &str) -> &mut Self {
        let length = body.len();
        self.send(
            format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        );
        self
    }

    pub(crate) fn get(&mut self, path: &str, headers: &str) -> &mut Self {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes());
        self
    }

    /// No more is sent; the answer can still be read.
    pub(crate) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).expect("it is open");
    }

    /// Reads a response to its end.
    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.head();
        let coding = response.header("transfer-encoding").map(str::to_owned);
        let length = response.header("content-length").map(|length| length.parse().expect("a length"));
        response.body = match (coding.as_deref(), length) {
            (Some("chunked"), None) => {
                let mut body = Vec::new();
                while let Some(chunk) = self.chunk() {
                    body.extend_from_slice(&chunk);
                }
                body
            }
            (None, Some(length)) => self.take(length),
            (None, None) if response.status == 204 => Vec::new(),
            (None, None) => self.rest(),
            other => panic!("two lengths: {other:?}"),
        };
        response
    }

    /// Reads the head of a response.
    pub(crate) fn head(&mut self) -> Response {
        let head = self.take_until(b"\r\n\r\n");
        let head = String::from_utf8(head).expect("a head is ASCII");
        let mut lines = head.trim_end().split("\r\n");
        let mut first = lines.next().unwrap_or_default().splitn(3, ' ');
        assert!(
            first.next().is_some_and(|version| version == "HTTP/1.1" || version == "HTTP/1.0"),
            "{head:?}"
        );
        let status = first.next().and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no response: {head:?}"));
        let headers = lines
            .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("no header: {line:?}")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Response { status, headers, body: Vec::new() }
    }

    /// Reads one chunk; `None` is the last one.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = String::from_utf8(self.take_until(b"\r\n")).expect("a size");
        let size = usize::from_str_radix(size.trim_end(), 16).expect("a size");
        let chunk = self.take(size);
        assert_eq!(self.take(2), b"\r\n");
        (size > 0).then_some(chunk)
    }

    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.read_more(), "the end, {count} bytes awaited, {:?} here", self.shown());
        }
        self.unread.drain(..count).collect()
    }

    pub(crate) fn take_until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut from = 0;
        loop {
            if let Some(at) = self.unread[from..].windows(end.len()).position(|window| window == end) {
                return self.unread.drain(..from + at + end.len()).collect();
            }
            from = self.unread.len().saturating_sub(end.len());
            assert!(self.read_more(), "the end before {end:?}: {:?}", self.shown());
        }
    }

    /// Everything until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read_more() {}
        std::mem::take(&mut self.unread)
    }

    /// The server closes, and says nothing more.
    pub(crate) fn ends(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "said more: {:?}", String::from_utf8_lossy(&rest));
    }

    /// Nothing is here to be read at this moment. (Meaningful after something that the server would have said later.)
    pub(crate) fn is_silent(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket takes the option");
        let read = self.stream.read(&mut [0; 1]);
        self.stream.set_nonblocking(false).expect("a socket takes the option");
        let blocks = matches!(&read, Err(error) if error.kind() == ErrorKind::WouldBlock);
        assert!(read.is_err(), "read {read:?}");
        self.unread.is_empty() && blocks
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.unread[..self.unread.len().min(2000)]).into_owned()
    }

    fn read_more(&mut self) -> bool {
        let start = Instant::now();
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.unread.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing in {:?} ({error}), {:?} here", start.elapsed(), self.shown()),
        }
    }
}
