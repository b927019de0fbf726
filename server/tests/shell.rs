//! The commands that are clients, as they are installed: what they print, what they refuse, and what they say then.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// How long anything may take before its test fails.
const DEADLINE: Duration = Duration::from_secs(60);

fn encke(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_encke"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ENCKE_") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command
}

/// A process, killed if its test fails, with the lines that it writes.
struct Running {
    child: Child,
    said: Receiver<String>,
    remarked: Receiver<String>,
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("it starts");
        let said = lines(child.stdout.take().expect("piped"));
        let remarked = lines(child.stderr.take().expect("piped"));
        Running { child, said, remarked }
    }

    fn line(&self) -> String {
        self.said.recv_timeout(DEADLINE).expect("a line")
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.line()).expect("JSON")
    }

    /// Waits until it remarks something with `word` in it.
    fn remarks(&self, word: &str) -> String {
        loop {
            let line =
                self.remarked.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("it never said {word}"));
            if line.contains(word) {
                return line;
            }
        }
    }

    /// Waits for its end and answers with its exit code.
    fn ends(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                return status.code();
            }
            assert!(start.elapsed() < DEADLINE, "it does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server in development mode.
struct Server {
    running: Running,
    public: String,
    internal: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        Self::at("127.0.0.1:0", arguments)
    }

    fn at(listen: &str, arguments: &[&str]) -> Self {
        let mut command = encke(&["dev", "--listen", listen, "--internal-listen", "127.0.0.1:0"]);
        let running = Running::start(command.args(arguments));
        let url = |word: &str| loop {
            let line = running.line();
            if let Some(url) = line.trim().strip_prefix(word) {
                return url.trim().trim_end_matches('/').to_owned();
            }
        };
        let (public, internal) = (url("public"), url("internal"));
        Server { running, public, internal }
    }

    fn subscribe(&self, arguments: &[&str]) -> Running {
        let listening = Running::start(encke(&["subscribe"]).args(arguments).env("ENCKE_URL", &self.public));
        listening.remarks("listening to");
        listening
    }

    fn publish(&self, channel: &str, json: &str) -> Output {
        ended(encke(&["publish", channel, json]).env("ENCKE_URL", &self.public), b"")
    }
}

/// What a process says until it ends, which it must.
fn ended(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let pid = Pid::from_child(&child);
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    // It may end before it has read all.
    std::thread::spawn(move || drop(stdin.write_all(&input)));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    receiver.recv_timeout(DEADLINE).map(|output| output.expect("it ran")).unwrap_or_else(|_| {
        let _ = kill_process(pid, Signal::KILL);
        panic!("it did not end");
    })
}

/// The sentence with which a command refuses.
fn refused(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "it did not refuse: {said}");
    assert!(said.starts_with("encke: ") && !said.contains("panicked"), "{said}");
    said
}

/// Answers one request on a port of its own with `answer`; gives the URL, and the request's head.
fn stranger(answer: &'static str) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut wire, _) = listener.accept().expect("a client");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && wire.read_exact(&mut byte).is_ok() {
            head.push(byte[0]);
        }
        let _ = wire.write_all(answer.as_bytes());
        let _ = sender.send(String::from_utf8_lossy(&head).into_owned());
    });
    (url, receiver)
}

#[test]
fn what_is_published_is_what_subscribers_print() {
    for base in ["", "/live"] {
        let server = Server::start(&["--base", base]);
        let mut listening = server.subscribe(&["/talk/*", "--count", "2"]);
        let one = server.publish("/talk/demo", r#"{"text":"hello"}"#);
        assert!(one.status.success(), "{one:?}");
        let answer: Value = serde_json::from_slice(&one.stdout).expect("JSON");
        assert_eq!((&answer["channel"], &answer["sessions"]), (&json!("/talk/demo"), &json!(1)));
        assert!(answer["position"].as_str().is_some_and(|position| position.contains('-')), "{answer}");
        // A negative number looks like a flag.
        assert!(server.publish("/talk/number", "-5").status.success());
        assert_eq!(listening.line(), r#"{"channel":"/talk/demo","data":{"text":"hello"}}"#);
        assert_eq!(listening.line(), r#"{"channel":"/talk/number","data":-5}"#);
        assert_eq!(listening.ends(), Some(0));
    }
}

#[test]
fn lines_of_standard_input_are_published_in_their_order() {
    let server = Server::start(&[]);
    let listening = server.subscribe(&["/n"]);
    let input: String = (0..200).map(|n| format!("{n}\r\n\n")).collect();
    let publish = || {
        let mut command = encke(&["publish", "/n", "-", "--url"]);
        command.arg(&server.public);
        command
    };
    let output = ended(&mut publish(), input.as_bytes());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 200);
    for n in 0..200 {
        assert_eq!(listening.json()["data"], n);
    }
    // The last line needs no end.
    let output = ended(&mut publish(), b"1\n\n\"two\"\n{\"three\":}\n4");
    let said = refused(&output);
    assert!(
        said.contains("line 4 is not JSON") && said.contains("2 lines before it were published"),
        "{said}"
    );
    assert_eq!(
        [listening.json(), listening.json()].map(|message| message["data"].clone()),
        [json!(1), json!("two")]
    );
    let said = refused(&ended(&mut publish(), &[b'1'; 17 << 20]));
    assert!(said.contains("line 1 is longer than 16777216 bytes; nothing was published"), "{said}");
    assert!(ended(&mut publish(), b"\"last\"").status.success());
    assert_eq!(listening.json()["data"], "last");
}

#[test]
fn a_subscriber_comes_back_to_a_server_that_went_away() {
    let mut server = Server::start(&[]);
    let listen = server.public.strip_prefix("http://").expect("a URL").to_owned();
    let listening = server.subscribe(&["/back"]);
    for (signal, number) in [(Signal::KILL, 1), (Signal::TERM, 2)] {
        kill_process(Pid::from_child(&server.running.child), signal).expect("it runs");
        listening.remarks("the next try is in");
        server.running.ends();
        server = Server::at(&listen, &[]);
        listening.remarks("listening to");
        assert!(server.publish("/back", &number.to_string()).status.success());
        assert_eq!(listening.json()["data"], number);
    }
}

/// A line to a server that can be cut.
struct Cable {
    url: String,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cable {
    fn to(server: &Server) -> Self {
        let target = server.public.strip_prefix("http://").expect("a URL").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let connections: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let all = connections.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&target) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let [mut from, mut to] = [from, to].map(|end| end.try_clone().expect("a handle"));
                    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                }
                all.lock().expect("nobody panics with this lock").extend([client, server]);
            }
        });
        Cable { url, connections }
    }

    fn cut(&self) {
        for end in self.connections.lock().expect("nobody panics with this lock").drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn a_subscriber_whose_line_is_cut_goes_on_where_it_was() {
    let server = Server::start(&[]);
    let publish = |number: u32| {
        let channel = ["/chat/a", "/slideshow/b"][number as usize % 2];
        assert!(server.publish(channel, &number.to_string()).status.success());
    };
    let cable = Cable::to(&server);
    let listening = Running::start(&mut encke(&["subscribe", "/**", "--url", &cable.url]));
    listening.remarks("listening to");
    let mut heard = [Vec::new(), Vec::new()];
    let mut hear = |listening: &Running| {
        // Development publishes figures of its own each second.
        let number = loop {
            let message = listening.json();
            if message["channel"] != "/encke/numbers" {
                break message["data"].as_u64().expect("a number");
            }
        };
        heard[number as usize % 2].push(number);
    };
    for round in 0..3 {
        publish(4 * round);
        hear(&listening);
        cable.cut();
        listening.remarks("the next try is in");
        for number in 1..4 {
            publish(4 * round + number);
        }
        for _ in 1..4 {
            hear(&listening);
        }
    }
    assert_eq!(heard, [vec![0, 2, 4, 6, 8, 10], vec![1, 3, 5, 7, 9, 11]]);
    let all = Running::start(
        encke(&["subscribe", "/chat/*", "--since", "all", "--count", "6"]).env("ENCKE_URL", &server.public),
    );
    let messages: Vec<Value> = (0..6).map(|_| all.json()).collect();
    assert_eq!(messages.iter().map(|message| &message["data"]).collect::<Vec<_>>(), [0, 2, 4, 6, 8, 10]);
    let position = messages[3]["ext"]["encke"]["position"].as_str().expect("a position");
    let later = Running::start(
        encke(&["subscribe", "/chat/*", "--since", position]).env("ENCKE_URL", &server.public),
    );
    assert_eq!((&later.json()["data"], &later.json()["data"]), (&json!(8), &json!(10)));
}

#[test]
fn a_subscriber_says_when_messages_are_missing() {
    let mut server = Server::start(&[]);
    let listen = server.public.strip_prefix("http://").expect("a URL").to_owned();
    let listening = server.subscribe(&["/chat/*"]);
    assert!(server.publish("/chat/a", "1").status.success());
    assert_eq!(listening.json()["data"], 1);
    kill_process(Pid::from_child(&server.running.child), Signal::KILL).expect("it runs");
    server.running.ends();
    server = Server::at(&listen, &[]);
    listening.remarks("begins anew");
    assert!(server.publish("/chat/a", "2").status.success());
    assert_eq!(listening.json()["data"], 2);
    let mut unknown = encke(&["subscribe", "/chat/*", "--since", "1-1"]);
    let unknown = Running::start(unknown.env("ENCKE_URL", &server.public));
    unknown.remarks("missing here");
    let output = ended(&mut encke(&["subscribe", "/chat/*", "--since", "yesterday"]), b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("write all, now, or a position"));
}

#[test]
fn a_publisher_that_waits_for_its_next_line_comes_back_too() {
    let server = Server::start(&[]);
    let listen = server.public.strip_prefix("http://").expect("a URL").to_owned();
    let mut command = encke(&["publish", "/typed", "-", "--url", &server.public]);
    let mut typing = Running::start(command.stdin(Stdio::piped()));
    let mut input = typing.child.stdin.take().expect("piped");
    input.write_all(b"1\n").expect("it reads");
    assert_eq!(typing.json()["sessions"], 0);
    drop(server);
    let server = Server::at(&listen, &[]);
    let listening = server.subscribe(&["/typed"]);
    input.write_all(b"2\n").expect("it reads");
    assert_eq!((&typing.json()["sessions"], &listening.json()["data"]), (&json!(1), &json!(2)));
    drop(input);
    assert_eq!(typing.ends(), Some(0));
}

#[test]
fn a_subscriber_whose_reader_has_left_ends_well() {
    let server = Server::start(&[]);
    let mut listening = encke(&["subscribe", "/left", "--url", &server.public]).spawn().expect("it starts");
    drop(listening.stdout.take());
    let remarks = lines(listening.stderr.take().expect("piped"));
    assert!(remarks.recv_timeout(DEADLINE).expect("a remark").contains("listening to"));
    assert!(server.publish("/left", "1").status.success());
    assert!(listening.wait().expect("it ends").success());
}

#[test]
fn what_cannot_be_published_is_said_with_what_to_do() {
    let server = Server::start(&[]);
    for (channel, json, words) in [
        ("chat", "1", &["\"chat\" is no channel", "begins with a slash"][..]),
        ("/chat/*", "1", &["is no channel", "wildcard"]),
        ("/a b", "1", &["is no channel"]),
        ("/a", "hello", &["not JSON", "'\"hello\"'"]),
        ("/service/echo", "1", &["403 Forbidden", "not routed", "403:/service/echo:publish_denied"]),
        ("/meta/connect", "1", &["403 Forbidden"]),
        (&format!("/{}", "a".repeat(600)), "1", &["at most 512 bytes", ":channel_invalid"]),
        ("/a", &format!("\"{}\"", "a".repeat(70_000)), &["413", "65536 bytes"]),
    ] {
        let output = server.publish(channel, json);
        let said = refused(&output);
        assert!(output.stdout.is_empty());
        for word in words {
            assert!(said.contains(word), "{channel}: {word} is not in {said}");
        }
    }
    for pattern in ["chat/*", "/**/a", "/*a/b c"] {
        let said = refused(&ended(&mut encke(&["subscribe", pattern, "--url", &server.public]), b""));
        assert!(said.contains("is no pattern"), "{said}");
    }
}

#[test]
fn a_server_that_is_not_where_it_was_looked_for() {
    let server = Server::start(&["--base", "/live"]);
    let root = server.public.trim_end_matches("/live");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it is bound");
    let nobody = format!("http://{free}");
    for (url, word) in [
        (nobody.as_str(), "start one with `encke`"),
        ("https://example.com", "TLS is not built into this command yet"),
        ("127.0.0.1:8080", "is no URL of a server"),
        ("ftp://127.0.0.1", "is no URL of a server"),
        ("http://me@127.0.0.1", "is no URL of a server"),
        ("http://127.0.0.1/?a=b", "is no URL of a server"),
        (root, "all URLs of this server begin with /live; the base path of a server belongs to --url"),
        (&format!("{}/bayeux", server.public), "without /bayeux or /channels"),
        (&server.internal, "the internal listener has"),
    ] {
        for command in [&["publish", "/a", "1"][..], &["subscribe", "/a"]] {
            let said = refused(&ended(encke(command).args(["--url", url]), b""));
            assert!(said.contains(word), "{url}: {said}");
        }
    }
}

#[test]
fn strangers_are_not_taken_for_a_server() {
    let html = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 18\r\n\r\n<html>sorry</html>";
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
    let escape = "HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\n\x1b[31m";
    let bayeux = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";
    let cut = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n{";
    for (answer, word) in [
        (html, "a page, which is not how an Encke answers; try again in a moment"),
        (page, "is not an Encke"),
        (escape, "?[31m"),
        (cut, "is not an Encke"),
        (bayeux, "without /bayeux or /channels"),
        ("", "may have been published or not"),
        ("SMTP\r\n\r\n", "may have been published or not"),
    ] {
        let (url, _head) = stranger(answer);
        let said = refused(&ended(&mut encke(&["publish", "/a", "1", "--url", &url]), b""));
        assert!(said.contains(word) && !said.contains('\u{1b}'), "{answer:?}: {said}");
    }
}

#[test]
fn a_message_without_an_end_is_not_waited_for() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n";
    let (url, _head) = stranger(String::leak(format!("{head}{}", "1".repeat(17 << 20))));
    let said = refused(&ended(&mut encke(&["subscribe", "/a", "--url", &url]), b""));
    assert!(said.contains("is longer than 16777216 bytes"), "{said}");
}

#[test]
fn a_token_is_sent_and_not_shown() {
    let answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 8\r\n\r\nwho asks";
    for command in [&["publish", "/a", "1"][..], &["subscribe", "/a"]] {
        let (url, head) = stranger(answer);
        let said = refused(&ended(encke(command).args(["--url", &url]).env("ENCKE_TOKEN", "s3cret"), b""));
        assert!(said.contains("who asks; say who asks with --token") && !said.contains("s3cret"), "{said}");
        let head = head.recv_timeout(DEADLINE).expect("a request").to_ascii_lowercase();
        assert!(head.contains("authorization: bearer s3cret\r\n"), "{head}");
    }
    let help = ended(encke(&["publish", "--help"]).env("ENCKE_TOKEN", "s3cret"), b"");
    assert!(!String::from_utf8_lossy(&help.stdout).contains("s3cret"));
    let said = refused(&ended(&mut encke(&["publish", "/a", "1", "--token", "a\nb"]), b""));
    assert!(said.contains("cannot be sent"), "{said}");
    // The server of today takes it and looks at nothing.
    let server = Server::start(&[]);
    let output = ended(encke(&["publish", "/a", "1", "--url", &server.public]).args(["--token", "x"]), b"");
    assert!(output.status.success(), "{output:?}");
}
