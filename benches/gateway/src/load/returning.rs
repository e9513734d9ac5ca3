//! A client that comes back: it remembers how far it has come, and asks for the rest.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use serde_json::{Value, json};

use crate::{
    Outcome,
    servers::{GROUPS, storm_topic},
    wire::{Item, JSON_PROTOCOL, WebSocketScanner, handshake, masked},
};

pub(super) struct Client {
    pub(super) link: Option<Link>,
    /// When to connect next.
    pub(super) due: Option<Instant>,
    pub(super) follows: [Followed; 2],
}

pub(super) struct Link {
    stream: TcpStream,
    scanner: WebSocketScanner,
    greeted: bool,
    is_open: bool,
}

pub(super) struct Followed {
    pub(super) topic: String,
    next: usize,
    position: Option<Value>,
}

/// What a client did when there was something to do.
pub(super) enum Turn {
    /// Whether it has subscribed just now, and how many events came.
    Came { subscribed: bool, events: usize },
    /// It is to come back after this time.
    Refused(Duration),
}

impl Client {
    pub(super) fn new(number: usize) -> Self {
        let followed = |group| Followed {
            topic: storm_topic(group),
            next: 0,
            position: None,
        };
        Client {
            link: None,
            due: None,
            follows: [followed(None), followed(Some(number % GROUPS))],
        }
    }

    pub(super) fn turn(&mut self, readable: bool, buffer: &mut [u8]) -> Outcome<Turn> {
        let (mut subscribed, mut events) = (false, 0);
        let Some(link) = &mut self.link else {
            return Ok(Turn::Came { subscribed, events });
        };
        link.greet()?;
        if !readable {
            return Ok(Turn::Came { subscribed, events });
        }
        let mut said = Vec::new();
        loop {
            let read = match link.stream.read(buffer) {
                Ok(0) if link.is_open => return Err("the server has closed it".into()),
                Ok(0) => return Err("the server has closed it without an answer".into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            };
            let (follows, is_open) = (&mut self.follows, &mut link.is_open);
            let mut heard = Ok(());
            let each = |item: Item<'_>| match item {
                Item::Ready => {
                    *is_open = true;
                    said.extend(subscribe(follows));
                }
                Item::Ping(payload) => said.extend(masked(0xA, payload)),
                Item::Event(text) if heard.is_ok() => match hear(follows, text) {
                    Ok(Heard::Event) => events += 1,
                    Ok(Heard::Subscribed) => subscribed = true,
                    Ok(Heard::Other) => {}
                    Err(error) => heard = Err(error),
                },
                Item::Event(_) | Item::Pong => {}
                Item::Close => heard = Err("the server says goodbye".into()),
            };
            if let Err(unexpected) = link.scanner.scan(&buffer[..read], each) {
                let wait = unexpected.retry_after();
                return wait.map(Turn::Refused).ok_or_else(|| unexpected.0.into());
            }
            heard?;
            // A short read has emptied the socket: what comes later is a new edge.
            if read < buffer.len() {
                break;
            }
        }
        link.stream.write_all(&said)?;
        Ok(Turn::Came { subscribed, events })
    }
}

impl Link {
    pub(super) fn new(stream: TcpStream) -> Self {
        Link {
            stream,
            scanner: WebSocketScanner::keeping_client(),
            greeted: false,
            is_open: false,
        }
    }

    /// Asks to be let in, as soon as the connection stands.
    fn greet(&mut self) -> Outcome<()> {
        if self.greeted {
            return Ok(());
        }
        let hello = handshake("storm", Some(JSON_PROTOCOL));
        match self.stream.write(hello.as_bytes()) {
            Ok(_) => self.greeted = true,
            Err(error) if error.kind() == ErrorKind::NotConnected => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

enum Heard {
    Event,
    Subscribed,
    Other,
}

fn subscribe(follows: &[Followed; 2]) -> Vec<u8> {
    let topics = follows.each_ref().map(|followed| &followed.topic);
    let positions = follows
        .iter()
        .filter_map(|followed| Some((followed.topic.clone(), followed.position.clone()?)));
    let from: serde_json::Map<String, Value> = positions.collect();
    let mut wish = json!({"type": "subscribe", "id": 1, "topics": topics});
    if !from.is_empty() {
        wish["from"] = Value::Object(from);
    }
    masked(0x1, wish.to_string().as_bytes())
}

fn hear(follows: &mut [Followed; 2], text: &[u8]) -> Outcome<Heard> {
    let message: Value = serde_json::from_slice(text)?;
    let unexpected = || String::from_utf8_lossy(text).into_owned();
    match message["type"].as_str() {
        Some("event") => {
            let followed = follows
                .iter_mut()
                .find(|followed| message["topic"] == followed.topic[..]);
            let followed = followed.ok_or_else(unexpected)?;
            if message["data"]["n"] != followed.next {
                return Err(format!("{} was due, {} came", followed.next, unexpected()).into());
            }
            followed.next += 1;
            followed.position = Some(message["position"].clone());
            Ok(Heard::Event)
        }
        Some("subscribed") => {
            // Where a topic stands, for those of which nothing has come yet.
            for followed in follows {
                if followed.position.is_none() {
                    followed.position = message["at"].get(&followed.topic).cloned();
                }
            }
            Ok(Heard::Subscribed)
        }
        Some("welcome" | "pong") => Ok(Heard::Other),
        _ => Err(unexpected().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_is_lost_is_noticed() {
        let mut follows = Client::new(7).follows;
        let event = |n: usize| {
            json!({"type": "event", "topic": "storm.7", "position": "1-5", "data": {"n": n}})
                .to_string()
        };
        assert!(hear(&mut follows, event(0).as_bytes()).is_ok());
        assert!(hear(&mut follows, event(2).as_bytes()).is_err());
        let wish = String::from_utf8_lossy(&subscribe(&follows)).into_owned();
        assert!(wish.contains(r#""from":{"storm.7":"1-5"}"#), "{wish}");
    }
}
