//! As much of HTTP/1.1 as a load generator must read: one response at a time.

use std::borrow::Cow;

/// A response that has arrived in full.
#[derive(Debug)]
pub(crate) struct Response<'a> {
    /// The status code.
    pub(crate) status: u16,
    /// The head, with its last empty line.
    pub(crate) head: &'a str,
    /// The body, chunks already joined.
    pub(crate) body: Cow<'a, [u8]>,
    /// Bytes that the response took.
    pub(crate) taken: usize,
}

/// Reads a response's head alone, as of an upgrade or of a stream without end: its status and how
/// many bytes it took. `None` when more bytes are needed.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<(u16, usize)>, String> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let status = bytes.get(9..12).and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
    match status {
        Some(status) if bytes.starts_with(b"HTTP/1.") => Ok(Some((status, end + 4))),
        _ => Err(format!("no HTTP response: {}", String::from_utf8_lossy(&bytes[..end.min(200)]))),
    }
}

/// Reads one whole response; `None` when more bytes are needed.
pub(crate) fn response(bytes: &[u8]) -> Result<Option<Response<'_>>, String> {
    let Some((status, start)) = head(bytes)? else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..start]).map_err(|_| "a head that is not text".to_owned())?;
    if field(head, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        let Some((body, taken)) = chunks(&bytes[start..])? else { return Ok(None) };
        return Ok(Some(Response { status, head, body: Cow::Owned(body), taken: start + taken }));
    }
    let length: usize = field(head, "content-length")
        .and_then(|length| length.parse().ok())
        .ok_or_else(|| format!("a response without a length: {head}"))?;
    let end = start.saturating_add(length);
    let body = bytes.get(start..end);
    Ok(body.map(|body| Response { status, head, body: Cow::Borrowed(body), taken: end }))
}

/// The value of the first header field of this name.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn chunks(mut bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let whole = bytes.len();
    let mut body = Vec::new();
    loop {
        let Some(line) = memchr::memmem::find(bytes, b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&bytes[..line])
            .ok()
            .and_then(|text| usize::from_str_radix(text.split(';').next()?.trim(), 16).ok())
            .ok_or_else(|| "a chunk without a size".to_owned())?;
        bytes = &bytes[line + 2..];
        let Some(chunk) = bytes.get(..size) else { return Ok(None) };
        let Some(rest) = bytes.get(size.saturating_add(2)..) else { return Ok(None) };
        body.extend(chunk);
        bytes = rest;
        if size == 0 {
            return Ok(Some((body, whole - bytes.len())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_with_a_length_is_whole_only_at_its_end() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]rest";
        for cut in 0..bytes.len() - 4 {
            assert!(response(&bytes[..cut]).unwrap().is_none(), "{cut}");
        }
        let whole = response(bytes).unwrap().unwrap();
        assert_eq!((whole.status, &*whole.body, whole.taken), (200, &b"[]"[..], bytes.len() - 4));
    }

    #[test]
    fn chunks_are_joined() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n1;x\r\n]\r\n0\r\n\r\n";
        for cut in 0..bytes.len() {
            assert!(response(&bytes[..cut]).unwrap().is_none(), "{cut}");
        }
        let whole = response(bytes).unwrap().unwrap();
        assert_eq!((&*whole.body, whole.taken), (&b"[]"[..], bytes.len()));
    }

    #[test]
    fn what_is_no_response_is_refused() {
        assert!(head(b"SSH-2.0-OpenSSH\r\n\r\n").is_err());
        assert!(response(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n").is_err());
    }

    #[test]
    fn fields_are_found_in_any_case() {
        let head = "HTTP/1.1 200 OK\r\nset-cookie: BAYEUX_BROWSER=x; Path=/\r\n\r\n";
        assert_eq!(field(head, "Set-Cookie"), Some("BAYEUX_BROWSER=x; Path=/"));
        assert_eq!(field(head, "Cookie"), None);
    }
}
