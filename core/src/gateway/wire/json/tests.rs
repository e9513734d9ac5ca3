use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{event::encode, parse::Refused, *};
use crate::{
    event::{Position, Publication},
    feed::Budget,
    gateway::{hooks::Message, verdict::Wish},
    hub::Hub,
    selector::Selector,
    subscription::CloseReason,
    topic::Topic,
};

const MOST: fn() -> Budget = Budget::default;

fn wish(text: &str) -> (u32, Wish) {
    match parse(text, MOST()) {
        Ok(Asked::Subscribe { id, wish }) => (id, wish),
        other => panic!("{text}: {other:?}"),
    }
}

fn refusal(text: &str) -> (Option<u32>, String) {
    match parse(text, MOST()) {
        Err(Refused {
            id,
            code: Code::BadRequest,
            message,
        }) => (id, message),
        other => panic!("{text}: {other:?}"),
    }
}

fn value(bytes: &[u8]) -> Json {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_subscribe_becomes_a_selector() {
    let (id, wish) = wish(
        r#"{"patterns":["b.*"],"id":7,"topics":["a","\u0062"],"type":"subscribe","where":{"x":[1]}}"#,
    );
    assert_eq!(id, 7);
    let filter = crate::Filter::parse(r#"{"x": [1]}"#).unwrap();
    let expected = Selector::topics(["a", "b"]).unwrap();
    let expected = expected.and_pattern("b.*").unwrap().filter(filter);
    assert_eq!(wish.selector, expected);
    assert_eq!(
        format!("{:?}", wish.options),
        format!("{:?}", crate::SubscribeOptions::new())
    );
}

#[test]
fn patterns_alone_are_enough() {
    let (_, wish) = wish(r#"{"type":"subscribe","id":1,"patterns":["b.*","c.*"]}"#);
    let expected = Selector::pattern("b.*").unwrap();
    assert_eq!(wish.selector, expected.and_pattern("c.*").unwrap());
}

#[test]
fn variables_are_bound_and_numbers_exact() {
    let (_, wish) = wish(
        r#"{"type":"subscribe","id":1,"topics":["a"],
            "where":{"id":[{"$var":"id"}],"tag":[{"$var":"tags"}]},
            "variables":{"id":18446744073709551615,"tags":["a",true,null]}}"#,
    );
    let filter = r#"{"id":[18446744073709551615],"tag":["a",true,null]}"#;
    let filter = crate::Filter::parse(filter).unwrap();
    assert_eq!(wish.selector, Selector::topic("a").unwrap().filter(filter));
}

#[test]
fn options_are_read_and_never_beyond_the_most() {
    let most = Budget::default().events(100).unwrap().bytes(1_000).unwrap();
    let parse = |budget: Json| {
        let message = json!({"type": "subscribe", "id": 1, "topics": ["a"],
            "overflow": "keep_latest", "budget": budget, "from": {"a": "1f-2"}});
        match parse(&message.to_string(), most).unwrap() {
            Asked::Subscribe { wish, .. } => format!("{:?}", wish.options),
            other => panic!("{other:?}"),
        }
    };
    let expected = |budget: Budget| {
        let position = Position {
            epoch: 0x1f,
            offset: 2,
        };
        let resume = crate::Resume::new().topic(Topic::new("a").unwrap(), position);
        let options = crate::SubscribeOptions::new().overflow(crate::Overflow::KeepLatest);
        format!("{:?}", options.budget(budget).resume(resume))
    };
    let second = std::time::Duration::from_secs(1);
    assert_eq!(parse(json!({})), expected(most));
    assert_eq!(
        parse(json!({"events": 7, "bytes": u64::MAX, "age_ms": 1_000})),
        expected(most.events(7).unwrap().age(second).unwrap())
    );
    assert_eq!(
        parse(json!({"events": u64::MAX, "age_ms": u64::MAX})),
        expected(most)
    );
}

#[test]
fn other_messages_are_read() {
    let asked = |text: &str| parse(text, MOST()).unwrap();
    let unsubscribe = asked(r#" {"type":"unsubscribe","id":2147483647} "#);
    assert!(matches!(unsubscribe, Asked::Unsubscribe { id: LARGEST_ID }));
    assert!(matches!(asked(r#"{"type":"ping"}"#), Asked::Ping));
    for data in ["null", r#"{"a": [1.50, "é"]}"#, "\"\\ud83d\\ude00\""] {
        let text = format!(r#"{{"type":"message","data":  {data} }}"#);
        assert!(matches!(asked(&text), Asked::Message(given) if given == data));
    }
}

/// What is wrong, and a part of what the client is told.
#[test]
fn what_is_wrong_is_told() {
    let subscribe = |more: &str| format!(r#"{{"type":"subscribe","id":5,"topics":["a"],{more}}}"#);
    let cases = [
        ("", "EOF"),
        ("[]", "expected an object"),
        ("null", "expected an object"),
        ("{} {}", "trailing"),
        (r#"{"type":"ping""#, "EOF"),
        (r#"{"type":"ping",}"#, "trailing comma"),
        (r#"{"type":"ping","type":"ping"}"#, "twice"),
        ("{}", r#"a message needs the field "type""#),
        (r#"{"type":1}"#, r#""type" has to be a text"#),
        (r#"{"type":"Ping"}"#, r#"no type "Ping""#),
        (r#"{"type":"ping","id":1}"#, r#""ping" has no field "id""#),
        (
            r#"{"type":"message"}"#,
            r#""message" needs the field "data""#,
        ),
        (r#"{"type":"message","data":nul}"#, "expected ident"),
        (
            r#"{"type":"unsubscribe"}"#,
            r#""unsubscribe" needs the field "id""#,
        ),
        (
            r#"{"type":"unsubscribe","id":0}"#,
            r#""id" has to be a whole number from 1"#,
        ),
        (
            r#"{"type":"unsubscribe","id":2147483648}"#,
            r#""id" has to be a whole number from 1 to 2147483647"#,
        ),
        (r#"{"type":"unsubscribe","id":"1"}"#, r#""id" has to be"#),
        (
            r#"{"type":"unsubscribe","id":1,"topics":[]}"#,
            r#"no field "topics""#,
        ),
        (
            r#"{"type":"subscribe","topics":["a"]}"#,
            r#"needs the field "id""#,
        ),
        (r#"{"type":"subscribe","id":5}"#, "names nothing"),
        (
            r#"{"type":"subscribe","id":5,"topics":"a"}"#,
            r#""topics" has to be a list of texts"#,
        ),
        (r#"{"type":"subscribe","id":5,"topics":[""]}"#, "empty"),
        (r#"{"type":"subscribe","id":5,"patterns":["[a"]}"#, "["),
        (
            &subscribe(r#""topic":["b"]"#),
            r#""subscribe" has no field "topic""#,
        ),
        (&subscribe(r#""where":[1]"#), r#""where" in the pattern"#),
        (
            &subscribe(r#""where":{"a":{"b":[{"like":1}]}}"#),
            "at a.b[0].like",
        ),
        (
            &subscribe(r#""where":{"a":[{"$var":"x"}]}"#),
            r#"variable "x""#,
        ),
        (
            &subscribe(r#""where":{"a":[{"$var":"x"}]},"variables":{"x":18446744073709551616}"#),
            "2^64 - 1",
        ),
        (
            &subscribe(r#""where":{"a":[{"$var":"x"}]},"variables":{}"#),
            r#"variable "x""#,
        ),
        (
            &subscribe(r#""where":{"a":[{"$var":"x"}]},"variables":{"x":{}}"#),
            "an object",
        ),
        (
            &subscribe(r#""where":{"a":[{"$var":"x"}]},"variables":{"x":[[]]}"#),
            "a list of other",
        ),
        (
            &subscribe(r#""where":{},"variables":[]"#),
            r#""variables" has to be"#,
        ),
        (
            &subscribe(r#""variables":{"x":1}"#),
            r#"needs the field "where""#,
        ),
        (&subscribe(r#""from":"1-1""#), r#""from" has to be"#),
        (&subscribe(r#""from":{"a":1}"#), r#""from" has to be"#),
        (
            &subscribe(r#""from":{"a":"x"}"#),
            r#""x" is not a position"#,
        ),
        (&subscribe(r#""from":{"":"1-1"}"#), r#""from": "#),
        (
            &subscribe(r#""overflow":"drop""#),
            r#""overflow" has to be "drop_oldest""#,
        ),
        (&subscribe(r#""budget":{"events":0}"#), "budget of 0 events"),
        (&subscribe(r#""budget":{"bytes":0}"#), "budget of 0 bytes"),
        (&subscribe(r#""budget":{"age_ms":0}"#), "age 0"),
        (
            &subscribe(r#""budget":{"events":-1}"#),
            r#""events" has to be"#,
        ),
        (
            &subscribe(r#""budget":{"event":1}"#),
            r#"budget has no field "event""#,
        ),
        (
            &subscribe(r#""budget":7"#),
            r#""budget" has to be an object"#,
        ),
        (&subscribe(r#""overflow":null"#), r#""overflow" has to be"#),
    ];
    for (text, told) in cases {
        let (id, message) = refusal(text);
        assert!(message.contains(told), "{text}: {message}");
        let expected = text.contains(r#""id":5"#).then_some(5);
        assert!(expected.is_none() || id == expected, "{text}: {id:?}");
    }
}

#[test]
fn what_is_large_is_refused_and_not_told_back() {
    let name = "n".repeat(10_000);
    for text in [
        format!(r#"{{"type":"{name}"}}"#),
        format!(r#"{{"type":"ping","{name}":1}}"#),
        format!(r#"{{"type":"subscribe","id":1,"topics":["{name}"]}}"#),
        format!(r#"{{"type":"subscribe","id":1,"patterns":["{name}["]}}"#),
        format!(
            r#"{{"type":"subscribe","id":1,"topics":["a"],"where":{{"a":"{name}","b":{{}}}}}}"#
        ),
        format!(r#"{{"type":"subscribe","id":1,"topics":["a"],"from":{{"a":"{name}"}}}}"#),
    ] {
        let (_, message) = refusal(&text);
        assert!(message.len() < 400, "{message}");
    }
    let names: Vec<String> = (0..1_001).map(|n| n.to_string()).collect();
    let from: serde_json::Map<_, _> = names
        .iter()
        .map(|name| (name.clone(), "1-1".into()))
        .collect();
    for message in [
        json!({"type": "subscribe", "id": 1, "topics": names}),
        json!({"type": "subscribe", "id": 1, "patterns": names}),
        json!({"type": "subscribe", "id": 1, "topics": ["a"], "from": from}),
        json!({"type": "subscribe", "id": 1, "topics": ["a"], "where": {}, "variables": from}),
    ] {
        assert!(refusal(&message.to_string()).1.contains("at most"));
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| {
        let data = "[".repeat(levels) + &"]".repeat(levels);
        parse(&format!(r#"{{"type":"message","data":{data}}}"#), MOST())
    };
    assert!(nested(MAX_DEPTH - 1).is_ok());
    assert!(nested(MAX_DEPTH).unwrap_err().message.contains("too deep"));
    assert!(nested(100_000).unwrap_err().message.contains("too deep"));
    let brackets = format!(r#"{{"type":"message","data":"{}\"["}}"#, "[".repeat(1_000));
    assert!(parse(&brackets, MOST()).is_ok(), "brackets in a text");
}

#[test]
fn server_messages_are_what_they_say() {
    let odd = "a\"\\\n\r\t\u{1}\u{7f}é𝄞/";
    let topic = Topic::new(odd).unwrap();
    let at = Position {
        epoch: 0xab,
        offset: 1,
    };
    let other = Topic::new("b").unwrap();
    for (message, expected) in [
        (
            welcome(25_000, None, None),
            json!({"type": "welcome", "version": 1, "ping_ms": 25_000}),
        ),
        (
            welcome(1, Some((2, "5f")), Some(odd)),
            json!({"type": "welcome", "version": 1, "ping_ms": 1,
                "subscriptions": 2, "grant": "5f", "ticket": odd}),
        ),
        (
            subscribed(0, []),
            json!({"type": "subscribed", "id": 0, "at": {}}),
        ),
        (
            subscribed(u32::MAX, [(&topic, &at), (&other, &at)]),
            json!({"type": "subscribed", "id": u32::MAX, "at": {odd: "ab-1", "b": "ab-1"}}),
        ),
        (unsubscribed(3), json!({"type": "unsubscribed", "id": 3})),
        (
            lagged(3, Ok(12)),
            json!({"type": "lagged", "id": 3, "missed": 12}),
        ),
        (
            lagged(3, Err(odd)),
            json!({"type": "lagged", "id": 3, "missed": null, "reason": odd}),
        ),
        (
            closed(3, CloseReason::SlowConsumer),
            json!({"type": "closed", "id": 3, "reason": "slow_consumer"}),
        ),
        (
            closed(3, CloseReason::Lost),
            json!({"type": "closed", "id": 3, "reason": "lost"}),
        ),
        (
            closed(3, CloseReason::HubClosed),
            json!({"type": "closed", "id": 3, "reason": "hub_closed"}),
        ),
        (
            reconnect(1_234),
            json!({"type": "reconnect", "after_ms": 1_234}),
        ),
        (pong(), json!({"type": "pong"})),
        (
            error(None, Code::BadRequest, odd),
            json!({"type": "error", "code": "bad_request", "message": odd}),
        ),
        (
            error(Some(1), Code::TooMany, ""),
            json!({"type": "error", "id": 1, "code": "too_many", "message": ""}),
        ),
        (
            message(Message::Text("{\"a\": 1}".to_owned())),
            json!({"type": "message", "data": {"a": 1}}),
        ),
        (
            message(Message::Text(odd.to_owned())),
            json!({"type": "message", "text": odd}),
        ),
        (
            message(Message::Binary(Bytes::from_static(b"\xff\xfe"))),
            json!({"type": "message", "base64": "//4="}),
        ),
    ] {
        assert_eq!(value(&message), expected);
    }
}

#[test]
fn an_event_is_put_together_without_a_copy_of_its_payload() {
    let hub = Hub::new();
    let mut subscription = hub.subscribe("a").unwrap();
    let payload = Bytes::from(br#" {"n": 1.50, "n": "\u00e9"} "#.to_vec());
    hub.publish_event(Publication::new("a", payload.clone()).key("k\""))
        .unwrap();
    let event = subscription.try_recv().unwrap();

    let body = EventBody::new(&event);
    assert_eq!(body.value().as_ptr(), payload.as_ptr());
    let mut text = Vec::new();
    body.push_head(7, &mut text);
    let position = event.position();
    let head = format!(
        r#"{{"type":"event","id":7,"topic":"a","position":"{position}","key":"k\"","data":"#
    );
    assert_eq!(text, head.as_bytes());
    text.extend_from_slice(body.value());
    text.extend_from_slice(TAIL);
    assert_eq!(value(&text)["data"]["n"], "é");
}

#[test]
fn payloads_are_told_apart() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    for (payload, field, expected) in [
        (&b"1"[..], "data", json!(1)),
        (b"\"a\"", "data", json!("a")),
        (b"\n[1, {}]", "data", json!([1, {}])),
        (b"", "text", json!("")),
        (b"a", "text", json!("a")),
        (b"1 2", "text", json!("1 2")),
        (b"{\"a\":1", "text", json!("{\"a\":1")),
        (b"\"\n\"", "text", json!("\"\n\"")),
        ("é\u{0}\u{1f}".as_bytes(), "text", json!("é\u{0}\u{1f}")),
        (b"\xff", "base64", json!("/w==")),
        (b"\"\xff\"", "base64", json!("Iv8i")),
        (
            nested(MAX_DEPTH + 1).as_bytes(),
            "text",
            json!(nested(MAX_DEPTH + 1)),
        ),
    ] {
        let (name, encoded) = encode(&Bytes::copy_from_slice(payload));
        assert_eq!((name, value(&encoded)), (field, expected));
    }
    assert_eq!(encode(&nested(MAX_DEPTH).into()).0, "data");
}

proptest! {
    #[test]
    fn any_payload_comes_back(payload in proptest::collection::vec(any::<u8>(), 0..60)) {
        let (name, encoded) = encode(&payload.clone().into());
        let value = value(&encoded);
        match name {
            "data" => prop_assert_eq!(&encoded, &payload),
            "text" => prop_assert_eq!(value.as_str().unwrap().as_bytes(), payload),
            _ => {
                let bytes = data_encoding::BASE64.decode(value.as_str().unwrap().as_bytes());
                prop_assert_eq!(bytes.unwrap(), payload);
            }
        }
    }

    #[test]
    fn any_text_is_escaped(text: String) {
        let told = error(None, Code::Denied, &text);
        prop_assert_eq!(&value(&told)["message"], &Json::from(text));
    }
}
