//! The sleepers of one event loop.
//!
//! A reader that finds nothing leaves what it sleeps on (a future, a task: Python's own
//! affair) in its place here. Whoever publishes pushes the place on a queue and rings, once
//! for however many; the loop comes, takes as many sleepers off the queue as fit in its slice,
//! and wakes them. Those whose events did not come are never touched.
//!
//! It rings by one byte into a pair of sockets, which a loop watches; or, when the publisher
//! is the loop's own thread, by saying so to [`quietly`], for a loop can tell itself cheaper.
//!
//! # Invariants
//! - *rung* is cleared before the queue is looked at, so a push after the look rings again.
//! - A place is in the queue at most once; what is pushed for a place that has another owner
//!   by then wakes that one for nothing, and it sleeps on.
//! - A reader just woken always gets its event; the others stop once the slice is over, so a
//!   loop whose readers always find something gets its turn nevertheless.

use std::{
    cell::Cell,
    io::{Read, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::Wake,
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use crossbeam::queue::SegQueue;
use parking_lot::Mutex;
use pyo3::{PyTraverseError, PyVisit, prelude::*, types::PyList};

use crate::event::Event;

/// Reads between two looks at the clock.
const STRIDE: u32 = 32;

/// Events whose Python object is kept for the next reader; a power of two.
const KEPT: usize = 1024;

/// What publishers on all threads see of a lane.
pub(crate) struct Ready {
    queue: SegQueue<u32>,
    /// Somebody has rung, or the loop comes by itself.
    rung: AtomicBool,
    ring: UnixStream,
    listen: UnixStream,
    /// The loop's.
    thread: ThreadId,
    id: u32,
    /// Reads since the loop's turn began.
    reads: AtomicU32,
    /// When it began, in nanoseconds after `born`.
    began: AtomicU64,
    over: AtomicBool,
    born: Instant,
    slice: Duration,
}

thread_local! {
    /// The lane of this thread that would have been rung while it publishes: none yet is 0.
    static QUIET: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Does something that may ring; the lane of this thread that it rang, or 0.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> (T, u32) {
    QUIET.set(Some(0));
    let done = work();
    (done, QUIET.take().unwrap_or(0))
}

impl Ready {
    fn ring(&self) {
        if self.rung.swap(true, Ordering::SeqCst) {
            return;
        }
        if QUIET.get() == Some(0) && thread::current().id() == self.thread {
            QUIET.set(Some(self.id));
            return;
        }
        // Full means that it is readable already.
        let _ = (&self.ring).write(&[1]);
    }

    /// Whether the slice that the loop gives to its readers is used up.
    pub(crate) fn is_over(&self) -> bool {
        let reads = self.reads.fetch_add(1, Ordering::Relaxed);
        if self.over.load(Ordering::Relaxed) {
            return true;
        }
        if reads % STRIDE != STRIDE - 1 {
            return false;
        }
        let began = Duration::from_nanos(self.began.load(Ordering::Relaxed));
        let over = self.born.elapsed().saturating_sub(began) > self.slice;
        self.over.store(over, Ordering::Relaxed);
        over
    }

    fn begin(&self) {
        let now = self.born.elapsed().as_nanos() as u64;
        self.began.store(now, Ordering::Relaxed);
        self.reads.store(0, Ordering::Relaxed);
        self.over.store(false, Ordering::Relaxed);
    }
}

/// One reader's way to be woken.
pub(crate) struct Place {
    ready: Arc<Ready>,
    slot: u32,
    queued: AtomicBool,
}

impl Place {
    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    /// Puts the reader on the queue. False when it is there already.
    pub(crate) fn enqueue(&self) -> bool {
        let first = !self.queued.swap(true, Ordering::SeqCst);
        if first {
            self.ready.queue.push(self.slot);
        }
        first
    }
}

impl Wake for Place {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.enqueue() {
            self.ready.ring();
        }
    }
}

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
    /// Python objects of events, by offset.
    events: Vec<Option<Py<Event>>>,
}

/// One event loop's share of a hub.
#[pyclass(frozen, module = "distributary")]
pub(crate) struct Lane {
    ready: Arc<Ready>,
    seats: Mutex<Seats>,
}

#[pymethods]
impl Lane {
    /// A lane of the calling thread's loop. `id` is not 0; `slice` is in seconds.
    #[new]
    fn new(id: u32, slice: f64) -> PyResult<Self> {
        let (ring, listen) = UnixStream::pair()?;
        ring.set_nonblocking(true)?;
        listen.set_nonblocking(true)?;
        let ready = Ready {
            queue: SegQueue::new(),
            rung: AtomicBool::new(false),
            ring,
            listen,
            thread: thread::current().id(),
            id,
            reads: AtomicU32::new(0),
            began: AtomicU64::new(0),
            over: AtomicBool::new(false),
            born: Instant::now(),
            slice: Duration::try_from_secs_f64(slice).unwrap_or(Duration::MAX),
        };
        Ok(Lane {
            ready: Arc::new(ready),
            seats: Mutex::default(),
        })
    }

    /// What becomes readable when there is somebody to wake.
    fn fileno(&self) -> i32 {
        self.ready.listen.as_raw_fd()
    }

    /// Begins a turn of the loop: at most so many sleepers that can go on, and whether there
    /// are more. If there are, the owner comes back by itself and is not rung.
    fn turn<'py>(&self, py: Python<'py>, most: usize) -> PyResult<(Bound<'py, PyList>, bool)> {
        let mut bytes = [0; 64];
        let _ = (&self.ready.listen).read(&mut bytes);
        let sleepers = PyList::empty(py);
        let mut taken = Vec::new();
        let more = {
            let mut seats = self.seats.lock();
            while taken.len() < most
                && let Some(slot) = self.ready.queue.pop()
            {
                if let Some(Some(seat)) = seats.list.get_mut(slot as usize) {
                    seat.place.queued.store(false, Ordering::SeqCst);
                    if let Some(sleeper) = seat.sleeper.take() {
                        seat.woken = true;
                        taken.push(sleeper);
                    }
                }
            }
            let mut more = !self.ready.queue.is_empty();
            if !more {
                self.ready.rung.store(false, Ordering::SeqCst);
                more =
                    !self.ready.queue.is_empty() && !self.ready.rung.swap(true, Ordering::SeqCst);
            }
            more
        };
        for sleeper in taken {
            sleepers.append(sleeper)?;
        }
        self.ready.begin();
        Ok((sleepers, more))
    }

    /// Lets go of the events that are kept for the next reader.
    fn forget(&self) {
        let events = std::mem::take(&mut self.seats.lock().events);
        drop(events);
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
        Ok(())
    }

    fn __clear__(&self) {
        let mut sleepers = Vec::new();
        if let Some(mut seats) = self.seats.try_lock() {
            sleepers.extend(
                seats
                    .list
                    .iter_mut()
                    .flatten()
                    .filter_map(|it| it.sleeper.take()),
            );
        }
        drop(sleepers);
    }
}

impl Lane {
    /// A seat for a reader.
    pub(crate) fn seat(&self) -> Arc<Place> {
        let mut seats = self.seats.lock();
        let slot = seats.free.pop().unwrap_or_else(|| {
            seats.list.push(None);
            seats.list.len() as u32 - 1
        });
        let place = Arc::new(Place {
            ready: Arc::clone(&self.ready),
            slot,
            queued: AtomicBool::new(false),
        });
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
        let seat = seats.list[slot as usize].take()?;
        seats.free.push(slot);
        seat.sleeper
    }

    /// What sleeps there now.
    pub(crate) fn sleeper(&self, py: Python<'_>, slot: u32) -> Option<Py<PyAny>> {
        let seats = self.seats.lock();
        let seat = seats.list[slot as usize].as_ref()?;
        seat.sleeper.as_ref().map(|it| it.clone_ref(py))
    }

    /// Lays a reader to sleep. What slept there before.
    pub(crate) fn sleep(&self, slot: u32, sleeper: Py<PyAny>) -> Option<Py<PyAny>> {
        let mut seats = self.seats.lock();
        let seat = seats.list[slot as usize].as_mut()?;
        seat.woken = false;
        seat.sleeper.replace(sleeper)
    }

    /// Nobody sleeps there after all.
    pub(crate) fn rouse(&self, slot: u32) -> Option<Py<PyAny>> {
        let mut seats = self.seats.lock();
        seats.list[slot as usize].as_mut()?.sleeper.take()
    }

    /// Whether a reader may read on: it was just woken, or the slice is not over.
    pub(crate) fn may_read(&self, slot: u32) -> bool {
        if !self.ready.is_over() {
            return true;
        }
        let mut seats = self.seats.lock();
        match &mut seats.list[slot as usize] {
            Some(seat) => std::mem::take(&mut seat.woken),
            None => true,
        }
    }

    /// The Python object of an event: the one that the reader before got, if it is still here.
    pub(crate) fn object(&self, py: Python<'_>, event: distributary::Event) -> PyResult<Py<Event>> {
        let index = event.position().offset as usize % KEPT;
        {
            let seats = self.seats.lock();
            if let Some(Some(kept)) = seats.events.get(index)
                && kept.get().event().is_same(&event)
            {
                return Ok(kept.clone_ref(py));
            }
        }
        let made = Py::new(py, Event::new(event, 0))?;
        let before = {
            let mut seats = self.seats.lock();
            if seats.events.len() <= index {
                seats.events.resize_with(KEPT, || None);
            }
            seats.events[index].replace(made.clone_ref(py))
        };
        drop(before);
        Ok(made)
    }
}
