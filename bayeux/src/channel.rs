//! Where a message is published, and what a session listens to (SPEC, "Channels").
//!
//! A channel of n segments is matched by exactly n + 2 patterns, each a slice of its own name, so matching
//! is a few look-ups in maps keyed by [`Pattern::key`] and needs neither a tree nor an allocation.

/// How long a name may be. Both limits hold for channels and for patterns, wildcard segment included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelLimits {
    /// Length of the whole name in bytes.
    pub bytes: usize,
    /// Number of segments.
    pub segments: usize,
}

impl Default for ChannelLimits {
    fn default() -> Self {
        Self { bytes: 512, segments: 32 }
    }
}

/// The name of one channel, for example `/chat/demo`: valid, without a wildcard.
///
/// The alphabet is that of the SPEC (letters, digits, `- _ ! ~ ( ) $ @`) and `.`, which CometD allows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Channel(Box<str>);

/// What a channel is for, decided by its first segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// `/meta` and below: the protocol's own, never routed.
    Meta,
    /// Below `/service`: to the server only, never routed to other sessions.
    Service,
    /// Everything else: published to whoever listens.
    Broadcast,
}

/// How far below its key a pattern reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// The channel of that name only.
    Exact,
    /// Exactly one segment more: `/*`.
    Children,
    /// One or more segments more: `/**`.
    Descendants,
}

/// What a session listens to: a channel, or every channel that one wildcard in the last segment stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    name: Box<str>,
    reach: Reach,
}

/// Why a name is not a channel or a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidChannel {
    /// It is longer than [`ChannelLimits::bytes`].
    #[error("a channel has at most {limit} bytes")]
    TooLong {
        /// The limit that was passed.
        limit: usize,
    },
    /// It has more segments than [`ChannelLimits::segments`].
    #[error("a channel has at most {limit} segments")]
    TooManySegments {
        /// The limit that was passed.
        limit: usize,
    },
    /// It does not begin with `/`.
    #[error("a channel begins with a slash")]
    NoLeadingSlash,
    /// Two slashes in a row, or nothing after the first one.
    #[error("a segment of a channel has at least one character")]
    EmptySegment,
    /// A character outside of the alphabet.
    #[error("a channel is made of letters, digits and -_!~()$@. between slashes, not of {0:?}")]
    Character(char),
    /// `*` or `**` where only a channel can stand.
    #[error("a wildcard stands for many channels, where one is needed")]
    Wildcard,
    /// `*` or `**` before the last segment.
    #[error("a wildcard can only be the last segment")]
    WildcardInside,
}

impl Channel {
    /// Reads a name within the default limits. One trailing slash is dropped, except below `/meta`, whose
    /// names must match exactly.
    pub fn parse(name: &str) -> Result<Self, InvalidChannel> {
        Self::parse_within(name, &ChannelLimits::default())
    }

    /// [`Channel::parse`] within limits of the caller.
    pub fn parse_within(name: &str, limits: &ChannelLimits) -> Result<Self, InvalidChannel> {
        match check(name, limits)? {
            (name, Reach::Exact) => Ok(Self(name.into())),
            _ => Err(InvalidChannel::Wildcard),
        }
    }

    /// The name, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the channel is for.
    pub fn kind(&self) -> ChannelKind {
        kind(&self.0)
    }

    /// The n + 2 patterns that match this channel, as [`Pattern::key`] and [`Pattern::reach`]: itself, the
    /// children of its parent, and the descendants of each of its ancestors, nearest first, `""` (the root)
    /// last. The keys are slices of its own name.
    pub fn patterns(&self) -> impl Iterator<Item = (&str, Reach)> {
        let parent = parent(&self.0).unwrap_or_default();
        let ancestors = std::iter::successors(Some(parent), |key| self::parent(key));
        [(&*self.0, Reach::Exact), (parent, Reach::Children)]
            .into_iter()
            .chain(ancestors.map(|key| (key, Reach::Descendants)))
    }
}

impl Pattern {
    /// Reads a pattern within the default limits: a channel, or one that ends in `/*` or `/**`. One trailing
    /// slash is dropped, except below `/meta`.
    pub fn parse(name: &str) -> Result<Self, InvalidChannel> {
        Self::parse_within(name, &ChannelLimits::default())
    }

    /// [`Pattern::parse`] within limits of the caller.
    pub fn parse_within(name: &str, limits: &ChannelLimits) -> Result<Self, InvalidChannel> {
        let (name, reach) = check(name, limits)?;
        Ok(Self { name: name.into(), reach })
    }

    /// The pattern of that key and reach, the inverse of [`Pattern::key`] and [`Pattern::reach`].
    ///
    /// The key must come from there or from [`Channel::patterns`]: it is not checked again.
    pub fn from_key(key: &str, reach: Reach) -> Self {
        debug_assert!(!(key.is_empty() && reach == Reach::Exact), "the root is not a channel");
        let name = [key, suffix(reach)].concat().into_boxed_str();
        Self { name, reach }
    }

    /// The whole pattern, for example `/chat/*`.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// How far below its key it reaches.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// What stands before the wildcard: `/a` for `/a/*` and for `/a/**`, `""` for `/**`, the whole name
    /// without a wildcard.
    pub fn key(&self) -> &str {
        &self.name[..self.name.len() - suffix(self.reach).len()]
    }

    /// Whether it can match more than one channel.
    pub fn is_wildcard(&self) -> bool {
        self.reach != Reach::Exact
    }

    /// What its channels are for. `/**` and `/*` are [`ChannelKind::Broadcast`]: what they match below
    /// `/meta` and `/service` is never routed.
    pub fn kind(&self) -> ChannelKind {
        kind(&self.name)
    }

    /// Whether a message on `channel` is for this pattern.
    pub fn matches(&self, channel: &Channel) -> bool {
        self.takes(&channel.0, Reach::Exact)
    }

    /// Whether every channel that `other` matches is matched by this pattern too; equal patterns cover each
    /// other. Two patterns are always nested or disjoint.
    pub fn covers(&self, other: &Self) -> bool {
        self.takes(other.key(), other.reach)
    }

    fn takes(&self, key: &str, reach: Reach) -> bool {
        covers((self.key(), self.reach), (key, reach))
    }
}

/// Whether every channel that the second pattern matches is matched by the first one too, each given as
/// [`Pattern::key`] and [`Pattern::reach`].
pub fn covers((own, own_reach): (&str, Reach), (key, reach): (&str, Reach)) -> bool {
    match (own_reach, reach) {
        (Reach::Exact, Reach::Exact) | (Reach::Children, Reach::Children) => own == key,
        (Reach::Children, Reach::Exact) => parent(key) == Some(own),
        (Reach::Descendants, Reach::Exact) => is_below(key, own),
        (Reach::Descendants, _) => own == key || is_below(key, own),
        (Reach::Exact | Reach::Children, _) => false,
    }
}

/// `/a` for `/a/b`, `""` for `/a`, nothing for `""`.
fn parent(key: &str) -> Option<&str> {
    key.rfind('/').map(|slash| &key[..slash])
}

fn is_below(key: &str, ancestor: &str) -> bool {
    key.strip_prefix(ancestor).is_some_and(|rest| rest.starts_with('/'))
}

fn suffix(reach: Reach) -> &'static str {
    match reach {
        Reach::Exact => "",
        Reach::Children => "/*",
        Reach::Descendants => "/**",
    }
}

fn kind(name: &str) -> ChannelKind {
    match name.split('/').nth(1) {
        Some("meta") => ChannelKind::Meta,
        Some("service") if name.len() > "/service".len() => ChannelKind::Service,
        _ => ChannelKind::Broadcast,
    }
}

/// Checks a whole name, and returns it without its trailing slash, and what its last segment reaches.
fn check<'a>(name: &'a str, limits: &ChannelLimits) -> Result<(&'a str, Reach), InvalidChannel> {
    let name = match name.strip_suffix('/') {
        Some(shorter) if !name.starts_with("/meta/") => shorter,
        _ => name,
    };
    if name.len() > limits.bytes {
        return Err(InvalidChannel::TooLong { limit: limits.bytes });
    }
    let Some(segments) = name.strip_prefix('/') else {
        // What was only a slash has lost it above.
        let missing = name.is_empty();
        return Err(if missing { InvalidChannel::EmptySegment } else { InvalidChannel::NoLeadingSlash });
    };
    let mut reach = Reach::Exact;
    let mut count = 0;
    for segment in segments.split('/') {
        count += 1;
        if count > limits.segments {
            return Err(InvalidChannel::TooManySegments { limit: limits.segments });
        }
        if reach != Reach::Exact {
            return Err(InvalidChannel::WildcardInside);
        }
        reach = match segment {
            "" => return Err(InvalidChannel::EmptySegment),
            "*" => Reach::Children,
            "**" => Reach::Descendants,
            _ => Reach::Exact,
        };
        if reach == Reach::Exact
            && let Some(at) = segment.bytes().position(|byte| !is_letter(byte))
        {
            let character = segment[at..].chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
            return Err(InvalidChannel::Character(character));
        }
    }
    Ok((name, reach))
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_!~()$@.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_of_a_channel_are_slices_of_its_name() {
        let channel = Channel::parse("/a/b/c").unwrap();
        let expected = [
            ("/a/b/c", Reach::Exact),
            ("/a/b", Reach::Children),
            ("/a/b", Reach::Descendants),
            ("/a", Reach::Descendants),
            ("", Reach::Descendants),
        ];
        assert_eq!(channel.patterns().collect::<Vec<_>>(), expected);
        let short = Channel::parse("/a").unwrap();
        let expected = [("/a", Reach::Exact), ("", Reach::Children), ("", Reach::Descendants)];
        assert_eq!(short.patterns().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn names_are_refused_for_the_reason_a_person_would_give() {
        use InvalidChannel::*;
        for (name, reason) in [
            ("", EmptySegment),
            ("/", EmptySegment),
            ("//", EmptySegment),
            ("/a//b", EmptySegment),
            ("/a//", EmptySegment),
            ("a/b", NoLeadingSlash),
            ("a/", NoLeadingSlash),
            ("/a b", Character(' ')),
            ("/a/é", Character('é')),
            ("/a*", Character('*')),
            ("/***", Character('*')),
            ("/*/a", WildcardInside),
            ("/**/*", WildcardInside),
            ("/meta/connect/", EmptySegment),
        ] {
            assert_eq!(Pattern::parse(name), Err(reason), "{name}");
        }
        assert_eq!(Channel::parse("/a/*"), Err(Wildcard));
        assert_eq!(Channel::parse(&"/a".repeat(33)), Err(TooManySegments { limit: 32 }));
        assert_eq!(Channel::parse(&format!("/{}", "a".repeat(512))), Err(TooLong { limit: 512 }));
        assert!(Channel::parse(&format!("/{}/", "a".repeat(511))).is_ok());
    }

    #[test]
    fn kinds_are_told_by_the_whole_first_segment() {
        for (name, kind) in [
            ("/meta", ChannelKind::Meta),
            ("/meta/connect", ChannelKind::Meta),
            ("/metal", ChannelKind::Broadcast),
            ("/service/echo", ChannelKind::Service),
            ("/service", ChannelKind::Broadcast),
            ("/services/a", ChannelKind::Broadcast),
            ("/a/meta", ChannelKind::Broadcast),
        ] {
            assert_eq!(Channel::parse(name).unwrap().kind(), kind, "{name}");
        }
        assert_eq!(Pattern::parse("/meta/**").unwrap().kind(), ChannelKind::Meta);
        assert_eq!(Pattern::parse("/service/*").unwrap().kind(), ChannelKind::Service);
        assert_eq!(Pattern::parse("/**").unwrap().kind(), ChannelKind::Broadcast);
    }
}
