//! A Bayeux client: what it makes of what arrives, and of connections that are gone.

use serde_json::Value;

use super::asking::summary;
use super::client::{Client, Session, State, Way};
use super::deliveries::split;
use super::model::Entry;
use super::network::{Asked, Came, Speech, What};
use super::world::Scene;
use crate::hub::Loss;

/// How much older than its first request a publication may be when it is sent again, in milliseconds.
const RETRY: u64 = 100_000;

impl Client {
    /// Takes some of what has arrived, or all of it.
    pub(super) fn read(&mut self, scene: &mut Scene, all: bool) -> Result<(), String> {
        if self.way == Way::Plain {
            return self.read_in_order(scene, all);
        }
        let mut place = 0;
        while place < self.connections.len() {
            let number = self.connections[place].number;
            let arrived = self.connections[place].arrived();
            let most = if all { arrived } else { scene.random.below(arrived + 1) };
            let came = self.connections[place].receive(most)?;
            self.hear(scene, number, came)?;
            if self.connection(Some(number)) == Some(place) {
                if self.connections[place].is_ended() {
                    self.close(scene, place, None);
                } else {
                    place += 1;
                }
            }
        }
        Ok(())
    }

    /// Reads in the order in which the server wrote: only so a client that does not acknowledge has its messages in
    /// order while it has several connections.
    fn read_in_order(&mut self, scene: &mut Scene, all: bool) -> Result<(), String> {
        let mut left = if all { usize::MAX } else { scene.random.below(4) };
        while left > 0 {
            left -= 1;
            let oldest = |place: &usize| self.connections[*place].oldest().unwrap_or(u64::MAX);
            let Some(place) = (0..self.connections.len()).min_by_key(oldest) else { break };
            if self.connections[place].oldest().is_none() {
                break;
            }
            let number = self.connections[place].number;
            let came = self.connections[place].receive_one()?;
            self.hear(scene, number, came)?;
        }
        while let Some(place) = self.connections.iter().position(|connection| connection.is_ended()) {
            self.close(scene, place, None);
        }
        Ok(())
    }

    /// Takes everything until nothing more comes; false when something is stuck.
    pub(super) fn drain(&mut self, scene: &mut Scene) -> Result<bool, String> {
        loop {
            scene.settle()?;
            self.read(scene, true)?;
            scene.settle()?;
            if self.connections.iter().any(|connection| connection.stalled) {
                return Ok(false);
            }
            if self.connections.iter().all(|connection| connection.arrived() == 0) {
                return Ok(true);
            }
        }
    }

    /// The connection is lost.
    pub(super) fn lose(&mut self, scene: &mut Scene, place: usize, loss: Loss) {
        self.close(scene, place, Some(loss));
    }

    fn close(&mut self, scene: &mut Scene, place: usize, loss: Option<Loss>) {
        let mut connection = self.connections.remove(place);
        scene.trace(|| format!("{}: {} is gone: {loss:?}", self.name, connection.number));
        connection.lose(loss.unwrap_or(Loss::Closed));
        if let Some(session) = &mut self.session
            && session.current == Some(connection.number)
        {
            session.connect = None;
        }
        if self.way == Way::Plain && (connection.speech == Speech::WebSocket || !connection.asked.is_empty())
        {
            for subscription in self.subscriptions.iter_mut().filter(|subscription| subscription.known) {
                subscription.stream.log.push(Entry::Loss);
            }
        }
        if loss == Some(Loss::Silent) {
            scene.silent.push(connection.into_end());
        }
    }

    fn abandon(&mut self, scene: &mut Scene, which: impl Fn(usize) -> bool) {
        self.unanswered.retain(|(number, _)| {
            if which(*number) {
                scene.model.publications[*number].abandoned = true;
            }
            !which(*number)
        });
    }

    /// Messages may be missing from here on, except where the client can say what it has.
    pub(super) fn gap(&mut self, with_cursors: bool) {
        for subscription in self.subscriptions.iter_mut().filter(|subscription| subscription.known) {
            let kept = if with_cursors { subscription.cursor.keys().cloned().collect() } else { Vec::new() };
            subscription.stream.log.push(Entry::Gap(kept));
        }
    }

    /// There is no session any more.
    pub(super) fn session_over(&mut self, scene: &mut Scene) {
        scene.trace(|| format!("{}: its session is over", self.name));
        let abused = self.session.take().is_some_and(|session| session.abused);
        self.gap(!abused);
        for subscription in &mut self.subscriptions {
            (subscription.state, subscription.known) = (State::Out, false);
            subscription.held.clear();
            if abused {
                subscription.stream.log.push(Entry::Gap(Vec::new()));
                subscription.cursor.clear();
            }
        }
        if self.way != Way::Count {
            self.abandon(scene, |_| true);
        }
    }

    fn hear(&mut self, scene: &mut Scene, connection: u32, came: Vec<Came>) -> Result<(), String> {
        for came in came {
            match came {
                Came::Close(reason) => {
                    scene.trace(|| format!("{}: {connection} -> close: {reason}", self.name))
                }
                Came::Messages(messages) => self.hear_messages(scene, connection, messages)?,
            }
        }
        Ok(())
    }

    /// Messages that came together.
    fn hear_messages(&mut self, scene: &mut Scene, number: u32, messages: Vec<Value>) -> Result<(), String> {
        let Some(place) = self.connection(Some(number)) else { return Ok(()) };
        let on_socket = self.connections[place].speech == Speech::WebSocket;
        let answers_connect = self.session.as_ref().is_some_and(|session| {
            session.current == Some(number)
                && session.connect.is_some()
                && messages.iter().any(|message| message["id"].as_str() == session.connect.as_deref())
        });
        // What belongs to a session that is over by now is nobody's.
        let session = self.session.as_ref().map(|session| session.id.clone());
        for message in messages {
            if self.session.as_ref().map(|session| &session.id) != session.as_ref() {
                let is_reply = message.get("successful").is_some();
                if !is_reply {
                    continue;
                }
            }
            scene.trace(|| format!("{}: {number} -> {}", self.name, summary(&message)));
            if message.get("successful").is_some() {
                self.hear_reply(scene, number, &message)?;
                continue;
            }
            let is_current = self.session.as_ref().is_some_and(|session| session.current == Some(number));
            let counts = match self.way {
                Way::Plain => true,
                Way::Batch => answers_connect,
                Way::Count => is_current && (on_socket || answers_connect),
            };
            if counts {
                self.hear_delivery(scene, &message)?;
            }
        }
        Ok(())
    }

    fn hear_reply(&mut self, scene: &mut Scene, number: u32, reply: &Value) -> Result<(), String> {
        let Some(place) = self.connection(Some(number)) else { return Ok(()) };
        let on_socket = self.connections[place].speech == Speech::WebSocket;
        let asked = &mut self.connections[place].asked;
        let known = asked.iter().position(|(id, _)| Some(id.as_str()) == reply["id"].as_str());
        let Some((id, Asked { what, session })) = known.map(|known| asked.remove(known)) else {
            return Err(format!("a reply to nothing: {reply}"));
        };
        let successful = reply["successful"] == true;
        let error = reply["error"].as_str().unwrap_or_default();
        if let What::Handshake = what {
            return self.hear_handshake(scene, number, reply);
        }
        // Of an earlier session.
        let is_of_now = self.session.as_ref().map(|session| &session.id) == session.as_ref();
        if let What::Publish(publication) = what {
            let unknown = error.starts_with("402");
            if successful {
                scene.model.publications[publication].acknowledged = true;
                self.unanswered.retain(|(number, _)| *number != publication);
            } else if !unknown {
                return Err(format!("a publish was refused: {reply}"));
            }
        }
        if !is_of_now {
            return Ok(());
        }
        if error.starts_with("402") {
            self.session_over(scene);
            return Ok(());
        }
        let Some(now) = &mut self.session else { return Ok(()) };
        match what {
            What::Connect => {
                if now.current != Some(number) || now.connect.as_deref() != Some(&id) {
                    return Ok(());
                }
                now.connect = None;
                if error.starts_with("409") {
                    // An older one arrived at the server after it.
                    return Ok(());
                }
                if !successful {
                    return Err(format!("a connect was refused: {reply}"));
                }
                now.connected = true;
                self.check_ack(reply, on_socket)?;
            }
            What::Subscribe(it) => {
                if !successful {
                    return Err(format!("a subscribe was refused: {reply}"));
                }
                self.hear_subscribed(scene, it, reply)?;
            }
            What::Unsubscribe(it) => {
                if self.subscriptions[it].state == State::Leaving {
                    self.subscriptions[it].state = State::Out;
                }
            }
            What::Disconnect => self.session_over(scene),
            What::Publish(_) | What::Handshake => {}
        }
        Ok(())
    }

    /// The number in a connect reply is that of the deliveries up to it. On a socket more may have come before it to a client
    /// that counts.
    fn check_ack(&mut self, reply: &Value, on_socket: bool) -> Result<(), String> {
        // A handshake on the socket of a session gives that up: what its last replies count may not come any more.
        if on_socket && self.is_asked(|what| matches!(what, What::Handshake)) {
            return Ok(());
        }
        let Some(session) = &mut self.session else { return Ok(()) };
        let ack = &reply["ext"]["ack"];
        let well = match (self.way, ack.as_u64()) {
            (Way::Plain, ack) => ack.is_none(),
            (Way::Count, Some(ack)) if on_socket => ack <= session.taken,
            (_, ack) => ack == Some(session.taken),
        };
        if !well && !session.abused {
            return Err(format!("{} deliveries were taken, and the reply is {reply}", session.taken));
        }
        if let (true, Some(ack)) = (session.abused, ack.as_u64()) {
            session.taken = ack;
        }
        Ok(())
    }

    fn hear_handshake(&mut self, scene: &mut Scene, number: u32, reply: &Value) -> Result<(), String> {
        let Some(id) = reply["clientId"].as_str().filter(|_| reply["successful"] == true) else {
            return Err(format!("a handshake was refused: {reply}"));
        };
        if self.session.is_some() {
            self.session_over(scene);
        }
        // What is still under way elsewhere is of the session before.
        while let Some(other) = self.connections.iter().position(|connection| connection.number != number) {
            self.lose(scene, other, Loss::Closed);
        }
        let on_socket = self.connections[0].speech == Speech::WebSocket;
        self.session = Some(Session {
            id: id.to_owned(),
            current: on_socket.then_some(number),
            connect: None,
            connected: false,
            taken: 0,
            heard: Default::default(),
            abused: false,
        });
        Ok(())
    }

    fn hear_subscribed(&mut self, scene: &mut Scene, it: usize, reply: &Value) -> Result<(), String> {
        let subscription = &mut self.subscriptions[it];
        if subscription.state != State::Asked {
            return Ok(());
        }
        subscription.state = State::In;
        let recovery = &reply["ext"]["encke"]["recovery"][subscription.stream.pattern];
        if recovery["recovered"] == false {
            subscription.stream.log.push(Entry::Gap(Vec::new()));
        }
        subscription.stream.log.push(Entry::Known(scene.model.moment()));
        for part in recovery["cursor"].as_str().unwrap_or_default().split('.').filter(|part| !part.is_empty())
        {
            let (epoch, sequence) = split(part)?;
            subscription.live.insert(epoch, sequence);
        }
        for (number, position, replayed) in std::mem::take(&mut subscription.held) {
            match replayed {
                true => self.got_replay(it, number, position.as_deref())?,
                false => self.got_live(it, number, position.as_deref())?,
            }
        }
        let subscription = &mut self.subscriptions[it];
        // Otherwise only messages move it: what is replayed has yet to come.
        if recovery["reason"] == "unknown" || (subscription.from_now && subscription.cursor.is_empty()) {
            for (epoch, sequence) in &subscription.live {
                subscription.cursor.entry(epoch.clone()).or_insert(*sequence);
            }
        }
        Ok(())
    }

    /// Gives up what is too old to be sent again.
    pub(super) fn give_up(&mut self, scene: &mut Scene) {
        let now = scene.server.now();
        let old: Vec<usize> = self
            .unanswered
            .iter()
            .map(|(number, _)| *number)
            .filter(|number| scene.model.publications[*number].at + RETRY < now)
            .collect();
        self.abandon(scene, |number| old.contains(&number));
    }
}
