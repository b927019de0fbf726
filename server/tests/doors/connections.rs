//! As many connections as there is room for. One more is told so before anything of it is read.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use serde_json::json;

use crate::bystander::Bystander;
use crate::polling::Polling;
use crate::server::Encke;
use crate::socket::Socket;
use crate::wire::Wire;

/// Says when to come back, and closes.
fn is_turned_away(wire: &mut Wire) {
    let response = wire.response();
    response.is_refused(503);
    let after: u32 = response.header("retry-after").and_then(|after| after.parse().ok()).expect("a time");
    assert!((1..=10).contains(&after), "{after}");
    assert_eq!(response.header("connection"), Some("close"));
    wire.ends();
}

/// A connection that says it comes from another address of the loopback.
fn from(encke: &Encke, last: u8) -> Wire {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into()).expect("loopback is wide");
    socket.connect(&encke.public.into()).expect("the server listens");
    Wire::over(TcpStream::from(socket))
}

#[test]
fn one_more_than_there_is_room_for_is_turned_away_at_once() {
    let encke = Encke::with(|config| config.doors.connections = 4);
    let mut bystander = Socket::listening(&encke, "/a");
    let client = Polling::listening(&encke, "/a");
    let mut last = encke.wire();
    assert_eq!(last.post("/channels/a", "1").response().status, 200);
    // It has said nothing yet, and need not.
    is_turned_away(&mut encke.wire());
    // One that has said much gets the same.
    let mut eager = encke.wire();
    eager.send_while_taken(&vec![b'x'; 256 * 1024]);
    is_turned_away(&mut eager);
    for _ in 0..200 {
        is_turned_away(&mut encke.wire());
    }
    assert_eq!(encke.refused("too_many_connections"), 202);
    assert_eq!(encke.refused("bad_http"), 0, "nothing of it was read");
    // Those inside feel nothing, and operators get in.
    assert_eq!(bystander.message()["data"], json!(1));
    drop((last, client));
    encke.until("they have left", 2, |encke| encke.connections("http") + encke.connections("websocket"));
    Bystander::join(&encke).is_well(&encke);
}

/// A place is that of the connection, whatever becomes of it.
#[test]
fn each_kind_of_connection_gives_its_place_back() {
    let encke = Encke::with(|config| config.doors.connections = 1);
    for round in 0..3 {
        let mut wire = encke.wire();
        assert_eq!(wire.post("/channels/a", "1").response().status, 200, "{round}");
        is_turned_away(&mut encke.wire());
        drop(wire);
        left(&encke);
        let socket = Socket::open(&encke);
        is_turned_away(&mut encke.wire());
        drop(socket);
        left(&encke);
        let mut stream = encke.wire();
        assert_eq!(stream.get("/channels/a", "").head().status, 200);
        is_turned_away(&mut encke.wire());
        drop(stream);
        left(&encke);
        let mut bad = encke.wire();
        bad.send(b"nonsense\r\n\r\n");
        assert_eq!(bad.response().status, 400);
        drop(bad);
        left(&encke);
    }
}

fn left(encke: &Encke) {
    encke.until("only the internal connection is left", 1, |encke| {
        ["http", "websocket", "event-stream", "lines"].map(|kind| encke.connections(kind)).iter().sum()
    });
}

#[test]
fn one_address_has_its_share_and_no_more() {
    let encke = Encke::with(|config| config.doors.connections_per_address = 2);
    let mut first = [from(&encke, 1), from(&encke, 1)];
    for wire in &mut first {
        assert_eq!(wire.post("/channels/a", "1").response().status, 200);
    }
    is_turned_away(&mut from(&encke, 1));
    is_turned_away(&mut from(&encke, 1));
    assert_eq!(encke.refused("connections_per_address"), 2);
    assert_eq!(from(&encke, 2).post("/channels/a", "1").response().status, 200);
    drop(first);
    left(&encke);
    assert_eq!(from(&encke, 1).post("/channels/a", "1").response().status, 200);
}

/// What a proxy brings are connections of many.
#[test]
fn a_proxy_that_is_trusted_has_more_than_its_share() {
    let encke = Encke::with(|config| {
        config.doors.connections_per_address = 1;
        config.doors.proxies = vec!["127.0.0.3".to_owned().try_into().expect("an address")];
    });
    let mut wires = [3, 3, 3, 2].map(|last| from(&encke, last));
    for wire in &mut wires {
        assert_eq!(wire.post("/channels/a", "1").response().status, 200);
    }
    is_turned_away(&mut from(&encke, 2));
}
