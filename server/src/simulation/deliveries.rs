//! A Bayeux client: what it makes of deliveries.

use serde_json::Value;

use super::client::{Client, State, Subscription};
use super::model::{Entry, matches};
use super::world::Scene;

const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

pub(super) fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(DIGITS[(number % 36) as usize] as char);
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

pub(super) fn split(position: &str) -> Result<(String, u64), String> {
    let parts = position.split_once('-');
    let parsed =
        parts.and_then(|(epoch, sequence)| Some((epoch.to_owned(), u64::from_str_radix(sequence, 36).ok()?)));
    parsed.ok_or_else(|| format!("{position} is no position"))
}

impl Client {
    pub(super) fn hear_delivery(&mut self, scene: &mut Scene, message: &Value) -> Result<(), String> {
        let Some(session) = &mut self.session else { return Ok(()) };
        session.taken += 1;
        let channel = message["channel"].as_str().unwrap_or_default();
        if channel == "/meta/gap" {
            if let Some(count) = message["data"]["count"].as_u64() {
                session.taken = count;
            }
            let now = scene.model.moment();
            let patterns = message["data"]["subscription"].as_array().cloned().unwrap_or_default();
            for subscription in self.subscriptions.iter_mut().filter(|subscription| subscription.known) {
                // What was given up may have been for one that has been left since: a notice names those that are there.
                let is_past = !subscription.is_in() && message["data"]["count"].is_u64();
                if is_past || patterns.iter().any(|pattern| pattern == subscription.stream.pattern) {
                    subscription.stream.log.push(Entry::Gap(Vec::new()));
                    if subscription.is_in() {
                        subscription.stream.log.push(Entry::Known(now));
                    }
                }
            }
            return Ok(());
        }
        let number =
            message["data"]["n"].as_u64().ok_or_else(|| format!("a stray delivery: {message}"))? as usize;
        let published = scene.model.publications.get(number).map(|publication| publication.channel);
        if published != Some(channel) {
            return Err(format!("publication {number} was on {published:?}: {message}"));
        }
        let position = message["ext"]["encke"]["position"].as_str();
        if let Some(pattern) = message["ext"]["encke"]["subscription"].as_str() {
            let of = |subscription: &Subscription| {
                subscription.stream.pattern == pattern && subscription.state != State::Out
            };
            let Some(it) = self.subscriptions.iter().position(of) else {
                let left = self.subscriptions.iter().any(|it| it.known && it.stream.pattern == pattern);
                return if left { Ok(()) } else { Err(format!("a replay that nobody asked for: {message}")) };
            };
            return match self.subscriptions[it].state {
                State::Asked => {
                    self.subscriptions[it].held.push((number, position.map(str::to_owned), true));
                    Ok(())
                }
                _ => self.got_replay(it, number, position),
            };
        }
        if !session.heard.insert(number) && !session.abused {
            return Err(format!("publication {number} came twice in one session"));
        }
        let mut wanted = false;
        for it in 0..self.subscriptions.len() {
            let subscription = &mut self.subscriptions[it];
            if !subscription.known || !matches(subscription.stream.pattern, channel) {
                continue;
            }
            wanted = true;
            if subscription.state == State::Asked {
                subscription.held.push((number, position.map(str::to_owned), false));
            } else {
                self.got_live(it, number, position)?;
            }
        }
        if wanted { Ok(()) } else { Err(format!("nothing was subscribed that matches {message}")) }
    }

    /// Handles what a replay has brought whose beginning nobody has told of: the answer to the subscribe was lost. Something
    /// may be missing before it.
    pub(super) fn take_replayed(&mut self, it: usize) -> Result<(), String> {
        let held = std::mem::take(&mut self.subscriptions[it].held);
        let (replayed, live): (Vec<_>, Vec<_>) = held.into_iter().partition(|(_, _, replayed)| *replayed);
        self.subscriptions[it].held = live;
        if !replayed.is_empty() {
            self.subscriptions[it].stream.log.push(Entry::Gap(Vec::new()));
        }
        for (number, position, _) in replayed {
            self.got_replay(it, number, position.as_deref())?;
        }
        Ok(())
    }

    /// A replayed message is handled, unless an earlier replay has brought it.
    pub(super) fn got_replay(
        &mut self,
        it: usize,
        number: usize,
        position: Option<&str>,
    ) -> Result<(), String> {
        let (epoch, at) = split(position.unwrap_or_default())?;
        if self.subscriptions[it].cursor.get(&epoch).is_some_and(|had| at <= *had) {
            return Ok(());
        }
        self.got(it, number, true, position)
    }

    /// A message without a label is handled, if it is not one that comes as a replay.
    pub(super) fn got_live(
        &mut self,
        it: usize,
        number: usize,
        position: Option<&str>,
    ) -> Result<(), String> {
        if let Some((epoch, sequence)) = position.map(split).transpose()?
            && self.subscriptions[it].live.get(&epoch).is_some_and(|live| sequence <= *live)
        {
            return Ok(());
        }
        self.got(it, number, false, position)
    }

    /// A message is handled.
    pub(super) fn got(
        &mut self,
        it: usize,
        number: usize,
        labelled: bool,
        position: Option<&str>,
    ) -> Result<(), String> {
        let subscription = &mut self.subscriptions[it];
        if self.session.as_ref().is_some_and(|session| session.abused) {
            return Ok(());
        }
        subscription.stream.log.push(Entry::Got(number, labelled));
        if let Some(position) = position
            && subscription.state != State::Leaving
            && subscription.state != State::Out
        {
            let (epoch, sequence) = split(position)?;
            subscription.cursor.insert(epoch, sequence);
        }
        Ok(())
    }
}
