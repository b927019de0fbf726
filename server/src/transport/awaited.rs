//! A page of history that waits for its first message, on a socket that was taken back from HTTP.

use std::sync::Arc;
use std::time::Duration;

use bayeux::{Pattern, Since};

use super::scratch::{self, Read};
use super::{App, cors};
use crate::broker::{Page, Waiter};
use crate::hub::Wire;
use crate::policy::Identity;

/// What may arrive on a connection that waits: a pipelined request, which waits its turn.
const AHEAD_BYTES: usize = 64 * 1024;

/// A page that is empty, and has time.
pub(crate) struct Awaited {
    pub(crate) waiter: Waiter,
    pub(crate) identity: Arc<Identity>,
    pub(crate) pattern: Pattern,
    pub(crate) limit: Option<usize>,
    /// As it was read first.
    pub(crate) page: Page,
    /// When it is answered, whatever has come.
    pub(crate) until: Duration,
    /// Whether the connection ends with the answer.
    pub(crate) close: bool,
    /// The web page that reads it.
    pub(crate) reader: Option<cors::Reader>,
}

impl Awaited {
    /// What there is when something has come, or when the time has passed.
    async fn ready(&self, app: &App) -> Page {
        let since = Since::Cursor(self.page.cursor.clone());
        loop {
            let lives = tokio::select! {
                lives = self.waiter.news() => lives,
                () = app.clock.sleep_until(self.until) => false,
            };
            let page = app.broker.page(&self.identity, &self.pattern, Some(&since), self.limit).await;
            match page {
                Ok(page) if lives && page.is_nothing_new() => {}
                // Whoever gave no cursor is not told what became of it.
                Ok(page) if page.recovered == Some(Ok(())) => {
                    return Page { recovered: self.page.recovered, ..page };
                }
                Ok(page) => return page,
                // The right has ended meanwhile: what there was is all there is.
                Err(_) => {
                    return Page {
                        recovered: self.page.recovered,
                        cursor: self.page.cursor.clone(),
                        ..Page::default()
                    };
                }
            }
        }
    }

    fn response(&self, page: &Page) -> Vec<u8> {
        let cors = cors::lines("Accept, Origin", self.reader.as_ref());
        let close = if self.close { "Connection: close\r\n" } else { "" };
        let json = page.json();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n{cors}{close}\
             Content-Length: {}\r\n\r\n{json}\n",
            json.len() + 1
        )
        .into_bytes()
    }
}

/// Waits, and answers. What the client sends meanwhile is put into `ahead`. False when the connection is over.
pub(super) async fn answer(app: &App, wire: &Arc<Wire>, awaited: Box<Awaited>, ahead: &mut Vec<u8>) -> bool {
    let _under_way = app.metrics().begin();
    let page = tokio::select! {
        page = awaited.ready(app) => page,
        () = leaves(wire, ahead) => return false,
    };
    let response = awaited.response(&page);
    app.metrics().bytes_out.inc_by(response.len() as u64);
    let late = app.clock.now() + app.request_time;
    let written = tokio::select! {
        written = wire.write_all(&response) => written.is_ok(),
        () = app.clock.sleep_until(late) => false,
    };
    written && !awaited.close
}

/// Returns when the peer has left, or has said more than a request may while another waits.
async fn leaves(wire: &Wire, ahead: &mut Vec<u8>) {
    while ahead.len() < AHEAD_BYTES && wire.readable().await.is_ok() {
        match scratch::read(wire, AHEAD_BYTES - ahead.len(), |bytes| ahead.extend_from_slice(bytes)) {
            Read::Bytes(()) | Read::Nothing => {}
            Read::End => return,
        }
    }
}
