//! How much a feed holds, and what gives way when it is full.

use std::{fmt, time::Duration};

/// What happens to a subscription that does not keep up with its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// The oldest unread events give way; the subscription is told how many it
    /// missed, then goes on with what is left.
    #[default]
    DropOldest,
    /// What is held stays, newer events are refused until there is room. The count
    /// of the refused is told where they would have stood.
    ///
    /// What is refused depends on the reader, so each such subscription has a log of its
    /// own: an append and up to a budget of entries for each, where others share.
    DropNewest,
    /// The subscription is closed with
    /// [`CloseReason::SlowConsumer`](crate::CloseReason::SlowConsumer), and what still
    /// waits for it is given up. A lane closes it at its next turn; a subscription that
    /// pulls is closed when it next reads. So it is where a
    /// [backplane](crate::backplane::Inlet::lost) has lost events of it, however well it
    /// kept up, with [`CloseReason::Lost`](crate::CloseReason::Lost).
    Disconnect,
    /// A newer event replaces an unread one with the same conflation key; events
    /// without a key are all kept. When even the latest ones exceed the budget, the
    /// oldest give way as under `DropOldest`. What had been replaced before one that is lost
    /// counts as missed with it: the number told is then the most that it can be.
    KeepLatest,
}

/// How much may wait for a subscription, by number, bytes and age.
///
/// ```
/// use distributary::Budget;
/// use std::time::Duration;
///
/// let budget = Budget::default().events(100)?.bytes(1 << 20)?.age(Duration::from_secs(30))?;
/// assert!(Budget::default().events(0).is_err());
/// # Ok::<(), distributary::BudgetError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub struct Budget {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    /// Nanoseconds; `u64::MAX` is no bound.
    pub(crate) age: u64,
}

impl Default for Budget {
    /// 1,024 events, 64 MiB, any age.
    fn default() -> Self {
        Budget {
            events: 1_024,
            bytes: 64 << 20,
            age: u64::MAX,
        }
    }
}

impl Budget {
    /// The most events a budget can name.
    pub const MAX_EVENTS: usize = 1 << 24;

    /// Sets the number of events that may wait.
    ///
    /// # Errors
    /// When it is 0 or more than [`Budget::MAX_EVENTS`].
    pub fn events(mut self, events: usize) -> Result<Self, BudgetError> {
        if !(1..=Self::MAX_EVENTS).contains(&events) {
            return Err(BudgetError::Events { given: events });
        }
        self.events = events;
        Ok(self)
    }

    /// Sets the bytes that may wait, counted as [`Event::weight`](crate::Event::weight).
    ///
    /// # Errors
    /// When it is 0.
    pub fn bytes(mut self, bytes: usize) -> Result<Self, BudgetError> {
        if bytes == 0 {
            return Err(BudgetError::Bytes);
        }
        self.bytes = bytes;
        Ok(self)
    }

    /// Sets the age at which an unread event is dropped as stale: when its feed is next
    /// appended to or read.
    ///
    /// # Errors
    /// When it is zero.
    pub fn age(mut self, age: Duration) -> Result<Self, BudgetError> {
        if age.is_zero() {
            return Err(BudgetError::Age);
        }
        self.age = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        Ok(self)
    }
}

/// A budget as data: for whoever reads it from a file, a client or another language, and
/// leaves out what is to be as elsewhere.
///
/// ```
/// use distributary::{Budget, BudgetOptions};
///
/// let few = BudgetOptions { events: Some(10), ..BudgetOptions::default() };
/// let all = Budget::default().bytes(1 << 20)?;
/// assert_eq!(few.over(all)?, all.events(10)?);
/// # Ok::<(), distributary::BudgetError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BudgetOptions {
    /// As [`Budget::events`].
    pub events: Option<usize>,
    /// As [`Budget::bytes`].
    pub bytes: Option<usize>,
    /// As [`Budget::age`].
    pub age: Option<Duration>,
}

impl BudgetOptions {
    /// What is said here, and `rest` where nothing is said.
    ///
    /// # Errors
    /// When a part cannot be, as [`Budget`] has it.
    pub fn over(self, rest: Budget) -> Result<Budget, BudgetError> {
        let mut budget = rest;
        if let Some(events) = self.events {
            budget = budget.events(events)?;
        }
        if let Some(bytes) = self.bytes {
            budget = budget.bytes(bytes)?;
        }
        if let Some(age) = self.age {
            budget = budget.age(age)?;
        }
        Ok(budget)
    }
}

impl From<Budget> for BudgetOptions {
    /// All of it: over whatever, it is this budget.
    fn from(budget: Budget) -> Self {
        BudgetOptions {
            events: Some(budget.events),
            bytes: Some(budget.bytes),
            age: Some(Duration::from_nanos(budget.age)),
        }
    }
}

/// A budget that admits nothing, or more than can be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BudgetError {
    /// The number of events was 0 or beyond [`Budget::MAX_EVENTS`].
    Events {
        /// What was given.
        given: usize,
    },
    /// The byte budget was 0.
    Bytes,
    /// The age was zero.
    Age,
}

impl fmt::Display for BudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BudgetError::Events { given } => write!(
                f,
                "a budget of {given} events: give 1 to {} of them",
                Budget::MAX_EVENTS
            ),
            BudgetError::Bytes => {
                f.write_str("a budget of 0 bytes would admit nothing: give at least 1")
            }
            BudgetError::Age => {
                f.write_str("a budget of age 0 would admit nothing: give a longer age, or none")
            }
        }
    }
}

impl std::error::Error for BudgetError {}

/// What one feed goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Limits {
    pub(crate) overflow: Overflow,
    pub(crate) budget: Budget,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_the_rest() {
        let second = Duration::from_secs(1);
        let rest = Budget::default().events(7).unwrap().bytes(70).unwrap();
        let rest = rest.age(second).unwrap();
        let said = BudgetOptions::default();
        assert_eq!(said.over(rest), Ok(rest));
        assert_eq!(
            BudgetOptions {
                bytes: Some(9),
                ..said
            }
            .over(rest),
            rest.bytes(9)
        );
        for all in [rest, Budget::default()] {
            assert_eq!(BudgetOptions::from(all).over(rest), Ok(all));
            assert_eq!(BudgetOptions::from(all).over(Budget::default()), Ok(all));
        }
        let wrong = [
            (
                BudgetOptions {
                    events: Some(0),
                    ..said
                },
                BudgetError::Events { given: 0 },
            ),
            (
                BudgetOptions {
                    bytes: Some(0),
                    ..said
                },
                BudgetError::Bytes,
            ),
            (
                BudgetOptions {
                    age: Some(Duration::ZERO),
                    ..said
                },
                BudgetError::Age,
            ),
        ];
        for (said, why) in wrong {
            assert_eq!(said.over(rest), Err(why));
        }
    }
}
