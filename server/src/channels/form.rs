//! A form's fields as a JSON object: `name=Ann&text=hello` is `{"name":"Ann","text":"hello"}`.

use percent_encoding::percent_decode;
use serde_json::{Map, Value};

/// The object of a form's fields, all of them strings; a field that stands there more than once is an array of
/// strings. `None`: there is no field, or one is not UTF-8.
pub(super) fn object(body: &[u8]) -> Option<String> {
    let mut object = Map::new();
    for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let name = text(&pair[..equals])?;
        let value = Value::String(text(pair.get(equals + 1..).unwrap_or_default())?);
        match object.get_mut(&name) {
            None => drop(object.insert(name, value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    (!object.is_empty()).then(|| Value::Object(object).to_string())
}

fn text(encoded: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::object;

    #[test]
    fn fields_become_an_object_of_strings() {
        for (form, json) in [
            ("name=Ann&text=hello+you", r#"{"name":"Ann","text":"hello you"}"#),
            ("a=1&a=2&a=3", r#"{"a":["1","2","3"]}"#),
            ("a", r#"{"a":""}"#),
            ("a=b=c&&", r#"{"a":"b=c"}"#),
            ("%c3%a9=%22%0a", "{\"\u{e9}\":\"\\\"\\n\"}"),
        ] {
            assert_eq!(object(form.as_bytes()).as_deref(), Some(json), "{form}");
        }
        for form in ["", "&", "a=%ff"] {
            assert_eq!(object(form.as_bytes()), None, "{form}");
        }
    }
}
