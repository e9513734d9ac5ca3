//! When to connect, and what to do then: decisions, and no socket.
//!
//! | file | its job |
//! |---|---|
//! | `machine` | the states of one link, as a function of inputs and time |
//! | `pace` | how long to wait before the next attempt, and the budget of the process |

mod machine;
mod pace;

pub(crate) use machine::{Action, Input, Machine, State, Timing};
pub(crate) use pace::{Budget, LONE, spread};
