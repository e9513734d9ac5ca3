//! What drives the backplane on its thread: the shell around the pure parts.
//!
//! | file | its job |
//! |---|---|
//! | `layout` | follows the plan: which links there are, and who listens to what |
//! | `succession` | one link takes over from another; what goes out where |
//! | `handover` | what two links of a cluster bring while one succeeds the other |
//! | `sentinels` | who the master is |
//! | `mapping` | who owns which slot |
//! | `standing` | tasks that are kept up |
//! | `waiters` | who is to be told once all is heard |
//! | `line` | what the tasks around one link share |
//! | `link` | one connection after another, as the machine says |
//! | `greeting` | who we are and what the server is |
//! | `joining` | the ledger's steps, sent and settled |
//! | `publishing` | pipelines of the outbox, sent and settled |
//! | `counting` | how many listen to a channel |
//! | `attempts` | what attempts to connect the process may make |
//! | `visit` | a connection beside those of the links |
//! | `probing` | whether the server still hears us, and we it |
//! | `doubting` | whether it hears us while events come and nothing is answered |
//! | `watching` | looks at the servers, and how it all is, posted |
//! | `arriving` | what a connection pushes, brought to where it belongs |
//! | `keeping` | histories, told of what came while nobody listened |
//! | `hearing` | what the inbox is told, and where logs stand before topics are heard |
//! | `repairing` | logs that are read after breaks |
//! | `desks` | whose turn it is to read them |
//! | `pieces` | one entry of a log, read in pieces |
//! | `suspects` | reads over which connections broke, and what to do about them |
//! | `searching` | logs that began while patterns were cut off |
//!
//! Everything here runs on one thread; what several tasks share stands in `RefCell`s that
//! are never borrowed across an `await`.

mod arriving;
mod attempts;
mod counting;
mod desks;
mod doubting;
mod greeting;
mod handover;
mod hearing;
mod joining;
mod keeping;
mod layout;
mod line;
mod link;
mod mapping;
mod pieces;
mod probing;
mod publishing;
mod repairing;
mod searching;
mod sentinels;
mod standing;
mod succession;
mod suspects;
mod visit;
mod waiters;
mod watching;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{
        Notify,
        mpsc::{self, error::TryRecvError},
    },
    task::{JoinHandle, spawn_local, yield_now},
    time::{sleep, timeout},
};

use self::{
    attempts::BUDGET,
    handover::{Handover, Shards},
    line::Line,
    repairing::Repairs,
    standing::Ended,
    waiters::{Marks, Waiters},
    watching::Overview,
};
use super::{
    arrival::Stamp,
    inbox::Inbox,
    link::Budget,
    outbox::Outbox,
    plane::{Common, Order},
    topology::{LinkId, Plan},
};
use crate::{
    backplane::{Condition, Inlet, Joining, Name, Reason, Together},
    sync::Mutex,
};

/// How long what is queued may take to go out when the hub closes.
const PARTING: Duration = Duration::from_millis(1_500);

/// How often a hub that closes looks whether a connection stands by now.
const GLANCE: Duration = Duration::from_millis(10);

/// Changed names that are looked at before other tasks of the thread have their turn.
const TURN: usize = 1_000;

/// Everything that the tasks of one backplane share.
pub(crate) struct Conductor {
    common: Arc<Common>,
    /// The process'.
    budget: &'static Mutex<Budget>,
    inlet: Inlet,
    /// Readers of what arrives, that are yet to be woken.
    together: RefCell<Together>,
    plan: RefCell<Plan>,
    lines: RefCell<BTreeMap<LinkId, Rc<Line>>>,
    /// The tasks of the links.
    links: RefCell<Vec<JoinHandle<()>>>,
    /// The task that finds the servers, where they may change.
    finding: RefCell<Option<Ended>>,
    /// More names have changed than were looked at.
    unread: Cell<bool>,
    /// Names that are wanted before any server is known.
    early: RefCell<HashSet<Name>>,
    /// The slot map is known.
    mapped: Cell<bool>,
    /// What is known of the servers may be wrong by now.
    doubted: Notify,
    /// How many hubs share a server, as one of them told last.
    hubs: Cell<Option<u32>>,
    inbox: RefCell<Inbox>,
    handover: RefCell<Handover>,
    shards: RefCell<Shards>,
    outbox: RefCell<Outbox<LinkId>>,
    repairs: Repairs,
    /// Logs may have to be looked for.
    searches: Notify,
    waiters: RefCell<Waiters>,
    /// What the thread itself has to say is not as it should be.
    reasons: RefCell<Vec<Reason>>,
    overview: Overview,
    /// The hub closes.
    closing: Cell<bool>,
}

impl Conductor {
    pub(crate) fn new(common: Arc<Common>, inlet: Inlet) -> Rc<Self> {
        let settings = &common.settings;
        let outbox = Outbox::new(
            Arc::clone(&common.queue),
            settings.modes.clone(),
            publishing::limits(settings),
            common.id,
        );
        let inbox = Inbox::new(common.id, settings.modes.clone(), Stamp::now());
        Rc::new(Conductor {
            outbox: RefCell::new(outbox),
            plan: RefCell::new(layout::plan(&common)),
            lines: RefCell::default(),
            links: RefCell::default(),
            finding: RefCell::default(),
            unread: Cell::new(false),
            early: RefCell::default(),
            mapped: Cell::new(false),
            doubted: Notify::new(),
            hubs: Cell::new(None),
            inbox: RefCell::new(inbox),
            handover: RefCell::new(Handover::new()),
            shards: RefCell::default(),
            repairs: Repairs::default(),
            searches: Notify::new(),
            common,
            budget: &BUDGET,
            inlet,
            together: RefCell::default(),
            waiters: RefCell::default(),
            overview: Overview::default(),
            reasons: RefCell::default(),
            closing: Cell::new(false),
        })
    }

    /// Runs until the hub closes.
    pub(crate) async fn run(self: Rc<Self>, mut orders: mpsc::UnboundedReceiver<Order>) {
        self.find();
        self.take_changes(TURN);
        let standing = [
            self.stand(Conductor::sort),
            self.stand(Conductor::repair),
            self.stand(Conductor::search),
            self.stand(Conductor::keep_assessing),
        ];
        while let Some(order) = self.next(&mut orders).await {
            // A fault in one is counted, and the next is served.
            match order {
                Order::Interest => {
                    self.contained(|| self.take_changes(TURN));
                }
                Order::WhenJoined(joining) => {
                    self.contained(|| self.when_joined(joining));
                }
                Order::Listeners(place, channel, told) => {
                    spawn_local(Rc::clone(&self).count_listeners(place, channel, told));
                }
                Order::Close => break,
            }
        }
        self.common.queue.close();
        self.collect();
        let parting = async {
            self.await_connections().await;
            self.closing.set(true);
            self.finding.take();
            self.part().await;
        };
        if timeout(PARTING, parting).await.is_err() {
            self.closing.set(true);
        }
        drop(self.waiters.take());
        drop(standing);
    }

    /// The next order; should names be left that have changed, to look at these, once
    /// everybody else has had a turn.
    async fn next(&self, orders: &mut mpsc::UnboundedReceiver<Order>) -> Option<Order> {
        if !self.unread.get() {
            return orders.recv().await;
        }
        yield_now().await;
        match orders.try_recv() {
            Ok(order) => Some(order),
            Err(TryRecvError::Empty) => Some(Order::Interest),
            Err(TryRecvError::Disconnected) => None,
        }
    }

    /// Keeps a task up for as long as it is held: a fault in it is counted, and it begins
    /// anew.
    fn stand<F: Future<Output = ()> + 'static>(
        self: &Rc<Self>,
        task: impl Fn(Rc<Self>) -> F + 'static,
    ) -> Ended {
        let common = Arc::clone(&self.common);
        let conductor = Rc::clone(self);
        Ended::spawn(standing::stand(
            move || common.figures.panics.add(1),
            move || task(Rc::clone(&conductor)),
        ))
    }

    /// Gives what is queued its one chance when the hub closes before a server has been
    /// reached: until each link takes events, or its attempt has failed.
    async fn await_connections(&self) {
        let is_coming = |line: &Rc<Line>| line.state.get().is_on_its_way();
        while self.common.queue.bytes() > 0 {
            let awaited = {
                let lines = self.lines.borrow();
                lines.is_empty() || lines.values().any(is_coming)
            };
            if !awaited {
                return;
            }
            sleep(GLANCE).await;
            self.collect();
        }
    }

    /// Lets every link end, once what is queued has gone out.
    async fn part(&self) {
        for line in self.lines.borrow().values() {
            line.part();
        }
        let links = self.links.take();
        for link in links {
            let _ = link.await;
        }
    }

    /// Brings the ledgers up to what is wanted, of at most so many names. Where names come
    /// and go all the time, there is always one more.
    fn take_changes(self: &Rc<Self>, most: usize) {
        let now = Instant::now();
        self.unread.set(true);
        for _ in 0..most {
            let Some(change) = self.inlet.next_change() else {
                self.unread.set(false);
                break;
            };
            self.change(&change.name, change.wanted, now);
        }
        for line in self.lines.borrow().values() {
            line.stirred.notify_one();
        }
        self.give_up_left();
        self.tell_joined();
    }

    fn when_joined(self: &Rc<Self>, joining: Joining) {
        // All that have changed before it was asked.
        self.take_changes(self.inlet.changes() + 1);
        self.waiters.borrow_mut().add(self.marks(), vec![joining]);
        self.tell_joined();
    }

    /// Names have changed places: whoever waits does so where they are now.
    fn remark(&self) {
        let mut waiters = self.waiters.borrow_mut();
        let joining = waiters.take();
        if !joining.is_empty() {
            waiters.add(self.marks(), joining);
        }
    }

    fn marks(&self) -> Marks {
        let lines = self.lines.borrow();
        let marked = lines.values().filter(|line| !line.leaving.get());
        marked
            .map(|line| (Rc::clone(line), line.ledger.borrow().mark()))
            .collect()
    }

    /// A ledger has changed: whoever waited for it is told.
    fn tell_joined(&self) {
        let homeless = self.early.borrow().len() + self.plan.borrow().unseated();
        let mut missing = homeless;
        for line in self.lines.borrow().values() {
            if !line.leaving.get() {
                missing += line.ledger.borrow().missing();
            }
        }
        self.common.figures.joining.set(missing as u64);
        self.overview.joining(missing);
        let may_be_told = homeless == 0 && !self.lines.borrow().is_empty();
        let heard = self.waiters.borrow_mut().take_heard(may_be_told);
        if heard.is_empty() {
            return;
        }
        let refused = self.refused();
        for joining in heard {
            self.contained(|| joining.tell(refused.clone()));
        }
    }

    /// What is wanted and servers do not let us hear.
    fn refused(&self) -> Vec<Name> {
        let lines = self.lines.borrow();
        let kept = lines.values().filter(|line| !line.leaving.get());
        kept.flat_map(|line| line.ledger.borrow().refused_names())
            .collect()
    }

    /// Calls out. What panics there is counted and goes no further.
    fn contained<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        let called = catch_unwind(AssertUnwindSafe(call));
        if called.is_err() {
            self.common.figures.panics.add(1);
        }
        called.ok()
    }

    /// What a link had is gone: nothing that was heard there is heard any more.
    fn disconnected(&self, line: &Line) {
        line.session.take();
        self.cut_off(line);
        let left = {
            let mut ledger = line.ledger.borrow_mut();
            ledger.broken();
            ledger.take_left()
        };
        self.give_up(left);
        self.tell_joined();
    }

    /// Puts a reason in place of one of the same code.
    fn say(&self, code: &'static str, condition: Condition, text: String) {
        let mut reasons = self.reasons.borrow_mut();
        reasons.retain(|reason| reason.code != code);
        reasons.push(Reason {
            code,
            condition,
            text,
        });
        drop(reasons);
        self.assess();
    }

    /// Takes a reason back.
    fn unsay(&self, code: &'static str) {
        let mut reasons = self.reasons.borrow_mut();
        let before = reasons.len();
        reasons.retain(|reason| reason.code != code);
        let changed = reasons.len() < before;
        drop(reasons);
        if changed {
            self.assess();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hub, backplane::Joined, redis::Redis};

    /// A server is away for long.
    #[test]
    fn those_who_wait_for_the_same_are_looked_at_as_one() {
        let redis = Redis::at("redis://127.0.0.1:1").unwrap().build().unwrap();
        let hub = Hub::new();
        let conductor = Conductor::new(redis.common(), Inlet::new(hub.core()));
        let ask = |_| {
            let (joining, joined) = Joined::pair();
            conductor.when_joined(joining);
            joined
        };
        let _waits: Vec<Joined> = (0..1_000).map(ask).collect();
        conductor.remark();
        assert_eq!(conductor.waiters.borrow().len(), (1_000, 1));
    }
}
