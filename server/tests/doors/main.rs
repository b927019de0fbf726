//! The server seen through its doors: real sockets, a real server in this process, and a clock in the test's hand.
//! One target, so that twenty stories are linked once.

mod bystander;
mod guard;
mod history;
mod polling;
mod server;
mod socket;
mod wire;

mod acknowledge;
mod bad_bodies;
mod bad_frames;
mod bad_http;
mod bad_messages;
mod bodies;
mod callback;
mod channel_history;
mod channel_urls;
mod connections;
mod cors;
mod drain;
mod handover;
mod idempotency;
mod identity;
mod lifetimes;
mod once;
mod origins;
mod overflow;
mod polls;
mod proxies;
mod rates;
mod recovery;
mod recovery_streams;
mod rights;
mod sessions;
mod slow_clients;
mod slow_consumers;
mod slow_sessions;
mod strange_credentials;
mod unix;
mod visitors;
mod woken;
