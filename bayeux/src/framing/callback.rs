//! The body of a poll: a JSON array, or a script that calls a function with it (`callback-polling`, Bayeux 1.0,
//! section 6.2).
//!
//! Sealed JSON is not yet a safe literal of JavaScript (`{"__proto__":1,"__proto__":2}` is JSON and a syntax error in a
//! script), so the script hands a string to `JSON.parse`. The comment in front keeps the body from being taken for
//! a file of another kind (the flash and charset attacks on JSONP of 2014).

use super::Framing;

/// The longest name of a callback in bytes.
const NAME_BYTES: usize = 64;

/// The name that a client means when it names none (Bayeux 1.0, section 6.2.1).
const DEFAULT_NAME: &str = "jsonpcallback";

const OPEN: &[u8] = b"(JSON.parse(\"[";
const CLOSE: &[u8] = b"]\"));";

/// The function that a script calls: identifiers with dots between them, so that nothing but a call can be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback(Box<str>);

impl Callback {
    /// Reads a name of at most 64 bytes: ASCII letters, digits, `_` and `$`, and dots between such words, none of which
    /// begins with a digit.
    pub fn parse(name: &str) -> Option<Self> {
        let word = |word: &str| {
            !word.is_empty()
                && !word.starts_with(|first: char| first.is_ascii_digit())
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$'))
        };
        (name.len() <= NAME_BYTES && name.split('.').all(word)).then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Callback {
    fn default() -> Self {
        Self(DEFAULT_NAME.into())
    }
}

/// How the body of a poll's answer stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PollBody {
    /// As it is.
    #[default]
    Array,
    /// As a script.
    Callback(Callback),
}

impl PollBody {
    /// The framing in which messages are joined for it.
    pub fn framing(&self) -> Framing {
        match self {
            Self::Array => Framing::Array,
            Self::Callback(_) => Framing::Callback,
        }
    }

    /// What stands before the first message.
    pub fn open(&self, out: &mut Vec<u8>) {
        match self {
            Self::Array => out.push(b'['),
            Self::Callback(callback) => {
                out.extend_from_slice(b"/**/");
                out.extend_from_slice(callback.0.as_bytes());
                out.extend_from_slice(OPEN);
            }
        }
    }

    /// Appends JSON of the server's own (replies), commas included.
    pub fn json(&self, out: &mut Vec<u8>, json: &[u8]) {
        match self {
            Self::Array => out.extend_from_slice(json),
            Self::Callback(_) => quote(out, json),
        }
    }

    /// What stands after the last message.
    pub fn close(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self {
            Self::Array => b"]",
            Self::Callback(_) => CLOSE,
        });
    }
}

/// Appends safe JSON as a part of a string literal of JavaScript.
pub(super) fn quote(out: &mut Vec<u8>, json: &[u8]) {
    out.reserve(json.len() + json.len() / 8);
    for &byte in json {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

/// The JSON array inside of a script that [`PollBody::Callback`] made, and the name that it calls.
pub fn unframe(script: &str) -> Option<(&str, String)> {
    let rest = script.strip_prefix("/**/")?;
    let (name, rest) = rest.split_once("(JSON.parse(\"")?;
    let quoted = rest.strip_suffix("\"));")?;
    let mut json = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        json.push(if character == '\\' { characters.next()? } else { character });
    }
    Some((name, json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_say_nothing_but_a_call() {
        for name in ["cb", "_a.$b.c9", "dojo.io.script.jsonp_dojoIoScript1._jsonpCallback", &"a".repeat(64)] {
            assert_eq!(
                Callback::parse(name).map(|callback| callback.as_str().to_owned()).as_deref(),
                Some(name)
            );
        }
        for name in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "9a",
            "a.9",
            "a-b",
            "a b",
            "a(b)",
            "alert(1)//",
            "a;b",
            "é",
            "a[0]",
            &"a".repeat(65),
        ] {
            assert_eq!(Callback::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_script_holds_its_array() {
        let json = r#"{"channel":"/a","data":{"__proto__":1,"text":"\"quoted\" \\ \u003c"}}"#;
        let body = PollBody::Callback(Callback::default());
        let mut script = Vec::new();
        body.open(&mut script);
        body.json(&mut script, json.as_bytes());
        body.close(&mut script);
        let script = String::from_utf8(script).unwrap();
        assert!(script.starts_with("/**/jsonpcallback(JSON.parse(\"[{\\\"channel\\\""), "{script}");
        assert_eq!(unframe(&script), Some(("jsonpcallback", format!("[{json}]"))));
    }
}
