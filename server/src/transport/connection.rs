//! One connection from accept to close: it rests as a bare socket, hyper reads its requests, doors hold it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::scratch::{self, Read};
use super::take_back::{self, End};
use super::{App, Taken, awaited, echo, poll, rest, stream, websocket};
use crate::hub::{Key, Wire};

/// How long a connection that has been closed is still read, and how much: a response that says why a
/// body was refused would otherwise be lost to a reset.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// A connection with nobody in it: what it needs to go on.
struct Visit {
    app: Arc<App>,
    wire: Arc<Wire>,
    peer: Option<IpAddr>,
    /// What was read too far.
    ahead: Vec<u8>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.app.metrics().disconnected("http");
    }
}

/// Serves a connection until it closes or becomes something else.
pub(crate) fn run(app: Arc<App>, wire: Arc<Wire>, peer: Option<IpAddr>) -> impl Future<Output = ()> {
    rest::register(&wire);
    app.metrics().connected("http");
    visit(Visit { app, wire, peer, ahead: Vec::new() })
}

/// What hyper and the doors need is boxed, so that a connection that rests owns nothing of it.
#[expect(clippy::manual_async_fn, reason = "the arguments of an async fn take their place twice")]
fn visit(mut visit: Visit) -> impl Future<Output = ()> {
    async move {
        loop {
            if visit.ahead.is_empty() {
                visit.wire.rest(visit.app.clock.now());
                if visit.wire.readable().await.is_err() {
                    return;
                }
            }
            visit.wire.work();
            let key = match Box::pin(serve(&mut visit)).await {
                Next::Serve => continue,
                Next::End => return,
                Next::Hold(key) => key,
            };
            if !poll::wait(&visit.app, &visit.wire, key, &mut visit.ahead).await {
                return Box::pin(linger(&visit.wire)).await;
            }
        }
    }
}

/// How a connection goes on.
enum Next {
    /// With its next request.
    Serve,
    /// With a poll of this session, which is held.
    Hold(Key),
    /// Not: it is over, or has gone to another task.
    End,
}

/// Serves what a connection has to ask.
async fn serve(visit: &mut Visit) -> Next {
    let Visit { app, wire, peer, ahead } = visit;
    let read = std::mem::take(ahead).into();
    let served = take_back::serve(wire, read, app.metrics(), (&app.clock, app.request_time), |request| {
        let (app, peer) = (app.clone(), *peer);
        async move { app.answer(request, peer).await }
    });
    match served.await {
        End::Idle => return Next::Serve,
        End::More(bytes) => {
            *ahead = bytes.into();
            return Next::Serve;
        }
        End::Taken(Taken::Poll(held), bytes) => {
            *ahead = bytes.into();
            return Next::Hold(poll::hold(app, wire, held).await);
        }
        End::Taken(Taken::Awaited(page), bytes) => {
            *ahead = bytes.into();
            if awaited::answer(app, wire, page, ahead).await {
                return Next::Serve;
            }
            linger(wire).await;
        }
        End::Closed => linger(wire).await,
        End::Taken(Taken::Stream(wanted), _) => stream::open(app.clone(), wire.clone(), wanted).await,
        End::Taken(Taken::WebSocket(accepted), bytes) if accepted.echo => {
            tokio::spawn(echo::run(app.clone(), wire.clone(), accepted, bytes));
        }
        End::Taken(Taken::WebSocket(accepted), bytes) => {
            websocket::open(app.clone(), wire.clone(), accepted, bytes).await;
        }
    }
    Next::End
}

/// Lets the last response arrive: no more is written, and what the peer still sends is read and forgotten.
pub(super) async fn linger(wire: &Wire) {
    if wire.shut_write().is_err() {
        return;
    }
    let mut left = LINGER_BYTES;
    let _ = timeout(LINGER, async {
        while left > 0 && wire.readable().await.is_ok() {
            match scratch::read(wire, usize::MAX, |bytes| bytes.len()) {
                Read::Bytes(count) => left = left.saturating_sub(count),
                Read::Nothing => {}
                Read::End => return,
            }
        }
    })
    .await;
}
