//! A lane's connections and its share of the engine, without a thread, a poll or a
//! clock.
//!
//! Whoever turns it says what time it is, which sockets have become ready and what was
//! commanded; [`Shard::turn`] then serves one slice of the engine. That a slice is
//! bounded and everything else comes before the next one is what keeps a ping from
//! waiting for a large event.
//!
//! Inputs: [`arrive`](Shard::arrive), [`ready`](Shard::ready),
//! [`command`](Shard::command), [`tick`](Shard::tick). Work: [`turn`](Shard::turn).

use std::{collections::VecDeque, sync::Arc};

use super::{
    berths::Berths,
    command::{Command, Inbox, SocketId},
    connection::{Connection, Stage},
    drain::Drain,
    millis,
    outbox::Flushed,
    stream::Transport,
    wheel::Wheel,
};
use crate::{
    gateway::{
        Shared,
        client::Handle,
        ended::{CloseCode, Ended},
        wire::{
            encoder::{Encoder, Recent},
            frame::{self, Frame},
        },
    },
    lane::Lane,
    wake::contained,
};

/// Bytes read from one socket before the others have their turn.
const READ: usize = 16 << 10;
/// Bytes read from all sockets between two slices; who would go over it is read later.
/// The most laborious messages are a few milliseconds of work for so many bytes.
const INTAKE: usize = 64 << 10;
/// Paused, unread or leaving sockets served between two slices.
const SOME: usize = 64;
/// The same of those that take the system long: sockets to be closed, and stretches of
/// large messages.
const FEW: usize = 8;

pub(in crate::gateway) struct Shard<T> {
    pub(super) shared: Arc<Shared>,
    pub(super) number: u16,
    pub(super) inbox: Inbox,
    pub(super) lane: Lane,
    pub(super) berths: Berths<T>,
    /// By place, generation and due time.
    pub(super) wheel: Wheel<(u32, u32, u64)>,
    /// Sockets that were paused while the system would take more.
    hungry: VecDeque<u32>,
    /// Sockets that were left with something to read.
    unread: VecDeque<u32>,
    /// Sockets whose clients have gone or are going. Thousands may go at once, and those
    /// who stay do not wait for them.
    leaving: VecDeque<u32>,
    /// Connections that are over. To close a socket takes the system longer than all
    /// else that there is to do about it.
    over: VecDeque<(u32, Box<Connection<T>>)>,
    pub(super) drain: Option<Drain>,
    /// How much may still be read before the next slice.
    pub(super) intake: usize,
    /// Where every socket is read into.
    pub(super) buffer: Vec<u8>,
    /// Connections whose time has come.
    due: VecDeque<(u32, u32, u64)>,
    /// Counts the wishes about which the application was asked.
    pub(super) serial: u32,
}

impl<T: Transport> Shard<T> {
    pub(super) fn new(
        shared: &Arc<Shared>,
        encoder: &Arc<Encoder>,
        lane: Lane,
        inbox: Inbox,
        number: u16,
    ) -> Self {
        let recent = Recent::new(Arc::clone(encoder));
        Shard {
            shared: Arc::clone(shared),
            number,
            inbox,
            lane,
            berths: Berths::new(recent, Arc::clone(&shared.meters)),
            wheel: Wheel::new(0),
            hungry: VecDeque::new(),
            unread: VecDeque::new(),
            leaving: VecDeque::new(),
            over: VecDeque::new(),
            drain: None,
            intake: INTAKE,
            buffer: vec![0; READ],
            due: VecDeque::new(),
            serial: 0,
        }
    }

    /// Connections, and sockets that are still to be closed.
    pub(super) fn len(&self) -> usize {
        self.berths.len() + self.over.len()
    }

    /// The place that the next connection takes.
    pub(in crate::gateway) fn reserve(&mut self) -> u32 {
        self.berths.reserve()
    }

    /// Gives a reserved place back: its connection did not come.
    pub(super) fn release(&mut self, place: u32) {
        self.berths.release(place);
        self.inbox.count_out();
    }

    /// Ends every connection.
    pub(super) fn end_all(&mut self, ended: Ended) {
        let taken: Vec<u32> = self.berths.taken().collect();
        for place in taken {
            self.end(place, ended, None);
        }
    }

    /// Serves one slice. True when there is more to do now.
    pub(in crate::gateway) fn turn(&mut self) -> bool {
        self.intake = INTAKE;
        let turn = self.lane.turn(&mut self.berths);
        self.settle();
        if !turn.more {
            self.berths.recent.clear();
        }
        turn.more
            || !self.hungry.is_empty()
            || !self.unread.is_empty()
            || !self.leaving.is_empty()
            || !self.over.is_empty()
            || !self.due.is_empty()
            || !self.berths.doomed.is_empty()
    }

    /// Carries out what came up while the engine was being served.
    fn settle(&mut self) {
        for _ in 0..SOME.min(self.berths.doomed.len()) {
            if let Some((place, generation, ended)) = self.berths.doomed.pop_front()
                && self.berths.find(place, generation).is_some()
            {
                self.end(place, ended, None);
            }
        }
        while let Some(place) = self.berths.blocked.pop() {
            self.note_blocked(place);
        }
        while let Some(place) = self.berths.paused.pop() {
            self.pause(place);
        }
    }

    /// A socket can be read or written, as its poll says. `over` when its other end has
    /// said that nothing more comes.
    pub(in crate::gateway) fn ready(
        &mut self,
        place: u32,
        readable: bool,
        writable: bool,
        over: bool,
    ) {
        if writable
            && let Some(connection) = self.berths.at(place)
            && connection.outbox.is_blocked()
        {
            connection.outbox.unblock();
            self.flush(place);
        }
        if over && let Some(connection) = self.berths.at(place) {
            if !std::mem::replace(&mut connection.leaving, true) {
                self.leaving.push_back(place);
            }
        } else if readable && self.intake > 0 {
            self.read(place);
        } else if readable {
            self.read_again(place);
        }
    }

    /// Goes on with those that were left with something to read or to write or are going,
    /// some of each.
    pub(in crate::gateway) fn go_on(&mut self) {
        for _ in 0..SOME.min(self.leaving.len()) {
            if let Some(place) = self.leaving.pop_front()
                && let Some(connection) = self.berths.at(place)
                && connection.leaving
            {
                self.read(place);
            }
        }
        for _ in 0..FEW.min(self.over.len()) {
            self.close_one();
        }
        for _ in 0..SOME.min(self.due.len()) {
            self.look_after_one();
        }
        for _ in 0..SOME.min(self.unread.len()) {
            if self.intake > 0
                && let Some(place) = self.unread.pop_front()
                && let Some(connection) = self.berths.at(place)
            {
                connection.unread = false;
                self.read(place);
            }
        }
        for _ in 0..FEW.min(self.hungry.len()) {
            if let Some(place) = self.hungry.pop_front()
                && let Some(connection) = self.berths.at(place)
            {
                connection.hungry = false;
                self.flush(place);
            }
        }
    }

    /// Closes a socket, soon.
    pub(super) fn bury(&mut self, place: u32, connection: Box<Connection<T>>) {
        self.over.push_back((place, connection));
    }

    fn close_one(&mut self) {
        if let Some((place, connection)) = self.over.pop_front() {
            // The permit and the session are the application's and admission's: what their
            // destructors do must not end the lane.
            self.ask(|_| drop(connection));
            self.release(place);
        }
    }

    /// Closes every socket, without a word.
    pub(super) fn abandon(&mut self) {
        let taken: Vec<u32> = self.berths.taken().collect();
        for place in taken {
            self.gone(place, Ended::Closed);
        }
        while !self.over.is_empty() {
            self.close_one();
        }
    }

    /// Looks after one whose time has come.
    fn look_after_one(&mut self) {
        let Some((place, generation, at)) = self.due.pop_front() else {
            return;
        };
        match self.berths.find(place, generation) {
            Some(connection) if connection.armed == at => connection.armed = u64::MAX,
            // It was armed for an earlier time since.
            _ => return,
        }
        self.look_after(place);
    }

    /// Has a socket read again although its poll will not say so.
    pub(super) fn read_again(&mut self, place: u32) {
        if let Some(connection) = self.berths.at(place)
            && !connection.unread
        {
            connection.unread = true;
            self.unread.push_back(place);
        }
    }

    fn pause(&mut self, place: u32) {
        if let Some(connection) = self.berths.at(place)
            && !connection.hungry
        {
            connection.hungry = true;
            self.hungry.push_back(place);
        }
    }

    /// Writes what waits for a socket, and lets its subscriptions go on once that is
    /// through.
    pub(super) fn flush(&mut self, place: u32) {
        let (now, meters) = (self.berths.now, Arc::clone(&self.berths.meters));
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        if connection.corked {
            return;
        }
        match connection.flush(&meters, now) {
            Err(_) => self.end(place, Ended::Broken, None),
            Ok(Flushed::Blocked) => self.note_blocked(place),
            Ok(Flushed::Paused) => self.pause(place),
            Ok(Flushed::Empty) => {
                connection.progress = now;
                if std::mem::take(&mut connection.stalled) {
                    self.berths.meters.unstalled();
                }
                self.emptied(place);
            }
        }
    }

    /// Everything that waited has been written.
    fn emptied(&mut self, place: u32) {
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        if !connection.is_open() {
            self.said_goodbye(place);
            return;
        }
        for i in 0..connection.members.len() {
            let Some(connection) = self.berths.at(place) else {
                return;
            };
            let member = connection.members[i].id;
            self.lane.resume(member);
        }
    }

    /// The system has stopped taking bytes for this socket.
    fn note_blocked(&mut self, place: u32) {
        let now = self.berths.now;
        let due = now.saturating_add(millis(self.shared.limits.write_timeout));
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        if connection.outbox.is_blocked() && !connection.stalled {
            connection.stalled = true;
            // Before, it had nothing to take.
            connection.progress = now;
            self.berths.meters.stalled_one();
        }
        self.arm(place, due);
    }

    /// Has a connection looked after at this time, unless that happens earlier anyway.
    pub(super) fn arm(&mut self, place: u32, due: u64) {
        let generation = self.berths.generation(place);
        if let Some(connection) = self.berths.at(place)
            && due < connection.armed
        {
            connection.armed = due;
            self.wheel.arm(due, (place, generation, due));
        }
    }

    /// Says what time it is, in milliseconds since the lane began. Those who are due are
    /// looked after as the shard [goes on](Shard::go_on): after a large event thousands
    /// may be due at once.
    pub(in crate::gateway) fn tick(&mut self, now: u64) {
        self.berths.now = now;
        let due = &mut self.due;
        self.wheel.advance(now, |key| due.push_back(key));
        self.go_on_draining();
    }

    /// How many milliseconds may pass until the next [`tick`](Shard::tick).
    pub(in crate::gateway) fn patience(&self) -> Option<u64> {
        let now = self.berths.now;
        let drain = self.drain.as_ref().and_then(|drain| drain.next(now));
        [self.wheel.next(now), drain].into_iter().flatten().min()
    }

    /// Carries out a command about one connection.
    pub(in crate::gateway) fn command(&mut self, command: Command) {
        match command {
            Command::Send(id, message) => self.send(id, message),
            Command::Subscribe(id, number, wish) => self.follow(id, number, *wish),
            Command::Unsubscribe(id, number) => self.unfollow(id, number),
            Command::Close(id, ended, code, reason) => {
                if let Some(place) = self.place_of(id) {
                    let code = code.map_or(ended.close_code(), CloseCode::get);
                    self.end_with(place, ended, code, &reason);
                }
            }
            Command::Granted(id, serial, granted) => self.granted(id, serial, *granted),
            Command::Drain(over, done) => self.begin_drain(over, done),
            // Whoever turns the shard makes streams of arrivals, and ends.
            Command::Arrive(_) | Command::End(_) => {}
        }
    }

    /// The place of a connection that is still the one meant.
    pub(super) fn place_of(&mut self, id: SocketId) -> Option<u32> {
        let here = id.lane == self.number;
        (here && self.berths.find(id.place, id.generation).is_some()).then_some(id.place)
    }

    pub(super) fn handle(&self, place: u32) -> Handle {
        let id = SocketId {
            lane: self.number,
            place,
            generation: self.berths.generation(place),
        };
        Handle {
            id,
            inbox: self.inbox.clone(),
        }
    }

    /// Has a client of the JSON protocol told something.
    pub(super) fn say(&mut self, place: u32, text: bytes::Bytes) {
        self.tell(place, frame::text(text));
    }

    /// Has a client told something of its own, in its wire form: in its turn, before the next event.
    pub(super) fn tell(&mut self, place: u32, note: bytes::Bytes) {
        self.tell_frame(place, Frame::run(note));
    }

    /// The same with a message that may be large.
    pub(super) fn tell_frame(&mut self, place: u32, note: Frame) {
        let Some(connection) = self.berths.at(place) else {
            return;
        };
        if !connection.is_open() {
            return;
        }
        // Notes of a connection that is being taken in go out together, behind the answer
        // to its request.
        let fits = connection.outbox.note(note);
        match connection.stage {
            Stage::Arriving => {}
            _ if fits => self.flush(place),
            _ => self.end(place, Ended::Slow, None),
        }
    }

    /// Calls the application. False when it panicked.
    pub(super) fn ask(&self, call: impl FnOnce(&Shared)) -> bool {
        contained(|| call(&self.shared))
    }
}
