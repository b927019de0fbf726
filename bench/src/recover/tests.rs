//! A client before a server that a test plays word by word, and the verdict on a run.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, Place};
use super::{check, quantile};
use crate::dial::dial;
use crate::plan::Transport;
use crate::report::Figures;
use crate::scan::{self, FIRST};
use crate::words::unmask;

const PATIENCE: Duration = Duration::from_secs(10);
/// Two rooms, and the client is in the second.
const ROOM: u32 = 1;
const NAME: &str = "/room/0000001";

struct Scene {
    client: Client,
    place: Place,
    listener: TcpListener,
    /// The server's end, and what it has not read yet.
    server: TcpStream,
    unread: Vec<u8>,
}

impl Scene {
    fn open(transport: Transport) -> Scene {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = Client::new(ROOM, transport);
        client.dialled(dial(address, 0, None).unwrap());
        let server = listener.accept().unwrap().0;
        let place = Place { host: address.to_string(), path: "/bayeux".to_owned(), rooms: 2 };
        Scene { client, place, listener, server: prepared(server), unread: Vec::new() }
    }

    /// The client loses its connection and returns by another one.
    fn lose_and_return(&mut self, silently: bool) {
        self.client.lose(silently);
        self.client.dialled(dial(self.listener.local_addr().unwrap(), 0, None).unwrap());
        self.server = prepared(self.listener.accept().unwrap().0);
        self.unread.clear();
    }

    /// Lets the client and the server's end move until `done`.
    fn until<T>(&mut self, what: &str, mut done: impl FnMut(&mut Scene) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; 4096];
        loop {
            self.client.writable(&self.place).unwrap();
            self.client.readable(&self.place, &mut buffer).unwrap();
            if let Ok(bytes) = self.server.read(&mut buffer) {
                self.unread.extend(&buffer[..bytes]);
            }
            if let Some(done) = done(self) {
                return done;
            }
            assert!(Instant::now() < deadline, "{what}");
        }
    }

    /// The head of the next HTTP request.
    fn head(&mut self) -> String {
        self.until("a request", |scene| {
            let end = memchr::memmem::find(&scene.unread, b"\r\n\r\n")? + 4;
            String::from_utf8(scene.unread.drain(..end).collect()).ok()
        })
    }

    /// The next Bayeux request, by POST or in a frame.
    fn request(&mut self) -> Value {
        if self.client.transport == Transport::LongPolling {
            let head = self.head();
            let length: usize = crate::http::field(&head, "content-length").unwrap().parse().unwrap();
            return self.until("a body", |scene| {
                let body: Vec<u8> =
                    (scene.unread.len() >= length).then(|| scene.unread.drain(..length).collect())?;
                Some(serde_json::from_slice::<Value>(&body).unwrap()[0].clone())
            });
        }
        self.until("a frame", |scene| {
            let head = scan::head(&scene.unread)?;
            let end = head.bytes + head.payload;
            let mut payload = scene.unread.get(head.bytes..end)?.to_vec();
            unmask(&mut payload, head.mask.unwrap());
            scene.unread.drain(..end);
            Some(serde_json::from_slice::<Value>(&payload).unwrap()[0].clone())
        })
    }

    /// Answers by a response or a frame.
    fn answer(&mut self, messages: &Value) {
        let body = messages.to_string();
        if self.client.transport == Transport::LongPolling {
            let length = body.len();
            write!(self.server, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        } else {
            let length = u16::try_from(body.len()).unwrap().to_be_bytes();
            self.server.write_all(&[&[0x81, 126], &length[..], body.as_bytes()].concat()).unwrap();
        }
    }

    /// Has the client begin a session: answers its handshake and its subscribe, whose `since` it returns.
    fn begin(&mut self, session: &str) -> Value {
        assert_eq!(self.request()["channel"], "/meta/handshake");
        let ext = json!({"ack": true, "encke": {"ack": "count"}});
        self.answer(
            &json!([{"channel": "/meta/handshake", "clientId": session, "successful": true, "ext": ext}]),
        );
        let subscribe = self.request();
        assert_eq!(subscribe["subscription"], NAME);
        assert_eq!(subscribe["clientId"], session);
        let ext = json!({"encke": {"recovery": {NAME: {"cursor": "e-0"}}}});
        self.answer(&json!([{"channel": "/meta/subscribe", "successful": true, "ext": ext}]));
        subscribe["ext"]["encke"]["since"][NAME].clone()
    }

    /// Waits until the client has had so many messages of its room.
    fn had(&mut self, count: u32) {
        self.until(&format!("{count} messages"), |scene| scene.client.had.is_complete(count).then_some(()));
    }
}

fn prepared(server: TcpStream) -> TcpStream {
    server.set_nonblocking(true).unwrap();
    server
}

/// Message `number` of the client's room.
fn message(number: u32) -> Value {
    json!({"channel": NAME, "data": {"t": 1, "s": FIRST + 2 * number + ROOM},
           "ext": {"encke": {"position": format!("e-{}", number + 1)}}})
}

fn connected() -> Value {
    json!({"channel": "/meta/connect", "successful": true})
}

#[test]
fn a_session_that_is_still_there_goes_on_with_what_was_acknowledged() {
    for transport in [Transport::WebSocket, Transport::LongPolling] {
        let mut scene = Scene::open(transport);
        let upgrade = |scene: &mut Scene| {
            if transport == Transport::WebSocket {
                assert!(scene.head().contains("Upgrade: websocket"));
                scene.server.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").unwrap();
            }
        };
        upgrade(&mut scene);
        assert_eq!(scene.begin("one"), "now");
        assert_eq!(scene.request()["ext"]["ack"], 0);
        scene.answer(&json!([message(0), message(1), connected()]));
        assert_eq!(scene.request()["ext"]["ack"], 2);
        scene.had(2);

        // What is on its way when the connection is lost comes again, behind the number that was acknowledged.
        scene.answer(&json!([message(2), connected()]));
        scene.lose_and_return(true);
        upgrade(&mut scene);
        let connect = scene.request();
        assert_eq!((&connect["clientId"], &connect["ext"]["ack"]), (&json!("one"), &json!(2)));
        scene.answer(&json!([message(2), message(3), connected()]));
        assert_eq!(scene.request()["ext"]["ack"], 4);
        scene.had(4);
        let count = scene.client.count;
        assert_eq!((count.resumed, count.renewed, scene.client.had.repeated), (1, 0, 0));
    }
}

#[test]
fn a_session_that_is_gone_is_followed_by_one_that_begins_at_the_cursor() {
    let mut scene = Scene::open(Transport::LongPolling);
    scene.begin("one");
    scene.request();
    scene.answer(&json!([message(0), connected()]));
    scene.request();
    scene.lose_and_return(false);
    scene.request();
    let error = json!({"channel": "/meta/connect", "successful": false, "error": "402::session_unknown"});
    scene.answer(&json!([error]));
    assert_eq!(scene.begin("two"), "e-1");
    let connect = scene.request();
    assert_eq!((&connect["clientId"], &connect["ext"]["ack"]), (&json!("two"), &json!(0)));
    scene.answer(&json!([message(1), connected()]));
    scene.had(2);
    assert_eq!((scene.client.count.resumed, scene.client.count.renewed), (0, 1));
}

#[test]
fn what_is_repeated_lost_or_told_to_be_lost_is_counted() {
    let mut scene = Scene::open(Transport::LongPolling);
    scene.begin("one");
    scene.request();
    let gap =
        json!({"channel": "/meta/gap", "data": {"subscription": [NAME], "reason": "overflow", "count": 9}});
    let elsewhere = json!({"channel": "/room/0000000", "data": {"s": FIRST}});
    scene.answer(&json!([message(0), message(0), message(3), elsewhere, gap, connected()]));
    assert_eq!(scene.request()["ext"]["ack"], 9, "the notice says what the count is");
    let had = &scene.client.had;
    assert_eq!((had.lacks(4), had.repeated, had.stray, scene.client.count.gaps), (2, 1, 1, 1));
}

#[test]
fn an_event_stream_returns_with_its_last_id() {
    let mut scene = Scene::open(Transport::EventStream);
    assert!(!scene.head().contains("Last-Event-ID"));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let event = |number: u32| format!("id: e-{}\ndata: {}\n\n", number + 1, message(number)["data"]);
    write!(scene.server, "{head}{}{}", event(0), &event(1)[..9]).unwrap();
    scene.had(1);
    scene.lose_and_return(false);
    assert!(scene.head().contains("\r\nLast-Event-ID: e-1\r\n"));
    let recovery = "event: recovery\ndata: {\"recovered\":true}\n\n";
    write!(scene.server, "{head}{recovery}{}", event(1)).unwrap();
    scene.had(2);
    assert_eq!((scene.client.count.resumed, scene.client.count.unrecovered), (1, 0));
}

#[test]
fn quantiles_are_values_that_occurred() {
    let values: Vec<f64> = (1..=200).map(f64::from).collect();
    assert_eq!(
        (quantile(&values, 0.5), quantile(&values, 0.99), quantile(&values, 1.0)),
        (100.0, 198.0, 200.0)
    );
    assert_eq!(quantile(&[7.0], 0.5), 7.0);
    assert!(quantile(&[], 0.5).is_nan());
}

#[test]
fn one_fault_is_enough() {
    let good = [("lost", 0.0), ("repeated", 0.0), ("reordered", 0.0), ("stray", 0.0), ("gaps", 0.0)];
    let figures = |more: &[(&'static str, f64)]| Figures {
        subject: "server".to_owned(),
        values: [&good[..], more].concat(),
    };
    assert!(check(&figures(&[("unrecovered", 0.0), ("behind", 0.0)])).is_ok());
    assert!(check(&figures(&[("unrecovered", 1.0), ("behind", 0.0)])).is_err());
    assert!(check(&figures(&[("behind", 0.0)])).is_err(), "what was not counted is not nought");
}
