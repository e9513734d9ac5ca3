//! What the hub sees: one backplane, whatever servers there are behind it.

use std::{sync::Weak, time::Instant};

use super::{
    super::{metrics, waiters::Told},
    Moving, whole,
};
use crate::{
    backplane::{Acknowledge, Backplane, Counts, ForwardError, Health, Inlet, Joining, Name},
    event::Publication,
    selector::Selector,
    sync::{Mutex, StdArc},
    topic::Topic,
};

/// To be called once, with names that are refused.
type ToldNames = Box<dyn FnOnce(Vec<Name>) + Send>;

impl Backplane for Moving {
    fn attach(&self, inlet: Inlet) {
        if self.0.hub_inlet.set(inlet).is_ok() {
            for (server, plane) in self.0.planes().iter().enumerate() {
                self.0.attach(server, plane);
            }
        }
    }

    fn interest_changed(&self) {
        if let Some(inlet) = self.0.hub_inlet.get() {
            while let Some(change) = inlet.next_change() {
                self.0.hub_changed(change);
            }
        }
    }

    fn refuses(&self, selector: &Selector) -> Option<String> {
        let moved = {
            let book = self.0.book.read();
            selector.named_topics().find_map(|topic| {
                let ends = book.ends.iter();
                let mut found = ends.filter_map(|ends| ends.get(topic.as_str()));
                found.find(|(moved, _)| moved.topic != *topic).cloned()
            })
        };
        if let Some((moved, _)) = moved {
            return Some(format!(
                "{} is where {} moves to: listen to {}, which is the same in this hub",
                moved.ends[1].1, moved.topic, moved.topic
            ));
        }
        self.0
            .planes()
            .iter()
            .find_map(|plane| plane.redis.refuses(selector))
    }

    fn hears(&self, topic: &Topic) -> bool {
        self.0.hears_all_of(topic)
    }

    fn forward(
        &self,
        event: Publication,
        acknowledge: Option<Acknowledge>,
    ) -> Result<(), (ForwardError, Option<Acknowledge>)> {
        let (server, event) = {
            let book = self.0.book.read();
            let (server, event) = match book.topics.get(&event.topic) {
                None => (0, event),
                Some(moved) => {
                    let side = moved.sends(&event.content.payload, Instant::now());
                    let (server, topic) = moved.ends[side.index()].clone();
                    let content = event.content;
                    (server, Publication { topic, content })
                }
            };
            (StdArc::clone(&book.servers[server]), event)
        };
        server.redis.forward(event, acknowledge)
    }

    /// The condition is that of the server that is worst off; once there are several, each
    /// reason names its server, and the topics that are served by it.
    fn health(&self) -> Health {
        let planes = self.0.planes();
        let healths: Vec<_> = if planes.len() == 1 {
            planes.iter().map(|plane| plane.redis.health()).collect()
        } else {
            let served = self.0.served(&planes);
            let named = planes.iter().zip(served).map(|(plane, served)| {
                let mut health = plane.redis.health();
                for reason in &mut health.reasons {
                    reason.text = format!("{served}: {}", reason.text);
                }
                health
            });
            named.collect()
        };
        let revision = whole(healths.iter().map(|health| health.revision));
        let mut healths = healths.into_iter();
        let mut all = healths.next().unwrap_or_default();
        all.revision = revision;
        for health in healths {
            all.condition = all.condition.max(health.condition);
            for reason in health.reasons {
                if !all.reasons.contains(&reason) {
                    all.reasons.push(reason);
                }
            }
            add(&mut all.counts, &health.counts);
            let lasting = all.lag.lasting.max(health.lag.lasting);
            if health.lag.p99 > all.lag.p99 {
                all.lag = health.lag;
            }
            all.lag.lasting = lasting;
            all.queued_bytes += health.queued_bytes;
            all.joining += health.joining;
            all.nodes.extend(health.nodes);
        }
        all
    }

    fn when_health_changes(&self, seen: u64, told: Told) {
        self.0.waiters.add(seen, told);
        self.0.watch();
        self.0.tell_changed();
    }

    fn prometheus(&self) -> String {
        let mut text = self
            .0
            .first()
            .map_or(String::new(), |plane| plane.redis.prometheus());
        text.push_str(&metrics::text(&self.0.all_moved()));
        text
    }

    fn when_joined(&self, joining: Joining) {
        let planes = self.0.planes();
        let asker = joining.asker();
        let one = once_all(planes.len(), Box::new(|refused| joining.tell(refused)));
        for plane in planes {
            let asker = Weak::clone(&asker);
            plane.redis.when_joined(Joining::new(asker, one()));
        }
    }

    fn close(&self, told: Told) {
        self.0.heartbeat.end();
        for moved in self.0.all_moved() {
            let last = moved.roll.lock().farewell();
            self.0.say(&moved, &last);
        }
        let planes = {
            let mut book = self.0.book.write();
            book.closed = true;
            book.servers.clone()
        };
        let one = once_all(planes.len(), Box::new(|_| told()));
        for plane in planes {
            let one = one();
            plane.redis.close(Box::new(move || one(Vec::new())));
        }
    }
}

/// Makes what is to be called so many times, for `told` to be called by the last, with the
/// names of all.
fn once_all(times: usize, told: ToldNames) -> impl Fn() -> ToldNames {
    let left = StdArc::new(Mutex::new((times, Vec::new(), Some(told))));
    move || {
        let left = StdArc::clone(&left);
        Box::new(move |names| {
            let last = {
                let mut left = left.lock();
                left.0 -= 1;
                left.1.extend(names);
                match left.0 {
                    0 => left.2.take().zip(Some(std::mem::take(&mut left.1))),
                    _ => None,
                }
            };
            if let Some((last, names)) = last {
                last(names);
            }
        })
    }
}

fn add(all: &mut Counts, one: &Counts) {
    all.arrived += one.arrived;
    all.sent += one.sent;
    all.failed += one.failed;
    all.voided += one.voided;
    all.gaps += one.gaps;
    all.lost += one.lost;
    all.repaired += one.repaired;
    all.duplicates += one.duplicates;
    all.unreadable += one.unreadable;
    all.attempts += one.attempts;
    all.connections += one.connections;
}
