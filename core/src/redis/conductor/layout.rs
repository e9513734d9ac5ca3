//! Follows the plan: opens and closes links, and says who listens to what.
//!
//! A topic of sharded mode is listened to at the owner of its slot, which the plan knows;
//! everything else at the plan's ear, whichever that is.

use std::{rc::Rc, time::Instant};

use tokio::time::sleep;

use super::{Conductor, line::Line, link::Link, mapping, sentinels, standing::AFTER_FAULT};
use crate::{
    backplane::Name,
    redis::{
        interest::Ledger,
        plane::Common,
        socket::Kind,
        target::{Server, Topology},
        topology::{LinkId, Plan, Shape, Slot, SlotMap, Step},
    },
};

/// A plan for servers of which nothing is known yet.
pub(super) fn plan(common: &Common) -> Plan {
    let settings = &common.settings;
    let shape = match &settings.target.topology {
        Topology::Single | Topology::Sentinel { .. } => Shape::One,
        Topology::Cluster if settings.sharded => Shape::Sharded,
        Topology::Cluster => Shape::Classic {
            logs: settings.modes.any_logged(),
        },
    };
    Plan::new(shape, common.id)
}

impl Conductor {
    /// Finds the servers, and goes on doing so.
    pub(super) fn find(self: &Rc<Self>) {
        let target = &self.common.settings.target;
        let finding = match &target.topology {
            Topology::Single => {
                self.master(target.servers[0].clone());
                return;
            }
            Topology::Sentinel { master } => {
                let master = master.clone();
                self.stand(move |conductor| sentinels::follow(conductor, master.clone()))
            }
            Topology::Cluster => self.stand(mapping::follow),
        };
        *self.finding.borrow_mut() = Some(finding);
    }

    /// This server is the master.
    pub(super) fn master(self: &Rc<Self>, at: Server) {
        self.replan(|plan, steps| plan.master(at, steps));
    }

    /// This is how slots are owned. Whether all is as it should be by now: every slot is
    /// owned, and every owner that matters is reached.
    pub(super) fn slots(self: &Rc<Self>, map: SlotMap) -> bool {
        let is_covered = map.uncovered().is_none();
        self.mapped.set(true);
        self.replan(|plan, steps| plan.slots(map, steps));
        // Events without listeners here have new places, too.
        self.reroute();
        self.try_another_ear();
        is_covered && self.lines.borrow().values().all(|line| line.is_joined())
    }

    /// A slot has another owner, by the word of a node.
    pub(super) fn moved(self: &Rc<Self>, slot: Slot, to: Server) {
        self.replan(|plan, steps| plan.moved(slot, to, steps));
        self.reroute();
    }

    /// Changes the plan, and does what follows.
    pub(super) fn replan(self: &Rc<Self>, change: impl FnOnce(&mut Plan, &mut Vec<Step>)) {
        let mut steps = Vec::new();
        change(&mut self.plan.borrow_mut(), &mut steps);
        self.follow(steps);
    }

    /// Does what the plan says.
    fn follow(self: &Rc<Self>, steps: Vec<Step>) {
        if steps.is_empty() {
            return;
        }
        self.take(steps, Instant::now());
        self.reroute();
        self.remark();
        self.tell_joined();
    }

    fn take(self: &Rc<Self>, steps: Vec<Step>, now: Instant) {
        // The first servers succeed nobody, however many there are.
        let succeeds = !self.lines.borrow().is_empty();
        for step in steps {
            match step {
                Step::Open { link, at } => self.open(link, at, succeeds, now),
                Step::Join { link, topic } => self.at(link, &Name::Topic(topic), true, now),
                Step::Part { link, topic } => self.at(link, &Name::Topic(topic), false, now),
                Step::Succeed { from, to } => {
                    if let (Some(from), Some(to)) = (self.line(from), self.line(to)) {
                        self.succeed(from, to, now);
                    }
                }
                Step::Close { link } => {
                    let line = self.lines.borrow_mut().remove(&link);
                    if let Some(line) = line {
                        line.part();
                        let names: Vec<Name> = line.ledger.borrow().names().cloned().collect();
                        self.give_up(names);
                    }
                }
            }
        }
    }

    fn open(self: &Rc<Self>, link: LinkId, at: Server, succeeds: bool, now: Instant) {
        let settings = &self.common.settings;
        let exact = match settings.sharded {
            true => Kind::Shard,
            false => Kind::Channel,
        };
        let mut ledger = Ledger::new(exact, settings.linger);
        if self.plan.borrow().ear() == Some(link) {
            for name in self.early.take() {
                ledger.change(&name, true, now);
            }
        }
        let line = Rc::new(Line::new(link, at, succeeds, ledger));
        self.lines.borrow_mut().insert(link, Rc::clone(&line));
        let task = tokio::task::spawn_local(Rc::clone(self).keep(line));
        let mut links = self.links.borrow_mut();
        links.retain(|link| !link.is_finished());
        links.push(task);
    }

    /// A link for as long as it is wanted, whatever becomes of its task.
    async fn keep(self: Rc<Self>, line: Rc<Line>) {
        loop {
            let link = Link::new(Rc::clone(&self), Rc::clone(&line));
            if tokio::task::spawn_local(link.run()).await.is_ok() {
                return;
            }
            self.common.figures.panics.add(1);
            if let Some(session) = line.session.take() {
                session.close("a fault of the backplane itself");
            }
            self.disconnected(&line);
            sleep(AFTER_FAULT).await;
        }
    }

    pub(super) fn line(&self, link: LinkId) -> Option<Rc<Line>> {
        self.lines.borrow().get(&link).cloned()
    }

    /// A name has come or gone. That changes no route and moves no other name, so nothing
    /// else follows: there may be a hundred thousand of them at once.
    pub(super) fn change(self: &Rc<Self>, name: &Name, wanted: bool, now: Instant) {
        match name {
            Name::Topic(topic) if self.common.settings.sharded => {
                let mut steps = Vec::new();
                self.plan
                    .borrow_mut()
                    .want(topic.clone(), wanted, &mut steps);
                self.take(steps, now);
            }
            _ => {
                let ear = self.plan.borrow().ear();
                match ear {
                    Some(ear) => self.at(ear, name, wanted, now),
                    None if wanted => {
                        self.early.borrow_mut().insert(name.clone());
                    }
                    None => {
                        self.early.borrow_mut().remove(name);
                    }
                }
            }
        }
    }

    fn at(&self, link: LinkId, name: &Name, wanted: bool, now: Instant) {
        if let Some(line) = self.line(link) {
            line.ledger.borrow_mut().change(name, wanted, now);
            line.stirred.notify_one();
        }
    }
}
