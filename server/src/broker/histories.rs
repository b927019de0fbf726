//! Reading what was said: subscriptions that begin in the past, and pages of history.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use bayeux::{Channel, Cursor, Message, Pattern, Position, Refusal, Reply, RequestId, Since, Subscription};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{Broker, Replies, Spoken};
use crate::hub::{Behind, Class, Key, Missing, Past, Portion, Recovery, Shard, Span};
use crate::policy::Identity;

/// Messages of a page unless it says otherwise, and at most.
const PAGE: usize = 100;
/// Messages of a page at most.
const LONGEST_PAGE: usize = 1000;
/// Bytes of a page; at least one message.
const PAGE_BYTES: usize = 512 * 1024;
/// Bytes of all pages that one body or frame asks for. Those after that are empty, and say that there is more.
pub(super) const PAGES_BYTES: usize = 4 * PAGE_BYTES;

/// How often a shard that is behind is asked again, a turn each time.
const TRIES: usize = 100_000;

/// A part of a history.
#[derive(Debug, Default)]
pub struct Page {
    /// Oldest first.
    pub messages: Vec<Arc<Message>>,
    /// Where it ends.
    pub cursor: Cursor,
    /// Whether there is more after it.
    pub more: bool,
    /// Whether nothing is missing before it; absent when no cursor was given.
    pub recovered: Option<Result<(), Missing>>,
}

impl Page {
    /// Whether there is nothing that its reader does not know.
    pub fn is_nothing_new(&self) -> bool {
        self.messages.is_empty() && !self.more && !matches!(self.recovered, Some(Err(_)))
    }

    /// The JSON object that every door answers with.
    pub fn json(&self) -> String {
        let mut text = "{\"messages\":[".to_owned();
        for (number, message) in self.messages.iter().enumerate() {
            text += if number > 0 { "," } else { "" };
            text += std::str::from_utf8(message.json()).expect("JSON is UTF-8");
        }
        text += &format!("],\"cursor\":\"{}\",\"more\":{}", self.cursor, self.more);
        match &self.recovered {
            None => {}
            Some(Ok(())) => text += ",\"recovered\":true",
            Some(Err(missing)) => {
                text += &format!(",\"recovered\":false,\"reason\":\"{}\"", missing.as_str());
            }
        }
        text + "}"
    }
}

/// What became of a recovery, as clients read it.
pub fn recovery_json(recovery: &Recovery) -> serde_json::Value {
    let mut json = serde_json::Map::new();
    if !recovery.cursor.is_empty() {
        json.insert("cursor".into(), recovery.cursor.to_string().into());
    }
    if let Some(recovered) = recovery.recovered {
        json.insert("recovered".into(), recovered.is_ok().into());
        if let Err(missing) = recovered {
            json.insert("reason".into(), missing.as_str().into());
        }
    }
    json.into()
}

impl Broker {
    /// Asks a shard about the past. One that has yet to take in what a cursor says was seen is asked again after its next
    /// turn, and the cursor is nonsense if it never does.
    pub(super) async fn ask<R: Send + 'static>(
        &self,
        shard: usize,
        mut wishes: Vec<(Pattern, Since)>,
        ask: impl Fn(&mut Shard, &[(Pattern, Since)]) -> Result<R, Behind> + Clone + Send + 'static,
    ) -> Option<R> {
        let mut tries = 0;
        loop {
            let (ask, asked) = (ask.clone(), wishes.clone());
            match self.hub.call(shard, move |shard| ask(shard, &asked)).await? {
                Ok(answer) => return Some(answer),
                Err(Behind) if tries < TRIES => tries += 1,
                Err(Behind) => wishes.iter_mut().for_each(|(_, since)| *since = Since::Garbage),
            }
            tokio::task::yield_now().await;
        }
    }

    /// Answers a subscribe request.
    pub(super) async fn subscribe_request(
        &self,
        who: &Arc<Identity>,
        key: Key,
        subscription: &Subscription,
        wishes: HashMap<Box<str>, Since>,
    ) -> Result<Option<Box<RawValue>>, Refusal> {
        let wishes: Vec<_> = subscription
            .patterns
            .iter()
            .filter_map(|pattern| Some((pattern.clone(), wishes.get(pattern.as_str())?.clone())))
            .collect();
        let patterns = subscription.patterns.clone();
        let recoveries = self.subscribe(who, key, patterns, wishes.clone()).await?;
        if wishes.is_empty() {
            return Ok(None);
        }
        let named: serde_json::Map<_, _> = wishes
            .iter()
            .zip(&recoveries)
            .map(|((pattern, _), recovery)| (pattern.as_str().to_owned(), recovery_json(recovery)))
            .collect();
        Ok(to_raw_value(&serde_json::json!({ "encke": { "recovery": named } })).ok())
    }

    /// A page of what is kept. Without a cursor: the newest.
    ///
    /// # Errors
    /// The policy's refusal.
    pub async fn page(
        &self,
        who: &Identity,
        pattern: &Pattern,
        since: Option<&Since>,
        limit: Option<usize>,
    ) -> Result<Page, Refusal> {
        self.page_within(who, pattern, since, limit, PAGE_BYTES).await
    }

    async fn page_within(
        &self,
        who: &Identity,
        pattern: &Pattern,
        since: Option<&Since>,
        limit: Option<usize>,
        bytes: usize,
    ) -> Result<Page, Refusal> {
        self.may_read(who, pattern).await?;
        let portion = Portion { messages: limit.unwrap_or(PAGE).clamp(1, LONGEST_PAGE), bytes };
        let mut page = Page::default();
        let mut worst = None;
        let mut histories = 0;
        let mut left = portion;
        for (number, class) in self.classes.histories(pattern) {
            histories += 1;
            let sequence = match since {
                None => None,
                Some(since) => match self.begin(number, class, pattern, since) {
                    Ok((sequence, missing)) => {
                        worst = worst.max(missing);
                        Some(sequence)
                    }
                    Err(missing) => {
                        worst = worst.max(Some(missing));
                        None
                    }
                },
            };
            let reached = match (sequence, since) {
                (Some(after), _) => {
                    let last = self.classes.last(number);
                    let mut after = after;
                    let alone = std::slice::from_ref(pattern);
                    // What goes while this reads is missing as well.
                    let mut lose = |_, _| worst = worst.max(Some(Missing::TooOld));
                    while after < last && left.messages > 0 && left.bytes > 0 {
                        let before = page.messages.len();
                        let span = Span { after, until: last };
                        after = self.classes.read(number, alone, span, left, &mut page.messages, &mut lose);
                        left.take(&page.messages[before..]);
                        tokio::task::yield_now().await;
                    }
                    page.more |= after < last;
                    after
                }
                // From now on: a cursor that means nothing here.
                (None, Some(_)) => self.classes.last(number),
                (None, None) if portion.bytes == 0 => {
                    page.more |= self.classes.last(number) > 0;
                    0
                }
                (None, None) => {
                    let portion = Portion { bytes: left.bytes, ..portion };
                    let (newest, last) = self.classes.newest(number, pattern, portion);
                    left.bytes -= left.bytes.min(newest.iter().map(|message| message.bytes()).sum());
                    page.messages.extend(newest);
                    last
                }
            };
            page.cursor.set(Position { epoch: class.epoch, sequence: reached });
        }
        if since.is_none() && page.messages.len() > portion.messages {
            // Of several histories: the newest of each, as there is no order between them.
            let surplus = page.messages.len() - portion.messages;
            page.messages.drain(..surplus);
        }
        if let Some(since) = since
            && !matches!(since, Since::All | Since::Now)
        {
            let missing = if histories == 0 { Some(Missing::Unknown) } else { worst };
            page.recovered = Some(missing.map_or(Ok(()), Err));
        }
        Ok(page)
    }

    /// Whether some channel of a pattern may have history.
    pub fn has_history(&self, pattern: &Pattern) -> bool {
        self.classes.histories(pattern).next().is_some()
    }

    /// After which sequence a page begins, and what is missing there.
    fn begin(
        &self,
        number: usize,
        class: &Class,
        pattern: &Pattern,
        since: &Since,
    ) -> Result<(u64, Option<Missing>), Missing> {
        let sequence = match since {
            Since::All => return Ok((0, None)),
            Since::Now => return Ok((self.classes.last(number), None)),
            Since::Garbage => return Err(Missing::Unknown),
            Since::Sequence(sequence) => *sequence,
            Since::Cursor(cursor) => match cursor.sequence(class.epoch) {
                Some(sequence) => sequence,
                None if self.classes.is_foreign(cursor) => return Ok((0, Some(Missing::NewEpoch))),
                None => return Err(Missing::Unknown),
            },
        };
        if sequence > self.classes.last(number) {
            return Err(Missing::Unknown);
        }
        let is_lost = self.classes.lost(number, pattern) > sequence;
        Ok((sequence, is_lost.then_some(Missing::TooOld)))
    }

    /// Answers what is published below `/service`: CometD's way to call the server.
    pub(super) async fn serve(
        &self,
        who: &Identity,
        channel: &Channel,
        id: Option<&RequestId>,
        data: &RawValue,
        publisher: Option<NonZeroU64>,
        spoken: &mut Spoken,
    ) {
        let answer = match channel.as_str() {
            "/service/history" => {
                let left = PAGES_BYTES.saturating_sub(spoken.paged).min(PAGE_BYTES);
                let page = self.serve_history(who, channel, data, left, publisher).await;
                spoken.paged += page.as_deref().map_or(0, |page| page.get().len());
                page
            }
            name => {
                self.metrics.refused("service_unknown");
                Err(Refusal::channel_unknown(name))
            }
        };
        let mut reply = Reply::new(channel.as_str());
        (reply.id, reply.error) = (id, answer.as_ref().err());
        reply.data = answer.as_deref().ok();
        Replies::add(&mut spoken.replies.middle, &reply);
    }

    async fn serve_history(
        &self,
        who: &Identity,
        channel: &Channel,
        data: &RawValue,
        bytes: usize,
        publisher: Option<NonZeroU64>,
    ) -> Result<Box<RawValue>, Refusal> {
        #[derive(Deserialize)]
        struct Asked {
            channel: String,
            since: Option<String>,
            limit: Option<usize>,
        }
        let asked: Asked =
            serde_json::from_str(data.get()).map_err(|_| Refusal::data_invalid(channel.as_str()))?;
        let pattern = Pattern::parse_within(&asked.channel, &self.limits.channel)
            .map_err(|_| Refusal::channel_invalid(&asked.channel))?;
        let since = asked.since.as_deref().map(Since::parse);
        let mut page = self.page_within(who, &pattern, since.as_ref(), asked.limit, bytes).await?;
        // What a publisher asked not to hear it does not hear in this way either.
        page.messages.retain(|message| message.muted().is_none() || message.muted() != publisher);
        RawValue::from_string(page.json()).map_err(|_| Refusal::data_invalid(channel.as_str()))
    }
}

impl Portion {
    /// Less of it is left.
    fn take(&mut self, messages: &[Arc<Message>]) {
        self.messages = self.messages.saturating_sub(messages.len());
        let bytes: usize = messages.iter().map(|message| message.bytes()).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
