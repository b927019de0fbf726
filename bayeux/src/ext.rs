//! What clients say under `ext`: CometD's acknowledgement, Salesforce's replay, and our own. Extensions are
//! hints: what is not understood is as if it were absent.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cursor::Cursor;
use crate::request::Request;

/// The letters and digits of a publisher's name.
const PUBLISHER: std::ops::RangeInclusive<usize> = 16..=64;

/// How a client acknowledges deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ack {
    /// Not at all.
    #[default]
    None,
    /// CometD's way: messages travel with a connect reply only, and the next connect acknowledges the number that
    /// closed it.
    Batch,
    /// Each connect says how many deliveries have arrived, so on a socket they may leave at any time.
    Count,
}

/// What a handshake asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// How deliveries are acknowledged.
    pub ack: Ack,
    /// Whether Salesforce's replay extension is spoken.
    pub replay: bool,
    /// A name that the client keeps over all its sessions: 16 to 64 letters and digits that nobody else can guess.
    pub publisher: Option<Box<str>>,
}

/// What a connect acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// Nothing is said of it.
    Nothing,
    /// The first so many deliveries of the session.
    First(u64),
    /// Something that is no number of deliveries.
    Garbage,
}

/// From where on a subscription wants its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// From now on.
    Now,
    /// All that is kept.
    All,
    /// Those after this sequence of the current epoch (Salesforce's replay ids).
    Sequence(u64),
    /// Those after the cursor.
    Cursor(Cursor),
    /// Something that no server gave out.
    Garbage,
}

impl Since {
    /// Reads `now`, `all`, or a cursor.
    pub fn parse(text: &str) -> Self {
        match text {
            "now" => Since::Now,
            "all" => Since::All,
            _ => text.parse().map_or(Since::Garbage, Since::Cursor),
        }
    }
}

#[derive(Default, Deserialize)]
struct Ext<'a> {
    #[serde(borrow)]
    ack: Option<&'a RawValue>,
    #[serde(borrow)]
    replay: Option<&'a RawValue>,
    #[serde(borrow)]
    encke: Option<&'a RawValue>,
    #[serde(borrow)]
    authentication: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Ours<'a> {
    #[serde(borrow)]
    ack: Option<&'a RawValue>,
    #[serde(borrow)]
    publisher: Option<&'a RawValue>,
    #[serde(borrow)]
    since: Option<&'a RawValue>,
    #[serde(borrow)]
    echo: Option<&'a RawValue>,
    #[serde(borrow)]
    answered: Option<&'a RawValue>,
}

impl Request {
    /// The token that a handshake or a connect shows (`ext.authentication.token`). What stands there and is no text is an empty
    /// one: whoever shows something is not nobody.
    pub fn token(&self) -> Option<Box<str>> {
        #[derive(Deserialize)]
        struct Authentication<'a> {
            #[serde(borrow)]
            token: Option<&'a RawValue>,
        }
        let shown = self.ext().authentication?;
        let token = serde_json::from_str::<Authentication<'_>>(shown.get()).ok()?.token?;
        Some(serde_json::from_str(token.get()).unwrap_or_default())
    }

    fn ext(&self) -> Ext<'_> {
        self.ext.as_ref().and_then(|ext| serde_json::from_str(ext.get()).ok()).unwrap_or_default()
    }

    /// What a handshake asks for.
    pub fn wishes(&self) -> Wishes {
        let ext = self.ext();
        let ours = ours(&ext);
        let counts = ours.ack.is_some_and(|ack| ack.get() == "\"count\"");
        let ack = match ext.ack {
            Some(ack) if is_wish(ack) && counts => Ack::Count,
            Some(ack) if is_wish(ack) => Ack::Batch,
            _ => Ack::None,
        };
        let publisher = ours.publisher.and_then(|name| serde_json::from_str::<Box<str>>(name.get()).ok());
        let publisher = publisher.filter(|name| {
            PUBLISHER.contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        Wishes { ack, replay: ext.replay.is_some_and(is_wish), publisher }
    }

    /// What a connect acknowledges.
    pub fn acknowledged(&self) -> Acknowledged {
        match self.ext().ack.map(RawValue::get) {
            None | Some("-1" | "true" | "null") => Acknowledged::Nothing,
            Some(number) => number.parse().map_or(Acknowledged::Garbage, Acknowledged::First),
        }
    }

    /// From where on a subscribe wants the messages of each pattern that it says something about.
    pub fn since(&self) -> HashMap<Box<str>, Since> {
        let ext = self.ext();
        let mut all = HashMap::new();
        for wishes in [ext.replay, ours(&ext).since].into_iter().flatten() {
            let wishes: HashMap<Box<str>, &RawValue> = serde_json::from_str(wishes.get()).unwrap_or_default();
            all.extend(wishes.into_iter().map(|(pattern, wish)| (pattern, since(wish))));
        }
        all
    }

    /// Up to which of its ids, taken as numbers, a publisher has no question left.
    pub fn answered(&self) -> Option<u64> {
        self.ext.as_ref()?;
        ours(&self.ext()).answered?.get().parse().ok()
    }

    /// Whether a publication is for its own publisher too.
    pub fn echoes(&self) -> bool {
        self.ext.is_none() || ours(&self.ext()).echo.is_none_or(|echo| echo.get() != "false")
    }
}

fn ours<'a>(ext: &Ext<'a>) -> Ours<'a> {
    ext.encke.and_then(|ours| serde_json::from_str(ours.get()).ok()).unwrap_or_default()
}

/// `true`, or settings of the extension.
fn is_wish(value: &RawValue) -> bool {
    value.get() == "true" || value.get().starts_with('{')
}

fn since(wish: &RawValue) -> Since {
    match wish.get() {
        "-1" => Since::Now,
        "-2" => Since::All,
        text if text.starts_with('"') => {
            serde_json::from_str::<Box<str>>(text).map_or(Since::Garbage, |text| Since::parse(&text))
        }
        number => number.parse().map_or(Since::Garbage, Since::Sequence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Limits, parse};

    fn request(json: &str) -> Request {
        parse(json.as_bytes(), &Limits::default()).unwrap().remove(0)
    }

    fn handshake(ext: &str) -> Wishes {
        request(&format!(r#"{{"channel":"/meta/handshake","ext":{ext}}}"#)).wishes()
    }

    #[test]
    fn a_handshake_chooses_how_it_acknowledges() {
        for (ext, ack) in [
            ("{}", Ack::None),
            (r#"{"ack":false}"#, Ack::None),
            (r#"{"ack":true}"#, Ack::Batch),
            (r#"{"ack":{"enabled":true}}"#, Ack::Batch),
            (r#"{"ack":true,"encke":{"ack":"count"}}"#, Ack::Count),
            (r#"{"encke":{"ack":"count"}}"#, Ack::None),
            (r#"{"ack":true,"encke":7}"#, Ack::Batch),
        ] {
            assert_eq!(handshake(ext).ack, ack, "{ext}");
        }
        assert!(handshake(r#"{"replay":true}"#).replay);
        for (name, known) in
            [("a1".repeat(8), true), ("a".into(), false), ("a1".repeat(33), false), ("é".repeat(10), false)]
        {
            assert_eq!(
                handshake(&format!(r#"{{"encke":{{"publisher":"{name}"}}}}"#)).publisher.is_some(),
                known
            );
        }
    }

    #[test]
    fn an_acknowledgement_is_a_number_or_nothing() {
        for (ext, said) in [
            ("{}", Acknowledged::Nothing),
            (r#"{"ack":-1}"#, Acknowledged::Nothing),
            (r#"{"ack":12}"#, Acknowledged::First(12)),
            (r#"{"ack":1.5}"#, Acknowledged::Garbage),
            (r#"{"ack":"12"}"#, Acknowledged::Garbage),
            (r#"{"ack":18446744073709551616}"#, Acknowledged::Garbage),
        ] {
            let json = format!(r#"{{"channel":"/meta/connect","ext":{ext}}}"#);
            assert_eq!(request(&json).acknowledged(), said, "{ext}");
        }
    }

    #[test]
    fn a_subscription_begins_where_it_says() {
        let json = r#"{"channel":"/meta/subscribe","subscription":["/a","/b"],"ext":{
            "replay":{"/a":-2,"/b":-1,"/c":7,"/d":"1a-2"},"encke":{"since":{"/e":"now","/f":"all","/g":"x","/h":[]}}}}"#;
        let since = request(json).since();
        let at = Since::Cursor("1a-2".parse().unwrap());
        for (pattern, wish) in [
            ("/a", Since::All),
            ("/b", Since::Now),
            ("/c", Since::Sequence(7)),
            ("/d", at),
            ("/e", Since::Now),
            ("/f", Since::All),
            ("/g", Since::Garbage),
            ("/h", Since::Garbage),
        ] {
            assert_eq!(since[pattern], wish, "{pattern}");
        }
    }

    #[test]
    fn a_publication_may_say_what_was_answered() {
        for (ext, answered) in [
            ("{}", None),
            (r#"{"encke":{"answered":12}}"#, Some(12)),
            (r#"{"encke":{"answered":"12"}}"#, None),
            (r#"{"encke":{"answered":-1}}"#, None),
        ] {
            let json = format!(r#"{{"channel":"/a","data":1,"ext":{ext}}}"#);
            assert_eq!(request(&json).answered(), answered, "{ext}");
        }
    }

    #[test]
    fn a_publication_echoes_unless_it_says_otherwise() {
        for (ext, echoes) in
            [("{}", true), (r#"{"encke":{"echo":false}}"#, false), (r#"{"encke":{"echo":0}}"#, true)]
        {
            let json = format!(r#"{{"channel":"/a","data":1,"ext":{ext}}}"#);
            assert_eq!(request(&json).echoes(), echoes, "{ext}");
        }
    }
}
