//! `encke subscribe`: the messages of a pattern, a line of JSON each, through lost connections and restarts of the server.
//! Where the channels have history, it goes on where it was cut off.

use std::borrow::Cow;
use std::time::Duration;

use bayeux::framing::lines::Unframer;
use bayeux::{ChannelLimits, Cursor, Pattern, Position, Since};
use clap::Args;
use http_body_util::BodyExt;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use super::remote::{Remote, Target, Trouble};
use super::{LINE_BYTES, Outcome, remark, runtime, say};

/// Two of the server's heartbeats, as they are by default, and a moment: a connection that is silent for longer is
/// dead, and nobody has told us.
const SILENCE: Duration = Duration::from_secs(65);

/// The longest pause before the first try to come back; each further one may be twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause of all.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A connection that lasted this long was a good one: the next pause is a short one again.
const GOOD: Duration = Duration::from_secs(10);

#[derive(Args, Clone)]
pub(crate) struct Subscribe {
    /// A channel, or many: /chat/demo, '/chat/*', '/**'
    pattern: String,
    /// End after this many messages
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Where to begin in the channels' history: all, now, or the position of the last message that you have
    #[arg(long, value_name = "POSITION", default_value = "now", value_parser = since)]
    since: String,
    #[command(flatten)]
    remote: Remote,
}

/// Reads where to begin, so that a slip of the pen is not taken for a place in history.
fn since(text: &str) -> Result<String, &'static str> {
    match Since::parse(text) {
        Since::Garbage => Err("write all, now, or a position as it stands in a message"),
        _ => Ok(text.to_owned()),
    }
}

/// How listening came to an end, when it was no trouble.
enum Heard {
    /// As many messages as were asked for, or nobody reads them any more.
    Enough,
    /// The server has ended the stream.
    End,
}

impl Subscribe {
    pub(crate) fn run(self) -> Outcome {
        let target = self.remote.target()?;
        let limits = ChannelLimits { bytes: LINE_BYTES, segments: LINE_BYTES };
        let pattern = Pattern::parse_within(&self.pattern, &limits)
            .map_err(|why| format!("{:?} is no pattern of channels: {why}", self.pattern))?;
        let path = target.path(pattern.as_str(), "?as=lines&since=");
        let mut listener = Listener {
            target,
            path,
            pattern: self.pattern,
            left: self.count,
            has_listened: false,
            since: self.since,
            cursor: Cursor::default(),
        };
        runtime()?.block_on(async {
            let mut tries = 0;
            loop {
                let start = Instant::now();
                let why = match listener.listen().await {
                    Ok(Heard::Enough) => return Ok(()),
                    Ok(Heard::End) => "the server has ended the stream".to_owned(),
                    // Who never got in is told why; who was in comes back, unless the server says no.
                    Err(trouble) if trouble.is_final() || !listener.has_listened => {
                        return Err(trouble.into());
                    }
                    Err(trouble) => trouble.to_string(),
                };
                if start.elapsed() >= GOOD {
                    tries = 0;
                }
                let pause = pause(tries, fastrand::f64());
                tries += 1;
                remark(&format!("{why}; the next try is in {:.1} s", pause.as_secs_f64()));
                sleep(pause).await;
            }
        })
    }
}

/// Full jitter: anything between nothing and a bound that doubles, so that those who lost a server together do not
/// come back together.
fn pause(tries: u32, chance: f64) -> Duration {
    let bound = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(tries)).min(LONGEST_PAUSE);
    bound.mul_f64(chance)
}

struct Listener {
    target: Target,
    path: String,
    pattern: String,
    /// How many messages are still wanted; none means all.
    left: Option<u64>,
    has_listened: bool,
    /// Where it began.
    since: String,
    /// Where it has come to; empty where there is no history.
    cursor: Cursor,
}

/// What a line says beside its data.
#[derive(Deserialize)]
struct Line<'l> {
    #[serde(borrow)]
    channel: Cow<'l, str>,
    ext: Option<Ext>,
}

#[derive(Deserialize)]
struct Ext {
    encke: Option<Ours>,
}

#[derive(Deserialize)]
struct Ours {
    position: Option<String>,
}

/// What the server says of the past, and of what is missing.
#[derive(Deserialize)]
struct Word {
    data: Missed,
}

#[derive(Deserialize)]
struct Missed {
    /// Where what follows begins.
    from: Option<String>,
    reason: Option<String>,
}

impl Listener {
    /// Takes note of a line; false when it is the server's word to us, and no message.
    fn note(&mut self, line: &[u8]) -> bool {
        // Whatever else comes is for whoever reads the output.
        let Ok(Line { channel, ext }) = serde_json::from_slice(line) else { return true };
        if !matches!(&*channel, "/meta/recovery" | "/meta/gap") {
            let position = ext.and_then(|ext| ext.encke?.position?.parse::<Position>().ok());
            if let Some(position) = position {
                self.cursor.set(position);
            }
            return true;
        }
        let Ok(Word { data: Missed { from, reason } }) = serde_json::from_slice(line) else { return false };
        if let Some(from) = from.and_then(|from| from.parse().ok()) {
            self.cursor = from;
        }
        if let Some(reason) = reason {
            remark(match &*reason {
                "too_old" => "messages are missing here: the server does not keep them any more",
                "new_epoch" => {
                    "messages may be missing here: the server has lost its history, and begins anew"
                }
                "overflow" => "messages are missing here: this was too slow",
                _ => "messages may be missing here: the server does not know that position, and begins now",
            });
        }
        false
    }

    async fn listen(&mut self) -> Result<Heard, Trouble> {
        let mut connection = self.target.connect().await?;
        let since = if self.cursor.is_empty() { self.since.clone() } else { self.cursor.to_string() };
        let mut body = connection.get(&format!("{}{since}", self.path)).await?;
        self.has_listened = true;
        remark(&format!("listening to {} at {}", self.pattern, self.target.shown));
        let mut lines = Unframer::new(LINE_BYTES);
        loop {
            let frame = timeout(SILENCE, body.frame())
                .await
                .map_err(|_| Trouble::Silent(self.target.shown.clone(), SILENCE.as_secs()))?;
            let Some(frame) = frame else { return Ok(Heard::End) };
            let frame = frame.map_err(|error| Trouble::Broken(self.target.shown.clone(), error))?;
            let Some(bytes) = frame.data_ref() else { continue };
            let mut out = Vec::new();
            let complete = lines.push(bytes, |line| {
                if self.left != Some(0) && self.note(line) {
                    out.extend_from_slice(line);
                    out.push(b'\n');
                    self.left = self.left.map(|left| left - 1);
                }
            });
            let is_read = out.is_empty() || say(&out).map_err(Trouble::Output)?;
            if !is_read || self.left == Some(0) {
                return Ok(Heard::Enough);
            }
            complete.map_err(|_| Trouble::TooLong(self.target.shown.clone(), LINE_BYTES))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_anywhere() {
        let seconds = |tries, chance| pause(tries, chance).as_secs_f64();
        assert_eq!([0, 1, 2, 4, 5, 40].map(|tries| seconds(tries, 1.0)), [1.0, 2.0, 4.0, 16.0, 30.0, 30.0]);
        assert_eq!(seconds(u32::MAX, 0.0), 0.0);
        assert_eq!(seconds(3, 0.5), 4.0);
    }
}
