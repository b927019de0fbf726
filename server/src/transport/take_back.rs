//! hyper reads, we hold: a request is parsed by hyper, and the socket is then taken back from it.
//!
//! A held response inside of hyper costs 11 to 18 KB; a bare socket that waits to be readable costs one. So a
//! connection is given to hyper only while bytes move: from the first byte of a request until its response has
//! left, or until a door decides to hold the socket itself. No `unsafe` is needed: `poll_without_shutdown`, then
//! `into_parts`. Bytes that hyper had read too far are put in front of the next reader.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::{io, time::Duration};

use axum::body::Body;
use bytes::{Buf, Bytes};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;

use super::scratch;
use crate::clock::Clock;
use crate::hub::Wire;
use crate::metrics::Metrics;

/// The head of a request. hyper's least is 8 KiB; cookies of a shared origin may take most of that.
const HEAD_BYTES: usize = 16 * 1024;

/// A request, once hyper has read its head.
pub(crate) type Request = hyper::Request<Incoming>;

/// What a door answers.
pub(crate) enum Answer<T> {
    /// An ordinary response: hyper writes it.
    Response(hyper::Response<Body>),
    /// The door wants the socket; the request has been read to its end.
    Take(T),
}

/// Why hyper gave the socket back.
pub(super) enum End<T> {
    /// The connection is over.
    Closed,
    /// The response has left, and nothing of a next request has arrived.
    Idle,
    /// More bytes are there already, for the next request.
    More(Bytes),
    /// A door has taken the socket; these bytes were read too far.
    Taken(T, Bytes),
}

/// What hyper's side of a connection is doing, as seen from outside.
#[derive(Default)]
struct Progress {
    /// Requests whose response has not been written to its end.
    open: AtomicUsize,
    /// At least one response has.
    served: AtomicBool,
    /// That of the open request is there, and may have left in part.
    begun: AtomicBool,
    /// The last write found the socket full.
    blocked: AtomicBool,
}

/// Serves requests from `wire` until the connection ends, rests, or is taken. All of it has its time, from the first byte
/// of a request until its response has left: it is the end of whoever sends a byte a second, and of whoever reads none.
pub(super) async fn serve<T, F>(
    wire: &Arc<Wire>,
    ahead: Bytes,
    metrics: &Metrics,
    (clock, within): (&Clock, Duration),
    answer: impl Fn(Request) -> F,
) -> End<T>
where
    T: Send,
    F: Future<Output = Answer<T>> + Send,
{
    let progress = Arc::new(Progress::default());
    let taken: Mutex<Option<T>> = Mutex::new(None);
    let had_bytes = !ahead.is_empty();
    let io = Io { wire: wire.clone(), ahead, progress: progress.clone(), read: 0 };
    let service = service_fn(|request: Request| {
        progress.open.fetch_add(1, Ordering::Relaxed);
        let open = Open(progress.clone());
        let answering = answer(request);
        let taken = &taken;
        Box::pin(async move {
            match answering.await {
                Answer::Response(response) => {
                    open.0.begun.store(true, Ordering::Relaxed);
                    Ok::<_, std::convert::Infallible>(response.map(|body| Counted { body, _open: open }))
                }
                Answer::Take(what) => {
                    *taken.lock().expect("nobody panics with this lock") = Some(what);
                    // hyper is left before it could poll this again.
                    std::future::pending().await
                }
            }
        })
    });
    let mut connection = hyper::server::conn::http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        // Whoever has said all it has to say is answered; a poll that is held asks the socket itself.
        .half_close(true)
        .serve_connection(io, service);
    let outcome = std::future::poll_fn(|context| {
        // Twice: hyper learns in one poll that nobody wants the rest of a body, and only in the next reads past it
        // or gives the connection up. In between it would look as if it rested, and the rest as if it were a request.
        for last in [false, true] {
            let polled = connection.poll_without_shutdown(context);
            // Answered before readable: a door may have taken the socket in the same poll in which the peer left.
            if taken.lock().is_ok_and(|taken| taken.is_some()) {
                return Poll::Ready(Ok(true));
            }
            match polled {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(false)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if !progress.rests() => return Poll::Pending,
                Poll::Pending if last => return Poll::Ready(Ok(true)),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    });
    let late = clock.now() + within;
    let outcome = tokio::select! {
        biased;
        outcome = outcome => Some(outcome),
        () = clock.sleep_until(late) => None,
    };
    // Asked before hyper lets go of the response.
    let has_begun = progress.begun.load(Ordering::Relaxed) || progress.blocked.load(Ordering::Relaxed);
    let parts = connection.into_parts();
    metrics.bytes_in.inc_by(parts.io.read);
    match outcome {
        None => {
            if had_bytes || parts.io.read > 0 {
                metrics.refused("request_too_slow");
                if !has_begun {
                    // As much of it as leaves at once: nobody waits for whoever made us wait.
                    let _ = wire.try_write(too_slow(within).as_bytes());
                }
            }
            return End::Closed;
        }
        Some(Err(error)) => {
            if error.is_parse() {
                metrics.refused("bad_http");
            }
            return End::Closed;
        }
        Some(Ok(false)) => return End::Closed,
        Some(Ok(true)) => {}
    }
    // What hyper has read too far, and then what it has not yet taken from us.
    let mut rest = parts.read_buf;
    if parts.io.ahead.has_remaining() {
        rest = [&rest[..], &parts.io.ahead[..]].concat().into();
    }
    let taken = taken.into_inner().unwrap_or_default();
    // Copied, since a slice would keep all of hyper's 8 KB alive.
    let rest = Bytes::copy_from_slice(&rest);
    match taken {
        Some(what) => End::Taken(what, rest),
        None if rest.is_empty() => End::Idle,
        None => End::More(rest),
    }
}

/// RFC 9110, section 15.5.9.
fn too_slow(within: Duration) -> String {
    let within = humantime::format_duration(within);
    let why = format!("the request did not arrive and have its answer in {within}\n");
    format!(
        "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{why}",
        why.len()
    )
}

impl Progress {
    fn rests(&self) -> bool {
        self.served.load(Ordering::Relaxed)
            && self.open.load(Ordering::Relaxed) == 0
            && !self.blocked.load(Ordering::Relaxed)
    }
}

/// One request that is not yet answered to the end.
struct Open(Arc<Progress>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.served.store(true, Ordering::Relaxed);
        self.0.begun.store(false, Ordering::Relaxed);
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A response's body that tells when hyper is done with it.
struct Counted {
    body: Body,
    _open: Open,
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A shared socket as hyper wants it, with bytes put in front.
struct Io {
    wire: Arc<Wire>,
    ahead: Bytes,
    progress: Arc<Progress>,
    read: u64,
}

impl Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.has_remaining() {
            let count = self.ahead.len().min(buffer.remaining());
            let front = self.ahead.split_to(count);
            buffer.put_slice(&front);
            return Poll::Ready(Ok(()));
        }
        loop {
            std::task::ready!(self.wire.poll_read_ready(context))?;
            let room = buffer.remaining();
            let put = |bytes: &mut [u8]| {
                buffer.put_slice(bytes);
                bytes.len()
            };
            match scratch::read(&self.wire, room, put) {
                scratch::Read::Bytes(count) => {
                    self.read += count as u64;
                    return Poll::Ready(Ok(()));
                }
                scratch::Read::Nothing => {}
                // Nothing put into the buffer is how the end is told.
                scratch::Read::End => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl Write for Io {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.wire.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    self.progress.blocked.store(false, Ordering::Relaxed);
                    return Poll::Ready(result);
                }
            }
            self.progress.blocked.store(true, Ordering::Relaxed);
            std::task::ready!(self.wire.poll_write_ready(context))?;
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
