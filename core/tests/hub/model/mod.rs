//! The whole hub against a naive model, over random lives of subscriptions.
//!
//! The hub runs in one thread with slices of a few deliveries, so everything it does
//! is determined: each event read, each count told, each number reported must be what
//! [`naive`] says. One thing is left open: while a lane is in the middle of a large
//! event, those it has not come to yet may be given what has been pushed out since.

mod check;
mod naive;
mod run;

use distributary::Overflow;
use proptest::prelude::*;

use naive::{FILTERS, Fields, Form, PATTERNS, TOPICS};
use run::Run;

/// What a subscription asks for. Sets are given as bits.
#[derive(Debug, Clone)]
struct Want {
    topics: u8,
    patterns: u8,
    filter: usize,
    overflow: Overflow,
    events: usize,
    bytes: usize,
    /// Come back from so many events ago, where topics keep history.
    resume: Option<usize>,
}

/// A change of the names that a subscription asks for.
#[derive(Debug, Clone, Copy)]
enum Change {
    AddTopic(usize),
    RemoveTopic(usize),
    AddPattern(usize),
    RemovePattern(usize),
}

/// One step. `usize` choices are taken modulo what is alive.
#[derive(Debug, Clone)]
enum Op {
    Publish {
        topic: usize,
        fields: Fields,
        key: Option<u8>,
        size: usize,
    },
    Subscribe(Want),
    Unsubscribe(usize),
    TryRecv(usize, usize),
    Batch(usize, usize),
    /// Polls once and leaves the waker there.
    Park(usize),
    Rename(usize, Change),
    Join {
        lane: usize,
        remote: bool,
        want: Want,
    },
    /// Joins another's lane and asks for the same.
    JoinLike(usize),
    Leave {
        member: usize,
        remote: bool,
    },
    /// The member's sink takes so many events of its next delivery, and no more.
    WillStall(usize, usize),
    WillClose(usize),
    RenameMember(usize, Change),
    Resume {
        member: usize,
        remote: bool,
    },
    Turn(usize, usize),
    Drain(usize),
    Stats,
    Close,
}

fn fields() -> impl Strategy<Value = Fields> {
    let form = prop_oneof![
        4 => Just(Form::Json),
        2 => Just(Form::Attributes),
        1 => Just(Form::Broken),
    ];
    (0..5_i64, any::<bool>(), any::<bool>(), form).prop_map(|(id, x, tagged, form)| Fields {
        id,
        x,
        tagged,
        form,
    })
}

fn want() -> impl Strategy<Value = Want> {
    let names = prop_oneof![
        // Few names in most, so that equal selectors are found.
        4 => (0..TOPICS.len()).prop_map(|topic| (1 << topic, 0)),
        2 => (0..PATTERNS.len()).prop_map(|pattern| (0, 1 << pattern)),
        2 => (any::<u8>(), 0..1_u8 << PATTERNS.len()),
    ];
    let filter = prop_oneof![3 => Just(0), 2 => 0..FILTERS.len()];
    let overflow = prop_oneof![
        3 => Just(Overflow::DropOldest),
        2 => Just(Overflow::DropNewest),
        2 => Just(Overflow::Disconnect),
        3 => Just(Overflow::KeepLatest),
    ];
    let events = prop_oneof![Just(1), Just(3), Just(1_000)];
    let bytes = prop_oneof![3 => Just(1 << 20), 1 => Just(700)];
    let resume = prop_oneof![3 => Just(None), 2 => (0..6_usize).prop_map(Some)];
    (names, filter, overflow, events, bytes, resume).prop_map(
        |((topics, patterns), filter, overflow, events, bytes, resume)| {
            // No name at all is another test's matter.
            let topics = topics & ((1 << TOPICS.len()) - 1);
            let topics = if topics == 0 && patterns == 0 {
                1
            } else {
                topics
            };
            Want {
                topics,
                patterns,
                filter,
                overflow,
                events,
                bytes,
                resume,
            }
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0..TOPICS.len()).prop_map(Change::AddTopic),
        (0..TOPICS.len()).prop_map(Change::RemoveTopic),
        (0..PATTERNS.len()).prop_map(Change::AddPattern),
        (0..PATTERNS.len()).prop_map(Change::RemovePattern),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let which = any::<usize>;
    let key = prop_oneof![1 => Just(None), 2 => (0..3_u8).prop_map(Some)];
    let size = prop_oneof![4 => Just(0_usize), 2 => 0..400_usize, 1 => Just(600_usize)];
    prop_oneof![
        16 => (0..TOPICS.len(), fields(), key, size)
            .prop_map(|(topic, fields, key, size)| Op::Publish { topic, fields, key, size }),
        5 => want().prop_map(Op::Subscribe),
        2 => which().prop_map(Op::Unsubscribe),
        5 => (which(), 1..6_usize).prop_map(|(sub, times)| Op::TryRecv(sub, times)),
        3 => (which(), 0..5_usize).prop_map(|(sub, max)| Op::Batch(sub, max)),
        2 => which().prop_map(Op::Park),
        4 => (which(), change()).prop_map(|(sub, change)| Op::Rename(sub, change)),
        5 => (which(), any::<bool>(), want())
            .prop_map(|(lane, remote, want)| Op::Join { lane, remote, want }),
        4 => which().prop_map(Op::JoinLike),
        2 => (which(), any::<bool>()).prop_map(|(member, remote)| Op::Leave { member, remote }),
        3 => (which(), 0..4_usize).prop_map(|(member, taken)| Op::WillStall(member, taken)),
        1 => which().prop_map(Op::WillClose),
        4 => (which(), change()).prop_map(|(member, change)| Op::RenameMember(member, change)),
        3 => (which(), any::<bool>()).prop_map(|(member, remote)| Op::Resume { member, remote }),
        6 => (which(), 1..4_usize).prop_map(|(lane, turns)| Op::Turn(lane, turns)),
        3 => which().prop_map(Op::Drain),
        2 => Just(Op::Stats),
        // Not often, for little happens after it.
        1 => prop_oneof![9 => Just(Op::Stats), 1 => Just(Op::Close)],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 600,
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_hub_does_what_the_naive_model_says(
        ops in prop::collection::vec(op(), 1..80),
        slice in 1..6_usize,
    ) {
        let mut run = Run::new(slice);
        for op in ops {
            run.step(op);
        }
        run.end();
    }
}
