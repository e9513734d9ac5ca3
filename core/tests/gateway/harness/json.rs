//! A client of the JSON protocol that is told what to say, message by message.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::raw::{Raw, TEXT};

pub(crate) struct Json {
    pub(crate) raw: Raw,
    pub(crate) welcome: Value,
    /// What was said first about the subscriptions that the server made.
    pub(crate) subscribed: Value,
}

impl Json {
    #[track_caller]
    pub(crate) fn open(address: SocketAddr, target: &str) -> Self {
        Self::over(Raw::connect(address), target)
    }

    /// Over a connection on which nothing was said yet.
    #[track_caller]
    pub(crate) fn over(mut raw: Raw, target: &str) -> Self {
        const PROTOCOL: &str = "distributary.v1.json";
        let head = raw.upgrade(target, &format!("Sec-WebSocket-Protocol: {PROTOCOL}\r\n"));
        assert_eq!(head.header("sec-websocket-protocol"), Some(PROTOCOL));
        let mut json = Json {
            raw,
            welcome: Value::Null,
            subscribed: Value::Null,
        };
        json.welcome = json.expect("welcome");
        if ["topics=", "pattern=", "?ticket="]
            .iter()
            .any(|own| target.contains(own))
        {
            json.subscribed = json.expect("subscribed");
            assert_eq!(json.subscribed["id"], 0);
        }
        json
    }

    #[track_caller]
    pub(crate) fn say(&mut self, message: Value) {
        self.raw.send(TEXT, message.to_string());
    }

    #[track_caller]
    pub(crate) fn hear(&mut self) -> Value {
        serde_json::from_str(&self.raw.text()).expect("every message is JSON")
    }

    /// The next message, which is of this type.
    #[track_caller]
    pub(crate) fn expect(&mut self, kind: &str) -> Value {
        let message = self.hear();
        assert_eq!(message["type"], kind, "{message}");
        message
    }

    /// Subscribes, and gives what `subscribed` says.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, id: u32, wish: Value) -> Value {
        let mut wish = wish;
        wish["type"] = json!("subscribe");
        wish["id"] = json!(id);
        self.say(wish);
        let answer = self.expect("subscribed");
        assert_eq!(answer["id"], id);
        answer
    }

    /// Says something to the application that is not part of the protocol.
    #[track_caller]
    pub(crate) fn tell(&mut self, data: &str) {
        self.say(json!({"type": "message", "data": data}));
    }
}
