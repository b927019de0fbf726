//! A response that never ends: `event-stream` and `lines` of a channel URL.

use std::sync::Arc;

use bayeux::{Framing, Pattern, Since};

use super::scratch::{self, Read};
use super::{App, cors};
use crate::broker::{Attached, Opening, Seat, recovery_json};
use crate::hub::{Recovery, Wire};
use crate::metrics::Connection;
use crate::policy::Identity;

/// Nobody has anything to say on a connection whose response never ends; this much is overheard.
const OVERHEARD: usize = 16 * 1024;

/// Milliseconds that a browser waits before it comes back. Those who lost a server together are told to come back at
/// different times.
const RETRY: std::ops::RangeInclusive<u64> = 1000..=5000;

/// A stream that was asked for and is allowed.
pub(crate) struct Wanted {
    opening: Opening,
    /// Whether its reader is told what became of its recovery: who has said where to begin.
    tells: bool,
    /// The web page that reads it.
    pub(crate) reader: Option<cors::Reader>,
}

impl Wanted {
    /// A stream of a pattern that begins at `since` or, without one, now.
    pub(crate) fn new(
        app: &App,
        pattern: Pattern,
        since: Option<Since>,
        framing: Framing,
        chunked: bool,
        (identity, seat): (Arc<Identity>, Seat),
    ) -> Self {
        let tells = since.is_some();
        // A browser resumes from the last id it has heard of. So that it has one from the beginning, it is told where
        // now is: nothing is lost even when its connection breaks before the first message.
        let names_now = matches!(framing, Framing::EventStream { .. }) && app.broker.has_history(&pattern);
        let since = since.or(names_now.then_some(Since::Now));
        Wanted { opening: Opening { pattern, since, framing, chunked, identity, seat }, tells, reader: None }
    }

    fn name(&self) -> &'static str {
        match self.opening.framing {
            Framing::EventStream { .. } => "event-stream",
            Framing::Page => "page",
            _ => "lines",
        }
    }

    /// The head, and the beginning of the body: some proxies and browsers show a response only when that has begun.
    fn head(&self, recovery: &Recovery) -> Vec<u8> {
        let content_type = match self.opening.framing {
            Framing::EventStream { .. } => "text/event-stream",
            Framing::Page => "text/html; charset=utf-8",
            _ => "application/x-ndjson",
        };
        let cors = cors::lines("Accept, Origin", self.reader.as_ref());
        // A page that grows has no script, and what others publish into it brings none.
        let policy = match self.opening.framing {
            Framing::Page => concat!(
                "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; ",
                "frame-src 'self'; frame-ancestors 'self'; base-uri 'none'\r\n"
            ),
            _ => "",
        };
        // What ends with a last chunk would else be taken for a connection that waits for the next request.
        let coding = if self.opening.chunked { "Transfer-Encoding: chunked\r\n" } else { "" };
        let mut head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nCache-Control: no-store, no-transform\r\n\
             X-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\n{cors}{policy}{coding}\
             Connection: close\r\n\r\n"
        )
        .into_bytes();
        let first = self.beginning(recovery);
        if self.opening.chunked {
            head.extend_from_slice(format!("{:x}\r\n", first.len()).as_bytes());
        }
        head.extend_from_slice(&first);
        if self.opening.chunked {
            head.extend_from_slice(b"\r\n");
        }
        head
    }
}

impl Wanted {
    /// What stands before the first message: a heartbeat, or more; and what became of a recovery.
    fn beginning(&self, recovery: &Recovery) -> Vec<u8> {
        match self.opening.framing {
            Framing::EventStream { .. } => {
                let retry = fastrand::u64(RETRY);
                let mut first = format!("retry: {retry}\n\n").into_bytes();
                if !recovery.from.is_empty() {
                    first.extend_from_slice(format!("id: {}\n", recovery.from).as_bytes());
                }
                match self.tells {
                    true => {
                        let json = recovery_json(recovery).to_string();
                        first.append(&mut bayeux::recovery_event(json.as_bytes()));
                    }
                    // An id alone is no event, and is remembered.
                    false if !recovery.from.is_empty() => first.push(b'\n'),
                    false => {}
                }
                first
            }
            Framing::Page => {
                let mut page = self.page();
                if let Some(Err(missing)) = recovery.recovered {
                    page += &format!("<p><i>Messages are missing here ({}).</i></p>\n", missing.as_str());
                }
                page.into_bytes()
            }
            framing if self.tells => {
                let mut data = recovery_json(recovery);
                // Lines have no id that would name all histories: the place that a reader goes on from, message by message.
                if !recovery.from.is_empty() {
                    data["from"] = recovery.from.to_string().into();
                }
                let line = format!("{{\"channel\":\"/meta/recovery\",\"data\":{data}}}\n");
                [framing.heartbeat(), line.as_bytes()].concat()
            }
            framing => framing.heartbeat().into(),
        }
    }

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
    let opening = wanted.opening.clone();
    let head = move |recovery: &Recovery| wanted.head(recovery);
    if let Some(attached) = app.broker.stream(opening, wire, head).await {
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
