//! Where nobody has said who may, nobody may, at any door.

use std::sync::Arc;

use bayeux::{Channel, Limits, Pattern};
use encke::broker::{Broker, Classes, Door, Spoken};
use encke::clock::Clock;
use encke::hub::Hub;
use encke::metrics::Metrics;
use encke::policy::secret::Secret;
use encke::policy::{Credentials, Identity, Options, Policy};
use serde_json::{Value, json};

use crate::guard::{now, signed, tokens};
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

/// What may be between two cores: somebody asks for a subscription by the rights of one token, and a newer one that does not allow
/// it has come before the subscription is there.
#[tokio::test]
async fn a_subscription_is_judged_by_the_token_that_the_session_has_when_it_begins() {
    let clock = Clock::by_hand().0;
    let metrics = Metrics::new();
    let limits = Limits::default();
    let classes = Classes::new(&[], &limits.channel, clock.clone()).expect("no tables are good tables");
    let hub = Hub::new(Default::default(), 1, clock.clone(), metrics.clone(), classes.clone());
    tokio::spawn(hub.clone().run(0));
    let policy = Policy::new(Options::default(), tokens(), &[], clock).expect("good");
    let broker =
        Broker::new(hub, classes, policy, limits.clone(), Default::default(), &["long-polling"], metrics);

    let carol = |patterns: &[&str]| {
        signed(&json!({"sub": "carol", "exp": now() + 600, "encke": {"subscribe": patterns}}))
    };
    let (wide, narrow) = (carol(&["/a", "/b"]), carol(&["/b"]));
    let says = async |message: Value| -> Spoken {
        let (identity, address) = (Arc::<Identity>::default(), None);
        let mut door =
            Door { identity, url: false, ticket: false, address, wire: None, bound: None, owed: None };
        let requests = bayeux::parse(message.to_string().as_bytes(), &limits).expect("a message");
        broker.converse(&mut door, requests).await
    };
    let mut shakes = handshake();
    shakes["ext"] = json!({"authentication": {"token": wide}});
    let spoken = says(shakes).await;
    let reply: Value = serde_json::from_slice(&spoken.replies.first).expect("a reply");
    let connect = json!({"channel": "/meta/connect", "clientId": reply["clientId"], "connectionType": "long-polling",
        "advice": {"timeout": 0}, "ext": {"authentication": {"token": narrow}}});
    let key = says(connect).await.session.expect("a session");

    let shown = Credentials { secret: Some(Secret::from(wide)), ..Credentials::default() };
    let before = broker.identify(&shown).expect("a good token");
    let subscribe = async |pattern: &str| {
        let patterns = vec![Pattern::parse(pattern).expect("a pattern")];
        let answer = broker.subscribe(&before, key, patterns, Vec::new()).await;
        let listeners = broker.listeners(&Channel::parse(pattern).expect("a channel")).await;
        (answer.map(|_| ()).map_err(|refusal| refusal.to_string()), listeners)
    };
    assert_eq!(subscribe("/a").await, (Err("403:/a,no_rule:subscribe_denied".to_owned()), 0));
    assert_eq!(subscribe("/b").await, (Ok(()), 1));
}
