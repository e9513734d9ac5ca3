//! What JavaScript is to be called for: one queue per gateway, and a bell.
//!
//! Lanes and the runtime put calls in and never wait; the event loop takes them out in
//! batches, whenever it has time. The bell is rung when something comes into an empty
//! queue, and then not again until the loop has found it empty: a crowd of clients costs
//! one wake. It is all that crosses by Node's own queue of foreign calls, which has no
//! policy for what does not fit, and drops what it holds when a loop ends.
//!
//! What is bounded elsewhere is not bounded here: handshakes by `Limits::handshakes`,
//! wishes by `Limits::max_subscriptions`, arrivals and ends by the rate of handshakes.
//! What clients say is bounded by nobody else, so it is bounded here, in total and by
//! client; see [`Room`].
//!
//! Invariants:
//! - Nothing is dropped under the lock: a call may hold the last reference to a session,
//!   whose drop puts a call in.
//! - Calls about one client come out in the order in which its lane put them in.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use distributary::gateway::{Client, Ended, Message};
use napi::threadsafe_function::ThreadsafeFunctionCallMode::NonBlocking;
use napi::{Status, threadsafe_function::ThreadsafeFunction};

use super::{failure::Failure, session::Session};

/// Rings on the event loop. Weak: it does not keep the loop alive. One ring may wait.
pub(super) type Bell = ThreadsafeFunction<(), (), (), Status, false, true, 1>;

/// What JavaScript is called for.
pub(super) enum Call {
    /// Somebody wants to come in: the number of the question.
    Admit(i64),
    /// A client wishes to subscribe: the number of the question.
    Grant(i64),
    /// Nobody waits any more for the answer to this question.
    Withdrawn(i64),
    /// A client is served.
    Opened(Client<Session>),
    /// A client, by its id in the gateway, says something.
    Said(u64, Message),
    /// A client's words do not fit any more; it is being closed.
    Overrun(u64),
    /// A client has gone.
    Ended(u64, Ended),
    /// This session's value is not needed any more.
    Forget(i64),
    /// An operation that JavaScript began is over.
    Done(u32, Option<Failure>),
}

/// How much of what clients said may wait for the loop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) messages: usize,
    pub(super) bytes: usize,
    /// The share of one client in both.
    pub(super) share: f64,
}

pub(super) struct Queue {
    room: Room,
    state: Mutex<State>,
}

struct State {
    calls: VecDeque<Call>,
    waiting: Waiting,
    by_client: HashMap<u64, Waiting>,
    /// The loop knows that there is something.
    rung: bool,
    /// `None`: the loop has ended, or the gateway has been closed.
    bell: Option<Arc<Bell>>,
}

#[derive(Default, Clone, Copy)]
struct Waiting {
    messages: usize,
    bytes: usize,
    /// Nothing more is taken from this client.
    overrun: bool,
}

impl Queue {
    pub(super) fn new(room: Room, bell: Bell) -> Arc<Self> {
        Arc::new(Queue {
            room,
            state: Mutex::new(State {
                calls: VecDeque::new(),
                waiting: Waiting::default(),
                by_client: HashMap::new(),
                rung: false,
                bell: Some(Arc::new(bell)),
            }),
        })
    }

    /// Puts a call in. False when nobody will ever take it.
    pub(super) fn put(&self, call: Call) -> bool {
        let mut state = self.state();
        if state.bell.is_none() {
            drop(state);
            drop(call);
            return false;
        }
        state.calls.push_back(call);
        self.ring(state)
    }

    /// Puts in what a client said. False when that was too much and the client is to be
    /// closed: once, then what it says is not heard any more.
    pub(super) fn say(&self, client: u64, message: Message) -> bool {
        let bytes = length(&message);
        let mut state = self.state();
        if state.bell.is_none() {
            return true;
        }
        let State {
            waiting, by_client, ..
        } = &mut *state;
        let own = by_client.entry(client).or_default();
        if own.overrun {
            return true;
        }
        let fits =
            self.room.takes(waiting, bytes, 1.0) && self.room.takes(own, bytes, self.room.share);
        match fits {
            true => {
                waiting.add(bytes);
                own.add(bytes);
                state.calls.push_back(Call::Said(client, message));
            }
            false => {
                own.overrun = true;
                state.calls.push_back(Call::Overrun(client));
            }
        }
        self.ring(state);
        fits
    }

    /// Wakes the loop, unless it knows. False when there is no loop any more.
    fn ring(&self, mut state: MutexGuard<'_, State>) -> bool {
        if std::mem::replace(&mut state.rung, true) {
            return true;
        }
        let bell = state.bell.clone();
        drop(state);
        match bell.map(|bell| bell.call((), NonBlocking)) {
            // When it is full a ring is on its way that comes after this call.
            Some(Status::Ok | Status::QueueFull) => true,
            _ => {
                self.hang_up();
                false
            }
        }
    }

    /// Takes out at most so many calls. When fewer come the queue is empty, and the bell
    /// rings for the next.
    pub(super) fn take(&self, most: usize) -> Vec<Call> {
        let mut state = self.state();
        let mut taken = Vec::with_capacity(most.min(state.calls.len()));
        let State {
            calls,
            waiting,
            by_client,
            rung,
            ..
        } = &mut *state;
        for call in calls.drain(..most.min(calls.len())) {
            match &call {
                Call::Said(client, message) => {
                    let bytes = length(message);
                    waiting.remove(bytes);
                    if let Entry::Occupied(mut own) = by_client.entry(*client) {
                        own.get_mut().remove(bytes);
                        if own.get().messages == 0 && !own.get().overrun {
                            own.remove();
                        }
                    }
                }
                Call::Ended(client, _) => {
                    by_client.remove(client);
                }
                _ => {}
            }
            taken.push(call);
        }
        *rung = !calls.is_empty() || taken.len() == most;
        if calls.is_empty() && calls.capacity() > 1_024 {
            calls.shrink_to(64);
        }
        taken
    }

    /// There is no loop any more that would take anything.
    pub(super) fn hang_up(&self) {
        let mut state = self.state();
        let left = (std::mem::take(&mut state.calls), state.bell.take());
        state.by_client = HashMap::new();
        state.waiting = Waiting::default();
        drop(state);
        drop(left);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Whether one more fits into this share. One message always fits into an empty place.
    fn takes(&self, waiting: &Waiting, bytes: usize, share: f64) -> bool {
        let of = |most: usize| (most as f64 * share) as usize;
        waiting.messages == 0
            || (waiting.messages < of(self.messages)
                && waiting.bytes.saturating_add(bytes) <= of(self.bytes))
    }
}

impl Waiting {
    fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: usize) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

fn length(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) => bytes.len(),
    }
}
