//! The log beside a channel: what is published in replay and durable mode, numbered.

pub(crate) mod repair;
