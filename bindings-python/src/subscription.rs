//! A subscription as Python holds it: a cursor that pulls.
//!
//! Python's half waits; here is what it asks: take an event if there is one, sleep in a seat
//! of the loop's lane, or block a thread. Nothing is taken before whoever asked for it has its
//! turn, so a reader that is cancelled loses nothing.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use distributary as engine;
use engine::{Hub, Selector, SubscribeError, TryRecvError};
use parking_lot::Mutex;
use pyo3::{PyTraverseError, PyVisit, prelude::*, types::PyList};

use crate::{
    errors::{Kind, closed, error, pattern_error, reason, selector_error, subscribe_error},
    event::Event,
    filters::Filter,
    fork::Native,
    hub::Hub as NativeHub,
    lane::{Lane, Place},
    options::{BudgetParts, subscribe_options},
};

/// How long a blocked thread goes without a look at signals.
const SIGNALS: Duration = Duration::from_millis(100);

/// A cursor on the events of one selector.
#[pyclass(subclass, frozen, weakref, module = "distributary")]
pub(crate) struct Subscription {
    state: Mutex<State>,
}

struct State {
    /// None once it is over.
    cursor: Native<Open>,
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

/// What there is while it is open.
struct Open {
    sub: engine::Subscription,
    /// A hub that nobody holds any more goes on for its readers.
    _hub: Hub,
}

struct Seat {
    lane: Py<Lane>,
    place: Arc<Place>,
    waker: Waker,
}

/// What a read gave.
enum Read {
    Event(engine::Event, u64),
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

    fn read(&mut self) -> Read {
        loop {
            if let Some(reason) = self.over() {
                return Read::Over(reason);
            }
            let Some(open) = self.cursor.get_mut() else {
                return Read::Over("unsubscribed");
            };
            match open.sub.try_recv() {
                Ok(event) => return Read::Event(event, std::mem::take(&mut self.lost)),
                Err(TryRecvError::Empty) => return Read::Nothing,
                Err(TryRecvError::Lagged { missed }) => {
                    self.lost += missed;
                    self.missed += missed;
                }
                Err(TryRecvError::Closed(why)) => self.ended = Some(reason(why)),
            }
        }
    }
}

impl Subscription {
    fn event(&self, py: Python<'_>, read: Read) -> PyResult<Option<Py<Event>>> {
        let (event, lost) = match read {
            Read::Event(event, lost) => (event, lost),
            Read::Nothing => return Ok(None),
            Read::Over(reason) => return Err(closed(reason)),
        };
        let lane = self.lane(py);
        let event = match lane {
            Some(lane) => lane.get().object(py, event)?,
            None => Py::new(py, Event::new(event, 0))?,
        };
        match lost {
            0 => Ok(Some(event)),
            lost => Py::new(py, event.get().after(py, lost)).map(Some),
        }
    }

    fn lane(&self, py: Python<'_>) -> Option<Py<Lane>> {
        let state = self.state.lock();
        state.seat.as_ref().map(|seat| seat.lane.clone_ref(py))
    }
}

#[pymethods]
impl Subscription {
    /// Subscribes; in force when this returns.
    #[new]
    fn new(
        hub: &NativeHub,
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
        let hub = hub.hub()?;
        let sub = hub
            .subscribe_with(selector, options)
            .map_err(subscribe_error)?;
        let open = Open {
            sub,
            _hub: hub.clone(),
        };
        let state = State {
            cursor: Native::new(open),
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
    fn _sit(&self, py: Python<'_>, lane: Py<Lane>) {
        let place = lane.get().seat();
        let waker = Waker::from(Arc::clone(&place));
        let seat = Seat { lane, place, waker };
        let before = self.state.lock().seat.replace(seat);
        if let Some(before) = before {
            drop(before.lane.get().leave(before.place.slot()));
            drop(before.lane.into_bound(py));
        }
    }

    /// The next event, or None: it is to be slept for.
    fn _take(&self, py: Python<'_>) -> PyResult<Option<Py<Event>>> {
        let read = {
            let mut state = self.state.lock();
            let state = &mut *state;
            if let Some(seat) = &state.seat
                && !seat.lane.get().may_read(seat.place.slot())
            {
                state.yields = true;
                return Ok(None);
            }
            state.read()
        };
        self.event(py, read)
    }

    /// Up to `most` events.
    fn _take_many<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        while list.len() < most {
            let read = self.state.lock().read();
            match read {
                Read::Over(_) if !list.is_empty() => break,
                read => match self.event(py, read)? {
                    Some(event) => list.append(event)?,
                    None => break,
                },
            }
        }
        Ok(list)
    }

    /// Lays the reader to sleep. 0: there is something after all; 1: it sleeps; 2: it sleeps
    /// for a moment, and the loop has to be told.
    fn _sleep(&self, py: Python<'_>, sleeper: Py<PyAny>) -> PyResult<u8> {
        let mut state = self.state.lock();
        let state = &mut *state;
        let Some(seat) = &state.seat else {
            return Err(error(Kind::Busy, "no loop reads this subscription"));
        };
        let lane = seat.lane.get();
        let slot = seat.place.slot();
        let before = lane.sleep(slot, sleeper);
        let moment = std::mem::take(&mut state.yields);
        if moment {
            seat.place.enqueue();
        }
        let sleeps = moment
            || match state.cursor.get_mut() {
                None => false,
                Some(open) => {
                    let mut cx = Context::from_waker(&seat.waker);
                    open.sub.poll_ready(&mut cx) == Poll::Pending
                }
            };
        let after = match sleeps {
            true => None,
            false => lane.rouse(slot),
        };
        let _ = py;
        drop((before, after));
        Ok(match (sleeps, moment) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        })
    }

    /// What sleeps now.
    fn _sleeper(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let state = self.state.lock();
        let seat = state.seat.as_ref()?;
        seat.lane.get().sleeper(py, seat.place.slot())
    }

    /// Blocks the thread until there is something, at most so many seconds. False when there
    /// is nothing.
    fn _block(&self, py: Python<'_>, seconds: Option<f64>) -> PyResult<bool> {
        let deadline = seconds.and_then(|seconds| {
            let timeout = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
            Instant::now().checked_add(timeout)
        });
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        loop {
            {
                let mut state = self.state.lock();
                let Some(open) = state.cursor.get_mut() else {
                    return Ok(true);
                };
                if open.sub.poll_ready(&mut cx).is_ready() {
                    state.blocked = None;
                    return Ok(true);
                }
                state.blocked = Some(thread::current());
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                self.state.lock().blocked = None;
                return Ok(false);
            }
            let nap = left.map_or(SIGNALS, |left| left.min(SIGNALS));
            py.detach(|| thread::park_timeout(nap));
            py.check_signals()?;
        }
    }

    /// Ends it. Never waits, and wakes whoever reads.
    fn _close(&self, py: Python<'_>) {
        let (open, place, blocked) = {
            let mut state = self.state.lock();
            if state.over().is_none() {
                state.ended = Some("unsubscribed");
            }
            let place = state.seat.as_ref().map(|seat| Arc::clone(&seat.place));
            (state.cursor.take(), place, state.blocked.take())
        };
        drop(open);
        if let Some(place) = place {
            place.wake();
        }
        if let Some(thread) = blocked {
            thread.unpark();
        }
        let _ = py;
    }

    /// Adds or removes a topic or a pattern.
    fn _change(&self, name: &str, pattern: bool, add: bool) -> PyResult<bool> {
        let mut state = self.state.lock();
        if let Some(reason) = state.over() {
            return Err(closed(reason));
        }
        let Some(open) = state.cursor.get_mut() else {
            return Err(closed("unsubscribed"));
        };
        let sub = &mut open.sub;
        match (pattern, add) {
            (false, true) => sub.add_topic(name),
            (false, false) => sub.remove_topic(name),
            (true, true) => sub.add_pattern(name),
            (true, false) => sub.remove_pattern(name),
        }
        .map_err(|cause| match cause {
            SubscribeError::Selector(cause) => pattern_error(name, cause),
            cause => subscribe_error(cause),
        })
    }

    /// The topics and the patterns that it has now.
    fn _names(&self) -> (Vec<String>, Vec<String>) {
        let state = self.state.lock();
        let selector = state.cursor.get().and_then(|open| open.sub.selector());
        let Some(selector) = selector else {
            return (Vec::new(), Vec::new());
        };
        (
            selector.named_topics().map(ToString::to_string).collect(),
            selector.named_patterns().map(ToString::to_string).collect(),
        )
    }

    #[getter]
    fn lag(&self) -> u64 {
        let state = self.state.lock();
        state.cursor.get().map_or(0, |open| open.sub.lag())
    }

    #[getter]
    fn missed(&self) -> u64 {
        self.state.lock().missed
    }

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
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(seat) = self.state.get_mut().seat.take() {
            drop(seat.lane.get().leave(seat.place.slot()));
        }
    }
}

/// Topics and patterns, not none of both.
pub(crate) fn selector(topics: &[String], patterns: &[String]) -> PyResult<Selector> {
    let (mut selector, patterns) = match (topics, patterns) {
        ([], [first, rest @ ..]) => (
            Selector::pattern(first).map_err(|cause| pattern_error(first, cause))?,
            rest,
        ),
        (topics, patterns) => (Selector::topics(topics).map_err(selector_error)?, patterns),
    };
    for pattern in patterns {
        selector = selector
            .and_pattern(pattern)
            .map_err(|cause| pattern_error(pattern, cause))?;
    }
    Ok(selector)
}

/// Wakes a blocked thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
