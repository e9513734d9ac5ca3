//! The chat: rooms, who may be in them, and what they remember.

use serde_json::{Value, json};

use crate::{
    client::{Answer, Socket},
    program::Outcome,
    server::Server,
};

const PROTOCOL: &str = "distributary.v1.json";

fn rooms(server: &Server, user: &str) -> Vec<Value> {
    let answer = Answer::get(&server.address, &format!("/rooms?user={user}"), &[]);
    assert_eq!(answer.status, 200);
    serde_json::from_str(&answer.text()).unwrap()
}

/// Somebody who is in the lobby.
fn enter(server: &Server, user: &str) -> Socket {
    let lobby = rooms(server, user).swap_remove(0);
    let path = format!("/socket?user={user}");
    let mut socket = Socket::open(&server.address, &path, Some(PROTOCOL));
    assert_eq!(socket.json()["type"], "welcome");
    let topic = lobby["topic"].as_str().unwrap();
    socket.say(&json!({
        "type": "subscribe", "id": 1, "topics": [topic], "from": {topic: lobby["from"]},
    }));
    socket.json_where(|message| message["type"] == "subscribed");
    socket
}

fn say(socket: &mut Socket, room: &str, text: &str) {
    socket.say(&json!({"type": "message", "data": {"room": room, "text": text}}));
}

/// The next line of this kind in a room.
fn line(socket: &mut Socket, kind: &str) -> Value {
    let event = socket.json_where(|message| message["data"]["kind"] == kind);
    event["data"].clone()
}

#[test]
fn rooms_are_talked_in_and_remember() {
    let server = Server::start("chat", &["--address=127.0.0.1:0"]);
    let mut ann = enter(&server, "ann");
    let mut bob = enter(&server, "bob");
    say(&mut ann, "lobby", " hello ");
    let said = line(&mut bob, "said");
    assert_eq!(
        (&said["who"], &said["text"]),
        (&json!("ann"), &json!("hello"))
    );

    // One who comes later reads what was said.
    let mut cay = enter(&server, "cay");
    assert_eq!(line(&mut cay, "said")["text"], "hello");

    assert_eq!(
        rooms(&server, "ann")[0]["present"],
        json!(["ann", "bob", "cay"])
    );
    bob.leave();
    assert_eq!(line(&mut ann, "left")["who"], "bob");
    drop(cay);
    assert_eq!(line(&mut ann, "left")["who"], "cay");

    let Outcome { code, err, .. } = server.terminate();
    assert_eq!((code, &*err), (Some(0), ""));
    assert_eq!(ann.close_code(), Some(1012));
}

#[test]
fn what_is_not_allowed_is_refused() {
    let server = Server::start("chat", &["--address=127.0.0.1:0"]);
    let names = |user| -> Vec<Value> {
        rooms(&server, user)
            .iter()
            .map(|room| room["name"].clone())
            .collect()
    };
    assert_eq!(names("ann"), ["lobby", "garden"]);
    assert_eq!(names("cay"), ["lobby"]);
    assert_eq!(
        Answer::get(&server.address, "/rooms?user=%20", &[]).status,
        403
    );

    let mut ann = enter(&server, "ann");
    for wish in [
        json!({"topics": ["room.attic"]}),
        json!({"patterns": ["room.*"]}),
    ] {
        let mut subscribe = json!({"type": "subscribe", "id": 2});
        subscribe
            .as_object_mut()
            .unwrap()
            .extend(wish.as_object().unwrap().clone());
        ann.say(&subscribe);
        let error = ann.json_where(|message| message["type"] == "error");
        assert_eq!(
            (&error["id"], &error["code"]),
            (&json!(2), &json!("denied"))
        );
    }
    for (room, text) in [
        ("attic", "hi"),
        ("lobby", " "),
        ("lobby", &*"x".repeat(501)),
    ] {
        say(&mut ann, room, text);
        let answer = ann.json_where(|message| message["type"] == "message");
        assert!(answer["data"]["error"].is_string(), "{answer}");
    }
}

#[test]
fn the_page_is_served() {
    let server = Server::start("chat", &["--address=127.0.0.1:0"]);
    let page = Answer::get(&server.address, "/", &[]).text();
    assert!(page.contains("<!doctype html>"), "{page}");
    let script = Answer::get(&server.address, "/distributary.js", &[]).text();
    assert!(script.contains(PROTOCOL));
}
