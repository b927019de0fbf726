//! Tables of channels for stories.

use encke::broker::ChannelOptions;
use encke::config::Config;
use encke::history;
use encke::hub::{Deliver, OnOverflow};

/// Keeps `count` messages of each channel that matches.
pub(crate) fn keep(config: &mut Config, pattern: &str, count: usize) {
    let history = Some(history::Options { count, ..Default::default() });
    config.channel.push(ChannelOptions { patterns: vec![pattern.to_owned()], history, ..Default::default() });
}

/// Keeps nothing, and does this with slow consumers.
pub(crate) fn slow(config: &mut Config, pattern: &str, deliver: Deliver, on_overflow: OnOverflow) {
    config.channel.push(ChannelOptions {
        patterns: vec![pattern.to_owned()],
        deliver,
        on_overflow: Some(on_overflow),
        ..Default::default()
    });
}
