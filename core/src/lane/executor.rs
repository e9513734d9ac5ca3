//! Lane threads for those who bring no loop of their own.

use std::{
    cell::Cell,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread::{self, JoinHandle, ThreadId},
    time::Duration,
};

use hashbrown::HashMap;

use super::{Flow, Lane, MemberId, Remote, Sink, SliceLimits, Token, gate::Gate};
use crate::{
    event::Event,
    hub::{
        Hub,
        core::Core,
        subscribe::{SubscribeError, SubscribeOptions},
    },
    selector::{Selector, SelectorError},
    subscription::CloseReason,
    sync::{Arc, AtomicBool, AtomicU64, Ordering, Queue, StdArc},
};

/// The most threads of one executor.
const MAX_THREADS: usize = 1_024;

thread_local! {
    /// A callback runs on this thread right now.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// What a callback is called with.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Item<'a> {
    /// An event, lent: clone it to keep it.
    Event(&'a Event),
    /// Exactly so many events are gone.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// The last call.
    Closed(CloseReason),
}

type Callback = Box<dyn FnMut(Item<'_>) + Send>;

/// One or more threads that each turn a lane and run callbacks.
///
/// A callback runs on one thread, one call at a time, in the order of events. Dropping the
/// executor ends its subscriptions without a further call. A callback that panics is closed
/// with [`CloseReason::Panicked`]; nobody else notices. Callbacks should not block: those on
/// the same thread wait for them.
///
/// ```
/// use distributary::{Executor, Hub, Item};
/// use std::sync::mpsc;
///
/// let hub = Hub::new();
/// let executor = Executor::new(&hub, 2)?;
/// let (tx, rx) = mpsc::channel();
/// let listener = executor.on("news", move |item| {
///     if let Item::Event(event) = item {
///         tx.send(event.payload().clone()).ok();
///     }
/// })?;
/// hub.publish("news", "hello")?;
/// assert_eq!(&rx.recv()?[..], b"hello");
/// listener.unsubscribe(); // From here on the callback runs no more.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Executor {
    workers: Vec<Worker>,
    next: AtomicU64,
    core: StdArc<Core>,
}

struct Worker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the owner of an executor and one of its threads share.
struct Shared {
    remote: Remote,
    inbox: Queue<Order>,
    stopped: AtomicBool,
    thread: std::sync::OnceLock<ThreadId>,
}

enum Order {
    Add(Token, Registered),
    Drop(Token),
}

struct Registered {
    callback: Callback,
    gate: Arc<Gate>,
}

impl Executor {
    /// Starts the threads.
    ///
    /// # Errors
    /// When `threads` is 0 or more than 1,024, or the system gives no thread.
    pub fn new(hub: &Hub, threads: usize) -> io::Result<Self> {
        Executor::with_limits(hub, threads, SliceLimits::default())
    }

    /// Starts the threads, with slices of another size.
    ///
    /// # Errors
    /// As [`Executor::new`].
    pub fn with_limits(hub: &Hub, threads: usize, limits: SliceLimits) -> io::Result<Self> {
        if !(1..=MAX_THREADS).contains(&threads) {
            let text = format!("an executor of {threads} threads: give 1 to {MAX_THREADS}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut executor = Executor {
            workers: Vec::new(),
            next: AtomicU64::new(0),
            core: StdArc::clone(hub.core()),
        };
        for number in 0..threads {
            let lane = Lane::with_limits(hub, limits);
            // On an error, dropping the executor ends the threads started so far.
            executor.workers.push(Worker::start(lane, number)?);
        }
        Ok(executor)
    }

    /// Calls back for every event of a selector. In force when this returns.
    ///
    /// # Errors
    /// As [`Hub::subscribe`].
    pub fn on<S>(
        &self,
        selector: S,
        callback: impl FnMut(Item<'_>) + Send + 'static,
    ) -> Result<Listener, SubscribeError>
    where
        S: TryInto<Selector>,
        SelectorError: From<S::Error>,
    {
        self.on_with(selector, SubscribeOptions::new(), callback)
    }

    /// Calls back, with options.
    ///
    /// # Errors
    /// As [`Hub::subscribe_with`].
    pub fn on_with<S>(
        &self,
        selector: S,
        options: SubscribeOptions,
        callback: impl FnMut(Item<'_>) + Send + 'static,
    ) -> Result<Listener, SubscribeError>
    where
        S: TryInto<Selector>,
        SelectorError: From<S::Error>,
    {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let worker = &self.workers[number as usize % self.workers.len()];
        let shared = Arc::clone(&worker.shared);
        let token = Token(number);
        let gate = Arc::new(Gate::new());
        let registered = Registered {
            callback: Box::new(callback),
            gate: Arc::clone(&gate),
        };
        // Before the lane can deliver to it.
        shared.inbox.push(Order::Add(token, registered));
        match shared.remote.subscribe(selector, token, options) {
            Ok(member) => Ok(Listener {
                shared,
                gate,
                member,
                token,
            }),
            Err(error) => {
                shared.inbox.push(Order::Drop(token));
                shared.remote.call();
                Err(error)
            }
        }
    }
}

impl Drop for Executor {
    /// Ends the threads, after the callbacks that run now; from inside a callback,
    /// without waiting for its own thread.
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.shared.stopped.store(true, Ordering::SeqCst);
            worker.shared.remote.call();
        }
        for worker in &mut self.workers {
            let own = worker.shared.thread.get() == Some(&thread::current().id());
            if let Some(thread) = worker.thread.take().filter(|_| !own) {
                // A lane thread contains the panics of callbacks, so it ends well.
                let _ = thread.join();
            }
        }
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("threads", &self.workers.len())
            .field("hub", &format_args!("{:x}", self.core.epoch))
            .finish()
    }
}

impl Worker {
    fn start(mut lane: Lane, number: usize) -> io::Result<Worker> {
        let shared = Arc::new(Shared {
            remote: lane.remote(),
            inbox: Queue::new(),
            stopped: AtomicBool::new(false),
            thread: std::sync::OnceLock::new(),
        });
        let mut callbacks = Callbacks {
            shared: Arc::clone(&shared),
            registered: HashMap::default(),
            core: StdArc::clone(lane.core()),
        };
        let run = move || {
            let shared = Arc::clone(&callbacks.shared);
            let _ = shared.thread.set(thread::current().id());
            while !shared.stopped.load(Ordering::SeqCst) {
                callbacks.take_orders();
                if !lane.turn(&mut callbacks).more {
                    lane.wait(Duration::MAX);
                }
            }
        };
        let name = format!("distributary-lane-{number}");
        let thread = thread::Builder::new().name(name).spawn(run)?;
        Ok(Worker {
            shared,
            thread: Some(thread),
        })
    }
}

/// The sink of an executor's lane.
struct Callbacks {
    shared: Arc<Shared>,
    registered: HashMap<Token, Registered, ahash::RandomState>,
    core: StdArc<Core>,
}

impl Callbacks {
    fn take_orders(&mut self) {
        while let Some(order) = self.shared.inbox.pop() {
            match order {
                Order::Add(token, registered) => {
                    self.registered.insert(token, registered);
                }
                Order::Drop(token) => self.forget(token),
            }
        }
    }

    /// Drops a callback; what it owns may panic as well.
    fn forget(&mut self, token: Token) {
        if let Some(registered) = self.registered.remove(&token) {
            registered.gate.close();
            let _ = catch_unwind(AssertUnwindSafe(|| drop(registered.callback)));
        }
    }

    fn call(&mut self, to: Token, item: Item<'_>) -> Flow {
        if !self.registered.contains_key(&to) {
            self.take_orders();
        }
        let Some(registered) = self.registered.get_mut(&to) else {
            return Flow::Close;
        };
        let callback = &mut registered.callback;
        let inside = INSIDE.replace(true);
        let called = registered
            .gate
            .pass(|| catch_unwind(AssertUnwindSafe(|| callback(item))));
        INSIDE.set(inside);
        match called {
            Some(Ok(())) => Flow::Taken,
            // Unsubscribed meanwhile: the command to leave is on its way.
            None => {
                self.forget(to);
                Flow::Close
            }
            Some(Err(_)) => {
                self.core.meters.panicked();
                let closed = Item::Closed(CloseReason::Panicked);
                let callback = &mut registered.callback;
                let inside = INSIDE.replace(true);
                let _ = registered
                    .gate
                    .pass(|| catch_unwind(AssertUnwindSafe(|| callback(closed))));
                INSIDE.set(inside);
                self.forget(to);
                Flow::Close
            }
        }
    }
}

impl Drop for Callbacks {
    /// Callbacks go one by one: what several of them own may panic when dropped.
    fn drop(&mut self) {
        self.take_orders();
        let tokens: Vec<Token> = self.registered.keys().copied().collect();
        tokens.into_iter().for_each(|token| self.forget(token));
    }
}

impl Sink for Callbacks {
    fn deliver(&mut self, to: Token, events: &[Event]) -> Flow {
        for event in events {
            if self.call(to, Item::Event(event)) != Flow::Taken {
                return Flow::Close;
            }
        }
        Flow::Taken
    }

    fn lagged(&mut self, to: Token, missed: u64) -> Flow {
        self.call(to, Item::Lagged { missed })
    }

    fn closed(&mut self, to: Token, reason: CloseReason) {
        let _ = self.call(to, Item::Closed(reason));
        self.forget(to);
    }
}

/// A callback that is subscribed. Dropping it unsubscribes.
#[must_use = "a listener that is dropped is unsubscribed"]
pub struct Listener {
    shared: Arc<Shared>,
    gate: Arc<Gate>,
    member: MemberId,
    token: Token,
}

impl Listener {
    /// Ends the subscription: when this returns, the callback runs no more.
    ///
    /// If it is running right now on another thread, this waits for that one call, so
    /// do not hold what the callback waits for. From inside a callback, be it this one or
    /// another, it does not wait: a call that is under way is then the last.
    pub fn unsubscribe(self) {}

    /// Whether the callback will never run again: its subscription was closed, or it
    /// panicked.
    pub fn is_closed(&self) -> bool {
        self.gate.is_shut()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.remote.unsubscribe(self.member);
        self.shared.inbox.push(Order::Drop(self.token));
        if INSIDE.get() {
            // Two callbacks that end each other would wait for ever.
            self.gate.close();
        } else {
            self.gate.shut(self.shared.thread.get().copied());
        }
        self.shared.remote.call();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
