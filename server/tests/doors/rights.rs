//! Where nobody has said who may, nobody may, at any door.

use serde_json::json;

use crate::polling::handshake;
use crate::server::Encke;
use crate::socket::Socket;

#[test]
fn nobody_may_anything() {
    let encke = Encke::with(|config| config.rights.open = false);
    let mut wire = encke.wire();
    wire.post("/bayeux", &json!([handshake()]).to_string());
    let polled = wire.response().messages().remove(0);
    let mut socket = Socket::open(&encke);
    socket.say(&json!([handshake()]));
    for reply in [polled, socket.reply("h")] {
        assert_eq!((&reply["successful"], &reply["error"]), (&json!(false), &json!("403::handshake_denied")));
        assert_eq!(reply["advice"]["reconnect"], "none");
        assert!(reply["clientId"].is_null());
    }
    assert_eq!(encke.refused("handshake_denied"), 2);

    let reply = socket.ask("/a", json!({"clientId": null, "data": 1}));
    assert_eq!(reply["error"], "403:/a,no_rule:publish_denied");
    let response = encke.wire().post("/channels/a", "1").response();
    assert_eq!((response.status, &response.json()["error"]), (403, &json!("403:/a,no_rule:publish_denied")));
    assert_eq!(encke.refused("publish_denied"), 2);

    for pattern in ["a", "a/*", "**"] {
        let response = encke.wire().get(&format!("/channels/{pattern}"), "").response();
        assert_eq!(response.status, 403);
        assert_eq!(response.json()["error"], format!("403:/{pattern},no_rule:subscribe_denied"));
    }
    assert_eq!(encke.refused("subscribe_denied"), 3);
    assert_eq!((encke.figure("encke_sessions"), encke.figure("encke_messages_in_total")), (0, 0));
}
