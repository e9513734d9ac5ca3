//! The sleepers of one event loop.
//!
//! A reader that finds nothing leaves what it sleeps on (a future, a task: Python's own
//! affair) in its seat here. Whoever publishes says who can go on, and rings once for however
//! many; the loop comes, takes as many sleepers as it has time for, and wakes them. Those
//! whose events did not come are never touched.
//!
//! | module | what |
//! |---|---|
//! | [`ready`](crate::ready) | who can go on, and the bell |
//! | [`slice`](crate::slice) | how long, and how many |
//! | [`cache`](crate::cache) | events, made once for all readers of the loop |
//!
//! # Invariants
//! - No Python code runs under the lock of the seats, and nothing of Python's is let go of
//!   there, for that may run anything.
//! - What is on the queue for a seat that has another owner by then wakes that one for
//!   nothing, and it sleeps on.
//! - A reader just woken always gets its event; the others stop once the slice is over, so a
//!   loop whose readers always find something gets its turn nevertheless.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use distributary as engine;
use engine::Batch;
use parking_lot::Mutex;
use pyo3::{
    PyTraverseError, PyVisit,
    prelude::*,
    types::{PyList, PyTuple},
};

use crate::{
    cache::Cache,
    event::Event,
    payload,
    ready::{Place, Ready},
    slice::Slice,
};

/// A reader's seat, and what it sleeps on there.
struct Seat {
    place: Arc<Place>,
    sleeper: Option<Py<PyAny>>,
    /// Woken, and has not read since.
    woken: bool,
}

#[derive(Default)]
struct Seats {
    list: Vec<Option<Seat>>,
    free: Vec<u32>,
    /// Taken off the queue by a turn that was broken off.
    again: Vec<Py<PyAny>>,
}

/// One event loop's share of a hub.
#[pyclass(frozen, module = "distributary._native")]
pub(crate) struct Lane {
    ready: Arc<Ready>,
    slice: Slice,
    seats: Mutex<Seats>,
    cache: Mutex<Cache>,
    /// The last turn left somebody to the next one.
    full: AtomicBool,
}

#[pymethods]
impl Lane {
    /// A lane of the calling thread's loop. `id` is not 0; `slice` is in seconds.
    #[new]
    fn new(id: u32, slice: f64) -> PyResult<Self> {
        let slice = Duration::try_from_secs_f64(slice).unwrap_or(Duration::MAX);
        Ok(Lane {
            ready: Arc::new(Ready::new(id)?),
            slice: Slice::new(slice),
            seats: Mutex::default(),
            cache: Mutex::default(),
            full: AtomicBool::new(false),
        })
    }

    /// What becomes readable when there is somebody to wake; None once it is silent.
    fn descriptor(&self) -> Option<i64> {
        self.ready.descriptor()
    }

    /// The loop has been told to come. From its own thread.
    fn is_coming(&self) {
        self.ready.is_coming();
    }

    /// Makes the descriptor readable.
    fn ring(&self) {
        self.ready.sound();
    }

    /// Makes it unreadable again, for a thread that listens for the loop.
    fn hear(&self) {
        self.ready.hear();
    }

    /// Begins a turn of the loop, which sees to a sweep: adds sleepers that can go on to the list, and says whether
    /// there are more. If there are, the owner comes back by itself and is not rung.
    fn turn(&self, sleepers: &Bound<'_, PyList>) -> PyResult<bool> {
        self.ready.has_come();
        self.cache.lock().await_sweep();
        let most = self.slice.begin(self.full.load(Ordering::Relaxed));
        let taken = self.take(most);
        let more = self.ready.is_unfinished();
        self.full.store(more, Ordering::Relaxed);
        for sleeper in taken {
            sleepers.append(sleeper)?;
        }
        Ok(more)
    }

    /// Calls what makes a turn. If it is broken off, wherever that may be, the loop is called
    /// again.
    fn run(&self, turn: &Bound<'_, PyAny>) -> PyResult<()> {
        let done = turn.call0();
        if done.is_err() {
            self.ready.sound();
        }
        done.map(drop)
    }

    /// A turn was broken off: these are to be woken by the next one, which is called for. Those
    /// that were woken already may be among them.
    fn again(&self, sleepers: Vec<Py<PyAny>>) {
        self.seats.lock().again.extend(sleepers);
        self.ready.sound();
    }

    /// Lets go of events that nobody asked for since the last sweep. False when none is left.
    fn sweep(&self) -> bool {
        let (gone, stays) = self.cache.lock().sweep();
        drop(gone);
        payload::clear();
        stays
    }

    /// Whether nobody sleeps here, nor can go on.
    fn is_idle(&self) -> bool {
        let seats = self.seats.lock();
        self.ready.is_empty()
            && seats.again.is_empty()
            && seats.list.iter().flatten().all(|it| it.sleeper.is_none())
    }

    /// Whether it is of the process that this one was forked from.
    fn is_foreign(&self) -> bool {
        self.ready.is_foreign()
    }

    /// Gives the descriptors back, and lets go of the events.
    fn silence(&self) {
        self.ready.silence();
        let cache = self.cache.lock().close();
        drop(cache);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Taken: the collector runs in the middle of a call here. It comes again.
        let Some(seats) = self.seats.try_lock() else {
            return Ok(());
        };
        for seat in seats.list.iter().flatten() {
            if let Some(sleeper) = &seat.sleeper {
                visit.call(sleeper)?;
            }
        }
        for sleeper in &seats.again {
            visit.call(sleeper)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        let Some(mut seats) = self.seats.try_lock() else {
            return;
        };
        let mut sleepers = std::mem::take(&mut seats.again);
        let seated = seats.list.iter_mut().flatten();
        sleepers.extend(seated.filter_map(|it| it.sleeper.take()));
        drop(seats);
        drop(sleepers);
    }
}

impl Lane {
    /// Up to `most` of those who can go on.
    fn take(&self, most: usize) -> Vec<Py<PyAny>> {
        let mut seats = self.seats.lock();
        let mut taken = std::mem::take(&mut seats.again);
        while taken.len() < most
            && let Some(slot) = self.ready.next()
        {
            let Some(Some(seat)) = seats.list.get_mut(slot as usize) else {
                continue;
            };
            seat.place.dequeued();
            if let Some(sleeper) = seat.sleeper.take() {
                seat.woken = true;
                taken.push(sleeper);
            }
        }
        taken
    }

    /// A seat for a reader.
    pub(crate) fn seat(&self) -> Arc<Place> {
        let mut seats = self.seats.lock();
        let slot = seats.free.pop().unwrap_or_else(|| {
            seats.list.push(None);
            seats.list.len() as u32 - 1
        });
        let place = Arc::new(Place::new(&self.ready, slot));
        seats.list[slot as usize] = Some(Seat {
            place: Arc::clone(&place),
            sleeper: None,
            woken: false,
        });
        place
    }

    /// Gives a seat back. What slept there, to be dropped by the caller.
    pub(crate) fn leave(&self, slot: u32) -> Option<Py<PyAny>> {
        let mut seats = self.seats.lock();
        let seat = seats.list.get_mut(slot as usize)?.take()?;
        seats.free.push(slot);
        if seats.free.len() == seats.list.len() {
            // Everybody has left: a storm of readers leaves nothing behind.
            (seats.list, seats.free) = (Vec::new(), Vec::new());
        }
        seat.sleeper
    }

    /// Lays a reader to sleep. What slept there before.
    pub(crate) fn sleep(&self, slot: u32, sleeper: Py<PyAny>) -> Option<Py<PyAny>> {
        let mut seats = self.seats.lock();
        let seat = seats.list.get_mut(slot as usize)?.as_mut()?;
        seat.woken = false;
        seat.sleeper.replace(sleeper)
    }

    /// What sleeps there.
    pub(crate) fn sleeper(&self, py: Python<'_>, slot: u32) -> Option<Py<PyAny>> {
        let seats = self.seats.lock();
        let seat = seats.list.get(slot as usize)?.as_ref()?;
        seat.sleeper.as_ref().map(|it| it.clone_ref(py))
    }

    /// Nobody sleeps there after all.
    pub(crate) fn rouse(&self, slot: u32) -> Option<Py<PyAny>> {
        let mut seats = self.seats.lock();
        seats.list.get_mut(slot as usize)?.as_mut()?.sleeper.take()
    }

    /// Whether a reader may read on: it was just woken, or the slice is not over.
    pub(crate) fn may_read(&self, slot: u32) -> bool {
        if !self.slice.is_over() {
            return true;
        }
        let mut seats = self.seats.lock();
        match seats.list.get_mut(slot as usize) {
            Some(Some(seat)) => std::mem::take(&mut seat.woken),
            _ => true,
        }
    }

    /// The Python object of an event: the one that the reader before got, if it is still here.
    pub(crate) fn object(&self, py: Python<'_>, event: engine::Event) -> PyResult<Py<Event>> {
        if let Some(kept) = self.cache.lock().get(py, &event) {
            return Ok(kept);
        }
        let made = Py::new(py, Event::new(event))?;
        let (first, before) = {
            let mut cache = self.cache.lock();
            (cache.await_sweep(), cache.put(made.clone_ref(py)))
        };
        self.kept(first);
        drop(before);
        Ok(made)
    }

    /// The same for a batch: one tuple for all readers of that batch.
    pub(crate) fn objects<'py>(
        &self,
        py: Python<'py>,
        batch: Batch,
    ) -> PyResult<Bound<'py, PyTuple>> {
        if let Some(kept) = self.cache.lock().batch(py, &batch) {
            return Ok(kept.into_bound(py));
        }
        let mut objects: Vec<_> = {
            let mut cache = self.cache.lock();
            batch.iter().map(|event| cache.get(py, event)).collect()
        };
        let mut made = Vec::new();
        for (object, event) in objects.iter_mut().zip(batch.iter()) {
            if object.is_none() {
                let new = Py::new(py, Event::new(event.clone()))?;
                made.push(new.clone_ref(py));
                *object = Some(new);
            }
        }
        let events = PyTuple::new(py, objects)?;
        let (first, gone): (_, (Vec<_>, _)) = {
            let mut cache = self.cache.lock();
            let first = cache.await_sweep();
            let before = made.into_iter().filter_map(|event| cache.put(event));
            let gone = (
                before.collect(),
                cache.put_batch(batch, events.clone().unbind()),
            );
            (first, gone)
        };
        self.kept(first);
        drop(gone);
        Ok(events)
    }

    /// Something is kept. Sweeps are planned by turns: the first thing kept calls for one,
    /// where none is planned.
    fn kept(&self, first: bool) {
        if first {
            self.ready.ring();
        }
    }

    /// The loop runs in this thread.
    pub(crate) fn is_here(&self) -> bool {
        self.ready.is_here()
    }

    pub(crate) fn settle_here(&self) {
        self.ready.settle_here();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // Places keep the rest of it for as long as somebody may push.
        self.ready.silence();
    }
}
