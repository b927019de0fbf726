//! A Bayeux client on long polls: a connection for its connects, and others for the rest.

use serde_json::{Value, json};

use crate::server::Encke;
use crate::wire::{Response, Wire};

pub(crate) struct Polling {
    /// The connection of the connects.
    pub(crate) poll: Wire,
    /// The connection of everything else.
    pub(crate) other: Wire,
    pub(crate) id: String,
    /// Headers that are sent with every request.
    pub(crate) headers: String,
    pub(crate) path: String,
}

impl Polling {
    /// Shakes hands, without any cookie.
    pub(crate) fn open(encke: &Encke) -> Self {
        Self::open_with(encke, "/bayeux", "")
    }

    pub(crate) fn open_with(encke: &Encke, path: &str, headers: &str) -> Self {
        let headers = format!("Content-Type: application/json\r\n{headers}");
        let mut client = Polling {
            poll: encke.wire(),
            other: encke.wire(),
            id: String::new(),
            headers,
            path: path.to_owned(),
        };
        let replies = client.ask(&json!([handshake()]));
        assert_eq!(replies.len(), 1, "{replies:?}");
        assert_eq!(replies[0]["successful"], true, "{replies:?}");
        client.id = replies[0]["clientId"].as_str().expect("a clientId").to_owned();
        client
    }

    /// Shakes hands and makes the first connect.
    pub(crate) fn connected(encke: &Encke) -> Self {
        let mut client = Self::open(encke);
        let replies = client.hold().polled();
        assert_eq!(replies[0]["successful"], true, "{replies:?}");
        client
    }

    /// The same, and listens to one pattern.
    pub(crate) fn listening(encke: &Encke, pattern: &str) -> Self {
        let mut client = Self::connected(encke);
        client.subscribe(pattern);
        client
    }

    /// A request of this session.
    pub(crate) fn request(&self, channel: &str, fields: Value) -> Value {
        let mut request = json!({"channel": channel, "clientId": self.id, "id": "q"});
        for (name, value) in fields.as_object().expect("fields") {
            request[name] = value.clone();
        }
        request
    }

    /// Sends a connect.
    pub(crate) fn hold(&mut self) -> &mut Self {
        let connect = self.request("/meta/connect", json!({"connectionType": "long-polling", "id": "c"}));
        self.poll.post_with(&self.path, &self.headers, &json!([connect]).to_string());
        self
    }

    /// The answer to the connect.
    pub(crate) fn polled(&mut self) -> Vec<Value> {
        self.poll.response().messages()
    }

    /// Sends anything and reads the answer.
    pub(crate) fn send(&mut self, messages: &Value) -> Response {
        self.other.post_with(&self.path, &self.headers, &messages.to_string());
        self.other.response()
    }

    pub(crate) fn ask(&mut self, messages: &Value) -> Vec<Value> {
        self.send(messages).messages()
    }

    pub(crate) fn subscribe(&mut self, pattern: &str) {
        let subscribe = self.request("/meta/subscribe", json!({ "subscription": pattern }));
        let replies = self.ask(&json!([subscribe]));
        assert_eq!(replies[0]["successful"], true, "{replies:?}");
    }
}

/// A handshake as CometD's clients send it.
pub(crate) fn handshake() -> Value {
    json!({"channel": "/meta/handshake", "version": "1.0", "id": "h",
           "supportedConnectionTypes": ["websocket", "long-polling", "callback-polling"]})
}

/// Publishes by `POST` to the channel's URL; answers with the number of sessions reached.
pub(crate) fn publish(encke: &Encke, channel: &str, data: &Value) -> u64 {
    let mut wire = encke.wire();
    wire.post(&format!("/channels{channel}"), &data.to_string());
    let response = wire.response();
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["sessions"].as_u64().expect("a number of sessions")
}
