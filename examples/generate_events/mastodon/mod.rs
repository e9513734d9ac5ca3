//! A Mastodon server's streaming API: who posts, what, and on which topics.
//!
//! Format: Mastodon 4.4, as an anonymous client of the stream sees it (no
//! `favourited`, `muted` and the like, which are per reader).

mod accounts;
mod attachments;
mod entity;
mod timeline;

#[cfg(test)]
pub(crate) use accounts::{TIDEWATCH_ID, TIDEWATCH_TOPIC};
pub(crate) use entity::{Delete, Notification, Status};
pub(crate) use timeline::Timeline;

/// The server whose stream this is; all others are remote to it.
const LOCAL: &str = "harbour.example";

/// `109/300/311/974/412/290`: how files of an id are stored.
fn file_path(id: u64) -> String {
    let digits = format!("{id:018}");
    [0, 3, 6, 9, 12, 15].map(|at| &digits[at..at + 3]).join("/")
}
