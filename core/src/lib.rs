//! Distributary takes one event and brings it to every subscriber who asked for it,
//! and to nobody else, without copying it and without making anybody wait for anybody.
//!
//! Start with a [`Hub`]. What an event goes through, in order:
//!
//! | step | where |
//! |---|---|
//! | published, routed, appended, announced | [`Hub::publish`] |
//! | selected | [`Selector`], [`Pattern`], [`Filter`] |
//! | held | feeds: one bounded log per selector, see [`Budget`] and [`Overflow`] |
//! | read | [`Subscription`] by tasks and threads, [`Lane`] by event loops, [`Executor`] by callbacks |
//!
//! Applications that keep queues of their own and only ask who wants something use a [`Matcher`].
//!
//! The engine owns no runtime and, until one is needed, no thread.

#![cfg_attr(loom, allow(dead_code, unused_imports, unreachable_pub))]

// Under `--cfg loom` only what hands events over between threads is built, and the
// models that check it.
mod event;
mod feed;
mod fields;
mod metrics;
mod sync;
mod topic;
mod wake;

#[cfg(not(loom))]
pub mod backplane;
#[cfg(not(loom))]
mod clock;
#[cfg(all(feature = "gateway", not(loom)))]
pub mod gateway;
#[cfg(not(loom))]
mod hub;
#[cfg(not(loom))]
mod index;
#[cfg(not(loom))]
mod lane;
#[cfg(not(loom))]
mod matcher;
#[cfg(not(loom))]
mod pattern;
#[cfg(not(loom))]
mod predicate;
#[cfg(all(feature = "redis", not(loom)))]
pub mod redis;
#[cfg(not(loom))]
mod selector;
#[cfg(not(loom))]
mod slab;
#[cfg(not(loom))]
mod subscription;

#[cfg(loom)]
mod backplane {
    mod notes;
}
#[cfg(loom)]
mod lane {
    mod gate;
}

pub use bytes::Bytes;
pub use event::{Event, Position, PositionError, Publication};
pub use feed::{Budget, BudgetError, Overflow};
pub use fields::{Attributes, NotJson, Number, Path, PathId, Value, ValueRef};
#[cfg(not(loom))]
pub use hub::{
    BuildError, Delivery, Hub, HubBuilder, PublishError, PublishWaitError, Resume, ResumeError,
    ResumeErrorKind, SubscribeError, SubscribeOptions, TooManyTopics, Waking,
};
#[cfg(not(loom))]
pub use index::{Access, Explanation, Probe};
#[cfg(not(loom))]
pub use lane::{
    Executor, Flow, Item, Lane, Listener, MemberId, Remote, Sink, SliceLimits, Token, Turn,
};
#[cfg(not(loom))]
pub use matcher::{MatchId, Matcher};
pub use metrics::{DurationHistogram, ShareHistogram, Stats, TopicStats};
#[cfg(not(loom))]
pub use pattern::{MAX_PATTERN_BYTES, Pattern, PatternError, PatternErrorKind};
#[cfg(not(loom))]
pub use predicate::{
    BindError, Comparand, Field, Filter, FilterError, Predicate, Template, Var, Variable,
    Variables, field, var,
};
#[cfg(not(loom))]
pub use selector::{MAX_NAMES, Selector, SelectorError};
#[cfg(not(loom))]
pub use subscription::{Batch, CloseReason, Lagged, RecvError, Subscription, TryRecvError};
pub use topic::{MAX_TOPIC_BYTES, Topic, TopicError};

#[cfg(all(feature = "fuzzing", not(loom)))]
#[doc(hidden)]
pub mod fuzzing;

/// The examples of the README are compiled with those of the documentation.
#[cfg(all(doctest, feature = "gateway", feature = "redis"))]
#[doc = include_str!("../../README.md")]
struct Readme;
