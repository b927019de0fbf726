//! An event stream, as it arrives: the response's head, chunks, events.

use bayeux::framing::event_stream::{Event, Unframer};

use crate::http;

/// The most bytes that one event may have.
const LIMIT: usize = 1 << 20;

/// A response that does not end.
pub(super) struct EventStream {
    /// What is awaited, when the body comes in chunks.
    chunk: Option<Chunk>,
    events: Unframer,
}

/// A part of a chunked body (RFC 9112, 7.1).
#[derive(Clone, Copy, Debug)]
enum Chunk {
    /// The line with the size.
    Size,
    /// So many more bytes of data.
    Data(usize),
    /// The line break after the data.
    End,
}

impl EventStream {
    /// Reads the head, and how many bytes it took; `None` when more are needed.
    pub(super) fn open(bytes: &[u8]) -> Result<Option<(EventStream, usize)>, String> {
        let Some((status, taken)) = http::head(bytes)? else { return Ok(None) };
        if status != 200 {
            return Err(format!("status {status} where 200 was expected"));
        }
        let head = String::from_utf8_lossy(&bytes[..taken]);
        let chunked = http::field(&head, "transfer-encoding").is_some_and(|coding| coding == "chunked");
        Ok(Some((EventStream { chunk: chunked.then_some(Chunk::Size), events: Unframer::new(LIMIT) }, taken)))
    }

    /// Takes bytes, tells the events in them, and answers how many bytes were taken; the rest is to come again
    /// with more behind it.
    pub(super) fn take(&mut self, bytes: &[u8], mut each: impl FnMut(Event)) -> Result<usize, String> {
        let Some(mut chunk) = self.chunk else {
            self.events.push(bytes, each).map_err(|error| error.to_string())?;
            return Ok(bytes.len());
        };
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match chunk {
                Chunk::Size => {
                    let Some(end) = memchr::memmem::find(rest, b"\r\n") else { break };
                    let line = std::str::from_utf8(&rest[..end]).unwrap_or_default();
                    let size = line.split(';').next().unwrap_or_default().trim();
                    let size =
                        usize::from_str_radix(size, 16).map_err(|_| format!("a chunk of size {line}"))?;
                    if size == 0 {
                        return Err("the server ended the stream".to_owned());
                    }
                    chunk = Chunk::Data(size);
                    at += end + 2;
                }
                Chunk::Data(size) => {
                    let part = &rest[..size.min(rest.len())];
                    self.events.push(part, &mut each).map_err(|error| error.to_string())?;
                    chunk = if part.len() < size { Chunk::Data(size - part.len()) } else { Chunk::End };
                    at += part.len();
                }
                Chunk::End => {
                    if rest.len() < 2 {
                        break;
                    }
                    chunk = Chunk::Size;
                    at += 2;
                }
            }
        }
        self.chunk = Some(chunk);
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_at_every_split_of_a_chunked_body() {
        let bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
            f\r\nid: a-1\ndata: 1\r\n2\r\n\n\n\r\n1b;x=y\r\nevent: recovery\ndata: {}\n\n:\r\n";
        let (_, head) = EventStream::open(bytes).unwrap().unwrap();
        for split in head..=bytes.len() {
            let (mut stream, taken) = EventStream::open(bytes).unwrap().unwrap();
            let mut seen = Vec::new();
            let more = stream.take(&bytes[taken..split], |event| seen.push(event)).unwrap();
            let last = stream.take(&bytes[taken + more..], |event| seen.push(event)).unwrap();
            assert_eq!(taken + more + last, bytes.len(), "{split}");
            let seen: Vec<_> = seen
                .iter()
                .map(|event| (event.id.as_deref(), event.event.as_deref(), &*event.data))
                .collect();
            assert_eq!(seen, [(Some("a-1"), None, "1"), (Some("a-1"), Some("recovery"), "{}")], "{split}");
        }
    }

    #[test]
    fn a_body_without_chunks_and_one_that_ends() {
        let (mut stream, taken) = EventStream::open(b"HTTP/1.1 200 OK\r\n\r\n").unwrap().unwrap();
        let mut count = 0;
        assert_eq!((taken, stream.take(b"data: 1\n\nda", |_| count += 1), count), (19, Ok(11), 1));
        let (mut stream, _) =
            EventStream::open(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap().unwrap();
        assert!(stream.take(b"0\r\n\r\n", |_| {}).is_err());
        assert!(stream.take(b"x\r\n", |_| {}).is_err());
        assert!(EventStream::open(b"HTTP/1.1 404 Not Found\r\n\r\n").is_err());
        assert!(EventStream::open(b"HTTP/1.1 200").unwrap().is_none());
    }
}
