//! What a session hears beside deliveries, and how deliveries are ticked off.

use crate::ledger::{Ledger, Listen};
use crate::scan::{self, Found};

/// What was heard in one read beside deliveries.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) opening: Vec<u8>,
    pub(crate) connect: bool,
    pub(crate) refused: Option<String>,
    pub(crate) ping: Option<Vec<u8>>,
    /// The number that a connect reply acknowledges deliveries by.
    pub(crate) number: Option<u64>,
    pub(crate) closed: Option<String>,
}

impl Heard {
    /// Takes in one thing that is no delivery.
    pub(crate) fn hear(&mut self, found: Found<'_>, ready: bool) {
        match found {
            Found::Message(_) => {}
            Found::Reply(text) if scan::is_refusal(text) => {
                self.refused = Some(String::from_utf8_lossy(&text[..text.len().min(300)]).into_owned());
            }
            Found::Reply(text) if ready => {
                if scan::concerns(text, "\"/meta/connect\"") {
                    self.connect = true;
                    self.number = scan::number_field(text, "ack").or(self.number);
                }
            }
            Found::Reply(text) => text.clone_into(&mut self.opening),
            Found::Control(scan::PING, payload) => self.ping = Some(payload.to_vec()),
            Found::Control(scan::PONG, _) => {}
            Found::Control(scan::CLOSE, payload) => {
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
                self.closed = Some(format!("closed by the server with {code} {reason}"));
            }
            Found::Control(opcode, _) => self.closed = Some(format!("a frame with opcode {opcode}")),
        }
    }
}

/// Ticks off a delivery to a session that listens so.
pub(crate) fn arrived(ledger: &mut Ledger, listens: &mut [Listen], sequence: u32, now: u64) {
    if let [listen] = listens {
        return ledger.deliver(sequence, listen, now);
    }
    let channel = ledger.channel(sequence);
    match listens.iter_mut().find(|listen| Some(listen.channel) == channel) {
        Some(listen) => ledger.deliver(sequence, listen, now),
        None => ledger.stray += 1,
    }
}
