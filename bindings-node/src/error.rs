//! Errors with a code that JavaScript can ask for.
//!
//! The engine says what was wrong in its own words; where those words name its Rust API,
//! the message is written anew for the one that JavaScript has.

use distributary::{
    BudgetError, PublishError, ResumeError, ResumeErrorKind, SelectorError, SubscribeError,
};

/// What becomes the `code` of the error that JavaScript sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// A text that is not a topic's name.
    BadTopic,
    /// A text that is not a pattern.
    BadPattern,
    /// A selector that names nothing, or too much.
    BadSelector,
    /// A filter that is malformed, or that the hub does not take.
    BadFilter,
    /// The values for a filter's variables.
    BadVariable,
    /// An option out of its bounds.
    BadOption,
    /// A payload or an attribute that cannot be published.
    BadPayload,
    /// A text that is not a position.
    BadPosition,
    /// A position that cannot be resumed from.
    Position,
    /// An event heavier than what the hub may hold.
    TooLarge,
    /// As many topics are counted as the hub was made for.
    TooMany,
    /// An address that cannot be listened on.
    Listen,
    /// The system refused something.
    System,
    /// Use after the end.
    Closed,
    /// A hub that is not there any more.
    NoHub,
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        match self {
            Code::BadTopic => "ERR_BAD_TOPIC",
            Code::BadPattern => "ERR_BAD_PATTERN",
            Code::BadSelector => "ERR_BAD_SELECTOR",
            Code::BadFilter => "ERR_BAD_FILTER",
            Code::BadVariable => "ERR_BAD_VARIABLE",
            Code::BadOption => "ERR_BAD_OPTION",
            Code::BadPayload => "ERR_BAD_PAYLOAD",
            Code::BadPosition => "ERR_BAD_POSITION",
            Code::Position => "ERR_POSITION",
            Code::TooLarge => "ERR_TOO_LARGE",
            Code::TooMany => "ERR_TOO_MANY",
            Code::Listen => "ERR_LISTEN",
            Code::System => "ERR_SYSTEM",
            Code::Closed => "ERR_CLOSED",
            Code::NoHub => "ERR_NO_HUB",
        }
    }
}

/// A result whose error has a code.
pub(crate) type Result<T> = std::result::Result<T, napi::Error<Code>>;

/// Says it in the words of the engine.
pub(crate) fn error(code: Code, reason: impl std::fmt::Display) -> napi::Error<Code> {
    napi::Error::new(code, reason.to_string())
}

/// Why an event was not published.
pub(crate) fn publish_error(cause: PublishError) -> napi::Error<Code> {
    match cause {
        PublishError::Topic(cause) => error(Code::BadTopic, cause),
        PublishError::TooLarge { weight, budget } => error(
            Code::TooLarge,
            format_args!(
                "the event weighs {weight} bytes, more than the hub may hold in all ({budget}): publish a reference instead, or raise the option `bytes` of the hub"
            ),
        ),
        PublishError::Closed => closed(),
        cause => error(Code::BadTopic, cause),
    }
}

/// Why a subscription was not made, or not changed.
pub(crate) fn subscribe_error(cause: SubscribeError) -> napi::Error<Code> {
    match cause {
        SubscribeError::Selector(cause) => selector_error(cause),
        SubscribeError::Budget(cause) => budget_error(cause),
        SubscribeError::Resume(cause) => resume_error(&cause),
        SubscribeError::Unindexed { .. } => error(Code::BadFilter, cause),
        SubscribeError::Closed | SubscribeError::LaneGone => closed(),
        SubscribeError::NotCarried { reason } => error(Code::BadSelector, reason),
        SubscribeError::NoMember => {
            error(Code::Closed, "the subscription has ended: subscribe anew")
        }
        cause => error(Code::Closed, cause),
    }
}

/// What is wrong with names, patterns or a filter.
pub(crate) fn selector_error(cause: SelectorError) -> napi::Error<Code> {
    let code = match cause {
        SelectorError::Topic(_) => Code::BadTopic,
        SelectorError::Pattern(_) => Code::BadPattern,
        SelectorError::Filter(_) => Code::BadFilter,
        _ => Code::BadSelector,
    };
    error(code, cause)
}

/// What is wrong with a selector for this pattern.
pub(crate) fn pattern_error(pattern: &str, cause: SelectorError) -> napi::Error<Code> {
    match cause {
        SelectorError::Pattern(cause) => {
            error(Code::BadPattern, format_args!("{pattern:?}: {cause}"))
        }
        cause => selector_error(cause),
    }
}

/// What is wrong with a budget.
pub(crate) fn budget_error(cause: BudgetError) -> napi::Error<Code> {
    error(Code::BadOption, cause)
}

fn resume_error(cause: &ResumeError) -> napi::Error<Code> {
    let (topic, position) = (cause.topic(), cause.position());
    let why = match cause.kind() {
        ResumeErrorKind::NoHistory => {
            "the topic keeps no history; give it some with the option `history` of the hub"
        }
        ResumeErrorKind::NotSelected => {
            "the subscription does not name the topic, or names more than one position says; give `from` as an object, a position for each topic"
        }
        _ => return error(Code::Position, cause),
    };
    error(
        Code::Position,
        format_args!("cannot resume {topic:?} after {position}: {why}"),
    )
}

/// The hub is closed.
pub(crate) fn closed() -> napi::Error<Code> {
    error(Code::Closed, "the hub is closed: make a new one")
}
