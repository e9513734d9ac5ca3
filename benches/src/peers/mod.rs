//! The peers: how a server does without this crate.

pub(crate) mod broadcast;
pub(crate) mod registry;
pub(crate) mod scan;
