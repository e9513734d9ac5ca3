//! tokio-tungstenite in the tests' own process.

use std::{net::SocketAddr, time::Duration};

use distributary::gateway::Ended;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Message, Utf8Bytes,
        client::IntoClientRequest,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use crate::harness::{PATIENCE, Server, Setup, number, numbered};

const LARGE: usize = 4 << 20;

/// A client that waits for everything, but not for ever.
struct Talk(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Talk {
    async fn open(address: SocketAddr, target: &str) -> Self {
        let url = format!("ws://{address}{target}");
        Talk(
            timeout(PATIENCE, connect_async(url))
                .await
                .unwrap()
                .unwrap()
                .0,
        )
    }

    async fn json(address: SocketAddr, target: &str) -> Self {
        let url = format!("ws://{address}{target}");
        let mut request = url.into_client_request().unwrap();
        let name = "distributary.v1.json".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", name);
        let (client, answer) = connect_async(request).await.unwrap();
        assert_eq!(
            answer.headers()["sec-websocket-protocol"],
            "distributary.v1.json"
        );
        let mut talk = Talk(client);
        assert_eq!(talk.hear_json().await["type"], "welcome");
        talk
    }

    async fn say(&mut self, message: impl Into<Message>) {
        self.0.send(message.into()).await.unwrap();
    }

    async fn say_json(&mut self, message: Value) {
        self.say(message.to_string()).await;
    }

    async fn hear(&mut self) -> Message {
        let next = timeout(PATIENCE, self.0.next()).await;
        next.expect("in time")
            .expect("not the end")
            .expect("no error")
    }

    async fn text(&mut self) -> Utf8Bytes {
        loop {
            match self.hear().await {
                Message::Text(text) => return text,
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn hear_json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// The close frame that comes, after whatever; then the end of the stream.
    async fn closed(&mut self) -> Option<CloseFrame> {
        let frame = loop {
            if let Message::Close(frame) = self.hear().await {
                break frame;
            }
        };
        let end = timeout(PATIENCE, self.0.next()).await.expect("in time");
        assert!(end.is_none(), "{end:?}");
        frame
    }
}

#[test]
fn plain_events_and_answers() {
    let server = Server::start();
    server.run(async {
        let mut talk = Talk::open(server.address(), "/?topics=a,b").await;
        server.publish("a", "text");
        server.publish("b", &b"\xff\x00"[..]);
        assert_eq!(talk.hear().await, Message::text("text"));
        assert_eq!(talk.hear().await, Message::binary(&b"\xff\x00"[..]));
        talk.say("said").await;
        assert_eq!(talk.text().await, "said");
        talk.say(Message::Ping("there?".into())).await;
        assert_eq!(talk.hear().await, Message::Pong("there?".into()));
        talk.0.close(None).await.unwrap();
        assert_eq!(talk.closed().await.map(|close| close.code), None);
    });
    server.wait_ended(Ended::Left, 1);
    server.assert_nothing_left(0);
}

#[test]
fn large_messages_in_order() {
    let server = Server::start();
    server.run(async {
        let mut talk = Talk::open(server.address(), "/?topics=large").await;
        for event in 0..3 {
            server.publish("large", numbered(event, LARGE));
        }
        for event in 0..3 {
            let text = talk.text().await;
            assert_eq!((text.len(), number(text.as_bytes())), (LARGE, event));
        }
    });
    server.assert_nothing_left(0);
}

#[test]
fn pings_are_answered_for_as_long_as_it_takes() {
    let every = Duration::from_millis(200);
    let server = Setup::new()
        .limits(|limits| limits.ping(every, PATIENCE))
        .start();
    server.run(async {
        let mut talk = Talk::open(server.address(), "/").await;
        for _ in 0..3 {
            assert!(matches!(talk.hear().await, Message::Ping(_)));
        }
    });
}

#[test]
fn close_codes() {
    let server = Server::start();
    server.run(async {
        for code in [1000, 1001, 3000, 4999] {
            let mut talk = Talk::open(server.address(), "/").await;
            let close = CloseFrame {
                code: CloseCode::from(code),
                reason: "bye".into(),
            };
            talk.0.close(Some(close)).await.unwrap();
            let answer = talk.closed().await.map(|close| u16::from(close.code));
            assert_eq!(answer, Some(code));
        }
        let mut talk = Talk::open(server.address(), "/").await;
        talk.say("!close enough").await;
        let close = talk.closed().await.unwrap();
        assert_eq!((close.code, &*close.reason), (CloseCode::Normal, "enough"));
    });
    server.wait_ended(Ended::Left, 4);
    server.wait_ended(Ended::Application, 1);
    server.assert_nothing_left(0);
}

#[test]
fn the_json_protocol() {
    let server = Server::start();
    server.run(async {
        let mut talk = Talk::json(server.address(), "/?allow=t.*").await;
        talk.say_json(json!({"type": "subscribe", "id": 3, "patterns": ["t.*"]}))
            .await;
        assert_eq!(talk.hear_json().await["type"], "subscribed");
        server.publish("t.1", r#"{"n": 1}"#);
        let event = talk.hear_json().await;
        assert_eq!((&event["id"], &event["data"]["n"]), (&json!(3), &json!(1)));
        talk.say_json(json!({"type": "unsubscribe", "id": 3})).await;
        assert_eq!(talk.hear_json().await["type"], "unsubscribed");
        server.publish("t.1", r#"{"n": 2}"#);
        talk.say_json(json!({"type": "ping"})).await;
        assert_eq!(talk.hear_json().await["type"], "pong");
    });
    server.assert_nothing_left(0);
}
