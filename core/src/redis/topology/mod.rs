//! Where the servers are: which connections there must be, and which name belongs to
//! which.
//!
//! | file | its job |
//! |---|---|
//! | `address` | where a server is, as another one tells it |
//! | `council` | who the master is, by the word of the sentinels |
//! | `slots` | which node of a cluster owns which slot |
//! | `refresh` | when to ask for the slots again |
//! | `redirect` | what a node says when a command was not for it |
//! | `plan` | connections to be opened, names to be joined where, successions |
//!
//! All of it is pure: it reads replies and answers in steps; others connect and wait.

mod address;
mod council;
mod plan;
mod redirect;
mod refresh;
mod slots;

#[cfg(test)]
mod recorded;

pub(crate) use council::{Council, EVENTS, Verdict, colleagues, master, switched};
pub(crate) use plan::{LinkId, Plan, Shape, Step};
pub(crate) use redirect::Redirect;
pub(crate) use refresh::Refresh;
pub(crate) use slots::{Slot, SlotMap, field};
