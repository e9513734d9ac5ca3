//! Single calls, one by one, with criterion's statistics: what does this call cost?
//!
//! `cargo bench -p distributary-benches`. The comparison with peers is the other
//! program of this package.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use distributary::{
    Attributes, CloseReason, Event, Filter, Flow, Hub, Lane, Publication, Selector, Sink, Template,
    Token, Variables, fuzzing::IndexOfFilters,
};

const FILTERS: usize = 100_000;

/// Takes everything and does nothing with it.
struct Discard;

impl Sink for Discard {
    fn deliver(&mut self, _to: Token, events: &[Event]) -> Flow {
        black_box(events);
        Flow::Taken
    }

    fn lagged(&mut self, _to: Token, _missed: u64) -> Flow {
        Flow::Taken
    }

    fn closed(&mut self, _to: Token, _reason: CloseReason) {}
}

fn template() -> Template {
    Template::parse(r#"{"id": [{"$var": "id"}]}"#).expect("the pattern is one")
}

fn filter(template: &Template, id: usize) -> Filter {
    let variables = Variables::new().with("id", id as i64);
    template.bind(&variables).expect("the variable is bound")
}

/// How long does the index take to find one of 100,000 equalities?
fn matching(criterion: &mut Criterion) {
    let template = template();
    let mut index = IndexOfFilters::new();
    for id in 0..FILTERS {
        index.insert(id, filter(&template, id));
    }
    let mut group = criterion.benchmark_group("match one of 100,000");
    let mut number = 0;
    group.bench_function("from attributes", |bencher| {
        bencher.iter(|| {
            number = (number + 7_919) % FILTERS;
            let event = Attributes::new().with("id", number as i64);
            index.for_each_match(&event, |found| {
                black_box(found);
            });
        });
    });
    let filter = filter(&template, 42);
    let payload = format!(r#"{{"text":"{}","id":42}}"#, "x".repeat(1_000));
    group.bench_function("one filter from 1 KB of JSON", |bencher| {
        bencher.iter(|| filter.matches_json(black_box(payload.as_bytes())));
    });
    group.finish();
}

/// How long does the publisher wait for `publish` to return?
fn publishing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish");
    let payload = Bytes::from_static(b"event");
    let nobody = Hub::new();
    group.bench_function("to a topic that nobody knows", |bencher| {
        bencher.iter(|| nobody.publish("topic", payload.clone()));
    });
    for members in [10, 100_000] {
        let hub = Hub::new();
        let mut lane = Lane::new(&hub);
        for token in 0..members {
            let joined = lane.subscribe("topic", Token(token));
            joined.expect("the topic is one");
        }
        group.bench_function(format!("to {members} of one lane"), |bencher| {
            let drain = || while lane.turn(&mut Discard).more {};
            bencher.iter_batched(
                drain,
                |()| hub.publish("topic", payload.clone()),
                BatchSize::NumIterations(256),
            );
        });
    }
    group.bench_function("with an attribute, to one of 100,000 filters", |bencher| {
        let hub = Hub::new();
        let template = template();
        let mut lane = Lane::new(&hub);
        for id in 0..FILTERS {
            let topic = Selector::topic("documents").expect("the topic is one");
            let joined = lane.subscribe(topic.filter(filter(&template, id)), Token(id as u64));
            joined.expect("the hub is open");
        }
        let mut number = 0;
        let event = || {
            while lane.turn(&mut Discard).more {}
            number = (number + 7_919) % FILTERS;
            Publication::new("documents", payload.clone()).attribute("id", number as i64)
        };
        bencher.iter_batched(
            event,
            |event| hub.publish_event(event),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// How long does a reader take for the event that is there?
fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    let hub = Hub::new();
    let mut subscription = hub.subscribe("topic").expect("the topic is one");
    let payload = Bytes::from_static(b"event");
    group.bench_function("try_recv, an event", |bencher| {
        let publish = || hub.publish("topic", payload.clone());
        bencher.iter_batched(
            publish,
            |_| subscription.try_recv(),
            BatchSize::NumIterations(256),
        );
    });
    let mut idle = hub.subscribe("idle").expect("the topic is one");
    group.bench_function("try_recv, nothing", |bencher| {
        bencher.iter(|| idle.try_recv())
    });
    group.finish();
}

/// How long do a join and a leave take together?
fn joining(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("join and leave");
    let hub = Hub::new();
    let _others = hub.subscribe("topic").expect("the topic is one");
    group.bench_function("a shared feed", |bencher| {
        bencher.iter(|| hub.subscribe("topic"))
    });
    let template = template();
    group.bench_function("a filter of its own", |bencher| {
        bencher.iter(|| {
            let topic = Selector::topic("topic").expect("the topic is one");
            hub.subscribe(topic.filter(filter(&template, 42)))
        });
    });
    group.finish();
}

criterion_group!(calls, matching, publishing, reading, joining);
criterion_main!(calls);
