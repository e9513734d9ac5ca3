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
//! The engine owns no runtime and, until one is needed, no thread.

mod clock;
mod event;
mod feed;
mod fields;
mod hub;
mod index;
mod lane;
mod metrics;
mod pattern;
mod predicate;
mod selector;
mod subscription;
mod sync;
mod topic;
mod wake;

pub use event::{Event, Position, PositionError, Publication};
pub use feed::{Budget, BudgetError, Overflow};
pub use fields::{Attributes, NotJson, Number, Path, PathId, Value, ValueRef};
pub use hub::{
    BuildError, Delivery, Hub, HubBuilder, PublishError, PublishWaitError, Resume, ResumeError,
    ResumeErrorKind, SubscribeError, SubscribeOptions, TooManyTopics, Waking,
};
pub use index::{Access, Explanation, Probe};
pub use lane::{
    Executor, Flow, Item, Lane, Listener, MemberId, Remote, Sink, SliceLimits, Token, Turn,
};
pub use metrics::{DurationHistogram, ShareHistogram, Stats, TopicStats};
pub use pattern::{MAX_PATTERN_BYTES, Pattern, PatternError, PatternErrorKind};
pub use predicate::{
    BindError, Comparand, Field, Filter, FilterError, Predicate, Template, Var, Variable,
    Variables, field, var,
};
pub use selector::{MAX_NAMES, Selector, SelectorError};
pub use subscription::{Batch, CloseReason, Lagged, RecvError, Subscription, TryRecvError};
pub use topic::{MAX_TOPIC_BYTES, Topic, TopicError};

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
