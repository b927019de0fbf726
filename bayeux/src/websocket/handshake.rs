//! The two keys of the opening handshake (RFC 6455, 4).

use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use sha1::{Digest, Sha1};

const PROTOCOL_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The key is noise, not data: clients that make up 22 letters and `==` leave bits over in the last letter,
/// and other servers let them.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The `Sec-WebSocket-Accept` that proves to the client that its `Sec-WebSocket-Key` was read as one
/// (RFC 6455, 4.2.2). The key is taken as it stands, without white space around it.
pub fn accept_key(key: &str) -> String {
    BASE64_STANDARD.encode(Sha1::new().chain_update(key).chain_update(PROTOCOL_GUID).finalize())
}

/// Whether a `Sec-WebSocket-Key` is sixteen bytes in base64 (RFC 6455, 4.2.1).
pub fn is_valid_key(key: &str) -> bool {
    // Decoding wants room for three bytes in every four letters.
    let mut decoded = [0; 18];
    key.len() == 24 && matches!(LENIENT.decode_slice(key, &mut decoded), Ok(16))
}
