//! Several names added or removed at once: all or none, whatever they are.

use std::collections::BTreeSet;

use distributary::{
    Hub, Lane, MAX_NAMES, MemberId, Names, Selector, SelectorError, SubscribeError, Subscription,
    Token, Topic, TryRecvError,
};
use proptest::{collection::vec, prelude::*};

use crate::edges::{Log, drain};

/// Topics and patterns that overlap.
const UNIVERSE: [&str; 8] = ["a.1", "a.2", "b.1", "b.2", "a.*", "b.*", "*.1", "?.2"];
/// So many of them are topics.
const TOPICS: usize = 4;

/// Names by their number in the universe.
type Set = BTreeSet<usize>;

fn names(numbers: &Set) -> Names {
    let text = |number: &usize| UNIVERSE[*number];
    let topics = numbers.range(..TOPICS).map(text);
    let patterns = numbers.range(TOPICS..).map(text);
    let names = Names::new().patterns(patterns).unwrap();
    names.topics(topics).unwrap()
}

fn selector(numbers: &Set) -> Selector {
    names(numbers).try_into().unwrap()
}

/// What has come of it, as a set has it.
fn change(has: &mut Set, adds: bool, names: &Set) -> Result<usize, SubscribeError> {
    let before = has.len();
    let after: Set = match adds {
        true => has.union(names).copied().collect(),
        false => has.difference(names).copied().collect(),
    };
    if after.is_empty() {
        return Err(SelectorError::Empty.into());
    }
    *has = after;
    Ok(has.len().abs_diff(before))
}

/// What changes its names: a subscription that pulls, or a member of a lane.
trait Reader {
    fn change(&mut self, adds: bool, names: Names) -> Result<usize, SubscribeError>;
    fn selector(&self) -> Option<Selector>;
    /// All that has come.
    fn read(&mut self) -> Vec<String>;
}

impl Reader for Subscription {
    fn change(&mut self, adds: bool, names: Names) -> Result<usize, SubscribeError> {
        match adds {
            true => self.add(names),
            false => self.remove(names),
        }
    }

    fn selector(&self) -> Option<Selector> {
        self.selector()
    }

    fn read(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        loop {
            match self.try_recv() {
                Ok(event) => found.push(event.topic().to_string()),
                Err(TryRecvError::Empty) => return found,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Another member shares its feed at first.
struct Member {
    lane: Lane,
    id: MemberId,
}

impl Member {
    fn join(hub: &Hub, selector: &Selector) -> Self {
        let mut lane = Lane::new(hub);
        lane.subscribe(selector.clone(), Token(0)).unwrap();
        let id = lane.subscribe(selector.clone(), Token(1)).unwrap();
        Member { lane, id }
    }
}

impl Reader for Member {
    fn change(&mut self, adds: bool, names: Names) -> Result<usize, SubscribeError> {
        match adds {
            true => self.lane.add(self.id, names),
            false => self.lane.remove(self.id, names),
        }
    }

    fn selector(&self) -> Option<Selector> {
        self.lane.selector(self.id)
    }

    fn read(&mut self) -> Vec<String> {
        let mut log = Log::default();
        drain(&mut self.lane, &mut log);
        let events = log.events.into_iter();
        let own = events.filter(|(to, _)| *to == Token(1));
        own.map(|(_, text)| text).collect()
    }
}

proptest! {
    #[test]
    fn names_are_a_set(
        first in prop::collection::btree_set(0..UNIVERSE.len(), 1..4),
        changes in vec(
            (any::<bool>(), prop::collection::btree_set(0..UNIVERSE.len(), 0..6)),
            1..12,
        ),
    ) {
        let hub = Hub::new();
        let mut readers: [Box<dyn Reader>; 2] = [
            Box::new(hub.subscribe(selector(&first)).unwrap()),
            Box::new(Member::join(&hub, &selector(&first))),
        ];
        let mut has = first;
        for (adds, given) in changes {
            // Unread while the names change.
            let before = has.clone();
            for topic in &UNIVERSE[..TOPICS] {
                hub.publish(*topic, *topic).unwrap();
            }
            let expected = change(&mut has, adds, &given);
            let (before, after) = (selector(&before), selector(&has));
            let covered = |topic: &&&str| {
                let topic = Topic::new(**topic).unwrap();
                before.covers(&topic) && after.covers(&topic)
            };
            let unread: Vec<_> = UNIVERSE[..TOPICS].iter().filter(covered).collect();
            for reader in &mut readers {
                prop_assert_eq!(reader.change(adds, names(&given)), expected.clone());
                prop_assert_eq!(reader.selector(), Some(after.clone()));
            }
            for reader in &mut readers {
                prop_assert_eq!(reader.read(), unread.iter().map(|it| **it).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn what_is_too_much_together_is_not_added_at_all() {
    let hub = Hub::new();
    let most = (1..MAX_NAMES).map(|n| format!("t{n}"));
    let most = Selector::topics(most).unwrap();
    let (mut sub, mut member) = (
        hub.subscribe(most.clone()).unwrap(),
        Member::join(&hub, &most),
    );
    let two = || Names::new().topics(["u"]).unwrap().patterns(["u*"]);
    let readers: [&mut dyn Reader; 2] = [&mut sub, &mut member];
    for reader in readers {
        let given = MAX_NAMES + 1;
        let too_many = SelectorError::TooManyNames { given };
        let refused = reader.change(true, two().unwrap());
        assert_eq!(refused, Err(too_many.into()));
        assert_eq!(reader.selector().as_ref(), Some(&most));
        // Of names that are there already there are none too many.
        let known = Names::new().topics(most.named_topics()).unwrap();
        let known_and_one = known.topics(["u"]).unwrap();
        assert_eq!(reader.change(true, known_and_one), Ok(1));
        // More than a selector may have can be named to be taken out.
        let unknown = (0..MAX_NAMES).map(|n| format!("v{n}"));
        let names = Names::new().topics(unknown).unwrap();
        let names = names.topics(["u", "t7"]).unwrap();
        assert_eq!(reader.change(false, names), Ok(2));
    }
    assert_eq!(sub.add(Names::new()), Ok(0));
    assert_eq!(sub.remove(Names::new()), Ok(0));
}

#[test]
fn the_one_that_is_wrong_is_named() {
    let wrong = Names::new().patterns(["fine", "[z-a]"]).unwrap_err();
    assert_eq!(wrong.name(), "[z-a]");
    assert!(matches!(wrong.cause(), SelectorError::Pattern(_)));
    assert!(
        wrong
            .to_string()
            .starts_with("\"[z-a]\": malformed pattern")
    );
    let long = "x".repeat(distributary::MAX_TOPIC_BYTES + 1);
    let wrong = Names::new().topics(["fine", &long]).unwrap_err();
    assert_eq!(wrong.name(), long);
    assert!(matches!(wrong.cause(), SelectorError::Topic(_)));
    let none = Selector::try_from(Names::new());
    assert_eq!(none, Err(SelectorError::Empty));
}
