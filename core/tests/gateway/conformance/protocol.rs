//! The JSON protocol, message by message.

use distributary::{Budget, Hub, Publication, gateway::Ended};
use serde_json::{Value, json};

use crate::harness::{BINARY, Json, Raw, Server, Setup, TEXT};

/// Keeps what is published to `kept.*`.
fn server() -> Server {
    let hub = Hub::builder().history("kept.*", Budget::default()).unwrap();
    Setup::new().hub(hub.build().unwrap()).start()
}

/// The answer to this is an error of this kind.
#[track_caller]
fn assert_error(client: &mut Json, message: Value, code: &str) {
    client.say(message.clone());
    let answer = client.expect("error");
    assert_eq!(answer["code"], code, "{message} was answered with {answer}");
    assert!(
        answer["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    let id = message.get("id").filter(|id| id.is_u64());
    assert_eq!(answer.get("id"), id, "{message} was answered with {answer}");
}

#[test]
fn the_first_message_is_a_welcome() {
    let server = server();
    let plain = Json::open(server.address(), "/");
    assert_eq!(plain.welcome["version"], 1);
    assert_eq!(plain.welcome["ping_ms"], 25_000);
    assert_eq!(plain.welcome.get("ticket"), None);
    let ticketed = Json::open(server.address(), "/?topics=a&ticket=60");
    assert!(ticketed.welcome["ticket"].is_string());
}

#[test]
fn payloads_come_as_what_they_are() {
    let server = server();
    let mut client = Json::open(server.address(), "/?topics=a");
    let cases: [(&[u8], &str, Value); 9] = [
        (b"{\"n\": 1}", "data", json!({"n": 1})),
        (b"[1,2]", "data", json!([1, 2])),
        (b"\"text\"", "data", json!("text")),
        (b"null", "data", json!(null)),
        (b"12.50", "data", json!(12.5)),
        (b"{not JSON", "text", json!("{not JSON")),
        (
            "grüße\n\"\\\u{0}".as_bytes(),
            "text",
            json!("grüße\n\"\\\u{0}"),
        ),
        (b"", "text", json!("")),
        (b"\xff\x00", "base64", json!("/wA=")),
    ];
    for (payload, field, value) in cases {
        server.publish("a", payload);
        let event = client.expect("event");
        assert_eq!(event.get(field), Some(&value), "{event}");
        let fields = ["data", "text", "base64"].map(|name| event.get(name).is_some());
        assert_eq!(fields.iter().filter(|there| **there).count(), 1, "{event}");
        assert_eq!((&event["id"], &event["topic"]), (&json!(0), &json!("a")));
        assert_eq!(event.get("key"), None);
    }
    let keyed = Publication::new("a", "1").key("k\"1");
    server.hub.publish_event(keyed).unwrap();
    assert_eq!(client.expect("event")["key"], "k\"1");
}

#[test]
fn numbers_are_not_made_less_exact() {
    let server = server();
    let mut client = Json::open(server.address(), "/?topics=a");
    let number = "123456789012345678901234567890.000000000000000000001";
    server.publish("a", number);
    assert!(client.raw.text().contains(number));
}

#[test]
fn subscriptions_come_and_go_by_their_ids() {
    let server = server();
    let mut client = Json::open(server.address(), "/?allow=a.*");
    client.subscribe(7, json!({"topics": ["a.1", "a.2"]}));
    client.subscribe(2_147_483_647, json!({"patterns": ["a.*"]}));
    server.publish("a.1", "1");
    let mut ids = [client.expect("event"), client.expect("event")].map(|event| event["id"].clone());
    ids.sort_by_key(|id| id.as_u64());
    assert_eq!(ids, [json!(7), json!(2_147_483_647)]);
    client.say(json!({"type": "unsubscribe", "id": 7}));
    assert_eq!(client.expect("unsubscribed")["id"], 7);
    server.publish("a.2", "2");
    assert_eq!(client.expect("event")["id"], 2_147_483_647);
    // The id is free again, for something else.
    client.subscribe(7, json!({"topics": ["a.3"]}));
    server.publish("a.3", "3");
    let mut ids = [client.expect("event"), client.expect("event")].map(|event| event["id"].clone());
    ids.sort_by_key(|id| id.as_u64());
    assert_eq!(ids, [json!(7), json!(2_147_483_647)]);
    assert_eq!(server.hub.stats().subscriptions, 2);
}

#[test]
fn filters_and_variables() {
    let server = server();
    let mut client = Json::open(server.address(), "/?allow=a");
    let filter = json!({"language": {"$var": "mine"}, "n": [{"numeric": [">", 1]}]});
    let wish = json!({"topics": ["a"], "where": filter, "variables": {"mine": "de"}});
    client.subscribe(1, wish);
    server.publish("a", r#"{"language": "de", "n": 1}"#);
    server.publish("a", r#"{"language": "en", "n": 2}"#);
    server.publish("a", r#"{"language": "de", "n": 3}"#);
    assert_eq!(client.expect("event")["data"]["n"], 3);
}

#[test]
fn back_to_where_it_stopped() {
    let server = server();
    let mut first = Json::open(server.address(), "/?allow=kept.*");
    let subscribed = first.subscribe(1, json!({"topics": ["kept.a", "kept.b"]}));
    let begin = subscribed["at"].clone();
    assert!(begin["kept.a"].is_string() && begin["kept.b"].is_string());
    for event in 0..10 {
        server.publish(["kept.a", "kept.b"][event % 2], event.to_string());
    }
    let mut from = begin.clone();
    for event in 0..5 {
        let message = first.expect("event");
        assert_eq!(message["data"], event);
        from[message["topic"].as_str().unwrap()] = message["position"].clone();
    }
    drop(first);
    // Once from where it stopped, once from the beginning.
    for (from, expected) in [(from, 5..10), (begin, 0..10)] {
        let mut back = Json::open(server.address(), "/?allow=kept.*");
        back.subscribe(1, json!({"topics": ["kept.a", "kept.b"], "from": from}));
        let mut events: Vec<_> = expected
            .clone()
            .map(|_| back.expect("event")["data"].as_u64().unwrap())
            .collect();
        // Order is kept within each topic.
        for topic in 0..2 {
            let own = events.iter().filter(|event| **event % 2 == topic);
            assert!(own.is_sorted());
        }
        events.sort_unstable();
        assert!(events.into_iter().eq(expected));
    }
}

#[test]
fn what_cannot_be_had_again_is_told() {
    let server = server();
    server.publish("kept.a", "0");
    let mut client = Json::open(server.address(), "/?allow=*");
    for (id, from) in [
        (1, json!({"kept.a": "1-1"})),
        (2, json!({"kept.a": "ffff-1"})),
    ] {
        let answer = client.subscribe(id, json!({"topics": ["kept.a"], "from": from}));
        assert!(
            answer["at"]["kept.a"].is_string(),
            "it begins here: {answer}"
        );
        let lagged = client.expect("lagged");
        assert_eq!(
            (&lagged["id"], &lagged["missed"]),
            (&json!(id), &Value::Null)
        );
        assert!(lagged["reason"].is_string());
    }
    server.publish("kept.a", "1");
    for _ in 0..2 {
        assert_eq!(client.expect("event")["data"], 1);
    }
}

#[test]
fn what_is_not_allowed_is_denied() {
    let server = server();
    let mut client = Json::open(server.address(), "/?allow=a.*");
    for (id, wish) in [
        json!({"topics": ["b.1"]}),
        json!({"topics": ["a.1", "b.1"]}),
        json!({"patterns": ["*"]}),
        json!({"patterns": ["a*"]}),
        json!({"patterns": ["a.*", "b.*"]}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut wish = wish;
        wish["type"] = json!("subscribe");
        wish["id"] = json!(id + 1);
        assert_error(&mut client, wish, "denied");
    }
    assert_eq!(server.hub.stats().subscriptions, 0);
    client.subscribe(1, json!({"topics": ["a.1"]}));
}

#[test]
fn the_application_decides() {
    let server = server();
    let mut client = Json::open(server.address(), "/?allow=a.*");
    client.subscribe(1, json!({"topics": ["ask.yes"]}));
    server.publish("ask.yes", "1");
    assert_eq!(client.expect("event")["id"], 1);
    // It gets less than it asked for.
    client.subscribe(2, json!({"topics": ["ask.some"]}));
    server.publish("ask.some", r#"{"mine": false}"#);
    server.publish("ask.some", r#"{"mine": true}"#);
    assert_eq!(client.expect("event")["data"]["mine"], true);
    let no = json!({"type": "subscribe", "id": 3, "topics": ["ask.no"]});
    client.say(no);
    let error = client.expect("error");
    assert_eq!(
        (&error["id"], &error["code"]),
        (&json!(3), &json!("denied"))
    );
    assert_eq!(error["message"], "not for you");
}

#[test]
fn nobody_waits_while_the_application_thinks() {
    let server = server();
    let mut client = Json::open(server.address(), "/?topics=a");
    let slow = |id: u32| json!({"type": "subscribe", "id": id, "topics": ["ask.slow"]});
    client.say(slow(1));
    client.say(slow(2));
    // An id is taken from when it was asked for, and may be given up before.
    assert_error(&mut client, slow(1), "bad_request");
    client.say(json!({"type": "unsubscribe", "id": 2}));
    assert_eq!(client.expect("unsubscribed")["id"], 2);
    server.publish("a", "1");
    assert_eq!(client.expect("event")["data"], 1);
    assert_eq!(client.expect("subscribed")["id"], 1);
    assert_eq!(server.hub.stats().subscriptions, 2);
    // One that leaves meanwhile leaves nothing behind.
    client.say(slow(5));
    drop(client);
    server.assert_nothing_left(0);
}

#[test]
fn a_panic_of_the_application_ends_the_one_it_was_about() {
    let server = server();
    let mut witness = Json::open(server.address(), "/?topics=a");
    let mut asks = Json::open(server.address(), "/");
    asks.say(json!({"type": "subscribe", "id": 1, "topics": ["ask.panic"]}));
    assert_eq!(asks.raw.closed().0, Some(1011));
    let mut tells = Json::open(server.address(), "/");
    tells.tell("!panic");
    assert_eq!(tells.raw.closed().0, Some(1011));
    let mut plain = Raw::open(server.address(), "/");
    plain.send(TEXT, "!panic");
    assert_eq!(plain.closed().0, Some(1011));
    server.wait_ended(Ended::Panicked, 3);
    server.publish("a", "1");
    assert_eq!(witness.expect("event")["data"], 1);
    drop(witness);
    server.assert_nothing_left(0);
}

#[test]
fn what_is_wrong_is_told() {
    let server = server();
    let mut client = Json::open(server.address(), "/?allow=*");
    let subscribe = |id: Value, more: Value| {
        let mut message = json!({"type": "subscribe", "id": id});
        for (name, value) in more.as_object().unwrap() {
            message[name] = value.clone();
        }
        message
    };
    let a = json!({"topics": ["a"]});
    let with = |name: &str, value: Value| {
        let mut wish = a.clone();
        wish[name] = value;
        subscribe(json!(1), wish)
    };
    for message in [
        json!({}),
        json!({"type": "dance"}),
        json!({"type": ["ping"]}),
        json!({"type": "subscribe"}),
        json!({"type": "unsubscribe"}),
        json!({"type": "unsubscribe", "id": "1"}),
        subscribe(json!(1), json!({})),
        subscribe(json!(-1), a.clone()),
        subscribe(json!(1.5), a.clone()),
        subscribe(json!("1"), a.clone()),
        subscribe(json!(2_147_483_648_u64), a.clone()),
        subscribe(json!(1), json!({"topics": []})),
        subscribe(json!(1), json!({"topics": "a"})),
        subscribe(json!(1), json!({"topics": [1]})),
        subscribe(json!(1), json!({"topics": [""]})),
        subscribe(json!(1), json!({"patterns": ["[z-"]})),
        with("where", json!(7)),
        with("where", json!({"$no": 1})),
        with("where", json!({"a": {"$var": "missing"}})),
        with("from", json!("1-1")),
        with("from", json!({"a": "nowhere"})),
        with("from", json!({"a": 1})),
        with("overflow", json!("explode")),
        with("budget", json!({"events": 0})),
        with("budget", json!({"events": -1})),
        with("budget", json!(5)),
    ] {
        client.say(message.clone());
        let answer = client.expect("error");
        assert_eq!(
            answer["code"], "bad_request",
            "{message} was answered with {answer}"
        );
    }
    client.subscribe(1, a.clone());
    assert_error(&mut client, subscribe(json!(1), a), "bad_request");
    assert_error(
        &mut client,
        json!({"type": "unsubscribe", "id": 9}),
        "unknown",
    );
    // And yet it goes on.
    client.say(json!({"type": "ping"}));
    client.expect("pong");
    assert_eq!(server.hub.stats().subscriptions, 1);
}

#[test]
fn the_application_hears_and_answers() {
    let server = server();
    let mut client = Json::open(server.address(), "/");
    for data in [
        json!({"a": [1, null]}),
        json!("text"),
        json!(1),
        json!(null),
    ] {
        client.say(json!({"type": "message", "data": data}));
        assert_eq!(client.expect("message")["data"], data);
    }
    client.tell("!close enough");
    let (code, reason) = client.raw.closed();
    assert_eq!((code, reason.as_str()), (Some(1000), "enough"));
    server.wait_ended(Ended::Application, 1);
    server.assert_nothing_left(0);
}

#[test]
fn who_says_too_much_can_be_turned_away_for_now() {
    let server = server();
    let mut client = Json::open(server.address(), "/");
    client.tell("!away later");
    let (code, reason) = client.raw.closed();
    assert_eq!((code, reason.as_str()), (Some(1013), "later"));
    server.wait_ended(Ended::Overloaded, 1);
    server.assert_nothing_left(0);
}

#[test]
fn where_nobody_hears_it_is_told() {
    let server = Setup::new().deaf().start();
    let mut client = Json::open(server.address(), "/");
    assert_error(
        &mut client,
        json!({"type": "message", "data": 1}),
        "unknown",
    );
}

#[test]
fn binary_messages_have_no_place_in_it() {
    let server = server();
    let mut client = Json::open(server.address(), "/");
    client.raw.send(BINARY, [1, 2, 3]);
    assert_eq!(client.raw.closed().0, Some(1003));
    server.wait_ended(Ended::Unwanted, 1);
}

#[test]
fn a_client_that_asks_for_nothing_gets_payloads_alone() {
    let server = server();
    let mut raw = Raw::open(server.address(), "/?topics=a");
    server.publish("a", r#"{"type": "event"}"#);
    assert_eq!(raw.text(), r#"{"type": "event"}"#);
}
