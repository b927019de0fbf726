//! Somebody who has nothing to do with it and must not be disturbed.

use std::time::Duration;

use serde_json::json;

use crate::polling::publish;
use crate::server::Encke;
use crate::socket::Socket;

pub(crate) struct Bystander {
    socket: Socket,
    seen: u64,
}

impl Bystander {
    pub(crate) fn join(encke: &Encke) -> Self {
        let mut socket = Socket::listening(encke, "/bystander");
        // Held for an hour, so that no test that moves the clock ends it.
        socket.hold_for(Duration::from_secs(3600));
        socket.subscribe("/bystander");
        Bystander { socket, seen: 0 }
    }

    /// Still gets messages, and only those meant for it.
    pub(crate) fn is_well(&mut self, encke: &Encke) {
        self.seen += 1;
        assert_eq!(publish(encke, "/bystander", &json!(self.seen)), 1);
        assert_eq!(self.socket.message()["data"], json!(self.seen));
    }
}
