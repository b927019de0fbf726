//! A Bayeux client: what it does next. It is written from the specification and `docs/protocol.md`, not from the server.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::asking::summary;
use super::model::Stream;
use super::network::{Asked, Connection, Speech, What};
use super::server::PATTERNS;
use super::world::Scene;
use crate::hub::Loss;

/// How a client acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Plain,
    /// CometD's.
    Batch,
    Count,
}

/// Where a subscription stands in the session that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Out,
    /// A subscribe was sent, and nobody has answered yet.
    Asked,
    In,
    /// The same for an unsubscribe.
    Leaving,
}

pub(super) struct Subscription {
    pub(super) stream: Stream,
    pub(super) state: State,
    /// It was subscribed in this session at some time: stragglers may come.
    pub(super) known: bool,
    /// Where live begins for it: what is not after that comes as a replay, or not at all.
    pub(super) live: BTreeMap<String, u64>,
    /// The last subscribe asked for what comes from now on.
    pub(super) from_now: bool,
    /// The newest position had, by its first half.
    pub(super) cursor: BTreeMap<String, u64>,
    /// Messages that came before the answer to the subscribe, and whether as a replay: only that tells what is missing before
    /// them, and whether they come again.
    pub(super) held: Vec<(usize, Option<String>, bool)>,
}

impl Subscription {
    pub(super) fn is_in(&self) -> bool {
        self.state == State::In
    }

    fn rests(&self) -> bool {
        self.is_in() || (self.state == State::Out && self.cursor.is_empty())
    }
}

pub(super) struct Session {
    pub(super) id: String,
    /// The connection that the last connect was sent on.
    pub(super) current: Option<u32>,
    /// The id of that connect, while it has no answer.
    pub(super) connect: Option<String>,
    /// A connect has been answered.
    pub(super) connected: bool,
    /// Deliveries taken, all of them or up to the last batch.
    pub(super) taken: u64,
    /// Publications that came without a label.
    pub(super) heard: BTreeSet<usize>,
    /// It was told lies about what has arrived: what it then sends is not checked for repeats.
    pub(super) abused: bool,
}

pub(super) struct Client {
    pub(super) name: usize,
    pub(super) way: Way,
    /// It lets go of the connection that carries its messages before it connects on another. Where nobody acknowledges,
    /// only then connections may take as little at a time as they like: the end of what an old one has to say would come
    /// behind the beginning on the new one.
    one_by_one: bool,
    sockets_only: bool,
    pub(super) publisher: String,
    pub(super) session: Option<Session>,
    pub(super) connections: Vec<Connection>,
    pub(super) subscriptions: Vec<Subscription>,
    /// Publications without an answer, in order, with the id of their message.
    pub(super) unanswered: Vec<(usize, String)>,
    pub(super) next_id: u64,
    next_connection: u32,
}

impl Client {
    pub(super) fn new(name: usize, way: Way, one_by_one: bool, sockets_only: bool) -> Self {
        let unordered = way == Way::Plain && !sockets_only;
        let of = name;
        let subscription = |pattern| Subscription {
            stream: Stream { pattern, of, unordered, log: Vec::new() },
            state: State::Out,
            known: false,
            from_now: false,
            live: BTreeMap::new(),
            cursor: BTreeMap::new(),
            held: Vec::new(),
        };
        Client {
            name,
            way,
            one_by_one,
            sockets_only,
            publisher: format!("publisher{name:08}"),
            session: None,
            connections: Vec::new(),
            subscriptions: PATTERNS.iter().copied().map(subscription).collect(),
            unanswered: Vec::new(),
            next_id: 0,
            next_connection: 0,
        }
    }

    pub(super) fn connection(&self, number: Option<u32>) -> Option<usize> {
        self.connections.iter().position(|connection| Some(connection.number) == number)
    }

    pub(super) fn current(&self) -> Option<usize> {
        self.connection(self.session.as_ref()?.current)
    }

    pub(super) fn is_asked(&self, wanted: impl Fn(&What) -> bool) -> bool {
        self.connections.iter().flat_map(|connection| &connection.asked).any(|(_, asked)| wanted(&asked.what))
    }

    pub(super) fn open(&mut self, scene: &mut Scene, speech: Speech) -> usize {
        let speech = if self.sockets_only { Speech::WebSocket } else { speech };
        // Small windows cut writes.
        let room = match speech {
            Speech::WebSocket if self.way == Way::Plain && !self.one_by_one => 1 << 20,
            Speech::Http if self.way == Way::Plain => 1 << 20,
            _ => *scene.random.pick(&[200, 700, 3000, 1 << 20]),
        };
        let end = scene.server.connect(room);
        self.next_connection += 1;
        self.connections.push(Connection::new(self.next_connection, speech, end));
        scene.trace(|| format!("{}: opens {speech:?} {}, window {room}", self.name, self.next_connection));
        self.connections.len() - 1
    }

    /// A connection for a request that is not bound to any.
    pub(super) fn any(&mut self, scene: &mut Scene) -> Option<usize> {
        if let Some(place) = self.current()
            && self.connections[place].speech == Speech::WebSocket
        {
            return Some(place);
        }
        let sockets = self.sockets_only;
        let is_free =
            |connection: &Connection| (sockets || connection.speech == Speech::Http) && connection.is_free();
        match self.connections.iter().position(is_free) {
            Some(place) => Some(place),
            None if self.connections.len() < 5 => Some(self.open(scene, Speech::Http)),
            None => None,
        }
    }

    /// Sends one request, or a part of it before the connection is lost.
    pub(super) fn send(&mut self, scene: &mut Scene, place: usize, mut message: Value, what: What) -> String {
        self.next_id += 1;
        let id = match message["id"].as_str() {
            Some(id) => id.to_owned(),
            None => format!("m{}", self.next_id),
        };
        message["id"] = json!(id);
        let session = self.session.as_ref().map(|session| session.id.clone());
        if let Some(session) = &session
            && !matches!(what, What::Handshake)
        {
            message["clientId"] = json!(session);
        }
        let cut = scene.random.chance(scene.trouble * 2).then(|| scene.random.below(1000));
        let connection = &mut self.connections[place];
        scene.trace(|| {
            let cut = cut.map_or(String::new(), |part| format!(", cut at {part}/1000"));
            format!("{}: {} <- {}{cut}", self.name, connection.number, summary(&message))
        });
        connection.asked.push((id.clone(), Asked { what, session }));
        connection.send(&[message], cut);
        if cut.is_some() {
            let loss = *scene.random.pick(&[Loss::Silent, Loss::Closed, Loss::Reset]);
            self.lose(scene, place, loss);
        }
        id
    }

    /// Does the natural next thing.
    pub(super) fn act(&mut self, scene: &mut Scene, calm: bool) -> Result<(), String> {
        if self.session.is_none() {
            if !self.is_asked(|what| matches!(what, What::Handshake)) {
                self.handshake(scene);
            }
            return Ok(());
        }
        if calm && self.session.as_ref().is_some_and(|session| session.abused) {
            if !self.is_asked(|what| matches!(what, What::Handshake)) {
                self.handshake(scene);
            }
            return Ok(());
        }
        if self.session.as_ref().is_some_and(|session| session.connect.is_none()) {
            if let Some(place) = self.for_connect(scene) {
                self.connect(scene, place);
            }
            return Ok(());
        }
        let mut choice = scene.random.below(100);
        if calm {
            choice = 0;
        }
        match choice {
            0..40 => self.finish(scene)?,
            40..70 => self.publish(scene),
            70..88 => {
                let wanted = scene.random.below(PATTERNS.len());
                match self.subscriptions[wanted].state {
                    State::Out => self.subscribe(scene, wanted)?,
                    State::In if scene.random.chance(30) => self.unsubscribe(scene, wanted)?,
                    _ => {}
                }
            }
            88..97 => {}
            97 => self.handshake(scene),
            _ if self.session.as_ref().is_some_and(|session| session.abused) => self.handshake(scene),
            _ => self.disconnect(scene),
        }
        Ok(())
    }

    /// Asks again for what got no answer.
    fn finish(&mut self, scene: &mut Scene) -> Result<(), String> {
        for number in 0..self.subscriptions.len() {
            match self.subscriptions[number].state {
                // It goes on in a new session where it ended in the last one.
                State::Out if !self.subscriptions[number].cursor.is_empty() => {
                    return self.subscribe(scene, number);
                }
                State::Asked
                    if !self.is_asked(|what| matches!(what, What::Subscribe(it) if *it == number)) =>
                {
                    return self.subscribe(scene, number);
                }
                State::Leaving
                    if !self.is_asked(|what| matches!(what, What::Unsubscribe(it) if *it == number)) =>
                {
                    return self.unsubscribe(scene, number);
                }
                _ => {}
            }
        }
        let waits =
            |it: &&(usize, String)| !self.is_asked(|what| matches!(what, What::Publish(of) if *of == it.0));
        if let Some((number, id)) = self.unanswered.iter().find(waits).cloned() {
            self.send_publication(scene, number, Some(id));
        }
        Ok(())
    }

    /// Where the next connect goes: mostly to where the last one went.
    fn for_connect(&mut self, scene: &mut Scene) -> Option<usize> {
        if let Some(place) = self.current()
            && self.connections[place].is_free()
            && scene.random.chance(90)
        {
            return Some(place);
        }
        let free = self.connections.iter().position(|it| !it.left && it.is_free());
        match free {
            Some(place) if scene.random.chance(50) => Some(place),
            _ if self.connections.len() < 5 => {
                let speech = *scene.random.pick(&[Speech::WebSocket, Speech::Http]);
                Some(self.open(scene, speech))
            }
            None => {
                self.lose(scene, 0, Loss::Closed);
                None
            }
            free => free,
        }
    }

    /// Sends a connect, held elsewhere or not: from now on this is the session's connection.
    pub(super) fn connect(&mut self, scene: &mut Scene, place: usize) {
        let number = self.connections[place].number;
        if self.one_by_one
            && let Some(old) = self.current()
            && old != place
        {
            self.lose(scene, old, Loss::Closed);
        }
        let (Some(session), Some(place)) =
            (&mut self.session, self.connections.iter().position(|it| it.number == number))
        else {
            return;
        };
        let moves = session.current != Some(number);
        let mut connect = json!({"channel": "/meta/connect", "connectionType": "long-polling"});
        if self.connections[place].speech == Speech::WebSocket {
            connect["connectionType"] = json!("websocket");
        }
        if !session.connected {
            connect["advice"] = json!({"timeout": 0});
        }
        if self.way != Way::Plain {
            connect["ext"] = json!({"ack": session.taken});
            if scene.random.chance(scene.trouble) {
                let lies = [
                    json!(session.taken + 1000),
                    json!(session.taken / 2),
                    json!("x"),
                    json!(-7),
                    json!(1.5),
                ];
                connect["ext"]["ack"] = scene.random.pick(&lies).clone();
                session.abused |=
                    moves || self.way == Way::Batch || self.connections[place].speech == Speech::Http;
            }
        }
        let old = session.current.replace(number);
        if let Some(old) =
            self.connections.iter_mut().find(|it| Some(it.number) == old && it.number != number)
        {
            old.left = old.speech == Speech::WebSocket;
        }
        let id = self.send(scene, place, connect, What::Connect);
        if let Some(session) = &mut self.session
            && self.connections.iter().any(|connection| connection.number == number)
        {
            session.connect = Some(id);
        }
    }

    /// Moves to another connection, or holds a second connect.
    pub(super) fn move_on(&mut self, scene: &mut Scene) {
        if self.session.is_none() || self.connections.len() >= 5 {
            return;
        }
        let speech = *scene.random.pick(&[Speech::WebSocket, Speech::Http]);
        let place = self.open(scene, speech);
        self.connect(scene, place);
    }

    /// Shuts a window, or opens one again.
    pub(super) fn stall(&mut self, scene: &mut Scene) {
        let (plain, one_by_one) = (self.way == Way::Plain, self.one_by_one);
        let is_socket = |connection: &Connection| connection.speech == Speech::WebSocket;
        let may = |connection: &&mut Connection| !plain || (one_by_one && is_socket(connection));
        let mut all: Vec<_> = self.connections.iter_mut().filter(may).collect();
        if all.is_empty() {
            return;
        }
        let place = scene.random.below(all.len());
        let connection = &mut all[place];
        connection.stalled = !connection.stalled;
        scene.trace(|| format!("{}: {} stalls: {}", self.name, connection.number, connection.stalled));
    }

    /// Everything is well again: windows are open.
    pub(super) fn wake(&mut self) {
        for connection in &mut self.connections {
            connection.stalled = false;
            connection.set_room(1 << 20);
        }
    }

    /// Whether it has nothing left to do: a connect is held, or may be, and everything was answered.
    pub(super) fn rests(&self) -> bool {
        let Some(session) = &self.session else { return false };
        session.connected
            && !session.abused
            && session.connect.is_some()
            && self.unanswered.is_empty()
            && self
                .subscriptions
                .iter()
                .all(|it| it.is_in() || (it.state == State::Out && it.cursor.is_empty()))
    }

    /// What it waits for.
    pub(super) fn unrest(&self) -> String {
        let Some(session) = &self.session else { return format!("{} has no session", self.name) };
        let open: Vec<_> = self.subscriptions.iter().filter(|it| !it.rests()).collect();
        let open: Vec<_> = open.iter().map(|it| (it.stream.pattern, it.state, &it.cursor)).collect();
        let asked: Vec<_> =
            self.connections.iter().map(|it| (it.number, it.speech, &it.asked, it.arrived())).collect();
        format!(
            "{}: connect {:?} on {:?}, publications {:?}, {open:?}, {asked:?}",
            self.name, session.connect, session.current, self.unanswered
        )
    }
}
