//! The `[limits]` table.

use std::time::Duration;

use bayeux::{ChannelLimits, Limits};
use serde::{Deserialize, Serialize};

/// What clients may send.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The length of one message in bytes.
    pub message_bytes: usize,
    /// Messages in one body or frame.
    pub batch_messages: usize,
    /// The length of one body or frame in bytes.
    pub batch_bytes: usize,
    /// How deep JSON may nest.
    pub depth: usize,
    /// The length of a channel's name in bytes.
    pub channel_bytes: usize,
    /// Segments of a channel's name.
    pub channel_segments: usize,
    /// From the first byte of a request until its response has left. Long enough for 512 KiB at 20 KB/s.
    #[serde(with = "humantime_serde")]
    pub request_time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let Limits { message_bytes, batch_messages, batch_bytes, depth, channel, .. } = Limits::default();
        let ChannelLimits { bytes: channel_bytes, segments: channel_segments } = channel;
        let request_time = Duration::from_secs(30);
        Options {
            message_bytes,
            batch_messages,
            batch_bytes,
            depth,
            channel_bytes,
            channel_segments,
            request_time,
        }
    }
}

impl From<Options> for Limits {
    fn from(options: Options) -> Self {
        Limits {
            message_bytes: options.message_bytes,
            batch_messages: options.batch_messages,
            batch_bytes: options.batch_bytes,
            depth: options.depth,
            channel: ChannelLimits { bytes: options.channel_bytes, segments: options.channel_segments },
            ..Limits::default()
        }
    }
}
