//! What a configuration file says wrong, all of it at once: each fault with its line and, where a name was
//! mistyped, the one that was probably meant.

use std::fmt;

use toml::de::{DeArray, DeTable, DeValue};
use toml::{Table, Value};

use crate::listen::Listen;

/// The key whose value is never shown.
const SECRET: &str = "secret";

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

/// Compares a file with the defaults, which have every key there is, each with a value of its type: of tables of which
/// there may be many, one.
///
/// # Errors
/// When the text is not TOML.
pub(super) fn find(text: &str, defaults: &Table) -> Result<Vec<Fault>, toml::de::Error> {
    let document = DeTable::parse(text)?;
    let mut places = Vec::new();
    tables(defaults, "", &mut places);
    let mut search = Search { text, top: defaults, places, found: Vec::new() };
    search.compare(document.get_ref(), defaults, "", "");
    search.found.sort_by_key(|fault| fault.line);
    Ok(search.found)
}

/// What is wrong with a text that is not TOML. The library shows the line; of a file with a secret in it, only its number is shown.
pub(super) fn without_secrets(text: &str, error: &toml::de::Error) -> String {
    if !text.contains(SECRET) {
        return error.to_string();
    }
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {}", before.matches('\n').count() + 1, error.message()),
        None => error.message().to_owned(),
    }
}

/// All tables below one, with their headings as they are written.
fn tables<'a>(table: &'a Table, path: &str, found: &mut Vec<(String, &'a Table)>) {
    for (name, value) in table {
        let path = joined(path, name);
        let (heading, table) = match (value, only(value)) {
            (Value::Table(table), _) => (format!("[{path}]"), table),
            (_, Some(table)) => (format!("[[{path}]]"), table),
            _ => continue,
        };
        found.push((heading, table));
        tables(table, &path, found);
    }
}

/// The table of which there may be many, if it is such a value.
fn only(value: &Value) -> Option<&Table> {
    value.as_array()?.first()?.as_table()
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

struct Search<'a> {
    text: &'a str,
    top: &'a Table,
    /// All other tables.
    places: Vec<(String, &'a Table)>,
    found: Vec<Fault>,
}

impl Search<'_> {
    /// `path` is that of the table, `heading` how it is written.
    fn compare(&mut self, said: &DeTable<'_>, known: &Table, path: &str, heading: &str) {
        for (key, value) in said {
            let name = key.get_ref().as_ref();
            let path = joined(path, name);
            let what = match (known.get(name), value.get_ref()) {
                (None, value) => self.unknown(name, is_table(value), known, heading),
                (Some(Value::Table(known)), DeValue::Table(said)) => {
                    self.compare(said, known, &path, &format!("[{path}]"));
                    continue;
                }
                (Some(default), DeValue::Array(said)) if only(default).is_some() && are_tables(said) => {
                    let known = only(default).unwrap_or(known);
                    for said in said.iter().filter_map(|said| said.get_ref().as_table()) {
                        self.compare(said, known, &path, &format!("[[{path}]]"));
                    }
                    continue;
                }
                (Some(default), value) if !fits(default, value) => {
                    let shown = if name == SECRET { "no text".to_owned() } else { shown(value) };
                    format!("{path} is {shown}, and has to be {}", wanted(default, &path))
                }
                _ => continue,
            };
            let line = self.text[..key.span().start].matches('\n').count() + 1;
            self.found.push(Fault { line, what });
        }
    }

    /// How a table is written above its keys; nothing for other values.
    fn heading(&self, value: &Value) -> Option<&str> {
        let table = value.as_table().or_else(|| only(value))?;
        self.places.iter().find(|(_, known)| std::ptr::eq(*known, table)).map(|(heading, _)| heading.as_str())
    }

    /// Names what is there instead: one beside it that is spelled nearly so, or the same name in another place.
    fn unknown(&self, name: &str, is_table: bool, known: &Table, heading: &str) -> String {
        let here = if heading.is_empty() { String::new() } else { format!(" in {heading}") };
        let nothing = match is_table {
            true => format!("there is no table [{name}]{here}"),
            false => format!("there is no key {name}{here}"),
        };
        if let Some(meant) = nearest(name, known) {
            let meant = match self.heading(&known[meant]) {
                Some(heading) => heading,
                None => meant,
            };
            return format!("{nothing}; did you mean {meant}?");
        }
        if let Some((place, table)) = self.places.iter().find(|(_, table)| table.contains_key(name)) {
            return match self.heading(&table[name]) {
                Some(heading) => format!("{nothing}; did you mean {heading}?"),
                None => format!("{nothing}; did you mean {name} under {place}?"),
            };
        }
        if let Some(value) = self.top.get(name) {
            if let Some(heading) = self.heading(value) {
                return format!("{nothing}; did you mean {heading}?");
            }
            return format!("{nothing}; did you mean {name} at the top of the file, above all tables?");
        }
        format!("{nothing}, only {}", known.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
    }
}

fn is_table(value: &DeValue<'_>) -> bool {
    value.is_table() || value.as_array().is_some_and(|values| !values.is_empty() && are_tables(values))
}

fn are_tables(values: &DeArray<'_>) -> bool {
    values.iter().all(|value| value.get_ref().is_table())
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
    text.parse::<Listen>().is_ok()
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
        Value::String(text) if is_address(text) => {
            format!("an address and a port such as {text:?}, or \"unix:/path\"")
        }
        Value::String(_) => "a text in quotes".to_owned(),
        Value::Array(values) if values.is_empty() => "a list in brackets".to_owned(),
        Value::Array(_) if only(default).is_some() => {
            format!("tables: [[{name}]] for each, and its keys on the lines below")
        }
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
        let defaults = Table::try_from(Config::complete()).unwrap();
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
            ("[rights]\nzebra = 1", "line 2: there is no key zebra in [rights], only anonymous, open, rule"),
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
                "line 1: listen is \"nowhere\", and has to be an address and a port such as \"127.0.0.1:8080\", or \"unix:/path\"",
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
    fn tables_of_which_there_are_many_are_looked_into_one_by_one() {
        for (text, said) in [
            (
                "[[channel]]\npatterns = [\"/a\"]\n[[channel]]\npattern = [\"/b\"]",
                "line 4: there is no key pattern in [[channel]]; did you mean patterns?",
            ),
            (
                "[[channel]]\n[channel.history]\nages = \"1s\"",
                "line 3: there is no key ages in [channel.history]; did you mean age?",
            ),
            ("[[channels]]\n", "line 1: there is no table [channels]; did you mean [[channel]]?"),
            (
                "[[channel]]\ncount = 1",
                "line 2: there is no key count in [[channel]]; did you mean count under [channel.history]?",
            ),
            ("[history]\ncount = 1", "line 1: there is no table [history]; did you mean [channel.history]?"),
            (
                "[[channel]]\n[channel.histroy]",
                "line 2: there is no table [histroy] in [[channel]]; did you mean [channel.history]?",
            ),
            (
                "last_value = true",
                "line 1: there is no key last_value; did you mean last_value under [[channel]]?",
            ),
            (
                "[[channel]]\nopen = true",
                "line 2: there is no key open in [[channel]]; did you mean open under [rights]?",
            ),
            (
                "[[channel]]\nrights = true",
                "line 2: there is no key rights in [[channel]]; did you mean [rights]?",
            ),
            (
                "[[channel]]\nhistory = true",
                "line 2: channel.history is true, and has to be a table: [channel.history], and its keys on the lines below",
            ),
            (
                "[[channel]]\nhistory.age = 600",
                "line 2: channel.history.age is 600, and has to be a time in quotes such as \"10m\"",
            ),
            (
                "[[channel]]\npatterns = \"/a\"",
                "line 2: channel.patterns is \"/a\", and has to be a list of texts such as [\"/chat/**\"]",
            ),
            (
                "[channel]\npatterns = [\"/a\"]",
                "line 1: channel is a table, and has to be tables: [[channel]] for each, and its keys on the lines below",
            ),
            (
                "channel = [1]",
                "line 1: channel is a list, and has to be tables: [[channel]] for each, and its keys on the lines below",
            ),
            (
                "[[rights]]\nopen = true",
                "line 1: rights is a list, and has to be a table: [rights], and its keys on the lines below",
            ),
        ] {
            assert_eq!(faults(text), [said], "{text}");
        }
        assert_eq!(
            faults("[[channel]]\npatterns = [\"/a\"]\ndeliver = \"latest\"\n[channel.history]\ncount = 1"),
            [""; 0]
        );
        assert_eq!(faults("channel = []"), [""; 0]);
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
