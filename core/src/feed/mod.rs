//! The feed: the bounded log of what one selector admits, and the only queue there is.
//!
//! A publisher appends an event once, however many subscriptions read the feed. A
//! subscription is a cursor: it owns no events, so one that stalls costs nothing but
//! what the budget lets wait. Those who read are of two kinds, and both are told
//! under the same lock that the append takes, so no append goes unnoticed:
//!
//! - *seats*: a lane that has members here; announced once until the lane looks,
//! - *parked* readers: subscriptions that pull, each with a waker.
//!
//! # Lagging
//!
//! When the budget is full, the oldest unread event leaves and the cursors that stood
//! at it now stand before a hole. Such a reader is told the exact size of the hole
//! once, and goes on behind it.
//!
//! # Ending
//!
//! `live` counts subscriptions. Once it has fallen to zero it never rises again:
//! a newcomer makes a new feed. So taking a dead feed out of the routes needs no
//! agreement with anybody and may be done late.

mod limits;
mod log;
#[cfg(all(test, not(loom)))]
mod log_tests;
#[cfg(all(test, loom))]
mod loom_tests;
mod parking;

pub(crate) use limits::Limits;
pub use limits::{Budget, BudgetError, BudgetOptions, Overflow};
pub(crate) use log::{Log, Losses, Next, Run, Shed};
pub(crate) use parking::{NO_SLOT, SlotId, Wakers};

use std::{borrow::Borrow, task::Waker};

use parking::{Due, Parking};
use smallvec::SmallVec;

use crate::{
    event::Event,
    sync::{Arc, AtomicBool, AtomicU8, AtomicU32, AtomicU64, Mutex, Ordering},
    wake::{Calls, Post, contained, wake_all},
};

/// Why a feed, and with it every subscription on it, ended.
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Open = 0,
    HubClosed = 1,
}

/// See the [module](self). `C` is what the feed shares with others of its kind, its
/// limits among it; one word in each of a million feeds.
pub(crate) struct Feed<C = Arc<Limits>> {
    /// The log's end, readable without the lock. Written under it.
    end: AtomicU64,
    /// Subscriptions; never rises from zero.
    live: AtomicU32,
    /// An [`Ending`].
    ending: AtomicU8,
    /// Stands in a register of feeds that hold events, for whoever keeps one.
    pub(crate) registered: AtomicBool,
    context: C,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    log: Log,
    /// Absent until somebody waits here: an idle feed is small.
    audience: Option<Box<Audience>>,
}

#[derive(Default)]
struct Audience {
    seats: SmallVec<[Seat; 1]>,
    /// Absent where nobody pulls.
    parking: Option<Box<Parking>>,
    /// Somebody has been told to wake the crowd and has not begun.
    crowded: bool,
}

/// A lane that has members on this feed.
struct Seat {
    post: Arc<Post>,
    group: u32,
    /// Announced since the lane last looked.
    announced: bool,
}

/// What a reader got.
pub(crate) enum Read<T> {
    Got(T),
    /// So many are gone for good.
    Missed(u64),
    Nothing,
}

impl<C: Borrow<Limits>> Feed<C> {
    /// A feed with one subscription, whose first event will take number `first`.
    pub(crate) fn new(context: C, first: u64) -> Self {
        Feed {
            end: AtomicU64::new(first),
            live: AtomicU32::new(1),
            ending: AtomicU8::new(Ending::Open as u8),
            registered: AtomicBool::new(false),
            context,
            state: Mutex::new(State {
                log: Log::starting_at(first),
                audience: None,
            }),
        }
    }

    pub(crate) fn context(&self) -> &C {
        &self.context
    }

    pub(crate) fn limits(&self) -> &Limits {
        self.context.borrow()
    }

    /// How many subscriptions read this feed.
    pub(crate) fn live(&self) -> u32 {
        self.live.load(Ordering::Acquire)
    }

    /// Counts one more subscription in, unless the feed is dead.
    pub(crate) fn enter(&self) -> bool {
        let more = |live: u32| (live > 0).then(|| live + 1);
        self.live
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .is_ok()
    }

    /// Counts a subscription out. True when it was the last.
    #[must_use]
    pub(crate) fn exit(&self) -> bool {
        self.live.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Admits an event. O(seats) and no more than [`BATCH`](parking::BATCH) parked readers.
    ///
    /// True when more readers are parked than `calls` took, and nobody has been told so
    /// yet: the caller sees to a [`Feed::wake_parked`] once it holds no lock.
    #[must_use]
    pub(crate) fn append(
        &self,
        event: Event,
        now: u64,
        calls: &mut Calls,
        shed: &mut Shed,
    ) -> bool {
        let mut state = self.state.lock();
        if self.live() == 0 {
            // Nobody will read it, and `clear` may have been here already.
            shed.events.push(event);
            return false;
        }
        state.log.push(event, self.limits(), now, shed);
        let due = state.due(self.limits());
        self.end.store(due.end, Ordering::Release);
        match &mut state.audience {
            None => false,
            Some(audience) => audience.announce(due, calls),
        }
    }

    /// Tells every reader that so many events are lost which would have come now. As
    /// [`Feed::append`] for the rest.
    #[must_use]
    pub(crate) fn lose(&self, missed: u64, calls: &mut Calls) -> bool {
        let mut state = self.state.lock();
        if self.live() == 0 {
            return false;
        }
        state.log.lose(missed, self.limits());
        let due = state.due(self.limits());
        self.end.store(due.end, Ordering::Release);
        match &mut state.audience {
            None => false,
            Some(audience) => audience.announce(due, calls),
        }
    }

    /// Whether a reader that stands at `cursor` has lost something to the limits. What else
    /// it has missed was [lost](Feed::lose) before it came here.
    pub(crate) fn has_overrun(&self, cursor: u64) -> bool {
        self.state.lock().log.has_overrun(cursor)
    }

    /// Whether an event of this weight would make somebody miss something.
    pub(crate) fn is_full(&self, weight: usize, now: u64, shed: &mut Shed) -> bool {
        let mut state = self.state.lock();
        state.log.expire(self.limits(), now, shed);
        state.log.is_full(weight, self.limits())
    }

    /// Starts a reader at the end: it gets what is appended from now on.
    pub(crate) fn join(&self) -> u64 {
        let mut state = self.state.lock();
        let end = state.log.end();
        state.log.join(end);
        end
    }

    /// Ends a reader.
    pub(crate) fn leave(&self, cursor: u64, slot: SlotId, shed: &mut Shed) {
        let mut state = self.state.lock();
        let waker = state.leave(cursor, slot, shed);
        drop(state);
        drop(waker);
    }

    /// Ends a reader. Never waits: false when the lock is taken, and then nothing has
    /// happened yet.
    #[must_use]
    pub(crate) fn try_leave(&self, cursor: u64, slot: SlotId, shed: &mut Shed) -> bool {
        let Some(mut state) = self.state.try_lock() else {
            return false;
        };
        let waker = state.leave(cursor, slot, shed);
        drop(state);
        drop(waker);
        true
    }

    /// Whether there may be something at `cursor`; one load.
    pub(crate) fn has(&self, cursor: u64) -> bool {
        self.end.load(Ordering::Acquire) != cursor
    }

    /// The number that the next event takes; one load.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Gives back the place to park of a reader that goes on at another feed. Whoever is
    /// parked there is woken, to park where its events come from now on.
    pub(crate) fn move_away(&self, slot: SlotId) {
        let mut state = self.state.lock();
        let waker = state
            .audience
            .as_deref_mut()
            .and_then(|a| a.parking.as_mut()?.release(slot));
        drop(state);
        if let Some(waker) = waker {
            contained(|| waker.wake());
        }
    }

    /// Reads one event and moves the cursor.
    ///
    /// `now` is asked for only where events have an age.
    pub(crate) fn read(
        &self,
        cursor: &mut u64,
        now: impl FnOnce() -> u64,
        shed: &mut Shed,
    ) -> Read<Event> {
        self.read_with(cursor, now, shed, |log, index| {
            let (event, next) = log.read(index)?;
            Some((event, 1, next))
        })
    }

    /// Reads a run of up to `max` events and moves the cursor.
    pub(crate) fn read_run(
        &self,
        cursor: &mut u64,
        max: usize,
        now: impl FnOnce() -> u64,
        shed: &mut Shed,
    ) -> Read<Run> {
        self.read_with(cursor, now, shed, |log, index| {
            let run = log.run(index, max);
            let (taken, end) = (run.events().len(), run.end());
            Some((run, taken, end))
        })
    }

    /// `take` gives what it found, how many entries that is, and the cursor after it.
    fn read_with<T>(
        &self,
        cursor: &mut u64,
        now: impl FnOnce() -> u64,
        shed: &mut Shed,
        take: impl FnOnce(&mut Log, usize) -> Option<(T, usize, u64)>,
    ) -> Read<T> {
        if !self.has(*cursor) {
            return Read::Nothing;
        }
        let now = match self.limits().budget.age {
            u64::MAX => 0,
            _ => now(),
        };
        let mut state = self.state.lock();
        let log = &mut state.log;
        log.expire(self.limits(), now, shed);
        match log.next(*cursor, self.limits()) {
            Next::Nothing => Read::Nothing,
            Next::Missed {
                missed,
                cursor: next,
            } => {
                log.advance(*cursor, next, shed);
                *cursor = next;
                Read::Missed(missed)
            }
            Next::At(index) => match take(log, index) {
                Some((found, taken, next)) => {
                    log.advance_over(index, taken, shed);
                    *cursor = next;
                    Read::Got(found)
                }
                None => Read::Nothing,
            },
        }
    }

    /// What stands at `cursor`, without moving anybody.
    ///
    /// With the `post` of a lane, clears its announcement under the same lock: what is
    /// appended after this look is announced anew.
    pub(crate) fn look(
        &self,
        post: Option<&Arc<Post>>,
        cursor: u64,
        max: usize,
        now: u64,
        shed: &mut Shed,
    ) -> Read<Run> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if let Some(audience) = state.audience.as_deref_mut()
            && let Some(post) = post
            && let Some(seat) = audience.seat(post)
        {
            seat.announced = false;
        }
        state.log.expire(self.limits(), now, shed);
        match state.log.next(cursor, self.limits()) {
            Next::Nothing => Read::Nothing,
            Next::Missed { missed, .. } => Read::Missed(missed),
            Next::At(index) => Read::Got(state.log.run(index, max)),
        }
    }

    /// Moves a lane's place from `walk` to the end, and clears its announcement as
    /// [`Feed::look`] does. The end.
    pub(crate) fn skip_to_end(&self, post: &Arc<Post>, walk: u64, shed: &mut Shed) -> u64 {
        let mut state = self.state.lock();
        let state = &mut *state;
        let audience = state.audience.as_deref_mut();
        if let Some(seat) = audience.and_then(|audience| audience.seat(post)) {
            seat.announced = false;
        }
        let end = state.log.end();
        state.log.advance(walk, end, shed);
        end
    }

    /// The number of the oldest event held, or of the next one.
    pub(crate) fn start(&self) -> u64 {
        self.state.lock().log.start()
    }

    /// Counts one more reader in, at a cursor that somebody holds already.
    pub(crate) fn join_at(&self, cursor: u64) {
        self.state.lock().log.join(cursor);
    }

    /// Counts a reader out.
    pub(crate) fn leave_at(&self, cursor: u64, shed: &mut Shed) {
        self.state.lock().log.leave(cursor, shed);
    }

    /// Moves a reader's place in the log without reading.
    pub(crate) fn advance(&self, from: u64, to: u64, shed: &mut Shed) {
        if from != to {
            self.state.lock().log.advance(from, to, shed);
        }
    }

    /// The group of a lane that has a seat here. O(lanes).
    pub(crate) fn group_of(&self, post: &Arc<Post>) -> Option<u32> {
        let mut state = self.state.lock();
        let seat = state.audience.as_deref_mut()?.seat(post)?;
        Some(seat.group)
    }

    /// Gives a lane a seat here and counts it in as a reader at the end. The cursor
    /// it starts from.
    pub(crate) fn sit(&self, post: &Arc<Post>, group: u32) -> u64 {
        let mut state = self.state.lock();
        let end = state.log.end();
        state.log.join(end);
        let audience = state.audience.get_or_insert_default();
        audience.seats.push(Seat {
            post: Arc::clone(post),
            group,
            announced: false,
        });
        end
    }

    /// Takes a lane's seat away and counts it out as a reader at `held`.
    pub(crate) fn stand_up(&self, post: &Arc<Post>, held: u64, shed: &mut Shed) {
        let mut state = self.state.lock();
        state.log.leave(held, shed);
        if let Some(audience) = state.audience.as_deref_mut() {
            audience.seats.retain(|seat| !Arc::ptr_eq(&seat.post, post));
        }
    }

    /// Parks a reader at `cursor` until `count` events are there (at least one), or so
    /// many as leave room for more while it gets its turn. False when they are there
    /// already, or the feed has ended: then the reader looks again.
    #[must_use]
    pub(crate) fn park(&self, cursor: u64, count: usize, slot: &mut SlotId, waker: &Waker) -> bool {
        // Cloning and dropping a waker runs foreign code: outside the lock, both.
        let waker = waker.clone();
        let room = self.limits().budget.events / 4 * 3;
        let until = cursor + count.min(room).max(1) as u64 - 1;
        let mut state = self.state.lock();
        let there = until < state.log.end() || cursor < state.log.pressed(self.limits());
        if there || self.ending() != Ending::Open {
            drop(state);
            drop(waker);
            return false;
        }
        let audience = state.audience.get_or_insert_default();
        let parking = audience.parking.get_or_insert_default();
        let unneeded = parking.arm(slot, waker, cursor, until);
        drop(state);
        drop(unneeded);
        true
    }

    /// Wakes parked readers that have what they wait for, about `max` of them, in
    /// batches outside the lock, from slot `from` on. Where to go on, if not through.
    pub(crate) fn wake_parked(&self, from: usize, max: usize) -> Option<usize> {
        let due = {
            let mut state = self.state.lock();
            if from == 0
                && let Some(audience) = state.audience.as_deref_mut()
            {
                // Cleared first: an append during the pass asks for another one.
                audience.crowded = false;
            }
            state.due(self.limits())
        };
        self.wake_due(due, from, max)
    }

    fn wake_due(&self, due: Due, from: usize, max: usize) -> Option<usize> {
        let (mut from, mut woken) = (from, 0);
        let mut wakers = Wakers::new();
        loop {
            let next = match self.state.lock().audience.as_deref_mut() {
                Some(Audience {
                    parking: Some(parking),
                    ..
                }) => parking.take(from, due, &mut wakers),
                _ => None,
            };
            woken += wakers.len();
            wake_all(&mut wakers);
            from = next?;
            if woken >= max {
                return Some(from);
            }
        }
    }

    pub(crate) fn ending(&self) -> Ending {
        match self.ending.load(Ordering::Acquire) {
            0 => Ending::Open,
            _ => Ending::HubClosed,
        }
    }

    /// Ends the feed: readers get what is left, then the reason. Wakes everybody.
    pub(crate) fn close(&self, ending: Ending) {
        let mut calls = Calls::default();
        {
            let mut state = self.state.lock();
            self.ending.store(ending as u8, Ordering::Release);
            if let Some(audience) = &mut state.audience {
                audience
                    .seats
                    .iter_mut()
                    .for_each(|seat| seat.announce(&mut calls));
            }
        }
        calls.make();
        self.wake_due(Due::ALL, 0, usize::MAX);
    }

    /// Whether any event is held.
    pub(crate) fn holds(&self) -> bool {
        self.state.lock().log.len() > 0
    }

    /// Gives up half of what is held, for the hub's budget. False when it holds nothing.
    pub(crate) fn press(&self, shed: &mut Shed) -> bool {
        self.state.lock().log.press(shed)
    }

    /// Lets go of everything, for the last subscription has gone.
    pub(crate) fn clear(&self, shed: &mut Shed) {
        self.state.lock().log.clear(shed);
    }

    /// Runs `f` on the log, for the rare operations of a feed with one reader.
    pub(crate) fn with_log<T>(&self, f: impl FnOnce(&mut Log, &Limits) -> T) -> T {
        let mut state = self.state.lock();
        let result = f(&mut state.log, self.limits());
        self.end.store(state.log.end(), Ordering::Release);
        result
    }
}

impl State {
    /// Who of those who wait has what they wait for.
    fn due(&self, limits: &Limits) -> Due {
        Due {
            end: self.log.end(),
            pressed: self.log.pressed(limits),
        }
    }

    /// The waker comes out to be dropped outside the lock.
    fn leave(&mut self, cursor: u64, slot: SlotId, shed: &mut Shed) -> Option<Waker> {
        self.log.leave(cursor, shed);
        self.audience
            .as_deref_mut()?
            .parking
            .as_mut()?
            .release(slot)
    }
}

impl Audience {
    fn announce(&mut self, due: Due, calls: &mut Calls) -> bool {
        for seat in &mut self.seats {
            seat.announce(calls);
        }
        let Some(parking) = self.parking.as_mut().filter(|parking| parking.has_armed()) else {
            return false;
        };
        let through = parking.take(0, due, calls.wakers()).is_none();
        !through && !std::mem::replace(&mut self.crowded, true)
    }

    fn seat(&mut self, post: &Arc<Post>) -> Option<&mut Seat> {
        self.seats
            .iter_mut()
            .find(|seat| Arc::ptr_eq(&seat.post, post))
    }
}

impl Seat {
    fn announce(&mut self, calls: &mut Calls) {
        if !self.announced {
            self.announced = true;
            if self.post.announce(self.group) {
                calls.ring(&self.post);
            }
        }
    }
}
