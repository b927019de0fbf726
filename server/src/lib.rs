//! Encke, a Comet server: it pushes events to browsers over whichever connection can be kept.
//!
//! The house has five floors, and imports only go down. To know the server, read `broker/mod.rs`,
//! `hub/mod.rs`, `hub/outlet.rs`, `hub/turn.rs` and `transport/websocket.rs`, in this order.
//!
//! - floor 4, wiring: [`config`] gathers every module's options, [`server`] builds, runs and drains.
//! - floor 3, doors: `transport` (Bayeux over WebSocket and long-polling, streams), `channels` (a channel is a
//!   URL), `admin`, `pages`, `numbers`; `visitors` says which web pages may come in.
//! - floor 2, [`broker`]: the verbs every door uses, and Bayeux spoken.
//! - floor 1, rooms: [`hub`] (who is here, who listens), [`history`] (what was said), [`policy`] (who may).
//! - floor 0, ground: [`metrics`], [`refusals`], [`drain`], [`clock`], [`places`].

pub mod clock;
pub mod drain;
pub mod metrics;
pub mod places;
pub mod refusals;

pub mod history;
pub mod hub;
pub mod policy;

pub mod broker;

mod admin;
mod channels;
mod numbers;
mod pages;
pub mod transport;
pub mod visitors;

mod acceptor;
pub mod config;
pub mod listen;
pub mod server;

#[cfg(test)]
mod simulation;
