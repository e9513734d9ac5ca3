//! Places for the connections of a lane, and the engine's sink over them.
//!
//! The engine's token of a member is its connection's place and the subscription's
//! number. A connection leaves the engine's index before its place is given back, so a
//! token never names another connection than it was made for; if it did name an empty
//! place, that is counted as a write to a closed sink.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use super::{
    command::Speech,
    connection::{Connection, Delivered},
    numbers,
    stream::Transport,
};
use crate::{
    event::Event,
    gateway::{
        ended::Ended,
        meters::Meters,
        verdict::OnLag,
        wire::{
            encoder::Recent,
            frame::{self, Frame},
            json, sse,
        },
    },
    lane::{Flow, Sink, Token},
    subscription::CloseReason,
};

pub(super) struct Berths<T> {
    places: Vec<Berth<T>>,
    free: Vec<u32>,
    /// Connections.
    count: usize,
    pub(super) recent: Recent,
    pub(super) meters: Arc<Meters>,
    /// Milliseconds on the lane's clock.
    pub(super) now: u64,
    /// Connections whose end came up while the engine was being served, with their
    /// generations. Nothing is written to them any more.
    pub(super) doomed: VecDeque<(u32, u32, Ended)>,
    /// Connections that may be written to, once the others have had their turn.
    pub(super) paused: Vec<u32>,
    /// Connections that the system has stopped taking bytes for.
    pub(super) blocked: Vec<u32>,
}

struct Berth<T> {
    /// How many connections this place has seen.
    generation: u32,
    connection: Option<Box<Connection<T>>>,
}

/// Place and number of a subscription, as the engine keeps them.
pub(super) fn token(place: u32, number: u32) -> Token {
    Token(u64::from(place) << 32 | u64::from(number))
}

fn parts(token: Token) -> (u32, u32) {
    ((token.0 >> 32) as u32, token.0 as u32)
}

impl<T: Transport> Berths<T> {
    pub(super) fn new(recent: Recent, meters: Arc<Meters>) -> Self {
        Berths {
            places: Vec::new(),
            free: Vec::new(),
            count: 0,
            recent,
            meters,
            now: 0,
            doomed: VecDeque::new(),
            paused: Vec::new(),
            blocked: Vec::new(),
        }
    }

    /// The place that the next connection takes.
    pub(super) fn reserve(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(Berth {
                generation: 0,
                connection: None,
            });
            self.places.len() as u32 - 1
        })
    }

    /// Gives a place back: its socket is closed, so the poll tells nothing of it any more.
    pub(super) fn release(&mut self, place: u32) {
        self.free.push(place);
    }

    pub(super) fn moor(&mut self, place: u32, connection: Connection<T>) {
        self.places[place as usize].connection = Some(Box::new(connection));
        self.count += 1;
        self.meters.open.fetch_add(1, Ordering::Relaxed);
        self.meters.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn at(&mut self, place: u32) -> Option<&mut Connection<T>> {
        self.places
            .get_mut(place as usize)?
            .connection
            .as_deref_mut()
    }

    pub(super) fn generation(&self, place: u32) -> u32 {
        self.places[place as usize].generation
    }

    /// The connection of this generation.
    pub(super) fn find(&mut self, place: u32, generation: u32) -> Option<&mut Connection<T>> {
        let berth = self.places.get_mut(place as usize)?;
        match berth.generation == generation {
            true => berth.connection.as_deref_mut(),
            false => None,
        }
    }

    /// Takes a connection out, for good. Its place is still taken: the poll knows its
    /// socket by it.
    pub(super) fn remove(&mut self, place: u32) -> Option<Box<Connection<T>>> {
        let berth = self.places.get_mut(place as usize)?;
        let connection = berth.connection.take()?;
        berth.generation = berth.generation.wrapping_add(1);
        self.count -= 1;
        self.meters.open.fetch_sub(1, Ordering::Relaxed);
        if connection.stalled {
            self.meters.stalled.fetch_sub(1, Ordering::Relaxed);
        }
        if !connection.is_open() {
            self.meters.closing.fetch_sub(1, Ordering::Relaxed);
        }
        Some(connection)
    }

    /// Places that are taken.
    pub(super) fn taken(&self) -> impl Iterator<Item = u32> + '_ {
        let places = self.places.iter().enumerate();
        let taken = places.filter(|(_, berth)| berth.connection.is_some());
        taken.map(|(place, _)| place as u32)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Has a connection ended once the slice is over.
    fn doom(&mut self, place: u32, ended: Ended) -> Flow {
        let generation = self.generation(place);
        if let Some(connection) = self.at(place)
            && !std::mem::replace(&mut connection.doomed, true)
        {
            self.doomed.push_back((place, generation, ended));
        }
        Flow::Close
    }

    /// Has a connection of the engine's own messages told something: now if it can be,
    /// else before its next event.
    fn tell(&mut self, place: u32, note: bytes::Bytes) -> Flow {
        let (meters, now) = (Arc::clone(&self.meters), self.now);
        let Some(connection) = self.at(place) else {
            return Flow::AlreadyClosed;
        };
        if !connection.outbox.note(Frame::run(note)) {
            return self.doom(place, Ended::Slow);
        }
        match connection.flush(&meters, now) {
            Err(_) => self.doom(place, Ended::Broken),
            Ok(_) if connection.outbox.is_empty() => Flow::Taken,
            Ok(_) => {
                self.blocked.push(place);
                Flow::Stalled { taken: 0 }
            }
        }
    }
}

impl<T: Transport> Sink for Berths<T> {
    fn deliver(&mut self, to: Token, events: &[Event]) -> Flow {
        let (place, number) = parts(to);
        let berth = self.places.get_mut(place as usize);
        let Some(connection) = berth.and_then(|berth| berth.connection.as_deref_mut()) else {
            self.meters.closed_writes.fetch_add(1, Ordering::Relaxed);
            return Flow::AlreadyClosed;
        };
        if !connection.is_served() {
            return Flow::Close;
        }
        match connection.deliver(number, events, &mut self.recent, &self.meters, self.now) {
            Delivered::All => Flow::Taken,
            Delivered::Some { taken, paused } => {
                match paused {
                    true => self.paused.push(place),
                    false => self.blocked.push(place),
                }
                Flow::Stalled { taken }
            }
            Delivered::Broken => self.doom(place, Ended::Broken),
        }
    }

    fn lagged(&mut self, to: Token, missed: u64) -> Flow {
        let (place, number) = parts(to);
        self.meters.lag_told.fetch_add(1, Ordering::Relaxed);
        let Some(connection) = self.at(place) else {
            self.meters.closed_writes.fetch_add(1, Ordering::Relaxed);
            return Flow::AlreadyClosed;
        };
        if !connection.is_served() {
            return Flow::Close;
        }
        match connection.speech {
            Speech::Json => self.tell(place, frame::text(json::lagged(number, Ok(missed)))),
            Speech::Sse => self.tell(place, sse::lagged(Some(missed), None)),
            Speech::Plain if connection.grant.on_lag == OnLag::Continue => Flow::Taken,
            Speech::Plain => self.doom(place, Ended::Lagged),
        }
    }

    fn closed(&mut self, to: Token, reason: CloseReason) {
        let (place, number) = parts(to);
        let Some(connection) = self.at(place) else {
            return;
        };
        let is_alone = matches!(reason, CloseReason::SlowConsumer | CloseReason::Lost);
        if !numbers::is_of_the_server(number) && is_alone {
            connection.members.retain(|member| member.number != number);
            let _ = self.tell(place, frame::text(json::closed(number, reason)));
            return;
        }
        let ended = match reason {
            CloseReason::HubClosed => Ended::Closed,
            CloseReason::SlowConsumer => Ended::Slow,
            CloseReason::Lost => Ended::Lagged,
            CloseReason::Panicked => Ended::Panicked,
        };
        let _ = self.doom(place, ended);
    }
}
