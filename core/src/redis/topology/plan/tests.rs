//! A driver that follows the steps to the letter, and what must be true of it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn at(port: u16) -> Server {
    Server::new("10.0.0.1", port)
}

/// A few names in slots of their own.
const NAMES: [&str; 6] = ["a", "b", "c", "{a}.2", "d", "{b}.2"];

fn topic(index: usize) -> Topic {
    Topic::new(NAMES[index]).unwrap()
}

/// Connections, what is joined on each, and which one takes over from which.
#[derive(Debug, Default)]
struct Driver {
    open: BTreeMap<LinkId, Server>,
    seen: BTreeSet<LinkId>,
    joined: BTreeSet<(LinkId, String)>,
    leaving: Vec<LinkId>,
    ear: Option<LinkId>,
}

impl Driver {
    fn follow(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Open { link, at } => {
                    assert!(self.seen.insert(link), "a number used twice");
                    self.open.insert(link, at);
                }
                Step::Join { link, topic } => {
                    assert!(self.open.contains_key(&link));
                    assert!(self.joined.insert((link, topic.to_string())));
                }
                Step::Part { link, topic } => {
                    assert!(self.joined.remove(&(link, topic.to_string())));
                }
                Step::Succeed { from, to } => {
                    assert!(self.open.contains_key(&from) && self.open.contains_key(&to));
                    self.leaving.retain(|link| *link != to);
                    self.leaving.push(from);
                    self.ear = Some(to);
                }
                Step::Close { link } => {
                    assert!(self.open.remove(&link).is_some());
                    assert!(!self.leaving.contains(&link), "left before it was drained");
                    assert!(self.joined.iter().all(|(at, _)| *at != link));
                }
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Event {
    /// Who owns the slot of each name.
    Map(Vec<Option<u16>>),
    Moved(usize, u16),
    Want(usize, bool),
    Master(u16),
    Deaf,
    Drained(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let port = 1..5_u16;
    let owners = prop::collection::vec(prop::option::weighted(0.8, port.clone()), NAMES.len());
    let one = prop_oneof![
        2 => owners.prop_map(Event::Map),
        2 => (0..NAMES.len(), port.clone()).prop_map(|(name, to)| Event::Moved(name, to)),
        4 => (0..NAMES.len(), any::<bool>()).prop_map(|(name, wanted)| Event::Want(name, wanted)),
        2 => port.prop_map(Event::Master),
        1 => Just(Event::Deaf),
        2 => (0..3_usize).prop_map(Event::Drained),
    ];
    prop::collection::vec(one, 0..40)
}

/// Lets a plan go through the events, each followed at once, as far as they concern its
/// shape.
fn run(shape: Shape, lot: u64, events: Vec<Event>) -> (Plan, Driver, BTreeSet<String>) {
    let mut plan = Plan::new(shape, lot);
    let mut driver = Driver::default();
    let mut wanted = BTreeSet::new();
    for event in events {
        let mut steps = Vec::new();
        match event {
            Event::Map(owners) if shape != Shape::One => {
                let mut map = SlotMap::default();
                for (name, owner) in NAMES.iter().zip(owners) {
                    if let Some(owner) = owner {
                        map.assign(Slot::of(name.as_bytes()), at(owner));
                    }
                }
                plan.slots(map, &mut steps);
            }
            Event::Moved(name, to) if shape != Shape::One => {
                plan.moved(Slot::of(NAMES[name].as_bytes()), at(to), &mut steps);
            }
            Event::Want(name, true) if shape == Shape::Sharded => {
                wanted.insert(NAMES[name].to_owned());
                plan.want(topic(name), true, &mut steps);
            }
            Event::Want(name, false) if shape == Shape::Sharded => {
                wanted.remove(NAMES[name]);
                plan.want(topic(name), false, &mut steps);
            }
            Event::Master(port) if shape == Shape::One => plan.master(at(port), &mut steps),
            Event::Deaf => plan.deaf(&mut steps),
            Event::Drained(index) => {
                if let Some(link) = driver.leaving.get(index).copied() {
                    driver.leaving.remove(index);
                    plan.drained(link, &mut steps);
                }
            }
            _ => {}
        }
        driver.follow(steps);
        check(shape, &plan, &driver, &wanted);
    }
    (plan, driver, wanted)
}

fn check(shape: Shape, plan: &Plan, driver: &Driver, wanted: &BTreeSet<String>) {
    let owner = |name: &str| plan.map().owner(Slot::of(name.as_bytes())).cloned();
    // Every wanted name is at its owner, once, and no other name is anywhere.
    let mut expected = BTreeSet::new();
    for name in wanted {
        if let Some(owner) = owner(name) {
            expected.insert((owner, name.clone()));
        }
    }
    let joined = driver.joined.iter();
    let joined: Vec<_> = joined
        .map(|(link, name)| (driver.open[link].clone(), name.clone()))
        .collect();
    assert_eq!(joined.len(), expected.len());
    assert_eq!(joined.into_iter().collect::<BTreeSet<_>>(), expected);

    let homeless = wanted.iter().filter(|name| owner(name).is_none());
    assert_eq!(plan.unseated(), homeless.count());

    // Scripts find the owner.
    for name in NAMES {
        let home = plan
            .home(name.as_bytes())
            .map(|link| driver.open[&link].clone());
        match shape {
            Shape::Sharded | Shape::Classic { logs: true } => assert_eq!(home, owner(name)),
            Shape::One => assert_eq!(plan.home(name.as_bytes()), plan.ear()),
            Shape::Classic { logs: false } => {}
        }
    }

    // There is an ear as soon as there can be, and nothing that serves no purpose.
    let masters: BTreeSet<Server> = plan.map().masters().into_iter().cloned().collect();
    if let Shape::Classic { .. } = shape {
        assert!(plan.ear().is_some() || masters.is_empty());
    }
    assert!(plan.ear().is_none_or(|ear| driver.open.contains_key(&ear)));
    assert!(driver.ear.is_none_or(|ear| plan.ear() == Some(ear)));
    for (link, to) in &driver.open {
        let needed = match shape {
            Shape::Sharded | Shape::Classic { logs: true } => masters.contains(to),
            Shape::One | Shape::Classic { logs: false } => false,
        };
        let why = needed || plan.ear() == Some(*link) || driver.leaving.contains(link);
        assert!(why, "{link:?} to {to} in {plan:?}");
    }
}

proptest! {
    #[test]
    fn shard_channels_are_where_their_slots_are(lot: u64, events in events()) {
        run(Shape::Sharded, lot, events);
    }

    #[test]
    fn a_cluster_of_classic_channels_has_an_ear(lot: u64, events in events(), logs: bool) {
        run(Shape::Classic { logs }, lot, events);
    }

    #[test]
    fn masters_come_and_go(events in events()) {
        let last = events.iter().rev().find_map(|event| match event {
            Event::Master(port) => Some(at(*port)),
            _ => None,
        });
        let (plan, driver, _) = run(Shape::One, 0, events);
        prop_assert_eq!(plan.ear().map(|ear| driver.open[&ear].clone()), last);
    }
}

#[test]
fn a_planned_switch_joins_before_it_leaves() {
    let mut plan = Plan::new(Shape::One, 0);
    let mut steps = Vec::new();
    plan.master(at(1), &mut steps);
    let old = plan.ear().unwrap();
    assert_eq!(
        steps,
        [Step::Open {
            link: old,
            at: at(1)
        }]
    );
    steps.clear();

    plan.master(at(1), &mut steps);
    assert_eq!(steps, [], "the same again is no news");

    plan.master(at(2), &mut steps);
    let new = plan.ear().unwrap();
    let expected = [
        Step::Open {
            link: new,
            at: at(2),
        },
        Step::Succeed { from: old, to: new },
    ];
    assert_eq!(steps, expected);
    steps.clear();

    plan.drained(old, &mut steps);
    assert_eq!(steps, [Step::Close { link: old }]);
}

#[test]
fn a_redirection_moves_its_slot_alone() {
    let mut plan = Plan::new(Shape::Sharded, 0);
    let mut steps = Vec::new();
    let mut map = SlotMap::default();
    for slot in Slot::all() {
        map.assign(slot, at(1));
    }
    plan.slots(map, &mut steps);
    for index in 0..3 {
        plan.want(topic(index), true, &mut steps);
    }
    let old = plan.home(b"a").unwrap();
    steps.clear();

    plan.moved(Slot::of(b"a"), at(2), &mut steps);
    let new = plan.home(b"a").unwrap();
    let expected = [
        Step::Open {
            link: new,
            at: at(2),
        },
        Step::Join {
            link: new,
            topic: topic(0),
        },
        Step::Part {
            link: old,
            topic: topic(0),
        },
    ];
    assert_eq!(steps, expected);
    assert_eq!(plan.home(b"b"), Some(old));
}

#[test]
fn hubs_spread_over_the_masters() {
    let mut map = SlotMap::default();
    for (slot, port) in Slot::all().zip((1..4).cycle()) {
        map.assign(slot, at(port));
    }
    let ear = |lot: u64| {
        let mut plan = Plan::new(Shape::Classic { logs: false }, lot);
        plan.slots(map.clone(), &mut Vec::new());
        plan.address(plan.ear().unwrap()).unwrap().clone()
    };
    let ears: BTreeSet<Server> = (0..32).map(|_| ear(fastrand::u64(..))).collect();
    assert_eq!(ears.len(), 3);
}
