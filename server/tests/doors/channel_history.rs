//! A page of history by `GET`: what was said, from where on, and waiting for more.

use std::time::Duration;

use serde_json::{Value, json};

use crate::history::keep;
use crate::polling::publish;
use crate::server::Encke;
use crate::wire::Response;

fn get(encke: &Encke, query: &str) -> Response {
    encke.wire().get(&format!("/channels{query}"), "").response()
}

fn page(encke: &Encke, query: &str) -> Value {
    let response = get(encke, query);
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

fn data(page: &Value) -> Vec<Value> {
    let messages = page["messages"].as_array().unwrap_or_else(|| panic!("no messages: {page}"));
    messages.iter().map(|message| message["data"].clone()).collect()
}

fn cursor(page: &Value) -> &str {
    page["cursor"].as_str().unwrap_or_else(|| panic!("no cursor: {page}"))
}

#[test]
fn a_page_reads_well() {
    let encke = Encke::with(|config| keep(config, "/a/**", 100));
    publish(&encke, "/a/b", &json!({"text": "hello"}));
    for (path, headers) in [
        ("/channels/a/b?as=messages", "Accept: */*\r\n"),
        ("/channels/a/*", "Accept: application/json\r\n"),
        ("/channels/a/b", "Accept: application/json, text/plain, */*\r\n"),
    ] {
        let mut wire = encke.wire();
        let response = wire.get(path, headers).response();
        assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("vary"), Some("Accept, Origin"));
        let text = response.text();
        let page = response.json();
        let position = cursor(&page);
        assert_eq!(
            text,
            format!(
                "{{\"messages\":[{{\"channel\":\"/a/b\",\"data\":{{\"text\":\"hello\"}},\
                 \"ext\":{{\"encke\":{{\"position\":\"{position}\"}}}}}}],\
                 \"cursor\":\"{position}\",\"more\":false}}\n"
            )
        );
        // The connection goes on.
        assert_eq!(wire.get(path, headers).response().status, 200);
    }
}

#[test]
fn pages_follow_one_another() {
    let encke = Encke::with(|config| {
        keep(config, "/a/**", 100);
        keep(config, "/b/**", 100);
    });
    for number in 0..25 {
        publish(&encke, "/a/b", &json!(number));
        publish(&encke, "/b/b", &json!(100 + number));
        publish(&encke, "/c", &json!("not kept"));
    }
    let newest = page(&encke, "/a/*?as=messages&limit=3");
    assert_eq!((data(&newest), &newest["more"]), (vec![json!(22), json!(23), json!(24)], &json!(false)));
    assert!(newest.get("recovered").is_none());
    let (mut since, mut found, mut pages) = ("all".to_owned(), Vec::new(), 0);
    loop {
        let page = page(&encke, &format!("/**?as=messages&limit=7&since={since}"));
        assert!(data(&page).len() <= 7);
        assert_eq!(page.get("recovered"), (pages > 0).then_some(&json!(true)), "{page}");
        found.extend(data(&page));
        pages += 1;
        since = cursor(&page).to_owned();
        if page["more"] == false {
            break;
        }
    }
    let (a, b): (Vec<_>, Vec<_>) = found.into_iter().partition(|number| number.as_i64() < Some(100));
    assert_eq!(a, (0..25).map(|number| json!(number)).collect::<Vec<_>>());
    assert_eq!(b, (100..125).map(|number| json!(number)).collect::<Vec<_>>());
    assert_eq!(pages, 8);
    publish(&encke, "/b/c", &json!("later"));
    assert_eq!(data(&page(&encke, &format!("/**?as=messages&since={since}"))), [json!("later")]);
    assert_eq!(data(&page(&encke, "/a/b?as=messages&since=now")), [] as [Value; 0]);
}

#[test]
fn a_page_says_what_is_missing() {
    let encke = Encke::with(|config| keep(config, "/a/**", 5));
    publish(&encke, "/a/b", &json!(0));
    let first = page(&encke, "/a/b?as=messages");
    for number in 1..9 {
        publish(&encke, "/a/b", &json!(number));
    }
    let old = page(&encke, &format!("/a/b?as=messages&since={}", cursor(&first)));
    assert_eq!((&old["recovered"], &old["reason"]), (&json!(false), &json!("too_old")));
    assert_eq!(data(&old), (4..9).map(|number| json!(number)).collect::<Vec<_>>());
    let garbage = page(&encke, "/a/b?as=messages&since=no%20cursor");
    assert_eq!((&garbage["recovered"], &garbage["reason"]), (&json!(false), &json!("unknown")));
    assert_eq!((data(&garbage), cursor(&garbage)), (Vec::new(), cursor(&old)));
}

#[test]
fn what_cannot_be_asked_for() {
    let encke = Encke::with(|config| keep(config, "/a/**", 5));
    for query in ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "wait=61", "wait=-1", "wait=1.5"]
    {
        let response = get(&encke, &format!("/a/b?as=messages&{query}"));
        assert_eq!(response.status, 400, "{query}");
        assert_eq!(response.json()["error"], "400::parameter_invalid");
    }
    for query in ["", "&wait=5", "&since=all"] {
        let response = get(&encke, &format!("/b/*?as=messages{query}"));
        assert_eq!((response.status, &response.json()["error"]), (404, &json!("404:/b/*:history_absent")));
    }
    let response = get(&encke, "/meta/*?as=messages");
    assert_eq!(response.status, 403);
    assert_eq!(encke.figure("encke_sessions"), 0);
}

#[test]
fn a_page_of_another_origin_is_let_in_like_the_streams() {
    let encke = Encke::with(|config| keep(config, "/a/**", 5));
    let origin = "http://localhost:3000";
    for query in ["?as=messages", "?as=messages&wait=1"] {
        let mut wire = encke.wire();
        wire.get(&format!("/channels/a/b{query}"), &format!("Origin: {origin}\r\n"));
        if query.contains("wait") {
            encke.until("waiting", 1, |encke| encke.figure("encke_sessions"));
            encke.advance(Duration::from_secs(1));
        }
        let response = wire.response();
        assert_eq!(response.header("access-control-allow-origin"), Some(origin));
        assert_eq!(response.header("vary"), Some("Accept, Origin"));
    }
}

#[test]
fn an_empty_page_waits_for_a_message() {
    for cores in [1, 2] {
        let encke = Encke::with(|config| {
            config.cores = cores;
            keep(config, "/a/**", 100);
            keep(config, "/b/**", 100);
            config.channel[1].last_value = true;
        });
        publish(&encke, "/b/1", &json!("there already"));
        let mut since = cursor(&page(&encke, "/**?as=messages")).to_owned();
        let mut wire = encke.wire();
        for number in 0..50 {
            wire.get(&format!("/channels/**?as=messages&wait=30&since={since}"), "");
            if number % 2 == 0 {
                encke.until("waiting", 1, |encke| encke.figure("encke_sessions"));
                // What is not kept wakes nobody for good.
                publish(&encke, "/c", &json!("not kept"));
            }
            publish(&encke, ["/a/1", "/b/1"][number % 2], &json!(number));
            let response = wire.response();
            assert_eq!((response.status, response.header("vary")), (200, Some("Accept, Origin")));
            let page = response.json();
            assert_eq!((data(&page), &page["recovered"]), (vec![json!(number)], &json!(true)));
            since = cursor(&page).to_owned();
        }
        encke.until("nobody waits", 0, |encke| encke.figure("encke_sessions"));
    }
}

#[test]
fn or_for_the_end_of_its_time() {
    let encke = Encke::with(|config| keep(config, "/a/**", 100));
    let mut wire = encke.wire();
    wire.get("/channels/a/b?as=messages&wait=60", "");
    encke.until("waiting", 1, |encke| encke.figure("encke_sessions"));
    for _ in 0..59 {
        encke.advance(Duration::from_secs(1));
        encke.settle();
    }
    assert!(wire.is_silent(), "also when it is longer than other requests may take");
    encke.advance(Duration::from_secs(1));
    let page = wire.response().json();
    assert_eq!((data(&page), &page["more"]), (Vec::new(), &json!(false)));
    assert!(page.get("recovered").is_none() && !cursor(&page).is_empty());
    assert_eq!(encke.refused("request_too_slow"), 0);
    encke.until("nobody waits", 0, |encke| encke.figure("encke_sessions"));
    // What has news, or cannot be honoured, does not wait.
    publish(&encke, "/a/b", &json!(1));
    for since in [cursor(&page), "nonsense", "all"] {
        let response = wire.get(&format!("/channels/a/b?as=messages&wait=60&since={since}"), "").response();
        assert_eq!(response.status, 200);
    }
    // From now on is from now on, also after the wait.
    wire.get("/channels/a/b?as=messages&wait=60&since=now", "");
    encke.until("waiting", 1, |encke| encke.figure("encke_sessions"));
    publish(&encke, "/a/b", &json!(2));
    let page = wire.response().json();
    assert_eq!((data(&page), page.get("recovered")), (vec![json!(2)], None));
}

#[test]
fn who_leaves_while_waiting_costs_nothing_more() {
    let encke = Encke::with(|config| keep(config, "/a/**", 100));
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let mut wire = encke.wire();
            wire.get("/channels/a/b?as=messages&wait=60", "");
            wire
        })
        .collect();
    encke.until("waiting", 20, |encke| encke.figure("encke_sessions"));
    drop(waiting);
    encke.until("nobody waits", 0, |encke| encke.figure("encke_sessions"));
    assert_eq!(publish(&encke, "/a/b", &json!(1)), 0);
    encke.until("answered", 0, |encke| encke.figure("encke_requests"));
}

#[test]
fn who_waits_is_answered_when_the_server_goes_away() {
    let mut encke = Encke::with(|config| keep(config, "/a/**", 100));
    let mut wire = encke.wire();
    wire.get("/channels/a/b?as=messages&wait=60", "");
    encke.until("waiting", 1, |encke| encke.figure("encke_sessions"));
    let stopping = encke.stop();
    let page = wire.response().json();
    assert_eq!(data(&page), Vec::<Value>::new());
    assert!(stopping.join().expect("it stops") < Duration::from_secs(4), "nobody is waited for");
}

#[test]
fn a_request_behind_one_that_waits_has_its_turn() {
    let encke = Encke::with(|config| keep(config, "/a/**", 100));
    let mut wire = encke.wire();
    wire.get("/channels/a/b?as=messages&wait=60", "");
    encke.until("waiting", 1, |encke| encke.figure("encke_sessions"));
    wire.get("/channels/a/b?as=messages&limit=1", "");
    encke.settle();
    publish(&encke, "/a/b", &json!(1));
    assert_eq!(data(&wire.response().json()), [json!(1)]);
    assert_eq!(data(&wire.response().json()), [json!(1)]);
    // One that ends its connection with the answer does so here, too.
    let mut wire = encke.wire();
    wire.get("/channels/a/b?as=messages&wait=60&since=now", "Connection: close\r\n");
    encke.until("waiting", 1, |encke| encke.figure("encke_sessions"));
    publish(&encke, "/a/b", &json!(2));
    let response = wire.response();
    assert_eq!((response.header("connection"), data(&response.json())), (Some("close"), vec![json!(2)]));
    wire.ends();
}
