//! A response that never ends: `event-stream` and `lines` of a channel URL.

use std::sync::Arc;

use bayeux::Framing;
use http::HeaderValue;

use super::scratch::{self, Read};
use super::{App, cors};
use crate::broker::{Attached, Opening};
use crate::hub::{Recovery, Wire};
use crate::metrics::Connection;

/// Nobody has anything to say on a connection whose response never ends; this much is overheard.
const OVERHEARD: usize = 16 * 1024;

/// A stream that was asked for and is allowed.
pub(crate) struct Wanted {
    pub(crate) opening: Opening,
    /// The origin of the page that reads it.
    pub(crate) origin: Option<HeaderValue>,
}

impl Wanted {
    fn name(&self) -> &'static str {
        match self.opening.framing {
            Framing::EventStream { .. } => "event-stream",
            Framing::Page => "page",
            _ => "lines",
        }
    }

    /// The head, and a first heartbeat: some proxies and browsers show a response only when its body begins.
    fn head(&self) -> Vec<u8> {
        let content_type = match self.opening.framing {
            Framing::EventStream { .. } => "text/event-stream",
            Framing::Page => "text/html; charset=utf-8",
            _ => "application/x-ndjson",
        };
        let cors = cors::lines("Accept, Origin", self.origin.as_ref());
        // A page that grows has no script, and what others publish into it brings none.
        let policy = match self.opening.framing {
            Framing::Page => concat!(
                "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; ",
                "frame-src 'self'; frame-ancestors 'self'; base-uri 'none'\r\n"
            ),
            _ => "",
        };
        let coding = if self.opening.chunked { "Transfer-Encoding: chunked" } else { "Connection: close" };
        let mut head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nCache-Control: no-store, no-transform\r\n\
             X-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\n{cors}{policy}{coding}\r\n\r\n"
        )
        .into_bytes();
        let page = (self.opening.framing == Framing::Page).then(|| self.page());
        let first = page.as_deref().map_or(self.opening.framing.heartbeat(), str::as_bytes);
        if self.opening.chunked {
            head.extend_from_slice(format!("{:x}\r\n", first.len()).as_bytes());
        }
        head.extend_from_slice(first);
        if self.opening.chunked {
            head.extend_from_slice(b"\r\n");
        }
        head
    }
}

impl Wanted {
    /// The beginning of a page that grows. Newest stands on top, without a script, since the column is reversed. A page of one
    /// channel also has a form that speaks there; what the server answers goes into a frame that nobody sees.
    fn page(&self) -> String {
        let name = self.opening.pattern.as_str();
        let form = match &self.opening.pattern {
            pattern if !pattern.is_wildcard() => {
                "<form method=\"post\" target=\"said\"><label>Name <input name=\"name\" size=\"12\" maxlength=\"40\">\
                 </label> <label>Text <input name=\"text\" size=\"30\" maxlength=\"1000\" required></label> \
                 <button>Say</button></form><iframe name=\"said\" title=\"what the server answered\" hidden></iframe>"
            }
            _ => "",
        };
        // A pattern's alphabet has nothing that HTML would take for its own.
        include_str!("page.html").replace("{name}", name).replace("{form}", form)
    }
}

/// Answers with the head, and streams until either side ends it.
pub(super) async fn open(app: Arc<App>, wire: Arc<Wire>, wanted: Box<Wanted>) {
    let counted = app.metrics().connection(wanted.name());
    let head = wanted.head();
    let recovered = move |_: &Recovery| head;
    if let Some(attached) = app.broker.stream(wanted.opening, wire, recovered).await {
        // A task of its own size, since it stays.
        tokio::spawn(serve(attached, counted));
    }
}

/// Reads until the connection ends.
#[expect(clippy::manual_async_fn, reason = "the arguments of an async fn take their place twice")]
fn serve(attached: Attached, counted: Connection) -> impl Future<Output = ()> {
    async move {
        let mut overheard = 0;
        while overheard < OVERHEARD && attached.wire().readable().await.is_ok() {
            match scratch::read(attached.wire(), OVERHEARD, |bytes| bytes.len()) {
                Read::Bytes(count) => overheard += count,
                Read::Nothing => {}
                Read::End => break,
            }
        }
        drop(counted);
    }
}
