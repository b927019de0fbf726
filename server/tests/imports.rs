//! The house keeps its shape: imports only go down, rooms do not know one another, and files stay readable.

use std::fs;
use std::path::{Path, PathBuf};

/// Which floor each module of the server stands on (`ARCHITECTURE.md`).
const FLOORS: &[(&str, u8)] = &[
    ("main", 4),
    ("lib", 4),
    ("shell", 4),
    ("config", 4),
    ("server", 4),
    ("acceptor", 4),
    ("simulation", 4),
    ("listen", 4),
    ("transport", 3),
    ("channels", 3),
    ("admin", 3),
    ("pages", 3),
    ("numbers", 3),
    ("visitors", 3),
    ("broker", 2),
    ("hub", 1),
    ("history", 1),
    ("policy", 1),
    ("metrics", 0),
    ("refusals", 0),
    ("drain", 0),
    ("clock", 0),
    ("places", 0),
];

/// Rooms never import one another; their owner, the broker, does.
const ROOMS: u8 = 1;

/// Lines of a file that can be read in one sitting.
const LINES: usize = 400;

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == module).map(|(_, floor)| *floor)
}

/// The first segments that a source names after `crate::`, with the numbers of their lines.
fn imports(source: &str) -> Vec<(usize, String)> {
    let code: Vec<&str> = source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for (at, word) in code.match_indices("crate::") {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || matches!(before, '_' | '$')) {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + word.len()..];
        let mut depth = 0;
        let mut wants = true;
        for (place, character) in rest.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => {
                    depth -= 1;
                    wants = false;
                }
                ',' if depth == 1 => wants = true,
                _ if character.is_whitespace() => continue,
                _ if wants && depth <= 1 => {
                    let name: String =
                        rest[place..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    found.push((line, name));
                    wants = false;
                }
                _ => {}
            }
            if depth <= 0 && !wants {
                break;
            }
        }
    }
    found
}

/// What is wrong with the imports of one file of the server.
fn wrong(module: &str, source: &str) -> Vec<String> {
    let Some(here) = floor(module) else { return vec![format!("{module} stands on no floor")] };
    let mut wrong = Vec::new();
    for (line, name) in imports(source).into_iter().filter(|(_, name)| name != module) {
        match floor(&name) {
            None => wrong.push(format!("line {line}: {name} stands on no floor")),
            Some(there) if there > here => {
                wrong.push(format!("line {line}: {module} imports {name}, up from {here} to {there}"))
            }
            Some(there) if there == ROOMS && here == ROOMS => {
                wrong.push(format!("line {line}: the room {module} imports the room {name}"));
            }
            Some(_) => {}
        }
    }
    let names = |word: &str| {
        source.lines().any(|line| line.split("//").next().is_some_and(|code| code.contains(word)))
    };
    if here < 3 {
        for library in ["http::", "hyper::", "axum::"] {
            if names(library) {
                wrong.push(format!("{module} is below the doors and knows HTTP: {library}"));
            }
        }
    }
    if here == 3 && source.contains("hub::Hub") {
        wrong.push(format!("{module} holds the hub; only the broker does"));
    }
    wrong
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// All Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn imports_only_go_down() {
    let root = workspace().join("server/src");
    let files = sources(&root);
    assert!(files.len() > 20, "these are not all: {files:?}");
    let mut all = Vec::new();
    let mut count = 0;
    for file in files {
        let within = file.strip_prefix(&root).expect("below the root");
        let first = within.iter().next().and_then(|first| first.to_str()).expect("a name");
        let source = fs::read_to_string(&file).expect("a source");
        count += imports(&source).len();
        all.extend(
            wrong(first.trim_end_matches(".rs"), &source)
                .iter()
                .map(|why| format!("{}: {why}", within.display())),
        );
    }
    assert!(count > 50, "only {count} imports were understood");
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn files_stay_readable() {
    let mut long = Vec::new();
    for folder in ["bayeux/src", "server/src", "bench/src"] {
        for file in sources(&workspace().join(folder)) {
            let name =
                file.strip_prefix(workspace()).expect("below the workspace").to_string_lossy().into_owned();
            let lines = fs::read_to_string(&file).expect("a source").lines().count();
            if lines > LINES {
                long.push(format!("{name} has {lines} lines"));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn the_words_do_no_input_or_output() {
    for file in sources(&workspace().join("bayeux/src")) {
        let source = fs::read_to_string(&file).expect("a source");
        for word in ["std::net", "std::fs", "std::time", "std::thread", "tokio::", "async fn"] {
            assert!(!source.contains(word), "{}: {word}", file.display());
        }
    }
}

#[test]
fn an_arrow_that_goes_up_is_seen() {
    assert_eq!(wrong("hub", "use crate::clock::Clock;\nuse crate::{drain, metrics::Metrics};").len(), 0);
    for (module, source) in [
        ("hub", "use crate::broker::Broker;"),
        ("hub", "use crate::policy::Policy;"),
        ("policy", "fn f() { crate::hub::Hub::new() }"),
        ("metrics", "use crate::{\n    clock::{Clock, Hand},\n    hub,\n};"),
        ("broker", "pub use crate::transport;"),
        ("transport", "use crate::config::Config;"),
        ("broker", "use http::HeaderMap;"),
        ("channels", "use crate::hub::Hub;"),
        ("clock", "use crate::nowhere;"),
        ("nowhere", ""),
    ] {
        assert_eq!(wrong(module, source).len(), 1, "{module}: {source}: {:?}", wrong(module, source));
    }
    assert!(wrong("hub", "// use crate::broker::Broker;\nuse crate::hub::Key;").is_empty());
}
