//! What a client says: the requests of Bayeux 1.0 as text, and RFC 6455 frames around them.
//!
//! Requests are appended to a buffer that the caller keeps, so the loop allocates nothing.

use std::io::Write;

use crate::plan::Ack;

/// The bytes that a message needs beside its padding: `{"t":…,"s":…,"pad":""}`.
pub(crate) const LEAST_PAYLOAD: usize = 44;

/// Times in messages start here, so that all of them have sixteen digits and are exact in JavaScript.
const TIME_BASE: u64 = 1_000_000_000_000_000;

/// Any key serves: what a mask protects from (RFC 6455, 10.3) is not on this path, and what
/// unmasking costs the server does not depend on the key.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Appends `text` as a masked frame with this opcode.
pub(crate) fn frame(out: &mut Vec<u8>, opcode: u8, text: &[u8]) {
    out.push(0x80 | opcode);
    match text.len() {
        short @ 0..=125 => out.push(0x80 | short.to_le_bytes()[0]),
        medium @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend(&medium.to_be_bytes()[size_of::<usize>() - 2..]);
        }
        long => {
            out.push(0x80 | 127);
            out.extend(&u64::try_from(long).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    out.extend(KEY);
    let start = out.len();
    out.extend(text);
    unmask(&mut out[start..], KEY);
}

/// Applies a masking key (RFC 6455, 5.3), which also takes it away.
pub(crate) fn unmask(payload: &mut [u8], key: [u8; 4]) {
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
    // A rest is shorter than eight and may be longer than the key.
    if let Some(tail) = rest.get_mut(4..) {
        for (byte, key) in tail.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
}

/// A number with exactly `digits` digits; higher ones are cut.
pub(crate) fn put_digits(out: &mut [u8], mut number: u64) {
    for place in out.iter_mut().rev() {
        *place = b'0' + (number % 10).to_le_bytes()[0];
        number /= 10;
    }
}

/// The request that opens a WebSocket (RFC 6455, 4.1).
pub(crate) fn upgrade(host: &str, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// The request that opens an event stream of one channel.
pub(crate) fn stream(host: &str, channel: &str) -> String {
    format!(
        "GET /channels{channel}?as=event-stream HTTP/1.1\r\nHost: {host}\r\n\
         Accept: text/event-stream\r\n\r\n"
    )
}

/// Appends a Bayeux request as an HTTP POST.
pub(crate) fn post(out: &mut Vec<u8>, host: &str, path: &str, cookie: &str, text: &[u8]) {
    write_to(out, format_args!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"));
    if !cookie.is_empty() {
        write_to(out, format_args!("Cookie: {cookie}\r\n"));
    }
    write_to(out, format_args!("Content-Length: {}\r\n\r\n", text.len()));
    out.extend(text);
}

fn write_to(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _ = out.write_fmt(text);
}

/// Appends `/meta/handshake` (Bayeux 1.0, 4.1).
pub(crate) fn handshake(out: &mut Vec<u8>, connection_type: &str, ack: Ack) {
    let ext = match ack {
        Ack::None => "",
        Ack::Count => r#","ext":{"ack":true,"encke":{"ack":"count"}}"#,
        Ack::Batch => r#","ext":{"ack":true}"#,
    };
    write_to(
        out,
        format_args!(
            r#"[{{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["{connection_type}"],"id":"1"{ext}}}]"#
        ),
    );
}

/// Appends `/meta/subscribe` for one channel or several (Bayeux 1.0, 4.4).
pub(crate) fn subscribe<'a>(
    out: &mut Vec<u8>,
    client: &str,
    channels: impl ExactSizeIterator<Item = &'a str>,
) {
    write_to(out, format_args!(r#"[{{"channel":"/meta/subscribe","clientId":"{client}","subscription":"#));
    let several = channels.len() > 1;
    if several {
        out.push(b'[');
    }
    for (at, channel) in channels.enumerate() {
        let comma = if at > 0 { "," } else { "" };
        write_to(out, format_args!("{comma}\"{channel}\""));
    }
    if several {
        out.push(b']');
    }
    write_to(out, format_args!(r#","id":"2"}}]"#));
}

/// Appends `/meta/connect` (Bayeux 1.0, 4.2): answered at once, or held; with the number of deliveries that it
/// acknowledges.
pub(crate) fn connect(
    out: &mut Vec<u8>,
    client: &str,
    connection_type: &str,
    at_once: bool,
    acknowledged: Option<u64>,
) {
    let advice = if at_once { r#","advice":{"timeout":0}"# } else { "" };
    write_to(
        out,
        format_args!(
            r#"[{{"channel":"/meta/connect","clientId":"{client}","connectionType":"{connection_type}","id":"3"{advice}"#
        ),
    );
    if let Some(number) = acknowledged {
        write_to(out, format_args!(r#","ext":{{"ack":{number}}}"#));
    }
    out.extend(b"}]");
}

/// Appends one publication, without the array around it; `data` is `payload` bytes long, at
/// least [`LEAST_PAYLOAD`].
pub(crate) fn publish(
    out: &mut Vec<u8>,
    client: &str,
    channel: &str,
    nanoseconds: u64,
    sequence: u32,
    payload: usize,
) {
    out.extend(b"{\"channel\":\"");
    out.extend(channel.as_bytes());
    out.extend(b"\",\"clientId\":\"");
    out.extend(client.as_bytes());
    out.extend(b"\",\"data\":{\"t\":");
    let time = out.len();
    out.extend([0; 16]);
    put_digits(&mut out[time..], TIME_BASE + nanoseconds);
    out.extend(b",\"s\":");
    let digits = out.len();
    out.extend([0; 8]);
    put_digits(&mut out[digits..], u64::from(sequence));
    out.extend(b",\"pad\":\"");
    out.resize(out.len() + payload.saturating_sub(LEAST_PAYLOAD), b'x');
    out.extend(b"\"}}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publication_is_json_of_the_size_asked_for() {
        for payload in [LEAST_PAYLOAD, 50, 100, 1024] {
            let mut out = Vec::new();
            publish(&mut out, "me", "/bench", 12_345, 10_000_007, payload);
            let message: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(message["data"]["s"], 10_000_007);
            assert_eq!(message["data"]["t"], 1_000_000_000_012_345_u64);
            let data = memchr::memmem::find(&out, b"\"data\":").unwrap() + 7;
            assert_eq!(out.len() - data - 1, payload);
        }
    }

    #[test]
    fn requests_are_json() {
        for channels in [vec!["/a"], vec!["/a", "/b"]] {
            let mut out = Vec::new();
            subscribe(&mut out, "me", channels.iter().copied());
            let request: serde_json::Value = serde_json::from_slice(&out).unwrap();
            let expected = if channels.len() == 1 { "/a".into() } else { serde_json::json!(channels) };
            assert_eq!(request[0]["subscription"], expected);
        }
        for (at_once, acknowledged) in [(true, None), (false, Some(7))] {
            let mut out = Vec::new();
            connect(&mut out, "me", "websocket", at_once, acknowledged);
            let request: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(request[0]["advice"].is_object(), at_once);
            assert_eq!(request[0]["ext"]["ack"].as_u64(), acknowledged);
        }
        for (ack, count) in [(Ack::None, false), (Ack::Count, true), (Ack::Batch, false)] {
            let mut out = Vec::new();
            handshake(&mut out, "websocket", ack);
            let request: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(request[0]["ext"]["ack"] == true, ack != Ack::None);
            assert_eq!(request[0]["ext"]["encke"]["ack"] == "count", count);
        }
    }

    #[test]
    fn a_frame_is_unmasked_to_what_it_was() {
        for length in (0..40_usize).chain([125, 126, 65_535, 65_536]) {
            let text: Vec<u8> = (0..length).map(|byte| byte.to_le_bytes()[0]).collect();
            let mut out = Vec::new();
            frame(&mut out, 1, &text);
            let head = crate::scan::head(&out).unwrap();
            assert_eq!(head.payload, text.len());
            let mut payload = out.split_off(head.bytes);
            for (at, byte) in payload.clone().iter().enumerate() {
                assert_eq!(byte ^ KEY[at % 4], text[at]);
            }
            unmask(&mut payload, head.mask.unwrap());
            assert_eq!(payload, text);
        }
    }
}
