//! Steady traffic between two hubs while their servers are hurt, and what became of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use distributary::{Hub, Publication, Selector, Subscription, TryRecvError, backplane::Receipt};

/// How long anything may take that has to come about at last.
const PATIENCE: Duration = Duration::from_secs(40);

/// Far longer than any failover takes on a machine that does nothing else.
const MOST_SILENCE: Duration = Duration::from_secs(25);

/// From one publish to the next.
const EVERY: Duration = Duration::from_millis(2);

/// What was published: topic and number.
type Sent = (usize, u64);

/// One hub publishes, another one listens.
pub(crate) struct Traffic {
    topics: Vec<String>,
    publisher: Hub,
    over: Arc<AtomicBool>,
    publishing: JoinHandle<Vec<(Sent, Receipt)>>,
    listening: JoinHandle<Heard>,
}

/// What the listener heard.
#[derive(Default)]
struct Heard {
    numbers: BTreeMap<usize, Vec<u64>>,
    missed: u64,
    silence: Duration,
    /// Topics whose end did not come.
    open: BTreeSet<usize>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) sent: usize,
    pub(crate) acknowledged: usize,
    /// Errors, and how many events had each.
    pub(crate) failed: BTreeMap<String, usize>,
    /// Acknowledged and never heard.
    pub(crate) lost: Vec<(String, u64)>,
    /// Heard more than once.
    pub(crate) twice: Vec<(String, u64)>,
    /// Heard after a later one of the same topic.
    pub(crate) late: Vec<(String, u64)>,
    /// Topics that brought nothing after it was over.
    pub(crate) dead: Vec<String>,
    /// Told to the listener as lost.
    pub(crate) missed: u64,
    /// The longest time without an arrival.
    pub(crate) silence: Duration,
}

impl Traffic {
    /// Begins, once all topics are heard.
    pub(crate) fn begin(publisher: &Hub, listener: &Hub, topics: Vec<String>) -> Traffic {
        let subscriptions = topics.iter().map(|topic| listen(listener, topic));
        let subscriptions: Vec<Subscription> = subscriptions.collect();
        for hub in [publisher, listener] {
            let joined = hub.joined().wait(Instant::now() + PATIENCE);
            assert!(joined, "{:?}", hub.health());
        }
        let over = Arc::new(AtomicBool::new(false));
        let listening = {
            let over = Arc::clone(&over);
            thread::spawn(move || hear(subscriptions, &over))
        };
        let publishing = {
            let (hub, topics) = (publisher.clone(), topics.clone());
            let over = Arc::clone(&over);
            thread::spawn(move || publish(&hub, &topics, &over))
        };
        Traffic {
            topics,
            publisher: publisher.clone(),
            over,
            publishing,
            listening,
        }
    }

    /// Lets it flow for a while.
    pub(crate) fn flow(&self, time: Duration) {
        thread::sleep(time);
    }

    /// Ends it, and waits until what was acknowledged has arrived or `settle` is over.
    pub(crate) fn end(self, settle: Duration) -> Report {
        self.over.store(true, Ordering::Relaxed);
        let receipts = self.publishing.join().expect("the publisher");
        let deadline = Instant::now() + PATIENCE;
        let sent = receipts.len();
        let mut acknowledged = BTreeSet::new();
        let mut failed: BTreeMap<String, usize> = BTreeMap::new();
        for (sent, receipt) in receipts {
            match receipt.wait(deadline).expect("an outcome in time") {
                Ok(_) => {
                    acknowledged.insert(sent);
                }
                Err(error) => *failed.entry(error.to_string()).or_default() += 1,
            }
        }
        thread::sleep(settle);
        // Ends the listener: the last of all topics.
        let ends = self.topics.iter().map(|topic| {
            let end = Publication::new(topic, "end".to_owned());
            self.publisher.publish_acknowledged(end)
        });
        ends.for_each(drop);
        let heard = self.listening.join().expect("the listener");
        Report {
            failed,
            ..report(&self.topics, sent, acknowledged, heard)
        }
    }
}

impl Report {
    /// Prints the figures.
    pub(crate) fn tell(&self, what: &str) {
        println!(
            "{what}: {} sent, {} acknowledged, {} of them lost, {} twice, {} late, {} topics dead, {} told as lost, longest silence {:.2} s",
            self.sent,
            self.acknowledged,
            self.lost.len(),
            self.twice.len(),
            self.late.len(),
            self.dead.len(),
            self.missed,
            self.silence.as_secs_f64()
        );
        for (error, count) in &self.failed {
            println!("{what}: {count} failed: {error}");
        }
    }

    /// The promise of every mode: what comes after a fault arrives, and nothing twice.
    #[track_caller]
    pub(crate) fn is_alive(&self, what: &str) {
        self.tell(what);
        assert!(self.acknowledged > 0, "{what}: nothing was acknowledged");
        assert!(self.dead.is_empty(), "{what}: dead {:?}", self.dead);
        assert!(self.twice.is_empty(), "{what}: twice {:?}", self.twice);
        assert!(self.silence < MOST_SILENCE, "{what}: {:?}", self.silence);
    }

    /// The promise of replay.
    #[track_caller]
    pub(crate) fn is_whole(&self, what: &str) {
        self.is_alive(what);
        assert!(self.lost.is_empty(), "{what}: lost {:?}", self.lost);
        assert!(self.late.is_empty(), "{what}: late {:?}", self.late);
    }
}

fn listen(hub: &Hub, topic: &str) -> Subscription {
    hub.subscribe(Selector::topic(topic).expect("a topic"))
        .expect("a subscription")
}

fn publish(hub: &Hub, topics: &[String], over: &AtomicBool) -> Vec<(Sent, Receipt)> {
    let mut receipts = Vec::new();
    let mut numbers = vec![0; topics.len()];
    for at in (0..topics.len()).cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let event = Publication::new(&topics[at], format!("{}", numbers[at]));
        if let Ok(receipt) = hub.publish_acknowledged(event) {
            receipts.push(((at, numbers[at]), receipt));
        }
        numbers[at] += 1;
        thread::sleep(EVERY);
    }
    receipts
}

/// Hears until the end of every topic, or until nothing more comes after the end.
fn hear(mut subscriptions: Vec<Subscription>, over: &AtomicBool) -> Heard {
    let mut heard = Heard {
        open: (0..subscriptions.len()).collect(),
        ..Heard::default()
    };
    let mut last = Instant::now();
    while !heard.open.is_empty() {
        let mut idle = true;
        for at in heard.open.clone() {
            match subscriptions[at].try_recv() {
                Ok(event) => {
                    let text = String::from_utf8_lossy(event.payload()).into_owned();
                    if !over.load(Ordering::Relaxed) {
                        heard.silence = heard.silence.max(last.elapsed());
                    }
                    last = Instant::now();
                    match text.parse() {
                        Ok(number) => heard.numbers.entry(at).or_default().push(number),
                        Err(_) => {
                            heard.open.remove(&at);
                        }
                    }
                    idle = false;
                }
                Err(TryRecvError::Lagged { missed }) => heard.missed += missed,
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Closed(reason)) => panic!("closed: {reason:?}"),
            }
        }
        if idle {
            if over.load(Ordering::Relaxed) && last.elapsed() > PATIENCE {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
    heard
}

fn report(topics: &[String], sent: usize, acknowledged: BTreeSet<Sent>, heard: Heard) -> Report {
    let mut report = Report {
        sent,
        acknowledged: acknowledged.len(),
        failed: BTreeMap::new(),
        lost: Vec::new(),
        twice: Vec::new(),
        late: Vec::new(),
        dead: heard.open.iter().map(|at| topics[*at].clone()).collect(),
        missed: heard.missed,
        silence: heard.silence,
    };
    let mut seen = BTreeSet::new();
    for (at, numbers) in &heard.numbers {
        let mut newest = None;
        for number in numbers {
            let name = || (topics[*at].clone(), *number);
            if !seen.insert((*at, *number)) {
                report.twice.push(name());
            } else if newest > Some(*number) {
                report.late.push(name());
            }
            newest = newest.max(Some(*number));
        }
    }
    let lost = acknowledged.difference(&seen);
    report.lost = lost.map(|(at, n)| (topics[*at].clone(), *n)).collect();
    report
}
