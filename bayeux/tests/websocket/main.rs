//! WebSocket frames, in the manner of Autobahn's suite: one story a file.

mod close;
mod control;
mod fragmentation;
mod handshake;
mod lengths;
mod limits;
mod masking;
mod memory;
mod peer;
mod properties;
mod reserved;
mod utf8;
