//! What Python is to be called for.
//!
//! Functions of the application run on one of two *sides*: coroutine functions on the event
//! loop that started the gateway, plain ones on threads of the gateway's. Lanes and the
//! runtime put calls in and never wait; a side takes them out in batches when it has time.
//! Its bell is rung when something comes into an empty queue, and then not again until the
//! queue has been found empty: a crowd of clients costs one wake.
//!
//! What a client says is told in order and one at a time: while Python is at one thing about
//! a client, the next waits here, whatever side it is for. What waits is bounded, in total
//! and by client; see [`room`](super::room). All else is bounded elsewhere: handshakes and wishes by the
//! gateway's limits, arrivals and ends by the rate of handshakes.
//!
//! # Invariants
//! - Nothing is dropped under the lock: a call may hold the last reference to an object of
//!   Python's, whose end may be anything.
//! - A client is in the queue of a side, or in Python's hands, exactly while it is `busy`.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::Arc,
};

use distributary::gateway::{Client, Ended, Message};
use parking_lot::Mutex;
use pyo3::{PyTraverseError, PyVisit, prelude::*};
use tokio::sync::Notify;

use super::{
    bell::Ring,
    failure::Failure,
    room::{Room, Waiting, length},
    session::Session,
};

/// Where functions run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Loop,
    Threads,
}

impl Side {
    pub(super) fn of(is_async: bool) -> Self {
        match is_async {
            true => Side::Loop,
            false => Side::Threads,
        }
    }
}

/// On which side the functions run that are told about clients, as far as there are any.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listens {
    pub(super) to_opened: Option<Side>,
    pub(super) to_messages: Option<Side>,
    pub(super) to_ended: Option<Side>,
}

/// What a side is called for.
pub(super) enum Call {
    /// Somebody wants to come in: the number of the question.
    Admit(u64),
    /// A client wishes to subscribe: the number of the question.
    Grant(u64),
    /// Nobody waits any more for the answer to this question.
    Withdrawn(u64),
    /// There is something to be told about this client.
    Tell(u64),
    /// An object that is not needed any more, to be dropped.
    Forget(Py<PyAny>),
    /// An operation that Python began is over.
    Done(u64, Option<Failure>),
}

/// What is told about a client.
pub(super) enum Tell {
    Opened,
    Said(Message),
    /// Its words do not fit any more; it is being closed.
    Overrun,
    Ended(Ended),
}

pub(super) struct Board {
    room: Room,
    /// Where Python's objects end: the side that is always there.
    home: Side,
    listens: Listens,
    rings: [Arc<Ring>; 2],
    state: Mutex<State>,
    /// Told when the last client has gone that somebody listened to.
    emptied: Notify,
}

#[derive(Default)]
struct State {
    sides: [Queue; 2],
    waiting: Waiting,
    latest: u64,
    /// The numbers of clients by their ids in the gateway, which are used again.
    numbers: HashMap<u64, u64>,
    members: HashMap<u64, Member>,
}

#[derive(Default)]
struct Queue {
    calls: VecDeque<Call>,
    /// The side knows that there is something.
    rung: bool,
    /// Nobody is there any more.
    is_over: bool,
}

/// A client that Python listens to.
struct Member {
    client: Client<Session>,
    /// What Python has of it, once it was asked for.
    object: Option<Py<PyAny>>,
    tells: VecDeque<Tell>,
    waiting: Waiting,
    busy: Option<Side>,
    has_gone: bool,
    overrun: bool,
}

impl Board {
    pub(super) fn new(room: Room, home: Side, listens: Listens) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Board {
            room,
            home,
            listens,
            rings: [Arc::new(Ring::new()?), Arc::new(Ring::new()?)],
            state: Mutex::default(),
            emptied: Notify::new(),
        }))
    }

    pub(super) fn ring(&self, side: Side) -> &Arc<Ring> {
        &self.rings[side as usize]
    }

    /// Lets go of an object of Python's, where Python is.
    pub(super) fn forget(&self, object: Py<PyAny>) {
        self.put(self.home, Call::Forget(object));
    }

    /// Puts a call in. False when nobody will ever take it.
    pub(super) fn put(&self, side: Side, call: Call) -> bool {
        let mut state = self.state.lock();
        let queue = &mut state.sides[side as usize];
        if queue.is_over {
            drop(state);
            drop(call);
            return false;
        }
        queue.calls.push_back(call);
        let rings = !mem::replace(&mut queue.rung, true);
        drop(state);
        if rings {
            self.ring(side).ring();
        }
        true
    }

    /// Takes out at most so many calls, and whether there are more. If there are, the side
    /// comes back by itself and is not rung.
    pub(super) fn take(&self, side: Side, most: usize) -> (Vec<Call>, bool) {
        self.ring(side).hush();
        let mut state = self.state.lock();
        let queue = &mut state.sides[side as usize];
        let taken = queue.calls.drain(..most.min(queue.calls.len())).collect();
        queue.rung = !queue.calls.is_empty();
        (taken, queue.rung)
    }

    /// A client is served.
    pub(super) fn opened(&self, client: &Client<Session>) {
        let mut state = self.state.lock();
        state.latest += 1;
        let number = state.latest;
        state.numbers.insert(client.id(), number);
        let mut member = Member::new(client.clone());
        if self.listens.to_opened.is_some() {
            member.tells.push_back(Tell::Opened);
        }
        state.members.insert(number, member);
        self.go_on(state, number);
    }

    /// A client says something. False when that was too much and it is to be closed: once,
    /// then what it says is not heard any more.
    pub(super) fn said(&self, id: u64, message: Message) -> bool {
        let bytes = length(&message);
        let mut state = self.state.lock();
        let all = &mut *state;
        let Some(&number) = all.numbers.get(&id) else {
            return true;
        };
        let Some(member) = all.members.get_mut(&number) else {
            return true;
        };
        if member.overrun {
            return true;
        }
        let fits = self.room.takes(&all.waiting, bytes, 1.0)
            && self.room.takes(&member.waiting, bytes, self.room.share);
        let tell = match fits {
            true => {
                all.waiting.add(bytes);
                member.waiting.add(bytes);
                Tell::Said(message)
            }
            false => {
                member.overrun = true;
                Tell::Overrun
            }
        };
        member.tells.push_back(tell);
        self.go_on(state, number);
        fits
    }

    /// A client has gone.
    pub(super) fn ended(&self, id: u64, why: Ended) {
        let mut state = self.state.lock();
        let Some(number) = state.numbers.remove(&id) else {
            return;
        };
        if let Some(member) = state.members.get_mut(&number) {
            member.has_gone = true;
            if self.listens.to_ended.is_some() {
                member.tells.push_back(Tell::Ended(why));
            }
        }
        self.go_on(state, number);
    }

    /// The number of the client that has this id now.
    pub(super) fn number(&self, id: u64) -> Option<u64> {
        self.state.lock().numbers.get(&id).copied()
    }

    /// What is next to be told about a client, for a side that was called for it.
    pub(super) fn next(&self, number: u64) -> Option<Tell> {
        let mut state = self.state.lock();
        let state = &mut *state;
        let member = state.members.get_mut(&number)?;
        let tell = member.tells.pop_front()?;
        if let Tell::Said(message) = &tell {
            let bytes = length(message);
            member.waiting.remove(bytes);
            state.waiting.remove(bytes);
        }
        Some(tell)
    }

    /// A side has done what it was called for about a client.
    pub(super) fn told(&self, side: Side, number: u64) {
        let mut state = self.state.lock();
        let Some(member) = state.members.get_mut(&number) else {
            return;
        };
        // Another is at it by now: this side was given up meanwhile.
        if member.busy != Some(side) {
            return;
        }
        member.busy = None;
        self.go_on(state, number);
    }

    /// Python's object for a client, or the client to make one of.
    pub(super) fn object(&self, py: Python<'_>, number: u64) -> Option<Known> {
        let state = self.state.lock();
        let member = state.members.get(&number)?;
        Some(match &member.object {
            Some(object) => Known::Object(object.clone_ref(py)),
            None => Known::Client(member.client.clone()),
        })
    }

    /// Keeps an object for a client, if there is none yet. The one that is kept.
    pub(super) fn keep(&self, py: Python<'_>, number: u64, made: Py<PyAny>) -> Py<PyAny> {
        let mut state = self.state.lock();
        let Some(member) = state.members.get_mut(&number) else {
            return made;
        };
        match &member.object {
            Some(object) => {
                let object = object.clone_ref(py);
                drop(state);
                drop(made);
                object
            }
            None => {
                member.object = Some(made.clone_ref(py));
                made
            }
        }
    }

    /// There is nobody on this side any more: nothing is put in for it, and what is there
    /// is let go of. Clients go on with what is to be told on the other.
    pub(super) fn hang_up(&self, side: Side) {
        let (left, numbers) = {
            let mut state = self.state.lock();
            let queue = &mut state.sides[side as usize];
            queue.is_over = true;
            let left = mem::take(&mut queue.calls);
            let mut numbers = Vec::new();
            for (number, member) in &mut state.members {
                if member.busy == Some(side) {
                    member.busy = None;
                    numbers.push(*number);
                }
            }
            (left, numbers)
        };
        drop(left);
        for number in numbers {
            self.go_on(self.state.lock(), number);
        }
    }

    /// Waits until there is no client left that somebody listens to.
    pub(super) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.state.lock().members.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Taken: the collector comes again.
        let Some(state) = self.state.try_lock() else {
            return Ok(());
        };
        let mut objects = state.members.values().filter_map(|it| it.object.as_ref());
        objects.try_for_each(|object| visit.call(object))
    }

    /// Lets go of Python's objects.
    pub(super) fn clear(&self) {
        let mut objects = Vec::new();
        for member in self.state.lock().members.values_mut() {
            objects.extend(member.object.take());
        }
        drop(objects);
    }

    /// Where something is told.
    fn side_of(&self, tell: &Tell) -> Option<Side> {
        match tell {
            Tell::Opened => self.listens.to_opened,
            Tell::Said(_) | Tell::Overrun => self.listens.to_messages,
            Tell::Ended(_) => self.listens.to_ended,
        }
    }

    /// Calls for what is next to be told about a client, if nobody is at it; forgets a
    /// client that has gone when there is nothing.
    fn go_on(&self, mut guard: parking_lot::MutexGuard<'_, State>, number: u64) {
        let state = &mut *guard;
        let Some(member) = state.members.get_mut(&number) else {
            return;
        };
        if member.busy.is_some() {
            return;
        }
        let mut unheard = Vec::new();
        let mut rings = None;
        while let Some(tell) = member.tells.pop_front() {
            if let Some(side) = self.side_of(&tell)
                && let queue = &mut state.sides[side as usize]
                && !queue.is_over
            {
                member.tells.push_front(tell);
                member.busy = Some(side);
                queue.calls.push_back(Call::Tell(number));
                rings = (!mem::replace(&mut queue.rung, true)).then_some(side);
                break;
            }
            if let Tell::Said(message) = &tell {
                let bytes = length(message);
                member.waiting.remove(bytes);
                state.waiting.remove(bytes);
            }
            unheard.push(tell);
        }
        let gone = match member.busy.is_none() && member.has_gone {
            true => state.members.remove(&number),
            false => None,
        };
        let has_emptied = gone.is_some() && state.members.is_empty();
        drop(guard);
        drop(unheard);
        if let Some(object) = gone.and_then(|member| member.object) {
            self.forget(object);
        }
        if let Some(side) = rings {
            self.ring(side).ring();
        }
        if has_emptied {
            self.emptied.notify_waiters();
        }
    }
}

/// What there is of a client.
pub(super) enum Known {
    Object(Py<PyAny>),
    Client(Client<Session>),
}

impl Member {
    fn new(client: Client<Session>) -> Self {
        Member {
            client,
            object: None,
            tells: VecDeque::new(),
            waiting: Waiting::default(),
            busy: None,
            has_gone: false,
            overrun: false,
        }
    }
}
