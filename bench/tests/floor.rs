//! The command from outside, against the floor and against servers that fail.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

const BENCH: &str = env!("CARGO_BIN_EXE_encke-bench");

/// The first core this process may use: a test runs on whatever machine it is given.
fn core() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    list.trim().split(['-', ',']).next().unwrap().to_owned()
}

fn bench(words: &str) -> Output {
    let core = core();
    let seconds: &[&str] = if words.contains("--seconds") { &[] } else { &["--seconds", "0.1"] };
    Command::new(BENCH)
        .args(words.split_whitespace())
        .args(["--server-cores", &core, "--cores", &core, "--warmup", "0.05", "--json"])
        .args(seconds)
        .output()
        .unwrap()
}

fn measured(words: &str) -> Vec<Value> {
    let output = bench(words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number(figures: &Value, name: &str) -> f64 {
    figures[name].as_f64().unwrap_or_else(|| panic!("{name} in {figures}"))
}

#[test]
fn a_fan_out_is_measured_on_every_floor_in_turn() {
    let runs = measured("fanout --no-server --floors never,session,shared --rounds 2 -n 20 -k 4");
    let subjects: Vec<&str> = runs.iter().map(|run| run["subject"].as_str().unwrap()).collect();
    let turn = ["floor", "floor-joined", "floor-shared"];
    assert_eq!(subjects, [turn, turn].concat());
    for run in &runs {
        assert!(number(run, "deliveries_per_s") > 100.0);
        assert!(number(run, "cpu_us_per_delivery") > 0.0);
        assert!(number(run, "p50_ms") > 0.0);
        assert!(number(run, "p50_ms") <= number(run, "p99_ms"));
        assert!(number(run, "p99_ms") <= number(run, "max_ms"));
        assert_eq!(number(run, "lost") + number(run, "reordered") + number(run, "stray"), 0.0);
    }
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let runs = measured("fanout --no-server --floors session --rounds 1 -n 10 --rate 200 --seconds 0.6");
    let rate = number(&runs[0], "deliveries_per_s");
    // Not that of another option, on a machine that does much else besides.
    assert!((1000.0..=3000.0).contains(&rate), "{rate}");
}

#[test]
fn a_server_named_by_its_command_line_stands_before_the_floor() {
    let server = format!("{BENCH} floor --join shared");
    let core = core();
    let output = Command::new(BENCH)
        .args([
            "ingest",
            "--server",
            &server,
            "--floors",
            "session",
            "--rounds",
            "1",
            "--seconds",
            "0.2",
            "--json",
        ])
        .args(["--server-cores", &core, "--cores", &core])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let subjects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(output.status.success());
    assert_eq!([&subjects[0]["subject"], &subjects[1]["subject"]], ["server", "floor-joined"]);
}

#[test]
fn the_other_measurements_run_in_small() {
    let floor = "--no-server --floors session --rounds 1";
    let idle = measured(&format!("idle {floor} -n 10,40 --settle 0.1"));
    assert_eq!(
        idle.iter().map(|run| run["measure"].as_str().unwrap()).collect::<Vec<_>>(),
        ["idle", "idle", "idle slope"]
    );
    assert!(number(&idle[1], "anonymous_mb") > 0.0);

    let connect = measured(&format!("connect {floor} -n 50"));
    assert!(number(&connect[0], "cpu_us_per_connect") > 0.0);

    let beside = measured(&format!("beside {floor} -n 50 --small 3 --small-rate 100"));
    assert!(number(&beside[0], "p99_ms") > 0.0);
    assert!(number(&beside[0], "alone_p99_ms") > 0.0);

    let rooms = measured(&format!("rooms {floor} -n 40 --rooms 20 --publishers 3"));
    assert!(number(&rooms[0], "deliveries_per_cpu_s") > 0.0);

    let rooms = measured(&format!("rooms {floor} --profile cometd -n 40 --seconds 0.3"));
    assert!(number(&rooms[0], "deliveries_per_s") > 0.0, "{}", rooms[0]);
    assert_eq!(number(&rooms[0], "withheld"), 0.0);

    let mochiweb = measured(&format!("mochiweb {floor} -n 40 --period 200ms --periods 2"));
    let sizes = ["10 sessions", "20 sessions", "40 sessions", "EXTRAPOLATED"];
    for (run, size) in mochiweb.iter().zip(sizes) {
        assert!(run["settings"].as_str().unwrap().starts_with(size), "{run}");
    }
    assert!(number(&mochiweb[2], "deliveries_per_s") > 0.0, "{}", mochiweb[2]);
    assert_eq!(number(&mochiweb[3], "million_deliveries_per_s"), 5_000_000.0);

    let stalled =
        measured(&format!("stalled {floor} -n 30 --stalled 5 --deliveries 2000 --rooms 2 --patience 0.5"));
    assert_eq!(number(&stalled[0], "stalled"), 5.0);
    assert_eq!(number(&stalled[0], "lost"), 0.0);

    let overload = measured(&format!("overload {floor} -n 10"));
    assert!(number(&overload[0], "last_deliveries") >= 10.0);
    assert_eq!(number(&overload[0], "lost"), 0.0);
}

#[test]
fn a_peer_stands_beside_and_one_that_fails_ends_nothing() {
    let core = core();
    let peer = format!("other={BENCH} floor --join shared");
    let output = Command::new(BENCH)
        .args("fanout --no-server --floors session --rounds 2 -n 5 --seconds 0.1 --json".split(' '))
        .args(["--server-cores", &core, "--cores", &core])
        .args(["--peer", &peer, "--peer", "absent=./no-such-server"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let runs: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let subjects: Vec<&str> = runs.iter().map(|run| run["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["floor-joined", "other", "floor-joined", "other"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors.matches("absent in round").count(), 2, "{errors}");
}

#[test]
fn stalled_sessions_that_nobody_ends_fail_the_strict_run() {
    // The floor keeps everything for everyone.
    let output = bench(
        "stalled --no-server --floors session --rounds 1 -n 10 --stalled 2 --deliveries 100 --strict --patience 0.5",
    );
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(errors.contains("0 of 2 stalled sessions were ended") || errors.contains("p99"), "{errors}");
}

/// A floor that a test stops when it is done with it.
struct Floor {
    child: Child,
    address: String,
}

impl Floor {
    fn start() -> Floor {
        let mut child = Command::new(BENCH)
            .args(["floor", "--join", "session"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line
            .trim()
            .trim_start_matches("public")
            .trim()
            .trim_start_matches("http://")
            .trim_end_matches('/');
        Floor { address: address.to_owned(), child }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // Its input closes with the child's handle; waiting shows that it then ends by itself.
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

/// Passes bytes on, and changes every `from` to `to` on their way back.
fn falsify(floor: &str, from: &'static [u8], to: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let floor = floor.to_owned();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, mut server) = (client.unwrap(), TcpStream::connect(&floor).unwrap());
            let (mut requests, mut up) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut requests, &mut up));
            thread::spawn(move || {
                let mut buffer = [0; 65_536];
                while let Ok(bytes @ 1..) = server.read(&mut buffer) {
                    let mut answer = buffer[..bytes].to_vec();
                    if let Some(at) = answer.windows(from.len()).position(|window| window == from) {
                        answer[at..at + to.len()].copy_from_slice(to);
                    }
                    if client.write_all(&answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_message_that_arrives_as_another_is_noticed() {
    let floor = Floor::start();
    let address = falsify(&floor.address, b"\"s\":10000007", b"\"s\":10000006");
    let pid = floor.child.id();
    let output = bench(&format!(
        "fanout --url http://{address}/ --pid {pid} --floors session --rounds 1 -n 2 --patience 0.5"
    ));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(errors.contains("2 lost, 0 reordered, 2 stray"), "{errors}");
}

#[test]
fn a_server_that_hangs_up_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(drop));
    let pid = std::process::id();
    let output = bench(&format!("fanout --url http://{address}/ --pid {pid} --rounds 1 -n 2"));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(errors.contains("a session ended: number 0"), "{errors}");
}

#[test]
fn a_refused_handshake_is_an_error() {
    let floor = Floor::start();
    // As long as what it replaces, so that the frame stays whole.
    let address =
        falsify(&floor.address, b"\"successful\":true,\"id\":\"1\"", b"\"successful\":false,\"i\":\"1\"");
    let pid = floor.child.id();
    let output = bench(&format!("fanout --url http://{address}/ --pid {pid} --rounds 1 -n 2"));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(errors.contains("refused"), "{errors}");
}

/// A Bayeux server of fifty lines over held polls, for one channel; and event streams that say
/// nothing but a heartbeat.
fn polled() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let held: Arc<Mutex<Vec<Sender<String>>>> = Arc::default();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let held = Arc::clone(&held);
            thread::spawn(move || serve_polls(number, stream.unwrap(), &held));
        }
    });
    address
}

fn serve_polls(number: usize, stream: TcpStream, held: &Mutex<Vec<Sender<String>>>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    let (tell, told) = channel();
    loop {
        let (mut length, mut line) = (0, String::new());
        let mut first = String::new();
        while lines.read_line(&mut line).ok()? > 2 {
            if first.is_empty() {
                first.clone_from(&line);
            }
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        if first.starts_with("GET /channels/bench?as=event-stream ") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n:\n\n").ok()?;
            continue;
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body).ok()?;
        let request: Value = serde_json::from_slice(&body).unwrap();
        let reply = match request[0]["channel"].as_str().unwrap() {
            "/meta/handshake" => {
                format!(r#"[{{"channel":"/meta/handshake","clientId":"c{number}","successful":true}}]"#)
            }
            "/meta/subscribe" => {
                held.lock().unwrap().push(tell.clone());
                r#"[{"channel":"/meta/subscribe","successful":true}]"#.to_owned()
            }
            "/meta/connect" if request[0]["advice"]["timeout"] == 0 => {
                r#"[{"channel":"/meta/connect","successful":true}]"#.to_owned()
            }
            "/meta/connect" => told.recv().ok()?,
            _ => {
                for message in request.as_array().unwrap() {
                    let data = &message["data"];
                    let delivery = format!(
                        r#"[{{"channel":"/bench","data":{{"s":{}}}}},{{"channel":"/meta/connect","successful":true}}]"#,
                        data["s"]
                    );
                    held.lock().unwrap().iter().for_each(|one| one.send(delivery.clone()).unwrap_or(()));
                }
                r#"[{"channel":"/bench","successful":true}]"#.to_owned()
            }
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", reply.len());
        stream.write_all((head + &reply).as_bytes()).ok()?;
    }
}

#[test]
fn held_polls_and_event_streams_are_measured_too() {
    let (address, pid) = (polled(), std::process::id());
    let server = format!("--url http://{address}/ --pid {pid} --floors session --rounds 1");
    let fanout = measured(&format!("fanout {server} -n 5 -k 2 --transport long-polling"));
    assert!(number(&fanout[0], "deliveries_per_s") > 10.0);
    assert_eq!(number(&fanout[0], "lost") + number(&fanout[0], "reordered"), 0.0);
    for transport in ["long-polling", "event-stream"] {
        let idle = measured(&format!("idle {server} -n 5 --settle 0.1 --transport {transport}"));
        assert!(idle[0]["settings"].as_str().unwrap().contains(transport));
        assert!(number(&idle[0], "anonymous_mb") > 0.0);
    }
}

#[test]
fn an_absent_server_and_too_many_sessions_are_errors() {
    for words in ["fanout --server ./no-such-server --rounds 1", "fanout --no-server -n 1000000"] {
        let output = bench(words);
        assert!(!output.status.success(), "{words}");
        assert!(!output.stderr.is_empty(), "{words}");
    }
}
