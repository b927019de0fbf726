//! What happens at the bounds: who does not read is ended and counted, and nobody else notices.

use std::time::Duration;

use bayeux::websocket::{Decoder, Event, Limits, Role};
use serde_json::{Value, json};
use std::io::Read;

use crate::bystander::Bystander;
use crate::polling::{Polling, publish};
use crate::server::Encke;
use crate::socket::{Heard, Socket};

#[test]
fn a_session_whose_poll_stays_away_is_ended_at_its_bound_of_messages() {
    let encke = Encke::with(|config| config.sessions.outbox_messages = 10);
    let mut bystander = Bystander::join(&encke);
    let mut reader = Socket::listening(&encke, "/a");
    let mut away = Polling::listening(&encke, "/a");
    let mut within = Polling::listening(&encke, "/a");
    for number in 0..10 {
        assert_eq!(publish(&encke, "/a", &json!(number)), 3);
    }
    assert_eq!(encke.ended("overflow"), 0);
    // The bound itself is not too much.
    assert_eq!(within.hold().polled().len(), 11);
    assert_eq!(publish(&encke, "/a", &json!(10)), 3);
    assert_eq!(publish(&encke, "/a", &json!(11)), 2);
    assert_eq!(encke.ended("overflow"), 1);
    assert_eq!(encke.figure("encke_messages_dropped_total{cause=\"overflow\"}"), 11);
    assert!(encke.figure("encke_outbox_messages_peak") <= 10);
    let replies = away.hold().polled();
    assert_eq!((replies.len(), &replies[0]["error"]), (1, &json!("402::session_unknown")));
    assert_eq!(replies[0]["advice"]["reconnect"], "handshake");
    for number in 0..12 {
        assert_eq!(reader.message()["data"], number);
    }
    bystander.is_well(&encke);
}

#[test]
fn and_at_its_bound_of_bytes() {
    let encke = Encke::with(|config| config.sessions.outbox_bytes = 10_000);
    let mut away = Polling::listening(&encke, "/a");
    let text = "x".repeat(1000);
    for _ in 0..8 {
        assert_eq!(publish(&encke, "/a", &json!(text)), 1);
    }
    assert_eq!(encke.ended("overflow"), 0);
    for _ in 0..2 {
        publish(&encke, "/a", &json!(text));
    }
    assert_eq!(encke.ended("overflow"), 1);
    assert_eq!(away.hold().polled()[0]["error"], "402::session_unknown");
}

/// Publishes a kilobyte at a time until `ended` says 1, at most `most` times; answers with how many it took.
fn flood(encke: &Encke, most: u64, ended: impl Fn(&Encke) -> i64) -> u64 {
    let text = "x".repeat(1000);
    let mut wire = encke.wire();
    for number in 0..most {
        wire.post("/channels/flood", &json!([number, text]).to_string());
        assert_eq!(wire.response().status, 200);
        if number % 50 == 0 && ended(encke) == 1 {
            return number;
        }
    }
    panic!("{most} messages, and nobody was ended\n{}", encke.figures());
}

/// The messages of a flood come in order, without a gap, up to the end, whatever that is.
fn prefix(socket: &mut Socket) -> (u64, Heard) {
    let mut next = 0;
    loop {
        match socket.hear() {
            Heard::Frame(messages) => {
                for message in messages.iter().filter(|message| message["channel"] == "/flood") {
                    assert_eq!(message["data"][0], next);
                    next += 1;
                }
            }
            Heard::Ping | Heard::Pong(_) => {}
            end => return (next, end),
        }
    }
}

#[test]
fn a_socket_that_never_reads_is_ended_and_its_end_is_a_clean_one() {
    let encke = Encke::with(|config| config.sessions.outbox_messages = 100);
    let mut bystander = Bystander::join(&encke);
    let mut stuck = Socket::narrow(&encke);
    stuck.begin();
    stuck.subscribe("/flood");
    let mut reader = Socket::listening(&encke, "/flood");
    let counting = std::thread::spawn(move || {
        let mut next = 0;
        while reader.message()["data"][0] == next {
            next += 1;
            if next == 300 {
                return reader;
            }
        }
        panic!("a gap at {next}");
    });
    let sent = flood(&encke, 5000, |encke| encke.ended("overflow"));
    assert!(encke.figure("encke_outbox_messages_peak") <= 100);
    assert!(encke.figure("encke_messages_dropped_total{cause=\"overflow\"}") > 0);
    let _reader = (sent >= 300).then(|| counting.join().expect("the reader"));
    let (read, end) = prefix(&mut stuck);
    assert!(read > 0 && read < sent, "{read} of {sent}");
    assert_eq!(end, Heard::Close(Some(1008), "overflow".to_owned()));
    assert_eq!(stuck.hear(), Heard::End);
    bystander.is_well(&encke);
}

#[test]
fn a_stream_that_never_reads_is_ended_and_its_end_is_a_clean_one() {
    let encke = Encke::with(|config| config.sessions.outbox_messages = 100);
    let mut bystander = Bystander::join(&encke);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket takes the option");
    socket.connect(&encke.public.into()).expect("the server listens");
    let mut stuck = crate::wire::Wire::over(socket.into());
    stuck.get("/channels/flood", "");
    assert_eq!(stuck.head().status, 200);
    encke.until("streams", 1, |encke| encke.connections("lines"));
    let sent = flood(&encke, 5000, |encke| encke.ended("overflow"));
    let mut text = Vec::new();
    while let Some(chunk) = stuck.chunk() {
        text.extend_from_slice(&chunk);
    }
    stuck.ends();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut count = 0;
    for line in lines {
        let line: Value = serde_json::from_slice(line).expect("whole lines only");
        assert_eq!(line["data"][0], count);
        count += 1;
    }
    assert!(count > 0 && count < sent);
    bystander.is_well(&encke);
}

/// Blocked from one heartbeat to the next but one, however little waits.
#[test]
fn a_socket_that_is_blocked_for_longer_than_a_heartbeat_has_stalled() {
    let encke = Encke::start();
    let mut bystander = Bystander::join(&encke);
    let mut stuck = Socket::narrow(&encke);
    stuck.begin();
    stuck.subscribe("/flood");
    stuck.hold_for(Duration::from_secs(3600));
    let mut wire = encke.wire();
    for number in 0..500 {
        wire.post("/channels/flood", &json!([number, "x".repeat(1000)]).to_string());
        assert_eq!(wire.response().status, 200);
    }
    assert_eq!(encke.ended("overflow"), 0);
    for ended in [0, 0, 1] {
        assert_eq!(encke.ended("stalled"), ended);
        encke.advance(Duration::from_secs(26));
        encke.settle();
    }
    let (read, end) = prefix(&mut stuck);
    assert!(read < 500);
    assert_eq!(end, Heard::Close(Some(1008), "stalled".to_owned()));
    bystander.is_well(&encke);
}

/// Only who is blocked or absent can overflow. Where the server itself is late, publishers wait.
#[test]
fn a_server_that_is_late_ends_nobody() {
    // All of them fit into what the kernel keeps for each reader, so that none is ever blocked, however seldom this
    // machine lets it run: whoever is ended was ended because the server was late. (A small write costs the kernel
    // many times its bytes: of 2,000 a busy machine once kept 1,270.)
    const MESSAGES: usize = 600;
    const READERS: usize = 50;
    let encke = Encke::with(|config| {
        config.cores = 2;
        // What one turn takes in would pass this at once.
        config.sessions.outbox_messages = 20;
    });
    let mut publisher = Socket::connected(&encke);
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let mut socket = Socket::roomy(&encke);
            socket.begin();
            socket.subscribe("/burst");
            std::thread::spawn(move || in_order(socket, MESSAGES))
        })
        .collect();
    let mut stream = publisher.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        use std::io::Write;
        for batch in 0..MESSAGES / 100 {
            let messages: Vec<_> = (0..100)
                .map(|number| {
                    format!("{{\"channel\":\"/burst\",\"data\":{},\"id\":\"b\"}}", batch * 100 + number)
                })
                .collect();
            let text = format!("[{}]", messages.join(","));
            let mut frame = Vec::new();
            let opcode = bayeux::websocket::Opcode::Text;
            bayeux::websocket::write_masked_frame(&mut frame, opcode, true, [1, 2, 3, 4], text.as_bytes());
            stream.write_all(&frame).expect("the server reads");
        }
    });
    let mut replies = 0;
    while replies < MESSAGES {
        match publisher.hear() {
            Heard::Frame(messages) => {
                assert!(messages.iter().all(|reply| reply["successful"] == true));
                replies += messages.len();
            }
            other => panic!("{other:?}"),
        }
    }
    writer.join().expect("the writer");
    for reader in readers {
        reader.join().expect("every reader gets everything in order");
    }
    assert_eq!(encke.figure("encke_sessions"), READERS as i64 + 1);
    assert_eq!(encke.ended("overflow") + encke.ended("stalled"), 0);
    assert_eq!(encke.figure("encke_messages_out_total"), (MESSAGES * READERS) as i64);
    // Nor does it make up for it with memory.
    assert!(encke.figure("encke_outbox_messages_peak") <= 20);
}

/// Reads `count` messages whose data are 0, 1, 2, …
fn in_order(mut socket: Socket, count: usize) {
    let limits = Limits { message_bytes: 1 << 24, fragments: 1 };
    let mut decoder = Decoder::default();
    let mut next = 0;
    let mut buffer = vec![0; 256 * 1024];
    while next < count {
        let read = socket.stream.read(&mut buffer).expect("messages");
        assert!(read > 0, "the end after {next}");
        let fed = decoder.feed(Role::Client, &limits, &mut buffer[..read], |event| {
            let Event::Text(text) = event else { return };
            for part in text.split("\"data\":").skip(1) {
                let digits = part.bytes().take_while(u8::is_ascii_digit).count();
                assert_eq!(part[..digits].parse(), Ok(next));
                next += 1;
            }
        });
        fed.expect("RFC 6455");
    }
}

/// A client gives up on a reply after ten seconds; so it must not wait behind all that waits.
#[test]
fn replies_do_not_wait_behind_a_deep_backlog() {
    let encke = Encke::start();
    let mut slow = Socket::narrow(&encke);
    slow.begin();
    slow.subscribe("/flood");
    let mut wire = encke.wire();
    for number in 0..800 {
        wire.post("/channels/flood", &json!([number, "x".repeat(1000)]).to_string());
        assert_eq!(wire.response().json()["sessions"], 1);
    }
    let before = encke.figure("encke_subscriptions");
    let id = slow.tell("/meta/subscribe", json!({"subscription": "/more"}));
    encke.until("the request is heard", before + 1, |encke| encke.figure("encke_subscriptions"));
    encke.settle();
    let (mut bytes, mut messages, mut replied) = (0, 0, None);
    while messages < 800 {
        match slow.hear() {
            Heard::Frame(frame) => {
                bytes += json!(frame).to_string().len();
                messages += frame.iter().filter(|message| message["channel"] == "/flood").count();
                if frame.iter().any(|message| message["id"] == *id) {
                    replied = Some(bytes);
                }
            }
            other => panic!("{other:?}"),
        }
    }
    // What the kernel holds, the write that it cut, and one more.
    let replied = replied.expect("a reply");
    assert!(replied < 176 * 1024, "the reply came after {replied} of {bytes} bytes");
    assert!(bytes > 800 * 1024);
}
