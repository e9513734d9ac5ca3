//! What drives the backplane on its thread: the shell around the pure parts.
//!
//! | file | its job |
//! |---|---|
//! | `link` | one connection after another, as the machine says |
//! | `greeting` | who we are and what the server is |
//! | `joining` | the ledger's steps, sent and settled |
//! | `publishing` | batches of the queue, sent and settled |
//! | `probing` | whether the server still hears us, and we it |
//! | `arriving` | what a connection pushes, brought to where it belongs |
//!
//! Everything here runs on one thread; what several tasks share stands in `RefCell`s that
//! are never borrowed across an `await`.

mod arriving;
mod greeting;
mod joining;
mod link;
mod probing;
pub(crate) mod publishing;

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};

use self::{arriving::Echoes, link::Link};
use super::{
    interest::{Ledger, Mark},
    plane::{Common, Order},
    socket::Kind,
};
use crate::backplane::{Condition, Inlet, Reason};

/// How long what is queued may take to go out when the hub closes.
const PARTING: Duration = Duration::from_millis(1_500);

/// After a fault of ours a link starts anew, not at once.
const AFTER_FAULT: Duration = Duration::from_secs(1);

/// Everything that the tasks of one backplane share.
pub(crate) struct Conductor {
    common: Arc<Common>,
    inlet: Inlet,
    ledger: RefCell<Ledger>,
    echoes: RefCell<Echoes>,
    /// The ledger may have something to send.
    stirred: Notify,
    /// The ledger has learned something.
    learned: Notify,
    waiters: RefCell<Vec<(Mark, Box<dyn FnOnce() + Send>)>>,
    /// The server's count of our names was ours, on this connection.
    audited: Cell<bool>,
    /// The hub closes.
    closing: Cell<bool>,
    parting: Notify,
}

impl Conductor {
    pub(crate) fn new(common: Arc<Common>, inlet: Inlet) -> Rc<Self> {
        let exact = match common.settings.sharded {
            true => Kind::Shard,
            false => Kind::Channel,
        };
        Rc::new(Conductor {
            ledger: RefCell::new(Ledger::new(exact, common.settings.linger)),
            echoes: RefCell::default(),
            common,
            inlet,
            stirred: Notify::new(),
            learned: Notify::new(),
            waiters: RefCell::default(),
            audited: Cell::new(false),
            closing: Cell::new(false),
            parting: Notify::new(),
        })
    }

    /// Runs until the hub closes.
    pub(crate) async fn run(self: Rc<Self>, mut orders: mpsc::UnboundedReceiver<Order>) {
        self.say(
            "connecting",
            Condition::Away,
            "no connection has been made yet".into(),
        );
        self.take_changes();
        let link = tokio::task::spawn_local(Rc::clone(&self).keep_link());
        while let Some(order) = orders.recv().await {
            match order {
                Order::Interest => self.take_changes(),
                Order::WhenJoined(told) => self.when_joined(told),
                Order::Close => break,
            }
        }
        self.closing.set(true);
        self.parting.notify_one();
        let _ = timeout(PARTING, link).await;
        self.common.queue.close();
        self.waiters.borrow_mut().clear();
    }

    /// A link for as long as the hub lives, whatever becomes of its task.
    async fn keep_link(self: Rc<Self>) {
        loop {
            let link = Link::new(Rc::clone(&self));
            match tokio::task::spawn_local(link.run()).await {
                Ok(()) => return,
                Err(_) => {
                    self.common.figures.panics.add(1);
                    self.disconnected();
                    sleep(AFTER_FAULT).await;
                }
            }
        }
    }

    /// Brings the ledger up to what is wanted.
    fn take_changes(&self) {
        let now = Instant::now();
        let mut ledger = self.ledger.borrow_mut();
        while let Some(change) = self.inlet.next_change() {
            ledger.change(&change.name, change.wanted, now);
        }
        drop(ledger);
        self.stirred.notify_one();
        self.tell_joined();
    }

    fn when_joined(&self, told: Box<dyn FnOnce() + Send>) {
        self.take_changes();
        let mark = self.ledger.borrow().mark();
        self.waiters.borrow_mut().push((mark, told));
        self.tell_joined();
    }

    /// The ledger has changed: whoever waited for it is told.
    fn tell_joined(&self) {
        self.common
            .figures
            .joining
            .set(self.ledger.borrow().missing() as u64);
        self.learned.notify_waiters();
        let mut heard = Vec::new();
        {
            let mut ledger = self.ledger.borrow_mut();
            let mut waiters = self.waiters.borrow_mut();
            let mut kept = Vec::new();
            for (mark, told) in waiters.drain(..) {
                if ledger.is_heard(mark) {
                    heard.push(told);
                } else {
                    kept.push((mark, told));
                }
            }
            *waiters = kept;
        }
        for told in heard {
            self.contained(told);
        }
    }

    /// Calls out. What panics there is counted and goes no further.
    fn contained<T>(&self, call: impl FnOnce() -> T) -> Option<T> {
        let called = catch_unwind(AssertUnwindSafe(call));
        if called.is_err() {
            self.common.figures.panics.add(1);
        }
        called.ok()
    }

    /// Nothing that was heard is heard any more.
    fn disconnected(&self) {
        self.ledger.borrow_mut().broken();
        self.echoes.borrow_mut().broken();
        self.tell_joined();
    }

    /// Puts a reason in place of one of the same code.
    fn say(&self, code: &'static str, condition: Condition, text: String) {
        let mut reasons = self.common.reasons.lock();
        reasons.retain(|reason| reason.code != code);
        reasons.push(Reason {
            code,
            condition,
            text,
        });
    }

    /// Takes a reason back.
    fn unsay(&self, code: &'static str) {
        self.common
            .reasons
            .lock()
            .retain(|reason| reason.code != code);
    }
}
