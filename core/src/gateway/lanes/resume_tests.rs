//! What a client gets of several server-made subscriptions that cover one topic, over
//! connections that are cut anywhere.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use proptest::prelude::*;
use serde_json::Value;

use super::{
    command::Speech,
    numbers,
    rig::{Line, arrival, shard, silent},
    shard::Shard,
    tests::{Got, read},
};
use crate::{
    event::Position,
    feed::Budget,
    gateway::{limits::Limits, verdict::Accept},
    hub::{Hub, SubscribeOptions},
    predicate::Filter,
    selector::Selector,
};

/// A hub that keeps everything, and one client whose connection can be cut.
struct Fixture {
    hub: Hub,
    shard: Shard<Line>,
    speech: Speech,
    place: u32,
    line: Line,
}

impl Fixture {
    fn new(speech: Speech) -> Self {
        let keep = Budget::default().events(100_000).unwrap();
        let hub = Hub::builder().history("*", keep).unwrap();
        let hub = hub.build().unwrap();
        // A topic that nobody has published to is forgotten with its last subscriber, and
        // with it where it stood.
        for topic in ["a", "b"] {
            hub.publish(topic, "").unwrap();
        }
        Fixture {
            shard: shard(&hub, silent(), Limits::default()),
            hub,
            speech,
            place: 0,
            line: Line::default(),
        }
    }

    fn connect(&mut self, selectors: &[Selector], resume: Option<String>) {
        let mut accept = Accept::new(());
        let all = Budget::default().events(100_000).unwrap();
        for selector in selectors {
            let options = SubscribeOptions::new().budget(all);
            accept = accept.subscribe_with(selector.clone(), options);
        }
        self.line = Line::default();
        self.place = self.shard.reserve();
        self.shard.inbox.count_in();
        let mut arrival = arrival(self.line.clone(), self.speech, accept);
        arrival.resume = resume;
        self.shard.arrive(self.place, arrival);
    }

    fn publish(&self, topic: &str, n: usize, kind: &str) {
        let payload = format!(r#"{{"n":{n},"kind":"{kind}"}}"#);
        self.hub.publish(topic, payload).unwrap();
    }

    fn settle(&mut self) {
        self.shard.go_on();
        while self.shard.turn() {
            self.shard.go_on();
        }
    }

    fn room(&mut self, room: Option<usize>) {
        self.line.0.borrow_mut().room = room;
        self.shard.ready(self.place, false, true, false);
    }

    /// Cuts the line, and gives what came over it.
    fn cut(&mut self) -> Vec<u8> {
        let sent = {
            let mut ends = self.line.0.borrow_mut();
            ends.broken = true;
            std::mem::take(&mut ends.sent)
        };
        self.shard.ready(self.place, true, true, false);
        self.settle();
        sent
    }

    fn messages(sent: &[u8]) -> Vec<Value> {
        let message = |got| match got {
            Got::Message(bytes) => serde_json::from_slice(&bytes).ok(),
            Got::Control(..) => None,
        };
        read(sent).into_iter().filter_map(message).collect()
    }
}

fn of_kind(topics: &[&str], kind: &str) -> Selector {
    let filter = Filter::parse(&format!(r#"{{"kind":["{kind}"]}}"#));
    Selector::topics(topics).unwrap().filter(filter.unwrap())
}

/// Both cover `a` and share nothing there; the last one has all of it once more.
fn selectors() -> [Selector; 3] {
    let all = Selector::topic("a").unwrap();
    [of_kind(&["a"], "x"), of_kind(&["a", "b"], "y"), all]
}

/// A client of the JSON protocol as `PROTOCOL.md` tells its authors to write it.
#[derive(Default)]
struct Client {
    grant: Option<String>,
    awaited: u64,
    shown: Option<String>,
    /// By id and topic.
    stands: BTreeMap<u64, BTreeMap<String, Position>>,
    /// Numbers of events by id, in the order in which they came.
    got: BTreeMap<u64, Vec<u64>>,
}

impl Client {
    fn hear(&mut self, message: &Value) {
        let id = message["id"].as_u64();
        let position = |value: &Value| value.as_str().unwrap().parse::<Position>().unwrap();
        match message["type"].as_str().unwrap() {
            "welcome" => {
                let grant = message["grant"].as_str().map(str::to_owned);
                if grant != self.grant {
                    self.stands.clear();
                }
                self.grant = grant;
                self.awaited = message["subscriptions"].as_u64().unwrap();
            }
            "subscribed" => {
                let stands = self.stands.entry(id.unwrap()).or_default();
                for (topic, at) in message["at"].as_object().unwrap() {
                    let (topic, at) = (topic.clone(), position(at));
                    let stood = stands.entry(topic).or_insert(at);
                    stood.offset = stood.offset.max(at.offset);
                }
            }
            "event" => {
                let (id, at) = (id.unwrap(), position(&message["position"]));
                let topic = message["topic"].as_str().unwrap().to_owned();
                let stood = self.stands.get_mut(&id).unwrap().entry(topic).or_insert(at);
                if stood.offset < at.offset {
                    *stood = at;
                    let got = self.got.entry(id).or_default();
                    got.push(message["data"]["n"].as_u64().unwrap());
                }
            }
            _ => panic!("{message}"),
        }
    }

    fn from(&mut self) -> Option<String> {
        if (self.stands.len() as u64) < self.awaited {
            return self.shown.clone();
        }
        let mut least = BTreeMap::<&String, Position>::new();
        for (topic, at) in self.stands.values().flatten() {
            let stood = least.entry(topic).or_insert(*at);
            if at.offset.cmp(&stood.offset) == Ordering::Less {
                *stood = *at;
            }
        }
        let pairs = least.iter().map(|(topic, at)| format!("{topic}={at}"));
        let shown = pairs.collect::<Vec<_>>().join(",");
        self.shown = (!shown.is_empty()).then_some(shown);
        self.shown.clone()
    }
}

#[test]
fn each_subscription_is_announced_with_a_number_and_a_place() {
    let mut f = Fixture::new(Speech::Json);
    f.publish("a", 0, "x");
    f.connect(&selectors(), None);
    let sent = f.cut();
    let texts = Fixture::messages(&sent);
    assert_eq!(texts[0]["subscriptions"], 3);
    let ids: Vec<_> = texts[1..].iter().map(|text| text["id"].as_u64()).collect();
    let numbers = [0, 1, 2].map(|nth| Some(u64::from(numbers::of_the_server(nth))));
    assert_eq!(ids, numbers);
    let topics = |text: &Value| text["at"].as_object().unwrap().len();
    let topics: Vec<_> = texts[1..].iter().map(topics).collect();
    assert_eq!(topics, [1, 2, 1]);

    // Where it resumes is said as well; who cannot resume is told so, and nobody else.
    let at = texts[1]["at"]["a"].as_str().unwrap();
    f.publish("a", 1, "x");
    f.connect(&selectors(), Some(format!("a={at}")));
    let again = Fixture::messages(&f.cut());
    assert_eq!(again[0]["grant"], texts[0]["grant"]);
    let types: Vec<_> = again[1..].iter().map(|text| &text["type"]).collect();
    assert_eq!(types, ["subscribed", "subscribed", "lagged", "subscribed"]);
    assert_eq!(again[3]["id"], u32::MAX);
    assert_eq!(again[1]["at"]["a"], at);
    f.connect(&selectors()[..2], None);
    assert_ne!(Fixture::messages(&f.cut())[0]["grant"], texts[0]["grant"]);
}

#[test]
fn a_slow_server_made_subscription_ends_the_connection_whatever_its_number() {
    let mut f = Fixture::new(Speech::Json);
    let few = SubscribeOptions::new()
        .overflow(crate::Overflow::Disconnect)
        .budget(Budget::default().events(2).unwrap());
    let accept = Accept::new(())
        .subscribe(Selector::topic("a").unwrap())
        .subscribe_with(Selector::topic("b").unwrap(), few);
    f.place = f.shard.reserve();
    f.shard.inbox.count_in();
    f.shard
        .arrive(f.place, arrival(f.line.clone(), f.speech, accept));
    f.room(Some(0));
    for n in 0..10 {
        f.publish("b", n, "x");
        f.settle();
    }
    f.room(None);
    f.settle();
    let last = read(&f.line.0.borrow().sent).pop();
    assert!(matches!(last, Some(Got::Control(8, why)) if why[..2] == 1013u16.to_be_bytes()));
    assert_eq!(f.hub.stats().subscriptions, 0);
}

/// What happens to a client: it goes through all of it, and then takes everything.
#[derive(Debug, Clone)]
enum Step {
    Publish(&'static str, &'static str),
    Room(usize),
    Settle,
    Cut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let topic = prop::sample::select(vec!["a", "a", "b"]);
    let kind = prop::sample::select(vec!["x", "y", "y", "y"]);
    let step = prop_oneof![
        6 => (topic, kind).prop_map(|(topic, kind)| Step::Publish(topic, kind)),
        3 => (0usize..1_000).prop_map(Step::Room),
        2 => Just(Step::Settle),
        1 => Just(Step::Cut),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_client_of_the_json_protocol_gets_each_event_once_per_subscription(
        steps in steps(),
        reorders in any::<bool>(),
    ) {
        let mut f = Fixture::new(Speech::Json);
        // Those that share nothing show what an id loses when it stands for another one.
        let mut selectors = selectors()[..if reorders { 2 } else { 3 }].to_vec();
        f.connect(&selectors, None);
        let (mut client, mut expected) = (Client::default(), BTreeMap::<u64, Vec<u64>>::new());
        let mut come_back = |f: &mut Fixture, selectors: &[Selector]| {
            for message in Fixture::messages(&f.cut()) {
                client.hear(&message);
            }
            let from = client.from();
            f.connect(selectors, from);
            client.got.clone()
        };
        // The first one says where everything begins.
        come_back(&mut f, &selectors);
        for (n, step) in (0u64..).zip(steps) {
            match step {
                Step::Publish(topic, kind) => {
                    f.publish(topic, n as usize, kind);
                    let admit = [topic == "a" && kind == "x", kind == "y", topic == "a"];
                    let admit = admit.iter().take(selectors.len()).enumerate();
                    for (nth, _) in admit.filter(|(_, admits)| **admits) {
                        let id = u64::from(numbers::of_the_server(nth));
                        expected.entry(id).or_default().push(n);
                    }
                }
                Step::Room(room) => f.room(Some(room)),
                Step::Settle => f.settle(),
                Step::Cut => {
                    if reorders {
                        selectors.rotate_left(1);
                    }
                    come_back(&mut f, &selectors);
                }
            }
        }
        f.settle();
        f.room(None);
        f.settle();
        let got = come_back(&mut f, &selectors);
        if reorders {
            // What an id stands for has changed, so some came again; but all came.
            let all = |of: &BTreeMap<u64, Vec<u64>>| -> BTreeSet<u64> {
                of.values().flatten().copied().collect()
            };
            prop_assert_eq!(all(&got), all(&expected));
        } else {
            for (id, expected) in &mut expected {
                // In order within a topic.
                let mut got = got.get(id).cloned().unwrap_or_default();
                got.sort_unstable();
                prop_assert_eq!(&got, expected, "of {}", id);
            }
        }
    }

    #[test]
    fn a_client_of_server_sent_events_misses_nothing(steps in steps()) {
        let mut f = Fixture::new(Speech::Sse);
        let selectors = &selectors()[..2];
        f.connect(selectors, None);
        let (mut last, mut got, mut expected) = (None, BTreeSet::new(), BTreeSet::new());
        let mut come_back = |f: &mut Fixture| {
            let sent = String::from_utf8(f.cut()).unwrap();
            let whole = sent.rfind("\n\n").map_or(0, |end| end + 2);
            let mut data = None;
            for line in sent[..whole].lines() {
                assert!(!line.starts_with("event:"), "{line}");
                if let Some(id) = line.strip_prefix("id: ") {
                    last = Some(id.to_owned());
                } else if let Some(text) = line.strip_prefix("data: ") {
                    data = Some(serde_json::from_str::<Value>(text).unwrap());
                } else if line.is_empty() && let Some(data) = data.take() {
                    got.insert(data["n"].as_u64().unwrap());
                }
            }
            f.connect(selectors, last.clone());
            got.clone()
        };
        come_back(&mut f);
        for (n, step) in (0u64..).zip(steps) {
            match step {
                Step::Publish(topic, kind) => {
                    f.publish(topic, n as usize, kind);
                    if topic == "a" || kind == "y" {
                        expected.insert(n);
                    }
                }
                Step::Room(room) => f.room(Some(room)),
                Step::Settle => f.settle(),
                Step::Cut => _ = come_back(&mut f),
            }
        }
        f.settle();
        f.room(None);
        f.settle();
        prop_assert_eq!(come_back(&mut f), expected);
    }
}
