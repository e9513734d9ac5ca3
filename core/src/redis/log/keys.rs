//! The names of a log's keys.
//!
//! In a cluster a script's keys and the channel it publishes to live in one slot, so the
//! slot of every key must be the slot of the channel. A name's slot is the hash of what
//! stands between its first `{` and the `}` after it, or of the whole name if that is
//! nothing. Hence three shapes:
//!
//! | channel | key | hashed |
//! |---|---|---|
//! | `news` (no `}`) | `distributary:log:{news}` | `news` |
//! | `user:{42}:edits` (has a tag) | `distributary:log=user:{42}:edits` | `42` |
//! | `a}b`, `{}x` (a `}`, and no tag) | `distributary:log#{g3}a}b` | `g3`, which has the slot of `a}b` |
//!
//! The mark after the kind (`:`, `=`, `#`) tells them apart: no two channels share a key,
//! and [`channel_of`] reads the channel back.

use std::sync::LazyLock;

use redis_protocol::redis_keyslot;

/// The slots of a cluster.
const SLOTS: usize = 16_384;

/// What a stream's key begins with, before its mark.
const LOG: &str = "distributary:log";

/// A glob that matches every stream: for `SCAN MATCH`. What it finds is asked with
/// [`channel_of`].
pub(crate) const ANY_LOG: &str = "distributary:log[:=#]*";

/// The keys of one publisher in one channel's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    /// The stream.
    pub(crate) log: String,
    /// The hash of number and lineage.
    pub(crate) head: String,
    /// The publisher's newest number.
    pub(crate) from: String,
}

impl Keys {
    /// Of a channel, for a publisher.
    pub(crate) fn new(channel: &str, publisher: u64) -> Keys {
        Keys {
            log: log(channel),
            head: head(channel),
            from: key(&format!("distributary:from:{publisher:016x}"), channel),
        }
    }
}

/// The stream of a channel's log.
pub(crate) fn log(channel: &str) -> String {
    key(LOG, channel)
}

/// The hash beside it.
pub(crate) fn head(channel: &str) -> String {
    key("distributary:head", channel)
}

/// The channel whose stream this key is, if it is one.
pub(crate) fn channel_of(key: &str) -> Option<&str> {
    let rest = key.strip_prefix(LOG)?;
    let channel = match rest.as_bytes().first()? {
        b':' => rest[1..].strip_prefix('{')?.strip_suffix('}')?,
        b'=' => &rest[1..],
        b'#' => rest[1..].strip_prefix('{')?.split_once('}')?.1,
        _ => return None,
    };
    // A key that somebody else made may look alike.
    (!channel.is_empty() && log(channel) == key).then_some(channel)
}

fn key(kind: &str, channel: &str) -> String {
    if !channel.contains('}') {
        format!("{kind}:{{{channel}}}")
    } else if has_tag(channel) {
        format!("{kind}={channel}")
    } else {
        let tag = tag_for(redis_keyslot(channel.as_bytes()));
        format!("{kind}#{{{tag}}}{channel}")
    }
}

/// Whether a part of the name is hashed in place of the whole.
fn has_tag(channel: &str) -> bool {
    channel
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .is_some_and(|(tag, _)| !tag.is_empty())
}

/// A short text of a slot.
fn tag_for(slot: u16) -> String {
    /// The smallest number whose hexadecimal text has the slot. Made when the first
    /// channel with such a name appears: few have one.
    static TAGS: LazyLock<Vec<u32>> = LazyLock::new(|| {
        let mut tags = vec![u32::MAX; SLOTS];
        let mut missing = SLOTS;
        let mut number = 0;
        while missing > 0 {
            let tag = &mut tags[usize::from(redis_keyslot(format!("{number:x}").as_bytes()))];
            if *tag == u32::MAX {
                *tag = number;
                missing -= 1;
            }
            number += 1;
        }
        tags
    });
    format!("{:x}", TAGS[usize::from(slot) % SLOTS])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Pattern;

    #[test]
    fn each_shape_is_as_documented() {
        assert_eq!(log("news"), "distributary:log:{news}");
        assert_eq!(log("a{b"), "distributary:log:{a{b}");
        assert_eq!(log("user:{42}:e"), "distributary:log=user:{42}:e");
        assert_eq!(
            Keys::new("news", 0xab).from,
            "distributary:from:00000000000000ab:{news}"
        );
        assert!(log("{}x").starts_with("distributary:log#{"));
        for foreign in [
            "distributary:log",
            "distributary:log:news",
            "distributary:log:{a}b}",
            "distributary:log={}",
            "distributary:log#{zz}a}b",
            "distributary:log:{}",
            "distributary:head:{news}",
            "distributary:logé",
        ] {
            assert_eq!(channel_of(foreign), None, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn a_key_has_the_slot_of_its_channel_and_no_other_channel(
            channel in "[a{}: é]{1,8}|[a-z.{}]{1,40}",
            other in "[a{}: é]{1,8}",
        ) {
            let slot = redis_keyslot(channel.as_bytes());
            let keys = Keys::new(&channel, 7);
            for key in [&keys.log, &keys.head, &keys.from] {
                prop_assert_eq!(redis_keyslot(key.as_bytes()), slot, "{}", key);
            }
            prop_assert_eq!(channel_of(&keys.log), Some(channel.as_str()));
            prop_assert_eq!(channel == other, keys == Keys::new(&other, 7));
        }

        #[test]
        fn the_log_of_every_channel_is_found(channel in "[ab{}é]{1,6}") {
            let any = Pattern::new(ANY_LOG).unwrap();
            prop_assert!(any.matches(&log(&channel)));
            prop_assert!(!any.matches(&head(&channel)));
        }
    }
}
