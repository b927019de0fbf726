//! Streams that begin in the past: a reader that comes back gets what it has missed, once and in order.

use std::time::Duration;

use bayeux::Position;
use encke::broker::ChannelOptions;
use encke::history;
use serde_json::{Value, json};

use crate::history::keep;
use crate::polling::publish;
use crate::server::Encke;
use crate::wire::{Response, Wire};

/// An event stream, read as a browser reads it.
struct Events {
    wire: Wire,
    text: String,
    /// Where to go on: what a browser would send as `Last-Event-ID`.
    id: String,
}

/// An event: its type, and its data.
type Event = (String, Value);

impl Events {
    /// Opens a stream, the first time or again.
    fn open(encke: &Encke, path: &str, id: &str) -> Self {
        let mut wire = encke.wire();
        let resume = if id.is_empty() { String::new() } else { format!("Last-Event-ID: {id}\r\n") };
        wire.get(path, &format!("Accept: text/event-stream\r\n{resume}"));
        let head = wire.head();
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")), "{head:?}");
        let mut events = Events { wire, text: String::new(), id: id.to_owned() };
        let first = events.block();
        let retry = first.strip_prefix("retry: ").and_then(|retry| retry.parse().ok());
        assert!(retry.is_some_and(|retry: u64| (1000..=5000).contains(&retry)), "{first:?}");
        events
    }

    /// The lines up to the next empty one.
    fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return block;
            }
            let chunk = self.wire.chunk().expect("the stream goes on");
            self.text += std::str::from_utf8(&chunk).expect("UTF-8");
        }
    }

    fn next(&mut self) -> Event {
        loop {
            let (mut event, mut data) = (String::new(), None);
            for line in self.block().lines() {
                match line.split_once(": ") {
                    Some(("id", id)) => self.id = id.to_owned(),
                    Some(("event", name)) => event = name.to_owned(),
                    Some(("data", json)) => data = Some(serde_json::from_str(json).expect("JSON")),
                    Some(("retry", _)) => {}
                    _ => assert_eq!(line, ":"),
                }
            }
            if let Some(data) = data {
                return (event, data);
            }
        }
    }

    /// What became of the recovery, which comes first.
    fn recovery(&mut self) -> Value {
        let (event, data) = self.next();
        assert_eq!(event, "recovery");
        data
    }

    fn data(&mut self) -> Value {
        self.next().1
    }
}

/// A stream of lines; the first heartbeat has been read.
struct Lines {
    wire: Wire,
    text: String,
}

impl Lines {
    fn open(encke: &Encke, path: &str) -> Self {
        let mut wire = encke.wire();
        assert_eq!(wire.get(path, "").head().status, 200);
        Lines { wire, text: String::new() }
    }

    fn next(&mut self) -> Value {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.text = rest;
                if !line.is_empty() {
                    return serde_json::from_str(&line).expect("JSON");
                }
                continue;
            }
            let chunk = self.wire.chunk().expect("the stream goes on");
            self.text += std::str::from_utf8(&chunk).expect("UTF-8");
        }
    }

    fn recovery(&mut self) -> Value {
        let line = self.next();
        assert_eq!(line["channel"], "/meta/recovery", "{line}");
        line["data"].clone()
    }
}

fn position(line: &Value) -> &str {
    line["ext"]["encke"]["position"].as_str().unwrap_or_else(|| panic!("no position: {line}"))
}

#[test]
fn a_browser_resumes_by_itself() {
    let encke = Encke::with(|config| keep(config, "/a/**", 100));
    let url = "/channels/a/b";
    let mut events = Events::open(&encke, url, "");
    publish(&encke, "/a/b", &json!(0));
    assert_eq!(events.next(), (String::new(), json!(0)));
    for round in 0..5 {
        let id = events.id.clone();
        drop(events);
        for number in 1..4 {
            publish(&encke, "/a/b", &json!(3 * round + number));
            publish(&encke, "/a/c", &json!("not for this one"));
        }
        events = Events::open(&encke, url, &id);
        assert_eq!(events.recovery()["recovered"], true);
        assert_eq!(events.id, id, "nothing has been read yet");
        for number in 1..4 {
            assert_eq!(events.data(), json!(3 * round + number));
        }
    }
    publish(&encke, "/a/b", &json!("live"));
    assert_eq!(events.data(), "live");
    assert!(events.wire.is_silent());
}

/// The first connection names the place where it began, so that one that breaks before the first message loses nothing.
#[test]
fn a_stream_that_broke_before_its_first_message_is_resumed_too() {
    let encke = Encke::with(|config| keep(config, "/a/**", 100));
    publish(&encke, "/a/b", &json!("before"));
    let mut events = Events::open(&encke, "/channels/a/*", "");
    assert_eq!(events.block(), format!("id: {}", position_of(&encke, "/a/b")));
    drop(events);
    let id = position_of(&encke, "/a/b");
    publish(&encke, "/a/b", &json!("missed"));
    let mut events = Events::open(&encke, "/channels/a/*", &id);
    assert_eq!(events.recovery()["recovered"], true);
    assert_eq!(events.next(), ("/a/b".to_owned(), json!("missed")));
}

/// The cursor at the end of a history.
fn position_of(encke: &Encke, channel: &str) -> String {
    let response = encke.wire().get(&format!("/channels{channel}?as=messages"), "").response();
    response.json()["cursor"].as_str().expect("a cursor").to_owned()
}

/// Two histories, and channels without one between them, read through one wildcard in small portions. Whatever is said
/// while it is away or catches up, and wherever it is cut, each history comes whole, once and in its order.
#[test]
fn many_cuts_over_two_histories_lose_and_repeat_nothing() {
    for cores in [1, 2] {
        let encke = Encke::with(|config| {
            config.cores = cores;
            config.sessions.outbox_messages = 8;
            keep(config, "/a/**", 2000);
            keep(config, "/b/**", 2000);
        });
        let mut random = fastrand::Rng::with_seed(7);
        let mut said = [0; 3];
        let mut speaker = encke.wire();
        let mut speak = |random: &mut fastrand::Rng, said: &mut [i64; 3]| {
            for _ in 0..random.usize(..30) {
                let which = random.usize(..3);
                let path = ["/channels/a/1", "/channels/b/1", "/channels/c"][which];
                assert_eq!(speaker.post(path, &said[which].to_string()).response().status, 200);
                said[which] += 1;
            }
        };
        let mut heard = [0; 2];
        let mut id = String::new();
        for cut in 0..60 {
            let mut events = Events::open(&encke, "/channels/**", &id);
            if cut > 0 {
                let recovery = events.recovery();
                assert_eq!(recovery["recovered"], true, "{recovery} of {id}");
            } else {
                // The place where now is.
                events.id = events.block().strip_prefix("id: ").expect("an id").to_owned();
            }
            speak(&mut random, &mut said);
            let last = cut == 59;
            let mut left = if last { usize::MAX } else { random.usize(..25) };
            while left > 0 && heard != [said[0], said[1]] {
                let (channel, data) = events.next();
                left -= 1;
                match channel.as_str() {
                    "/a/1" | "/b/1" => {
                        let which = usize::from(channel == "/b/1");
                        assert_eq!(
                            data,
                            json!(heard[which]),
                            "{channel} in cut {cut} of {cores}: {}",
                            events.id
                        );
                        heard[which] += 1;
                    }
                    other => assert_eq!(other, "/c"),
                }
            }
            id = events.id.clone();
            drop(events);
            speak(&mut random, &mut said);
            if last {
                break;
            }
        }
        let mut events = Events::open(&encke, "/channels/**", &id);
        assert_eq!(events.recovery()["recovered"], true);
        while heard != [said[0], said[1]] {
            let (channel, data) = events.next();
            let which = usize::from(channel == "/b/1");
            assert_eq!(data, json!(heard[which]));
            heard[which] += 1;
        }
        assert!(said[0] > 100 && said[1] > 100, "{said:?}");
    }
}

#[test]
fn lines_say_what_became_of_a_cursor() {
    let encke = Encke::with(|config| keep(config, "/a/**", 5));
    let mut lines = Lines::open(&encke, "/channels/a/*?since=now");
    let now = lines.recovery();
    assert!(now["cursor"].is_string() && now.get("recovered").is_none(), "{now}");
    assert_eq!(now["from"], now["cursor"]);
    publish(&encke, "/a/b", &json!(0));
    let first = lines.next();
    assert_eq!(first["data"], 0);
    drop(lines);
    publish(&encke, "/a/b", &json!(1));
    for cursor in [position(&first), now["cursor"].as_str().expect("a cursor")] {
        let mut lines = Lines::open(&encke, &format!("/channels/a/*?as=lines&since={cursor}"));
        assert_eq!(lines.recovery()["recovered"], true);
        let expected = if cursor == position(&first) { 1 } else { 0 };
        assert_eq!(lines.next()["data"], expected);
    }
    let mut all = Lines::open(&encke, "/channels/a/*?since=all");
    assert!(all.recovery().get("recovered").is_none());
    assert_eq!((all.next()["data"].clone(), all.next()["data"].clone()), (json!(0), json!(1)));
    for number in 2..12 {
        publish(&encke, "/a/b", &json!(number));
    }
    let mut old = Lines::open(&encke, &format!("/channels/a/*?since={}", position(&first)));
    let recovery = old.recovery();
    assert_eq!((&recovery["recovered"], &recovery["reason"]), (&json!(false), &json!("too_old")));
    for number in 7..12 {
        assert_eq!(old.next()["data"], number);
    }
    assert!(old.wire.is_silent());
}

#[test]
fn what_is_older_than_its_age_is_too_old() {
    let encke = Encke::with(|config| {
        let history = Some(history::Options { age: Duration::from_secs(60), ..Default::default() });
        let patterns = vec!["/a/**".to_owned()];
        config.channel.push(ChannelOptions { patterns, history, ..Default::default() });
    });
    let mut events = Events::open(&encke, "/channels/a/b", "");
    publish(&encke, "/a/b", &json!(0));
    assert_eq!(events.data(), 0);
    publish(&encke, "/a/b", &json!(1));
    encke.advance(Duration::from_secs(61));
    publish(&encke, "/a/b", &json!(2));
    let mut late = Events::open(&encke, "/channels/a/b", &events.id);
    let recovery = late.recovery();
    assert_eq!((&recovery["recovered"], &recovery["reason"]), (&json!(false), &json!("too_old")));
    assert_eq!(late.data(), 2);
    // It has been told once: whoever goes on from there misses nothing more.
    let mut again = Events::open(&encke, "/channels/a/b", &late.id);
    assert_eq!(again.recovery()["recovered"], true);
}

#[test]
fn a_server_that_was_started_again_says_so_and_gives_what_it_has() {
    let start = || {
        Encke::with(|config| {
            keep(config, "/a/**", 100);
            keep(config, "/b/**", 100);
        })
    };
    let encke = start();
    let mut events = Events::open(&encke, "/channels/**", "");
    publish(&encke, "/a/b", &json!("old"));
    assert_eq!(events.data(), "old");
    let id = events.id.clone();
    drop((events, encke));
    let encke = start();
    publish(&encke, "/a/b", &json!("new"));
    let mut events = Events::open(&encke, "/channels/**", &id);
    let recovery = events.recovery();
    assert_eq!((&recovery["recovered"], &recovery["reason"]), (&json!(false), &json!("new_epoch")));
    // Cut before anything was read: nothing is lost by that, and nobody is told a second time.
    let mut events = Events::open(&encke, "/channels/**", &events.id);
    assert_eq!(events.recovery()["recovered"], true);
    assert_eq!(events.next(), ("/a/b".to_owned(), json!("new")));
    publish(&encke, "/b/b", &json!("newer"));
    assert_eq!(events.next(), ("/b/b".to_owned(), json!("newer")));
}

#[test]
fn a_cursor_that_nobody_gave_out_begins_now() {
    let encke = Encke::with(|config| keep(config, "/a/**", 100));
    publish(&encke, "/a/b", &json!("before"));
    let now = position_of(&encke, "/a/b");
    let (epoch, _) = now.split_once('-').expect("a position");
    let long = "x".repeat(14 * 1024);
    for garbage in ["x", "..", "1-", &format!("{epoch}-zzzz"), &long] {
        let mut events = Events::open(&encke, "/channels/a/b", garbage);
        let recovery = events.recovery();
        let expected = json!({"cursor": now, "recovered": false, "reason": "unknown"});
        assert_eq!(recovery, expected, "{garbage:.20}");
        assert_eq!(events.id, now, "it goes on from here");
        let mut lines = Lines::open(&encke, &format!("/channels/a/b?since={garbage}"));
        let mut recovery = lines.recovery();
        assert_eq!(recovery.as_object_mut().and_then(|recovery| recovery.remove("from")), Some(json!(now)));
        assert_eq!(recovery, expected);
    }
    // What has no room in the head of a request is refused as such.
    let longer = "x".repeat(16 * 1024);
    let path = format!("/channels/a/b?since={longer}");
    assert_eq!(encke.wire().get(&path, "").head().status, 431);
    publish(&encke, "/a/b", &json!("after"));
    let mut events = Events::open(&encke, "/channels/a/b", &now);
    assert_eq!(events.recovery()["recovered"], true);
    assert_eq!(events.data(), "after");
}

#[test]
fn where_there_is_no_history_it_begins_now_and_says_so() {
    let encke = Encke::with(|config| keep(config, "/a/**", 100));
    publish(&encke, "/b", &json!("before"));
    let mut lines = Lines::open(&encke, "/channels/b?since=1-1");
    assert_eq!(lines.recovery(), json!({"recovered": false, "reason": "unknown"}));
    let mut all = Lines::open(&encke, "/channels/b?since=all");
    assert_eq!(all.recovery(), json!({}));
    let mut events = Events::open(&encke, "/channels/b", "");
    publish(&encke, "/b", &json!("live"));
    assert_eq!((lines.next()["data"].clone(), all.next()["data"].clone()), (json!("live"), json!("live")));
    assert_eq!(events.data(), "live");
    // A browser that comes back there hears that it may have missed something.
    let mut again = Events::open(&encke, "/channels/b", &events.id);
    assert_eq!(again.recovery(), json!({"recovered": false, "reason": "unknown"}));
}

#[test]
fn the_header_wins_and_only_events_have_it() {
    let encke = Encke::with(|config| keep(config, "/a/**", 100));
    let mut events = Events::open(&encke, "/channels/a?since=all", "");
    assert!(events.recovery().get("recovered").is_none());
    publish(&encke, "/a/b", &json!(0));
    let id = position_of(&encke, "/a/b");
    publish(&encke, "/a/b", &json!(1));
    let mut events = Events::open(&encke, "/channels/a/b?since=all", &id);
    assert_eq!(events.recovery()["recovered"], true);
    assert_eq!(events.data(), 1);
    let mut wire = encke.wire();
    wire.get("/channels/a/b?since=all", &format!("Last-Event-ID: {id}\r\n")).head();
    let text = String::from_utf8(wire.chunk().expect("a beginning")).expect("UTF-8");
    assert!(text.contains("/meta/recovery") && !text.contains("recovered"), "{text}");
    // Empty is none, in either place.
    let mut wire = encke.wire();
    wire.get("/channels/a/b?since=", "Accept: text/event-stream\r\nLast-Event-ID: \r\n").head();
    let text = String::from_utf8(wire.chunk().expect("a beginning")).expect("UTF-8");
    assert!(!text.contains("recovery"), "{text}");
}

#[test]
fn a_page_says_only_what_is_missing() {
    let encke = Encke::with(|config| keep(config, "/a/**", 100));
    publish(&encke, "/a/b", &json!({"text": "hello there"}));
    let id = position_of(&encke, "/a/b");
    let page = |since: &str| {
        let mut wire = encke.wire();
        wire.get(&format!("/channels/a/b?as=page&since={since}"), "").head();
        let mut text = String::new();
        while !text.contains("</p>\n<p>") && !text.contains("hello there") && !text.ends_with("-->") {
            text += std::str::from_utf8(&wire.chunk().expect("it grows")).expect("UTF-8");
            if since == id {
                break;
            }
            if since == "nonsense" && text.contains("missing") {
                break;
            }
        }
        text
    };
    assert!(page("all").contains("hello there"));
    assert!(!page(&id).contains("missing"));
    assert!(page("nonsense").contains("Messages are missing here (unknown)."));
}

/// A reader that is slow gets all of it, and the server holds no more for it than an outbox may have.
#[test]
fn a_thousand_messages_wait_in_history_and_not_in_the_outbox() {
    let encke = Encke::with(|config| {
        config.sessions.outbox_messages = 50;
        let history = history::Options { count: 2000, bytes: 16 << 20, ..Default::default() };
        let patterns = vec!["/a/**".to_owned()];
        config.channel.push(ChannelOptions { patterns, history: Some(history), ..Default::default() });
    });
    let text = "x".repeat(1000);
    let mut speaker = encke.wire();
    for number in 0..1000 {
        let body = json!([number, text]).to_string();
        assert_eq!(speaker.post("/channels/a/b", &body).response().status, 200);
    }
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket takes the option");
    socket.connect(&encke.public.into()).expect("the server listens");
    let mut wire = Wire::over(socket.into());
    wire.get("/channels/a/b?as=event-stream&since=all", "");
    let head: Response = wire.head();
    assert_eq!(head.status, 200);
    let mut events = Events { wire, text: String::new(), id: String::new() };
    assert!(events.recovery().get("recovered").is_none());
    for number in 1000..1200 {
        let body = json!([number, text]).to_string();
        assert_eq!(speaker.post("/channels/a/b", &body).response().status, 200);
    }
    for number in 0..1200 {
        assert_eq!(events.data()[0], number);
    }
    publish(&encke, "/a/b", &json!(["live"]));
    assert_eq!(events.data()[0], "live");
    assert!(encke.figure("encke_outbox_messages_peak") <= 50, "{}", encke.figures());
    assert!(encke.figure("encke_messages_replayed_total") >= 1000);
    assert_eq!(encke.ended("overflow") + encke.figure("encke_gaps_total"), 0);
}

/// A stream that is too slow even for history is told so where the hole is.
#[test]
fn a_gap_is_an_event() {
    let encke = Encke::with(|config| {
        config.sessions.outbox_messages = 10;
        keep(config, "/a/**", 20);
    });
    let narrow = || {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a socket takes the option");
        socket.connect(&encke.public.into()).expect("the server listens");
        Wire::over(socket.into())
    };
    let (mut events, mut lines) = (narrow(), narrow());
    events.get("/channels/a/b?as=event-stream", "").head();
    lines.get("/channels/a/b?as=lines", "").head();
    let (mut events, mut lines) = (
        Events { wire: events, text: String::new(), id: String::new() },
        Lines { wire: lines, text: String::new() },
    );
    let text = "x".repeat(4000);
    let mut speaker = encke.wire();
    let mut said = 0;
    // Until both are blocked, and history has gone past them.
    while encke.figure("encke_overflows_total{policy=\"gap\"}") < 2 {
        let body = json!([said, text]).to_string();
        assert_eq!(speaker.post("/channels/a/b", &body).response().status, 200);
        said += 1;
        assert!(said < 10_000, "{}", encke.figures());
    }
    for _ in 0..100 {
        let body = json!([said, text]).to_string();
        assert_eq!(speaker.post("/channels/a/b", &body).response().status, 200);
        said += 1;
    }
    let (mut next, mut told) = (0, 0);
    while next < said {
        let (event, data) = events.next();
        if event == "recovery" {
            assert_eq!((&data["recovered"], &data["reason"]), (&json!(false), &json!("too_old")), "{data}");
            told += 1;
            continue;
        }
        let number = data[0].as_i64().expect("a number");
        assert!(number == next || (told > 0 && number > next), "{number} after {next}, told {told}");
        next = number + 1;
    }
    assert_eq!(told, 1);
    loop {
        let line = lines.next();
        if line["channel"] == "/meta/gap" {
            assert_eq!(line["data"], json!({"subscription": ["/a/b"], "reason": "too_old"}));
            break;
        }
    }
}

/// Somebody who reads at the very edge of what is kept, while others publish on all cores: each hole is told, and told before
/// what follows it.
#[test]
fn every_hole_is_told_while_history_moves_on() {
    const MESSAGES: usize = 2000;
    let encke = Encke::with(|config| {
        config.cores = 2;
        config.sessions.outbox_messages = 4;
        keep(config, "/a/**", 4);
    });
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket takes the option");
    socket.connect(&encke.public.into()).expect("the server listens");
    let mut wire = Wire::over(socket.into());
    wire.get("/channels/a/b?as=lines&since=now", "").head();
    let mut lines = Lines { wire, text: String::new() };
    let begin: Position = lines.recovery()["from"].as_str().expect("a place").parse().expect("a position");
    let body = json!("x".repeat(16_000)).to_string();
    let speakers: Vec<_> = (0..2)
        .map(|_| {
            let (mut wire, body) = (encke.wire(), body.clone());
            std::thread::spawn(move || {
                for _ in 0..MESSAGES / 2 {
                    assert_eq!(wire.post("/channels/a/b", &body).response().status, 200);
                }
            })
        })
        .collect();
    let (mut last, mut told, mut holes, mut read) = (begin.sequence, false, 0, 0);
    while last < begin.sequence + MESSAGES as u64 {
        let line = lines.next();
        if line["channel"] == "/meta/gap" {
            told = true;
            continue;
        }
        let sequence = position(&line).parse::<Position>().expect("a position").sequence;
        assert!(sequence == last + 1 || (told && sequence > last), "{sequence} after {last}, told: {told}");
        holes += u64::from(sequence != last + 1);
        (last, told) = (sequence, false);
        read += 1;
        if read % 100 == 0 {
            // More than fits into what the kernel keeps for it.
            let enough = ((last - begin.sequence) as i64 + 600).min(MESSAGES as i64);
            encke.until("spoken", 1, |encke| i64::from(encke.figure("encke_messages_in_total") >= enough));
        }
    }
    for speaker in speakers {
        speaker.join().expect("everything is published");
    }
    assert!(holes > 0, "it was never slow");
}

/// Publications of two tables, sealed on two cores in one order, arrive in another: an id still names all that was handed out.
#[test]
fn the_id_of_an_event_never_goes_back() {
    const MESSAGES: usize = 4000;
    let encke = Encke::with(|config| {
        config.cores = 2;
        keep(config, "/a/**", 100);
        keep(config, "/b/**", 100);
    });
    let mut events = Events::open(&encke, "/channels/**", "");
    let speakers: Vec<_> = (0..6)
        .map(|number| {
            let mut wire = encke.wire();
            let path = format!("/channels/{}/c", ["a", "b"][number % 2]);
            std::thread::spawn(move || {
                for _ in 0..MESSAGES {
                    assert_eq!(wire.post(&path, "1").response().status, 200);
                }
            })
        })
        .collect();
    let mut newest = std::collections::HashMap::new();
    for _ in 0..6 * MESSAGES {
        events.next();
        for position in events.id.split('.').map(|position| position.parse::<Position>().expect("a position"))
        {
            let before = newest.insert(position.epoch, position.sequence).unwrap_or(0);
            assert!(position.sequence >= before, "{} after {before}", events.id);
        }
    }
    for speaker in speakers {
        speaker.join().expect("everything is published");
    }
}

/// The last values are for who is new: whoever says where to go on gets what came since.
#[test]
fn a_last_value_is_not_repeated_to_one_who_comes_back() {
    let encke = Encke::with(|config| {
        keep(config, "/a/**", 100);
        config.channel[0].last_value = true;
    });
    publish(&encke, "/a/1", &json!(1));
    publish(&encke, "/a/2", &json!(2));
    let mut events = Events::open(&encke, "/channels/a/*", "");
    assert_eq!((events.data(), events.data()), (json!(1), json!(2)));
    let id = events.id.clone();
    drop(events);
    publish(&encke, "/a/1", &json!(3));
    publish(&encke, "/a/1", &json!(4));
    let mut events = Events::open(&encke, "/channels/a/*", &id);
    assert_eq!(events.recovery()["recovered"], true);
    assert_eq!((events.data(), events.data()), (json!(3), json!(4)));
    publish(&encke, "/a/2", &json!(5));
    assert_eq!(events.data(), 5);
}
