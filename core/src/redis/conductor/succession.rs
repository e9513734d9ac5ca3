//! One link takes over from another, and what goes out where.
//!
//! A master that is replaced as planned is still there for some seconds: it takes writes,
//! and other hubs listen to it. So the new one is joined first, and the old one is heard
//! until it ends our connections itself or [`DRAIN`] is over. Events without a log go out
//! by the old one for [`GRACE`] more, until every hub listens to the new one; events with a
//! log go to the new one at once, where those who come later read them.
//!
//! A master that has died is left at once. Nodes of a cluster all bring the same: of two
//! ears the new one is mute until it has joined all, then the old one is; what the one has
//! brought and the other brings later is let go (`handover`).

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{Conductor, handover::Brought, line::Line};
use crate::{
    backplane::Name,
    redis::{
        link::{State, spread},
        socket::Session,
        target::{Server, Topology},
        topology::{LinkId, Redirect},
        wire::envelope::{self, Arrival},
    },
};

/// How long other hubs may take to listen to a new master once we do, beside their share of
/// the spread.
const GRACE: Duration = Duration::from_secs(1);

/// How long a master that was replaced is heard. Sentinels end its connections sooner.
const DRAIN: Duration = Duration::from_secs(15);

/// How long the ear of a cluster may be away until another one is tried.
const AWAY: Duration = Duration::from_millis(300);

impl Conductor {
    /// One line takes over from another.
    pub(super) fn succeed(self: &Rc<Self>, from: Rc<Line>, to: Rc<Line>, now: Instant) {
        for name in from.ledger.borrow().wanted() {
            to.ledger.borrow_mut().change(name, true, now);
        }
        to.stirred.notify_one();
        to.leaving.set(false);
        from.leaving.set(true);
        from.handed.set(false);
        from.speaks.set(from.is_prompt(now));
        to.mute.set(self.is_cluster() && from.speaks.get());
        self.handover.borrow_mut().begin(to.id, now);
        if !from.speaks.get() {
            self.leave(from.id);
        } else if to.is_joined() {
            self.hand_over_once_heard(from, to);
        }
    }

    /// A line that was there already takes over once it has joined what is new to it.
    fn hand_over_once_heard(self: &Rc<Self>, from: Rc<Line>, to: Rc<Line>) {
        let conductor = Rc::clone(self);
        tokio::task::spawn_local(async move {
            loop {
                let learned = to.learned.notified();
                // Should it fall in between, its coming back is the occasion.
                if !from.leaving.get() || !to.is_joined() {
                    return;
                }
                if to.ledger.borrow().missing() == 0 {
                    break;
                }
                learned.await;
            }
            conductor.let_in(&to);
            conductor.hand_over(from);
        });
    }

    /// A line has come to another state. `fell`: what was heard by it is not any more.
    pub(super) fn turned(self: &Rc<Self>, line: &Rc<Line>, fell: bool) {
        let state = line.state.get();
        if line.leaving.get() {
            if !line.is_joined() {
                line.speaks.set(false);
                line.mute.set(self.is_cluster());
                self.unmute();
                self.leave(line.id);
            }
        } else if state == State::Live {
            let lines: Vec<Rc<Line>> = self.lines.borrow().values().cloned().collect();
            for from in lines {
                if from.leaving.get() && self.plan.borrow().ear() == Some(line.id) {
                    self.let_in(line);
                    self.hand_over(from);
                }
            }
        } else if fell {
            self.doubted.notify_one();
            if self.is_cluster() && self.plan.borrow().ear() == Some(line.id) {
                self.doubt_later(line);
            }
        }
        self.reroute();
    }

    /// What was at this line is heard at another: it may go, in a while.
    fn hand_over(self: &Rc<Self>, from: Rc<Line>) {
        if from.handed.replace(true) {
            return;
        }
        let conductor = Rc::clone(self);
        let one = !self.is_cluster();
        from.mute.set(!one);
        tokio::task::spawn_local(async move {
            if one {
                sleep(GRACE + conductor.spread()).await;
                from.speaks.set(false);
                conductor.reroute();
                sleep(DRAIN).await;
            }
            if from.leaving.get() {
                conductor.leave(from.id);
            }
        });
    }

    /// Nobody else brings what the ear does.
    fn unmute(&self) {
        let ear = self.plan.borrow().ear();
        if let Some(ear) = ear.and_then(|ear| self.line(ear)) {
            self.let_in(&ear);
        }
    }

    /// What this line brings counts from here on, and what it alone has brought so far.
    fn let_in(&self, line: &Line) {
        line.mute.set(false);
        let held = self.handover.borrow_mut().release(line.id);
        for held in held {
            self.inbox(|inbox, shore| {
                inbox.message(held.via, &held.topic, &held.payload, held.at, shore);
            });
        }
    }

    /// Whether what a line brings is to be heard: it counts, and no other has brought it.
    pub(super) fn is_first(&self, line: &Line, event: &Brought<'_>) -> bool {
        let mute = line.mute.get();
        if !self.is_cluster() || !matches!(envelope::decode(event.payload), Arrival::Plain) {
            return !mute;
        }
        let is_first = match self.common.settings.sharded {
            false => {
                let mut handover = self.handover.borrow_mut();
                handover.heard(line.id, mute, event)
            }
            true => {
                !mute && {
                    let mut shards = self.shards.borrow_mut();
                    shards.heard(line.id, event.topic, event.payload, event.at.instant)
                }
            }
        };
        if !is_first && !mute {
            self.inbox.borrow_mut().duplicate();
        }
        is_first
    }

    fn is_cluster(&self) -> bool {
        self.common.settings.target.topology == Topology::Cluster
    }

    fn leave(self: &Rc<Self>, link: LinkId) {
        let conductor = Rc::clone(self);
        // Not from within what the plan has just asked for.
        tokio::task::spawn_local(async move {
            conductor.replan(|plan, steps| plan.drained(link, steps));
            let Some(line) = conductor.line(link).filter(|line| line.leaving.get()) else {
                return;
            };
            // It stays for the sake of logs, and listens no longer.
            line.leaving.set(false);
            line.speaks.set(false);
            let now = Instant::now();
            let mut ledger = line.ledger.borrow_mut();
            let names: Vec<Name> = ledger.wanted().cloned().collect();
            for name in names {
                ledger.change(&name, false, now);
            }
            drop(ledger);
            line.stirred.notify_one();
        });
    }

    /// Should this ear still be away in a while, it is time to look for another one.
    fn doubt_later(self: &Rc<Self>, ear: &Rc<Line>) {
        let (conductor, ear) = (Rc::clone(self), Rc::clone(ear));
        tokio::task::spawn_local(async move {
            sleep(AWAY).await;
            if !ear.is_joined() {
                conductor.doubted.notify_one();
            }
        });
    }

    /// Another ear, where the one there is cannot be reached.
    pub(super) fn try_another_ear(self: &Rc<Self>) {
        let ear = self.plan.borrow().ear();
        let Some(ear) = ear.and_then(|ear| self.line(ear)) else {
            return;
        };
        if !ear.is_joined() && ear.since.get().elapsed() >= AWAY {
            self.replan(|plan, steps| plan.deaf(steps));
        }
    }

    /// An error of a server, should it be about where something belongs.
    pub(super) fn refused_by(self: &Rc<Self>, link: LinkId, words: &str) {
        let redirect = self
            .line(link)
            .and_then(|line| Redirect::parse(words, &line.server));
        if let Some(redirect) = redirect {
            self.redirected(redirect);
        }
    }

    /// What a node said of where something belongs.
    pub(super) fn redirected(self: &Rc<Self>, redirect: Redirect) {
        match redirect {
            Redirect::Moved { slot, to: Some(to) } => self.moved(slot, to),
            Redirect::Moved { to: None, .. } | Redirect::Demoted | Redirect::Later => {
                self.doubted.notify_one();
            }
            // For one topic and not for others of its slot: the outbox has been told.
            Redirect::Ask { .. } => {}
        }
    }

    /// By which line an event of a topic goes out.
    pub(super) fn route(&self, topic: &str, logged: bool) -> Option<LinkId> {
        let plan = self.plan.borrow();
        if self.common.settings.sharded {
            return plan.home(topic.as_bytes());
        }
        if logged && self.is_cluster() {
            return plan.home(topic.as_bytes());
        }
        let lines = self.lines.borrow();
        let ear = plan.ear()?;
        let joined = lines.get(&ear).is_some_and(|line| line.is_joined());
        let old = lines
            .values()
            .find(|line| line.leaving.get() && line.speaks.get() && (!logged || !joined));
        Some(old.map_or(ear, |line| line.id))
    }

    /// Whether probes of this line are events. A cluster brings every event to every node,
    /// so one line has to do; at the others a node has to answer.
    pub(super) fn has_canary(&self, line: &Line) -> bool {
        !self.is_cluster() || self.plan.borrow().ear() == Some(line.id)
    }

    /// How many hubs share a server.
    pub(super) fn fleet(&self) -> Option<u32> {
        self.common.settings.fleet.or(self.hubs.get())
    }

    /// How long the fleet takes to come back.
    pub(super) fn spread(&self) -> Duration {
        spread(self.fleet().unwrap_or(1))
    }

    /// What connections are called.
    pub(super) fn client_name(&self) -> String {
        match &self.common.settings.client_name {
            Some(name) => name.clone(),
            None => format!("distributary-{:016x}", self.common.id),
        }
    }

    /// Who can be asked without dialling anybody.
    pub(super) fn reached(&self) -> Vec<(Server, Session)> {
        let lines = self.lines.borrow();
        let joined = lines.values().filter(|line| line.is_joined());
        joined
            .filter_map(|line| Some((line.server.clone(), line.session.borrow().clone()?)))
            .collect()
    }

    /// Who may know how slots are owned: nodes that were seen, then those of the URLs.
    pub(super) fn candidates(&self) -> Vec<Server> {
        let plan = self.plan.borrow();
        let ear = plan.ear().and_then(|ear| plan.address(ear));
        let seeds = self.common.settings.target.servers.iter();
        let mut candidates: Vec<Server> = Vec::new();
        for at in plan.map().nodes().chain(seeds) {
            // Who asks does so because of the ear.
            if !candidates.contains(at) && ear != Some(at) {
                candidates.push(at.clone());
            }
        }
        candidates.extend(ear.cloned());
        candidates
    }

    /// Whether it is known how slots are owned.
    pub(super) fn is_mapped(&self) -> bool {
        self.mapped.get()
    }
}
