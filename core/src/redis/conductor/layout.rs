//! Follows the plan: opens and closes links, and says who listens to what.
//!
//! A topic of sharded mode is listened to at the owner of its slot, which the plan knows;
//! everything else at the plan's ear, whichever that is.

use std::{rc::Rc, time::Instant};

use tokio::time::sleep;

use super::{AFTER_FAULT, Conductor, line::Line, link::Link};
use crate::{
    backplane::Name,
    redis::{
        plane::Common,
        socket::Kind,
        target::Topology,
        topology::{LinkId, Plan, Shape, Step},
    },
};

/// A plan for servers of which nothing is known yet.
pub(super) fn plan(common: &Common) -> Plan {
    let settings = &common.settings;
    let shape = match &settings.target.topology {
        Topology::Single | Topology::Sentinel { .. } => Shape::One,
        Topology::Cluster if settings.sharded => Shape::Sharded,
        Topology::Cluster => Shape::Classic { logs: false },
    };
    Plan::new(shape, common.id)
}

impl Conductor {
    /// Finds the servers, and goes on doing so.
    pub(super) fn find(self: &Rc<Self>) {
        let target = &self.common.settings.target;
        if target.topology == Topology::Single {
            let mut steps = Vec::new();
            let server = target.servers[0].clone();
            self.plan.borrow_mut().master(server, &mut steps);
            self.follow(steps);
        }
    }

    /// Does what the plan says.
    pub(super) fn follow(self: &Rc<Self>, steps: Vec<Step>) {
        let now = Instant::now();
        for step in steps {
            match step {
                Step::Open { link, at } => {
                    let settings = &self.common.settings;
                    let exact = match settings.sharded {
                        true => Kind::Shard,
                        false => Kind::Channel,
                    };
                    let line = Rc::new(Line::new(link, at, exact, settings.linger));
                    self.lines.borrow_mut().insert(link, Rc::clone(&line));
                    let task = tokio::task::spawn_local(Rc::clone(self).keep(line));
                    let mut links = self.links.borrow_mut();
                    links.retain(|link| !link.is_finished());
                    links.push(task);
                }
                Step::Join { link, topic } => self.at(link, &Name::Topic(topic), true, now),
                Step::Part { link, topic } => self.at(link, &Name::Topic(topic), false, now),
                Step::Succeed { from, to } => {
                    let (from, to) = (self.line(from), self.line(to));
                    if let (Some(from), Some(to)) = (from, to) {
                        for name in from.ledger.borrow().wanted() {
                            to.ledger.borrow_mut().change(name, true, now);
                        }
                        to.stirred.notify_one();
                    }
                }
                Step::Close { link } => {
                    if let Some(line) = self.lines.borrow_mut().remove(&link) {
                        line.part();
                    }
                }
            }
        }
        self.tell_joined();
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

    /// A name has come or gone.
    pub(super) fn change(self: &Rc<Self>, name: &Name, wanted: bool, now: Instant) {
        match name {
            Name::Topic(topic) if self.common.settings.sharded => {
                let mut steps = Vec::new();
                self.plan
                    .borrow_mut()
                    .want(topic.clone(), wanted, &mut steps);
                self.follow(steps);
            }
            _ => {
                let ear = self.plan.borrow().ear();
                if let Some(ear) = ear {
                    self.at(ear, name, wanted, now);
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
