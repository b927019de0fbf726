//! What waits for one session: messages, bounded by count and bytes, and protocol replies in room of their own. With
//! acknowledgement the messages that were handed over stay in front until the client has them.

use std::collections::VecDeque;
use std::sync::Arc;

use bayeux::{Framing, Message};

/// One write takes at most this much of the messages; then come the replies; then the rest in further
/// writes. So a reply never waits behind more than this and what the kernel has not sent
/// (a client gives up on a reply after 10 s, and a full outbox on a slow line takes longer).
pub(super) const WRITE_BYTES: usize = 64 * 1024;

/// Reserved for replies. When it is full the session's socket is not read until some have left.
pub(super) const REPLY_BYTES: usize = 64 * 1024;

/// The end of a cut write may be this long before the session's socket is not read either: more than a batch, the replies
/// behind it and what one read adds to them.
pub(super) const CUT_BYTES: usize = WRITE_BYTES + 3 * REPLY_BYTES;

/// A queue that owns no heap while it is empty and none for a lone message.
#[derive(Default)]
enum Queue {
    #[default]
    Empty,
    One(Arc<Message>),
    #[expect(clippy::box_collection, reason = "a pointer for the many who have none, instead of three words")]
    Many(Box<VecDeque<Arc<Message>>>),
}

#[derive(Default)]
pub(super) struct Outbox {
    queue: Queue,
    bytes: u32,
    /// How many in front have been handed over and are not acknowledged.
    sent: u32,
    /// What those weigh.
    sent_bytes: u32,
    /// Ready for the wire, in the framing of the outlet they were made for.
    #[expect(
        clippy::box_collection,
        reason = "a pointer for the many who have none, instead of three words"
    )]
    replies: Option<Box<Vec<u8>>>,
}

impl Outbox {
    pub(super) fn push(&mut self, message: Arc<Message>) {
        self.bytes += message.bytes() as u32;
        self.queue = match std::mem::take(&mut self.queue) {
            Queue::Empty => Queue::One(message),
            Queue::One(first) => {
                let mut many = VecDeque::with_capacity(8);
                many.push_back(first);
                many.push_back(message);
                Queue::Many(Box::new(many))
            }
            Queue::Many(mut many) => {
                many.push_back(message);
                Queue::Many(many)
            }
        };
    }

    /// Adds a message before all others. None of them may be handed over.
    pub(super) fn push_front(&mut self, message: Arc<Message>) {
        debug_assert_eq!(self.sent, 0, "what is handed over has its number");
        self.bytes += message.bytes() as u32;
        let mut many = match std::mem::take(&mut self.queue) {
            Queue::Empty => Box::default(),
            Queue::One(one) => Box::new(VecDeque::from([one])),
            Queue::Many(many) => many,
        };
        many.push_front(message);
        self.queue = Queue::Many(many);
    }

    /// Messages held, waiting or unacknowledged.
    pub(super) fn len(&self) -> usize {
        match &self.queue {
            Queue::Empty => 0,
            Queue::One(_) => 1,
            Queue::Many(many) => many.len(),
        }
    }

    /// What the held messages weigh, as [`Message::bytes`] counts it.
    pub(super) fn bytes(&self) -> usize {
        self.bytes as usize
    }

    /// Whether no message is held, waiting or unacknowledged.
    pub(super) fn holds_none(&self) -> bool {
        matches!(self.queue, Queue::Empty)
    }

    /// Messages that wait to be handed over.
    pub(super) fn waiting(&self) -> usize {
        self.len() - self.sent as usize
    }

    /// What those weigh.
    pub(super) fn waiting_bytes(&self) -> usize {
        (self.bytes - self.sent_bytes) as usize
    }

    /// Messages that were handed over and are not acknowledged.
    pub(super) fn sent(&self) -> usize {
        self.sent as usize
    }

    /// What those weigh.
    pub(super) fn sent_bytes(&self) -> usize {
        self.sent_bytes as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.replies.is_none() && !self.has_messages()
    }

    /// Whether messages wait to be handed over.
    pub(super) fn has_messages(&self) -> bool {
        self.waiting() > 0
    }

    /// The messages that wait.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.all().skip(self.sent as usize)
    }

    /// The first one, whether it was handed over or waits.
    pub(super) fn oldest(&self) -> Option<&Arc<Message>> {
        self.all().next()
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Message>> {
        let (one, many) = match &self.queue {
            Queue::Empty => (None, None),
            Queue::One(one) => (Some(one), None),
            Queue::Many(many) => (None, Some(many)),
        };
        one.into_iter().chain(many.into_iter().flat_map(|many| many.iter()))
    }

    /// The first `count` that wait have been handed over, and stay until they are acknowledged.
    pub(super) fn hand_over(&mut self, count: usize) {
        let weight: usize = self.iter().take(count).map(|message| message.bytes()).sum();
        self.sent += count as u32;
        self.sent_bytes += weight as u32;
    }

    /// What was handed over and not acknowledged waits again.
    pub(super) fn rewind(&mut self) {
        (self.sent, self.sent_bytes) = (0, 0);
    }

    /// Lets go of the first `count` messages, whether they were handed over or wait.
    pub(super) fn forget(&mut self, count: usize) {
        let sent = count.min(self.sent as usize);
        let weight: usize = self.all().take(sent).map(|message| message.bytes()).sum();
        self.sent -= sent as u32;
        self.sent_bytes -= weight as u32;
        self.drop_front(count);
    }

    /// Lets go of the first `count` messages: the transport has taken responsibility for them, and nobody acknowledges.
    pub(super) fn leave(&mut self, count: usize) {
        debug_assert_eq!(self.sent, 0, "what is acknowledged is handed over");
        self.drop_front(count);
    }

    /// Lets go of the oldest such message behind the first `numbered`; false when there is none.
    pub(super) fn drop_oldest(&mut self, numbered: usize, which: impl Fn(&Message) -> bool) -> bool {
        let place = self.all().skip(numbered).position(|message| which(message));
        if let Some(place) = place {
            self.remove(numbered + place);
        }
        place.is_some()
    }

    /// Lets go of the messages on the channel of `newer` behind the first `numbered`; answers with how many that were.
    pub(super) fn conflate(&mut self, numbered: usize, newer: &Message) -> usize {
        let before = self.len();
        while self.drop_oldest(numbered, |older| older.channel() == newer.channel()) {}
        before - self.len()
    }

    fn remove(&mut self, place: usize) {
        match &mut self.queue {
            Queue::Many(many) => {
                if let Some(message) = many.remove(place) {
                    self.bytes -= message.bytes() as u32;
                }
                if many.is_empty() {
                    self.queue = Queue::Empty;
                }
            }
            Queue::One(_) if place == 0 => self.drop_front(1),
            _ => {}
        }
    }

    fn drop_front(&mut self, count: usize) {
        match &mut self.queue {
            Queue::Many(many) if count < many.len() => {
                let gone: usize = many.drain(..count).map(|message| message.bytes()).sum();
                self.bytes -= gone as u32;
            }
            _ if count == 0 => {}
            _ => {
                self.queue = Queue::Empty;
                self.bytes = 0;
            }
        }
    }

    /// Room for more replies, already framed.
    pub(super) fn replies_mut(&mut self) -> &mut Vec<u8> {
        self.replies.get_or_insert_default()
    }

    pub(super) fn replies(&self) -> &[u8] {
        self.replies.as_ref().map_or(&[], |replies| replies)
    }

    pub(super) fn clear_replies(&mut self) {
        self.replies = None;
    }
}

/// A batch joined for the wire, kept while a turn lasts: sessions that have exactly these messages waiting share
/// one copy (20% cheaper than a vectored write of shared slices).
#[derive(Default)]
pub(super) struct Joined {
    batches: Vec<(Framing, Batch)>,
}

#[derive(Default)]
struct Batch {
    messages: Vec<Arc<Message>>,
    bytes: Vec<u8>,
}

impl Joined {
    /// The first messages of `outbox` up to [`WRITE_BYTES`] (at least one), joined in `framing`, and how
    /// many they are.
    pub(super) fn batch(&mut self, outbox: &Outbox, framing: Framing) -> (&[u8], usize) {
        let place = match self.batches.iter().position(|(known, _)| *known == framing) {
            Some(place) => place,
            None => {
                self.batches.push((framing, Batch::default()));
                self.batches.len() - 1
            }
        };
        let batch = &mut self.batches[place].1;
        let mut weight = 0;
        let mut count = 0;
        let mut same = true;
        for message in outbox.iter() {
            if count > 0 && weight + message.bytes() > WRITE_BYTES {
                break;
            }
            weight += message.bytes();
            same = same && batch.messages.get(count).is_some_and(|known| Arc::ptr_eq(known, message));
            count += 1;
        }
        if !same || count != batch.messages.len() {
            batch.messages.clear();
            batch.bytes.clear();
            for (number, message) in outbox.iter().take(count).enumerate() {
                framing.push(&mut batch.bytes, message, number == 0);
                batch.messages.push(message.clone());
            }
        }
        (&batch.bytes, count)
    }

    /// Lets go of the messages, and of a buffer that one large batch has stretched.
    pub(super) fn clear(&mut self) {
        for (_, batch) in &mut self.batches {
            batch.messages.clear();
            batch.bytes.clear();
            batch.bytes.shrink_to(2 * WRITE_BYTES);
        }
    }
}
