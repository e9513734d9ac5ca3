//! A right that publishing turned out to lack, until it is there.
//!
//! What is about a command holds for all events of its kind, and is over when one of them
//! goes through. What is about a channel or a key holds for one topic, which may never be
//! published again: so it is forgotten after a while as well.

use std::time::{Duration, Instant};

use super::parcel::Parcel;
use crate::topic::Topic;

/// For how long it is said that one topic is refused.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The latest of them.
#[derive(Debug)]
pub(super) struct Denial<L> {
    pub(super) link: L,
    topic: Topic,
    logged: bool,
    words: String,
    at: Instant,
}

impl<L: Copy + Eq> Denial<L> {
    /// If a server's words are about rights.
    pub(super) fn of(link: L, parcel: &Parcel, words: &str, now: Instant) -> Option<Self> {
        is_about_rights(words).then(|| Denial {
            link,
            topic: parcel.topic().clone(),
            logged: parcel.way.is_logged(),
            words: words.to_owned(),
            at: now,
        })
    }

    /// Whether it is over once this event went through.
    pub(super) fn ends_with(&self, link: L, parcel: &Parcel) -> bool {
        let is_kind = self.link == link && self.logged == parcel.way.is_logged();
        is_kind && (is_about_command(&self.words) || self.topic == *parcel.topic())
    }

    /// For people, while it matters.
    pub(super) fn text(&self, now: Instant) -> Option<String> {
        let (topic, words) = (self.topic.as_str(), &self.words);
        if is_about_command(words) {
            return Some(format!("events are refused: {words}"));
        }
        let is_recent = now.saturating_duration_since(self.at) < REMEMBERED;
        is_recent.then(|| format!("events of {topic:?} are refused: {words}"))
    }
}

/// Scripts have words of their own for it, which differ by version.
fn is_about_rights(words: &str) -> bool {
    words.starts_with("NOPERM")
        || words.contains("ACL failure in script")
        || words.contains("The user executing the script can't")
}

fn is_about_command(words: &str) -> bool {
    words.contains("to run the '") || words.contains("can't run this command")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_told_from_other_refusals_and_commands_from_names() {
        for (words, rights, command) in [
            (
                "NOPERM User app has no permissions to run the 'publish' command",
                true,
                true,
            ),
            (
                "NOPERM this user has no permissions to run the 'publish' command or its subcommand",
                true,
                true,
            ),
            (
                "ERR ACL failure in script: User app has no permissions to run the 'xadd' command",
                true,
                true,
            ),
            (
                "ERR The user executing the script can't run this command or subcommand script",
                true,
                true,
            ),
            ("NOPERM No permissions to access a channel", true, false),
            (
                "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments script",
                true,
                false,
            ),
            (
                "OOM command not allowed when used memory > 'maxmemory'",
                false,
                false,
            ),
        ] {
            assert_eq!(
                (is_about_rights(words), is_about_command(words)),
                (rights, command),
                "{words}"
            );
        }
    }
}
