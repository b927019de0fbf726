//! The command as it is installed: what it prints, what it refuses, and how it ends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use encke::config::Config;
use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take before its test fails.
const DEADLINE: Duration = Duration::from_secs(30);

const FREE: [&str; 4] = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];

fn encke(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_encke"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ENCKE_") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command
}

/// What a process says until it ends, which it must.
fn ended(command: &mut Command) -> Output {
    let child = command.spawn().expect("it starts");
    let pid = Pid::from_child(&child);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    receiver.recv_timeout(DEADLINE).map(|output| output.expect("it ran")).unwrap_or_else(|_| {
        let _ = kill_process(pid, Signal::KILL);
        panic!("it did not end");
    })
}

/// Runs it until it refuses; answers with what it said.
fn refused(command: &mut Command) -> String {
    let output = ended(command);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(!output.status.success(), "it did not refuse: {said}");
    assert!(output.stdout.is_empty(), "a banner, and then a refusal");
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// A server that runs. It is killed if its test fails.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    banner: Vec<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("it starts");
        let mut running =
            Running { lines: BufReader::new(child.stdout.take().expect("piped")), child, banner: Vec::new() };
        while running.banner.len() < 5 {
            let mut line = String::new();
            if running.lines.read_line(&mut line).expect("a line") == 0 {
                let mut said = String::new();
                running.child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
                panic!("no banner: {:?} {said}", running.banner);
            }
            running.banner.push(line.trim_end().to_owned());
        }
        running
    }

    /// What stands behind a word of the banner.
    fn said(&self, word: &str) -> &str {
        let line = self.banner.iter().find_map(|line| line.trim_start().strip_prefix(word));
        line.unwrap_or_else(|| panic!("no {word}: {:?}", self.banner)).trim()
    }

    fn address(&self, word: &str) -> String {
        let url = self.said(word).strip_prefix("http://").expect("a URL");
        url.split('/').next().expect("an address").to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits for its end; answers with its status, what it logged, and how long that took.
    fn ends(mut self) -> (ExitStatus, String, Duration) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                break status;
            }
            assert!(start.elapsed() < DEADLINE, "it does not end");
            std::thread::yield_now();
        };
        let mut log = String::new();
        self.child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut log));
        (status, log, start.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of this test run.
fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    std::fs::write(&path, text).expect("a temporary file");
    path
}

fn serve(path: &Path) -> Command {
    let mut command = encke(&["serve", "--config", path.to_str().expect("UTF-8")]);
    command.args(FREE);
    command
}

#[test]
fn the_banner_says_what_runs_and_that_it_is_open() {
    let running = Running::start(&mut encke(&FREE));
    let first = &running.banner[0];
    assert!(first.starts_with(&format!("Encke {}, ", env!("CARGO_PKG_VERSION"))), "{first}");
    assert!(first.contains("open to every program on this machine, not to web pages elsewhere"), "{first}");
    for word in ["public", "internal"] {
        TcpStream::connect(running.address(word)).expect("it listens where it says");
    }
    assert_ne!(running.address("public"), running.address("internal"));
}

/// The two lines of the banner, pasted into a shell.
#[test]
fn the_two_lines_work_as_they_are_printed() {
    for base in ["", "/live"] {
        let running = Running::start(encke(&FREE).args(["--base", base]));
        let mut listening = Command::new("sh")
            .args(["-c", &format!("exec {}", running.said("listen"))])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let mut lines = BufReader::new(listening.stdout.take().expect("piped"));
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|count| count > 0) {
                if sender.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        let first = receiver.recv_timeout(DEADLINE).expect("a first heartbeat");
        assert_eq!(first, "\n");
        let published =
            Command::new("sh").args(["-c", running.said("publish")]).output().expect("a shell").stdout;
        let published: serde_json::Value = serde_json::from_slice(&published).expect("JSON");
        assert_eq!((&published["channel"], &published["sessions"]), (&"/chat/demo".into(), &1.into()));
        let message = receiver.recv_timeout(DEADLINE).expect("the message");
        let message: serde_json::Value = serde_json::from_str(&message).expect("a line is JSON");
        assert_eq!(message["data"]["text"], "hello");
        assert_eq!(message["ext"]["encke"]["position"], published["position"], "the chat has history");
        running.signal(Signal::TERM);
        assert!(listening.wait().expect("curl").success(), "the stream's end is a clean one");
        assert_eq!(running.ends().0.code(), Some(0));
    }
}

#[test]
fn serve_without_rights_refuses_and_says_what_to_write() {
    for text in ["", "[rights]\n", "[rights]\nopen = false\n"] {
        let said = refused(&mut serve(&file("no-rights.toml", text)));
        assert!(said.contains("does not say who may publish and subscribe"), "{said}");
        assert!(said.contains("[rights]\nopen = true\n"), "{said}");
    }
    let running = Running::start(&mut serve(&file("rights.toml", "[rights]\nopen = true\n")));
    assert!(running.banner[0].contains("production mode"), "{:?}", running.banner);
}

#[test]
fn what_a_file_says_wrong_is_named() {
    for (text, named) in [
        ("[sessions]\ngraze = \"1s\"\n", "graze"),
        ("[session]\n", "session"),
        ("liste = \"127.0.0.1:1\"\n", "liste"),
        ("[rights]\nopen = true\nopn = 1\n", "opn"),
        ("[doors]\nbase = 1\n", "base"),
        ("[sessions]\ngrace = 30\n", "grace"),
        ("listen = \"nowhere\"\n", "listen"),
        ("not TOML\n", "not TOML"),
    ] {
        let path = file("wrong.toml", text);
        let said = refused(&mut serve(&path));
        assert!(said.contains(named) && said.contains("wrong.toml"), "{text:?}: {said}");
    }
    let said = refused(&mut serve(Path::new("nowhere.toml")));
    assert!(said.contains("nowhere.toml cannot be read"), "{said}");
}

/// Every key of a table, with its tables.
fn keys(value: &toml::Value, prefix: &str, into: &mut BTreeMap<String, toml::Value>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let dot = if prefix.is_empty() { "" } else { "." };
                keys(value, &format!("{prefix}{dot}{name}"), into);
            }
        }
        toml::Value::Array(tables) if tables.iter().any(toml::Value::is_table) => {
            let [table] = &tables[..] else { panic!("more than one {prefix}: {tables:?}") };
            keys(table, prefix, into);
        }
        value => drop(into.insert(prefix.to_owned(), value.clone())),
    }
}

#[test]
fn the_file_in_the_repository_has_every_key_with_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../encke.toml");
    let text = std::fs::read_to_string(&path).expect("encke.toml");
    let shown = |text: &str| text.contains(" = ") || text.starts_with('[') || text.is_empty();
    // Tables that a file need not have stand there behind `#`.
    let text: String = text
        .lines()
        .map(|line| line.strip_prefix('#').map(str::trim_start).filter(|line| shown(line)).unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    let (mut said, mut true_ones) = (BTreeMap::new(), BTreeMap::new());
    keys(&text.parse::<toml::Table>().expect("TOML").into(), "", &mut said);
    keys(&toml::Value::try_from(Config::complete()).expect("TOML"), "", &mut true_ones);
    said.remove("rights.open");
    true_ones.remove("rights.open");
    assert!(true_ones.len() > 10 && true_ones.contains_key("channel.history.age"), "{true_ones:?}");
    assert_eq!(said, true_ones);
    Config::read(&path).expect("it is a configuration");
    for line in text.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')) {
        assert!(line.split_once('#').is_some_and(|(_, words)| words.contains(' ')), "no words: {line}");
    }
}

#[test]
fn development_stays_on_this_machine() {
    for flag in ["--listen", "--internal-listen"] {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let mut arguments = vec!["dev"];
            arguments.extend([flag, address]);
            let said = refused(&mut encke(&arguments));
            assert!(said.contains(address) && said.contains("--insecure"), "{said}");
        }
    }
    let insecure = ["dev", "--insecure", "--listen", "0.0.0.0:0", "--internal-listen", "127.0.0.1:0"];
    let running = Running::start(&mut encke(&insecure));
    assert!(running.banner[0].contains("insecure mode"), "{:?}", running.banner);
}

#[test]
fn a_base_that_is_no_path_is_refused() {
    for base in ["live", "/live/", "/", "/a//b", "/a b", "/a?b"] {
        let said = refused(encke(&FREE).args(["--base", base]));
        assert!(said.contains("base path"), "{base}: {said}");
    }
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let path = file("precedence.toml", "[rights]\nopen = true\n[doors]\nbase = \"/file\"\n");
    let base = |command: &mut Command| {
        let running = Running::start(command);
        running.said("public").rsplit('/').nth(1).expect("a base").to_owned()
    };
    assert_eq!(base(&mut serve(&path)), "file");
    assert_eq!(base(serve(&path).env("ENCKE_BASE", "/environment")), "environment");
    assert_eq!(base(serve(&path).env("ENCKE_BASE", "/environment").args(["--base", "/flag"])), "flag");
}

#[test]
fn a_port_in_use_is_said_in_one_sentence() {
    let running = Running::start(&mut encke(&FREE));
    for (word, flag, other) in
        [("public", "--listen", "--internal-listen"), ("internal", "--internal-listen", "--listen")]
    {
        let address = running.address(word);
        let said = refused(&mut encke(&[flag, &address, other, "127.0.0.1:0"]));
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(&format!("cannot listen on {address}")) && said.contains("in use"), "{said}");
    }
}

/// The file of a Unix socket: what is printed works, a second server is refused, the end of the first removes it, and
/// one that was killed is replaced.
#[test]
fn a_unix_socket_is_served_from_its_file() {
    let path = std::env::temp_dir().join(format!("encke-{} it's.sock", std::process::id()));
    let place = format!("unix:{}", path.display());
    let start = || Running::start(&mut encke(&["--listen", &place, "--internal-listen", "127.0.0.1:0"]));
    let running = start();
    assert_eq!(running.said("public"), place);
    let published =
        Command::new("sh").args(["-c", running.said("publish")]).output().expect("a shell").stdout;
    assert!(String::from_utf8_lossy(&published).contains("/chat/demo"), "{published:?}");
    let said = refused(&mut encke(&["--listen", &place, "--internal-listen", "127.0.0.1:0"]));
    assert_eq!(said, format!("encke: cannot listen on {place}: it is in use by another server\n"));
    running.signal(Signal::KILL);
    running.ends();
    assert!(path.exists(), "a killed server removes nothing");
    let running = start();
    running.signal(Signal::TERM);
    assert_eq!(running.ends().0.code(), Some(0));
    assert!(!path.exists(), "it goes with its server");
    let said = refused(&mut encke(&["--listen", "unix:encke.sock"]));
    assert!(said.contains("has to name a file from the root"), "{said}");
    let text = "[rights]\nopen = true\n[doors]\nproxies = [\"10.0.0.0/33\"]\n";
    let said = refused(&mut serve(&file("proxies.toml", text)));
    assert!(said.contains("10.0.0.0/33") && said.contains("proxies.toml"), "{said}");
}

#[test]
fn a_signal_ends_it_in_time_and_well() {
    for signal in [Signal::TERM, Signal::INT] {
        let running = Running::start(encke(&FREE).args(["--drain", "10s"]));
        let mut stream = TcpStream::connect(running.address("public")).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket takes the option");
        stream.write_all(b"GET /channels/a HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut first = [0; 1];
        stream.read_exact(&mut first).expect("a response");
        running.signal(signal);
        let mut rest = String::new();
        stream.read_to_string(&mut rest).expect("the end");
        assert!(rest.ends_with("0\r\n\r\n"), "{rest:?}");
        let (status, log, took) = running.ends();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        for line in log.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        }
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let running = Running::start(encke(&FREE).args(["--drain", "1h"]));
    let mut never = TcpStream::connect(running.address("public")).expect("it listens");
    never.write_all(b"POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1").unwrap();
    // The request is under way when a second one, behind it on the same core or not, has been answered.
    let metrics = || {
        let mut wire = TcpStream::connect(running.address("internal")).expect("it listens");
        wire.set_read_timeout(Some(DEADLINE)).expect("a socket takes the option");
        wire.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        wire.read_to_string(&mut text).expect("figures");
        text
    };
    let start = Instant::now();
    while !metrics().contains("\nencke_requests 1\n") {
        assert!(start.elapsed() < DEADLINE, "{}", metrics());
    }
    running.signal(Signal::TERM);
    while TcpStream::connect(running.address("public")).is_ok() {
        assert!(start.elapsed() < DEADLINE, "still listening");
    }
    running.signal(Signal::TERM);
    assert_eq!(running.ends().0.code(), Some(1));
}

#[test]
fn help_names_the_commands_and_the_flags() {
    let output = ended(&mut encke(&["--help"]));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success());
    for word in ["dev", "serve", "--listen", "--internal-listen", "--base", "--insecure", "ENCKE_LISTEN"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}
