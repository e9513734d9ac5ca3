//! Threads that publish, join and leave one hot topic, and what must hold meanwhile.
//!
//! Each publisher numbers its events. Whoever subscribes notes what had been finished
//! before it asked, what had been begun when it was in, and the same at the other end:
//! that bounds from both sides how many events it is to be given or told about.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use distributary::{
    Budget, CloseReason, Event, Executor, Filter, Flow, Hub, Item, Lane, Overflow, Publication,
    Selector, Sink, SliceLimits, SubscribeOptions, Subscription, Token, TryRecvError, Waking,
};
use std::sync::{Arc, Mutex};

const PUBLISHERS: usize = 2;
const RUN: Duration = Duration::from_millis(1_100);
/// Nobody waits so long for an event while publishers are at work.
const FOREVER: Duration = Duration::from_secs(30);

/// A generator of choices; each thread has its own.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

/// How far each publisher is.
#[derive(Default)]
struct Progress {
    begun: [AtomicU64; PUBLISHERS],
    done: [AtomicU64; PUBLISHERS],
    stop: AtomicBool,
}

impl Progress {
    fn begun(&self) -> [u64; PUBLISHERS] {
        [0, 1].map(|p: usize| self.begun[p].load(SeqCst))
    }

    fn done(&self) -> [u64; PUBLISHERS] {
        [0, 1].map(|p: usize| self.done[p].load(SeqCst))
    }

    fn stopped(&self) -> bool {
        self.stop.load(SeqCst)
    }

    /// Publishes numbered events to the hot topic, and some to one that nobody hears.
    fn publish(&self, hub: &Hub, publisher: usize) {
        let mut number = 0_u64;
        let mut last = false;
        // One more after the stop, for those who have just begun to wait.
        while !last {
            last = self.stopped();
            self.begun[publisher].store(number + 1, SeqCst);
            let payload = format!(r#"{{"p": {publisher}, "n": {number}}}"#);
            let publication = Publication::new("hot", payload).attribute("p", publisher as i64);
            hub.publish_event(publication).unwrap();
            number += 1;
            self.done[publisher].store(number, SeqCst);
            if number.is_multiple_of(64) {
                hub.publish(format!("nobody.{number}"), "?").unwrap();
                thread::yield_now();
            }
        }
    }
}

/// What one subscription was given and told, checked as it comes.
struct Ledger {
    only: Option<usize>,
    least: [u64; PUBLISHERS],
    most: [u64; PUBLISHERS],
    last: [Option<u64>; PUBLISHERS],
    /// Gaps seen, and how much had been missed when each publisher was last heard.
    gaps: u64,
    heard_at: [u64; PUBLISHERS],
    received: u64,
    missed: u64,
}

impl Ledger {
    /// For a subscription that takes one publisher's events only, or all; `before` is
    /// what was done when it was asked for, and it is in force now.
    fn open(progress: &Progress, before: [u64; PUBLISHERS], only: Option<usize>) -> Self {
        Ledger {
            only,
            least: progress.begun(),
            most: before,
            last: [None; PUBLISHERS],
            gaps: 0,
            heard_at: [0; PUBLISHERS],
            received: 0,
            missed: 0,
        }
    }

    fn event(&mut self, event: &Event) {
        let text = std::str::from_utf8(event.payload()).unwrap();
        let mut numbers = text
            .split(|c: char| !c.is_ascii_digit())
            .filter(|part| !part.is_empty())
            .map(|part| part.parse::<u64>().unwrap());
        let publisher = numbers.next().unwrap() as usize;
        let number = numbers.next().unwrap();
        assert!(
            self.only.is_none_or(|only| only == publisher),
            "not asked for"
        );
        assert!(
            number >= self.most[publisher],
            "from before it was asked for"
        );
        if let Some(last) = self.last[publisher] {
            assert!(number > last, "{number} after {last}");
            let gap = number - last - 1;
            let missed = self.missed - self.heard_at[publisher];
            assert!(gap <= missed, "{gap} left out, {missed} told");
            self.gaps += gap;
        }
        self.heard_at[publisher] = self.missed;
        self.last[publisher] = Some(number);
        self.received += 1;
    }

    fn lagged(&mut self, missed: u64) {
        assert!(missed > 0);
        self.missed += missed;
    }

    /// `done` was read before the last look, `begun` after it.
    fn close(self, done: [u64; PUBLISHERS], begun: [u64; PUBLISHERS]) {
        let mine = |p: &usize| self.only.is_none_or(|only| only == *p);
        let sum = |from: [u64; PUBLISHERS], to: [u64; PUBLISHERS]| -> u64 {
            let publishers = (0..PUBLISHERS).filter(mine);
            publishers.map(|p| to[p].saturating_sub(from[p])).sum()
        };
        let (least, most) = (sum(self.least, done), sum(self.most, begun));
        let all = self.received + self.missed;
        assert!((least..=most).contains(&all), "{all} of {least} to {most}");
        assert!(self.gaps <= self.missed, "{} left out", self.gaps);
    }
}

fn budget(events: usize) -> Budget {
    Budget::default().events(events).unwrap()
}

/// The kinds of subscriptions that join and leave.
fn hot(dice: &mut Dice) -> (Selector, Option<usize>) {
    let topic = Selector::topic("hot").unwrap();
    match dice.roll(5) {
        0 => (Selector::pattern("h?t").unwrap(), None),
        1 => (topic.and_pattern("ho*").unwrap(), None),
        2 => (
            topic.filter(Filter::parse(r#"{"p": [0]}"#).unwrap()),
            Some(0),
        ),
        3 => {
            let filter = Filter::parse(r#"{"p": [{"numeric": [">=", 1]}]}"#).unwrap();
            (Selector::pattern("*").unwrap().filter(filter), Some(1))
        }
        _ => (topic, None),
    }
}

fn options(dice: &mut Dice) -> SubscribeOptions {
    let options = SubscribeOptions::new().budget(budget([8, 512, 1 << 20][dice.roll(3) as usize]));
    match dice.roll(4) {
        0 => options.overflow(Overflow::DropNewest),
        1 => options.overflow(Overflow::KeepLatest),
        _ => options,
    }
}

/// Joins, reads for a while in one way or another, sometimes changes its topics, and
/// leaves.
fn live_and_leave(hub: &Hub, progress: &Progress, dice: &mut Dice) {
    let mut before = progress.done();
    let adds = dice.roll(4) == 0;
    let (mut sub, only) = if adds {
        let mut sub = hub.subscribe_with("cold", options(dice)).unwrap();
        before = progress.done();
        assert!(sub.add_topic("hot").unwrap());
        (sub, None)
    } else {
        let (selector, only) = hot(dice);
        (hub.subscribe_with(selector, options(dice)).unwrap(), only)
    };
    let mut ledger = Ledger::open(progress, before, only);
    for _ in 0..dice.roll(40) {
        match dice.roll(4) {
            0 => match sub.try_recv_batch(dice.roll(64) as usize) {
                Ok(batch) => batch.iter().for_each(|event| ledger.event(event)),
                Err(TryRecvError::Lagged { missed }) => ledger.lagged(missed),
                Err(error) => assert_eq!(error, TryRecvError::Empty),
            },
            1 => thread::yield_now(),
            _ if progress.stopped() => break,
            _ => match sub.recv_deadline(Instant::now() + FOREVER) {
                Ok(event) => ledger.event(&event),
                Err(TryRecvError::Lagged { missed }) => ledger.lagged(missed),
                Err(_) => assert!(progress.stopped(), "a lost wake-up"),
            },
        }
    }
    let done = progress.done();
    read_all(&mut sub, &mut ledger);
    ledger.close(done, progress.begun());
    if adds {
        assert!(sub.remove_topic("hot").unwrap());
        loop {
            match sub.try_recv() {
                Ok(event) => panic!("{event:?} of a topic that was removed"),
                // From before the removal.
                Err(TryRecvError::Lagged { .. }) => {}
                Err(error) => break assert_eq!(error, TryRecvError::Empty),
            }
        }
    }
}

/// Reads all that is there, but not for ever.
fn read_all(sub: &mut Subscription, ledger: &mut Ledger) {
    let mut left = sub.lag();
    while left > 0 {
        match sub.try_recv() {
            Ok(event) => {
                left -= 1;
                ledger.event(&event);
            }
            Err(TryRecvError::Lagged { missed }) => {
                left = left.saturating_sub(missed);
                ledger.lagged(missed);
            }
            Err(error) => {
                assert_eq!(error, TryRecvError::Empty);
                return;
            }
        }
    }
}

fn assert_nothing_left(hub: &Hub) {
    let stats = hub.stats();
    let alive = (
        stats.subscriptions,
        stats.feeds,
        stats.patterns,
        stats.topics,
    );
    assert_eq!(alive, (0, 0, 0, 0), "{stats:#?}");
    assert_eq!(stats.bytes_held, 0);
    assert_eq!((stats.closed_writes, stats.panicked), (0, 0));
}

#[test]
fn those_who_pull_get_or_are_told_of_everything() {
    for waking in [Waking::Thread, Waking::Publisher] {
        let hub = Hub::builder().waking(waking).build().unwrap();
        let progress = Progress::default();
        let nothing = [0; PUBLISHERS];
        let mut always: Vec<(Subscription, Ledger)> = [8, 1 << 20]
            .map(|events| {
                let options = SubscribeOptions::new().budget(budget(events));
                let sub = hub.subscribe_with("hot", options).unwrap();
                (sub, Ledger::open(&progress, nothing, None))
            })
            .into();
        thread::scope(|scope| {
            for publisher in 0..PUBLISHERS {
                let (hub, progress) = (&hub, &progress);
                scope.spawn(move || progress.publish(hub, publisher));
            }
            for seed in 0..3 {
                let (hub, progress) = (&hub, &progress);
                scope.spawn(move || {
                    let mut dice = Dice(seed);
                    while !progress.stopped() {
                        live_and_leave(hub, progress, &mut dice);
                    }
                });
            }
            thread::sleep(RUN / 2);
            progress.stop.store(true, SeqCst);
        });
        for (mut sub, mut ledger) in always.drain(..) {
            read_all(&mut sub, &mut ledger);
            let published: u64 = progress.done().iter().sum();
            assert_eq!(ledger.received + ledger.missed, published);
            ledger.close(progress.done(), progress.begun());
        }
        assert_nothing_left(&hub);
    }
}

#[test]
fn a_topic_that_comes_and_goes_is_there_or_not_from_one_moment_on() {
    let hub = Hub::new();
    let progress = Progress::default();
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (hub, progress) = (&hub, &progress);
            scope.spawn(move || progress.publish(hub, publisher));
        }
        // Filters make the way from the routes to the feeds longer.
        let filter = Filter::parse(r#"{"p": [{"numeric": [">=", 0]}]}"#).unwrap();
        let cold = Selector::topic("cold").unwrap().filter(filter);
        let mut sub = hub.subscribe_with(cold, SubscribeOptions::new()).unwrap();
        let until = Instant::now() + RUN / 2;
        while Instant::now() < until {
            let before = progress.done();
            assert!(sub.add_topic("hot").unwrap());
            let mut ledger = Ledger::open(&progress, before, None);
            thread::yield_now();
            let done = progress.done();
            read_all(&mut sub, &mut ledger);
            ledger.close(done, progress.begun());
            assert!(sub.remove_topic("hot").unwrap());
            for look in 0..3 {
                match sub.try_recv() {
                    Ok(event) => panic!("{event:?} of a topic that was removed"),
                    Err(TryRecvError::Lagged { .. }) => assert_eq!(look, 0),
                    Err(error) => assert_eq!(error, TryRecvError::Empty),
                }
                thread::yield_now();
            }
        }
        progress.stop.store(true, SeqCst);
    });
    assert_nothing_left(&hub);
}

/// A sink that keeps a ledger per member.
#[derive(Default)]
struct Books {
    open: HashMap<Token, Ledger>,
    dice: Option<Dice>,
    stalled: Vec<Token>,
}

impl Books {
    fn ledger(&mut self, token: Token) -> &mut Ledger {
        let ledger = self.open.get_mut(&token);
        ledger.expect("a call for one who has left")
    }
}

impl Sink for Books {
    fn deliver(&mut self, to: Token, events: &[Event]) -> Flow {
        let stalls = self.dice.as_mut().is_some_and(|dice| dice.roll(50) == 0);
        let taken = if stalls {
            events.len() / 2
        } else {
            events.len()
        };
        let ledger = self.ledger(to);
        events[..taken].iter().for_each(|event| ledger.event(event));
        if stalls {
            self.stalled.push(to);
            return Flow::Stalled { taken };
        }
        Flow::Taken
    }

    fn lagged(&mut self, to: Token, missed: u64) -> Flow {
        self.ledger(to).lagged(missed);
        Flow::Taken
    }

    fn closed(&mut self, _: Token, reason: CloseReason) {
        panic!("closed: {reason}");
    }
}

#[test]
fn members_of_a_lane_get_or_are_told_of_everything() {
    let hub = Hub::builder().budget(budget(512)).build().unwrap();
    let progress = Progress::default();
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (hub, progress) = (&hub, &progress);
            scope.spawn(move || progress.publish(hub, publisher));
        }
        for seed in 0..2 {
            let (hub, progress) = (&hub, &progress);
            scope.spawn(move || turn_with_churn(hub, progress, seed));
        }
        thread::sleep(RUN);
        progress.stop.store(true, SeqCst);
    });
    assert_nothing_left(&hub);
}

/// A loop that owns a lane: joins, leaves, stalls and goes on between its turns.
fn turn_with_churn(hub: &Hub, progress: &Progress, seed: u64) {
    let limits = SliceLimits::default().deliveries(64);
    let mut lane = Lane::with_limits(hub, limits);
    let remote = lane.remote();
    let mut books = Books {
        dice: Some(Dice(seed)),
        ..Books::default()
    };
    let mut dice = Dice(seed + 100);
    let mut members = Vec::new();
    let mut tokens = 0;
    while !progress.stopped() {
        for _ in 0..dice.roll(4) {
            let token = Token(tokens);
            tokens += 1;
            let before = progress.done();
            let (selector, only) = hot(&mut dice);
            let options = options(&mut dice);
            let member = match dice.roll(2) {
                0 => remote.subscribe(selector, token, options),
                _ => lane.subscribe_with(selector, token, options),
            };
            members.push((token, member.unwrap()));
            let ledger = Ledger::open(progress, before, only);
            books.open.insert(token, ledger);
        }
        for token in std::mem::take(&mut books.stalled) {
            if let Some((_, member)) = members.iter().find(|(t, _)| *t == token) {
                lane.resume(*member);
            }
        }
        let more = lane.turn(&mut books).more;
        let before = progress.done();
        if !more && !lane.wait(Duration::from_millis(20)) && !members.is_empty() {
            // Both have published since, so there is something for whomever it has.
            let after = progress.done();
            let news = (0..PUBLISHERS).all(|p| after[p] > before[p] + 1);
            assert!(!news || lane.wait(Duration::ZERO), "a lost wake-up");
        }
        while members.len() > 40 {
            let at = dice.roll(members.len() as u64) as usize;
            let (token, member) = members.swap_remove(at);
            // One whose joining the lane has not heard of yet is heard of first.
            if !lane.unsubscribe(member) {
                let _ = lane.turn(&mut books);
                assert!(lane.unsubscribe(member));
            }
            books.open.remove(&token);
        }
    }
    // The rest read to the end.
    books.dice = None;
    for token in std::mem::take(&mut books.stalled) {
        if let Some((_, member)) = members.iter().find(|(t, _)| *t == token) {
            lane.resume(*member);
        }
    }
    let quiet = Instant::now() + FOREVER;
    while progress.done() != progress.begun() {
        assert!(Instant::now() < quiet);
        thread::yield_now();
    }
    while lane.turn(&mut books).more {}
    for (_, ledger) in books.open.drain() {
        ledger.close(progress.done(), progress.begun());
    }
}

#[test]
fn no_callback_runs_after_unsubscribe_returned() {
    let hub = Hub::builder().budget(budget(64)).build().unwrap();
    let progress = Arc::new(Progress::default());
    let late = Arc::new(AtomicU64::new(0));
    let executor = Executor::new(&hub, 2).unwrap();
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (hub, progress) = (&hub, &progress);
            scope.spawn(move || progress.publish(hub, publisher));
        }
        for seed in 0..2 {
            let (executor, progress, late) = (&executor, &progress, &late);
            scope.spawn(move || {
                let mut dice = Dice(seed);
                while !progress.stopped() {
                    let gone = Arc::new(AtomicBool::new(false));
                    let (left, late) = (Arc::clone(&gone), Arc::clone(late));
                    let before = progress.done();
                    let (selector, only) = hot(&mut dice);
                    let ledger = Arc::new(Mutex::new(None::<Ledger>));
                    let book = Arc::clone(&ledger);
                    let listener = executor.on(selector, move |item| {
                        late.fetch_add(u64::from(left.load(SeqCst)), SeqCst);
                        // Nothing may come before `on` has returned that is not checked,
                        // so the first calls wait for the ledger.
                        while book.lock().unwrap().is_none() {
                            thread::yield_now();
                        }
                        let mut book = book.lock().unwrap();
                        let ledger = book.as_mut().unwrap();
                        match item {
                            Item::Event(event) => ledger.event(event),
                            Item::Lagged { missed } => ledger.lagged(missed),
                            _ => {}
                        }
                    });
                    let listener = listener.unwrap();
                    let opened = Ledger::open(progress, before, only);
                    *ledger.lock().unwrap() = Some(opened);
                    (0..dice.roll(200)).for_each(|_| thread::yield_now());
                    listener.unsubscribe();
                    gone.store(true, SeqCst);
                    assert!(ledger.lock().is_ok(), "its callback panicked");
                }
            });
        }
        thread::sleep(RUN);
        progress.stop.store(true, SeqCst);
    });
    drop(executor);
    assert_eq!(late.load(SeqCst), 0, "calls after unsubscribe returned");
    assert_nothing_left(&hub);
}

#[test]
fn what_is_held_stays_within_the_budgets_while_readers_stall() {
    const FEED: usize = 64 << 10;
    const HUB: u64 = 256 << 10;
    let per_feed = Budget::default().events(Budget::MAX_EVENTS).unwrap();
    let per_feed = per_feed.bytes(FEED).unwrap();
    let hub = Hub::builder().bytes(HUB).budget(per_feed).build().unwrap();
    let topics = 16;
    let stalled = (0..topics * 8).map(|i| hub.subscribe(format!("t{}", i % topics)).unwrap());
    let mut stalled: Vec<Subscription> = stalled.collect();
    let stop = AtomicBool::new(false);
    let published = AtomicU64::new(0);
    let (mut most, mut looks) = (0, 0);
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let (hub, stop, published) = (&hub, &stop, &published);
            scope.spawn(move || {
                let mut dice = Dice(publisher as u64);
                while !stop.load(SeqCst) {
                    let topic = format!("t{}", dice.roll(topics));
                    hub.publish(topic, vec![0; 1_000]).unwrap();
                    published.fetch_add(1, SeqCst);
                }
            });
        }
        let until = Instant::now() + RUN / 2;
        while Instant::now() < until {
            most = most.max(hub.stats().bytes_held);
            looks += 1;
            thread::yield_now();
        }
        stop.store(true, SeqCst);
    });
    // One event under way per publisher, and what the sum of the stripes is off by while
    // they write.
    let slack = PUBLISHERS as u64 * (2_000 + (32 << 10));
    assert!(
        looks > 10 && published.load(SeqCst) > 1_000,
        "nothing was tried"
    );
    assert!(most <= HUB + slack, "{most} held");
    let now = hub.stats().bytes_held;
    assert!(now <= HUB && now > HUB / 4, "{now} held");
    let mut told = 0;
    for sub in &mut stalled {
        loop {
            match sub.try_recv() {
                Ok(_) => told += 1,
                Err(TryRecvError::Lagged { missed }) => told += missed,
                Err(error) => break assert_eq!(error, TryRecvError::Empty),
            }
        }
    }
    assert_eq!(told, published.load(SeqCst) * 8);
    drop(stalled);
    assert_nothing_left(&hub);
}
