//! Lines on a port of their own, for servers whose work is done by other threads.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use super::audience::Audience;
use crate::Outcome;

/// What a server does when it is told to.
pub(super) trait Orders: Send + Sync + 'static {
    /// Sends an event of this size to everybody.
    fn publish(&self, bytes: usize);

    /// Anything else, with what is answered.
    fn other(&self, words: &[&str]) -> Outcome<String> {
        Err(format!("what is {words:?}?").into())
    }
}

/// Takes orders from now on. The answer is the port.
pub(super) fn take(orders: impl Orders, audience: Arc<Audience>) -> Outcome<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let orders = Arc::new(orders);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (orders, audience) = (Arc::clone(&orders), Arc::clone(&audience));
            thread::spawn(move || {
                if let Err(error) = obey(stream, &*orders, &audience) {
                    eprintln!("an order was not carried out: {error}");
                }
            });
        }
    });
    Ok(port)
}

fn obey(stream: TcpStream, orders: &impl Orders, audience: &Audience) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let mut answers = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words[..] {
            ["publish", bytes] => {
                orders.publish(bytes.parse()?);
                continue;
            }
            ["watch", left] => format!("reached {}", audience.watch(left.parse()?).recv()?),
            _ => orders.other(&words)?,
        };
        answers.write_all(format!("{answer}\n").as_bytes())?;
    }
    Ok(())
}

/// The payload of an event.
pub(super) fn payload(bytes: usize) -> String {
    "x".repeat(bytes)
}
