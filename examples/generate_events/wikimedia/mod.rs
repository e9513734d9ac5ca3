//! Wikimedia's EventStreams: the `recentchange` stream of all wikis.
//!
//! Each wiki is a topic, `recentchange:<wiki>`.

mod changes;
mod comment;
mod entity;
mod sites;

pub(crate) use changes::RecentChanges;
pub(crate) use entity::RecentChange;
