//! What a configuration file says wrong, all of it at once: each fault with its line and, where a name was
//! mistyped, the one that was probably meant.

use std::fmt;
use std::net::SocketAddr;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

/// One thing that a file says wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands, counted from 1.
    pub line: usize,
    /// What is wrong, and what to write instead.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Compares a file with the defaults, which have every key there is, each with a value of its type.
///
/// # Errors
/// When the text is not TOML.
pub(super) fn find(text: &str, defaults: &Table) -> Result<Vec<Fault>, toml::de::Error> {
    let document = DeTable::parse(text)?;
    let mut search = Search { text, defaults, found: Vec::new() };
    search.compare(document.get_ref(), defaults, "");
    search.found.sort_by_key(|fault| fault.line);
    Ok(search.found)
}

struct Search<'a> {
    text: &'a str,
    defaults: &'a Table,
    found: Vec<Fault>,
}

impl Search<'_> {
    fn compare(&mut self, said: &DeTable<'_>, known: &Table, table: &str) {
        for (key, value) in said {
            let name = key.get_ref().as_ref();
            let path = if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") };
            let what = match (known.get(name), value.get_ref()) {
                (None, value) => self.unknown(name, value.is_table(), known, table),
                (Some(Value::Table(known)), DeValue::Table(said)) => {
                    self.compare(said, known, &path);
                    continue;
                }
                (Some(default), value) if !fits(default, value) => {
                    format!("{path} is {}, and has to be {}", shown(value), wanted(default, name))
                }
                _ => continue,
            };
            let line = self.text[..key.span().start].matches('\n').count() + 1;
            self.found.push(Fault { line, what });
        }
    }

    /// Names what is there instead: one beside it that is spelled nearly so, or the same name in another place.
    fn unknown(&self, name: &str, is_table: bool, known: &Table, table: &str) -> String {
        let here = if table.is_empty() { String::new() } else { format!(" in [{table}]") };
        let nothing = match is_table {
            true => format!("there is no table [{name}]{here}"),
            false => format!("there is no key {name}{here}"),
        };
        if let Some(meant) = nearest(name, known) {
            return match known[meant].is_table() {
                true => format!("{nothing}; did you mean [{meant}]?"),
                false => format!("{nothing}; did you mean {meant}?"),
            };
        }
        if let Some((place, _)) = self.defaults.iter().find(|(_, value)| value.get(name).is_some()) {
            return format!("{nothing}; did you mean {name} under [{place}]?");
        }
        if self.defaults.get(name).is_some_and(|value| !value.is_table()) {
            return format!("{nothing}; did you mean {name} at the top of the file, above all tables?");
        }
        format!("{nothing}, only {}", known.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
    }
}

/// The known name that takes the fewest slips of a finger, at most one for each three letters.
fn nearest<'a>(name: &str, known: &'a Table) -> Option<&'a str> {
    let typed = name.to_lowercase().replace('-', "_");
    let slips = |key: &&str| strsim::osa_distance(&typed, key);
    let best = known.keys().map(String::as_str).min_by_key(slips)?;
    (slips(&best) <= (name.chars().count() / 3).max(1)).then_some(best)
}

fn is_time(text: &str) -> bool {
    humantime::parse_duration(text).is_ok()
}

fn is_address(text: &str) -> bool {
    text.parse::<SocketAddr>().is_ok()
}

/// Whether a value is one that a key with this default takes.
fn fits(default: &Value, value: &DeValue<'_>) -> bool {
    match default {
        Value::Boolean(_) => value.is_bool(),
        // All numbers count something.
        Value::Integer(_) => value.as_integer().is_some_and(|number| {
            u64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).is_ok()
        }),
        Value::String(default) => value.as_str().is_some_and(|text| match default.as_str() {
            time if is_time(time) => is_time(text),
            address if is_address(address) => is_address(text),
            _ => true,
        }),
        Value::Array(defaults) => value.as_array().is_some_and(|values| {
            defaults.first().is_none_or(|default| values.iter().all(|value| fits(default, value.get_ref())))
        }),
        Value::Table(_) => value.is_table(),
        // No key has such a value yet; the types say the rest.
        Value::Float(_) | Value::Datetime(_) => true,
    }
}

fn shown(value: &DeValue<'_>) -> String {
    if let Some(text) = value.as_str() {
        return format!("{text:?}");
    }
    match value {
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
        other => format!("a {}", other.type_str()),
    }
}

/// What a key with this default takes.
fn wanted(default: &Value, name: &str) -> String {
    match default {
        Value::Boolean(_) => "true or false".to_owned(),
        Value::Integer(number) => format!("a whole number such as {number}"),
        Value::String(text) if is_time(text) => format!("a time in quotes such as {text:?}"),
        Value::String(text) if is_address(text) => format!("an address and a port such as {text:?}"),
        Value::String(_) => "a text in quotes".to_owned(),
        Value::Array(values) if values.is_empty() => "a list in brackets".to_owned(),
        Value::Array(_) => format!("a list of texts such as {default}"),
        Value::Table(_) => format!("a table: [{name}], and its keys on the lines below"),
        Value::Float(_) | Value::Datetime(_) => format!("something such as {default}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn faults(text: &str) -> Vec<String> {
        let defaults = Table::try_from(Config::default()).unwrap();
        find(text, &defaults).unwrap().iter().map(Fault::to_string).collect()
    }

    #[test]
    fn a_name_that_does_not_exist_brings_the_one_that_was_meant() {
        for (text, said) in [
            (
                "[sessions]\ngraze = \"1s\"",
                "line 2: there is no key graze in [sessions]; did you mean grace?",
            ),
            ("\n[session]", "line 2: there is no table [session]; did you mean [sessions]?"),
            ("liste = \"127.0.0.1:1\"", "line 1: there is no key liste; did you mean listen?"),
            (
                "Internal-Listen = \"[::1]:1\"",
                "line 1: there is no key Internal-Listen; did you mean internal_listen?",
            ),
            ("[rights]\nopne = true", "line 2: there is no key opne in [rights]; did you mean open?"),
            ("open = true", "line 1: there is no key open; did you mean open under [rights]?"),
            (
                "[rights]\nlisten = \"127.0.0.1:1\"",
                "line 2: there is no key listen in [rights]; did you mean listen at the top of the file, above all tables?",
            ),
            ("[rights]\nzebra = 1", "line 2: there is no key zebra in [rights], only open"),
        ] {
            assert_eq!(faults(text), [said], "{text}");
        }
    }

    #[test]
    fn a_value_of_another_kind_brings_what_is_expected() {
        for (text, said) in [
            (
                "[sessions]\ngrace = 30",
                "line 2: sessions.grace is 30, and has to be a time in quotes such as \"30s\"",
            ),
            (
                "sessions.grace = \"soon\"",
                "line 1: sessions.grace is \"soon\", and has to be a time in quotes such as \"30s\"",
            ),
            ("cores = -1", "line 1: cores is -1, and has to be a whole number such as 0"),
            ("cores = \"all\"", "line 1: cores is \"all\", and has to be a whole number such as 0"),
            ("cores = 1.5", "line 1: cores is a float, and has to be a whole number such as 0"),
            (
                "listen = \"nowhere\"",
                "line 1: listen is \"nowhere\", and has to be an address and a port such as \"127.0.0.1:8080\"",
            ),
            ("[rights]\nopen = \"yes\"", "line 2: rights.open is \"yes\", and has to be true or false"),
            (
                "rights = true",
                "line 1: rights is true, and has to be a table: [rights], and its keys on the lines below",
            ),
            (
                "[doors]\nbase = 1\nendpoints = [\"/a\", 2]",
                "line 2: doors.base is 1, and has to be a text in quotes",
            ),
        ] {
            assert_eq!(faults(text)[0], said, "{text}");
        }
        assert_eq!(faults("cores = 0x1_0\n[sessions]\ngrace = \"1m 30s\""), [""; 0]);
    }

    #[test]
    fn all_faults_are_told_in_the_order_of_the_file() {
        let said = faults(
            "[sessions]\nheartbeet = \"1s\"\n[rights]\nopen = 1\n[doors]\nbase = 1\nendpoints = [2]\n",
        );
        let lines: Vec<_> = said.iter().map(|fault| fault.split(':').next().unwrap()).collect();
        assert_eq!(lines, ["line 2", "line 4", "line 6", "line 7"]);
    }
}
