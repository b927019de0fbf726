//! `encke publish`: one value, or one for each line of standard input, in their order.

use std::io::{BufRead, Read};

use bayeux::{Channel, ChannelLimits};
use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::remote::{Connection, Remote, Target, Trouble};
use super::{LINE_BYTES, Outcome, runtime, say};

#[derive(Args, Clone)]
pub(crate) struct Publish {
    /// Where to, for example /chat/demo
    channel: String,
    /// What: any JSON value, or - for one on each line of standard input
    #[arg(allow_negative_numbers = true)]
    json: String,
    #[command(flatten)]
    remote: Remote,
}

/// The part of the server's answer without which it is not one.
#[derive(Deserialize)]
struct Published {
    #[expect(dead_code, reason = "it is printed as it came")]
    position: String,
}

impl Publish {
    pub(crate) fn run(self) -> Outcome {
        let target = self.remote.target()?;
        // What a name is made of is the same everywhere; how long it may be is the server's to say.
        let limits = ChannelLimits { bytes: LINE_BYTES, segments: LINE_BYTES };
        let channel = Channel::parse_within(&self.channel, &limits)
            .map_err(|why| format!("{:?} is no channel: {why}", self.channel))?;
        let mut desk = Desk { path: target.path(channel.as_str(), ""), target, connection: None };
        runtime()?.block_on(async {
            if self.json != "-" {
                let why = "that is not JSON";
                desk.publish(self.json.as_bytes(), why).await?;
                return Ok(());
            }
            let mut lines = read_lines();
            let (mut number, mut published) = (0, 0);
            while let Some(line) = lines.recv().await {
                number += 1;
                let line = line.map_err(|error| format!("standard input cannot be read: {error}"))?;
                if line.len() > LINE_BYTES {
                    return Err(format!(
                        "line {number} is longer than {LINE_BYTES} bytes; {}",
                        so_far(published)
                    )
                    .into());
                }
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let heard = desk
                    .publish(&line, &format!("line {number} is not JSON"))
                    .await
                    .map_err(|why| format!("{why}\n(line {number}; {})", so_far(published)))?;
                if !heard {
                    break;
                }
                published += 1;
            }
            Ok(())
        })
    }
}

fn so_far(published: u64) -> String {
    match published {
        0 => "nothing was published".to_owned(),
        1 => "one line before it was published".to_owned(),
        many => format!("{many} lines before it were published"),
    }
}

/// Reads in a thread of its own, so that the connection is looked after while a person types. It ends with the process.
fn read_lines() -> mpsc::Receiver<std::io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            // Two more than fit: the end of the line, and the byte that shows that it is too long.
            let read = input.by_ref().take(LINE_BYTES as u64 + 2).read_until(b'\n', &mut line);
            while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                line.pop();
            }
            let (line, last) = match read {
                Ok(0) => return,
                Ok(_) => (Ok(line), false),
                Err(error) => (Err(error), true),
            };
            if sender.blocking_send(line).is_err() || last {
                return;
            }
        }
    });
    receiver
}

/// Where publications are handed in, over one connection as long as it lasts.
struct Desk {
    target: Target,
    path: String,
    connection: Option<Connection>,
}

impl Desk {
    /// Publishes one value and prints the answer; false when nobody reads it. A value that is not JSON never leaves.
    async fn publish(&mut self, json: &[u8], not_json: &str) -> Result<bool, Box<dyn std::error::Error>> {
        if let Err(why) = serde_json::from_slice::<&RawValue>(json) {
            return Err(format!("{not_json}: {why}. (A text is JSON in double quotes: '\"hello\"')").into());
        }
        let mut open = self.connection.take();
        let is_ready = match &mut open {
            Some(connection) => connection.is_ready().await,
            None => false,
        };
        let mut connection = match open {
            Some(connection) if is_ready => connection,
            _ => self.target.connect().await?,
        };
        let answer = connection.post(&self.path, json.to_vec()).await?;
        let text = answer.trim_ascii();
        if serde_json::from_slice::<Published>(text).is_err() {
            return Err(Trouble::Stranger(self.target.shown.clone()).into());
        }
        self.connection = Some(connection);
        Ok(say(&[text, b"\n"].concat())?)
    }
}
