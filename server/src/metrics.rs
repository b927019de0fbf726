//! What is counted, in Prometheus' text format at `/metrics` of the internal listener.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::refusals::Refusals;

/// One label: which of several kinds a figure is of.
type Labels = [(&'static str, &'static str); 1];

/// All figures of one server. Shards add to them once a turn, not once a delivery.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    connections: Family<Labels, Gauge<i64, AtomicI64>>,
    ended: Family<Labels, Counter<u64, AtomicU64>>,
    dropped: Family<Labels, Counter<u64, AtomicU64>>,
    refused: Family<Labels, Counter<u64, AtomicU64>>,
    overflows: Family<Labels, Counter<u64, AtomicU64>>,
    requests: Gauge<i64, AtomicI64>,
    /// Sessions alive, channel streams included.
    pub sessions: Gauge<i64, AtomicI64>,
    /// Outermost patterns that sessions listen to.
    pub subscriptions: Gauge<i64, AtomicI64>,
    /// Publications accepted.
    pub messages_in: Counter<u64, AtomicU64>,
    /// Messages that left an outbox for a connection.
    pub messages_out: Counter<u64, AtomicU64>,
    /// Messages handed to sessions from history.
    pub messages_replayed: Counter<u64, AtomicU64>,
    /// Messages that a newer one of their channel has replaced before they left.
    pub messages_conflated: Counter<u64, AtomicU64>,
    /// Notices to clients that messages are gone.
    pub gaps: Counter<u64, AtomicU64>,
    /// Deliveries let go of before they were acknowledged.
    pub given_up: Counter<u64, AtomicU64>,
    /// Publications that were repeats.
    pub repeats: Counter<u64, AtomicU64>,
    /// Publications of which a repeat would not be known.
    pub unremembered: Counter<u64, AtomicU64>,
    /// Bytes read from connections.
    pub bytes_in: Counter<u64, AtomicU64>,
    /// Bytes given to connections.
    pub bytes_out: Counter<u64, AtomicU64>,
    /// Writes that carried messages: messages out ÷ writes is how well they join.
    pub writes: Counter<u64, AtomicU64>,
    /// Times a publisher had to wait because a shard was behind.
    pub ingest_pauses: Counter<u64, AtomicU64>,
    /// Times a socket was not read because its session's room for replies was full.
    pub reply_pauses: Counter<u64, AtomicU64>,
    /// What all outboxes hold, as it was a second ago at most.
    pub outbox_bytes: Gauge<i64, AtomicI64>,
    /// The most messages that have waited in one outbox.
    pub outbox_messages_peak: Gauge<i64, AtomicI64>,
    /// The most bytes that have waited in one outbox.
    pub outbox_bytes_peak: Gauge<i64, AtomicI64>,
    /// Messages kept in history.
    pub history_messages: Gauge<i64, AtomicI64>,
    /// What history is charged for them and for its channels.
    pub history_bytes: Gauge<i64, AtomicI64>,
    /// Channels with a message in history.
    pub history_channels: Gauge<i64, AtomicI64>,
    /// What the log says of what is refused.
    pub refusals: Refusals,
}

impl Metrics {
    /// Figures that all stand at nought.
    pub fn new() -> Arc<Self> {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("encke"),
            connections: Family::default(),
            ended: Family::default(),
            dropped: Family::default(),
            refused: Family::default(),
            requests: Gauge::default(),
            sessions: Gauge::default(),
            subscriptions: Gauge::default(),
            messages_in: Counter::default(),
            messages_out: Counter::default(),
            overflows: Family::default(),
            messages_replayed: Counter::default(),
            messages_conflated: Counter::default(),
            gaps: Counter::default(),
            given_up: Counter::default(),
            repeats: Counter::default(),
            unremembered: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            writes: Counter::default(),
            ingest_pauses: Counter::default(),
            reply_pauses: Counter::default(),
            outbox_bytes: Gauge::default(),
            outbox_messages_peak: Gauge::default(),
            outbox_bytes_peak: Gauge::default(),
            history_messages: Gauge::default(),
            history_bytes: Gauge::default(),
            history_channels: Gauge::default(),
            refusals: Refusals::default(),
        };
        metrics.register();
        Arc::new(metrics)
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("connections", "Open connections by transport", self.connections.clone());
        r.register("requests", "HTTP requests under way", self.requests.clone());
        r.register("sessions", "Sessions alive, channel streams included", self.sessions.clone());
        r.register("subscriptions", "Outermost patterns listened to", self.subscriptions.clone());
        r.register("sessions_ended", "Sessions ended, by cause", self.ended.clone());
        r.register("messages_in", "Publications accepted", self.messages_in.clone());
        r.register("messages_out", "Messages given to connections", self.messages_out.clone());
        r.register("messages_dropped", "Messages a session did not get, by cause", self.dropped.clone());
        r.register("messages_replayed", "Messages from history", self.messages_replayed.clone());
        r.register("messages_conflated", "Messages replaced by newer ones", self.messages_conflated.clone());
        r.register("overflows", "Messages that found an outbox full, by policy", self.overflows.clone());
        r.register("gaps", "Notices to clients that messages are gone", self.gaps.clone());
        r.register("given_up", "Deliveries let go of before they were acknowledged", self.given_up.clone());
        r.register("publish_repeats", "Publications that were repeats", self.repeats.clone());
        r.register(
            "publish_unremembered",
            "Publications too many to know repeats of",
            self.unremembered.clone(),
        );
        r.register("writes", "Writes that carried messages", self.writes.clone());
        r.register_with_unit("received", "Bytes read", Unit::Bytes, self.bytes_in.clone());
        r.register_with_unit("sent", "Bytes given to connections", Unit::Bytes, self.bytes_out.clone());
        r.register("refused", "Input refused, by cause", self.refused.clone());
        r.register("ingest_pauses", "Times a publisher waited for a late shard", self.ingest_pauses.clone());
        r.register(
            "reply_pauses",
            "Times a reader waited for its replies to leave",
            self.reply_pauses.clone(),
        );
        r.register("outbox_bytes", "Bytes in all outboxes, once a second", self.outbox_bytes.clone());
        r.register("outbox_messages_peak", "Most messages in one outbox", self.outbox_messages_peak.clone());
        r.register("outbox_bytes_peak", "Most bytes in one outbox", self.outbox_bytes_peak.clone());
        r.register("history_messages", "Messages kept in history", self.history_messages.clone());
        r.register_with_unit("history", "Bytes that history takes", Unit::Bytes, self.history_bytes.clone());
        r.register("history_channels", "Channels with a message in history", self.history_channels.clone());
    }

    /// Counts a connection of this transport for as long as the answer lives.
    pub fn connection(self: &Arc<Self>, transport: &'static str) -> Connection {
        self.connected(transport);
        Connection { metrics: self.clone(), transport }
    }

    /// The same for those who have no room for a guard, and count out by themselves.
    pub fn connected(&self, transport: &'static str) {
        self.connections.get_or_create(&[("transport", transport)]).inc();
    }

    /// Counts a connection out.
    pub fn disconnected(&self, transport: &'static str) {
        self.connections.get_or_create(&[("transport", transport)]).dec();
    }

    /// A session ended.
    pub fn ended(&self, cause: &'static str) {
        self.ended.get_or_create(&[("cause", cause)]).inc();
    }

    /// A message found an outbox full.
    pub fn overflowed(&self, policy: &'static str) {
        self.overflows.get_or_create(&[("policy", policy)]).inc();
    }

    /// Messages that waited for a session and will not reach it.
    pub fn dropped(&self, cause: &'static str, messages: u64) {
        if messages > 0 {
            self.dropped.get_or_create(&[("cause", cause)]).inc_by(messages);
        }
    }

    /// Counts a request as under way for as long as the answer lives.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.requests.inc();
        UnderWay(self.clone())
    }

    /// Connections open, whatever they are used for.
    pub fn open(&self) -> i64 {
        let all = ["http", "websocket", "event-stream", "lines", "page"];
        all.map(|transport| self.connections.get_or_create(&[("transport", transport)]).get()).iter().sum()
    }

    /// What a drain waits for: requests under way, and connections that have been told good-bye and not yet
    /// left. (Connections that rest between two requests have nothing to lose.)
    pub fn under_way(&self) -> i64 {
        let held = ["websocket", "event-stream", "lines", "page"];
        let open = held.map(|transport| self.connections.get_or_create(&[("transport", transport)]).get());
        self.requests.get() + open.iter().sum::<i64>()
    }

    /// Something a peer sent was refused.
    pub fn refused(&self, cause: &'static str) {
        self.refused.get_or_create(&[("cause", cause)]).inc();
    }

    /// Raises a high-water mark.
    pub fn peak(gauge: &Gauge<i64, AtomicI64>, value: usize) {
        gauge.inner().fetch_max(value as i64, std::sync::atomic::Ordering::Relaxed);
    }

    /// The text that Prometheus scrapes (OpenMetrics 1.0).
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String cannot fail");
        text
    }
}

/// A request being counted. Dropping it counts it out.
#[derive(Debug)]
pub struct UnderWay(Arc<Metrics>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.requests.dec();
    }
}

/// A connection being counted. Dropping it counts it out.
#[derive(Debug)]
pub struct Connection {
    metrics: Arc<Metrics>,
    transport: &'static str,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.metrics.disconnected(self.transport);
    }
}
