//! How long until the last of 50,000 has the event, when they live on other threads
//! or in tasks of their own?
//!
//! Ours beside `tokio::sync::broadcast` with a task per receiver, the way it is used.
//! The next event goes out when everybody has had this one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use crossbeam_utils::CachePadded;
use distributary::{Hub, Lane, Token, Waking};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{Notify, broadcast},
};

use super::Row;
use crate::{
    Outcome,
    report::{Line, Target},
    rounds::{Contender, Samples, alternate_one},
    sinks::Count,
};

pub(crate) const THREADS: Row = Row {
    name: "threads",
    question: "One event to 50,000 subscriptions on two other threads, from publish until the last has it: per delivery.",
    measure: measure_threads,
};

pub(crate) const TASKS: Row = Row {
    name: "tasks",
    question: "One event to 50,000 subscriptions, each in a task of its own, from publish until the last has it: per delivery.",
    measure: measure_tasks,
};

const ROUNDS: usize = 7;
const SUBSCRIBERS: usize = 50_000;
const EVENTS: usize = 10;

fn measure_threads() -> Outcome<Vec<Line>> {
    let mut contenders = [lanes(1)?, lanes(2)?, tokio_tasks(two_workers()?)?];
    let samples = alternate_one(ROUNDS, &mut contenders)?;
    let line = |ours: &Samples| Line::new(ours.of.clone(), ours).against(&samples[2]);
    Ok(vec![
        line(&samples[1]).target(Target::RatioAtMost(0.05)),
        line(&samples[0]),
    ])
}

fn measure_tasks() -> Outcome<Vec<Line>> {
    let mut contenders = [
        our_tasks(
            "one thread, woken by the publisher",
            one_thread()?,
            Waking::Publisher,
        )?,
        tokio_tasks(one_thread()?)?,
        our_tasks(
            "two threads, woken by the hub's thread",
            two_workers()?,
            Waking::Thread,
        )?,
        our_tasks(
            "two threads, woken by the publisher",
            two_workers()?,
            Waking::Publisher,
        )?,
        tokio_tasks(two_workers()?)?,
    ];
    let samples = alternate_one(ROUNDS, &mut contenders)?;
    let line = |ours: usize, peer: usize| {
        Line::new(samples[ours].of.clone(), &samples[ours]).against(&samples[peer])
    };
    Ok(vec![
        line(0, 1).target(Target::RatioAtMost(0.5)).if_missed("a read, an empty read and a park take the feed's lock; most of the rest is the runtime's own, the same for both"),
        line(2, 4).target(Target::RatioAtMost(0.75)),
        line(3, 4),
    ])
}

fn one_thread() -> Outcome<Runtime> {
    Ok(Builder::new_current_thread().build()?)
}

fn two_workers() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).build()?)
}

/// Knows when everybody has had an event. Counts in stripes, so that those who report
/// do not queue up behind one counter.
struct Everybody {
    stripes: Box<[CachePadded<AtomicU64>]>,
    full: AtomicU64,
    done: Notify,
}

impl Everybody {
    const STRIPES: usize = 50;
    const IN_STRIPE: u64 = (SUBSCRIBERS / Self::STRIPES) as u64;

    fn new() -> Arc<Self> {
        Arc::new(Everybody {
            stripes: (0..Self::STRIPES).map(|_| CachePadded::default()).collect(),
            full: AtomicU64::new(0),
            done: Notify::new(),
        })
    }

    fn one_has_it(&self, number: usize) {
        let stripe = &self.stripes[number % Self::STRIPES];
        let before = stripe.fetch_add(1, Ordering::AcqRel);
        if (before + 1).is_multiple_of(Self::IN_STRIPE) {
            let full = self.full.fetch_add(1, Ordering::AcqRel) + 1;
            if full.is_multiple_of(Self::STRIPES as u64) {
                self.done.notify_one();
            }
        }
    }
}

/// Publishes event after event from a task of the runtime's own.
fn timed(
    runtime: &Runtime,
    everybody: &Everybody,
    publish: impl Fn(Bytes) -> Outcome<()>,
) -> Outcome<f64> {
    let event = Bytes::from(vec![b'x'; 1_024]);
    runtime.block_on(async {
        let start = Instant::now();
        for _ in 0..EVENTS {
            publish(event.clone())?;
            everybody.done.notified().await;
        }
        Ok(start.elapsed().as_nanos() as f64 / (EVENTS * SUBSCRIBERS) as f64)
    })
}

fn our_tasks(name: &str, runtime: Runtime, waking: Waking) -> Outcome<Contender<'static>> {
    let hub = Hub::builder().waking(waking).build()?;
    let everybody = Everybody::new();
    for number in 0..SUBSCRIBERS {
        let mut subscription = hub.subscribe("topic")?;
        let everybody = Arc::clone(&everybody);
        runtime.spawn(async move {
            while let Ok(event) = subscription.recv().await {
                debug_assert!(!event.payload().is_empty());
                everybody.one_has_it(number);
            }
        });
    }
    settle(&runtime);
    Ok(Contender::new(name, move || {
        timed(&runtime, &everybody, |event| {
            hub.publish("topic", event)?;
            Ok(())
        })
    }))
}

fn tokio_tasks(runtime: Runtime) -> Outcome<Contender<'static>> {
    let (sender, _) = broadcast::channel::<Bytes>(16);
    let everybody = Everybody::new();
    for number in 0..SUBSCRIBERS {
        let mut receiver = sender.subscribe();
        let everybody = Arc::clone(&everybody);
        runtime.spawn(async move {
            while let Ok(event) = receiver.recv().await {
                debug_assert!(!event.is_empty());
                everybody.one_has_it(number);
            }
        });
    }
    settle(&runtime);
    Ok(Contender::new("tokio broadcast, a task each", move || {
        timed(&runtime, &everybody, |event| {
            sender.send(event)?;
            Ok(())
        })
    }))
}

/// Lets every task come to wait for its first event.
fn settle(runtime: &Runtime) {
    runtime.block_on(async {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    });
    thread::sleep(Duration::from_millis(100));
}

fn lanes(threads: usize) -> Outcome<Contender<'static>> {
    let hub = Hub::new();
    let stop = Arc::new(AtomicBool::new(false));
    let busy = Arc::new(AtomicU64::new(0));
    let publisher = thread::current();
    let of_each = SUBSCRIBERS / threads;
    let mut handles = Vec::new();
    for _ in 0..threads {
        let mut lane = Lane::new(&hub);
        for number in 0..of_each {
            lane.subscribe("topic", Token(number as u64))?;
        }
        let (stop, busy, publisher) = (stop.clone(), busy.clone(), publisher.clone());
        handles.push(thread::spawn(move || {
            let mut sink = Count::default();
            while !stop.load(Ordering::Acquire) {
                lane.wait(Duration::from_millis(50));
                while lane.turn(&mut sink).more {}
                if sink.events == of_each as u64 {
                    sink = Count::default();
                    if busy.fetch_sub(1, Ordering::AcqRel) == 1 {
                        publisher.unpark();
                    }
                }
            }
        }));
    }
    let guard = StopOnDrop { stop, handles };
    let event = Bytes::from(vec![b'x'; 1_024]);
    let name = format!("lanes on {threads} threads");
    Ok(Contender::new(name, move || {
        let _threads = &guard;
        let start = Instant::now();
        for _ in 0..EVENTS {
            busy.store(threads as u64, Ordering::Release);
            hub.publish("topic", event.clone())?;
            while busy.load(Ordering::Acquire) > 0 {
                thread::park_timeout(Duration::from_secs(1));
                if start.elapsed() > Duration::from_secs(30) {
                    return Err("the lanes have not delivered in 30 seconds".into());
                }
            }
        }
        Ok(start.elapsed().as_nanos() as f64 / (EVENTS * SUBSCRIBERS) as f64)
    }))
}

/// Ends lane threads with their contender.
struct StopOnDrop {
    stop: Arc<AtomicBool>,
    handles: Vec<thread::JoinHandle<()>>,
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for handle in self.handles.drain(..) {
            // A panic there was reported there.
            let _ = handle.join();
        }
    }
}
