//! The keys of the opening handshake (RFC 6455, 1.3 and 4.2).

use bayeux::websocket::{accept_key, is_valid_key};

#[test]
fn the_example_of_the_rfc() {
    assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn a_key_is_sixteen_bytes_in_base64() {
    for valid in [
        "dGhlIHNhbXBsZSBub25jZQ==",
        "AAAAAAAAAAAAAAAAAAAAAA==",
        "+/+/+/+/+/+/+/+/+/+/+w==",
        // Bits over in the last letter: made up by hand, and taken by other servers.
        "abcdefghijklmnopqrstuv==",
    ] {
        assert!(is_valid_key(valid), "{valid}");
    }
    for invalid in [
        "",
        "SGVsbG8sIHdvcmxkIQ==",
        "AAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAA==AAAA",
        "AAAAAAAAAAAAAAAAAAAAA-==",
        " AAAAAAAAAAAAAAAAAAAAAA==",
        "AAAAAAAAAAAAAAAAAAAAAA==\n",
        "AAAAAAAAAAA=AAAAAAAAAA==",
        "üüüüüüüüüü==",
    ] {
        assert!(!is_valid_key(invalid), "{invalid:?}");
    }
}
