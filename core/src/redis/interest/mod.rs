//! What this hub wants to hear on one connection, and what it hears.
//!
//! | file | its job |
//! |---|---|
//! | `ledger` | every name, whether it is wanted and how far it has come; what to ask for next |
//! | `table` | the names themselves, small, with counts that are always true |
//! | `queues` | where names stand in line, and until when |
//! | `batches` | names into commands: few enough for a server to answer in one go |
//! | `carriers` | of several subscriptions that bring one event, the one that counts |
//! | `audit` | the server's own count of our subscriptions beside ours |
//!
//! Nothing here knows a socket or a clock: the conductor asks [`Ledger::next`] what to
//! send, and tells what came of it.

mod audit;
mod batches;
mod carriers;
mod ledger;
mod queues;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use audit::{Held, Verdict};
pub(crate) use batches::Step;
pub(crate) use ledger::{Confirmation, Ledger, Mark, Refusal};
