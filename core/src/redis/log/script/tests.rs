//! The script against a real server.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{net::TcpStream, runtime, task::LocalSet};

use super::{super::keys, *};
use crate::redis::{
    arrival::Stamp,
    socket::{Kind, Listener, Push, Session},
};

const RETENTION: Retention = Retention {
    length: 1_000,
    log_ms: 60_000,
    publisher_ms: 60_000,
};

/// A server of the test's own, gone with it.
struct Server {
    process: Child,
    port: u16,
    directory: PathBuf,
}

impl Server {
    fn start(options: &[&str]) -> Server {
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        drop(socket);
        let directory = std::env::temp_dir().join(format!("distributary-script-{port}"));
        std::fs::create_dir_all(&directory).unwrap();
        let program = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
        let process = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(&directory)
            .args(options)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        Server {
            process,
            port,
            directory,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// What a connection heard.
#[derive(Clone, Default)]
struct Heard(std::rc::Rc<std::cell::RefCell<Vec<Vec<u8>>>>);

impl Listener for Heard {
    fn push(&mut self, push: Push<'_>, _: Stamp) {
        if let Push::Message { payload, .. } | Push::SMessage { payload, .. } = push {
            self.0.borrow_mut().push(payload.to_vec());
        }
    }
}

struct Client {
    session: Session,
    heard: Heard,
}

impl Client {
    async fn of(server: &Server) -> Client {
        let deadline = Instant::now() + Duration::from_secs(10);
        let heard = Heard::default();
        loop {
            let stream = match TcpStream::connect(("127.0.0.1", server.port)).await {
                Ok(stream) => stream,
                Err(error) => {
                    assert!(Instant::now() < deadline, "no server: {error}");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            };
            let session = Session::start(Box::new(stream), heard.clone());
            let client = Client { session, heard };
            assert!(matches!(client.run(&["HELLO", "3"]).await, Reply::Map(_)));
            return client;
        }
    }

    async fn run(&self, parts: &[&str]) -> Reply {
        let mut commands = Commands::default();
        let parts: Vec<_> = parts.iter().map(|part| part.as_bytes()).collect();
        commands.command(&parts);
        self.session.request(commands).await.unwrap().remove(0)
    }

    async fn publish(&self, publish: &Publish<'_>) -> Answer {
        let mut commands = Commands::default();
        write(&mut commands, publish, &RETENTION, true);
        answer(&self.session.request(commands).await.unwrap()[0])
    }

    /// The numbers, lineages and payloads in a log.
    async fn log(&self, channel: &str) -> Vec<(u64, u8, Bytes)> {
        let Reply::List(entries) = self.run(&["XRANGE", &keys::log(channel), "-", "+"]).await
        else {
            panic!("no list");
        };
        let mut log = Vec::new();
        for entry in entries {
            let Reply::List(entry) = entry else {
                panic!("no entry: {entry:?}")
            };
            let (id, fields) = (&entry[0], &entry[1]);
            let Reply::List(fields) = fields else {
                panic!("no fields: {fields:?}")
            };
            assert_eq!(fields[0].as_str(), Some("e"));
            let Reply::Text(envelope) = &fields[1] else {
                panic!("no text")
            };
            let number = u64::from_be_bytes(envelope[12..20].try_into().unwrap());
            assert_eq!(id.as_str(), Some(format!("{number}-0").as_str()));
            log.push((number, envelope[4], envelope.slice(20..)));
        }
        log
    }
}

fn publish<'a>(keys: &'a Keys, channel: &'a str, serial: u64, after: u64) -> Publish<'a> {
    Publish {
        channel,
        keys,
        sharded: false,
        server: Some([1; 8]),
        fresh: [b'A'; 8],
        serial,
        after,
        head: b"HEAD",
        unkept: b"FLAG",
        rest: b"rest\0\r\n",
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(60), test)
            .await
            .expect("in time");
    });
}

#[test]
fn the_digest_is_the_servers() {
    run(async {
        let server = Server::start(&[]);
        let client = Client::of(&server).await;
        let digest = client.run(&["SCRIPT", "LOAD", SOURCE]).await;
        assert_eq!(digest.as_str(), Some(DIGEST));
        let keys = Keys::new("c", 7);
        let mut commands = Commands::default();
        write(&mut commands, &publish(&keys, "c", 1, 0), &RETENTION, false);
        let replies = client.session.request(commands).await.unwrap();
        let kept = Answer::Kept {
            number: 1,
            heard: 0,
        };
        assert_eq!(answer(&replies[0]), kept);
    });
}

#[test]
fn an_event_is_kept_once_and_in_order() {
    run(async {
        let server = Server::start(&[]);
        let client = Client::of(&server).await;
        let mut commands = Commands::default();
        commands.listen(Kind::Channel, true, &[b"a}b"]);
        client.session.request(commands).await.unwrap();
        let keys = Keys::new("a}b", 7);
        let at = |serial, after| publish(&keys, "a}b", serial, after);
        let kept = |number| Answer::Kept { number, heard: 1 };
        assert_eq!(client.publish(&at(1, 0)).await, kept(1));
        assert_eq!(client.publish(&at(2, 1)).await, kept(2));
        // Sent again.
        let known = |number| Answer::Known { number };
        assert_eq!(client.publish(&at(2, 1)).await, known(Some(2)));
        assert_eq!(client.publish(&at(1, 0)).await, known(None));
        // Ahead of what comes first.
        let behind = Answer::Behind { serial: 2 };
        assert_eq!(client.publish(&at(4, 3)).await, behind);
        // A number that was given up.
        assert_eq!(client.publish(&at(4, 2)).await, kept(3));
        // Another publisher counts for itself.
        let other = Keys::new("a}b", 8);
        assert_eq!(client.publish(&publish(&other, "a}b", 1, 0)).await, kept(4));
        let log = client.log("a}b").await;
        let numbers: Vec<_> = log.iter().map(|entry| entry.0).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        let rest = Bytes::from_static(b"rest\0\r\n");
        assert!(log.iter().all(|entry| entry.1 == b'A' && entry.2 == rest));
        let heard = client.heard.0.borrow().clone();
        assert_eq!(heard.len(), 4);
        assert_eq!(heard[2], b"HEADAAAAAAAA\0\0\0\0\0\0\0\x03rest\0\r\n");
    });
}

#[test]
fn a_log_begins_a_lineage_with_another_server_and_when_it_was_lost() {
    run(async {
        let server = Server::start(&[]);
        let client = Client::of(&server).await;
        let keys = Keys::new("c", 7);
        let publish = |serial, server, fresh| Publish {
            server,
            fresh: [fresh; 8],
            ..publish(&keys, "c", serial, 0)
        };
        let (one, two) = (Some([1; 8]), Some([2; 8]));
        client.publish(&publish(1, one, b'A')).await;
        client.publish(&publish(2, one, b'B')).await;
        client.publish(&publish(3, two, b'C')).await;
        // Who calls the server by its former name, or by none, begins nothing.
        client.publish(&publish(4, one, b'D')).await;
        client.publish(&publish(5, None, b'E')).await;
        let lineages = async |client: &Client| -> String {
            let log = client.log("c").await;
            log.iter().map(|entry| char::from(entry.1)).collect()
        };
        assert_eq!(lineages(&client).await, "AACCC");
        let head = client.run(&["HMGET", &keys.head, "n", "l", "p", "f"]).await;
        let Reply::List(head) = head else {
            panic!("no head")
        };
        let head: Vec<_> = head.iter().filter_map(Reply::as_str).collect();
        assert_eq!(head, ["5", "CCCCCCCC", "AAAAAAAA", "2"]);
        // The head is evicted: numbers go on.
        client.run(&["DEL", &keys.head]).await;
        assert_eq!(
            client.publish(&publish(6, two, b'F')).await,
            Answer::Kept {
                number: 6,
                heard: 0
            }
        );
        // All is lost, the publisher's state too.
        client.run(&["FLUSHALL"]).await;
        client.publish(&publish(7, two, b'G')).await;
        assert_eq!(lineages(&client).await, "G");
        for key in [&keys.log, &keys.head, &keys.from] {
            let left = client.run(&["PTTL", key]).await.as_int().unwrap();
            assert!((1..=60_000).contains(&left), "{key}: {left}");
        }
    });
}

#[test]
fn a_log_whose_stream_is_ahead_of_its_head_goes_on_behind_the_stream() {
    run(async {
        let server = Server::start(&[]);
        let client = Client::of(&server).await;
        let keys = Keys::new("c", 7);
        let publish = |serial| publish(&keys, "c", serial, 0);
        client.publish(&publish(1)).await;
        // Somebody else adds to it, and one cannot go back behind that.
        client.run(&["XADD", &keys.log, "9-3", "x", "y"]).await;
        let kept = |number| Answer::Kept { number, heard: 0 };
        assert_eq!(client.publish(&publish(2)).await, kept(10));
        assert_eq!(client.publish(&publish(3)).await, kept(11));
        let head = client.run(&["HMGET", &keys.head, "n", "p", "f"]).await;
        let Reply::List(head) = head else {
            panic!("no head")
        };
        // What is between belongs to nobody.
        let head: Vec<_> = head.iter().filter_map(Reply::as_str).collect();
        assert_eq!(head, ["11", "", "9"]);
    });
}

#[test]
fn what_the_log_cannot_take_goes_out_marked() {
    run(async {
        let server = Server::start(&["--maxmemory-policy", "noeviction"]);
        let client = Client::of(&server).await;
        let mut commands = Commands::default();
        commands.listen(Kind::Channel, true, &[b"c"]);
        client.session.request(commands).await.unwrap();
        let keys = Keys::new("c", 7);
        client.publish(&publish(&keys, "c", 1, 0)).await;
        client.run(&["CONFIG", "SET", "maxmemory", "1"]).await;
        // Also when what comes first is not there, as in a pipeline behind one like it.
        for (serial, after) in [(2, 1), (3, 2)] {
            let answer = client.publish(&publish(&keys, "c", serial, after)).await;
            let Answer::Unkept { heard: 1, words } = &answer else {
                panic!("{answer:?}")
            };
            assert!(words.contains("OOM"), "{words}");
        }
        let known = Answer::Known { number: Some(1) };
        assert_eq!(client.publish(&publish(&keys, "c", 1, 0)).await, known);
        let flagged = [&b"FLAG"[..], &[0; 16], b"rest\0\r\n"].concat();
        assert_eq!(client.heard.0.borrow()[1..], [flagged.clone(), flagged]);
        client.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
        let kept = Answer::Kept {
            number: 2,
            heard: 1,
        };
        assert_eq!(client.publish(&publish(&keys, "c", 4, 1)).await, kept);
    });
}

#[test]
fn a_replica_takes_nothing() {
    run(async {
        let server = Server::start(&[]);
        let client = Client::of(&server).await;
        let keys = Keys::new("c", 7);
        client.publish(&publish(&keys, "c", 1, 0)).await;
        client.run(&["REPLICAOF", "127.0.0.1", "1"]).await;
        for (serial, after) in [(1, 0), (2, 1), (3, 2)] {
            let answer = client.publish(&publish(&keys, "c", serial, after)).await;
            let Answer::Refused(words) = &answer else {
                panic!("{answer:?}")
            };
            assert!(words.contains("READONLY"), "{words}");
        }
        assert!(client.heard.0.borrow().is_empty());
    });
}

#[test]
fn keys_and_channel_are_in_one_slot_of_a_cluster() {
    run(async {
        let server = Server::start(&["--cluster-enabled", "yes"]);
        let client = Client::of(&server).await;
        let slots: Vec<_> = (0..16_384).map(|slot: u16| slot.to_string()).collect();
        let mut all = vec!["CLUSTER", "ADDSLOTS"];
        all.extend(slots.iter().map(String::as_str));
        client.run(&all).await;
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let info = client.run(&["CLUSTER", "INFO"]).await;
            if info.as_str().unwrap().contains("cluster_state:ok") {
                break;
            }
            assert!(Instant::now() < deadline, "{info:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for channel in ["news", "user:{42}:e", "a}b", "{}x", "}{", "a{b", "{x}"] {
            // Servers before 7 have no shard channels; a script's keys are bound all the same.
            let mut sharded = true;
            for kind in [Kind::Shard, Kind::Channel] {
                let mut commands = Commands::default();
                commands.listen(kind, true, &[channel.as_bytes()]);
                let replies = client.session.request(commands).await.unwrap();
                sharded = kind == Kind::Shard;
                if replies[0].error().is_none() {
                    break;
                }
            }
            let keys = Keys::new(channel, 7);
            let publish = Publish {
                sharded,
                ..publish(&keys, channel, 1, 0)
            };
            let kept = Answer::Kept {
                number: 1,
                heard: 1,
            };
            assert_eq!(client.publish(&publish).await, kept, "{channel}");
        }
    });
}
