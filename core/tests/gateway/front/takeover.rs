//! Connections from other servers: axum's, hyper's own, and one that is no TCP.

use std::{convert::Infallible, sync::Arc};

use axum::{body::Body, extract::Request, routing::get};
use distributary::gateway::UpgradeError;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A gateway that listens nowhere.
async fn hidden(limits: Limits) -> (Hub, Arc<Gateway>) {
    let hub = Hub::new();
    let builder = Gateway::builder(&hub).session::<String>().limits(limits);
    let gateway = builder.start().await.expect("it starts");
    assert_eq!(gateway.address(), None);
    (hub, Arc::new(gateway))
}

fn answer(gateway: &Gateway, request: &mut Request) -> http::Response<Body> {
    let ticket = Duration::from_secs(60);
    let readmitted = gateway.readmit(request);
    let answer = readmitted
        .unwrap_or_else(|| gateway.upgrade(request, news("me".to_owned()).ticket(ticket)));
    answer.unwrap_or_else(|error| error.response())
}

/// An axum server before a gateway.
async fn axum_before(gateway: &Arc<Gateway>) -> SocketAddr {
    let gateway = Arc::clone(gateway);
    let handler = get(async move |mut request: Request| answer(&gateway, &mut request));
    let router = axum::Router::new().route("/events", handler);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[test]
fn a_websocket_comes_over_from_axum() {
    run(async {
        let (hub, gateway) = hidden(Limits::default()).await;
        let address = axum_before(&gateway).await;
        let mut peer = Peer::connect(address);
        let mut request = handshake("/events", "").into_bytes();
        request.extend(b"\x89\x82\0\0\0\0hi");
        let answer = peer.say(&request).answer();
        assert_eq!(answer.status, 101);
        let accept = answer.header("sec-websocket-accept");
        assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        // What was sent behind the request is not lost.
        let mut pong = [0; 4];
        peer.0.read_exact(&mut pong).unwrap();
        assert_eq!(&pong, b"\x8a\x02hi");
        hub.publish("news", "one").unwrap();
        assert_eq!(peer.text(), "one");
        assert_eq!(gateway.stats().open, 1);
        drop(peer);
        until("it has left", || gateway.stats().open == 0);
    });
}

#[test]
fn a_client_comes_back_to_axum_with_its_ticket() {
    run(async {
        let (hub, gateway) = hidden(Limits::default()).await;
        let address = axum_before(&gateway).await;
        let mut peer = Peer::connect(address);
        let json = "sec-websocket-protocol: distributary.v1.json\r\n";
        assert_eq!(peer.upgrade("/events", json).status, 101);
        let welcome = peer.text();
        let (_, ticket) = welcome.split_once("\"ticket\":\"").expect("a ticket");
        let url = format!("/events?ticket={}", &ticket[..32]);
        drop(peer);
        let mut peer = Peer::connect(address);
        assert_eq!(peer.upgrade(&url, "").status, 101);
        // The server's answer may be read before a lane has the socket.
        until("a lane has it", || gateway.stats().opened == 2);
        hub.publish("news", "one").unwrap();
        assert_eq!(peer.text(), "one");
        assert_eq!(gateway.stats().returned, 1);
    });
}

#[test]
fn what_cannot_be_taken_over_is_answered_by_the_server() {
    run(async {
        let (_hub, gateway) = hidden(Limits::default().connections(1)).await;
        let address = axum_before(&gateway).await;
        let mut plain = Peer::connect(address);
        plain.say("GET /events HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(plain.answer().status, 400);
        let mut first = Peer::connect(address);
        assert_eq!(first.upgrade("/events", "").status, 101);
        let mut second = Peer::connect(address);
        let answer = second.upgrade("/events", "");
        assert_eq!(answer.status, 503);
        assert!(answer.header("retry-after").is_some());
        let mut none = http::Request::new(());
        let kept = gateway.upgrade::<_, _, ()>(&mut none, news(String::new()));
        assert!(matches!(kept, Err(UpgradeError::Unfit(_))), "{kept:?}");
        let other = gateway.upgrade::<_, _, ()>(&mut none, news(7_u8));
        assert!(matches!(other, Err(UpgradeError::Session)), "{other:?}");
        until("the first has arrived, and nobody else", || {
            gateway.stats().open == 1
        });
    });
}

#[test]
fn a_stream_that_is_no_tcp_is_served_through_a_bridge() {
    run(async {
        let (hub, gateway) = hidden(Limits::default()).await;
        let (mut client, server) = tokio::io::duplex(1 << 10);
        let serving = Arc::clone(&gateway);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|mut request| {
                let accept = news(String::new());
                let answer = serving.upgrade(&mut request, accept);
                let answer = answer.expect("it is a handshake");
                async move { Ok::<http::Response<String>, Infallible>(answer) }
            });
            let http = hyper::server::conn::http1::Builder::new();
            let connection = http.serve_connection(TokioIo::new(server), service);
            connection.with_upgrades().await
        });
        client
            .write_all(handshake("/", "").as_bytes())
            .await
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "));
        until("a lane has it", || gateway.stats().open == 1);
        let payload = "x".repeat(20_000);
        hub.publish("news", payload.clone()).unwrap();
        let mut frame = vec![0; 4 + payload.len()];
        client.read_exact(&mut frame).await.unwrap();
        assert_eq!(&frame[4..], payload.as_bytes());
        drop(client);
        until("it has left", || gateway.stats().open == 0);
    });
}

#[test]
fn an_open_websocket_is_adopted() {
    run(async {
        let (hub, gateway) = hidden(Limits::default().connections(1)).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = Peer::connect(listener.local_addr().unwrap());
        let (stream, _) = listener.accept().await.unwrap();
        let ping = &b"\x89\x82\0\0\0\0hi"[..];
        gateway
            .adopt(stream, ping, None, news(String::new()))
            .unwrap();
        let mut pong = [0; 4];
        peer.0.read_exact(&mut pong).unwrap();
        assert_eq!(&pong, b"\x8a\x02hi");
        hub.publish("news", "one").unwrap();
        assert_eq!(peer.text(), "one");
        // One more is too many, and comes back.
        let _second = Peer::connect(listener.local_addr().unwrap());
        let (stream, _) = listener.accept().await.unwrap();
        let refused = gateway.adopt(stream, "", None, news(String::new()));
        let refused = refused.expect_err("there is no room");
        assert!(refused.to_string().contains("full"), "{refused}");
    });
}
