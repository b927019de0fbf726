//! `/echo`, in development: a WebSocket that says what it hears, for test suites of others.

use std::sync::Arc;
use std::time::Duration;

use bayeux::websocket::{self, Decoder, Event, Opcode, Role};
use bytes::Bytes;
use tokio::time::timeout;

use super::connection::linger;
use super::rest::REST;
use super::scratch::{self, Read};
use super::{Accepted, App};
use crate::hub::Wire;

/// How long a peer may take for what is written to it.
const WRITE: Duration = Duration::from_secs(10);

/// Sends each message back with its type and its boundaries.
pub(super) async fn run(app: Arc<App>, wire: Arc<Wire>, accepted: Box<Accepted>, ahead: Bytes) {
    const LIMITS: websocket::Limits =
        websocket::Limits { message_bytes: 16 * 1024 * 1024, fragments: usize::MAX };
    let _counted = app.metrics().connection("echo");
    let mut out = accepted.response();
    let mut decoder = Decoder::default();
    let mut input = Vec::from(ahead);
    loop {
        let mut last = false;
        let fed = decoder.feed(Role::Server, &LIMITS, &mut input, |event| match event {
            Event::Text(text) => websocket::write_frame(&mut out, Opcode::Text, text.as_bytes()),
            Event::Binary(bytes) => websocket::write_frame(&mut out, Opcode::Binary, bytes),
            Event::Ping(payload) => websocket::write_frame(&mut out, Opcode::Pong, payload),
            Event::Pong(_) => {}
            Event::Close { code, .. } => {
                last = true;
                match code {
                    Some(code) => websocket::write_close(&mut out, code, ""),
                    None => websocket::write_frame(&mut out, Opcode::Close, b""),
                }
            }
        });
        if let Err(violation) = fed {
            last = true;
            websocket::write_close(&mut out, violation.code, violation.reason);
        }
        if !matches!(timeout(WRITE, wire.write_all(&out)).await, Ok(Ok(()))) || last {
            break;
        }
        out.clear();
        input.clear();
        while input.is_empty() {
            if !matches!(timeout(REST, wire.readable()).await, Ok(Ok(()))) {
                return;
            }
            if let Read::End = scratch::read(&wire, usize::MAX, |bytes| input.extend_from_slice(bytes)) {
                return;
            }
        }
    }
    linger(&wire).await;
}
