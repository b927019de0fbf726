//! The reference: what was published, in which order, and what each listener must have of it. It knows nothing of how
//! the server works.

use std::collections::BTreeMap;

/// When something happened: a count of everything that did.
pub(super) type Moment = u64;

/// What the channels of one table of the configuration promise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    pub(super) prefix: &'static str,
    /// Its messages have positions, and are kept.
    pub(super) history: bool,
    /// A slow listener may miss any, and is told.
    pub(super) tells: bool,
    /// A slow listener may miss any, and is not told.
    pub(super) drops: bool,
    /// Its history has everything.
    pub(super) complete: bool,
    /// A slow listener gets the newest of each channel, and may miss others.
    pub(super) lossy: bool,
}

#[derive(Debug)]
pub(super) struct Publication {
    pub(super) channel: &'static str,
    pub(super) class: usize,
    pub(super) by: usize,
    /// Whether its publisher wants it too.
    pub(super) echoes: bool,
    pub(super) bytes: usize,
    /// When its first request was sent: what is known to listen by then must have it.
    pub(super) sent: Moment,
    /// The server's clock then, in milliseconds.
    pub(super) at: u64,
    pub(super) acknowledged: bool,
    /// It was never accepted for certain: nobody may count on it.
    pub(super) abandoned: bool,
    /// When the observer had it: the server handed it out before that.
    pub(super) observed: Option<Moment>,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) classes: Vec<Class>,
    pub(super) publications: Vec<Publication>,
    /// What was published in each class, in the server's order.
    order: Vec<Vec<usize>>,
    /// The first half of the positions of each class that has them.
    epochs: Vec<Option<String>>,
    now: Moment,
}

/// What a subscribe asks of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    Nothing,
    /// To be told where live begins.
    Now,
    /// All that is kept.
    All,
}

/// Something in the life of a [`Stream`].
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// A subscribe was sent that does not go on where the client stands: a new part of the stream begins.
    Begin(Moment, Asks),
    /// The subscription is known to hold: what is sent after this moment must arrive.
    Known(Moment),
    /// A message, by its number; labelled when it answers this subscription alone.
    Got(usize, bool),
    /// The client was told, or knows, that messages may be missing here, except in the histories (by the first half of
    /// their positions) of which it knows where it stands.
    Gap(Vec<String>),
    /// A connection was lost whose messages nobody acknowledges: some may be missing, here and among what comes by others.
    Loss,
    /// All connections are well again, and all of what they carried has been read.
    Calm(Moment),
    /// An unsubscribe was sent: what the observer has by then must still arrive.
    Left(Moment),
}

/// What one client has of one pattern, over all its sessions.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) pattern: &'static str,
    /// Whose it is.
    pub(super) of: usize,
    /// Its client does not acknowledge, and two of its responses may overtake one another on their way: only what comes when all is
    /// calm is checked.
    pub(super) unordered: bool,
    pub(super) log: Vec<Entry>,
}

/// A part of a stream in one class, from a subscribe to an unsubscribe, while it is being checked.
struct Part {
    begun: Moment,
    until: Moment,
    /// The last message had, as a place among those expected.
    last: Option<usize>,
    /// Messages may be missing in front of the next one, those sent before `owed` excepted.
    gap: bool,
    /// It begins with the first message of all, if the subscribe arrives.
    all: bool,
    /// The client was told where live begins: what it takes for its own is.
    exact: bool,
    /// In front of any.
    loss: bool,
    owed: Moment,
}

impl Stream {
    fn wants(&self, publication: &Publication) -> bool {
        matches(self.pattern, publication.channel) && (publication.echoes || publication.by != self.of)
    }
}

/// Bayeux 1.0, section 2.2, on segments.
pub(super) fn matches(pattern: &str, channel: &str) -> bool {
    let (front, last) = pattern.rsplit_once('/').expect("patterns begin with a slash");
    match last {
        "**" => channel.strip_prefix(front).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/')),
        "*" => channel.rsplit_once('/').is_some_and(|(before, _)| before == front),
        _ => pattern == channel,
    }
}

impl Model {
    pub(super) fn new(classes: &[Class]) -> Self {
        Model {
            classes: classes.to_vec(),
            order: vec![Vec::new(); classes.len()],
            epochs: vec![None; classes.len()],
            ..Model::default()
        }
    }

    /// One more thing happens.
    pub(super) fn moment(&mut self) -> Moment {
        self.now += 1;
        self.now
    }

    /// Which class a channel is of: the last one has no prefix.
    pub(super) fn class(&self, channel: &str) -> usize {
        let is_of = |class: &Class| channel.starts_with(class.prefix);
        self.classes.iter().position(is_of).expect("the last class has every channel")
    }

    pub(super) fn publish(
        &mut self,
        channel: &'static str,
        (by, echoes): (usize, bool),
        bytes: usize,
        at: u64,
    ) -> usize {
        let (sent, class) = (self.moment(), self.class(channel));
        self.publications.push(Publication {
            channel,
            class,
            by,
            echoes,
            bytes,
            sent,
            at,
            acknowledged: false,
            abandoned: false,
            observed: None,
        });
        self.publications.len() - 1
    }

    /// The observer has one more publication.
    pub(super) fn observe(&mut self, number: usize, position: Option<&str>) -> Result<(), String> {
        let now = self.moment();
        let publication =
            self.publications.get_mut(number).ok_or("the observer has what nobody published")?;
        if publication.observed.replace(now).is_some() {
            return Err(format!("publication {number} was handed out twice"));
        }
        if position.is_some() != self.classes[publication.class].history {
            return Err(format!("publication {number} is at {position:?}"));
        }
        let epoch = position.and_then(|position| position.split_once('-')).map(|(epoch, _)| epoch.to_owned());
        let known = &mut self.epochs[publication.class];
        if known.is_some() && *known != epoch {
            return Err(format!("publication {number} is at {position:?}, after others of {known:?}"));
        }
        *known = epoch;
        let order = &mut self.order[publication.class];
        order.push(number);
        Ok(())
    }

    /// Checks at the end: what was acknowledged was handed out.
    pub(super) fn check_publications(&self) -> Result<(), String> {
        for (number, publication) in self.publications.iter().enumerate() {
            if publication.acknowledged && publication.observed.is_none() {
                return Err(format!("publication {number} was acknowledged and never handed out"));
            }
            if !publication.acknowledged && !publication.abandoned {
                return Err(format!("publication {number} was never acknowledged, though its client stayed"));
            }
        }
        Ok(())
    }

    /// Checks a stream at the end.
    pub(super) fn check(&self, stream: &Stream) -> Result<(), String> {
        if stream.unordered {
            return self.check_unordered(stream);
        }
        for class in 0..self.classes.len() {
            self.check_class(stream, class).map_err(|wrong| {
                let shown: Vec<String> = stream.log.iter().map(|entry| self.show(entry)).collect();
                let order: Vec<_> = self.order[class]
                    .iter()
                    .filter(|number| stream.wants(&self.publications[**number]))
                    .collect();
                format!(
                    "{} in class {class}: {wrong}\n  log: {}\n  order: {order:?}",
                    stream.pattern,
                    shown.join(" ")
                )
            })?;
        }
        Ok(())
    }

    fn show(&self, entry: &Entry) -> String {
        match entry {
            Entry::Begin(at, asks) => format!("begin-{asks:?}@{at}"),
            Entry::Known(at) => format!("known@{at}"),
            Entry::Got(number, labelled) => {
                let sent = self.publications[*number].sent;
                format!("{number}{}@{sent}", if *labelled { "*" } else { "" })
            }
            Entry::Gap(kept) => format!("gap-except{kept:?}"),
            Entry::Loss => "loss".to_owned(),
            Entry::Calm(at) => format!("calm@{at}"),
            Entry::Left(at) => format!("left@{at}"),
        }
    }

    fn check_unordered(&self, stream: &Stream) -> Result<(), String> {
        let Some((Entry::Calm(calm), after)) = stream
            .log
            .iter()
            .rposition(|entry| matches!(entry, Entry::Calm(_)))
            .and_then(|at| stream.log[at..].split_first())
        else {
            return Ok(());
        };
        if after.iter().any(|entry| matches!(entry, Entry::Gap(_))) {
            return Ok(());
        }
        for (number, publication) in self.publications.iter().enumerate() {
            let due = publication.sent > *calm && stream.wants(publication);
            let times =
                after.iter().filter(|entry| matches!(entry, Entry::Got(it, _) if *it == number)).count();
            if due && times != 1 && !self.classes[publication.class].drops {
                return Err(format!("{number} arrived {times} times"));
            }
        }
        Ok(())
    }

    fn check_class(&self, stream: &Stream, class: usize) -> Result<(), String> {
        let promises = &self.classes[class];
        let expected: Vec<usize> = self.order[class]
            .iter()
            .copied()
            .filter(|number| stream.wants(&self.publications[*number]))
            .collect();
        let places: BTreeMap<usize, usize> =
            expected.iter().enumerate().map(|(place, number)| (*number, place)).collect();
        let mut parts: Vec<Part> = Vec::new();
        for entry in &stream.log {
            match entry {
                Entry::Begin(begun, asks) => {
                    if let Some(before) = parts.last_mut() {
                        before.until = before.until.min(*begun);
                    }
                    let until = Moment::MAX;
                    parts.push(Part {
                        begun: *begun,
                        until,
                        last: None,
                        gap: true,
                        all: *asks == Asks::All && promises.complete,
                        exact: *asks != Asks::Nothing && promises.history,
                        loss: false,
                        owed: Moment::MAX,
                    });
                }
                Entry::Known(at) => {
                    if let Some(part) = parts.last_mut() {
                        part.owed = part.owed.min(*at);
                        part.gap &= !std::mem::take(&mut part.all);
                    }
                }
                Entry::Gap(kept) => {
                    if !self.epochs[class].as_ref().is_some_and(|epoch| kept.contains(epoch)) {
                        for part in &mut parts {
                            (part.gap, part.all, part.owed) = (true, false, Moment::MAX);
                        }
                    }
                }
                Entry::Loss => {
                    for part in &mut parts {
                        (part.gap, part.all, part.loss) = (true, false, true);
                        part.owed = Moment::MAX;
                    }
                }
                Entry::Calm(at) => {
                    if let Some(part) = parts.last_mut() {
                        (part.loss, part.owed) = (false, part.owed.min(*at));
                    }
                }
                Entry::Left(at) => {
                    if let Some(part) = parts.last_mut() {
                        // What a slow session was still to have from history, or to be told of, it does not want any more.
                        part.until = if promises.history || promises.tells { 0 } else { *at };
                    }
                }
                Entry::Got(number, labelled) => {
                    let publication = &self.publications[*number];
                    if publication.class != class {
                        continue;
                    }
                    let Some(&place) = places.get(number) else {
                        return Err(format!("{number} arrived and was never handed out"));
                    };
                    let observed = publication.observed.unwrap_or(Moment::MAX);
                    // What was handed out before a part began is a straggler of an earlier one, unless it was asked for.
                    let is_of = |part: &&mut Part| {
                        *labelled || part.begun <= observed || (part.exact && part.owed < Moment::MAX)
                    };
                    let part = parts.iter_mut().rev().find(is_of);
                    let Some(part) = part.filter(|part| observed <= part.until) else { continue };
                    self.got(part, place, &expected, promises.lossy || promises.drops)?;
                }
            }
        }
        if promises.drops {
            return Ok(());
        }
        for part in &parts {
            self.end(part, &expected, promises.lossy)?;
        }
        Ok(())
    }

    fn got(&self, part: &mut Part, place: usize, expected: &[usize], lossy: bool) -> Result<(), String> {
        let first = part.last.map_or(0, |last| last + 1);
        let number = expected[place];
        if place + 1 == first {
            return Err(format!("{number} arrived twice"));
        }
        if place < first {
            return Err(format!("{number} arrived after {}", expected[first - 1]));
        }
        for missing in &expected[first..place] {
            let excused = lossy || (part.gap && self.publications[*missing].sent < part.owed);
            if !excused {
                return Err(format!("{missing} is missing before {number}"));
            }
        }
        // Until then some may come that another subscription brought.
        let certain = self.publications[number].sent >= part.owed;
        (part.last, part.gap) = (Some(place), part.loss || (part.gap && !certain));
        Ok(())
    }

    fn end(&self, part: &Part, expected: &[usize], lossy: bool) -> Result<(), String> {
        let first = part.last.map_or(0, |last| last + 1);
        for (place, number) in expected.iter().enumerate().skip(first) {
            let publication = &self.publications[*number];
            let due = publication.observed.is_some_and(|observed| observed < part.until)
                && (!part.gap || publication.sent >= part.owed)
                && (part.owed < Moment::MAX || part.last.is_some());
            let newer = |other: &usize| self.publications[*other].channel == publication.channel;
            if due && !(lossy && expected[place + 1..].iter().any(newer)) {
                return Err(format!("{number} never arrived"));
            }
        }
        Ok(())
    }
}
