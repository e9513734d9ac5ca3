//! The streaming server: tokens and their rights, timelines and what is kept off them.

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    client::{Answer, Socket},
    program::{Outcome, finish, prints, start},
    server::Server,
};

/// A database that is gone after the test.
struct Database(PathBuf);

impl Database {
    fn new(name: &str) -> Self {
        let name = format!("distributary-{}-{name}.sqlite3", std::process::id());
        Database(std::env::temp_dir().join(name))
    }

    fn serve(&self) -> Server {
        let file = self.0.to_str().unwrap();
        let arguments = ["--address=127.0.0.1:0", "--admin=127.0.0.1:0", "--rate=200"];
        Server::start(
            "streaming",
            &[&arguments[..], &["--database", file]].concat(),
        )
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The entity inside a message.
fn entity(message: &Value) -> Value {
    serde_json::from_str(message["payload"].as_str().unwrap()).unwrap()
}

#[test]
fn tokens_decide() {
    let database = Database::new("tokens");
    let server = database.serve();
    let status = |path: &str, token: Option<&str>| {
        let header = token.map(|token| format!("Authorization: Bearer {token}-token"));
        let headers: Vec<&str> = header.iter().map(String::as_str).collect();
        let path = format!("/api/v1/streaming{path}");
        Answer::get(&server.address, &path, &headers).status
    };
    for (path, token, expected) in [
        ("/public", None, 200),
        ("/public/local", None, 200),
        ("?stream=public:remote&only_media=true", None, 200),
        ("/hashtag?tag=nature", None, 200),
        ("/hashtag", None, 400),
        ("?stream=everything", None, 400),
        ("/everything", None, 404),
        ("/user", None, 401),
        ("/user", Some("eve"), 401),
        ("/user", Some("ann"), 200),
        ("/user?access_token=ann-token", None, 200),
        ("/user", Some("cay"), 401),
        ("/user/notification", Some("cay"), 200),
        ("/public", Some("eve"), 401),
        ("/list?list=1", Some("ann"), 200),
        ("/list?list=1", Some("bob"), 401),
        ("/list", Some("ann"), 400),
    ] {
        assert_eq!(status(path, token), expected, "{path} by {token:?}");
    }
}

#[test]
fn timelines_show_what_they_should() {
    let database = Database::new("timelines");
    let server = database.serve();
    let address = &server.address;
    let path = "/api/v1/streaming?stream=user";

    // Bob reads neither German nor Japanese; the token comes as a browser sends it.
    let mut bob = Socket::open(address, path, Some("bob-token"));
    assert_eq!(bob.protocol.as_deref(), Some("bob-token"));
    let mut ann = Socket::open(address, &format!("{path}&access_token=ann-token"), None);
    let mut local = Answer::get(address, "/api/v1/streaming/public/local", &[]);

    let mut german = 0;
    let mut notified = false;
    while german < 2 || !notified {
        let message = ann.json();
        match message["event"].as_str().unwrap() {
            "notification" => notified = true,
            "update" | "status.update" => {
                assert_eq!(message["stream"], serde_json::json!(["user"]));
                german += usize::from(entity(&message)["language"] == "de");
            }
            other => panic!("{other}"),
        }
    }
    let mut tides = 0;
    while tides < 3 {
        let message = bob.json();
        let status = entity(&message);
        let language = status["language"].as_str();
        assert!(!matches!(language, Some("de" | "ja")), "{status}");
        tides += usize::from(status["account"]["acct"] == "tidewatch");
    }
    for _ in 0..20 {
        let message = local.event();
        assert_eq!(message["stream"], serde_json::json!(["public:local"]));
        let status = entity(&message);
        assert_eq!(status["visibility"], "public");
        let acct = status["account"]["acct"].as_str().unwrap();
        assert!(!acct.contains('@'), "{acct}");
    }
    // One publish for home timelines, however many follow; two or four for public ones,
    // and those of hashtags.
    let line = server.says("@tidewatch posts: ");
    let publishes = line.split([' ', ',']).nth(3).unwrap();
    assert!(publishes.parse::<u32>().unwrap() < 20, "{line}");
}

#[test]
fn it_ends_well_and_finds_its_database_again() {
    let database = Database::new("again");
    for _ in 0..2 {
        let server = database.serve();
        let path = "/api/v1/streaming?stream=user&access_token=ann-token";
        let socket = Socket::open(&server.address, path, None);
        let Outcome { code, err, .. } = server.terminate();
        assert_eq!((code, &*err), (Some(0), ""));
        assert_eq!(socket.close_code(), Some(1012), "come back later");
    }
}

#[test]
fn it_says_how_it_is_called() {
    prints(
        "streaming",
        &["--help"],
        &["Usage: streaming", "--database FILE"],
    );
    let Outcome { code, out, err } = finish(start("streaming", &["--rate=fast"]));
    assert_eq!((code, &*out), (Some(2), ""));
    assert!(err.contains("--rate wants a number, got \"fast\""), "{err}");
}
