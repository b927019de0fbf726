//! Rules over patterns: who may do what where. Deny wins, and a right to a pattern is a right to all of it.
//!
//! Rules are turned into an identity's own list once, when it is known who somebody is: names are put in for `{sub}`,
//! and what is not about them is left out. A check then compares patterns and allocates nothing.

use bayeux::{Channel, Pattern};
use serde::{Deserialize, Serialize};

/// What can be allowed or denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Speak.
    Publish,
    /// Listen.
    Subscribe,
    /// Read what was said before.
    History,
    /// See who is there.
    Presence,
}

impl Verb {
    /// All of them.
    pub const ALL: [Verb; 4] = [Verb::Publish, Verb::Subscribe, Verb::History, Verb::Presence];

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// One `[[rights.rule]]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleOptions {
    /// Whom it is about: `anyone`, `user` (whoever has a subject), `user:alice`, `group:staff`, `claim:plan=pro`,
    /// `key:shop` (an API key by its name).
    pub who: Vec<String>,
    /// What they may do there.
    pub may: Vec<Verb>,
    /// What they may not do there, whatever else says that they may.
    pub may_not: Vec<Verb>,
    /// Where: patterns, in which `{sub}` stands for the subject and `{claim}` for a text claim.
    pub channels: Vec<String>,
}

impl RuleOptions {
    /// A table that says everything there is to say.
    pub fn complete() -> Self {
        RuleOptions {
            who: vec!["user".to_owned()],
            may: vec![Verb::Publish],
            may_not: vec![Verb::History],
            channels: vec!["/chat/*".to_owned()],
        }
    }
}

/// Why a rule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// It is about nobody.
    #[error("it says nobody; write, for example, who = [\"anyone\"]")]
    Nobody,
    /// Nobody is called that.
    #[error("{0:?} is nobody: write anyone, user, user:NAME, group:NAME, claim:NAME=VALUE or key:NAME")]
    Who(String),
    /// It allows and denies nothing.
    #[error("it says neither what they may nor what they may_not")]
    Nothing,
    /// It is about no channel.
    #[error("it has no channels; write, for example, channels = [\"/chat/**\"]")]
    Nowhere,
    /// It is about an API key that there is not.
    #[error("key:{0} is nobody: there is no [[key]] of that name")]
    Key(String),
    /// What stands there is not a pattern.
    #[error("{0:?} is not a pattern: {1}")]
    Pattern(String, String),
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Anyone,
    User,
    Subject(Box<str>),
    Group(Box<str>),
    Claim(Box<str>, Box<str>),
    Key(Box<str>),
}

/// What rules know of somebody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// The subject of a token.
    pub subject: Option<&'a str>,
    /// Its groups.
    pub groups: &'a [Box<str>],
    /// Its text claims.
    pub claims: &'a [(Box<str>, Box<str>)],
    /// The name of an API key.
    pub key: Option<&'a str>,
}

/// The rules of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    who: Vec<Who>,
    may: u8,
    may_not: u8,
    channels: Vec<Template>,
}

/// A pattern in which names are put in.
#[derive(Clone, Debug)]
enum Template {
    Plain(Pattern),
    Open(Box<str>),
}

/// What somebody may do: the rules that are about them, with their names put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    rights: Vec<Right>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Right {
    pattern: Pattern,
    may: u8,
    may_not: u8,
    /// Which rule says so, counted from 1; 0 is the token or key itself.
    rule: u32,
}

/// Why something is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied<'a> {
    /// No rule allows it. With the widest pattern within that would be allowed.
    NoRule(Option<&'a Pattern>),
    /// A rule denies all of it, or a part of it, which is its pattern. With the rule's number.
    Rule(u32, &'a Pattern),
}

impl Rules {
    /// Rules from their tables.
    ///
    /// # Errors
    /// The first thing that is wrong, and the number of its table, counted from 1.
    pub fn new(tables: &[RuleOptions]) -> Result<Self, (usize, InvalidRule)> {
        let rules = tables.iter().zip(1..).map(|(table, number)| rule(table).map_err(|why| (number, why)));
        Ok(Rules { rules: rules.collect::<Result<_, _>>()? })
    }

    /// What somebody may do.
    pub fn of(&self, facts: Facts<'_>) -> Rights {
        let mut rights = Vec::new();
        for (rule, number) in self.rules.iter().zip(1..) {
            if !rule.who.iter().any(|who| who.is(facts)) {
                continue;
            }
            for template in &rule.channels {
                let pattern = match template {
                    Template::Plain(pattern) => Some(pattern.clone()),
                    Template::Open(text) => fill(text, facts),
                };
                if let Some(pattern) = pattern {
                    rights.push(Right { pattern, may: rule.may, may_not: rule.may_not, rule: number });
                }
            }
        }
        Rights { rights }
    }
}

impl Rights {
    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.rights.iter().all(|right| right.may == 0)
    }

    /// Adds what a token or a key carries itself.
    pub fn grant(&mut self, verbs: &[Verb], pattern: Pattern) {
        self.rights.push(Right { pattern, may: bits(verbs), may_not: 0, rule: 0 });
    }

    /// Whether a message may be published there.
    ///
    /// # Errors
    /// Why not.
    pub fn may_publish(&self, channel: &Channel) -> Result<(), Denied<'_>> {
        let bit = Verb::Publish.bit();
        let mut allowed = false;
        for right in &self.rights {
            if (right.may | right.may_not) & bit == 0 || !right.pattern.matches(channel) {
                continue;
            }
            if right.may_not & bit != 0 {
                return Err(Denied::Rule(right.rule, &right.pattern));
            }
            allowed = true;
        }
        if allowed { Ok(()) } else { Err(Denied::NoRule(None)) }
    }

    /// Whether all channels that a pattern matches are allowed. Two patterns are nested or disjoint, and no finite number of
    /// narrower ones makes up a wider one, so one rule must allow all of it and none may deny a part.
    ///
    /// # Errors
    /// Why not.
    pub fn may_all(&self, verb: Verb, pattern: &Pattern) -> Result<(), Denied<'_>> {
        let bit = verb.bit();
        let mut allowed = false;
        for right in self.rights.iter().filter(|right| (right.may | right.may_not) & bit != 0) {
            let covers = right.pattern.covers(pattern);
            if right.may_not & bit != 0 && (covers || pattern.covers(&right.pattern)) {
                return Err(Denied::Rule(right.rule, &right.pattern));
            }
            allowed |= covers && right.may & bit != 0;
        }
        if allowed { Ok(()) } else { Err(Denied::NoRule(self.widest_within(verb, pattern))) }
    }

    /// The widest pattern that would be allowed of those within a pattern that is not.
    fn widest_within(&self, verb: Verb, pattern: &Pattern) -> Option<&Pattern> {
        let mut widest: Option<&Pattern> = None;
        for right in self.rights.iter().filter(|right| right.may & verb.bit() != 0) {
            let is_wider = |known: &Pattern| right.pattern.covers(known);
            // What looks at all rules again comes last: one of a thousand may be asked about by anybody.
            if pattern.covers(&right.pattern)
                && widest.is_none_or(is_wider)
                && self.may_all_quietly(verb, &right.pattern)
            {
                widest = Some(&right.pattern);
            }
        }
        widest
    }

    fn may_all_quietly(&self, verb: Verb, pattern: &Pattern) -> bool {
        let bit = verb.bit();
        let denies = |right: &Right| {
            right.may_not & bit != 0 && (right.pattern.covers(pattern) || pattern.covers(&right.pattern))
        };
        !self.rights.iter().any(denies)
    }
}

fn bits(verbs: &[Verb]) -> u8 {
    verbs.iter().fold(0, |bits, verb| bits | verb.bit())
}

fn rule(table: &RuleOptions) -> Result<Rule, InvalidRule> {
    let RuleOptions { who, may, may_not, channels } = table;
    if who.is_empty() {
        return Err(InvalidRule::Nobody);
    }
    if may.is_empty() && may_not.is_empty() {
        return Err(InvalidRule::Nothing);
    }
    if channels.is_empty() {
        return Err(InvalidRule::Nowhere);
    }
    Ok(Rule {
        who: who.iter().map(|name| Who::parse(name)).collect::<Result<_, _>>()?,
        may: bits(may),
        may_not: bits(may_not),
        channels: channels.iter().map(|text| template(text)).collect::<Result<_, _>>()?,
    })
}

fn template(text: &str) -> Result<Template, InvalidRule> {
    let invalid = |why: String| InvalidRule::Pattern(text.to_owned(), why);
    if !text.contains(['{', '}']) {
        return Pattern::parse(text).map(Template::Plain).map_err(|why| invalid(why.to_string()));
    }
    // With any name put in it has to be a pattern.
    let named = |name: &str| (!name.is_empty()).then_some("x");
    let tried =
        substitute(text, named).ok_or_else(|| invalid("a { without its }, or no name in it".to_owned()))?;
    Pattern::parse(&tried).map_err(|why| invalid(why.to_string()))?;
    Ok(Template::Open(text.into()))
}

/// Puts in what `name` answers for each `{name}`. `None`: a brace without the other, or a name without an answer.
fn substitute<'a>(text: &str, name: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let mut filled = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, behind) = after.split_once('}')?;
        filled += before;
        filled += name(inside)?;
        rest = behind;
    }
    (!rest.contains('}')).then_some(())?;
    Some(filled + rest)
}

/// The pattern with somebody's names put in. A name that would be more than a part of one segment matches nothing.
fn fill(text: &str, facts: Facts<'_>) -> Option<Pattern> {
    let name = |name: &str| -> Option<&str> {
        let value = match name {
            "sub" => facts.subject?,
            _ => facts.claims.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)?,
        };
        (!value.is_empty() && !value.contains(['/', '*'])).then_some(value)
    };
    Pattern::parse(&substitute(text, name)?).ok()
}

impl Who {
    fn parse(name: &str) -> Result<Self, InvalidRule> {
        let unknown = || InvalidRule::Who(name.to_owned());
        Ok(match name.split_once(':') {
            None if name == "anyone" => Who::Anyone,
            None if name == "user" => Who::User,
            Some((_, "")) => return Err(unknown()),
            Some(("user", subject)) => Who::Subject(subject.into()),
            Some(("group", group)) => Who::Group(group.into()),
            Some(("key", key)) => Who::Key(key.into()),
            Some(("claim", claim)) => {
                let (claim, value) = claim.split_once('=').ok_or_else(unknown)?;
                Who::Claim(claim.into(), value.into())
            }
            _ => return Err(unknown()),
        })
    }

    fn is(&self, facts: Facts<'_>) -> bool {
        match self {
            Who::Anyone => true,
            Who::User => facts.subject.is_some(),
            Who::Subject(subject) => facts.subject == Some(subject),
            Who::Group(group) => facts.groups.contains(group),
            Who::Claim(name, value) => facts.claims.iter().any(|(n, v)| n == name && v == value),
            Who::Key(key) => facts.key == Some(key),
        }
    }
}
