//! The rooms: who may be in them, who is there, and what is said.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use distributary::{Budget, Bytes, Hub, Position, Topic};
use serde::Serialize;

use crate::Failure;

/// Messages that a room remembers.
const HISTORY: usize = 200;

/// Messages that somebody sees who comes in.
const SHOWN: u64 = 50;

/// Name, topic, and who may be in it; nobody named: everybody.
const ROOMS: [(&str, &str, &[&str]); 3] = [
    ("lobby", "room.lobby", &[]),
    ("garden", "room.garden", &["ann", "bob"]),
    ("attic", "room.attic", &["bob"]),
];

/// What is published in a room.
#[derive(Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub(crate) enum Line<'a> {
    Said {
        who: &'a str,
        text: &'a str,
        at: u128,
    },
    Came {
        who: &'a str,
    },
    Left {
        who: &'a str,
    },
}

pub(crate) struct Rooms {
    hub: Hub,
    rooms: Vec<Room>,
}

pub(crate) struct Room {
    pub(crate) name: &'static str,
    pub(crate) topic: Topic,
    members: &'static [&'static str],
    /// Where it stood when nothing had been said.
    beginning: Position,
    /// Who is there, and with how many connections.
    present: Mutex<BTreeMap<String, usize>>,
}

/// A room as a client is shown it.
#[derive(Serialize)]
pub(crate) struct View {
    name: &'static str,
    topic: String,
    /// Where to begin reading, so that the last messages come first.
    from: String,
    present: Vec<String>,
}

impl Rooms {
    pub(crate) fn new() -> Result<Self, Failure> {
        let keep = Budget::default().events(HISTORY)?;
        let hub = Hub::builder().history("room.*", keep)?.build()?;
        let room = |(name, topic, members)| -> Result<Room, Failure> {
            let topic = Topic::new(topic)?;
            let beginning = hub.position(&topic).ok_or("rooms keep history")?;
            Ok(Room {
                name,
                topic,
                members,
                beginning,
                present: Mutex::default(),
            })
        };
        let rooms = ROOMS.into_iter().map(room).collect::<Result<_, _>>()?;
        Ok(Rooms { hub, rooms })
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The room of this topic, if this user may be in it.
    pub(crate) fn by_topic(&self, topic: &Topic, user: &str) -> Option<&Room> {
        let mut rooms = self.rooms.iter();
        rooms.find(|room| room.topic == *topic && room.admits(user))
    }

    /// The room of this name, if this user is there.
    pub(crate) fn with(&self, name: &str, user: &str) -> Option<&Room> {
        let mut rooms = self.rooms.iter();
        rooms.find(|room| room.name == name && room.holds(user))
    }

    /// What a user may see.
    pub(crate) fn open_to(&self, user: &str) -> Vec<View> {
        let rooms = self.rooms.iter().filter(|room| room.admits(user));
        rooms.map(|room| self.view(room)).collect()
    }

    fn view(&self, room: &Room) -> View {
        let latest = self.hub.position(&room.topic).unwrap_or(room.beginning);
        let first = latest.offset.saturating_sub(SHOWN);
        let from = Position {
            offset: first.max(room.beginning.offset),
            ..latest
        };
        View {
            name: room.name,
            topic: room.topic.to_string(),
            from: from.to_string(),
            present: room.present().keys().cloned().collect(),
        }
    }

    pub(crate) fn enter(&self, room: &Room, user: &str) {
        let mut present = room.present();
        let connections = present.entry(user.to_owned()).or_default();
        *connections += 1;
        let came = *connections == 1;
        drop(present);
        if came {
            self.publish(room, &Line::Came { who: user });
        }
    }

    pub(crate) fn leave(&self, room: &Room, user: &str) {
        let mut present = room.present();
        let left = match present.get_mut(user) {
            Some(1) => present.remove(user).is_some(),
            Some(connections) => {
                *connections -= 1;
                false
            }
            None => false,
        };
        drop(present);
        if left {
            self.publish(room, &Line::Left { who: user });
        }
    }

    pub(crate) fn say(&self, room: &Room, user: &str, text: &str) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let at = since.map_or(0, |since| since.as_millis());
        self.publish(
            room,
            &Line::Said {
                who: user,
                text,
                at,
            },
        );
    }

    /// Never waits for anybody, so it may be called wherever a hook is.
    fn publish(&self, room: &Room, line: &Line<'_>) {
        let line = serde_json::to_vec(line).map(Bytes::from);
        let published = line.map(|line| self.hub.publish(&room.topic, line));
        if let Ok(Err(error)) = published {
            eprintln!("{}: {error}", room.name);
        }
    }
}

impl Room {
    fn admits(&self, user: &str) -> bool {
        self.members.is_empty() || self.members.contains(&user)
    }

    fn holds(&self, user: &str) -> bool {
        self.present().contains_key(user)
    }

    fn present(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
