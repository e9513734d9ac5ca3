//! A subscription as Python holds it: a cursor that pulls.
//!
//! Python's half waits; here is what it asks: take events if there are any, sleep in a seat of
//! the loop's lane, or block a thread. Nothing is taken before whoever asked for it has its
//! turn, so a reader that is cancelled loses nothing.
//!
//! # Invariants
//! - The lock is never held while Python code runs, nor while the interpreter is let go of.
//! - Who sleeps is laid in its seat before the engine is asked to wake it, so a wake-up finds
//!   somebody.
//! - Whatever may end or move the cursor (a close, a change of topics) wakes who waits.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use distributary as engine;
use engine::{Batch, Names, Selector, SelectorError, SubscribeError, TryRecvError};
use parking_lot::{Mutex, MutexGuard};
use pyo3::{
    PyTraverseError, PyVisit,
    prelude::*,
    types::{PyList, PyTuple},
};

use crate::{
    errors::{Kind, closed, error, pattern_error, reason, selector_error, subscribe_error},
    event::Event,
    filters::Filter,
    fork::Native,
    hub::Hub,
    lane::Lane,
    options::{BudgetParts, subscribe_options},
    payload,
    ready::Place,
};

/// How long the thread that gets the signals is blocked without a look at them.
const SIGNALS: Duration = Duration::from_millis(50);

/// A cursor on the events of one selector.
#[pyclass(subclass, frozen, weakref, module = "distributary._native")]
pub(crate) struct Subscription {
    state: Mutex<State>,
}

struct State {
    /// None once it is over.
    cursor: Native<engine::Subscription>,
    seat: Option<Seat>,
    /// Missed, and not yet told.
    lost: u64,
    /// Missed in all.
    missed: u64,
    /// Why it is over.
    ended: Option<&'static str>,
    /// The slice is over: the next sleep is one of a moment.
    yields: bool,
    /// The thread that is blocked in it.
    blocked: Option<Thread>,
}

struct Seat {
    lane: Py<Lane>,
    place: Arc<Place>,
}

/// What a read gave.
enum Read<T> {
    /// Events, and how many were missed before them.
    Got(T, u64),
    Nothing,
    Over(&'static str),
}

impl State {
    /// Why nothing can be read, if so.
    fn over(&mut self) -> Option<&'static str> {
        if self.ended.is_none() && self.cursor.is_foreign() {
            self.ended = Some("forked");
        }
        self.ended
    }

    /// The cursor, or why there is none.
    fn open(&mut self) -> Result<&mut engine::Subscription, &'static str> {
        match self.over() {
            Some(reason) => Err(reason),
            None => self.cursor.get_mut().ok_or("unsubscribed"),
        }
    }

    fn read<T>(
        &mut self,
        mut read: impl FnMut(&mut engine::Subscription) -> Result<T, TryRecvError>,
    ) -> Read<T> {
        loop {
            let open = match self.open() {
                Ok(open) => open,
                Err(reason) => return Read::Over(reason),
            };
            match read(open) {
                Ok(got) => return Read::Got(got, std::mem::take(&mut self.lost)),
                Err(TryRecvError::Empty) => return Read::Nothing,
                Err(TryRecvError::Lagged { missed }) => {
                    self.lost += missed;
                    self.missed += missed;
                }
                Err(TryRecvError::Closed(why)) => self.ended = Some(reason(why)),
            }
        }
    }

    /// Whether a reader of the loop may read on. If not, it is to sleep: for a moment, when
    /// there is something.
    fn may_read(&mut self) -> bool {
        let Some(seat) = &self.seat else {
            return true;
        };
        let lane = seat.lane.get();
        if !lane.is_here() {
            // Whoever is about to sleep has to say which loop it is of.
            return false;
        }
        self.yields = !lane.may_read(seat.place.slot());
        !self.yields
    }

    /// Lays a reader to sleep; None when it cannot be. And what is to be dropped.
    fn sleep(&mut self, sleeper: Py<PyAny>, count: usize) -> (Option<u8>, [Option<Py<PyAny>>; 2]) {
        let yields = std::mem::take(&mut self.yields);
        let over = self.over().is_some();
        let Some(seat) = self.seat.as_ref().filter(|_| self.blocked.is_none()) else {
            return (None, [Some(sleeper), None]);
        };
        let (lane, slot) = (seat.lane.get(), seat.place.slot());
        lane.settle_here();
        let before = lane.sleep(slot, sleeper);
        let sleeps = !over
            && self.cursor.get_mut().is_some_and(|cursor| {
                let waker = Waker::from(Arc::clone(&seat.place));
                let mut cx = Context::from_waker(&waker);
                cursor.poll_ready_many(&mut cx, count) == Poll::Pending
            });
        match (sleeps, yields) {
            (true, _) => (Some(1), [before, None]),
            // There is something, be it the end: not to be read now, and not to be tried again
            // before the loop has turned.
            (false, true) => {
                seat.place.enqueue();
                (Some(2), [before, None])
            }
            (false, false) => (Some(0), [before, lane.rouse(slot)]),
        }
    }

    fn lane(&self, py: Python<'_>) -> Option<Py<Lane>> {
        self.seat.as_ref().map(|seat| seat.lane.clone_ref(py))
    }

    /// What wakes whoever waits, to be called without the lock.
    fn waiting(&mut self) -> Waiting {
        Waiting {
            place: self.seat.as_ref().map(|seat| Arc::clone(&seat.place)),
            thread: self.blocked.clone(),
        }
    }
}

/// Whoever waits for a subscription, in whatever way.
struct Waiting {
    place: Option<Arc<Place>>,
    thread: Option<Thread>,
}

impl Waiting {
    fn wake(self) {
        if let Some(place) = self.place {
            place.wake();
        }
        if let Some(thread) = self.thread {
            thread.unpark();
        }
    }
}

#[pymethods]
impl Subscription {
    /// Subscribes; in force when this returns.
    #[new]
    fn new(
        hub: &Hub,
        topics: Vec<String>,
        patterns: Vec<String>,
        filter: Option<&Filter>,
        overflow: Option<&str>,
        budget: BudgetParts,
        from: Option<Vec<(Option<String>, String)>>,
    ) -> PyResult<Self> {
        let mut selector = selector(&topics, &patterns)?;
        if let Some(filter) = filter {
            selector = selector.filter(filter.filter().clone());
        }
        let options = subscribe_options(overflow, budget, from)?;
        let cursor = hub
            .hub()?
            .subscribe_with(selector, options)
            .map_err(subscribe_error)?;
        let state = State {
            cursor: Native::new(cursor),
            seat: None,
            lost: 0,
            missed: 0,
            ended: None,
            yields: false,
            blocked: None,
        };
        Ok(Subscription {
            state: Mutex::new(state),
        })
    }

    /// Takes a seat in the lane of the loop that reads.
    fn _sit(&self, lane: Py<Lane>) {
        let place = lane.get().seat();
        let before = self.state.lock().seat.replace(Seat { lane, place });
        drop(before.map(Seat::leave));
    }

    /// The next event, or None: it is to be slept for.
    fn _take(&self, py: Python<'_>) -> PyResult<Option<Py<Event>>> {
        let mut state = self.state.lock();
        match state.may_read() {
            true => next(py, state),
            false => Ok(None),
        }
    }

    /// The next event, or None: there is none.
    fn _take_now(&self, py: Python<'_>) -> PyResult<Option<Py<Event>>> {
        next(py, self.state.lock())
    }

    /// Up to `most` events; none of them: they are to be slept for.
    fn _take_many<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyTuple>> {
        let may_read = self.state.lock().may_read();
        match may_read {
            true => self._take_many_now(py, most),
            false => Ok(PyTuple::empty(py)),
        }
    }

    /// Up to `most` events that are there. Readers at the same place get the same tuple.
    fn _take_many_now<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyTuple>> {
        let (mut batches, lane, over) = {
            let mut state = self.state.lock();
            let (mut batches, mut left, mut over) = (Vec::new(), most, None);
            while left > 0 {
                match state.read(|open| open.try_recv_batch(left)) {
                    Read::Got(batch, lost) => {
                        left -= batch.len();
                        batches.push((batch, lost));
                    }
                    Read::Nothing => break,
                    // Told by the next read, if there is anything.
                    Read::Over(reason) => {
                        over = Some(reason);
                        break;
                    }
                }
            }
            (batches, state.lane(py), over)
        };
        match (batches.len(), over) {
            (0, Some(reason)) => Err(closed(reason)),
            (0, None) => Ok(PyTuple::empty(py)),
            (1, _) => {
                let (batch, lost) = batches.remove(0);
                objects(py, lane.as_ref(), batch, lost)
            }
            _ => {
                let all = PyList::empty(py);
                for (batch, lost) in batches {
                    for event in objects(py, lane.as_ref(), batch, lost)? {
                        all.append(event)?;
                    }
                }
                Ok(all.to_tuple())
            }
        }
    }

    /// Lays the reader to sleep until so many events are there. 0: there is something after
    /// all; 1: it sleeps; 2: it sleeps for a moment, and the loop has to be told.
    fn _sleep(&self, sleeper: Py<PyAny>, count: usize) -> PyResult<u8> {
        let (slept, unneeded) = self.state.lock().sleep(sleeper, count);
        drop(unneeded);
        slept.ok_or_else(busy)
    }

    /// What sleeps now.
    fn _sleeper(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let state = self.state.lock();
        let seat = state.seat.as_ref()?;
        seat.lane.get().sleeper(py, seat.place.slot())
    }

    /// It does not sleep any more.
    fn _rouse(&self) {
        let sleeper = {
            let state = self.state.lock();
            let seat = state.seat.as_ref();
            seat.and_then(|seat| seat.lane.get().rouse(seat.place.slot()))
        };
        drop(sleeper);
    }

    /// Blocks the thread until there is something, at most so many seconds. False when there
    /// is nothing. `signals`: it is the thread that gets them.
    fn _block(&self, py: Python<'_>, seconds: Option<f64>, signals: bool) -> PyResult<bool> {
        let deadline = seconds.and_then(|seconds| {
            let timeout = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
            Instant::now().checked_add(timeout)
        });
        let Some(blocked) = Blocked::new(self) else {
            return Err(busy());
        };
        park(py, deadline, signals, |waker| {
            match blocked.0.state.lock().open() {
                Err(_) => true,
                Ok(open) => open.poll_ready(&mut Context::from_waker(waker)).is_ready(),
            }
        })
    }

    /// Ends it. Never waits, and wakes whoever reads.
    fn _close(&self) {
        let (cursor, waiting) = {
            let mut state = self.state.lock();
            if state.over().is_none() {
                state.ended = Some("unsubscribed");
            }
            (state.cursor.take(), state.waiting())
        };
        drop(cursor);
        waiting.wake();
        payload::clear();
    }

    /// Adds topics and patterns, all or none. How many were not there.
    fn _add(&self, topics: Vec<String>, patterns: Vec<String>) -> PyResult<usize> {
        let names = names(&topics, &patterns)?;
        self.change(|open| open.add(names))?
            .map_err(subscribe_error)
    }

    /// Removes topics and patterns, all or none. How many were there.
    fn _remove(&self, topics: Vec<String>, patterns: Vec<String>) -> PyResult<usize> {
        let names = names(&topics, &patterns)?;
        self.change(|open| open.remove(names))?.map_err(|cause| match cause {
            SubscribeError::Selector(SelectorError::Empty) => error(
                Kind::Selector,
                "nothing would be left to read: close the subscription instead, or add other names first",
            ),
            cause => subscribe_error(cause),
        })
    }

    /// The topics and the patterns that it has now.
    fn _names(&self) -> (Vec<String>, Vec<String>) {
        let Some(selector) = self.selector() else {
            return (Vec::new(), Vec::new());
        };
        (
            selector.named_topics().map(ToString::to_string).collect(),
            selector.named_patterns().map(ToString::to_string).collect(),
        )
    }

    /// Events that wait to be read, those included that are lost and not yet told.
    #[getter]
    fn lag(&self) -> u64 {
        let state = self.state.lock();
        state.cursor.get().map_or(0, engine::Subscription::lag)
    }

    /// Events missed in all, as far as they have been read past.
    #[getter]
    fn missed(&self) -> u64 {
        self.state.lock().missed
    }

    /// Why nothing more can be read; None as long as something can.
    #[getter]
    fn closed(&self) -> Option<&'static str> {
        self.state.lock().over()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(state) = self.state.try_lock()
            && let Some(seat) = &state.seat
        {
            visit.call(&seat.lane)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let seat = self.state.try_lock().and_then(|mut it| it.seat.take());
        drop(seat.map(Seat::leave));
    }
}

impl Subscription {
    fn selector(&self) -> Option<Selector> {
        let state = self.state.lock();
        state.cursor.get().and_then(engine::Subscription::selector)
    }

    /// Changes what it reads. Whoever waits looks again, for it waits at the old place.
    fn change(
        &self,
        change: impl FnOnce(&mut engine::Subscription) -> Result<usize, SubscribeError>,
    ) -> PyResult<Result<usize, SubscribeError>> {
        let (changed, waiting) = {
            let mut state = self.state.lock();
            let changed = state.open().map(change);
            (changed, state.waiting())
        };
        waiting.wake();
        payload::clear();
        changed.map_err(closed)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        drop(self.state.get_mut().seat.take().map(Seat::leave));
    }
}

impl Seat {
    /// Gives it back. What slept there, and the lane, to be dropped.
    fn leave(self) -> (Option<Py<PyAny>>, Py<Lane>) {
        let sleeper = self.lane.get().leave(self.place.slot());
        (sleeper, self.lane)
    }
}

/// The thread that is blocked in a subscription, until it is not.
struct Blocked<'a>(&'a Subscription);

impl<'a> Blocked<'a> {
    /// None while another one is.
    fn new(sub: &'a Subscription) -> Option<Self> {
        let mut state = sub.state.lock();
        let free = state.blocked.is_none();
        free.then(|| {
            state.blocked = Some(thread::current());
            Blocked(sub)
        })
    }
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        self.0.state.lock().blocked = None;
    }
}

fn busy() -> PyErr {
    error(
        Kind::Busy,
        "somebody reads this subscription already: one reader at a time, subscribe anew for another",
    )
}

/// Reads one event, and makes its object once the lock is let go of.
fn next(py: Python<'_>, mut state: MutexGuard<'_, State>) -> PyResult<Option<Py<Event>>> {
    let read = state.read(engine::Subscription::try_recv);
    let lane = state.lane(py);
    drop(state);
    payload::clear();
    let (event, lost) = match read {
        Read::Got(event, lost) => (event, lost),
        Read::Nothing => return Ok(None),
        Read::Over(reason) => return Err(closed(reason)),
    };
    let event = match lane {
        Some(lane) => lane.get().object(py, event)?,
        None => Py::new(py, Event::new(event))?,
    };
    match lost {
        0 => Ok(Some(event)),
        lost => Py::new(py, Event::after(event, lost)).map(Some),
    }
}

/// The objects of a batch.
fn objects<'py>(
    py: Python<'py>,
    lane: Option<&Py<Lane>>,
    batch: Batch,
    lost: u64,
) -> PyResult<Bound<'py, PyTuple>> {
    let events = match lane {
        Some(lane) => lane.get().objects(py, batch)?,
        None => {
            let made = batch
                .iter()
                .map(|event| Py::new(py, Event::new(event.clone())));
            PyTuple::new(py, made.collect::<PyResult<Vec<_>>>()?)?
        }
    };
    if lost == 0 {
        return Ok(events);
    }
    // Its own tuple, for the first says what this reader missed.
    let events = events.to_list();
    let first = events.get_item(0)?.cast_into::<Event>()?;
    events.set_item(0, Py::new(py, Event::after(first.unbind(), lost))?)?;
    Ok(events.to_tuple())
}

/// Topics and patterns, so that what is wrong with one shows before anything is done.
fn names(topics: &[String], patterns: &[String]) -> PyResult<Names> {
    let names = Names::new().topics(topics);
    names
        .and_then(|names| names.patterns(patterns))
        .map_err(|cause| pattern_error(cause.name(), cause.cause().clone()))
}

/// Topics and patterns, not none of both.
pub(crate) fn selector(topics: &[String], patterns: &[String]) -> PyResult<Selector> {
    names(topics, patterns)?.try_into().map_err(selector_error)
}

/// Blocks the thread until `is_ready`, which is given what wakes it; at most until the deadline. Whether it
/// is. `signals`: it is the thread that gets them.
pub(crate) fn park(
    py: Python<'_>,
    deadline: Option<Instant>,
    signals: bool,
    mut is_ready: impl FnMut(&Waker) -> bool,
) -> PyResult<bool> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    while !is_ready(&waker) {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Ok(false);
        }
        let nap = match (left, signals) {
            (Some(left), true) => Some(left.min(SIGNALS)),
            (None, true) => Some(SIGNALS),
            (left, false) => left,
        };
        py.detach(|| match nap {
            Some(nap) => thread::park_timeout(nap),
            None => thread::park(),
        });
        if signals {
            py.check_signals()?;
        }
    }
    Ok(true)
}

/// Wakes a blocked thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
