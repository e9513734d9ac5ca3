//! Errors, as the exceptions that Python's half defines.
//!
//! The engine says what was wrong in its own words; where those words name its Rust API, the
//! message is written anew for the one that Python has.

use distributary::{
    BudgetError, CloseReason, PublishError, ResumeError, ResumeErrorKind, SelectorError,
    SubscribeError, TooManyTopics,
    backplane::{ForwardError, ForwardErrorKind, Name},
    redis::migration::MigrationError,
};
use pyo3::{intern, prelude::*, sync::PyOnceLock, types::PyModule};

use crate::{migration::obstacle, redis};

/// An exception of `distributary.errors`, by its name there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text that is not a topic's name.
    Topic,
    /// A text that is not a pattern.
    Pattern,
    /// A selector that names nothing, or too much.
    Selector,
    /// A filter that is malformed, or that the hub does not take.
    Filter,
    /// The values for a filter's variables.
    Variable,
    /// An option out of its bounds.
    Option,
    /// A payload or an attribute that cannot be published.
    Payload,
    /// A position that is none, or that cannot be resumed from.
    Position,
    /// An event heavier than what the hub may hold.
    TooLarge,
    /// Somebody else reads the subscription.
    Busy,
    /// An address that cannot be listened on.
    Listen,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Topic => "TopicError",
            Kind::Pattern => "PatternError",
            Kind::Selector => "SelectorError",
            Kind::Filter => "FilterError",
            Kind::Variable => "VariableError",
            Kind::Option => "OptionError",
            Kind::Payload => "PayloadError",
            Kind::Position => "PositionError",
            Kind::TooLarge => "TooLarge",
            Kind::Busy => "Busy",
            Kind::Listen => "ListenError",
        }
    }
}

/// The module of the exceptions.
fn module(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    MODULE
        .get_or_try_init(py, || {
            PyModule::import(py, "distributary.errors").map(Bound::unbind)
        })
        .map(|module| module.bind(py))
}

/// An exception of this kind.
pub(crate) fn error(kind: Kind, message: impl std::fmt::Display) -> PyErr {
    let message = message.to_string();
    Python::attach(|py| {
        let made = module(py)
            .and_then(|module| module.getattr(kind.name()))
            .and_then(|class| class.call1((message,)));
        made.map_or_else(|cause| cause, PyErr::from_value)
    })
}

/// Why a subscription is over: the word that Python knows.
pub(crate) fn reason(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::HubClosed => "hub_closed",
        CloseReason::SlowConsumer => "slow_consumer",
        CloseReason::Lost => "lost",
        _ => "failed",
    }
}

/// The end, as an exception: `Closed(reason)`.
pub(crate) fn closed(reason: &str) -> PyErr {
    Python::attach(|py| {
        let made = module(py)
            .and_then(|module| module.getattr(intern!(py, "Closed")))
            .and_then(|class| class.call1((reason,)));
        made.map_or_else(|cause| cause, PyErr::from_value)
    })
}

/// Why an event was not published.
pub(crate) fn publish_error(cause: PublishError) -> PyErr {
    match cause {
        PublishError::TooLarge { weight, budget } => error(
            Kind::TooLarge,
            format_args!(
                "the event weighs {weight} bytes, more than the hub may hold in all ({budget}): publish a reference instead, or raise `memory` of the hub"
            ),
        ),
        PublishError::Closed => closed("hub_closed"),
        cause => error(Kind::Topic, cause),
    }
}

/// Why a subscription was not made, or not changed.
pub(crate) fn subscribe_error(cause: SubscribeError) -> PyErr {
    match cause {
        SubscribeError::Selector(cause) => selector_error(cause),
        SubscribeError::Budget(cause) => budget_error(cause),
        SubscribeError::Resume(cause) => resume_error(&cause),
        SubscribeError::Unindexed { .. } => error(Kind::Filter, cause),
        SubscribeError::NotCarried { reason } => error(Kind::Selector, reason),
        SubscribeError::Ended(why) => closed(reason(why)),
        _ => closed("hub_closed"),
    }
}

/// Why an event did not reach other machines, or may not have, by its name in Python.
pub(crate) fn forward_kind(kind: ForwardErrorKind) -> &'static str {
    match kind {
        ForwardErrorKind::Full => "full",
        ForwardErrorKind::Expired => "expired",
        ForwardErrorKind::Unconfirmed => "unconfirmed",
        ForwardErrorKind::Rejected => "rejected",
        ForwardErrorKind::NotKept => "not_kept",
        ForwardErrorKind::NotReplicated => "not_replicated",
        ForwardErrorKind::Unsupported => "unsupported",
        ForwardErrorKind::Closed => "closed",
        _ => "unknown",
    }
}

/// The same, as an exception: `ForwardError(message, kind)`.
pub(crate) fn forward_error(cause: &ForwardError) -> PyErr {
    let (message, kind) = (cause.to_string(), forward_kind(cause.kind()));
    Python::attach(|py| {
        let made = module(py)
            .and_then(|module| module.getattr(intern!(py, "ForwardError")))
            .and_then(|class| class.call1((message, kind)));
        made.map_or_else(|cause| cause, PyErr::from_value)
    })
}

/// What is in the way of a migration or of a stage, as `distributary.migration` tells it.
pub(crate) fn migration_error(cause: MigrationError) -> PyErr {
    match cause {
        MigrationError::Topic(_) | MigrationError::Reserved { .. } => error(Kind::Topic, cause),
        MigrationError::Nowhere => error(Kind::Option, cause),
        MigrationError::Closed => closed("hub_closed"),
        MigrationError::Redis(cause) => redis::refused(&cause),
        cause => Python::attach(|py| {
            let made = obstacle(py, &cause).and_then(|(kind, message, details)| {
                let module = PyModule::import(py, "distributary.migration")?;
                module.call_method1(intern!(py, "in_the_way"), (message, kind, details))
            });
            made.map_or_else(|cause| cause, PyErr::from_value)
        }),
    }
}

/// What is wrong with names, patterns or a filter.
pub(crate) fn selector_error(cause: SelectorError) -> PyErr {
    let kind = match cause {
        SelectorError::Topic(_) => Kind::Topic,
        SelectorError::Pattern(_) => Kind::Pattern,
        SelectorError::Filter(_) => Kind::Filter,
        _ => Kind::Selector,
    };
    error(kind, cause)
}

/// What is wrong with a selector for this pattern.
pub(crate) fn pattern_error(pattern: &str, cause: SelectorError) -> PyErr {
    match cause {
        SelectorError::Pattern(cause) => error(Kind::Pattern, format_args!("{pattern:?}: {cause}")),
        cause => selector_error(cause),
    }
}

/// Why a topic is not counted by itself.
pub(crate) fn count_error(cause: TooManyTopics) -> PyErr {
    let limit = cause.limit;
    error(
        Kind::Option,
        format_args!(
            "{limit} topics are counted by themselves, and the hub takes no more: uncount one, or raise `topic_counters` of the hub"
        ),
    )
}

/// What is wrong with a budget.
pub(crate) fn budget_error(cause: BudgetError) -> PyErr {
    error(Kind::Option, cause)
}

fn resume_error(cause: &ResumeError) -> PyErr {
    let (topic, position) = (cause.topic(), cause.position());
    let why = match cause.kind() {
        ResumeErrorKind::NoHistory => {
            "the topic keeps no history; give it some with `history` of the hub"
        }
        ResumeErrorKind::NotSelected => {
            "the subscription does not name the topic, or names more than one position says; give `from_` as a dict, a position for each topic"
        }
        _ => return error(Kind::Position, cause),
    };
    error(
        Kind::Position,
        format_args!("cannot resume {topic:?} after {position}: {why}"),
    )
}

/// Names that are not heard from other machines, as an exception: `NotHeard(names)`.
pub(crate) fn refused(names: &[Name]) -> PyErr {
    let names: Vec<&str> = names.iter().map(Name::as_str).collect();
    Python::attach(|py| {
        let made = module(py)
            .and_then(|module| module.getattr(intern!(py, "NotHeard")))
            .and_then(|class| class.call1((names,)));
        made.map_or_else(|cause| cause, PyErr::from_value)
    })
}
