//! Listeners that are no IPv4 address: the file of a Unix socket, and IPv6.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use encke::clock::Clock;
use encke::config::Config;
use encke::listen::Listen;
use encke::server::Server;
use encke::visitors::Visitors;
use serde_json::json;

use crate::polling::{Polling, handshake};
use crate::server::Encke;
use crate::socket::Socket;
use crate::wire::Wire;

/// A path of this run that nobody else has. (A socket's path has a hundred letters at most, so it is relative to nothing
/// deep.)
fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("encke-{}-{name}.sock", std::process::id()))
}

fn at(path: &Path) -> Encke {
    Encke::with(|config| config.listen = Listen::Unix(path.to_owned()))
}

/// A second server there.
fn second(path: &Path) -> std::io::Result<Server> {
    let config = Config {
        listen: Listen::Unix(path.to_owned()),
        internal_listen: "127.0.0.1:0".parse().expect("an address"),
        cores: 1,
        ..Config::development()
    };
    Server::start(config, Visitors::Loopback, Clock::system())
}

/// Sockets are taken back from HTTP there too: polls that are held, frames, streams, all on one server.
#[test]
fn every_door_opens_at_a_file() {
    let path = path("doors");
    let encke = at(&path);
    let mut poll = Polling::listening(&encke, "/a/*");
    poll.hold();
    encke.until("it is held", 1, |encke| encke.connections("long-polling"));
    let mut socket = Socket::listening(&encke, "/a/*");
    let mut stream = encke.wire();
    assert_eq!(stream.get("/channels/a/*", "").head().status, 200);
    let mut publisher = encke.wire();
    for number in 0..3 {
        let published = publisher.post("/channels/a/b", &number.to_string()).response();
        assert_eq!(published.json()["sessions"], json!(3));
        assert_eq!(poll.polled()[0]["data"], json!(number));
        assert_eq!(socket.message()["data"], json!(number));
        stream.take_until(format!("\"data\":{number}").as_bytes());
        poll.hold();
        encke.until("it is held again", 1, |encke| encke.connections("long-polling"));
    }
    assert_eq!(encke.connections("websocket"), 1);
}

/// More than its kernel takes at once arrives whole: the hub waits until the socket is writable, as for any other.
#[test]
fn much_for_one_that_reads_late_arrives_whole() {
    let path = path("much");
    let encke = at(&path);
    let mut socket = Socket::listening(&encke, "/a");
    let mut publisher = encke.wire();
    let text = "x".repeat(8 * 1024);
    for number in 0..100 {
        let data = json!({"number": number, "text": text});
        assert_eq!(publisher.post("/channels/a", &data.to_string()).response().status, 200);
    }
    for number in 0..100 {
        assert_eq!(socket.message()["data"]["number"], json!(number));
    }
}

/// A program at the socket is one of this machine; a page that a proxy brings is looked at as ever.
#[test]
fn development_is_open_to_programs_at_a_file() {
    let path = path("visitors");
    let encke = at(&path);
    assert_eq!(encke.wire().get("/", "").response().status, 200);
    encke.wire().get("/", "Origin: https://evil.example\r\n").response().is_refused(403);
    let mut wire = encke.wire();
    wire.send(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    wire.response().is_refused(403);
    assert!(!encke.place.is_exposed());
}

#[test]
fn its_file_is_for_its_group_and_goes_with_it() {
    let path = path("file");
    let mut encke = at(&path);
    let file = path.symlink_metadata().expect("it is there");
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    encke.stop().join().expect("it stops");
    assert!(path.symlink_metadata().is_err(), "it is still there");
}

#[test]
fn a_file_of_a_server_that_died_is_replaced_and_one_in_use_is_not() {
    let path = path("stale");
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists(), "nobody has removed it");
    let encke = at(&path);
    assert_eq!(encke.wire().get("/", "").response().status, 200);
    let refused = second(&path).err().expect("it is in use").to_string();
    assert_eq!(refused, format!("cannot listen on unix:{}: it is in use by another server", path.display()));
    assert_eq!(encke.wire().get("/", "").response().status, 200, "and it still is");
    drop(encke);
    std::fs::write(&path, "something else").expect("a file");
    let refused = second(&path).err().expect("it is somebody's").to_string();
    assert!(refused.ends_with("a file is there that is no socket"), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).expect("it is still there"), "something else");
    std::fs::remove_file(&path).expect("ours");
}

#[test]
fn a_path_that_cannot_be_is_refused_in_a_sentence() {
    for (path, why) in [
        ("/nowhere/at/all/encke.sock".to_owned(), "No such file"),
        (format!("/tmp/{}", "x".repeat(200)), "SUN_LEN"),
    ] {
        let refused = second(Path::new(&path)).err().expect("it cannot be").to_string();
        assert!(refused.starts_with(&format!("cannot listen on unix:{path}: ")), "{refused}");
        assert!(refused.contains(why) && !refused.contains('\n'), "{refused}");
    }
}

/// Nobody there has an address: only the total rate counts, unless whoever is there is trusted to say one.
#[test]
fn a_proxy_at_a_file_may_be_trusted() {
    let path = path("proxy");
    let shake = |encke: &Encke, headers: &str| {
        let body = json!([handshake()]).to_string();
        encke.wire().post_with("/bayeux", headers, &body).response().messages().remove(0)["successful"]
            == true
    };
    for trusted in [false, true] {
        let encke = Encke::with(|config| {
            config.listen = Listen::Unix(path.clone());
            config.rates.handshakes_per_address = 1;
            config.doors.proxies =
                trusted.then(|| "unix".to_owned().try_into().expect("a proxy")).into_iter().collect();
        });
        let headers = "X-Forwarded-For: 203.0.113.1\r\n";
        assert_eq!([shake(&encke, headers), shake(&encke, headers)], [true, !trusted]);
        assert!(shake(&encke, "X-Forwarded-For: 203.0.113.2\r\n"));
        assert!(shake(&encke, "") && shake(&encke, ""));
    }
}

#[test]
fn the_internal_listener_may_be_a_file() {
    let path = path("internal");
    let encke = Encke::with(|config| config.internal_listen = Listen::Unix(path.clone()));
    assert_eq!(Wire::connect_to_file(&path).get("/health/ready", "").response().text(), "ready\n");
    assert_eq!(Wire::connect_to_file(&path).get("/api/sessions", "").response().status, 200);
    drop(encke);
    assert!(!path.exists());
}

#[test]
fn ipv6_is_served_like_any_other() {
    let encke = Encke::with(|config| {
        config.listen = "[::1]:0".parse().expect("an address");
        config.internal_listen = "[::1]:0".parse().expect("an address");
        config.doors.proxies = vec!["::1".to_owned().try_into().expect("an address")];
        config.rates.handshakes_per_address = 100;
    });
    assert!(encke.public.is_ipv6() && encke.place.to_string().starts_with("[::1]:"));
    let mut socket = Socket::listening(&encke, "/a");
    let mut publisher = encke.wire();
    publisher.send(b"POST /channels/a HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 1\r\n\r\n1");
    assert_eq!(publisher.response().json()["sessions"], json!(1));
    assert_eq!(socket.message()["data"], json!(1));
    Polling::open_with(&encke, "/bayeux", "X-Forwarded-For: 2001:db8::1\r\n");
    assert_eq!(encke.figure("encke_sessions"), 2);
}
