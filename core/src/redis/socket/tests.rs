//! Sessions against a server that the test plays itself, over a pipe.

use std::{cell::RefCell, future::Future, rc::Rc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::LocalSet,
    time::timeout,
};

use super::{Commands, Kind, Listener, Push, Reply, Session};
use crate::redis::arrival::Stamp;

/// Writes down what is pushed.
#[derive(Default, Clone)]
struct Heard(Rc<RefCell<Vec<String>>>);

impl Listener for Heard {
    fn push(&mut self, push: Push<'_>, _: Stamp) {
        let text = String::from_utf8_lossy;
        let line = match push {
            Push::Message { channel, payload } => {
                assert!(channel != b"panic", "a fault in a listener");
                format!("{} {}", text(channel), text(payload))
            }
            Push::Confirmed { joined, name, .. } => format!("{joined} {}", text(name)),
            other => format!("{other:?}"),
        };
        self.0.borrow_mut().push(line);
    }
}

/// Runs a session whose pipe takes `room` bytes at a time.
fn with<F: Future<Output = ()>>(room: usize, test: impl FnOnce(Session, DuplexStream, Heard) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let (ours, theirs) = duplex(room);
        let heard = Heard::default();
        let session = Session::start(Box::new(ours), heard.clone());
        let test = test(session, theirs, heard);
        timeout(Duration::from_secs(10), test)
            .await
            .expect("in time");
    });
}

fn command(parts: &[&str]) -> Commands {
    let mut commands = Commands::default();
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    commands.command(&parts);
    commands
}

async fn expect(server: &mut DuplexStream, bytes: &str) {
    let mut read = vec![0; bytes.len()];
    server.read_exact(&mut read).await.unwrap();
    assert_eq!(String::from_utf8(read).unwrap(), bytes);
}

#[test]
fn requests_go_out_in_the_order_of_the_calls_and_replies_come_back_in_it() {
    with(1 << 16, |session, mut server, _| async move {
        let first = session.request(command(&["GET", "a"]));
        // Nobody waits for this one, and it keeps its place.
        drop(session.request(command(&["GET", "b"])));
        let mut two = Commands::default();
        two.command(&[b"GET", b"c"]).command(&[b"GET", b"d"]);
        let both = session.request(two);
        let wire = ["a", "b", "c", "d"].map(|key| format!("*2\r\n$3\r\nGET\r\n$1\r\n{key}\r\n"));
        expect(&mut server, &wire.concat()).await;
        server
            .write_all(b":1\r\n:2\r\n:3\r\n-ERR no\r\n")
            .await
            .unwrap();
        assert_eq!(first.await, Ok(vec![Reply::Int(1)]));
        let replies = vec![Reply::Int(3), Reply::Error("ERR no".into())];
        assert_eq!(both.await, Ok(replies));
        let nothing = session.request(Commands::default());
        assert_eq!(nothing.await, Ok(vec![]));
    });
}

#[test]
fn what_was_sent_before_the_end_is_heard_also_when_a_write_fails_first() {
    const MESSAGES: usize = 20_000;
    with(1 << 20, |session, mut server, heard| async move {
        let message = b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n";
        server.write_all(&message.repeat(MESSAGES)).await.unwrap();
        drop(server);
        let refused = session.request(command(&["PING"])).await;
        assert!(refused.is_err(), "{refused:?}");
        assert_eq!(heard.0.borrow().len(), MESSAGES);
    });
}

#[test]
fn a_subscription_is_answered_by_its_confirmations_or_by_one_error() {
    with(1 << 16, |session, mut server, heard| async move {
        let mut commands = Commands::default();
        commands
            .listen(Kind::Channel, true, &[b"a", b"b"])
            .listen(Kind::Pattern, true, &[])
            .listen(Kind::Shard, true, &[b"c"])
            .command(&[b"PING"]);
        assert_eq!(commands.replies(), 3);
        let replies = session.request(commands);
        server
            .write_all(
                b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n\
                  >3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n\
                  >3\r\n$12\r\nsunsubscribe\r\n$1\r\nz\r\n:0\r\n\
                  >3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n\
                  -CROSSSLOT no\r\n+PONG\r\n",
            )
            .await
            .unwrap();
        let replies = replies.await.unwrap();
        assert_eq!(replies[0], Reply::Nil);
        assert_eq!(replies[1].error(), Some("CROSSSLOT no"));
        assert_eq!(replies[2].as_str(), Some("PONG"));
        assert_eq!(*heard.0.borrow(), ["true a", "a x", "false z", "true b"]);
    });
}

#[test]
fn a_shard_channel_that_is_parted_unasked_takes_no_reply_of_another() {
    with(1 << 16, |session, mut server, heard| async move {
        let mut commands = Commands::default();
        commands
            .listen(Kind::Shard, false, &[b"a"])
            .listen(Kind::Shard, false, &[b"c", b"d"])
            .command(&[b"PUBLISH", b"e", b"x"]);
        assert_eq!(commands.replies(), 3);
        let replies = session.request(commands);
        // The slot of a and b moves before the server reads what it is asked.
        server
            .write_all(
                b">3\r\n$12\r\nsunsubscribe\r\n$1\r\nb\r\n:3\r\n\
                  >3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:2\r\n\
                  -MOVED 1 127.0.0.1:7001\r\n%1\r\n+proto\r\n:3\r\n\
                  >3\r\n$12\r\nsunsubscribe\r\n$1\r\nc\r\n:1\r\n\
                  >3\r\n$12\r\nsunsubscribe\r\n$1\r\nd\r\n:0\r\n\
                  %1\r\n+proto\r\n:3\r\n:7\r\n",
            )
            .await
            .unwrap();
        let replies = replies.await.unwrap();
        assert_eq!(replies[0].error(), Some("MOVED 1 127.0.0.1:7001"));
        assert_eq!(replies[1..], [Reply::Nil, Reply::Int(7)]);
        assert_eq!(
            *heard.0.borrow(),
            ["false b", "false a", "false c", "false d"]
        );
    });
}

#[test]
fn frames_may_come_in_any_pieces_and_be_larger_than_any_buffer() {
    with(7, |session, mut server, heard| async move {
        let payload = "x".repeat(300_000);
        let reply = session.request(command(&["GET", "a"]));
        let serving = async {
            let frame =
                format!(">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$300000\r\n{payload}\r\n$1\r\ny\r\n");
            expect(&mut server, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n").await;
            server.write_all(frame.as_bytes()).await.unwrap();
        };
        let (reply, ()) = tokio::join!(reply, serving);
        assert_eq!(reply.unwrap()[0].as_str(), Some("y"));
        assert_eq!(heard.0.borrow()[0].len(), payload.len() + 2);
    });
}

#[test]
fn it_is_read_whatever_waits_to_be_written() {
    with(64, |session, mut server, heard| async move {
        // More than the pipe takes; nobody reads it.
        let stuck = session.request(command(&["SET", &"x".repeat(10_000)]));
        for _ in 0..100 {
            let frame = b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n";
            server.write_all(frame).await.unwrap();
        }
        while heard.0.borrow().len() < 100 {
            tokio::task::yield_now().await;
        }
        session.close("enough");
        assert_eq!(stuck.await.unwrap_err().0, "enough");
    });
}

#[test]
fn whatever_breaks_it_every_request_fails_and_it_says_why() {
    let cases: [(&[u8], &str); 4] = [
        (b"", "the server closed the connection"),
        (b":1\r\n", "without a question"),
        (b"what is this\r\n", "no RESP3"),
        (
            b">3\r\n$7\r\nmessage\r\n$5\r\npanic\r\n$1\r\nx\r\n",
            "let go of",
        ),
    ];
    for (bytes, words) in cases {
        with(1 << 16, |session, mut server, _| async move {
            let closed = session.closed();
            server.write_all(bytes).await.unwrap();
            drop(server);
            let why = closed.await;
            assert!(why.0.contains(words), "{why}");
            let late = session.request(command(&["PING"]));
            assert_eq!(late.await, Err(why.clone()));
            assert_eq!(session.closed().await, why);
        });
    }
}

#[test]
fn what_was_said_is_settled_once_it_is_answered_whatever_the_answer() {
    with(1 << 16, |session, mut server, _| async move {
        let mut all = Vec::new();
        let mut wanted = Commands::default();
        wanted
            .listen(Kind::Channel, true, &[b"a", b"b"])
            .listen(Kind::Channel, true, &[b"c"])
            .listen(Kind::Shard, false, &[b"d"]);
        for commands in [command(&["GET", "x"]), wanted, command(&["PING"])] {
            all.extend_from_slice(commands.as_bytes());
            drop(session.request(commands));
        }
        assert_eq!((session.said(), session.settled()), (all.len() as u64, 0));
        expect(&mut server, &String::from_utf8(all.clone()).unwrap()).await;
        server
            .write_all(
                b"-ERR no\r\n\
                >3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n\
                -NOPERM no\r\n-NOPERM no\r\n%1\r\n+server\r\n+redis\r\n",
            )
            .await
            .unwrap();
        let last = session.request(command(&["PING"]));
        let said = session.said();
        server.write_all(b"+PONG\r\n+PONG\r\n").await.unwrap();
        last.await.unwrap();
        assert_eq!(session.settled(), said);
        assert!(said > all.len() as u64);
    });
}
