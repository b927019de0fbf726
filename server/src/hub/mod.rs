//! Who is here and who listens. A hub is a shard for each core; a session belongs to one of them for life.
//!
//! A shard's state is touched by its own thread alone. A request that arrives on another core is passed to it as
//! a closure; on the same core it runs at once. A message crosses to each shard once, whatever the number of subscribers.

mod acknowledge;
mod answer;
mod attachment;
mod catch_up;
mod expiry;
mod gaps;
mod interest;
#[cfg(test)]
mod line;
mod options;
mod outbox;
mod outlet;
mod overflow;
mod owner;
mod past;
mod recovery;
mod session;
mod shard;
mod slow;
mod standing;
mod subscriptions;
mod tally;
#[cfg(test)]
mod tests;
mod turn;
mod wire;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bayeux::Message;
use tokio::sync::{Notify, oneshot};

pub use attachment::{Hold, MayHold, Parted, Room};
pub use interest::Subscribed;
#[cfg(test)]
pub(crate) use line::{ClientEnd, Loss, calls, handed_out, line};
pub use options::Options;
pub use outlet::{Guard, Poll, Woken};
pub use overflow::Slow;
pub use owner::{Listed, Owner};
pub use past::{Behind, Class, Missing, Past, Portion, Recovery, Span};
pub use session::{Ended, Key};
pub use shard::{Shard, Touched};
pub use slow::{Deliver, OnOverflow};
pub use wire::Wire;

use crate::clock::Clock;
use crate::drain::Drain;
use crate::metrics::Metrics;
use turn::Next;

/// Publications that may wait for a shard before publishers are made to wait.
const MAIL_MESSAGES: usize = 1024;
/// The same in bytes.
const MAIL_BYTES: usize = 4 * 1024 * 1024;

/// All sessions of a server.
#[derive(Clone)]
pub struct Hub {
    mailboxes: Arc<[Arc<Mailbox>]>,
    options: Arc<Options>,
    classes: Arc<[Class]>,
    past: Arc<dyn Past>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// What other threads leave for a shard.
struct Mailbox {
    queue: Mutex<VecDeque<Command>>,
    arrived: Notify,
    /// Publications waiting, here or in the shard's hands.
    messages: AtomicUsize,
    bytes: AtomicUsize,
    room: Notify,
}

enum Command {
    Deliver(Arc<Message>, Option<oneshot::Sender<usize>>),
    Run(Box<dyn FnOnce(&mut Shard) + Send>),
    Writable(Key),
}

impl Mailbox {
    fn new() -> Arc<Self> {
        Arc::new(Mailbox {
            queue: Mutex::default(),
            arrived: Notify::new(),
            messages: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            room: Notify::new(),
        })
    }

    fn post(&self, command: Command) {
        if let Command::Deliver(message, _) = &command {
            self.messages.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(message.bytes(), Ordering::Relaxed);
        }
        self.queue.lock().expect("nobody panics with this lock").push_back(command);
        self.wake();
    }

    fn wake(&self) {
        self.arrived.notify_one();
    }

    fn is_empty(&self) -> bool {
        self.queue.lock().expect("nobody panics with this lock").is_empty()
    }

    fn swap(&self, empty: &mut VecDeque<Command>) {
        std::mem::swap(&mut *self.queue.lock().expect("nobody panics with this lock"), empty);
    }

    /// A publication has been pushed into outboxes.
    fn taken(&self, bytes: usize) {
        let weight = self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        let count = self.messages.fetch_sub(1, Ordering::AcqRel);
        // One wake as either falls past its half, not one for each message: whoever waits found one of them full.
        let half = MAIL_BYTES / 2;
        if count == MAIL_MESSAGES / 2 || (weight > half && weight - bytes <= half) {
            self.room.notify_waiters();
        }
    }

    fn is_full(&self) -> bool {
        self.messages.load(Ordering::Acquire) >= MAIL_MESSAGES
            || self.bytes.load(Ordering::Acquire) >= MAIL_BYTES
    }
}

/// A byte that nobody can guess, for session ids.
fn random_byte() -> u8 {
    thread_local! {
        /// One system call fills many ids.
        static POOL: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    POOL.with_borrow_mut(|pool| {
        if pool.is_empty() {
            pool.resize(256, 0);
            getrandom::fill(pool).expect("the system has random numbers");
        }
        pool.pop().expect("filled just above")
    })
}

thread_local! {
    /// The shard of this thread, and the mailbox that tells which hub it is of.
    static LOCAL: RefCell<Option<Shard>> = const { RefCell::new(None) };
}

impl Hub {
    /// A hub of `shards` shards. Each needs a thread that [`run`](Self::run)s it.
    pub fn new(
        options: Options,
        shards: usize,
        clock: Clock,
        metrics: Arc<Metrics>,
        past: Arc<dyn Past>,
    ) -> Self {
        Hub {
            mailboxes: (0..shards).map(|_| Mailbox::new()).collect(),
            options: Arc::new(options),
            classes: past.classes(),
            past,
            metrics,
            clock,
        }
    }

    /// The settings.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The server's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.mailboxes.len()
    }

    /// Takes turns for one shard on this thread, for ever.
    pub async fn run(self, index: usize) {
        let mailbox = self.mailboxes[index].clone();
        let shard = Shard::new(
            index as u16,
            self.options.clone(),
            self.metrics.clone(),
            mailbox.clone(),
            self.clock.clone(),
            self.classes.clone(),
            self.past.clone(),
        );
        LOCAL.with_borrow_mut(|local| *local = Some(shard));
        loop {
            let next = LOCAL.with_borrow_mut(|local| local.as_mut().map(Shard::turn));
            match next {
                None => return,
                Some(Next::Again) => tokio::task::yield_now().await,
                Some(Next::At(None)) => mailbox.arrived.notified().await,
                Some(Next::At(Some(at))) => {
                    tokio::select! {
                        () = mailbox.arrived.notified() => {}
                        () = self.clock.sleep_until(expiry::TICK * at) => {}
                    }
                }
            }
        }
    }

    /// The shard of this thread, or the first one.
    pub fn here(&self) -> usize {
        LOCAL.with_borrow(|local| match local {
            Some(shard) if self.owns(shard, shard.index as usize) => shard.index as usize,
            _ => 0,
        })
    }

    fn owns(&self, shard: &Shard, index: usize) -> bool {
        self.mailboxes.get(index).is_some_and(|mailbox| Arc::ptr_eq(mailbox, &shard.mailbox))
    }

    /// Does something with a shard: at once on its own thread, by mail from another. `None`: there is no
    /// such shard, or it has stopped.
    pub async fn call<R: Send + 'static>(
        &self,
        index: usize,
        work: impl FnOnce(&mut Shard) -> R + Send + 'static,
    ) -> Option<R> {
        let mailbox = self.mailboxes.get(index)?;
        let mut work = Some(work);
        let here = LOCAL.with_borrow_mut(|local| match local {
            Some(shard) if self.owns(shard, index) => {
                shard.refresh();
                work.take().map(|work| work(shard))
            }
            _ => None,
        });
        if here.is_some() {
            return here;
        }
        let work = work?;
        let (answer, answered) = oneshot::channel();
        mailbox.post(Command::Run(Box::new(move |shard| {
            let _ = answer.send(work(shard));
        })));
        answered.await.ok()
    }

    /// Does something with a shard some time soon, in the order of its mail. For guards, whose drop cannot wait.
    pub fn post(&self, index: usize, work: impl FnOnce(&mut Shard) + Send + 'static) {
        if let Some(mailbox) = self.mailboxes.get(index) {
            mailbox.post(Command::Run(Box::new(work)));
        }
    }

    /// Hands a message to every shard. Waits for nobody.
    pub fn deliver(&self, message: &Arc<Message>) {
        #[cfg(test)]
        line::hand_out(message);
        for mailbox in self.mailboxes.iter() {
            mailbox.post(Command::Deliver(message.clone(), None));
        }
    }

    /// The same; each answer says how many sessions of a shard listen.
    pub fn deliver_counted(&self, message: &Arc<Message>) -> Vec<oneshot::Receiver<usize>> {
        #[cfg(test)]
        line::hand_out(message);
        let deliver = |mailbox: &Arc<Mailbox>| {
            let (count, counted) = oneshot::channel();
            mailbox.post(Command::Deliver(message.clone(), Some(count)));
            counted
        };
        self.mailboxes.iter().map(deliver).collect()
    }

    /// Returns once every shard has room for more publications. Whoever publishes waits here first, so
    /// that a server that is late slows its publishers and ends nobody.
    pub async fn admit(&self) {
        for mailbox in self.mailboxes.iter() {
            if mailbox.is_full() {
                self.metrics.ingest_pauses.inc();
            }
            while mailbox.is_full() {
                let room = mailbox.room.notified();
                if mailbox.is_full() {
                    room.await;
                }
            }
        }
    }

    /// Takes in what waits for this thread's shard, so that what was published just now is in its outboxes.
    pub fn receive_here(&self) {
        LOCAL.with_borrow_mut(|local| {
            if let Some(shard) = local
                && self.owns(shard, shard.index as usize)
            {
                shard.receive();
            }
        });
    }

    /// Ends all sessions because the server goes away: all at once, since the next process waits, each told its moment to return.
    pub async fn drain(&self, drain: &Drain) {
        const STEP: usize = 250;
        for index in 0..self.shards() {
            let tell = |count| {
                let drain = drain.clone();
                self.call(index, move |shard| shard.drain(count, &drain))
            };
            while tell(STEP).await.is_some_and(|left| left > 0) {
                // What has to leave the sockets, and whoever asks whether we are ready.
                tokio::task::yield_now().await;
            }
        }
    }
}
