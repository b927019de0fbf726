//! A page that grows: HTML without a script, one paragraph a message, newest on top.

use serde_json::{Map, Value};

/// What a page may show of one message.
const SHOWN_BYTES: usize = 4096;

/// Appends one paragraph. JSON that looks like something somebody said or did (an object with a `text`
/// or an `event`, and perhaps a `name`) is shown as that, everything else as it is.
pub(crate) fn paragraph(out: &mut Vec<u8>, channel: &str, content: Shown<'_>) {
    out.extend_from_slice(b"<p><i>");
    escape(out, channel);
    out.extend_from_slice(b"</i> ");
    match content {
        Shown::Text(text) => escape(out, text),
        Shown::Json(json) => said(out, json),
        Shown::Bytes { content_type, length } => escape(out, &format!("{length} bytes of {content_type}")),
    }
    out.extend_from_slice(b"</p>\n");
}

/// What a paragraph is about.
pub(crate) enum Shown<'a> {
    /// JSON.
    Json(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// Bytes, which a page without a script cannot show.
    Bytes {
        /// As the publisher named it.
        content_type: &'a str,
        /// How many.
        length: usize,
    },
}

fn said(out: &mut Vec<u8>, json: &[u8]) {
    match serde_json::from_slice::<Value>(json) {
        Ok(Value::String(text)) => escape(out, &text),
        Ok(Value::Object(object)) if spoken(&object).is_some() => {
            if let Some(name) = object.get("name").and_then(Value::as_str) {
                out.extend_from_slice(b"<b>");
                escape(out, name);
                out.extend_from_slice(b"</b> ");
            }
            escape(out, spoken(&object).unwrap_or_default());
        }
        _ => escape(out, &String::from_utf8_lossy(json)),
    }
}

/// What somebody said, or what happened to them (`joined`).
fn spoken(object: &Map<String, Value>) -> Option<&str> {
    object.get("text").or(object.get("event")).and_then(Value::as_str)
}

fn escape(out: &mut Vec<u8>, text: &str) {
    let end = text.len().min(SHOWN_BYTES);
    let end = (0..=end).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    for byte in text[..end].bytes() {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            // What no page may hold; a line break is a space in HTML.
            0..=0x1F | 0x7F => out.push(b' '),
            _ => out.push(byte),
        }
    }
    if end < text.len() {
        out.extend_from_slice("…".as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(content: Shown<'_>) -> String {
        let mut out = Vec::new();
        paragraph(&mut out, "/chat/demo", content);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_was_said_is_shown_and_markup_is_text() {
        let json = br#"{"name":"<b>Ann</b>","text":"\u003cimg onerror=\"x\"> & 'so' on"}"#;
        assert_eq!(
            shown(Shown::Json(json)),
            "<p><i>/chat/demo</i> <b>&lt;b&gt;Ann&lt;/b&gt;</b> &lt;img onerror=&quot;x&quot;&gt; &amp; &#39;so&#39; on</p>\n"
        );
        let joined = shown(Shown::Json(br#"{"name":"Ann","event":"joined"}"#));
        assert_eq!(joined, "<p><i>/chat/demo</i> <b>Ann</b> joined</p>\n");
        assert_eq!(shown(Shown::Json(b"[1,2]")), "<p><i>/chat/demo</i> [1,2]</p>\n");
        assert_eq!(shown(Shown::Text("a\r\n\0b")), "<p><i>/chat/demo</i> a   b</p>\n");
        assert_eq!(
            shown(Shown::Bytes { content_type: "image/png", length: 7 }),
            "<p><i>/chat/demo</i> 7 bytes of image/png</p>\n"
        );
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let page = shown(Shown::Text(&"é".repeat(5000)));
        assert!(page.len() < 4200 && page.ends_with("é…</p>\n"));
    }
}
