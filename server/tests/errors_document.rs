//! `docs/errors.md` has a row for whatever the server says no with: error strings, close codes and statuses, as they
//! are found in the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bayeux::reply::REFUSALS;

const DOCUMENT: &str = include_str!("../../docs/errors.md");

/// The cells of each row of a section's table, without its head.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let section = DOCUMENT.split(&format!("\n## {heading}\n")).nth(1).expect(heading);
    let section = section.split("\n## ").next().expect("a beginning");
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("|---"));
    rows.skip(1)
        .map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

fn numbers(heading: &str) -> BTreeSet<u16> {
    rows(heading).iter().map(|row| row[0].parse().expect("a number")).collect()
}

/// What a file says when it runs: without comments, and without the tests at its end.
fn code(file: &Path) -> String {
    let source = fs::read_to_string(file).expect("a source");
    let source = source.split("#[cfg(test)]").next().expect("a beginning");
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn sources(folder: &str) -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => below(&path, found),
                false => found.push(path),
            }
        }
    }
    let mut found = Vec::new();
    below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder), &mut found);
    // The client commands hear statuses; they say none.
    let is_source = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests.rs")
            && !path.components().any(|part| part.as_os_str() == "shell")
    };
    found.into_iter().filter(is_source).collect()
}

/// What stands behind each `prefix` as long as `is_part` of it.
fn behind(text: &str, prefix: &str, is_part: impl Fn(char) -> bool + Copy) -> Vec<String> {
    text.split(prefix).skip(1).map(|rest| rest.chars().take_while(|c| is_part(*c)).collect()).collect()
}

#[test]
fn every_error_string_has_a_row() {
    let known: BTreeSet<_> = rows("Error strings")
        .iter()
        .map(|row| (row[0].parse::<u16>().expect("a code"), row[1].trim_matches('`').to_owned()))
        .collect();
    let mut said: BTreeSet<_> = REFUSALS.iter().map(|kind| (kind.code, kind.message.to_owned())).collect();
    // Those that a door writes by hand: "415::media_type_unsupported", "405:{}:channel_invalid".
    for file in sources("server/src") {
        for literal in code(&file).split('"').skip(1).step_by(2) {
            let mut parts = literal.splitn(3, ':');
            let (Some(number), Some(_), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            if let (3, Ok(number), true) = (number.len(), number.parse(), is_name) {
                said.insert((number, name.to_owned()));
            }
        }
    }
    assert!(said.contains(&(415, "media_type_unsupported".to_owned())), "none was found in the doors");
    assert_eq!(known, said);
}

#[test]
fn every_status_has_a_row() {
    let mut said = BTreeSet::new();
    for file in sources("server/src") {
        let code = code(&file);
        for name in behind(&code, "StatusCode::", |c| c.is_ascii_uppercase() || c == '_') {
            let number =
                (100..600).filter_map(|number| http::StatusCode::from_u16(number).ok()).find(|status| {
                    let words = status.canonical_reason().unwrap_or_default().to_ascii_uppercase();
                    words.replace([' ', '-'], "_") == name
                });
            // StatusCode::from_u16 and the like name no status.
            if !name.is_empty() {
                said.insert(number.unwrap_or_else(|| panic!("{name} in {}", file.display())).as_u16());
            }
        }
        for number in behind(&code, "HTTP/1.1 ", |c| c.is_ascii_digit()) {
            said.extend(number.parse::<u16>());
        }
    }
    assert!(said.len() > 10, "only {said:?} were found");
    let known = numbers("HTTP statuses");
    let missing: Vec<_> = said.difference(&known).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    // axum's redirect; hyper's own, a head that is too large; and what a panic would become behind a proxy.
    let extra: Vec<_> = known.difference(&said).copied().collect();
    assert_eq!(extra, [308, 431, 500]);
}

#[test]
fn every_close_code_has_a_row() {
    let mut said = BTreeSet::new();
    let mut files = sources("bayeux/src/websocket");
    files.extend(sources("server/src/transport"));
    files.extend(
        ["attachment.rs", "answer.rs", "shard.rs", "outlet.rs"]
            .map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join("src/hub").join(name)),
    );
    for file in files {
        let code = code(&file);
        // What a peer may say is not what we say.
        let code = code.split("pub fn is_valid_close_code").next().expect("a beginning");
        for number in code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.') {
            if let Ok(number @ (1000..=1015 | 3000..=3999)) = number.parse::<u16>() {
                said.insert(number);
            }
        }
    }
    assert!(
        [1000, 1001, 1002, 1008, 1009].iter().all(|code| said.contains(code)),
        "only {said:?} were found"
    );
    let known = numbers("WebSocket close codes");
    let missing: Vec<_> = said.difference(&known).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    assert_eq!(known.difference(&said).copied().collect::<Vec<_>>(), [1011]);
}

#[test]
fn every_reason_of_an_ended_session_has_a_row() {
    let rows = rows("WebSocket close codes");
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/hub/session.rs"))
        .expect("a source");
    let reasons: Vec<_> =
        source.lines().filter_map(|line| line.split("Ended::").nth(1)?.split('"').nth(1)).collect();
    assert!(reasons.len() >= 6, "{reasons:?}");
    for reason in reasons {
        assert!(rows.iter().any(|row| row[1].contains(&format!("`{reason}`"))), "no row for {reason}");
    }
}
