//! The log of a server that refuses: who, what, where, and which rule; and of a flood no more than can be read.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

const CONFIG: &str = r#"
listen = "127.0.0.1:0"
internal_listen = "127.0.0.1:0"
[rates]
handshakes_per_address = 4
[[rights.rule]]
who = ["anyone"]
may = ["subscribe"]
channels = ["/news/**"]
[[rights.rule]]
who = ["anyone"]
may_not = ["publish"]
channels = ["/chat/locked"]
[[tokens.key]]
algorithm = "HS256"
secret = "a secret of at least 32 bytes, for tests"
"#;

struct Running {
    child: Child,
    public: String,
    internal: String,
}

impl Running {
    fn start() -> Self {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("refusals-{}.toml", std::process::id()));
        std::fs::write(&path, CONFIG).expect("a temporary file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_encke"));
        command.args(["serve", "--config"]).arg(path).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ENCKE_") || name == "RUST_LOG")
        {
            command.env_remove(name);
        }
        let mut child = command.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let mut address = |word: &str| {
            let line = lines.find(|line| line.trim_start().starts_with(word)).expect(word);
            let url = line.split("http://").nth(1).expect("a URL").to_owned();
            url.split('/').next().expect("an address").to_owned()
        };
        let (public, internal) = (address("public"), address("internal"));
        Running { child, public, internal }
    }

    /// Sends requests, each on a connection of its own or all on one, and reads what is answered to the end.
    fn ask(address: &str, requests: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket takes it");
        stream.write_all(requests.as_bytes()).expect("it reads");
        stream.shutdown(std::net::Shutdown::Write).expect("it is open");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// Ends it; answers with the fields of each refusal that it has logged.
    fn refusals(mut self) -> Vec<Value> {
        self.child.kill().expect("it runs");
        let mut log = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut log).expect("UTF-8");
        let _ = self.child.wait();
        log.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|line| line["fields"].clone())
            .filter(|fields| fields["message"] == "refused")
            .collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(first: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{first} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

#[test]
fn each_refusal_is_one_line_that_names_who_what_where_and_why() {
    let running = Running::start();
    let json = "Content-Type: application/json\r\n";
    let bayeux = |body: &str| request("POST /bayeux", json, body);
    let handshake =
        |ext: &str| bayeux(&format!(r#"[{{"channel":"/meta/handshake","version":"1.0","id":"h"{ext}}}]"#));
    let bad = r#","ext":{"authentication":{"token":"secret-of-somebody"}}"#;
    let public = [
        (handshake(bad), "unknown", "handshake", "", "token_malformed"),
        (handshake(r#","minimumVersion":"2.0""#), "anonymous", "handshake", "", "version"),
        (
            bayeux(r#"[{"channel":"/chat/locked","data":1}]"#),
            "anonymous",
            "publish",
            "/chat/locked",
            "rule_2_denies_/chat/locked",
        ),
        (request("POST /channels/chat/1", json, "1"), "anonymous", "publish", "/chat/1", "no_rule"),
        (request("GET /channels/**", "", ""), "anonymous", "subscribe", "/**", "no_rule_but_for_/news/**"),
        (request("GET /channels/news/1?as=messages", "", ""), "anonymous", "history", "/news/1", "no_rule"),
        (
            request("GET /channels/news/1?as=lines&ticket=secret-of-somebody", "", ""),
            "unknown",
            "request",
            "/channels/news/1",
            "ticket_unknown",
        ),
        (
            request("POST /channels/a", "Authorization: Bearer secret-of-somebody\r\n", "1"),
            "unknown",
            "request",
            "/channels/a",
            "token_malformed",
        ),
        (
            request("POST /channels/a", "Origin: https://evil.example\r\n", "1"),
            "a page of https://evil.example",
            "visit",
            "/channels/a",
            "pages of this origin are not among those that this server lets in",
        ),
        (request("POST /ticket", "", ""), "anonymous", "ticket", "/ticket", "ticket_for_nobody"),
        // The two that went well, and the two above that did not, are all that an address has in a second.
        (handshake("").repeat(20), "anonymous", "handshake", "", "handshakes_per_address"),
    ];
    for (request, ..) in &public {
        Running::ask(&running.public, request);
    }
    let internal = running.internal.clone();
    Running::ask(&internal, &request("POST /api/kick", json, r#"{"subject":"alice"}"#));
    let said = running.refusals();
    let mut expected: Vec<_> =
        public.iter().map(|(_, who, what, place, why)| (*who, *what, *place, *why)).collect();
    expected.push(("anonymous", "api", "/api/kick", "not_admin"));
    for (who, what, place, why) in expected {
        let is_it = |line: &&Value| {
            let named = line.get("channel").or(line.get("path")).and_then(Value::as_str).unwrap_or("");
            line["who"] == who && line["what"] == what && named == place && line["why"] == why
        };
        let line = said
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("no line of {who} {what} {place} {why}: {said:#?}"));
        if !["publish", "subscribe", "history"].contains(&what) {
            assert_eq!(line["address"], "127.0.0.1", "{line}");
        }
    }
    assert!(!said.iter().any(|line| line.to_string().contains("secret-of-somebody")), "{said:#?}");
}

#[test]
fn a_flood_of_refusals_is_some_lines_and_a_number() {
    let running = Running::start();
    let refused = request("POST /channels/chat/1", "Content-Type: application/json\r\n", "1");
    for _ in 0..20 {
        let answers = Running::ask(&running.public, &refused.repeat(100));
        assert_eq!(answers.matches("HTTP/1.1 403 ").count(), 100);
    }
    // (How many were left out stands in the next line of the kind: `refusals.rs` tests it by a clock of its own.)
    let written = running.refusals().len();
    assert!((100..1000).contains(&written), "{written} lines for 2,000 refusals");
}
